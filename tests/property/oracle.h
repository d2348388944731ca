/* SPDX-License-Identifier: MIT */
/*
 * The oracle of the property test: what a stack of wrappers has to do, worked out on whole arrays of bytes. It knows nothing
 * of the library: a stage is a function from one array to another, forward; and backward from how many bytes the sink
 * accepted to how many crossed each place. Only what a stage may choose freely is taken from a record of the run, and then
 * checked by what it leads to: the sizes of a frame's pieces, how much a changer took, and how far a section has got with
 * dropping.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include "dice.h"

#define ORACLE_DEPTH 12
#define ORACLE_PARTS 4
#define ORACLE_SINK_STAGES 24
#define ORACLE_READS 8
#define ORACLE_FRAME_BYTES 40

enum act { ACT_PASS, ACT_CUT, ACT_SKIP, ACT_FRAME, ACT_CHANGE };
enum coder { CODER_ESCAPE, CODER_THIRD, CODER_RUNS, CODER_SAME, CODERS };

struct stream {
	const unsigned char *bytes;
	uint64_t length;
	bool ended;		/* nothing follows; else it is not known what */
	bool framed;		/* comes out of a frame, with nothing between that changes bytes */
	int error;		/* met after the last byte */
};

struct framing {		/* each writes at most ORACLE_FRAME_BYTES and returns how many; NULL: none */
	const char *name;
	size_t (*before)(uint64_t piece_bytes, unsigned char *out);
	size_t (*after)(uint64_t piece_bytes, unsigned char *out);
	size_t (*finish)(unsigned char *out);
};

struct stage {
	enum act act;
	uint64_t cut, skip;
	bool exact;			/* fewer than cut is an error at the end */
	const struct framing *framing;
	uint64_t piece_most;
	enum coder coder;
	/* recorded */
	uint64_t dropped;		/* SKIP: of skip */
	struct numbers pieces;		/* FRAME: payload of each */
	bool unborn, no_finish;		/* FRAME: the last of them, or the finish, had no room and never began */
	uint64_t took;			/* CHANGE: of its input */
	bool told_end;			/* FRAME, CHANGE: that its input has ended */
	/* found */
	struct stream in, out;
	struct bytes made;		/* FRAME, CHANGE: what out stands in */
	uint64_t in_from, in_to;	/* at its input, [in_from, in_to) crossed; what is before was dropped further on */
	uint64_t out_to;		/* accepted of its output, dropped ones included */
	bool whole;			/* FRAME: out_to is between pieces */
	bool stopped;			/* CUT, SKIP: ended early, for a frame above has no room below it for a piece */
};

struct node {
	bool queue, closed;		/* closed: no part follows */
	bool over;			/* of a part: the library says that it has ended well */
	struct node *part[ORACLE_PARTS];	/* of a queue; the one below a view is part[0] */
	unsigned parts;
	struct bytes content;		/* of a leaf */
	int error;			/* of a leaf, after content */
	struct stage *stage[ORACLE_DEPTH];
	unsigned stages;
	/* found */
	struct stream in, out;
	struct bytes joined;
	uint64_t at[ORACLE_PARTS + 1];	/* where each part begins in joined */
	uint64_t in_from, in_to, out_to;
};

struct oracle {
	struct node *root;
	struct stage *stage[ORACLE_SINK_STAGES];	/* of the sink, in the direction of the bytes */
	unsigned stages;
	struct { uint64_t at, length; } read[ORACLE_READS];	/* taken off between source and sink, in order */
	unsigned reads;
	int short_error;		/* what an exact limit gives */
	bool over;			/* the library says that the whole has ended well */
	/* found */
	struct stream final;
	struct bytes rest;		/* what the source gives, without the reads */
	uint64_t source_from, source_to;	/* as in_from and in_to, where source and sink meet */
};

/* All streams, as far as they are known. NULL, or what the record shows that may never be. */
const char *oracle_forward(struct oracle *oracle);
/* What crossed each place once the sink has accepted bytes. */
void oracle_backward(struct oracle *oracle, uint64_t bytes);
/* Some exact limit on these stages got fewer than it wants. */
bool oracle_short(struct stage *const *stage, unsigned stages);

/* What a coder makes of bytes; last: nothing follows. */
void oracle_code(enum coder coder, const unsigned char *bytes, uint64_t length, bool last, struct bytes *ret);

#endif
