/* SPDX-License-Identifier: MIT */
/* Makes a draft from a seed. Whatever a wrapper does by number is kept coarse enough for a few hundred moves a case. */
#include "property.h"

enum style {
	STYLE_TEE,	/* one, and else nothing that keeps it from tee(2) */
	STYLE_SHARE,	/* files of one file system, most in whole blocks */
	STYLE_KERNEL, STYLE_CONTENT, STYLE_CHANGE
};

struct maker {
	struct draft *draft;
	struct dice dice;
	enum style style;
	bool faulty, timed, disk;	/* disk: of STYLE_SHARE */
	uint64_t most_bytes;		/* of one leaf */
	unsigned changers, tees, promised;	/* nodes that are sure to come */
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

static void each_chain(const struct draft *draft, void (*look)(const struct chain_draft *, void *), void *arg)
{
	for (unsigned i = 0; i < draft->nodes; i++)
		if (!draft->node[i].gone)
			look(&draft->node[i].chain, arg);
	for (unsigned i = 0; i < draft->sinks; i++)
		look(&draft->sink_chain[i], arg);
}

static void most_need(const struct chain_draft *chain, void *arg)
{
	enum leat_need *need = arg;

	for (unsigned i = 0; i < chain->count; i++)
		if (!chain->made[i].gone && made_need(chain->made[i].kind) > *need)
			*need = made_need(chain->made[i].kind);
}

enum leat_need draft_need(const struct draft *draft)
{
	enum leat_need need = LEAT_NEED_NOTHING;

	each_chain(draft, most_need, &need);
	return need;
}

struct counted {
	enum made_kind kind;
	unsigned count;
};

static void count_kind(const struct chain_draft *chain, void *arg)
{
	struct counted *counted = arg;

	for (unsigned i = 0; i < chain->count; i++)
		counted->count += !chain->made[i].gone && chain->made[i].kind == counted->kind;
}

unsigned draft_count(const struct draft *draft, enum made_kind kind)
{
	struct counted counted = { .kind = kind };

	each_chain(draft, count_kind, &counted);
	return counted.count;
}

static bool cuts_blocks(const struct made_draft *made)
{
	switch (made->kind) {
	case MADE_RATE: case MADE_PAUSE: case MADE_CHUNKED: case MADE_FRAME:
		return true;
	case MADE_TRICKLE:
		return !trickles_blocks(made);
	default:
		return false;
	}
}

static void look_for_cuts(const struct chain_draft *chain, void *arg)
{
	bool *found = arg;

	for (unsigned i = 0; i < chain->count; i++)
		*found = *found || (!chain->made[i].gone && cuts_blocks(&chain->made[i]));
}

bool draft_cuts_blocks(const struct draft *draft)
{
	bool found = false;

	each_chain(draft, look_for_cuts, &found);
	return found;
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

	if (m->style == STYLE_TEE && !m->tees++)
		return MADE_TEE;
	if (m->style == STYLE_TEE || (m->style == STYLE_SHARE && dice_below(&m->dice, 4)))
		most = LEAT_NEED_COUNTS;
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
	switch (dice_below(dice, 17)) {
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
	case 12:
		return DRAFT_BLOCK * dice_below(dice, bytes / DRAFT_BLOCK + 2);
	default:
		return bytes + dice_below(dice, bytes + 100);
	}
}

static struct made_draft made_draft(struct maker *m, uint64_t bytes)
{
	struct dice *dice = &m->dice;
	uint64_t grain = bytes / 200 + 1;
	struct made_draft made = { .kind = (uint8_t)pick(m), .how = (uint8_t)dice_below(dice, 256) };

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
	case MADE_TEE:		/* buffer; second fails after */
		made.a = grain + dice_size(dice, bytes);
		made.b = m->style != STYLE_TEE && m->faulty && dice_one_in(dice, 2) ? dice_below(dice, bytes + 1) : NEVER;
		made.how |= m->style == STYLE_TEE ? 128 : 0;
		break;
	case MADE_FAULT: case MADE_SEE_FAULT:
		made.a = dice_below(dice, bytes + 2);
		break;
	default:
		made.a = amount(dice, bytes);
	}
	return made;
}

static void chain_make(struct maker *m, struct chain_draft *chain, unsigned count, uint64_t bytes)
{
	chain->count = count;
	for (unsigned i = 0; i < count; i++)
		chain->made[i] = made_draft(m, bytes);
}

