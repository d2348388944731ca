/* SPDX-License-Identifier: MIT */
/*
 * plan_make, row by row. What is expected stands here as DESIGN.md has it, written by hand: routes are letters in the order
 * to try (K clone, R copy_file_range, F sendfile, S splice, P splice_pipe, M memory, C copy), and a row's reasons are one
 * letter each for K R F S P M C (see letters).
 */
#include "plan.h"

#include "check.h"

#include <fcntl.h>

#define ALL_ROUTES ((ROUTE_BIT(LEAT_ROUTES) - 1) & ~ROUTE_BIT(LEAT_ROUTE_NONE))
#define OFF(route) ROUTE_BIT(LEAT_ROUTE_##route)

static const char route_letters[] = "-KRFSPMC";

static const struct {
	char letter;
	enum leat_reason reason;
} letters[] = {
	{ '.', LEAT_OK }, { '-', LEAT_NOT_APPLICABLE }, { 'n', LEAT_NEEDS_CONTENT }, { 'c', LEAT_CHANGES_BYTES },
	{ 's', LEAT_OPAQUE_SOURCE }, { 'k', LEAT_OPAQUE_SINK }, { 't', LEAT_TLS_USERSPACE }, { 'a', LEAT_OUT_APPEND },
	{ 'p', LEAT_SRC_PIPE }, { 'g', LEAT_SRC_GENERATED }, { 'f', LEAT_FS_DENIED }, { 'x', LEAT_SANDBOX },
	{ 'v', LEAT_UNSTABLE_SOURCE }, { 'd', LEAT_SINK_DATAGRAM }, { 'u', LEAT_DISABLED_BY_USER },
	{ 'o', LEAT_KERNEL_TOO_OLD },
};

static char letter_of(unsigned reason)
{
	for (unsigned i = 0; i < sizeof letters / sizeof letters[0]; i++)
		if (letters[i].reason == (enum leat_reason)reason)
			return letters[i].letter;
	return '?';
}

/* The plan as text; both buffers have room for one letter a route. */
static int plan_text(const struct plan_query *query, struct plan *plan, char routes[9], char reasons[9])
{
	int result;

	memset(plan, 0xff, sizeof *plan);	/* plan_make has to fill in all of it */
	result = plan_make(query, plan);
	for (int i = 0; i < plan->count && i < 8; i++)
		routes[i] = route_letters[plan->routes[i] & 7];
	routes[plan->count < 8 ? plan->count : 8] = '\0';
	for (int route = LEAT_ROUTE_CLONE; route < LEAT_ROUTES; route++)
		reasons[route - 1] = letter_of(plan->refused[route]);
	reasons[LEAT_ROUTES - 1] = '\0';
	return result;
}

static struct plan_query bare(const struct leat_facts *source, const struct leat_facts *sink)
{
	return (struct plan_query){ .source = source, .sink = sink, .features = ALL_ROUTES, .kernel = KERNEL(5, 3),
				    .sink_own_offset = true };
}

/* ---- every source × every sink, nothing around them ---------------------------------------------------------------- */

static const enum leat_kind sinks[] = {
	LEAT_KIND_FILE, LEAT_KIND_GENERATED, LEAT_KIND_PIPE, LEAT_KIND_TCP, LEAT_KIND_UNIX, LEAT_KIND_STREAM, LEAT_KIND_DATAGRAM,
	LEAT_KIND_BLOCK, LEAT_KIND_DEVICE, LEAT_KIND_TERMINAL, LEAT_KIND_MEMORY, LEAT_KIND_CALLBACK, LEAT_KIND_NOTHING,
};
#define SINKS (sizeof sinks / sizeof sinks[0])

