/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 on [ADDR]:PORT, for GET and HEAD of /metrics, /health and /, and /ready if asked to. It runs in its caller's thread,
 * between other work; a client that is slow, silent or mad costs a bounded time and memory, and no other client.
 */
#ifndef CLI_EXPORTER_H
#define CLI_EXPORTER_H

#include <signal.h>
#include <stdio.h>

struct exporter;

/* address: ":9791", "127.0.0.1:9791", "[::1]:9791"; without a host 127.0.0.1. Port 0: any. 0; -EINVAL for what is no such
 * address; else -errno of socket, bind or listen (-EADDRINUSE, -EACCES). */
int exporter_open(struct exporter **ret_exporter, const char *address);
unsigned exporter_port(const struct exporter *exporter);
/* What make writes now is what is scraped from now on; it gives 0 or -errno. 0, or -errno and the page before stays. */
int exporter_publish(struct exporter *exporter, int (*make)(FILE *to, void *arg), void *arg);
/* The same anew at each request. arg is used as long as this serves. */
void exporter_publish_at_scrape(struct exporter *exporter, int (*make)(FILE *to, void *arg), void *arg);
/* Why /health says no from now on, a line with its line feed; borrowed. NULL: it says ok. Any thread may call it. */
void exporter_unready(struct exporter *exporter, const char *why);
/* There is /ready as well, which says no when /health does, and while lacks gives a line that says what for; NULL: yes. */
void exporter_ready_at_request(struct exporter *exporter, const char *(*lacks)(const void *arg), const void *arg);
/* Serves for so long, or until *stop (may be NULL), which a handler or another thread sets. A signal ends it early. 0, or -errno when
 * waiting itself failed. */
int exporter_serve(struct exporter *exporter, int timeout_ms, const volatile sig_atomic_t *stop);
/* Lets nobody in any more, and serves who is in to the end; others may have the socket, and its queue. */
void exporter_finish(struct exporter *exporter);
void exporter_close(struct exporter *exporter);	/* NULL is fine */

#endif
