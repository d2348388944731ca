/* SPDX-License-Identifier: MIT */
/* A bounce by io_uring alone, by its own system calls: read one block, send it, and nothing of either by read(2) or send(2). */
#include "ward.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PIECE 65536

struct ring {
	int fd;
	unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static uint8_t buffer[PIECE];

static void *map(int fd, size_t bytes, off_t what)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	MUST(at != MAP_FAILED);
	return at;
}

static void ring_open(struct ring *ring)
{
	struct io_uring_params p = { 0 };
	uint8_t *sq, *cq;

	ring->fd = (int)syscall(SYS_io_uring_setup, 4, &p);
	if (ring->fd < 0) {
		printf("skip io_uring_setup: %s\n", strerror(errno));
		exit(77);
	}
	sq = map(ring->fd, p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
	cq = map(ring->fd, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	ring->sqes = map(ring->fd, p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring->sq_tail = (unsigned *)(sq + p.sq_off.tail);
	ring->sq_mask = (unsigned *)(sq + p.sq_off.ring_mask);
	ring->sq_array = (unsigned *)(sq + p.sq_off.array);
	ring->cq_head = (unsigned *)(cq + p.cq_off.head);
	ring->cq_tail = (unsigned *)(cq + p.cq_off.tail);
	ring->cq_mask = (unsigned *)(cq + p.cq_off.ring_mask);
	ring->cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
}

/* One request, and its result. */
static int ask(struct ring *ring, int opcode, int fd, void *at, size_t bytes, uint64_t offset)
{
	unsigned tail = *ring->sq_tail, place = tail & *ring->sq_mask, head = *ring->cq_head;
	unsigned submit = 1;
	int result;

	ring->sqes[place] = (struct io_uring_sqe){
		.opcode = (uint8_t)opcode, .fd = fd, .addr = (uintptr_t)at, .len = (unsigned)bytes, .off = offset,
	};
	ring->sq_array[place] = place;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) == head) {
		result = (int)syscall(SYS_io_uring_enter, ring->fd, submit, 1, IORING_ENTER_GETEVENTS, NULL, 0);
		MUST(result >= 0 || errno == EINTR);
		submit -= result == 1;
	}
	result = ring->cqes[head & *ring->cq_mask].res;
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	MUST(result >= 0);
	return result;
}

static uint64_t copy(struct ward *ward, int opcode)
{
	struct ring ring;
	uint64_t moved = 0;
	int n;

	ring_open(&ring);
	while ((n = ask(&ring, IORING_OP_READ, ward->from, buffer, PIECE, moved)) > 0) {	/* CULPRIT: send; CULPRIT: write */
		for (int done = 0; done < n;)
			done += ask(&ring, opcode, ward->to, buffer + done, (size_t)(n - done),
				    opcode == IORING_OP_SEND ? 0 : moved + (uint64_t)done);
		moved += (uint64_t)n;
	}
	return moved;
}

static uint64_t copy_send(struct ward *ward)
{
	return copy(ward, IORING_OP_SEND);
}

static uint64_t copy_write(struct ward *ward)
{
	return copy(ward, IORING_OP_WRITE);
}

int main(int argc, char **argv)
{
	static const struct ward_mode modes[] = { { "send", copy_send }, { "write", copy_write }, { NULL, NULL } };

	return ward_main(argc, argv, modes);
}
