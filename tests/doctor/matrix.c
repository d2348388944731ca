/* SPDX-License-Identifier: MIT */
/*
 * Every reading call with every writing call between every kind of ends: the flow has the bytes, calls and EAGAINs that the
 * program counted itself, exactly. Sockets are not blocking and have small buffers, so writes are short and would block.
 *
 * By the engine in the kernel in one watch; by bursts of ptrace in a watch for each transfer, whose first burst has begun when
 * the transfer does. What that burst sees to its end is all there is, and has to be as exact; where it was cut short (it takes
 * some hundred calls, and less than a second), what was seen may be less, and nothing else.
 */
#include "watching.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

enum end { END_FILE, END_TCP, END_UNIX, END_PIPE, ENDS };

#define BYTES 300007	/* no multiple of anything */
#define PIECE 32768

static uint8_t buffer[PIECE], pattern[PIECE];

/* ---- Ends ------------------------------------------------------------------------------------------------------------------ */

static void tcp_pair(int pair[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	NEED(listener >= 0 && bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0 &&
	     getsockname(listener, (struct sockaddr *)&address, &length) == 0);
	pair[1] = socket(AF_INET, SOCK_STREAM, 0);
	NEED(pair[1] >= 0 && connect(pair[1], (struct sockaddr *)&address, length) == 0);
	pair[0] = accept(listener, NULL, NULL);
	NEED(pair[0] >= 0);
	close(listener);
}

/* Ours in pair[0], the peer's in pair[1]. */
static void make_pair(enum end end, bool source, int pair[2])
{
	int small = 16384, both[2];

	switch (end) {
	case END_TCP:
		tcp_pair(pair);
		break;
	case END_UNIX:
		NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
		break;
	default:
		NEED(pipe(both) == 0);
		pair[0] = both[!source];
		pair[1] = both[source];
	}
	if (end != END_PIPE && !source)
		NEED(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
}

/* Held open once more, or the next one would get the inode's number. */
static int named_file(char *name)
{
	int fd = mkstemp(name);

	NEED(fd >= 0 && dup(fd) >= 0);
	unlink(name);
	return fd;
}

static int open_source(enum end end)
{
	int pair[2];

	if (end == END_FILE) {
		char name[] = "source-XXXXXX";
		int fd = named_file(name);
		static unsigned seed = 3;	/* no two files are alike: they would be copies of each other */

		for (unsigned done = 0; done < BYTES; done += PIECE) {
			for (unsigned i = 0; i < PIECE; i++)
				pattern[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 24);
			NEED(pwrite(fd, pattern, BYTES - done < PIECE ? BYTES - done : PIECE, done) > 0);
		}
		return fd;
	}
	make_pair(end, true, pair);
	order(ORDER_FILL, pair[1], BYTES);
	return pair[0];
}

static int open_sink(enum end end)
{
	int pair[2];

	if (end == END_FILE) {
		char name[] = "sink-XXXXXX";

		return named_file(name);
	}
	make_pair(end, false, pair);
	order(ORDER_DRAIN, pair[1], 0);
	NEED(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
	return pair[0];
}

/* ---- Calls ----------------------------------------------------------------------------------------------------------------- */

/* Two buffers of a vector that lie one behind the other in memory, but not in one piece. */
static int split(struct iovec iov[2], uint8_t *at, size_t bytes)
{
	size_t first = bytes > 1 ? bytes / 3 + 1 : bytes;

	iov[0] = (struct iovec){ at, first };
	iov[1] = (struct iovec){ at + first, bytes - first };
	return 2;
}

static ssize_t read_by(int call, int fd, size_t bytes, uint64_t offset)
{
	struct iovec iov[2];
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };

	split(iov, buffer, bytes);
	switch (call) {
	case SYS_read: return read(fd, buffer, bytes);
	case SYS_pread64: return pread(fd, buffer, bytes, (off_t)offset);
	case SYS_readv: return readv(fd, iov, 2);
	case SYS_recvfrom: return recv(fd, buffer, bytes, 0);
	default: return recvmsg(fd, &message, 0);
	}
}

static ssize_t write_by(int call, int fd, uint8_t *at, size_t bytes, uint64_t offset)
{
	struct iovec iov[2];
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };

	split(iov, at, bytes);
	switch (call) {
	case SYS_write: return write(fd, at, bytes);
	case SYS_pwrite64: return pwrite(fd, at, bytes, (off_t)offset);
	case SYS_writev: return writev(fd, iov, 2);
	case SYS_sendto: return send(fd, at, bytes, MSG_NOSIGNAL);
	default: return sendmsg(fd, &message, MSG_NOSIGNAL);
	}
}

static void wait_for(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	poll(&p, 1, 1000);
}

static void transfer(int from, int to, int call_read, int call_write)
{
	struct did *did = &shared->did[shared->count];
	uint64_t done = 0;

	memset(did, 0, sizeof *did);
	did->call_read = (uint16_t)call_read;
	did->call_write = (uint16_t)call_write;
	did->from = inode_of(from);
	did->to = inode_of(to);
	while (done < BYTES) {
		ssize_t got = read_by(call_read, from, PIECE, done);

		if (got < 0 && errno == EINTR)
			continue;
		NEED(got > 0);
		did->reads++;
		for (ssize_t at = 0; at < got;) {
			ssize_t sent = write_by(call_write, to, buffer + at, (size_t)(got - at), done + (uint64_t)at);

			if (sent < 0 && errno == EINTR)
				continue;
			if (sent < 0 && errno == EAGAIN) {
				did->again++;
				wait_for(to);
				continue;
			}
			NEED(sent > 0);
			did->writes++;
			at += sent;
		}
		done += (uint64_t)got;
		did->bytes = done;
	}
	shared->count++;
}

static bool fits(int call, enum end end)
{
	bool is_socket = end == END_TCP || end == END_UNIX;

	switch (call) {
	case SYS_pread64: case SYS_pwrite64: return end == END_FILE;
	case SYS_recvfrom: case SYS_recvmsg: case SYS_sendto: case SYS_sendmsg: return is_socket;
	default: return true;
	}
}

static const int reading[] = { SYS_read, SYS_pread64, SYS_readv, SYS_recvfrom, SYS_recvmsg };
static const int writing[] = { SYS_write, SYS_pwrite64, SYS_writev, SYS_sendto, SYS_sendmsg };

#define PAIRS (ENDS * ENDS * 25)

struct pair {
	enum end from, to;
	int call_read, call_write;
};

/* False: there is no such call for such an end. */
static bool pair_of(int i, struct pair *pair)
{
	*pair = (struct pair){ (enum end)(i / 25 % ENDS), (enum end)(i / 25 / ENDS), reading[i % 5], writing[i / 5 % 5] };
	return fits(pair->call_read, pair->from) && fits(pair->call_write, pair->to);
}

static void carry_over(const struct pair *pair)
{
	int from = open_source(pair->from), to = open_sink(pair->to);

	transfer(from, to, pair->call_read, pair->call_write);
	close(from);
	close(to);
}

static void all_pairs(void)
{
	struct pair pair;

	for (int i = 0; i < PAIRS; i++)
		if (pair_of(i, &pair))
			carry_over(&pair);
}

/* ---- Cases ----------------------------------------------------------------------------------------------------------------- */

static void compare(const struct watching *w)
{
	char note[160];

	for (unsigned i = 0; i < w->shared->count; i++) {
		const struct did *did = &w->shared->did[i];
		struct flow sum;

		snprintf(note, sizeof note, "transfer %u: calls %u, %u, inodes %llu, %llu", i, did->call_read, did->call_write,
			 (unsigned long long)did->from, (unsigned long long)did->to);
		test_note(note);
		CHECK(sum_flows(w, did->from, did->to, &sum) > 0);
		CHECK_EQ(sum.bytes, did->bytes);
		CHECK_EQ(sum.reads, did->reads);
		CHECK_EQ(sum.writes, did->writes);
		CHECK_EQ(sum.again, did->again);
		CHECK_EQ(sum.call_read, did->call_read);
		CHECK_EQ(sum.call_write, did->call_write);
		CHECK_EQ(sum.samples_changed, 0);
		CHECK_EQ(sum.whole_changed, 0);
		CHECK(sum.samples_equal > 0);
	}
	test_note("");
	CHECK_SAY(!w->model.coverage.lost_pairs && !w->model.coverage.lost_bytes, "%llu pairs lost, with %llu bytes",
		  (unsigned long long)w->model.coverage.lost_pairs, (unsigned long long)w->model.coverage.lost_bytes);
	CHECK_EQ(w->model.coverage.cut_vectors, 0);
}

static unsigned again_of(const struct watching *w)
{
	unsigned again = 0;

	for (unsigned i = 0; i < w->shared->count; i++)
		again += w->shared->did[i].again > 0;
	return again;
}

static void every_call_and_end(void)
{
	struct watching w;

	watch(&w, all_pairs, true, 60);
	compare(&w);
	printf("%u transfers, %u of them met EAGAIN\n", w.shared->count, again_of(&w));
	CHECK_EQ(w.shared->count, 169);
	CHECK(again_of(&w) > 10);
	watching_end(&w);
}

static void sampled(void)
{
	struct watching w;

	watch(&w, all_pairs, false, 60);
	CHECK_EQ(w.model.coverage.sampled_1_in, 16);
	compare(&w);
	watching_end(&w);
}

static void on_alarm(int signal)
{
}

/* Signals that end calls early, and short. */
static void interrupted(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 300 }, { 0, 300 } }, never = { 0 };

	for (int i = 0; i < 4; i++) {
		int from = open_source(i & 1 ? END_UNIX : END_TCP), to = open_sink(i & 2 ? END_UNIX : END_TCP);

		NEED(fcntl(to, F_SETFL, 0) == 0);
		NEED(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
		transfer(from, to, SYS_read, SYS_write);
		setitimer(ITIMER_REAL, &never, NULL);
		close(from);
		close(to);
	}
}

