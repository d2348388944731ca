/* SPDX-License-Identifier: MIT */
/* A request to the exporter, whole and as it comes piece by piece. */
#include "fuzz.h"

#include "../../cli/http.c"

FUZZ_SEEDS("GET /metrics HTTP/1.1\r\nHost: localhost:9791\r\nAccept: text/plain\r\n\r\n", "HEAD /health HTTP/1.0\n\n",
	   "GET /metrics?x=y HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "GET  / HTTP/1.1\r\n\r\n",
	   "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\nX: y\n\r\nGET /")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	static const struct http_state ready = { .page = true, .page_bytes = 1000 }, unready = { .unready = "no\n" };
	struct http_answer answer, early;
	enum http_what what;

	if (!size || size > HTTP_REQUEST)
		return 0;
	memset(&answer, 0, sizeof answer);
	what = http_answer(text, size, &ready, &answer);
	if (what == HTTP_MORE) {
		FUZZ_HOLDS(size < HTTP_REQUEST);
		return 0;
	}
	/* The head is one, whole and alone; the body is as long as it says, or none. */
	FUZZ_HOLDS(answer.head_length == strlen(answer.head) && answer.head_length < sizeof answer.head);
	FUZZ_HOLDS(strncmp(answer.head, "HTTP/1.1 ", 9) == 0);
	FUZZ_HOLDS(strstr(answer.head, "\r\n\r\n") == answer.head + answer.head_length - 4);
	FUZZ_HOLDS(what == HTTP_PAGE ? !answer.body && (answer.body_length == 1000 || !answer.body_length) :
				       !answer.body_length || answer.body_length == strlen(answer.body));
	/* A page that is asked for is one only if there is one. */
	FUZZ_HOLDS(http_answer(text, size, &unready, &early) == HTTP_BODY);
	/* With the last byte missing it waits or says the same: what comes behind a head changes no answer. */
	if (size > 1 && http_answer(text, size - 1, &ready, &early) != HTTP_MORE)
		FUZZ_HOLDS(strcmp(answer.head, early.head) == 0);
	return 0;
}
