/* SPDX-License-Identifier: MIT */
/*
 * What a call of a stopped thread moved: its buffers, in the target's memory, go through the pairing rules, whose tables are
 * here. They are emptied for each burst: a read of the burst before says nothing about a write of this one.
 */
#include "feed_ptrace.h"

#include "call.h"

#include <leat.h>

#include <errno.h>
#include <linux/audit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "pairing_user.h"

#define SETS 4096		/* of four reads, as in the kernel: a call of vectors makes a thousand at once */
#define COPY_SETS 2048
#define FORGOTTEN 512
#define PUSHED 512
#define WHOLES 64
#define WRITTEN 4096		/* addresses that a burst sees written from, without a read */
#define RECENTS 512
#define NEARS 512
#define WINDOW 65536		/* of the target's memory, fetched at once */
#define WHOLE_USES 6		/* so many first uses of a site have every byte looked at, later one in eight */
#define STACK_LEAST 512		/* a call of fewer bytes gets its stack only when a flow wants it */

struct written {
	uint64_t at, first;	/* what stood there then: pairing_first */
	uint32_t tgid;
};

struct traced_calls {
	struct pairing p;	/* first: the tables are found by it */
	struct pairing_set sets[SETS], copies[COPY_SETS];
	uint64_t forgotten[FORGOTTEN], pushed[PUSHED];
	struct pairing_recent recents[RECENTS];
	struct pairing_near nears[NEARS];
	struct pairing_pieces wholes[WHOLES];
	struct written written[WRITTEN];
	struct feed_ptrace *feed;
	const struct traced_thread *thread;
	uint64_t secret;
	uint64_t window_at;
	uint32_t window_bytes;
	uint8_t window[WINDOW];
};

/* Whose memory pairing_user reads; the rules pass it no context. Only the thread of a burst has one. */
static _Thread_local struct traced_calls *reading;

/* ---- What the rules ask for ------------------------------------------------------------------------------------------------ */

static int pairing_user(void *to, uint32_t bytes, uint64_t from)
{
	struct traced_calls *c = reading;
	int64_t got;

	if (from < c->window_at || from - c->window_at > c->window_bytes || bytes > c->window_bytes - (from - c->window_at)) {
		if (bytes < PAIRING_CHUNK)
			return traced_memory((pid_t)c->thread->tid, to, bytes, from) == bytes ? 0 : -EFAULT;
		got = traced_memory((pid_t)c->thread->tid, c->window, WINDOW, from);
		c->window_at = from;
		c->window_bytes = got > 0 ? (uint32_t)got : 0;
		if (bytes > c->window_bytes)
			return -EFAULT;
	}
	memcpy(to, c->window + (from - c->window_at), bytes);
	return 0;
}

static struct traced_calls *calls_of(struct pairing *p)
{
	return (struct traced_calls *)p;
}

static struct pairing_set *pairing_set(struct pairing *p, uint32_t number)
{
	return &calls_of(p)->sets[number % SETS];
}

static struct pairing_set *pairing_copies(struct pairing *p, uint32_t number)
{
	return &calls_of(p)->copies[number % COPY_SETS];
}

static uint64_t *pairing_forgotten(struct pairing *p, uint32_t number)
{
	return &calls_of(p)->forgotten[number % FORGOTTEN];
}

static uint64_t *pairing_pushed(struct pairing *p, uint32_t number)
{
	return &calls_of(p)->pushed[number % PUSHED];
}

static struct pairing_recent *pairing_recent(struct pairing *p)
{
	return &calls_of(p)->recents[p->tid % RECENTS];
}

static struct pairing_near *pairing_near(struct pairing *p, uint32_t number)
{
	return &calls_of(p)->nears[number % NEARS];
}

static struct pairing_pieces *pairing_pieces(struct pairing *p, uint32_t name)
{
	return &calls_of(p)->wholes[(name >> 1) % WHOLES];
}

static void pairing_look_closer(struct pairing *p, uint32_t n)
{
	struct event_site_key key = { .tgid = p->tgid, .site = p->slot.site };
	struct traced_site *site = table_find(&calls_of(p)->feed->sites, &key);

	if (site && site->closer < n)
		site->closer = n;
}

