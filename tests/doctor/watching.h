/* SPDX-License-Identifier: MIT */
/*
 * A patient and its watcher. The patient is a forked process that waits until it is watched, does what the case says, and
 * notes in memory shared with the test what it did. Its peers fill and drain the other ends from processes nobody watches.
 */
#ifndef TESTS_DOCTOR_WATCHING_H
#define TESTS_DOCTOR_WATCHING_H

#include "check.h"

#include "feed.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the patient did on one pair of ends; compared with the flow of these inodes. */
struct did {
	uint64_t from, to;
	uint64_t bytes, reads, writes, again;
	uint16_t call_read, call_write;
	enum flow_how how;
};

#define DID_MOST 512

struct shared {
	unsigned count;
	struct did did[DID_MOST];
	uint64_t drained;	/* bytes the last drain saw */
	unsigned drains;
	char failed[256];
};

struct watching {
	struct shared *shared;
	struct feed *feed;
	struct model model;
	pid_t patient;
	int go;
	int peer;		/* the patient's line to its peers */
	pid_t peers[2];
};

/* ---- In the patient -------------------------------------------------------------------------------------------------------- */

static struct shared *shared;
static int peer_line = -1;

#define NEED(condition) \
	do { \
		if (!(condition)) { \
			snprintf(shared->failed, sizeof shared->failed, "%s:%d: %s: %s", __FILE__, __LINE__, #condition, \
				 strerror(errno)); \
			_exit(1); \
		} \
	} while (0)

static inline uint64_t inode_of(int fd)
{
	struct stat st;

	NEED(fstat(fd, &st) == 0);
	return st.st_ino;
}

enum order { ORDER_FILL, ORDER_DRAIN };

struct order_message {
	enum order order;
	uint64_t bytes;
};

/* Gives fd away to a peer, that fills it with so many bytes and closes it, or drains it to its end. */
static inline void order(enum order what, int fd, uint64_t bytes)
{
	struct order_message message = { what, bytes };
	struct iovec iov = { &message, sizeof message };
	char control[CMSG_SPACE(sizeof fd)] = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	NEED(sendmsg(peer_line, &m, 0) == sizeof message);
	close(fd);
}

/* ---- The peers ------------------------------------------------------------------------------------------------------------- */

