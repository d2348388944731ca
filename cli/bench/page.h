/* SPDX-License-Identifier: MIT */
/* The parts of the HTML page. */
#ifndef BENCH_PAGE_H
#define BENCH_PAGE_H

#include "shapes.h"

#include <stddef.h>
#include <stdio.h>

struct bench;
struct run;
struct sweep;

extern const char page_style[];		/* CSS */
extern const char page_flow[];		/* the picture of the flow, SVG */

/* Text into HTML or an attribute. */
void page_text(FILE *f, const char *text);
/* "1,024", "79.3", "0.80" */
const char *page_number(double value, char *text, size_t size);
/* leat on a kernel route, leat copying, C, Go: the class of its colour. */
const char *page_class(const struct run *run);

void chart_cpu(FILE *f, const struct bench *b, enum direction direction);
void chart_calls(FILE *f, const struct bench *b);
void chart_sweep(FILE *f, const struct sweep *s);

#endif
