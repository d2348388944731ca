/* SPDX-License-Identifier: MIT */
/*
 * Frames of C, C++ and Rust programs as compilers make them: with and without frame pointers, static, stripped, with debug files,
 * deleted and replaced while they run. The lines are those that the sources mark.
 */
#include "snapshot.h"

#include "../../doctor/symbol_inside.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

static struct snapshot snapshot;

struct expected {
	const char *function, *mark;
	bool inlined;
	enum frame_owner owner;
};

/* These frames stand below each other, perhaps with others before the first. */
static void check_frames(const struct site *site, const char *source, const struct expected *expected)
{
	uint32_t at = snapshot_find(site, 0, expected->function);

	CHECK_SAY(at != MODEL_NONE, "no frame of %s", expected->function);
	for (; expected->function; expected++, at++) {
		const struct frame *f = at < site->frame_count ? &site->frames[at] : NULL;

		CHECK(f != NULL);
		CHECK_STR(f->function, expected->function);
		CHECK_EQ(f->inlined, expected->inlined);
		CHECK_EQ(f->owner, expected->owner);
		if (!expected->mark)
			continue;
		CHECK_EQ(f->line, snapshot_line(source, expected->mark));
		CHECK(f->file && !strcmp(f->file, snapshot_source(source)));
	}
}

static const struct expected reading[] = {
	{ "fetch_block", "fetch_block", false, OWNER_PROGRAM }, { "copy_loop", "loop_read", false, OWNER_PROGRAM },
	{ "main", "main", false, OWNER_PROGRAM }, { NULL }
};
static const struct expected writing[] = {
	{ "send_all", "send_all", false, OWNER_PROGRAM }, { "copy_loop", "loop_write", false, OWNER_PROGRAM },
	{ "main", "main", false, OWNER_PROGRAM }, { NULL }
};
static const struct expected inlined[] = {
	{ "take_inlined", "take_inlined", true, OWNER_PROGRAM }, { "copy_loop", "loop_inlined", false, OWNER_PROGRAM },
	{ "main", "main", false, OWNER_PROGRAM }, { NULL }
};

static void frames_of(struct symbol *symbol, struct site *site, long number, uint64_t length)
{
	uint64_t want = 0;

	CHECK(snapshot_next(&snapshot, number, length));
	CHECK_EQ(symbol_frames(symbol, &snapshot.stack, site, &want), 0);
	snapshot_print(site);
	CHECK(!site->different_file);
}

/* The same frame has the same stack pointer, whatever it calls. */
static void check_shared(const struct site *read, const struct site *write, const char *function)
{
	uint32_t r = snapshot_find(read, 0, function), w = snapshot_find(write, 0, function);

	CHECK(r != MODEL_NONE && w != MODEL_NONE);
	CHECK(read->frames[r].sp != 0);
	CHECK_EQ(read->frames[r].sp, write->frames[w].sp);
}

static void check_c_program(const char *program)
{
	struct site read = { 0 }, write = { 0 }, last = { 0 };
	const char *argv[] = { program, NULL };
	struct symbol *symbol;

	snapshot_start(&snapshot, argv);
	CHECK(snapshot_next(&snapshot, SYS_read, 4241));
	CHECK_EQ(symbol_open(&symbol, (uint32_t)snapshot.pid), 0);
	CHECK_EQ(symbol_error(symbol), 0);
	CHECK_EQ(symbol->runtime, RUNTIME_C);
	CHECK_STR(symbol->maps.source.executable, program);
	CHECK_EQ(symbol->parent, getpid());
	CHECK(symbol->start_ticks > 0 && !symbol->is_32_bit);
	CHECK_EQ(symbol_frames(symbol, &snapshot.stack, &read, NULL), 0);
	snapshot_print(&read);
	frames_of(symbol, &write, SYS_write, 4242);
	frames_of(symbol, &last, SYS_read, 4243);
	check_frames(&read, "plain.c", reading);
	check_frames(&write, "plain.c", writing);
	check_frames(&last, "plain.c", inlined);
	CHECK_EQ(read.frames[0].owner, OWNER_SYSTEM);
	CHECK(!read.truncated && !write.truncated && !last.truncated);
	check_shared(&read, &write, "copy_loop");
	check_shared(&read, &last, "copy_loop");
	symbol_close(symbol);
	snapshot_free(&read);
	snapshot_free(&write);
	snapshot_free(&last);
	snapshot_end(&snapshot);
}

