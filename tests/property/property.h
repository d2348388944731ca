/* SPDX-License-Identifier: MIT */
/*
 * The property test. A case is a draft (draft.c), made from a seed: plain numbers that can be printed, and made smaller
 * while they still fail. A world is the draft built: descriptors, peers, wrappers (ends.c, made.c). It is run in one or more
 * phases (run.c) behind a seam that injects faults and counts (seam.c), and judged after each phase against the oracle
 * (judge.c, oracle.c).
 */
#ifndef PROPERTY_H
#define PROPERTY_H

#include "any-wrapper.h"
#include "dice.h"
#include "leat.h"
#include "oracle.h"

#include <stdio.h>

#define DEPTH ORACLE_DEPTH
#define PARTS ORACLE_PARTS
#define NODES 20
#define SINKS 3		/* a base and two views */
#define PHASES 4
#define NEVER UINT64_MAX
#define DRAFT_BLOCK 4096	/* extents are shared by such blocks */

/* ---- the draft ---- */

enum made_kind {
	MADE_LIMIT, MADE_EXACT, MADE_SECTION, MADE_RATE, MADE_DEADLINE, MADE_COUNT, MADE_LOG, MADE_TRACE, MADE_PROGRESS,
	MADE_CHUNKED, MADE_FRAME,
	MADE_NOTHING, MADE_TALLY, MADE_EDGES, MADE_TRICKLE, MADE_PAUSE, MADE_CUT, MADE_FINISH, MADE_FAULT,
	MADE_HASH, MADE_XXH3, MADE_TEE, MADE_SEE, MADE_SEE_FAULT,
	MADE_ESCAPE, MADE_THIRD, MADE_RUNS, MADE_SAME,
	MADE_KINDS
};

struct made_draft {
	uint8_t kind, how;
	bool gone;		/* taken off by the shrinker */
	uint64_t a, b;
};

struct chain_draft {
	unsigned count;
	struct made_draft made[DEPTH];
};

enum leaf_kind { LEAF_FILE_FD, LEAF_FILE, LEAF_RANGE, LEAF_MEMORY, LEAF_CALLBACK, LEAF_TCP, LEAF_UNIX, LEAF_PIPE, LEAF_KINDS };
enum sink_kind { SINK_FILE_FD, SINK_FILE, SINK_APPEND, SINK_TCP, SINK_UNIX, SINK_PIPE, SINK_MEMORY, SINK_CALLBACK, SINK_NOTHING,
		 SINK_KINDS };
enum node_kind { NODE_LEAF, NODE_VIEW, NODE_QUEUE };

struct node_draft {
	enum node_kind kind;
	enum leaf_kind leaf;
	unsigned parts, part[PARTS];	/* of a queue; of a view: part[0] */
	unsigned first;			/* parts a queue begins with; the others come while it runs */
	struct chain_draft chain;
	uint64_t size, offset, after;	/* of a leaf: its bytes, and what stands before and after them in the file */
	uint64_t fails_after;		/* a callback; NEVER: it ends well */
	bool sparse, disk, blocking, gone;
};

enum phase_way { PHASE_STEP, PHASE_COPY, PHASE_READ, PHASE_UNREAD };

struct phase_draft {
	enum phase_way way;
	uint64_t amount;		/* cancelled after so many steps (or looks at the clock); bytes to read or unread */
};

struct draft {
	uint64_t seed;
	struct node_draft node[NODES];
	unsigned nodes, root;
	enum sink_kind sink;
	unsigned sinks;
	struct chain_draft sink_chain[SINKS];	/* of the base first */
	uint64_t sink_offset, dies_after;	/* NEVER: it lives */
	bool sink_blocking, sink_disk;
	unsigned buffer_class;			/* of socket buffers: 0 as they are */
	enum leat_policy policy;
	uint32_t routes_off;
	int level_triggered;
	bool helper, clock_jumps;
	uint64_t step_bytes, pipe_bytes, buffer_bytes;
	unsigned shorts, agains, interrupts, declines;	/* of 256 calls; declines of 4096 */
	struct phase_draft phase[PHASES];
	unsigned phases;
};

void draft_make(struct draft *draft, uint64_t seed);
void draft_print(const struct draft *draft, FILE *to);
const char *leaf_name(enum leaf_kind kind);
const char *sink_name(enum sink_kind kind);
const char *made_name(enum made_kind kind);
enum leat_need made_need(enum made_kind kind);
/* The need of the most demanding wrapper anywhere in the draft. */
enum leat_need draft_need(const struct draft *draft);
unsigned draft_count(const struct draft *draft, enum made_kind kind);
/* A trickle in whole blocks. */
static inline bool trickles_blocks(const struct made_draft *made)
{
	return made->how % 2 && made->a >= 2 * DRAFT_BLOCK;
}
/* Some wrapper makes pieces that are not of whole blocks. */
bool draft_cuts_blocks(const struct draft *draft);

/* ---- the world ---- */

struct coder_state {
	unsigned char pending[512];
	unsigned length, off, index, run;
	unsigned char byte;
	bool over;
};

struct made {
	union any_wrapper as;
	const struct made_draft *draft;
	const struct leat_wrapper_ops *shipped;
	struct stage stage;
	/* what it was told */
	uint64_t moved, skipped, told, told_end, ended_bytes;
	unsigned begins, ends, releases, finishes;
	bool running, refused;
	struct bytes seen, fed;
	/* its own */
	struct coder_state coder;
	uint64_t gate_ns, finish_ns;
	struct bytes second;		/* of a tee: what its second sink got */
	struct leat_sink second_sink;
	unsigned char *second_buffer;
	int second_fd, second_peer;	/* a pipe, or -1 */
	uint64_t gave;			/* of a changer: its output */
	uint64_t end_bytes;		/* the report of the last END */
	uint64_t passed, unseen;	/* by the oracle; and of it, in leat_read, where nobody is told of an end */
};