static const struct {
	enum leat_kind from;
	const char *to[SINKS];
} pairs[] = {
	/*                      file     gen  pipe  tcp    unix   stream dgram block  device term   mem  call nothing */
	{ LEAT_KIND_FILE,      { "KRFPC", "C", "SC", "FPC", "FPC", "FPC", "C", "FPC", "FPC", "FPC", "C", "C", "C" } },
	{ LEAT_KIND_BLOCK,     { "FPC",   "C", "SC", "FPC", "FPC", "FPC", "C", "FPC", "FPC", "FPC", "C", "C", "C" } },
	{ LEAT_KIND_PIPE,      { "SC",    "C", "SC", "SC",  "SC",  "SC",  "C", "SC",  "SC",  "SC",  "C", "C", "C" } },
	{ LEAT_KIND_TCP,       { "PC",    "C", "SC", "PC",  "PC",  "PC",  "C", "PC",  "PC",  "PC",  "C", "C", "C" } },
	{ LEAT_KIND_UNIX,      { "PC",    "C", "SC", "PC",  "PC",  "PC",  "C", "PC",  "PC",  "PC",  "C", "C", "C" } },
	{ LEAT_KIND_STREAM,    { "PC",    "C", "SC", "PC",  "PC",  "PC",  "C", "PC",  "PC",  "PC",  "C", "C", "C" } },
	{ LEAT_KIND_GENERATED, { "C",     "C", "C",  "C",   "C",   "C",   "C", "C",   "C",   "C",   "C", "C", "C" } },
	{ LEAT_KIND_DATAGRAM,  { "C",     "C", "C",  "C",   "C",   "C",   "C", "C",   "C",   "C",   "C", "C", "C" } },
	{ LEAT_KIND_DEVICE,    { "C",     "C", "C",  "C",   "C",   "C",   "C", "C",   "C",   "C",   "C", "C", "C" } },
	{ LEAT_KIND_TERMINAL,  { "C",     "C", "C",  "C",   "C",   "C",   "C", "C",   "C",   "C",   "C", "C", "C" } },
	{ LEAT_KIND_CALLBACK,  { "C",     "C", "C",  "C",   "C",   "C",   "C", "C",   "C",   "C",   "C", "C", "C" } },
	{ LEAT_KIND_MEMORY,    { "M",     "M", "M",  "M",   "M",   "M",   "M", "M",   "M",   "M",   "M", "M", "M" } },
};
#define PAIRS (sizeof pairs / sizeof pairs[0])

static bool is_file(enum leat_kind kind)
{
	return kind == LEAT_KIND_FILE || kind == LEAT_KIND_BLOCK;
}

static bool is_stream(enum leat_kind kind)
{
	return kind == LEAT_KIND_TCP || kind == LEAT_KIND_UNIX || kind == LEAT_KIND_STREAM;
}

/* Takes the letters of which out of routes. */
static const char *without(const char *routes, const char *which, char out[9])
{
	size_t n = 0;

	for (; *routes; routes++)
		if (!strchr(which, *routes))
			out[n++] = *routes;
	out[n] = '\0';
	return out;
}

static void check_pair(const struct plan_query *query, int result, const char *expected)
{
	char routes[9], reasons[9], note[96];
	struct plan plan;

	snprintf(note, sizeof note, "%s to %s, policy %d, off %#x", leat_kind_name(query->source->kind),
		 leat_kind_name(query->sink->kind), query->policy, query->routes_off);
	test_note(note);
	CHECK_EQ(plan_text(query, &plan, routes, reasons), result);
	CHECK_STR(routes, expected);
	for (int route = LEAT_ROUTE_CLONE; route < LEAT_ROUTES; route++)	/* planned exactly when nothing refuses */
		CHECK_EQ(plan.refused[route] == LEAT_OK, strchr(routes, route_letters[route]) != NULL);
	test_note("");
}

