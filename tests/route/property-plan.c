/* SPDX-License-Identifier: MIT */
/* Makes a plan from a seed. Whatever a wrapper does by number is kept coarse enough for a few hundred moves a case. */
#include "property.h"

enum style { STYLE_KERNEL, STYLE_CONTENT, STYLE_CHANGE };

struct maker {
	struct plan *plan;
	struct dice dice;
	enum style style;
	bool faulty, timed;
	uint64_t most_bytes;		/* of one leaf */
	unsigned changers;
};

/* weight: how often, among those of its style. */
static const struct kind {
	const char *name;
	enum leat_need need;
	unsigned weight;
} kinds[MADE_KINDS] = {
	[MADE_LIMIT] = { "limit", LEAT_NEED_NOTHING, 10 },
	[MADE_EXACT] = { "limit-exact", LEAT_NEED_NOTHING, 3 },
	[MADE_SECTION] = { "section", LEAT_NEED_NOTHING, 8 },
	[MADE_RATE] = { "rate", LEAT_NEED_NOTHING, 4 },
	[MADE_DEADLINE] = { "deadline", LEAT_NEED_NOTHING, 4 },
	[MADE_COUNT] = { "count", LEAT_NEED_COUNTS, 8 },
	[MADE_LOG] = { "log", LEAT_NEED_COUNTS, 6 },
	[MADE_TRACE] = { "trace", LEAT_NEED_COUNTS, 5 },
	[MADE_PROGRESS] = { "progress", LEAT_NEED_COUNTS, 5 },
	[MADE_CHUNKED] = { "chunked", LEAT_NEED_BOUNDARIES, 5 },
	[MADE_FRAME] = { "my-frame", LEAT_NEED_BOUNDARIES, 8 },
	[MADE_NOTHING] = { "my-nothing", LEAT_NEED_NOTHING, 2 },
	[MADE_TALLY] = { "my-tally", LEAT_NEED_COUNTS, 8 },
	[MADE_EDGES] = { "my-edges", LEAT_NEED_BOUNDARIES, 3 },
	[MADE_TRICKLE] = { "my-trickle", LEAT_NEED_NOTHING, 4 },
	[MADE_PAUSE] = { "my-pause", LEAT_NEED_NOTHING, 3 },
	[MADE_CUT] = { "my-cut", LEAT_NEED_COUNTS, 4 },
	[MADE_FINISH] = { "my-finish", LEAT_NEED_NOTHING, 2 },
	[MADE_FAULT] = { "my-fault", LEAT_NEED_COUNTS, 5 },
	[MADE_HASH] = { "hash", LEAT_NEED_CONTENT, 4 },
	[MADE_XXH3] = { "xxh3", LEAT_NEED_CONTENT, 4 },
	[MADE_TEE] = { "tee", LEAT_NEED_CONTENT, 4 },
	[MADE_SEE] = { "my-see", LEAT_NEED_CONTENT, 4 },
	[MADE_SEE_FAULT] = { "my-see-fault", LEAT_NEED_CONTENT, 2 },
	[MADE_ESCAPE] = { "my-escape", LEAT_NEED_CHANGE, 3 },
	[MADE_THIRD] = { "my-third", LEAT_NEED_CHANGE, 2 },
	[MADE_RUNS] = { "my-runs", LEAT_NEED_CHANGE, 2 },
	[MADE_SAME] = { "my-same", LEAT_NEED_CHANGE, 3 },
};

const char *made_name(enum made_kind kind)
{
	return kinds[kind].name;
}

enum leat_need made_need(enum made_kind kind)
{
	return kinds[kind].need;
}

static void each_chain(const struct plan *plan, void (*look)(const struct chain_plan *, void *), void *arg)
{
	for (unsigned i = 0; i < plan->nodes; i++)
		if (!plan->node[i].gone)
			look(&plan->node[i].chain, arg);
	for (unsigned i = 0; i < plan->sinks; i++)
		look(&plan->sink_chain[i], arg);
}

static void most_need(const struct chain_plan *chain, void *arg)
{
	enum leat_need *need = arg;

	for (unsigned i = 0; i < chain->count; i++)
		if (!chain->made[i].gone && made_need(chain->made[i].kind) > *need)
			*need = made_need(chain->made[i].kind);
}

enum leat_need plan_need(const struct plan *plan)
{
	enum leat_need need = LEAT_NEED_NOTHING;

	each_chain(plan, most_need, &need);
	return need;
}

struct counted {
	enum made_kind kind;
	unsigned count;
};

