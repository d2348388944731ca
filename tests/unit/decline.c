/* SPDX-License-Identifier: MIT */
/*
 * The table route × errno × progress, against the same table written by hand from the hazards: every errno that is not here
 * is a real error, on every route. (tests/fault/decline*.c injects each row into a real transfer.)
 */
#include "decline.h"

#include "check.h"

#include <stdbool.h>

#define KERNEL_ROUTES "KRFSP"		/* clone, copy_file_range, sendfile, splice, splice_pipe: as in enum leat_route */
#define ERRNO_MOST 200

/* For each kernel route: '.' final, 's' another route while nothing has moved, 'a' another route at any time. */
static const struct expected {
	int error;
	const char *how;
	enum leat_reason reason;
} table[] = {
	{ EXDEV,	"aas..", LEAT_CROSS_FS },	/* hazard 24; clone and copy_file_range across file systems */
	{ EOPNOTSUPP,	"aaaaa", LEAT_FS_DENIED },
	{ EINVAL,	"aaaaa", LEAT_FS_DENIED },	/* hazards 34, 35 */
	{ ENOTTY,	"as...", LEAT_FS_DENIED },	/* hazard 25 and the list of coreutils, as what follows */
	{ ETXTBSY,	"ss...", LEAT_FS_DENIED },
	{ ENOENT,	".s...", LEAT_FS_DENIED },
	{ ENODATA,	".ss..", LEAT_FS_DENIED },
	{ EIO,		".ss..", LEAT_FS_DENIED },
	{ ENOTSOCK,	"..s..", LEAT_FS_DENIED },
	{ EOVERFLOW,	".aa..", LEAT_FS_DENIED },	/* hazard 28 */
	{ EBADF,	".s.ss", LEAT_FS_DENIED },	/* copy_file_range: append, hazard 34 */
	{ ENOSYS,	"aaaaa", LEAT_SANDBOX },	/* hazard 36, as what follows */
	{ EPERM,	"sssss", LEAT_SANDBOX },
	{ EACCES,	"sssss", LEAT_SANDBOX },
};

static const struct expected *expected_of(int error)
{
	for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++)
		if (table[i].error == error)
			return &table[i];
	return NULL;
}

static enum leat_reason reason_of(const struct expected *row, enum leat_route route)
{
	return row->error == EBADF && route == LEAT_ROUTE_COPY_FILE_RANGE ? LEAT_OUT_APPEND : row->reason;
}

static void every_errno_on_every_route(void)
{
	for (int error = 1; error <= ERRNO_MOST; error++) {
		for (enum leat_route route = LEAT_ROUTE_NONE; route < LEAT_ROUTES; route++) {
			const struct expected *row = expected_of(error);
			bool kernel = route >= LEAT_ROUTE_CLONE && route <= LEAT_ROUTE_SPLICE_PIPE;
			char how = row && kernel ? row->how[route - LEAT_ROUTE_CLONE] : '.', note[64];
			enum leat_reason start = LEAT_REASONS, later = LEAT_REASONS;

			snprintf(note, sizeof note, "%s by %s", strerror(error), leat_route_name(route));
			test_note(note);
			CHECK_EQ(decline_reason(route, -error, false, &start), how != '.');
			CHECK_EQ(decline_reason(route, -error, true, &later), how == 'a');
			/* The reason is written only with a yes. */
			CHECK_EQ(start, how != '.' ? reason_of(row, route) : LEAT_REASONS);
			CHECK_EQ(later, how == 'a' ? reason_of(row, route) : LEAT_REASONS);
		}
	}
}

/* Hazards 7 and 29, by name: what a copy after it could only make worse. */
static void real_errors_never_decline(void)
{
	static const int real[] = { ENOSPC, EDQUOT, EFBIG, EROFS, ENOMEM, EPIPE, ECONNRESET, ETIMEDOUT, EISDIR, EAGAIN, EINTR,
				    ESPIPE, EFAULT };
	enum leat_reason reason;

	for (unsigned i = 0; i < sizeof real / sizeof real[0]; i++)
		for (enum leat_route route = LEAT_ROUTE_NONE; route < LEAT_ROUTES; route++) {
			test_note(strerror(real[i]));
			CHECK(!decline_reason(route, -real[i], false, &reason));
		}
	for (enum leat_route route = LEAT_ROUTE_NONE; route < LEAT_ROUTES; route++)
		CHECK(!decline_reason(route, -EIO, true, &reason));
	CHECK(!decline_reason(LEAT_ROUTE_CLONE, -EIO, false, &reason));
}

static void only_negative_errnos_decline(void)
{
	static const int others[] = { 0, 1, EINVAL, ENOSYS, LEAT_ESHORT, LEAT_ECHANGED, LEAT_EREFUSED, LEAT_ECONTRACT, INT32_MIN };
	enum leat_reason reason;

	for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
		for (enum leat_route route = LEAT_ROUTE_NONE; route < LEAT_ROUTES; route++)
			CHECK(!decline_reason(route, others[i], false, &reason));
}

/* The test that injects every row trusts these. */
static void rows_are_sound(void)
{
	unsigned count, kernel = 0;
	const struct decline_row *rows = decline_rows(&count);

	for (int route = LEAT_ROUTE_CLONE; route <= LEAT_ROUTE_SPLICE_PIPE; route++)
		kernel |= ROUTE_BIT(route);
	CHECK(count >= 14);
	for (unsigned i = 0; i < count; i++) {
		CHECK(rows[i].routes != 0);
		CHECK_EQ(rows[i].routes & ~kernel, 0);
		CHECK(rows[i].error > 0 && rows[i].error <= ERRNO_MOST);
		CHECK(rows[i].reason > LEAT_OK && rows[i].reason < LEAT_REASONS);
		for (unsigned j = 0; j < i; j++)	/* no row hides behind another */
			CHECK(rows[j].error != rows[i].error || !(rows[j].routes & rows[i].routes));
	}
}

static const struct test tests[] = {
	TEST(every_errno_on_every_route),
	TEST(real_errors_never_decline),
	TEST(only_negative_errnos_decline),
	TEST(rows_are_sound),
};
TEST_MAIN(tests)