/* Each pair under every policy, with every route switched off, and with every call missing. */
static void check_around_pair(struct plan_query *query, const char *expected)
{
	bool auto_pair = is_stream(query->source->kind) && is_stream(query->sink->kind);
	const char *user = query->source->kind == LEAT_KIND_MEMORY ? "M" : "C";
	char some[9];
	struct plan plan;

	check_pair(query, 0, expected);
	CHECK_EQ(plan_make(query, &plan), 0);
	CHECK_EQ(plan.begins_with_copy, auto_pair);
	query->policy = LEAT_COPY;
	check_pair(query, 0, user);
	query->policy = LEAT_REQUIRE;
	without(expected, "C", some);
	check_pair(query, *some ? 0 : LEAT_EREFUSED, some);
	plan_make(query, &plan);
	CHECK_EQ(plan.begins_with_copy, 0);
	query->policy = LEAT_AUTO;
	for (int route = LEAT_ROUTE_CLONE; route <= LEAT_ROUTE_SPLICE_PIPE; route++) {
		char gone[2] = { route_letters[route], '\0' };

		query->routes_off = ROUTE_BIT(route);
		check_pair(query, 0, without(expected, gone, some));
		query->routes_off = 0;
		query->features = ALL_ROUTES & ~ROUTE_BIT(route);
		check_pair(query, 0, without(expected, gone, some));
		query->features = ALL_ROUTES;
	}
}

static void every_pair_has_its_routes(void)
{
	for (unsigned i = 0; i < PAIRS; i++) {
		for (unsigned j = 0; j < SINKS; j++) {
			struct leat_facts from = { .kind = (uint8_t)pairs[i].from }, to = { .kind = (uint8_t)sinks[j] };
			struct plan_query query = bare(&from, &to);
			char some[9];

			query.framed = sinks[j] == LEAT_KIND_DATAGRAM;
			check_around_pair(&query, pairs[i].to[j]);
			/* With an offset of its own a file sink cannot be sent to by sendfile (invariant 9). */
			query.sink_own_offset = false;
			check_pair(&query, 0, without(pairs[i].to[j], is_file(sinks[j]) ? "F" : "", some));
		}
	}
}

/* Content and change: nothing but copy, or memory when it is in memory already; and always with the wrapper's name. */
static void content_leaves_copy_and_memory_only(void)
{
	for (unsigned i = 0; i < PAIRS * SINKS * 2; i++) {
		struct leat_facts from = { .kind = (uint8_t)pairs[i / 2 / SINKS].from };
		struct leat_facts to = { .kind = (uint8_t)sinks[i / 2 % SINKS] };
		struct plan_query query = bare(&from, &to);
		struct plan plan;

		query.framed = true;
		*(i % 2 ? &query.content : &query.change) = "mine";
		check_pair(&query, 0, from.kind == LEAT_KIND_MEMORY ? "M" : "C");
		CHECK_EQ(plan_make(&query, &plan), 0);
		CHECK_EQ(plan.begins_with_copy, 0);
		for (int route = 0; route < LEAT_ROUTES; route++) {
			bool named = plan.refused[route] == LEAT_NEEDS_CONTENT || plan.refused[route] == LEAT_CHANGES_BYTES;

			CHECK_STR(plan.refused_by[route] ? plan.refused_by[route] : "", named ? "mine" : "");
		}
	}
}

/* ---- rows: what stands around the ends, and why ---------------------------------------------------------------------- */

