/* SPDX-License-Identifier: MIT */
/*
 * A connection is connecting, then relaying, then over. Timers are lazy: one is moved when it must come earlier, and looks anew
 * when it comes.
 */
#include "conn.h"
#include "dial.h"
#include "greet.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Edges: each is told once. Room is asked for when it lacks, and then for good. */
#define EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLET)

#define LATER_NS (LEAT_SECOND / 20)	/* until a queue that was full is tried again, or a socket that was not to be had */
#define PAUSE_NS (LEAT_SECOND / 10)	/* longer: who has been let in comes before who has not */

static const char has_left[] = "it left before an upstream had answered";

enum state { GREETING, CONNECTING, RELAYING, OVER };

struct conn {
	struct timer timer;		/* first */
	struct conn *next;		/* of the dead */
	struct conn *older, **newer;	/* all of the worker: the next one, and what points here */
	uint64_t begin_ns, connected_ns;
	uint64_t until_ns;		/* of connecting, or of the half that is left */
	uint64_t half_bytes;		/* that had gone when until_ns was set */
	struct dial dial;
	int fds[2];
	enum state state;
	struct turn_place turn;
	unsigned ways;			/* to be stepped in its turn, besides those that said so */
	uint32_t watched[2];		/* events of the sides; 0: none */
	uint32_t seen[2];		/* events of the sides that came before they were relayed: they do not come again */
	int header_taken;
	struct relay_kind *kind;	/* of the client */
	struct board_address from, to;	/* as the PROXY header says, if there was one */
	struct relay relay;
};

static void set_timer(struct conn_rules *rules, struct conn *conn, uint64_t at_ns)
{
	if (at_ns != LEAT_NEVER && (!conn->timer.place || at_ns < conn->timer.at_ns))
		timers_set(&rules->timers, &conn->timer, at_ns);
}

static void close_side(struct conn *conn, int side)
{
	if (conn->fds[side] >= 0)
		close(conn->fds[side]);
	conn->fds[side] = -1;
	conn->watched[side] = 0;
}

static void put_line(const struct conn_rules *rules, const struct log_line *line)
{
	if (log_write(rules->log, rules->settings->log_json, line) < 0)
		BOARD_ADD(rules->board->counts->log_lost, 1);
}

static void write_log(const struct conn_rules *rules, const struct conn *conn, const struct leat_report *reports, const char *refused)
{
	const struct board_upstream *up = conn->dial.last >= 0 ? &rules->board->upstreams[conn->dial.last] : NULL;
	struct board_address at;
	const struct log_line line = {
		.from = &conn->from, .upstream = up ? up->name : NULL,
		.address = up && board_find(up, conn->dial.last_address, &at) ? &at : NULL,
		.connect_ns = conn->connected_ns ? conn->connected_ns - conn->begin_ns : 0, .took_ns = rules->now_ns - conn->begin_ns,
		.reports = reports, .error = reports ? conn->relay.error : 0, .unread = conn->relay.unread, .refused = refused,
	};

	put_line(rules, &line);
}

/* Nothing of it is used any more, but it may stand in what epoll has said already. refused: why, or NULL. */
static void over(struct conn_rules *rules, struct conn *conn, const char *refused)
{
	struct leat_report reports[2];
	int relayed = conn->state == RELAYING;

	if (relayed) {
		relay_end(&conn->relay, reports);
		relay_count(&conn->relay, reports, rules->board->counts);
	}
	write_log(rules, conn, relayed ? reports : NULL, refused);
	dial_left(&conn->dial, rules);
	conn->state = OVER;
	close_side(conn, CLIENT);
	close_side(conn, UPSTREAM);
	timers_unset(&rules->timers, &conn->timer);
	*conn->newer = conn->older;
	if (conn->older)
		conn->older->newer = conn->newer;
	board_active(rules->board, rules->share, -1);
	rules->count--;
	conn->next = rules->dead;
	rules->dead = conn;
}

static void refuse(struct conn_rules *rules, struct conn *conn, const char *why)
{
	const struct linger reset = { .l_onoff = 1 };

	BOARD_ADD(rules->board->counts->refused, 1);
	setsockopt(conn->fds[CLIENT], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	over(rules, conn, why);
}

/* What is ready already is said again. */
static int watch(const struct conn_rules *rules, struct conn *conn, int side, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.u64 = conn_mark(conn, side) };
	int how = conn->watched[side] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	conn->watched[side] = events;
	return epoll_ctl(rules->epoll, how, conn->fds[side], &event) < 0 ? -errno : 0;
}

static void go(struct conn_rules *rules, struct conn *conn, unsigned ways);

