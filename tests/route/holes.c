/* SPDX-License-Identifier: MIT */
/* Holes stay holes between files, on every route, in any step, over old data; and are bytes like others to whoever counts. */
#include <fcntl.h>
#include <sys/stat.h>

#include "check.h"
#include "ends.h"

#define BLOCK 4096
#define BLOCKS 64
#define SIZE (BLOCKS * BLOCK)

/* One letter a block: d data, . hole. What is not named is hole. tail: bytes beyond the last block, of data. */
static const struct layout {
	const char *name, *blocks;
	uint64_t size;
} layouts[] = {
	{ "data only", "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd", SIZE },
	{ "hole only", "", SIZE },
	{ "hole at the head", "........dddddddddddddddddddddddddddddddddddddddddddddddddddddddd", SIZE },
	{ "hole in the midst", "dddddddddddddddd................dddddddddddddddddddddddddddddddd", SIZE },
	{ "hole at the tail", "dddddddddddddddddddddddddddddddd", SIZE },
	{ "many", "d.d.d.dd..dd..d...d.......d.ddd.d.d.d.dd..dd..d...d.......d.ddd.", SIZE },
	{ "many, and an odd end", "..d..d..d", 9 * BLOCK - 1000 },
	{ "a hole with an odd end", "d", 20 * BLOCK + 1 },
	{ "one byte", "d", 1 },
	{ "a hole of one byte", "", 1 },
};
#define LAYOUTS (sizeof layouts / sizeof layouts[0])

static const struct manner {
	const char *name;
	enum leat_policy policy;
	uint32_t off;
	bool hash, step, own, counted;
} manners[] = {
	{ "plain" },
	{ "stepped", .step = true, .counted = true },
	{ "own offsets", .own = true, .counted = true },
	{ "copy", .policy = LEAT_COPY },
	{ "copy, stepped", .policy = LEAT_COPY, .step = true },
	{ "hash", .hash = true },
	{ "hash, stepped", .hash = true, .step = true, .counted = true },
	{ "splice_pipe", .off = 1u << LEAT_ROUTE_COPY_FILE_RANGE | 1u << LEAT_ROUTE_SENDFILE, .counted = true },
	{ "sendfile", .off = 1u << LEAT_ROUTE_COPY_FILE_RANGE, .own = true },
};
#define MANNERS (sizeof manners / sizeof manners[0])

static const unsigned char *content;
static unsigned char image[SIZE + 100 * BLOCK], got[SIZE + 100 * BLOCK];

/* The file, and what a reader of it gets in image. */
static int sparse_file(const struct layout *layout)
{
	int fd = ends_file(O_RDWR);

	memset(image, 0, sizeof image);
	for (uint64_t i = 0; layout->blocks[i]; i++) {
		uint64_t at = i * BLOCK, n = layout->size - at < BLOCK ? layout->size - at : BLOCK;

		if (layout->blocks[i] != 'd')
			continue;
		CHECK_EQ(pwrite(fd, content + at, n, (off_t)at), (ssize_t)n);
		memcpy(image + at, content + at, n);
	}
	CHECK_CALL(ftruncate(fd, (off_t)layout->size));
	return fd;
}

static uint64_t data_bytes(int fd, uint64_t from, uint64_t to)
{
	uint64_t bytes = 0;

	for (off_t at = (off_t)from; at < (off_t)to;) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;

		if (data < 0 || data >= (off_t)to)
			break;
		hole = lseek(fd, data, SEEK_HOLE);
		hole = hole > (off_t)to ? (off_t)to : hole;
		bytes += (uint64_t)(hole - data);
		at = hole;
	}
	return bytes;
}

/*
 * Each byte's being data or hole is the same in both. Only the part of a block at the very end of a hole may be there, and on
 * btrfs the block of b's end before, when that was odd: punching makes it zeros.
 */
