/* SPDX-License-Identifier: MIT */
#include "http.h"

#include <stdio.h>
#include <string.h>

#define INDEX "<!doctype html><title>leat</title><p><a href=\"/metrics\">metrics</a> <a href=\"/health\">health</a></p>\n"

struct request { const char *method, *target; size_t method_length, target_length; };

/* Behind the head, or NULL when it is not all there. A bare line feed ends a line too, as servers are asked to take it. */
static const char *head_end(const char *request, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (request[i] != '\n')
			continue;
		if (i + 1 < length && request[i + 1] == '\n')
			return request + i + 2;
		if (i + 2 < length && request[i + 1] == '\r' && request[i + 2] == '\n')
			return request + i + 3;
	}
	return NULL;
}

/* METHOD SP TARGET SP HTTP/1.x */
static bool parse(const char *line, size_t length, struct request *ret_request)
{
	const char *blank = memchr(line, ' ', length), *end = line + length, *version;

	if (!blank || blank == line)
		return false;
	ret_request->method = line;
	ret_request->method_length = (size_t)(blank - line);
	ret_request->target = blank + 1;
	version = memchr(blank + 1, ' ', (size_t)(end - blank - 1));
	if (!version || version == blank + 1)
		return false;
	ret_request->target_length = (size_t)(version - blank - 1);
	version++;
	return end - version == 8 && memcmp(version, "HTTP/1.", 7) == 0 && (version[7] == '0' || version[7] == '1');
}

static bool is(const char *text, size_t length, const char *word)
{
	return length == strlen(word) && memcmp(text, word, length) == 0;
}

static enum http_what answer(struct http_answer *ret, const char *status, const char *type, const char *body)
{
	ret->body = body;
	ret->body_length = strlen(body);
	ret->head_length = (size_t)snprintf(ret->head, sizeof ret->head, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
					    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
					    status, type, ret->body_length);
	return HTTP_BODY;
}

#define TEXT "text/plain; charset=utf-8"

static enum http_what page(struct http_answer *ret, const struct http_state *state)
{
	if (!state->page)
		return answer(ret, "503 Service Unavailable", TEXT, "nothing was measured yet\n");
	ret->body = NULL;
	ret->body_length = state->page_bytes;
	ret->head_length = (size_t)snprintf(ret->head, sizeof ret->head, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; "
					    "charset=utf-8\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
					    "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n", state->page_bytes);
	return HTTP_PAGE;
}

/* why_not: NULL: yes. */
static enum http_what yes_or_no(struct http_answer *ret, const char *why_not)
{
	return why_not ? answer(ret, "503 Service Unavailable", TEXT, why_not) : answer(ret, "200 OK", TEXT, "ok\n");
}

static enum http_what answer_target(const struct request *request, const struct http_state *state, struct http_answer *ret)
{
	const char *query = memchr(request->target, '?', request->target_length);
	size_t length = query ? (size_t)(query - request->target) : request->target_length;

	if (is(request->target, length, "/metrics"))
		return page(ret, state);
	if (is(request->target, length, "/health"))
		return yes_or_no(ret, state->unready);
	if (state->has_ready && is(request->target, length, "/ready"))
		return yes_or_no(ret, state->unready ? state->unready : state->lacks);
	if (is(request->target, length, "/"))
		return answer(ret, "200 OK", "text/html; charset=utf-8", INDEX);
	return answer(ret, "404 Not Found", TEXT,
		      state->has_ready ? "there is /metrics, /health and /ready\n" : "there is /metrics and /health\n");
}

enum http_what http_answer(const char *request, size_t length, const struct http_state *state, struct http_answer *ret_answer)
{
	const char *line_end = memchr(request, '\n', length);
	struct request parsed;
	enum http_what what;
	bool head;

	if (!head_end(request, length)) {
		if (length < HTTP_REQUEST)
			return HTTP_MORE;
		return answer(ret_answer, "431 Request Header Fields Too Large", TEXT, "the head of the request is too long\n");
	}
	length = (size_t)(line_end - request);
	length -= length && request[length - 1] == '\r';
	if (!parse(request, length, &parsed))
		return answer(ret_answer, "400 Bad Request", TEXT, "this is no request of HTTP/1.1\n");
	head = is(parsed.method, parsed.method_length, "HEAD");
	if (!head && !is(parsed.method, parsed.method_length, "GET"))
		return answer(ret_answer, "405 Method Not Allowed\r\nAllow: GET, HEAD", TEXT, "only GET and HEAD\n");
	what = answer_target(&parsed, state, ret_answer);
	if (head)
		ret_answer->body_length = 0;
	return what;
}
