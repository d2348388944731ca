/* SPDX-License-Identifier: MIT */
/*
 * What the test programs share. A program is a table of named cases:
 *
 *	static void holds_its_count(void) { CHECK_EQ(pipe.bytes, 4096); }
 *	static const struct test tests[] = { TEST(holds_its_count), TEST(other) };
 *	TEST_MAIN(tests)
 *
 * A failed check ends its case, not the program. test_skip("why") ends a case as skipped; the program is skipped (77)
 * when all its cases are. Arguments of the program are names of cases to run; -l lists them. tests/check.c is not
 * needed: everything is in this header, each program has one file that includes it with TEST_MAIN.
 */
#ifndef LEAT_CHECK_H
#define LEAT_CHECK_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEST_SKIPPED 77

struct test {
	const char *name;
	void (*run)(void);
};
#define TEST(function) { #function, function }

enum { CASE_PASSED, CASE_FAILED, CASE_SKIPPED };

static jmp_buf check_jump;
static const char *check_case = "(outside any case)";
static const char *check_note = "";	/* printed with a failure: which row of a table, which seed */
static pid_t check_pid;
static __thread int check_in_case;

/* Ends the case. In another thread or a child process there is nowhere to return to. */
static inline _Noreturn void check_leave(int how)
{
	fflush(stdout);
	if (!check_in_case || getpid() != check_pid)
		_exit(how == CASE_SKIPPED ? TEST_SKIPPED : 1);
	longjmp(check_jump, how);
}

__attribute__((format(printf, 3, 4))) static inline _Noreturn void check_fail(const char *file, int line,
									      const char *format, ...)
{
	va_list list;

	printf("FAIL %s: %s:%d: ", check_case, file, line);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	printf(*check_note ? " [%s]\n" : "%s\n", check_note);
	check_leave(CASE_FAILED);
}

/* Names the row, seed or step that the following checks belong to; kept, not copied; "" for none. */
static inline void test_note(const char *note)
{
	check_note = note;
}

__attribute__((format(printf, 1, 2))) static inline _Noreturn void test_skip(const char *format, ...)
{
	va_list list;

	printf("SKIP %s: ", check_case);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
	check_leave(CASE_SKIPPED);
}

#define CHECK(condition) \
	do { \
		if (!(condition)) \
			check_fail(__FILE__, __LINE__, "%s", #condition); \
	} while (0)

/* As CHECK, with a sentence of your own. */
#define CHECK_SAY(condition, ...) \
	do { \
		if (!(condition)) \
			check_fail(__FILE__, __LINE__, __VA_ARGS__); \
	} while (0)

/* Any two integers, compared by their values whatever their types are; negative ones print as such. */
__extension__ typedef __int128 check_integer;
#define CHECK_IS_INTEGER(a) \
	_Static_assert(__builtin_choose_expr(__builtin_types_compatible_p(__typeof__((a) + 0), double), 0, 1), "no integer")
#define CHECK_COMPARE(a, a_text, relation, b, b_text) \
	do { \
		const check_integer check_a = (a); \
		const check_integer check_b = (b); \
		CHECK_IS_INTEGER(a); \
		CHECK_IS_INTEGER(b); \
		if (!(check_a relation check_b)) \
			check_fail(__FILE__, __LINE__, "%s is %lld (0x%llx), not " #relation " %s, %lld (0x%llx)", \
				   a_text, (long long)check_a, (unsigned long long)check_a, b_text, (long long)check_b, \
				   (unsigned long long)check_b); \
	} while (0)
#define CHECK_EQ(a, b) CHECK_COMPARE(a, #a, ==, b, #b)
#define CHECK_NE(a, b) CHECK_COMPARE(a, #a, !=, b, #b)
#define CHECK_LE(a, b) CHECK_COMPARE(a, #a, <=, b, #b)
#define CHECK_GE(a, b) CHECK_COMPARE(a, #a, >=, b, #b)

#define CHECK_STR(a, b) \
	do { \
		const char *check_a = (a), *check_b = (b); \
		if (!check_a || !check_b || strcmp(check_a, check_b) != 0) \
			check_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #a, check_a ? check_a : "(null)", \
				   check_b ? check_b : "(null)"); \
	} while (0)

/* A system call that must work: -1 fails the case with errno's words. Its value is the call's. */
#define CHECK_CALL(call) \
	({ \
		__auto_type check_result = (call); \
		if (check_result == (__typeof__(check_result))-1) \
			check_fail(__FILE__, __LINE__, "%s: %s", #call, strerror(errno)); \
		check_result; \
	})

static inline void check_bytes(const char *file, int line, const void *a, const void *b, size_t length)
{
	const unsigned char *x = a, *y = b;

	for (size_t i = 0; i < length; i++)
		if (x[i] != y[i])
			check_fail(file, line, "byte %zu of %zu is 0x%02x, not 0x%02x", i, length, x[i], y[i]);
}
#define CHECK_BYTES(a, b, length) check_bytes(__FILE__, __LINE__, a, b, length)

static inline int check_run(const struct test *test)
{
	int how;

	check_case = test->name;
	check_note = "";
	printf("RUN  %s\n", test->name);
	fflush(stdout);
	check_in_case = 1;
	how = setjmp(check_jump);
	if (how == CASE_PASSED) {
		test->run();
		printf("ok   %s\n", test->name);
	}
	check_in_case = 0;
	fflush(stdout);
	return how;
}

static inline int check_asked(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return 1;
	return argc < 2;
}

static inline int check_main(const struct test *tests, size_t count, int argc, char **argv)
{
	size_t ran = 0, failed = 0, skipped = 0;

	check_pid = getpid();
	if (argc == 2 && !strcmp(argv[1], "-l")) {
		for (size_t i = 0; i < count; i++)
			puts(tests[i].name);
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		int how;

		if (!check_asked(tests[i].name, argc, argv))
			continue;
		ran++;
		how = check_run(&tests[i]);
		failed += how == CASE_FAILED;
		skipped += how == CASE_SKIPPED;
	}
	if (ran == 0) {
		fputs("no such case\n", stderr);
		return 1;
	}
	return failed ? 1 : skipped == ran ? TEST_SKIPPED : 0;
}

#define TEST_MAIN(tests) \
	int main(int argc, char **argv) \
	{ \
		return check_main(tests, sizeof(tests) / sizeof(tests)[0], argc, argv); \
	}

#endif
