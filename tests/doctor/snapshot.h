/* SPDX-License-Identifier: MIT */
/*
 * A program under ptrace, stopped where it ends a call of a certain length, and its stack as a feed would give it; so the tests
 * of symbols need no BPF. All its threads are followed; it is killed at the end of the case, or with the test.
 */
#ifndef TESTS_DOCTOR_SNAPSHOT_H
#define TESTS_DOCTOR_SNAPSHOT_H

#include "check.h"

#include "../../doctor/feed.h"

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#define STACK_BYTES 32768
#define STOPS_MAX 2000000

struct snapshot {
	pid_t pid;
	pid_t held;			/* the thread that stands at the end of a call */
	struct feed_stack stack;
	uint8_t bytes[STACK_BYTES];
	uint64_t ips[128];
};

static inline void snapshot_end(struct snapshot *snapshot)
{
	pid_t ended = 0;
	int status;

	if (snapshot->pid > 0) {
		kill(snapshot->pid, SIGKILL);
		/* Its end is told after that of its threads. The test may have other children, that go on. */
		for (unsigned i = 0; i < STOPS_MAX && ended >= 0 && (ended != snapshot->pid || WIFSTOPPED(status)); i++)
			ended = waitpid(-1, &status, __WALL);
	}
	snapshot->pid = snapshot->held = 0;
}

/* Starts the program with no more than the arguments given; output goes to the test's. */
static inline void snapshot_start(struct snapshot *snapshot, const char *const argv[])
{
	int status;

	snapshot_end(snapshot);	/* of a case that failed */
	snapshot->pid = CHECK_CALL(fork());
	if (!snapshot->pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	CHECK_CALL(waitpid(snapshot->pid, &status, 0));
	CHECK(WIFSTOPPED(status));
	CHECK_CALL(ptrace(PTRACE_SETOPTIONS, snapshot->pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
			  PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK));
	CHECK_CALL(ptrace(PTRACE_SYSCALL, snapshot->pid, NULL, NULL));
}

/* Takes hold of a program that runs, all threads of it. */
static inline void snapshot_seize(struct snapshot *snapshot)
{
	const long how = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE;
	char path[64];
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof path, "/proc/%d/task", (int)snapshot->pid);
	tasks = opendir(path);
	CHECK(tasks != NULL);
	while ((entry = readdir(tasks))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (tid > 0 && ptrace(PTRACE_SEIZE, tid, NULL, (void *)how) == 0)
			CHECK_CALL(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL));
	}
	closedir(tasks);
}

static inline size_t snapshot_read(pid_t pid, uint64_t from, void *to, size_t bytes)
{
	struct iovec local = { to, bytes }, remote = { (void *)(uintptr_t)from, bytes };
	ssize_t n;

	do {	/* ends at the first page that is not there; then less is asked for */
		remote.iov_len = local.iov_len;
		n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
		if (n < 0)
			local.iov_len = local.iov_len > 4096 ? local.iov_len - 4096 : 0;
	} while (n < 0 && local.iov_len);
	return n > 0 ? (size_t)n : 0;
}

static inline void snapshot_take(struct snapshot *snapshot, pid_t tid, const struct user_regs_struct *r)
{
	const uint64_t dwarf[17] = { r->rax, r->rdx, r->rcx, r->rbx, r->rsi, r->rdi, r->rbp, r->rsp, r->r8,
				     r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15, r->rip };
	struct feed_stack *s = &snapshot->stack;
	uint64_t frame[2] = { r->rbp, 0 };

	*s = (struct feed_stack){ .pid = (uint32_t)snapshot->pid, .tid = (uint32_t)tid, .site = r->rip, .ip = r->rip, .sp = r->rsp };
	memcpy(s->registers, dwarf, sizeof dwarf);
	s->register_count = 17;
	s->bytes = snapshot->bytes;
	s->bytes_at = r->rsp;
	s->byte_count = snapshot_read(snapshot->pid, r->rsp, snapshot->bytes, sizeof snapshot->bytes);
	CHECK(s->byte_count > 0);
	s->ips = snapshot->ips;
	snapshot->ips[s->ip_count++] = r->rip;
	while (s->ip_count < 128 && frame[0] && snapshot_read(snapshot->pid, frame[0], frame, sizeof frame) == sizeof frame && frame[1])
		snapshot->ips[s->ip_count++] = frame[1];
}

