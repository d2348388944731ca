/* SPDX-License-Identifier: MIT */
#include "show.h"
#include "../escape.h"
#include "../json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void show_init(struct show *show, const struct settings *settings, FILE *to)
{
	memset(show, 0, sizeof *show);
	out_init(&show->out);
	show->to = to;
	show->settings = settings;
	pthread_mutex_init(&show->lock, NULL);
	show->begin_ns = leat_now_ns();
	/* What goes to the terminal itself is not to be drawn over. */
	show->live = settings->progress == SHOW_ALWAYS ||
		     (settings->progress == SHOW_AUTO && show->out.live && !(to == stderr && isatty(STDOUT_FILENO)));
}

void show_count(struct show *show, enum show_count what)
{
	__atomic_add_fetch(&show->counts[what], 1, __ATOMIC_RELAXED);
}

void show_route(void *arg, const struct leat_event *event)
{
	struct watch *watch = arg;

	if (event->route == LEAT_ROUTE_NONE)	/* a hole: what goes on is the route of the data */
		return;
	if (event->kind == LEAT_EVENT_ROUTE || event->kind == LEAT_EVENT_BEGIN || event->kind == LEAT_EVENT_MOVED)
		watch->route = (uint8_t)event->route;
}

static const char *clock_text(uint64_t ns, char *text, size_t size)
{
	uint64_t s = (ns + LEAT_SECOND / 2) / LEAT_SECOND;

	if (s >= 3600)
		snprintf(text, size, "%llu:%02llu:%02llu", (unsigned long long)s / 3600, (unsigned long long)s / 60 % 60,
			 (unsigned long long)s % 60);
	else
		snprintf(text, size, "%llu:%02llu", (unsigned long long)s / 60, (unsigned long long)s % 60);
	return text;
}

/* "512 MiB of 1 GiB  50 %  1.2 GiB/s  0:01 left  sendfile". Stalled for over a second: how long, instead of the rate. */
static void progress_of_one(const struct watch *watch, const struct leat_progress_state *state)
{
	struct out *out = &watch->show->out;
	char done[24], total[24], rate[24], eta[24], share[48] = "", speed[64];

	if (state->ended && out->live) {
		out_progress_end();
		return;
	}
	out_size(state->bytes, done, sizeof done);
	if (state->total_bytes != LEAT_UNKNOWN && state->total_bytes)
		snprintf(share, sizeof share, " of %s  %.0f %%", out_size(state->total_bytes, total, sizeof total),
			 100.0 * (double)state->bytes / (double)state->total_bytes);
	if (state->stalled_ns > LEAT_SECOND)
		snprintf(speed, sizeof speed, "stalled for %s", clock_text(state->stalled_ns, eta, sizeof eta));
	else if (state->eta_ns != LEAT_NEVER && state->total_bytes != LEAT_UNKNOWN)
		snprintf(speed, sizeof speed, "%s/s  %s left", out_size(state->bytes_per_s, rate, sizeof rate),
			 clock_text(state->eta_ns, eta, sizeof eta));
	else
		snprintf(speed, sizeof speed, "%s/s", out_size(state->bytes_per_s, rate, sizeof rate));
	out_progress(out, !out->live, "%s: %s%s  %s  %s", watch->to, done, share, speed, leat_route_name(watch->route));
}

void show_tree(struct show *show, const char *to, int at, const char *path)
{
	struct total *total = to && show->live ? total_begin(at, path, show->settings) : NULL, *was;

	pthread_mutex_lock(&show->lock);
	was = show->total;
	show->tree = to;
	show->total = total;
	show->total_from = show->bytes;
	pthread_mutex_unlock(&show->lock);
	total_end(was);
}

