/* SPDX-License-Identifier: MIT */
#include "worker.h"
#include "../cmd.h"
#include "../out.h"
#include "conn.h"
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LOOK_AGAIN_MS 100		/* while nobody is let in: at the clock, and at what was short */
#define EVENTS_AT_ONCE 256
#define ACCEPTS_AT_ONCE 64		/* of one listener in one turn: who is connected has a turn too */
#define LEAVE_NS (LEAT_SECOND / 10)	/* listeners stay so long for those whose handshake is under way */
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
	struct { unsigned turn, batch; } ready[LISTEN_MOST];	/* when epoll named one last, and how many were to be taken then */
	unsigned turn;			/* of the loop */
	int signals;
	unsigned most;			/* connections */
	int accepting, draining;
	uint64_t leave_ns, drain_until_ns;
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

/* Who is let in shall have a socket to his upstream. */
static int has_spare(struct worker *worker)
{
	struct conn_rules *conns = &worker->conns;

	if (conns->spare < 0)
		conns->spare = fcntl(worker->signals, F_DUPFD_CLOEXEC, 0);
	if (conns->spare < 0)
		conn_pause(conns);
	return conns->spare >= 0;
}

static int may_accept(struct worker *worker)
{
	return worker->conns.count < worker->most && worker->conns.now_ns >= worker->conns.accept_again_ns && has_spare(worker);
}

/*
 * How many to take now: one, as an accept that finds nobody costs as much as one that does. Twice as many as the turn before if that
 * left somebody; who is left is named again at once, and others' workers may take him.
 */
static unsigned batch(struct worker *worker, unsigned number)
{
	unsigned before = worker->ready[number].turn + 1 == worker->turn ? worker->ready[number].batch : 0, now = before ? 2 * before : 1;

	worker->ready[number].turn = worker->turn;
	return worker->ready[number].batch = now < ACCEPTS_AT_ONCE ? now : ACCEPTS_AT_ONCE;
}

/* At most so many of the queue. 0 when it is empty. */
static int accept_some(struct worker *worker, unsigned number, unsigned most)
{
	int listener = worker->listeners->at[number].fd;

	for (unsigned i = 0; i < most && may_accept(worker); i++) {
		struct board_address from = { .length = sizeof from - offsetof(struct board_address, any) };
		int fd = accept4(listener, &from.any, &from.length, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0 && is_full(worker)) {
			conn_refuse(&worker->conns, fd, &from);
		} else if (fd >= 0) {
			conn_accept(&worker->conns, fd, &from, &worker->kinds[number]);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			conn_pause(&worker->conns);	/* what waits in the queue waits on, and is no reason to spin */
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return 0;
		}
	}
	return 1;
}

static void drain(struct worker *worker, uint32_t signal)
{
	uint64_t now_ns = worker->conns.now_ns, limit_ns = worker->conns.settings->drain_s * LEAT_SECOND, until_ns = LEAT_NEVER;

	if (signal != WORKER_LEAVE)
		until_ns = signal == WORKER_END ? 0 : now_ns + limit_ns;
	if (until_ns < worker->drain_until_ns)
		worker->drain_until_ns = until_ns;
	if (!worker->draining)
		worker->leave_ns = signal == WORKER_ORPHANED ? now_ns : now_ns + LEAVE_NS;
	worker->draining = 1;
}

/* Who stands in a queue has been promised a connection: the listeners go when nobody does. Whether there may be more at once. */
static int leave(struct worker *worker)
{
	int more = 0;

	if (!may_accept(worker))
		return 0;
	for (unsigned i = 0; i < worker->listeners->count; i++)
		more |= accept_some(worker, i, ACCEPTS_AT_ONCE);
	if (!more && worker->conns.now_ns >= worker->leave_ns) {
		accept_or_not(worker, 0);
		listen_drop(worker->listeners);
	}
	return more && may_accept(worker);
}

static unsigned descriptors_allow(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 256;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur <= 4 * SPARE_DESCRIPTORS)
		return (unsigned)limit.rlim_cur / 4;
	return (unsigned)((limit.rlim_cur - SPARE_DESCRIPTORS * 2) / 2);
}