static void c_programs(void)
{
	static const char *const compilers[] = { "gcc", "clang" };
	static const char *const flags[] = {
		"-O0 -g", "-O2 -g -fomit-frame-pointer", "-O2 -g -fno-omit-frame-pointer", "-O3 -g -gdwarf-4", "-O2 -g -no-pie",
		"-O2 -g -static", "-O2 -g -static-pie", "-Os -g -pthread", "-O2 -g -D_FORTIFY_SOURCE=2",
	};
	static char note[128];
	unsigned ran = 0;

	for (unsigned c = 0; c < 2; c++) {
		for (unsigned i = 0; i < sizeof flags / sizeof flags[0] && snapshot_has(compilers[c]); i++) {
			char program[128];

			snprintf(note, sizeof note, "%s %s", compilers[c], flags[i]);
			snprintf(program, sizeof program, "%s/plain-%u-%u", snapshot_directory(), c, i);
			test_note(note);
			puts(note);
			CHECK(snapshot_run("%s %s -o %s %s", compilers[c], flags[i], program, snapshot_source("plain.c")));
			check_c_program(program);
			ran++;
		}
	}
	if (!ran)
		test_skip("no C compiler");
}

/* A copy that ends inside a large frame says where to go on; with a second piece from there the stack is whole. */
static void short_copy(void)
{
	struct site site = { 0 };
	struct feed_stack stack;
	struct symbol *symbol;
	char program[128];
	const char *argv[] = { program, NULL };
	uint64_t want = 0;
	unsigned pieces;

	snprintf(program, sizeof program, "%s/short", snapshot_directory());
	if (!snapshot_run("gcc -O2 -g -o %s %s", program, snapshot_source("plain.c")))
		test_skip("no gcc");
	snapshot_start(&snapshot, argv);
	CHECK(snapshot_next(&snapshot, SYS_read, 4241));
	CHECK_EQ(symbol_open(&symbol, (uint32_t)snapshot.pid), 0);
	stack = snapshot.stack;
	stack.byte_count = 64;
	for (pieces = 0; pieces < 4 && symbol_frames(symbol, &stack, &site, &want) == 1; pieces++) {
		CHECK(site.truncated && site.frame_count >= 1);
		CHECK(want >= stack.sp + 64 && want < stack.sp + 8192);
		stack.more = snapshot.bytes + (want - stack.sp);
		stack.more_at = want;
		stack.more_count = snapshot.stack.byte_count - (want - stack.sp);
	}
	snapshot_print(&site);
	CHECK_EQ(pieces, 1);
	CHECK(!site.truncated);
	check_frames(&site, "plain.c", reading);
	symbol_close(symbol);
	snapshot_free(&site);
	snapshot_end(&snapshot);
}

/* Without any symbol the frames are modules, offsets and stack pointers; nothing is guessed from what is exported near by. */
static void stripped(void)
{
	struct site read = { 0 }, write = { 0 };
	char program[128];
	struct symbol *symbol;
	const char *argv[] = { program, NULL };
	uint32_t r;

	snprintf(program, sizeof program, "%s/stripped", snapshot_directory());
	if (!snapshot_run("gcc -O2 -o %s %s && strip -s %s", program, snapshot_source("plain.c"), program))
		test_skip("no gcc");
	snapshot_start(&snapshot, argv);
	CHECK(snapshot_next(&snapshot, SYS_read, 4241));
	CHECK_EQ(symbol_open(&symbol, (uint32_t)snapshot.pid), 0);
	CHECK_EQ(symbol_frames(symbol, &snapshot.stack, &read, NULL), 0);
	frames_of(symbol, &write, SYS_write, 4242);
	for (r = 0; r < read.frame_count && (!read.frames[r].module || strcmp(read.frames[r].module, program) != 0);)
		r++;
	CHECK(r + 2 < read.frame_count);
	for (uint32_t i = r; i < r + 3; i++) {
		CHECK(!read.frames[i].function && !read.frames[i].file && !read.frames[i].line);
		CHECK_EQ(read.frames[i].owner, OWNER_PROGRAM);
		CHECK_STR(read.frames[i].module, program);
		CHECK_LE(read.frames[i].module_offset, 0x10000);
	}
	CHECK_NE(read.frames[r].sp, 0);
	CHECK_NE(read.frames[r].module_offset, write.frames[r].module_offset);
	CHECK_EQ(read.frames[r + 1].sp, write.frames[r + 1].sp);	/* the loop */
	CHECK_NE(read.frames[r + 1].module_offset, write.frames[r + 1].module_offset);
	CHECK_EQ(read.frames[r + 2].module_offset, write.frames[r + 2].module_offset);	/* who called it */
	CHECK(!read.truncated);
	symbol_close(symbol);
	snapshot_free(&read);
	snapshot_free(&write);
	snapshot_end(&snapshot);
}

