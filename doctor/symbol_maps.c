/* SPDX-License-Identifier: MIT */
#include "symbol_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MAPS_BYTES_MAX (32u << 20)
#define MAPPINGS_MAX 65536u
#define MODULES_MAX 8192u
#define DELETED " (deleted)"

/* A line of /proc/PID/maps. */
struct line {
	uint64_t start, end, offset, inode, device;
	bool executable, deleted;
	char *path;			/* inside the text, ended by a zero; "" */
};

char *maps_text(const struct maps *maps, enum source_what what, size_t most, ssize_t *ret_length)
{
	int fd = source_file(&maps->source, what, NULL);
	size_t length = 0, room = 4096;
	char *text = fd < 0 ? NULL : malloc(room + 1);
	ssize_t n = fd < 0 ? fd : -ENOMEM;

	while (text && n && length < most) {
		if (length == room) {
			char *more = realloc(text, 2 * room + 1);

			if (!more)
				break;
			text = more;
			room *= 2;
		}
		n = read(fd, text + length, room - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			n = -errno;
		if (n <= 0)
			break;
		length += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	if (text && n < 0 && !length) {
		free(text);
		text = NULL;
	}
	if (text)
		text[length] = 0;
	*ret_length = text ? (ssize_t)length : n;
	return text;
}

/* ---- /proc/PID/maps -------------------------------------------------------------------------------------------------------- */

/* The kernel writes a line feed in a path as \012 and leaves all else as it is. */
static void unescape(char *path)
{
	char *to = path;

	while (*path) {
		if (!strncmp(path, "\\012", 4)) {
			*to++ = '\n';
			path += 4;
		} else {
			*to++ = *path++;
		}
	}
	*to = 0;
}

static bool parse(char *text, struct line *line)
{
	unsigned major_number, minor_number;
	char flags[5];
	size_t length;
	int at = 0;

	if (sscanf(text, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &line->start, &line->end, flags,
		   &line->offset, &major_number, &minor_number, &line->inode, &at) != 7 || line->start >= line->end)
		return false;
	line->device = makedev(major_number, minor_number);
	line->executable = strchr(flags, 'x') != NULL;
	line->path = text + at;
	length = strlen(line->path);
	line->deleted = length > sizeof DELETED - 1 && !strcmp(line->path + length - (sizeof DELETED - 1), DELETED);
	if (line->deleted)
		line->path[length - (sizeof DELETED - 1)] = 0;
	unescape(line->path);
	return true;
}

static bool same_file(const struct module *module, const struct line *line)
{
	return module->inode == line->inode && module->device == line->device && !strcmp(module->path, line->path);
}

/* An earlier reading's module, if that file is still mapped there. */
static struct module *known(const struct maps *maps, const struct line *line)
{
	for (unsigned i = 0; i < maps->module_count; i++) {
		struct module *m = maps->modules[i];

		if (!m->kept && m->low == line->start && same_file(m, line))
			return m;
	}
	return NULL;
}

static struct module *new_module(struct maps *maps, const struct line *line)
{
	struct module *m, **grown;

	if (maps->module_count >= MODULES_MAX)
		return NULL;
	grown = reallocarray(maps->modules, maps->module_count + 1, sizeof(void *));
	m = grown ? calloc(1, sizeof *m) : NULL;
	if (grown)
		maps->modules = grown;
	if (!m)
		return NULL;
	m->path = strdup(line->path);
	if (!m->path) {
		free(m);
		return NULL;
	}
	m->maps = maps;
	m->image.fd = -1;
	m->device = line->device;
	m->inode = line->inode;
	m->deleted = line->deleted;
	m->pseudo = !line->inode;
	m->low = line->start;
	m->high = line->end;
	maps->modules[maps->module_count++] = m;
	return m;
}

/*
 * The module of a line, made when its file begins here. A file's mappings follow each other, with anonymous memory between
 * them at most; an offset of 0 after an executable one begins the file anew, as when it is loaded twice.
 */
static struct module *module_of(struct maps *maps, const struct line *line, struct module *before)
{
	struct module *m;

	if (!line->inode && strcmp(line->path, "[vdso]") != 0)
		return NULL;
	if (before && same_file(before, line) && (line->offset || !before->end)) {
		before->high = line->end;
		return before;
	}
	m = known(maps, line);
	if (!m)
		m = new_module(maps, line);
	if (!m)
		return NULL;
	m->kept = true;
	m->high = line->end;
	m->start = m->end = m->offset = 0;
	return m;
}

static bool add_mapping(struct maps *maps, const struct line *line, struct module *module)
{
	struct mapping *grown = maps->mappings;
	unsigned n = maps->mapping_count;

	if (n >= MAPPINGS_MAX)
		return false;
	if (!(n & (n - 1)))
		grown = reallocarray(maps->mappings, n ? 2 * n : 1, sizeof *grown);
	if (!grown)
		return false;
	maps->mappings = grown;
	maps->mappings[maps->mapping_count++] = (struct mapping){ line->start, line->end, module };
	if (module && !module->end) {
		module->start = line->start;
		module->end = line->end;
		module->offset = line->offset;
	}
	return true;
}

static void free_module(struct module *module)
{
	symbol_go_close(module->go);
	if (module->has_image)
		elf_image_close(&module->image);
	free(module->path);
	free(module);
}

/* What is mapped no more, or has no code, goes. */
static void drop_modules(struct maps *maps)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < maps->module_count; i++) {
		struct module *m = maps->modules[i];

		if (m->kept && m->end)
			maps->modules[kept++] = m;
		else
			free_module(m);
	}
	maps->module_count = kept;
}