/* A flow must not be without its stacks: where one of its sites has none yet, its next use takes it. */
static void want_site(struct feed_ptrace *feed, uint32_t tgid, uint64_t id)
{
	struct event_site_key key = { .tgid = tgid, .site = id };
	struct traced_site *site = id ? table_make(&feed->sites, &key) : NULL;

	if (site && !site->taken)
		site->needed = true;
}

static struct event_flow *pairing_flow(struct pairing *p)
{
	struct feed_ptrace *feed = calls_of(p)->feed;
	uint32_t before = feed->flows.count;
	struct traced_flow *flow = table_make(&feed->flows, &p->key);

	if (!flow)
		return NULL;
	if (feed->flows.count != before) {
		flow->flow.first_ns = leat_now_ns();
		want_site(feed, p->key.tgid, p->key.site_read);
		want_site(feed, p->key.tgid, p->key.site_write);
	}
	return &flow->flow;
}

/* Where nothing was read to in this burst there may stand what was read before it: of a file that goes to several, the same
 * bytes as another has just read. But what has been written from there, and is other bytes now, the program put there. */
static int pairing_filled(struct pairing *p)
{
	struct written *w = &calls_of(p)->written[pairing_number(p->tgid, p->at) % WRITTEN];
	bool known = w->at == p->at && w->tgid == p->tgid;
	uint64_t first = pairing_first(p, p->at);
	int filled = known && w->first != first;

	if (!p->again && !filled)
		*w = (struct written){ .at = p->at, .first = first, .tgid = p->tgid };
	return filled;
}

static int pairing_mapped(struct pairing *p)
{
	struct traced_calls *c = calls_of(p);
	uint64_t bytes;

	if (traced_mapping(c->feed, c->thread, p->at, &p->slot.inode, &p->slot.device, &bytes))
		return -1;
	p->slot.bytes = bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
	return 0;
}

/* ---- Buffers --------------------------------------------------------------------------------------------------------------- */

static void one_buffer(struct pairing *p, const struct iovec *one, uint64_t bytes, bool writes)
{
	uint64_t base = (uint64_t)(uintptr_t)one->iov_base;

	if (writes)
		pairing_write(p, base, one->iov_len, bytes);
	else
		pairing_read(p, base, (uint32_t)bytes);
}

static void all_buffers(struct traced_calls *c, uint64_t at, uint64_t count, uint64_t left, bool writes)
{
	struct iovec buffers[CALL_VECTORS];
	struct pairing *p = &c->p;

	if (!count || count > CALL_VECTORS)
		return;
	if (traced_memory((pid_t)c->thread->tid, buffers, count * sizeof *buffers, at) != (int64_t)(count * sizeof *buffers)) {
		p->counts.cut_vectors++;
		return;
	}
	for (uint64_t i = 0; i < count && (left || p->again); i++) {
		uint64_t bytes = buffers[i].iov_len < left ? buffers[i].iov_len : left;

		left -= bytes;
		one_buffer(p, &buffers[i], bytes, writes);
		if (p->again && p->charged)
			break;
	}
}

static void one_message(struct traced_calls *c, uint64_t at, uint64_t bytes, bool writes)
{
	struct msghdr message;

	if (traced_memory((pid_t)c->thread->tid, &message, sizeof message, at) != sizeof message)
		c->p.counts.cut_vectors++;
	else
		all_buffers(c, (uint64_t)(uintptr_t)message.msg_iov, message.msg_iovlen, bytes, writes);
}

/* Bytes of all of them. */
static uint64_t many_messages(struct traced_calls *c, uint64_t at, uint64_t count, bool writes)
{
	struct mmsghdr one;
	uint64_t moved = 0;

	if (count > CALL_MESSAGES) {
		c->p.counts.cut_vectors++;
		count = CALL_MESSAGES;
	}
	for (uint64_t i = 0; i < count; i++) {
		if (traced_memory((pid_t)c->thread->tid, &one, sizeof one, at + i * sizeof one) != sizeof one)
			break;
		moved += one.msg_len;
		c->p.total = one.msg_len;
		all_buffers(c, (uint64_t)(uintptr_t)one.msg_hdr.msg_iov, one.msg_hdr.msg_iovlen, one.msg_len, writes);
	}
	return moved;
}

