/* SPDX-License-Identifier: MIT */
/* What the pairing rules think with: a read, tables of them, a call; and the hashes by which they are found. */
#ifndef DOCTOR_PAIRING_TYPES_H
#define DOCTOR_PAIRING_TYPES_H

#include "event.h"

#define PAIRING_SAMPLES 6
#define PAIRING_ALL_SAMPLES ((1u << PAIRING_SAMPLES) - 1)
#define PAIRING_COPY_SAMPLES (1u << 1 | 1u << 2)	/* that are taken to find copies by */
#define PAIRING_WAYS 4
#define PAIRING_RECENT 8
#define PAIRING_NEAR 16
#define PAIRING_NEAR_BITS 16		/* of addresses in one neighbourhood; of longer reads: */
#define PAIRING_FAR_BITS 22
#define PAIRING_NEIGHBOURS 6		/* its own, and those before and behind, of both kinds */
#define PAIRING_PIECES 1024		/* of one buffer: 1 MiB that came from a network in pieces of 1448 bytes has 725 */
#define PAIRING_COPY_LEAST 512		/* below, equal beginnings are chance */
#define PAIRING_MAPPED_LEAST 4096
#define PAIRING_CHUNK 512		/* that every byte is looked at by */
#define PAIRING_WHOLE_SHIFT 9		/* log2 of the bytes of the smallest piece */
#define PAIRING_WHOLE_PIECES 512
#define PAIRING_WHOLE_MOST (4u << 20)	/* longer reads are not looked at as a whole: 8 KiB a piece, and a millisecond */
#define PAIRING_WHOLE_HEAD 16		/* one in so many bytes of a read may be its head: pairing_whole.h */
#define PAIRING_WHOLE_HEAD_MOST 4096

/* A read, or what a partial write has left of it. */
struct pairing_slot {
	uint64_t base, origin;		/* where it stands; where the first byte of the read did (or its copy does) */
	uint32_t bytes, origin_bytes;	/* 0: nobody's */
	uint32_t tgid, tid;
	uint64_t inode, site;
	uint32_t device;
	uint16_t call;
	uint8_t have;			/* which samples there are */
	uint8_t weak;			/* they are all the same: constant bytes */
	uint8_t copied, used, uring;
	uint8_t counted;		/* the call stands in a flow's reads */
	uint32_t stamp;
	uint64_t head;			/* of a vector: its first buffer, which keeps `counted` for all; behind a slice: the read */
	uint32_t samples[PAIRING_SAMPLES];
	uint32_t whole;			/* name of its struct pairing_pieces; 0: not looked at */
	uint32_t skip;			/* bytes of the read before `origin`: behind a slice */
	uint64_t first;			/* hash of the first 16 bytes; 0: not looked at */
};

/* Hashes of every byte of a read, by pieces. */
struct pairing_pieces {
	uint32_t name;			/* 0: nobody's, or being made */
	uint32_t bytes, shift, zero;	/* of the read; log2 of those of a piece */
	uint32_t hashes[PAIRING_WHOLE_PIECES];
};

struct pairing_set {
	struct pairing_slot ways[PAIRING_WAYS];
};

struct pairing_recent {
	uint32_t tgid, tid;
	uint32_t next, zero;
	struct {
		uint64_t base;
		uint32_t bytes, set;	/* number of its set */
	} reads[PAIRING_RECENT];
};

/* Reads of any thread that begin in one neighbourhood. */
struct pairing_near {
	uint32_t next, zero;
	struct {
		uint64_t base;
		uint32_t bytes, tgid;
	} reads[PAIRING_NEAR];
};

/* What is looked at of a read: offsets within it. */
struct pairing_part {
	uint64_t at;			/* where its first byte stands, or would */
	uint32_t begin, end;		/* what is looked at: from the beginning of a piece on */
	uint32_t from, to;		/* what is to be as it was read; around it the program may do as it likes */
	uint32_t bytes;			/* of the read */
	uint32_t chunk, done;		/* where the one that is looked at begins, and ends */
	uint8_t notes;			/* now is when it has been read */
	uint8_t failed, changed, head, around;	/* what was found; the last three: where it is different */
};

