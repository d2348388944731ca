/* SPDX-License-Identifier: MIT */
/*
 * leat: move bytes between descriptors without carrying them through user space.
 *
 * A source, a sink, the wrappers on them and a transfer are structs of the caller. Composing them allocates nothing and
 * returns nothing: the first misuse (NULL, wrapped twice, bad length) stays in the source or sink and comes out of
 * leat_plan, leat_copy, leat_begin and leat_read.
 *
 * Errors are negative: -errno, or one of LEAT_E... below; leat(3) says what may be done after each. NULL for a struct is
 * -EINVAL where an error can be returned, else nothing happens. Sizes are bytes in uint64_t, times are nanoseconds of
 * CLOCK_MONOTONIC.
 *
 * A source, its sink, their wrappers and their transfer belong to one thread at a time, any thread, and callbacks run on the
 * one that called; functions that take none of these, nor a queue or helper, may be called by any thread at any time.
 * Descriptors, memory, ops and arguments are borrowed until leat_close, and never closed or freed by the library.
 * Members of the structs are private unless a comment says "public". Reserved words are zero. An all-zero source is valid
 * and empty; an all-zero sink is -EBADF.
 */
#ifndef LEAT_H
#define LEAT_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_VERSION	"0.1.0"
#define LEAT_SECOND	UINT64_C(1000000000)
#define LEAT_NEVER	UINT64_MAX	/* no point in time */
#define LEAT_UNKNOWN	UINT64_MAX	/* a length nobody knows yet */

/* What leat_step and some callbacks return when it is not an error. */
enum {
	LEAT_DONE = 0,		/* the transfer ended well */
	LEAT_WAIT = 1,		/* ask leat_wants what for */
	LEAT_AGAIN = 2,		/* its turn is over: step again, wait for nothing */
	LEAT_END = 3,		/* from allow and change: nothing more passes here */
};

/* Errors of the library's own, below every -errno. */
enum {
	LEAT_ESHORT = -4097,	/* the source ended before its promised length */
	LEAT_ECHANGED = -4098,	/* the source file changed while it was sent */
	LEAT_EBLOCKING = -4099,	/* leat_begin: a socket, pipe, terminal, or eventfd as sink, without O_NONBLOCK */
	LEAT_ESTUCK = -4100,	/* leat_copy, leat_read: nothing can ever wake it, as an open empty queue */
	LEAT_EREFUSED = -4101,	/* policy require: no kernel route; the report says why */
	LEAT_EDATAGRAM = -4102,	/* a datagram sink without a frame wrapper that gives its pieces; any datagram source */
	LEAT_EWRAPPED = -4103,	/* a wrapper already on a chain, or wrapping, adding, moving while busy */
	LEAT_ECONTRACT = -4104,	/* a callback broke its contract; report.culprit names it */
};

enum leat_route {
	LEAT_ROUTE_NONE,
	LEAT_ROUTE_CLONE,		/* FICLONERANGE: share the extents */
	LEAT_ROUTE_COPY_FILE_RANGE,
	LEAT_ROUTE_SENDFILE,
	LEAT_ROUTE_SPLICE,		/* one end is a pipe */
	LEAT_ROUTE_SPLICE_PIPE,		/* through a pipe of ours */
	LEAT_ROUTE_MEMORY,		/* send straight from the caller's memory */
	LEAT_ROUTE_COPY,		/* read + write through user space: the bounce */
	LEAT_ROUTES
};

/* Why a route was not taken, or what a transfer noted. Stable codes; leat_reason_name gives the word in leat_report(3). */
enum leat_reason {
	LEAT_OK, LEAT_SMALL, LEAT_NEEDS_CONTENT, LEAT_CHANGES_BYTES, LEAT_OPAQUE_SOURCE, LEAT_OPAQUE_SINK, LEAT_OUT_APPEND,
	LEAT_SRC_PIPE, LEAT_SRC_GENERATED, LEAT_CROSS_FS, LEAT_FS_DENIED, LEAT_SANDBOX, LEAT_PIPE_BUDGET,
	LEAT_KERNEL_TOO_OLD, LEAT_TLS_USERSPACE, LEAT_KTLS_OFF, LEAT_UNSTABLE_SOURCE, LEAT_SOURCE_CHANGED,
	LEAT_SOURCE_SHORT, LEAT_SOURCE_GREW, LEAT_HOLES_UNKNOWN, LEAT_BLOCKING_FD, LEAT_SINK_DATAGRAM,
	LEAT_DISABLED_BY_USER, LEAT_NOT_APPLICABLE, LEAT_URGENT_DATA, LEAT_REASONS
};

