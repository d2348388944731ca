/* SPDX-License-Identifier: MIT */
#include "oracle.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- forward: from array to array ---- */

static void code_escape(const unsigned char *bytes, uint64_t length, bool last, struct bytes *ret)
{
	for (uint64_t i = 0; i < length; i++) {
		bool special = bytes[i] == 0x7d || bytes[i] == 0x7e;

		if (special)
			bytes_byte(ret, 0x7d);
		bytes_byte(ret, special ? bytes[i] ^ 0x20 : bytes[i]);
	}
	if (last)
		bytes_byte(ret, 0x7e);
}

static void code_runs(const unsigned char *bytes, uint64_t length, bool last, struct bytes *ret)
{
	for (uint64_t i = 0, run; i < length; i += run) {
		for (run = 1; run < 255 && i + run < length && bytes[i + run] == bytes[i]; run++)
			;
		if (i + run == length && run < 255 && !last)
			break;	/* it may go on */
		bytes_byte(ret, (unsigned char)run);
		bytes_byte(ret, bytes[i]);
	}
}

void oracle_code(enum coder coder, const unsigned char *bytes, uint64_t length, bool last, struct bytes *ret)
{
	ret->length = 0;
	switch (coder) {
	case CODER_ESCAPE:
		code_escape(bytes, length, last, ret);
		break;
	case CODER_THIRD:
		for (uint64_t i = 0; i < length; i++)
			if (i % 3 != 2)
				bytes_byte(ret, bytes[i]);
		break;
	case CODER_RUNS:
		code_runs(bytes, length, last, ret);
		break;
	default:
		bytes_add(ret, bytes, length);
	}
}

static size_t own(size_t (*write)(uint64_t, unsigned char *), uint64_t piece, struct bytes *to)
{
	unsigned char bytes[ORACLE_FRAME_BYTES];
	size_t length = write ? write(piece, bytes) : 0;

	bytes_add(to, bytes, length);
	return length;
}

static const char *frame_forward(struct stage *s)
{
	const char *wrong = NULL;
	uint64_t at = 0;

	s->made.length = 0;
	for (size_t i = 0; i + s->unborn < s->pieces.count; i++) {
		uint64_t n = s->pieces.at[i];

		if (!n || n > s->piece_most)
			wrong = "a frame made a piece of no bytes, or larger than it may";
		if (n > s->in.length - at)
			wrong = "a frame announced more bytes than come";
		if (wrong)
			break;
		own(s->framing->before, n, &s->made);
		bytes_add(&s->made, s->in.bytes + at, n);
		own(s->framing->after, n, &s->made);
		at += n;
	}
	s->out = (struct stream){
		.framed = true, .ended = s->in.ended && at == s->in.length && !s->no_finish, .error = at == s->in.length ? s->in.error : 0,
	};
	if (s->out.ended && s->framing->finish) {
		unsigned char bytes[ORACLE_FRAME_BYTES];

		bytes_add(&s->made, bytes, s->framing->finish(bytes));
	}
	s->out.bytes = s->made.data;
	s->out.length = s->made.length;
	return wrong;
}

/* Also when it is wrong, out is what can be made of it. */
static const char *stage_forward(struct stage *s)
{
	const char *wrong = NULL;
	uint64_t skip = 0;

	s->out = s->in;
	switch (s->act) {
	case ACT_PASS:
		return NULL;
	case ACT_SKIP:
		if (s->dropped > s->in.length)
			wrong = "a section skipped more than came";
		skip = least(s->skip, s->in.length);
		s->out.bytes = skip ? s->in.bytes + skip : s->in.bytes;
		s->out.length -= skip;
		__attribute__((fallthrough));
	case ACT_CUT:
		if (s->out.length >= s->cut && skip == s->skip)
			s->out.length = s->cut;
		else if (!s->stopped)
			return wrong;
		s->out.ended = true;
		s->out.error = 0;
		return wrong;
	case ACT_FRAME:
		return frame_forward(s);
	default:
		if (s->took > s->in.length)
			wrong = "a changer was given more than there is";
		oracle_code(s->coder, s->in.bytes, s->in.length, s->in.ended, &s->made);
		s->out.framed = false;
		s->out.bytes = s->made.data;
		s->out.length = s->made.length;
		return wrong;
	}
}

