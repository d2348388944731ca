/* SPDX-License-Identifier: MIT */
/*
 * fact.c: the frame of a kernel-fact program.
 *
 * The facts run in a child with a process group of its own: whatever a kernel does to it (a call that never returns,
 * a signal), the parent ends it within the limit, removes the scratch directories and says so.
 */
#define _GNU_SOURCE
#include "fact.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_DIRS 8
#define MAX_SAID 256
#define EXIT_DIFFERS 1
#define EXIT_SKIP 77
#define EXIT_ERROR 99

struct scratch {
	char label[24];
	char path[PATH_MAX];
};

static struct {
	const struct fact_set *set;
	struct scratch dirs[MAX_DIRS];
	size_t dir_count;
	const char *here;  /* label of the running run_on */
	const char *label; /* set by fact_at */
	char *said[MAX_SAID];
	size_t said_count;
	size_t determined;
	int differs;
} state;

static const char *const fs_names[][2] = {
	{ "ef53", "ext4" },	 { "58465342", "xfs" }, { "9123683e", "btrfs" },    { "1021994", "tmpfs" },
	{ "794c7630", "overlay" }, { "858458f6", "ramfs" }, { "65735546", "fuse" }, { "6969", "nfs" },
	{ "f2f52010", "f2fs" },	 { "2fc12fc1", "zfs" }, { "ff534d42", "cifs" },
};

static void name_fs(const char *path, char *label, size_t size)
{
	struct statfs fs;
	char hex[20];

	if (statfs(path, &fs) < 0) {
		snprintf(label, size, "unknown");
		return;
	}
	snprintf(hex, sizeof(hex), "%lx", (unsigned long)fs.f_type & 0xffffffffUL);
	for (size_t i = 0; i < sizeof(fs_names) / sizeof(fs_names[0]); i++) {
		if (strcmp(fs_names[i][0], hex) == 0) {
			snprintf(label, size, "%s", fs_names[i][1]);
			return;
		}
	}
	snprintf(label, size, "fs-%s", hex);
}

/* a second directory of a kind already seen would give the same facts twice: ignored */
static void add_dir(const char *base)
{
	struct scratch *dir = &state.dirs[state.dir_count];

	if (state.dir_count == MAX_DIRS)
		return;
	name_fs(base, dir->label, sizeof(dir->label));
	for (size_t i = 0; i < state.dir_count; i++)
		if (strcmp(state.dirs[i].label, dir->label) == 0)
			return;
	snprintf(dir->path, sizeof(dir->path), "%.4000s/leat-fact.XXXXXX", base);
	if (!mkdtemp(dir->path)) {
		printf("# %s cannot be used: %s\n", base, strerror(errno));
		return;
	}
	if (chmod(dir->path, 0755) < 0)
		printf("# chmod %s: %s\n", dir->path, strerror(errno));
	state.dir_count++;
}

static void find_dirs(int argc, char **argv)
{
	const char *env = getenv("LEAT_FACT_DIRS"), *tmp = getenv("TMPDIR");
	char *list, *next;

	for (int i = 1; i < argc; i++)
		add_dir(argv[i]);
	if (argc > 1)
		return;
	if (env && *env) {
		list = strdup(env);
		for (next = list; next && *next;) {
			char *one = strsep(&next, ":");

			if (*one)
				add_dir(one);
		}
		free(list);
		return;
	}
	add_dir(tmp && *tmp ? tmp : "/tmp");
	add_dir("/var/tmp");
	add_dir("/dev/shm");
}

static void remove_dirs(void)
{
	for (size_t i = 0; i < state.dir_count; i++) {
		DIR *d = opendir(state.dirs[i].path);
		struct dirent *e;

		while (d && (e = readdir(d)))
			if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
			    unlinkat(dirfd(d), e->d_name, 0) < 0)
				unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
		if (d)
			closedir(d);
		rmdir(state.dirs[i].path);
	}
}

static void enter(const char *path)
{
	if (chdir(path) < 0)
		fact_die(path);
}

/* every fact of the table must have been said or skipped: a program that forgets one has failed */
static int verdict(void)
{
	size_t name_len;

	for (size_t i = 0; i < state.set->count; i++) {
		const char *name = state.set->facts[i].name;
		bool found = strchr(name, '@') != NULL;

		name_len = strlen(name);
		for (size_t k = 0; k < state.said_count && !found; k++)
			found = strncmp(state.said[k], name, name_len) == 0 &&
				(state.said[k][name_len] == '@' || state.said[k][name_len] == '\0');
		if (!found) {
			printf("# %s was never said\n", name);
			return EXIT_ERROR;
		}
	}
	if (state.differs)
		return EXIT_DIFFERS;
	return state.determined ? 0 : EXIT_SKIP;
}

