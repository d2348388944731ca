/* SPDX-License-Identifier: MIT */
/* Which program an interpreter runs, by its command line, which is a stranger's. */
#include "../../doctor/script.h"

#include "check.h"

/* arguments: parted by blanks, of which each becomes a 0. */
static const char *named(enum runtime runtime, const char *arguments)
{
	static char name[SCRIPT_BYTES];
	size_t bytes = strlen(arguments) + 1;
	char *text = strdup(arguments);	/* no byte more than there are */

	CHECK(text);
	for (char *at = text; *at; at++)
		*at = *at == ' ' ? 0 : *at;
	CHECK_EQ(script_name(runtime, text, bytes, name), *name != 0);
	free(text);
	return name;
}

static const struct {
	enum runtime runtime;
	const char *arguments, *name;
} programs[] = {
	{ RUNTIME_PYTHON, "python3 /srv/copy.py --to x", "copy.py" },
	{ RUNTIME_PYTHON, "python3 -u -X perf -W error ./copy.py", "copy.py" },
	{ RUNTIME_PYTHON, "python3 -m http.server 80", "http.server" },
	{ RUNTIME_NODE, "node --perf-basic-prof -r ./hook.js app/copy.js", "copy.js" },
	{ RUNTIME_JAVA, "java -Xmx64m -cp /a:/b Copy transfer", "Copy" },
	{ RUNTIME_JAVA, "java -XX:+PreserveFramePointer -jar /srv/app.jar x", "app.jar" },
	{ RUNTIME_JAVA, "java -m org.x/org.x.Main", "org.x.Main" },
	/* What is no file has none. */
	{ RUNTIME_PYTHON, "python3 -c import_x", "" },
	{ RUNTIME_PYTHON, "python3 -", "" },
	{ RUNTIME_PYTHON, "python3", "" },
	{ RUNTIME_PYTHON, "python3 -X", "" },
	{ RUNTIME_PYTHON, "python3 -m", "" },
	{ RUNTIME_PYTHON, "python3 /srv/", "" },
	{ RUNTIME_NODE, "node -e require('fs')", "" },
	{ RUNTIME_C, "cp a b", "" },
	{ RUNTIMES, "cp a b", "" },
	{ RUNTIME_PYTHON, "", "" },
};

static void scripts_have_names(void)
{
	for (unsigned i = 0; i < sizeof programs / sizeof *programs; i++) {
		test_note(programs[i].arguments);
		CHECK_STR(named(programs[i].runtime, programs[i].arguments), programs[i].name);
	}
	test_note("");
}

static void cut_where_the_kernel_cuts(void)
{
	char name[SCRIPT_BYTES], *longest = malloc(5000);

	CHECK(longest);
	CHECK(!script_name(RUNTIME_PYTHON, "python3", 7, name));		/* no 0 at all */
	CHECK(!script_name(RUNTIME_PYTHON, "python3\0copy.py", 15, name));	/* the last one has none */
	CHECK(script_name(RUNTIME_PYTHON, "python3\0copy.py", 16, name));
	CHECK(!script_name(RUNTIME_PYTHON, "", 0, name));
	memset(longest, 'x', 5000);
	memcpy(longest, "python3", 8);
	longest[4999] = 0;
	CHECK(script_name(RUNTIME_PYTHON, longest, 5000, name));
	CHECK_EQ(strlen(name), SCRIPT_BYTES - 1);
	free(longest);
}

static const struct test tests[] = {
	TEST(scripts_have_names),
	TEST(cut_where_the_kernel_cuts),
};
TEST_MAIN(tests)