static void same_layout(int a, uint64_t a_at, int b, uint64_t b_at, uint64_t size, uint64_t b_end)
{
	for (uint64_t at = 0; at < size; at += BLOCK) {
		bool a_data = data_bytes(a, a_at + at, a_at + at + 1), b_data = data_bytes(b, b_at + at, b_at + at + 1);

		if (b_data && !a_data && (size - at < BLOCK || (b_end % BLOCK && b_end / BLOCK == (b_at + at) / BLOCK)))
			continue;
		CHECK_SAY(a_data == b_data, "block %llu is %s in the source, %s in the sink", (unsigned long long)(at / BLOCK),
			  a_data ? "data" : "a hole", b_data ? "data" : "a hole");
	}
}

static bool fs_has_holes(void)
{
	static const struct layout hole = { "probe", "", SIZE };
	int fd = sparse_file(&hole);
	bool has = data_bytes(fd, 0, SIZE) == 0;

	close(fd);
	return has;
}

struct copy {
	const struct manner *manner;
	int from, to;
	uint64_t from_at, to_at;
	struct leat_report report;
	struct leat_count inner, outer;
	uint64_t seen;
	struct leat_wrapper by_route;
	uint64_t told[LEAT_ROUTES];	/* to by_route */
};

static void tell_route(struct leat_wrapper *wrapper, uint64_t bytes, enum leat_route route)
{
	struct copy *copy = (struct copy *)((char *)wrapper - offsetof(struct copy, by_route));

	copy->told[route] += bytes;
}

static const struct leat_wrapper_ops by_route_ops = { .name = "by-route", .need = LEAT_NEED_COUNTS, .moved = tell_route };

static int see_zeros_too(void *state, const void *bytes, size_t length)
{
	struct copy *copy = state;

	CHECK_BYTES((const unsigned char *)bytes, image + copy->from_at + copy->seen, length);
	copy->seen += length;
	return 0;
}

static const struct leat_hash_ops see_ops = { .name = "see", .update = see_zeros_too };

static int64_t do_copy(struct copy *copy)
{
	const struct manner *manner = copy->manner;
	struct leat_options options = { .policy = manner->policy, .routes_off = manner->off, .step_bytes = 9000 };
	struct leat_source source;
	struct leat_sink sink;
	struct leat_hash hash;
	struct leat_transfer t;
	int64_t r;

	lseek(copy->from, manner->own ? (off_t)copy->from_at : 33, SEEK_SET);
	lseek(copy->to, manner->own ? (off_t)copy->to_at : 44, SEEK_SET);
	if (manner->own) {
		leat_from_fd(&source, copy->from);
		leat_to_fd(&sink, copy->to);
	} else {
		leat_from_file(&source, copy->from, copy->from_at);
		leat_to_file(&sink, copy->to, copy->to_at);
	}
	if (manner->counted) {
		leat_wrap(&source, leat_count_init(&copy->inner));
		leat_wrap_sink(&sink, leat_count_init(&copy->outer));
		leat_wrap_sink(&sink, leat_wrapper_init(&copy->by_route, &by_route_ops));
	}
	if (manner->hash)
		leat_wrap(&source, leat_hash_init(&hash, &see_ops, copy));
	if (manner->step) {
		CHECK_EQ(leat_begin(&t, &sink, &source, &options), 0);
		r = ends_drive(&t, NULL);
		CHECK_EQ(leat_end(&t, &copy->report), r);
		r = r ? r : (int64_t)copy->report.bytes;
	} else {
		r = leat_copy(&sink, &source, &options, &copy->report);
	}
	leat_close(&source);
	leat_close_sink(&sink);
	return r;
}

static void check_copy(struct copy *copy, uint64_t size)
{
	const struct leat_report *r = &copy->report;
	uint64_t sum = r->hole_bytes, cloned = r->route_bytes[LEAT_ROUTE_CLONE];	/* it goes first, and shares holes too */

	for (int route = 0; route < LEAT_ROUTES; route++) {
		sum += r->route_bytes[route];
		if (copy->manner->counted)	/* a hole went by none */
			CHECK_EQ(copy->told[route], route == LEAT_ROUTE_NONE ? r->hole_bytes : r->route_bytes[route]);
	}
	CHECK_EQ(r->bytes, size);
	CHECK_EQ(sum, size);
	CHECK_EQ(r->hole_bytes, size - cloned - data_bytes(copy->from, copy->from_at + cloned, copy->from_at + size));
	CHECK_EQ(r->noted, LEAT_OK);
	if (copy->manner->counted)
		CHECK(copy->inner.bytes == size && copy->outer.bytes == size);
	if (copy->manner->hash)
		CHECK_EQ(copy->seen, size);
	CHECK_EQ(pread(copy->to, got, size, (off_t)copy->to_at), (ssize_t)size);
	CHECK_BYTES(got, image + copy->from_at, size);
}

