/* SPDX-License-Identifier: MIT */
/* How long was watched, and what a watch of days keeps: of processes that came and went, and of flows that are over. */
#include "carrying.h"

#include "doctor.skel.h"
#include "feed_bpf.h"

#include <bpf/bpf.h>
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

static const struct test tests[] = {
	TEST(from_attached_to_detached),
};
TEST_MAIN(tests)