enum leat_kind {
	LEAT_KIND_NONE, LEAT_KIND_FILE, LEAT_KIND_GENERATED, LEAT_KIND_PIPE, LEAT_KIND_TCP, LEAT_KIND_UNIX, LEAT_KIND_STREAM,
	LEAT_KIND_DATAGRAM, LEAT_KIND_BLOCK, LEAT_KIND_DEVICE, LEAT_KIND_TERMINAL, LEAT_KIND_DIRECTORY, LEAT_KIND_MEMORY,
	LEAT_KIND_CALLBACK, LEAT_KIND_QUEUE, LEAT_KIND_NOTHING, LEAT_KINDS
};

enum leat_side { LEAT_SIDE_NONE, LEAT_SIDE_SOURCE, LEAT_SIDE_SINK, LEAT_SIDE_WRAPPER, LEAT_SIDE_CALLER };

enum leat_need {		/* what a wrapper needs of the bytes */
	LEAT_NEED_NOTHING, LEAT_NEED_COUNTS, LEAT_NEED_BOUNDARIES, LEAT_NEED_CONTENT, LEAT_NEED_CHANGE
};

enum leat_ended {
	LEAT_ENDED_NOT, LEAT_ENDED_BY_SOURCE, LEAT_ENDED_BY_WRAPPER /* a limit: report.culprit */, LEAT_ENDED_BY_CANCEL,
	LEAT_ENDED_BY_ERROR
};

/* What happened. Public, plain data; it outlives the transfer. Names point at static strings of the wrappers' ops. */
struct leat_report {
	uint64_t bytes;				/* accepted by the sink, frame bytes and holes included */
	uint64_t source_bytes;			/* of them, from the base source (before a frame or a changer) */
	uint64_t route_bytes[LEAT_ROUTES];	/* bytes by route; holes are in hole_bytes */
	uint64_t route_calls[LEAT_ROUTES];	/* transfer calls by route, failed and would-block ones included */
	uint64_t hole_bytes;			/* passed on as holes, without moving anything */
	uint64_t kept_bytes;			/* taken from the source, not delivered; first in the next transfer */
	uint64_t source_waits, sink_waits, other_waits;	/* between calls; leat_copy(3) says when a call itself waits */
	uint64_t cold_waits;			/* waited for the disk, off the caller's loop */
	uint64_t begin_ns, end_ns;
	uint64_t longest_call_ns;		/* the longest single transfer call */
	const char *refused_by[LEAT_ROUTES];	/* the wrapper behind refused[], or NULL */
	uint8_t refused[LEAT_ROUTES];		/* enum leat_reason; LEAT_OK: was in the plan */
	uint8_t route;				/* planned first; after the end: carried the most bytes */
	uint8_t source_kind, sink_kind;		/* enum leat_kind of the bases */
	uint8_t ended_by;			/* enum leat_ended */
	uint8_t side;				/* of the error: enum leat_side */
	uint8_t error_route;			/* of the error: enum leat_route */
	uint8_t noted;				/* source-grew, -changed, -short, holes-unknown or LEAT_OK */
	uint8_t by_reference;			/* 1: a later change of the file may show in bytes already sent */
	uint16_t wrappers, content_wrappers;	/* on the way, and those of need content or change */
	int32_t error;				/* 0, -errno or LEAT_E...; met after report.bytes */
	const char *culprit;			/* the wrapper that ended or failed it, or the callback at fault, or NULL */
	uint64_t reserved[2];
};

/* ---- Wrappers of your own (leat_wrapper(3)) ----------------------------------------------------------------------- */

struct leat_wrapper;

