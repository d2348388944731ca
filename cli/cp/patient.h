/* SPDX-License-Identifier: MIT */
/* Opening what can be opened only when somebody else has done his part. */
#ifndef CLI_CP_PATIENT_H
#define CLI_CP_PATIENT_H

#include <sys/types.h>

/*
 * openat with O_NONBLOCK, which the descriptor then has, and again as long as it fails with this error: ENXIO of a FIFO that nobody
 * reads, EWOULDBLOCK of a file that somebody has a lease on. So a signal and a timeout (ms; -1: none) are heeded, and what has
 * become a FIFO meanwhile is not waited for. The descriptor, or -1 with errno.
 */
int patient_open(int at, const char *name, int flags, mode_t mode, int error, int timeout_ms);

#endif
