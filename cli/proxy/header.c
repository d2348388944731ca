/* SPDX-License-Identifier: MIT */
#include "header.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define V1_MOST 107
#define V2_FIXED 16

static const unsigned char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum { V2_UNSPEC = 0x00, V2_TCP4 = 0x11, V2_TCP6 = 0x21, V2_UNIX = 0x31 };

/* As laid out on the wire; all big endian. */
struct v2_inet { uint8_t from[4], to[4], from_port[2], to_port[2]; };
struct v2_inet6 { uint8_t from[16], to[16], from_port[2], to_port[2]; };
struct v2_unix { char from[108], to[108]; };

/* ---- Version 1: one line of text ------------------------------------------------------------------------------------------- */

/* A decimal port as the protocol writes it: no sign, no leading zero. -1: none. */
static int port_of(const char *word)
{
	long value;
	char *end;

	if (!isdigit((unsigned char)*word) || (*word == '0' && word[1]) || strlen(word) > 5)
		return -1;
	value = strtol(word, &end, 10);
	return *end || value > 65535 ? -1 : (int)value;
}

static int address_of(int family, const char *word, const char *port_word, struct sockaddr_storage *address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
	int port = port_of(port_word);

	memset(address, 0, sizeof *address);
	address->ss_family = (sa_family_t)family;
	if (family == AF_INET)
		in->sin_port = htons((uint16_t)port);
	else
		in6->sin6_port = htons((uint16_t)port);
	return port >= 0 && inet_pton(family, word, family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr) == 1;
}

/* Splits at single blanks: the words, of which there are at most so many; more are none at all. */
static int words_of(char *line, char *words[], int most)
{
	int count = 0;

	for (char *at = line; at; count++) {
		char *blank = strchr(at, ' ');

		if (count == most)
			return 0;
		words[count] = at;
		if (blank)
			*blank++ = 0;
		at = blank;
	}
	return count;
}

static int parse_line(char *line, struct header *header)
{
	char *words[6];
	int count, family;

	if (!strncmp(line, "PROXY UNKNOWN", 13) && (!line[13] || line[13] == ' ')) {
		header->local = 1;
		return 0;
	}
	count = words_of(line, words, 6);
	if (count != 6 || strcmp(words[0], "PROXY") != 0)
		return -EPROTO;
	family = !strcmp(words[1], "TCP4") ? AF_INET : !strcmp(words[1], "TCP6") ? AF_INET6 : 0;
	if (!family || !address_of(family, words[2], words[4], &header->from) || !address_of(family, words[3], words[5], &header->to))
		return -EPROTO;
	return 0;
}

static long parse_v1(const unsigned char *bytes, size_t length, struct header *header)
{
	const unsigned char *end = memchr(bytes, '\n', length < V1_MOST ? length : V1_MOST);
	char line[V1_MOST + 1];
	size_t used;

	if (!end)
		return length < V1_MOST ? 0 : -EPROTO;
	used = (size_t)(end - bytes) + 1;
	if (used < 2 || end[-1] != '\r' || memchr(bytes, 0, used))
		return -EPROTO;
	memcpy(line, bytes, used - 2);
	line[used - 2] = 0;
	return parse_line(line, header) < 0 ? -EPROTO : (long)used;
}

/* ---- Version 2: binary ----------------------------------------------------------------------------------------------------- */

static void inet_from(struct sockaddr_storage *to, const uint8_t address[4], const uint8_t port[2])
{
	struct sockaddr_in *in = (struct sockaddr_in *)to;

	memset(to, 0, sizeof *to);
	in->sin_family = AF_INET;
	memcpy(&in->sin_addr, address, 4);
	memcpy(&in->sin_port, port, 2);
}

static void inet6_from(struct sockaddr_storage *to, const uint8_t address[16], const uint8_t port[2])
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;

	memset(to, 0, sizeof *to);
	in6->sin6_family = AF_INET6;
	memcpy(&in6->sin6_addr, address, 16);
	memcpy(&in6->sin6_port, port, 2);
}

static void unix_from(struct sockaddr_storage *to, const char path[108])
{
	struct sockaddr_un *un = (struct sockaddr_un *)to;

	memset(to, 0, sizeof *to);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, sizeof un->sun_path);
}

static int parse_addresses(unsigned family, const unsigned char *at, size_t length, struct header *header)
{
	struct v2_inet inet;
	struct v2_inet6 inet6;
	struct v2_unix local;

	if (family == V2_TCP4 && length >= sizeof inet) {
		memcpy(&inet, at, sizeof inet);
		inet_from(&header->from, inet.from, inet.from_port);
		inet_from(&header->to, inet.to, inet.to_port);
	} else if (family == V2_TCP6 && length >= sizeof inet6) {
		memcpy(&inet6, at, sizeof inet6);
		inet6_from(&header->from, inet6.from, inet6.from_port);
		inet6_from(&header->to, inet6.to, inet6.to_port);
	} else if (family == V2_UNIX && length >= sizeof local) {
		memcpy(&local, at, sizeof local);
		unix_from(&header->from, local.from);
		unix_from(&header->to, local.to);
	} else if (family == V2_TCP4 || family == V2_TCP6 || family == V2_UNIX) {
		return -EPROTO;
	} else {
		header->local = 1;	/* a family, or datagrams, that no stream of ours has */
	}
	return 0;
}

