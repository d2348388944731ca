// SPDX-License-Identifier: MIT
/* Hostile texts in each output's manner: what comes out is bounded, valid there, and cannot do anything. */
#include "../../cli/escape.h"

#include "check.h"

struct row { enum escape how; const char *text, *wanted; };

#define NAMES(how) [how] = #how
static const char *const names[] = {
	NAMES(ESCAPE_TERMINAL), NAMES(ESCAPE_ASCII), NAMES(ESCAPE_HTML), NAMES(ESCAPE_JSON), NAMES(ESCAPE_LABEL),
	NAMES(ESCAPE_FOLDED), NAMES(ESCAPE_URI),
};

static const struct row rows[] = {
	{ ESCAPE_TERMINAL, "main.justReader.Read", "main.justReader.Read" },
	{ ESCAPE_TERMINAL, "caf\u00e9 \u65e5\u672c", "caf\u00e9 \u65e5\u672c" },
	{ ESCAPE_TERMINAL, "\033[2J\033]0;owned\a", "\\x1b[2J\\x1b]0;owned\\x07" },
	{ ESCAPE_TERMINAL, "a\nb\tc\rd\177", "a\\nb\\tc\\x0dd\\x7f" },
	{ ESCAPE_TERMINAL, "C1: \xc2\x9b" "2J", "C1: \\u{9b}2J" },
	{ ESCAPE_TERMINAL, "raw C1: \x9b" "2J", "raw C1: \\x9b2J" },
	{ ESCAPE_TERMINAL, "\u202egpj.exe", "\\u{202e}gpj.exe" },
	{ ESCAPE_TERMINAL, "\u2066x\u2069\u200b\ufeff\u061c", "\\u{2066}x\\u{2069}\\u{200b}\\u{feff}\\u{61c}" },
	{ ESCAPE_TERMINAL, "\U000e0041", "\\u{e0041}" },
	{ ESCAPE_TERMINAL, "a\\x1b", "a\\\\x1b" },
	{ ESCAPE_TERMINAL, "\xc0\xaf", "\\xc0\\xaf" },	/* an overlong slash */
	{ ESCAPE_TERMINAL, "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },
	{ ESCAPE_TERMINAL, "\xed\xa0\x80", "\\xed\\xa0\\x80" },	/* a surrogate */
	{ ESCAPE_TERMINAL, "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },	/* behind the last character */
	{ ESCAPE_TERMINAL, "\xe2\x82", "\\xe2\\x82" },	/* ends within a character */
	{ ESCAPE_TERMINAL, "\xff\xfe", "\\xff\\xfe" },
	{ ESCAPE_ASCII, "a \u2192 b \u2190 c \u00b7 \u2026", "a -> b <- c - ..." },
	{ ESCAPE_ASCII, "caf\u00e9", "caf\\u{e9}" },
	{ ESCAPE_HTML, "<script>alert(\"1\")&'</script>", "&lt;script&gt;alert(&quot;1&quot;)&amp;&#39;&lt;/script&gt;" },
	{ ESCAPE_HTML, "\x01\xff\u202e", "\\x01\\xff\\u{202e}" },
	{ ESCAPE_JSON, "a\"b\\c\n\x01\u202e\u2028", "a\\\"b\\\\c\\u000a\\u0001\\u202e\\u2028" },
	{ ESCAPE_JSON, "\xff" "a", "\\ufffda" },
	{ ESCAPE_JSON, "\U000e0041\U0001f600", "\\udb40\\udc41\U0001f600" },
	{ ESCAPE_LABEL, "a\"b\\c\nd\x1b\xff", "a\\\"b\\\\c\\\\nd\\\\x1b\\\\xff" },
	{ ESCAPE_FOLDED, "a;b\nc d", "a\\x3bb\\nc d" },
	{ ESCAPE_URI, "/a b/\xff?#%\u00e9-._~Z9", "/a%20b/%FF%3F%23%25%C3%A9-._~Z9" },
};

static char *printed(enum escape how, const char *text)
{
	char *out = NULL;
	size_t length;
	FILE *to = open_memstream(&out, &length);

	CHECK(to);
	escape(to, how, text);
	CHECK_EQ(fclose(to), 0);
	return out;
}

static void each_output_in_its_manner(void)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char buffer[256], *out = printed(rows[i].how, rows[i].text);

		test_note(names[rows[i].how]);
		CHECK_STR(out, rows[i].wanted);
		CHECK_STR(escape_text(buffer, sizeof buffer, rows[i].how, rows[i].text, 200), rows[i].wanted);
		CHECK_STR(escape_tail(buffer, sizeof buffer, rows[i].how, rows[i].text, 200), rows[i].wanted);
		free(out);
	}
}