static int read_lines(struct maps *maps)
{
	ssize_t length;
	char *text = maps_text(maps, SOURCE_MAPS, MAPS_BYTES_MAX, &length), *rest = text, *end;
	struct module *before = NULL;

	if (!text)
		return length == -EACCES || length == -EPERM ? -EACCES : -ESRCH;
	if (!length) {		/* a zombie, or a kernel thread; what was known of it before still helps */
		free(text);
		return maps->mapping_count ? 0 : -ENOEXEC;
	}
	free(maps->mappings);
	maps->mappings = NULL;
	maps->mapping_count = 0;
	for (unsigned i = 0; i < maps->module_count; i++)
		maps->modules[i]->kept = false;
	while ((end = memchr(rest, '\n', (size_t)(text + length - rest)))) {
		struct line line;

		*end = 0;
		if (parse(rest, &line)) {
			struct module *m = module_of(maps, &line, before);

			if (line.executable && !add_mapping(maps, &line, m))
				break;
			before = m ? m : *line.path ? NULL : before;
		}
		rest = end + 1;
	}
	free(text);
	drop_modules(maps);
	return maps->mapping_count ? 0 : -ENOEXEC;
}

/* Some file systems (btrfs, overlayfs) give a mapping another device number than stat does: there the path decides. */
static void mark_main(struct maps *maps)
{
	const char *path = maps->source.executable ? maps->source.executable : "";
	struct stat st;

	if (maps->exe < 0 || fstat(maps->exe, &st))
		return;
	for (unsigned i = 0; i < maps->module_count; i++) {
		struct module *m = maps->modules[i];

		m->is_main = m->inode == st.st_ino && (m->device == st.st_dev || !strcmp(path, m->path));
	}
}

/* A number for what is mapped of files, or of none. */
static uint64_t summary(const struct maps *maps, bool of_files)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < maps->mapping_count; i++) {
		const struct mapping *m = &maps->mappings[i];

		if (!m->module == !of_files)
			sum = (sum + m->start) * 31 + m->end + (m->module ? m->module->inode : 0);
	}
	return sum;
}