static void count_kind(const struct chain_plan *chain, void *arg)
{
	struct counted *counted = arg;

	for (unsigned i = 0; i < chain->count; i++)
		counted->count += !chain->made[i].gone && chain->made[i].kind == counted->kind;
}

unsigned plan_count(const struct plan *plan, enum made_kind kind)
{
	struct counted counted = { .kind = kind };

	each_chain(plan, count_kind, &counted);
	return counted.count;
}

static bool wanted(const struct maker *m, enum made_kind kind)
{
	if (kind == MADE_FAULT || kind == MADE_SEE_FAULT)
		return m->faulty;
	if (kind == MADE_RATE || kind == MADE_PAUSE)
		return m->timed;
	return true;
}

static enum made_kind pick(struct maker *m)
{
	enum leat_need least = LEAT_NEED_NOTHING, most = LEAT_NEED_BOUNDARIES;
	unsigned sum = 0, at;

	if (m->style >= STYLE_CONTENT && dice_one_in(&m->dice, 3))
		least = most = LEAT_NEED_CONTENT;
	if (m->style == STYLE_CHANGE && m->changers < 3 && dice_one_in(&m->dice, 3))
		least = most = LEAT_NEED_CHANGE;
	m->changers += least == LEAT_NEED_CHANGE;
	for (unsigned k = 0; k < MADE_KINDS; k++)
		sum += kinds[k].need >= least && kinds[k].need <= most && wanted(m, k) ? kinds[k].weight : 0;
	at = (unsigned)dice_below(&m->dice, sum);
	for (unsigned k = 0; k < MADE_KINDS; k++) {
		if (kinds[k].need < least || kinds[k].need > most || !wanted(m, k))
			continue;
		if (at < kinds[k].weight)
			return k;
		at -= kinds[k].weight;
	}
	return MADE_NOTHING;
}

/* A number of bytes about as large as what comes. */
static uint64_t amount(struct dice *dice, uint64_t bytes)
{
	switch (dice_below(dice, 16)) {
	case 0:
		return dice_below(dice, 3);
	case 1:
		return bytes;
	case 2:
		return bytes + 1;
	case 3:
		return bytes ? bytes - 1 : 0;
	case 4: case 5: case 6: case 7: case 8: case 9:
		return dice_below(dice, 2 * bytes + 1);
	case 10:
		return UINT64_MAX / 2;
	case 11:
		return UINT64_MAX;
	default:
		return bytes + dice_below(dice, bytes + 100);
	}
}

static struct made_plan made_plan(struct maker *m, uint64_t bytes)
{
	struct dice *dice = &m->dice;
	uint64_t grain = bytes / 200 + 1;
	struct made_plan made = { .kind = (uint8_t)pick(m), .how = (uint8_t)dice_below(dice, 256) };

	switch (made.kind) {
	case MADE_SECTION:
		made.a = dice_below(dice, 4) ? dice_below(dice, bytes / 8 + 2) : dice_below(dice, bytes + bytes / 4 + 2);
		made.b = amount(dice, bytes);
		break;
	case MADE_RATE:
		made.a = (bytes + 50) * (1 + dice_below(dice, 20));
		made.b = dice_below(dice, bytes + 1);
		break;
	case MADE_DEADLINE:	/* idle, total */
		made.a = m->faulty && dice_one_in(dice, 4) ? dice_below(dice, LEAT_SECOND / 20) + 1 : 1000 * LEAT_SECOND;
		made.b = m->faulty && dice_one_in(dice, 4) ? dice_below(dice, LEAT_SECOND) + 1 : 100000 * LEAT_SECOND;
		break;
	case MADE_TRACE: case MADE_PROGRESS:
		made.a = dice_one_in(dice, 3) ? 0 : LEAT_SECOND / 1000 * (1 + dice_below(dice, 300));
		break;
	case MADE_CHUNKED: case MADE_FRAME: case MADE_TRICKLE: case MADE_SAME: case MADE_ESCAPE: case MADE_THIRD: case MADE_RUNS:
		made.a = dice_one_in(dice, 4) ? 0 : grain + dice_size(dice, bytes);
		break;
	case MADE_PAUSE:
		made.a = 4 * grain + dice_size(dice, bytes);
		made.b = dice_below(dice, LEAT_SECOND / 10) + 1;
		break;
	case MADE_TEE:
		made.a = grain + dice_size(dice, bytes);
		break;
	case MADE_FAULT: case MADE_SEE_FAULT:
		made.a = dice_below(dice, bytes + 2);
		break;
	default:
		made.a = amount(dice, bytes);
	}
	return made;
}

