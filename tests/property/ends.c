/* SPDX-License-Identifier: MIT */
/* Builds a draft: files, peers, sources, queues, views and sinks, with their wrappers on them. */
#include "property.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY_BYTES (UINT64_C(64) << 20)	/* of a memory sink that lives: only what is used is ever there */

/* Runs, small alphabets and noise by turns, so that every coder has something to do. */
static void fill_bytes(struct bytes *bytes, uint64_t length, uint64_t seed)
{
	struct dice dice = { seed };
	unsigned char *at = bytes_grow(bytes, length);

	for (uint64_t i = 0; i < length;) {
		uint64_t style = dice_below(&dice, 4), n = 1 + dice_below(&dice, 64), noise = dice_next(&dice);

		for (; n-- && i < length; i++, noise = noise * UINT64_C(6364136223846793005) + 1442695040888963407) {
			if (style == 0)
				at[i] = (unsigned char)seed;
			else if (style == 1)
				at[i] = (unsigned char)(0x7c + (noise >> 40) % 4);
			else
				at[i] = (unsigned char)(noise >> 40);
		}
	}
}

static int file_open(bool disk)
{
	int fd = disk ? open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1;

	if (fd < 0)
		fd = memfd_create("property", MFD_CLOEXEC);
	REQUIRE(fd >= 0, "no file: %s", strerror(errno));
	return fd;
}

static void write_all(int fd, const unsigned char *bytes, uint64_t length, uint64_t at)
{
	while (length) {
		ssize_t n = pwrite(fd, bytes, length, (off_t)at);

		REQUIRE(n > 0, "cannot prepare a file: %s", strerror(errno));
		bytes += n;
		length -= (uint64_t)n;
		at += (uint64_t)n;
	}
}

/* Every third 8 KiB are a hole. */
static bool in_hole(uint64_t block)
{
	return block % 6 == 2 || block % 6 == 3;
}

static void leaf_file(struct place *place)
{
	const struct node_draft *draft = place->draft;
	struct bytes *file = &place->file;
	uint64_t end = draft->offset + draft->size + draft->after;

	fill_bytes(file, draft->offset, world->draft->seed + 1);
	bytes_add(file, place->raw.data, draft->size);
	fill_bytes(file, draft->after, world->draft->seed + 2);
	place->fd = file_open(draft->disk);
	REQUIRE(!ftruncate(place->fd, (off_t)end), "cannot prepare a file: %s", strerror(errno));
	for (uint64_t at = 0; at < end; at += 4096) {
		uint64_t n = end - at < 4096 ? end - at : 4096;

		if (draft->sparse && in_hole(at / 4096))
			memset(file->data + at, 0, n);
		else
			write_all(place->fd, file->data + at, n, at);
	}
	if (draft->size)
		memcpy(place->raw.data, file->data + draft->offset, draft->size);
}

static void leaf_open(struct place *place)
{
	const struct node_draft *draft = place->draft;
	int fds[2];

	fill_bytes(&place->raw, draft->size, world->draft->seed ^ ((uint64_t)(draft - world->draft->node) << 56));
	if (draft->leaf <= LEAF_RANGE)
		leaf_file(place);
	switch (draft->leaf) {
	case LEAF_FILE_FD:
		lseek(place->fd, (off_t)draft->offset, SEEK_SET);
		leat_from_fd(&place->source, place->fd);
		break;
	case LEAF_FILE:
		leat_from_file(&place->source, place->fd, draft->offset);
		break;
	case LEAF_RANGE:
		leat_from_range(&place->source, place->fd, draft->offset, draft->size);
		break;
	case LEAF_MEMORY:
		leat_from_memory(&place->source, place->raw.data, draft->size);
		break;
	case LEAF_CALLBACK:
		leat_from_callback(&place->source, &given_ops, place);
		if (draft->fails_after != NEVER) {
			place->raw.length = draft->fails_after;
			place->node.error = -EILSEQ;
		}
		break;
	default:
		peers_make(draft->leaf, fds, world->draft->buffer_class);
		place->fd = fds[0];
		place->peer = fds[1];
		fcntl(place->peer, F_SETFL, fcntl(place->peer, F_GETFL) | O_NONBLOCK);
		if (!draft->blocking)
			fcntl(place->fd, F_SETFL, fcntl(place->fd, F_GETFL) | O_NONBLOCK);
		leat_from_fd(&place->source, place->fd);
	}
	place->flags = place->fd >= 0 ? fcntl(place->fd, F_GETFL) : 0;
	bytes_add(&place->node.content, place->raw.data, place->raw.length);
}

static bool queue_lacks(const struct place *place)
{
	return place->node.queue && !place->node.closed;
}

static void add_part(struct place *place)
{
	int r;

	if (place->added == place->node.parts) {
		leat_queue_end(&place->queue);
		place->node.closed = true;
		return;
	}
	r = leat_queue_add(&place->queue, &place->part[place->added]->source);
	REQUIRE(!r, "leat_queue_add: %s", leat_strerror(r));
	place->added++;
}

