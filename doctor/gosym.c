/* SPDX-License-Identifier: MIT */
/*
 * The table is header, names, units, files, values, and then pairs (entry, record) in the order of addresses, followed by the
 * records, which are relative to the pairs' begin. Values are read as (difference of value, difference of address) until the
 * address is passed. A file is found by unit + number in the units, which gives its place in the files. Read off the
 * runtime's symtab.go of 1.18 to 1.26 and the moduledata of programs built by them.
 */
#include "gosym.h"

#include <errno.h>
#include <string.h>

#define MAGIC_1_18 0xfffffff0u
#define MAGIC_1_20 0xfffffff1u
#define PAIR_BYTES 8u
#define RECORD_1_18 40u			/* bytes of a function's record without its lists */
#define RECORD_1_20 44u
#define INLINE_1_18 20u			/* bytes of one inlined call */
#define INLINE_1_20 16u
#define INLINE_INDEX 2u			/* PCDATA_InlTreeIndex */
#define INLINE_TREE 3u			/* FUNCDATA_InlTree */
#define LISTS_MAX 64u			/* entries of either list; the runtime knows about ten */
#define NAME_BYTES_MAX 65536u		/* of generics */
#define NAME_PIECE 256u
#define STEPS_MAX (1u << 20)		/* of the values of one address: damaged ones shall not be walked to the end of the file */
#define TREES_TRIED 64u
#define FUNCTIONS_TRIED 16384u
#define FUNCTIONS_NAMED 65536u		/* the runtime is linked among the first thousand */

struct function {
	uint64_t entry, end;
	uint64_t record;		/* its offset */
	uint32_t name, file, line, value_lists, unit, trees;
	uint64_t lists;			/* offset of the value lists; the trees follow */
	unsigned left;			/* steps that its values may still take */
};

/* What a call's entry in an inline tree says. */
struct inlined {
	int16_t parent;			/* before 1.20: an earlier entry, or -1 */
	uint32_t line;			/* before 1.20: of the call, then: where the function begins */
	uint32_t name, parent_pc;
};

static bool fits(const struct gosym *gosym, uint64_t at, uint64_t bytes)
{
	return at <= gosym->bytes && bytes <= gosym->bytes - at && (!gosym->fill || gosym->fill(gosym->context, at, bytes));
}

static uint32_t u32(const struct gosym *gosym, uint64_t at)
{
	uint32_t value = 0;

	if (fits(gosym, at, sizeof value))
		memcpy(&value, gosym->table + at, sizeof value);
	return value;
}

static const char *text_at(const struct gosym *gosym, uint64_t at)
{
	const char *text = (const char *)gosym->table + at;

	for (uint64_t bytes = 0; bytes < NAME_BYTES_MAX && at + bytes < gosym->bytes; bytes += NAME_PIECE) {
		uint64_t left = gosym->bytes - at - bytes, piece = left < NAME_PIECE ? left : NAME_PIECE;

		if (!fits(gosym, at + bytes, piece))
			return NULL;
		if (memchr(text + bytes, 0, piece))
			return *text ? text : NULL;
	}
	return NULL;
}

static uint64_t header_word(const uint8_t *header, unsigned i)
{
	uint64_t value;

	memcpy(&value, header + 8 * i, sizeof value);
	return value;
}

bool gosym_is_header(const uint8_t header[GOSYM_HEADER_BYTES], uint64_t bytes)
{
	uint64_t functions = header_word(header, 1), entries = header_word(header, 8);
	uint32_t magic;

	memcpy(&magic, header, sizeof magic);
	if ((magic != MAGIC_1_18 && magic != MAGIC_1_20) || header[4] || header[5] || header[7] != sizeof(uint64_t) ||
	    (header[6] != 1 && header[6] != 2 && header[6] != 4))
		return false;
	for (unsigned i = 4; i < 8; i++)
		if (header_word(header, i) < GOSYM_HEADER_BYTES || header_word(header, i) > header_word(header, i + 1))
			return false;
	return entries < bytes && functions && functions < (bytes - entries) / PAIR_BYTES;
}

int gosym_init(struct gosym *gosym, const uint8_t *table, size_t bytes)
{
	uint32_t magic;

	memset(gosym, 0, sizeof *gosym);
	if (bytes < GOSYM_HEADER_BYTES || !gosym_is_header(table, bytes))
		return -ENOENT;
	memcpy(&magic, table, sizeof magic);
	gosym->since_1_20 = magic == MAGIC_1_20;
	gosym->table = table;
	gosym->bytes = bytes;
	gosym->quantum = table[6];
	gosym->functions = (uint32_t)header_word(table, 1);
	gosym->text = header_word(table, 3);
	gosym->names = header_word(table, 4);
	gosym->units = header_word(table, 5);
	gosym->files = header_word(table, 6);
	gosym->values = header_word(table, 7);
	gosym->entries = header_word(table, 8);
	return gosym->functions == header_word(table, 1) ? 0 : -ENOENT;
}

