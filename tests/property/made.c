/* SPDX-License-Identifier: MIT */
/* The wrappers of a case: shipped ones, and our own of each need, which write down what they are told. */
#include "property.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static const char *name(const struct made *made)
{
	return made_name(made->draft->kind);
}

/* ---- what everybody writes down ---- */

static void note(struct made *made, const struct leat_event *event)
{
	switch (event->kind) {
	case LEAT_EVENT_BEGIN:
		REQUIRE(!made->running, "%s was told of a second begin", name(made));
		REQUIRE(event->report, "%s was told of a begin without a report", name(made));
		made->running = true;
		made->begins++;
		break;
	case LEAT_EVENT_MOVED:
		made->told += event->bytes;
		break;
	case LEAT_EVENT_END:
		REQUIRE(made->running, "%s was told of an end without a begin", name(made));
		REQUIRE(event->report, "%s was told of an end without a report", name(made));
		made->running = false;
		made->ends++;
		made->ended_bytes += event->bytes;
		made->end_bytes = event->report->bytes;
		break;
	default:
		break;
	}
}

void made_event(struct leat_wrapper *wrapper, const struct leat_event *event)
{
	note((struct made *)wrapper, event);
}

void made_release(struct leat_wrapper *wrapper)
{
	struct made *made = (struct made *)wrapper;

	REQUIRE(!made->releases++, "%s was released twice", name(made));
}

void made_moved(struct leat_wrapper *wrapper, uint64_t bytes, enum leat_route route)
{
	struct made *made = (struct made *)wrapper;

	REQUIRE(bytes, "%s was charged nothing", name(made));
	made->moved += bytes;
	world->moves += bytes;
	if (made->draft->kind == MADE_PAUSE && made->moved / made->draft->a != (made->moved - bytes) / made->draft->a)
		made->gate_ns = world->now_ns + made->draft->b;
}

static void made_skipped(struct leat_wrapper *wrapper, uint64_t bytes)
{
	struct made *made = (struct made *)wrapper;

	REQUIRE(bytes, "%s was told of nothing skipped", name(made));
	made->skipped += bytes;
	world->moves += bytes;
}

static void log_told(void *arg, const struct leat_event *event)
{
	note(arg, event);
}

static void trace_told(void *arg, const void *id, const struct leat_event *event)
{
	REQUIRE(id == (const char *)arg + 1, "a trace's id was changed");
	note(arg, event);
}

static void progress_told(void *arg, const struct leat_progress_state *state)
{
	struct made *made = arg;

	made->ends += state->ended != 0;
	made->ended_bytes += state->ended ? state->bytes : 0;
}

/* ---- allow: pure, as asked often ---- */

static uint64_t at_least(const struct leat_budget *budget, uint64_t bytes)
{
	bytes = bytes > budget->at_least ? bytes : budget->at_least;
	return bytes < budget->bytes ? bytes : budget->bytes;
}

static int trickle_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	const struct made *made = (struct made *)wrapper;
	struct dice dice = { made->moved + made->draft->how };
	uint64_t most = made->draft->a ? made->draft->a : 1000000, bytes = most / 2 + 1 + dice_below(&dice, most);

	budget->bytes = at_least(budget, trickles_blocks(made->draft) ? bytes - bytes % DRAFT_BLOCK : bytes);
	return 0;
}

static int pause_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	const struct made *made = (struct made *)wrapper;

	if (budget->now_ns >= made->gate_ns) {
		budget->bytes = at_least(budget, made->draft->a - made->moved % made->draft->a);
		return 0;
	}
	if (made->gate_ns < budget->wake_at_ns)
		budget->wake_at_ns = made->gate_ns;
	if (made->draft->how & 1)
		return LEAT_WAIT;
	budget->bytes = 0;
	return 0;
}

static int cut_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	const struct made *made = (struct made *)wrapper;
	uint64_t passed = made->moved + made->skipped;

	if (passed >= made->draft->a)
		return LEAT_END;
	if (budget->bytes > made->draft->a - passed)
		budget->bytes = made->draft->a - passed;
	return 0;
}

static int fault_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	struct made *made = (struct made *)wrapper;

	made->refused = made->moved >= made->draft->a;
	return made->refused ? -EDOM : 0;
}

/* Three looks at it, each later than the one before. What leat_read was told by the system's clock is far off for the case's. */
static int finish_late(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	struct made *made = (struct made *)wrapper;
	uint64_t pause_ns = made->draft->how * (LEAT_SECOND / 1000);

	if (made->finishes >= 3)
		return 0;
	if (budget->now_ns >= made->finish_ns || made->finish_ns > budget->now_ns + pause_ns) {
		made->finishes++;
		made->finish_ns = budget->now_ns + pause_ns;
	}
	budget->wake_at_ns = made->finish_ns;
	return made->finishes < 3 ? LEAT_WAIT : 0;
}

