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

struct search {
	bool (*fits)(const struct made *);
	const struct made *found;
};

static void look_at(struct made *made, void *arg)
{
	struct search *search = arg;

	if (!search->found && search->fits(made))
		search->found = made;
}

static const struct made *find(const struct world *w, bool (*fits)(const struct made *))
{
	struct search search = { .fits = fits };

	each_made((struct world *)(uintptr_t)w, look_at, &search);
	return search.found;
}

static bool faulted(const struct made *made)
{
	return made->draft->kind == MADE_FAULT && made->moved >= made->draft->a;
}

/* What is charged for a changer's output at the very end, nobody asks about. */
static bool faulted_while_asked(const struct made *made)
{
	return made->refused || (faulted(made) && made->begins && draft_need(world->draft) < LEAT_NEED_CHANGE);
}

static bool see_faulted(const struct made *made)
{
	return made->draft->kind == MADE_SEE_FAULT && made->seen.length && made->seen.length >= made->draft->a;
}

static bool hash_refused(const struct made *made)
{
	return made->draft->kind == MADE_HASH && made->finishes && made->seen.length < made->stage.in_to - made->stage.in_from;
}

static bool second_died(const struct made *made)
{
	return made->draft->kind == MADE_TEE && made->draft->how % 3 != LEAT_TEE_DROP && made->second.length >= made->draft->b;
}

static bool second_slow(const struct made *made)
{
	return made->draft->kind == MADE_TEE && made->draft->how % 3 == LEAT_TEE_FAIL && made->draft->how & (64 | 128);
}

static bool deadline_over(const struct made *made)
{
	uint64_t due = made->draft->a < made->draft->b ? made->draft->a : made->draft->b;
	bool read = world->oracle.reads && !world->report.begin_ns;
	bool over = world->now_ns - world->begin_ns >= due || (read && leat_now_ns() - world->really_begun_ns >= due);

	return made->draft->kind == MADE_DEADLINE && over;
}

static bool is_short(const struct made *made)
{
	return made->stage.exact && made->stage.in_to < made->stage.cut;
}

static bool is_cut(const struct made *made)
{
	return made->stage.act == ACT_CUT || made->stage.act == ACT_SKIP;
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

static bool stopped(const struct made *made)
{
	return made->stage.stopped;
}

/* The least that a limit below such a frame has left. */
static void least_left(struct made *made, void *arg)
{
	const struct stage *s = &made->stage;
	uint64_t *least = arg;

	if (is_cut(made) && (!s->in.ended || s->stopped) && s->cut - s->out_to < *least)
		*least = s->cut - s->out_to;
}

/* With several frames, the library has to count with the largest headers and the smallest pieces; with one, it knows. */
static bool stopped_too_early(struct world *w)
{
	uint64_t left = UINT64_MAX;

	if (!find(w, stopped) || draft_count(w->draft, MADE_FRAME) + draft_count(w->draft, MADE_CHUNKED) > 1)
		return false;
	each_made(w, least_left, &left);
	return left >= wants(&find(w, is_frame)->stage);
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
		return w->cancelled || w->oracle.reads;
	case LEAT_ESHORT:	/* a piece that leat_read has begun may be more than the limits of the sink allow */
		return find(w, is_short) || (w->oracle.reads && find(w, is_frame));
	case -EDOM:
		return find(w, faulted);
	case -ERANGE:
		return find(w, see_faulted);
	case -EINVAL:
		return find(w, hash_refused);
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

static void judge_done(struct world *w)
{
	const struct oracle *o = &w->oracle;
	bool complete = w->bytes == o->final.length && o->final.ended;

	REQUIRE(complete, "it ended after %llu bytes; %s%llu come%s", (ull)w->bytes, o->final.ended ? "" : "at least ",
		(ull)o->final.length, o->final.error ? ", and an error" : "");
	REQUIRE(!stopped_too_early(w), "a limit stopped a frame that had room");
	judge_frames(o->stage, o->stages, false);
	judge_node_frames(w->root, changes(o->stage, o->stages));
	REQUIRE(!oracle_short(o->stage, o->stages) && !short_in(w->root), "an exact limit fell short, and nobody said so");
	REQUIRE(!find(w, faulted_while_asked), "my-fault failed, and nobody said so");
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
	judge_report_end(w);
	if (w->draft->sink == SINK_TCP && !w->sink_dead) {
		getsockopt(w->sink_fd, IPPROTO_TCP, TCP_CORK, &on, &size);
		REQUIRE(!on, "the sink's socket is left corked");
	}
	for (unsigned i = 0; i < w->draft->nodes; i++)
		if (w->place[i].draft && w->place[i].draft->kind == NODE_LEAF && w->place[i].draft->leaf >= LEAF_TCP)
			judge_rest(&w->place[i]);
}