static uint32_t entry_of(const struct gosym *gosym, uint32_t i)
{
	return u32(gosym, gosym->entries + (uint64_t)i * PAIR_BYTES);
}

bool gosym_range(const struct gosym *gosym, uint64_t *ret_start, uint64_t *ret_end)
{
	*ret_start = gosym->text + entry_of(gosym, 0);
	*ret_end = gosym->text + entry_of(gosym, gosym->functions);
	return *ret_start < *ret_end;
}

static bool load_function(const struct gosym *gosym, uint32_t i, struct function *f)
{
	uint32_t bytes = gosym->since_1_20 ? RECORD_1_20 : RECORD_1_18;

	f->entry = gosym->text + entry_of(gosym, i);
	f->end = gosym->text + entry_of(gosym, i + 1);
	f->record = gosym->entries + u32(gosym, gosym->entries + (uint64_t)i * PAIR_BYTES + 4);
	if (!fits(gosym, f->record, bytes))
		return false;
	f->name = u32(gosym, f->record + 4);
	f->file = u32(gosym, f->record + 20);
	f->line = u32(gosym, f->record + 24);
	f->value_lists = u32(gosym, f->record + 28);
	f->unit = u32(gosym, f->record + 32);
	f->trees = gosym->table[f->record + bytes - 1];
	f->lists = f->record + bytes;
	f->left = STEPS_MAX;
	return f->value_lists <= LISTS_MAX && f->trees <= LISTS_MAX &&
	       fits(gosym, f->lists, 4 * ((uint64_t)f->value_lists + f->trees));
}

static bool find_function(const struct gosym *gosym, uint64_t pc, struct function *f)
{
	uint32_t low = 0, high = gosym->functions;
	uint64_t at = pc - gosym->text;

	if (pc < gosym->text || at < entry_of(gosym, 0) || at >= entry_of(gosym, gosym->functions))
		return false;
	while (high - low > 1) {	/* entry(low) <= at, and at < entry(high) where the table is in order */
		uint32_t middle = low + (high - low) / 2;

		if (entry_of(gosym, middle) <= at)
			low = middle;
		else
			high = middle;
	}
	return load_function(gosym, low, f);
}