int maps_read(struct maps *maps, enum maps_change *ret_change)
{
	uint64_t files = summary(maps, true), others = summary(maps, false);
	int error = read_lines(maps);

	mark_main(maps);
	*ret_change = summary(maps, true) != files ? MAPS_MODULES : summary(maps, false) != others ? MAPS_ANONYMOUS : MAPS_SAME;
	return error;
}

int maps_open(struct maps *maps, const struct source *source)
{
	enum maps_change change;
	int error;

	*maps = (struct maps){ .source = *source };
	maps->exe = source_file(&maps->source, SOURCE_EXE, NULL);	/* stays of use when the process is gone */
	error = maps_read(maps, &change);
	if (error == -ENOEXEC && maps->exe == -EACCES)
		error = -EACCES;
	return error;
}

void maps_close(struct maps *maps)
{
	for (unsigned i = 0; i < maps->module_count; i++)
		free_module(maps->modules[i]);
	free(maps->modules);
	free(maps->mappings);
	if (maps->exe >= 0)
		close(maps->exe);
	source_close(&maps->source);
	*maps = (struct maps){ .source = maps->source, .exe = -1 };
}

const struct mapping *maps_find(const struct maps *maps, uint64_t address)
{
	unsigned low = 0, high = maps->mapping_count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (maps->mappings[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < maps->mapping_count && maps->mappings[low].start <= address ? &maps->mappings[low] : NULL;
}

struct symbol_go *maps_go(const struct mapping *mapping, uint64_t address)
{
	const struct module *module = mapping ? mapping->module : NULL;
	uint64_t pc;

	if (!module || !module->has_image || !module->go)
		return NULL;
	pc = address - module->bias;
	return pc >= module->go->start && pc < module->go->end ? module->go : NULL;
}

/* ---- The file of a module -------------------------------------------------------------------------------------------------- */

/* A device number that stat and maps may see differently has no driver: its major is 0. */
static bool is_mapped_file(const struct module *module, int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == module->inode &&
	       (st.st_dev == module->device || (major(st.st_dev) == 0 && major(module->device) == 0));
}

static int open_file(const struct maps *maps, struct module *module)
{
	char range[64];
	int fd;

	if (module->is_main && maps->exe >= 0)
		return fcntl(maps->exe, F_DUPFD_CLOEXEC, 0);
	fd = module->deleted ? -ENOENT : source_file(&maps->source, SOURCE_ELF, module->path);
	if (is_mapped_file(module, fd))
		return fd;
	module->different = module->deleted || fd >= 0;
	if (fd >= 0)
		close(fd);
	snprintf(range, sizeof range, "%" PRIx64 "-%" PRIx64, module->start, module->end);
	fd = source_file(&maps->source, SOURCE_MAPPED, range);
	if (fd >= 0)
		module->different = false;
	return fd;
}

struct elf_image *maps_image(struct maps *maps, struct module *module)
{
	int fd;

	if (!module->opened && !module->pseudo) {
		fd = open_file(maps, module);
		module->has_image = fd >= 0 && elf_image_open(&module->image, fd) == 0;
		if (module->has_image && elf_image_bias(&module->image, module->start, module->offset, &module->bias)) {
			elf_image_close(&module->image);
			module->has_image = false;
		}
		if (module->has_image && symbol_go_open(&module->go, &module->image))
			module->go = NULL;
	}
	module->opened = true;
	return module->has_image ? &module->image : NULL;
}

static bool is_whole(const struct module *module)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return module->has_image && module->low == module->bias + (module->image.segments[0].p_vaddr & ~(page - 1));
}

const struct module *maps_whole(const struct maps *maps, const struct module *module)
{
	if (is_whole(module))
		return module;
	for (unsigned i = 0; i < maps->module_count; i++) {
		const struct module *m = maps->modules[i];

		if (m->inode == module->inode && m->device == module->device && is_whole(m))
			return m;
	}
	return NULL;
}