/* 0 as often as anything else; then any number, or whole blocks. */
static uint64_t offset(struct maker *m, uint64_t most)
{
	struct dice *dice = &m->dice;

	if (dice_one_in(dice, 2))
		return 0;
	return m->style == STYLE_SHARE || dice_one_in(dice, 2) ? DRAFT_BLOCK * dice_below(dice, 4) : dice_below(dice, most);
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

static void leaf_make(struct maker *m, struct node_draft *node)
{
	struct dice *dice = &m->dice;

	node->leaf = dice_below(dice, m->style == STYLE_SHARE ? LEAF_MEMORY : LEAF_KINDS);
	if (m->style == STYLE_TEE && dice_one_in(dice, 2))
		node->leaf = LEAF_TCP + dice_below(dice, 2);
	node->size = m->style == STYLE_SHARE && dice_below(dice, 4) ? DRAFT_BLOCK * dice_below(dice, 40) : leaf_bytes(dice);
	if (node->size > m->most_bytes)
		node->size = m->most_bytes;
	node->offset = offset(m, 10000);
	node->after = node->leaf == LEAF_RANGE && dice_one_in(dice, 2) ? dice_below(dice, 9000) : 0;
	node->sparse = node->leaf <= LEAF_RANGE && dice_one_in(dice, 4);
	node->disk = m->style == STYLE_SHARE ? m->disk : dice_one_in(dice, 3);
	node->blocking = dice_one_in(dice, 2);
	node->fails_after = node->leaf == LEAF_CALLBACK && m->faulty ? dice_below(dice, 2 * node->size + 1) : NEVER;
	if (node->fails_after > node->size)
		node->fails_after = NEVER;
}

static unsigned node_make(struct maker *m, unsigned depth, unsigned nest, uint64_t *ret_bytes)
{
	struct draft *draft = m->draft;
	unsigned index = draft->nodes++, mine = (unsigned)dice_below(&m->dice, depth + 1);
	struct node_draft *node = &draft->node[index];
	uint64_t bytes = 0, sum = 0;
	unsigned kind = nest < 4 && draft->nodes + m->promised + PARTS <= NODES ? (unsigned)dice_below(&m->dice, 8) : 0;

	node->kind = kind < 4 ? NODE_LEAF : kind < 6 ? NODE_VIEW : NODE_QUEUE;
	if (node->kind == NODE_LEAF) {
		mine = depth;
		leaf_make(m, node);
		sum = node->size;
	}
	node->parts = node->kind == NODE_LEAF ? 0 : node->kind == NODE_VIEW ? 1 : 1 + (unsigned)dice_below(&m->dice, PARTS);
	m->promised += node->parts;
	for (unsigned i = 0; i < node->parts; i++) {
		unsigned part;

		m->promised--;
		part = node_make(m, depth - mine, nest + 1, &bytes);

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
	struct draft *draft = m->draft;
	struct dice *dice = &m->dice;
	unsigned left = depth(dice);

	draft->sink = dice_below(dice, m->style == STYLE_SHARE ? SINK_APPEND : SINK_KINDS);
	draft->sinks = dice_one_in(dice, 2) ? 1 : 1 + (unsigned)dice_below(dice, SINKS);
	for (unsigned i = 0; i < draft->sinks; i++) {
		unsigned count = i + 1 < draft->sinks ? (unsigned)dice_below(dice, left + 1) : left;

		chain_make(m, &draft->sink_chain[i], count, bytes);
		left -= count;
	}
	draft->sink_offset = offset(m, 9000);
	draft->dies_after = m->faulty && dice_one_in(dice, 2) && draft->sink != SINK_NOTHING ? dice_below(dice, bytes + bytes / 8 + 1) :
											      NEVER;
	draft->sink_blocking = dice_one_in(dice, 2);
	draft->sink_disk = m->style == STYLE_SHARE ? m->disk : dice_one_in(dice, 3);
	draft->buffer_class = dice_one_in(dice, 2) ? 0 : 1 + (unsigned)dice_below(dice, 3);
}

/* leat_read has the real clock, and takes what a frame on the sink may have announced. */
static bool reads_fit(const struct draft *draft)
{
	struct counted timed[] = { { .kind = MADE_RATE }, { .kind = MADE_PAUSE } };

	for (unsigned i = 0; i < draft->sinks; i++)
		for (unsigned k = 0; k < draft->sink_chain[i].count; k++)
			if (made_need(draft->sink_chain[i].made[k].kind) == LEAT_NEED_BOUNDARIES ||
			    draft->sink_chain[i].made[k].kind == MADE_SECTION)
				return false;
	for (unsigned i = 0; i < 2; i++)
		each_chain(draft, count_kind, &timed[i]);
	return !timed[0].count && !timed[1].count;
}

/* The frames' pieces may be of one byte, as large as what came without it. */
static uint64_t unread_most(const struct draft *draft)
{
	return draft_count(draft, MADE_FRAME) + draft_count(draft, MADE_CHUNKED) ? 60 : 5000;
}

static void phases_make(struct maker *m, uint64_t bytes)
{
	struct draft *draft = m->draft;
	struct dice *dice = &m->dice;
	bool cancels = dice_one_in(dice, 3);
	unsigned copies = dice_one_in(dice, 2) ? 0 : dice_one_in(dice, 2) ? 100 : 50, steps = 0;
	unsigned transfers = cancels ? 1 + (unsigned)dice_below(dice, 3) : 1;

	for (unsigned i = 0; i < transfers && draft->phases < PHASES; i++) {
		bool last = i + 1 == transfers || draft->phases + 1 == PHASES;

		if (!last && dice_one_in(dice, 4) && i + 2 < PHASES)
			draft->phase[draft->phases++] = (struct phase_draft){ PHASE_UNREAD, dice_size(dice, unread_most(draft)) };
		else if (!last && i + 2 < PHASES && dice_one_in(dice, 4) && reads_fit(draft))
			draft->phase[draft->phases++] = (struct phase_draft){ PHASE_READ, dice_size(dice, bytes + 10) };
		draft->phase[draft->phases] = (struct phase_draft){
			.way = dice_below(dice, 100) < copies ? PHASE_COPY : PHASE_STEP,
			.amount = cancels && (!last || dice_one_in(dice, 4)) ? dice_size(dice, 200) : NEVER,
		};
		steps += draft->phase[draft->phases++].way == PHASE_STEP;
	}
	if (!steps)
		return;
	draft->sink_blocking = false;
	for (unsigned i = 0; i < draft->nodes; i++)
		draft->node[i].blocking = false;
}

static void options_make(struct maker *m, uint64_t bytes)
{
	struct draft *draft = m->draft;
	struct dice *dice = &m->dice;
	unsigned policy = (unsigned)dice_below(dice, 20);
	bool kernel = m->style == STYLE_KERNEL || m->style == STYLE_SHARE;

	draft->policy = policy == 0 ? LEAT_COPY : policy < 3 && kernel ? LEAT_REQUIRE : LEAT_AUTO;
	draft->routes_off = dice_one_in(dice, 6) ? (uint32_t)dice_next(dice) & ((UINT32_C(1) << LEAT_ROUTES) - 1) : 0;
	draft->level_triggered = dice_one_in(dice, 2);
	draft->helper = dice_one_in(dice, 4);
	draft->clock_jumps = dice_one_in(dice, 8);
	draft->step_bytes = dice_one_in(dice, 2) ? 0 : bytes / 200 + 1 + dice_size(dice, bytes);
	draft->pipe_bytes = dice_one_in(dice, 2) ? 0 : dice_size(dice, UINT64_C(2) << 20);
	draft->buffer_bytes = dice_one_in(dice, 2) ? 0 : bytes / 300 + 1 + dice_size(dice, 80000);
	if (dice_one_in(dice, 3))
		return;
	draft->shorts = (unsigned)dice_below(dice, 140);
	draft->agains = dice_one_in(dice, 3) ? 0 : (unsigned)dice_below(dice, 90);
	draft->interrupts = dice_one_in(dice, 3) ? 0 : (unsigned)dice_below(dice, 50);
	draft->declines = dice_one_in(dice, 3) ? (unsigned)dice_size(dice, 600) : 0;
}

void draft_make(struct draft *draft, uint64_t seed)
{
	struct maker m = { .draft = draft, .dice = { seed } };
	unsigned style;
	uint64_t bytes;

	memset(draft, 0, sizeof *draft);
	draft->seed = seed;
	style = (unsigned)dice_below(&m.dice, 22);
	m.style = style < 1 ? STYLE_TEE : style < 3 ? STYLE_SHARE : style < 13 ? STYLE_KERNEL : style < 18 ? STYLE_CONTENT : STYLE_CHANGE;
	m.faulty = dice_one_in(&m.dice, 6);
	m.timed = dice_one_in(&m.dice, 3);
	m.disk = dice_one_in(&m.dice, 3);
	m.most_bytes = m.style == STYLE_SHARE || dice_one_in(&m.dice, 2) ? 3000000 : 2000;
	draft->root = node_make(&m, depth(&m.dice), 0, &bytes);
	sink_make(&m, bytes);
	options_make(&m, bytes);
	phases_make(&m, bytes);
}
