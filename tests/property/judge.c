/* SPDX-License-Identifier: MIT */
/* After each phase: what the sink got, what each wrapper was charged and saw, and where each source stands. */
#include "property.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static void same(const char *what, const struct made *made, uint64_t is, uint64_t should)
{
	REQUIRE(is == should, "%s of %s is %llu, not %llu", what, made_name(made->draft->kind), (ull)is, (ull)should);
}

static void same_bytes(const char *what, const struct bytes *is, const unsigned char *should, uint64_t length)
{
	uint64_t n = is->length < length ? is->length : length;

	for (uint64_t i = 0; i < n; i++)
		REQUIRE(is->data[i] == should[i], "%s: byte %llu of %llu is 0x%02x, not 0x%02x", what, (ull)i, (ull)length,
			is->data[i], should[i]);
	REQUIRE(is->length == length, "%s: %llu bytes, not %llu", what, (ull)is->length, (ull)length);
}

/* ---- wrappers ---- */

/* Of our own: each charge, and each event. */
static void judge_mine(const struct made *made, uint64_t moved)
{
	same("charged total", made, made->moved, moved);
	same("skipped total", made, made->skipped, made->stage.in_from);
	same("sum of MOVED events", made, made->told, moved);
}

static void judge_tee(struct made *made, uint64_t moved)
{
	const struct stage *s = &made->stage;
	uint64_t dropped = made->as.tee.dropped_bytes, waiting = made->as.tee.len;

	same("second + dropped + buffered", made, made->second.length + dropped + waiting, moved);
	if (dropped)
		return;
	REQUIRE(!made->second.length || !memcmp(made->second.data, s->in.bytes + s->in_from, made->second.length),
		"a tee's second sink got other bytes");
}

static void judge_watcher(struct made *made, uint64_t moved)
{
	switch (made->draft->kind) {
	case MADE_COUNT:
		same("count", made, made->as.count.bytes, moved);
		break;
	case MADE_LOG:
		same("sum of MOVED events", made, made->told, moved);
		__attribute__((fallthrough));
	case MADE_TRACE: case MADE_PROGRESS:
		same("bytes at the end", made, made->ended_bytes, moved - made->unseen);
		break;
	case MADE_TALLY: case MADE_EDGES: case MADE_TRICKLE: case MADE_PAUSE: case MADE_CUT: case MADE_FINISH: case MADE_FAULT:
	case MADE_SEE: case MADE_SEE_FAULT:
		judge_mine(made, moved);
		same("bytes at the end", made, made->ended_bytes, moved - made->unseen);
		break;
	default:
		break;
	}
}

static void judge_shaper(struct made *made, uint64_t moved)
{
	const struct stage *s = &made->stage;

	if (made->draft->kind == MADE_LIMIT || made->draft->kind == MADE_EXACT)
		same("what is left", made, made->as.limit.left, s->cut - s->in_to);
	if (made->draft->kind == MADE_SECTION) {
		same("what is left", made, made->as.limit.left, s->cut - s->out_to);
		REQUIRE(s->dropped == s->skip || !s->out_to, "a section let bytes pass before it had skipped all");
		REQUIRE(s->dropped <= s->in.length, "a section skipped more than came");
	}
	if (made->draft->kind == MADE_RATE && !draft_count(world->draft, MADE_FRAME) && !draft_count(world->draft, MADE_CHUNKED)) {
		uint64_t earned = (uint64_t)((double)made->draft->a * (double)(world->now_ns - world->begin_ns) / 1e9);

		REQUIRE(moved <= made->draft->b + earned + made->draft->a / 25 + 2, "a rate let %llu bytes pass too early", (ull)moved);
	}
}

/* A hash that was finished, in a transfer that was cancelled or failed afterwards, refuses what follows. */
static bool refuses(const struct made *made)
{
	return made->draft->kind == MADE_HASH && made->finishes && world->result == -EINVAL;
}

static void judge_content(struct made *made)
{
	const struct stage *s = &made->stage;
	const unsigned char *bytes = s->in.bytes + s->in_from;
	uint64_t moved = s->in_to - s->in_from;

	switch (made->draft->kind) {
	case MADE_HASH: case MADE_SEE: case MADE_SEE_FAULT:
		same_bytes(made_name(made->draft->kind), &made->seen, bytes, refuses(made) ? made->seen.length : moved);
		break;
	case MADE_XXH3:
		same("hash", made, leat_xxh3_result(&made->as.xxh3), XXH3_64bits(moved ? bytes : (const void *)"", moved));
		break;
	case MADE_TEE:
		judge_tee(made, moved);
		break;
	case MADE_ESCAPE: case MADE_THIRD: case MADE_RUNS: case MADE_SAME:
		REQUIRE(s->took <= s->in.length, "%s was given more than there is", made_name(made->draft->kind));
		same_bytes(made_name(made->draft->kind), &made->fed, s->in.bytes, s->took);
		break;
	default:
		break;
	}
}

