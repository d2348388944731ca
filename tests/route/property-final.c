/* SPDX-License-Identifier: MIT */
/* How a case ended: whether it may have ended so, the parts' reports, the frames, and what is left in the streams. */
#include "property.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- walking the draft ---- */

static const struct made *find(const struct world *w, bool (*fits)(const struct made *))
{
	for (unsigned i = 0; i < w->draft->nodes; i++)
		for (unsigned k = 0; k < w->place[i].node.stages; k++)
			if (fits(w->place[i].made[k]))
				return w->place[i].made[k];
	for (unsigned i = 0; i < w->draft->sinks; i++)
		for (unsigned k = 0; k < DEPTH; k++)
			if (w->sink_made[i][k] && fits(w->sink_made[i][k]))
				return w->sink_made[i][k];
	return NULL;
}

static bool faulted(const struct made *made)
{
	return made->draft->kind == MADE_FAULT && made->moved >= made->draft->a && (made->begins || made->moved);
}

static bool see_faulted(const struct made *made)
{
	return made->draft->kind == MADE_SEE_FAULT && made->seen.length && made->seen.length >= made->draft->a;
}

static bool second_died(const struct made *made)
{
	return made->draft->kind == MADE_TEE && made->draft->how % 3 != LEAT_TEE_DROP && made->second.length >= made->draft->b;
}

static bool second_slow(const struct made *made)
{
	return made->draft->kind == MADE_TEE && made->draft->how % 3 == LEAT_TEE_FAIL && made->draft->how & 64;
}

static bool deadline_over(const struct made *made)
{
	uint64_t due = made->draft->a < made->draft->b ? made->draft->a : made->draft->b;

	return made->draft->kind == MADE_DEADLINE && world->now_ns - world->begin_ns >= due;
}

static bool is_short(const struct made *made)
{
	return made->stage.exact && made->stage.in_to < made->stage.cut;
}

static bool is_frame(const struct made *made)
{
	return made->stage.act == ACT_FRAME;
}

/* The least that a frame wants to put below it next: a piece of one byte, or what stands at its end. */
static uint64_t wants(const struct stage *s)
{
	unsigned char text[ORACLE_FRAME_BYTES];

	if (s->in_to == s->in.length && s->in.ended)
		return s->framing->finish ? s->framing->finish(text) : 0;
	return (s->framing->before ? s->framing->before(1, text) : 0) + 1 + (s->framing->after ? s->framing->after(1, text) : 0);
}

struct need {
	uint64_t bytes, frames;
};

/* The library counts with the largest headers, for it must not ask a frame for sizes that are never sent. */
static void add_frame(const struct made *made, struct need *need)
{
	need->bytes += (need->bytes / made->stage.piece_most + 1) * 2 * ORACLE_FRAME_BYTES;
	need->frames++;
}

static void count_frames(const struct world *w, struct need *need)
{
	for (unsigned i = 0; i < w->draft->nodes; i++)
		for (unsigned k = 0; k < w->place[i].node.stages; k++)
			if (is_frame(w->place[i].made[k]))
				add_frame(w->place[i].made[k], need);
	for (unsigned i = 0; i < w->draft->sinks; i++)
		for (unsigned k = 0; k < DEPTH; k++)
			if (w->sink_made[i][k] && is_frame(w->sink_made[i][k]))
				add_frame(w->sink_made[i][k], need);
}

/* A limit that stopped the stream although it has not let all bytes pass, and has no reason for it. */
static bool stopped_too_early(const struct made *made)
{
	struct need need = { .bytes = 2 * ORACLE_FRAME_BYTES + 1 };
	uint64_t left = made->stage.cut - made->stage.out_to;

	if (!made->stage.stopped)
		return false;
	count_frames(world, &need);
	return need.frames == 1 ? left >= wants(&find(world, is_frame)->stage) : left > need.bytes;
}

/* ---- errors ---- */

