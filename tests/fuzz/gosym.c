/* SPDX-License-Identifier: MIT */
/*
 * Go's line table. The seeds are small tables in both layouts, with an inlined call each; the input's own bytes stand for the
 * memory that inline trees are read from, and its last words for moduledata.
 */
#include "fuzz.h"

#include "../../doctor/gosym.c"

#define TEXT 0x401000u
#define WORDS 4u

/* ---- Seeds ----------------------------------------------------------------------------------------------------------------- */

struct seed {
	uint8_t bytes[1024];
	size_t count;
};

static void put(struct seed *seed, const void *bytes, size_t count)
{
	if (count > sizeof seed->bytes - seed->count)
		abort();
	memcpy(seed->bytes + seed->count, bytes, count);
	seed->count += count;
}

static void put32(struct seed *seed, uint32_t value)
{
	put(seed, &value, sizeof value);
}

static void put64(struct seed *seed, uint64_t value)
{
	put(seed, &value, sizeof value);
}

/* Two functions of 64 bytes; into the first one a call is inlined from its 16th to its 32nd. */
static void build(struct seed *seed, bool since_1_20)
{
	static const char names[] = "main.serve\0main.Read\0main.main", files[] = "srv.go\0inner.go";
	static const uint8_t values[] = "\0"		/* an offset of 0 means none */
					"\2\20\2\20\1\40\0"	/* file 0, 1, 0 */
					"\24\20\6\20\1\40\0"	/* lines 9, 12, 11 */
					"\0\20\2\20\1\40\0";	/* no call, call 0, no call */
	uint64_t offsets[5] = { 72 };
	uint32_t record = since_1_20 ? 44 : 40, pairs = 20;

	offsets[1] = offsets[0] + sizeof names;
	offsets[2] = offsets[1] + 8;
	offsets[3] = offsets[2] + sizeof files;
	offsets[4] = (offsets[3] + sizeof values + 7) & ~7ull;
	put32(seed, since_1_20 ? MAGIC_1_20 : MAGIC_1_18);
	put32(seed, 0x08010000);
	put64(seed, 2);
	put64(seed, 2);
	put64(seed, TEXT);
	for (unsigned i = 0; i < 5; i++)
		put64(seed, offsets[i]);
	put(seed, names, sizeof names);
	put32(seed, 0);
	put32(seed, 7);
	put(seed, files, sizeof files);
	put(seed, values, sizeof values);
	while (seed->count < offsets[4])
		put(seed, "", 1);
	for (unsigned i = 0; i < 2; i++) {
		put32(seed, i * 64);
		put32(seed, pairs + 4 + i * (record + 28));
	}
	put32(seed, 128);
	put32(seed, 0);
	for (unsigned i = 0; i < 2; i++) {
		const uint32_t fields[] = { i * 64, i ? 21 : 0, 0, 0, 0, 1, 8, 3, 0, 1 };

		put(seed, fields, since_1_20 ? 40 : 36);
		put32(seed, 0x04000000);	/* four trees */
		put32(seed, 0);
		put32(seed, 0);
		put32(seed, i ? 0 : 15);
		for (unsigned k = 0; k < 3; k++)
			put32(seed, UINT32_MAX);
		put32(seed, i ? UINT32_MAX : 0);
	}
	/* The tree: name 11, made at the function's 8th byte. Then moduledata, of which one word is where the tree stands. */
	offsets[0] = seed->count;
	put32(seed, since_1_20 ? 0 : 0xffff);
	put32(seed, since_1_20 ? 11 : 0);
	put32(seed, since_1_20 ? 8 : 9);
	put32(seed, since_1_20 ? 1 : 11);
	if (!since_1_20)
		put32(seed, 8);
	put64(seed, 0);
	put64(seed, TEXT);
	put64(seed, offsets[0]);
	put64(seed, 1);
}

struct input {
	const uint8_t *bytes;
	size_t count;
};

static int read_input(void *context, uint64_t address, void *to, size_t bytes)
{
	const struct input *input = context;

	if (address > input->count || bytes > input->count - address)
		return -ENOENT;
	memcpy(to, input->bytes + address, bytes);
	return 0;
}

static void check_seed(const struct seed *seed)
{
	struct input input = { seed->bytes, seed->count };
	struct gosym_frame frames[GOSYM_INLINED];
	struct gosym gosym;
	uint64_t words[WORDS];

	memcpy(words, seed->bytes + seed->count - sizeof words, sizeof words);
	FUZZ_HOLDS(gosym_init(&gosym, seed->bytes, seed->count) == 0 && gosym.text == TEXT);
	gosym.read = read_input;
	gosym.context = &input;
	FUZZ_HOLDS(gosym_find_inline(&gosym, words, WORDS) && gosym.inline_base == words[2]);
	FUZZ_HOLDS(gosym_lookup(&gosym, TEXT + 20, frames) == 2);
	FUZZ_HOLDS(!strcmp(frames[0].function, "main.Read") && !strcmp(frames[0].file, "inner.go") && frames[0].line == 12);
	FUZZ_HOLDS(!strcmp(frames[1].function, "main.serve") && !strcmp(frames[1].file, "srv.go") && frames[1].line == 9);
	FUZZ_HOLDS(gosym_lookup(&gosym, TEXT + 100, frames) == 1 && !strcmp(frames[0].function, "main.main"));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *dir = getenv("FUZZ_CORPUS");
	char path[4096];

	for (unsigned i = 0; dir && i < 2; i++) {
		struct seed seed = { .count = 0 };
		FILE *f;

		build(&seed, i);
		check_seed(&seed);
		snprintf(path, sizeof path, "%s/seed%u", dir, i);
		f = fopen(path, "we");
		if (!f || fwrite(seed.bytes, 1, seed.count, f) != seed.count || fclose(f))
			abort();
	}
	return 0;
}

/* ---- What holds ------------------------------------------------------------------------------------------------------------ */

static void check_text(const struct input *input, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;

	FUZZ_HOLDS(!text || (at >= input->bytes && at < input->bytes + input->count &&
			     memchr(at, 0, (size_t)(input->bytes + input->count - at))));
}

static void look_up(const struct gosym *gosym, const struct input *input, uint64_t pc)
{
	struct gosym_frame frames[GOSYM_INLINED];
	unsigned count = gosym_lookup(gosym, pc, frames);

	FUZZ_HOLDS(count <= GOSYM_INLINED);
	for (unsigned i = 0; i < count; i++) {
		check_text(input, frames[i].function);
		check_text(input, frames[i].file);
		FUZZ_HOLDS(frames[i].inlined || i + 1 == count);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint64_t start, end, words[WORDS] = { 0 };
	struct gosym gosym;

	if (gosym_init(&gosym, data, size))
		return 0;
	gosym.read = read_input;
	gosym.context = &input;
	memcpy(words, data + size - sizeof words, sizeof words);	/* the header alone is longer */
	gosym_find_inline(&gosym, words, WORDS);
	check_text(&input, gosym_file_of(&gosym, "main.", ""));
	if (!gosym_range(&gosym, &start, &end))
		return 0;
	for (unsigned i = 0; i < 32; i++)
		look_up(&gosym, &input, start + (end - start) / 32 * i + i % 3);
	look_up(&gosym, &input, start - 1);
	look_up(&gosym, &input, end);
	gosym.inline_base = words[3];	/* whatever base was found wrong */
	look_up(&gosym, &input, start + 20);
	return 0;
}