/* The header for the upstream, if one is wanted, before all else: a new socket has room for it. 0 or -errno. */
static int send_header(const struct conn_rules *rules, const struct conn *conn)
{
	struct sockaddr_storage from = { 0 }, to = { 0 };
	unsigned char header[HEADER_MADE];
	socklen_t size = sizeof to;
	ssize_t length;

	if (rules->settings->header_out == HEADER_NONE)
		return 0;
	memcpy(&from, &conn->from.any, conn->from.length);
	if (conn->to.length)
		memcpy(&to, &conn->to.any, conn->to.length);
	else
		getsockname(conn->fds[CLIENT], (struct sockaddr *)&to, &size);
	header_agree(&from, &to);
	length = (ssize_t)header_make(rules->settings->header_out == HEADER_V1 ? 1 : 2, &from, &to, header);
	size = (socklen_t)length;
	length -= send(conn->fds[UPSTREAM], header, size, MSG_NOSIGNAL);
	return !length ? 0 : length > (ssize_t)size ? -errno : -ENOBUFS;
}

/* It ends by what it could not begin with. */
static void failed(struct conn_rules *rules, struct conn *conn, int error)
{
	conn->relay.error = error;
	over(rules, conn, NULL);
}

static void connected(struct conn_rules *rules, struct conn *conn)
{
	struct relay_kind *kinds[] = { conn->kind, &rules->kinds[conn->dial.is_unix] };
	unsigned ways = 1 << CLIENT;	/* who asks has often done so by now */
	int r = relay_begin(&conn->relay, conn->fds, kinds, &rules->relay);

	dial_reached(&conn->dial, rules);
	conn->state = RELAYING;
	conn->connected_ns = rules->now_ns;
	conn->until_ns = LEAT_NEVER;
	if (r >= 0)
		r = send_header(rules, conn);
	if (r < 0) {
		failed(rules, conn, r);
		return;
	}
	ways |= relay_ways(&conn->relay, CLIENT, conn->seen[CLIENT]) | relay_ways(&conn->relay, UPSTREAM, conn->seen[UPSTREAM]);
	go(rules, conn, ways);
	if (conn->state == RELAYING && !conn->watched[CLIENT]) {
		r = watch(rules, conn, CLIENT, EVENTS);
		if (r < 0)
			failed(rules, conn, r);
	}
}

void conn_pause(struct conn_rules *rules)
{
	rules->accept_again_ns = rules->now_ns + PAUSE_NS;
}

/* When no descriptor is to be had, by the one that is kept for that, until which is there again nobody is let in. */
static enum dial_state dial(struct conn_rules *rules, struct conn *conn, int error)
{
	enum dial_state state = dial_next(&conn->dial, rules, error, &conn->fds[UPSTREAM]);

	if (state == DIAL_LATER && conn->dial.lacks && rules->spare >= 0) {
		close(rules->spare);
		rules->spare = -1;
		state = dial_next(&conn->dial, rules, -EAGAIN, &conn->fds[UPSTREAM]);
	}
	if (state == DIAL_LATER && conn->dial.lacks)
		conn_pause(rules);
	return state;
}

/*
 * Whether nobody is there for whom to connect: not by a mere end, as who has said all may still be answered. A Unix socket that was
 * closed says no more than that; what it had sent is to be passed on.
 */