static void calls_that_signals_end(void)
{
	struct watching w;

	watch(&w, interrupted, true, 30);
	compare(&w);
	watching_end(&w);
}

/* What a file is called is known, too. */
static void ends_are_named(void)
{
	struct watching w;
	unsigned tcp = 0, unix_ = 0, pipes = 0, files = 0;

	watch(&w, all_pairs, false, 60);
	for (uint32_t i = 0; i < w.model.flow_count; i++) {
		const struct file *file = &w.model.files[w.model.flows[i].to];

		tcp += file->kind == FILE_TCP && file->peer.family == AF_INET && file->peer.ip[0] == 127 && file->peer.port &&
		       file->local.port && file->can_splice_to;
		unix_ += file->kind == FILE_UNIX_STREAM;
		pipes += file->kind == FILE_PIPE && file->can_splice_to && file->can_splice_from;
		files += file->kind == FILE_REGULAR && file->path && strstr(file->path, "/sink-") && file->deleted;
		CHECK(file->kind != FILE_UNKNOWN);
	}
	printf("sinks: %u files, %u tcp, %u unix, %u pipes\n", files, tcp, unix_, pipes);
	CHECK_EQ(files + tcp + unix_ + pipes, w.model.flow_count);
	CHECK(files && tcp && unix_ && pipes);
	watching_end(&w);
}

