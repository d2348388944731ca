/* SPDX-License-Identifier: MIT */
/*
 * A slow reader on a blocking descriptor: the deadline is kept, progress is told all the time, bytes keep moving. Each route
 * in a process of its own, all at the same time. What the machine was late (machine.h) is left out; what is late all the same
 * is tried again, up to three times.
 */
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "check.h"
#include "ends.h"
#include "machine.h"

#define SIZE (64 << 20)
#define MS (LEAT_SECOND / 1000)
#define GAP_NS (500 * MS)	/* promised, between two calls of progress, and between two moves for a reader of 1 MB/s */
#define LATE_NS (100 * MS)	/* promised of a deadline */
#define UNSENT_TEXT "131072"

static const struct lane {
	enum from from;
	enum to to;
	bool hash, blocking;
	enum leat_route route;
	bool idle;	/* an idle deadline, and nothing else that would wake */
	enum { UNSENT_ANY, UNSENT_OF_THE_SOCKET, UNSENT_OF_THE_SYSTEM } unsent;	/* who has a TCP_NOTSENT_LOWAT */
} lanes[] = {
	{ FROM_FILE, TO_TCP, false, true, LEAT_ROUTE_SENDFILE },   { FROM_FILE, TO_TCP, true, true, LEAT_ROUTE_COPY },
	{ FROM_MEMORY, TO_TCP, false, true, LEAT_ROUTE_MEMORY },   { FROM_TCP, TO_TCP, false, true, LEAT_ROUTE_SPLICE_PIPE },
	{ FROM_FILE, TO_UNIX, false, true, LEAT_ROUTE_SENDFILE },  { FROM_FILE, TO_PIPE, false, true, LEAT_ROUTE_SPLICE },
	{ FROM_PIPE, TO_TCP, false, true, LEAT_ROUTE_SPLICE },     { FROM_FILE, TO_PTY, false, true, LEAT_ROUTE_SENDFILE },
	{ FROM_FILE, TO_TCP, false, false, LEAT_ROUTE_SENDFILE },  { FROM_FILE, TO_TCP, false, false, LEAT_ROUTE_SENDFILE, true },
	{ FROM_TCP, TO_TCP, false, false, LEAT_ROUTE_SPLICE_PIPE, true }, { FROM_FILE, TO_TCP, false, true, LEAT_ROUTE_SENDFILE, true },
	{ FROM_FILE, TO_TCP, false, true, LEAT_ROUTE_SENDFILE, .unsent = UNSENT_OF_THE_SOCKET },
	{ FROM_PIPE, TO_TCP, false, true, LEAT_ROUTE_SPLICE, .unsent = UNSENT_OF_THE_SOCKET },
	{ FROM_TCP, TO_TCP, false, true, LEAT_ROUTE_SPLICE_PIPE, .unsent = UNSENT_OF_THE_SOCKET },
	{ FROM_FILE, TO_TCP, false, true, LEAT_ROUTE_SENDFILE, .unsent = UNSENT_OF_THE_SYSTEM },
};
#define LANES (sizeof lanes / sizeof lanes[0])

/* In memory that parent and child share. */
struct result {
	int64_t r;
	uint64_t took_ns, bytes, route_bytes, told, cpu_ns, late_ns;
	uint64_t tell_gap_ns, move_gap_ns, last_told, last_moved;
	uint64_t told_late_ns, moved_late_ns;	/* how late the machine was by then */
};

static void on_progress(void *arg, const struct leat_progress_state *state)
{
	struct result *result = arg;
	uint64_t now = leat_now_ns(), late_ns = machine_late_main_ns();
	uint64_t gap_ns = machine_less(now - result->last_told, machine_less(late_ns, result->told_late_ns));

	result->tell_gap_ns = gap_ns > result->tell_gap_ns ? gap_ns : result->tell_gap_ns;
	result->last_told = now;
	result->told_late_ns = late_ns;
	result->told++;
}

static void on_event(void *arg, const struct leat_event *event)
{
	struct result *result = arg;
	uint64_t now = leat_now_ns(), late_ns, gap_ns;

	if (event->kind != LEAT_EVENT_MOVED && event->kind != LEAT_EVENT_END)
		return;
	late_ns = machine_late_ns();	/* the reader's too: no byte moves while it does not read */
	gap_ns = machine_less(now - result->last_moved, machine_less(late_ns, result->moved_late_ns));
	result->move_gap_ns = gap_ns > result->move_gap_ns ? gap_ns : result->move_gap_ns;
	result->last_moved = now;
	result->moved_late_ns = late_ns;
}

/* A network of this process's own, with a low water mark for all its sockets. False: not to be had here. */
static bool have_low_water_net(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int sock, fd;
	bool had;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	fd = open("/proc/sys/net/ipv4/tcp_notsent_lowat", O_WRONLY | O_CLOEXEC);
	had = sock >= 0 && ioctl(sock, SIOCSIFFLAGS, &lo) == 0 && fd >= 0 && write(fd, UNSENT_TEXT, strlen(UNSENT_TEXT)) > 0;
	close(sock);
	close(fd);
	return had;
}

static void set_low_water(const struct to_end *to)
{
	int unsent = atoi(UNSENT_TEXT);

	CHECK_CALL(setsockopt(to->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent));
}

