/* SPDX-License-Identifier: MIT */
/* Sources of every kind, with the peers that feed them. */
#include "ends.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEHIND 333
#define ENV_STRING 100000

const char *const from_names[FROM_KINDS] = {
	"fd", "file", "range", "proc", "memory", "pipe", "fifo", "tcp", "unix", "pty", "zero", "callback", "queue", "view",
};

static void block_sigpipe(void)
{
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
}

/* ---- Files: one for each size, made once, read by many ---- */

static struct content_file {
	uint64_t key;
	char path[64];
	int keep;
} files[64];

static struct content_file *content_file(uint64_t key)
{
	for (struct content_file *file = files; file < files + sizeof files / sizeof files[0]; file++)
		if (!file->keep || file->key == key)
			return file;
	ends_die("too many sizes");
}

/* ENDS_PAD other bytes, content, BEHIND other bytes when asked for. */
static int open_content(uint64_t size, bool behind)
{
	struct content_file *file = content_file(size << 1 | behind);

	if (!file->keep) {
		static const unsigned char pad[ENDS_PAD] = "pad";
		int fd = ends_file(O_RDWR);

		if (ends_write_all(fd, pad, ENDS_PAD) != ENDS_PAD || ends_write_all(fd, ends_content(size), size) != size ||
		    (behind && ends_write_all(fd, pad, BEHIND) != BEHIND))
			ends_die("a file's content");
		file->keep = fd;
		file->key = size << 1 | behind;
		snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", fd);
	}
	return open(file->path, O_RDONLY | O_CLOEXEC);
}

/* ---- A generated file: the environment of a child ---- */

static struct environ_child {
	uint64_t size;
	unsigned char *bytes;
	pid_t pid;
} children[16];

static void run_child(const unsigned char *bytes, uint64_t size, int ready)
{
	char **env = calloc(size / ENV_STRING + 2, sizeof *env), *args[] = { (char *)"sleep", (char *)"3600", NULL };
	unsigned count = 0;

	for (uint64_t at = 0; at < size; at += strlen((const char *)bytes + at) + 1)
		env[count++] = (char *)bytes + at;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(3600);
	execve("/bin/sleep", args, env);
	if (write(ready, "", 1) < 0)
		_exit(2);
	_exit(1);
}

/* Strings of at most ENV_STRING bytes with their zeros: what execve takes. */
static unsigned char *environ_bytes(uint64_t size)
{
	unsigned char *bytes = malloc(size + 1);

	if (!bytes)
		ends_die("environment");
	for (uint64_t i = 0; i < size; i++)
		bytes[i] = i % ENV_STRING == ENV_STRING - 1 || i == size - 1 ? 0 : (unsigned char)(33 + (i * i + i / 7) % 90);
	return bytes;
}

/* execve closes its descriptors before it says where the environment is. */
static void wait_for_environ(const struct environ_child *child)
{
	char path[64], *bytes = malloc(child->size + 1);

	snprintf(path, sizeof path, "/proc/%d/environ", child->pid);
	for (unsigned i = 0; i < 2000 && bytes; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		uint64_t got = 0;
		ssize_t n = fd < 0 ? 0 : 1;

		while (n > 0 && (n = read(fd, bytes + got, child->size + 1 - got)) > 0)
			got += (uint64_t)n;
		close(fd);
		if (got == child->size && !memcmp(bytes, child->bytes, got)) {
			free(bytes);
			return;
		}
		usleep(1000);
	}
	ends_die("a child's environment");
}

static struct environ_child *environ_child(uint64_t size)
{
	struct environ_child *child = children;
	int ready[2];
	char byte;

	while (child->pid && child->size != size)
		child++;
	if (child->pid)
		return child;
	child->size = size;
	child->bytes = environ_bytes(size);
	if (pipe2(ready, O_CLOEXEC) < 0)
		ends_die("pipe");
	fflush(stdout);
	child->pid = fork();
	if (child->pid < 0)
		ends_die("fork");
	if (!child->pid)
		run_child(child->bytes, size, ready[1]);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 0)
		ends_die("execve of sleep");
	close(ready[0]);
	wait_for_environ(child);
	return child;
}

/* ---- All of them ---- */

static void *feed(void *arg)
{
	struct from_end *end = arg;

	block_sigpipe();
	ends_write_all(end->peer, end->bytes, end->size);
	if (end->kind != FROM_PTY) {	/* a terminal that is hung up forgets what is not yet read */
		close(end->peer);
		end->peer = -1;
	}
	return NULL;
}

static int64_t give(void *arg, void *buffer, size_t size, struct pollfd *wait)
{
	struct from_end *end = arg;
	uint64_t left = end->size - end->given, n = size < 5000 ? size : 5000;

	if (++end->asked % 3 == 2) {
		*wait = (struct pollfd){ .fd = end->always, .events = POLLIN };
		return -EAGAIN;
	}
	n = n < left ? n : left;
	memcpy(buffer, end->bytes + end->given, n);
	end->given += n;
	return (int64_t)n;
}