static bool leaf_failed(const struct world *w)
{
	for (unsigned i = 0; i < w->draft->nodes; i++)
		if (w->place[i].draft && w->place[i].node.error && w->place[i].given == w->place[i].raw.length)
			return true;
	return false;
}

static bool may_fail_so(const struct world *w, int error)
{
	switch (error) {
	case -ECANCELED:
		return w->cancelled;
	case LEAT_ESHORT:
		return find(w, is_short);
	case -EDOM:
		return find(w, faulted);
	case -ERANGE:
		return find(w, see_faulted);
	case -EILSEQ:
		return leaf_failed(w);
	case -EDQUOT:
		return find(w, second_died);
	case -ENOBUFS:
		return find(w, second_slow);
	case -ETIMEDOUT:
		return find(w, deadline_over);
	case -ENOSPC:
		return (w->sink_dead && w->draft->sink <= SINK_APPEND) || (w->draft->sink == SINK_MEMORY && w->bytes == w->memory_size);
	case -ENETDOWN:
		return w->sink_dead && w->draft->sink == SINK_CALLBACK;
	case -EPIPE: case -ECONNRESET:
		return w->sink_dead && w->draft->sink >= SINK_TCP && w->draft->sink <= SINK_PIPE;
	case LEAT_EREFUSED:
		return w->draft->policy == LEAT_REQUIRE;
	default:
		return false;
	}
}

/* ---- a good end ---- */

static bool short_in(const struct place *place)
{
	for (; place; place = place->node.queue ? NULL : place->part[0])
		if (oracle_short(place->node.stage, place->node.stages))
			return true;
	return false;
}

/* Each frame that nothing changes below it stands between two pieces, or has given its finish. */
static void judge_frames(struct stage *const *stage, unsigned stages, bool changed_below)
{
	while (stages--) {
		const struct stage *s = stage[stages];

		changed_below = changed_below || s->act == ACT_CHANGE;
		REQUIRE(s->act != ACT_FRAME || s->whole || changed_below, "a piece of frame %s is cut, at %llu of %llu",
			s->framing->name, (ull)s->out_to, (ull)s->out.length);
	}
}

static bool changes(struct stage *const *stage, unsigned stages)
{
	while (stages--)
		if (stage[stages]->act == ACT_CHANGE)
			return true;
	return false;
}

static void judge_node_frames(const struct place *place, bool changed_below)
{
	judge_frames(place->node.stage, place->node.stages, changed_below);
	changed_below = changed_below || changes(place->node.stage, place->node.stages);
	for (unsigned i = 0; i < place->node.parts; i++)
		judge_node_frames(place->part[i], changed_below);
}

static void judge_done(const struct world *w)
{
	const struct oracle *o = &w->oracle;
	bool complete = w->bytes == o->final.length && o->final.ended;

	REQUIRE(complete, "it ended after %llu bytes; %s%llu come%s", (ull)w->bytes, o->final.ended ? "" : "at least ",
		(ull)o->final.length, o->final.error ? ", and an error" : "");
	REQUIRE(!find(w, stopped_too_early), "a limit stopped a frame that had room");
	judge_frames(o->stage, o->stages, false);
	judge_node_frames(w->root, changes(o->stage, o->stages));
	REQUIRE(!oracle_short(o->stage, o->stages) && !short_in(w->root), "an exact limit fell short, and nobody said so");
	REQUIRE(!find(w, faulted), "my-fault failed, and nobody said so");
	REQUIRE(!find(w, see_faulted), "my-see-fault failed, and nobody said so");
}

/* ---- what is left in the streams ---- */

