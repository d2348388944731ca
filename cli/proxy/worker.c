/* SPDX-License-Identifier: MIT */
#include "worker.h"
#include "../cmd.h"
#include "../out.h"
#include "conn.h"
#include "sandbox.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define ACCEPT_PAUSE_NS (LEAT_SECOND / 10)
#define LOOK_AGAIN_MS 100		/* while nobody is let in: at the clock, and at what was short */
#define EVENTS_AT_ONCE 256
#define ACCEPTS_AT_ONCE 64		/* of one listener in one turn: who is connected has a turn too */
#define PIPES_MOST 1024		/* in use, which they are only while bytes are in them */
#define SPARE_DESCRIPTORS 128		/* listeners, pipes, the loop's own */
#define MARK_LISTENER(number) ((uint64_t)(number) << 3 | 1)
#define MARK_SIGNALS 3
#define IS_CONN(data) (!((data) & 1))

struct worker {
	struct conn_rules conns;
	struct leat_helper helper;
	struct listeners *listeners;
	struct relay_kind kinds[LISTEN_MOST];	/* of what they give */
	int signals;
	unsigned most;			/* connections */
	unsigned pipes;			/* that the board was told of */
	int accepting, draining;
	uint64_t accept_again_ns;	/* what was short then may be there again */
	uint64_t drain_until_ns;
};

