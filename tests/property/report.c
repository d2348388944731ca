/* SPDX-License-Identifier: MIT */
/* The reports: of the last transfer, and of each part at its release; and what is told and released when all is closed. */
#include "property.h"

#include <errno.h>

static bool without_queue(const struct world *w)
{
	for (unsigned i = 0; i < w->draft->nodes; i++)
		if (w->place[i].node.queue)
			return false;
	return true;
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

static uint64_t kept_in(const struct place *place)
{
	while (place->draft->kind != NODE_LEAF)
		place = place->part[0];
	return place->source.kept_len;
}

static void add_pending(struct made *made, void *arg)
{
	uint64_t *pending = arg;

	if (made->stage.act != ACT_CHANGE)
		return;
	REQUIRE(made->stage.out_to <= made->gave, "%s: more was accepted than it gave", made_name(made->draft->kind));
	*pending += made->gave - made->stage.out_to;
}

/* ---- what ended it ---- */

struct ending {
	const char *culprit;
	bool named, cut;
	bool lacked;		/* a frame had no room: whoever is below may be named for it */
};

static const char *library_name(const struct made *made)
{
	return made->draft->kind == MADE_EXACT ? "limit" : made_name(made->draft->kind);
}

static void look_at_ending(struct made *made, struct ending *ending)
{
	const struct stage *s = &made->stage;

	if (s->act != ACT_CUT && s->act != ACT_SKIP)
		return;
	if (s->out_to < s->cut && !s->stopped && !(ending->lacked && s->in.framed))
		return;
	ending->cut = ending->cut || s->stopped || (s->in.length > s->skip && s->in.length - s->skip > s->cut);
	ending->named = ending->named || (ending->culprit && !strcmp(ending->culprit, library_name(made)));
}

static void look_for_lack(struct made *made, void *arg)
{
	struct ending *ending = arg;

	ending->lacked = ending->lacked || made->stage.unborn || made->stage.no_finish;
}

/* The wrappers that end the whole: on the sink, and on the source down to a queue. */
static struct ending look_for_ending(const struct world *w)
{
	struct ending ending = { .culprit = w->last.culprit };

	each_made((struct world *)(uintptr_t)w, look_for_lack, &ending);
	for (unsigned i = 0; i < w->draft->sinks; i++)
		for (unsigned k = 0; k < DEPTH; k++)
			if (w->sink_made[i][k])
				look_at_ending(w->sink_made[i][k], &ending);
	for (const struct place *place = w->root; place; place = place->node.queue ? NULL : place->part[0])
		for (unsigned k = 0; k < place->node.stages; k++)
			look_at_ending(place->made[k], &ending);
	return ending;
}

static void judge_ending(const struct world *w)
{
	const struct leat_report *last = &w->last;
	struct ending ending = look_for_ending(w);

	if (w->result == -ECANCELED)
		REQUIRE(last->ended_by == LEAT_ENDED_BY_CANCEL || last->ended_by == LEAT_ENDED_BY_ERROR, "cancelled, but ended by %u",
			last->ended_by);
	else if (w->result)
		REQUIRE(last->ended_by == LEAT_ENDED_BY_ERROR, "failed, but ended by %u", last->ended_by);
	else if (last->ended_by == LEAT_ENDED_BY_WRAPPER)
		REQUIRE(ending.named, "ended by %s, which let all pass", last->culprit ? last->culprit : "no name");
	else
		REQUIRE(last->ended_by == LEAT_ENDED_BY_SOURCE && !ending.cut && !last->culprit,
			"a limit ended it, but the report says %u", last->ended_by);
}

void judge_report_end(struct world *w)
{
	const struct leat_report *last = &w->last;
	uint64_t kept = 0;

	if (!last->begin_ns || w->draft->phase[w->draft->phases - 1].way > PHASE_COPY)
		return;
	REQUIRE(last->error == w->result, "the report has error %d, the call %d", last->error, w->result);
	judge_ending(w);
	if (!w->oracle.reads)
		REQUIRE(w->total.source_bytes == moved_in(w->root), "the reports have %llu source bytes; %llu crossed",
			(ull)w->total.source_bytes, (ull)moved_in(w->root));
	if (!without_queue(w))
		return;
	each_made(w, add_pending, &kept);
	kept += kept_in(w->root);
	REQUIRE(last->kept_bytes == kept, "the report has %llu kept bytes, not %llu", (ull)last->kept_bytes, (ull)kept);
}

/* ---- after the close ---- */

static void judge_made_closed(struct made *made, void *arg)
{
	enum made_kind kind = made->draft->kind;
	bool tells = made->stage.act == ACT_FRAME || (kind > MADE_NOTHING && kind != MADE_HASH && kind != MADE_XXH3 && kind != MADE_TEE);

	REQUIRE(made->releases == tells, "%s was released %u times", made_name(kind), made->releases);
	REQUIRE(kind == MADE_HASH || kind == MADE_PROGRESS || made->begins == made->ends, "%s was told of %u begins and %u ends",
		made_name(kind), made->begins, made->ends);
}

static bool plain(const struct draft *draft)
{
	return draft_need(draft) < LEAT_NEED_CHANGE && !draft_count(draft, MADE_FRAME) && !draft_count(draft, MADE_CHUNKED) &&
	       !draft_count(draft, MADE_SECTION);
}

/* The wrappers on a part itself are told of its end with its own report. */
static void judge_told(const struct world *w, const struct place *part)
{
	for (unsigned k = 0; k < part->node.stages; k++) {
		const struct made *made = part->made[k];

		if (w->draft->phases == 1 && made->ends && made->draft->kind >= MADE_TALLY && made->draft->kind <= MADE_FAULT)
			REQUIRE(made->end_bytes == part->report.bytes, "%s was told of %llu bytes at the end of part %d, it has %llu",
				made_name(made->draft->kind), (ull)made->end_bytes, (int)(part - w->place),
				(ull)part->report.bytes);
	}
}

static void judge_part(const struct world *w, const struct place *queue, unsigned i)
{
	const struct place *part = queue->part[i];
	const struct leat_report *report = &part->report;
	int where = (int)(part - w->place);

	stats->parts++;
	if (w->oracle.reads)
		return;
	REQUIRE(report->source_bytes == moved_in(part), "the report of part %d has %llu source bytes, not %llu", where,
		(ull)report->source_bytes, (ull)moved_in(part));
	REQUIRE(!plain(w->draft) || report->bytes == report->source_bytes, "the report of part %d has %llu bytes, and %llu source bytes",
		where, (ull)report->bytes, (ull)report->source_bytes);
	if (part->closed) {
		REQUIRE(report->error == -ECANCELED && report->ended_by == LEAT_ENDED_BY_CANCEL, "part %d was closed with error %d", where,
			report->error);
		return;
	}
	judge_told(w, part);
	if (report->error) {
		REQUIRE(report->error == w->result && report->ended_by == LEAT_ENDED_BY_ERROR, "part %d failed with %d, the whole with %d",
			where, report->error, w->result);
		return;
	}
	REQUIRE(report->ended_by == LEAT_ENDED_BY_SOURCE || report->ended_by == LEAT_ENDED_BY_WRAPPER, "part %d ended by %u", where,
		report->ended_by);
	REQUIRE(part->node.out_to == part->node.out.length && part->node.out.ended, "part %d was over after %llu of %llu bytes", where,
		(ull)part->node.out_to, (ull)part->node.out.length);
}

void judge_closed(struct world *w)
{
	each_made(w, judge_made_closed, NULL);
	for (unsigned i = 0; i < w->draft->nodes; i++) {
		struct place *place = &w->place[i];

		REQUIRE(!place->draft || place->releases == 1, "source %u was released %u times", i, place->releases);
		for (unsigned k = 0; place->draft && place->node.queue && k < place->added; k++)
			judge_part(w, place, k);
	}
}
