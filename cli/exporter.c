/* SPDX-License-Identifier: MIT */
/*
 * The exporter's sockets. All of them are non-blocking and in one poll. A client has one request, EXPORTER_REQUEST bytes for
 * it, and CLIENT_NS for everything; when all places are taken the oldest that has not asked goes, so a new one is always let in.
 */
#include "exporter.h"
#include "http.h"

#include <leat.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS 16
#define BACKLOG 128			/* a burst that it has no room for would be told so by silence, and ask again a second later */
#define CLIENT_NS (5 * 1000000000ull)
#define PAUSE_NS 100000000ull		/* without descriptors or memory accept fails at once, again and again */
#define DRAIN_BYTES (64u << 10)		/* read and dropped behind an answer: closing with bytes unread would reset it */

/* What is scraped. Clients go on with the one they began with. */
struct page {
	unsigned users;
	size_t length;
	char *text;
};

enum state { CLIENT_FREE, CLIENT_ASKS, CLIENT_GETS, CLIENT_LEAVES };

struct client {
	enum state state;
	int fd;
	uint64_t since_ns;
	char request[HTTP_REQUEST];
	size_t got, drained;
	struct http_answer answer;
	struct page *page;		/* whose text the body is; NULL: a body of the answer itself */
	size_t sent;			/* of head and body */
};

struct exporter {
	int fd;
	unsigned port;
	uint64_t listen_again_ns;
	const char *unready;
	int (*make)(FILE *to, void *arg);	/* at each scrape; or NULL */
	void *arg;
	const char *(*lacks)(const void *arg);	/* of /ready; or NULL: there is none */
	const void *lacks_arg;
	struct page *page;
	struct client clients[CLIENTS];
};

/* ---- the page ---- */

static void page_drop(struct page *page)
{
	if (!page || --page->users)
		return;
	free(page->text);
	free(page);
}

int exporter_publish(struct exporter *exporter, int (*make)(FILE *to, void *arg), void *arg)
{
	struct page *page = calloc(1, sizeof *page);
	FILE *to = page ? open_memstream(&page->text, &page->length) : NULL;
	int error = to ? make(to, arg) : -ENOMEM;

	if (to && fclose(to) && !error)
		error = -ENOMEM;
	if (error) {
		if (page)
			free(page->text);
		free(page);
		return error;
	}
	page->users = 1;
	page_drop(exporter->page);
	exporter->page = page;
	return 0;
}

void exporter_publish_at_scrape(struct exporter *exporter, int (*make)(FILE *to, void *arg), void *arg)
{
	exporter->make = make;
	exporter->arg = arg;
}

void exporter_ready_at_request(struct exporter *exporter, const char *(*lacks)(const void *arg), const void *arg)
{
	exporter->lacks = lacks;
	exporter->lacks_arg = arg;
}

void exporter_unready(struct exporter *exporter, const char *why)
{
	__atomic_store_n(&exporter->unready, why, __ATOMIC_RELEASE);
}

/* ---- clients ---- */

static void client_end(struct client *client)
{
	close(client->fd);
	page_drop(client->page);
	client->page = NULL;
	client->state = CLIENT_FREE;
}

/* Whether the first of two gives its place rather than the other: who gets an answer is the last to do so, and else the oldest first. */
static bool gives_way(const struct client *client, const struct client *to)
{
	bool gets = client->state == CLIENT_GETS, other_gets = to->state == CLIENT_GETS;

	return gets != other_gets ? other_gets : client->since_ns < to->since_ns;
}

static void client_begin(struct exporter *exporter, int fd, uint64_t now)
{
	struct client *client = &exporter->clients[0];

	for (unsigned i = 0; i < CLIENTS && client->state != CLIENT_FREE; i++) {
		struct client *other = &exporter->clients[i];

		if (other->state == CLIENT_FREE || gives_way(other, client))
			client = other;
	}
	if (client->state != CLIENT_FREE)
		client_end(client);
	memset(client, 0, sizeof *client);
	client->state = CLIENT_ASKS;
	client->fd = fd;
	client->since_ns = now;
}

