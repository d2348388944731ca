/* SPDX-License-Identifier: MIT */
/*
 * The ptrace engine on programs that make it hard: threads that come and go, calls that would block, signals, forks, exec,
 * stops by job control. What they carry must arrive while bursts go on, and the bursts must see it.
 */
#include "bursts.h"

#include <sys/epoll.h>
#include <sys/syscall.h>

/* ---- One thread ------------------------------------------------------------------------------------------------------------ */

static void carries(void)
{
	carry(sources[0], sinks[0]);
}

static void one_loop(void)
{
	const struct flow *flow;
	struct patient p;

	patient_run(&p, carries, 1, false);
	printf("%u bursts, %u with transfers, %llu of %llu bytes\n", p.model.coverage.bursts, p.model.coverage.bursts_seen,
	       (unsigned long long)patient_bytes(&p), (unsigned long long)CHANNEL_BYTES);
	CHECK(p.model.coverage.bursts >= 3);
	CHECK(p.model.coverage.bursts_seen >= 3);
	CHECK_EQ(p.model.engine, ENGINE_PTRACE);
	CHECK_EQ(p.model.flow_count, 1);
	flow = &p.model.flows[0];
	CHECK_EQ(flow->how, HOW_SAME_BUFFER);
	CHECK(flow->bytes > 10 * PIECE && flow->bytes < CHANNEL_BYTES);
	CHECK_EQ(flow->samples_changed + flow->whole_changed, 0);
	CHECK(flow->samples_equal > 10 && flow->whole_equal > 3);
	CHECK_EQ(p.model.files[flow->from].kind, FILE_REGULAR);
	CHECK_EQ(p.model.files[flow->to].kind, FILE_PIPE);
	CHECK(p.model.files[flow->from].can_splice_from && p.model.files[flow->to].can_splice_to);
	CHECK(p.model.files[flow->from].deleted && strstr(p.model.files[flow->from].path, "/known-"));
	CHECK(!strstr(p.model.files[flow->from].path, "deleted"));
	CHECK(p.model.processes[0].exited);
	CHECK_EQ(p.model.coverage.calls_32_bit, 0);
	patient_end(&p);
}

