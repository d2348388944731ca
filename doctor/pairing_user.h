/* SPDX-License-Identifier: MIT */
/* The pairing rules outside of the kernel: as plain functions, for the ptrace engine and the tests, who define what stands here. */
#ifndef DOCTOR_PAIRING_USER_H
#define DOCTOR_PAIRING_USER_H

#define PAIRING_FUNCTION static inline
#define PAIRING_LOOP(count, function, context) \
	do { \
		for (uint32_t loop_i = 0; loop_i < (count); loop_i++) \
			if (function(loop_i, context)) \
				break; \
	} while (0)
#define PAIRING_ADD(to, n) (*(to) += (n))

#include "pairing_types.h"

static int pairing_user(void *to, uint32_t bytes, uint64_t from);
static struct pairing_set *pairing_set(struct pairing *p, uint32_t number);
static struct pairing_set *pairing_copies(struct pairing *p, uint32_t number);
static uint64_t *pairing_forgotten(struct pairing *p, uint32_t number);
static uint64_t *pairing_pushed(struct pairing *p, uint32_t number);
static struct pairing_recent *pairing_recent(struct pairing *p);
static struct pairing_near *pairing_near(struct pairing *p, uint32_t number);
static struct pairing_pieces *pairing_pieces(struct pairing *p, uint32_t name);
static void pairing_look_closer(struct pairing *p, uint32_t n);
static struct event_flow *pairing_flow(struct pairing *p);
static int pairing_filled(struct pairing *p);
static int pairing_mapped(struct pairing *p);

#include "pairing.h"

#endif
