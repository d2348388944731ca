/* SPDX-License-Identifier: MIT */
/* A reader, a writer and a loop, for symbol.c: calls of marked lengths stand in the lines that the marks name. */
#include <stddef.h>
#include <unistd.h>

#define APART __attribute__((noinline))
#define WITHIN static inline __attribute__((always_inline))

static char buffer[8192];
static volatile int source = -1, after;

WITHIN long take_inlined(size_t length)
{
	return read(source, buffer, length);	/* MARK take_inlined */
}

APART static void fetch_block(size_t length)
{
	volatile char room[512];

	room[0] = 1;
	(void)!read(source, buffer, length);	/* MARK fetch_block */
	after += room[0];
}

APART static void send_all(size_t length)
{
	(void)!write(source, buffer, length);	/* MARK send_all */
	after++;
}

APART static void copy_loop(void)
{
	fetch_block(4241);	/* MARK loop_read */
	send_all(4242);		/* MARK loop_write */
	take_inlined(4243);	/* MARK loop_inlined */
	after++;
}

int main(void)
{
	copy_loop();	/* MARK main */
	return after == 0;
}