struct leat_budget {		/* public, as leat_change and leat_event; all three are valid during the call only */
	uint64_t bytes;		/* lower it to what may pass now */
	uint64_t at_least;	/* fewer than this are of no use: a frame's header goes whole. Usually 1 */
	uint64_t now_ns;	/* read it instead of the clock */
	uint64_t active_ns;	/* the same clock, standing still while an empty queue waits: for deadlines */
	uint64_t wake_at_ns;	/* lower it to be asked (and ticked) again by then, also when bytes may pass */
	struct pollfd wait;	/* with LEAT_WAIT: a descriptor to wait for; fd -1: only the time */
	uint64_t reserved[2];
};

struct leat_change {		/* as in zlib */
	const unsigned char *in;
	size_t in_bytes, consumed;	/* consumed: set by you */
	unsigned char *out;
	size_t out_bytes, produced;	/* produced: set by you */
	int last;			/* nothing follows in: return LEAT_END once everything is in out */
};

enum leat_event_kind {
	LEAT_EVENT_BEGIN, LEAT_EVENT_MOVED, LEAT_EVENT_ROUTE /* another route from here on */, LEAT_EVENT_WAIT,
	LEAT_EVENT_TICK /* wake_at_ns was reached */, LEAT_EVENT_END
};

struct leat_event {
	enum leat_event_kind kind;
	enum leat_route route;
	enum leat_reason reason;	/* of EVENT_ROUTE: why the one before was left; of END: why no better one was taken */
	enum leat_side side;		/* of EVENT_WAIT */
	uint64_t now_ns;
	uint64_t bytes;			/* of EVENT_MOVED: just now; else so far, at this wrapper's place */
	uint64_t total_bytes;		/* of BEGIN: expected at this place, or LEAT_UNKNOWN; of END: what passed it */
	const struct leat_report *report;	/* of BEGIN and END, else NULL: the part's own when it is on a queue's part */
};

struct leat_wrapper_ops {	/* static; every member but name may be NULL; return 0 for "fine", negative to fail */
	const char *name;
	enum leat_need need;
	int (*allow)(struct leat_wrapper *, struct leat_budget *);	/* 0, LEAT_WAIT, LEAT_END; no side effect */
	/* The only charge, exact on failure too; not for need change. Of a hole that stays one, the route is LEAT_ROUTE_NONE. */
	void (*moved)(struct leat_wrapper *, uint64_t bytes, enum leat_route);
	void (*skipped)(struct leat_wrapper *, uint64_t bytes);	/* passed here, dropped by a section further on */
	int (*see)(struct leat_wrapper *, const void *, size_t);	/* delivered bytes, before moved; need content */
	int (*change)(struct leat_wrapper *, struct leat_change *);	/* 0 or LEAT_END; need change */
	int (*finish)(struct leat_wrapper *, struct leat_budget *);	/* before DONE: 0, or LEAT_WAIT to be asked again */
	void (*event)(struct leat_wrapper *, const struct leat_event *);
	void (*release)(struct leat_wrapper *);	/* from leat_close, once; may free the wrapper */
	void (*reserved[4])(void);		/* zero, else -EINVAL */
};

struct leat_wrapper {		/* first member of every wrapper */
	const struct leat_wrapper_ops *ops;
	struct leat_wrapper *inner, *outer;	/* on its own chain */
	struct leat_wrapper *up, *down;		/* on the whole way of the running transfer */
	uint64_t passed_bytes;			/* crossed its place in this transfer */
	uint64_t owed_bytes;			/* change: consumed, output not yet accepted */
	uint32_t out_off, out_len;		/* change: output waiting */
	uint32_t out_slot, state;
	struct leat_wrapper *owed_origin;
	const unsigned char *owed_data;
};

/* Prepares a wrapper of your own, which is on no chain. Borrows ops, which must be static. Returns wrapper (NULL for NULL). */
struct leat_wrapper *leat_wrapper_init(struct leat_wrapper *wrapper, const struct leat_wrapper_ops *ops);

/* ---- Sources and sinks (leat_source(3), leat_sink(3)) ---------------------------------------------------------------- */

