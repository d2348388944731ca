/* SPDX-License-Identifier: MIT */
/*
 * The process that asks has a thread for each name, as the keeper has, and the keeper's sandbox. The master has no threads, which would
 * be in the midst of something whenever it forks; and what is under way when the time is over ends with the process.
 */
#include "names.h"
#include "../out.h"
#include "address.h"
#include "sandbox.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Who answers at all does so in a few hundred ms, half way round the world; the C library asks again after 5 s. */
#define WAIT_NS (LEAT_SECOND * 3 / 2)
#define LOOK_NS (LEAT_SECOND / 20) /* a child that nobody tells us of, as SIGCHLD is ignored */

struct question {
	struct board_upstream *up; /* NULL: none */
	pthread_t thread;
	int error, number; /* of the answer, and errno; EAI_INPROGRESS: there is none yet */
};

static int is_name(const struct board_upstream *up, struct addr *ret_addr)
{
	return address_parse(up->name, 0, ret_addr) == 0 && address_is_name(ret_addr);
}

int names_is_one(const struct board_upstream *up)
{
	struct addr addr;

	return is_name(up, &addr);
}

/* More than are used is said once, until there are other ones in number. */
static void take(struct board_upstream *up, const struct board_address *found, unsigned count)
{
	if (count > BOARD_ADDRESSES && count != up->found)
		out_error("%s: it has %u addresses, of which %u are left out: %d are used at most", up->name, count,
			  count - BOARD_ADDRESSES, BOARD_ADDRESSES);
	up->found = count;
	board_write(up, found, count < BOARD_ADDRESSES ? count : BOARD_ADDRESSES);
}

int names_refresh(struct board_upstream *up)
{
	struct board_address found[BOARD_ADDRESSES];
	struct addr addr;
	int count;

	if (!is_name(up, &addr))
		return 0;
	count = address_resolve(&addr, 0, found, BOARD_ADDRESSES);
	if (count > 0)
		take(up, found, (unsigned)count);
	else
		BOARD_ADD(up->unresolved, 1);
	return count > 0 ? 0 : count ? count : EAI_NODATA;
}

static void *ask(void *arg)
{
	struct question *question = arg;
	int error = names_refresh(question->up);

	question->number = errno;
	BOARD_SET(question->error, error);
	return NULL;
}

static void ask_all(struct generation *generation, struct question *questions, pid_t parent)
{
	unsigned asked;

	generation_settle(generation);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* behind that: becoming somebody else forgets it */
	if (getppid() != parent || (!generation->settings.no_sandbox && sandbox_keeper(generation->board) < 0))
		return;
	for (asked = 0; questions[asked].up; asked++)
		if (pthread_create(&questions[asked].thread, NULL, ask, &questions[asked]))
			break;
	while (asked--)
		pthread_join(questions[asked].thread, NULL);
}

static void wait_for(pid_t child)
{
	uint64_t until_ns = leat_now_ns() + WAIT_NS;
	const struct timespec look = { .tv_nsec = LOOK_NS };
	sigset_t set, before;
	int signal = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, &before);
	while (waitpid(child, NULL, WNOHANG) == 0) {
		if (leat_now_ns() >= until_ns || signal == SIGTERM || signal == SIGINT) {
			kill(child, SIGKILL);
			waitpid(child, NULL, 0);
			break;
		}
		signal = sigtimedwait(&set, NULL, &look);
	}
	if (signal == SIGTERM || signal == SIGINT)
		kill(getpid(), signal); /* it waits for who takes it */
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void say(const struct question *question)
{
	int error = BOARD_GET(question->error);

	errno = question->number;
	if (error)
		out_error("%s: it has no address yet: %s", question->up->name,
			  error == EAI_INPROGRESS ? "nobody has told one so far" : address_why(error));
}

void names_begin(struct generation *generation)
{
	struct board *board = generation->board;
	size_t bytes = (BOARD_UPSTREAMS + 1) * sizeof(struct question);
	struct question *questions = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t parent = getpid(), child = -1;
	unsigned count = 0;

	if (questions == MAP_FAILED)
		return; /* the keeper asks all the same */
	for (unsigned i = 0; i < board->count; i++)
		if (!board_addresses(&board->upstreams[i]) && names_is_one(&board->upstreams[i]))
			questions[count++] = (struct question){ .up = &board->upstreams[i], .error = EAI_INPROGRESS };
	fflush(NULL);
	if (count)
		child = fork();
	if (child == 0) {
		ask_all(generation, questions, parent);
		fflush(NULL);
		_exit(0);
	}
	if (child > 0)
		wait_for(child);
	for (unsigned i = 0; i < count; i++)
		say(&questions[i]);
	munmap(questions, bytes);
}
