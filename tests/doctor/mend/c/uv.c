/* SPDX-License-Identifier: MIT */
/* uv_fs_sendfile from a file to a socket reads and writes. After: sendfile(2) as work of libuv's own pool. */
#include <uv.h>

#include "ends.h"

static int from, to;
static size_t bytes;

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
	uv_loop_t *loop = uv_default_loop();

	ends(argv, &from, &to, &bytes);
	if (!strcmp(argv[1], "before")) {
		for (size_t at = 0; at < bytes;) {
			uv_fs_t request;

			MUST(uv_fs_sendfile(loop, &request, to, from, (int64_t)at, bytes - at, NULL) > 0);
			at += (size_t)request.result;
			uv_fs_req_cleanup(&request);
		}
	} else {
		uv_work_t request;

		MUST(!uv_queue_work(loop, &request, work, done));
		MUST(!uv_run(loop, UV_RUN_DEFAULT));
	}
	return 0;
}
