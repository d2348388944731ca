/* SPDX-License-Identifier: MIT */
/*
 * io_uring: what is read and written, received and sent by it is paired as if by calls, exactly; what is not to be seen, with
 * buffers the kernel chooses, is counted, and so is the use of it at all.
 */
#include "watching.h"

#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define BYTES 1000003
#define PIECE 32768

static uint8_t buffer[PIECE];

/* ---- A ring, by hand ------------------------------------------------------------------------------------------------------- */

struct ring {
	int fd;
	unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static void ring_open(struct ring *r)
{
	struct io_uring_params p = { 0 };
	uint8_t *sq, *cq;

	r->fd = (int)syscall(SYS_io_uring_setup, 8, &p);
	NEED(r->fd >= 0);
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof *r->cqes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		  IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, p.sq_entries * sizeof *r->sqes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQES);
	NEED(sq != MAP_FAILED && cq != MAP_FAILED && r->sqes != MAP_FAILED);
	r->sq_tail = (unsigned *)(sq + p.sq_off.tail);
	r->sq_mask = (unsigned *)(sq + p.sq_off.ring_mask);
	r->sq_array = (unsigned *)(sq + p.sq_off.array);
	r->cq_head = (unsigned *)(cq + p.cq_off.head);
	r->cq_tail = (unsigned *)(cq + p.cq_off.tail);
	r->cq_mask = (unsigned *)(cq + p.cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
}

static int ring_do(struct ring *r, uint8_t opcode, int fd, const void *address, unsigned length, unsigned flags)
{
	unsigned tail = *r->sq_tail, at = tail & *r->sq_mask;
	struct io_uring_sqe *sqe = &r->sqes[at];
	int result;

	memset(sqe, 0, sizeof *sqe);
	sqe->opcode = opcode;
	sqe->fd = fd;
	sqe->addr = (uint64_t)(uintptr_t)address;
	sqe->len = length;
	sqe->off = (uint64_t)-1;
	sqe->flags = (uint8_t)flags;
	if (opcode == IORING_OP_SEND || opcode == IORING_OP_RECV || opcode == IORING_OP_SENDMSG || opcode == IORING_OP_RECVMSG)
		sqe->off = 0;
	r->sq_array[at] = at;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	NEED(syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1);
	NEED(__atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) != *r->cq_head);
	result = r->cqes[*r->cq_head & *r->cq_mask].res;
	__atomic_store_n(r->cq_head, *r->cq_head + 1, __ATOMIC_RELEASE);
	return result;
}

/* ---- Patients -------------------------------------------------------------------------------------------------------------- */

struct way {
	uint8_t reads, writes;	/* opcodes; 0: the system call */
	bool from_socket, to_socket;
};

static const struct way ways[] = {
	{ IORING_OP_READ, IORING_OP_WRITE, false, false },
	{ IORING_OP_READ, IORING_OP_SEND, false, true },
	{ IORING_OP_RECV, IORING_OP_SEND, true, true },
	{ IORING_OP_RECV, IORING_OP_WRITE, true, false },
	{ IORING_OP_READV, IORING_OP_WRITEV, false, false },
	{ IORING_OP_RECVMSG, IORING_OP_SENDMSG, true, true },
	{ IORING_OP_READ, 0, false, true },
	{ 0, IORING_OP_SEND, false, true },
};
#define WAYS (sizeof ways / sizeof *ways)

static int one(struct ring *r, uint8_t opcode, int fd, uint8_t *at, unsigned bytes, bool writes)
{
	struct iovec iov[2] = { { at, bytes / 3 }, { at + bytes / 3, bytes - bytes / 3 } };
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };

	switch (opcode) {
	case 0: return (int)(writes ? write(fd, at, bytes) : read(fd, at, bytes));
	case IORING_OP_READV: case IORING_OP_WRITEV: return ring_do(r, opcode, fd, iov, 2, 0);
	case IORING_OP_RECVMSG: case IORING_OP_SENDMSG: return ring_do(r, opcode, fd, &message, 1, 0);
	default: return ring_do(r, opcode, fd, at, bytes, 0);
	}
}

