/* SPDX-License-Identifier: MIT */
/*
 * What goes between the doctor and the child that reads strangers' files for it. One packet is one message: a struct wire, then
 * its texts or the pieces of a stack. The child's word is a stranger's too: whoever receives checks lengths and values.
 */
#ifndef DOCTOR_SYMBOL_WIRE_H
#define DOCTOR_SYMBOL_WIRE_H

#include "feed.h"

enum wire_kind {
	WIRE_PROCESS,		/* to the child: a process to look into, texts: executable. Back: what it is, texts: name, version */
	WIRE_STACK,		/* to the child: a stack. Back: WIRE_FRAMEs, then WIRE_DONE */
	WIRE_FRAME,		/* texts: module, function, file */
	WIRE_DONE,
	WIRE_ASK,		/* from the child, before it answers: source_file, texts: name. Back: */
	WIRE_FILE		/* the result, with a descriptor if that is 0 */
};

#define WIRE_TEXTS 3
#define WIRE_NULL UINT32_MAX		/* a length: there is no such text */
#define WIRE_TEXT_BYTES 8500u		/* of one text; a directory and a file of it, each as long as a path may be */
#define WIRE_TAIL_BYTES (WIRE_TEXTS * WIRE_TEXT_BYTES)	/* of what the child sends behind a struct wire */
#define WIRE_SLOTS 48u			/* processes that are looked into at once */

struct wire {
	uint32_t kind, what;		/* enum source_what */
	uint32_t slot;			/* of the process; one that is opened takes the place of who had it */
	int32_t result;
	uint32_t texts[WIRE_TEXTS];	/* bytes of each */
	union {
		struct feed_stack stack;	/* its pointers are NULL, the pieces follow: ips, bytes, more */
		struct wire_process {
			uint32_t pid, parent, runtime, is_32_bit;
			uint64_t start_ticks;
		} process;
		struct wire_frame {
			uint64_t ip, sp, module_offset;
			uint32_t line, inlined, owner;
		} frame;
		struct wire_done {
			uint64_t want;
			uint32_t truncated, different_file;
		} done;
	};
};

/* Borrows texts (NULL: none; cut at WIRE_TEXT_BYTES) and fd (-1: none). 0 or -errno; sets wire->texts. */
int wire_send(int line, struct wire *wire, const char *const texts[WIRE_TEXTS], int fd);
int wire_send_stack(int line, struct wire *wire, const struct feed_stack *stack);
/* What follows the struct goes to tail, ret_tail bytes. ret_fd: NULL, then no descriptor is taken. 0; -EPIPE: the other end is
 * closed; -EBADMSG: what came is no message, or is longer than tail is. */
int wire_receive(int line, struct wire *wire, void *tail, size_t *tail_bytes, int *ret_fd);
/* Do the lengths of its texts agree with the tail? */
bool wire_texts_fit(const struct wire *wire, size_t tail_bytes);
/* A copy of a text for free(); NULL: there is none, or no memory, which *ret_error then says. */
char *wire_text(const struct wire *wire, const char *tail, unsigned i, int *ret_error);

/* In the child: a file of the process that is being looked into, from who has the rights. A descriptor, or -errno. */
int wire_ask(int line, uint32_t what, const char *name);

#endif