/* ---- What a call did ------------------------------------------------------------------------------------------------------- */

static void read_call(struct traced_calls *c, uint32_t kind, const uint64_t *arguments, uint64_t bytes)
{
	struct pairing *p = &c->p;

	p->vector = kind & (CALL_VECTOR | CALL_MESSAGE | CALL_MANY) ? 1 : 0;
	p->head = 0;
	if (kind & CALL_VECTOR)
		all_buffers(c, arguments[1], arguments[2], bytes, false);
	else if (kind & CALL_MESSAGE)
		one_message(c, arguments[1], bytes, false);
	else if (kind & CALL_MANY)
		bytes = many_messages(c, arguments[1], bytes, false);
	else	/* recv with MSG_TRUNC says more than came */
		pairing_read(p, arguments[1], (uint32_t)(bytes < arguments[2] ? bytes : arguments[2]));
	p->counts.reads++;
	p->counts.read_bytes += bytes;
}

static void write_call(struct traced_calls *c, uint32_t kind, const uint64_t *arguments, uint64_t bytes)
{
	struct pairing *p = &c->p;
	uint64_t unpaired = p->counts.unpaired_write_bytes;

	p->total = bytes;
	p->charged = p->paired = 0;
	if (kind & CALL_VECTOR)
		all_buffers(c, arguments[1], arguments[2], bytes, true);
	else if (kind & CALL_MESSAGE)
		one_message(c, arguments[1], bytes, true);
	else if (kind & CALL_MANY)
		bytes = p->again ? 0 : many_messages(c, arguments[1], bytes, true);
	else
		pairing_write(p, arguments[1], arguments[2], bytes);
	if (p->again)
		return;
	p->counts.writes++;
	p->counts.write_bytes += bytes;
	unpaired = p->counts.unpaired_write_bytes - unpaired;
	if (unpaired < PAIRING_COPY_LEAST)
		return;
	traced_file_unpaired(c->feed, p->inode, p->device, unpaired);
	if (!(kind & (CALL_VECTOR | CALL_MESSAGE | CALL_MANY)) && pairing_is_tls(arguments[1]))
		p->counts.tls_records++;
}

/* The kernel moved the bytes itself. */
static void move_call(struct traced_calls *c, uint64_t bytes)
{
	const struct traced_thread *t = c->thread;
	struct pairing *p = &c->p;
	int from, to;

	call_ends((uint32_t)t->number, &from, &to);
	p->how = call_how((uint32_t)t->number);
	memset(&p->slot, 0, sizeof p->slot);
	p->slot.used = 1;
	p->slot.tid = p->tid;
	if (from >= 0 && traced_file(c->feed, t, (uint32_t)t->arguments[from], false, &p->slot.inode, &p->slot.device))
		return;
	if (traced_file(c->feed, t, (uint32_t)t->arguments[to], true, &p->inode, &p->device))
		return;
	p->total = bytes;
	p->charged = p->paired = 0;
	pairing_pair(p, p->again ? 0 : (uint32_t)bytes);
}

static void paired_call(struct traced_calls *c, uint32_t kind, uint64_t bytes)
{
	const struct traced_thread *t = c->thread;
	struct pairing *p = &c->p;

	if (kind & CALL_MOVES) {
		move_call(c, bytes);
		return;
	}
	if (traced_file(c->feed, t, (uint32_t)t->arguments[0], kind & CALL_WRITES, &p->inode, &p->device))
		return;
	if (kind & CALL_WRITES)
		write_call(c, kind, t->arguments, bytes);
	else if (!call_is_peek((uint32_t)t->number, t->arguments))
		read_call(c, kind, t->arguments, bytes);
}

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

static bool is_narrow(const struct traced_thread *t)
{
#ifdef __x86_64__
	if (t->number >> 30 == 1)	/* x32 */
		return true;
#endif
	return t->architecture != ARCHITECTURE;
}

