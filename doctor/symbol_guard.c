/* SPDX-License-Identifier: MIT */
#include "symbol_guard.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

static sigjmp_buf *volatile guarded;

/* Out of a library's reading of a mapping: no lock of libc is held there. Any other SIGBUS meets the default when it repeats. */
static void on_bus(int number)
{
	if (guarded)
		siglongjmp(*guarded, 1);
	signal(number, SIG_DFL);
}

int symbol_guard(void (*call)(void *context), void *context)
{
	struct sigaction ours = { .sa_handler = on_bus }, before;
	volatile int error = 0;
	sigjmp_buf here;

	sigaction(SIGBUS, &ours, &before);
	if (sigsetjmp(here, 1)) {
		error = -EIO;
	} else {
		guarded = &here;
		call(context);
	}
	guarded = NULL;
	sigaction(SIGBUS, &before, NULL);
	return error;
}
