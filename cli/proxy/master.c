/* SPDX-License-Identifier: MIT */
/*
 * Everything happens between two waits for a signal. A reload opens what is new, forks the next generation, and only then tells the
 * one before to drain; what cannot be opened leaves all as it is.
 */
#include "master.h"
#include "../cmd.h"
#include "../out.h"
#include "generation.h"
#include "keeper.h"
#include "names.h"
#include "notify.h"
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MOST BOARD_SHARES	/* those that drain with them */
#define AGAIN_NS LEAT_SECOND		/* who dies at once is not started more often */

enum role { WORKER, KEEPER };

struct process {
	pid_t pid;			/* 0: to be started */
	enum role role;
	int draining;			/* of a generation before: nobody follows it */
	unsigned share;			/* of the board's, as long as it is in the table */
	struct board_places places;	/* of the upstreams that it counts in there; none when pid is 0 */
	uint64_t begun_ns;
};

struct master {
	int argc;
	char **argv;
	struct generation *generation;
	struct board_counts *counts;
	struct places places;
	struct process processes[PROCESSES_MOST];
	unsigned count;
	unsigned char shares[PROCESSES_MOST];	/* 1: somebody's */
	int settled;			/* it has run: who cannot begin now is tried again */
	int stopping;			/* signals to stop that came */
	int status;
};

/* ---- Processes ------------------------------------------------------------------------------------------------------------- */

static void child(const struct master *master, const struct process *process, pid_t parent)
{
	struct generation *generation = master->generation;
	int status = EXIT_OK;

	generation_settle(generation);
	/* Behind that: becoming somebody else forgets it. */
	prctl(PR_SET_PDEATHSIG, process->role == WORKER ? WORKER_ORPHANED : SIGKILL);
	if (getppid() == parent)
		status = process->role == WORKER ? worker_run(generation, &master->counts->shares[process->share]) : keeper_run(generation);
	fflush(NULL);
	_exit(status);
}

/* A fork that fails is tried again, as is a process that dies. */
static void start(struct master *master, struct process *process)
{
	pid_t parent = getpid();

	process->begun_ns = leat_now_ns();
	places_share(&master->places, &process->places, &master->generation->upstreams);
	fflush(NULL);
	process->pid = fork();
	if (process->pid == 0)
		child(master, process, parent);
	if (process->pid < 0) {
		out_error("a process cannot be started: %s", strerror(errno));
		places_leave(&master->places, &process->places);
		process->pid = 0;
	}
}

/* There is room. */
static void add(struct master *master, enum role role)
{
	unsigned share = 0;

	while (master->shares[share])
		share++;
	master->shares[share] = 1;
	master->processes[master->count] = (struct process){ .role = role, .share = share };
	start(master, &master->processes[master->count++]);
}

static unsigned workers_of(const struct settings *settings)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return settings->workers ? (unsigned)settings->workers : cpus < 1 ? 1 : cpus > WORKERS_MOST ? WORKERS_MOST : (unsigned)cpus;
}

/* For the workers of this configuration, and a keeper. */
static int has_room(const struct master *master, const struct settings *settings)
{
	if (master->count + workers_of(settings) + 1 <= PROCESSES_MOST)
		return 1;
	out_error("there are %u processes, most of which drain; there may be %d", master->count, PROCESSES_MOST);
	return 0;
}

static void start_all(struct master *master)
{
	for (unsigned i = workers_of(&master->generation->settings); i; i--)
		add(master, WORKER);
	if (keeper_needed(master->generation))
		add(master, KEEPER);
}

static void tell(const struct process *process, int signal)
{
	if (process->pid > 0)
		kill(process->pid, signal);
}

/* Who cannot even begin, the first time, would not begin the next time either. */
static void ended(struct master *master, struct process *process, int status)
{
	const char *who = process->role == WORKER ? "worker" : "keeper";

	process->pid = 0;
	board_take_back(master->counts, &process->places, &master->counts->shares[process->share]);
	places_leave(&master->places, &process->places);
	if (WIFSIGNALED(status)) {
		out_error("a %s was ended by signal %d (%s)", who, WTERMSIG(status), strsignal(WTERMSIG(status)));
		board_unlock(master->counts);
	}
	if (process->draining || master->stopping || !WIFEXITED(status))
		return;
	if (WEXITSTATUS(status) == EXIT_USAGE && !master->settled) {
		master->stopping = 1;
		master->status = EXIT_USAGE;
	} else {
		out_error("a %s has ended by itself with %d", who, WEXITSTATUS(status));
	}
}

static void reap(struct master *master)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < master->count; i++)
			if (master->processes[i].pid == pid)
				ended(master, &master->processes[i], status);
	for (unsigned i = 0; i < master->count; i++) {
		if (master->processes[i].pid || (!master->processes[i].draining && !master->stopping))
			continue;
		master->shares[master->processes[i].share] = 0;
		master->processes[i--] = master->processes[--master->count];
	}
}

