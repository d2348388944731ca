/* SPDX-License-Identifier: MIT */
#include "symbol_source.h"

#include "process.h"
#include "script.h"
#include "symbol_wire.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STATUS_BYTES 65536
#define DEBUG_DIRECTORY "/usr/lib/debug/"
#define RELEASE "/release"
#define DELETED " (deleted)"

/* ---- Opening --------------------------------------------------------------------------------------------------------------- */

static int open_handle(int at, const char *path, uint64_t resolve)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = resolve };
	int fd = (int)syscall(SYS_openat2, at, path, &how, sizeof how);

	return fd < 0 ? -errno : fd;
}

/* First a handle, to see what it is: opening a pipe would wait, and a device may act. A lease on a file is not waited for. */
static int open_regular(int at, const char *path, uint64_t resolve)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int handle = open_handle(at, path, resolve), fd;
	char self[64];
	struct stat st;

	if (handle < 0)
		return handle;
	snprintf(self, sizeof self, "/proc/self/fd/%d", handle);
	fd = fstat(handle, &st) ? -errno : !S_ISREG(st.st_mode) ? -ENOEXEC : open(self, flags);
	if (fd == -1)
		fd = -errno;
	close(handle);
	return fd;
}

static int open_inside(const struct source *source, const char *path)
{
	return source->root < 0 ? -EACCES : open_regular(source->root, path, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

/* Passes on a descriptor that may be handed out; closes any other. */
static int only_if(int fd, bool (*may)(const struct source *, int fd), const struct source *source)
{
	if (fd < 0 || may(source, fd))
		return fd;
	close(fd);
	return -EACCES;
}

/* A core dump holds what was in a memory. */
static bool is_elf(const struct source *source, int fd)
{
	Elf64_Half type;
	uint8_t head[EI_NIDENT + sizeof type];

	if (pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head || memcmp(head, ELFMAG, SELFMAG) != 0)
		return false;
	memcpy(&type, head + EI_NIDENT, sizeof type);
	return type != (head[EI_DATA] == ELFDATA2MSB ? ET_CORE << 8 : ET_CORE);
}

static bool is_public(const struct source *source, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IROTH);
}

/* ---- What the process says of itself --------------------------------------------------------------------------------------- */

/* The line "name:\tvalue" of /proc/PID/status, from the value on, in text; NULL: there is none. */
static const char *status(const struct source *source, const char *name, char text[STATUS_BYTES])
{
	int fd = openat(source->proc, "status", O_RDONLY | O_CLOEXEC);
	size_t length = strlen(name);
	ssize_t n = fd < 0 ? -1 : read(fd, text, STATUS_BYTES - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, length) && !strncmp(line + length, ":\t", 2))
			return line + length + 2;
	}
	return NULL;
}

/* The last of several numbers: a process counts itself by its innermost pid namespace. */
static uint32_t own_pid(const struct source *source)
{
	char text[STATUS_BYTES];
	const char *value = status(source, "NSpid", text), *next;
	size_t line = value ? strcspn(value, "\n") : 0;

	while (value && (next = memchr(value, '\t', line))) {
		line -= (size_t)(next + 1 - value);
		value = next + 1;
	}
	return value ? (uint32_t)strtoul(value, NULL, 10) : source->pid;
}

static bool is_users(const struct source *source, int fd)
{
	char text[STATUS_BYTES];
	const char *real = status(source, "Uid", text), *effective = real ? strchr(real, '\t') : NULL;
	struct stat st;

	return effective && fstat(fd, &st) == 0 && strtoul(effective + 1, NULL, 10) == st.st_uid;
}

static int perf_map(const struct source *source)
{
	char path[64];

	snprintf(path, sizeof path, "/tmp/perf-%" PRIu32 ".map", own_pid(source));
	return only_if(open_inside(source, path), is_users, source);
}

static bool is_range(const char *name)
{
	static const char digits[] = "0123456789abcdef";
	size_t start = strspn(name, digits), end = start && name[start] == '-' ? strspn(name + start + 1, digits) : 0;

	return end && !name[start + 1 + end];
}

static bool ends_with(const char *name, const char *end)
{
	size_t length = strlen(name), n = strlen(end);

	return length >= n && !strcmp(name + length - n, end);
}