static void chain_make(struct maker *m, struct chain_plan *chain, unsigned count, uint64_t bytes)
{
	chain->count = count;
	for (unsigned i = 0; i < count; i++)
		chain->made[i] = made_plan(m, bytes);
}

static uint64_t leaf_bytes(struct dice *dice)
{
	switch (dice_below(dice, 18)) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2: case 3: case 4: case 5:
		return dice_below(dice, 100);
	case 6: case 7: case 8: case 9:
		return dice_below(dice, 5000);
	case 10: case 11: case 12:
		return dice_below(dice, 70000);
	case 13:
		return 4095 + dice_below(dice, 3);
	case 14:
		return 32769;
	case 15:
		return 65535 + dice_below(dice, 3);
	case 16:
		return dice_one_in(dice, 6) ? dice_below(dice, 3000000) : dice_below(dice, 20000);
	default:
		return dice_below(dice, 300000);
	}
}

static void leaf_make(struct maker *m, struct node_plan *node)
{
	struct dice *dice = &m->dice;

	node->leaf = dice_below(dice, LEAF_KINDS);
	node->size = leaf_bytes(dice);
	if (node->size > m->most_bytes)
		node->size = m->most_bytes;
	node->offset = dice_one_in(dice, 2) ? 0 : dice_one_in(dice, 2) ? dice_below(dice, 10000) : 4096 * dice_below(dice, 4);
	node->after = node->leaf == LEAF_RANGE && dice_one_in(dice, 2) ? dice_below(dice, 9000) : 0;
	node->sparse = node->leaf <= LEAF_RANGE && dice_one_in(dice, 4);
	node->disk = dice_one_in(dice, 3);
	node->blocking = dice_one_in(dice, 2);
	node->fails_after = node->leaf == LEAF_CALLBACK && m->faulty ? dice_below(dice, 2 * node->size + 1) : NEVER;
	if (node->fails_after > node->size)
		node->fails_after = NEVER;
}

static unsigned node_make(struct maker *m, unsigned depth, unsigned nest, uint64_t *ret_bytes)
{
	struct plan *plan = m->plan;
	unsigned index = plan->nodes++, mine = (unsigned)dice_below(&m->dice, depth + 1);
	struct node_plan *node = &plan->node[index];
	uint64_t bytes = 0, sum = 0;
	unsigned kind = nest < 4 && plan->nodes + PARTS < NODES ? (unsigned)dice_below(&m->dice, 8) : 0;

	node->kind = kind < 4 ? NODE_LEAF : kind < 6 ? NODE_VIEW : NODE_QUEUE;
	if (node->kind == NODE_LEAF) {
		mine = depth;
		leaf_make(m, node);
		sum = node->size;
	}
	node->parts = node->kind == NODE_LEAF ? 0 : node->kind == NODE_VIEW ? 1 : 1 + (unsigned)dice_below(&m->dice, PARTS);
	for (unsigned i = 0; i < node->parts; i++) {
		unsigned part = node_make(m, depth - mine, nest + 1, &bytes);

		node->part[i] = part;
		sum += bytes;
	}
	node->first = (unsigned)dice_below(&m->dice, node->parts + 1);
	chain_make(m, &node->chain, mine, sum);
	*ret_bytes = sum;
	return index;
}

static unsigned depth(struct dice *dice)
{
	return dice_one_in(dice, 3) ? (unsigned)dice_below(dice, DEPTH + 1) : (unsigned)dice_below(dice, 5);
}

static void sink_make(struct maker *m, uint64_t bytes)
{
	struct plan *plan = m->plan;
	struct dice *dice = &m->dice;
	unsigned left = depth(dice);

	plan->sink = dice_below(dice, SINK_KINDS);
	plan->sinks = dice_one_in(dice, 2) ? 1 : 1 + (unsigned)dice_below(dice, SINKS);
	for (unsigned i = 0; i < plan->sinks; i++) {
		unsigned count = i + 1 < plan->sinks ? (unsigned)dice_below(dice, left + 1) : left;

		chain_make(m, &plan->sink_chain[i], count, bytes);
		left -= count;
	}
	plan->sink_offset = dice_one_in(dice, 2) ? 0 : dice_below(dice, 9000);
	plan->dies_after = m->faulty && dice_one_in(dice, 2) && plan->sink != SINK_NOTHING ? dice_below(dice, bytes + bytes / 8 + 1) :
											      NEVER;
	plan->sink_blocking = dice_one_in(dice, 2);
	plan->sink_disk = dice_one_in(dice, 3);
	plan->buffer_class = dice_one_in(dice, 2) ? 0 : 1 + (unsigned)dice_below(dice, 3);
}

