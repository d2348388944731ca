/* SPDX-License-Identifier: MIT */
/*
 * Two children that move the same bytes over and over between files in memory: one by read and write, one by sendfile. The first
 * must be called a bounce and nothing else, the second the kernel's own. Nothing of it is on a disk or in the network.
 */
#include "selftest.h"
#include "escape.h"
#include "privilege.h"
#include "symbol.h"
#include "verdict.h"

#include "cmd.h"
#include "out.h"

#include <leat.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIECE (64 << 10)
#define PIECES 16
#define ENOUGH 20	/* writes that are seen of each; one burst of ptrace sees more */
#define PATIENCE_S 15	/* a burst a second, and a machine that is busy besides */

struct program {
	const char *what;
	void (*move)(int from, int to, uint8_t *buffer);
	enum verdict verdict;
	pid_t pid;
};

/* ---- The children ---------------------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) void carry_by_hand(int from, int to, uint8_t *buffer)
{
	ssize_t n = read(from, buffer, PIECE);

	if (n > 0 && write(to, buffer, (size_t)n) != n)
		_exit(1);
}

static void send_by_kernel(int from, int to, uint8_t *buffer)
{
	if (sendfile(to, from, NULL, PIECE) < 0)
		_exit(1);
}

/* No two pieces alike, and nothing constant: so that equal bytes prove something. */
static int fill(int fd, uint8_t *buffer)
{
	uint64_t state = 0x9e3779b97f4a7c15;

	for (int piece = 0; piece < PIECES; piece++) {
		for (size_t i = 0; i < PIECE; i += sizeof state) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			memcpy(buffer + i, &state, sizeof state);
		}
		if (write(fd, buffer, PIECE) != PIECE)
			return -1;
	}
	return 0;
}

