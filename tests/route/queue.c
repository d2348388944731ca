/* SPDX-License-Identifier: MIT */
/* Queues: each part with its route, its wrappers, its release and its own report; growing, starving, nested, viewed. */
#include <fcntl.h>

#include "parts.h"

#define SIZE 300000

static struct to_end to;
static const unsigned char *content;

/* A non-blocking TCP sink; size bytes of content are expected in the end. */
static void begin_test(const char *name)
{
	ends_alarm(20, name);
	content = ends_content(10 * SIZE);
	parts_released = 0;
	to_make(&to, TO_TCP, 10 * SIZE, false);
}

static void queue_source(struct leat_source *source, struct leat_queue *queue, struct part *parts, unsigned count)
{
	leat_queue_init(queue);
	for (unsigned i = 0; i < count; i++)
		CHECK_EQ(leat_queue_add(queue, &parts[i].source), 0);
	leat_from_queue(source, queue);
}

static void each_part_its_route_and_report(void)
{
	static struct part parts[4];
	struct leat_source source;
	struct leat_queue queue;
	struct leat_count all;
	struct leat_report report;

	begin_test(__func__);
	part_memory(&parts[0], content, 100);
	part_file(&parts[1], content + 100, SIZE);
	part_memory(&parts[2], content + SIZE + 100, 0);
	part_file(&parts[3], content + SIZE + 100, 7);
	queue_source(&source, &queue, parts, 4);
	leat_queue_end(&queue);
	leat_wrap(&source, leat_count_init(&all));
	parts_step(&to.sink, &source, &report);
	part_check(&parts[0], 1, 100, LEAT_ROUTE_MEMORY);
	part_check(&parts[1], 2, SIZE, LEAT_ROUTE_SENDFILE);
	part_check(&parts[2], 3, 0, LEAT_ROUTE_MEMORY);
	part_check(&parts[3], 4, 7, LEAT_ROUTE_SENDFILE);
	CHECK_EQ(report.bytes, SIZE + 107u);
	CHECK_EQ(all.bytes, SIZE + 107u);
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_MEMORY], 100u);
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_SENDFILE], SIZE + 7u);
	CHECK_EQ(report.route_calls[LEAT_ROUTE_SENDFILE],
		 parts[1].report.route_calls[LEAT_ROUTE_SENDFILE] + parts[3].report.route_calls[LEAT_ROUTE_SENDFILE]);
	CHECK_EQ(parts[1].report.wrappers, 2);	/* its own and the queue's */
	CHECK_EQ(parts[1].report.ended_by, LEAT_ENDED_BY_SOURCE);
	leat_close(&source);
	CHECK_EQ(parts_released, 4u);
	parts_arrived(&to, content, SIZE + 107);
}

static int64_t read_nothing(void *arg, void *buffer, size_t bytes, struct pollfd *wait)
{
	return 0;
}

struct ended {
	enum leat_route route;
	enum leat_reason reason;
	unsigned times;
	char line[200];
};

static void note_end(void *arg, const struct leat_event *event)
{
	struct ended *ended = arg;

	if (event->kind != LEAT_EVENT_END)
		return;
	ended->route = event->route;
	ended->reason = event->reason;
	ended->times++;
	leat_explain(event->report, ended->line, sizeof ended->line);
}

/* The end event says by which route, and why by no better one: for each part its own, and in the words of leat_explain. */
static void the_end_has_its_reason(void)
{
	static const enum leat_reason reasons[] = { LEAT_OK, LEAT_NEEDS_CONTENT, LEAT_OPAQUE_SOURCE, LEAT_OK, LEAT_SRC_GENERATED };
	static struct part parts[5];
	struct leat_log logs[5], log;
	struct ended ended[5] = { 0 }, whole = { 0 };
	struct leat_source source;
	struct leat_queue queue;
	struct leat_xxh3 hash;
	struct leat_report report;

	begin_test(__func__);
	part_file(&parts[0], content, SIZE);
	part_file(&parts[1], content, 2 * SIZE);
	leat_wrap(&parts[1].source, leat_xxh3_init(&hash));
	leat_from_callback(&parts[2].source, &(const struct leat_source_ops){ .name = "none", .read = read_nothing }, NULL);
	part_ready(&parts[2], -1);
	part_memory(&parts[3], content, 10);
	leat_from_fd(&parts[4].source, open("/proc/self/status", O_RDONLY | O_CLOEXEC));
	part_ready(&parts[4], parts[4].source.fd);
	for (unsigned i = 0; i < 5; i++)
		leat_wrap(&parts[i].source, leat_log_init(&logs[i], note_end, &ended[i]));
	queue_source(&source, &queue, parts, 5);
	leat_queue_end(&queue);
	leat_wrap(&source, leat_log_init(&log, note_end, &whole));
	parts_step(&to.sink, &source, &report);
	for (unsigned i = 0; i < 5; i++) {
		CHECK_EQ(ended[i].times, 1u);
		CHECK_EQ(ended[i].reason, reasons[i]);
		CHECK_EQ(ended[i].route, parts[i].report.route);
		CHECK_EQ(strstr(ended[i].line, "; no ") != NULL, reasons[i] != LEAT_OK);
		CHECK_SAY(!reasons[i] || strstr(ended[i].line, leat_reason_name(reasons[i])), "%s", ended[i].line);
	}
	CHECK_EQ(whole.times, 1u);
	CHECK_EQ(whole.route, LEAT_ROUTE_COPY);
	CHECK_EQ(whole.reason, LEAT_NEEDS_CONTENT);	/* of the part that counted most */
	leat_close(&source);
	to_finish(&to, 0);
	to_close(&to);
}

