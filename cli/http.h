/* SPDX-License-Identifier: MIT */
/* One request, one answer: as much of HTTP/1.1 as a scraper needs, and a clear no to all else. Pure: no sockets. */
#ifndef CLI_HTTP_H
#define CLI_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_REQUEST 4096	/* bytes that a request's head may have */

struct http_answer {
	char head[320];
	const char *body;	/* static; of HTTP_PAGE: NULL, the page itself */
	size_t head_length, body_length;	/* body_length 0: of HEAD */
};

enum http_what { HTTP_MORE /* not all of the head has come */, HTTP_PAGE, HTTP_BODY };

/* What there is to say. */
struct http_state {
	const char *unready;	/* why /health says no; NULL: it says ok */
	bool page;		/* there is one, of so many bytes */
	size_t page_bytes;
	bool has_ready;		/* there is /ready, which says no when /health does, and else */
	const char *lacks;	/* for want of this; or NULL */
};

enum http_what http_answer(const char *request, size_t length, const struct http_state *state, struct http_answer *ret_answer);

#endif