static void nothing_is_nothing(void)
{
	char buffer[4];
	char *out = printed(ESCAPE_JSON, NULL);

	CHECK_STR(out, "");
	CHECK_STR(escape_text(buffer, sizeof buffer, ESCAPE_TERMINAL, NULL, 10), "");
	CHECK_STR(escape_tail(buffer, sizeof buffer, ESCAPE_TERMINAL, NULL, 10), "");
	free(out);
}

static void cut_at_a_bound(void)
{
	static char big[ESCAPE_MOST * 2];
	char *out, buffer[64];

	memset(big, 'x', sizeof big - 1);
	out = printed(ESCAPE_TERMINAL, big);
	CHECK_EQ(strlen(out), ESCAPE_MOST + strlen("\u2026"));
	free(out);
	CHECK_STR(escape_text(buffer, sizeof buffer, ESCAPE_TERMINAL, "abcdefgh", 5), "abcd\u2026");
	CHECK_STR(escape_tail(buffer, sizeof buffer, ESCAPE_TERMINAL, "abcdefgh", 5), "\u2026efgh");
	CHECK_STR(escape_text(buffer, sizeof buffer, ESCAPE_ASCII, "abcdefgh", 5), "ab...");
	CHECK_STR(escape_text(buffer, sizeof buffer, ESCAPE_TERMINAL, "a\033bc", 6), "a\\x1b\u2026");
	CHECK_STR(escape_text(buffer, sizeof buffer, ESCAPE_TERMINAL, "\u65e5\u672c\u65e5", 5), "\u65e5\u672c\u2026");
	CHECK_STR(escape_tail(buffer, sizeof buffer, ESCAPE_TERMINAL, "\u65e5\u672c\u65e5", 5), "\u2026\u672c\u65e5");
	CHECK_EQ(strlen(escape_tail(buffer, sizeof buffer, ESCAPE_TERMINAL, big, 20)), 19 + strlen("\u2026"));
}

/* Every size of buffer: ended by 0, within it, never in the midst of a character. */
static void any_buffer_does(void)
{
	static const char text[] = "\033\u65e5<\xff\\\u202e\U0001f600;\"";

	for (enum escape how = ESCAPE_TERMINAL; how <= ESCAPE_URI; how++)
		for (size_t size = 1; size < 80; size++)
			for (int columns = 0; columns < 40; columns++) {
				char *end = malloc(size), *tail = malloc(size);

				CHECK(end && tail);
				test_note(names[how]);
				escape_text(end, size, how, text, columns);
				escape_tail(tail, size, how, text, columns);
				CHECK(strlen(end) < size && strlen(tail) < size);
				CHECK(!strchr(end, '\033') && !strchr(tail, '\033') && !strchr(tail, '\xff'));
				free(end);
				free(tail);
			}
}

/* All two-byte texts and many longer ones: no control byte leaves in any manner, and JSON and labels keep their quotes. */
static void no_byte_gets_through(void)
{
	char text[5] = { 0 };

	for (enum escape how = ESCAPE_TERMINAL; how <= ESCAPE_URI; how++)
		for (unsigned i = 0x0101; i < 0x10000; i++) {
			char *out;

			memcpy(text, (char[]){ (char)(i >> 8), (char)i, (char)0xbf, (char)0xbf, 0 }, 5);
			test_note(names[how]);
			out = printed(how, text);
			for (const char *c = out; *c; c++) {
				CHECK((unsigned char)*c >= 0x20 && *c != 0x7f);
				CHECK(how != ESCAPE_HTML || !strchr("<>\"'", *c));
				CHECK(how != ESCAPE_ASCII || !(*c & 0x80));
				if ((how == ESCAPE_JSON || how == ESCAPE_LABEL) && *c == '\\')
					CHECK(*++c);
				else
					CHECK((how != ESCAPE_JSON && how != ESCAPE_LABEL) || *c != '"');
			}
			free(out);
		}
}

static const struct test tests[] = {
	TEST(each_output_in_its_manner), TEST(nothing_is_nothing), TEST(cut_at_a_bound), TEST(any_buffer_does),
	TEST(no_byte_gets_through),
};
TEST_MAIN(tests)
