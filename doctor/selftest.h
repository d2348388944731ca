/* SPDX-License-Identifier: MIT */
/* `leat doctor --self-test`: is a loss told from a healthy program, on this machine, with these rights? */
#ifndef DOCTOR_SELFTEST_H
#define DOCTOR_SELFTEST_H

#include "feed.h"

/* Watches both with each of the engines, of which there are count, and prints a line for each. EXIT_OK: told apart; EXIT_FAILED:
 * not; EXIT_RIGHTS: no engine is to be had, with a sentence. */
int selftest(const struct feed_ops *const *engines, unsigned count, const volatile sig_atomic_t *stop);

#endif