static enum http_what look_at(const struct exporter *exporter, struct client *client)
{
	const char *why = __atomic_load_n(&exporter->unready, __ATOMIC_ACQUIRE);
	const struct page *page = exporter->page;
	const struct http_state state = {
		.unready = why ? why : page ? NULL : "nothing was measured yet\n", .page = page, .page_bytes = page ? page->length : 0,
		.has_ready = exporter->lacks, .lacks = exporter->lacks ? exporter->lacks(exporter->lacks_arg) : NULL,
	};

	return http_answer(client->request, client->got, &state, &client->answer);
}

/* A page is made for a whole request only: not for each piece of one. */
static void client_answer(struct exporter *exporter, struct client *client)
{
	enum http_what what = look_at(exporter, client);
	struct page *page;

	if (what == HTTP_MORE)
		return;
	if ((what == HTTP_PAGE || !exporter->page) && exporter->make &&
	    exporter_publish(exporter, exporter->make, exporter->arg) == 0)
		what = look_at(exporter, client);	/* without memory the page before is not worse */
	page = exporter->page;
	if (what == HTTP_PAGE && page) {
		client->page = page;
		page->users++;
	}
	client->state = CLIENT_GETS;
}

static void client_ask(struct exporter *exporter, struct client *client)
{
	ssize_t n = recv(client->fd, client->request + client->got, sizeof client->request - client->got, 0);

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			client_end(client);
		return;
	}
	client->got += (size_t)n;
	client_answer(exporter, client);
}

static void client_get(struct client *client)
{
	const struct http_answer *answer = &client->answer;
	const char *body = client->page ? client->page->text : answer->body;
	size_t whole = answer->head_length + answer->body_length;

	while (client->sent < whole) {
		bool head = client->sent < answer->head_length;
		const char *from = head ? answer->head + client->sent : body + (client->sent - answer->head_length);
		size_t length = (head ? answer->head_length : whole) - client->sent;
		ssize_t n = send(client->fd, from, length, MSG_NOSIGNAL | (head && answer->body_length ? MSG_MORE : 0));

		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				client_end(client);
			return;
		}
		client->sent += (size_t)n;
	}
	shutdown(client->fd, SHUT_WR);
	client->state = CLIENT_LEAVES;
}

static void client_leave(struct client *client)
{
	ssize_t n = recv(client->fd, client->request, sizeof client->request, 0);

	client->drained += n > 0 ? (size_t)n : 0;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || client->drained > DRAIN_BYTES)
		client_end(client);
}

static void client_step(struct exporter *exporter, struct client *client)
{
	if (client->state == CLIENT_ASKS)
		client_ask(exporter, client);
	if (client->state == CLIENT_GETS)
		client_get(client);
	if (client->state == CLIENT_LEAVES)
		client_leave(client);
}

/* ---- the loop ---- */

static void let_in(struct exporter *exporter, uint64_t now)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		int fd = accept4(exporter->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			client_begin(exporter, fd, now);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			exporter->listen_again_ns = now + PAUSE_NS;
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

/* Fills fds: the listener last. Gives when something must be done although nothing comes. */
static uint64_t prepare(struct exporter *exporter, struct pollfd fds[CLIENTS + 1], uint64_t now, uint64_t until)
{
	bool pause = exporter->listen_again_ns > now;

	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *client = &exporter->clients[i];

		if (client->state != CLIENT_FREE && now >= client->since_ns + CLIENT_NS)
			client_end(client);
		fds[i] = (struct pollfd){ .fd = client->state == CLIENT_FREE ? -1 : client->fd,
					  .events = client->state == CLIENT_GETS ? POLLOUT : POLLIN };
		if (client->state != CLIENT_FREE && client->since_ns + CLIENT_NS < until)
			until = client->since_ns + CLIENT_NS;
	}
	fds[CLIENTS] = (struct pollfd){ .fd = pause ? -1 : exporter->fd, .events = POLLIN };
	return pause && exporter->listen_again_ns < until ? exporter->listen_again_ns : until;
}