static const char *note(const struct layout *layout, const struct manner *manner, const char *more)
{
	static char text[120];

	snprintf(text, sizeof text, "%s, %s%s", layout->name, manner->name, more);
	test_note(text);
	ends_alarm(20, text);
	return text;
}

static void into_a_new_file(void)
{
	content = ends_content(SIZE + 100 * BLOCK);
	if (!fs_has_holes())
		test_skip("this file system has no holes");
	for (unsigned i = 0; i < LAYOUTS * MANNERS; i++) {
		const struct layout *layout = &layouts[i / MANNERS];
		struct copy copy = { .manner = &manners[i % MANNERS] };

		note(layout, copy.manner, "");
		copy.from = sparse_file(layout);
		copy.to = ends_file(O_RDWR);
		CHECK_EQ(do_copy(&copy), (int64_t)layout->size);
		/* io.Copy's habit leaves both offsets at the end; else neither moves, though holes were walked. */
		CHECK_EQ(lseek(copy.from, 0, SEEK_CUR), copy.manner->own ? (off_t)layout->size : 33);
		CHECK_EQ(lseek(copy.to, 0, SEEK_CUR), copy.manner->own ? (off_t)layout->size : 44);
		check_copy(&copy, layout->size);
		same_layout(copy.from, 0, copy.to, 0, layout->size, 0);
		CHECK_EQ(lseek(copy.to, 0, SEEK_END), (off_t)layout->size);
		close(copy.from);
		close(copy.to);
	}
}

/* Old data before, under and behind; blocks of the two files aligned to each other, or not. */
static void over_old_data(void)
{
	static const struct { uint64_t from_at, to_at, old; } rows[] = {
		{ 0, 0, SIZE + 10 * BLOCK },		   { 0, 0, 20 * BLOCK + 5 },	  { 3 * BLOCK, 5 * BLOCK, SIZE },
		{ 2 * BLOCK, 0, SIZE },			   { 5, 5, SIZE },		  { 1000, 77, SIZE },
		{ 0, 70 * BLOCK, 10 * BLOCK /* a gap */ }, { 17 * BLOCK + 1, 0, 3 },
	};

	content = ends_content(SIZE + 100 * BLOCK);
	if (!fs_has_holes())
		test_skip("this file system has no holes");
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0] * LAYOUTS * MANNERS; i++) {
		const struct layout *layout = &layouts[i / MANNERS % LAYOUTS];
		const __typeof__(rows[0]) *row = &rows[i / MANNERS / LAYOUTS];
		struct copy copy = { .manner = &manners[i % MANNERS], .from_at = row->from_at, .to_at = row->to_at };
		uint64_t size = layout->size > row->from_at ? layout->size - row->from_at : 0, end = row->to_at + size;
		char more[20];

		snprintf(more, sizeof more, ", row %u", i / (unsigned)(MANNERS * LAYOUTS));
		note(layout, copy.manner, more);
		copy.from = sparse_file(layout);
		copy.to = ends_file_with(content + 99, row->old, O_RDWR);
		CHECK_EQ(do_copy(&copy), (int64_t)size);
		check_copy(&copy, size);
		if (size && row->from_at % BLOCK == 0 && row->to_at % BLOCK == 0)
			same_layout(copy.from, row->from_at, copy.to, row->to_at, size - size % BLOCK, row->old);
		CHECK_EQ(lseek(copy.to, 0, SEEK_END), (off_t)(size && end > row->old ? end : row->old));
		/* What stands beside is as it was. */
		CHECK_EQ(pread(copy.to, got, sizeof got, 0) >= 0, 1);
		CHECK_BYTES(got, content + 99, row->to_at < row->old ? row->to_at : row->old);
		if (row->old > end && size)
			CHECK_BYTES(got + end, content + 99 + end, row->old - end);
		close(copy.from);
		close(copy.to);
	}
}

