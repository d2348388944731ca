/* SPDX-License-Identifier: MIT */
/* How one transfer is served: 0, or -errno. */
#ifndef BENCH_SERVE_H
#define BENCH_SERVE_H

struct job;

int serve_leat(struct job *job);		/* serve.c: any leat shape */
int serve_c_sendfile(struct job *job);		/* baseline.c; arg 1: corked */
int serve_c_copy(struct job *job);		/* arg: buffer bytes */
int serve_c_splice(struct job *job);		/* arg: pipe bytes */
int serve_c_relay(struct job *job);		/* arg: pipe bytes */
int serve_c_copy_file_range(struct job *job);
/* The bytes of the framed shape around the file. */
extern const char framed_header[], framed_trailer[];

#endif
