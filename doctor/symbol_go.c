/* SPDX-License-Identifier: MIT */
/*
 * The table is found by its section, or by its header: a magic number, and parts in order. The address of Go's text and the
 * base of the inline trees stand in the moduledata, which is found by its first two words, the addresses of the table and of
 * its names, and checked by what it says of text.
 */
#include "symbol_go.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>

#define TABLE_MAX (512u << 20)
#define BLOCK 16384u			/* of the table: the largest programs have 60 MiB, of which a report needs some hundred KiB */
#define MODULE_WORDS 72u		/* of moduledata; the base of the inline trees was word 38 to 46 so far */
#define MODULE_MINPC 20u		/* these three are the same from 1.18 to 1.27 */
#define MODULE_MAXPC 21u
#define MODULE_TEXT 22u
#define SEARCH_CHUNK (1u << 20)
#define SEARCH_MAX (1u << 30)
#define TRIES_MAX 64u			/* a file that looks right in more places was made for that */
#define BUILD_INFO_MAX (4u << 20)
#define BUILD_INFO_HEADER 32u
#define BUILD_INFO_INLINE 2		/* the strings follow the header, as they do since 1.18 */
#define GUARD_BYTES 16u			/* around the module information */
#define VERSION_MAX 64u
#define FUNCTION_MAX 1023		/* bytes that are kept of each side of its brackets */
#define CGO_TYPES "_cgo_gotypes.go"

struct search {
	struct elf_image *image;
	const struct gosym *gosym;
	uint64_t table;			/* link-time address */
	uint64_t text;
	uint64_t words[MODULE_WORDS];
	unsigned tried;			/* places that looked like it */
};

/* The readers gosym calls. Link-time memory goes without relocations, as inline trees have none. */
static int read_image(void *context, uint64_t address, void *to, size_t bytes)
{
	const struct symbol_go *go = context;

	return elf_image_read(go->image, address, to, bytes);
}

static bool fill_table(void *context, uint64_t at, uint64_t bytes)
{
	const struct symbol_go *go = context;
	size_t last = bytes ? at + bytes - 1 : at;

	for (size_t i = at / BLOCK; i <= last / BLOCK && i * BLOCK < go->table_bytes; i++) {
		size_t from = i * BLOCK, n = MIN(BLOCK, go->table_bytes - from);

		if (go->filled[i])
			continue;
		if (elf_image_read(go->image, go->address + from, go->table + from, n))
			return false;
		go->filled[i] = 1;
	}
	return true;
}

/* Room for the bytes from an address to the end of its segment in the file. */
static uint64_t bytes_from(const struct elf_image *image, uint64_t address)
{
	for (unsigned i = 0; i < image->segment_count; i++) {
		const Elf64_Phdr *p = &image->segments[i];

		if (address >= p->p_vaddr && address - p->p_vaddr < p->p_filesz)
			return p->p_filesz - (address - p->p_vaddr);
	}
	return 0;
}

/* Walks the words of a segment in the file; the callback says true to end it. */
typedef bool see_word(struct search *search, uint64_t address, const uint8_t *word);

static bool each_word(struct search *search, const Elf64_Phdr *p, see_word *see)
{
	uint8_t *chunk = malloc(SEARCH_CHUNK);
	bool found = false;

	for (uint64_t at = -p->p_vaddr & 7; chunk && !found && at < MIN(p->p_filesz, SEARCH_MAX); at += SEARCH_CHUNK) {
		size_t bytes = MIN(p->p_filesz - at, SEARCH_CHUNK) & ~(size_t)7;

		if (elf_pread(search->image->fd, chunk, bytes, p->p_offset + at))
			break;
		for (size_t i = 0; i < bytes && !found; i += 8)
			found = see(search, p->p_vaddr + at + i, chunk + i);
	}
	free(chunk);
	return found;
}

static bool see_header(struct search *search, uint64_t address, const uint8_t *word)
{
	uint8_t header[GOSYM_HEADER_BYTES];

	if ((word[0] != 0xf0 && word[0] != 0xf1) || word[1] != 0xff || word[2] != 0xff || word[3] != 0xff || word[7] != 8 ||
	    search->tried++ >= TRIES_MAX || elf_image_read(search->image, address, header, sizeof header) ||
	    !gosym_is_header(header, bytes_from(search->image, address)))
		return false;
	search->table = address;
	return true;
}