enum leat_stability {		/* what the caller knows about a file source */
	LEAT_UNSTABLE,		/* the default: size, mtime and ctime are compared at the end */
	LEAT_IMMUTABLE,		/* promised: no comparison; facts gathered once are trusted */
	LEAT_SEALED,		/* a memfd with F_SEAL_WRITE and F_SEAL_SHRINK: checked */
	LEAT_SNAPSHOT,		/* a reflink copy nobody else writes */
};

struct leat_facts {
	uint64_t dev, ino, size, blocks, mtime_ns, ctime_ns;
	uint32_t fs_magic, open_flags;
	uint8_t kind, known, corked, links;
	uint32_t block_bytes;
};

struct leat_source {
	const void *base;	/* memory, callback ops, queue, or the source below a view */
	void *arg;
	struct leat_wrapper *first, *last;
	struct leat_source *parent, *next;
	void (*release)(void *arg, const struct leat_report *report);
	void *release_arg;
	unsigned char *kept;
	uint64_t kept_off, kept_len, kept_size;
	uint64_t position, length;
	struct leat_facts facts;
	int fd, error;
	uint8_t kind, stability, exact, state, own_offset, reserved8[3];
	struct leat_report *so_far;	/* of a part whose transfer was cancelled */
	uint64_t serves;
};

struct leat_sink {
	const void *base;
	void *arg;
	struct leat_wrapper *first, *last;
	struct leat_sink *parent;
	uint64_t position, length;
	struct leat_facts facts;
	int fd, error;
	uint8_t kind, state, own_offset, reserved8[5];
	uint64_t serves, reserved[1];
};

struct leat_queue {		/* of sources, sent one after the other */
	struct leat_source *first, *last, *owner;
	int ended;
	uint32_t reserved32;
	struct leat_queue *around;
	uint64_t reserved[1];
};

/*
 * Ends made of callbacks. read returns bytes (0: end of stream), write returns bytes accepted, at least one; -EAGAIN with
 * *wait filled in (fd -1: the caller will step again by itself), -EINTR to be called again at once, or another error, which
 * ends the transfer. After -EAGAIN write gets the same bytes again, perhaps elsewhere in memory and longer. more: not 0 when
 * more certainly follows. name may be NULL. reason says why it cannot be a descriptor, e.g. LEAT_TLS_USERSPACE. ops is
 * borrowed until close; a reserved word that is not zero is -EINVAL.
 */
struct leat_source_ops {
	const char *name;
	enum leat_reason reason;	/* 0: opaque-source */
	int64_t (*read)(void *arg, void *buffer, size_t bytes, struct pollfd *wait);
	void (*reserved[2])(void);
};
struct leat_sink_ops {
	const char *name;
	enum leat_reason reason;	/* 0: opaque-sink */
	int64_t (*write)(void *arg, const void *buffer, size_t bytes, int more, struct pollfd *wait);
	void (*reserved[2])(void);
};

/* Any descriptor. A file starts at its current offset and is left after the last byte delivered (io.Copy's habit). */
void leat_from_fd(struct leat_source *source, int fd);
/* A file from offset to its end as found at begin; never touches the descriptor's own offset. */
void leat_from_file(struct leat_source *source, int fd, uint64_t offset);
/* Exactly length bytes of a file from offset; fewer is LEAT_ESHORT. -EOVERFLOW kept if the end passes INT64_MAX. */
void leat_from_range(struct leat_source *source, int fd, uint64_t offset, uint64_t length);
/* length bytes of the caller's, borrowed until leat_close. */
void leat_from_memory(struct leat_source *source, const void *bytes, uint64_t length);
void leat_from_callback(struct leat_source *source, const struct leat_source_ops *ops, void *arg);
void leat_from_queue(struct leat_source *source, struct leat_queue *queue);	/* its parts, in order; borrowed until leat_close */
/* A view: shares the position of the source below, with wrappers of its own. The one below stays put until leat_close. */
void leat_from_source(struct leat_source *source, struct leat_source *below);