/* Lets it run to the end of the next call of that number and length (its third argument). False: it exited before. */
static inline bool snapshot_next(struct snapshot *snapshot, long number, uint64_t length)
{
	if (snapshot->held)
		ptrace(PTRACE_SYSCALL, snapshot->held, NULL, NULL);
	snapshot->held = 0;
	for (unsigned i = 0; i < STOPS_MAX; i++) {
		struct __ptrace_syscall_info info;
		struct user_regs_struct r;
		int status, signal;
		pid_t tid = waitpid(-1, &status, __WALL);

		if (tid < 0 || (tid == snapshot->pid && !WIFSTOPPED(status)))
			return false;
		if (!WIFSTOPPED(status))
			continue;
		signal = WSTOPSIG(status);
		if (signal == (SIGTRAP | 0x80) && ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) > 0 &&
		    info.op == 2 /* the call ends */ && ptrace(PTRACE_GETREGS, tid, NULL, &r) == 0 &&
		    (long)r.orig_rax == number && r.rdx == length) {
			snapshot_take(snapshot, tid, &r);
			snapshot->held = tid;
			return true;
		}
		if (signal == (SIGTRAP | 0x80) || signal == SIGTRAP || signal == SIGSTOP)
			signal = 0;
		ptrace(PTRACE_SYSCALL, tid, NULL, (void *)(uintptr_t)signal);
	}
	return false;
}

/* ---- Programs that the tests build ----------------------------------------------------------------------------------------- */

static char snapshot_dir[64];

static inline void snapshot_clean(void)
{
	char command[128];

	if (*snapshot_dir && getpid() == check_pid) {
		snprintf(command, sizeof command, "rm -rf '%s'", snapshot_dir);
		if (system(command))
			return;
	}
}

/* A directory of the test's own, gone with it. */
static inline const char *snapshot_directory(void)
{
	if (!*snapshot_dir) {
		strcpy(snapshot_dir, "/tmp/leat-stacks.XXXXXX");
		CHECK(mkdtemp(snapshot_dir) != NULL);
		atexit(snapshot_clean);
	}
	return snapshot_dir;
}

/* Runs a command of which %s is the directory; false: it failed, as a compiler that is not there does. */
__attribute__((format(printf, 1, 2))) static inline bool snapshot_run(const char *format, ...)
{
	char command[4096];
	va_list list;

	va_start(list, format);
	vsnprintf(command, sizeof command, format, list);
	va_end(list);
	return system(command) == 0;
}

static inline bool snapshot_has(const char *program)
{
	return snapshot_run("command -v %s >/dev/null 2>&1", program);
}

static inline const char *snapshot_source(const char *name)
{
	static char path[4096];
	const char *source = getenv("LEAT_SOURCE");

	snprintf(path, sizeof path, "%s/tests/doctor/stacks/%s", source ? source : ".", name);
	return path;
}

/* The line of a source that has the comment MARK name. */
static inline uint32_t snapshot_line(const char *source, const char *name)
{
	FILE *f = fopen(snapshot_source(source), "re");
	char line[512], mark[128];
	uint32_t number = 0, found = 0;
	size_t length = (size_t)snprintf(mark, sizeof mark, "MARK %s", name);

	CHECK_SAY(f != NULL, "%s: %s", snapshot_source(source), strerror(errno));
	while (!found && fgets(line, sizeof line, f)) {
		const char *at = strstr(line, mark);

		number++;
		if (at && strchr(" \n", at[length]))
			found = number;
	}
	fclose(f);
	CHECK_SAY(found, "no mark %s in %s", name, source);
	return found;
}

/* ---- What came of it ------------------------------------------------------------------------------------------------------- */

static inline void snapshot_print(const struct site *site)
{
	for (uint32_t i = 0; i < site->frame_count; i++) {
		const struct frame *f = &site->frames[i];

		printf("  %u %s%s %s:%u %s+%#llx sp %llx owner %d\n", i, f->function ? f->function : "?",
		       f->inlined ? " [inlined]" : "", f->file ? f->file : "?", f->line, f->module ? f->module : "?",
		       (unsigned long long)f->module_offset, (unsigned long long)f->sp, f->owner);
	}
	printf("  %s%s\n", site->truncated ? "truncated" : "complete", site->different_file ? ", different file" : "");
}

/* The place of the first frame of that function from `from` on, or MODEL_NONE. */
static inline uint32_t snapshot_find(const struct site *site, uint32_t from, const char *function)
{
	for (uint32_t i = from; i < site->frame_count; i++)
		if (site->frames[i].function && !strcmp(site->frames[i].function, function))
			return i;
	return MODEL_NONE;
}

static inline void snapshot_free(struct site *site)
{
	struct model model = { .sites = malloc(sizeof *site), .site_count = 1 };

	CHECK(model.sites != NULL);
	*model.sites = *site;
	model_free(&model);
	memset(site, 0, sizeof *site);
}

#endif
