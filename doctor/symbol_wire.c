/* SPDX-License-Identifier: MIT */
#include "symbol_wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PARTS (1 + WIRE_TEXTS)

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static int send_parts(int line, struct iovec parts[PARTS], int fd)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = PARTS };
	union control control;
	struct cmsghdr *c;
	ssize_t n;

	if (fd >= 0) {
		memset(&control, 0, sizeof control);
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof control.bytes;
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	do
		n = sendmsg(line, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int wire_send(int line, struct wire *wire, const char *const texts[WIRE_TEXTS], int fd)
{
	struct iovec parts[PARTS] = { { .iov_base = wire, .iov_len = sizeof *wire } };

	for (unsigned i = 0; i < WIRE_TEXTS; i++) {
		wire->texts[i] = texts && texts[i] ? (uint32_t)strnlen(texts[i], WIRE_TEXT_BYTES) : WIRE_NULL;
		if (wire->texts[i] != WIRE_NULL)
			parts[1 + i] = (struct iovec){ .iov_base = (void *)texts[i], .iov_len = wire->texts[i] };
	}
	return send_parts(line, parts, fd);
}

int wire_send_stack(int line, struct wire *wire, const struct feed_stack *stack)
{
	struct iovec parts[PARTS] = {
		{ .iov_base = wire, .iov_len = sizeof *wire },
		{ .iov_base = (void *)stack->ips, .iov_len = stack->ip_count * sizeof *stack->ips },
		{ .iov_base = (void *)stack->bytes, .iov_len = stack->byte_count },
		{ .iov_base = (void *)stack->more, .iov_len = stack->more_count },
	};

	wire->stack = *stack;
	wire->stack.ips = NULL;
	wire->stack.bytes = wire->stack.more = NULL;
	return send_parts(line, parts, -1);
}

static void take_descriptor(struct msghdr *message, int *ret_fd)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(message);

	*ret_fd = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof *ret_fd))
		memcpy(ret_fd, CMSG_DATA(c), sizeof *ret_fd);
}

int wire_receive(int line, struct wire *wire, void *tail, size_t *tail_bytes, int *ret_fd)
{
	struct iovec parts[2] = { { .iov_base = wire, .iov_len = sizeof *wire }, { .iov_base = tail, .iov_len = *tail_bytes } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	union control control;
	ssize_t n;

	if (ret_fd) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof control.bytes;
	}
	do
		n = recvmsg(line, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return !n || errno == ECONNRESET ? -EPIPE : -errno;
	if (ret_fd)
		take_descriptor(&message, ret_fd);
	if ((size_t)n >= sizeof *wire && !(message.msg_flags & MSG_TRUNC)) {
		*tail_bytes = (size_t)n - sizeof *wire;
		return 0;
	}
	if (ret_fd && *ret_fd >= 0)
		close(*ret_fd);
	return -EBADMSG;
}

bool wire_texts_fit(const struct wire *wire, size_t tail_bytes)
{
	size_t sum = 0;

	for (unsigned i = 0; i < WIRE_TEXTS; i++) {
		if (wire->texts[i] == WIRE_NULL)
			continue;
		if (wire->texts[i] > WIRE_TEXT_BYTES)
			return false;
		sum += wire->texts[i];
	}
	return sum == tail_bytes;
}

char *wire_text(const struct wire *wire, const char *tail, unsigned i, int *ret_error)
{
	char *text;

	if (wire->texts[i] == WIRE_NULL)
		return NULL;
	for (unsigned k = 0; k < i; k++)
		tail += wire->texts[k] == WIRE_NULL ? 0 : wire->texts[k];
	text = strndup(tail, wire->texts[i]);
	if (!text)
		*ret_error = -ENOMEM;
	return text;
}

int wire_ask(int line, uint32_t what, const char *name)
{
	const char *const texts[WIRE_TEXTS] = { name };
	struct wire wire = { .kind = WIRE_ASK, .what = what };
	int error = wire_send(line, &wire, texts, -1), fd = -1;
	size_t none = 0;

	if (!error)
		error = wire_receive(line, &wire, NULL, &none, &fd);
	if (error)
		return error;
	if (wire.kind == WIRE_FILE && !wire.result && fd >= 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return wire.kind == WIRE_FILE && wire.result < 0 ? wire.result : -EMFILE;	/* it came, and found no place here */
}