static const struct leat_source_ops give_ops = { .name = "give", .read = give };

static void open_fifo(struct from_end *end)
{
	char path[300];

	snprintf(path, sizeof path, "%s/fifo", ends_dir());
	if (mkfifo(path, 0600) < 0)
		ends_die(path);
	end->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	end->peer = open(path, O_WRONLY | O_CLOEXEC);
	unlink(path);
}

static void open_from(struct from_end *end)
{
	char path[64];
	int pair[2] = { -1, -1 };

	switch (end->kind) {
	case FROM_FD: case FROM_FILE: case FROM_QUEUE:
		end->fd = open_content(end->size, false);
		break;
	case FROM_RANGE: case FROM_VIEW:
		end->fd = open_content(end->size, true);
		break;
	case FROM_PROC:
		snprintf(path, sizeof path, "/proc/%d/environ", environ_child(end->size)->pid);
		end->bytes = environ_child(end->size)->bytes;
		end->fd = open(path, O_RDONLY | O_CLOEXEC);
		break;
	case FROM_ZERO:
		end->bytes = calloc(1, end->size + 1);
		end->fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
		break;
	case FROM_PIPE:
		end->fd = pipe2(pair, O_CLOEXEC) < 0 ? -1 : pair[0];
		end->peer = pair[1];
		break;
	case FROM_FIFO:
		open_fifo(end);
		break;
	case FROM_TCP: case FROM_UNIX:
		ends_pair(end->kind == FROM_TCP, pair);
		end->fd = pair[0];
		end->peer = pair[1];
		break;
	case FROM_PTY:
		ends_pty(&end->peer, &end->fd);
		break;
	default:
		return;
	}
	if (end->fd < 0)
		ends_die(from_names[end->kind]);
}

static void queue_of_three(struct from_end *end)
{
	uint64_t third = end->size / 3, two = third * 2;

	leat_queue_init(&end->queue);
	leat_from_range(&end->parts[0], end->fd, ENDS_PAD, third);
	leat_from_memory(&end->parts[1], end->bytes + third, third);
	leat_from_range(&end->parts[2], end->fd, ENDS_PAD + two, end->size - two);
	for (int i = 0; i < 3; i++)
		leat_queue_add(&end->queue, &end->parts[i]);
	leat_queue_end(&end->queue);
	leat_from_queue(&end->source, &end->queue);
}

static void init_source(struct from_end *end)
{
	struct leat_source *source = &end->source;

	switch (end->kind) {
	case FROM_FILE:
		leat_from_file(source, end->fd, ENDS_PAD);
		break;
	case FROM_RANGE:
		leat_from_range(source, end->fd, ENDS_PAD, end->size);
		break;
	case FROM_MEMORY:
		leat_from_memory(source, end->bytes, end->size);
		break;
	case FROM_CALLBACK:
		leat_from_callback(source, &give_ops, end);
		break;
	case FROM_QUEUE:
		queue_of_three(end);
		break;
	case FROM_VIEW:
		leat_from_range(&end->below, end->fd, ENDS_PAD, end->size);
		leat_from_source(source, &end->below);
		break;
	default:
		leat_from_fd(source, end->fd);
		break;
	}
	if (end->kind == FROM_PTY || end->kind == FROM_ZERO)
		leat_wrap(source, leat_limit_init(&end->limit, end->size));
}

void from_make(struct from_end *end, enum from kind, uint64_t size, bool blocking)
{
	memset(end, 0, sizeof *end);
	end->kind = kind;
	end->bytes = ends_content(size);
	end->size = size;
	end->fd = end->peer = end->always = -1;
	end->offset = -1;
	open_from(end);
	if (kind == FROM_CALLBACK)
		end->always = eventfd(1, EFD_CLOEXEC);
	if (kind >= FROM_PIPE && kind <= FROM_PTY) {
		ends_nonblock(end->fd, !blocking);
		if (pthread_create(&end->feeder, NULL, feed, end))
			ends_die("feeder");
		end->feeding = true;
	} else if (end->fd >= 0 && kind != FROM_ZERO) {
		end->own_offset = kind == FROM_FD || kind == FROM_PROC;
		end->offset = lseek(end->fd, kind == FROM_FD ? ENDS_PAD : kind == FROM_PROC ? 0 : 77, SEEK_SET);
	}
	end->flags = end->fd < 0 ? 0 : fcntl(end->fd, F_GETFL);
	init_source(end);
}

void from_close(struct from_end *end)
{
	leat_close(&end->source);
	leat_close(&end->below);
	if (end->fd >= 0)
		close(end->fd);
	if (end->feeding) {
		if (end->kind == FROM_PTY)	/* its writer wakes only by a hang-up */
			pthread_cancel(end->feeder);
		pthread_join(end->feeder, NULL);
	}
	if (end->peer >= 0)
		close(end->peer);
	if (end->always >= 0)
		close(end->always);
	if (end->kind == FROM_ZERO)
		free((void *)end->bytes);
}