/* Cancelled in a hole, before it, after it; a limit inside of it: the size says how far it went. */
static void cut_anywhere(void)
{
	const struct layout *layout = &layouts[5];

	content = ends_content(SIZE + 100 * BLOCK);
	if (!fs_has_holes())
		test_skip("this file system has no holes");
	for (uint64_t cut = 0; cut <= SIZE; cut += 1777) {
		struct leat_source source;
		struct leat_sink sink;
		struct leat_limit limit;
		struct leat_report report;
		int from = sparse_file(layout), to = ends_file(O_RDWR);

		ends_alarm(20, __func__);
		leat_from_file(&source, from, 0);
		leat_to_file(&sink, to, 0);
		leat_wrap_sink(&sink, leat_limit_init(&limit, cut));
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), (int64_t)cut);
		CHECK_EQ(lseek(to, 0, SEEK_END), (off_t)cut);
		leat_close_sink(&sink);
		leat_to_file(&sink, to, cut);
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), (int64_t)(SIZE - cut));
		CHECK_EQ(lseek(to, 0, SEEK_END), SIZE);
		CHECK_EQ(pread(to, got, SIZE, 0), SIZE);
		CHECK_BYTES(got, image, SIZE);
		close(from);
		close(to);
	}
}

/* Two transfers write the halves of one file: what the second wrote behind the first's last hole stays. */
static void beside_another(void)
{
	struct leat_options steps = { .step_bytes = BLOCK };
	struct leat_transfer first;
	struct leat_source source;
	struct leat_sink sink;
	int from, to, r;

	content = ends_content(SIZE + 100 * BLOCK);
	if (!fs_has_holes())
		test_skip("this file system has no holes");
	from = sparse_file(&(struct layout){ "data, then a hole", "dd", SIZE });
	to = ends_file(O_RDWR);
	leat_from_file(&source, from, 0);
	leat_to_file(&sink, to, 0);
	CHECK_EQ(leat_begin(&first, &sink, &source, &steps), 0);
	CHECK_EQ(pwrite(to, content, SIZE, SIZE), SIZE);
	while ((r = leat_step(&first)) > 0)
		;
	CHECK_EQ(leat_end(&first, NULL), LEAT_DONE);
	CHECK_EQ(lseek(to, 0, SEEK_END), 2 * SIZE);
	CHECK_EQ(pread(to, got, SIZE, 0), SIZE);
	CHECK_BYTES(got, image, SIZE);
	CHECK_EQ(pread(to, got, SIZE, SIZE), SIZE);
	CHECK_BYTES(got, content, SIZE);
	close(from);
	close(to);
}

/* Who does not trust the file system's answers gets zeros, written. */
static void filled(void)
{
	struct leat_options options = { .routes_off = 1u << LEAT_ROUTE_CLONE | 1u << LEAT_ROUTE_COPY_FILE_RANGE, .fill_holes = 1 };

	content = ends_content(SIZE + 100 * BLOCK);
	if (!fs_has_holes())
		test_skip("this file system has no holes");
	for (unsigned i = 0; i < LAYOUTS; i++) {
		const struct layout *layout = &layouts[i];
		struct leat_source source;
		struct leat_sink sink;
		struct leat_report report;
		int from = sparse_file(layout), to = ends_file(O_RDWR);

		leat_from_file(&source, from, 0);
		leat_to_file(&sink, to, 0);
		CHECK_EQ(leat_copy(&sink, &source, &options, &report), (int64_t)layout->size);
		CHECK_EQ(report.hole_bytes, 0);
		CHECK_EQ(data_bytes(to, 0, layout->size), layout->size);
		CHECK_EQ(pread(to, got, layout->size, 0), (ssize_t)layout->size);
		CHECK_BYTES(got, image, layout->size);
		close(from);
		close(to);
	}
}

