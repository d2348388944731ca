/* SPDX-License-Identifier: MIT */
/*
 * A file that is not in memory, stepped with and without a helper, from the disk as it is and from one slowed down by a
 * cgroup: what arrives, how long the longest leat_step took, and how often one slept in the kernel.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"
#include "ends.h"

#define SIZE (24 << 20)
#define MS (LEAT_SECOND / 1000)
#define SLOW_BYTES_PER_S (32u << 20)

struct outcome {
	uint64_t longest_ns, longest_blocked_ns, took_ns, cold_waits;
	unsigned steps, sleeps, over_10_ms, kept;	/* kept: from the processor, not judged */
	int r;
	bool arrived, failed_to_evict;
	uint64_t others_bytes;		/* that the disk moved meanwhile and this process did not ask for */
	uint64_t others_cpu_ns;		/* that others used meanwhile, on all processors */
};

struct manner {
	bool helper, hash;
	bool again;	/* evicted a second time in the midst */
	enum { COLD, LAST_PAGES, BOTH_ENDS, SIXTEENTHS, ENDS_OF_ALL } some;	/* what of it is in memory, here and there */
};

static const char *const some_names[] = {
	"", ", last pages warm", ", both ends warm", ", three pages of sixteen warm", ", both ends of all warm",
};

static const unsigned char *content;
static int file;

/* Pages in memory; asked by mincore, which fetches none. */
static unsigned warm_pages(void)
{
	static unsigned char pages[SIZE / 4096];
	void *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, file, 0);
	unsigned warm = 0;

	if (map == MAP_FAILED || mincore(map, SIZE, pages) < 0)
		ends_die("mincore");
	munmap(map, SIZE);
	for (unsigned i = 0; i < SIZE / (unsigned)sysconf(_SC_PAGESIZE); i++)
		warm += pages[i] & 1;
	return warm;
}

/*
 * A page that a packet still refers to stays in memory. What the receiver has read is freed by the processor that sent it,
 * when that next receives something (skb_defer_free): so each is sent a datagram.
 */
static void free_packets(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;
	cpu_set_t before, one;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
	    sched_getaffinity(0, sizeof before, &before) < 0)
		ends_die("a datagram to each processor");
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &before))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof one, &one);
		sendto(fd, "", 1, 0, (struct sockaddr *)&address, size);
	}
	sched_setaffinity(0, sizeof before, &before);
	close(fd);
}

static bool evict(void)
{
	fsync(file);
	for (int i = 0; i < 200; i++) {
		if (posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0 && !warm_pages())
			return true;
		usleep(10000);
		free_packets();
	}
	return false;
}

/*
 * The last page of each MiB is what probes at the ends of pieces take for a sign, and the first one what is fetched by asking for
 * it. With three pages of each sixteen a file looks warm wherever single pages are asked for. The file's beginning
 * is cold, but for ENDS_OF_ALL, of which nothing but the time of a call tells that it is not warm.
 */
static bool is_warm(int some, unsigned page)
{
	bool last = page % 256 == 255, first = page % 256 == 0;

	switch (some) {
	case LAST_PAGES:
		return last;
	case BOTH_ENDS:
		return last || (first && page);
	case SIXTEENTHS:
		return page >= 256 && (page + 1) % 16 < 3;
	default:
		return some == ENDS_OF_ALL && (last || first);
	}
}

static void warm_some(int some)
{
	char byte;

	posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM);	/* that page alone */
	for (unsigned page = 0; page < SIZE / 4096; page++)
		if (is_warm(some, page) && pread(file, &byte, 1, (off_t)page * 4096) != 1)
			ends_die("pread");
	posix_fadvise(file, 0, 0, POSIX_FADV_NORMAL);
}

/* What the disk has moved, and what of it this process has asked for; 0 and 0 when nobody counts it. */
static void disk_bytes(uint64_t *ret_all, uint64_t *ret_ours)
{
	unsigned major, minor;
	unsigned long long read_sectors, written_sectors, bytes;
	char line[256];
	struct stat st;
	FILE *f = fopen("/proc/diskstats", "re");

	*ret_all = *ret_ours = 0;
	if (fstat(file, &st) < 0)
		ends_die("fstat");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%u %u %*s %*u %*u %llu %*u %*u %*u %llu", &major, &minor, &read_sectors, &written_sectors) == 4 &&
		    makedev(major, minor) == st.st_dev)
			*ret_all = (read_sectors + written_sectors) * 512;
	if (f)
		fclose(f);
	f = fopen("/proc/self/io", "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "read_bytes: %llu", &bytes) == 1 || sscanf(line, "write_bytes: %llu", &bytes) == 1)
			*ret_ours += bytes;
	if (f)
		fclose(f);
}