/* ---- By bursts --------------------------------------------------------------------------------------------------------------- */

static struct pair one;

static void one_pair(void)
{
	carry_over(&one);
}

/* More calls than a burst has room for, before it comes to the point: as who loads libraries makes. */
static void one_pair_late(void)
{
	for (int i = 0; i < 500; i++)
		syscall(SYS_getppid);
	one_pair();
}

static bool is_end(const struct file *file, enum end end, bool sink)
{
	static const enum file_kind kinds[ENDS] = { FILE_REGULAR, FILE_TCP, FILE_UNIX_STREAM, FILE_PIPE };

	return file->kind == kinds[end] && (sink ? file->can_splice_to : file->can_splice_from) && !file->splice_unknown;
}

/* What one burst saw of a transfer. whole: from its begin to its end. */
static void compare_burst(const struct watching *w, bool whole)
{
	const struct did *did = &w->shared->did[0];
	struct flow sum;

	CHECK_EQ(w->shared->count, 1);
	CHECK(sum_flows(w, did->from, did->to, &sum) > 0);
	CHECK(sum.bytes && sum.bytes <= did->bytes && sum.reads <= did->reads && sum.writes <= did->writes &&
	      sum.again <= did->again);
	for (uint32_t i = 0; i < w->model.flow_count; i++) {
		const struct flow *flow = &w->model.flows[i];

		CHECK_EQ(flow->how, HOW_SAME_BUFFER);
		CHECK_EQ(flow->call_read, did->call_read);
		CHECK_EQ(flow->call_write, did->call_write);
		CHECK(is_end(&w->model.files[flow->from], one.from, false) && is_end(&w->model.files[flow->to], one.to, true));
		CHECK(flow->samples_equal > 0 || !flow->bytes);
		CHECK_EQ(flow->samples_changed + flow->whole_changed, 0);
	}
	CHECK_EQ(w->model.coverage.lost_pairs + w->model.coverage.cut_vectors, 0);
	if (whole)
		compare(w);
}