static void judge_made(struct made *made, void *arg)
{
	const bool *read = arg;
	const struct stage *s = &made->stage;
	uint64_t moved = s->in_to - s->in_from;

	REQUIRE(s->in_to <= s->in.length, "%s: %llu bytes crossed where only %llu come", made_name(made->draft->kind),
		(ull)s->in_to, (ull)s->in.length);
	REQUIRE(!made->running, "%s was not told of the end", made_name(made->draft->kind));
	if (*read)
		made->unseen += moved - made->passed;
	made->passed = moved;
	judge_shaper(made, moved);
	judge_watcher(made, moved);
	judge_content(made);
	stats->made[made->draft->kind] += moved != 0;
}

/* ---- sources ---- */

static void judge_position(struct place *place, uint64_t given)
{
	const struct node_draft *draft = place->draft;
	int where = (int)(place - world->place);

	switch (draft->leaf) {
	case LEAF_FILE_FD:
		REQUIRE(lseek(place->fd, 0, SEEK_CUR) == (off_t)(draft->offset + given), "the offset of file %d is %lld, not %llu + %llu",
			where, (long long)lseek(place->fd, 0, SEEK_CUR), (ull)draft->offset, (ull)given);
		break;
	case LEAF_FILE: case LEAF_RANGE:
		REQUIRE(!lseek(place->fd, 0, SEEK_CUR), "the offset of file %d was moved", where);
		REQUIRE(place->source.position == draft->offset + given, "source %d stands at %llu, not %llu + %llu", where,
			(ull)place->source.position, (ull)draft->offset, (ull)given);
		break;
	case LEAF_MEMORY:
		REQUIRE(place->source.position == given, "memory %d stands at %llu, not %llu", where,
			(ull)place->source.position, (ull)given);
		break;
	case LEAF_CALLBACK:
		REQUIRE(place->given == given, "callback %d gave %llu bytes; delivered and kept are %llu", where, (ull)place->given,
			(ull)given);
		break;
	default:	/* a stream: what is left in it shows at the end */
		REQUIRE(place->fed >= given, "stream %d gave more than was fed", where);
	}
}

/* Consumed, then kept, then what is still to come: no byte lost, none twice. */
static void judge_leaf(struct place *place)
{
	const struct leat_source *source = &place->source;
	const struct bytes *content = &place->node.content;
	uint64_t at = place->node.in_to, kept = source->kept_len;
	int where = (int)(place - world->place);

	stats->leaf[place->draft->leaf] += at != 0;
	REQUIRE(at + kept <= content->length, "source %d keeps %llu bytes after %llu of %llu", where, (ull)kept, (ull)at,
		(ull)content->length);
	REQUIRE(!kept || !memcmp(source->kept + source->kept_off, content->data + at, kept), "source %d keeps other bytes", where);
	if (at + kept < place->inserted)
		wrong("source %d lost bytes that were unread", where);
	judge_position(place, at + kept - place->inserted);
	REQUIRE(place->fd < 0 || fcntl(place->fd, F_GETFL) == place->flags, "the flags of source %d were changed", where);
}

/* ---- the sink ---- */

static void judge_sink(struct world *w)
{
	const struct stream *final = &w->oracle.final;
	struct bytes got = { 0 };
	uint64_t seen = w->bytes - w->total.hole_bytes;

	stats->sink[w->draft->sink] += w->bytes != 0;
	REQUIRE(w->bytes <= final->length, "the sink accepted %llu bytes; only %llu may come", (ull)w->bytes, (ull)final->length);
	if (w->draft->sink != SINK_MEMORY && w->draft->sink != SINK_NOTHING)
		REQUIRE(w->accepted == seen, "the report has %llu bytes, the kernel took %llu", (ull)seen, (ull)w->accepted);
	if (w->draft->sink == SINK_FILE_FD)
		REQUIRE(lseek(w->sink_fd, 0, SEEK_CUR) == (off_t)(w->draft->sink_offset + w->bytes),
			"the sink's offset is %lld, not %llu + %llu", (long long)lseek(w->sink_fd, 0, SEEK_CUR),
			(ull)w->draft->sink_offset, (ull)w->bytes);
	else if (w->draft->sink == SINK_FILE)
		REQUIRE(!lseek(w->sink_fd, 0, SEEK_CUR), "the sink's own offset was moved");
	REQUIRE(w->sink_fd < 0 || fcntl(w->sink_fd, F_GETFL) == w->sink_flags, "the flags of the sink were changed");
	if (w->draft->sink == SINK_NOTHING)
		return;
	world_sink_bytes(w, &got);
	if (w->sink_peer < 0 && w->sink_dead && got.length < w->bytes)
		same_bytes("the sink", &got, final->bytes, got.length);
	else
		same_bytes("the sink", &got, final->bytes, w->bytes);
	bytes_free(&got);
}