/* Any descriptor; files as leat_from_fd, O_APPEND respected. */
void leat_to_fd(struct leat_sink *sink, int fd);
/* A file at offset. O_APPEND is -EINVAL: the kernel would ignore the offset. */
void leat_to_file(struct leat_sink *sink, int fd, uint64_t offset);
void leat_to_memory(struct leat_sink *sink, void *bytes, uint64_t size);	/* full is -ENOSPC */
void leat_to_callback(struct leat_sink *sink, const struct leat_sink_ops *ops, void *arg);
void leat_to_nothing(struct leat_sink *sink);	/* takes everything and drops it */
void leat_to_sink(struct leat_sink *sink, struct leat_sink *below);	/* a view, as leat_from_source */

/* What the caller knows of a file source; before begin, else LEAT_EWRAPPED is kept. */
void leat_promise(struct leat_source *source, enum leat_stability stability);
/* Called once: by leat_close with a NULL report, or, for a part of a queue, when the part is over, with its own report. */
void leat_on_release(struct leat_source *source, void (*release)(void *arg, const struct leat_report *), void *arg);
/* Gathers the facts of the descriptor (fstat, flags) once, so that a cached source or sink can be copied by assignment and begun
 * without asking again. 0, -EINVAL for NULL, or the error that begin would give. */
int leat_look(struct leat_source *source);
int leat_look_sink(struct leat_sink *sink);
/* As leat_from_fd, leat_to_fd, for a socket of the same kind and flags as one looked at: nothing is asked of it. Else -EINVAL. */
void leat_from_alike(struct leat_source *source, int fd, const struct leat_source *looked_at);
void leat_to_alike(struct leat_sink *sink, int fd, const struct leat_sink *looked_at);
/* Puts bytes already read back in front, below all wrappers. Copies them. 0, -EINVAL, -ENOMEM, or LEAT_EWRAPPED while busy. */
int leat_unread(struct leat_source *source, const void *bytes, size_t length);
/* End of life: release of each wrapper, outermost first, then of the source, which is empty by then: a release may free it,
 * or use it again. Frees kept bytes. Parts still queued are released too; adding any then is -EPIPE. NULL is fine. Not for
 * what is in a running transfer, in a queue, or below a view: end the transfer, close the queue's source or the view first. */
void leat_close(struct leat_source *source);
void leat_close_sink(struct leat_sink *sink);

/* Puts wrapper around source or sink; last wrapped is outermost. Borrows it until leat_close. Keeps -EINVAL, LEAT_EWRAPPED. */
void leat_wrap(struct leat_source *source, struct leat_wrapper *wrapper);
void leat_wrap_sink(struct leat_sink *sink, struct leat_wrapper *wrapper);

/* A queue may grow while it runs, also from callbacks, on the thread of its transfer. An open empty one waits for the caller. */
void leat_queue_init(struct leat_queue *queue);
int leat_queue_add(struct leat_queue *queue, struct leat_source *part);	/* 0, -EINVAL, LEAT_EWRAPPED, -EPIPE after end */
void leat_queue_end(struct leat_queue *queue);

/* ---- Transfers (leat_copy(3), leat_step(3)) -------------------------------------------------------------------------- */

enum leat_policy {
	LEAT_AUTO,		/* the best route; copy when nothing else is left */
	LEAT_REQUIRE,		/* a kernel route, or LEAT_EREFUSED: before the first byte, later only if the kernel
				 * declines the last route */
	LEAT_COPY,		/* never by reference: copy only */
};

enum leat_stable { LEAT_STABLE_NOT_ASKED, LEAT_STABLE_COPY /* else copy */, LEAT_STABLE_SNAPSHOT /* reflink, else copy */ };

struct leat_helper;

