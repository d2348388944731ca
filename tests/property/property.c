/* SPDX-License-Identifier: MIT */
/*
 * The property test. A case is made from a number, its seed.
 *
 *	property [--quick] [--from SEED] [--cases N]	seeds from SEED (1) on, 20,000 of them; --quick: 2,000
 *	property --seed SEED				this one, and what it is made of
 *	property --soak SECONDS				fresh seeds until the time is over
 *	property --planted limit|charge|pipe		passes when the planted bug is found, and is gone without it
 *
 * A failure prints the seed, and a smaller draft that still fails. Cases run in children, a batch in each.
 */
#include "property.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH 250
#define CASES 20000
#define CASES_STRICT 2000	/* of so many, each kind of thing must have happened */
#define CASE_SECONDS 60		/* a hang; under valgrind a case may take a few */

struct world *world;
static const struct draft *running;	/* to be dumped by wrong() */
static bool quiet;

_Noreturn void wrong(const char *format, ...)
{
	va_list list;

	stats->why = (uintptr_t)format + (uint64_t)(world ? world->result : 0);
	va_start(list, format);
	vsnprintf(stats->said, sizeof stats->said, format, list);
	va_end(list);
	if (!quiet) {
		printf("WRONG: %s\n", stats->said);
		if (running)
			draft_print(running, stdout);
		fflush(stdout);
	}
	_exit(1);
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

static void run_seeds(uint64_t from, uint64_t count)
{
	for (uint64_t seed = from; seed < from + count; seed++) {
		struct draft draft;

		stats->current = seed;
		draft_make(&draft, seed);
		stats_note(&draft);
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

static void report_failure(int status)
{
	struct draft draft;
	pid_t child;

	printf("FAILED: property --seed %llu: %s\n", (ull)stats->current, how_it_failed(status));
	draft_make(&draft, stats->current);
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

/* 0, or the status of the child that failed. */
static int run_batches(uint64_t from, uint64_t count)
{
	while (count) {
		uint64_t n = count < BATCH ? count : BATCH;
		pid_t child;
		int status;

		fflush(stdout);
		child = fork();
		if (!child) {
			run_seeds(from, n);
			exit(0);
		}
		status = wait_for(child);
		if (status)
			return status;
		from += n;
		count -= n;
	}
	return 0;
}

static int run(uint64_t from, uint64_t count)
{
	int status = run_batches(from, count);

	if (status) {
		report_failure(status);
		return 1;
	}
	printf("%llu cases, seeds %llu to %llu\n", (ull)count, (ull)from, (ull)(from + count - 1));
	return stats_print(count >= CASES_STRICT && !getenv("LEAT_ROUTES"));
}

static int soak(uint64_t seconds)
{
	uint64_t from = (uint64_t)time(NULL) << 20, until = leat_now_ns() + seconds * LEAT_SECOND, count = 0;
	int status = 0;

	for (; leat_now_ns() < until && !status; count += BATCH)
		status = run_batches(from + count, BATCH);
	if (status)
		report_failure(status);
	else
		printf("%llu cases, fresh seeds from %llu on\n", (ull)count, (ull)from);
	return stats_print(false) || status;
}

static int find_planted(const char *what)
{
	static const char *const names[] = { "", "limit", "charge", "pipe" };
	struct draft draft;
	int status;

	for (unsigned i = 1; i < 4; i++)
		if (!strcmp(what, names[i]))
			planted = i;
	if (!planted) {
		fprintf(stderr, "property: no such bug to plant: %s\n", what);
		return 2;
	}
	quiet = true;
	status = run_batches(1, CASES_STRICT);
	if (!status || !stats->planted || !stats->why) {
		printf("the planted bug (%s) was not found; it fired %llu times\n", what, (ull)stats->planted);
		return 1;
	}
	printf("the planted bug (%s) was found at seed %llu, after it had fired %llu times:\n%s\n", what, (ull)stats->current,
	       (ull)stats->planted, stats->said);
	planted = PLANT_NOTHING;
	draft_make(&draft, stats->current);
	status = draft_fails(&draft) != 0;
	printf("without it, that seed %s\n", status ? "fails too" : "holds");
	return status;
}

static int run_one(uint64_t seed)
{
	struct draft draft;

	draft_make(&draft, seed);
	draft_print(&draft, stdout);
	fflush(stdout);
	run_draft(&draft);
	printf("ok\n");
	return 0;
}

/* Under a sanitizer fewer: those take ten times as long, valgrind a hundred times. */
static uint64_t fewer(uint64_t cases)
{
	const char *sanitizer = getenv("SANITIZER");

	return !sanitizer ? cases : strcmp(sanitizer, "valgrind") != 0 ? cases / 10 : cases / 100;
}

int main(int argc, char **argv)
{
	uint64_t from = 1, count = fewer(CASES);

	stats = mmap(NULL, sizeof *stats, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stats == MAP_FAILED)
		return 1;
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (!strcmp(argv[i], "--quick"))
			count = fewer(CASES_STRICT);
		else if (!strcmp(argv[i], "--planted"))
			return find_planted(value);
		else if (!strcmp(argv[i], "--seed"))
			return run_one(strtoull(value, NULL, 10));
		else if (!strcmp(argv[i], "--soak"))
			return soak(strtoull(value, NULL, 10));
		else if (!strcmp(argv[i], "--from"))
			from = strtoull(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--cases"))
			count = fewer(strtoull(argv[++i], NULL, 10));
		else
			return fprintf(stderr, "property: %s?\n", argv[i]), 2;
	}
	return run(from, count);
}
