/* SPDX-License-Identifier: MIT */
/* How long was watched, and what a watch of days keeps: of processes that came and went, and of flows that are over. */
#include "carrying.h"

#include "doctor.skel.h"
#include "feed_bpf.h"

#include <bpf/bpf.h>
#include <sys/syscall.h>
#include <time.h>

/* ---- Time ------------------------------------------------------------------------------------------------------------------ */

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* On the monotonic clock: when the kernel had the last of the engine's programs, and began to verify it. */
static uint64_t loaded_ns(const struct watching *w)
{
	const struct doctor_bpf *skeleton = ((struct feed_bpf *)w->feed)->skeleton;
	uint64_t asleep_ns = now_ns(CLOCK_BOOTTIME) - now_ns(CLOCK_MONOTONIC), last = 0;
	struct bpf_program *program;

	bpf_object__for_each_program(program, skeleton->obj) {
		struct bpf_prog_info info = { 0 };
		uint32_t bytes = sizeof info;

		if (bpf_program__fd(program) < 0)
			continue;
		CHECK_EQ(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &bytes), 0);
		last = info.load_time > last ? info.load_time : last;
	}
	return last - asleep_ns;
}

static void is_idle(void)
{
	pause();
}

/* Neither what it takes to load the programs nor what is done with the last stacks is time that was watched. */
static void from_attached_to_detached(void)
{
	struct watching w;
	uint64_t over;

	watching_prepare(&w, is_idle);
	watching_open(&w, NULL);
	CHECK(loaded_ns(&w));
	CHECK_EQ(w.feed->ops->poll(w.feed, &w.model, 50), FEED_GOES_ON);
	w.feed->ops->end(w.feed);
	over = now_ns(CLOCK_MONOTONIC);
	usleep(20000);
	CHECK_EQ(w.feed->ops->collect(w.feed, &w.model), 0);
	CHECK(w.model.begin_ns >= loaded_ns(&w));
	CHECK(w.model.end_ns >= w.model.begin_ns + 50000000);
	CHECK(w.model.end_ns <= over);
	kill(w.patient, SIGKILL);
	waitpid(w.patient, NULL, 0);
	close(w.go);
	waitpid(w.peers[0], NULL, 0);
	watching_end(&w);
}

/* ---- Flows ----------------------------------------------------------------------------------------------------------------- */

#define ROOM 64		/* flows; behind 48 they are summed up */
#define CHILDREN 400
#define SINKS 60

static void wait_for_turn(unsigned turn)
{
	while (__atomic_load_n(&shared->drains, __ATOMIC_SEQ_CST) < turn)
		usleep(1000);
}

static void give_turn(struct watching *w, unsigned turn)
{
	__atomic_store_n(&w->shared->drains, turn, __ATOMIC_SEQ_CST);
}

/* One piece of the file into a file of its own, that is not there any more. */
static int one_piece(int from)
{
	static uint8_t buffer[PIECE];
	int to = (int)syscall(SYS_memfd_create, "sink", MFD_CLOEXEC);

	NEED(to >= 0 && pread(from, buffer, PIECE, 0) == PIECE && write(to, buffer, PIECE) == PIECE);
	return to;
}

static void in_a_child(void (*what)(int), int from)
{
	pid_t child = fork();

	if (!child) {
		what(from);
		_exit(0);
	}
	NEED(child > 0 && waitpid(child, NULL, 0) == child);
}

static void moves_a_piece(int from)
{
	one_piece(from);
}

