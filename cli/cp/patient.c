/* SPDX-License-Identifier: MIT */
#include "patient.h"
#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#define NAP_MS 10

int patient_open(int at, const char *name, int flags, mode_t mode, int error, int timeout_ms)
{
	for (int waited = 0;; waited += NAP_MS) {
		int fd = openat(at, name, flags | O_NONBLOCK, mode);

		if (fd >= 0 || errno != error)
			return fd;
		if (stop_flag || (timeout_ms >= 0 && waited >= timeout_ms)) {
			errno = stop_flag ? EINTR : ETIMEDOUT;
			return -1;
		}
		nanosleep(&(struct timespec){ .tv_nsec = NAP_MS * 1000000L }, NULL);
	}
}
