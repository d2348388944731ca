/* SPDX-License-Identifier: MIT */
/* A thread for each thing that may have to wait, which is all it does. What they have in common is the board. */
#include "keeper.h"
#include "../cmd.h"
#include "../out.h"
#include "health.h"
#include "metrics.h"
#include "sandbox.h"
#include "address.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int is_name(const struct board_upstream *up, struct addr *ret_addr)
{
	return address_parse(up->name, 0, ret_addr) == 0 && address_is_name(ret_addr);
}

static int has_names(const struct generation *generation)
{
	struct addr addr;

	for (unsigned i = 0; i < generation->board->count; i++)
		if (is_name(&generation->board->upstreams[i], &addr))
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

/* What had addresses keeps them while nobody answers. */
static void *resolve(void *arg)
{
	struct generation *generation = arg;

	for (;;) {
		pause_for(generation->settings.resolve_s);
		for (unsigned i = 0; i < generation->board->count; i++) {
			struct board_upstream *up = &generation->board->upstreams[i];
			struct board_address found[BOARD_ADDRESSES];
			struct addr addr;
			int count;

			if (!is_name(up, &addr))
				continue;
			count = address_resolve(&addr, 0, found, BOARD_ADDRESSES);
			if (count > 0)
				board_write(up, found, (unsigned)count);
			else
				BOARD_ADD(up->unresolved, 1);
		}
	}
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

static void *serve(void *arg)
{
	struct generation *generation = arg;

	exporter_publish_at_scrape(generation->exporter, metrics_write, generation->board);
	exporter_publish(generation->exporter, metrics_write, generation->board);
	while (exporter_serve(generation->exporter, INT_MAX, NULL) == 0)
		;
	return NULL;
}

static int begin(struct generation *generation, void *(*what)(void *arg))
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, what, generation);

	if (r)
		out_error("the keeper has no thread: %s", strerror(r));
	return r;
}

static int begin_all(struct generation *generation)
{
	const struct settings *settings = &generation->settings;

	if (has_names(generation) && begin(generation, resolve))
		return -1;
	if (settings->health_s && begin(generation, check))
		return -1;
	return generation->exporter && begin(generation, serve) ? -1 : 0;
}

int keeper_run(struct generation *generation)
{
	sigset_t set;
	int signal;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	listen_drop(&generation->listeners);
	if (!generation->settings.no_sandbox && sandbox_keeper(generation->board) < 0)
		return EXIT_USAGE;
	if (begin_all(generation) < 0)
		return EXIT_FAILED;
	sigemptyset(&set);
	sigaddset(&set, KEEPER_DRAIN);
	sigaddset(&set, KEEPER_END);
	while (sigwait(&set, &signal) == 0 && signal != KEEPER_END)
		if (generation->exporter)
			exporter_unready(generation->exporter, "draining\n");
	return EXIT_OK;
}
