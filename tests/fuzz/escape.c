/* SPDX-License-Identifier: MIT */
/* A stranger's text in each output's manner: valid there, bounded, and the same as a string. The first byte is a width. */
#include "fuzz.h"

#include "../../cli/escape.c"

FUZZ_SEEDS("\x40main.justReader.Read", "\x05\033]0;x\a<script>&\"'\\;\n", "\x08\xe2\x80\xae\xff\xc0\xaf\xed\xa0\x80",
	   "\x03\xe6\x97\xa5\xe6\x9c\xac\xf0\x9f\x98\x80", "\x10 a\xcc\x81\xcc\x81 \xe3\x80\x80")

static void is_fit(enum escape how, const char *out)
{
	for (const unsigned char *at = (const unsigned char *)out; *at;) {
		struct unit unit = next(at);

		FUZZ_HOLDS(unit.valid && (unit.code == ' ' || !IN(unseen, unit.code)));
		FUZZ_HOLDS((how != ESCAPE_ASCII && how != ESCAPE_URI) || unit.code < 0x80);
		FUZZ_HOLDS(how != ESCAPE_HTML || !strchr("<>\"'", (int)(unit.code < 0x80 ? unit.code : 'x')));
		FUZZ_HOLDS(how != ESCAPE_URI || (unit.code != ' ' && unit.code != '"' && unit.code != '\\'));
		FUZZ_HOLDS(how != ESCAPE_FOLDED || unit.code != ';');
		FUZZ_HOLDS((how != ESCAPE_JSON && how != ESCAPE_LABEL) || unit.code != '"');
		at += unit.bytes;
		if (unit.code == '\\' && (how == ESCAPE_JSON || how == ESCAPE_LABEL)) {
			FUZZ_HOLDS(*at && strchr(how == ESCAPE_JSON ? "\"\\u" : "\"\\n", *at));
			at++;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data + (size > 0), size - (size > 0)), small[64];
	int width = size ? data[0] % 80 : 0;

	for (enum escape how = ESCAPE_TERMINAL; how <= ESCAPE_URI; how++) {
		size_t room = 16 * size + 64, length;
		char *whole = malloc(room), *out = NULL;
		FILE *to = open_memstream(&out, &length);

		if (!whole || !to)
			abort();
		escape(to, how, text);
		fclose(to);
		FUZZ_HOLDS(strcmp(out, escape_text(whole, room, how, text, 1 << 20)) == 0);
		is_fit(how, out);
		is_fit(how, escape_text(small, sizeof small, how, text, width));
		FUZZ_HOLDS(how > ESCAPE_ASCII || escape_columns(small) <= width);
		is_fit(how, escape_tail(small, sizeof small, how, text, width));
		FUZZ_HOLDS(how > ESCAPE_ASCII || escape_columns(small) <= width);
		free(whole);
		free(out);
	}
	free(text);
	return 0;
}
