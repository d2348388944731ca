/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMM_BYTES 15	/* of a name, that the kernel keeps */

/* A whole small file of /proc as a string; its length, or -errno. */
static ssize_t read_text(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t bytes;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	bytes = read(fd, text, size - 1);
	if (bytes < 0)
		bytes = -errno;
	else
		text[bytes] = 0;
	close(fd);
	return bytes;
}

struct stat_line {
	char state;
	int parent, threads;
	unsigned long flags;
	unsigned long long start;
	char name[32];
};

/* The name may hold blanks and parentheses: what follows is behind the last one. */
static int parse_stat(const char *text, struct stat_line *line)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	size_t length;

	if (!open || !close || close < open)
		return -EINVAL;
	length = (size_t)(close - open - 1);
	if (length >= sizeof line->name)
		length = sizeof line->name - 1;
	memcpy(line->name, open + 1, length);
	line->name[length] = 0;
	return sscanf(close + 1,
		      " %c %d %*d %*d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d %*d %llu",	/* NOLINT(cert-err34-c) */
		      &line->state, &line->parent, &line->flags, &line->threads, &line->start) == 5
		       ? 0
		       : -EINVAL;
}

static int read_stat(pid_t pid, struct stat_line *line)
{
	char text[1024];
	ssize_t bytes = read_text(pid, "stat", text, sizeof text);

	return bytes < 0 ? -ESRCH : parse_stat(text, line);
}

/* Whose first thread has ended may go on in others. */
static bool has_ended(const struct stat_line *line)
{
	return line->state == 'X' || (line->state == 'Z' && line->threads < 2);
}

long process_status(pid_t pid, const char *word)
{
	char text[4096], begin[32];
	const char *at;

	if (read_text(pid, "status", text, sizeof text) < 0)
		return -1;
	snprintf(begin, sizeof begin, "\n%s", word);
	at = strstr(text, begin);
	return at ? strtol(at + strlen(begin), NULL, 10) : -1;
}

/* Of a thread, the process. */
static pid_t group_of(pid_t pid)
{
	long group = process_status(pid, "Tgid:");

	return group > 0 ? (pid_t)group : pid;
}

static bool has_memory(int thread)
{
	char byte;

	return readlinkat(thread, "exe", &byte, 1) >= 0;
}

static int other_with_memory(int proc)
{
	int fd = openat(proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC), thread = -1;
	DIR *tasks = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (tasks && thread < 0 && (entry = readdir(tasks))) {
		thread = *entry->d_name == '.' ? -1 : openat(fd, entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (thread >= 0 && !has_memory(thread)) {
			close(thread);
			thread = -1;
		}
	}
	if (tasks)
		closedir(tasks);
	return thread;
}

int process_memory(int proc)
{
	int thread = has_memory(proc) || errno != ENOENT ? -1 : other_with_memory(proc);

	return thread < 0 ? fcntl(proc, F_DUPFD_CLOEXEC, 0) : thread;
}

int process_memory_of(pid_t pid)
{
	char path[64];
	int proc, memory;

	snprintf(path, sizeof path, "/proc/%d", (int)pid);
	proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return -1;
	memory = process_memory(proc);
	close(proc);
	return memory;
}

/*
 * By the size of its program headers, which the kernel has told it. Not by its file: to open that may mean to ask who serves the file
 * system (FUSE), who may be stopped by us just now.
 */
static bool is_narrow(int memory)
{
	uint32_t words[128];
	int fd = openat(memory, "auxv", O_RDONLY | O_CLOEXEC);
	ssize_t bytes = fd < 0 ? 0 : read(fd, words, sizeof words);

	if (fd >= 0)
		close(fd);
	for (size_t i = 0; bytes > 0 && i + 1 < (size_t)bytes / sizeof *words; i += 2)
		if (words[i] == AT_PHENT)	/* what a pair of wide words begins with, too, and 0 follows there */
			return words[i + 1] == sizeof(Elf32_Phdr);
	return false;
}

static void look_at_program(pid_t pid, struct process *process)
{
	char path[PATH_MAX];
	int memory = process_memory_of(pid);
	ssize_t length = memory < 0 ? -1 : readlinkat(memory, "exe", path, sizeof path - 1);

	if (length > 0) {
		path[length] = 0;
		process->executable = strdup(path);
		process->is_32_bit = is_narrow(memory);
	}
	if (memory >= 0)
		close(memory);
}

#define KERNEL_THREAD 0x00200000	/* PF_KTHREAD */

int process_look(pid_t pid, struct process *process)
{
	struct stat_line line;
	int error;

	pid = group_of(pid);
	error = read_stat(pid, &line);
	if (error || has_ended(&line))
		return -ESRCH;
	if (line.flags & KERNEL_THREAD)
		return -ENOEXEC;
	memset(process, 0, sizeof *process);
	process->pid = (uint32_t)pid;
	process->parent = (uint32_t)line.parent;
	process->start_ticks = line.start;
	process->exit_status = -1;
	process->name = strdup(line.name);
	look_at_program(pid, process);
	return 0;
}

bool process_is_ours(pid_t pid)
{
	struct stat_line line;

	return pid == getpid() || (read_stat(pid, &line) == 0 && line.parent == getpid());
}

void process_changed(struct process *is, const struct process *now)
{
	free(is->name);
	free(is->executable);
	is->name = now->name;
	is->executable = now->executable;
	is->is_32_bit = now->is_32_bit;
}

bool process_is_same(const struct process *process)
{
	struct stat_line line;

	return read_stat((pid_t)process->pid, &line) == 0 && line.start == process->start_ticks && !has_ended(&line);
}

/* The next process of /proc, that is none of the kernel's threads, not the caller and none of his children. 0: there is none. */
static pid_t next_process(DIR *dir, struct stat_line *line)
{
	const struct dirent *entry;

	while ((entry = readdir(dir))) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);

		if (pid > 0 && !*end && pid != getpid() && read_stat((pid_t)pid, line) == 0 && !(line->flags & KERNEL_THREAD) &&
		    line->parent != getpid())
			return (pid_t)pid;
	}
	return 0;
}

int process_list(const char *name, struct process_line *lines, unsigned most)
{
	DIR *dir = opendir("/proc");
	struct stat_line line;
	unsigned count = 0;
	pid_t pid;

	if (!dir)
		return -errno;
	while (count < most && (pid = next_process(dir, &line)))
		if (!name || strncmp(line.name, name, COMM_BYTES) == 0)
			lines[count++] = (struct process_line){ .pid = pid, .parent = line.parent, .start_ticks = line.start };
	closedir(dir);
	return (int)count;
}
