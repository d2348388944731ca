/* SPDX-License-Identifier: MIT */
/*
 * What a socket of a stopped process is. A duplicate of it is asked (pidfd_getfd, Linux 5.6) for what can be asked without
 * effect, and closed at once. Where that is not allowed, the tables of the process's network namespace tell.
 */
#include "feed_ptrace.h"

#include <inttypes.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- By a duplicate -------------------------------------------------------------------------------------------------------- */

static int duplicate(const struct feed_ptrace *feed, const struct traced_thread *t, uint32_t fd, uint64_t inode)
{
	const struct traced_process *process = &feed->processes[t->process];
	int pidfd = process->pidfd >= 0 ? process->pidfd : (int)syscall(SYS_pidfd_open, (pid_t)process->pid, 0);
	int copy = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	struct stat st;

	if (pidfd >= 0 && pidfd != process->pidfd)
		close(pidfd);
	/* a thread may have descriptors of its own, and another one may have closed this one */
	if (copy >= 0 && (fstat(copy, &st) || st.st_ino != inode)) {
		close(copy);
		copy = -1;
	}
	return copy;
}

static int option(int fd, int which)
{
	int value = -1;
	socklen_t length = sizeof value;

	return getsockopt(fd, SOL_SOCKET, which, &value, &length) ? -1 : value;
}

union any_address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	struct sockaddr_storage storage;
};

static void take_address(struct file_address *to, const union any_address *from, socklen_t length)
{
	to->family = from->any.sa_family;
	if (from->any.sa_family == AF_INET && length >= sizeof from->in) {
		to->port = ntohs(from->in.sin_port);
		memcpy(to->ip, &from->in.sin_addr, sizeof from->in.sin_addr);
	} else if (from->any.sa_family == AF_INET6 && length >= sizeof from->in6) {
		to->port = ntohs(from->in6.sin6_port);
		memcpy(to->ip, &from->in6.sin6_addr, sizeof from->in6.sin6_addr);
	}
}

/* One that was accepted has its listener's name; a client has none, but its peer has. */
static void take_name(struct event_file *facts, const union any_address *from, socklen_t length)
{
	size_t before = offsetof(struct sockaddr_un, sun_path);

	if (facts->name_bytes || length <= before)
		return;
	facts->name_bytes = (uint16_t)(length - before < EVENT_NAME_BYTES ? length - before : EVENT_NAME_BYTES);
	memcpy(facts->name, from->un.sun_path, facts->name_bytes);
}

static void ask_addresses(int fd, int family, struct event_file *facts)
{
	union any_address address = { .storage = { 0 } };
	socklen_t length = sizeof address;

	facts->local.family = facts->peer.family = (uint16_t)family;
	if (getsockname(fd, &address.any, &length) == 0) {
		if (family == AF_UNIX)
			take_name(facts, &address, length);
		else
			take_address(&facts->local, &address, length);
	}
	length = sizeof address;
	if (getpeername(fd, &address.any, &length) == 0) {
		if (family == AF_UNIX)
			take_name(facts, &address, length);
		else
			take_address(&facts->peer, &address, length);
	}
}

static bool has_tls(int fd)
{
	char name[16] = "";
	socklen_t length = sizeof name;

	return getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &length) == 0 && strncmp(name, "tls", sizeof name) == 0;
}

static void ask(int fd, struct event_file *facts)
{
	int family = option(fd, SO_DOMAIN);

	facts->kind = option(fd, SO_TYPE) == SOCK_STREAM ? FILE_STREAM_SOCKET : FILE_DATAGRAM;
	if (family == AF_UNIX && facts->kind != FILE_DATAGRAM)
		facts->kind = FILE_UNIX_STREAM;
	if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
		return;
	ask_addresses(fd, family, facts);
	if (family == AF_UNIX || facts->kind == FILE_DATAGRAM || option(fd, SO_PROTOCOL) != IPPROTO_TCP)
		return;
	facts->kind = FILE_TCP;
	if (has_tls(fd))
		facts->facts |= EVENT_TLS;
}