/* " of 1 GiB  50 %", and how long the rest takes at the rate of all so far. */
static void share_of_tree(const struct show *show, double bytes_per_s, char *share, size_t size, char *left, size_t left_size)
{
	uint64_t total = 0, done = show->bytes - show->total_from;
	enum total_state state = show->total ? total_now(show->total, &total) : TOTAL_COUNTING;
	char text[24], eta[24];

	*share = *left = 0;
	if (!total || state == TOTAL_COUNTING)
		return;
	if (state == TOTAL_GIVEN_UP || done > total) {	/* it grows, or is too much to be counted */
		snprintf(share, size, " of over %s", out_size(total > done ? total : done, text, sizeof text));
		return;
	}
	snprintf(share, size, " of %s  %.0f %%", out_size(total, text, sizeof text), 100.0 * (double)done / (double)total);
	if (bytes_per_s >= 1)
		snprintf(left, left_size, "  %s left",
			 clock_text((uint64_t)((double)(total - done) / bytes_per_s * 1e9), eta, sizeof eta));
}

/* Many files, perhaps several at once: it stalls when none of them moves. */
static void progress_of_tree(struct show *show, uint64_t bytes, const char *route)
{
	uint64_t now_ns = leat_now_ns(), took_ns = now_ns - show->begin_ns;
	char done[24], rate[24], speed[80], stalled[24], share[48], left[40];
	double bytes_per_s;

	show->bytes += bytes;
	if (bytes || !show->moved_ns)
		show->moved_ns = now_ns;
	if (!show->live || now_ns < show->next_ns)
		return;
	show->next_ns = now_ns + LEAT_SECOND / 5;
	bytes_per_s = (double)show->bytes * 1e9 / (double)(took_ns + 1);
	share_of_tree(show, bytes_per_s, share, sizeof share, left, sizeof left);
	if (now_ns - show->moved_ns > LEAT_SECOND)
		snprintf(speed, sizeof speed, "stalled for %s", clock_text(now_ns - show->moved_ns, stalled, sizeof stalled));
	else
		snprintf(speed, sizeof speed, "%s/s%s", out_size((uint64_t)bytes_per_s, rate, sizeof rate), left);
	out_progress(&show->out, !show->out.live, "%s: %llu files, %s%s  %s  %s", show->tree,
		     (unsigned long long)__atomic_load_n(&show->counts[SHOW_FILES], __ATOMIC_RELAXED),
		     out_size(show->bytes, done, sizeof done), share, speed, route);
}

void show_progress(void *arg, const struct leat_progress_state *state)
{
	struct watch *watch = arg;
	struct show *show = watch->show;

	pthread_mutex_lock(&show->lock);
	if (show->tree)
		progress_of_tree(show, state->bytes - watch->bytes, leat_route_name(watch->route));
	else
		progress_of_one(watch, state);
	watch->bytes = state->bytes;
	pthread_mutex_unlock(&show->lock);
}

void show_plan(struct show *show, const char *from, const char *to, const struct leat_report *plan)
{
	char line[400];

	pthread_mutex_lock(&show->lock);
	escape(show->to, ESCAPE_TERMINAL, from);
	fputs(" -> ", show->to);
	escape(show->to, ESCAPE_TERMINAL, to);
	fprintf(show->to, "\n  plan: %s\n", leat_explain(plan, line, sizeof line));
	pthread_mutex_unlock(&show->lock);
}

static const char json_head[] = "{\n\t\"format\": \"leat-cp\",\n\t\"version\": 1,\n\t\"files\": [";

/* A name is any bytes: what JSON cannot say of it stands beside it in hexadecimal. */
static void name_json(struct json *json, const char *key, const char *key_of_bytes, const char *name)
{
	size_t length = strlen(name);
	char *bytes = escape_keeps(name) ? NULL : malloc(2 * length + 1);

	json_text(json, key, name);
	if (!bytes)
		return;
	for (size_t i = 0; i < length; i++)
		snprintf(bytes + 2 * i, 3, "%02x", (unsigned char)name[i]);
	json_word(json, key_of_bytes, bytes);
	free(bytes);
}

