/* SPDX-License-Identifier: MIT */
/* tee(2): a second sink that takes no splice, a wrapper or a sandbox that forbids it, and the reasons in the report. */
#include "check.h"
#include "sys.h"

#include <fcntl.h>
#include <sys/socket.h>

static struct leat_tee t;
static unsigned char buffer[64];

/* tee(2), when it is denied. */
static int tee_denied;
int64_t __real_sys_tee(int in, int out, uint64_t bytes, unsigned flags);
int64_t __wrap_sys_tee(int in, int out, uint64_t bytes, unsigned flags);

int64_t __wrap_sys_tee(int in, int out, uint64_t bytes, unsigned flags)
{
	return tee_denied ? -tee_denied : __real_sys_tee(in, out, bytes, flags);
}

/* One transfer of ten bytes from a socket into a file, with a tee to this device or descriptor; then all is closed. */
static int64_t from_socket(int to, struct leat_wrapper *other, struct leat_report *report)
{
	FILE *file = tmpfile();
	struct leat_source source;
	struct leat_sink sink, end;
	int64_t n;
	int fds[2];

	CHECK(file);
	CHECK_CALL(to);
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
	CHECK_EQ(write(fds[1], "0123456789", 10), 10);
	close(fds[1]);
	leat_from_fd(&source, fds[0]);
	leat_to_fd(&sink, to);
	leat_wrap(&source, leat_tee_init(&t, &sink, LEAT_TEE_WAIT, buffer, 64));
	if (other)
		leat_wrap(&source, other);
	leat_to_fd(&end, fileno(file));
	n = leat_copy(&end, &source, NULL, report);
	leat_close(&source);
	leat_close_sink(&end);
	close(fds[0]);
	close(to);
	fclose(file);
	return n;
}

/* A device that takes no splice gets it by write, with what write says: the same as by copy. */
static void second_does_not_splice(void)
{
	struct leat_report report;
	struct leat_frame frame;

	for (int copies = 0; copies < 2; copies++) {	/* a frame: no tee(2) */
		struct leat_wrapper *w = copies ? leat_chunked_init(&frame, 0) : NULL;

		CHECK_EQ(from_socket(open("/dev/full", O_WRONLY | O_NONBLOCK | O_CLOEXEC), w, &report), -ENOSPC);
		CHECK_EQ(report.route_calls[LEAT_ROUTE_SPLICE_PIPE] > 0, !copies);
		CHECK_EQ(report.side, LEAT_SIDE_WRAPPER);
		CHECK_STR(report.culprit, "tee");
		CHECK_EQ(t.error, -ENOSPC);
		CHECK_EQ(t.dropped_bytes, 0);
		CHECK_EQ(t.len, copies ? t.len : 10);	/* kept for a second that has room again */
	}
}

/* What closed the route has its name, and its reason. */
static void who_forbids_the_kernels_tee(void)
{
	static const int errors[] = { ENOSYS, EPERM, EINVAL };
	struct leat_report report;
	struct leat_xxh3 hash;

	CHECK_EQ(from_socket(open("/dev/null", O_WRONLY | O_NONBLOCK), NULL, &report), 10);
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_SPLICE_PIPE], 10);
	CHECK_EQ(from_socket(open("/dev/null", O_WRONLY | O_NONBLOCK), leat_xxh3_init(&hash), &report), 10);
	CHECK_EQ(report.refused[LEAT_ROUTE_SPLICE_PIPE], LEAT_NEEDS_CONTENT);
	CHECK_STR(report.refused_by[LEAT_ROUTE_SPLICE_PIPE], "xxh3");
	CHECK_EQ(from_socket(open("/dev/null", O_WRONLY), NULL, &report), 10);	/* it might wait */
	CHECK_STR(report.refused_by[LEAT_ROUTE_SPLICE_PIPE], "tee");
	for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		tee_denied = errors[i];
		CHECK_EQ(from_socket(open("/dev/null", O_WRONLY | O_NONBLOCK), NULL, &report), 10);
		tee_denied = 0;
		CHECK_EQ(report.refused[LEAT_ROUTE_SPLICE_PIPE], LEAT_SANDBOX);
	}
}

static const struct test tests[] = {
	TEST(second_does_not_splice),
	TEST(who_forbids_the_kernels_tee),
};
TEST_MAIN(tests)
