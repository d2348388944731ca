/* SPDX-License-Identifier: MIT */
/* A thread for each thing that may have to wait, which is all it does. What they have in common is the board. */
#include "keeper.h"
#include "../cmd.h"
#include "../out.h"
#include "health.h"
#include "metrics.h"
#include "names.h"
#include "sandbox.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WAKE SIGURG
#define SOON_S 5		/* as long as the C library waits for an answer */

static int has_names(const struct generation *generation)
{
	for (unsigned i = 0; i < generation->board->count; i++)
		if (names_is_one(&generation->board->upstreams[i]))
			return 1;
	return 0;
}

int keeper_needed(const struct generation *generation)
{
	return generation->exporter || generation->settings.health_s || has_names(generation);
}

static void pause_for(uint64_t seconds)
{
	const struct timespec time = { .tv_sec = (time_t)seconds };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

struct name {
	const struct generation *generation;
	struct board_upstream *up;
};

/* Who has no address at all is asked for soon again. */
static void *resolve(void *arg)
{
	const struct name *name = arg;
	uint64_t again_s = name->generation->settings.resolve_s;

	for (;; pause_for(board_addresses(name->up) || again_s < SOON_S ? again_s : SOON_S))
		names_refresh(name->up);
	return NULL;
}

static void *check(void *arg)
{
	struct generation *generation = arg;

	for (;;) {
		health_check(generation->board, &generation->settings);
		pause_for(generation->settings.health_s);
	}
	return NULL;
}

struct server {
	struct generation *generation;
	pthread_t thread;
	volatile sig_atomic_t stop;
};

static void nothing(int signal)
{
	(void)signal;
}

static void *serve(void *arg)
{
	struct server *server = arg;
	struct generation *generation = server->generation;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, WAKE);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	exporter_publish_at_scrape(generation->exporter, metrics_write, generation->board);
	exporter_publish(generation->exporter, metrics_write, generation->board);
	exporter_ready_at_request(generation->exporter, metrics_lacks, generation->board);
	while (!__atomic_load_n(&server->stop, __ATOMIC_RELAXED) && exporter_serve(generation->exporter, INT_MAX, &server->stop) == 0)
		;
	exporter_finish(generation->exporter);
	return NULL;
}

/* Who has asked gets his answer. It is woken until it is over: once might be just before it waits. */
static void leave(struct server *server)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, KEEPER_END);
	__atomic_store_n(&server->stop, 1, __ATOMIC_RELAXED);
	do
		pthread_kill(server->thread, WAKE);
	while (sigtimedwait(&set, NULL, &pause) < 0 && pthread_tryjoin_np(server->thread, NULL));
}

static int begin(pthread_t *thread, void *(*what)(void *arg), void *arg)
{
	int r = pthread_create(thread, NULL, what, arg);

	if (r)
		out_error("the keeper has no thread: %s", strerror(r));
	return r;
}

/* Each has a thread: one that nobody tells holds up no other. */
static int begin_names(struct generation *generation)
{
	static struct name names[BOARD_UPSTREAMS];
	pthread_t thread;

	for (unsigned i = 0; i < generation->board->count; i++) {
		names[i] = (struct name){ generation, &generation->board->upstreams[i] };
		if (names_is_one(names[i].up) && begin(&thread, resolve, &names[i]))
			return -1;
	}
	return 0;
}

static int begin_all(struct generation *generation, struct server *server)
{
	const struct settings *settings = &generation->settings;
	pthread_t thread;

	if (begin_names(generation))
		return -1;
	if (settings->health_s && begin(&thread, check, generation))
		return -1;
	return generation->exporter && begin(&server->thread, serve, server) ? -1 : 0;
}

int keeper_run(struct generation *generation)
{
	struct server server = { .generation = generation };
	int told = KEEPER_DRAIN;
	sigset_t set;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(WAKE, nothing);
	listen_drop(&generation->listeners);
	if (!generation->settings.no_sandbox && sandbox_keeper(generation->board) < 0)
		return EXIT_USAGE;
	if (begin_all(generation, &server) < 0)
		return EXIT_FAILED;
	sigemptyset(&set);
	sigaddset(&set, KEEPER_LEAVE);
	sigaddset(&set, KEEPER_DRAIN);
	sigaddset(&set, KEEPER_END);
	while (sigwait(&set, &told) == 0 && told == KEEPER_DRAIN)
		if (generation->exporter)
			exporter_unready(generation->exporter, "draining\n");
	if (told == KEEPER_LEAVE && generation->exporter)
		leave(&server);
	return EXIT_OK;
}