static inline void obey(const struct order_message *message, int fd)
{
	static uint8_t bytes[1 << 16];
	uint64_t done = 0;
	unsigned seed = 7;

	while (message->order == ORDER_FILL && done < message->bytes) {
		size_t want = message->bytes - done < sizeof bytes ? (size_t)(message->bytes - done) : sizeof bytes;
		ssize_t n;

		for (size_t i = 0; i < want; i++)
			bytes[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
		for (size_t at = 0; at < want; at += (size_t)n) {
			n = write(fd, bytes + at, want - at);
			if (n <= 0)
				_exit(1);
		}
		done += want;
	}
	while (message->order == ORDER_DRAIN) {
		ssize_t n = read(fd, bytes, sizeof bytes);

		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	close(fd);
	if (message->order == ORDER_DRAIN) {
		shared->drained = done;
		__atomic_fetch_add(&shared->drains, 1, __ATOMIC_SEQ_CST);
	}
}

static inline _Noreturn void be_peer(int line)
{
	for (;;) {
		struct order_message message;
		struct iovec iov = { &message, sizeof message };
		char control[CMSG_SPACE(sizeof(int))];
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
		const struct cmsghdr *c;
		int fd;

		if (recvmsg(line, &m, 0) != sizeof message || !(c = CMSG_FIRSTHDR(&m)))
			_exit(0);
		memcpy(&fd, CMSG_DATA(c), sizeof fd);
		/* Of two peers, one may have to fill while the other drains. */
		if (fork() == 0) {
			obey(&message, fd);
			_exit(0);
		}
		close(fd);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

/* ---- The watcher ----------------------------------------------------------------------------------------------------------- */

/* A patient that runs `what` once it is watched. */
static inline void watching_prepare(struct watching *w, void (*what)(void))
{
	int go[2], line[2];

	memset(w, 0, sizeof *w);
	w->shared = shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	CHECK_CALL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line));
	w->peers[0] = CHECK_CALL(fork());
	if (w->peers[0] == 0) {
		close(line[0]);
		be_peer(line[1]);
	}
	close(line[1]);
	CHECK_CALL(pipe2(go, O_CLOEXEC));
	w->patient = CHECK_CALL(fork());
	if (w->patient == 0) {
		char byte;

		close(go[1]);
		peer_line = line[0];
		if (read(go[0], &byte, 1) == 1)
			what();
		_exit(0);
	}
	close(line[0]);
	close(go[0]);
	w->go = go[1];
}

static inline void watching_open_by(struct watching *w, const struct feed_ops *engine, const struct feed_options *options)
{
	struct feed_options own = { .target = { .pids = &w->patient, .pid_count = 1 } };
	struct feed_error error = { 0 };
	int result;

	if (options)
		own = *options;
	if (!own.target.pid_count && !own.target.all && !own.target.name && !own.target.cgroup)
		own.target = (struct feed_target){ .pids = &w->patient, .pid_count = 1 };
	result = engine->open(&w->feed, &own, &error);
	if (!result)
		return;
	kill(w->patient, SIGKILL);
	close(w->go);
	waitpid(w->patient, NULL, 0);
	waitpid(w->peers[0], NULL, 0);
	if (error.status == 3)
		test_skip("%s", error.text);
	check_fail(__FILE__, __LINE__, "open: %d: %s", result, error.text);
}

static inline void watching_open(struct watching *w, const struct feed_options *options)
{
	watching_open_by(w, &feed_bpf, options);
}

/* Lets the patient go, if that was not done before. */
static inline void watching_go(struct watching *w)
{
	if (w->go < 0)
		return;
	CHECK_EQ(write(w->go, "", 1), 1);
	close(w->go);
	w->go = -1;
}

/* To the patient's end. */
static inline void watching_run(struct watching *w, int most_s)
{
	int status, state = FEED_GOES_ON;

	watching_go(w);
	for (int i = 0; i < most_s * 5 && state == FEED_GOES_ON; i++)
		state = w->feed->ops->poll(w->feed, &w->model, 200);
	if (state != FEED_OVER)
		kill(w->patient, SIGKILL);
	CHECK_CALL(waitpid(w->patient, &status, 0));
	waitpid(w->peers[0], NULL, 0);
	CHECK_SAY(!*w->shared->failed, "the patient failed: %s", w->shared->failed);
	CHECK_SAY(state == FEED_OVER, "the end of the patient was not seen: %d", state);
	CHECK_EQ(w->feed->ops->collect(w->feed, &w->model), 0);
	if (w->model.coverage.missed_calls)	/* what it says of the rest is true, but there is no telling what that is */
		test_skip("this kernel missed %llu calls, and the report says so",
			  (unsigned long long)w->model.coverage.missed_calls);
}

static inline void watching_end(struct watching *w)
{
	if (w->feed)
		w->feed->ops->close(w->feed);
	model_free(&w->model);
	munmap(w->shared, sizeof *w->shared);
}

static inline void watch(struct watching *w, void (*what)(void), bool full, int most_s)
{
	const struct feed_options options = { .full = full };

	watching_prepare(w, what);
	watching_open(w, &options);
	watching_run(w, most_s);
}

/* Flows of these inodes, as one: their number. */
static inline unsigned sum_flows(const struct watching *w, uint64_t from, uint64_t to, struct flow *sum)
{
	unsigned count = 0;

	memset(sum, 0, sizeof *sum);
	for (uint32_t i = 0; i < w->model.flow_count; i++) {
		const struct flow *f = &w->model.flows[i];

		if ((from && w->model.files[f->from].inode != from) || (to && w->model.files[f->to].inode != to))
			continue;
		if (!count++) {
			*sum = *f;
			continue;
		}
		sum->bytes += f->bytes;
		sum->reads += f->reads;
		sum->writes += f->writes;
		sum->again += f->again;
		sum->samples_equal += f->samples_equal;
		sum->samples_changed += f->samples_changed;
		sum->samples_weak += f->samples_weak;
		sum->whole_equal += f->whole_equal;
		sum->whole_changed += f->whole_changed;
		sum->other_thread += f->other_thread;
	}
	return count;
}

#endif
