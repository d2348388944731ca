/* SPDX-License-Identifier: MIT */
#include "generation.h"
#include "../cmd.h"
#include "../out.h"
#include "address.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

/* Any upstream of that name: its addresses may be known, and no answer is waited for at a reload, nor is none a reason to forget them. */
static const struct board_upstream *known(const struct generation *before, const char *name)
{
	for (unsigned i = 0; before && i < before->board->count; i++)
		if (strcmp(before->board->upstreams[i].name, name) == 0)
			return &before->board->upstreams[i];
	return NULL;
}

/* What is asked for names comes when all are there. Who is out stays so at a reload, if there is still what brings him back. */
static int fill_upstream(const struct generation *generation, struct board_upstream *up, const char *word, const struct generation *before)
{
	const struct board *board = generation->board;
	const struct settings *settings = &generation->settings;
	const struct board_upstream *from;
	struct board_address found[BOARD_ADDRESSES];
	struct addr addr;
	int count;

	if (!word || address_parse(word, 0, &addr) < 0)
		return -EINVAL;
	snprintf(up->name, sizeof up->name, "%s", word);
	for (const struct board_upstream *other = board->upstreams; other < up; other++) {
		if (strcmp(other->name, up->name) == 0 && strcasecmp(other->sni, up->sni) == 0) {
			out_error("the upstream %s is there twice", word);
			return -EINVAL;
		}
	}
	from = known(before, word);
	count = from ? (int)board_read(from, found, NULL) : 0;
	if (!count && address_is_name(&addr))
		return 0;
	if (!count)
		count = address_resolve(&addr, 0, found, BOARD_ADDRESSES);
	if (count > 0)
		board_write(up, found, (unsigned)count);
	else
		out_error("%s: it has no address: %s", word, address_why(count));
	if (from)
		up->found = from->found;
	if (from)
		board_inherit(up, from, settings->failures > 0, settings->health_s > 0);
	return 0;
}

static int take_place(struct generation *generation, struct board_upstream *up)
{
	struct board_places *set = &generation->upstreams;
	int r = places_add(generation->places, set, up->name, up->sni);

	if (r < 0)
		out_error("there are %d upstreams with those that left and have connections still, and may be no more", BOARD_PLACES);
	else
		up->active = &generation->places->counts->upstreams[set->at[set->count - 1]].active;
	return r;
}

static int make_board(struct generation *generation, const struct generation *before)
{
	const struct settings *settings = &generation->settings;
	unsigned count = settings->upstream.count + settings->sni.count;
	struct board *board;

	if (count > BOARD_UPSTREAMS) {
		out_error("there are %u upstreams, and may be %d", count, BOARD_UPSTREAMS);
		return -EINVAL;
	}
	board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED) {
		out_error("no memory to share");
		return -ENOMEM;
	}
	generation->board = board;
	board->counts = generation->places->counts;
	board->count = count;
	for (unsigned i = 0; i < count; i++) {
		int is_default = i < settings->upstream.count;
		const char *name = is_default ? "" : settings->sni.items[i - settings->upstream.count];
		struct board_upstream *up = &board->upstreams[i];
		int r;

		snprintf(up->sni, sizeof up->sni, "%.*s", (int)strcspn(name, "="), name);
		r = fill_upstream(generation, up, address_upstream(settings, i), before);
		if (!r)
			r = take_place(generation, up);
		if (r < 0) {
			settings_blame(settings, is_default ? settings->upstream.items[i] : name);
			return r;
		}
	}
	return 0;
}

static int find_user(struct generation *generation)
{
	const char *name = generation->settings.user;
	const struct passwd *user = name ? getpwnam(name) : NULL;

	generation->uid = (uid_t)-1;
	if (!name)
		return 0;
	if (!user) {
		out_error("--user %s: there is no such user", name);
		return -EINVAL;
	}
	if (geteuid() != 0 && geteuid() != user->pw_uid) {
		out_error("--user %s: only root can become somebody else", name);
		return -EPERM;
	}
	generation->uid = user->pw_uid;
	generation->gid = user->pw_gid;
	return 0;
}

static int open_exporter(struct generation *generation, struct generation *before)
{
	const char *address = generation->settings.metrics;
	int r;

	if (!address)
		return 0;
	if (before && before->exporter && strcmp(before->settings.metrics, address) == 0) {
		generation->exporter = before->exporter;
		return 0;
	}
	r = exporter_open(&generation->exporter, address);
	if (r == -EINVAL)
		out_error("--metrics takes [ADDRESS]:PORT, not `%s`", address);
	else if (r == -EADDRINUSE && generation->settings.check)
		r = 0;
	else if (r < 0)
		out_error("--metrics %s: cannot listen: %s", address, strerror(-r));
	return r;
}

static int blamed(const struct settings *settings, const char *value, int r)
{
	if (r < 0)
		settings_blame(settings, value);
	return r;
}

static int open_all(struct generation *generation, struct generation *before)
{
	const struct settings *settings = &generation->settings;
	int r = blamed(settings, settings->user, find_user(generation));

	if (!r)
		r = make_board(generation, before);
	if (!r && settings->log)
		r = blamed(settings, settings->log, log_open(&generation->log, settings->log));
	if (!r)
		r = blamed(settings, settings->metrics, open_exporter(generation, before));
	/* The last that may fail, as it marks what is kept. */
	if (!r)
		r = listen_open(&generation->listeners, before ? &before->listeners : NULL, settings);
	return r;
}

int generation_open(struct generation **ret_generation, struct generation *before, struct settings *settings, struct places *places)
{
	struct generation *generation = calloc(1, sizeof *generation);
	int r;

	if (!generation) {
		out_error("no memory");
		return -ENOMEM;
	}
	generation->settings = *settings;
	generation->places = places;
	generation->log.fd = -1;
	r = open_all(generation, before);
	if (before && generation->exporter == before->exporter) {
		if (r < 0)
			generation->exporter = NULL;
		else
			before->exporter = NULL;
	}
	if (r < 0) {
		generation_close(generation);
		return r;
	}
	board_set_rate(places->counts, generation->settings.total_rate);
	*ret_generation = generation;
	return 0;
}

void generation_close(struct generation *generation)
{
	places_leave(generation->places, &generation->upstreams);
	listen_close(&generation->listeners);
	exporter_close(generation->exporter);
	if (generation->log.fd >= 0)
		close(generation->log.fd);
	if (generation->board)
		munmap(generation->board, sizeof *generation->board);
	settings_free(&generation->settings);
	free(generation);
}

void generation_settle(struct generation *generation)
{
	if (generation->uid == (uid_t)-1 || generation->uid == geteuid())
		return;
	if (initgroups(generation->settings.user, generation->gid) || setresgid(generation->gid, generation->gid, generation->gid) ||
	    setresuid(generation->uid, generation->uid, generation->uid)) {
		out_error("cannot become %s: %s", generation->settings.user, strerror(errno));
		_exit(EXIT_FAILED);
	}
}
