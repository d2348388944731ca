/* SPDX-License-Identifier: MIT */
/*
 * Patients of the ptrace engine. A patient carries known bytes, by a way of its own, to a checker: a process that nobody watches
 * and that compares each byte with what belongs at its place. So a call that was lost, made twice or ended short because of
 * a burst is seen.
 */
#ifndef TESTS_DOCTOR_BURSTS_H
#define TESTS_DOCTOR_BURSTS_H

#include "check.h"

#include "feed.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIECE 32768
#define PIECES 700		/* of a channel; the checker takes a millisecond for each */
#define CHANNEL_BYTES ((uint64_t)PIECE * PIECES)
#define CHANNELS_MOST 8

static inline uint8_t byte_at(uint64_t i)
{
	return (uint8_t)(i * UINT64_C(0x9e3779b97f4a7c15) >> 40);
}

struct patient {
	pid_t pid;
	int go;
	pid_t checkers[CHANNELS_MOST];
	unsigned channels;
	struct feed *feed;
	struct model model;
};

static long checker_ns = 1000000;	/* a checker's rest after each piece: how long a channel takes */
static volatile int *let_run;		/* shared with the checkers: from now on no rest */

/* Of the patient: where each channel begins and ends. */
static int sources[CHANNELS_MOST], sinks[CHANNELS_MOST];

/* In a patient: a condition that does not hold ends it with a status of which the test fails. */
#define MUST(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno)); \
			_exit(99); \
		} \
	} while (0)

static inline void moment(long ns)
{
	const struct timespec time = { 0, ns };

	nanosleep(&time, NULL);
}

static inline int known_file(void)
{
	char name[] = "known-XXXXXX";
	static uint8_t bytes[PIECE];
	int fd = CHECK_CALL(mkstemp(name));

	unlink(name);
	for (uint64_t done = 0; done < CHANNEL_BYTES; done += PIECE) {
		for (unsigned i = 0; i < PIECE; i++)
			bytes[i] = byte_at(done + i);
		CHECK_EQ(write(fd, bytes, PIECE), PIECE);
	}
	CHECK_CALL(lseek(fd, 0, SEEK_SET));
	return fd;
}

static inline _Noreturn void be_checker(int fd)
{
	static uint8_t bytes[PIECE];
	uint64_t done = 0;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (bytes[i] != byte_at(done + (uint64_t)i))
				_exit(1);
		done += (uint64_t)n;
		if (!*let_run)
			moment(checker_ns);
	}
	_exit(n == 0 && done == CHANNEL_BYTES ? 0 : 2);
}

static inline void close_all(void)
{
	for (unsigned i = 0; i < CHANNELS_MOST; i++) {
		if (sources[i] > 0)
			close(sources[i]);
		if (sinks[i] > 0)
			close(sinks[i]);
		sources[i] = sinks[i] = 0;
	}
}

/* Waits until it is let go, then does what the case says. socket: the sinks are Unix sockets, else pipes. */
static inline void patient_begin(struct patient *p, void (*what)(void), unsigned channels, bool socket)
{
	int go[2], pair[2];

	memset(p, 0, sizeof *p);
	p->channels = channels;
	let_run = mmap(NULL, sizeof *let_run, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(let_run != MAP_FAILED);
	CHECK_CALL(pipe2(go, O_CLOEXEC));
	for (unsigned i = 0; i < channels; i++) {
		if (socket) {
			CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
		} else {
			CHECK_CALL(pipe(pair));
		}
		sources[i] = known_file();
		p->checkers[i] = CHECK_CALL(fork());
		if (p->checkers[i] == 0) {
			int in = pair[0];

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(pair[1]);
			close(go[1]);
			close_all();
			be_checker(in);
		}
		close(pair[0]);
		sinks[i] = pair[1];
	}
	p->pid = CHECK_CALL(fork());
	if (p->pid == 0) {
		char byte;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(go[1]);
		if (read(go[0], &byte, 1) != 1)
			_exit(98);
		what();
		_exit(0);
	}
	close(go[0]);
	p->go = go[1];
	close_all();
}

static inline void patient_go(struct patient *p)
{
	CHECK_EQ(write(p->go, "", 1), 1);
	close(p->go);
}

static inline void patient_watch(struct patient *p)
{
	const struct feed_options options = { .target = { .pids = &p->pid, .pid_count = 1 } };
	struct feed_error error = { 0 };
	int result = feed_ptrace.open(&p->feed, &options, &error);

	CHECK_SAY(!result, "open: %d: %s", result, error.text);
}

/* Until it ends, or for so long; says whether it has ended. */
static inline bool patient_poll(struct patient *p, unsigned most_ms)
{
	int state = FEED_GOES_ON;

	for (unsigned done = 0; done < most_ms && state == FEED_GOES_ON; done += 100)
		state = p->feed->ops->poll(p->feed, &p->model, 100);
	CHECK(state >= 0);
	CHECK_EQ(p->feed->ops->collect(p->feed, &p->model), 0);
	return state == FEED_OVER;
}

/* All bytes have arrived, and the patient is content. */
static inline void patient_check(struct patient *p)
{
	int status;

	CHECK_CALL(waitpid(p->pid, &status, 0));
	CHECK_SAY(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the patient ended with %#x", (unsigned)status);
	for (unsigned i = 0; i < p->channels; i++) {
		CHECK_CALL(waitpid(p->checkers[i], &status, 0));
		CHECK_SAY(status == 0, "the checker of channel %u ended with %#x", i, (unsigned)status);
	}
}

static inline void patient_end(struct patient *p)
{
	if (p->feed)
		p->feed->ops->close(p->feed);
	model_free(&p->model);
	munmap((void *)let_run, sizeof *let_run);
}

static inline void patient_run(struct patient *p, void (*what)(void), unsigned channels, bool socket)
{
	patient_begin(p, what, channels, socket);
	patient_watch(p);
	patient_go(p);
	CHECK(patient_poll(p, 30000));
	patient_check(p);
}

/* Of all flows; 0 when there is none. */
static inline uint64_t patient_bytes(const struct patient *p)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < p->model.flow_count; i++)
		bytes += p->model.flows[i].bytes;
	return bytes;
}

