/* SPDX-License-Identifier: MIT */
/* uv_fs_sendfile, which in libuv reads and writes in a thread of its pool when the target is a socket. */
#include "ward.h"

#include <uv.h>

static struct ward ward;
static uv_fs_t request;
static int64_t moved;

static void go_on(uv_fs_t *done)
{
	if (done) {
		MUST(done->result >= 0);
		moved += done->result;
		uv_fs_req_cleanup(done);
	}
	if ((uint64_t)moved < ward.bytes)
		MUST(!uv_fs_sendfile(uv_default_loop(), &request, ward.to, ward.from, moved, ward.bytes - (uint64_t)moved, go_on));
}

int main(void)
{
	ward_begin(&ward);
	go_on(NULL);
	MUST(!uv_run(uv_default_loop(), UV_RUN_DEFAULT));
	ward_end(&ward, (uint64_t)moved);
	return 0;
}