static long parse_v2(const unsigned char *bytes, size_t length, struct header *header)
{
	size_t rest;

	if (length < V2_FIXED)
		return 0;
	rest = (size_t)bytes[14] << 8 | bytes[15];
	if (bytes[12] >> 4 != 2 || (bytes[12] & 15) > 1 || V2_FIXED + rest > HEADER_MOST)
		return -EPROTO;
	if (length < V2_FIXED + rest)
		return 0;
	if ((bytes[12] & 15) == 0)
		header->local = 1;
	else if (parse_addresses(bytes[13], bytes + V2_FIXED, rest, header) < 0)
		return -EPROTO;
	return (long)(V2_FIXED + rest);
}

long header_parse(const unsigned char *bytes, size_t length, struct header *ret_header)
{
	struct header header = { 0 };
	size_t alike = length < sizeof signature ? length : sizeof signature;
	long used;

	if (!memcmp(bytes, signature, alike))
		used = parse_v2(bytes, length, &header);
	else if (!memcmp(bytes, "PROXY ", length < 6 ? length : 6))
		used = parse_v1(bytes, length, &header);
	else
		used = -EPROTO;
	if (used > 0)
		*ret_header = header;
	return used;
}

/* ---- Making one ------------------------------------------------------------------------------------------------------------ */

static size_t make_v1(const struct sockaddr_storage *from, const struct sockaddr_storage *to, unsigned char *out)
{
	const struct sockaddr_in *in[] = { (const void *)from, (const void *)to };
	const struct sockaddr_in6 *in6[] = { (const void *)from, (const void *)to };
	char text[2][INET6_ADDRSTRLEN];
	int family = from->ss_family, length;

	if (family != to->ss_family || (family != AF_INET && family != AF_INET6))
		return (size_t)snprintf((char *)out, HEADER_MADE, "PROXY UNKNOWN\r\n");
	for (int i = 0; i < 2; i++)
		inet_ntop(family, family == AF_INET ? (const void *)&in[i]->sin_addr : (const void *)&in6[i]->sin6_addr, text[i],
			  sizeof text[i]);
	length = snprintf((char *)out, HEADER_MADE, "PROXY TCP%d %s %s %u %u\r\n", family == AF_INET ? 4 : 6, text[0], text[1],
			  ntohs(family == AF_INET ? in[0]->sin_port : in6[0]->sin6_port),
			  ntohs(family == AF_INET ? in[1]->sin_port : in6[1]->sin6_port));
	return (size_t)length;
}

static size_t make_v2(const struct sockaddr_storage *from, const struct sockaddr_storage *to, unsigned char *out)
{
	struct v2_inet inet;
	struct v2_inet6 inet6;
	struct v2_unix local;
	int family = from->ss_family == to->ss_family ? from->ss_family : AF_UNSPEC;
	size_t rest = 0;

	memcpy(out, signature, sizeof signature);
	out[12] = from->ss_family == AF_UNSPEC ? 0x20 : 0x21;	/* LOCAL: nobody's; PROXY */
	out[13] = family == AF_INET ? V2_TCP4 : family == AF_INET6 ? V2_TCP6 : family == AF_UNIX ? V2_UNIX : V2_UNSPEC;
	if (family == AF_INET) {
		memcpy(inet.from, &((const struct sockaddr_in *)from)->sin_addr, 4);
		memcpy(inet.to, &((const struct sockaddr_in *)to)->sin_addr, 4);
		memcpy(inet.from_port, &((const struct sockaddr_in *)from)->sin_port, 2);
		memcpy(inet.to_port, &((const struct sockaddr_in *)to)->sin_port, 2);
		memcpy(out + V2_FIXED, &inet, rest = sizeof inet);
	} else if (family == AF_INET6) {
		memcpy(inet6.from, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
		memcpy(inet6.to, &((const struct sockaddr_in6 *)to)->sin6_addr, 16);
		memcpy(inet6.from_port, &((const struct sockaddr_in6 *)from)->sin6_port, 2);
		memcpy(inet6.to_port, &((const struct sockaddr_in6 *)to)->sin6_port, 2);
		memcpy(out + V2_FIXED, &inet6, rest = sizeof inet6);
	} else if (family == AF_UNIX) {
		memcpy(local.from, ((const struct sockaddr_un *)from)->sun_path, sizeof local.from);
		memcpy(local.to, ((const struct sockaddr_un *)to)->sun_path, sizeof local.to);
		memcpy(out + V2_FIXED, &local, rest = sizeof local);
	}
	out[14] = (unsigned char)(rest >> 8);
	out[15] = (unsigned char)rest;
	return V2_FIXED + rest;
}

size_t header_make(int version, const struct sockaddr_storage *from, const struct sockaddr_storage *to, unsigned char out[HEADER_MADE])
{
	return version == 1 ? make_v1(from, to, out) : make_v2(from, to, out);
}

void header_unmap(struct sockaddr *address)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in = { .sin_family = AF_INET };

	if (address->sa_family != AF_INET6)
		return;
	memcpy(&in6, address, sizeof in6);
	if (!IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
		return;
	in.sin_port = in6.sin6_port;
	memcpy(&in.sin_addr, in6.sin6_addr.s6_addr + 12, 4);
	memcpy(address, &in, sizeof in);
}

static void map(struct sockaddr_storage *address)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in;

	if (address->ss_family != AF_INET)
		return;
	memcpy(&in, address, sizeof in);
	in6.sin6_port = in.sin_port;
	memset(in6.sin6_addr.s6_addr + 10, 0xff, 2);
	memcpy(in6.sin6_addr.s6_addr + 12, &in.sin_addr, 4);
	memcpy(address, &in6, sizeof in6);
}

void header_agree(struct sockaddr_storage *from, struct sockaddr_storage *to)
{
	header_unmap((struct sockaddr *)from);
	header_unmap((struct sockaddr *)to);
	if (from->ss_family == AF_INET6)
		map(to);
	else if (to->ss_family == AF_INET6)
		map(from);
}