static int open_all(struct worker *worker)
{
	sigset_t set;
	int r;

	worker->most = descriptors_allow();
	leat_features();	/* asked once, before the sandbox refuses it each time */
	sigemptyset(&set);
	sigaddset(&set, WORKER_LEAVE);
	sigaddset(&set, WORKER_DRAIN);
	sigaddset(&set, WORKER_ORPHANED);
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

static void set_rules(struct worker *worker, const struct generation *generation, struct board_share *share)
{
	const struct settings *settings = &generation->settings;
	struct board *board = generation->board;
	struct conn_rules *conns = &worker->conns;

	conns->settings = settings;
	conns->board = board;
	conns->share = share;
	conns->log = &generation->log;
	conns->defaults = settings->upstream.count;
	conns->balance = (struct balance_rules){ settings->balance, settings->failures, settings->down_s * LEAT_SECOND };
	conns->relay = (struct relay_rules){
		.options = { .helper = &worker->helper, .level_triggered = 1, .buffer_bytes = 64 << 10 },
		.idle_ns = settings->idle_s * LEAT_SECOND, .total_ns = settings->total_s * LEAT_SECOND, .rate = settings->rate,
		.total = settings->total_rate ? board->counts->rates : NULL,
	};
	if (settings->route == ROUTE_COPY)
		conns->relay.options.policy = LEAT_COPY;
	else if (settings->route == ROUTE_SPLICE)
		conns->relay.options.policy = LEAT_REQUIRE;
}

static void take_clients(struct worker *worker, unsigned number)
{
	if (!accept_some(worker, number, batch(worker, number)))
		worker->ready[number].batch = 0;
}

static void take(struct worker *worker, const struct epoll_event *event)
{
	uint64_t data = event->data.u64;
	struct signalfd_siginfo info;

	if (IS_CONN(data)) {
		conn_ready(&worker->conns, CONN_OF(data), CONN_SIDE(data), event->events);
	} else if (data == MARK_SIGNALS) {
		while (read(worker->signals, &info, sizeof info) > 0)
			drain(worker, info.ssi_signo);
	} else if (data >> 3 < worker->listeners->count) {
		take_clients(worker, (unsigned)(data >> 3));
	}
}

static void tell_pipes(const struct worker *worker)
{
	unsigned pipes = leat_helper_pipes(&worker->helper);

	if (pipes != worker->conns.share->pipes)
		board_pipes(worker->conns.board, worker->conns.share, pipes);
}

static int loop(struct worker *worker)
{
	struct conn_rules *conns = &worker->conns;
	struct epoll_event events[EVENTS_AT_ONCE];

	for (;;) {
		struct listeners *listeners = worker->listeners;
		int ms, count, more = worker->draining && listeners->count ? leave(worker) : 0;
		struct timer *timer;

		accept_or_not(worker, listeners->count && may_accept(worker));
		if (worker->draining && ((!conns->count && !listeners->count) || conns->now_ns >= worker->drain_until_ns))
			return EXIT_OK;
		ms = conns->turn.next || more ? 0 : timers_ms(&conns->timers, leat_now_ns());
		if ((!worker->accepting || worker->draining) && (ms < 0 || ms > LOOK_AGAIN_MS))
			ms = LOOK_AGAIN_MS;
		count = epoll_wait(conns->epoll, events, EVENTS_AT_ONCE, ms);
		if (count < 0 && errno != EINTR) {
			out_error("epoll_wait: %s", strerror(errno));
			return EXIT_FAILED;
		}
		conns->now_ns = leat_now_ns();
		worker->turn++;
		for (int i = 0; i < count; i++)
			take(worker, &events[i]);
		while ((timer = timers_due(&conns->timers, conns->now_ns)))
			conn_timer(conns, timer);
		conn_turn_over(conns);
		tell_pipes(worker);
	}
}

int worker_run(struct generation *generation, struct board_share *share)
{
	struct worker worker = { .listeners = &generation->listeners, .drain_until_ns = LEAT_NEVER, .conns.spare = -1 };
	int r, status;

	exporter_close(generation->exporter);	/* the keeper's: its address is not held by who drains */
	generation->exporter = NULL;
	prctl(PR_SET_TIMERSLACK, 1000);		/* ns: a rest of 30 us would be one of 80 */
	r = open_all(&worker);
	if (r < 0)
		out_error("a worker cannot begin: %s", strerror(-r));
	if (r >= 0 && !generation->settings.no_sandbox)
		r = sandbox_worker(generation->board);
	if (r < 0)
		return EXIT_USAGE;
	set_rules(&worker, generation, share);
	status = loop(&worker);
	conn_end_all(&worker.conns);
	timers_free(&worker.conns.timers);
	leat_helper_end(&worker.helper);
	tell_pipes(&worker);
	close(worker.signals);
	close(worker.conns.epoll);
	if (worker.conns.spare >= 0)
		close(worker.conns.spare);
	return status;
}
