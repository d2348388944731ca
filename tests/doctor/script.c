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

static void scripts_have_names(void)
{
	CHECK_STR(named(RUNTIME_PYTHON, "python3 /srv/copy.py --to x"), "copy.py");
	CHECK_STR(named(RUNTIME_PYTHON, "python3 -u -X perf -W error ./copy.py"), "copy.py");
	CHECK_STR(named(RUNTIME_PYTHON, "python3 -m http.server 80"), "http.server");
	CHECK_STR(named(RUNTIME_NODE, "node --perf-basic-prof -r ./hook.js app/copy.js"), "copy.js");
	CHECK_STR(named(RUNTIME_JAVA, "java -Xmx64m -cp /a:/b Copy transfer"), "Copy");
	CHECK_STR(named(RUNTIME_JAVA, "java -XX:+PreserveFramePointer -jar /srv/app.jar x"), "app.jar");
	CHECK_STR(named(RUNTIME_JAVA, "java -m org.x/org.x.Main"), "org.x.Main");
}

static void what_is_no_file_has_none(void)
{
	CHECK_STR(named(RUNTIME_PYTHON, "python3 -c import_x"), "");
	CHECK_STR(named(RUNTIME_PYTHON, "python3 -"), "");
	CHECK_STR(named(RUNTIME_PYTHON, "python3"), "");
	CHECK_STR(named(RUNTIME_PYTHON, "python3 -X"), "");
	CHECK_STR(named(RUNTIME_PYTHON, "python3 -m"), "");
	CHECK_STR(named(RUNTIME_PYTHON, "python3 /srv/"), "");
	CHECK_STR(named(RUNTIME_NODE, "node -e require('fs')"), "");
	CHECK_STR(named(RUNTIME_C, "cp a b"), "");
	CHECK_STR(named(RUNTIMES, "cp a b"), "");
	CHECK_STR(named(RUNTIME_PYTHON, ""), "");
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
	TEST(what_is_no_file_has_none),
	TEST(cut_where_the_kernel_cuts),
};
TEST_MAIN(tests)
