/* SPDX-License-Identifier: MIT */
/*
 * Processes and files that come faster than anybody looks at them. The kernel side's ring and tables are bounded: who came or
 * went unheard has to be found, and what was known of a flow's ends must not be pushed out by files that have none.
 */
#include "watching.h"

#include "known.h"

#include <sys/syscall.h>

#define PIECE 8192
#define WAITING 600		/* more than have a pidfd */
#define SHORT 4000		/* with two bells each, more than the ring holds */
#define OTHERS 20000		/* files: more than there is room for */

/* How far they may go. The watcher says so, in memory that both see. */
static void wait_for_turn(unsigned turn)
{
	for (unsigned i = 0; i < 30000 && __atomic_load_n(&shared->drains, __ATOMIC_SEQ_CST) < turn; i++)
		usleep(1000);
	NEED(__atomic_load_n(&shared->drains, __ATOMIC_SEQ_CST) >= turn);
}

static void give_turn(const struct watching *w, unsigned turn)
{
	__atomic_store_n(&w->shared->drains, turn, __ATOMIC_SEQ_CST);
}

static int a_file(const char *name)
{
	static uint8_t bytes[PIECE];
	unsigned seed = 5;
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	for (unsigned i = 0; i < PIECE; i++)
		bytes[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
	NEED(fd >= 0 && write(fd, bytes, PIECE) == PIECE);
	return fd;
}

static void carry(const char *name)
{
	static uint8_t buffer[PIECE];
	int from = a_file(name), to = (int)syscall(SYS_memfd_create, "sink", 0);

	NEED(to >= 0 && pread(from, buffer, PIECE, 0) == PIECE && write(to, buffer, PIECE) == PIECE);
	shared->did[0] = (struct did){ .from = inode_of(from), .to = inode_of(to), .bytes = PIECE };
	unlink(name);
}

/* ---- Processes ------------------------------------------------------------------------------------------------------------- */

static void be_late(void)
{
	wait_for_turn(2);
	carry("late");
	_exit(0);
}

static void unheard(void)
{
	int line[2];
	char byte;
	pid_t child;

	NEED(pipe(line) == 0);
	for (unsigned i = 0; i < WAITING; i++) {
		child = fork();
		NEED(child >= 0);
		if (child)
			continue;
		close(line[1]);
		_exit(read(line[0], &byte, 1) != 0);
	}
	wait_for_turn(1);
	for (unsigned i = 0; i < SHORT; i++) {
		child = fork();
		NEED(child >= 0);
		if (!child)
			_exit(0);
		NEED(waitpid(child, NULL, 0) == child);
	}
	child = fork();
	NEED(child >= 0);
	close(line[1]);
	if (!child)
		be_late();
	shared->count = (unsigned)child;
	for (unsigned i = 0; i < WAITING; i++)
		NEED(wait(NULL) > 0);
}

#define FIRST_PID_NAMESPACE 0xEFFFFFFC	/* PROC_PID_INIT_INO */

/* Below the first one the kernel's numbers say nothing, so who has not been heard of has no name. */
static bool can_look(void)
{
	struct stat st;

	CHECK_CALL(stat("/proc/self/ns/pid", &st));
	return st.st_ino == FIRST_PID_NAMESPACE;
}

/* Nobody listens while more bells ring than there is room for: of children that end, of one that begins. Below the first pid
 * namespace what that one moves is lost, and counted. */
static void lost_bells(void)
{
	struct watching w;
	struct flow sum;
	siginfo_t info;
	unsigned late = 0;

	watching_prepare(&w, unheard);
	watching_open(&w, NULL);
	watching_go(&w);
	for (int i = 0; i < 100 && w.model.process_count <= WAITING; i++)
		CHECK_EQ(w.feed->ops->poll(w.feed, &w.model, 200), FEED_GOES_ON);
	CHECK_EQ(w.model.process_count, WAITING + 1);
	give_turn(&w, 1);
	CHECK_CALL(waitid(P_PID, (id_t)w.patient, &info, WEXITED | WNOWAIT));
	CHECK_EQ(w.feed->ops->poll(w.feed, &w.model, 200), FEED_GOES_ON);
	give_turn(&w, 2);
	watching_run(&w, 20);
	CHECK(w.model.process_count < WAITING + SHORT);		/* some were not heard of */
	for (uint32_t i = 0; i < w.model.process_count; i++) {
		CHECK(w.model.processes[i].exited);
		late += w.model.processes[i].pid == w.shared->count;
	}
	if (!can_look()) {
		CHECK_EQ(late, 0);
		CHECK_EQ(w.model.flow_count, 0);
		CHECK_EQ(w.model.coverage.unheard_flows, 1);
		CHECK_EQ(w.model.coverage.lost_flows, 0);
		CHECK(!known_coverage(&w.model));
		CHECK_EQ(w.model.coverage.lost_bytes, PIECE);
		watching_end(&w);
		return;
	}
	CHECK_EQ(late, 1);
	CHECK(sum_flows(&w, w.shared->did[0].from, w.shared->did[0].to, &sum) > 0);
	CHECK_EQ(sum.bytes, PIECE);
	CHECK_EQ(sum.pid, w.shared->count);
	watching_end(&w);
}

/* ---- Files ----------------------------------------------------------------------------------------------------------------- */

static void many_files(void)
{
	carry("first");
	wait_for_turn(1);
	for (unsigned i = 0; i < OTHERS; i++) {
		int fd = (int)syscall(SYS_memfd_create, "other", 0);

		NEED(fd >= 0 && write(fd, "", 1) == 1);
		close(fd);
	}
}

static void facts_in_time(void)
{
	struct watching w;
	struct flow sum;

	watching_prepare(&w, many_files);
	watching_open(&w, NULL);
	watching_go(&w);
	for (int i = 0; i < 15 && !w.model.flow_count; i++)
		CHECK_EQ(w.feed->ops->poll(w.feed, &w.model, 200), FEED_GOES_ON);
	give_turn(&w, 1);
	watching_run(&w, 30);
	CHECK_EQ(sum_flows(&w, w.shared->did[0].from, w.shared->did[0].to, &sum), 1);
	CHECK_EQ(w.model.files[sum.from].kind, FILE_REGULAR);
	CHECK_EQ(w.model.files[sum.to].kind, FILE_REGULAR);
	CHECK(w.model.files[sum.from].path && strstr(w.model.files[sum.from].path, "/first"));
	CHECK_STR(w.model.files[sum.to].path, "memfd:sink");
	watching_end(&w);
}

/* ---- Stacks ---------------------------------------------------------------------------------------------------------------- */

#define PROGRAMS 2500		/* each with two places at least, no two of them the same */
#define PLACES_WITH_FRAMES 4500

static void many_programs(void)
{
	int null = open("/dev/null", O_RDWR);

	NEED(close(a_file("summed")) == 0 && null >= 0);
	for (unsigned i = 0; i < PROGRAMS; i++) {
		pid_t child = fork();

		if (!child) {
			dup2(null, STDOUT_FILENO);
			execlp("cksum", "cksum", "summed", NULL);
			_exit(1);
		}
		NEED(child > 0 && waitpid(child, NULL, 0) == child);
	}
	unlink("summed");
}

static unsigned stacks;

static int one_frame(void *context, struct site *site, const struct feed_stack *stack, uint64_t *ret_want)
{
	CHECK(site->id == stack->site && site->pid == stack->pid);
	if (!site->frame_count)
		CHECK(model_add_frame(site));
	stacks++;
	return 0;
}

/* Of programs that have ended and carried nothing no place is kept: a watch may last for days. */
static void stacks_of_who_has_ended(void)
{
	const struct feed_options options = { .take_stack = one_frame };
	unsigned with_frames = 0;
	struct watching w;

	watching_prepare(&w, many_programs);
	watching_open(&w, &options);
	watching_run(&w, 120);
	for (uint32_t i = 0; i < w.model.site_count; i++)
		with_frames += w.model.sites[i].frame_count > 0;
	printf("%u stacks, %u places, %u of them with frames\n", stacks, w.model.site_count, with_frames);
	if (stacks <= PLACES_WITH_FRAMES)	/* as where all programs stand at one address, or there is no cksum */
		test_skip("%u programs have left no more than %u places here", PROGRAMS, stacks);
	CHECK(w.model.site_count < PLACES_WITH_FRAMES);
	CHECK(with_frames < PLACES_WITH_FRAMES);
	watching_end(&w);
}

static const struct test tests[] = { TEST(lost_bells), TEST(facts_in_time), TEST(stacks_of_who_has_ended) };
TEST_MAIN(tests)