static void a_hashed_part_copies_alone(void)
{
	static struct part parts[3];
	struct leat_source source;
	struct leat_queue queue;
	struct leat_xxh3 hash, whole;
	struct leat_report report;
	struct leat_sink nothing;
	struct leat_source memory;

	begin_test(__func__);
	for (unsigned i = 0; i < 3; i++)
		part_file(&parts[i], content + i * SIZE, SIZE);
	leat_wrap(&parts[1].source, leat_xxh3_init(&hash));
	queue_source(&source, &queue, parts, 3);
	leat_queue_end(&queue);
	parts_step(&to.sink, &source, &report);
	part_check(&parts[0], 1, SIZE, LEAT_ROUTE_SENDFILE);
	part_check(&parts[1], 2, SIZE, LEAT_ROUTE_COPY);
	part_check(&parts[2], 3, SIZE, LEAT_ROUTE_SENDFILE);
	CHECK_EQ(parts[0].report.refused[LEAT_ROUTE_SENDFILE], LEAT_OK);
	CHECK_EQ(parts[1].report.refused[LEAT_ROUTE_SENDFILE], LEAT_NEEDS_CONTENT);
	CHECK_STR(parts[1].report.refused_by[LEAT_ROUTE_SENDFILE], "xxh3");
	CHECK_EQ(parts[1].report.content_wrappers, 1);
	CHECK_EQ(parts[2].report.content_wrappers, 0);
	CHECK_EQ(parts[2].report.refused[LEAT_ROUTE_SENDFILE], LEAT_OK);
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_COPY], SIZE);
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_SENDFILE], 2u * SIZE);

	leat_from_memory(&memory, content + SIZE, SIZE);
	leat_wrap(&memory, leat_xxh3_init(&whole));
	leat_to_nothing(&nothing);
	CHECK_EQ(leat_copy(&nothing, &memory, NULL, NULL), SIZE);
	CHECK(leat_xxh3_result(&hash) == leat_xxh3_result(&whole));
	leat_close(&memory);
	leat_close(&source);
	parts_arrived(&to, content, 3 * SIZE);
}

/* ---- Growing ---- */

static struct {
	struct part parts[MOST_PARTS];
	struct leat_log logs[MOST_PARTS];
	struct leat_queue queue;
	unsigned added, most;
	enum leat_event_kind when;
} grow;

static void grow_on_event(void *arg, const struct leat_event *event);

static void grow_by_one(void)
{
	unsigned i = grow.added++;
	struct part *part = &grow.parts[i];

	if (i % 2)
		part_file(part, content + i * 1000, 1000);
	else
		part_memory(part, content + i * 1000, 1000);
	leat_wrap(&part->source, leat_log_init(&grow.logs[i], grow_on_event, NULL));
	if (leat_queue_add(&grow.queue, &part->source))
		ends_die("a part cannot be added");
}

static void grow_on_event(void *arg, const struct leat_event *event)
{
	if (event->kind != grow.when)
		return;
	if (grow.added < grow.most)
		grow_by_one();
	else
		leat_queue_end(&grow.queue);
}

