/* SPDX-License-Identifier: MIT */
/*
 * Ends that cannot work, by name, with the error that is documented for each: leat_copy, leat_plan, and step by step. The
 * report says which end, by which route, after how many bytes; the caller's descriptors keep their flags and, when nothing
 * began, their offsets.
 */
#ifndef LEAT_FAULT_BAD_ENDS_H
#define LEAT_FAULT_BAD_ENDS_H

#include "lab.h"

#define AT_BEGIN UINT64_MAX		/* refused before anything moves: leat_plan and leat_begin say it too */
#define SOME (UINT64_MAX - 1)		/* whatever the kernel had taken */

/* ---- descriptors that such ends are made of ---- */

static inline char *path_in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", lab_dir(), name);
	return path;
}

static inline int open_named(const char *name, int flags)
{
	int fd = CHECK_CALL(open(path_in_dir(name), O_CREAT | O_RDWR | O_CLOEXEC, 0600));

	CHECK_EQ(write(fd, "0123456789", 10), 10);
	close(fd);
	fd = CHECK_CALL(open(path_in_dir(name), flags | O_CLOEXEC));
	if (!(flags & O_PATH))
		CHECK_CALL(lseek(fd, 4, SEEK_SET));
	return fd;
}

static inline int closed_fd(void)
{
	int fd = lab_empty_file();

	close(fd);
	return fd;
}

static inline int pipe_end(int which)
{
	int fds[2];

	lab_pair(LAB_PIPE, fds);
	CHECK_CALL(fcntl(fds[which], F_SETFL, O_NONBLOCK));
	return fds[which];
}

static inline int make_socket(int domain, int type, int listening)
{
	int fd = CHECK_CALL(socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));

	if (listening)
		CHECK_CALL(listen(fd, 1));
	return fd;
}

/* Blocking: poll would say for ever that it has no connection to accept, or that it can be written. */
static inline int listening_unix(int type)
{
	struct sockaddr any = { .sa_family = AF_UNIX };
	int fd = CHECK_CALL(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));

	CHECK_CALL(bind(fd, &any, sizeof any.sa_family));
	CHECK_CALL(listen(fd, 1));
	return fd;
}

static inline int blocking_listening(void)
{
	int fd = CHECK_CALL(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	CHECK_CALL(listen(fd, 1));
	return fd;
}

/* ---- what is the same for either end ---- */

struct before {
	int flags;
	off_t offset;
};

static inline struct before look_before(int fd)
{
	return (struct before){ fcntl(fd, F_GETFL), lseek(fd, 0, SEEK_CUR) };
}

static inline void check_untouched(int fd, const struct before *before, bool offset_too)
{
	CHECK_EQ(fcntl(fd, F_GETFL), before->flags);
	if (offset_too)
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), before->offset);
}

static inline void check_report(const struct leat_report *report, int error, enum leat_side side, uint64_t bytes)
{
	char line[300];

	CHECK_EQ(report->error, error);
	CHECK_EQ(report->side, side);
	CHECK_EQ(report->ended_by, LEAT_ENDED_BY_ERROR);
	CHECK_EQ(report->error_route == LEAT_ROUTE_NONE, bytes == AT_BEGIN);
	if (bytes != SOME)
		CHECK_EQ(report->bytes, bytes == AT_BEGIN ? 0 : bytes);
	leat_explain(report, line, sizeof line);
	CHECK_SAY(strstr(line, side == LEAT_SIDE_SOURCE ? "failed at the source" : "failed at the sink") != NULL, "%s", line);
}

static inline int step_to_the_end(struct leat_sink *sink, struct leat_source *source, uint64_t bytes, struct leat_report *report)
{
	struct leat_transfer transfer;
	int r = leat_begin(&transfer, sink, source, NULL);

	leat_so_far(&transfer, report);
	CHECK_EQ(r < 0, bytes == AT_BEGIN);
	if (r < 0) {
		CHECK_EQ(leat_step(&transfer), -EINVAL);
		return r;
	}
	r = lab_step_all(&transfer);
	CHECK_EQ(leat_step(&transfer), r);	/* for good */
	CHECK_EQ(leat_end(&transfer, report), r);
	return r;
}

#endif