struct leat_options {		/* all zero: the defaults */
	enum leat_policy policy;
	uint32_t routes_off;		/* bits: 1u << LEAT_ROUTE_SENDFILE, ... */
	enum leat_stable stable;	/* the bytes sent must not show later changes of the file */
	int snapshot_dir;		/* LEAT_STABLE_SNAPSHOT: a directory on the source's file system */
	int level_triggered;		/* leat_step: a short count may mean WAIT */
	int ignore_changes;		/* 1: no comparison of size, mtime, ctime at the end */
	uint64_t step_bytes, step_ns;	/* work of one leat_step; 0: 16 MiB, 10 ms */
	uint64_t pipe_bytes;		/* capacity asked for a pipe of ours; 0: 1 MiB */
	uint64_t buffer_bytes;		/* of route copy; 0: 256 KiB */
	struct leat_helper *helper;	/* or NULL */
	const volatile int *stop;	/* not 0: -ECANCELED, in leat_step at once, in leat_copy within 100 ms; any thread or
				 * signal handler may set it */
	uint64_t (*clock_ns)(void *arg);	/* for tests; NULL: CLOCK_MONOTONIC */
	void *clock_arg;
	uint64_t fill_holes;		/* 1: holes of a file are read as zeros and written, and no file system is asked for them */
	uint64_t reserved[3];		/* zero, else -EINVAL */
};

struct leat_transfer { uint64_t opaque[128]; };	/* the caller's; stays put from begin to end; all zero: none runs */

struct leat_wait {		/* public */
	struct pollfd fds[3];	/* source, sink, a wrapper's; fd -1: nothing; events 0: errors only */
	uint64_t wake_at_ns;	/* LEAT_NEVER: no time */
};

/* Fills report (or NULL) with the plan, without moving or changing anything. 0, or what begin would return, but for
 * LEAT_EBLOCKING. */
int leat_plan(struct leat_sink *sink, struct leat_source *source, const struct leat_options *options,
	      struct leat_report *report);
/* Moves everything, waiting with poll. Returns report.bytes, or an error. options and report may be NULL. */
int64_t leat_copy(struct leat_sink *sink, struct leat_source *source, const struct leat_options *options,
		  struct leat_report *report);
/* Starts a transfer for an event loop; sockets, pipes, terminals and eventfd sinks need O_NONBLOCK. Borrows all until leat_end. */
int leat_begin(struct leat_transfer *transfer, struct leat_sink *sink, struct leat_source *source,
	       const struct leat_options *options);
/* Works for at most options.step_bytes and step_ns; never waits. DONE, WAIT, AGAIN, or an error for good. Takes no
 * readiness: calling it early is harmless. -EBUSY from a callback of the same transfer. */
int leat_step(struct leat_transfer *transfer);
/* What a transfer that returned LEAT_WAIT waits for; of one that does not run, nothing. */
void leat_wants(const struct leat_transfer *transfer, struct leat_wait *wait);
/* Milliseconds for poll until wait->wake_at_ns, rounded up, at most INT_MAX; 0: it has come; -1: no time. */
int leat_wait_ms(const struct leat_wait *wait, uint64_t now_ns);
/* The report midway, with end_ns 0; the last one of a transfer that has ended or failed to begin. */
void leat_so_far(const struct leat_transfer *transfer, struct leat_report *report);
/* Ends it: the cancel of a running one. The source then stands right after the last delivered byte. Returns the
 * transfer's error, 0 when done, -ECANCELED when cancelled, -ENOMEM or -EIO when what was held could not be put back; -EINVAL
 * when begin failed, with its report; -EBUSY from a callback of the same transfer. report may be NULL. */
int leat_end(struct leat_transfer *transfer, struct leat_report *report);
/* Reads through the wrappers into memory. Bytes, 0 at the end, or an error. wait NULL: waits; else -EAGAIN and what for. */
int64_t leat_read(struct leat_source *source, void *buffer, size_t bytes, struct leat_wait *wait);
uint64_t leat_now_ns(void);	/* CLOCK_MONOTONIC */

/* One line of at most size bytes with its zero: what was moved from what to what, how, and why not better. Returns line. */
char *leat_explain(const struct leat_report *report, char *line, size_t size);
/* Static words; "unknown" for a number that is none. */
const char *leat_route_name(enum leat_route route);		/* "sendfile" */
const char *leat_reason_name(enum leat_reason reason);		/* "needs-content" */
const char *leat_kind_name(enum leat_kind kind);		/* "tcp" */
const char *leat_strerror(int error);				/* -errno and LEAT_E...; static or strerror's */
const char *leat_version(void);
/* Bits 1u << LEAT_ROUTE_...: which calls this kernel and sandbox have, tried once on invalid descriptors. Not LEAT_ROUTES. */
uint32_t leat_features(void);

