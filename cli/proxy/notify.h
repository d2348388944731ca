/* SPDX-License-Identifier: MIT */
/* What systemd tells a service, and the other way round: sd_listen_fds(3) and sd_notify(3), which are a few variables and a datagram. */
#ifndef CLI_PROXY_NOTIFY_H
#define CLI_PROXY_NOTIFY_H

#define NOTIFY_FIRST 3		/* descriptor of those that are passed */

/* How many sockets were passed to this very process; 0: none. */
unsigned notify_passed(void);
/* "READY=1\nSTATUS=..." to who started us, if that wants to know. */
void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* RELOADING=1 with the time that goes with it; READY=1 ends that. */
void notify_reloading(void);

#endif
