/* SPDX-License-Identifier: MIT */
/*
 * A connection is connecting, then relaying, then over. Timers are lazy: one is moved when it must come earlier, and looks anew
 * when it comes.
 */
#include "conn.h"
#include "../out.h"
#include "greet.h"
#include "log.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Edges: each is told once. Room is asked for when it lacks, and then for good. */
#define EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLET)

enum state { GREETING, CONNECTING, RELAYING, OVER };

struct conn {
	struct timer timer;		/* first */
	struct conn *next, *next_again;	/* of the dead; of those to be stepped */
	struct conn *older, **newer;	/* all of the worker: the next one, and what points here */
	uint64_t begin_ns, connected_ns;
	uint64_t until_ns;		/* of connecting, or of the half that is left */
	uint64_t half_bytes;		/* that had gone when until_ns was set */
	uint64_t tried;			/* upstreams, as bits */
	uint32_t tried_addresses;	/* of the upstream, as bits */
	int fds[2];
	int upstream;
	unsigned tries;
	enum state state;
	int again;
	uint32_t watched[2];		/* events of the sides; 0: none */
	uint32_t seen[2];		/* events of the sides that came before they were relayed: they do not come again */
	int header_taken;
	struct relay_kind *kind;	/* of the client */
	int to_unix;			/* the upstream's socket is one */
	unsigned group, group_count;	/* of upstreams */
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

static void left(struct conn_rules *rules, const struct conn *conn)
{
	if (conn->upstream >= 0)
		BOARD_ADD(rules->board->upstreams[conn->upstream].active, -1);
}

static void write_log(const struct conn_rules *rules, const struct conn *conn, const struct leat_report *reports, const char *refused)
{
	const struct log_line line = {
		.from = &conn->from, .upstream = conn->upstream >= 0 ? rules->board->upstreams[conn->upstream].name : NULL,
		.connect_ns = conn->connected_ns ? conn->connected_ns - conn->begin_ns : 0, .took_ns = rules->now_ns - conn->begin_ns,
		.reports = reports, .error = reports ? conn->relay.error : 0, .refused = refused,
	};

	if (rules->log >= 0)
		log_write(rules->log, rules->settings->log_json, &line);
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
	left(rules, conn);
	conn->state = OVER;
	close_side(conn, CLIENT);
	close_side(conn, UPSTREAM);
	timers_unset(&rules->timers, &conn->timer);
	*conn->newer = conn->older;
	if (conn->older)
		conn->older->newer = conn->newer;
	BOARD_ADD(rules->board->counts->active, -1);
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

static void set_options(const struct settings *settings, int fd)
{
	int one = 1, user_ms = (int)(settings->user_timeout_s * 1000), idle_s = (int)settings->keep_alive_s;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (user_ms)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_ms, sizeof user_ms);
	if (idle_s) {
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	}
}

void conn_prepare(const struct settings *settings, int listener)
{
	set_options(settings, listener);	/* a Unix one takes none of them */
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
	header_unmap((struct sockaddr *)&to);
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
	struct relay_kind *kinds[] = { conn->kind, &rules->kinds[conn->to_unix] };
	unsigned ways = 1 << CLIENT;	/* who asks has often done so by now */
	int r = relay_begin(&conn->relay, conn->fds, kinds, &rules->relay);

	balance_met(rules->board, &rules->balance, conn->upstream, 0, rules->now_ns);
	BOARD_ADD(rules->board->upstreams[conn->upstream].connections, 1);
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

/* A socket on its way to an address. 0, 1 when it is connected at once, or -errno. */
static int dial(struct conn_rules *rules, struct conn *conn, const struct board_address *to)
{
	int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	conn->fds[UPSTREAM] = fd;
	conn->seen[UPSTREAM] = 0;
	conn->to_unix = to->any.sa_family == AF_UNIX;
	if (!conn->to_unix)
		set_options(rules->settings, fd);
	r = connect(fd, &to->any, to->length) < 0 ? -errno : 1;
	if (r < 0 && r != -EINPROGRESS)
		return r;
	return watch(rules, conn, UPSTREAM, EVENTS | EPOLLOUT) < 0 ? -errno : r == 1;
}

/* An upstream has failed by all its addresses. */
static void leave_upstream(struct conn_rules *rules, struct conn *conn, int error)
{
	balance_met(rules->board, &rules->balance, conn->upstream, error, rules->now_ns);
	left(rules, conn);
	conn->upstream = -1;
	conn->tries++;
}

/* The next address of the upstream, or the next upstream. 0, or -EHOSTUNREACH. error: of the try before, or 0. */
static int choose(struct conn_rules *rules, struct conn *conn, int error, struct board_address *to)
{
	for (;;) {
		if (conn->upstream >= 0 && balance_address(rules->board, conn->upstream, &conn->tried_addresses, to))
			return 0;
		if (conn->upstream >= 0)
			leave_upstream(rules, conn, error ? error : -EHOSTUNREACH);
		if (conn->tries > rules->settings->retries)
			return -EHOSTUNREACH;
		conn->upstream = balance_pick(rules->board, &rules->balance, conn->group, conn->group_count, conn->tried, rules->now_ns);
		if (conn->upstream < 0)
			return -EHOSTUNREACH;
		BOARD_ADD(rules->board->upstreams[conn->upstream].active, 1);
		conn->tried |= UINT64_C(1) << conn->upstream;
		conn->tried_addresses = 0;
	}
}

/* error: of the try before, or 0. */
static void connect_next(struct conn_rules *rules, struct conn *conn, int error)
{
	struct board_address to;
	int r;

	do {
		close_side(conn, UPSTREAM);
		if (choose(rules, conn, error, &to) < 0) {
			refuse(rules, conn, error ? leat_strerror(error) : "no upstream is left");
			return;
		}
		r = error = dial(rules, conn, &to);
	} while (r < 0);
	if (r == 1) {
		connected(rules, conn);
		return;
	}
	conn->until_ns = rules->now_ns + rules->settings->connect_s * LEAT_SECOND;
	set_timer(rules, conn, conn->until_ns);
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

static void step_again(struct conn_rules *rules, struct conn *conn)
{
	if (conn->again)
		return;
	conn->again = 1;
	conn->next_again = rules->again;
	rules->again = conn;
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
		step_again(rules, conn);
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
	greet_group(rules->settings, greeting.name, rules->defaults, &conn->group, &conn->group_count);
	conn->state = CONNECTING;
	connect_next(rules, conn, 0);
}

static struct conn *conn_new(struct conn_rules *rules, int client, const struct board_address *from, struct relay_kind *kind)
{
	struct conn *conn = calloc(1, sizeof *conn);

	if (!conn)
		return NULL;
	BOARD_ADD(rules->board->counts->active, 1);
	rules->count++;
	conn->older = rules->all;
	conn->newer = &rules->all;
	if (conn->older)
		conn->older->newer = &conn->older;
	rules->all = conn;
	conn->fds[CLIENT] = client;
	conn->fds[UPSTREAM] = conn->upstream = -1;
	conn->from = *from;
	header_unmap(&conn->from.any);
	conn->kind = kind;
	conn->begin_ns = rules->now_ns;
	conn->group_count = rules->defaults;
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
	const struct log_line line = { .from = from, .refused = "there are as many as --connections allows" };

	BOARD_ADD(rules->board->counts->accepted, 1);
	BOARD_ADD(rules->board->counts->refused, 1);
	if (rules->log >= 0)
		log_write(rules->log, rules->settings->log_json, &line);
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

	if (conn->state != RELAYING && !late)
		set_timer(rules, conn, conn->until_ns);	/* of an earlier try */
	else if (conn->state == GREETING)
		refuse(rules, conn, leat_strerror(-ETIMEDOUT));
	else if (conn->state == CONNECTING)
		connect_next(rules, conn, -ETIMEDOUT);
	else if (half_open_is_over(rules, conn))
		failed(rules, conn, -ETIMEDOUT);
	else if (late || relay_wake_ns(&conn->relay) <= rules->now_ns)
		look_anew(rules, conn, late);
	else
		set_timer(rules, conn, earliest(conn));	/* it was that of connecting */
}

void conn_turn_over(struct conn_rules *rules)
{
	struct conn *again = rules->again;

	rules->again = NULL;
	while (again) {
		struct conn *conn = again;

		again = conn->next_again;
		conn->again = 0;
		if (conn->state == RELAYING)
			go(rules, conn, 0);
	}
	while (rules->dead) {
		struct conn *conn = rules->dead;

		rules->dead = conn->next;
		free(conn);
	}
}

void conn_end_all(struct conn_rules *rules)
{
	while (rules->all) {
		rules->all->relay.error = -ECANCELED;
		over(rules, rules->all, NULL);
	}
	conn_turn_over(rules);
}