/* ---- By the tables of its namespace ---------------------------------------------------------------------------------------- */

/* "0100007F:1F90", or 32 digits: each word as this machine would print it. */
static bool parse_address(const char *text, uint16_t family, struct file_address *address)
{
	unsigned words = family == AF_INET ? 1 : 4, port;

	for (unsigned i = 0; i < words; i++) {
		uint32_t word;

		if (sscanf(text + (size_t)8 * i, "%8" SCNx32, &word) != 1)	/* NOLINT(cert-err34-c) */
			return false;
		memcpy(address->ip + (size_t)4 * i, &word, sizeof word);
	}
	if (sscanf(text + (size_t)8 * words, ":%x", &port) != 1)	/* NOLINT(cert-err34-c) */
		return false;
	address->family = family;
	address->port = (uint16_t)port;
	return true;
}

static bool parse_internet(const char *line, uint64_t inode, uint16_t family, struct event_file *facts)
{
	char local[64], peer[64];
	uint64_t found;

	return sscanf(line, "%*s %63s %63s %*s %*s %*s %*s %*s %*s %" SCNu64, local, peer, &found) == 3 && found == inode &&
	       strlen(local) >= (family == AF_INET ? 13 : 37) && strlen(peer) >= (family == AF_INET ? 13 : 37) &&
	       parse_address(local, family, &facts->local) && parse_address(peer, family, &facts->peer);
}

static bool parse_unix(const char *line, uint64_t inode, struct event_file *facts)
{
	unsigned type;
	uint64_t found;
	int name = 0;

	if (sscanf(line, "%*s %*s %*s %*s %x %*s %" SCNu64 "%n", &type, &found, &name) != 2 || found != inode)
		return false;
	facts->kind = type == SOCK_STREAM ? FILE_UNIX_STREAM : FILE_DATAGRAM;
	facts->local.family = facts->peer.family = AF_UNIX;
	if (line[name] != ' ' || !line[name + 1])
		return true;
	line += name + 1;
	facts->name_bytes = (uint16_t)strnlen(line, EVENT_NAME_BYTES);
	memcpy(facts->name, line, facts->name_bytes);
	if (facts->name[0] == '@')	/* an abstract one */
		facts->name[0] = 0;
	return true;
}

static void look_up(uint32_t tid, uint64_t inode, struct event_file *facts)
{
	static const struct { const char *name; uint16_t family; uint8_t kind; } tables[] = {
		{ "tcp", AF_INET, FILE_TCP }, { "tcp6", AF_INET6, FILE_TCP }, { "unix", AF_UNIX, FILE_UNIX_STREAM },
		{ "udp", AF_INET, FILE_DATAGRAM }, { "udp6", AF_INET6, FILE_DATAGRAM },
	};
	bool found = false;

	for (size_t i = 0; i < sizeof tables / sizeof *tables && !found; i++) {
		char path[64], line[512];
		FILE *table;

		snprintf(path, sizeof path, "/proc/%" PRIu32 "/net/%s", tid, tables[i].name);
		table = fopen(path, "re");
		while (table && !found && fgets(line, sizeof line, table)) {
			line[strcspn(line, "\n")] = 0;
			found = tables[i].family == AF_UNIX ? parse_unix(line, inode, facts) :
							      parse_internet(line, inode, tables[i].family, facts);
		}
		if (table)
			fclose(table);
		if (found && tables[i].family != AF_UNIX)
			facts->kind = tables[i].kind;
	}
	if (!found)	/* of another family */
		facts->facts = (facts->facts & ~(uint32_t)(EVENT_CAN_SPLICE_FROM | EVENT_CAN_SPLICE_TO)) | EVENT_SPLICE_UNKNOWN;
}

void traced_socket(const struct feed_ptrace *feed, const struct traced_thread *t, uint32_t fd, uint64_t inode,
		   struct event_file *facts)
{
	int copy = duplicate(feed, t, fd, inode);

	if (copy < 0) {
		look_up(t->tid, inode, facts);
		return;
	}
	ask(copy, facts);
	close(copy);
}