/* Told of each part that is over; those that a queue still lacks may come from here. */
static void part_over(void *arg, const struct leat_report *report)
{
	struct place *place = arg, *queue = place->parent;

	REQUIRE(!place->releases++, "part %d was released twice", (int)(place - world->place));
	place->closed = world->over;
	if (report)
		place->report = *report;
	for (unsigned i = 0; queue && i < queue->added; i++)
		if (queue->part[i] == place)
			REQUIRE(report, "part %d was released without a report", (int)(place - world->place));
	if (!queue || !report)
		return;
	REQUIRE(queue->part[queue->over] == place, "part %d was released out of its turn", (int)(place - world->place));
	queue->over++;
	if (queue->over == queue->added && !queue->node.closed && !world->over && (world->copying || dice_one_in(&world->dice, 2)))
		add_part(queue);
}

static void place_build(struct world *w, struct place *place, struct place *parent)
{
	const struct node_draft *draft = place->draft = &w->draft->node[place - w->place];

	place->parent = parent;
	place->fd = place->peer = -1;
	place->node.queue = draft->kind == NODE_QUEUE;
	for (unsigned i = 0; i < draft->parts; i++) {
		struct place *part = &w->place[draft->part[i]];

		if (w->draft->node[draft->part[i]].gone)
			continue;
		place_build(w, part, place->node.queue ? place : NULL);
		place->part[place->node.parts] = part;
		place->node.part[place->node.parts++] = &part->node;
	}
	if (draft->kind == NODE_LEAF) {
		leaf_open(place);
	} else if (draft->kind == NODE_VIEW) {
		leat_from_source(&place->source, &place->part[0]->source);
	} else {
		leat_queue_init(&place->queue);
		leat_from_queue(&place->source, &place->queue);
	}
	leat_on_release(&place->source, part_over, place);
	for (unsigned i = 0; i < draft->chain.count; i++) {
		if (draft->chain.made[i].gone)
			continue;
		place->made[place->node.stages] = made_new(&draft->chain.made[i]);
		leat_wrap(&place->source, &place->made[place->node.stages]->as.wrapper);
		place->node.stage[place->node.stages] = &place->made[place->node.stages]->stage;
		place->node.stages++;
	}
}

bool world_add_part(struct world *w)
{
	struct place *starved = NULL, *any = NULL;

	for (unsigned i = 0; i < w->draft->nodes; i++) {
		struct place *place = &w->place[i];

		if (!queue_lacks(place))
			continue;
		any = place;
		if (place->added == place->over)
			starved = place;
	}
	if (!any)
		return false;
	add_part(starved ? starved : any);
	return true;
}

static void sink_file(struct world *w)
{
	const struct draft *draft = w->draft;
	uint64_t before = draft->sink == SINK_APPEND ? draft->sink_offset : draft->sink_offset + (draft->seed % 3 ? 0 : 20000);

	fill_bytes(&w->sink_before, before, draft->seed + 3);
	w->sink_fd = file_open(draft->sink_disk);
	write_all(w->sink_fd, w->sink_before.data, before, 0);
	if (draft->sink == SINK_FILE) {
		leat_to_file(&w->sink[0], w->sink_fd, draft->sink_offset);
		return;
	}
	lseek(w->sink_fd, draft->sink == SINK_APPEND ? 0 : (off_t)draft->sink_offset, SEEK_SET);
	if (draft->sink == SINK_APPEND)
		fcntl(w->sink_fd, F_SETFL, fcntl(w->sink_fd, F_GETFL) | O_APPEND);
	leat_to_fd(&w->sink[0], w->sink_fd);
}

static void sink_open(struct world *w)
{
	const struct draft *draft = w->draft;
	int fds[2];

	switch (draft->sink) {
	case SINK_FILE_FD: case SINK_FILE: case SINK_APPEND:
		sink_file(w);
		break;
	case SINK_MEMORY:
		w->memory_size = draft->dies_after == NEVER ? MEMORY_BYTES : draft->dies_after;
		w->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		leat_to_memory(&w->sink[0], w->memory, w->memory_size);
		break;
	case SINK_CALLBACK:
		leat_to_callback(&w->sink[0], &taken_ops, w);
		break;
	case SINK_NOTHING:
		leat_to_nothing(&w->sink[0]);
		break;
	default:
		peers_make(draft->sink == SINK_TCP ? LEAF_TCP : draft->sink == SINK_UNIX ? LEAF_UNIX : LEAF_PIPE, fds,
			   draft->buffer_class);
		w->sink_fd = fds[draft->sink == SINK_PIPE];
		w->sink_peer = fds[draft->sink != SINK_PIPE];
		fcntl(w->sink_peer, F_SETFL, fcntl(w->sink_peer, F_GETFL) | O_NONBLOCK);
		if (draft->sink_blocking)
			fcntl(w->sink_fd, F_SETFL, fcntl(w->sink_fd, F_GETFL) & ~O_NONBLOCK);
		else
			fcntl(w->sink_fd, F_SETFL, fcntl(w->sink_fd, F_GETFL) | O_NONBLOCK);
		leat_to_fd(&w->sink[0], w->sink_fd);
	}
	w->sink_flags = w->sink_fd >= 0 ? fcntl(w->sink_fd, F_GETFL) : 0;
}

