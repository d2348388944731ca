/* SPDX-License-Identifier: MIT */
#include "relay.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define FIRST_BURST_DIVISOR 10		/* of a rate: a tenth of a second's bytes at once */

static int learn(struct relay_kind *kind, int fd)
{
	int r;

	if (kind->learnt)
		return 0;
	leat_from_fd(&kind->source, fd);
	leat_to_fd(&kind->sink, fd);
	r = leat_look(&kind->source);
	if (r < 0 || (r = leat_look_sink(&kind->sink)) < 0)
		return r;
	kind->learnt = 1;
	return 0;
}

static int add_rates(struct way *way, int number, const struct relay_rules *rules)
{
	if (!rules->rate && !rules->total)
		return 0;
	way->rates = calloc(2, sizeof *way->rates);
	if (!way->rates)
		return -ENOMEM;
	if (rules->rate)
		leat_wrap(&way->source, leat_rate_init(&way->rates[0], rules->rate, rules->rate / FIRST_BURST_DIVISOR + 1));
	if (rules->total)
		leat_wrap(&way->source, leat_rate_init_shared(&way->rates[1], &rules->total[number]));
	return 0;
}

static int begin_way(struct relay *relay, int number, struct relay_kind *kinds[2], const struct relay_rules *rules)
{
	struct way *way = &relay->ways[number];
	int r;

	leat_from_alike(&way->source, relay->fds[number], &kinds[number]->source);
	leat_to_alike(&way->sink, relay->fds[!number], &kinds[!number]->sink);
	if (rules->idle_ns || rules->total_ns)
		leat_wrap(&way->source, leat_deadline_init_shared(&way->deadline, rules->idle_ns, rules->total_ns, &relay->activity));
	way->wake_ns = LEAT_NEVER;
	way->wants_bytes = 1;
	r = add_rates(way, number, rules);
	return r < 0 ? r : leat_begin(&way->transfer, &way->sink, &way->source, &rules->options);
}

int relay_begin(struct relay *relay, const int fds[2], struct relay_kind *kinds[2], const struct relay_rules *rules)
{
	int r = 0;

	*relay = (struct relay){ .fds = { fds[CLIENT], fds[UPSTREAM] } };
	for (int number = 0; number < 2 && r >= 0; number++)
		r = learn(kinds[number], fds[number]);
	for (int number = 0; number < 2 && r >= 0; number++)
		r = begin_way(relay, number, kinds, rules);
	relay->error = r < 0 ? r : 0;
	return relay->error;
}

/* The peer shall see an end only when this is one. When it was the second, both sockets are closed now, which says as much. */
static int pass_on_end(struct relay *relay, int number)
{
	relay->ways[number].over = 1;
	if (relay->ways[!number].over)
		return 0;
	return shutdown(relay->fds[!number], SHUT_WR) < 0 && errno != ENOTCONN ? -errno : 0;
}

/* A Unix peer that has closed takes no more, and is not broken: what it sent before goes on its way. TCP says reset instead. */
static int is_gone(const struct way *way, int error)
{
	struct leat_report report;

	if (error != -EPIPE)
		return 0;
	leat_so_far(&way->transfer, &report);
	return report.side == LEAT_SIDE_SINK && report.sink_kind == LEAT_KIND_UNIX;
}

static void note_wait(struct way *way)
{
	struct leat_wait wait;

	leat_wants(&way->transfer, &wait);
	way->wake_ns = wait.wake_at_ns;
	way->wants_bytes = wait.fds[0].fd >= 0 && wait.fds[0].events & POLLIN;
	way->wants_room = wait.fds[1].fd >= 0 && wait.fds[1].events & POLLOUT;
}

static int step_way(struct relay *relay, int number)
{
	struct way *way = &relay->ways[number];
	int r = leat_step(&way->transfer);

	note_wait(way);
	if (r == LEAT_WAIT && way->twice && way->wants_bytes) {
		r = leat_step(&way->transfer);
		note_wait(way);
	}
	way->again = r == LEAT_AGAIN;
	if (r == LEAT_DONE)
		return relay->error = pass_on_end(relay, number);
	if (r < 0 && is_gone(way, r))
		way->over = way->gone = 1;
	else if (r < 0)
		relay->error = r;
	return relay->error;
}

enum relay_state relay_step(struct relay *relay, unsigned ways)
{
	struct way *client = &relay->ways[CLIENT], *upstream = &relay->ways[UPSTREAM];