int exporter_serve(struct exporter *exporter, int timeout_ms, const volatile sig_atomic_t *stop)
{
	uint64_t now = leat_now_ns(), end = now + (timeout_ms > 0 ? (uint64_t)timeout_ms * 1000000 : 0);
	struct pollfd fds[CLIENTS + 1];

	while (!stop || !__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		uint64_t until = prepare(exporter, fds, now, end);
		uint64_t wait_ns = until > now ? until - now : 0;
		const struct timespec wait = { .tv_sec = (time_t)(wait_ns / 1000000000), .tv_nsec = (long)(wait_ns % 1000000000) };

		if (ppoll(fds, CLIENTS + 1, &wait, NULL) < 0)
			return errno == EINTR ? 0 : -errno;
		for (unsigned i = 0; i < CLIENTS; i++)
			if (fds[i].fd >= 0 && fds[i].revents)
				client_step(exporter, &exporter->clients[i]);
		now = leat_now_ns();
		if (fds[CLIENTS].revents)
			let_in(exporter, now);
		if (now >= end)
			return 0;
	}
	return 0;
}

static bool has_clients(const struct exporter *exporter)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		if (exporter->clients[i].state != CLIENT_FREE)
			return true;
	return false;
}

/* No longer than a client has for everything. */
void exporter_finish(struct exporter *exporter)
{
	close(exporter->fd);
	exporter->fd = -1;
	while (has_clients(exporter) && exporter_serve(exporter, 100, NULL) == 0)
		;
}

/* ---- open and close ---- */

static int parse_port(const char *text, uint16_t *ret_port)
{
	unsigned port = 0;
	size_t digits = strlen(text);

	if (!digits || digits > 5 || strspn(text, "0123456789") != digits)
		return -EINVAL;
	port = (unsigned)strtoul(text, NULL, 10);
	if (port > 65535)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

union address { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; };

static int parse(const char *text, union address *ret_address, socklen_t *ret_length)
{
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	bool is_v6 = length > 2 && text[0] == '[' && text[length - 1] == ']';
	char host[INET6_ADDRSTRLEN + 2] = "";
	uint16_t port;

	if (!colon || length >= sizeof host || parse_port(colon + 1, &port))
		return -EINVAL;
	memcpy(host, text + is_v6, length - 2 * is_v6);
	if (is_v6 ? inet_pton(AF_INET6, host, &v6.sin6_addr) != 1 : *host && inet_pton(AF_INET, host, &v4.sin_addr) != 1)
		return -EINVAL;
	v4.sin_port = v6.sin6_port = htons(port);
	if (is_v6)
		ret_address->v6 = v6;
	else
		ret_address->v4 = v4;
	*ret_length = is_v6 ? sizeof v6 : sizeof v4;
	return 0;
}

static int listen_at(struct exporter *exporter, const union address *address, socklen_t length)
{
	union address bound = { .v6 = { 0 } };
	int on = 1;

	exporter->fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (exporter->fd < 0)
		return -errno;
	setsockopt(exporter->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(exporter->fd, &address->any, length) || listen(exporter->fd, BACKLOG))
		return -errno;
	length = sizeof bound;
	if (getsockname(exporter->fd, &bound.any, &length))
		return -errno;
	exporter->port = ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
	return 0;
}

int exporter_open(struct exporter **ret_exporter, const char *address)
{
	union address where = { .v6 = { 0 } };
	struct exporter *exporter;
	socklen_t length;
	int error = parse(address, &where, &length);

	if (error)
		return error;
	exporter = calloc(1, sizeof *exporter);
	if (!exporter)
		return -ENOMEM;
	error = listen_at(exporter, &where, length);
	if (error) {
		exporter_close(exporter);
		return error;
	}
	*ret_exporter = exporter;
	return 0;
}

unsigned exporter_port(const struct exporter *exporter)
{
	return exporter->port;
}

void exporter_close(struct exporter *exporter)
{
	if (!exporter)
		return;
	for (unsigned i = 0; i < CLIENTS; i++)
		if (exporter->clients[i].state != CLIENT_FREE)
			client_end(&exporter->clients[i]);
	if (exporter->fd >= 0)
		close(exporter->fd);
	page_drop(exporter->page);
	free(exporter);
}