static void sink_build(struct world *w)
{
	sink_open(w);
	for (unsigned i = 0; i < w->draft->sinks; i++) {
		unsigned count = 0;

		if (i)
			leat_to_sink(&w->sink[i], &w->sink[i - 1]);
		for (unsigned k = 0; k < w->draft->sink_chain[i].count; k++) {
			if (w->draft->sink_chain[i].made[k].gone)
				continue;
			w->sink_made[i][count] = made_new(&w->draft->sink_chain[i].made[k]);
			leat_wrap_sink(&w->sink[i], &w->sink_made[i][count++]->as.wrapper);
		}
	}
	/* Bytes go through the outermost first. */
	for (unsigned i = w->draft->sinks; i--;)
		for (unsigned k = DEPTH; k--;)
			if (w->sink_made[i][k])
				w->oracle.stage[w->oracle.stages++] = &w->sink_made[i][k]->stage;
}

void world_build(struct world *w, const struct draft *draft)
{
	memset(w, 0, sizeof *w);
	world = w;
	w->draft = draft;
	w->dice.state = draft->seed ^ UINT64_C(0x5eed);
	w->faults.state = draft->seed ^ UINT64_C(0xfa017);
	w->sink_fd = w->sink_peer = -1;
	w->now_ns = w->begin_ns = 1000 * LEAT_SECOND;
	w->really_begun_ns = leat_now_ns();
	w->stop_after = NEVER;
	w->root = &w->place[draft->root];
	w->oracle.root = &w->root->node;
	w->oracle.short_error = LEAT_ESHORT;
	place_build(w, w->root, NULL);
	sink_build(w);
	for (unsigned i = 0; i < draft->nodes; i++)
		while (queue_lacks(&w->place[i]) && w->place[i].added < w->place[i].draft->first &&
		       w->place[i].added < w->place[i].node.parts)
			add_part(&w->place[i]);
	if (draft->helper)
		REQUIRE(!leat_helper_init(&w->helper, 4), "leat_helper_init failed");
	w->options = (struct leat_options){
		.policy = draft->policy, .routes_off = draft->routes_off,
		.level_triggered = draft->level_triggered, .step_bytes = draft->step_bytes, .pipe_bytes = draft->pipe_bytes,
		.buffer_bytes = draft->buffer_bytes, .helper = draft->helper ? &w->helper : NULL,
		.stop = &w->stop, .clock_ns = world_clock, .clock_arg = w,
	};
}

/* What the sink got, and nothing around it changed. Call it when nothing is on its way. */
void world_sink_bytes(struct world *w, struct bytes *ret)
{
	const struct draft *draft = w->draft;
	uint64_t before = draft->sink == SINK_FILE_FD || draft->sink == SINK_FILE ? draft->sink_offset : w->sink_before.length;
	uint64_t end = before + w->bytes;
	struct bytes *was = &w->sink_before;
	struct stat stat;
	unsigned char *all;
	off_t size;

	ret->length = 0;
	if (draft->sink == SINK_MEMORY) {
		bytes_add(ret, w->memory, w->bytes);
		return;
	}
	if (draft->sink > SINK_APPEND) {
		bytes_add(ret, w->got.data, w->got.length);
		return;
	}
	REQUIRE(!fstat(w->sink_fd, &stat), "the sink is no file any more");
	size = stat.st_size;
	all = bytes_grow(ret, (uint64_t)size);
	REQUIRE(pread(w->sink_fd, all, (size_t)size, 0) == size, "the sink cannot be read");
	REQUIRE((uint64_t)size == (end > was->length ? end : was->length), "the sink file is %llu bytes, not %llu + %llu",
		(ull)size, (ull)before, (ull)w->bytes);
	REQUIRE(!before || !memcmp(all, was->data, before), "bytes before the sink's offset were changed");
	REQUIRE(was->length <= end || !memcmp(all + end, was->data + end, was->length - end), "bytes behind the sink's were changed");
	if (w->bytes)
		memmove(ret->data, ret->data + before, w->bytes);
	ret->length = w->bytes;
}

void world_free(struct world *w)
{
	for (unsigned i = 0; i < w->draft->nodes; i++) {
		struct place *place = &w->place[i];

		for (unsigned k = 0; k < DEPTH; k++)
			made_free(place->made[k]);
		if (place->fd >= 0)
			close(place->fd);
		if (place->peer >= 0)
			close(place->peer);
		bytes_free(&place->raw);
		bytes_free(&place->file);
		bytes_free(&place->node.content);
		bytes_free(&place->node.joined);
	}
	for (unsigned i = 0; i < SINKS; i++)
		for (unsigned k = 0; k < DEPTH; k++)
			made_free(w->sink_made[i][k]);
	if (w->sink_fd >= 0)
		close(w->sink_fd);
	if (w->sink_peer >= 0)
		close(w->sink_peer);
	if (w->memory)
		munmap(w->memory, MEMORY_BYTES);
	bytes_free(&w->sink_before);
	bytes_free(&w->got);
	bytes_free(&w->read);
	bytes_free(&w->oracle.rest);
	world = NULL;
}