	for (int number = 0; number < 2; number++) {
		struct way *way = &relay->ways[number];

		if (!way->over && (way->again || ways >> number & 1) && step_way(relay, number) < 0)
			return RELAY_OVER;
	}
	if (client->over && upstream->over)
		return RELAY_OVER;
	if ((client->again && !client->over) || (upstream->again && !upstream->over))
		return RELAY_AGAIN;
	return client->over || upstream->over ? RELAY_HALF : RELAY_WAITS;
}

unsigned relay_ways(struct relay *relay, int side, unsigned events)
{
	const struct way *to = &relay->ways[!side];

	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI))
		relay->ways[side].twice = 1;
	/* Who waits for the other side's bytes would not notice that its own sink is no more. */
	if (events & (EPOLLHUP | EPOLLERR))
		return 3;
	return (events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI) ? 1u << side : 0) | (events & EPOLLOUT && to->wants_room ? 1u << !side : 0);
}

int relay_wants_room(const struct relay *relay, int side)
{
	const struct way *way = &relay->ways[!side];

	return !way->over && way->wants_room;
}

uint64_t relay_wake_ns(const struct relay *relay)
{
	uint64_t wake_ns = LEAT_NEVER;

	for (int number = 0; number < 2; number++)
		if (!relay->ways[number].over && relay->ways[number].wake_ns < wake_ns)
			wake_ns = relay->ways[number].wake_ns;
	return wake_ns;
}

/* A close with linger 0 sends a reset, whatever is still in the buffers. */
static void reset(int fd)
{
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
}

/* Bytes are lost with who has gone. He may have answered, and wanted no more; who has said nothing has broken off. */
static void judge_losses(struct relay *relay, const struct leat_report reports[2])
{
	for (int number = 0; number < 2; number++) {
		if (!relay->ways[number].gone || !reports[number].kept_bytes || relay->error)
			continue;
		if (reports[!number].bytes)
			relay->unread = 1;
		else
			relay->error = -EPIPE;
	}
}

void relay_end(struct relay *relay, struct leat_report ret_reports[2])
{
	for (int number = 0; number < 2; number++)
		leat_end(&relay->ways[number].transfer, &ret_reports[number]);
	judge_losses(relay, ret_reports);
	for (int number = 0; number < 2; number++) {
		struct way *way = &relay->ways[number];

		leat_close(&way->source);
		leat_close_sink(&way->sink);
		free(way->rates);
		if (relay->error)
			reset(relay->fds[number]);
	}
}

static void count_way(struct board_counts *counts, int way, const struct leat_report *report)
{
	enum leat_reason reason = relay_reason(report);
	uint64_t spliced, copied;

	relay_split(report, &spliced, &copied);
	BOARD_ADD(counts->bytes[way], report->bytes);
	for (unsigned i = 0; i < LEAT_ROUTES; i++)
		if (report->route_bytes[i])
			BOARD_ADD(counts->route_bytes[i], report->route_bytes[i]);
	if (copied)
		BOARD_ADD(counts->reasons[reason], copied);
	if (reason == LEAT_PIPE_BUDGET)
		BOARD_ADD(counts->pipes_denied, 1);
}

void relay_count(const struct relay *relay, const struct leat_report reports[2], struct board_counts *counts)
{
	count_way(counts, CLIENT, &reports[CLIENT]);
	count_way(counts, UPSTREAM, &reports[UPSTREAM]);
	if (relay->error == -ETIMEDOUT)
		BOARD_ADD(counts->timed_out, 1);
	else if (relay->error)
		BOARD_ADD(counts->reset, 1);
	else if (relay->unread)
		BOARD_ADD(counts->unread, 1);
}

void relay_split(const struct leat_report *report, uint64_t *ret_spliced, uint64_t *ret_copied)
{
	*ret_spliced = report->route_bytes[LEAT_ROUTE_SPLICE_PIPE] + report->route_bytes[LEAT_ROUTE_SPLICE];
	*ret_copied = report->route_bytes[LEAT_ROUTE_COPY] + report->route_bytes[LEAT_ROUTE_MEMORY];
}

enum leat_reason relay_reason(const struct leat_report *report)
{
	uint64_t spliced, copied;

	relay_split(report, &spliced, &copied);
	if (report->refused[LEAT_ROUTE_SPLICE_PIPE] != LEAT_OK)
		return (enum leat_reason)report->refused[LEAT_ROUTE_SPLICE_PIPE];
	return copied ? LEAT_SMALL : LEAT_OK;
}
