/* SPDX-License-Identifier: MIT */
/*
 * Serving processes: one for each shape, alive from the first pass to the last, on the server's CPU. It serves whoever
 * connects to its listener (or, file to file, whenever it is ordered to), one transfer at a time, and then tells what it
 * knows over a pipe. Pipes, not sockets, so that no order can be taken for payload in the count pass.
 */
#include "../net.h"
#include "bench.h"
#include "child.h"
#include "golang.h"
#include "settings.h"
#include "shapes.h"
#include "testfile.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t own_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int pin_to(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof set, &set) ? -errno : 0;
}

/* Killed when its parent dies, deaf to the terminal's ^C (the parent ends it). */
static void bind_to(pid_t parent)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)	/* it died before the line above */
		_exit(0);
	/* Where Yama guards ptrace, strace is a sibling and needs to be let in. */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
}

pid_t child_fork(void)
{
	pid_t me = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		bind_to(me);
	return pid;
}

int open_again(int fd, int flags)
{
	char path[32];
	int again;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC);
	return again < 0 ? -errno : again;
}

void job_between(void *arg)
{
	struct job *job = arg;
	char byte;

	if (job->plant < 0)
		return;
	if (read(job->plant, &byte, 1) != 1)
		job->outcome->bytes = -EIO;
	close(job->plant);
	job->plant = -1;
}

/* ---- in the serving process ---- */

struct server {
	struct bench *b;
	const struct shape *shape;
	int orders, answers, listener, file, plant, dst;
};

static void serve_one(struct server *s, int in, int out)
{
	struct outcome outcome = { .dst = -1 };
	struct job job = {
		.shape = s->shape, .settings = &s->b->settings, .file = s->file, .size = s->b->file.size, .in = in, .out = out,
		.plant = s->plant, .until_ns = now_ns() + s->b->payload_timeout_ms * 1000000, .outcome = &outcome,
	};
	uint64_t began = now_ns(), cpu = own_cpu_ns();
	int error = s->shape->serve(&job);

	outcome.cpu_ns = own_cpu_ns() - cpu;
	outcome.wall_ns = now_ns() - began;
	if (error < 0)
		outcome.bytes = error;
	if (s->shape->direction == FILE_FILE) {
		outcome.dst = out;
		s->dst = out;
	} else {
		close(out);
		if (in >= 0)
			close(in);
	}
	s->plant = job.plant;
	if (write(s->answers, &outcome, sizeof outcome) != (ssize_t)sizeof outcome)
		_exit(1);
}

static void serve_connection(struct server *s)
{
	int out = net_accept(s->listener, 1000), in = -1;

	if (out < 0)
		return;
	if (s->shape->direction == TCP_TCP) {
		in = net_connect(net_port(s->b->upstream), &s->b->net);
		if (in < 0) {
			close(out);
			return;
		}
	}
	serve_one(s, in, out);
}

static void obey(struct server *s)
{
	char order;

	if (read(s->orders, &order, 1) != 1)
		_exit(0);	/* the other end is closed: the bench is over */
	switch (order) {
	case ORDER_RUN:
		s->dst = scratch_file(s->b->file.dir);
		serve_one(s, -1, s->dst);
		break;
	case ORDER_PLANT:
		s->plant = open_again(s->file, O_RDONLY);
		break;
	case ORDER_RELEASE:
		close(s->dst);
		s->dst = -1;
		break;
	}
}

static void child_main(struct bench *b, const struct shape *shape, int orders, int answers, int listener)
{
	struct server s = { .b = b, .shape = shape, .orders = orders, .answers = answers, .listener = listener, .plant = -1 };

	if (shape->family == FAMILY_C)
		signal(SIGPIPE, SIG_IGN);
	s.file = open_again(shape->flags & SHAPE_SPARSE ? b->sparse : b->file.fd, O_RDONLY);
	if (s.file < 0)		/* no /proc: the offset is shared, and rewound before each use */
		s.file = shape->flags & SHAPE_SPARSE ? b->sparse : b->file.fd;
	for (;;) {
		struct pollfd p[2] = { { .fd = orders, .events = POLLIN }, { .fd = listener, .events = POLLIN } };

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents)
			obey(&s);
		else if (p[1].revents)
			serve_connection(&s);
	}
}

/* ---- in the bench ---- */

static void close_all(const int *fds, int n)
{
	for (int i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static uint16_t wanted_port(const struct bench *b)
{
	unsigned before = 0;

	if (!b->settings.port)
		return 0;
	for (unsigned i = 0; i < b->runs_count; i++)
		before += b->runs[i].child.port != 0;
	return (uint16_t)(b->settings.port + 1 + before);
}

int child_start(struct bench *b, const struct shape *shape, struct child *child)
{
	int fd[5] = { -1, -1, -1, -1, -1 }, error;	/* orders 0 1, answers 2 3, listener */
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) || pipe2(fd + 2, O_CLOEXEC))
		goto fail;
	if (shape->direction != FILE_FILE) {
		fd[4] = net_listen(wanted_port(b), &b->net);
		if (fd[4] < 0) {
			errno = -fd[4];
			goto fail;
		}
		child->port = net_port(fd[4]);
	}
	pid = child_fork();
	if (pid < 0) {
		errno = -pid;
		goto fail;
	}
	if (pid == 0) {
		close(fd[1]);
		close(fd[2]);
		for (unsigned i = 0; i < b->runs_count; i++)
			if (b->runs[i].child.pid)
				close_all((int[]){ b->runs[i].child.orders, b->runs[i].child.answers }, 2);
		pin_to(b->cpu_server);
		if (shape->family == FAMILY_GO)
			golang_exec(b, shape, fd[0], fd[3], fd[4]);
		else
			child_main(b, shape, fd[0], fd[3], fd[4]);
		_exit(1);
	}
	close_all((int[]){ fd[0], fd[3], fd[4] }, 3);
	child->orders = fd[1];
	child->answers = fd[2];
	child->pid = pid;
	return 0;
fail:
	error = -errno;
	close_all(fd, 5);
	return error;
}

int child_order(struct child *child, enum order order)
{
	char byte = (char)order;

	return write(child->orders, &byte, 1) == 1 ? 0 : -errno;
}

int child_answer(struct child *child, struct outcome *outcome, int timeout_ms)
{
	struct pollfd p = { .fd = child->answers, .events = POLLIN };
	struct outcome got;
	ssize_t n;

	if (poll(&p, 1, timeout_ms) <= 0)
		return -ETIMEDOUT;
	n = read(child->answers, &got, sizeof got);
	if (n == (ssize_t)sizeof got)
		*outcome = got;
	return n == (ssize_t)sizeof got || n == 1 ? 0 : -EPIPE;
}

void child_stop(struct child *child)
{
	if (!child->pid)
		return;
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	close(child->orders);
	close(child->answers);
	child->pid = 0;
}

const char *child_obituary(const struct child *child, char *text, size_t size)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
		snprintf(text, size, "does not answer");
	else if (info.si_code == CLD_EXITED)
		snprintf(text, size, "ended by itself, with status %d", info.si_status);
	else
		snprintf(text, size, "was ended by signal %d (%s)", info.si_status, strsignal(info.si_status));
	return text;
}

uint64_t child_cpu_ns(const struct child *child)
{
	struct timespec t;
	clockid_t clock;

	if (!child->pid || clock_getcpuclockid(child->pid, &clock) || clock_gettime(clock, &t))
		return 0;
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