/* Only a frame lacks room; and what has ended, or gives all that a limit lets pass, needs nobody to stop it. */
static bool may_stop(const struct stage *s)
{
	bool cuts = s->act == ACT_CUT || s->act == ACT_SKIP;

	return cuts && s->in.framed && !s->in.ended && (s->in.length < s->skip || s->in.length - s->skip < s->cut);
}

/*
 * A limit that has no room for a frame's next piece stops the stream. Which one does is the library's choice; it shows in who
 * below was told that the stream has ended, or in over. False: somebody above these stages did.
 */
static bool stages_forward(struct stage *const *stage, unsigned stages, struct stream in, bool over, struct stream *ret_out,
			   const char **wrong)
{
	struct stage *stopper = NULL;

	for (unsigned i = 0; i < stages; i++)
		stage[i]->stopped = false;
	for (unsigned i = 0; i <= stages; i++) {
		bool told_end = i < stages ? stage[i]->told_end : over;
		const char *now;

		if (told_end && !in.ended && stopper) {
			for (stopper->stopped = true; stage[--i] != stopper;)
				;
			in = stopper->in;
			stopper = NULL;
		} else if (told_end && !in.ended) {
			return false;
		}
		if (i == stages)
			break;
		stage[i]->in = in;
		now = stage_forward(stage[i]);
		*wrong = *wrong ? *wrong : now;
		if (stage[i]->act == ACT_FRAME || stage[i]->act == ACT_CHANGE)
			stopper = NULL;
		else if (may_stop(stage[i]) && !stage[i]->stopped)
			stopper = stage[i];
		in = stage[i]->out;
	}
	*ret_out = in;
	return true;
}

/* ---- backward: from what was accepted to what crossed ---- */

/* Of the first bytes of a frame's output, the payload. */
static uint64_t payload_in(const struct stage *s, uint64_t bytes, bool *ret_whole)
{
	unsigned char text[ORACLE_FRAME_BYTES];
	uint64_t payload = 0, at = 0;

	for (size_t i = 0; i + s->unborn < s->pieces.count && at < bytes; i++) {
		uint64_t n = s->pieces.at[i];
		uint64_t head = s->framing->before ? s->framing->before(n, text) : 0;
		uint64_t tail = s->framing->after ? s->framing->after(n, text) : 0;
		uint64_t into = least(bytes - at, head + n);

		payload += into > head ? into - head : 0;
		at += head + n + tail;
	}
	*ret_whole = at == bytes || bytes == s->out.length;
	return payload;
}

static void stage_backward(struct stage *s, uint64_t from, uint64_t to)
{
	bool whole;

	s->in_from = from;
	s->in_to = s->out_to = to;
	if (s->act == ACT_SKIP) {
		s->in_from += s->dropped;
		s->in_to += s->dropped;
	} else if (s->act == ACT_FRAME) {
		s->in_from = payload_in(s, from, &whole);
		s->in_to = payload_in(s, to, &s->whole);
	} else if (s->act == ACT_CHANGE) {	/* above it counts what it took, whatever became of that */
		s->in_from = 0;
		s->in_to = s->took;
	}
}

static void stages_backward(struct stage *const *stage, unsigned stages, uint64_t *from, uint64_t *to)
{
	while (stages--) {
		stage_backward(stage[stages], *from, *to);
		*from = stage[stages]->in_from;
		*to = stage[stages]->in_to;
	}
}

static uint64_t within(uint64_t at, uint64_t begin, uint64_t end)
{
	return at <= begin ? 0 : least(at, end) - begin;
}

static void node_backward(struct node *node, uint64_t from, uint64_t to)
{
	node->out_to = to;
	stages_backward(node->stage, node->stages, &from, &to);
	node->in_from = from;
	node->in_to = to;
	for (unsigned i = 0; i < node->parts; i++)
		node_backward(node->part[i], within(from, node->at[i], node->at[i + 1]), within(to, node->at[i], node->at[i + 1]));
}

bool oracle_short(struct stage *const *stage, unsigned stages)
{
	for (unsigned i = 0; i < stages; i++)
		if (stage[i]->exact && stage[i]->in_to < stage[i]->cut)
			return true;
	return false;
}

