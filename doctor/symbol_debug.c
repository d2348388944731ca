/* SPDX-License-Identifier: MIT */
#include "symbol_debug.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIRECTORY "/usr/lib/debug"
#define SHARED ".dwz/"
#define LINKED_MAX (1ull << 30)		/* bytes that are read for a checksum */

/* The checksum of .gnu_debuglink: CRC-32 as zlib's, of the whole file. */
static uint32_t checksum(int fd)
{
	static const uint32_t nibbles[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint8_t bytes[65536];
	uint32_t crc = UINT32_MAX;
	uint64_t at = 0;
	ssize_t n;

	while (at < LINKED_MAX && (n = pread(fd, bytes, sizeof bytes, (off_t)at)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			crc = crc >> 4 ^ nibbles[(crc ^ bytes[i]) & 15];
			crc = crc >> 4 ^ nibbles[(crc ^ bytes[i] >> 4) & 15];
		}
		at += (uint64_t)n;
	}
	return ~crc;
}

static size_t build_id_of(int fd, uint8_t id[BUILD_ID_BYTES])
{
	struct elf_image image;
	size_t length;

	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0 || elf_image_open(&image, fd))
		return 0;
	length = elf_image_build_id(&image, id);
	elf_image_close(&image);
	return length;
}

/* Closes what is not the module's. */
static int checked(int fd, const struct module *module, bool has_crc, uint32_t crc)
{
	uint8_t wanted[BUILD_ID_BYTES], found[BUILD_ID_BYTES];
	size_t length = elf_image_build_id(&module->image, wanted);

	if (fd < 0)
		return -ENOENT;
	if (length ? build_id_of(fd, found) == length && !memcmp(wanted, found, length) : has_crc && checksum(fd) == crc)
		return fd;
	close(fd);
	return -ENOENT;
}

static int by_build_id(const struct maps *maps, const struct module *module)
{
	char path[sizeof DIRECTORY + 32 + 2 * BUILD_ID_BYTES];
	uint8_t id[BUILD_ID_BYTES];
	size_t length = elf_image_build_id(&module->image, id);
	int at, fd;

	if (length < 2)
		return -ENOENT;
	at = snprintf(path, sizeof path, DIRECTORY "/.build-id/%02x/", id[0]);
	for (size_t i = 1; i < length; i++)
		at += snprintf(path + at, sizeof path - (size_t)at, "%02x", id[i]);
	snprintf(path + at, sizeof path - (size_t)at, ".debug");
	fd = checked(source_file(&maps->source, SOURCE_ELF, path), module, false, 0);
	return fd >= 0 ? fd : checked(source_file(&maps->source, SOURCE_DEBUG, path), module, false, 0);
}

int symbol_debug_open(const struct maps *maps, const struct module *module, const char *link, uint32_t crc)
{
	static const struct place {
		const char *before, *behind;
	} places[] = { { "", "" }, { "", "/.debug" }, { DIRECTORY, "" } };
	const char *slash = strrchr(module->path, '/');
	char path[PATH_MAX];
	int fd = by_build_id(maps, module);

	if (!link || !*link || strchr(link, '/') || !slash)
		return fd;
	for (unsigned i = 0; fd < 0 && i < sizeof places / sizeof places[0]; i++) {
		int n = snprintf(path, sizeof path, "%s%.*s%s/%s", places[i].before, (int)(slash - module->path),
				 module->path, places[i].behind, link);

		if (n < (int)sizeof path)
			fd = checked(source_file(&maps->source, SOURCE_ELF, path), module, true, crc);
	}
	return fd;
}

/* The name is absolute, or relative to where the debug file was, which always has the directory in it. */
int symbol_debug_open_shared(const struct maps *maps, const char *link)
{
	const char *tail = strstr(link, SHARED);
	char path[PATH_MAX];
	int n, fd;

	if (!tail || strstr(tail, ".."))
		return -ENOENT;
	n = snprintf(path, sizeof path, DIRECTORY "/%s", tail);
	if (n >= (int)sizeof path)
		return -ENOENT;
	fd = source_file(&maps->source, SOURCE_ELF, path);
	return fd >= 0 ? fd : source_file(&maps->source, SOURCE_DEBUG, path);
}
