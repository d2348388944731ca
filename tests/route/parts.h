/* SPDX-License-Identifier: MIT */
/* Parts of queues that remember what happened to them. */
#ifndef LEAT_TESTS_ROUTE_PARTS_H
#define LEAT_TESTS_ROUTE_PARTS_H

#include "ends.h"
#include "check.h"

#define MOST_PARTS 64

struct part {
	struct leat_source source;
	struct leat_count count;	/* its own */
	struct leat_report report;	/* that release got */
	unsigned released, order;	/* order: as which one it was released, from 1 */
	int fd;				/* closed by release */
};

static unsigned parts_released;

static void part_release(void *arg, const struct leat_report *report)
{
	struct part *part = arg;

	part->released++;
	part->order = ++parts_released;
	if (report)
		part->report = *report;
	if (part->fd >= 0)
		close(part->fd);
	part->fd = -1;
}

static void part_ready(struct part *part, int fd)
{
	memset(&part->count, 0, sizeof part->count);
	memset(&part->report, 0, sizeof part->report);
	part->released = part->order = 0;
	part->fd = fd;
	leat_on_release(&part->source, part_release, part);
	leat_wrap(&part->source, leat_count_init(&part->count));
}

static inline void part_memory(struct part *part, const void *bytes, uint64_t size)
{
	leat_from_memory(&part->source, bytes, size);
	part_ready(part, -1);
}

/* A whole file of these bytes. */
static inline void part_file(struct part *part, const void *bytes, uint64_t size)
{
	int fd = ends_file_with(bytes, size, O_RDONLY);

	leat_from_file(&part->source, fd, 0);
	part_ready(part, fd);
}

/* Its report is that of the part alone, and it ended well. */
static inline void part_check(const struct part *part, unsigned order, uint64_t bytes, enum leat_route route)
{
	CHECK_EQ(part->released, 1u);
	CHECK_EQ(part->order, order);
	CHECK_EQ(part->report.error, 0);
	CHECK_EQ(part->report.bytes, bytes);
	CHECK_EQ(part->report.source_bytes, bytes);
	CHECK_EQ(part->report.route_bytes[route], bytes);
	CHECK_EQ(part->report.route, route);
	CHECK_EQ(part->count.bytes, bytes);
}

/* A non-blocking transfer, from its begin to its end. */
static inline void parts_step(struct leat_sink *sink, struct leat_source *source, struct leat_report *report)
{
	struct leat_transfer t;

	CHECK_EQ(leat_begin(&t, sink, source, NULL), 0);
	CHECK_EQ(ends_drive(&t, NULL), LEAT_DONE);
	CHECK_EQ(leat_end(&t, report), 0);
}

/* These bytes have arrived, and nothing else. */
static inline void parts_arrived(struct to_end *to, const void *bytes, uint64_t size)
{
	to_finish(to, 0);
	CHECK_EQ(to->got_size, size);
	CHECK_BYTES(to->got, bytes, size);
	to_close(to);
}

#endif
