/* SPDX-License-Identifier: MIT */
/* A child that was taken over may say anything. What is heard of it is checked: nothing of it stays, and the watch goes on. */
#include "check.h"

#include "../../doctor/symbol.h"
#include "../../doctor/symbol_child.h"
#include "../../doctor/symbol_source.h"
#include "../../doctor/symbol_wire.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void (*lie)(int line, const struct wire *query);
static unsigned begun;

/* In the place of doctor/symbol_child.c. */
int symbol_keeper_open(struct symbol_keeper *keeper)
{
	*keeper = (struct symbol_keeper){ .pid = 0 };
	return 0;
}

void symbol_keeper_close(struct symbol_keeper *keeper)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static _Noreturn void be_liar(int line)
{
	static uint8_t tail[1 << 19];
	struct wire query;

	for (;;) {
		size_t bytes = sizeof tail;

		if (wire_receive(line, &query, tail, &bytes, NULL))
			_exit(0);
		lie(line, &query);
	}
}

int symbol_keeper_begin(struct symbol_keeper *keeper)
{
	int pair[2];

	begun++;
	CHECK_CALL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	keeper->child = CHECK_CALL(fork());
	if (!keeper->child) {
		close(pair[0]);
		be_liar(pair[1]);
	}
	close(pair[1]);
	return pair[0];
}

/* ---- Lies ------------------------------------------------------------------------------------------------------------------ */

static void say(int line, struct wire *wire, const char *text)
{
	const char *const texts[WIRE_TEXTS] = { text, text, text };

	wire_send(line, wire, texts, -1);
}

static void opened(int line)
{
	struct wire wire = { .kind = WIRE_PROCESS };

	wire.process.runtime = RUNTIME_C;
	say(line, &wire, "liar");
}

/* The first half of a conversation as it should be. */
static bool open_first(int line, const struct wire *query)
{
	if (query->kind == WIRE_PROCESS)
		opened(line);
	return query->kind == WIRE_PROCESS;
}

static void too_short(int line, const struct wire *query)
{
	send(line, "x", 1, MSG_NOSIGNAL);
}

static void too_long(int line, const struct wire *query)
{
	static char bytes[sizeof(struct wire) + WIRE_TAIL_BYTES + 1];

	send(line, bytes, sizeof bytes, MSG_NOSIGNAL);
}

static void no_such_kind(int line, const struct wire *query)
{
	struct wire wire = { .kind = 77 };

	say(line, &wire, NULL);
}

static void lengths(int line, const struct wire *query)
{
	struct {
		struct wire wire;
		char text[8];
	} message = { .wire = { .kind = WIRE_FRAME, .texts = { 4, 0x80000000, 0x80000004 } } };

	if (!open_first(line, query))
		send(line, &message, sizeof message, MSG_NOSIGNAL);
}

static void no_such_runtime(int line, const struct wire *query)
{
	struct wire wire = { .kind = WIRE_PROCESS };

	wire.process.runtime = RUNTIMES;
	say(line, &wire, NULL);
}

static void no_such_owner(int line, const struct wire *query)
{
	struct wire wire = { .kind = WIRE_FRAME };

	wire.frame.owner = OWNER_SYSTEM + 1;
	if (!open_first(line, query))
		say(line, &wire, NULL);
}

static void no_such_result(int line, const struct wire *query)
{
	struct wire wire = { .kind = WIRE_DONE, .result = 2 };

	if (!open_first(line, query))
		say(line, &wire, NULL);
}

static void frames_without_end(int line, const struct wire *query)
{
	struct wire wire = { .kind = WIRE_FRAME };

	if (open_first(line, query))
		return;
	for (unsigned i = 0; i <= MODEL_FRAMES_MAX; i++)
		say(line, &wire, "frame");
}

static void a_frame_of_a_process(int line, const struct wire *query)
{
	struct wire wire = { .kind = WIRE_FRAME };

	say(line, &wire, NULL);
}

/* What must not be had is refused; the conversation goes on. */
static void asks_for(int line, const struct wire *query, uint32_t what, const char *name)
{
	struct wire wire = { .kind = WIRE_FRAME };
	int fd;

	if (open_first(line, query))
		return;
	fd = wire_ask(line, what, name);
	say(line, &wire, fd >= 0 ? "given" : "refused");
	wire = (struct wire){ .kind = WIRE_DONE };
	wire_send(line, &wire, NULL, -1);
}

static void asks_for_secrets(int line, const struct wire *query)
{
	asks_for(line, query, SOURCE_ELF, "/etc/passwd");
}

static void asks_for_nothing(int line, const struct wire *query)
{
	asks_for(line, query, 99, NULL);
}

static void asks_without_end(int line, const struct wire *query)
{
	if (open_first(line, query))
		return;
	for (unsigned i = 0; i < 100000; i++) {
		int fd = wire_ask(line, SOURCE_ELF, "/is/not/there");

		if (fd == -EPIPE)
			_exit(0);
	}
}

/* Nobody listens to the answers: the doctor must not wait for that. */
static void asks_and_leaves(int line, const struct wire *query)
{
	const char *const texts[WIRE_TEXTS] = { "/is/not/there" };
	struct wire wire = { .kind = WIRE_ASK, .what = SOURCE_ELF };

	for (unsigned i = 0; i < 100000; i++)
		if (wire_send(line, &wire, texts, -1))
			_exit(0);
}

static void ends(int line, const struct wire *query)
{
	_exit(0);
}

/* ---- Cases ----------------------------------------------------------------------------------------------------------------- */

static struct model model;
static struct symbols *symbols;
static uint64_t address = 0x1234;

static const struct site *hear(void (*how)(int line, const struct wire *query))
{
	struct feed_stack stack = { .pid = (uint32_t)getpid(), .tid = (uint32_t)getpid(), .site = 5, .ip = address, .ips = &address,
				    .ip_count = 1 };

	lie = how;
	begun = 0;
	CHECK_EQ(symbols_open(&symbols), 0);
	CHECK_EQ(model_add_site(&model), 0);
	model.sites[0].pid = stack.pid;
	CHECK_EQ(symbols_take_stack(symbols, &model.sites[0], &stack, NULL), 0);
	CHECK_EQ(symbols_describe(symbols, &model), 0);
	return &model.sites[0];
}

static void end(void)
{
	symbols_close(symbols);
	model_free(&model);
}

static void lies(void)
{
	static const struct {
		const char *name;
		void (*how)(int line, const struct wire *query);
	} all[] = {
		{ "too short", too_short }, { "too long", too_long }, { "no such kind", no_such_kind }, { "lengths", lengths },
		{ "no such runtime", no_such_runtime }, { "no such owner", no_such_owner }, { "no such result", no_such_result },
		{ "frames without end", frames_without_end }, { "a frame of a process", a_frame_of_a_process },
		{ "asks without end", asks_without_end }, { "asks and leaves", asks_and_leaves }, { "ends", ends },
	};

	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		const struct site *site;

		test_note(all[i].name);
		site = hear(all[i].how);
		CHECK_EQ(site->frame_count, 0);
		CHECK(site->truncated);
		CHECK_EQ(model.coverage.unnamed, 1);
		CHECK(begun >= 1 && begun <= 2);
		end();
	}
}

static void secrets(void)
{
	CHECK_STR(hear(asks_for_secrets)->frames[0].function, "refused");
	CHECK_EQ(model.coverage.unnamed, 0);
	end();
	CHECK_STR(hear(asks_for_nothing)->frames[0].function, "refused");
	end();
}

static const struct test tests[] = { TEST(lies), TEST(secrets) };
TEST_MAIN(tests)
