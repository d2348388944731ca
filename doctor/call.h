/* SPDX-License-Identifier: MIT */
/* The system calls of interest by number, and how each says what it moved. Plain numbers only, for either engine. */
#ifndef DOCTOR_CALL_H
#define DOCTOR_CALL_H

#include "event.h"

#include <asm/unistd.h>

#define CALL_VECTORS 1024	/* the most the kernel takes */
#define CALL_MESSAGES 64	/* of one recvmmsg or sendmmsg; of more, the rest is counted as cut */
#define CALL_PEEK 2		/* MSG_PEEK: the same bytes will be read once more */
#define CALL_NUMBERS 512

enum {
	CALL_READS = 1, CALL_WRITES = 2, CALL_MOVES = 4, CALL_ENTERS_RING = 8,
	CALL_VECTOR = 16, CALL_MESSAGE = 32, CALL_MANY = 64, CALL_SUBMITS = 128,
};

/* 0: of no interest. */
static const uint8_t call_kinds[CALL_NUMBERS] = {
	[__NR_read] = CALL_READS,
	[__NR_pread64] = CALL_READS,
	[__NR_readv] = CALL_READS | CALL_VECTOR,
	[__NR_preadv] = CALL_READS | CALL_VECTOR,
	[__NR_preadv2] = CALL_READS | CALL_VECTOR,
	[__NR_recvfrom] = CALL_READS,
	[__NR_recvmsg] = CALL_READS | CALL_MESSAGE,
	[__NR_recvmmsg] = CALL_READS | CALL_MANY,
	[__NR_write] = CALL_WRITES,
	[__NR_pwrite64] = CALL_WRITES,
	[__NR_writev] = CALL_WRITES | CALL_VECTOR,
	[__NR_pwritev] = CALL_WRITES | CALL_VECTOR,
	[__NR_pwritev2] = CALL_WRITES | CALL_VECTOR,
	[__NR_sendto] = CALL_WRITES,
	[__NR_sendmsg] = CALL_WRITES | CALL_MESSAGE,
	[__NR_sendmmsg] = CALL_WRITES | CALL_MANY,
	[__NR_sendfile] = CALL_MOVES,
	[__NR_splice] = CALL_MOVES,
	[__NR_tee] = CALL_MOVES,
	[__NR_vmsplice] = CALL_MOVES,
	[__NR_copy_file_range] = CALL_MOVES,
	[__NR_io_uring_enter] = CALL_ENTERS_RING,
	[__NR_io_submit] = CALL_SUBMITS,
};

static inline enum flow_how call_how(uint32_t number)
{
	switch (number) {
	case __NR_sendfile: return HOW_SENDFILE;
	case __NR_splice: return HOW_SPLICE;
	case __NR_tee: return HOW_TEE;
	case __NR_copy_file_range: return HOW_COPY_FILE_RANGE;
	default: return HOW_VMSPLICE;
	}
}

/* Which argument names the file a moving call takes bytes from, and to which it gives them; from -1: memory. */
static inline void call_ends(uint32_t number, int *ret_from, int *ret_to)
{
	switch (number) {
	case __NR_sendfile:
		*ret_from = 1;
		*ret_to = 0;
		break;
	case __NR_splice:
	case __NR_copy_file_range:
		*ret_from = 0;
		*ret_to = 2;
		break;
	case __NR_tee:
		*ret_from = 0;
		*ret_to = 1;
		break;
	default:
		*ret_from = -1;
		*ret_to = 0;
	}
}

static inline int call_is_peek(uint32_t number, const uint64_t *arguments)
{
	return (number == __NR_recvmsg && arguments[2] & CALL_PEEK) ||
	       ((number == __NR_recvfrom || number == __NR_recvmmsg) && arguments[3] & CALL_PEEK);
}

#endif
