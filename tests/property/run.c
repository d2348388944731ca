/* SPDX-License-Identifier: MIT */
/* A case from begin to end: its phases, judged one by one, and the closing of everything. */
#include "property.h"

#include <errno.h>

/* The leaf that gives next, or NULL when all parts are over. */
static struct place *current_leaf(struct place *place, bool *ret_in_queue)
{
	while (place && place->draft->kind != NODE_LEAF) {
		if (!place->node.queue) {
			place = place->part[0];
			continue;
		}
		*ret_in_queue = true;
		place = place->over < place->added ? place->part[place->over] : NULL;
	}
	return place;
}

static bool told_end(const struct made *made)
{
	return made && (made->coder.over || made->finishes);
}

/* A frame or changer has given its last byte: what comes by another way comes too late. */
static bool sink_over(const struct world *w)
{
	for (unsigned i = 0; i < w->draft->sinks; i++)
		for (unsigned k = 0; k < DEPTH; k++)
			if (told_end(w->sink_made[i][k]))
				return true;
	return false;
}

static bool source_over(const struct world *w)
{
	for (unsigned i = 0; i < w->draft->nodes; i++)
		for (unsigned k = 0; k < w->place[i].node.stages; k++)
			if (told_end(w->place[i].made[k]))
				return true;
	return false;
}

static void unread(struct world *w, uint64_t amount)
{
	bool in_queue = false;
	struct place *leaf = current_leaf(w->root, &in_queue);
	struct bytes more = { 0 }, *content;
	uint64_t at;
	int r;

	if (!leaf || !amount || source_over(w) || sink_over(w))
		return;
	content = &leaf->node.content;
	at = leaf->node.in_to;
	for (uint64_t i = 0; i < amount; i++)
		bytes_byte(&more, (unsigned char)dice_next(&w->dice));
	r = leat_unread(in_queue ? &leaf->source : &w->root->source, more.data, amount);
	REQUIRE(!r, "leat_unread: %s", leat_strerror(r));
	bytes_grow(content, amount);
	memmove(content->data + at + amount, content->data + at, content->length - amount - at);
	memcpy(content->data + at, more.data, amount);
	leaf->inserted += amount;
	stats->unreads++;
	bytes_free(&more);
}

static bool any_queue_open(const struct world *w)
{
	for (unsigned i = 0; i < w->draft->nodes; i++)
		if (w->place[i].node.queue && !w->place[i].node.closed)
			return true;
	return false;
}

/* Takes amount off the source, or what there is. */
static void read_off(struct world *w, uint64_t amount)
{
	struct oracle *o = &w->oracle;
	uint64_t done = 0;
	int64_t n = 1;
	unsigned char *buffer = malloc(amount + 1);

	if (!buffer)
		abort();
	while (done < amount && n > 0) {
		uint64_t want = 1 + dice_size(&w->dice, amount - done - 1);
		struct leat_wait wait;
		bool wait_inside = !any_queue_open(w) && dice_one_in(&w->dice, 2);

		n = leat_read(&w->root->source, buffer + done, want, wait_inside ? NULL : &wait);
		if (n == -EAGAIN && !wait_inside) {
			world_settle(w, wait.fds, 3, wait.wake_at_ns);
			n = 1;
			continue;
		}
		REQUIRE(n <= (int64_t)want, "leat_read gave %lld of %llu bytes", (long long)n, (ull)want);
		done += n > 0 ? (uint64_t)n : 0;
		stats->reads++;
	}
	o->read[o->reads].at = o->source_to;
	o->read[o->reads++].length = done;
	bytes_add(&w->read, buffer, done);
	free(buffer);
	w->result = n < 0 ? (int)n : -ECANCELED;
}

static void note_phase(struct world *w)
{
	for (unsigned r = 0; r < LEAT_ROUTES; r++)
		stats->route[r] += w->report.route_bytes[r];
	stats->holes += w->report.hole_bytes;
	stats->kept += w->report.kept_bytes;
	stats->bytes += w->report.bytes;
	stats->cancels += w->cancelled;
	stats->deaths += w->sink_dead;
	stats->done += !w->result;
	stats->errors += w->result < 0 && w->result != -ECANCELED;
}

void world_run(struct world *w)
{
	w->result = -ECANCELED;
	leat_plan(&w->sink[w->draft->sinks - 1], &w->root->source, &w->options, &w->planned);
	judge(w);
	for (unsigned i = 0; i < w->draft->phases && w->result == -ECANCELED; i++) {
		const struct phase_draft *phase = &w->draft->phase[i];

		if (phase->way == PHASE_UNREAD) {
			unread(w, phase->amount);
			continue;
		}
		if (phase->way == PHASE_READ && sink_over(w))
			continue;
		if (phase->way == PHASE_READ)
			read_off(w, phase->amount);
		else
			drive(w, phase);
		if (phase->way != PHASE_READ)
			note_phase(w);
		judge(w);
		stats->restarts += i + 1 < w->draft->phases && w->cancelled;
	}
	judge_end(w);
	w->over = true;
	world_close(w);
	judge_closed(w);
}

static void close_place(struct place *place)
{
	leat_close(&place->source);
	for (unsigned i = 0; i < place->node.parts; i++)
		close_place(place->part[i]);
}

void world_close(struct world *w)
{
	close_place(w->root);
	for (unsigned i = w->draft->sinks; i--;)
		leat_close_sink(&w->sink[i]);
	if (w->draft->helper)
		leat_helper_end(&w->helper);
}