/* Until it is killed, or its parent ends. */
static void live(const struct program *program, pid_t parent)
{
	static uint8_t buffer[PIECE];
	const struct timespec pause = { .tv_nsec = 1000000 };
	int from = memfd_create("self-test-source", MFD_CLOEXEC), to = memfd_create("self-test-sink", MFD_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	privilege_keep_from_command();
	prctl(PR_SET_DUMPABLE, 1);	/* as a stranger's program of the same user would be */
	if (from < 0 || to < 0 || getppid() != parent || fill(from, buffer))
		_exit(1);
	for (;;) {
		if (lseek(from, 0, SEEK_SET) || lseek(to, 0, SEEK_SET))
			_exit(1);
		for (int i = 0; i < PIECES; i++) {
			program->move(from, to, buffer);
			nanosleep(&pause, NULL);
		}
	}
}

static int begin(struct program *program)
{
	pid_t parent = getpid();

	fflush(NULL);
	program->pid = fork();
	if (program->pid == 0)
		live(program, parent);
	return program->pid < 0 ? -errno : 0;
}

static void end(struct program *program)
{
	if (program->pid <= 0)
		return;
	kill(program->pid, SIGKILL);
	while (waitpid(program->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* ---- Watching them --------------------------------------------------------------------------------------------------------- */

static uint64_t writes_of(const struct model *model, pid_t pid)
{
	uint64_t writes = 0;

	for (uint32_t i = 0; i < model->flow_count; i++)
		if (model->flows[i].pid == (uint32_t)pid)
			writes += model->flows[i].writes;
	return writes;
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid;
}

static int watch(struct feed *feed, struct model *model, const struct program programs[2], const volatile sig_atomic_t *stop)
{
	uint64_t end_ns = leat_now_ns() + PATIENCE_S * LEAT_SECOND;
	int state = FEED_GOES_ON, result = 0;

	while (!result && state == FEED_GOES_ON && leat_now_ns() < end_ns && !*stop) {
		state = feed->ops->poll(feed, model, 100);
		result = state < 0 ? state : feed->ops->collect(feed, model);
		if (writes_of(model, programs[0].pid) >= ENOUGH && writes_of(model, programs[1].pid) >= ENOUGH)
			break;
		if (has_ended(programs[0].pid) || has_ended(programs[1].pid))
			break;
	}
	return result;
}

/* Prints what was said of it. Is that all it should be? */
static bool right(const struct model *model, const struct program *program, const char *engine)
{
	const struct finding *said = NULL;
	bool other = false;
	char name[200], verdict[400] = "nothing was seen of it";

	for (uint32_t i = 0; i < model->flow_count; i++) {
		const struct flow *flow = &model->flows[i];

		if (flow->pid != (uint32_t)program->pid || !flow->finding)
			continue;
		other |= flow->finding->verdict != program->verdict;
		if (!said || flow->finding->verdict != program->verdict)
			said = flow->finding;
	}
	if (said) {
		const struct frame *at = model_frame(model, said->culprit.site, said->culprit.frame);

		escape_text(name, sizeof name, ESCAPE_TERMINAL, at && at->function ? at->function : "", 60);
		snprintf(verdict, sizeof verdict, "%s, %s%s%s", verdict_name(said->verdict), confidence_name(said->confidence),
			 *name && verdict_loses(said->verdict) ? ", in " : "", verdict_loses(said->verdict) ? name : "");
	}
	printf("%-6s  %-14s  %s: %s\n", engine, program->what, said && !other ? "right" : "WRONG", verdict);
	return said && !other;
}

static int judge(struct model *model, struct symbols *symbols)
{
	int result = symbols_describe(symbols, model);

	return result ? result : verdict_all(model);
}

/* 1: they were told apart; 0: they were not; or -errno of what did not work, with its sentence in error. */
static int try_engine(const struct feed_ops *ops, struct program programs[2], const volatile sig_atomic_t *stop,
		      struct feed_error *error)
{
	pid_t pids[] = { programs[0].pid, programs[1].pid };
	struct feed_options options = { .target = { .pids = pids, .pid_count = 2 }, .full = true, .stop = stop,
					.take_stack = symbols_take_stack };
	struct symbols *symbols = NULL;
	struct model model = { 0 };
	struct feed *feed = NULL;
	int result = symbols_open(&symbols), told;

	if (result)
		return result;
	options.take_context = symbols;
	result = ops->open(&feed, &options, error);
	if (!result) {
		result = watch(feed, &model, programs, stop);
		ops->close(feed);
		error->status = EXIT_FAILED;
		if (!result)
			result = judge(&model, symbols);
	}
	if (!result && !*stop) {
		told = right(&model, &programs[0], ops->name);
		told &= right(&model, &programs[1], ops->name);
		result = told;
	}
	model_free(&model);
	symbols_close(symbols);
	return result;
}

int selftest(const struct feed_ops *const *engines, unsigned count, const volatile sig_atomic_t *stop)
{
	struct program programs[2] = {
		{ .what = "read and write", .move = carry_by_hand, .verdict = VERDICT_BOUNCE },
		{ .what = "sendfile", .move = send_by_kernel, .verdict = VERDICT_KERNEL },
	};
	int tried = 0, told = 0, result = begin(&programs[0]);

	if (!result)
		result = begin(&programs[1]);
	for (unsigned i = 0; i < count && !result && !*stop; i++) {
		struct feed_error error = { .status = EXIT_FAILED };
		int one = try_engine(engines[i], programs, stop, &error);

		if (one < 0)
			printf("%-6s  %s: %s\n", engines[i]->name, error.status == EXIT_RIGHTS ? "not to be had" : "FAILED",
			       *error.text ? error.text : strerror(-one));
		if (one >= 0 || error.status != EXIT_RIGHTS)
			tried++;
		told += one > 0;
	}
	end(&programs[0]);
	end(&programs[1]);
	if (result || *stop) {
		out_error("the self-test could not be done: %s", *stop ? "it was interrupted" : strerror(-result));
		return EXIT_FAILED;
	}
	return out_flushed(!tried ? EXIT_RIGHTS : told == tried ? EXIT_OK : EXIT_FAILED);
}
