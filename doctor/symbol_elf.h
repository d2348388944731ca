/* SPDX-License-Identifier: MIT */
/*
 * An ELF file as the symbol readers need it: bytes by their link-time address, with relative relocations applied, and
 * sections by name. By pread into our own memory, never mapped: whoever owns the file may cut it at any time, and that must
 * not be our SIGBUS. The file is a stranger's; every offset in it is checked against the file. 64-bit, this machine's order.
 */
#ifndef DOCTOR_SYMBOL_ELF_H
#define DOCTOR_SYMBOL_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_IMAGE_SEGMENTS 64

struct elf_image {
	int fd;				/* owned */
	uint64_t file_bytes;
	Elf64_Ehdr header;
	Elf64_Phdr segments[ELF_IMAGE_SEGMENTS];	/* the PT_LOADs, in their order */
	unsigned segment_count;
	Elf64_Shdr *sections;		/* NULL: the file has none, or they make no sense */
	unsigned section_count;
	char *section_names;
	size_t section_name_bytes;
	Elf64_Rela *relative;		/* the R_*_RELATIVE ones; read when first asked for */
	size_t relative_count;
	bool relative_read;
};

/* 0, or -errno and nothing is open: -ENOEXEC no ELF file, -ENOTSUP one of another class or byte order. Takes fd in any case. */
int elf_image_open(struct elf_image *image, int fd);
void elf_image_close(struct elf_image *image);

/* 0, or -ENOENT when no segment of the file has all these bytes. What lies behind a segment's bytes in the file is zero. */
int elf_image_read(const struct elf_image *image, uint64_t address, void *to, size_t bytes);
/* The same, with what the dynamic linker would have put there before it added the load address. Multiples of 8. */
int elf_image_read_words(struct elf_image *image, uint64_t address, uint64_t *to, size_t words);

/* NULL: there is none of that name. */
const Elf64_Shdr *elf_image_section(const struct elf_image *image, const char *name);
/* All bytes of a section, for free(); NULL: none, empty, longer than most, compressed, or out of memory. */
void *elf_image_section_bytes(const struct elf_image *image, const char *name, size_t most, size_t *ret_bytes);

/* What is to be added to link-time addresses when file offset `offset` is mapped at `start`. -ENOENT: it is in no segment. */
int elf_image_bias(const struct elf_image *image, uint64_t start, uint64_t offset, uint64_t *ret_bias);

/* Would libdw need many times the file's size to inflate what is compressed in it? Also where it finds sections that are not found
 * here. The descriptor stays the caller's. */
bool elf_swells(int fd);

/* pread of exactly these bytes: 0, or -EIO for a short one. */
int elf_pread(int fd, void *to, size_t bytes, uint64_t offset);

/* The build ID of an open file: its length, at most 64; 0: none. */
#define BUILD_ID_BYTES 64
size_t elf_image_build_id(const struct elf_image *image, uint8_t id[BUILD_ID_BYTES]);

#endif
