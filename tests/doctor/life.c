/* SPDX-License-Identifier: MIT */
/*
 * What becomes of processes while they are watched: they fork, run other programs, have hundreds of threads, live in other
 * roots, end; and what is too much of something: flows, buffers, sinks. Nothing of it may make bytes vanish unsaid.
 */
#include "watching.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define PIECE 8192

static uint8_t pattern[65536];

static void fill_pattern(void)
{
	static unsigned seed = 23;

	for (unsigned i = 0; i < sizeof pattern; i++)
		pattern[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
}

static int source_file(const char *name, unsigned pieces)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	NEED(fd >= 0);
	fill_pattern();
	for (unsigned i = 0; i < pieces; i++) {
		memcpy(pattern, &i, sizeof i);
		NEED(write(fd, pattern, PIECE) == PIECE);
	}
	NEED(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* Reads all of it into buffer, and writes it to the sink. */
static uint64_t carry(int from, int to, uint8_t *buffer)
{
	uint64_t done = 0;
	ssize_t n;

	while ((n = read(from, buffer, PIECE)) > 0) {
		NEED(write(to, buffer, (size_t)n) == n);
		done += (uint64_t)n;
	}
	NEED(n == 0);
	return done;
}

static void note_did(int from, int to, uint64_t bytes)
{
	unsigned at = __atomic_fetch_add(&shared->count, 1, __ATOMIC_SEQ_CST);

	shared->did[at].from = inode_of(from);
	shared->did[at].to = inode_of(to);
	shared->did[at].bytes = bytes;
}

static const struct process *process_called(const struct watching *w, const char *name)
{
	for (uint32_t i = 0; i < w->model.process_count; i++)
		if (w->model.processes[i].name && strcmp(w->model.processes[i].name, name) == 0)
			return &w->model.processes[i];
	return NULL;
}

static void compare_all(const struct watching *w)
{
	for (unsigned i = 0; i < w->shared->count; i++) {
		struct flow sum;

		CHECK(sum_flows(w, w->shared->did[i].from, w->shared->did[i].to, &sum) > 0);
		CHECK_EQ(sum.bytes, w->shared->did[i].bytes);
	}
	CHECK_EQ(w->model.coverage.lost_bytes, 0);
	CHECK_EQ(w->model.coverage.lost_pairs, 0);
}

/* ---- Processes ------------------------------------------------------------------------------------------------------------- */

static void forks(void)
{
	for (int i = 0; i < 5; i++) {
		pid_t child = fork();

		if (child == 0) {
			static uint8_t buffer[PIECE];
			char name[32];
			int from, to;

			snprintf(name, sizeof name, "forked-%d", i);
			from = source_file(name, 20);
			to = open("/dev/null", O_WRONLY);
			note_did(from, to, carry(from, to, buffer));
			_exit(40 + i);
		}
		NEED(waitpid(child, NULL, 0) == child);
	}
	for (int i = 0; i < 5; i++) {	/* not before: the next one would get the inode's number */
		char name[32];

		snprintf(name, sizeof name, "forked-%d", i);
		unlink(name);
	}
}

static void children_are_followed(void)
{
	struct watching w;
	unsigned statuses = 0;

	watch(&w, forks, false, 20);
	CHECK_EQ(w.shared->count, 5);
	compare_all(&w);
	CHECK_EQ(w.model.process_count, 6);
	for (uint32_t i = 0; i < w.model.process_count; i++) {
		const struct process *p = &w.model.processes[i];

		CHECK(p->exited);
		CHECK_STR(p->name, "doctor-life");
		if (p->pid == (uint32_t)w.patient)
			continue;
		CHECK_EQ(p->parent, w.patient);
		CHECK(WIFEXITED(p->exit_status));
		statuses += WEXITSTATUS(p->exit_status) >= 40 && WEXITSTATUS(p->exit_status) < 45;
	}
	CHECK_EQ(statuses, 5);
	watching_end(&w);
}

static int exec_sink[2];

/* dd reads and writes; cat may know better. */
static void runs_dd(void)
{
	int from = source_file("exec-source", 50);

	note_did(from, exec_sink[1], 50 * PIECE);
	NEED(dup2(exec_sink[1], STDOUT_FILENO) >= 0);
	close(exec_sink[0]);
	close(exec_sink[1]);
	execlp("dd", "dd", "if=exec-source", "bs=8192", "status=none", NULL);
	NEED(0);
}

/* Its sink is a pipe that is not read before it was named: until then it cannot end. */
static void another_program(void)
{
	static uint8_t bytes[PIECE];
	const struct process *dd = NULL;
	struct watching w;
	pid_t reader;

	CHECK_CALL(pipe2(exec_sink, O_CLOEXEC));
	watching_prepare(&w, runs_dd);
	close(exec_sink[1]);
	watching_open(&w, NULL);
	watching_go(&w);
	for (int i = 0; i < 100 && !dd; i++) {
		CHECK(w.feed->ops->poll(w.feed, &w.model, 200) >= 0);
		dd = process_called(&w, "dd");
	}
	CHECK_SAY(dd, "dd was not named in twenty seconds");
	CHECK_EQ(dd->pid, w.patient);
	CHECK(dd->executable && strstr(dd->executable, "/dd"));
	reader = CHECK_CALL(fork());
	if (!reader) {
		while (read(exec_sink[0], bytes, sizeof bytes) > 0)
			;
		_exit(0);
	}
	close(exec_sink[0]);
	watching_run(&w, 20);
	compare_all(&w);
	CHECK_CALL(waitpid(reader, NULL, 0));
	watching_end(&w);
	unlink("exec-source");
}

#define THREADS 500
#define CONNECTIONS 18

static pthread_barrier_t barrier;

static void *carries(void *argument)
{
	int from = *(int *)argument, to = open("/dev/null", O_WRONLY);
	uint8_t *buffer = malloc(PIECE);
	uint64_t done;

	NEED(buffer && to >= 0);
	pthread_barrier_wait(&barrier);
	done = carry(from, to, buffer);
	if (shared->count < DID_MOST)
		note_did(from, to, done);
	free(buffer);
	return NULL;
}

static void in_threads(unsigned count, unsigned pieces)
{
	static pthread_t threads[THREADS];
	static int from[THREADS];
	pthread_attr_t attributes;
	struct rlimit limit;

	/* Two descriptors each, beside all that a feed on this kernel has open. */
	NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	NEED(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 65536) == 0);
	NEED(pthread_barrier_init(&barrier, NULL, count) == 0);
	for (unsigned i = 0; i < count; i++) {
		char name[32];

		snprintf(name, sizeof name, "thread-%u", i);
		from[i] = source_file(name, pieces);
		unlink(name);
		NEED(pthread_create(&threads[i], &attributes, carries, &from[i]) == 0);
	}
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static void many_threads_do(void)
{
	in_threads(THREADS, 10);
}

static void connections_do(void)
{
	in_threads(CONNECTIONS, 500);
}

static void many_threads(void)
{
	struct watching w;

	watch(&w, many_threads_do, false, 60);
	CHECK_EQ(w.shared->count, THREADS);
	compare_all(&w);
	watching_end(&w);
}

static void eighteen_connections(void)
{
	struct watching w;

	watch(&w, connections_do, true, 60);
	CHECK_EQ(w.shared->count, CONNECTIONS);
	compare_all(&w);
	watching_end(&w);
}

#ifdef __x86_64__
static void calls_the_old_way(void)
{
	for (int i = 0; i < 10; i++) {
		long result;

		__asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
		NEED(result > 0);
	}
}

static void calls_of_32_bit(void)
{
	struct watching w;

	watch(&w, calls_the_old_way, false, 20);
	CHECK_EQ(w.model.coverage.calls_32_bit, 10);
	watching_end(&w);
}
#endif

/* ---- Where files are ------------------------------------------------------------------------------------------------------- */

static void other_places(void)
{
	static uint8_t buffer[PIECE];
	int from, to = open("/dev/null", O_WRONLY);

	NEED(mkdir("other", 0700) == 0 && mkdir("other/deep", 0700) == 0);
	NEED(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	NEED(mount("none", "other/deep", "tmpfs", 0, NULL) == 0);
	NEED(mkdir("other/deep/er", 0700) == 0);
	from = source_file("other/deep/er/in-a-mount", 5);
	note_did(from, to, carry(from, to, buffer));
	NEED(chroot("other") == 0 && chdir("/") == 0);
	from = source_file("/deep/in-a-root", 5);
	note_did(from, to, carry(from, to, buffer));
	from = source_file("/deep/gone", 5);
	unlink("/deep/gone");
	note_did(from, to, carry(from, to, buffer));
	from = (int)syscall(SYS_memfd_create, "of-memory", 0);
	NEED(from >= 0 && write(from, pattern, PIECE) == PIECE && lseek(from, 0, SEEK_SET) == 0);
	note_did(from, to, carry(from, to, buffer));
}

static void paths(void)
{
	static const char *const ends[] = { "/other/deep/er/in-a-mount", "/deep/in-a-root", "/deep/gone", "memfd:of-memory" };
	char here[1024], want[1200];
	struct watching w;

	if (geteuid())
		test_skip("mounts are root's");
	CHECK(getcwd(here, sizeof here));
	watch(&w, other_places, false, 20);
	CHECK_EQ(w.shared->count, 4);
	for (unsigned i = 0; i < 4; i++) {
		struct flow sum;
		const char *path;

		CHECK(sum_flows(&w, w.shared->did[i].from, w.shared->did[i].to, &sum) > 0);
		path = w.model.files[sum.from].path;
		snprintf(want, sizeof want, "%s%s", i ? "" : here, ends[i]);
		CHECK_STR(path, want);
		CHECK_EQ(w.model.files[sum.from].deleted, i >= 2);
	}
	watching_end(&w);
	rmdir("other/deep");
	rmdir("other");
}

/* ---- Too much -------------------------------------------------------------------------------------------------------------- */

#define SINKS 10000

/* Each into a file of its own, that is not there any more. */
static void many_sinks(void)
{
	static uint8_t buffer[PIECE];
	int from = source_file("many", 1);
	uint64_t done = 0;

	for (unsigned i = 0; i < SINKS; i++) {
		int to = (int)syscall(SYS_memfd_create, "sink", MFD_CLOEXEC);

		NEED(to >= 0 && pread(from, buffer, 1000, 0) == 1000 && write(to, buffer, 1000) == 1000);
		done += 1000;
		close(to);
	}
	note_did(from, from, done);
	unlink("many");
}

static void ten_thousand_flows(void)
{
	struct watching w;
	struct rusage before, after;
	struct flow sum;

	getrusage(RUSAGE_SELF, &before);
	watch(&w, many_sinks, false, 60);
	getrusage(RUSAGE_SELF, &after);
	CHECK_EQ(sum_flows(&w, w.shared->did[0].from, 0, &sum), SINKS);
	CHECK_EQ(sum.bytes, w.shared->did[0].bytes);
	CHECK_EQ(w.model.coverage.lost_flows, 0);
	printf("%ld KiB before, %ld KiB at most\n", before.ru_maxrss, after.ru_maxrss);
	if (!getenv("SANITIZER"))	/* whose shadows take more */
		CHECK(after.ru_maxrss < 64 * 1024);
	watching_end(&w);
}

/* What has no room of its own is summed up by kinds: nothing is lost but names. With no room for that either, it is counted. */
static void a_full_table(void)
{
	struct watching w;

	for (uint32_t room = 1; room <= 1000; room += 999) {
		const struct feed_options options = { .most_flows = room };
		uint64_t bytes = 0, truth;
		unsigned unnamed = 0;

		watching_prepare(&w, many_sinks);
		watching_open(&w, &options);
		watching_run(&w, 60);
		for (uint32_t i = 0; i < w.model.flow_count; i++) {
			const struct file *from = &w.model.files[w.model.flows[i].from], *to = &w.model.files[w.model.flows[i].to];

			bytes += w.model.flows[i].bytes;
			unnamed += !from->inode && !from->path && from->kind == FILE_REGULAR && to->kind == FILE_REGULAR &&
				   to->can_splice_to;
		}
		truth = w.shared->did[0].bytes;
		CHECK(w.model.flow_count <= room);
		CHECK(bytes <= truth);
		CHECK(bytes + w.model.coverage.lost_bytes >= truth);
		if (room > 1) {
			CHECK_EQ(bytes, truth);
			CHECK_EQ(unnamed, 1);
			CHECK_EQ(w.model.coverage.lost_flows, 0);
		}
		watching_end(&w);
	}
}

#define VECTORS 1024

static void long_vectors(void)
{
	static uint8_t buffer[VECTORS * 16];
	static struct iovec iov[VECTORS];
	int from = source_file("vectors", 20), to = open("/dev/null", O_WRONLY);
	uint64_t done = 0;
	ssize_t n;

	for (unsigned i = 0; i < VECTORS; i++)	/* backwards: no two buffers follow each other */
		iov[i] = (struct iovec){ buffer + (VECTORS - 1 - i) * 16, 16 };
	while ((n = readv(from, iov, VECTORS)) > 0) {
		NEED(writev(to, iov, VECTORS) == VECTORS * 16);
		done += (uint64_t)n;
		NEED(n == VECTORS * 16);
	}
	note_did(from, to, done);
	unlink("vectors");
}

static void thousand_buffers(void)
{
	struct watching w;
	struct flow sum;

	watch(&w, long_vectors, false, 30);
	CHECK(sum_flows(&w, w.shared->did[0].from, w.shared->did[0].to, &sum) > 0);
	CHECK_EQ(w.model.coverage.cut_vectors, 0);
	CHECK(sum.bytes <= w.shared->did[0].bytes);
	CHECK(sum.bytes + w.model.coverage.lost_bytes >= w.shared->did[0].bytes);
	printf("%llu of %llu bytes, %llu lost\n", (unsigned long long)sum.bytes, (unsigned long long)w.shared->did[0].bytes,
	       (unsigned long long)w.model.coverage.lost_bytes);
	watching_end(&w);
}

/* ---- Stacks ---------------------------------------------------------------------------------------------------------------- */

struct taken {
	unsigned calls, with_more;
	uint64_t want, more_at;
	size_t bytes;
};

/* As if every stack ended too early. */
static int wants_more(void *context, struct model *model, const struct feed_stack *stack, uint64_t *ret_want)
{
	struct taken *taken = context;

	CHECK(stack->ip && stack->sp && stack->register_count && stack->ip_count);
	CHECK_EQ(stack->bytes_at, stack->sp);
	taken->calls++;
	if (stack->more) {
		taken->with_more++;
		CHECK(stack->more_count > 0);
		CHECK_EQ(stack->more_at - stack->sp, 40000);
		return 0;
	}
	taken->bytes = stack->byte_count;
	*ret_want = stack->sp + 40000;
	return 1;
}

static void deep_stack(void)
{
	volatile uint8_t room[100000];	/* two pages of three are never touched: they are not there */
	static uint8_t buffer[PIECE];
	int from = source_file("deep", 40), to = open("/dev/null", O_WRONLY);

	for (unsigned i = 0; i < sizeof room; i += 3 * 4096)
		room[i] = 1;
	for (int i = 0; i < 40; i++) {
		NEED(read(from, buffer, PIECE) == PIECE);
		NEED(write(to, buffer, PIECE) == PIECE);
		usleep(10000);
	}
	unlink("deep");
}

static void a_second_snapshot(void)
{
	struct taken taken = { 0 };
	const struct feed_options options = { .take_stack = wants_more, .take_context = &taken };
	struct watching w;

	watching_prepare(&w, deep_stack);
	watching_open(&w, &options);
	watching_run(&w, 30);
	CHECK(taken.bytes > 16384 && taken.bytes <= 32768);
	CHECK(taken.with_more >= 2);
	CHECK_EQ(w.model.coverage.no_stack, 0);
	watching_end(&w);
}

static const struct test tests[] = {
	TEST(children_are_followed), TEST(another_program), TEST(many_threads), TEST(eighteen_connections),
#ifdef __x86_64__
	TEST(calls_of_32_bit),
#endif
	TEST(paths), TEST(ten_thousand_flows), TEST(a_full_table), TEST(thousand_buffers), TEST(a_second_snapshot),
};
TEST_MAIN(tests)