/* leat_read has the real clock, and takes what a frame on the sink may have announced. */
static bool reads_fit(const struct plan *plan)
{
	struct counted timed[] = { { .kind = MADE_RATE }, { .kind = MADE_PAUSE } };

	for (unsigned i = 0; i < plan->sinks; i++)
		for (unsigned k = 0; k < plan->sink_chain[i].count; k++)
			if (made_need(plan->sink_chain[i].made[k].kind) == LEAT_NEED_BOUNDARIES ||
			    plan->sink_chain[i].made[k].kind == MADE_SECTION)
				return false;
	for (unsigned i = 0; i < 2; i++)
		each_chain(plan, count_kind, &timed[i]);
	return !timed[0].count && !timed[1].count;
}

static void phases_make(struct maker *m, uint64_t bytes)
{
	struct plan *plan = m->plan;
	struct dice *dice = &m->dice;
	bool cancels = dice_one_in(dice, 3);
	unsigned copies = dice_one_in(dice, 2) ? 0 : dice_one_in(dice, 2) ? 100 : 50, steps = 0;
	unsigned transfers = cancels ? 1 + (unsigned)dice_below(dice, 3) : 1;

	for (unsigned i = 0; i < transfers && plan->phases < PHASES; i++) {
		bool last = i + 1 == transfers || plan->phases + 1 == PHASES;

		if (!last && dice_one_in(dice, 4) && i + 2 < PHASES)
			plan->phase[plan->phases++] = (struct phase_plan){ PHASE_UNREAD, dice_size(dice, bytes + 10) };
		else if (!last && i + 2 < PHASES && dice_one_in(dice, 4) && reads_fit(plan))
			plan->phase[plan->phases++] = (struct phase_plan){ PHASE_READ, dice_size(dice, bytes + 10) };
		plan->phase[plan->phases] = (struct phase_plan){
			.way = dice_below(dice, 100) < copies ? PHASE_COPY : PHASE_STEP,
			.amount = cancels && (!last || dice_one_in(dice, 4)) ? dice_size(dice, 200) : NEVER,
		};
		steps += plan->phase[plan->phases++].way == PHASE_STEP;
	}
	if (!steps)
		return;
	plan->sink_blocking = false;
	for (unsigned i = 0; i < plan->nodes; i++)
		plan->node[i].blocking = false;
}

static void options_make(struct maker *m, uint64_t bytes)
{
	struct plan *plan = m->plan;
	struct dice *dice = &m->dice;
	unsigned policy = (unsigned)dice_below(dice, 20);

	plan->policy = policy == 0 ? LEAT_COPY : policy < 3 && m->style == STYLE_KERNEL ? LEAT_REQUIRE : LEAT_AUTO;
	plan->level_triggered = dice_one_in(dice, 2);
	plan->helper = dice_one_in(dice, 4);
	plan->clock_jumps = dice_one_in(dice, 8);
	plan->step_bytes = dice_one_in(dice, 2) ? 0 : bytes / 200 + 1 + dice_size(dice, bytes);
	plan->pipe_bytes = dice_one_in(dice, 2) ? 0 : dice_size(dice, UINT64_C(2) << 20);
	plan->buffer_bytes = dice_one_in(dice, 2) ? 0 : bytes / 300 + 1 + dice_size(dice, 80000);
	if (dice_one_in(dice, 3))
		return;
	plan->shorts = (unsigned)dice_below(dice, 140);
	plan->agains = dice_one_in(dice, 3) ? 0 : (unsigned)dice_below(dice, 90);
	plan->interrupts = dice_one_in(dice, 3) ? 0 : (unsigned)dice_below(dice, 50);
	plan->declines = dice_one_in(dice, 3) ? (unsigned)dice_size(dice, 600) : 0;
}

void plan_make(struct plan *plan, uint64_t seed)
{
	struct maker m = { .plan = plan, .dice = { seed } };
	unsigned style;
	uint64_t bytes;

	memset(plan, 0, sizeof *plan);
	plan->seed = seed;
	style = (unsigned)dice_below(&m.dice, 20);
	m.style = style < 11 ? STYLE_KERNEL : style < 16 ? STYLE_CONTENT : STYLE_CHANGE;
	m.faulty = dice_one_in(&m.dice, 6);
	m.timed = dice_one_in(&m.dice, 3);
	m.most_bytes = dice_one_in(&m.dice, 2) ? 3000000 : 2000;
	plan->root = node_make(&m, depth(&m.dice), 0, &bytes);
	sink_make(&m, bytes);
	options_make(&m, bytes);
	phases_make(&m, bytes);
}
