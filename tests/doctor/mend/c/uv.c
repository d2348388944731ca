/* SPDX-License-Identifier: MIT */
/* uv_fs_sendfile from a file to a socket reads and writes. After: sendfile(2) as work of libuv's own pool. */
#include <uv.h>

#include "ends.h"

static int from, to;
static size_t bytes, at;
static uv_fs_t piece;

static void next_piece(uv_fs_t *done_one)
{
	if (done_one) {
		MUST(done_one->result > 0);
		at += (size_t)done_one->result;
		uv_fs_req_cleanup(done_one);
	}
	if (at < bytes)
		MUST(!uv_fs_sendfile(uv_default_loop(), &piece, to, from, (int64_t)at, bytes - at, next_piece));
}

static void work(uv_work_t *request)
{
	send_file(to, from, bytes);
}

static void done(uv_work_t *request, int status)
{
	MUST(status == 0);
}

int main(int argc, char **argv)
{
	uv_work_t request;

	ends(argv, &from, &to, &bytes);
	if (!strcmp(argv[1], "before"))
		next_piece(NULL);
	else
		MUST(!uv_queue_work(uv_default_loop(), &request, work, done));
	MUST(!uv_run(uv_default_loop(), UV_RUN_DEFAULT));
	return 0;
}
