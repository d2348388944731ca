/* SPDX-License-Identifier: MIT */
/* sendfile: uv_fs_sendfile, which in libuv reads and writes in a thread of its pool when the target is a socket. pieces: the program
 * has it read and written by uv_fs_read and uv_fs_write. */
#include "ward.h"

#include <uv.h>

static struct ward ward;
static uv_fs_t request;
static int64_t moved;
static char piece[65536];
static int64_t have, sent;	/* of the piece */

static int64_t finished(uv_fs_t *done)
{
	int64_t result = done ? done->result : 0;

	MUST(result >= 0);
	if (done)
		uv_fs_req_cleanup(done);
	return result;
}

static void go_on(uv_fs_t *done)
{
	moved += finished(done);
	if ((uint64_t)moved < ward.bytes)
		MUST(!uv_fs_sendfile(uv_default_loop(), &request, ward.to, ward.from, moved, ward.bytes - (uint64_t)moved, go_on));
}

static void next_piece(uv_fs_t *done);

static void write_piece(uv_fs_t *done)
{
	uv_buf_t rest;

	have = finished(done);
	rest = uv_buf_init(piece, (unsigned)have);
	sent = 0;
	MUST(!uv_fs_write(uv_default_loop(), &request, ward.to, &rest, 1, -1, next_piece));
}

static void next_piece(uv_fs_t *done)
{
	uv_buf_t room = uv_buf_init(piece, sizeof piece), rest;

	sent += finished(done);
	moved += done ? done->result : 0;
	if (sent < have) {
		rest = uv_buf_init(piece + sent, (unsigned)(have - sent));
		MUST(!uv_fs_write(uv_default_loop(), &request, ward.to, &rest, 1, -1, next_piece));
	} else if ((uint64_t)moved < ward.bytes) {
		MUST(!uv_fs_read(uv_default_loop(), &request, ward.from, &room, 1, moved, write_piece));
	}
}

int main(int argc, char **argv)
{
	ward_begin(&ward);
	if (argc > 1 && !strcmp(argv[1], "pieces"))
		next_piece(NULL);
	else
		go_on(NULL);
	MUST(!uv_run(uv_default_loop(), UV_RUN_DEFAULT));
	ward_end(&ward, (uint64_t)moved);
	return 0;
}