static void judge_rest(struct place *place)
{
	const struct bytes *content = &place->node.content;
	uint64_t at = place->node.in_to + place->source.kept_len;
	struct pollfd poll_for = { .fd = place->fd, .events = POLLIN };
	unsigned char byte[4096];
	ssize_t n;

	fcntl(place->fd, F_SETFL, fcntl(place->fd, F_GETFL) | O_NONBLOCK);
	while (at < content->length) {
		peers_pump(world);
		n = read(place->fd, byte, sizeof byte);
		REQUIRE(n || place->fed < place->raw.length, "stream %d ends after %llu of %llu bytes",
			(int)(place - world->place), (ull)at, (ull)content->length);
		if (n < 0 && place->fed == place->raw.length)
			REQUIRE(poll(&poll_for, 1, 2000) > 0, "stream %d has %llu of %llu bytes", (int)(place - world->place), (ull)at,
				(ull)content->length);
		if (n <= 0)
			continue;
		REQUIRE(at + (uint64_t)n <= content->length && !memcmp(byte, content->data + at, (size_t)n),
			"stream %d has other bytes left, at %llu", (int)(place - world->place), (ull)at);
		at += (uint64_t)n;
	}
}

void judge_end(struct world *w)
{
	int on = 0;
	socklen_t size = sizeof on;

	if (w->result)
		REQUIRE(may_fail_so(w, w->result), "it failed without a reason: %s", leat_strerror(w->result));
	else
		judge_done(w);
	if (w->draft->sink == SINK_TCP && !w->sink_dead) {
		getsockopt(w->sink_fd, IPPROTO_TCP, TCP_CORK, &on, &size);
		REQUIRE(!on, "the sink's socket is left corked");
	}
	for (unsigned i = 0; i < w->draft->nodes; i++)
		if (w->place[i].draft && w->place[i].draft->kind == NODE_LEAF && w->place[i].draft->leaf >= LEAF_TCP)
			judge_rest(&w->place[i]);
}

/* ---- after the close ---- */

static void judge_made_closed(const struct made *made)
{
	bool tells = made->draft->kind > MADE_NOTHING && made->draft->kind != MADE_HASH && made->draft->kind != MADE_XXH3 &&
		     made->draft->kind != MADE_TEE;

	REQUIRE(made->releases == tells || made->draft->kind < MADE_NOTHING || !tells, "%s was released %u times",
		made_name(made->draft->kind), made->releases);
	REQUIRE(!is_frame(made) || made->releases == 1, "a frame was released %u times", made->releases);
	REQUIRE(made->draft->kind == MADE_HASH || made->draft->kind == MADE_PROGRESS || made->begins == made->ends,
		"%s was told of %u begins and %u ends", made_name(made->draft->kind), made->begins, made->ends);
}

/* The source bytes of a part, and of all in it. */
static uint64_t moved_in(const struct place *place)
{
	uint64_t sum = 0;

	if (place->draft->kind == NODE_LEAF)
		return place->node.in_to - place->node.in_from;
	for (unsigned i = 0; i < place->node.parts; i++)
		sum += moved_in(place->part[i]);
	return sum;
}

static void judge_parts(const struct world *w, const struct place *queue)
{
	for (unsigned i = 0; i < queue->node.parts; i++) {
		const struct place *part = queue->part[i];
		int where = (int)(part - w->place);

		REQUIRE(part->releases == 1, "part %d was released %u times", where, part->releases);
		if (i >= queue->added)
			continue;
		REQUIRE(w->oracle.reads || part->report.source_bytes == moved_in(part),
			"the report of part %d has %llu source bytes, not %llu", where, (ull)part->report.source_bytes,
			(ull)moved_in(part));
		stats->parts++;
	}
}

void judge_closed(struct world *w)
{
	for (unsigned i = 0; i < w->draft->nodes; i++) {
		struct place *place = &w->place[i];

		for (unsigned k = 0; k < place->node.stages; k++)
			judge_made_closed(place->made[k]);
		if (place->draft && place->node.queue)
			judge_parts(w, place);
		REQUIRE(!place->draft || place->releases == 1, "source %u was released %u times", i, place->releases);
	}
	for (unsigned i = 0; i < w->draft->sinks; i++)
		for (unsigned k = 0; k < DEPTH; k++)
			if (w->sink_made[i][k])
				judge_made_closed(w->sink_made[i][k]);
}
