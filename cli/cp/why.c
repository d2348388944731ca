/* SPDX-License-Identifier: MIT */
#include "why.h"
#include "../out.h"

#include <stdio.h>

/* " (fs-denied)"; of what moved some bytes, and none of the rest, there is none. */
static const char *reason(const struct leat_report *report, enum leat_route route, char text[40])
{
	enum leat_reason refused = (enum leat_reason)report->refused[route];

	*text = 0;
	if (refused != LEAT_OK)
		snprintf(text, 40, " (%s)", leat_reason_name(refused));
	return text;
}

const char *why_of(int error, const struct settings *settings, const struct leat_report *report, char text[WHY_BYTES])
{
	char clone[40], range[40];

	if (error != LEAT_EREFUSED || settings->require == REQUIRE_NOTHING)
		return leat_strerror(error);
	reason(report, LEAT_ROUTE_CLONE, clone);
	reason(report, LEAT_ROUTE_COPY_FILE_RANGE, range);
	if (settings->require == REQUIRE_REFLINK)
		snprintf(text, WHY_BYTES, "no reflink here%s, and --require=reflink forbids the rest", clone);
	else if (settings->require == REQUIRE_OFFLOAD)
		snprintf(text, WHY_BYTES, "no reflink%s or copy_file_range%s here, and --require=offload forbids the rest", clone, range);
	else
		snprintf(text, WHY_BYTES, "no kernel route here, and --require=kernel forbids a copy");
	return text;
}

void why_say(int error, const char *from, const char *to, const struct leat_report *report, int second, const char *why)
{
	int source = report->side == LEAT_SIDE_SOURCE, sink = second || report->side == LEAT_SIDE_SINK;
	int by = report->error_route && error != LEAT_EREFUSED;
	const char *says = second ? NULL : report->culprit;

	out_error("%s: %s failed after %llu bytes%s%s: %s%s%s", source ? from : to, source ? "reading" : sink ? "writing" : "copying",
		  (unsigned long long)report->bytes, by ? ", by " : "", by ? leat_route_name((enum leat_route)report->error_route) : "",
		  why, says ? ", says " : "", says ? says : "");
}