static struct traced_site *begin_call(struct traced_calls *c, const struct traced_thread *t, int64_t result)
{
	const struct traced_process *process = &c->feed->processes[t->process];
	struct event_site_key key = { .tgid = process->pid };
	struct traced_site *site;
	struct pairing *p = &c->p;

	p->tgid = process->pid;
	p->tid = t->tid;
	p->call = (uint16_t)t->number;
	p->again = result == -EAGAIN;
	p->uring = 0;
	p->charged = 0;
	p->secret = c->secret;
	p->stamp++;
	p->now_ns = leat_now_ns();
	c->thread = t;
	c->window_bytes = 0;
	reading = c;
	key.site = p->site = pairing_path(p, pairing_site(p->call, t->ip, t->sp, process->program), t->sp, process->code,
					  process->code_end - process->code);
	site = table_make(&c->feed->sites, &key);
	if (!site)
		p->counts.no_stack++;
	p->look = PAIRING_ALL_SAMPLES;
	p->first = 1;
	p->whole = !site || site->uses < WHOLE_USES || !(site->uses & 7) || site->closer;
	if (site)
		site->uses++;
	if (site && site->closer)
		site->closer--;
	return site;
}

void traced_call(struct feed_ptrace *feed, const struct traced_thread *t, int64_t result)
{
	struct traced_calls *c = feed->calls;
	uint32_t kind = t->number < CALL_NUMBERS ? call_kinds[t->number] : 0;
	struct traced_site *site;
	struct event_site_key key;

	if (is_narrow(t)) {
		c->p.counts.calls_32_bit++;
		return;
	}
	/* What a ring moves is not seen from here, whatever it is. */
	if (kind == CALL_ENTERS_RING) {
		c->p.counts.uring_calls++;
		c->p.counts.uring_blind += result > 0 ? (uint64_t)result : 0;
		return;
	}
	if (kind == CALL_SUBMITS) {
		c->p.counts.aio_requests += result > 0 ? (uint64_t)result : 0;
		return;
	}
	if (!kind || (result <= 0 && (kind & CALL_READS || result != -EAGAIN)))
		return;
	site = begin_call(c, t, result);
	key = (struct event_site_key){ .tgid = c->p.tgid, .site = c->p.site };
	paired_call(c, kind, result > 0 ? (uint64_t)result : 0);
	if (site)
		site = table_find(&feed->sites, &key);	/* the table may have grown */
	if (site && feed->options.take_stack &&
	    (site->wanted || (!site->taken && (site->needed || result >= STACK_LEAST || kind & CALL_MOVES))))
		traced_stack(feed, t, site);
	reading = NULL;
	feed->charged += c->p.charged && !c->p.again;
}

/* ---- Life ------------------------------------------------------------------------------------------------------------------ */

int traced_calls_open(struct feed_ptrace *feed)
{
	feed->calls = calloc(1, sizeof *feed->calls);
	if (!feed->calls)
		return -ENOMEM;
	feed->calls->feed = feed;
	return getrandom(&feed->calls->secret, sizeof feed->calls->secret, 0) == sizeof feed->calls->secret ? 0 : -EIO;
}

void traced_calls_close(struct feed_ptrace *feed)
{
	if (feed->calls)
		explicit_bzero(feed->calls, sizeof *feed->calls);
	free(feed->calls);
}

const struct event_counts *traced_counts(const struct feed_ptrace *feed)
{
	return &feed->calls->p.counts;
}

void traced_calls_forget(struct feed_ptrace *feed)
{
	struct traced_calls *c = feed->calls;

	memset(c->sets, 0, sizeof c->sets);
	memset(c->copies, 0, sizeof c->copies);
	memset(c->forgotten, 0, sizeof c->forgotten);
	memset(c->pushed, 0, sizeof c->pushed);
	memset(c->recents, 0, sizeof c->recents);
	memset(c->nears, 0, sizeof c->nears);
	memset(c->wholes, 0, sizeof c->wholes);
	memset(c->written, 0, sizeof c->written);
	c->window_bytes = 0;
}