/* Starts who is missing. When to look again, or LEAT_NEVER. */
static uint64_t mend(struct master *master)
{
	uint64_t now_ns = leat_now_ns(), again_ns = LEAT_NEVER;

	for (unsigned i = 0; i < master->count && !master->stopping; i++) {
		struct process *process = &master->processes[i];

		if (process->pid || process->draining)
			continue;
		master->settled = 1;
		if (process->begun_ns + AGAIN_NS <= now_ns)
			start(master, process);
		else if (process->begun_ns + AGAIN_NS < again_ns)
			again_ns = process->begun_ns + AGAIN_NS;
	}
	return again_ns;
}

/* ---- What signals ask for -------------------------------------------------------------------------------------------------- */

/* The first so many. */
static void drain_processes(struct master *master, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct process *process = &master->processes[i];

		if (!process->draining)
			tell(process, process->role == WORKER ? WORKER_LEAVE : KEEPER_LEAVE);
		process->draining = 1;
	}
}

static void say_ready(const struct master *master)
{
	char *where = listen_text(&master->generation->listeners);

	out_error("listening at %s", where ? where : "?");
	notify("READY=1\nSTATUS=listening at %s", where ? where : "?");
	free(where);
}

/* 0, or -1 after a sentence: then all is as it was. */
static int read_anew(struct master *master)
{
	struct settings settings;

	if (settings_parse(&settings, master->argc, master->argv) != OPT_GO_ON)
		return -1;
	if (!has_room(master, &settings)) {
		settings_free(&settings);
		return -1;
	}
	if (generation_open(&master->generation, master->generation, &settings, &master->places) < 0)
		return -1;
	names_begin(master->generation);
	return 0;
}

static void reload(struct master *master)
{
	struct generation *before = master->generation;
	unsigned count = master->count;

	notify_reloading();
	master->settled = 1;
	if (read_anew(master) == 0) {
		/* A socket that left the configuration is open in the workers of before alone, which take who stands in its queue. */
		generation_close(before);
		start_all(master);
		drain_processes(master, count);
	} else {
		out_error("the configuration was not taken; the one before stays");
	}
	say_ready(master);
}

/* The second time, who is still there is not waited for. */
static void stop(struct master *master)
{
	master->stopping++;
	listen_close(&master->generation->listeners);	/* first: who still comes is not let into a queue */
	notify("STOPPING=1\nSTATUS=%s", master->stopping == 1 ? "draining" : "ending");
	for (unsigned i = 0; i < master->count; i++) {
		struct process *process = &master->processes[i];

		if (process->role == WORKER)
			tell(process, master->stopping == 1 ? WORKER_DRAIN : WORKER_END);
		else
			tell(process, master->stopping == 1 ? KEEPER_DRAIN : KEEPER_END);
	}
}

/* Only keepers are left: they have nobody to keep. */
static void end_keepers(struct master *master)
{
	for (unsigned i = 0; i < master->count; i++)
		if (master->processes[i].role == WORKER)
			return;
	for (unsigned i = 0; i < master->count; i++)
		tell(&master->processes[i], KEEPER_END);
}

static void take_signal(struct master *master, int signal)
{
	if (signal == SIGHUP && !master->stopping)
		reload(master);
	else if (signal == SIGTERM || signal == SIGINT)
		stop(master);
}

static int loop(struct master *master, const sigset_t *set)
{
	int told = 0;

	while (!master->stopping || master->count) {
		uint64_t again_ns = mend(master), now_ns = leat_now_ns(), wait_ns = again_ns > now_ns ? again_ns - now_ns : 0;
		const struct timespec wait = { (time_t)(wait_ns / LEAT_SECOND), (long)(wait_ns % LEAT_SECOND) };
		int signal = sigtimedwait(set, NULL, again_ns == LEAT_NEVER ? NULL : &wait);

		if (signal > 0)
			take_signal(master, signal);
		reap(master);
		if (master->stopping && !told++ && master->status)
			stop(master);		/* one of them could not begin */
		if (master->stopping)
			end_keepers(master);
	}
	return master->status;
}

int master_run(struct settings *settings, int argc, char **argv)
{
	struct master *master = calloc(1, sizeof *master);
	sigset_t set;
	int status;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, WORKER_LEAVE);	/* what is said to processes as soon as they are there waits until they hear */
	sigaddset(&set, WORKER_END);
	sigaddset(&set, KEEPER_LEAVE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);	/* ignored, which is inherited, it would say nothing of who has died */
	if (master)
		master->counts = mmap(NULL, sizeof *master->counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!master || master->counts == MAP_FAILED) {
		out_error("no memory");
		free(master);
		return EXIT_FAILED;
	}
	master->places.counts = master->counts;
	master->argc = argc;
	master->argv = argv;
	if (generation_open(&master->generation, NULL, settings, &master->places) < 0) {
		free(master);
		return EXIT_USAGE;
	}
	names_begin(master->generation);	/* who comes meanwhile waits in a queue */
	start_all(master);
	say_ready(master);
	status = loop(master, &set);
	generation_close(master->generation);
	free(master);
	return status;
}