static bool find_table(struct search *search, uint64_t *ret_bytes)
{
	static const char *const names[] = { ".gopclntab", ".data.rel.ro.gopclntab" };
	struct elf_image *image = search->image;

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		const Elf64_Shdr *section = elf_image_section(image, names[i]);

		if (!section)
			continue;
		search->table = section->sh_addr;
		*ret_bytes = MIN(section->sh_size, bytes_from(image, section->sh_addr));
		return true;
	}
	/* A linker of another toolchain put it among other data, or there are no sections. What is no Go program ends here. */
	if (image->section_count && !elf_image_section(image, ".go.buildinfo"))
		return false;
	for (unsigned i = 0; i < image->segment_count; i++) {
		if ((image->segments[i].p_flags & PF_X) || !each_word(search, &image->segments[i], see_header))
			continue;
		*ret_bytes = bytes_from(image, search->table);
		return true;
	}
	return false;
}

/* Is this moduledata: does what it says of text agree with the table? */
static bool holds_module(struct search *search, uint64_t address)
{
	const struct gosym *gosym = search->gosym;
	uint64_t start, end, *w = search->words, text;

	if (search->tried++ >= TRIES_MAX)
		return false;
	if (elf_image_read_words(search->image, address, w, MODULE_WORDS) &&
	    elf_image_read_words(search->image, address, w, MODULE_TEXT + 1))
		return false;
	text = w[MODULE_TEXT];
	return w[0] == search->table && w[1] == search->table + gosym->names && gosym_range(gosym, &start, &end) &&
	       w[MODULE_MINPC] - text == start - gosym->text && w[MODULE_MAXPC] - text == end - gosym->text &&
	       (!gosym->text || gosym->text == text);
}

static bool see_module(struct search *search, uint64_t address, const uint8_t *word)
{
	uint64_t value;

	memcpy(&value, word, sizeof value);
	return value == search->table && holds_module(search, address);
}

/* Position-independent programs have the address of the table in a relocation, others in its place. */
static bool find_module(struct search *search)
{
	struct elf_image *image = search->image;
	uint64_t word;

	search->tried = 0;
	if (elf_image_read_words(image, search->table, &word, 1))
		return false;
	for (size_t i = 0; i < image->relative_count; i++)
		if ((uint64_t)image->relative[i].r_addend == search->table && holds_module(search, image->relative[i].r_offset))
			return true;
	for (unsigned writable = 1; writable < 2; writable--)
		for (unsigned i = 0; i < image->segment_count; i++)
			if (!(image->segments[i].p_flags & PF_W) == !writable && !(image->segments[i].p_flags & PF_X) &&
			    each_word(search, &image->segments[i], see_module))
				return true;
	return false;
}

static int load_table(struct symbol_go *go, const struct search *search, uint64_t bytes)
{
	uint64_t header[GOSYM_HEADER_BYTES / 8];
	int error;

	if (bytes < sizeof header || bytes > TABLE_MAX)
		return -ENOENT;
	go->image = search->image;
	go->address = search->table;
	go->filled = calloc(bytes / BLOCK + 1, 1);
	go->table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (go->table == MAP_FAILED) {
		go->table = NULL;
		return -ENOMEM;
	}
	go->table_bytes = bytes;
	if (!go->filled)
		return -ENOMEM;
	if (!fill_table(go, 0, sizeof header) ||
	    elf_image_read_words(search->image, search->table, header, sizeof header / sizeof header[0]))
		return -ENOENT;
	memcpy(go->table, header, sizeof header);	/* with the address of text where it needs a relocation */
	error = gosym_init(&go->gosym, go->table, bytes);
	go->gosym.fill = fill_table;
	go->gosym.read = read_image;
	go->gosym.context = go;
	return error;
}

/* ---- What the linker wrote down of the build ------------------------------------------------------------------------------- */

/* A string with its length before it, as a copy; moves on behind it. */
static char *counted_string(const uint8_t *bytes, size_t count, size_t *at)
{
	uint64_t length = 0;

	for (unsigned shift = 0; shift < 63 && *at < count; shift += 7) {
		uint8_t byte = bytes[(*at)++];

		length |= (uint64_t)(byte & 0x7f) << shift;
		if (byte >= 0x80)
			continue;
		if (length > count - *at)
			return NULL;
		*at += length;
		return strndup((const char *)bytes + *at - length, length);
	}
	return NULL;
}

static char *main_module(const char *information)
{
	static const char line[] = "\nmod\t";
	const char *from = strlen(information) > GUARD_BYTES ? strstr(information + GUARD_BYTES, line) : NULL;

	from = from ? from + sizeof line - 1 : NULL;
	return from ? strndup(from, strcspn(from, "\t\n")) : NULL;
}