/* One call, and the room to think about it. */
struct pairing {
	struct event_counts counts;	/* first: user space reads them of the kernel side's */
	uint32_t tgid, tid;
	uint64_t inode, site;
	uint32_t device;
	uint16_t call;
	uint8_t look;			/* at which samples: a bit for each */
	uint8_t first;			/* at the first bytes, for copies */
	uint8_t whole;			/* at every byte */
	uint8_t again;			/* a write that moved nothing: it would have blocked */
	uint8_t uring;
	uint8_t vector;			/* a read into several buffers */
	uint32_t stamp;			/* counts calls; wraps */
	uint64_t head;			/* its first one, once there is one: 0 before */
	uint32_t copies;		/* pieces that were found by content */
	uint64_t charged;		/* of which flow the call stands in the writes: that of the piece before */
	uint64_t secret;		/* of this run: samples are hashes nobody else can compare with */
	uint64_t now_ns;

	/* of the write under way */
	uint64_t at, rest;		/* what is not paired yet */
	uint64_t asked;			/* from `at` on: as long as the program wanted the write to be */
	uint64_t total;			/* bytes of the call: what a flow's sizes are about */
	uint64_t paired;
	uint32_t how;
	uint32_t set_number;
	uint32_t step;			/* bytes of the piece before; 0: there was none */
	struct pairing_slot slot;	/* the read it comes from */
	struct pairing_slot by_address;	/* the one that seemed so while others are looked at; what is behind a slice */
	uint64_t source, root;		/* of a copy that is found for the first time: where it was copied from, and read to; else 0 */
	uint32_t forgotten;		/* it begins as a read does that had no room: lost, if nothing else is found for it */
	uint64_t near_base, near_away;	/* the read of another thread that is nearest, and how far away */
	uint64_t near_gap;		/* bytes until it begins, if it does within the piece; else 0 */
	int32_t equal;			/* whether the piece is still what was read: pairing_compare */
	struct event_flow_key key;
	struct event_flow fresh;
	uint64_t words[PAIRING_CHUNK / 8];
	uint64_t hash;
	struct pairing_part part;
};

/* ---- Hashes ---------------------------------------------------------------------------------------------------------------- */

static inline uint64_t pairing_mix(uint64_t a, uint64_t b)
{
	uint64_t h = (a ^ (b << 32 | b >> 32)) * UINT64_C(0x9e3779b97f4a7c15);

	h ^= h >> 29;
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	return h ^ h >> 32;
}

/* Number of the set an address of a process belongs to; the table takes its low bits. */
static inline uint32_t pairing_number(uint32_t tgid, uint64_t address)
{
	return (uint32_t)pairing_mix(address, tgid);
}

/* Number of the i-th of the neighbourhoods in which reads may begin whose bytes stand at an address; 0 and 3: of reads at it. */
static inline uint32_t pairing_near_number(uint32_t tgid, uint64_t address, uint32_t i)
{
	uint64_t number = address >> (i < 3 ? PAIRING_NEAR_BITS : PAIRING_FAR_BITS);

	if (i == 1 || i == 4)
		number--;
	if (i == 2 || i == 5)
		number++;
	return pairing_number(tgid, number * 2 + (i < 3));
}

/* The call's number, for all calls of Go are one instruction; that, and where in its stack the thread stands: the same for a call
 * path on nearly every thread and on every goroutine, whose stacks are aligned to 2 KiB. exec: a number that differs when another
 * program runs in the process. pairing_path (pairing.h) tells more paths apart. */
static inline uint64_t pairing_site(uint32_t call, uint64_t ip, uint64_t sp, uint32_t exec)
{
	return pairing_mix(ip, (sp & 2047) | (uint64_t)call << 11 | (uint64_t)exec << 32) | 1;
}

/* Multiples of the golden ratio are spread evenly over any pattern of calls, as chance is, and need no helper. */
static inline uint32_t pairing_chance(uint32_t stamp)
{
	return stamp * 0x9e3779b1u;
}

/* Where every call is looked at: those that copies are found by, and of the other four one in turn. Each costs a helper's call
 * at the read, and one at the write. */
static inline uint32_t pairing_some_samples(uint32_t chance)
{
	uint32_t other = chance >> 16 & 3;

	return PAIRING_COPY_SAMPLES | 1u << (other ? other + 2 : 0);
}

static inline uint32_t pairing_word(const struct pairing *p, uint64_t word)
{
	return (uint32_t)(pairing_mix(word, p->secret) >> 16);
}

#endif