/* ---- content ---- */

static int see(struct leat_wrapper *wrapper, const void *bytes, size_t length)
{
	struct made *made = (struct made *)wrapper;

	REQUIRE(bytes, "%s saw bytes at NULL", name(made));
	bytes_add(&made->seen, bytes, length);
	return made->draft->kind == MADE_SEE_FAULT && made->seen.length >= made->draft->a ? -ERANGE : 0;
}

static int hash_init(void *state)
{
	struct made *made = state;

	REQUIRE(!made->begins++, "a hash was begun twice");
	return 0;
}

static int hash_update(void *state, const void *bytes, size_t length)
{
	struct made *made = state;

	REQUIRE(made->begins == 1 && !made->finishes, "a hash was given bytes %s", made->begins ? "after its end" : "before its begin");
	bytes_add(&made->seen, bytes, length);
	return 0;
}

static int hash_finish(void *state)
{
	struct made *made = state;

	REQUIRE(!made->finishes++, "a hash was finished twice");
	return 0;
}

static const struct leat_hash_ops my_hash = { "my-hash", hash_init, hash_update, hash_finish };

/* ---- frames that write down their pieces ---- */

static const struct leat_frame_ops *chunked;

static size_t frame_before(struct leat_frame *frame, uint64_t n, unsigned char out[LEAT_FRAME_BYTES])
{
	struct made *made = (struct made *)frame;
	struct stage *stage = &made->stage;

	/* Asked again: the one before had no byte sent. */
	if (stage->pieces.count && frame->piece_left)
		stage->pieces.count--;
	numbers_add(&stage->pieces, n);
	made->finishes = 0;
	if (made->draft->kind == MADE_CHUNKED)
		return chunked->before(frame, n, out);
	return stage->framing->before ? stage->framing->before(n, out) : 0;
}

static size_t frame_after(struct leat_frame *frame, uint64_t n, unsigned char out[LEAT_FRAME_BYTES])
{
	const struct made *made = (struct made *)frame;

	if (made->draft->kind == MADE_CHUNKED)
		return chunked->after(frame, n, out);
	return made->stage.framing->after ? made->stage.framing->after(n, out) : 0;
}

static size_t frame_finish(struct leat_frame *frame, unsigned char out[LEAT_FRAME_BYTES])
{
	struct made *made = (struct made *)frame;

	made->finishes = 1;
	if (made->draft->kind == MADE_CHUNKED)
		return chunked->finish(frame, out);
	return made->stage.framing->finish ? made->stage.framing->finish(out) : 0;
}

static const struct leat_frame_ops frame_ops = {
	.name = "my-frame",
	.before = frame_before,
	.after = frame_after,
	.finish = frame_finish,
	.release = made_release,
};

static struct leat_wrapper *new_frame(struct made *made)
{
	struct stage *stage = &made->stage;
	struct leat_wrapper *wrapper;

	stage->act = ACT_FRAME;
	stage->piece_most = made->draft->a ? made->draft->a : UINT64_MAX;
	stage->framing = &framings[made->draft->kind == MADE_CHUNKED ? 0 : made->draft->how % 6];
	if (made->draft->kind == MADE_FRAME)
		return leat_frame_init(&made->as.frame, &frame_ops, made->draft->a);
	wrapper = leat_chunked_init(&made->as.frame, made->draft->a);
	chunked = made->as.frame.ops;
	made->as.frame.ops = &frame_ops;
	return wrapper;
}

/* ---- making them ---- */

#define MINE .event = made_event, .moved = made_moved, .skipped = made_skipped, .release = made_release
static const struct leat_wrapper_ops mine[MADE_KINDS] = {
	[MADE_NOTHING] = { .name = "my-nothing" },
	[MADE_TALLY] = { .name = "my-tally", .need = LEAT_NEED_COUNTS, MINE },
	[MADE_EDGES] = { .name = "my-edges", .need = LEAT_NEED_BOUNDARIES, MINE },
	[MADE_TRICKLE] = { .name = "my-trickle", .allow = trickle_allow, MINE },
	[MADE_PAUSE] = { .name = "my-pause", .allow = pause_allow, MINE },
	[MADE_CUT] = { .name = "my-cut", .need = LEAT_NEED_COUNTS, .allow = cut_allow, MINE },
	[MADE_FINISH] = { .name = "my-finish", .finish = finish_late, MINE },
	[MADE_FAULT] = { .name = "my-fault", .need = LEAT_NEED_COUNTS, .allow = fault_allow, MINE },
	[MADE_SEE] = { .name = "my-see", .need = LEAT_NEED_CONTENT, .see = see, MINE },
	[MADE_SEE_FAULT] = { .name = "my-see-fault", .need = LEAT_NEED_CONTENT, .see = see, MINE },
};

