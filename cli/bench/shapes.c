/* SPDX-License-Identifier: MIT */
/* The shapes. A new one is a row here; what it does is in the function the row names. */
#include "serve.h"
#include "shapes.h"
#include "units.h"

const char *const direction_names[DIRECTIONS] = { "file-tcp", "tcp-tcp", "file-file" };
const char *const family_names[] = { "leat", "C", "Go" };

#define CUT ((uint32_t)(64 * KIB))

/* Within a direction the floor and its double stand first, then the pairs that are compared stand side by side: what is
 * divided by one another is measured within a fraction of a second. */
const struct shape shapes[] = {
	{ .name = "c-sendfile", .direction = FILE_TCP, .family = FAMILY_C, .serve = serve_c_sendfile,
	  .flags = SHAPE_FLOOR, .what = "a plain sendfile loop in C: the floor" },
	{ .name = "raw", .direction = FILE_TCP, .family = FAMILY_LEAT, .serve = serve_leat,
	  .what = "the bare file" },
	{ .name = "wrapped", .direction = FILE_TCP, .family = FAMILY_LEAT, .serve = serve_leat, .arg = WITH_ALL,
	  .what = "limit + count + log + trace + progress + deadline at once" },
	{ .name = "c-sendfile-again", .direction = FILE_TCP, .family = FAMILY_C, .serve = serve_c_sendfile,
	  .flags = SHAPE_CONTROL, .what = "the floor measured a second time: the A/A control" },
	{ .name = "limit", .direction = FILE_TCP, .family = FAMILY_LEAT, .serve = serve_leat, .arg = WITH_LIMIT,
	  .cut = CUT, .what = "at most so many bytes" },
	{ .name = "section", .direction = FILE_TCP, .family = FAMILY_LEAT, .serve = serve_leat, .arg = WITH_SECTION,
	  .skip = CUT, .cut = CUT, .what = "a range of the file" },
	{ .name = "framed", .direction = FILE_TCP, .family = FAMILY_LEAT, .serve = serve_leat, .arg = AS_FRAMED,
	  .what = "header + file + trailer as one job" },
	{ .name = "rate", .direction = FILE_TCP, .family = FAMILY_LEAT, .serve = serve_leat, .arg = WITH_RATE,
	  .flags = SHAPE_PACED, .what = "held to 2 GiB/s by a token bucket" },
	{ .name = "hash", .direction = FILE_TCP, .family = FAMILY_LEAT, .serve = serve_leat, .arg = WITH_HASH,
	  .what = "a hash of the content (--hash), so it copies, and says so" },
	{ .name = "opaque", .direction = FILE_TCP, .family = FAMILY_LEAT, .serve = serve_leat, .arg = AS_CALLBACK,
	  .what = "the file hidden in a read callback: nothing but copying is left" },
	{ .name = "c-copy-32k", .direction = FILE_TCP, .family = FAMILY_C, .serve = serve_c_copy, .arg = 32 * KIB,
	  .what = "read + write of 32 KiB in C" },
	{ .name = "c-copy-256k", .direction = FILE_TCP, .family = FAMILY_C, .serve = serve_c_copy, .arg = 256 * KIB,
	  .what = "read + write of 256 KiB in C" },
	{ .name = "c-sendfile-cork", .direction = FILE_TCP, .family = FAMILY_C, .serve = serve_c_sendfile, .arg = BY_CORK,
	  .what = "the sendfile loop under TCP_CORK" },
	{ .name = "c-sendfile-poll", .direction = FILE_TCP, .family = FAMILY_C, .serve = serve_c_sendfile, .arg = BY_POLL,
	  .what = "the sendfile loop on a non-blocking socket, with poll" },
	{ .name = "c-splice-64k", .direction = FILE_TCP, .family = FAMILY_C, .serve = serve_c_splice, .arg = 64 * KIB,
	  .what = "splice through a pipe of 64 KiB in C" },
	{ .name = "c-splice-1m", .direction = FILE_TCP, .family = FAMILY_C, .serve = serve_c_splice, .arg = MIB,
	  .what = "splice through a pipe of 1 MiB in C" },
	{ .name = "go-raw", .direction = FILE_TCP, .family = FAMILY_GO, .go_mode = "raw",
	  .what = "io.Copy(conn, file)" },
	{ .name = "go-wrapped", .direction = FILE_TCP, .family = FAMILY_GO, .go_mode = "wrapped",
	  .what = "io.Copy(conn, justReader{file})" },
	{ .name = "go-limit", .direction = FILE_TCP, .family = FAMILY_GO, .go_mode = "limit", .cut = CUT,
	  .what = "io.Copy(conn, io.LimitReader(file, n))" },
	{ .name = "go-section", .direction = FILE_TCP, .family = FAMILY_GO, .go_mode = "section", .skip = CUT, .cut = CUT,
	  .what = "io.Copy(conn, io.NewSectionReader(file, skip, n))" },

	{ .name = "c-splice-1m", .direction = TCP_TCP, .family = FAMILY_C, .serve = serve_c_relay, .arg = MIB,
	  .flags = SHAPE_FLOOR, .what = "splice through a pipe of 1 MiB in C: the floor" },
	{ .name = "raw", .direction = TCP_TCP, .family = FAMILY_LEAT, .serve = serve_leat,
	  .what = "the bare socket" },
	{ .name = "wrapped", .direction = TCP_TCP, .family = FAMILY_LEAT, .serve = serve_leat, .arg = WITH_ALL,
	  .what = "limit + count + log + trace + progress + deadline at once" },
	{ .name = "c-splice-1m-again", .direction = TCP_TCP, .family = FAMILY_C, .serve = serve_c_relay, .arg = MIB,
	  .flags = SHAPE_CONTROL, .what = "the floor measured a second time: the A/A control" },
	{ .name = "opaque", .direction = TCP_TCP, .family = FAMILY_LEAT, .serve = serve_leat, .arg = AS_CALLBACK,
	  .what = "the socket hidden in a read callback" },
	{ .name = "c-splice-64k", .direction = TCP_TCP, .family = FAMILY_C, .serve = serve_c_relay, .arg = 64 * KIB,
	  .what = "splice through a pipe of 64 KiB in C" },
	{ .name = "go-raw", .direction = TCP_TCP, .family = FAMILY_GO, .go_mode = "relay",
	  .what = "io.Copy(conn, conn)" },

	{ .name = "c-copy-file-range", .direction = FILE_FILE, .family = FAMILY_C, .serve = serve_c_copy_file_range,
	  .flags = SHAPE_FLOOR, .what = "a copy_file_range loop in C: the floor" },
	{ .name = "plain", .direction = FILE_FILE, .family = FAMILY_LEAT, .serve = serve_leat,
	  .what = "the bare file" },
	{ .name = "wrapped", .direction = FILE_FILE, .family = FAMILY_LEAT, .serve = serve_leat, .arg = WITH_ALL,
	  .what = "limit + count + log + trace + progress + deadline at once" },
	{ .name = "c-copy-file-range-again", .direction = FILE_FILE, .family = FAMILY_C, .serve = serve_c_copy_file_range,
	  .flags = SHAPE_CONTROL, .what = "the floor measured a second time: the A/A control" },
	{ .name = "sparse", .direction = FILE_FILE, .family = FAMILY_LEAT, .serve = serve_leat, .flags = SHAPE_SPARSE,
	  .what = "a file that is holes but for 1/64: they stay holes" },
	{ .name = "reflink", .direction = FILE_FILE, .family = FAMILY_LEAT, .serve = serve_leat, .arg = ONLY_CLONE,
	  .what = "sharing extents, where the file system can" },
	{ .name = "c-copy-128k", .direction = FILE_FILE, .family = FAMILY_C, .serve = serve_c_copy, .arg = 128 * KIB,
	  .what = "read + write of 128 KiB in C" },
};

const size_t shapes_count = sizeof shapes / sizeof shapes[0];
