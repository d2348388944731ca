/* SPDX-License-Identifier: MIT */
/*
 * strace on one serving process, and what its log says. The window of a transfer goes from the first call that moved
 * payload to the last one: accepting, closing and answering us stand outside it. Payload is what goes through a socket
 * or a file that is not of the kernel's own making; our orders and answers go through pipes.
 */
#include "child.h"
#include "count.h"
#include "tool.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTACH_MS 5000

/* ---- attaching ---- */

/* Whether this tracer has every thread of the process: others may trace all that we start. */
static int attached(pid_t pid, pid_t by)
{
	char path[300], line[128];
	int threads = 0, traced = 0;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		FILE *f;
		int tracer = 0;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int)pid, entry->d_name);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof line, f) && sscanf(line, "TracerPid: %d", &tracer) != 1)
			;
		if (f)
			fclose(f);
		threads++;
		traced += tracer == by;
	}
	if (dir)
		closedir(dir);
	return threads && threads == traced;
}

static void exec_strace(pid_t pid, int cpu, int log, int errors)
{
	char target[16], output[32];

	signal(SIGINT, SIG_DFL);	/* how it is told to detach */
	pin_to(cpu);			/* beside the receiver it would be ten times slower */
	snprintf(target, sizeof target, "%d", (int)pid);
	snprintf(output, sizeof output, "/proc/self/fd/%d", log);
	fcntl(log, F_SETFD, 0);
	dup2(errors, STDERR_FILENO);
	setenv("LC_ALL", "C", 1);
	execlp("strace", "strace", "-f", "-qq", "-y", "-s", "0", "-o", output, "-p", target, (char *)NULL);
	_exit(127);
}

/* The first line strace wrote on stderr, for people. */
static void first_line(int errors, const char *otherwise, char *why, size_t size)
{
	ssize_t n = pread(errors, why, size - 1, 0);

	if (n <= 0)
		snprintf(why, size, "%s", otherwise);
	else
		why[n] = 0;
	why[strcspn(why, "\n")] = 0;
}

int tracer_start(struct tracer *tracer, pid_t pid, int cpu, char *why, size_t size)
{
	int errors = memfd_create("leat-bench-strace-errors", MFD_CLOEXEC), status;
	char ended[128], end[96];

	tracer->log = memfd_create("leat-bench-strace", MFD_CLOEXEC);
	tracer->pid = tracer->log < 0 || errors < 0 ? -errno : child_fork();
	if (tracer->pid == 0)
		exec_strace(pid, cpu, tracer->log, errors);
	if (tracer->pid < 0)
		snprintf(why, size, "strace could not be started: %s", strerror(-tracer->pid));
	for (int ms = 0; tracer->pid > 0 && ms < ATTACH_MS && !attached(pid, tracer->pid); ms += 2) {
		usleep(2000);
		if (waitpid(tracer->pid, &status, WNOHANG) != tracer->pid)
			continue;
		snprintf(ended, sizeof ended, "strace %s at once", tool_end(status, end, sizeof end));
		first_line(errors, ended, why, size);
		tracer->pid = -1;
	}
	if (tracer->pid > 0 && !attached(pid, tracer->pid)) {
		first_line(errors, "strace did not attach within 5 s", why, size);
		tracer_stop(tracer);
		tracer->pid = -1;
	}
	if (errors >= 0)
		close(errors);
	if (tracer->pid > 0)
		return 0;
	if (tracer->log >= 0)
		close(tracer->log);
	return -EPERM;
}