/* A range that a sparse file does not have is short, as in a dense one: no hole is made of it. */
static void behind_the_end(void)
{
	content = ends_content(SIZE + 100 * BLOCK);
	if (!fs_has_holes())
		test_skip("this file system has no holes");
	for (unsigned i = 0; i < LAYOUTS; i++) {
		const struct layout *layout = &layouts[i];
		struct leat_options options = { .routes_off = 1u << LEAT_ROUTE_CLONE };
		struct leat_source source;
		struct leat_sink sink;
		struct leat_report report;
		int from = sparse_file(layout), to = ends_file(O_RDWR);

		leat_from_range(&source, from, 0, 2 * SIZE);
		leat_to_file(&sink, to, 0);
		CHECK_EQ(leat_copy(&sink, &source, &options, &report), LEAT_ESHORT);
		CHECK_EQ(report.bytes, layout->size);
		leat_close(&source);
		leat_from_range(&source, from, layout->size + 100, SIZE);
		CHECK_EQ(leat_copy(&sink, &source, &options, &report), LEAT_ESHORT);
		CHECK_EQ(report.bytes, 0);
		close(from);
		close(to);
	}
}

static void cancelled_anywhere(void)
{
	const struct layout *layout = &layouts[5];
	struct leat_options options = { .step_bytes = 5000 };

	content = ends_content(SIZE + 100 * BLOCK);
	if (!fs_has_holes())
		test_skip("this file system has no holes");
	for (unsigned steps = 1; steps < 40; steps++) {
		int from = sparse_file(layout), to = ends_file(O_RDWR), r = LEAT_AGAIN;
		struct leat_source source;
		struct leat_sink sink;
		struct leat_transfer t;
		struct leat_report report;
		uint64_t at = 0;

		ends_alarm(20, __func__);
		leat_from_file(&source, from, 0);
		leat_to_file(&sink, to, 0);
		while (r != LEAT_DONE) {
			CHECK_EQ(leat_begin(&t, &sink, &source, &options), 0);
			for (unsigned i = 0; i < steps && r != LEAT_DONE; i++)
				r = leat_step(&t);
			CHECK_EQ(leat_end(&t, &report), r == LEAT_DONE ? 0 : -ECANCELED);
			at += report.bytes;
			CHECK_EQ(lseek(to, 0, SEEK_END), (off_t)at);
		}
		CHECK_EQ(at, SIZE);
		CHECK_EQ(pread(to, got, SIZE, 0), SIZE);
		CHECK_BYTES(got, image, SIZE);
		same_layout(from, 0, to, 0, SIZE, 0);
		close(from);
		close(to);
	}
}

/* Where holes cannot be kept they are zeros. */
static void elsewhere_they_are_zeros(void)
{
	static const enum to sinks[] = { TO_APPEND, TO_TCP, TO_UNIX, TO_PIPE, TO_MEMORY, TO_CALLBACK, TO_PTY };

	content = ends_content(SIZE + 100 * BLOCK);
	for (unsigned i = 0; i < LAYOUTS * 7; i++) {
		const struct layout *layout = &layouts[i / 7];
		struct leat_source source;
		struct leat_report report;
		struct to_end to;
		int from = sparse_file(layout);

		test_note(to_names[sinks[i % 7]]);
		ends_alarm(20, __func__);
		to_make(&to, sinks[i % 7], SIZE, true);
		leat_from_file(&source, from, 0);
		CHECK_EQ(leat_copy(&to.sink, &source, NULL, &report), (int64_t)layout->size);
		CHECK_EQ(report.hole_bytes, 0u);
		to_finish(&to, report.bytes);
		CHECK_EQ(to.got_size, layout->size);
		CHECK_BYTES(to.got, image, layout->size);
		to_close(&to);
		close(from);
	}
}

static const struct test tests[] = {
	TEST(into_a_new_file), TEST(over_old_data), TEST(cut_anywhere), TEST(cancelled_anywhere), TEST(beside_another),
	TEST(behind_the_end), TEST(filled), TEST(elsewhere_they_are_zeros),
};
TEST_MAIN(tests)
