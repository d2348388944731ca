/* SPDX-License-Identifier: MIT */
/*
 * libdw maps files, and whoever owns one may cut it while it is read: then reading it is a SIGBUS. The guard ends the call that
 * met it instead of the doctor. For one thread; SIGBUS is the guard's only while a call runs.
 */
#ifndef DOCTOR_SYMBOL_GUARD_H
#define DOCTOR_SYMBOL_GUARD_H

/* 0, or -EIO when a file was cut: what the call held is lost, and nothing that it worked on may be used or freed. */
int symbol_guard(void (*call)(void *context), void *context);

#endif
