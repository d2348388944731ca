/* SPDX-License-Identifier: MIT */
/* Changers that take and give in odd portions and keep something back, and the texts of frames. */
#include "property.h"

/* ---- changers: by byte, through a queue of what is to be given ---- */

void coder_init(struct made *made)
{
	memset(&made->coder, 0, sizeof made->coder);
}

static void put(struct coder_state *c, unsigned char byte)
{
	c->pending[c->length++] = byte;
}

static void put_run(struct coder_state *c)
{
	if (c->run) {
		put(c, (unsigned char)c->run);
		put(c, c->byte);
	}
	c->run = 0;
}

static void take(struct coder_state *c, enum coder coder, unsigned char byte)
{
	bool special = byte == 0x7d || byte == 0x7e;

	if (coder == CODER_ESCAPE) {
		if (special)
			put(c, 0x7d);
		put(c, special ? byte ^ 0x20 : byte);
	} else if (coder == CODER_THIRD) {
		if (c->index != 2)
			put(c, byte);
		c->index = (c->index + 1) % 3;
	} else if (coder == CODER_RUNS) {
		if (c->run == 255 || byte != c->byte)
			put_run(c);
		c->byte = byte;
		c->run++;
		if (c->run == 255)
			put_run(c);
	} else {
		put(c, byte);
	}
}

static void take_last(struct coder_state *c, enum coder coder)
{
	c->over = true;
	if (coder == CODER_ESCAPE)
		put(c, 0x7e);
	else if (coder == CODER_RUNS)
		put_run(c);
}

/* As much of pending as fits and is allowed; keep: so many stay until more come. */
static void give(struct coder_state *c, struct leat_change *change, size_t most, size_t keep)
{
	while (c->length - c->off > keep && change->produced < change->out_bytes && change->produced < most)
		change->out[change->produced++] = c->pending[c->off++];
	memmove(c->pending, c->pending + c->off, c->length - c->off);
	c->length -= c->off;
	c->off = 0;
}

/* In portions of about a, up to 16 times that when a is given: odd sizes in and out, and some of them kept back. */
static int coder_change(struct leat_wrapper *wrapper, struct leat_change *change)
{
	struct made *made = (struct made *)wrapper;
	struct coder_state *c = &made->coder;
	enum coder coder = made->stage.coder;
	size_t portion = made->draft->a ? 1 + (size_t)dice_below(&world->dice, 2 * made->draft->a) : SIZE_MAX;
	size_t keep = made->draft->how & 1 ? made->draft->how % 200 : 0;

	REQUIRE(change->in_bytes || change->last, "%s was asked to change nothing", made_name(made->draft->kind));
	REQUIRE(!change->last || !change->in_bytes || change->in, "%s got bytes at NULL", made_name(made->draft->kind));
	while (change->produced < change->out_bytes && change->produced < portion) {
		while (c->length < 300 && change->consumed < change->in_bytes && change->consumed < portion)
			take(c, coder, change->in[change->consumed++]);
		if (change->last && change->consumed == change->in_bytes && !c->over && c->length < 300)
			take_last(c, coder);
		if (c->length <= (c->over ? 0 : keep))
			break;
		give(c, change, portion, c->over ? 0 : keep);
	}
	bytes_add(&made->fed, change->in, change->consumed);
	made->stage.took += change->consumed;
	made->gave += change->produced;
	world->moves += change->consumed + change->produced;
	return c->over && !c->length ? LEAT_END : 0;
}

#define CODER(text) \
	{ .name = text, .need = LEAT_NEED_CHANGE, .change = coder_change, .event = made_event, .release = made_release }

const struct leat_wrapper_ops coder_ops[CODERS] = {
	[CODER_ESCAPE] = CODER("my-escape"),
	[CODER_THIRD] = CODER("my-third"),
	[CODER_RUNS] = CODER("my-runs"),
	[CODER_SAME] = CODER("my-same"),
};

/* ---- frames ---- */

static size_t chunk_before(uint64_t n, unsigned char *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t length = 1;

	while (length < 16 && n >> (4 * length))
		length++;
	for (size_t i = 0; i < length; i++)
		out[i] = (unsigned char)digits[n >> (4 * (length - 1 - i)) & 15];
	memcpy(out + length, "\r\n", 2);
	return length + 2;
}

static size_t chunk_after(uint64_t n, unsigned char *out)
{
	memcpy(out, "\r\n", 2);
	return 2;
}

static size_t chunk_finish(unsigned char *out)
{
	memcpy(out, "0\r\n\r\n", 5);
	return 5;
}

static size_t binary_before(uint64_t n, unsigned char *out)
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (unsigned char)(n >> (8 * i));
	return 8;
}

static size_t mark_after(uint64_t n, unsigned char *out)
{
	out[0] = '<';
	out[1] = (unsigned char)(n * 37);
	out[2] = '>';
	return 3;
}

static size_t long_before(uint64_t n, unsigned char *out)
{
	memset(out, 'h', ORACLE_FRAME_BYTES);
	binary_before(n, out);
	return ORACLE_FRAME_BYTES;
}

static size_t long_after(uint64_t n, unsigned char *out)
{
	memset(out, 't', ORACLE_FRAME_BYTES);
	return ORACLE_FRAME_BYTES;
}

static size_t long_finish(unsigned char *out)
{
	memset(out, 'f', ORACLE_FRAME_BYTES);
	return ORACLE_FRAME_BYTES;
}

/* Fewer bytes may need a longer header. */
static size_t odd_before(uint64_t n, unsigned char *out)
{
	size_t length = 1 + n % 7;

	memset(out, (int)('0' + length), length);
	return length;
}

static size_t end_finish(unsigned char *out)
{
	memcpy(out, "END", 3);
	return 3;
}

const struct framing framings[] = {
	{ "chunked", chunk_before, chunk_after, chunk_finish },
	{ "binary", binary_before, mark_after, NULL },
	{ "tail", NULL, mark_after, end_finish },
	{ "long", long_before, long_after, long_finish },
	{ "odd", odd_before, NULL, end_finish },
	{ "bare", NULL, NULL, NULL },
};