/*
 * One helper for each event loop: the pool of pipes and, while needed, one thread that reads cold file ranges ahead. Watch
 * leat_helper_fd for reading, then step each transfer that leat_helper_next gives until NULL. Not to be used after fork.
 */
struct leat_helper { uint64_t opaque[32]; };
int leat_helper_init(struct leat_helper *helper, unsigned pipes_max);	/* 0, -errno; pipes_max 0: 64 */
int leat_helper_fd(const struct leat_helper *helper);	/* the library's own; -1: not prepared */
struct leat_transfer *leat_helper_next(struct leat_helper *helper);	/* NULL: none */
unsigned leat_helper_pipes(const struct leat_helper *helper);	/* open now, lent ones and idle ones; 0: not prepared */
void leat_helper_end(struct leat_helper *helper);	/* joins the thread, closes the pipes; no transfer of it may run */

/* ---- The wrappers we ship (leat_wrappers(3)): x_init prepares *x and returns its wrapper ------------------------------ */

struct leat_limit { struct leat_wrapper wrapper; uint64_t left, skip; int exact; };
struct leat_wrapper *leat_limit_init(struct leat_limit *limit, uint64_t bytes);		/* at most */
struct leat_wrapper *leat_limit_init_exact(struct leat_limit *limit, uint64_t bytes);	/* fewer is LEAT_ESHORT */
/* Drops the first skip bytes (a seekable source just starts later), then at most bytes. */
struct leat_wrapper *leat_section_init(struct leat_limit *section, uint64_t skip, uint64_t bytes);

struct leat_bucket { uint64_t bytes_per_s, burst, filled_ns; int64_t tokens; uint32_t lock, spare; uint64_t reserved[2]; };
struct leat_rate { struct leat_wrapper wrapper; struct leat_bucket own, *bucket; };
/* A token bucket. burst: bytes at once at the start. A shared bucket may serve transfers on several threads, and outlives
 * their rates; bytes_per_s 0 is -EINVAL where a rate with it is put on. */
void leat_bucket_init(struct leat_bucket *bucket, uint64_t bytes_per_s, uint64_t burst);
struct leat_wrapper *leat_rate_init(struct leat_rate *rate, uint64_t bytes_per_s, uint64_t burst);
struct leat_wrapper *leat_rate_init_shared(struct leat_rate *rate, struct leat_bucket *bucket);

/* -ETIMEDOUT after idle_ns without progress or total_ns in all; 0: none. Two directions on one thread may share one activity. */
struct leat_activity { uint64_t last_ns; };
struct leat_deadline { struct leat_wrapper wrapper; struct leat_activity own, *activity; uint64_t idle_ns, total_ns, begin_ns; };
struct leat_wrapper *leat_deadline_init(struct leat_deadline *deadline, uint64_t idle_ns, uint64_t total_ns);
struct leat_wrapper *leat_deadline_init_shared(struct leat_deadline *deadline, uint64_t idle_ns, uint64_t total_ns,
					       struct leat_activity *activity);

struct leat_count { struct leat_wrapper wrapper; uint64_t bytes /* public */, moves /* public: charges */; };
struct leat_wrapper *leat_count_init(struct leat_count *count);

struct leat_log { struct leat_wrapper wrapper; void (*fn)(void *, const struct leat_event *); void *arg; };
struct leat_wrapper *leat_log_init(struct leat_log *log, void (*fn)(void *arg, const struct leat_event *event), void *arg);

/* start, progress (at most once in progress_ns; 0: none) and end, with the caller's own id handed through untouched. */
struct leat_trace {
	struct leat_wrapper wrapper; void (*fn)(void *, const void *, const struct leat_event *); void *arg; const void *id;
	uint64_t progress_ns, next_ns;
};
struct leat_wrapper *leat_trace_init(struct leat_trace *trace, const void *id, uint64_t progress_ns,
				     void (*fn)(void *arg, const void *id, const struct leat_event *event), void *arg);