static void read_build_info(struct symbol_go *go, const struct elf_image *image)
{
	static const uint8_t magic[] = "\xff Go buildinf:";
	size_t count, at = BUILD_INFO_HEADER;
	uint8_t *bytes = elf_image_section_bytes(image, ".go.buildinfo", BUILD_INFO_MAX, &count);
	char *version, *information;

	if (bytes && count > BUILD_INFO_HEADER && !memcmp(bytes, magic, sizeof magic - 1) && (bytes[15] & BUILD_INFO_INLINE)) {
		version = counted_string(bytes, count, &at);
		if (version && !strncmp(version, "go", 2))	/* what follows a blank is of who built it */
			go->version = strndup(version + 2, MIN(strcspn(version + 2, " "), VERSION_MAX));
		free(version);
		information = counted_string(bytes, count, &at);
		go->module = information ? main_module(information) : NULL;
		free(information);
	}
	free(bytes);
}

/* The runtime is in GOROOT's src/runtime, and among the first that is linked: not much of the table is looked at. */
static void find_root(struct symbol_go *go)
{
	static const char directory[] = "runtime/";
	const char *file = gosym_file_of(&go->gosym, "runtime.", directory), *slash = file ? strrchr(file, '/') : NULL;

	if (slash)
		go->root = strndup(file, (size_t)(slash + 1 - file) - (sizeof directory - 1));
}

int symbol_go_open(struct symbol_go **ret, struct elf_image *image)
{
	struct symbol_go *go = calloc(1, sizeof *go);
	struct search *search = calloc(1, sizeof *search);
	uint64_t bytes;
	int error = go && search ? 0 : -ENOMEM;

	if (!error) {
		search->image = image;
		search->gosym = &go->gosym;
		error = find_table(search, &bytes) ? load_table(go, search, bytes) : -ENOENT;
	}
	if (!error) {
		if (find_module(search))
			go->gosym.text = search->words[MODULE_TEXT];
		else
			memset(search->words, 0, sizeof search->words);
		/* Since 1.26 nothing else says where the text is: without moduledata there is no symbol to be had. */
		error = go->gosym.text && gosym_range(&go->gosym, &go->start, &go->end) ? 0 : -ENOENT;
	}
	if (!error) {
		gosym_find_inline(&go->gosym, search->words + MODULE_TEXT + 1, MODULE_WORDS - MODULE_TEXT - 1);
		read_build_info(go, image);
		find_root(go);
		*ret = go;
	} else {
		symbol_go_close(go);
	}
	free(search);
	return error;
}

void symbol_go_close(struct symbol_go *go)
{
	if (!go)
		return;
	if (go->table)
		munmap(go->table, go->table_bytes);
	free(go->filled);
	free(go->version);
	free(go->module);
	free(go->root);
	free(go);
}

/* ---- Whose function ------------------------------------------------------------------------------------------------------- */

/* The length of the package path: up to the first dot behind the last slash that stands before any bracket or parenthesis. */
static size_t package_bytes(const char *function)
{
	size_t most = strcspn(function, "[("), at = 0;

	for (size_t i = 0; i < most; i++)
		if (function[i] == '/')
			at = i;
	while (at < most && function[at] != '.')
		at++;
	return at;
}

static bool begins_with(const char *text, size_t length, const char *with)
{
	size_t n = strlen(with);

	return length >= n && !memcmp(text, with, n) && (length == n || text[n] == '/');
}

char *symbol_go_printed(const char *function)
{
	const char *open = strchr(function, '['), *close = strrchr(function, ']');
	char *printed;

	if (!open || !close || close < open)
		return strndup(function, FUNCTION_MAX);
	if (asprintf(&printed, "%.*s[...]%.*s", (int)MIN(open - function, FUNCTION_MAX), function, FUNCTION_MAX, close + 1) < 0)
		return NULL;
	return printed;
}

bool symbol_go_is_library(const struct symbol_go *go, const char *function, const char *file)
{
	size_t package = function ? package_bytes(function) : 0, first = function ? strcspn(function, "/") : 0;

	if (file && !strcmp(file, CGO_TYPES))	/* what the cgo tool wrote, in the program's package */
		return true;
	if (!function || begins_with(function, package, "main"))
		return false;
	if (go->root && *go->root)
		return file && !strncmp(file, go->root, strlen(go->root));
	/* No path tells. Go keeps names without a dot in their first part for itself, but a main module may be named so. */
	if (go->module && *go->module && begins_with(function, package, go->module))
		return false;
	return !memchr(function, '.', MIN(first, package));
}