/* .gnu_debuglink beside the program; a debug file of another build is not taken. */
static void split_debug(void)
{
	char program[128];
	struct site site = { 0 };
	struct symbol *symbol;
	const char *argv[] = { program, NULL };

	for (unsigned other = 0; other < 2; other++) {
		test_note(other ? "of another build" : "its own");
		snprintf(program, sizeof program, "%s/split%u", snapshot_directory(), other);
		if (!snapshot_run("gcc -O2 -g -Wl,--build-id -o %s %s && objcopy --only-keep-debug %s %s.debug && strip -s %s && "
				  "objcopy --add-gnu-debuglink=%s.debug %s", program, snapshot_source("plain.c"), program, program,
				  program, program, program))
			test_skip("no gcc or objcopy");
		if (other)
			CHECK(snapshot_run("gcc -O0 -g -Wl,--build-id -o %s.debug %s", program, snapshot_source("plain.c")));
		snapshot_start(&snapshot, argv);
		CHECK(snapshot_next(&snapshot, SYS_read, 4241));
		CHECK_EQ(symbol_open(&symbol, (uint32_t)snapshot.pid), 0);
		CHECK_EQ(symbol_frames(symbol, &snapshot.stack, &site, NULL), 0);
		snapshot_print(&site);
		if (other)
			CHECK_EQ(snapshot_find(&site, 0, "fetch_block"), MODEL_NONE);
		else
			check_frames(&site, "plain.c", reading);
		symbol_close(symbol);
		snapshot_free(&site);
		snapshot_end(&snapshot);
	}
}

/* A file that libdw has mapped is cut: the frames lose their lines, and nobody dies. */
static void cut_program(const char *program)
{
	struct site first = { 0 }, second = { 0 };
	struct symbol *symbol;
	const char *argv[] = { program, NULL };

	snapshot_start(&snapshot, argv);
	CHECK(snapshot_next(&snapshot, SYS_read, 4241));
	CHECK_EQ(symbol_open(&symbol, (uint32_t)snapshot.pid), 0);
	CHECK_EQ(symbol_frames(symbol, &snapshot.stack, &first, NULL), 0);
	check_frames(&first, "plain.c", reading);
	CHECK(snapshot_run("truncate -s 0 %s.debug", program));
	CHECK(snapshot_next(&snapshot, SYS_write, 4242));
	CHECK_EQ(symbol_frames(symbol, &snapshot.stack, &second, NULL), 0);
	snapshot_print(&second);
	CHECK_GE(second.frame_count, 1);
	CHECK_EQ(second.frames[0].ip, snapshot.stack.ip);
	CHECK_EQ(snapshot_find(&second, 0, "send_all"), MODEL_NONE);
	CHECK(snapshot_next(&snapshot, SYS_read, 4243));
	CHECK_EQ(symbol_frames(symbol, &snapshot.stack, &second, NULL), 0);
	symbol_close(symbol);
	snapshot_free(&first);
	snapshot_free(&second);
	snapshot_end(&snapshot);
}

/* In a process of its own, as what libdw held then is lost, which sanitizers would call a leak. */
static void cut_while_read(void)
{
	char program[128];
	int status;
	pid_t pid;

	snprintf(program, sizeof program, "%s/cut", snapshot_directory());
	if (!snapshot_run("gcc -O2 -g -Wl,--build-id -o %s %s && objcopy --only-keep-debug %s %s.debug && strip -s %s && "
			  "objcopy --add-gnu-debuglink=%s.debug %s", program, snapshot_source("plain.c"), program, program,
			  program, program, program))
		test_skip("no gcc or objcopy");
	snapshot_end(&snapshot);
	pid = CHECK_CALL(fork());
	if (!pid) {
		cut_program(program);
		fflush(stdout);
		_exit(0);
	}
	CHECK_CALL(waitpid(pid, &status, 0));
	CHECK_EQ(status, 0);
}