/* What leat_read took off. */
static void judge_reads(struct world *w)
{
	const struct oracle *o = &w->oracle;
	uint64_t at = 0;

	for (unsigned i = 0; i < o->reads; i++) {
		struct bytes one = { .data = w->read.data + at, .length = o->read[i].length };

		if (one.length)
			same_bytes("leat_read", &one, o->root->out.bytes + o->read[i].at, one.length);
		at += one.length;
	}
}

static void judge_report(struct world *w)
{
	const struct leat_report *r = &w->report;
	uint64_t by_route = r->hole_bytes;

	for (unsigned i = 0; i < LEAT_ROUTES; i++) {
		by_route += r->route_bytes[i];
		w->routes |= r->route_bytes[i] ? UINT32_C(1) << i : 0;
		REQUIRE(i == LEAT_ROUTE_MEMORY || i == LEAT_ROUTE_COPY || !r->route_bytes[i] || !(w->draft->routes_off >> i & 1),
			"%s was switched off, and used", leat_route_name(i));
	}
	REQUIRE(by_route == r->bytes, "the report's routes sum up to %llu of %llu bytes", (ull)by_route, (ull)r->bytes);
	REQUIRE(r->source_bytes <= r->bytes || draft_need(w->draft) == LEAT_NEED_CHANGE, "the report has more source bytes than bytes");
	if (w->draft->policy == LEAT_REQUIRE)
		REQUIRE(!r->route_bytes[LEAT_ROUTE_COPY], "policy require copied");
	if (w->draft->policy == LEAT_COPY)
		REQUIRE(r->route_bytes[LEAT_ROUTE_COPY] + r->route_bytes[LEAT_ROUTE_MEMORY] + r->hole_bytes == r->bytes,
			"policy copy took a kernel route");
	w->total.hole_bytes += r->hole_bytes;
	w->total.source_bytes += r->source_bytes;
	w->last = *r;	/* nothing, when none was begun */
	memset(&w->report, 0, sizeof w->report);
}

void each_made(struct world *w, void (*look)(struct made *, void *), void *arg)
{
	for (unsigned i = 0; i < w->draft->nodes; i++)
		for (unsigned k = 0; k < w->place[i].node.stages; k++)
			look(w->place[i].made[k], arg);
	for (unsigned i = 0; i < w->draft->sinks; i++)
		for (unsigned k = 0; k < DEPTH; k++)
			if (w->sink_made[i][k])
				look(w->sink_made[i][k], arg);
}

/* The choices that were free. */
static void note_choices(struct made *made, void *arg)
{
	struct stage *s = &made->stage;

	if (made->draft->kind == MADE_SECTION)
		s->dropped = s->skip - made->as.limit.skip;
	if (s->act == ACT_FRAME) {
		const struct leat_frame *frame = &made->as.frame;

		s->unborn = !frame->open && frame->piece_left;
		s->no_finish = !frame->open && made->finishes && frame->head_len && !frame->head_off;
	}
	s->told_end = made->draft->kind == MADE_CHUNKED || made->draft->kind == MADE_FRAME ? made->finishes : made->coder.over;
}

static void note_over(struct world *w)
{
	w->oracle.over = !w->result;
	for (unsigned i = 0; i < w->draft->nodes; i++) {
		struct place *place = &w->place[i];

		for (unsigned k = 0; place->node.queue && k < place->over; k++)
			place->part[k]->node.over = !place->part[k]->report.error;
	}
}

static void ask_oracle(struct world *w)
{
	const char *never;

	each_made(w, note_choices, NULL);
	note_over(w);
	never = oracle_forward(&w->oracle);
	REQUIRE(!never, "%s", never);
	oracle_backward(&w->oracle, w->bytes);
}

void judge(struct world *w)
{
	bool read = w->oracle.reads && !w->report.begin_ns;

	peers_drain(w);
	ask_oracle(w);
	judge_report(w);
	judge_sink(w);
	judge_reads(w);
	each_made(w, judge_made, &read);
	for (unsigned i = 0; i < w->draft->nodes; i++)
		if (w->place[i].draft && w->place[i].draft->kind == NODE_LEAF)
			judge_leaf(&w->place[i]);
}