static void bounces(int from)
{
	static uint8_t buffer[PIECE];
	int to = open("bounced", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	NEED(to >= 0);
	note_did(from, to, carry(from, to, buffer));
}

static void come_and_go(void)
{
	int many = source_file("many", 1), last = source_file("last", 20);

	for (unsigned i = 0; i < CHILDREN; i++)
		in_a_child(moves_a_piece, many);
	note_did(many, many, CHILDREN * PIECE);
	wait_for_turn(1);
	in_a_child(bounces, last);
	unlink("many");
	unlink("last");
	unlink("bounced");
}

/* Many more processes than the table has room for flows have come and gone: who loses bytes then is still named. */
static void room_for_who_comes(void)
{
	const struct feed_options options = { .most_flows = ROOM };
	uint64_t bytes = 0, truth = 0;
	struct watching w;
	struct flow sum;

	watching_prepare(&w, come_and_go);
	watching_open(&w, &options);
	watching_go(&w);
	while (!__atomic_load_n(&w.shared->count, __ATOMIC_SEQ_CST) && !*w.shared->failed)
		CHECK_EQ(w.feed->ops->poll(w.feed, &w.model, 20), FEED_GOES_ON);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(w.feed->ops->poll(w.feed, &w.model, 200), FEED_GOES_ON);
	CHECK_EQ(w.feed->ops->collect(w.feed, &w.model), 0);
	CHECK(((struct feed_bpf *)w.feed)->skeleton->bss->flow_count < ROOM / 2);
	give_turn(&w, 1);
	watching_run(&w, 30);
	CHECK_EQ(w.shared->count, 2);
	CHECK(sum_flows(&w, w.shared->did[1].from, w.shared->did[1].to, &sum) > 0);
	CHECK_EQ(sum.bytes, w.shared->did[1].bytes);
	for (unsigned i = 0; i < w.shared->count; i++)
		truth += w.shared->did[i].bytes;
	for (uint32_t i = 0; i < w.model.flow_count; i++)
		bytes += w.model.flows[i].bytes;
	printf("%u flows, %llu of %llu bytes, %llu lost\n", w.model.flow_count, (unsigned long long)bytes,
	       (unsigned long long)truth, (unsigned long long)w.model.coverage.lost_bytes);
	CHECK(bytes <= truth);
	CHECK(bytes + w.model.coverage.lost_bytes >= truth);
	watching_end(&w);
}

static void goes_on(void)
{
	static uint8_t buffer[PIECE];
	int from = source_file("many", 1), kept = one_piece(from);

	for (unsigned i = 1; i < SINKS; i++)
		close(one_piece(from));
	note_did(from, kept, 2 * PIECE);
	wait_for_turn(1);
	for (unsigned i = 0; i < SINKS; i++)
		close(one_piece(from));
	NEED(pread(from, buffer, PIECE, 0) == PIECE && write(kept, buffer, PIECE) == PIECE);
	note_did(from, from, (2 * SINKS + 1) * PIECE);
	unlink("many");
}

/* Flows of one that goes on make room when nothing is moved on them for long; those that are used again are not forgotten. */
static void room_for_what_comes(void)
{
	const struct feed_options options = { .most_flows = ROOM };
	struct feed_bpf *feed;
	struct watching w;
	struct flow sum;

	watching_prepare(&w, goes_on);
	watching_open(&w, &options);
	feed = (struct feed_bpf *)w.feed;
	feed->idle_ns = 500000000;
	watching_go(&w);
	for (int i = 0; i < 200 && !__atomic_load_n(&w.shared->count, __ATOMIC_SEQ_CST); i++)
		CHECK_EQ(feed->feed.ops->poll(w.feed, &w.model, 100), FEED_GOES_ON);
	usleep(700000);
	CHECK_EQ(w.feed->ops->collect(w.feed, &w.model), 0);
	CHECK_EQ(w.feed->ops->collect(w.feed, &w.model), 0);
	CHECK_EQ(feed->skeleton->bss->flow_count, 0);
	give_turn(&w, 1);
	watching_run(&w, 30);
	CHECK_EQ(w.shared->count, 2);
	CHECK(sum_flows(&w, w.shared->did[0].from, w.shared->did[0].to, &sum) > 0);
	CHECK(sum.bytes >= PIECE);	/* the last one may have been summed up */
	memset(&sum, 0, sizeof sum);
	for (uint32_t i = 0; i < w.model.flow_count; i++)
		sum.bytes += w.model.flows[i].bytes;
	CHECK_EQ(w.model.coverage.lost_flows, 0);
	CHECK_EQ(sum.bytes, w.shared->did[1].bytes);
	watching_end(&w);
}

static const struct test tests[] = {
	TEST(from_attached_to_detached), TEST(room_for_who_comes), TEST(room_for_what_comes),
};
TEST_MAIN(tests)
