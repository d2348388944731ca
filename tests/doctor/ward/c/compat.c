/* SPDX-License-Identifier: MIT */
/* A bounce by the system calls of 32-bit programs, which doctor counts and does not follow: it must not say that all is well. */
#include "ward.h"

#include <sys/mman.h>

#define PIECE 65536

#if defined(__x86_64__)
#define READ_32 3
#define WRITE_32 4

/* Addresses have to fit 32 bits; r8 to r11 are lost in some kernels. */
static long call_32(long number, int fd, void *at, size_t bytes)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"((long)fd), "c"(at), "d"(bytes)
			 : "memory", "r8", "r9", "r10", "r11");
	return result;
}

static uint64_t copy(struct ward *ward)
{
	uint8_t *buffer = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	uint64_t moved = 0;
	long n;

	MUST(buffer != MAP_FAILED);
	while ((n = call_32(READ_32, ward->from, buffer, PIECE)) > 0) {
		for (long done = 0; done < n;) {
			long sent = call_32(WRITE_32, ward->to, buffer + done, (size_t)(n - done));

			MUST(sent > 0);
			done += sent;
		}
		moved += (uint64_t)n;
	}
	if (n == -ENOSYS) {
		printf("skip this kernel has no 32-bit calls\n");
		exit(77);
	}
	MUST(!n);
	return moved;
}
#else
static uint64_t copy(struct ward *ward)
{
	printf("skip this machine has no calls of another width\n");
	exit(77);
}
#endif

int main(int argc, char **argv)
{
	static const struct ward_mode modes[] = { { "copy", copy }, { NULL, NULL } };

	return ward_main(argc, argv, modes);
}