static void grow_test(const char *name, enum leat_event_kind when)
{
	struct leat_source source;
	struct leat_report report;

	begin_test(name);
	memset(&grow, 0, sizeof grow);
	grow.most = 40;
	grow.when = when;
	leat_queue_init(&grow.queue);
	grow_by_one();
	leat_from_queue(&source, &grow.queue);
	parts_step(&to.sink, &source, &report);
	leat_close(&source);
	for (unsigned i = 0; i < 40; i++)
		part_check(&grow.parts[i], i + 1, 1000, i % 2 ? LEAT_ROUTE_SENDFILE : LEAT_ROUTE_MEMORY);
	CHECK_EQ(report.bytes, 40000u);
	parts_arrived(&to, content, 40000);
}

static void grows_when_a_part_begins(void)
{
	grow_test(__func__, LEAT_EVENT_BEGIN);
}

static void grows_when_bytes_move(void)
{
	grow_test(__func__, LEAT_EVENT_MOVED);
}

static void grows_when_a_part_ends(void)
{
	grow_test(__func__, LEAT_EVENT_END);
}

static struct leat_queue again_queue;
static unsigned again_left;

/* The part is the caller's from here on: it may be made anew and added once more. */
static void add_again(void *arg, const struct leat_report *report)
{
	struct part *part = arg;

	part_release(part, report);
	CHECK_EQ(report->bytes, 5000u);
	leat_close(&part->source);
	if (!again_left--) {
		leat_queue_end(&again_queue);
		return;
	}
	part_memory(part, content + part->order * 5000u, 5000);
	leat_on_release(&part->source, add_again, part);
	CHECK_EQ(leat_queue_add(&again_queue, &part->source), 0);
}

static void a_released_part_may_come_again(void)
{
	static struct part part;
	struct leat_source source;
	struct leat_report report;

	begin_test(__func__);
	again_left = 9;
	part_memory(&part, content, 5000);
	leat_on_release(&part.source, add_again, &part);
	queue_source(&source, &again_queue, &part, 1);
	parts_step(&to.sink, &source, &report);
	CHECK_EQ(report.bytes, 50000u);
	CHECK_EQ(parts_released, 10u);
	leat_close(&source);
	CHECK_EQ(parts_released, 10u);
	parts_arrived(&to, content, 50000);
}

static void free_part(void *arg, const struct leat_report *report)
{
	parts_released++;
	CHECK_EQ(report->bytes, 3000u);
	free(arg);
}

static void a_released_part_may_be_freed(void)
{
	struct leat_source source;
	struct leat_queue queue;
	struct leat_report report;

	begin_test(__func__);
	leat_queue_init(&queue);
	for (unsigned i = 0; i < 8; i++) {
		struct part *part = malloc(sizeof *part);

		part_memory(part, content + i * 3000, 3000);
		leat_on_release(&part->source, free_part, part);
		CHECK_EQ(leat_queue_add(&queue, &part->source), 0);
	}
	leat_queue_end(&queue);
	leat_from_queue(&source, &queue);
	parts_step(&to.sink, &source, &report);
	CHECK_EQ(parts_released, 8u);
	leat_close(&source);
	parts_arrived(&to, content, 24000);
}

static void add_says_what_is_wrong(void)
{
	struct leat_source part, other, owner;
	struct leat_queue queue;

	begin_test(__func__);
	leat_queue_init(&queue);
	leat_from_queue(&owner, &queue);
	leat_from_memory(&part, content, 10);
	leat_from_memory(&other, content, 10);
	CHECK_EQ(leat_queue_add(NULL, &part), -EINVAL);
	CHECK_EQ(leat_queue_add(&queue, NULL), -EINVAL);
	CHECK_EQ(leat_queue_add(&queue, &owner), -EINVAL);
	CHECK_EQ(leat_queue_add(&queue, &part), 0);
	CHECK_EQ(leat_queue_add(&queue, &part), LEAT_EWRAPPED);
	CHECK_EQ(leat_copy(&to.sink, &part, NULL, NULL), LEAT_EWRAPPED);
	leat_queue_end(&queue);
	CHECK_EQ(leat_queue_add(&queue, &other), -EPIPE);
	CHECK_EQ(leat_copy(&to.sink, &owner, NULL, NULL), 10);
	leat_close(&owner);
	leat_close(&part);
	leat_close(&other);
	parts_arrived(&to, content, 10);
}

static const struct test tests[] = {
	TEST(each_part_its_route_and_report), TEST(the_end_has_its_reason), TEST(a_hashed_part_copies_alone),
	TEST(grows_when_a_part_begins),
	TEST(grows_when_bytes_move), TEST(grows_when_a_part_ends), TEST(a_released_part_may_come_again),
	TEST(a_released_part_may_be_freed), TEST(add_says_what_is_wrong),
};
TEST_MAIN(tests)