/* The second sink is a callback, or a pipe: what comes from a socket then goes by tee(2). */
static struct leat_wrapper *new_tee(struct made *made)
{
	int fds[2];

	if (made->draft->how & 128 && made->draft->b == NEVER && world->tees < 2 * DEPTH) {
		peers_make(LEAF_PIPE, fds, made->draft->how & 64 ? 1 : 0);
		made->second_peer = fds[0];
		made->second_fd = fds[1];
		for (unsigned i = 0; i < 2; i++)
			fcntl(fds[i], F_SETFL, fcntl(fds[i], F_GETFL) | O_NONBLOCK);
		leat_to_fd(&made->second_sink, made->second_fd);
		world->tee[world->tees++] = made;
	} else {
		leat_to_callback(&made->second_sink, &second_ops, made);
	}
	made->second_buffer = malloc(made->draft->a);
	return leat_tee_init(&made->as.tee, &made->second_sink, made->draft->how % 3, made->second_buffer, made->draft->a);
}

static struct leat_wrapper *new_cut(struct made *made, uint64_t cut)
{
	made->stage.act = ACT_CUT;
	made->stage.cut = cut;
	return &made->as.wrapper;
}

static struct leat_wrapper *new_shaper(struct made *made)
{
	const struct made_draft *draft = made->draft;

	switch (draft->kind) {
	case MADE_LIMIT:
		new_cut(made, draft->a);
		return leat_limit_init(&made->as.limit, draft->a);
	case MADE_EXACT:
		new_cut(made, draft->a);
		made->stage.exact = true;
		return leat_limit_init_exact(&made->as.limit, draft->a);
	case MADE_SECTION:
		new_cut(made, draft->b);
		made->stage.act = ACT_SKIP;
		made->stage.skip = draft->a;
		return leat_section_init(&made->as.limit, draft->a, draft->b);
	case MADE_RATE:
		return leat_rate_init(&made->as.rate, draft->a, draft->b);
	default:
		return leat_deadline_init(&made->as.deadline, draft->a, draft->b);
	}
}

static struct leat_wrapper *new_watcher(struct made *made)
{
	switch (made->draft->kind) {
	case MADE_COUNT:
		return leat_count_init(&made->as.count);
	case MADE_LOG:
		return leat_log_init(&made->as.log, log_told, made);
	case MADE_TRACE:
		return leat_trace_init(&made->as.trace, (char *)made + 1, made->draft->a, trace_told, made);
	default:
		return leat_progress_init(&made->as.progress, made->draft->a, progress_told, made);
	}
}

struct made *made_new(const struct made_draft *draft)
{
	struct made *made = calloc(1, sizeof *made);
	struct leat_wrapper *wrapper;

	if (!made)
		abort();
	made->draft = draft;
	made->second_fd = made->second_peer = -1;
	switch (draft->kind) {
	case MADE_LIMIT: case MADE_EXACT: case MADE_SECTION: case MADE_RATE: case MADE_DEADLINE:
		wrapper = new_shaper(made);
		break;
	case MADE_COUNT: case MADE_LOG: case MADE_TRACE: case MADE_PROGRESS:
		wrapper = new_watcher(made);
		break;
	case MADE_CHUNKED: case MADE_FRAME:
		wrapper = new_frame(made);
		break;
	case MADE_HASH:
		wrapper = leat_hash_init(&made->as.hash, &my_hash, made);
		break;
	case MADE_XXH3:
		wrapper = leat_xxh3_init(&made->as.xxh3);
		break;
	case MADE_TEE:
		wrapper = new_tee(made);
		break;
	case MADE_ESCAPE: case MADE_THIRD: case MADE_RUNS: case MADE_SAME:
		made->stage.act = ACT_CHANGE;
		made->stage.coder = CODER_ESCAPE + (draft->kind - MADE_ESCAPE);
		coder_init(made);
		wrapper = leat_wrapper_init(&made->as.wrapper, &coder_ops[made->stage.coder]);
		break;
	default:
		if (draft->kind == MADE_CUT)
			new_cut(made, draft->a);
		wrapper = leat_wrapper_init(&made->as.wrapper, &mine[draft->kind]);
	}
	REQUIRE(wrapper == &made->as.wrapper, "%s's init returned another wrapper", name(made));
	return made;
}

void made_free(struct made *made)
{
	if (!made)
		return;
	leat_close_sink(&made->second_sink);
	if (made->second_fd >= 0) {
		close(made->second_fd);
		close(made->second_peer);
	}
	bytes_free(&made->seen);
	bytes_free(&made->fed);
	bytes_free(&made->second);
	bytes_free(&made->stage.made);
	free(made->stage.pieces.at);
	free(made->second_buffer);
	free(made);
}
