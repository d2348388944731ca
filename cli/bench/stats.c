/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RESAMPLES 2000

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_of_sorted(const double *sorted, unsigned n)
{
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* xorshift64*: the interval of the same samples is the same every time. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static void bootstrap(const double *values, unsigned n, double *low, double *high)
{
	double *medians = malloc(RESAMPLES * sizeof *medians), *draw = malloc(n * sizeof *draw);
	uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

	for (unsigned r = 0; medians && draw && r < RESAMPLES; r++) {
		for (unsigned i = 0; i < n; i++)
			draw[i] = values[(next_random(&state) >> 32) % n];
		qsort(draw, n, sizeof *draw, by_value);
		medians[r] = median_of_sorted(draw, n);
	}
	if (medians && draw) {
		qsort(medians, RESAMPLES, sizeof *medians, by_value);
		*low = medians[RESAMPLES * 25 / 1000];
		*high = medians[RESAMPLES * 975 / 1000];
	}
	free(medians);
	free(draw);
}

struct stat3 stats_of(const double *values, unsigned n)
{
	struct stat3 s = { .n = n, .median = NAN, .min = NAN, .max = NAN, .low = NAN, .high = NAN };
	double *sorted;

	if (!n)
		return s;
	sorted = malloc(n * sizeof *sorted);
	if (!sorted)
		return s;
	memcpy(sorted, values, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_value);
	s.min = sorted[0];
	s.max = sorted[n - 1];
	s.median = median_of_sorted(sorted, n);
	s.low = s.min;
	s.high = s.max;
	if (n >= 3)
		bootstrap(sorted, n, &s.low, &s.high);
	free(sorted);
	return s;
}
