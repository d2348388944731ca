/* SPDX-License-Identifier: MIT */
#include "perfmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES_MAX 1024u
#define PATH_BYTES_MAX 4096u
#define LOOK_BACK 64u			/* entries that begin before an address and may still cover it */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Moves *at behind a hexadecimal number and the blank that has to follow. */
static bool number(const char **at, const char *end, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *p = *at;
	unsigned digits = 0;

	if (end - p > 2 && p[0] == '0' && (p[1] | 0x20) == 'x')
		p += 2;
	for (; p < end && digit(*p) >= 0; p++, digits++)
		value = value << 4 | (unsigned)digit(*p);
	if (!digits || digits > 16 || p == end || *p != ' ')
		return false;
	*at = p + 1;
	*ret_value = value;
	return true;
}

static bool parse_line(const struct perfmap *map, const char *line, const char *end, struct perfmap_entry *entry)
{
	uint64_t bytes;

	if (!number(&line, end, &entry->start) || !number(&line, end, &bytes) || line == end || !bytes ||
	    entry->start + bytes < entry->start)
		return false;
	entry->end = entry->start + bytes;
	entry->name = (uint32_t)(line - map->text);
	entry->name_bytes = (uint32_t)(end - line);
	return true;
}

static int by_address(const void *a, const void *b)
{
	const struct perfmap_entry *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

int perfmap_parse(struct perfmap *map, char *text, size_t length)
{
	const char *line = text, *stop = text + length, *end;
	struct perfmap_entry entry, *grown;

	*map = (struct perfmap){ .text = text };
	if (length > PERFMAP_BYTES_MAX)
		stop = text + PERFMAP_BYTES_MAX;
	for (; (end = memchr(line, '\n', (size_t)(stop - line))) && map->count < PERFMAP_ENTRIES_MAX; line = end + 1) {
		if (!parse_line(map, line, end, &entry))
			continue;
		if (!(map->count & (map->count - 1))) {
			grown = reallocarray(map->entries, map->count ? 2 * (size_t)map->count : 1, sizeof entry);
			if (!grown) {
				perfmap_free(map);
				return -ENOMEM;
			}
			map->entries = grown;
		}
		entry.order = map->count;
		map->entries[map->count++] = entry;
	}
	if (map->count)
		qsort(map->entries, map->count, sizeof entry, by_address);
	return 0;
}

void perfmap_free(struct perfmap *map)
{
	free(map->text);
	free(map->entries);
	*map = (struct perfmap){ .count = 0 };
}

const struct perfmap_entry *perfmap_find(const struct perfmap *map, uint64_t address)
{
	const struct perfmap_entry *found = NULL;
	uint32_t low = 0, high = map->count;

	while (low < high) {	/* ends at the first entry that begins behind the address */
		uint32_t middle = low + (high - low) / 2;

		if (map->entries[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (uint32_t i = low; i-- && low - i <= LOOK_BACK;)
		if (address < map->entries[i].end && (!found || map->entries[i].order > found->order))
			found = &map->entries[i];
	return found;
}

/* ---- Names ----------------------------------------------------------------------------------------------------------------- */

struct span {
	const char *at;
	size_t bytes;
};

static bool begins(struct span s, const char *with)
{
	size_t n = strlen(with);

	return s.bytes >= n && !memcmp(s.at, with, n);
}

static bool contains(struct span s, const char *what)
{
	return memmem(s.at, s.bytes, what, strlen(what)) != NULL;
}

static bool any(struct span s, const char *const *list, bool (*test)(struct span, const char *))
{
	for (; *list; list++)
		if (test(s, *list))
			return true;
	return false;
}

static size_t find(struct span s, char c)
{
	const char *p = memchr(s.at, c, s.bytes);

	return p ? (size_t)(p - s.at) : s.bytes;
}

static struct span from(struct span s, size_t skip)
{
	return (struct span){ s.at + skip, s.bytes - skip };
}

static char *copy(struct span s, size_t most)
{
	return strndup(s.at, s.bytes < most ? s.bytes : most);
}

/* py::function:/path/to/file.py */
static int python_place(struct span s, struct perfmap_place *ret)
{
	static const char *const own[] = { "/lib/python3", "/lib64/python3", "<frozen ", NULL };
	size_t colon;
	struct span file;

	s = from(s, strlen("py::"));
	colon = find(s, ':');
	file = colon < s.bytes ? from(s, colon + 1) : (struct span){ s.at, 0 };
	ret->function = copy((struct span){ s.at, colon }, NAME_BYTES_MAX);
	ret->file = file.bytes ? copy(file, PATH_BYTES_MAX) : NULL;
	ret->owner = any(file, own, contains) && !contains(file, "-packages/") ? OWNER_RUNTIME : OWNER_PROGRAM;
	return ret->function && (ret->file || !file.bytes) ? 0 : -ENOMEM;
}

/* Cuts ":123" off the end; its number. 0: there is none. */
static uint32_t cut_number(struct span *s)
{
	size_t n = s->bytes;
	uint32_t value = 0;

	while (n && s->at[n - 1] >= '0' && s->at[n - 1] <= '9')
		n--;
	if (!n || s->at[n - 1] != ':' || n == s->bytes || s->bytes - n > 9)
		return 0;
	for (size_t i = n; i < s->bytes; i++)
		value = value * 10 + (uint32_t)(s->at[i] - '0');
	s->bytes = n - 1;
	return value;
}

/* Kind:*function file:line:column; the mark before the function says how far it was optimized. */
static int node_place(struct span s, struct perfmap_place *ret)
{
	uint32_t line, column;
	struct span file, name;
	size_t blank;

	s = from(s, find(s, ':') + 1);
	while (s.bytes && strchr("*~^+=", *s.at))
		s = from(s, 1);
	blank = find(s, ' ');
	name = (struct span){ s.at, blank };
	file = blank < s.bytes ? from(s, blank + 1) : (struct span){ s.at, 0 };
	column = cut_number(&file);
	line = cut_number(&file);
	if (begins(file, "file://"))
		file = from(file, strlen("file://"));
	ret->line = line ? line : column;
	ret->function = name.bytes ? copy(name, NAME_BYTES_MAX) : strdup("(anonymous)");
	ret->file = file.bytes ? copy(file, PATH_BYTES_MAX) : NULL;
	ret->owner = begins(file, "node:") || !file.bytes ? OWNER_RUNTIME : OWNER_PROGRAM;
	return ret->function && (ret->file || !file.bytes) ? 0 : -ENOMEM;
}

/* "int java.io.FileInputStream.readBytes(byte[], int, int)": the type is not part of the name, nor are the parameters. */
static int java_place(struct span s, struct perfmap_place *ret)
{
	static const char *const own[] = { "java.", "javax.", "jdk.", "sun.", "com.sun.", NULL };
	size_t blank;

	s.bytes = find(s, '(');
	while ((blank = find(s, ' ')) < s.bytes)
		s = from(s, blank + 1);
	ret->function = copy(s, NAME_BYTES_MAX);
	ret->owner = any(s, own, begins) ? OWNER_RUNTIME : OWNER_PROGRAM;
	return ret->function ? 0 : -ENOMEM;
}

/* A method has parameters, or at least a class before its name; stubs, adapters and "Interpreter" have not. */
static bool is_java_method(struct span s)
{
	size_t parameters = find(s, '(');

	return parameters < s.bytes && parameters && s.at[parameters - 1] != ' ' && memchr(s.at, '.', parameters);
}

int perfmap_place(const char *name, size_t bytes, struct perfmap_place *ret)
{
	static const char *const script[] = { "LazyCompile:", "Function:", "Script:", "JS:", "Eval:", NULL };
	struct span s = { name, strnlen(name, bytes) };

	*ret = (struct perfmap_place){ .owner = OWNER_RUNTIME };
	if (begins(s, "py::"))
		return python_place(s, ret);
	if (any(s, script, begins))
		return node_place(s, ret);
	if (is_java_method(s))
		return java_place(s, ret);
	ret->function = copy(s, NAME_BYTES_MAX);
	return ret->function ? 0 : -ENOMEM;
}