/* The program that runs is named, not the one that stands in its place now. */
static void deleted_and_replaced(void)
{
	struct site site = { 0 };
	struct symbol *symbol;
	char program[128];
	const char *argv[] = { program, NULL };

	for (unsigned replaced = 0; replaced < 2; replaced++) {
		test_note(replaced ? "replaced" : "deleted");
		snprintf(program, sizeof program, "%s/gone%u", snapshot_directory(), replaced);
		if (!snapshot_run("gcc -O2 -g -o %s %s", program, snapshot_source("plain.c")))
			test_skip("no gcc");
		snapshot_start(&snapshot, argv);
		CHECK(snapshot_next(&snapshot, SYS_read, 4241));
		CHECK_CALL(unlink(program));
		if (replaced)
			CHECK(snapshot_run("gcc -O0 -o %s %s", program, snapshot_source("plain.c")));
		CHECK_EQ(symbol_open(&symbol, (uint32_t)snapshot.pid), 0);
		CHECK_EQ(symbol_frames(symbol, &snapshot.stack, &site, NULL), 0);
		snapshot_print(&site);
		check_frames(&site, "plain.c", reading);
		symbol_close(symbol);
		snapshot_free(&site);
		snapshot_end(&snapshot);
	}
}

/* A file system that only the program sees, with a library it loaded from there. */
static void other_namespace(void)
{
	struct site site = { 0 };
	struct symbol *symbol;
	char inside[128], script[1024];
	const char *argv[] = { "unshare", "-m", "sh", "-c", script, NULL };

	if (geteuid() != 0 || !snapshot_has("unshare") || !snapshot_has("gcc"))
		test_skip("needs root, unshare and gcc");
	snprintf(inside, sizeof inside, "%s/inside", snapshot_directory());
	CHECK_CALL(mkdir(inside, 0700));
	CHECK(snapshot_run("cd %s && gcc -O2 -g -shared -fPIC -Dmain=library_main -o libplain.so %s && "
			   "echo 'int library_main(void); int main(void) { return library_main(); }' >start.c && "
			   "gcc -o start start.c -L. -lplain -Wl,-rpath,%s", snapshot_directory(), snapshot_source("plain.c"), inside));
	snprintf(script, sizeof script, "mount -t tmpfs none %s && cp %s/start %s/libplain.so %s && exec %s/start", inside,
		 snapshot_directory(), snapshot_directory(), inside, inside);
	snapshot_start(&snapshot, argv);
	if (!snapshot_next(&snapshot, SYS_read, 4241))
		test_skip("no mount namespace");
	CHECK_EQ(symbol_open(&symbol, (uint32_t)snapshot.stack.pid), 0);
	CHECK_EQ(symbol_frames(symbol, &snapshot.stack, &site, NULL), 0);
	snapshot_print(&site);
	CHECK_NE(snapshot_find(&site, 0, "library_main"), MODEL_NONE);
	CHECK_NE(snapshot_find(&site, 0, "main"), MODEL_NONE);
	CHECK_EQ(site.frames[snapshot_find(&site, 0, "fetch_block")].line, snapshot_line("plain.c", "fetch_block"));
	CHECK(!site.different_file && !site.truncated);
	symbol_close(symbol);
	snapshot_free(&site);
	snapshot_end(&snapshot);
}

static void cxx(void)
{
	static const struct expected expected[] = {
		{ "store::File::take", "inner", true, OWNER_PROGRAM },
		{ "store::Counting<store::File>::take", "wrapper", false, OWNER_PROGRAM },
		{ "store::copy", "loop", false, OWNER_PROGRAM },
		{ "main", "main", false, OWNER_PROGRAM }, { NULL }
	};
	static const char *const compilers[] = { "g++", "clang++" };
	unsigned ran = 0;

	for (unsigned c = 0; c < 2; c++) {
		struct site site = { 0 };
		struct symbol *symbol;
		char program[128];
		const char *argv[] = { program, NULL };

		test_note(compilers[c]);
		snprintf(program, sizeof program, "%s/cxx%u", snapshot_directory(), c);
		if (!snapshot_run("%s -O2 -g -Wl,--no-as-needed -o %s %s 2>/dev/null", compilers[c], program, snapshot_source("plain.cc")))
			continue;
		snapshot_start(&snapshot, argv);
		CHECK(snapshot_next(&snapshot, SYS_read, 4241));
		CHECK_EQ(symbol_open(&symbol, (uint32_t)snapshot.pid), 0);
		CHECK_EQ(symbol->runtime, RUNTIME_CXX);
		CHECK_EQ(symbol_frames(symbol, &snapshot.stack, &site, NULL), 0);
		snapshot_print(&site);
		check_frames(&site, "plain.cc", expected);
		CHECK(!site.truncated);
		symbol_close(symbol);
		snapshot_free(&site);
		snapshot_end(&snapshot);
		ran++;
	}
	if (!ran)
		test_skip("no C++ compiler");
}

