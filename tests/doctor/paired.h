/* SPDX-License-Identifier: MIT */
/* The pairing rules, driven with made-up reads and writes on memory of our own: the very text the kernel side is made of. */
#ifndef LEAT_TESTS_DOCTOR_PAIRED_H
#define LEAT_TESTS_DOCTOR_PAIRED_H

#include "check.h"

#include "../../doctor/pairing_user.h"

/* ---- Tables ---------------------------------------------------------------------------------------------------------------- */

#define SETS 64
#define FLOWS 8
#define FORGOTTEN 16384

static struct pairing_set sets[SETS], copies[SETS];
static uint64_t forgotten[FORGOTTEN], pushed[FORGOTTEN];
static struct pairing_recent recents[16];
static struct pairing_near nears[64];
static struct { struct event_flow_key key; struct event_flow flow; } flows[FLOWS];
static unsigned flow_count, flow_room;
static uint64_t mapped_bytes;
static int filled;
static struct pairing_pieces wholes[SETS];
static uint32_t looks_wanted;
static struct pairing p;

static int pairing_user(void *to, uint32_t bytes, uint64_t from)
{
	memcpy(to, (const void *)(uintptr_t)from, bytes);
	return 0;
}

static struct pairing_set *pairing_set(struct pairing *call, uint32_t number)
{
	return &sets[number % SETS];
}

static struct pairing_set *pairing_copies(struct pairing *call, uint32_t number)
{
	return &copies[number % SETS];
}

static uint64_t *pairing_forgotten(struct pairing *call, uint32_t number)
{
	return &forgotten[number % FORGOTTEN];
}

static uint64_t *pairing_pushed(struct pairing *call, uint32_t number)
{
	return &pushed[number % FORGOTTEN];
}

static struct pairing_recent *pairing_recent(struct pairing *call)
{
	return &recents[call->tid % 16];
}

static struct pairing_near *pairing_near(struct pairing *call, uint32_t number)
{
	return &nears[number % 64];
}

static struct pairing_pieces *pairing_pieces(struct pairing *call, uint32_t name)
{
	return &wholes[name / 2 % SETS];
}

static void pairing_look_closer(struct pairing *call, uint32_t n)
{
	looks_wanted += n;
}

static struct event_flow *pairing_flow(struct pairing *call)
{
	for (unsigned i = 0; i < flow_count; i++)
		if (memcmp(&flows[i].key, &call->key, sizeof call->key) == 0)
			return &flows[i].flow;
	if (flow_count == flow_room)
		return NULL;
	flows[flow_count].key = call->key;
	memset(&flows[flow_count].flow, 0, sizeof flows->flow);
	return &flows[flow_count++].flow;
}

static int pairing_filled(struct pairing *call)
{
	return filled;
}

static int pairing_mapped(struct pairing *call)
{
	if (!mapped_bytes)
		return -1;
	call->slot.inode = 77;
	call->slot.device = 1;
	call->slot.bytes = (uint32_t)mapped_bytes;
	return 0;
}

/* ---- A program ------------------------------------------------------------------------------------------------------------- */

#define MEMORY (1u << 20)
static uint8_t memory[MEMORY];
static unsigned seed;

static inline void fill(uint8_t *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
}

static inline void begin(void)
{
	memset(sets, 0, sizeof sets);
	memset(copies, 0, sizeof copies);
	memset(forgotten, 0, sizeof forgotten);
	memset(pushed, 0, sizeof pushed);
	memset(recents, 0, sizeof recents);
	memset(nears, 0, sizeof nears);
	memset(wholes, 0, sizeof wholes);
	looks_wanted = 0;
	memset(&p, 0, sizeof p);
	flow_count = 0;
	flow_room = FLOWS;
	mapped_bytes = 0;
	filled = 1;
	seed = 1;
	p.tgid = 10;
	p.tid = 10;
	p.secret = 0x1234567;
	p.look = PAIRING_ALL_SAMPLES;
	p.first = p.whole = 1;
}

static inline void reads(uint8_t *at, uint32_t bytes, uint64_t inode)
{
	p.inode = inode;
	p.site = 3;
	p.call = 0;
	p.stamp++;
	pairing_read(&p, (uintptr_t)at, bytes);
}

static inline void writes_of(const uint8_t *at, uint64_t asked, uint64_t moved, uint64_t inode)
{
	p.inode = inode;
	p.site = 5;
	p.call = 1;
	p.stamp++;
	p.charged = p.paired = 0;
	p.total = moved;
	pairing_write(&p, (uintptr_t)at, asked, moved);
}

static inline void writes(const uint8_t *at, uint64_t bytes, uint64_t inode)
{
	writes_of(at, bytes, bytes, inode);
}

/* The only flow there is. */
static inline const struct event_flow *flow_of(enum flow_how how)
{
	CHECK_EQ(flow_count, 1);
	CHECK_EQ(flows[0].key.how, how);
	return &flows[0].flow;
}

#endif