#define SLOW_NS 20000000	/* a channel takes some 14 s: as long as somebody waits for something to be seen */

/* A burst is a sample: here what is carried goes on until a byte of it was seen. */
static inline void patient_run_until_seen(struct patient *p, void (*what)(void), unsigned channels)
{
	bool over = false;

	checker_ns = SLOW_NS;
	patient_begin(p, what, channels, false);
	checker_ns = 1000000;
	patient_watch(p);
	patient_go(p);
	while (!over && !patient_bytes(p))
		over = patient_poll(p, 100);
	*let_run = 1;
	CHECK_SAY(!over, "it ended before a byte was seen");
	CHECK(patient_poll(p, 30000));
	patient_check(p);
}

/* The way most of them go. */
static inline void carry(int from, int to)
{
	static _Thread_local uint8_t buffer[PIECE];
	ssize_t n;

	while ((n = read(from, buffer, sizeof buffer)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		MUST(n > 0);
		for (ssize_t at = 0; at < n;) {
			ssize_t sent = write(to, buffer + at, (size_t)(n - at));

			if (sent < 0 && errno == EINTR)
				continue;
			MUST(sent > 0);
			at += sent;
		}
	}
}

static inline void *carry_channel(void *channel)
{
	unsigned i = (unsigned)(uintptr_t)channel;

	carry(sources[i], sinks[i]);
	return NULL;
}

static inline void carry_in_threads(unsigned channels)
{
	pthread_t threads[CHANNELS_MOST];

	for (unsigned i = 0; i < channels; i++)
		MUST(pthread_create(&threads[i], NULL, carry_channel, (void *)(uintptr_t)i) == 0);
	for (unsigned i = 0; i < channels; i++)
		MUST(pthread_join(threads[i], NULL) == 0);
}

static inline _Noreturn void *sleep_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		pause();
}

/* In small pieces: to look at what was seen ends a burst, and a read is to fall into one with its write. */
static inline void *become_dd(void *unused)
{
	(void)unused;
	MUST(dup2(sources[0], 0) == 0 && dup2(sinks[0], 1) == 1);
	execlp("dd", "dd", "bs=4096", "status=none", (char *)NULL);
	_exit(97);
}

/* Not by its first thread, and with others that have to go for it. */
static inline void exec_by_a_thread(void)
{
	pthread_t threads[4];

	for (unsigned i = 0; i < 3; i++)
		MUST(pthread_create(&threads[i], NULL, sleep_for_ever, NULL) == 0);
	MUST(pthread_create(&threads[3], NULL, become_dd, NULL) == 0);
	sleep_for_ever(NULL);
}

/* A fork, threads in it, and an exec by one of them, as fast as it goes; one in so many fails. */
static inline void exec_often(int times, int fails_each)
{
	for (int i = 0; i < times; i++) {
		bool fails = fails_each && i % fails_each == 0;
		pid_t pid = fork();
		int status;

		MUST(pid >= 0);
		if (pid == 0) {
			pthread_t threads[3];

			for (unsigned k = 0; k < 3; k++)
				MUST(pthread_create(&threads[k], NULL, sleep_for_ever, NULL) == 0);
			execlp(fails ? "/nowhere/false" : "true", "true", (char *)NULL);
			_exit(fails ? 0 : 97);
		}
		MUST(waitpid(pid, &status, 0) == pid && status == 0);
	}
	carry(sources[0], sinks[0]);
}

/* The first thread of the process that is traced; 0: none is. */
static inline long traced_by(pid_t pid)
{
	char path[64], line[256];
	long tracer = 0;
	FILE *status;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof line, status))
		if (strncmp(line, "TracerPid:", 10) == 0)
			tracer = strtol(line + 10, NULL, 10);
	if (status)
		fclose(status);
	return tracer;
}

static inline char state_of(pid_t pid)
{
	char path[64], line[512];
	char state = '?';
	FILE *stat;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	stat = fopen(path, "re");
	if (stat && fgets(line, sizeof line, stat) && strrchr(line, ')'))
		state = strrchr(line, ')')[2];
	if (stat)
		fclose(stat);
	return state;
}

#endif