/* What all processors have done, and what of it this process. */
static void cpu_ns(uint64_t *ret_all, uint64_t *ret_ours)
{
	unsigned long long user = 0, nice = 0, system = 0, irq = 0, softirq = 0, steal = 0;
	struct timespec ours;
	FILE *f = fopen("/proc/stat", "re");

	if (!f || fscanf(f, "cpu %llu %llu %llu %*u %*u %llu %llu %llu", &user, &nice, &system, &irq, &softirq, &steal) != 6)
		ends_die("/proc/stat");
	fclose(f);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ours);
	*ret_all = (user + nice + system + irq + softirq + steal) * (LEAT_SECOND / (uint64_t)sysconf(_SC_CLK_TCK));
	*ret_ours = (uint64_t)ours.tv_sec * LEAT_SECOND + (uint64_t)ours.tv_nsec;
}

static unsigned slept(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (unsigned)usage.ru_nvcsw;
}

/*
 * Time this thread ran, or waited for a processor: on a busy machine a step takes longer, and is not blocked by that. Nor is
 * it judged when it waited for long: between asking what is in memory and taking it something else may have happened.
 */
#define KEPT_NS (5 * MS)

static uint64_t not_blocked_ns(uint64_t *ret_delayed)
{
	unsigned long long ran, delayed = 0;
	struct timespec cpu;
	char text[80] = "";
	int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
		sscanf(text, "%llu %llu", &ran, &delayed);
	close(fd);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	*ret_delayed = delayed;
	return (uint64_t)cpu.tv_sec * LEAT_SECOND + (uint64_t)cpu.tv_nsec + delayed;
}

