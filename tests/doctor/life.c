/* SPDX-License-Identifier: MIT */
/*
 * What becomes of processes while they are watched: they fork, run other programs, have hundreds of threads, live in other
 * roots, end. Nothing of it may make bytes vanish unsaid.
 */
#include "carrying.h"

#include "known.h"

#include <linux/aio_abi.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

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

/* Programs of a name begin one after the other, until there is no room to note more or somebody says that it is enough. */
static void begin_of_a_name(void)
{
	for (unsigned i = 0; i < DID_MOST && !__atomic_load_n(&shared->drains, __ATOMIC_SEQ_CST); i++) {
		pid_t child = fork();

		if (!child) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			execl("./leat-named", "leat-named", NULL);
		}
		NEED(child > 0);
		shared->did[i].bytes = (uint64_t)child;
		__atomic_store_n(&shared->count, i + 1, __ATOMIC_SEQ_CST);
		usleep(4000);
	}
	pause();
}

static bool has_process(const struct watching *w, uint64_t pid)
{
	for (uint32_t i = 0; i < w->model.process_count; i++)
		if (w->model.processes[i].pid == pid)
			return true;
	return false;
}

/* Of those that begin while the watch does none is missed. */
static void named_while_it_begins(void)
{
	const struct feed_options options = { .target = { .name = "leat-named" } };
	static const char stops[] = "#!/bin/sh\nkill -STOP $$\n";
	struct watching w;
	int fd = CHECK_CALL(open("leat-named", O_WRONLY | O_CREAT | O_CLOEXEC, 0700));

	CHECK_EQ(write(fd, stops, sizeof stops - 1), sizeof stops - 1);
	close(fd);
	watching_prepare(&w, begin_of_a_name);
	watching_go(&w);
	for (unsigned i = 0; i < 5000 && !__atomic_load_n(&w.shared->count, __ATOMIC_SEQ_CST); i++)
		usleep(1000);
	watching_open(&w, &options);
	usleep(100000);		/* some more begin */
	__atomic_store_n(&w.shared->drains, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(w.feed->ops->poll(w.feed, &w.model, 200), FEED_GOES_ON);
	CHECK_EQ(w.feed->ops->collect(w.feed, &w.model), 0);
	CHECK_CALL(kill(w.patient, SIGKILL));
	CHECK_CALL(waitpid(w.patient, NULL, 0));
	CHECK_CALL(waitpid(w.peers[0], NULL, 0));
	unlink("leat-named");
	printf("%u began\n", w.shared->count);
	for (unsigned i = 0; i < w.shared->count; i++)
		CHECK_SAY(has_process(&w, w.shared->did[i].bytes), "number %u of %u was missed", i, w.shared->count);
	watching_end(&w);
}

static void *takes_a_name(void *argument)
{
	static uint8_t buffer[PIECE];
	int from = *(int *)argument, to = open("/dev/null", O_WRONLY);

	NEED(prctl(PR_SET_NAME, "leat-later") == 0);
	note_did(from, to, carry(from, to, buffer));
	return NULL;
}

/* One process takes the name; of another only a thread that is not its first one. */
static void takes_it_later(void)
{
	for (int i = 0; i < 2; i++) {
		int from = source_file(i ? "thread's" : "process's", 20);
		pid_t child = fork();

		if (!child) {
			pthread_t thread;

			if (!i)
				takes_a_name(&from);
			else
				NEED(pthread_create(&thread, NULL, takes_a_name, &from) == 0 && pthread_join(thread, NULL) == 0);
			_exit(0);
		}
		NEED(child > 0 && waitpid(child, NULL, 0) == child);
	}
	unlink("process's");
	unlink("thread's");
}

static void named_later(void)
{
	const struct feed_options options = { .target = { .name = "leat-later" } };
	struct watching w;
	struct flow sum;

	watching_prepare(&w, takes_it_later);
	watching_open(&w, &options);
	watching_go(&w);
	CHECK_CALL(waitpid(w.patient, NULL, 0));
	CHECK_CALL(waitpid(w.peers[0], NULL, 0));
	CHECK_SAY(!*w.shared->failed, "the patient failed: %s", w.shared->failed);
	CHECK_EQ(w.feed->ops->poll(w.feed, &w.model, 50), FEED_GOES_ON);
	CHECK_EQ(w.feed->ops->collect(w.feed, &w.model), 0);
	CHECK_EQ(w.shared->count, 2);
	CHECK_EQ(w.model.process_count, 1);
	CHECK(sum_flows(&w, w.shared->did[0].from, w.shared->did[0].to, &sum) > 0);
	CHECK_EQ(sum.bytes, w.shared->did[0].bytes);
	CHECK_EQ(sum_flows(&w, w.shared->did[1].from, 0, &sum), 0);
	watching_end(&w);
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

static void reads_by_aio(void)
{
	static uint8_t buffer[PIECE];
	int from = source_file("aio", 5);
	aio_context_t context = 0;

	NEED(syscall(SYS_io_setup, 1, &context) == 0);
	for (int i = 0; i < 5; i++) {
		struct iocb request = { .aio_fildes = (uint32_t)from, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_buf = (uintptr_t)buffer,
					.aio_nbytes = PIECE, .aio_offset = (int64_t)i * PIECE };
		struct iocb *requests = &request;
		struct io_event event;

		NEED(syscall(SYS_io_submit, context, 1, &requests) == 1);
		NEED(syscall(SYS_io_getevents, context, 1, 1, &event, NULL) == 1 && event.res == PIECE);
	}
	NEED(syscall(SYS_io_submit, context, 0, NULL) == 0);
}

static void requests_of_aio(void)
{
	struct watching w;
	aio_context_t context = 0;

	if (syscall(SYS_io_setup, 1, &context))
		test_skip("this kernel has no AIO");
	syscall(SYS_io_destroy, context);
	watch(&w, reads_by_aio, false, 20);
	CHECK_EQ(w.model.coverage.aio_requests, 5);
	watching_end(&w);
}

/* Twenty pieces into a file, and twenty into memory that several may share. */
static void reads_into_mappings(void)
{
	enum { BYTES = 10 * PIECE };
	int from = source_file("source", 10), to = open("mapped", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint8_t *map, *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	NEED(to >= 0 && ftruncate(to, BYTES) == 0);
	map = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);
	NEED(map != MAP_FAILED && memory != MAP_FAILED);
	for (int i = 0; i < 20; i++) {
		struct iovec halves[] = { { map, PIECE / 2 }, { map + PIECE, PIECE / 2 } };

		if (i % 2)
			NEED(preadv(from, halves, 2, 0) == PIECE);
		else
			NEED(pread(from, map + i / 2 * PIECE, PIECE, i / 2 * PIECE) == PIECE);
		NEED(pread(from, memory, PIECE, 0) == PIECE);
	}
	unlink("source");
	unlink("mapped");
}

/* They are in the file, and no call wrote them. Its two places are asked each time, that of the memory in between has its own. */
static void reads_into_a_mapped_file(void)
{
	struct watching w;

	watch(&w, reads_into_mappings, false, 20);
	CHECK_EQ(w.model.coverage.mapped_read_bytes, 20 * PIECE);
	CHECK_EQ(w.model.coverage.lost_bytes, 0);
	CHECK(!known_coverage(&w.model));
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
	NEED(mkdir("other/deep/bound", 0700) == 0 && mount("other/deep/er", "other/deep/bound", NULL, MS_BIND, NULL) == 0);
	from = source_file("other/deep/bound/in-a-bind", 5);
	note_did(from, to, carry(from, to, buffer));
	NEED(close(source_file("other/deep/er/itself", 5)) == 0 && close(source_file("other/deep/name", 0)) == 0);
	NEED(mount("other/deep/er/itself", "other/deep/name", NULL, MS_BIND, NULL) == 0);
	from = open("other/deep/name", O_RDONLY);
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
	static const struct { const char *path; bool here, deleted; } ends[] = {
		{ "/other/deep/er/in-a-mount", true, false }, { "/other/deep/bound/in-a-bind", true, false },
		{ "/other/deep/name", true, false }, { "/deep/in-a-root", false, false }, { "/deep/gone", false, true },
		{ "memfd:of-memory", false, true },
	};
	char here[1024], want[1200];
	struct watching w;

	if (geteuid())
		test_skip("mounts are root's");
	CHECK(getcwd(here, sizeof here));
	watch(&w, other_places, false, 20);
	CHECK_EQ(w.shared->count, sizeof ends / sizeof *ends);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		struct flow sum;
		const char *path;

		CHECK(sum_flows(&w, w.shared->did[i].from, w.shared->did[i].to, &sum) > 0);
		path = w.model.files[sum.from].path;
		snprintf(want, sizeof want, "%s%s", ends[i].here ? here : "", ends[i].path);
		CHECK_STR(path, want);
		CHECK_EQ(w.model.files[sum.from].deleted, ends[i].deleted);
	}
	watching_end(&w);
	rmdir("other/deep");
	rmdir("other");
}

static const struct test tests[] = {
	TEST(children_are_followed), TEST(another_program), TEST(many_threads), TEST(eighteen_connections),
	TEST(requests_of_aio), TEST(reads_into_a_mapped_file),
#ifdef __x86_64__
	TEST(calls_of_32_bit),
#endif
	TEST(paths), TEST(named_while_it_begins), TEST(named_later),
};
TEST_MAIN(tests)
