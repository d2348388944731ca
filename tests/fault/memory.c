/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of the library fails once, one after the other, until a run needs no more of them: whatever the run was,
 * it succeeds without that memory, or says -ENOMEM and then loses nothing, or says that the source cannot go on. Nothing is
 * leaked, neither memory nor descriptors; each failure is shown to have come.
 */
#include "descriptors.h"
#include "lab.h"
#include "seam.h"
#include "sys.h"
#include "types.h"

#include <poll.h>

#define BYTES ((size_t)600011)
#define OFF(route) ROUTE_BIT(LEAT_ROUTE_##route)

static struct {
	pthread_mutex_t lock;
	bool armed;			/* the library is at work: its allocations count */
	unsigned fail_at, asked, failed;
	void *live[64];
} memory = { .lock = PTHREAD_MUTEX_INITIALIZER };

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
void __real_free(void *block);
void __wrap_free(void *block);

static bool fails(void)
{
	bool now;

	pthread_mutex_lock(&memory.lock);
	now = memory.armed && ++memory.asked == memory.fail_at;
	memory.failed += now;
	pthread_mutex_unlock(&memory.lock);
	return now;
}

/* old is gone, block is there instead. */
static void *note_block(void *old, void *block)
{
	unsigned i = 0;

	pthread_mutex_lock(&memory.lock);
	for (; old && i < 64; i++)
		if (memory.live[i] == old)
			memory.live[i] = NULL;
	for (i = 0; block && memory.armed && i < 64 && memory.live[i]; i++)
		;
	if (block && memory.armed && i < 64)
		memory.live[i] = block;
	pthread_mutex_unlock(&memory.lock);
	return block;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : note_block(NULL, __real_malloc(size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : note_block(NULL, __real_aligned_alloc(alignment, size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : note_block(NULL, __real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : note_block(old, __real_realloc(old, size));
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return fails() ? NULL : note_block(old, __real_reallocarray(old, count, size));
}

void __wrap_free(void *block)
{
	note_block(block, NULL);
	__real_free(block);
}

#define ARMED(call) \
	({ \
		memory.armed = true; \
		__auto_type armed_result = (call); \
		memory.armed = false; \
		armed_result; \
	})

static unsigned live_blocks(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < 64; i++)
		count += memory.live[i] != NULL;
	return count;
}

static int resident_asks;	/* so often the file seems cold */

int64_t __real_sys_resident(int fd, uint64_t offset, uint64_t bytes);
int64_t __wrap_sys_resident(int fd, uint64_t offset, uint64_t bytes);

int64_t __wrap_sys_resident(int fd, uint64_t offset, uint64_t bytes)
{
	return resident_asks > 0 && resident_asks-- ? -EAGAIN : __real_sys_resident(fd, offset, bytes);
}

/* ---- runs ------------------------------------------------------------------------------------------------------------ */

/* A run fills this in; every_allocation_fails_once checks it. */
struct outcome {
	struct lab_source from;
	struct lab_sink to;
	int error;		/* what the library said first */
	bool unsure;		/* nothing is checked about the whole: the run did it */
};

static void open_ends(struct outcome *o, enum lab_kind from, enum lab_kind to, bool nonblocking)
{
	lab_nonblocking = lab_held = nonblocking;
	lab_source_open(&o->from, from, BYTES);
	lab_sink_open(&o->to, to, BYTES + 1);
	lab_nonblocking = lab_held = false;
	while (nonblocking && from != LAB_FILE && sys_readable_bytes(o->from.fd) < 65536)
		usleep(1000);	/* what a full stream looks like */
}

static void copy(struct outcome *o, const struct leat_options *options)
{
	int64_t n = ARMED(leat_copy(&o->to.sink, &o->from.source, options, NULL));

	o->error = n < 0 ? (int)n : 0;
}

static void copied_file(struct outcome *o)
{
	struct leat_options options = { .policy = LEAT_COPY };

	open_ends(o, LAB_FILE, LAB_TCP, false);
	copy(o, &options);
}

static void two_streams(struct outcome *o)
{
	open_ends(o, LAB_UNIX, LAB_TCP, false);
	copy(o, NULL);
}

/* A pipe of ours holds bytes when splice says no. */
static void drained_pipe(struct outcome *o)
{
	struct leat_options options = { .buffer_bytes = 5000, .policy = LEAT_AUTO, .routes_off = OFF(SENDFILE) };

	open_ends(o, LAB_TCP, LAB_FILE, false);
	seam_set(SEAM_DRAIN, 1000, -EINVAL);
	copy(o, &options);
	CHECK_EQ(seam.fired, 1);
}

static int flip(struct leat_wrapper *wrapper, struct leat_change *change)
{
	size_t n = change->in_bytes < change->out_bytes ? change->in_bytes : change->out_bytes;

	for (size_t i = 0; i < n; i++)
		change->out[i] = change->in[i] ^ 0x55;
	change->consumed = change->produced = n;
	return change->last && n == change->in_bytes ? LEAT_END : 0;
}

static const struct leat_wrapper_ops flip_ops = { .name = "flip", .need = LEAT_NEED_CHANGE, .change = flip };

/* Two changers that undo each other. */
static void changed(struct outcome *o)
{
	struct leat_wrapper first, second;

	open_ends(o, LAB_FILE, LAB_TCP, false);
	leat_wrap(&o->from.source, leat_wrapper_init(&first, &flip_ops));
	leat_wrap_sink(&o->to.sink, leat_wrapper_init(&second, &flip_ops));
	copy(o, NULL);
	ARMED((leat_close(&o->from.source), leat_close_sink(&o->to.sink), 0));
	/* The wrappers end with this function: the rest goes bare. */
	leat_from_fd(&o->from.source, o->from.fd);
	leat_to_fd(&o->to.sink, o->to.fd);
}

static void unread(struct outcome *o)
{
	unsigned char head[1000];
	int r;

	open_ends(o, LAB_TCP, LAB_TCP, false);
	for (size_t got = 0; got < sizeof head;)
		got += (size_t)CHECK_CALL(read(o->from.fd, head + got, sizeof head - got));
	for (int i = 1; i >= 0; i--) {	/* the second half first: each stands in front */
		while ((r = ARMED(leat_unread(&o->from.source, head + 500 * i, 500))) < 0)
			o->error = r;	/* nothing was taken: the caller still has it */
	}
	if (!o->error)
		copy(o, NULL);
}

/* Steps until the sink is full, with bytes held in a pipe or buffer of ours, then cancels. */
static void cancel(struct outcome *o, const struct leat_options *options, int send_bytes)
{
	struct leat_transfer transfer;
	struct leat_report report;
	int r, end;

	CHECK_CALL(setsockopt(o->to.fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes));
	r = ARMED(leat_begin(&transfer, &o->to.sink, &o->from.source, options));
	o->error = r;
	if (r < 0)	/* refused: nothing runs, nothing to end */
		return;
	for (int i = 0; i < 100 && r >= 0; i++) {
		struct leat_wait wait;

		r = ARMED(leat_step(&transfer));
		leat_so_far(&transfer, &report);
		leat_wants(&transfer, &wait);
		if (r <= 0 || (r == LEAT_WAIT && wait.fds[1].events & POLLOUT && report.bytes))
			break;
		if (r == LEAT_WAIT)
			poll(wait.fds, 3, 1000);
	}
	end = ARMED(leat_end(&transfer, &report));
	CHECK(end < 0 && end != -EINVAL);
	CHECK_EQ(report.error, end);
	o->error = end == -ECANCELED ? 0 : end;
}

static void cancelled_splice(struct outcome *o)
{
	struct leat_options options = { .policy = LEAT_REQUIRE };

	open_ends(o, LAB_TCP, LAB_UNIX, true);
	cancel(o, &options, 4096);
}

static void cancelled_copy(struct outcome *o)
{
	struct leat_options options = { .policy = LEAT_COPY };

	open_ends(o, LAB_TCP, LAB_UNIX, true);
	cancel(o, &options, 4096);
}

/* The pipe was left with bytes in it, part of them stands in the buffer: both are kept, in their order. */
static void cancelled_drain(struct outcome *o)
{
	struct leat_options options = { .buffer_bytes = 5000 };

	open_ends(o, LAB_TCP, LAB_UNIX, true);
	seam_set(SEAM_DRAIN, 1000, -EINVAL);
	cancel(o, &options, 32768);
	if (!o->error)
		CHECK_EQ(seam.fired, 1);
}

static void cancelled_change(struct outcome *o)
{
	struct leat_wrapper wrappers[2];

	open_ends(o, LAB_FILE, LAB_UNIX, true);
	leat_wrap_sink(&o->to.sink, leat_wrapper_init(&wrappers[0], &flip_ops));
	leat_wrap_sink(&o->to.sink, leat_wrapper_init(&wrappers[1], &flip_ops));
	cancel(o, NULL, 4096);
	lab_sink_go(&o->to);
	if (!o->error)
		copy(o, NULL);
	ARMED((leat_close_sink(&o->to.sink), 0));
	o->unsure = o->error != 0;	/* the changers stop here; what they owed cannot come */
	leat_to_fd(&o->to.sink, o->to.fd);
}

static unsigned released;

static void on_part_release(void *arg, const struct leat_report *report)
{
	released++;
}

/* A part's report waits in memory of ours over a cancel. Whatever happens to that, the part is released once. */
static void cancelled_part(struct outcome *o)
{
	struct leat_source top;
	struct leat_queue queue;
	unsigned before = released;

	open_ends(o, LAB_TCP, LAB_UNIX, true);
	leat_queue_init(&queue);
	leat_from_queue(&top, &queue);
	leat_on_release(&o->from.source, on_part_release, NULL);
	CHECK_EQ(leat_queue_add(&queue, &o->from.source), 0);
	leat_queue_end(&queue);
	{
		struct outcome inner = { .from.source = top, .to = o->to };

		cancel(&inner, NULL, 4096);
		o->error = inner.error;
		lab_sink_go(&o->to);
		if (!o->error)
			o->error = (int)(ARMED(leat_copy(&inner.to.sink, &inner.from.source, NULL, NULL)) >> 63) * ENOMEM;
		ARMED((leat_close(&inner.from.source), 0));
		o->to.sink = inner.to.sink;
	}
	CHECK_EQ(released, before + 1);
}

static void pooled_pipe(struct outcome *o)
{
	struct leat_options options = { .routes_off = OFF(SENDFILE) };
	struct leat_helper helper;

	open_ends(o, LAB_FILE, LAB_TCP, false);
	o->error = ARMED(leat_helper_init(&helper, 0));
	if (o->error)
		return;
	options.helper = &helper;
	copy(o, &options);
	ARMED((leat_helper_end(&helper), 0));
}

static void cold_file(struct outcome *o)
{
	struct leat_options options = { 0 };
	struct leat_transfer transfer;
	struct leat_helper helper;
	int r;

	open_ends(o, LAB_FILE, LAB_TCP, true);
	lab_sink_go(&o->to);
	o->error = ARMED(leat_helper_init(&helper, 0));
	if (o->error)
		return;
	options.helper = &helper;
	resident_asks = 3;
	CHECK_EQ(ARMED(leat_begin(&transfer, &o->to.sink, &o->from.source, &options)), 0);
	while ((r = ARMED(leat_step(&transfer))) > 0) {
		struct leat_wait wait;
		struct pollfd fds[4];

		leat_wants(&transfer, &wait);
		memcpy(fds, wait.fds, sizeof wait.fds);
		fds[3] = (struct pollfd){ .fd = leat_helper_fd(&helper), .events = POLLIN };
		if (r == LEAT_WAIT)	/* a request that failed is not waited for */
			CHECK(poll(fds, 4, wait.wake_at_ns == LEAT_NEVER ? 5000 : leat_wait_ms(&wait, leat_now_ns())) ||
			      wait.wake_at_ns != LEAT_NEVER);
		while (ARMED(leat_helper_next(&helper)))
			;
	}
	o->error = ARMED(leat_end(&transfer, NULL));
	CHECK_EQ(o->error, r);
	ARMED((leat_helper_end(&helper), 0));
}

static void read_back(struct outcome *o)
{
	struct leat_options options = { .policy = LEAT_COPY };
	unsigned char head[777];
	int64_t n;

	open_ends(o, LAB_PIPE, LAB_FILE, false);
	n = ARMED(leat_read(&o->from.source, head, sizeof head, NULL));
	o->error = n < 0 ? (int)n : 0;
	if (n < 0)
		return;
	CHECK(lab_differs(head, 0, (size_t)n) < 0);
	CHECK_EQ(pwrite(o->to.fd, head, (size_t)n, 0), n);
	CHECK_CALL(lseek(o->to.fd, n, SEEK_SET));
	copy(o, &options);
}

static const struct {
	const char *name;
	void (*run)(struct outcome *);
	unsigned least;			/* failures that must come */
} runs[] = {
	{ "copied file", copied_file, 1 },
	{ "two streams", two_streams, 1 },
	{ "drained pipe", drained_pipe, 1 },
	{ "changed", changed, 1 },
	{ "unread", unread, 2 },
	{ "cancelled splice", cancelled_splice, 2 },
	{ "cancelled copy", cancelled_copy, 2 },
	{ "cancelled drain", cancelled_drain, 4 },
	{ "cancelled change", cancelled_change, 2 },
	{ "cancelled part", cancelled_part, 3 },
	{ "pooled pipe", pooled_pipe, 1 },
	{ "cold file", cold_file, 1 },
	{ "read back", read_back, 1 },
};

/* The rest without faults: everything is there, or the source says -ENOMEM for good rather than to go on with a gap. */
static void check_outcome(struct outcome *o, unsigned failed)
{
	int64_t n = 0;

	CHECK(o->error == 0 || (o->error == -ENOMEM && failed));
	lab_sink_go(&o->to);
	if (!o->unsure)
		n = leat_copy(&o->to.sink, &o->from.source, NULL, NULL);
	CHECK(n >= 0 || n == -ENOMEM);
	if (n < 0)
		CHECK_EQ(o->error, -ENOMEM);	/* never a loss that nobody was told of */
	lab_sink_finish(&o->to);
	CHECK(lab_differs(o->to.got, 0, o->to.got_bytes) < 0 || o->unsure);
	if (n >= 0 && !o->unsure)
		lab_arrived(&o->to, BYTES);
	lab_source_close(&o->from);
	lab_sink_close(&o->to);
}

static void every_allocation_fails_once(void)
{
	unsigned total = 0;

	for (unsigned i = 0; i < sizeof runs / sizeof runs[0]; i++) {
		for (memory.fail_at = 1; memory.fail_at < 100; memory.fail_at++) {
			unsigned descriptors = count_descriptors();
			struct outcome o = { 0 };
			char note[64];

			snprintf(note, sizeof note, "%s, allocation %u", runs[i].name, memory.fail_at);
			test_note(note);
			memory.asked = memory.failed = 0;
			resident_asks = 0;
			seam_reset();
			runs[i].run(&o);
			check_outcome(&o, memory.failed);
			CHECK_EQ(count_descriptors(), descriptors);
			CHECK_EQ(live_blocks(), 0);
			test_note("");
			if (!memory.failed)
				break;
			CHECK_EQ(memory.failed, 1);
			total++;
		}
		CHECK_SAY(memory.fail_at > runs[i].least, "%s: only %u allocations failed", runs[i].name, memory.fail_at - 1);
	}
	printf("%u allocations failed\n", total);
}

static const struct test tests[] = {
	TEST(every_allocation_fails_once),
};
TEST_MAIN(tests)