static void result_json(struct show *show, const struct result *result)
{
	const struct leat_report *r = result->report;
	struct json json = { .to = show->to, .filled = show->results > 0 };
	char line[400];

	if (!show->results++)
		fputs(json_head, show->to);
	json.depth = 2;
	json_open(&json, NULL, '{');
	name_json(&json, "from", "from_bytes", result->from);
	name_json(&json, "to", "to_bytes", result->to);
	json_signed(&json, "status", result->status);
	json_text(&json, "error", result->error);
	if (r) {
		json_integer(&json, "bytes", r->bytes);
		json_integer(&json, "hole_bytes", r->hole_bytes);
		json_text(&json, "route", leat_route_name((enum leat_route)r->route));
		json_open(&json, "route_bytes", '{');
		for (unsigned i = 1; i < LEAT_ROUTES; i++)
			if (r->route_bytes[i])
				json_integer(&json, leat_route_name((enum leat_route)i), r->route_bytes[i]);
		json_close(&json, '}');
		json_open(&json, "refused", '{');
		for (unsigned i = 1; i < LEAT_ROUTES; i++)
			if (r->refused[i] != LEAT_OK)
				json_text(&json, leat_route_name((enum leat_route)i),
					  leat_reason_name((enum leat_reason)r->refused[i]));
		json_close(&json, '}');
		json_number(&json, "seconds", (double)(r->end_ns - r->begin_ns) / (double)LEAT_SECOND);
		json_text(&json, "explain", leat_explain(r, line, sizeof line));
	}
	json_integer(&json, "resumed_bytes", result->resumed_bytes);
	json_text(&json, "hash_name", result->hash_name);
	json_text(&json, "hash", result->hash);
	if (result->verified < 0)
		json_null(&json, "verified");
	else
		json_boolean(&json, "verified", result->verified);
	json_close(&json, '}');
}

/* Once. Not of clone, after which a hash is taken from what is there, and not where --tee asks for the content, too. */
static void say_what_hash_costs(struct show *show, const struct leat_report *report)
{
	for (unsigned i = LEAT_ROUTE_COPY_FILE_RANGE; i < LEAT_ROUTE_COPY && !show->settings->tee; i++) {
		if (report->refused[i] != LEAT_NEEDS_CONTENT)
			continue;
		out_error("--hash costs a copy through user space here; without it: %s", leat_route_name((enum leat_route)i));
		show->hash_said = 1;
		return;
	}
}

void show_result(struct show *show, const struct result *result)
{
	char line[400];

	pthread_mutex_lock(&show->lock);
	show_count(show, result->status ? SHOW_FAILED : SHOW_FILES);
	show->total_from -= result->resumed_bytes;
	if (!show->tree || show->settings->json || show->settings->explain || result->hash)
		out_progress_end();
	if (show->settings->json)
		result_json(show, result);
	if (!show->settings->json && show->settings->explain && result->report) {
		fputs("  ", show->to);
		escape(show->to, ESCAPE_TERMINAL, result->to);
		fprintf(show->to, ": %s\n", leat_explain(result->report, line, sizeof line));
	}
	if (!show->settings->json && result->hash) {
		fprintf(show->to, "%s  ", result->hash);
		escape(show->to, ESCAPE_TERMINAL, result->from);
		putc('\n', show->to);
		if (!show->settings->explain && !show->hash_said && result->report)
			say_what_hash_costs(show, result->report);
	}
	pthread_mutex_unlock(&show->lock);
}

void show_end(struct show *show, int status)
{
	static const char *const names[SHOW_COUNTS] = { "files", "directories", "links", "special", "failed" };
	struct json json = { .to = show->to, .depth = 1, .filled = 1 };

	if (!show->settings->json)
		return;
	fputs(show->results ? "\n\t]" : json_head, show->to);
	if (!show->results)
		putc(']', show->to);
	json_open(&json, "counts", '{');
	for (unsigned i = 0; i < SHOW_COUNTS; i++)
		json_integer(&json, names[i], show->counts[i]);
	json_close(&json, '}');
	json_signed(&json, "status", status);
	fputs("\n}\n", show->to);
}
