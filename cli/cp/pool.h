/* SPDX-License-Identifier: MIT */
/* -j: so many threads that take work in the order it came. */
#ifndef CLI_CP_POOL_H
#define CLI_CP_POOL_H

struct pool;

#define POOL_THREADS_MOST 64

/* work is called with each item, on one of so many threads, which are numbered from 0; 1: on the caller's own. NULL: no memory. */
struct pool *pool_open(unsigned threads, void (*work)(void *arg, unsigned thread, void *item), void *arg);
/* Waits while twice as many items wait as there are threads. item is work's from here on. */
void pool_give(struct pool *pool, void *item);
/* Waits until all is done. */
void pool_close(struct pool *pool);

#endif