void tracer_stop(struct tracer *tracer)
{
	struct rusage u = { 0 };
	int ms = 0;

	kill(tracer->pid, SIGINT);
	for (; ms < ATTACH_MS && wait4(tracer->pid, NULL, WNOHANG, &u) == 0; ms += 2)
		usleep(2000);
	if (ms >= ATTACH_MS) {
		kill(tracer->pid, SIGKILL);
		wait4(tracer->pid, NULL, 0, &u);
	}
	tracer->cpu_ns = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000 +
			 (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

/* ---- reading ---- */

enum call_kind { CALL_OTHER, CALL_KERNEL /* moves inside the kernel */, CALL_IN /* into our memory */, CALL_OUT, CALL_CLONE };

static enum call_kind kind_of(const char *name)
{
	static const struct { const char *name; enum call_kind kind; } kinds[] = {
		{ "sendfile", CALL_KERNEL }, { "splice", CALL_KERNEL }, { "tee", CALL_KERNEL },
		{ "copy_file_range", CALL_KERNEL }, { "read", CALL_IN }, { "pread64", CALL_IN }, { "readv", CALL_IN },
		{ "preadv", CALL_IN }, { "preadv2", CALL_IN }, { "recvfrom", CALL_IN }, { "recvmsg", CALL_IN },
		{ "write", CALL_OUT }, { "pwrite64", CALL_OUT }, { "writev", CALL_OUT }, { "pwritev", CALL_OUT },
		{ "pwritev2", CALL_OUT }, { "sendto", CALL_OUT }, { "sendmsg", CALL_OUT }, { "vmsplice", CALL_OUT },
		{ "ioctl", CALL_CLONE },
	};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return kinds[i].kind;
	return CALL_OTHER;
}

/* strace -y writes 5<socket:[1]> and 4</path>. */
static int names_payload(const char *args)
{
	for (const char *at = args; (at = strchr(at, '<')); at++) {
		if (at == args || !isdigit((unsigned char)at[-1]))
			continue;
		if (strncmp(at, "<socket:", 8) == 0 || strncmp(at, "<TCP", 4) == 0)
			return 1;
		if (at[1] == '/' && strncmp(at, "</proc/", 7) && strncmp(at, "</sys/", 6) && strncmp(at, "</dev/null", 10))
			return 1;
	}
	return 0;
}

struct call {
	char name[24];
	enum call_kind kind;
	int payload, peek, probe;
	int says_late;		/* what it is, its flags say, which strace writes when it has ended */
};

struct tally { uint64_t calls[COUNT_NAMES], transfer_calls, user_calls, probes; };

struct reader {
	struct counts *counts;
	struct tally sure, since;	/* up to the last payload call; after it */
	int in_window;
	unsigned pending_count;
	struct { int thread; struct call call; } pending[64];
};

static unsigned slot_of(struct counts *c, const char *name)
{
	unsigned i;

	for (i = 0; i < c->names; i++)
		if (strcmp(c->by_name[i].name, name) == 0)
			return i;
	if (c->names < COUNT_NAMES) {
		snprintf(c->by_name[i].name, sizeof c->by_name[i].name, "%s", name);
		return c->names++;
	}
	return COUNT_NAMES - 1;		/* more names than any server here has: the last one takes the rest */
}

static void keep_since(struct reader *r)
{
	for (unsigned i = 0; i < COUNT_NAMES; i++)
		r->sure.calls[i] += r->since.calls[i];
	r->sure.transfer_calls += r->since.transfer_calls;
	r->sure.user_calls += r->since.user_calls;
	r->sure.probes += r->since.probes;
	memset(&r->since, 0, sizeof r->since);
}

static void call_begins(struct reader *r, const struct call *call)
{
	/* The next transfer: whatever came after the last payload call of this one stays outside. */
	if (strcmp(call->name, "accept4") == 0 || strcmp(call->name, "accept") == 0) {
		r->in_window = 0;
		memset(&r->since, 0, sizeof r->since);
		return;
	}
	r->since.calls[slot_of(r->counts, call->name)]++;
	if (call->payload && call->probe)
		r->since.probes++;
	else if (call->payload)
		r->since.transfer_calls++;
}

static void call_ends(struct reader *r, const struct call *call, long long result)
{
	int moved = call->payload && !call->probe && !call->peek && (result > 0 || (call->kind == CALL_CLONE && result == 0));

	if (!moved) {
		if (!r->in_window)
			memset(&r->since, 0, sizeof r->since);
		return;
	}
	if (call->kind == CALL_IN)
		r->counts->user_in_bytes += (uint64_t)result;
	if (call->kind == CALL_OUT)
		r->counts->user_out_bytes += (uint64_t)result;
	r->since.user_calls += call->kind == CALL_IN || call->kind == CALL_OUT;
	r->in_window = 1;
	keep_since(r);
}

/* text has all of its arguments, or those that were written when it had ended. */
static void call_goes(struct reader *r, struct call *call, const char *text, long long result)
{
	call->probe = call->says_late && strstr(text, "RWF_NOWAIT") && result <= 1;
	call_begins(r, call);
	call_ends(r, call, result);
}

static int parse_call(const char *text, struct call *call)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");

	memset(call, 0, sizeof *call);
	if (!length || text[length] != '(' || length >= sizeof call->name)
		return -1;
	memcpy(call->name, text, length);
	call->kind = kind_of(call->name);
	call->payload = call->kind != CALL_OTHER && names_payload(text + length);
	if (call->kind == CALL_CLONE)
		call->payload = call->payload && strstr(text, "FICLONE");
	call->peek = strstr(text, "MSG_PEEK") != NULL;
	call->says_late = strcmp(call->name, "preadv2") == 0;
	return 0;
}

/* The number behind the last " = "; -1 for an error or none. */
static long long result_of(const char *text)
{
	const char *at = text, *last = NULL;

	while ((at = strstr(at, " = ")))
		last = at += 3;
	return last && isdigit((unsigned char)*last) ? strtoll(last, NULL, 10) : -1;
}

static void read_line(struct reader *r, const char *line)
{
	char *text;
	int thread = (int)strtol(line, &text, 10);
	long long result = result_of(text);
	struct call call;
	unsigned i;

	text += strspn(text, " ");
	if (strncmp(text, "<... ", 5) == 0) {
		for (i = 0; i < r->pending_count && r->pending[i].thread != thread; i++)
			;
		if (i == r->pending_count)
			return;
		call = r->pending[i].call;
		r->pending[i] = r->pending[--r->pending_count];
		if (call.says_late)
			call_goes(r, &call, text, result);
		else
			call_ends(r, &call, result);
		return;
	}
	if (parse_call(text, &call))
		return;		/* a signal, an exit, a call that strace found already under way */
	if (!strstr(text, "<unfinished ...>")) {
		call_goes(r, &call, text, result);
		return;
	}
	if (!call.says_late)
		call_begins(r, &call);
	if (r->pending_count < sizeof r->pending / sizeof r->pending[0]) {
		r->pending[r->pending_count].thread = thread;
		r->pending[r->pending_count++].call = call;
	}
}

int counts_read(struct counts *counts, int log)
{
	struct reader *r = calloc(1, sizeof *r);
	FILE *f = r && lseek(log, 0, SEEK_SET) == 0 ? fdopen(log, "r") : NULL;
	size_t room = 0;
	char *line = NULL;

	if (!f) {
		free(r);
		close(log);
		return -ENOMEM;
	}
	r->counts = counts;
	while (getline(&line, &room, f) > 0)
		read_line(r, line);
	for (unsigned i = 0; i < counts->names; i++)
		counts->by_name[i].calls += r->sure.calls[i];
	counts->transfer_calls += r->sure.transfer_calls;
	counts->user_calls += r->sure.user_calls;
	counts->probes += r->sure.probes;
	free(line);
	free(r);
	fclose(f);
	return 0;
}

uint64_t counts_of(const struct counts *counts, const char *name)
{
	for (unsigned i = 0; i < counts->names; i++)
		if (strcmp(counts->by_name[i].name, name) == 0)
			return counts->by_name[i].calls;
	return 0;
}
