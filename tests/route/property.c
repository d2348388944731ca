/* SPDX-License-Identifier: MIT */
/*
 * The property test.
 *
 *	property [--seed S] [--first I] [--count N]	cases I to I + N - 1 of seed S; in batches, each in a child
 *	property --soak SECONDS				fresh seeds until the time is over
 *	property --planted limit|charge|pipe		passes when the planted bug is found
 *	property SEED [I]				one case, here, with a dump of what it is
 *
 * A failure prints the seed and the case, and a smaller draft that still fails.
 */
#include "property.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH 250
#define CASE_SECONDS 60		/* a hang; under valgrind a case may take a few */

struct world *world;
struct stats *stats;
static const struct draft *running;	/* to be dumped by wrong() */
static bool quiet;

_Noreturn void wrong(const char *format, ...)
{
	va_list list;

	stats->why = (uintptr_t)format;
	if (!quiet) {
		printf("WRONG: ");
		va_start(list, format);
		vprintf(format, list);
		va_end(list);
		putchar('\n');
		if (running)
			draft_print(running, stdout);
		fflush(stdout);
	}
	_exit(1);
}

static uint64_t case_seed(uint64_t seed, uint64_t index)
{
	struct dice dice = { seed };

	dice.state ^= dice_next(&dice) * (index + 1);
	return dice_next(&dice);
}

static int lowest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void run_draft(const struct draft *draft)
{
	static struct world w;
	int fd;

	peers_warm();
	fd = lowest_fd();
	running = draft;
	alarm(CASE_SECONDS);
	world_build(&w, draft);
	world_run(&w);
	if (planted == PLANT_NOTHING)
		bare_compare(&w);
	world_free(&w);
	alarm(0);
	REQUIRE(lowest_fd() == fd, "descriptor %d leaked", fd);
	running = NULL;
}

static void run_range(uint64_t seed, uint64_t first, uint64_t count)
{
	for (uint64_t i = first; i < first + count; i++) {
		struct draft draft;

		stats->current = i;
		draft_make(&draft, case_seed(seed, i));
		run_draft(&draft);
	}
}

/* ---- in children ---- */

static int wait_for(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* 0, or what is the same for failures of the same kind. */
uint64_t draft_fails(const struct draft *draft)
{
	pid_t child;
	int status;

	fflush(stdout);
	stats->why = 0;
	child = fork();
	if (child) {
		status = wait_for(child);
		return stats->why ? stats->why : (uint64_t)status;
	}
	quiet = true;
	freopen("/dev/null", "w", stderr);
	run_draft(draft);
	_exit(0);
}

static const char *how_it_failed(int status)
{
	static char text[64];

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		return "it hangs";
	if (WIFSIGNALED(status))
		snprintf(text, sizeof text, "killed by signal %d", WTERMSIG(status));
	else
		snprintf(text, sizeof text, "exit status %d", WEXITSTATUS(status));
	return text;
}

static void report_failure(uint64_t seed, int status)
{
	struct draft draft;
	pid_t child;

	printf("FAILED: property %llu %llu: %s\n", (ull)seed, (ull)stats->current, how_it_failed(status));
	draft_make(&draft, case_seed(seed, stats->current));
	draft_print(&draft, stdout);
	if (!draft_shrink(&draft))
		return;
	printf("\nsmaller, and still failing:\n");
	fflush(stdout);
	child = fork();
	if (!child) {
		draft_print(&draft, stdout);
		running = NULL;
		run_draft(&draft);
		_exit(0);
	}
	wait_for(child);
}

/* 0, or 1 after a failure that is reported. */
static int run_batches(uint64_t seed, uint64_t first, uint64_t count)
{
	while (count) {
		uint64_t n = count < BATCH ? count : BATCH;
		pid_t child;
		int status;

		fflush(stdout);
		child = fork();
		if (!child) {
			run_range(seed, first, n);
			exit(0);
		}
		status = wait_for(child);
		if (status && planted == PLANT_NOTHING)
			report_failure(seed, status);
		if (status)
			return 1;
		first += n;
		count -= n;
	}
	return 0;
}

static int soak(uint64_t seconds)
{
	uint64_t seed = (uint64_t)time(NULL), until = leat_now_ns() + seconds * LEAT_SECOND, seeds = 0;

	for (; leat_now_ns() < until; seed++, seeds++)
		if (run_batches(seed, 0, 1000))
			return 1;
	printf("%llu seeds from %llu on, 1000 cases each\n", (ull)seeds, (ull)(seed - seeds));
	return stats_print(seeds != 0);
}

static int find_planted(const char *what)
{
	static const char *const names[] = { "", "limit", "charge", "pipe" };

	for (unsigned i = 1; i < 4; i++)
		if (!strcmp(what, names[i]))
			planted = i;
	if (!planted) {
		fprintf(stderr, "property: no such bug to plant: %s\n", what);
		return 2;
	}
	quiet = true;
	if (!run_batches(1, 0, 3000)) {
		printf("the planted bug (%s) was not found; it fired %llu times\n", what, (ull)stats->planted);
		return 1;
	}
	printf("the planted bug (%s) was found by case %llu; it had fired %llu times\n", what, (ull)stats->current,
	       (ull)stats->planted);
	return stats->planted ? 0 : 1;
}

static int run_one(uint64_t seed, uint64_t index)
{
	struct draft draft;

	draft_make(&draft, case_seed(seed, index));
	draft_print(&draft, stdout);
	fflush(stdout);
	run_draft(&draft);
	printf("ok\n");
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, first = 0, count = 2000, number = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;

	stats = mmap(NULL, sizeof *stats, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stats == MAP_FAILED)
		return 1;
	if (argc > 1 && argv[1][0] != '-')
		return run_one(strtoull(argv[1], NULL, 0), number);
	if (argc == 3 && !strcmp(argv[1], "--soak"))
		return soak(number);
	if (argc == 3 && !strcmp(argv[1], "--planted"))
		return find_planted(argv[2]);
	for (int i = 1; i + 1 < argc; i += 2) {
		uint64_t n = strtoull(argv[i + 1], NULL, 0);

		*(!strcmp(argv[i], "--seed") ? &seed : !strcmp(argv[i], "--first") ? &first : &count) = n;
	}
	if (run_batches(seed, first, count))
		return 1;
	return stats_print(count >= 2000);
}
