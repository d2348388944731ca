/* SPDX-License-Identifier: MIT */
/* One request, one answer: as much of HTTP/1.1 as a scraper needs, and a clear no to all else. Pure: no sockets. */
#ifndef DOCTOR_PRINT_HTTP_H
#define DOCTOR_PRINT_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_REQUEST 4096	/* bytes that a request's head may have */

struct http_answer {
	char head[320];
	const char *body;	/* static; of HTTP_PAGE: NULL, the page itself */
	size_t head_length, body_length;	/* body_length 0: of HEAD */
};

enum http_what { HTTP_MORE /* not all of the head has come */, HTTP_PAGE, HTTP_BODY };

/* ready: there is a page, of so many bytes. */
enum http_what http_answer(const char *request, size_t length, bool ready, size_t page_bytes, struct http_answer *ret_answer);

#endif