/* Public; valid during the call only. */
struct leat_progress_state { uint64_t bytes, total_bytes, bytes_per_s, eta_ns, stalled_ns, elapsed_ns; int ended; };
struct leat_progress {
	struct leat_wrapper wrapper; void (*fn)(void *, const struct leat_progress_state *); void *arg;
	uint64_t interval_ns, next_ns, begin_ns, last_ns, total, mark_ns, mark_bytes, bytes, rate;
};
/* Calls fn every interval_ns, also while the transfer stalls, and once at the end. */
struct leat_wrapper *leat_progress_init(struct leat_progress *progress, uint64_t interval_ns,
					void (*fn)(void *arg, const struct leat_progress_state *state), void *arg);

/* Sees the delivered bytes. name and update are needed; init and finish, once each, may be NULL. All return 0 or an error. */
struct leat_hash_ops {
	const char *name;
	int (*init)(void *state);
	int (*update)(void *state, const void *bytes, size_t length);
	int (*finish)(void *state);
	void (*reserved[2])(void);	/* zero, else -EINVAL */
};
struct leat_hash { struct leat_wrapper wrapper; const struct leat_hash_ops *ops; void *state; int begun; };
struct leat_wrapper *leat_hash_init(struct leat_hash *hash, const struct leat_hash_ops *ops, void *state);
struct leat_xxh3 { struct leat_wrapper wrapper; uint64_t state[80]; };
struct leat_wrapper *leat_xxh3_init(struct leat_xxh3 *xxh3);
uint64_t leat_xxh3_result(const struct leat_xxh3 *xxh3);	/* XXH3-64 of the bytes so far */

/* A second sink for the same bytes: kernel tee(2) where the source is a socket, nothing else needs content or boundaries, and
 * second is a file or non-blocking; else a copy. */
enum leat_tee_policy { LEAT_TEE_FAIL, LEAT_TEE_DROP /* count what it could not take */, LEAT_TEE_WAIT };
struct leat_tee {
	struct leat_wrapper wrapper; struct leat_sink *second; unsigned char *buffer; uint64_t size, off, len;
	uint64_t dropped_bytes /* public */; enum leat_tee_policy policy; int error /* public: of the second sink */;
	int pipe[2]; uint64_t piped;
};
/* Borrows second (bare, non-blocking or a file) and buffer, which holds what second has not yet taken. */
struct leat_wrapper *leat_tee_init(struct leat_tee *tee, struct leat_sink *second, enum leat_tee_policy policy,
				   void *buffer, size_t size);

/*
 * Adds bytes around pieces, without seeing the payload. before(n) and after(n) write at most 40 bytes and return how many;
 * exactly n payload bytes come between. Both are asked when a piece is opened, and may be asked again with a smaller n
 * before the first byte of it is sent. finish writes what stands at the very end. name is needed, the others may be NULL.
 * Embed struct leat_frame first in a struct of your own. piece_max_bytes 0: any.
 */
#define LEAT_FRAME_BYTES 40
struct leat_frame;
struct leat_frame_ops {
	const char *name;
	size_t (*before)(struct leat_frame *, uint64_t piece_bytes, unsigned char out[LEAT_FRAME_BYTES]);
	size_t (*after)(struct leat_frame *, uint64_t piece_bytes, unsigned char out[LEAT_FRAME_BYTES]);
	size_t (*finish)(struct leat_frame *, unsigned char out[LEAT_FRAME_BYTES]);
	int (*allow)(struct leat_wrapper *, struct leat_budget *);
	void (*release)(struct leat_wrapper *);
	void (*reserved[2])(void);	/* zero, else -EINVAL */
};
struct leat_frame {
	struct leat_wrapper wrapper; const struct leat_frame_ops *ops; uint64_t piece_max_bytes, piece_left;
	unsigned char head[LEAT_FRAME_BYTES], tail[LEAT_FRAME_BYTES]; uint8_t head_off, head_len, tail_off, tail_len, open, ended;
};
struct leat_wrapper *leat_frame_init(struct leat_frame *frame, const struct leat_frame_ops *ops, uint64_t piece_max_bytes);
struct leat_wrapper *leat_chunked_init(struct leat_frame *frame, uint64_t piece_max_bytes);	/* HTTP/1.1 chunked coding */

#ifdef __cplusplus
}
#endif
#endif