static void check_rust(const char *flags, bool has_lines)
{
	struct site site = { 0 };
	struct symbol *symbol;
	char program[128];
	const char *argv[] = { program, NULL };
	uint32_t at;

	snprintf(program, sizeof program, "%s/rust", snapshot_directory());
	if (!snapshot_run("cd %s && rustc %s --crate-name patient -o %s %s", snapshot_directory(), flags, program,
			  snapshot_source("plain.rs")))
		test_skip("no rustc");
	snapshot_start(&snapshot, argv);
	CHECK(snapshot_next(&snapshot, SYS_read, 4241));
	CHECK_EQ(symbol_open(&symbol, (uint32_t)snapshot.pid), 0);
	CHECK_EQ(symbol->runtime, RUNTIME_RUST);
	CHECK_EQ(symbol_frames(symbol, &snapshot.stack, &site, NULL), 0);
	snapshot_print(&site);
	at = snapshot_find(&site, 0, "patient::serve");
	CHECK(at != MODEL_NONE);
	CHECK_EQ(site.frames[at].owner, OWNER_PROGRAM);
	CHECK(!site.truncated);
	if (has_lines) {
		CHECK_EQ(site.frames[at].line, snapshot_line("plain.rs", "serve"));
		at = snapshot_find(&site, 0, "<patient::Just<R> as std::io::Read>::read");
		if (at == MODEL_NONE)	/* v0 says which R */
			at = snapshot_find(&site, 0, "<patient::Just<&mut std::fs::File> as std::io::Read>::read");
		CHECK(at != MODEL_NONE);
		CHECK_EQ(site.frames[at].line, snapshot_line("plain.rs", "wrapper"));
		CHECK_EQ(site.frames[at].owner, OWNER_PROGRAM);
		for (uint32_t i = 0; i < at; i++)
			CHECK_NE(site.frames[i].owner, OWNER_PROGRAM);
		CHECK_EQ(site.frames[at + 1].owner, OWNER_RUNTIME);	/* io::copy and what is in it */
	}
	symbol_close(symbol);
	snapshot_free(&site);
	snapshot_end(&snapshot);
}

static void rust(void)
{
	static const char *const flags[] = { "-O -g", "-O -g -C symbol-mangling-version=v0", "-g", "-O -g -C debuginfo=1", "-O" };

	for (unsigned i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		test_note(flags[i]);
		puts(flags[i]);
		check_rust(flags[i], strstr(flags[i], "-g"));
	}
}

/* What is not there says so, and gives frames without names. */
static void nobody(void)
{
	uint64_t ip = 0x401000;
	struct feed_stack stack = { .pid = 1, .ip = ip, .ips = &ip, .ip_count = 1 };
	struct site site = { 0 };
	struct symbol *symbol;
	pid_t pid = CHECK_CALL(fork());
	int status;

	if (!pid)
		_exit(0);
	CHECK_CALL(waitpid(pid, &status, 0));
	CHECK_EQ(symbol_open(&symbol, (uint32_t)pid), 0);
	CHECK_EQ(symbol_error(symbol), -ESRCH);
	CHECK_EQ(symbol_frames(symbol, &stack, &site, NULL), 0);
	CHECK_EQ(site.frame_count, 1);
	CHECK_EQ(site.frames[0].ip, ip);
	CHECK(!site.frames[0].module && !site.frames[0].function);
	symbol_close(symbol);
	snapshot_free(&site);
	if (symbol_open(&symbol, 2) == 0) {	/* kthreadd, unless this is a pid namespace */
		CHECK(symbol_error(symbol) != 0 || getpid() < 1000);
		symbol_close(symbol);
	}
}

/* This program is in C, and knows by what a program in Rust is told. */
static void itself(void)
{
	struct symbol *symbol;

	CHECK_EQ(symbol_open(&symbol, (uint32_t)getpid()), 0);
	CHECK_EQ(symbol->runtime, getenv("SANITIZER") ? RUNTIME_CXX : RUNTIME_C);	/* sanitizers bring libstdc++ along */
	symbol_close(symbol);
}

static const struct test tests[] = {
	TEST(itself), TEST(c_programs), TEST(short_copy), TEST(stripped), TEST(split_debug), TEST(cut_while_read),
	TEST(deleted_and_replaced), TEST(other_namespace), TEST(cxx), TEST(rust), TEST(nobody),
};
TEST_MAIN(tests)