/* ---- To who asks ----------------------------------------------------------------------------------------------------------- */

static int of_proc(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Which thread it is shown by changes when that ends. */
static int of_memory(const struct source *source, enum source_what what)
{
	int memory = process_memory(source->proc);
	int fd = what == SOURCE_EXE ? open_regular(memory, "exe", 0) : of_proc(memory, "maps");

	if (memory >= 0)
		close(memory);
	return fd;
}

static int mapped(const struct source *source, const char *name)
{
	char path[64];

	if (!is_range(name) || snprintf(path, sizeof path, "map_files/%s", name) >= (int)sizeof path)
		return -EINVAL;
	return open_regular(source->proc, path, 0);
}

int source_file(const struct source *source, enum source_what what, const char *name)
{
	if (source->line >= 0)
		return wire_ask(source->line, what, name);
	if (source->proc < 0)
		return -ESRCH;
	switch (what) {
	case SOURCE_MAPS:
	case SOURCE_EXE: return of_memory(source, what);
	case SOURCE_STAT: return of_proc(source->proc, "stat");
	case SOURCE_MAPPED: return mapped(source, name);
	case SOURCE_ELF: return only_if(open_inside(source, name), is_elf, source);
	case SOURCE_DEBUG:
		if (strncmp(name, DEBUG_DIRECTORY, sizeof DEBUG_DIRECTORY - 1) != 0 || strstr(name, "/../"))
			return -EINVAL;
		return only_if(open_regular(AT_FDCWD, name, 0), is_elf, source);
	case SOURCE_JAVA_RELEASE: return ends_with(name, RELEASE) ? only_if(open_inside(source, name), is_public, source) : -EINVAL;
	case SOURCE_PERF_MAP: return perf_map(source);
	default: return -EINVAL;
	}
}

/* ---- Life ------------------------------------------------------------------------------------------------------------------ */

static char *executable_of(int memory)
{
	char path[PATH_MAX];
	ssize_t n = readlinkat(memory, "exe", path, sizeof path - 1);

	if (n <= 0)
		return NULL;
	path[n] = 0;
	if (ends_with(path, DELETED))
		path[n - (ssize_t)(sizeof DELETED - 1)] = 0;
	return strdup(path);
}

static void read_arguments(struct source *source, int memory)
{
	int fd = openat(memory, "cmdline", O_RDONLY | O_CLOEXEC);
	char text[SCRIPT_ARGUMENTS_BYTES];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);

	if (fd >= 0)
		close(fd);
	source->arguments = n > 0 ? malloc((size_t)n) : NULL;
	if (!source->arguments)
		return;
	memcpy(source->arguments, text, (size_t)n);
	source->argument_bytes = (size_t)n;
}

int source_open(struct source *source, uint32_t pid)
{
	char path[64];
	struct stat exe;
	int memory;

	*source = (struct source){ .pid = pid, .proc = -1, .root = -1, .line = -1 };
	snprintf(path, sizeof path, "/proc/%" PRIu32, pid);
	source->proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (source->proc < 0)
		return -ESRCH;
	memory = process_memory(source->proc);
	source->root = openat(memory, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	source->executable = executable_of(memory);
	read_arguments(source, memory);
	if (fstatat(memory, "exe", &exe, 0) == 0) {
		source->device = exe.st_dev;
		source->inode = exe.st_ino;
	}
	if (memory >= 0)
		close(memory);
	return 0;
}

void source_let_go(struct source *source)
{
	if (source->proc >= 0)
		close(source->proc);
	if (source->root >= 0)
		close(source->root);
	source->proc = source->root = -1;
}

void source_close(struct source *source)
{
	source_let_go(source);
	free(source->executable);
	free(source->arguments);
	*source = (struct source){ .proc = -1, .root = -1, .line = -1 };
}

bool source_is_stale(const struct source *source)
{
	char path[64];
	struct stat now;

	if (source->proc < 0 || faccessat(source->proc, "stat", F_OK, 0)) {
		snprintf(path, sizeof path, "/proc/%" PRIu32 "/stat", source->pid);
		return access(path, F_OK) == 0;
	}
	return source->inode && fstatat(source->proc, "exe", &now, 0) == 0 &&
	       (now.st_ino != source->inode || now.st_dev != source->device);
}
