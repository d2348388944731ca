/* SPDX-License-Identifier: MIT */
/* The runs of a bench, by the names and the flags of their shapes. */
#include "bench.h"
#include "shapes.h"

#include <string.h>

struct run *bench_run(const struct bench *b, enum direction direction, const char *name)
{
	for (unsigned i = 0; i < b->runs_count; i++)
		if (b->runs[i].shape->direction == direction && strcmp(b->runs[i].shape->name, name) == 0)
			return &b->runs[i];
	return NULL;
}

unsigned bench_left(const struct bench *b)
{
	unsigned left = 0;

	for (unsigned i = 0; i < b->runs_count; i++)
		left += !b->runs[i].dropped;
	return left;
}

static struct run *run_with(const struct bench *b, enum direction direction, unsigned flag)
{
	for (unsigned i = 0; i < b->runs_count; i++)
		if (b->runs[i].shape->direction == direction && b->runs[i].shape->flags & flag)
			return &b->runs[i];
	return NULL;
}

struct run *bench_floor(const struct bench *b, enum direction direction)
{
	return run_with(b, direction, SHAPE_FLOOR);
}

struct run *bench_control(const struct bench *b, enum direction direction)
{
	return run_with(b, direction, SHAPE_CONTROL);
}