static uint64_t more(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static int timed_step(struct leat_transfer *t, struct outcome *outcome)
{
	unsigned before = slept();
	uint64_t delay_before, delay, not_blocked = not_blocked_ns(&delay_before), begin = leat_now_ns(), took;
	int r = leat_step(t);

	took = leat_now_ns() - begin;
	not_blocked = not_blocked_ns(&delay) - not_blocked;
	outcome->longest_ns = more(outcome->longest_ns, took);
	if (delay - delay_before < KEPT_NS)
		outcome->longest_blocked_ns = more(outcome->longest_blocked_ns, took > not_blocked ? took - not_blocked : 0);
	else
		outcome->kept++;
	outcome->over_10_ms += took > 12 * MS;
	outcome->sleeps += slept() - before;
	outcome->steps++;
	return r;
}

/* A loop as an event loop does it: the transfer's descriptors, its time, and the helper's descriptor. */
static int drive(struct leat_transfer *t, struct leat_helper *helper, struct outcome *outcome, bool again)
{
	struct leat_report so_far;
	struct pollfd fds[4];
	struct leat_wait wait;
	int r;

	while ((r = timed_step(t, outcome)) > 0) {
		leat_so_far(t, &so_far);
		if (again && so_far.bytes > SIZE / 3) {
			again = false;
			posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
		}
		if (r == LEAT_AGAIN)
			continue;
		leat_wants(t, &wait);
		memcpy(fds, wait.fds, sizeof wait.fds);
		fds[3] = (struct pollfd){ .fd = helper ? leat_helper_fd(helper) : -1, .events = POLLIN };
		poll(fds, 4, leat_wait_ms(&wait, leat_now_ns()));
		while (helper && leat_helper_next(helper))
			;
	}
	return r;
}

static void run(const struct manner *manner, struct outcome *outcome)
{
	static struct to_end to;
	struct leat_helper helper = { .opaque = { 0 } };
	struct leat_options options = { .helper = manner->helper ? &helper : NULL };
	struct leat_source source;
	struct leat_transfer t;
	struct leat_report report;
	struct leat_xxh3 hash;

	memset(outcome, 0, sizeof *outcome);
	if (!evict()) {
		outcome->failed_to_evict = true;
		return;
	}
	if (manner->some)
		warm_some(manner->some);
	to_make(&to, TO_TCP, SIZE, false);
	if (manner->helper && leat_helper_init(&helper, 0))
		ends_die("helper");
	leat_from_file(&source, file, 0);
	if (manner->hash)
		leat_wrap(&source, leat_xxh3_init(&hash));
	outcome->took_ns = leat_now_ns();
	outcome->r = leat_begin(&t, &to.sink, &source, &options);
	if (!outcome->r)
		outcome->r = drive(&t, options.helper, outcome, manner->again);
	leat_end(&t, &report);
	outcome->took_ns = leat_now_ns() - outcome->took_ns;
	outcome->cold_waits = report.cold_waits;
	to_finish(&to, 0);
	outcome->arrived = to.got_size == SIZE && !memcmp(to.got, content, SIZE);
	leat_close(&source);
	to_close(&to);
	if (manner->helper)
		leat_helper_end(&helper);
}

static void show(const char *disk, const struct manner *manner, const struct outcome *o)
{
	printf("%s, %s%s%s: longest leat_step %.2f ms, blocked %.2f ms, %u of %u over 12 ms, %u not judged, slept %u times in them; "
	       "%llu cold waits, %.0f MB/s\n",
	       disk, manner->helper ? "helper" : "no helper", manner->hash ? ", hash" : "",
	       manner->again ? ", evicted again" : some_names[manner->some],
	       (double)o->longest_ns / 1e6, (double)o->longest_blocked_ns / 1e6, o->over_10_ms, o->steps, o->kept, o->sleeps,
	       (unsigned long long)o->cold_waits, (double)SIZE / ((double)o->took_ns / 1e9) / 1e6);
}

static const struct manner manners[] = {
	{ .helper = true }, { .helper = true, .hash = true }, { .helper = true, .again = true }, { .helper = true, .some = LAST_PAGES },
	{ .helper = true, .some = BOTH_ENDS }, { .helper = true, .some = SIXTEENTHS }, { .helper = true, .some = ENDS_OF_ALL },
	{ .helper = false }, { .hash = true }, { .again = true },
};
#define MANNERS (sizeof manners / sizeof manners[0])

/* Whether the file system tells what is in memory; overlay, as in containers, does not: there nothing is ever known to be cold. */
static bool can_be_asked(void)
{
	char byte;
	struct iovec one = { .iov_base = &byte, .iov_len = 1 };

	return preadv2(file, &one, 1, 0, RWF_NOWAIT) == 1 || errno != EOPNOTSUPP;
}

static void make_file(void)
{
	content = ends_content(SIZE);
	if (!file)
		file = ends_file_with(content, SIZE, O_RDONLY);
	if (!can_be_asked())
		test_skip("this file system has no RWF_NOWAIT: it does not say what is in memory");
	if (!evict())
		test_skip("a file on this file system cannot be evicted, or does not say that it is");
}

static void check(const struct manner *manner, const struct outcome *o, bool slow)
{
	CHECK_SAY(!o->failed_to_evict, "was evicted once, and not again");
	CHECK_EQ(o->r, LEAT_DONE);
	CHECK_SAY(o->arrived, "other bytes arrived");
	/* A fast disk may bring the first page while it is asked for (kernel fact nowait); with more that is warm, all seems so. */
	if (slow || !manner->some)
		CHECK_GE(o->cold_waits, 1u);
}

static void the_disk_as_it_is(void)
{
	struct outcome o;

	make_file();
	for (unsigned i = 0; i < MANNERS; i++) {
		ends_alarm(60, "the disk as it is");
		run(&manners[i], &o);
		show("disk", &manners[i], &o);
		check(&manners[i], &o, false);
	}
}

/* ---- A slow disk ---- */

static char group[200];

static bool write_text(const char *dir, const char *name, const char *text)
{
	char path[300];
	int fd;
	bool done;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

/* A cgroup, of either version, that reads this file's disk slowly. */
static bool slow_group(void)
{
	struct stat stat;
	char text[100];

	if (fstat(file, &stat) < 0)
		return false;
	snprintf(group, sizeof group, "/sys/fs/cgroup/blkio/leat-test-%d", getpid());
	snprintf(text, sizeof text, "%u:%u %u", major(stat.st_dev), minor(stat.st_dev), SLOW_BYTES_PER_S);
	if (mkdir(group, 0700) == 0) {
		if (write_text(group, "blkio.throttle.read_bps_device", text))
			return true;
		rmdir(group);
	}
	snprintf(group, sizeof group, "/sys/fs/cgroup/leat-test-%d", getpid());
	snprintf(text, sizeof text, "%u:%u rbps=%u", major(stat.st_dev), minor(stat.st_dev), SLOW_BYTES_PER_S);
	if (mkdir(group, 0700) == 0) {
		if (write_text(group, "io.max", text))
			return true;
		rmdir(group);
	}
	return false;
}

/* A blocking read of 4 MiB would take 125 ms here; what is less may be the machine. Of ENDS_OF_ALL the first call is one of 8. */
static uint64_t may_block_ns(const struct manner *manner)
{
	return manner->helper && manner->some != ENDS_OF_ALL ? (manner->again ? 100 : 50) * MS : UINT64_MAX;
}

/*
 * The best of three tries: on a loaded machine one step in some thousands waits all the same, perhaps for what the kernel
 * reads ahead by itself (8 MiB at a time on some machines) and has not finished. A disk that others use as well makes even a
 * request to read ahead wait, and so do busy processors, where who reads ahead comes late: such a try is no try.
 */
#define OTHERS_BYTES (1 << 20)
#define OTHERS_SHARE 10		/* of a processor, 1 in so many */

static bool disturbed_by_others(const struct outcome *outcome)
{
	return outcome->others_bytes > OTHERS_BYTES || outcome->others_cpu_ns > outcome->took_ns / OTHERS_SHARE;
}

/* A run, and what others did meanwhile. */
static void run_watched(const struct manner *manner, struct outcome *outcome)
{
	uint64_t disk[4], cpu[4];

	disk_bytes(&disk[0], &disk[1]);
	cpu_ns(&cpu[0], &cpu[1]);
	run(manner, outcome);
	cpu_ns(&cpu[2], &cpu[3]);
	disk_bytes(&disk[2], &disk[3]);
	outcome->others_bytes = disk[2] - disk[0] > disk[3] - disk[1] ? disk[2] - disk[0] - (disk[3] - disk[1]) : 0;
	outcome->others_cpu_ns = cpu[2] - cpu[0] > cpu[3] - cpu[1] ? cpu[2] - cpu[0] - (cpu[3] - cpu[1]) : 0;
}

static void run_slowly(const struct manner *manner, struct outcome *outcome)
{
	for (int try = 0, disturbed = 0; try < 3 && disturbed < 6; try++) {
		run_watched(manner, outcome);
		if (outcome->r || outcome->failed_to_evict || outcome->longest_blocked_ns <= may_block_ns(manner))
			return;
		show("a try at 32 MiB/s", manner, outcome);
		if (disturbed_by_others(outcome)) {
			printf("others moved %llu KiB on the disk meanwhile, and used %.2f s of processors\n",
			       (unsigned long long)outcome->others_bytes >> 10, (double)outcome->others_cpu_ns / LEAT_SECOND);
			disturbed++;
			try--;
		}
	}
}

static void a_slow_disk(void)
{
	struct outcome *all = mmap(NULL, sizeof *all * MANNERS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *disturbed = NULL;
	int status;
	pid_t pid;

	CHECK(all != MAP_FAILED);
	make_file();
	sync();			/* what tests before this one have left to be written */
	if (!slow_group())
		test_skip("no cgroup that slows this disk down can be made here (needs root and blkio or io)");
	ends_alarm(150, "a slow disk");
	fflush(stdout);
	pid = CHECK_CALL(fork());
	if (!pid) {
		char self[20];

		snprintf(self, sizeof self, "%d", getpid());
		if (!write_text(group, "cgroup.procs", self))
			_exit(1);
		for (unsigned i = 0; i < MANNERS; i++)
			run_slowly(&manners[i], &all[i]);
		fflush(stdout);
		_exit(0);
	}
	CHECK_CALL(waitpid(pid, &status, 0));
	rmdir(group);
	CHECK_EQ(status, 0);
	for (unsigned i = 0; i < MANNERS; i++)
		show("32 MiB/s", &manners[i], &all[i]);
	for (unsigned i = 0; i < MANNERS; i++) {
		check(&manners[i], &all[i], true);
		if (all[i].longest_blocked_ns > may_block_ns(&manners[i]) && disturbed_by_others(&all[i]))
			disturbed = manners[i].again ? "evicted again" : "a helper";
		else
			CHECK_LE(all[i].longest_blocked_ns, may_block_ns(&manners[i]));
	}
	if (disturbed)
		test_skip("others used the disk or the processors in each of six tries (%s): how long a step was blocked is not judged",
			  disturbed);
}

static const struct test tests[] = { TEST(the_disk_as_it_is), TEST(a_slow_disk) };
TEST_MAIN(tests)