static int watch(struct worker *worker, int fd, uint32_t events, uint64_t mark)
{
	struct epoll_event event = { .events = events, .data.u64 = mark };

	return epoll_ctl(worker->conns.epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void accept_or_not(struct worker *worker, int accepting)
{
	for (unsigned i = 0; i < worker->listeners->count && accepting != worker->accepting; i++) {
		if (accepting)
			watch(worker, worker->listeners->at[i].fd, EPOLLIN | EPOLLEXCLUSIVE, MARK_LISTENER(i));
		else
			epoll_ctl(worker->conns.epoll, EPOLL_CTL_DEL, worker->listeners->at[i].fd, NULL);
	}
	worker->accepting = accepting;
}

static int is_full(const struct worker *worker)
{
	uint64_t most = worker->conns.settings->connections;

	return most && BOARD_GET(worker->conns.board->counts->active) >= most;
}

/* At most so many of the queue. 0 when it is empty. */
static int accept_some(struct worker *worker, unsigned number, unsigned most)
{
	int listener = worker->listeners->at[number].fd;

	for (unsigned i = 0; i < most && worker->conns.count < worker->most; i++) {
		struct board_address from = { .length = sizeof from - offsetof(struct board_address, any) };
		int fd = accept4(listener, &from.any, &from.length, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0 && is_full(worker)) {
			conn_refuse(&worker->conns, fd, &from);
		} else if (fd >= 0) {
			conn_accept(&worker->conns, fd, &from, &worker->kinds[number]);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			worker->accept_again_ns = worker->conns.now_ns + ACCEPT_PAUSE_NS;
			break;		/* what waits in the queue waits on, and is no reason to spin */
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return 0;
		}
	}
	return 1;
}

/* Who stands in a queue has been promised a connection: each is taken before the listeners go. */
static void drain(struct worker *worker)
{
	if (worker->draining)
		return;
	worker->draining = 1;
	worker->drain_until_ns = worker->conns.now_ns + worker->conns.settings->drain_s * LEAT_SECOND;
	for (unsigned i = 0; i < worker->listeners->count; i++)
		accept_some(worker, i, (unsigned)worker->conns.settings->backlog + 1);
	accept_or_not(worker, 0);
	listen_drop(worker->listeners);
}

static unsigned descriptors_allow(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 256;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur > 4 * SPARE_DESCRIPTORS ? (unsigned)((limit.rlim_cur - SPARE_DESCRIPTORS * 2) / 2) : SPARE_DESCRIPTORS;
}

static int open_all(struct worker *worker)
{
	sigset_t set;
	int r;

	worker->most = descriptors_allow();
	sigemptyset(&set);
	sigaddset(&set, WORKER_DRAIN);
	sigaddset(&set, WORKER_END);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	worker->conns.epoll = epoll_create1(EPOLL_CLOEXEC);
	worker->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (worker->conns.epoll < 0 || worker->signals < 0)
		return -errno;
	r = leat_helper_init(&worker->helper, PIPES_MOST);
	if (!r)
		r = watch(worker, worker->signals, EPOLLIN, MARK_SIGNALS);
	return r;
}

static void set_rules(struct worker *worker, const struct generation *generation)
{
	const struct settings *settings = &generation->settings;
	struct board *board = generation->board;
	struct conn_rules *conns = &worker->conns;

	conns->settings = settings;
	conns->board = board;
	conns->log = generation->log;
	conns->defaults = settings->upstream.count;
	conns->balance = (struct balance_rules){ settings->balance, settings->failures, settings->down_s * LEAT_SECOND };
	conns->relay = (struct relay_rules){
		.options = { .helper = &worker->helper, .level_triggered = 1, .buffer_bytes = 64 << 10 },
		.idle_ns = settings->idle_s * LEAT_SECOND, .total_ns = settings->total_s * LEAT_SECOND, .rate = settings->rate,
		.total = settings->total_rate ? board->rates : NULL,
	};
	if (settings->route == ROUTE_COPY)
		conns->relay.options.policy = LEAT_COPY;
	else if (settings->route == ROUTE_SPLICE)
		conns->relay.options.policy = LEAT_REQUIRE;
	for (unsigned i = 0; i < worker->listeners->count; i++)
		conn_prepare(settings, worker->listeners->at[i].fd);
}

static void take(struct worker *worker, const struct epoll_event *event)
{
	uint64_t data = event->data.u64;
	struct signalfd_siginfo info;

	if (IS_CONN(data)) {
		conn_ready(&worker->conns, CONN_OF(data), CONN_SIDE(data), event->events);
	} else if (data == MARK_SIGNALS) {
		while (read(worker->signals, &info, sizeof info) > 0) {
			drain(worker);
			if (info.ssi_signo == WORKER_END)
				worker->drain_until_ns = 0;
		}
	} else if (!worker->draining) {
		accept_some(worker, (unsigned)(data >> 3), ACCEPTS_AT_ONCE);
	}
}

static void tell_pipes(struct worker *worker)
{
	unsigned pipes = leat_helper_pipes(&worker->helper);

	if (pipes != worker->pipes)
		BOARD_ADD(worker->conns.board->counts->pipes, (uint64_t)pipes - worker->pipes);
	worker->pipes = pipes;
}

static int loop(struct worker *worker)
{
	struct conn_rules *conns = &worker->conns;
	struct epoll_event events[EVENTS_AT_ONCE];

	for (;;) {
		int ms, count;
		struct timer *timer;

		accept_or_not(worker, !worker->draining && conns->count < worker->most && conns->now_ns >= worker->accept_again_ns);
		if (worker->draining && (!conns->count || conns->now_ns >= worker->drain_until_ns))
			return EXIT_OK;
		ms = conns->again ? 0 : timers_ms(&conns->timers, leat_now_ns());
		if (!worker->accepting && (ms < 0 || ms > LOOK_AGAIN_MS))
			ms = LOOK_AGAIN_MS;
		count = epoll_wait(conns->epoll, events, EVENTS_AT_ONCE, ms);
		if (count < 0 && errno != EINTR) {
			out_error("epoll_wait: %s", strerror(errno));
			return EXIT_FAILED;
		}
		conns->now_ns = leat_now_ns();
		for (int i = 0; i < count; i++)
			take(worker, &events[i]);
		while ((timer = timers_due(&conns->timers, conns->now_ns)))
			conn_timer(conns, timer);
		conn_turn_over(conns);
		tell_pipes(worker);
	}
}

int worker_run(struct generation *generation)
{
	struct worker worker = { .listeners = &generation->listeners };
	int r, status;

	exporter_close(generation->exporter);	/* the keeper's: its address is not held by who drains */
	generation->exporter = NULL;
	r = open_all(&worker);
	if (r < 0)
		out_error("a worker cannot begin: %s", strerror(-r));
	if (r >= 0 && !generation->settings.no_sandbox)
		r = sandbox_worker(generation->board);
	if (r < 0)
		return EXIT_USAGE;
	set_rules(&worker, generation);
	status = loop(&worker);
	conn_end_all(&worker.conns);
	timers_free(&worker.conns.timers);
	leat_helper_end(&worker.helper);
	tell_pipes(&worker);
	close(worker.signals);
	close(worker.conns.epoll);
	return status;
}
