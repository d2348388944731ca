/* SPDX-License-Identifier: MIT */
/*
 * One harness for each parser, for libFuzzer: fuzz.sh builds and runs it. A harness includes the file it is about, so that
 * static functions are within reach, and names its seeds.
 */
#ifndef LEAT_TESTS_FUZZ_H
#define LEAT_TESTS_FUZZ_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* What holds for every input. */
#define FUZZ_HOLDS(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* The input as a string. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	return text;
}

/* The input as a file. */
static inline int fuzz_file(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	return fd;
}

/* libFuzzer calls this before it reads its corpus: the seeds become files of FUZZ_CORPUS, a directory. */
#define FUZZ_SEEDS(...) \
	int LLVMFuzzerInitialize(int *argc, char ***argv) \
	{ \
		static const char *const seeds[] = { __VA_ARGS__ }; \
		const char *dir = getenv("FUZZ_CORPUS"); \
		char path[4096]; \
		for (size_t i = 0; dir && i < sizeof seeds / sizeof seeds[0]; i++) { \
			FILE *f; \
			snprintf(path, sizeof path, "%s/seed%zu", dir, i); \
			f = fopen(path, "we"); \
			if (!f || fputs(seeds[i], f) < 0 || fclose(f)) \
				abort(); \
		} \
		return 0; \
	}

#endif