static unsigned again;	/* transfers that met EAGAIN */

/* Whether one burst saw the transfer to its end. */
static bool watch_one(void (*what)(void))
{
	struct watching w;
	bool whole;

	watching_prepare(&w, what);
	watching_open_by(&w, &feed_ptrace, NULL);
	watching_run(&w, 30);
	/* Only a burst sees how a process ends. */
	whole = w.model.coverage.bursts == 1 && w.model.processes[0].exit_status == 0;
	compare_burst(&w, whole);
	again += again_of(&w);
	watching_end(&w);
	return whole;
}

static void by_bursts(void)
{
	unsigned seen = 0, whole = 0;

	for (int i = 0; i < PAIRS; i++) {
		if (!pair_of(i, &one))
			continue;
		seen++;
		whole += watch_one(one_pair);
	}
	printf("%u transfers, %u of them seen to their ends by one burst; %u met EAGAIN\n", seen, whole, again);
	CHECK_EQ(seen, 169);
	CHECK(whole);	/* these were compared call by call; how many meet EAGAIN is the scheduler's */
}

static void a_burst_waits_for_the_first_transfer(void)
{
	CHECK(pair_of(0, &one));
	watch_one(one_pair_late);
}

/* ---- Lines ------------------------------------------------------------------------------------------------------------------- */

#define TURNS 40

static __attribute__((noinline)) void fetch(int fd)
{
	NEED(syscall(SYS_read, fd, buffer, 4096) == 4096);	/* a sanitizer has a read of its own between */
}

static __attribute__((noinline)) void put(int fd)
{
	NEED(syscall(SYS_write, fd, buffer, 4096) == 4096);
}

/* One instruction reads, and one writes, at one depth and of one descriptor; for either sink from a line of its own. */
static void by_turns(void)
{
	int from = open_source(END_FILE), to[2] = { open_sink(END_FILE), open_sink(END_FILE) };

	for (int i = 0; i < TURNS; i++) {
		NEED(lseek(from, 0, SEEK_SET) == 0);
		fetch(from);
		put(to[0]);
		fetch(from);
		put(to[1]);
	}
	for (int i = 0; i < 2; i++)
		shared->did[i] = (struct did){ .from = inode_of(from), .to = inode_of(to[i]), .bytes = TURNS * 4096 };
	shared->count = 2;
}

static void lines_of_one_wrapper(void)
{
	const struct flow *flows[2] = { NULL, NULL };
	struct watching w;

	watch(&w, by_turns, false, 30);
	CHECK_EQ(w.model.flow_count, 2);
	for (int i = 0; i < 2; i++)
		for (uint32_t k = 0; k < 2; k++)
			if (w.model.files[w.model.flows[k].to].inode == w.shared->did[i].to)
				flows[i] = &w.model.flows[k];
	CHECK(flows[0] && flows[1]);
	CHECK_EQ(flows[0]->bytes, w.shared->did[0].bytes);
	CHECK_EQ(flows[1]->bytes, w.shared->did[1].bytes);
	CHECK_NE(flows[0]->site_read, flows[1]->site_read);
	CHECK_NE(flows[0]->site_write, flows[1]->site_write);
	watching_end(&w);
}

static const struct test tests[] = {
	TEST(lines_of_one_wrapper), TEST(every_call_and_end), TEST(sampled), TEST(calls_that_signals_end), TEST(ends_are_named),
	TEST(by_bursts), TEST(a_burst_waits_for_the_first_transfer),
};
TEST_MAIN(tests)
