/* SPDX-License-Identifier: MIT */
/* Interpreters: their frames are the runtime's, their scripts' have names where a perf map gives them, and nothing is guessed. */
#include "snapshot.h"

#include "../../doctor/symbol_inside.h"

#include <ctype.h>
#include <fcntl.h>

static struct snapshot snapshot;

static void check_process(struct symbol *symbol, enum runtime runtime, const char *version)
{
	CHECK_EQ(symbol->runtime, runtime);
	CHECK(symbol->version && !strncmp(symbol->version, version, strlen(version)) &&
	      isdigit((unsigned char)symbol->version[strlen(version)]));
	printf("  %s, %s\n", symbol->version, symbol->maps.source.executable);
}

static void take(const char *const argv[], struct symbol **symbol, struct site *site)
{
	CHECK_CALL(chdir(snapshot_directory()));	/* Node leaves a log where it is */
	snapshot_start(&snapshot, argv);
	CHECK(snapshot_next(&snapshot, SYS_read, 4241));
	CHECK_EQ(symbol_open(symbol, snapshot.stack.pid), 0);
	CHECK_EQ(symbol_frames(*symbol, &snapshot.stack, site, NULL), 0);
	snapshot_print(site);
}

static void check_no_program(const struct site *site)
{
	CHECK_GE(site->frame_count, 3);
	for (uint32_t i = 0; i < site->frame_count; i++)
		CHECK(site->frames[i].owner == OWNER_RUNTIME || site->frames[i].owner == OWNER_SYSTEM);
}

static void python(void)
{
	const char *argv[] = { "python3", snapshot_source("copy.py"), NULL };
	struct site site = { 0 };
	struct symbol *symbol;

	if (!snapshot_has("python3"))
		test_skip("no python3");
	take(argv, &symbol, &site);
	check_process(symbol, RUNTIME_PYTHON, "Python ");
	check_no_program(&site);
	CHECK(!site.truncated);
	symbol_close(symbol);
	snapshot_free(&site);
	snapshot_end(&snapshot);
}

static void remove_map(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)pid);
	unlink(path);
}

static void node(void)
{
	const char *argv[] = { "node", "--perf-basic-prof", snapshot_source("copy.js"), NULL };
	struct site site = { 0 };
	struct symbol *symbol;
	uint32_t at;

	if (!snapshot_has("node"))
		test_skip("no node");
	take(argv, &symbol, &site);
	check_process(symbol, RUNTIME_NODE, "Node.js ");
	remove_map(snapshot.pid);
	at = snapshot_find(&site, 0, "fetchBlock");
	CHECK(at != MODEL_NONE);
	CHECK_EQ(site.frames[at].owner, OWNER_PROGRAM);
	CHECK_EQ(site.frames[at].line, 7);
	CHECK_STR(site.frames[at].file, snapshot_source("copy.js"));
	for (uint32_t i = 0; i < at; i++)
		CHECK_NE(site.frames[i].owner, OWNER_PROGRAM);
	CHECK(!site.truncated);
	symbol_close(symbol);
	snapshot_free(&site);
	snapshot_end(&snapshot);
}

static void node_without_map(void)
{
	const char *argv[] = { "node", snapshot_source("copy.js"), NULL };
	struct site site = { 0 };
	struct symbol *symbol;

	if (!snapshot_has("node"))
		test_skip("no node");
	take(argv, &symbol, &site);
	check_no_program(&site);
	symbol_close(symbol);
	snapshot_free(&site);
	snapshot_end(&snapshot);
}

/* Somebody else's map for this number is not looked into. */
static void map_of_another_user(void)
{
	char path[64];
	const char *argv[] = { "node", "--perf-basic-prof", snapshot_source("copy.js"), NULL };
	struct site site = { 0 };
	struct symbol *symbol;

	if (geteuid() != 0 || !snapshot_has("node"))
		test_skip("needs root and node");
	CHECK_CALL(chdir(snapshot_directory()));
	snapshot_start(&snapshot, argv);
	CHECK(snapshot_next(&snapshot, SYS_read, 4241));
	snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)snapshot.pid);
	CHECK_CALL(chown(path, 65534, 65534));
	CHECK_EQ(symbol_open(&symbol, snapshot.stack.pid), 0);
	CHECK_EQ(symbol_frames(symbol, &snapshot.stack, &site, NULL), 0);
	remove_map(snapshot.pid);
	check_no_program(&site);
	symbol_close(symbol);
	snapshot_free(&site);
	snapshot_end(&snapshot);
}

/* Starts it with a pipe for its input, waits until it has printed something, and has the map written. False: its JDK cannot. */
static bool start_java(int *ret_input)
{
	char command[128], line[64], directory[80];
	int to[2], from[2];

	CHECK(snapshot_run("cd %s && javac -d . %s", snapshot_directory(), snapshot_source("Copy.java")));
	snprintf(directory, sizeof directory, "%s", snapshot_directory());
	snapshot_end(&snapshot);
	CHECK_CALL(pipe2(to, O_CLOEXEC));
	CHECK_CALL(pipe2(from, O_CLOEXEC));
	snapshot.pid = CHECK_CALL(fork());
	if (!snapshot.pid) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		execlp("java", "java", "-XX:+PreserveFramePointer", "-cp", directory, "Copy", NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	*ret_input = to[1];
	snprintf(command, sizeof command, "jcmd %d Compiler.perfmap >/dev/null 2>&1", (int)snapshot.pid);
	return read(from[0], line, sizeof line) > 0 && system(command) == 0;
}

static void java(void)
{
	struct site site = { 0 };
	struct symbol *symbol;
	uint32_t at;
	int input;

	if (!snapshot_has("java") || !snapshot_has("javac") || !snapshot_has("jcmd"))
		test_skip("no JDK");
	if (!start_java(&input))
		test_skip("the JDK does not write perf maps");
	snapshot_seize(&snapshot);
	CHECK_EQ(write(input, "\n", 1), 1);
	CHECK(snapshot_next(&snapshot, SYS_read, 4241));
	CHECK_EQ(symbol_open(&symbol, snapshot.stack.pid), 0);
	check_process(symbol, RUNTIME_JAVA, "Java ");
	CHECK_EQ(symbol_frames(symbol, &snapshot.stack, &site, NULL), 0);
	remove_map(snapshot.pid);
	snapshot_print(&site);
	at = snapshot_find(&site, 0, "java.io.FileInputStream.readBytes");
	CHECK(at != MODEL_NONE);
	for (uint32_t i = 0; i <= at; i++)
		CHECK_NE(site.frames[i].owner, OWNER_PROGRAM);
	at = snapshot_find(&site, at, "Copy.fetchBlock");
	if (at == MODEL_NONE)	/* inlined into its caller */
		at = snapshot_find(&site, 0, "Copy.main");
	CHECK(at != MODEL_NONE);
	CHECK_EQ(site.frames[at].owner, OWNER_PROGRAM);
	symbol_close(symbol);
	snapshot_free(&site);
	snapshot_end(&snapshot);
	close(input);
}

static const struct test tests[] = {
	TEST(python), TEST(node), TEST(node_without_map), TEST(map_of_another_user), TEST(java),
};
TEST_MAIN(tests)
