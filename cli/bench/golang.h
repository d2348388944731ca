/* SPDX-License-Identifier: MIT */
/* The Go program: it is built while the others are measured, and serves the shapes of Go. */
#ifndef BENCH_GOLANG_H
#define BENCH_GOLANG_H

#include <sys/types.h>

struct bench;
struct shape;

struct golang {
	pid_t builder;		/* 0: not building */
	int usable;		/* the program stands in binary */
	char dir[4096], binary[4096 + 16], version[64];
	int log;		/* what the build says on stderr */
	char missing[160];	/* why not usable */
};

void golang_begin(struct golang *go, const char *tmp_dir);	/* starts `go build` beside us, when go is there */
void golang_finish(struct golang *go, int timeout_ms);
/* In the serving process: becomes the Go program. Returns only when that failed. */
void golang_exec(const struct bench *b, const struct shape *shape, int orders, int answers, int listener);
void golang_remove(struct golang *go);

#endif