static const struct row {
	const char *name;
	enum leat_kind from, to;
	const char *routes, *reasons;	/* reasons of K R F S P M C */
	int result;
	enum leat_policy policy;
	uint32_t off, missing;
	const char *content, *change;
	bool kernel_tee, explicit_offset, stable, unframed;
	uint32_t fs_magic, open_flags, kernel;
	enum leat_reason source_reason, sink_reason;
} rows[] = {
	{ "file to file", LEAT_KIND_FILE, LEAT_KIND_FILE, "KRFPC", "...-.-." },
	{ "file to a place in a file", LEAT_KIND_FILE, LEAT_KIND_FILE, "KRPC", "..--.-.", .explicit_offset = true },
	{ "file to tcp", LEAT_KIND_FILE, LEAT_KIND_TCP, "FPC", "--.-.-." },
	{ "file to pipe", LEAT_KIND_FILE, LEAT_KIND_PIPE, "SC", "---.--." },
	{ "pipe to tcp", LEAT_KIND_PIPE, LEAT_KIND_TCP, "SC", "--p.--." },
	{ "pipe to memory", LEAT_KIND_PIPE, LEAT_KIND_MEMORY, "C", "--p---." },
	{ "tcp to tcp", LEAT_KIND_TCP, LEAT_KIND_TCP, "PC", "----.-." },
	{ "procfs to tcp", LEAT_KIND_GENERATED, LEAT_KIND_TCP, "C", "ggggg-." },
	{ "terminal to file", LEAT_KIND_TERMINAL, LEAT_KIND_FILE, "C", "ggggg-." },
	{ "memory to tcp", LEAT_KIND_MEMORY, LEAT_KIND_TCP, "M", "-----.-" },
	{ "callback to tcp", LEAT_KIND_CALLBACK, LEAT_KIND_TCP, "C", "sssss-." },
	{ "tls to file", LEAT_KIND_CALLBACK, LEAT_KIND_FILE, "C", "ttttt-.", .source_reason = LEAT_TLS_USERSPACE },
	{ "file to callback", LEAT_KIND_FILE, LEAT_KIND_CALLBACK, "C", "kkkkk-." },
	{ "file to tls", LEAT_KIND_FILE, LEAT_KIND_CALLBACK, "C", "ttttt-.", .sink_reason = LEAT_TLS_USERSPACE },
	{ "callback to callback: the source speaks", LEAT_KIND_CALLBACK, LEAT_KIND_CALLBACK, "C", "sssss-.",
	  .sink_reason = LEAT_TLS_USERSPACE },
	{ "memory to tls", LEAT_KIND_MEMORY, LEAT_KIND_CALLBACK, "M", "ttttt.-", .sink_reason = LEAT_TLS_USERSPACE },

	{ "unframed datagram", LEAT_KIND_FILE, LEAT_KIND_DATAGRAM, NULL, "ddddd-.", LEAT_EDATAGRAM, .unframed = true },
	{ "unframed datagram from memory", LEAT_KIND_MEMORY, LEAT_KIND_DATAGRAM, NULL, "ddddd.-", LEAT_EDATAGRAM,
	  .unframed = true },
	{ "framed datagram", LEAT_KIND_FILE, LEAT_KIND_DATAGRAM, "C", "ddddd-." },
	{ "framed datagram under require", LEAT_KIND_FILE, LEAT_KIND_DATAGRAM, "", "ddddd-u", LEAT_EREFUSED, LEAT_REQUIRE },

	{ "copy asked for", LEAT_KIND_FILE, LEAT_KIND_FILE, "C", "uuu-u-.", .policy = LEAT_COPY },
	{ "copy asked for, from memory", LEAT_KIND_MEMORY, LEAT_KIND_FILE, "M", "-----.-", .policy = LEAT_COPY },
	{ "require", LEAT_KIND_FILE, LEAT_KIND_TCP, "FP", "--.-.-u", .policy = LEAT_REQUIRE },
	{ "require from memory", LEAT_KIND_MEMORY, LEAT_KIND_TCP, "M", "-----.-", .policy = LEAT_REQUIRE },
	{ "require, and a hash", LEAT_KIND_FILE, LEAT_KIND_TCP, "", "--n-n-u", LEAT_EREFUSED, LEAT_REQUIRE, .content = "hash" },
	{ "require, and a callback", LEAT_KIND_CALLBACK, LEAT_KIND_TCP, "", "sssss-u", LEAT_EREFUSED, LEAT_REQUIRE },
	{ "require, and all off", LEAT_KIND_FILE, LEAT_KIND_TCP, "", "--u-u-u", LEAT_EREFUSED, LEAT_REQUIRE,
	  OFF(SENDFILE) | OFF(SPLICE_PIPE) },

	{ "sendfile off", LEAT_KIND_FILE, LEAT_KIND_TCP, "PC", "--u-.-.", .off = OFF(SENDFILE) },
	{ "all off", LEAT_KIND_FILE, LEAT_KIND_FILE, "C", "uuu-u-.", .off = ALL_ROUTES },
	{ "memory cannot be off", LEAT_KIND_MEMORY, LEAT_KIND_TCP, "M", "-----.-", .off = ALL_ROUTES },
	{ "no sendfile here", LEAT_KIND_FILE, LEAT_KIND_TCP, "PC", "--x-.-.", .missing = OFF(SENDFILE) },
	{ "a sandbox", LEAT_KIND_FILE, LEAT_KIND_FILE, "C", "xxx-x-.", .missing = ALL_ROUTES },

	{ "an old kernel", LEAT_KIND_FILE, LEAT_KIND_FILE, "KFPC", ".o.-.-.", .kernel = KERNEL(5, 2) },
	{ "a very old kernel", LEAT_KIND_FILE, LEAT_KIND_FILE, "KFPC", ".o.-.-.", .kernel = KERNEL(4, 19) },
	{ "the first kernel that does it right", LEAT_KIND_FILE, LEAT_KIND_FILE, "KRFPC", "...-.-.", .kernel = KERNEL(5, 3) },
	{ "a sandbox on an old kernel", LEAT_KIND_FILE, LEAT_KIND_FILE, "C", "xxx-x-.", .missing = ALL_ROUTES,
	  .kernel = KERNEL(5, 2) },
	{ "an old kernel, file to tcp", LEAT_KIND_FILE, LEAT_KIND_TCP, "FPC", "--.-.-.", .kernel = KERNEL(5, 2) },

	{ "hash", LEAT_KIND_FILE, LEAT_KIND_FILE, "C", "nnn-n-.", .content = "hash" },
	{ "hash of memory", LEAT_KIND_MEMORY, LEAT_KIND_TCP, "M", "-----.-", .content = "hash" },
	{ "gzip", LEAT_KIND_FILE, LEAT_KIND_TCP, "C", "--c-c-.", .change = "gzip" },
	{ "gzip and hash: the changer speaks", LEAT_KIND_FILE, LEAT_KIND_TCP, "C", "--c-c-.", .content = "hash",
	  .change = "gzip" },
	{ "hash of procfs: the source speaks", LEAT_KIND_GENERATED, LEAT_KIND_TCP, "C", "ggggg-.", .content = "hash" },
	{ "hash speaks before a switch", LEAT_KIND_FILE, LEAT_KIND_TCP, "C", "--n-n-.", .content = "hash", .off = ALL_ROUTES },
	{ "tee by the kernel", LEAT_KIND_TCP, LEAT_KIND_TCP, "PC", "----.-.", .content = "tee", .kernel_tee = true },
	{ "tee by the kernel needs a pipe of ours", LEAT_KIND_TCP, LEAT_KIND_PIPE, "C", "---n--.", .content = "tee",
	  .kernel_tee = true },
	{ "tee by the kernel, but gzip too", LEAT_KIND_TCP, LEAT_KIND_TCP, "C", "----c-.", .content = "tee", .change = "gzip",
	  .kernel_tee = true },

	{ "append to a file", LEAT_KIND_FILE, LEAT_KIND_FILE, "C", "aaa-a-.", .open_flags = O_APPEND },
	{ "append a stream to a file", LEAT_KIND_TCP, LEAT_KIND_FILE, "C", "----a-.", .open_flags = O_APPEND },
	{ "append a pipe to a file", LEAT_KIND_PIPE, LEAT_KIND_FILE, "C", "--pa--.", .open_flags = O_APPEND },
	{ "append memory to a file", LEAT_KIND_MEMORY, LEAT_KIND_FILE, "M", "-----.-", .open_flags = O_APPEND },
	{ "a terminal opened for append", LEAT_KIND_FILE, LEAT_KIND_TERMINAL, "C", "--a-a-.", .open_flags = O_APPEND },
	{ "a socket with the append flag", LEAT_KIND_FILE, LEAT_KIND_TCP, "C", "--a-a-.", .open_flags = O_APPEND },
	{ "a pipe takes no notice of append", LEAT_KIND_FILE, LEAT_KIND_PIPE, "SC", "---.--.", .open_flags = O_APPEND },

	{ "stable bytes to tcp", LEAT_KIND_FILE, LEAT_KIND_TCP, "C", "--v-v-.", .stable = true },
	{ "stable bytes to a pipe", LEAT_KIND_FILE, LEAT_KIND_PIPE, "C", "---v--.", .stable = true },
	{ "stable bytes to a file are copied anyway", LEAT_KIND_FILE, LEAT_KIND_FILE, "KRFPC", "...-.-.", .stable = true },
	{ "stable bytes under require", LEAT_KIND_FILE, LEAT_KIND_TCP, "", "--v-v-u", LEAT_EREFUSED, LEAT_REQUIRE,
	  .stable = true },
	{ "a shared folder with stale pages", LEAT_KIND_FILE, LEAT_KIND_TCP, "C", "--f-f-.", .fs_magic = 0x786f4256 },
	{ "a shared folder, file to file", LEAT_KIND_FILE, LEAT_KIND_FILE, "KRC", "..f-f-.", .fs_magic = 0x7c7c6673 },
};

