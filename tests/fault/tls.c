/* SPDX-License-Identifier: MIT */
/*
 * A socket whose kernel makes TLS records: "more follows" leaves one open that nothing but further bytes closes. Here the part
 * behind has none for now. What asks the kernel for them needs its module tls; whether it is asked does not.
 */
#include "lab.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

/* ---- whether the library asks ------------------------------------------------------------------------------------------- */

int __real_sys_socket_option(int fd, int level, int name, void *value, unsigned *size);
int __wrap_sys_socket_option(int fd, int level, int name, void *value, unsigned *size);
int64_t __real_sys_send(int fd, const void *bytes, uint64_t size, int flags);
int64_t __wrap_sys_send(int fd, const void *bytes, uint64_t size, int flags);

static bool says_tls;		/* whatever socket it is */
static unsigned asked;		/* whether a socket makes records */
static int first_flags;		/* of the first send, 0 before it */

int __wrap_sys_socket_option(int fd, int level, int name, void *value, unsigned *size)
{
	if (level != IPPROTO_TCP || name != TCP_ULP)
		return __real_sys_socket_option(fd, level, name, value, size);
	asked++;
	if (!says_tls)
		return __real_sys_socket_option(fd, level, name, value, size);
	memcpy(value, "tls", *size = 4);
	return 0;
}

int64_t __wrap_sys_send(int fd, const void *bytes, uint64_t size, int flags)
{
	first_flags = first_flags ? first_flags : flags;
	return __real_sys_send(fd, bytes, size, flags);
}

/* A header and a body: "more follows" is said with the header, and not to who makes records. */
static void header_and_body(struct leat_sink *sink, int peer, bool tls)
{
	struct leat_source source, parts[2];
	struct leat_queue queue;
	char got[8];

	says_tls = tls;
	asked = 0;
	first_flags = 0;
	leat_queue_init(&queue);
	leat_from_memory(&parts[0], "head", 4);
	leat_from_memory(&parts[1], "body", 4);
	CHECK_EQ(leat_queue_add(&queue, &parts[0]), 0);
	CHECK_EQ(leat_queue_add(&queue, &parts[1]), 0);
	leat_queue_end(&queue);
	leat_from_queue(&source, &queue);
	CHECK_EQ(leat_copy(sink, &source, NULL, NULL), 8);
	CHECK_EQ(recv(peer, got, sizeof got, MSG_WAITALL), 8);
	CHECK_EQ(asked, 1u);
	CHECK_EQ(!(first_flags & MSG_MORE), tls);
	leat_close(&source);
}

/* A connection that begins in the clear, and others that are like it: TLS is switched on between two transfers of one sink. */
static void records_are_asked_for_in_each_transfer(void)
{
	struct leat_sink sink, like;
	int pair[2];

	lab_pair(LAB_TCP, pair);
	leat_to_fd(&sink, pair[1]);
	header_and_body(&sink, pair[0], false);
	header_and_body(&sink, pair[0], true);
	leat_to_alike(&like, pair[1], &sink);
	header_and_body(&like, pair[0], false);
	leat_close_sink(&like);
	leat_close_sink(&sink);
	says_tls = false;
	close(pair[0]);
	close(pair[1]);
}

/* ---- what the kernel does ------------------------------------------------------------------------------------------------ */

static void records(int fd, int direction)
{
	struct tls12_crypto_info_aes_gcm_128 keys = { .info = { TLS_1_2_VERSION, TLS_CIPHER_AES_GCM_128 } };

	memset(keys.key, 1, sizeof keys.key);
	memset(keys.iv, 2, sizeof keys.iv);
	memset(keys.salt, 3, sizeof keys.salt);
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 4) || setsockopt(fd, SOL_TLS, direction, &keys, sizeof keys))
		test_skip("this kernel makes no TLS records: %s", strerror(errno));
}

static int step(struct leat_transfer *transfer)
{
	int r;

	do
		r = leat_step(transfer);
	while (r == LEAT_AGAIN);	/* the first record may load its ciphers */
	return r;
}

/* head, then a part that waits: what of it has the peer? */
static void head_is_there(struct leat_source *head, size_t bytes)
{
	struct leat_source all, tail, view;
	struct leat_transfer transfer;
	struct leat_queue queue;
	struct leat_sink sink;
	unsigned char got[64];
	int ends[2], pair[2];

	CHECK_CALL(pipe2(ends, O_NONBLOCK | O_CLOEXEC));
	lab_pair(LAB_TCP, pair);
	records(pair[1], TLS_TX);
	records(pair[0], TLS_RX);
	CHECK_CALL(fcntl(pair[1], F_SETFL, O_NONBLOCK));
	leat_queue_init(&queue);
	leat_from_queue(&all, &queue);
	leat_from_fd(&tail, ends[0]);
	leat_from_source(&view, &tail);
	CHECK_EQ(leat_queue_add(&queue, head), 0);
	CHECK_EQ(leat_queue_add(&queue, &view), 0);
	leat_queue_end(&queue);
	leat_to_fd(&sink, pair[1]);
	CHECK_EQ(leat_begin(&transfer, &sink, &all, NULL), 0);
	CHECK_EQ(step(&transfer), LEAT_WAIT);
	CHECK_SAY(poll(&(struct pollfd){ .fd = pair[0], .events = POLLIN }, 1, 2000) == 1, "it is in a record that is open");
	CHECK_EQ(recv(pair[0], got, sizeof got, MSG_DONTWAIT), (ssize_t)bytes);
	close(ends[1]);
	CHECK_EQ(step(&transfer), LEAT_DONE);
	CHECK_EQ(leat_end(&transfer, NULL), 0);
	leat_close(&all);
	leat_close_sink(&sink);
	close(ends[0]);
	close(pair[0]);
	close(pair[1]);
}

static void memory_before_a_part_that_waits(void)
{
	static const char words[] = "HTTP/1.1 200 OK\r\n\r\n";
	struct leat_source head;

	leat_from_memory(&head, words, sizeof words - 1);
	head_is_there(&head, sizeof words - 1);
}

static void a_pipe_before_a_part_that_waits(void)
{
	struct leat_source head;
	int ends[2];

	CHECK_CALL(pipe2(ends, O_NONBLOCK | O_CLOEXEC));
	CHECK_EQ(write(ends[1], "begin", 5), 5);
	close(ends[1]);
	leat_from_fd(&head, ends[0]);
	head_is_there(&head, 5);
	close(ends[0]);
}

static const struct test tests[] = {
	TEST(records_are_asked_for_in_each_transfer),
	TEST(memory_before_a_part_that_waits),
	TEST(a_pipe_before_a_part_that_waits),
};
TEST_MAIN(tests)