/* A part that has ended is asked whether its exact limits are content, when all it gives has been delivered. */
static bool part_short(struct node *part)
{
	node_backward(part, 0, part->out.length);
	for (; part; part = part->queue || !part->parts ? NULL : part->part[0])
		if (oracle_short(part->stage, part->stages))
			return true;
	return false;
}

static void node_forward(const struct oracle *oracle, struct node *node, bool over, const char **wrong);

static void queue_forward(const struct oracle *oracle, struct node *node, const char **wrong)
{
	bool open = true;

	node->joined.length = 0;
	for (unsigned i = 0; i < node->parts; i++) {
		const struct stream *out = &node->part[i]->out;

		node_forward(oracle, node->part[i], node->part[i]->over, wrong);
		node->at[i] = node->joined.length;
		node->in.framed = node->in.framed || out->framed;
		if (open) {
			bytes_add(&node->joined, out->bytes, out->length);
			node->in.error = !out->ended ? out->error : part_short(node->part[i]) ? oracle->short_error : 0;
		}
		node->at[i + 1] = node->joined.length;
		open = open && out->ended && !node->in.error;
	}
	node->in.bytes = node->joined.data;
	node->in.length = node->joined.length;
	node->in.ended = open && node->closed;
}

static void view_forward(const struct oracle *oracle, struct node *node, bool over, const char **wrong)
{
	node_forward(oracle, node->part[0], over, wrong);
	node->in = node->part[0]->out;
	node->at[1] = node->in.length;
}

static void node_forward(const struct oracle *oracle, struct node *node, bool over, const char **wrong)
{
	bool view = node->parts && !node->queue;

	node->in = (struct stream){ .bytes = node->content.data, .length = node->content.length, .ended = !node->error,
				    .error = node->error };
	if (node->queue)
		queue_forward(oracle, node, wrong);
	else if (view)
		view_forward(oracle, node, false, wrong);
	if (stages_forward(node->stage, node->stages, node->in, over, &node->out, wrong))
		return;
	if (view)
		view_forward(oracle, node, true, wrong);
	if (!stages_forward(node->stage, node->stages, node->in, over, &node->out, wrong))
		*wrong = *wrong ? *wrong : "somebody was told of an end that is none";
}

/* ---- the whole ---- */

static bool whole_forward(struct oracle *oracle, bool source_over, const char **wrong)
{
	struct stream rest;
	uint64_t at = 0;

	node_forward(oracle, oracle->root, source_over, wrong);
	rest = oracle->root->out;
	oracle->rest.length = 0;
	for (unsigned i = 0; i < oracle->reads; i++) {
		if (oracle->read[i].at < at || oracle->read[i].at + oracle->read[i].length > rest.length) {
			*wrong = *wrong ? *wrong : "leat_read gave more than there is";
			return true;
		}
		bytes_add(&oracle->rest, rest.bytes + at, oracle->read[i].at - at);
		at = oracle->read[i].at + oracle->read[i].length;
	}
	if (oracle->reads) {
		bytes_add(&oracle->rest, rest.bytes + at, rest.length - at);
		rest.bytes = oracle->rest.data;
		rest.length = oracle->rest.length;
	}
	return stages_forward(oracle->stage, oracle->stages, rest, oracle->over, &oracle->final, wrong);
}

const char *oracle_forward(struct oracle *oracle)
{
	const char *wrong = NULL;

	if (!whole_forward(oracle, false, &wrong) && !whole_forward(oracle, true, &wrong))
		return wrong ? wrong : "the end was told of too early";
	return wrong;
}

/* A place behind the reads, as it stands before them; after says on which side of a read at the very place. */
static uint64_t before_reads(const struct oracle *oracle, uint64_t at, bool after)
{
	for (unsigned i = 0; i < oracle->reads; i++)
		if (oracle->read[i].at < at || (oracle->read[i].at == at && after))
			at += oracle->read[i].length;
	return at;
}

void oracle_backward(struct oracle *oracle, uint64_t bytes)
{
	uint64_t from = 0, to = bytes;

	stages_backward(oracle->stage, oracle->stages, &from, &to);
	oracle->source_from = from ? before_reads(oracle, from, false) : 0;
	oracle->source_to = before_reads(oracle, to, true);
	node_backward(oracle->root, oracle->source_from, oracle->source_to);
}