/* routes NULL: not looked at; letters of reasons that are too many are an error of the table. */
static void check_row(const struct row *row)
{
	struct leat_facts from = { .kind = (uint8_t)row->from, .fs_magic = row->fs_magic };
	struct leat_facts to = { .kind = (uint8_t)row->to, .open_flags = row->open_flags };
	struct plan_query query = bare(&from, &to), again;
	char routes[9], reasons[9];
	struct plan plan, second;

	query.policy = row->policy;
	query.routes_off = row->off;
	query.features = ALL_ROUTES & ~row->missing;
	if (row->kernel)
		query.kernel = row->kernel;
	query.content = row->content;
	query.change = row->change;
	query.kernel_tee = row->kernel_tee;
	query.framed = !row->unframed;
	query.stable = row->stable;
	query.sink_own_offset = !row->explicit_offset;
	query.source_reason = row->source_reason;
	query.sink_reason = row->sink_reason;
	again = query;
	test_note(row->name);
	CHECK_EQ(plan_text(&query, &plan, routes, reasons), row->result);
	if (row->routes)
		CHECK_STR(routes, row->routes);
	CHECK_STR(reasons, row->reasons);
	for (int route = 0; route < LEAT_ROUTES; route++) {
		const char *by = plan.refused[route] == LEAT_CHANGES_BYTES ? row->change :
				 plan.refused[route] == LEAT_NEEDS_CONTENT ? row->content : NULL;

		CHECK(plan.refused_by[route] == by);
	}
	/* Pure: the query is as it was, and the second answer is the first. */
	CHECK_BYTES(&query, &again, sizeof query);
	plan_make(&query, &second);
	CHECK_BYTES(&plan, &second, sizeof plan);
}