struct place {			/* a node, built */
	const struct node_draft *draft;
	struct node node;
	struct leat_source source;
	struct leat_queue queue;
	struct made *made[DEPTH];
	struct place *part[PARTS], *parent;
	struct bytes raw, file;	/* what is given in; the whole file */
	int fd, peer, flags;
	uint64_t fed, given;	/* by the peer; by the callback */
	uint64_t inserted;	/* by leat_unread */
	unsigned added, over;	/* parts: added, released */
	bool fed_all;
	unsigned releases;
	bool closed;		/* released when everything was closed, not before */
	struct leat_report report;
};

struct world {
	const struct draft *draft;
	struct dice dice, faults;
	struct place place[NODES];
	struct place *root;
	struct leat_sink sink[SINKS];
	struct made *sink_made[SINKS][DEPTH];
	struct made *tee[2 * DEPTH];		/* those with a descriptor as second sink */
	unsigned tees;
	struct oracle oracle;
	struct leat_options options;
	struct leat_helper helper;
	int sink_fd, sink_peer, sink_flags;
	struct bytes sink_before;		/* of a file */
	struct bytes got;			/* by the peer of the sink, or its callback */
	unsigned char *memory;
	uint64_t memory_size;
	bool sink_dead;
	uint64_t accepted;			/* by the seam: what the kernel took for the sink */
	uint64_t now_ns, begin_ns;
	uint64_t really_begun_ns;		/* leat_read goes by the system's clock */
	volatile int stop;
	uint64_t stop_after;			/* looks at the clock; NEVER */
	uint64_t moves;				/* of anything: to see that nothing goes on */
	uint64_t payload_reads;			/* by the seam: read calls on a source */
	bool declined, injected, clone_failed;
	/* over all phases */
	uint64_t bytes, kept;
	struct leat_report report, last, total, planned;
	uint32_t routes;			/* bits: those that carried bytes */
	int result;
	bool cancelled, copying, over;
	struct bytes read;			/* by leat_read */
};

extern struct world *world;
extern int ready_fd;		/* always writable: what callbacks wait for */

/* Says what is wrong and ends the process. */
__attribute__((format(printf, 1, 2))) _Noreturn void wrong(const char *format, ...);
#define REQUIRE(condition, ...) \
	do { \
		if (!(condition)) \
			wrong(__VA_ARGS__); \
	} while (0)

typedef unsigned long long ull;

/* made.c, code.c */
struct made *made_new(const struct made_draft *draft);
void made_free(struct made *made);
void made_event(struct leat_wrapper *wrapper, const struct leat_event *event);
void made_moved(struct leat_wrapper *wrapper, uint64_t bytes, enum leat_route route);
void made_release(struct leat_wrapper *wrapper);
extern const struct framing framings[];
void coder_init(struct made *made);
extern const struct leat_wrapper_ops coder_ops[CODERS];

/* ends.c */
void world_build(struct world *w, const struct draft *draft);
void world_free(struct world *w);
bool world_add_part(struct world *w);	/* to an open queue that lacks some; false: nothing to add or end */
void each_made(struct world *w, void (*look)(struct made *, void *), void *arg);
void world_sink_bytes(struct world *w, struct bytes *ret);	/* what arrived at the sink */

/* peers.c */
void peers_warm(void);		/* opens what stays open */
void peers_make(int kind, int fds[2], unsigned buffer_class);
uint64_t peers_pump(struct world *w);	/* feeds sources and drains the sink, a little of each; bytes moved */
bool peers_busy(struct world *w);
void peers_drain(struct world *w);	/* everything that is on its way to the sink */
extern const struct leat_source_ops given_ops;
extern const struct leat_sink_ops taken_ops, second_ops;

/* seam.c */
enum plant { PLANT_NOTHING, PLANT_LIMIT, PLANT_CHARGE, PLANT_PIPE };
extern enum plant planted;

/* run.c, drive.c */
void world_run(struct world *w);
void drive(struct world *w, const struct phase_draft *phase);
void world_close(struct world *w);
uint64_t world_clock(void *arg);
/* Lets the peers go on until one of fds is ready, or the time has come. */
void world_settle(struct world *w, struct pollfd *fds, unsigned count, uint64_t wake_at_ns);

/* judge.c, final.c, report.c */
void judge(struct world *w);
void judge_end(struct world *w);
void judge_report_end(struct world *w);
void judge_closed(struct world *w);

/* bare.c */
void bare_compare(struct world *w);

/* property.c, shrink.c */
uint64_t draft_fails(const struct draft *draft);
bool draft_shrink(struct draft *draft);	/* false: it could not */

/* stats.c: what the cases did, over all processes */
struct stats {
	uint64_t cases, source_depth[DEPTH + 1], sink_depth[DEPTH + 1], queues, growing, views, sink_views, blocking, sparse;
	uint64_t small_buffers, policy[3], level, helper, routes_off, way[PHASE_UNREAD + 1];
	uint64_t made[MADE_KINDS], leaf[LEAF_KINDS], sink[SINK_KINDS], route[LEAT_ROUTES], injected[4], planted;
	uint64_t cancels, restarts, deaths, reads, unreads, compared, compared_clones, errors, done, bytes, parts, holes, kept, tees;
	uint64_t current, why;
	char said[200];
};
extern struct stats *stats;
void stats_note(const struct draft *draft);
int stats_print(bool strict);	/* 0, or 1: strict, and something never happened */

#endif