static int open_end(bool is_socket, bool source)
{
	char name[] = "ring-XXXXXX";
	int fd, pair[2];

	if (is_socket) {
		NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
		order(source ? ORDER_FILL : ORDER_DRAIN, pair[1], BYTES);
		return pair[0];
	}
	fd = mkstemp(name);
	NEED(fd >= 0 && dup(fd) >= 0);
	unlink(name);
	if (source) {
		static unsigned seed = 5;
		static uint8_t pattern[PIECE];

		for (unsigned done = 0; done < BYTES; done += PIECE) {
			for (unsigned i = 0; i < PIECE; i++)
				pattern[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
			NEED(pwrite(fd, pattern, BYTES - done < PIECE ? BYTES - done : PIECE, done) > 0);
		}
	}
	return fd;
}

static void by_ring(void)
{
	struct ring r;

	ring_open(&r);
	for (unsigned i = 0; i < WAYS; i++) {
		const struct way *way = &ways[i];
		int from = open_end(way->from_socket, true), to = open_end(way->to_socket, false);
		struct did *did = &shared->did[shared->count];

		did->from = inode_of(from);
		did->to = inode_of(to);
		did->call_read = way->reads ? (uint16_t)(1000 + way->reads) : SYS_read;
		did->call_write = way->writes ? (uint16_t)(1000 + way->writes) : SYS_write;
		while (did->bytes < BYTES) {
			int got = one(&r, way->reads, from, buffer, PIECE, false);

			NEED(got > 0);
			did->reads++;
			for (int at = 0; at < got;) {
				int sent = one(&r, way->writes, to, buffer + at, (unsigned)(got - at), true);

				NEED(sent > 0);
				did->writes++;
				at += sent;
			}
			did->bytes += (uint64_t)got;
		}
		shared->count++;
		close(from);
		close(to);
	}
}

static void skip_without_rings(void)
{
	struct io_uring_params p = { 0 };
	int fd = (int)syscall(SYS_io_uring_setup, 1, &p);

	if (fd < 0)
		test_skip("io_uring: %s", strerror(errno));
	close(fd);
}

static void paired_as_calls_are(void)
{
	struct watching w;
	char note[80];

	skip_without_rings();
	watch(&w, by_ring, false, 30);
	CHECK_EQ(w.shared->count, WAYS);
	for (unsigned i = 0; i < w.shared->count; i++) {
		const struct did *did = &w.shared->did[i];
		struct flow sum;

		snprintf(note, sizeof note, "way %u", i);
		test_note(note);
		CHECK(sum_flows(&w, did->from, did->to, &sum) > 0);
		CHECK_EQ(sum.how, HOW_IO_URING);
		CHECK_EQ(sum.bytes, did->bytes);
		CHECK_EQ(sum.reads, did->reads);
		CHECK_EQ(sum.writes, did->writes);
		CHECK_EQ(sum.call_read, did->call_read);
		CHECK_EQ(sum.call_write, did->call_write);
		CHECK_EQ(sum.samples_changed + sum.whole_changed, 0);
		CHECK(sum.samples_equal > 0);
		CHECK(sum.whole_equal > 0);
	}
	CHECK(w.model.coverage.io_uring_calls > 100);
	CHECK_EQ(w.model.coverage.io_uring_blind, 0);
	watching_end(&w);
}

#define GROUP 7

/* The kernel picks the buffer: where the bytes went is not to be seen from the request. */
static void chosen_buffers(void)
{
	struct ring r;
	int from = open_end(true, true);

	ring_open(&r);
	for (unsigned i = 0; i < 10; i++) {
		struct io_uring_sqe *sqe;
		unsigned at;

		/* provide one buffer, then receive into whichever there is */
		at = *r.sq_tail & *r.sq_mask;
		sqe = &r.sqes[at];
		memset(sqe, 0, sizeof *sqe);
		sqe->opcode = IORING_OP_PROVIDE_BUFFERS;
		sqe->fd = 1;
		sqe->addr = (uint64_t)(uintptr_t)buffer;
		sqe->len = 4096;
		sqe->buf_group = GROUP;
		r.sq_array[at] = at;
		__atomic_store_n(r.sq_tail, *r.sq_tail + 1, __ATOMIC_RELEASE);
		NEED(syscall(SYS_io_uring_enter, r.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1);
		__atomic_store_n(r.cq_head, *r.cq_head + 1, __ATOMIC_RELEASE);
		at = *r.sq_tail & *r.sq_mask;
		sqe = &r.sqes[at];
		memset(sqe, 0, sizeof *sqe);
		sqe->opcode = IORING_OP_RECV;
		sqe->fd = from;
		sqe->len = 4096;
		sqe->flags = IOSQE_BUFFER_SELECT;
		sqe->buf_group = GROUP;
		r.sq_array[at] = at;
		__atomic_store_n(r.sq_tail, *r.sq_tail + 1, __ATOMIC_RELEASE);
		NEED(syscall(SYS_io_uring_enter, r.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1);
		NEED(r.cqes[*r.cq_head & *r.cq_mask].res > 0);
		__atomic_store_n(r.cq_head, *r.cq_head + 1, __ATOMIC_RELEASE);
	}
}

static void what_is_blind_is_counted(void)
{
	struct watching w;

	skip_without_rings();
	watch(&w, chosen_buffers, false, 30);
	CHECK_EQ(w.model.coverage.io_uring_blind, 10);
	CHECK_EQ(w.model.coverage.io_uring_calls, 20);
	watching_end(&w);
}

/* From a file to a pipe: where a splice takes from does not stand where it could be seen. */
static void splices(void)
{
	struct ring r;
	int from = open_end(false, true), to[2];

	ring_open(&r);
	NEED(pipe(to) == 0);
	for (unsigned i = 0; i < 10; i++) {
		unsigned at = *r.sq_tail & *r.sq_mask;
		struct io_uring_sqe *sqe = &r.sqes[at];

		memset(sqe, 0, sizeof *sqe);
		sqe->opcode = IORING_OP_SPLICE;
		sqe->fd = to[1];
		sqe->off = (uint64_t)-1;
		sqe->splice_fd_in = from;
		sqe->splice_off_in = i * 4096;
		sqe->len = 4096;
		r.sq_array[at] = at;
		__atomic_store_n(r.sq_tail, *r.sq_tail + 1, __ATOMIC_RELEASE);
		NEED(syscall(SYS_io_uring_enter, r.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1);
		NEED(r.cqes[*r.cq_head & *r.cq_mask].res == 4096);
		__atomic_store_n(r.cq_head, *r.cq_head + 1, __ATOMIC_RELEASE);
	}
}

static void what_a_ring_splices_is_counted(void)
{
	struct watching w;

	skip_without_rings();
	watch(&w, splices, false, 30);
	CHECK_EQ(w.model.coverage.io_uring_blind, 10);
	CHECK_EQ(w.model.flow_count, 0);
	watching_end(&w);
}

/* Reads that are to be told of only if they fail, and the writes linked to them: of a read that went well nobody hears. */
static void silent_reads(void)
{
	struct ring r;
	int from = open_end(false, true), to = open_end(true, false);

	ring_open(&r);
	for (unsigned i = 0; i < 10; i++) {
		unsigned tail = *r.sq_tail;

		for (unsigned k = 0; k < 2; k++) {
			unsigned at = (tail + k) & *r.sq_mask;
			struct io_uring_sqe *sqe = &r.sqes[at];

			memset(sqe, 0, sizeof *sqe);
			sqe->opcode = k ? IORING_OP_SEND : IORING_OP_READ;
			sqe->fd = k ? to : from;
			sqe->addr = (uint64_t)(uintptr_t)buffer;
			sqe->len = PIECE;
			sqe->off = k ? 0 : i * (uint64_t)PIECE;
			sqe->flags = k ? 0 : IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
			r.sq_array[at] = at;
		}
		__atomic_store_n(r.sq_tail, tail + 2, __ATOMIC_RELEASE);
		NEED(syscall(SYS_io_uring_enter, r.fd, 2, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 2);
		NEED(__atomic_load_n(r.cq_tail, __ATOMIC_ACQUIRE) - *r.cq_head == 1);
		NEED(r.cqes[*r.cq_head & *r.cq_mask].res == PIECE);
		__atomic_store_n(r.cq_head, *r.cq_head + 1, __ATOMIC_RELEASE);
	}
}

static void what_a_ring_does_not_tell_is_counted(void)
{
	struct watching w;

	skip_without_rings();
	watch(&w, silent_reads, false, 30);
	CHECK_EQ(w.model.coverage.io_uring_blind, 10);
	watching_end(&w);
}

static const struct test tests[] = {
	TEST(paired_as_calls_are), TEST(what_is_blind_is_counted), TEST(what_a_ring_splices_is_counted),
	TEST(what_a_ring_does_not_tell_is_counted),
};
TEST_MAIN(tests)