static bool varint(const struct gosym *gosym, uint64_t *at, uint32_t *ret_value)
{
	uint32_t value = 0;

	for (unsigned shift = 0; shift < 35 && fits(gosym, *at, 1); shift += 7) {
		uint8_t byte = gosym->table[(*at)++];

		value |= (uint32_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

/* The value at pc in the table that begins at this offset of the values; -1: there is none. */
static int32_t value_at(const struct gosym *gosym, struct function *f, uint32_t offset, uint64_t pc)
{
	uint64_t at = gosym->values + offset, end = f->entry;
	uint32_t value = UINT32_MAX, step, length;	/* modulo 2^32, as the runtime has it */

	for (unsigned i = 0; offset && f->left; i++, f->left--) {
		if (!varint(gosym, &at, &step) || (!step && i) || !varint(gosym, &at, &length))
			return -1;
		value += step >> 1 ^ -(step & 1);
		end += (uint64_t)length * gosym->quantum;
		if (pc < end)
			return (int32_t)value;
	}
	return -1;
}

static const char *file_at(const struct gosym *gosym, struct function *f, uint64_t pc)
{
	int32_t number = value_at(gosym, f, f->file, pc);
	uint64_t at = gosym->units + 4 * ((uint64_t)f->unit + (uint32_t)number);
	uint32_t place;

	if (number < 0 || at + 4 > gosym->files)
		return NULL;
	place = u32(gosym, at);
	return place == UINT32_MAX ? NULL : text_at(gosym, gosym->files + place);
}

static const char *name_at(const struct gosym *gosym, uint32_t name)
{
	return gosym->names + name < gosym->units ? text_at(gosym, gosym->names + name) : NULL;
}

/* Where the function's inline tree is, relative to inline_base; false: nothing was inlined into it. */
static bool tree_of(const struct gosym *gosym, const struct function *f, uint32_t *ret_tree, uint32_t *ret_index_values)
{
	if (f->value_lists <= INLINE_INDEX || f->trees <= INLINE_TREE)
		return false;
	*ret_index_values = u32(gosym, f->lists + 4 * INLINE_INDEX);
	*ret_tree = u32(gosym, f->lists + 4 * ((uint64_t)f->value_lists + INLINE_TREE));
	return *ret_index_values && *ret_tree != UINT32_MAX;
}

static bool load_inlined(const struct gosym *gosym, uint64_t base, uint32_t tree, uint32_t index, struct inlined *call)
{
	uint8_t raw[INLINE_1_18];
	uint32_t bytes = gosym->since_1_20 ? INLINE_1_20 : INLINE_1_18;

	if (gosym->read(gosym->context, base + tree + (uint64_t)index * bytes, raw, bytes) < 0)
		return false;
	memcpy(&call->parent, raw, 2);
	memcpy(&call->line, raw + (gosym->since_1_20 ? 12 : 8), 4);
	memcpy(&call->name, raw + (gosym->since_1_20 ? 4 : 12), 4);
	memcpy(&call->parent_pc, raw + (gosym->since_1_20 ? 8 : 16), 4);
	return true;
}

unsigned gosym_lookup(const struct gosym *gosym, uint64_t pc, struct gosym_frame frames[GOSYM_INLINED])
{
	unsigned count = 0;
	uint32_t tree = 0, indexes = 0;
	struct function f;
	bool inlining;

	if (!find_function(gosym, pc, &f))
		return 0;
	inlining = gosym->inline_base && tree_of(gosym, &f, &tree, &indexes);
	while (count < GOSYM_INLINED) {
		struct gosym_frame *frame = &frames[count++];
		int32_t index = inlining ? value_at(gosym, &f, indexes, pc) : -1, line = value_at(gosym, &f, f.line, pc);
		struct inlined call = { .name = 0 };

		frame->file = file_at(gosym, &f, pc);
		frame->line = line > 0 ? (uint32_t)line : 0;
		frame->inlined = index >= 0 && load_inlined(gosym, gosym->inline_base, tree, (uint32_t)index, &call);
		frame->function = name_at(gosym, frame->inlined ? call.name : f.name);
		if (!frame->inlined)
			break;
		/* The place of the call: an address of the function that has the caller's line, and the caller's index. */
		pc = f.entry + call.parent_pc;
	}
	return count;
}

/* Does the first call of the function's tree make sense when trees are relative to base? Zeros, as in .bss, do not. */
static bool plausible(const struct gosym *gosym, const struct function *f, uint64_t base, uint32_t tree)
{
	struct inlined call;
	const char *name;

	if (!load_inlined(gosym, base, tree, 0, &call) || call.parent_pc >= f->end - f->entry || !call.line ||
	    call.line > INT32_MAX || (!gosym->since_1_20 && call.parent != -1))
		return false;
	name = name_at(gosym, call.name);
	return name && (!call.name || (fits(gosym, gosym->names + call.name - 1, 1) && !gosym->table[gosym->names + call.name - 1]));
}

static bool base_holds(const struct gosym *gosym, uint64_t base, bool *ret_any)
{
	unsigned tried = 0;

	for (uint32_t i = 0; i < gosym->functions && i < FUNCTIONS_TRIED && tried < TREES_TRIED; i++) {
		struct function f;
		uint32_t tree, indexes;

		if (!load_function(gosym, i, &f) || !tree_of(gosym, &f, &tree, &indexes))
			continue;
		tried++;
		*ret_any = true;
		if (!plausible(gosym, &f, base, tree))
			return false;
	}
	return true;
}

bool gosym_find_inline(struct gosym *gosym, const uint64_t *words, unsigned count)
{
	bool any = false;

	for (unsigned i = 0; i < count; i++) {
		if (!words[i] || !base_holds(gosym, words[i], &any))
			continue;
		gosym->inline_base = any ? words[i] : 0;
		return true;
	}
	return !any;
}

static bool is_in(const char *file, const char *directory)
{
	const char *slash = strrchr(file, '/');
	size_t length = strlen(directory), before = slash ? (size_t)(slash + 1 - file) : 0;

	return slash && before >= length && !memcmp(slash + 1 - length, directory, length) &&
	       (before == length || slash[-(ptrdiff_t)length] == '/');
}

const char *gosym_file_of(const struct gosym *gosym, const char *prefix, const char *directory)
{
	for (uint32_t i = 0; i < gosym->functions && i < FUNCTIONS_NAMED; i++) {
		struct function f;
		const char *name = load_function(gosym, i, &f) ? name_at(gosym, f.name) : NULL, *file;

		if (!name || strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		file = file_at(gosym, &f, f.entry);
		if (file && is_in(file, directory))
			return file;
	}
	return NULL;
}