static void run_lane(const struct lane *lane, struct result *result)
{
	static struct from_end from;
	static struct to_end to;
	struct leat_deadline deadline;
	struct leat_progress progress;
	struct leat_log log;
	struct leat_xxh3 hash;
	struct leat_report report;
	struct timespec cpu;

	if (lane->unsent == UNSENT_OF_THE_SYSTEM && !have_low_water_net())
		_exit(TEST_SKIPPED);
	from_make(&from, lane->from, SIZE, lane->blocking);
	to_make_slow(&to, lane->to, SIZE, lane->blocking, 0);
	if (lane->unsent == UNSENT_OF_THE_SOCKET)
		set_low_water(&to);
	to_pace(&to, 1000000);
	leat_wrap(&from.source, leat_deadline_init(&deadline, lane->idle ? 600 * MS : 0, 2 * LEAT_SECOND));
	leat_wrap(&from.source, leat_log_init(&log, on_event, result));
	if (!lane->idle)
		leat_wrap_sink(&to.sink, leat_progress_init(&progress, LEAT_SECOND / 4, on_progress, result));
	if (lane->hash)
		leat_wrap(&from.source, leat_xxh3_init(&hash));
	to_allow(&to, UINT64_MAX);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	result->cpu_ns = (uint64_t)cpu.tv_sec * LEAT_SECOND + (uint64_t)cpu.tv_nsec;
	result->told_late_ns = result->late_ns = machine_late_main_ns();
	result->moved_late_ns = machine_late_ns();
	result->took_ns = result->last_told = result->last_moved = leat_now_ns();
	result->r = leat_copy(&to.sink, &from.source, NULL, &report);
	result->took_ns = leat_now_ns() - result->took_ns;
	result->late_ns = machine_late_main_ns() - result->late_ns;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	result->cpu_ns = (uint64_t)cpu.tv_sec * LEAT_SECOND + (uint64_t)cpu.tv_nsec - result->cpu_ns;
	result->bytes = report.bytes;
	result->route_bytes = report.route_bytes[lane->route];
	_exit(0);
}

static void show_lane(const struct lane *lane, const struct result *result)
{
	char note[80];

	snprintf(note, sizeof note, "%s to %s%s%s%s", from_names[lane->from], to_names[lane->to], lane->hash ? ", hash" : "",
		 lane->idle ? ", idle" : lane->blocking ? "" : ", non-blocking", lane->unsent ? ", low water" : "");
	printf("%-30s %-12s %4d ms, %9llu bytes, told %2d times, at most every %3d ms, moved at most every %3d ms, cpu %d ms\n",
	       note, leat_route_name(lane->route), (int)(result->took_ns / MS), (unsigned long long)result->bytes,
	       (int)result->told, (int)(result->tell_gap_ns / MS), (int)(result->move_gap_ns / MS), (int)(result->cpu_ns / MS));
}

/* True when something came late. */
static bool check_lane(const struct lane *lane, const struct result *result)
{
	static char note[80];

	snprintf(note, sizeof note, "%s to %s%s%s", from_names[lane->from], to_names[lane->to], lane->hash ? ", hash" : "",
		 lane->unsent ? ", low water" : "");
	test_note(note);
	CHECK_EQ(result->r, -ETIMEDOUT);
	CHECK_GE(result->route_bytes, 1000u);
	CHECK_LE(result->cpu_ns, 300 * MS);
	CHECK_GE(result->took_ns, 2000 * MS);
	if (result->tell_gap_ns > GAP_NS || result->move_gap_ns > GAP_NS)
		return true;
	return machine_less(result->took_ns, result->late_ns) > 2000 * MS + LATE_NS || (!lane->idle && result->told < 6);
}

/* Runs the lanes that were late so far, all of them at first. */
static unsigned run_all(struct result *results, bool *late)
{
	pid_t pids[LANES];
	unsigned count = 0;

	for (unsigned i = 0; i < LANES; i++) {
		if (!late[i])
			continue;
		memset(&results[i], 0, sizeof results[i]);
		fflush(stdout);
		pids[i] = CHECK_CALL(fork());
		if (!pids[i])
			run_lane(&lanes[i], &results[i]);
	}
	for (unsigned i = 0; i < LANES; i++) {
		int status;

		if (!late[i])
			continue;
		CHECK_CALL(waitpid(pids[i], &status, 0));
		if (WIFEXITED(status) && WEXITSTATUS(status) == TEST_SKIPPED)
			test_skip("no network of its own is to be had here");
		CHECK_EQ(status, 0);
	}
	for (unsigned i = 0; i < LANES; i++) {
		if (!late[i])
			continue;
		show_lane(&lanes[i], &results[i]);
		late[i] = check_lane(&lanes[i], &results[i]);
		count += late[i];
	}
	return count;
}

/* Those with a low water mark of the system, or all the others: these need a network of their own. */
static void check_lanes(bool of_the_system)
{
	struct result *results = mmap(NULL, sizeof *results * LANES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool late[LANES];
	struct from_end file;
	unsigned count = 1;

	CHECK(results != MAP_FAILED);
	if (machine_slowed_by(false))
		test_skip("%s makes everything late", machine_slowed_by(false));
	ends_alarm(50, check_case);
	ends_content(SIZE);
	from_make(&file, FROM_FILE, SIZE, true);	/* its file stays, and the children share it */
	from_close(&file);
	for (unsigned i = 0; i < LANES; i++)
		late[i] = (lanes[i].unsent == UNSENT_OF_THE_SYSTEM) == of_the_system;
	for (int attempt = 0; attempt < 3 && count; attempt++)
		count = run_all(results, late);
	CHECK_SAY(!count, "%u were late in each of three attempts", count);
}

static void a_slow_reader_and_a_deadline(void)
{
	check_lanes(false);
}

static void a_low_water_mark_of_the_system(void)
{
	check_lanes(true);
}

static const struct test tests[] = { TEST(a_slow_reader_and_a_deadline), TEST(a_low_water_mark_of_the_system) };
TEST_MAIN(tests)