static void rows_have_their_routes_and_reasons(void)
{
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
		check_row(&rows[i]);
}

/* Hazard 69: only two streams, only under auto, and only while splice is first. */
static void two_streams_begin_with_copy(void)
{
	struct leat_facts from = { .kind = LEAT_KIND_TCP }, to = { .kind = LEAT_KIND_UNIX };
	struct plan_query query = bare(&from, &to);
	struct plan plan;

	CHECK_EQ(plan_make(&query, &plan), 0);
	CHECK_EQ(plan.begins_with_copy, 1);
	CHECK_EQ(plan.routes[0], LEAT_ROUTE_SPLICE_PIPE);
	query.routes_off = ROUTE_BIT(LEAT_ROUTE_SPLICE_PIPE);
	CHECK_EQ(plan_make(&query, &plan), 0);
	CHECK_EQ(plan.begins_with_copy, 0);
	query.routes_off = 0;
	query.content = "tee";
	query.kernel_tee = true;	/* a tee has to be on from the first byte */
	CHECK_EQ(plan_make(&query, &plan), 0);
	CHECK_EQ(plan.begins_with_copy, 0);
}

static const struct test tests[] = {
	TEST(every_pair_has_its_routes),
	TEST(content_leaves_copy_and_memory_only),
	TEST(rows_have_their_routes_and_reasons),
	TEST(two_streams_begin_with_copy),
};
TEST_MAIN(tests)
