/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#define ITEMS (2 * POOL_THREADS_MOST)

struct pool {
	void (*work)(void *arg, unsigned thread, void *item);
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t given, taken;
	pthread_t threads[POOL_THREADS_MOST];
	unsigned running, begun, most;	/* begun: threads that know their number */
	void *items[ITEMS];	/* a ring */
	unsigned first, count;
	int ended;
};

static void *take(struct pool *pool)
{
	void *item = NULL;

	pthread_mutex_lock(&pool->lock);
	while (!pool->count && !pool->ended)
		pthread_cond_wait(&pool->given, &pool->lock);
	if (pool->count) {
		item = pool->items[pool->first];
		pool->first = (pool->first + 1) % ITEMS;
		pool->count--;
		pthread_cond_signal(&pool->taken);
	}
	pthread_mutex_unlock(&pool->lock);
	return item;
}

static void *run(void *arg)
{
	struct pool *pool = arg;
	unsigned thread = __atomic_fetch_add(&pool->begun, 1, __ATOMIC_RELAXED);
	void *item;

	while ((item = take(pool)))
		pool->work(pool->arg, thread, item);
	return NULL;
}

struct pool *pool_open(unsigned threads, void (*work)(void *arg, unsigned thread, void *item), void *arg)
{
	struct pool *pool = calloc(1, sizeof *pool);
	sigset_t all, was;

	if (!pool)
		return NULL;
	pool->work = work;
	pool->arg = arg;
	pool->most = 2 * threads;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->given, NULL);
	pthread_cond_init(&pool->taken, NULL);
	sigfillset(&all);	/* signals are the first thread's */
	pthread_sigmask(SIG_BLOCK, &all, &was);
	while (threads > 1 && pool->running < threads && !pthread_create(&pool->threads[pool->running], NULL, run, pool))
		pool->running++;
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	return pool;
}

void pool_give(struct pool *pool, void *item)
{
	if (!pool->running) {
		pool->work(pool->arg, 0, item);
		return;
	}
	pthread_mutex_lock(&pool->lock);
	while (pool->count == pool->most)
		pthread_cond_wait(&pool->taken, &pool->lock);
	pool->items[(pool->first + pool->count++) % ITEMS] = item;
	pthread_cond_signal(&pool->given);
	pthread_mutex_unlock(&pool->lock);
}

void pool_close(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->ended = 1;
	pthread_cond_broadcast(&pool->given);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->running; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->taken);
	pthread_cond_destroy(&pool->given);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}