static void changes(void)
{
	static uint8_t buffer[PIECE];
	ssize_t n;

	while ((n = read(sources[0], buffer, sizeof buffer)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			buffer[i] = (uint8_t)~buffer[i];
		MUST(write(sinks[1], buffer, (size_t)n) == n);
		for (ssize_t i = 0; i < n; i++)
			buffer[i] = (uint8_t)~buffer[i];
		MUST(write(sinks[0], buffer, (size_t)n) == n);
	}
}

static void throws_away_changed(void)
{
	sinks[1] = open("/dev/null", O_WRONLY);
	changes();
}

/* Bytes that were changed in place are told from those that were not. */
static void changed_in_place(void)
{
	uint64_t changed = 0, equal = 0;
	struct patient p;

	patient_run(&p, throws_away_changed, 1, false);
	for (uint32_t i = 0; i < p.model.flow_count; i++) {
		const struct flow *flow = &p.model.flows[i];

		if (p.model.files[flow->to].kind == FILE_PIPE) {
			equal += flow->samples_equal;
			CHECK_EQ(flow->samples_changed, 0);
		} else {
			changed += flow->samples_changed;
			CHECK_EQ(flow->samples_equal, 0);
		}
	}
	CHECK(changed > 10 && equal > 10);
	patient_end(&p);
}

static void until_traced(bool traced)
{
	while ((traced_by(getpid()) > 0) != traced)
		moment(1000000);
}

/* Two channels carry the same bytes. One piece is read while nobody looks, and written in a burst that sees the other read. */
static void reads_between_bursts(void)
{
	static uint8_t before[PIECE], during[PIECE];

	for (int i = 0; i < 2; i++)
		MUST(read(sources[i], during, PIECE) == PIECE && write(sinks[i], during, PIECE) == PIECE);
	do {
		until_traced(false);
		MUST(pread(sources[0], before, PIECE, PIECE) == PIECE);
	} while (traced_by(getpid()) > 0);
	until_traced(true);
	MUST(read(sources[1], during, PIECE) == PIECE && write(sinks[0], before, PIECE) == PIECE);
	MUST(write(sinks[1], during, PIECE) == PIECE);
	MUST(lseek(sources[0], 2L * PIECE, SEEK_SET) > 0);
	carry(sources[0], sinks[0]);
	carry(sources[1], sinks[1]);
}

static void read_before_the_burst(void)
{
	struct patient p;

	patient_run(&p, reads_between_bursts, 2, false);
	CHECK(p.model.flow_count > 0);
	for (uint32_t i = 0; i < p.model.flow_count; i++)
		CHECK_EQ(p.model.flows[i].how, HOW_SAME_BUFFER);
	CHECK(p.model.coverage.unpaired_write_bytes >= PIECE);
	patient_end(&p);
}

static void carries_without_blocking(void)
{
	static uint8_t buffer[PIECE];
	struct epoll_event event = { .events = EPOLLOUT };
	int poll = epoll_create1(EPOLL_CLOEXEC), small = 8192;
	ssize_t n;

	MUST(poll >= 0 && fcntl(sinks[0], F_SETFL, O_NONBLOCK) == 0 && epoll_ctl(poll, EPOLL_CTL_ADD, sinks[0], &event) == 0);
	MUST(setsockopt(sinks[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
	while ((n = read(sources[0], buffer, sizeof buffer)) > 0)
		for (ssize_t at = 0; at < n;) {
			ssize_t sent = send(sinks[0], buffer + at, (size_t)(n - at), MSG_NOSIGNAL);

			if (sent < 0) {
				MUST(errno == EAGAIN);
				/* EINTR is what a burst may cause, and all that it may */
				MUST(epoll_wait(poll, &event, 1, 10000) == 1 || errno == EINTR);
				continue;
			}
			at += sent;
		}
}

static void calls_that_would_block(void)
{
	uint64_t again = 0;
	struct patient p;

	patient_run(&p, carries_without_blocking, 1, true);
	for (uint32_t i = 0; i < p.model.flow_count; i++) {
		again += p.model.flows[i].again;
		CHECK_EQ(p.model.flows[i].samples_changed, 0);
		CHECK_EQ(p.model.files[p.model.flows[i].to].kind, FILE_UNIX_STREAM);
		CHECK(p.model.files[p.model.flows[i].to].nonblocking);
	}
	CHECK(patient_bytes(&p) > 0);
	CHECK(again > 0);
	patient_end(&p);
}

/* ---- Threads --------------------------------------------------------------------------------------------------------------- */

static void carries_in_threads(void)
{
	carry_in_threads(CHANNELS_MOST);
}

static void many_threads(void)
{
	unsigned channels = 0;
	struct patient p;

	patient_run(&p, carries_in_threads, CHANNELS_MOST, false);
	for (uint32_t i = 0; i < p.model.flow_count; i++) {
		CHECK_EQ(p.model.flows[i].samples_changed, 0);
		channels += p.model.flows[i].bytes > 0;
	}
	printf("%u flows of %d channels\n", channels, CHANNELS_MOST);
	CHECK(channels >= CHANNELS_MOST / 2);
	patient_end(&p);
}

static void *carry_piece(void *unused)
{
	static _Thread_local uint8_t buffer[PIECE];

	(void)unused;
	MUST(read(sources[0], buffer, PIECE) == PIECE);
	for (size_t at = 0; at < PIECE;) {
		ssize_t sent = write(sinks[0], buffer + at, PIECE - at);

		MUST(sent > 0);
		at += (size_t)sent;
	}
	return NULL;
}

static void carries_in_short_threads(void)
{
	pthread_t thread;

	for (unsigned i = 0; i < PIECES; i++) {
		MUST(pthread_create(&thread, NULL, carry_piece, NULL) == 0);
		MUST(pthread_join(thread, NULL) == 0);
	}
}

static void threads_that_come_and_go(void)
{
	struct patient p;

	patient_run(&p, carries_in_short_threads, 1, false);
	printf("%llu bytes were seen\n", (unsigned long long)patient_bytes(&p));
	CHECK(patient_bytes(&p) >= 3 * PIECE);
	CHECK_EQ(p.model.process_count, 1);
	patient_end(&p);
}

#define SLEEPERS 500

static void carries_among_sleepers(void)
{
	pthread_attr_t small;
	pthread_t thread;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 262144);
	for (int i = 0; i < SLEEPERS; i++)
		MUST(pthread_create(&thread, &small, sleep_for_ever, NULL) == 0);
	carry(sources[0], sinks[0]);
}

static void five_hundred_threads(void)
{
	struct patient p;

	patient_run(&p, carries_among_sleepers, 1, false);
	printf("%u bursts, %u with transfers, %llu bytes\n", p.model.coverage.bursts, p.model.coverage.bursts_seen,
	       (unsigned long long)patient_bytes(&p));
	CHECK(p.model.coverage.bursts_seen >= 2);
	CHECK(patient_bytes(&p) > 20 * PIECE);
	patient_end(&p);
}

/* ---- Signals --------------------------------------------------------------------------------------------------------------- */

#define SIGNALS 3000

static volatile int next_value, out_of_order;

static void on_signal(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	if (info->si_value.sival_int != next_value)
		out_of_order = 1;
	next_value++;
}

static void carries_under_signals(void)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	MUST(sigaction(SIGRTMIN, &action, NULL) == 0);
	carry(sources[0], sinks[0]);
	for (int i = 0; i < 10000 && next_value < SIGNALS; i++)
		moment(1000000);
	MUST(next_value == SIGNALS);
	MUST(!out_of_order);
}

static _Noreturn void send_signals(pid_t to)
{
	moment(50000000);	/* until it has its handler */
	for (int i = 0; i < SIGNALS; i++) {
		union sigval value = { .sival_int = i };

		while (sigqueue(to, SIGRTMIN, value) && errno == EAGAIN)
			moment(1000000);
		if (i % 4 == 0)
			moment(200000);
	}
	_exit(0);
}

/* Each arrives, once, in order, and with what it was sent with. */
static void signals_during_bursts(void)
{
	struct patient p;
	pid_t sender;
	int status;

	patient_begin(&p, carries_under_signals, 1, false);
	patient_watch(&p);
	patient_go(&p);
	sender = CHECK_CALL(fork());
	if (sender == 0)
		send_signals(p.pid);
	CHECK(patient_poll(&p, 30000));
	CHECK_CALL(waitpid(sender, &status, 0));
	patient_check(&p);
	CHECK(patient_bytes(&p) > 0);
	patient_end(&p);
}

/* ---- Job control ----------------------------------------------------------------------------------------------------------- */

/* What is let go of has to run for a moment, in the kernel, to stop again. */
static bool is_stopped(pid_t pid)
{
	for (int i = 0; i < 1000 && state_of(pid) != 'T'; i++)
		moment(1000000);
	return state_of(pid) == 'T';
}

static void stopped_by_job_control(void)
{
	struct patient p;

	patient_begin(&p, carries, 1, false);
	patient_watch(&p);
	patient_go(&p);
	CHECK(!patient_poll(&p, 300));
	for (int i = 0; i < 3; i++) {
		CHECK_CALL(kill(p.pid, SIGSTOP));
		CHECK(!patient_poll(&p, 600));
		CHECK_SAY(is_stopped(p.pid), "it is in state %c", state_of(p.pid));
		CHECK_EQ(traced_by(p.pid), 0);
		CHECK_CALL(kill(p.pid, SIGCONT));
		CHECK(!patient_poll(&p, 100));
	}
	CHECK(patient_poll(&p, 30000));
	patient_check(&p);
	patient_end(&p);
}

/* In the midst of a burst: it begins with open, and nothing else happens then. */
static void stopped_and_continued_in_a_burst(void)
{
	struct patient p;

	patient_begin(&p, carries, 1, false);
	patient_watch(&p);
	CHECK(traced_by(p.pid) > 0);
	CHECK_CALL(kill(p.pid, SIGSTOP));
	moment(30000000);
	CHECK_CALL(kill(p.pid, SIGCONT));
	moment(30000000);
	CHECK_CALL(kill(p.pid, SIGSTOP));
	moment(30000000);
	CHECK(!patient_poll(&p, 400));
	CHECK_EQ(traced_by(p.pid), 0);
	CHECK_SAY(is_stopped(p.pid), "it is in state %c", state_of(p.pid));
	CHECK_CALL(kill(p.pid, SIGCONT));
	patient_go(&p);
	CHECK(patient_poll(&p, 30000));
	patient_check(&p);
	patient_end(&p);
}

/* ---- Forks and exec -------------------------------------------------------------------------------------------------------- */

#define CHILDREN 35

static void carries_in_children(void)
{
	static uint8_t buffer[PIECE];

	for (unsigned child = 0; child < CHILDREN; child++) {
		pid_t pid = child & 1 ? fork() : (pid_t)syscall(SYS_fork);
		int status;

		MUST(pid >= 0);
		if (pid == 0) {
			for (unsigned i = 0; i < PIECES / CHILDREN; i++) {
				MUST(read(sources[0], buffer, PIECE) == PIECE);
				MUST(write(sinks[0], buffer, PIECE) == PIECE);
			}
			_exit(7);
		}
		MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	}
}

static void children_are_followed(void)
{
	uint32_t with_bytes = 0, right = 0;
	struct patient p;

	patient_run(&p, carries_in_children, 1, false);
	for (uint32_t i = 0; i < p.model.flow_count; i++)
		with_bytes += p.model.flows[i].bytes && p.model.flows[i].pid != (uint32_t)p.pid;
	for (uint32_t i = 0; i < p.model.process_count; i++)
		right += p.model.processes[i].parent == (uint32_t)p.pid && p.model.processes[i].exited;
	printf("%u processes, %u flows of children\n", p.model.process_count, with_bytes);
	CHECK(with_bytes >= 2);
	CHECK(right >= 2);
	patient_end(&p);
}

static void another_program(void)
{
	struct patient p;

	patient_run_until_seen(&p, exec_by_a_thread, 1);
	CHECK_EQ(p.model.process_count, 1);
	CHECK_EQ(p.model.coverage.calls_32_bit, 0);
	patient_end(&p);
}

static void execs_often(void)
{
	exec_often(400, 2);
}

static void many_execs(void)
{
	struct patient p;

	patient_run(&p, execs_often, 1, false);
	printf("%u processes were seen in %u bursts\n", p.model.process_count, p.model.coverage.bursts);
	CHECK(p.model.process_count > 5);
	patient_end(&p);
}

/* ---- What is not seen ------------------------------------------------------------------------------------------------------ */

#ifdef __x86_64__
static void asks_as_a_32_bit_program(void)
{
	for (int i = 0; i < 50; i++) {
		int result = 20;	/* getpid, there */

		__asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
		MUST(result == getpid());
	}
	carry(sources[0], sinks[0]);
}

static void calls_of_32_bits_are_counted(void)
{
	pid_t pid = CHECK_CALL(fork());
	struct patient p;
	int status;

	if (pid == 0) {
		int result = 20;

		__asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
		_exit(result == getpid() ? 0 : 1);
	}
	CHECK_CALL(waitpid(pid, &status, 0));
	if (status)
		test_skip("this kernel has no calls of 32 bits");
	patient_run(&p, asks_as_a_32_bit_program, 1, false);
	CHECK_EQ(p.model.coverage.calls_32_bit, 50);
	patient_end(&p);
}
#else
static void calls_of_32_bits_are_counted(void)
{
	test_skip("calls of 32 bits cannot be made here");
}
#endif

static void lets_the_kernel(void)
{
	while (syscall(SYS_sendfile, sinks[0], sources[0], NULL, PIECE) > 0)
		;
}

static void kernel_routes(void)
{
	struct patient p;

	patient_run(&p, lets_the_kernel, 1, false);
	CHECK_EQ(p.model.flow_count, 1);
	CHECK_EQ(p.model.flows[0].how, HOW_SENDFILE);
	CHECK(p.model.flows[0].bytes > 0 && p.model.flows[0].bytes <= CHANNEL_BYTES);
	CHECK_EQ(p.model.flows[0].bytes, p.model.flows[0].writes * PIECE);
	patient_end(&p);
}

static const struct test tests[] = {
	TEST(one_loop), TEST(changed_in_place), TEST(read_before_the_burst), TEST(calls_that_would_block), TEST(many_threads),
	TEST(threads_that_come_and_go), TEST(five_hundred_threads), TEST(signals_during_bursts),
	TEST(stopped_by_job_control), TEST(stopped_and_continued_in_a_burst), TEST(children_are_followed),
	TEST(another_program), TEST(many_execs), TEST(calls_of_32_bits_are_counted), TEST(kernel_routes),
};
TEST_MAIN(tests)