static _Noreturn void run_child(const struct fact_set *set)
{
	setpgid(0, 0);
	enter(state.dirs[0].path);
	if (set->run)
		set->run();
	for (size_t i = 0; set->run_on && i < state.dir_count; i++) {
		enter(state.dirs[i].path);
		state.here = state.dirs[i].label;
		set->run_on();
		state.here = NULL;
	}
	exit(verdict());
}

/* the child's exit status, or 99 when it was killed by us or by itself */
static int wait_child(pid_t pid, int limit_s)
{
	struct timespec left = { .tv_sec = limit_s };
	sigset_t chld;
	int status, code = EXIT_ERROR;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	if (sigtimedwait(&chld, NULL, &left) < 0) {
		printf("# time limit of %d s\n", limit_s);
		kill(-pid, SIGKILL);
	}
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		code = WEXITSTATUS(status);
	else
		printf("# the facts ended by signal %d\n", WTERMSIG(status));
	kill(-pid, SIGKILL); /* what it may have left running */
	return code;
}

int fact_main(int argc, char **argv, const struct fact_set *set)
{
	sigset_t chld, before;
	pid_t pid;
	int code;

	if (argc == 2 && strcmp(argv[1], "--about") == 0) {
		for (size_t i = 0; i < set->count; i++)
			printf("%s\t%s\t%s\n", set->facts[i].name, set->facts[i].relied ? set->facts[i].relied : "",
			       set->facts[i].about);
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	state.set = set;
	find_dirs(argc, argv);
	if (state.dir_count == 0) {
		printf("# no directory to write in: give one as argument\n");
		return EXIT_SKIP;
	}
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &before);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fact_die("fork");
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		run_child(set);
	}
	setpgid(pid, pid);
	code = wait_child(pid, set->limit_s ? set->limit_s : 60);
	remove_dirs();
	return code;
}

static const struct fact *find_fact(const char *name, const char *full)
{
	const struct fact *found = NULL;

	for (size_t i = 0; i < state.set->count; i++) {
		const struct fact *f = &state.set->facts[i];

		if (strcmp(f->name, full) == 0)
			return f;
		if (strcmp(f->name, name) == 0)
			found = f;
	}
	return found;
}

static bool allowed(const char *list, const char *value)
{
	size_t len = strlen(value);

	for (const char *p = list; p; p = strchr(p, '|')) {
		if (*p == '|')
			p++;
		if (strncmp(p, value, len) == 0 && (p[len] == '|' || p[len] == '\0'))
			return true;
	}
	return false;
}

static void say(const char *name, const char *value, bool determined)
{
	const char *label = state.label ? state.label : state.here;
	const struct fact *f;
	char full[96];

	snprintf(full, sizeof(full), "%s%s%s", name, label ? "@" : "", label ? label : "");
	f = find_fact(name, full);
	if (!f || state.said_count == MAX_SAID) {
		printf("# %s is not in the table of facts\n", full);
		exit(EXIT_ERROR);
	}
	for (size_t i = 0; i < state.said_count; i++) {
		if (strcmp(state.said[i], full) == 0) {
			printf("# %s said twice\n", full);
			exit(EXIT_ERROR);
		}
	}
	state.said[state.said_count++] = strdup(full);
	printf("%s: %s\n", full, value);
	if (!determined)
		return;
	state.determined++;
	if (f->relied && !allowed(f->relied, value)) {
		printf("# DIFFERS %s: the library relies on '%s'\n", full, f->relied);
		state.differs++;
	}
}

void fact_say(const char *name, const char *format, ...)
{
	char value[200];
	va_list ap;

	va_start(ap, format);
	vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	say(name, value, true);
}

void fact_skip(const char *name, const char *format, ...)
{
	char reason[180], value[200];
	va_list ap;

	va_start(ap, format);
	vsnprintf(reason, sizeof(reason), format, ap);
	va_end(ap);
	snprintf(value, sizeof(value), "- (%s)", reason);
	say(name, value, false);
}

void fact_note(const char *format, ...)
{
	const char *label = state.label ? state.label : state.here;
	va_list ap;

	printf("# %s%s", label ? label : "", label ? ": " : "");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

void fact_die(const char *what)
{
	printf("# set-up failed: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(EXIT_ERROR);
}

void fact_at(const char *label)
{
	state.label = label;
}

size_t fact_dirs(void)
{
	return state.dir_count;
}

const char *fact_dir(size_t index)
{
	return state.dirs[index].path;
}

const char *fact_fs(size_t index)
{
	return state.dirs[index].label;
}

const char *fact_here(void)
{
	return state.here;
}