static int client_has_left(const struct conn *conn)
{
	int error = 0;
	socklen_t size = sizeof error;
	char byte;

	if (!(conn->seen[CLIENT] & (EPOLLERR | EPOLLHUP)))
		return 0;
	getsockopt(conn->fds[CLIENT], SOL_SOCKET, SO_ERROR, &error, &size);
	return error || recv(conn->fds[CLIENT], &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* While the upstream is waited for, the client is watched as it will be when it is relayed: what is seen now does not come again. */
static void watch_client(struct conn_rules *rules, struct conn *conn)
{
	int r = conn->watched[CLIENT] ? 0 : watch(rules, conn, CLIENT, EVENTS);

	if (r < 0)
		refuse(rules, conn, leat_strerror(r));
	else if (client_has_left(conn))
		refuse(rules, conn, has_left);
}

/* error: as dial_next takes it. */
static void connect_next(struct conn_rules *rules, struct conn *conn, int error)
{
	enum dial_state state;
	int r = error;

	do {
		close_side(conn, UPSTREAM);
		conn->seen[UPSTREAM] = 0;
		state = dial(rules, conn, r);
		if (state == DIAL_NONE) {
			refuse(rules, conn, conn->dial.error ? leat_strerror(conn->dial.error) : "no upstream is left");
			return;
		}
		r = state == DIAL_LATER ? 0 : watch(rules, conn, UPSTREAM, EVENTS | EPOLLOUT);
	} while (r < 0);
	if (state == DIAL_THERE) {
		connected(rules, conn);
		return;
	}
	if (state != DIAL_LATER || error != -EAGAIN)	/* the time of a try goes on when it is made again */
		conn->until_ns = rules->now_ns + rules->settings->connect_s * LEAT_SECOND;
	set_timer(rules, conn, state == DIAL_LATER ? rules->now_ns + LATER_NS : conn->until_ns);
	watch_client(rules, conn);
}

static void connect_ready(struct conn_rules *rules, struct conn *conn, unsigned events)
{
	int error = 0;
	socklen_t size = sizeof error;

	if (events & (EPOLLERR | EPOLLHUP))
		getsockopt(conn->fds[UPSTREAM], SOL_SOCKET, SO_ERROR, &error, &size);
	if (error)
		connect_next(rules, conn, -error);
	else
		connected(rules, conn);
}

static uint64_t bytes_so_far(const struct relay *relay)
{
	struct leat_report reports[2];

	leat_so_far(&relay->ways[CLIENT].transfer, &reports[CLIENT]);
	leat_so_far(&relay->ways[UPSTREAM].transfer, &reports[UPSTREAM]);
	return reports[CLIENT].bytes + reports[UPSTREAM].bytes;
}

static void half_open(struct conn_rules *rules, struct conn *conn)
{
	conn->half_bytes = bytes_so_far(&conn->relay);
	conn->until_ns = rules->now_ns + rules->settings->half_open_s * LEAT_SECOND;
}

/* Asks for edges of room where it lacks, once in a connection's life. */
static int watch_room(const struct conn_rules *rules, struct conn *conn)
{
	int r = 0;

	for (int side = 0; side < 2 && r >= 0; side++)
		if (relay_wants_room(&conn->relay, side) && !(conn->watched[side] & EPOLLOUT))
			r = watch(rules, conn, side, EVENTS | EPOLLOUT);
	return r;
}

static uint64_t earliest(const struct conn *conn)
{
	uint64_t wake_ns = relay_wake_ns(&conn->relay);

	return wake_ns < conn->until_ns ? wake_ns : conn->until_ns;
}

static void go(struct conn_rules *rules, struct conn *conn, unsigned ways)
{
	enum relay_state state = relay_step(&conn->relay, ways);
	int r;

	rules->turn.served = 1;
	if (state == RELAY_OVER) {
		over(rules, conn, NULL);
		return;
	}
	r = watch_room(rules, conn);
	if (r < 0) {
		failed(rules, conn, r);
		return;
	}
	if (state == RELAY_AGAIN)
		turn_again(&rules->turn, &conn->turn);
	if (state == RELAY_HALF && conn->until_ns == LEAT_NEVER && rules->settings->half_open_s)
		half_open(rules, conn);
	set_timer(rules, conn, earliest(conn));
}

static void take_addresses(struct conn *conn, const struct header *header)
{
	const struct sockaddr_storage *ends[] = { &header->from, &header->to };
	struct board_address *to[] = { &conn->from, &conn->to };

	for (int i = 0; !header->local && i < 2; i++) {
		int family = ends[i]->ss_family;

		to[i]->length = family == AF_INET ? sizeof to[i]->in : family == AF_INET6 ? sizeof to[i]->in6 : sizeof to[i]->un;
		memcpy(&to[i]->any, ends[i], to[i]->length);
	}
}

static void greet_on(struct conn_rules *rules, struct conn *conn)
{
	struct greeting greeting = { .header_taken = conn->header_taken };
	const char *why;
	int r = greet(rules->settings, conn->fds[CLIENT], &greeting, &why);

	if (greeting.header_taken && !conn->header_taken)
		take_addresses(conn, &greeting.header);
	conn->header_taken = greeting.header_taken;
	if (r == 0 && conn->seen[CLIENT] & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		refuse(rules, conn, "it ended before it had said where to");
	else if (r < 0)
		refuse(rules, conn, why);
	if (r <= 0)
		return;
	greet_group(rules->settings, greeting.name, rules->defaults, &conn->dial.first, &conn->dial.count);
	conn->state = CONNECTING;
	connect_next(rules, conn, 0);
}

static struct conn *conn_new(struct conn_rules *rules, int client, const struct board_address *from, struct relay_kind *kind)
{
	struct conn *conn = calloc(1, sizeof *conn);

	if (!conn)
		return NULL;
	board_active(rules->board, rules->share, 1);
	rules->count++;
	conn->older = rules->all;
	conn->newer = &rules->all;
	if (conn->older)
		conn->older->newer = &conn->older;
	rules->all = conn;
	conn->fds[CLIENT] = client;
	conn->fds[UPSTREAM] = conn->dial.upstream = conn->dial.last = -1;
	conn->from = *from;
	header_unmap(&conn->from.any);
	conn->kind = kind;
	conn->begin_ns = rules->now_ns;
	conn->dial.count = rules->defaults;
	return conn;
}

void conn_accept(struct conn_rules *rules, int client, const struct board_address *from, struct relay_kind *kind)
{
	const struct settings *settings = rules->settings;
	struct conn *conn = conn_new(rules, client, from, kind);

	BOARD_ADD(rules->board->counts->accepted, 1);
	if (!conn) {
		BOARD_ADD(rules->board->counts->refused, 1);
		close(client);
		return;
	}
	if (settings->header_in || settings->sni.count) {
		conn->until_ns = rules->now_ns + settings->connect_s * LEAT_SECOND;
		set_timer(rules, conn, conn->until_ns);
		if (watch(rules, conn, CLIENT, EVENTS) < 0)
			refuse(rules, conn, leat_strerror(-errno));
		return;
	}
	conn->state = CONNECTING;
	connect_next(rules, conn, 0);
}

void conn_refuse(struct conn_rules *rules, int client, const struct board_address *from)
{
	const struct linger reset = { .l_onoff = 1 };
	struct board_address who = *from;
	const struct log_line line = { .from = &who, .refused = "there are as many as --connections allows" };

	header_unmap(&who.any);
	BOARD_ADD(rules->board->counts->accepted, 1);
	BOARD_ADD(rules->board->counts->refused, 1);
	put_line(rules, &line);
	setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(client);
}

void conn_ready(struct conn_rules *rules, struct conn *conn, int side, unsigned events)
{
	if (conn->state < RELAYING)
		conn->seen[side] |= events;
	if (conn->state == GREETING)
		greet_on(rules, conn);
	else if (conn->state == CONNECTING && side == UPSTREAM)
		connect_ready(rules, conn, events);
	else if (conn->state == CONNECTING && client_has_left(conn))
		refuse(rules, conn, has_left);
	else if (conn->state == RELAYING && conn->turn.taken)	/* its turn comes, once */
		conn->ways |= relay_ways(&conn->relay, side, events);
	else if (conn->state == RELAYING)
		go(rules, conn, relay_ways(&conn->relay, side, events));
}

/* Nothing has gone since one side has ended. */
static int half_open_is_over(const struct conn_rules *rules, const struct conn *conn)
{
	return conn->until_ns <= rules->now_ns && bytes_so_far(&conn->relay) == conn->half_bytes;
}

static void look_anew(struct conn_rules *rules, struct conn *conn, int late)
{
	if (late)
		half_open(rules, conn);
	go(rules, conn, 3);
}

void conn_timer(struct conn_rules *rules, struct timer *timer)
{
	struct conn *conn = (struct conn *)timer;
	int late = conn->until_ns <= rules->now_ns;

	if (conn->state == CONNECTING && conn->fds[UPSTREAM] < 0 && !late)
		connect_next(rules, conn, -EAGAIN);
	else if (conn->state != RELAYING && !late)
		set_timer(rules, conn, conn->until_ns);	/* of an earlier try */
	else if (conn->state == GREETING)
		refuse(rules, conn, leat_strerror(-ETIMEDOUT));
	else if (conn->state == CONNECTING && conn->dial.lacks)
		refuse(rules, conn, leat_strerror(conn->dial.lacks));
	else if (conn->state == CONNECTING)
		connect_next(rules, conn, -ETIMEDOUT);
	else if (half_open_is_over(rules, conn))
		failed(rules, conn, -ETIMEDOUT);
	else if (late || relay_wake_ns(&conn->relay) <= rules->now_ns)
		look_anew(rules, conn, late);
	else
		set_timer(rules, conn, earliest(conn));	/* it was that of connecting */
}

static void serve(void *context, struct turn_place *place)
{
	struct conn *conn = (struct conn *)((char *)place - offsetof(struct conn, turn));

	if (conn->state == RELAYING)
		go(context, conn, conn->ways);
	conn->ways = 0;
}

void conn_turn_over(struct conn_rules *rules)
{
	turn_over(&rules->turn, serve, rules);
	while (rules->dead) {
		struct conn *conn = rules->dead;

		rules->dead = conn->next;
		free(conn);
	}
}

void conn_end_all(struct conn_rules *rules)
{
	while (rules->all) {
		if (rules->all->state == RELAYING)
			failed(rules, rules->all, -ECANCELED);
		else
			refuse(rules, rules->all, "the proxy ended");
	}
	conn_turn_over(rules);
}
