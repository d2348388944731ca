/* SPDX-License-Identifier: MIT */
#include "symbol_elf.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTIONS_MAX 65536u
#define SECTION_NAMES_MAX (4u << 20)
#define RELOCATIONS_MAX (256u << 20)	/* bytes; a browser's library has 20 MiB */
#define NOTES_MAX 65536u
#define NOTE_SECTIONS_MAX 64u
#define SWELLS_TIMES 100u		/* debug information is 2 to 10 times what it is compressed to, zlib's most 1000 */
#define SWELLS_ANYWAY (64u << 20)

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define OUR_ORDER ELFDATA2LSB
#else
#define OUR_ORDER ELFDATA2MSB
#endif

int elf_pread(int fd, void *to, size_t bytes, uint64_t offset)
{
	char *at = to;

	while (bytes) {
		ssize_t n = offset > INT64_MAX ? 0 : pread(fd, at, bytes, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		at += n;
		bytes -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* A piece of the file for free(), or NULL. */
static void *piece(const struct elf_image *image, uint64_t offset, uint64_t bytes, uint64_t most)
{
	void *p;

	if (!bytes || bytes > most || offset > image->file_bytes || bytes > image->file_bytes - offset)
		return NULL;
	p = malloc(bytes);
	if (p && elf_pread(image->fd, p, bytes, offset)) {
		free(p);
		return NULL;
	}
	return p;
}

static int read_segments(struct elf_image *image)
{
	const Elf64_Ehdr *h = &image->header;
	Elf64_Phdr *all;

	if (h->e_phentsize != sizeof *all)
		return -ENOEXEC;
	all = piece(image, h->e_phoff, (uint64_t)h->e_phnum * sizeof *all, UINT16_MAX * sizeof *all);
	if (!all)
		return -ENOEXEC;
	for (unsigned i = 0; i < h->e_phnum && image->segment_count < ELF_IMAGE_SEGMENTS; i++) {
		const Elf64_Phdr *p = &all[i];

		if (p->p_type != PT_LOAD || p->p_filesz > p->p_memsz || p->p_vaddr + p->p_memsz < p->p_vaddr ||
		    p->p_offset > image->file_bytes || p->p_filesz > image->file_bytes - p->p_offset)
			continue;
		image->segments[image->segment_count++] = *p;
	}
	free(all);
	return image->segment_count ? 0 : -ENOEXEC;
}

/* Without sections the file can still be used: segments say what is mapped. */
static void read_sections(struct elf_image *image)
{
	const Elf64_Ehdr *h = &image->header;
	const Elf64_Shdr *names;

	if (h->e_shentsize != sizeof(Elf64_Shdr) || !h->e_shnum || h->e_shstrndx >= h->e_shnum)
		return;
	image->sections = piece(image, h->e_shoff, (uint64_t)h->e_shnum * sizeof(Elf64_Shdr), SECTIONS_MAX * sizeof(Elf64_Shdr));
	if (!image->sections)
		return;
	names = &image->sections[h->e_shstrndx];
	image->section_names = piece(image, names->sh_offset, names->sh_size, SECTION_NAMES_MAX);
	if (!image->section_names)
		return;
	image->section_name_bytes = names->sh_size;
	image->section_names[image->section_name_bytes - 1] = 0;
	image->section_count = h->e_shnum;
}

static int read_header(struct elf_image *image, int fd)
{
	struct stat st;
	int error;

	memset(image, 0, sizeof *image);
	image->fd = fd;
	error = fstat(fd, &st) ? -errno : !S_ISREG(st.st_mode) ? -ENOEXEC : 0;
	if (!error) {
		image->file_bytes = (uint64_t)st.st_size;
		error = elf_pread(fd, &image->header, sizeof image->header, 0) ? -ENOEXEC : 0;
	}
	if (!error && memcmp(image->header.e_ident, ELFMAG, SELFMAG) != 0)
		error = -ENOEXEC;
	if (!error && (image->header.e_ident[EI_CLASS] != ELFCLASS64 || image->header.e_ident[EI_DATA] != OUR_ORDER))
		error = -ENOTSUP;
	return error;
}

int elf_image_open(struct elf_image *image, int fd)
{
	int error = read_header(image, fd);

	if (!error)
		error = read_segments(image);
	if (error) {
		elf_image_close(image);
		return error;
	}
	read_sections(image);
	return 0;
}

void elf_image_close(struct elf_image *image)
{
	if (image->fd >= 0)
		close(image->fd);
	free(image->sections);
	free(image->section_names);
	free(image->relative);
	memset(image, 0, sizeof *image);
	image->fd = -1;
}

int elf_image_read(const struct elf_image *image, uint64_t address, void *to, size_t bytes)
{
	for (unsigned i = 0; i < image->segment_count; i++) {
		const Elf64_Phdr *p = &image->segments[i];
		uint64_t at = address - p->p_vaddr;
		size_t in_file;

		if (address < p->p_vaddr || at > p->p_memsz || bytes > p->p_memsz - at)
			continue;
		in_file = at >= p->p_filesz ? 0 : p->p_filesz - at < bytes ? p->p_filesz - at : bytes;
		memset((char *)to + in_file, 0, bytes - in_file);
		return in_file && elf_pread(image->fd, to, in_file, p->p_offset + at) ? -ENOENT : 0;
	}
	return -ENOENT;
}

static bool is_relative(const struct elf_image *image, const Elf64_Rela *rela)
{
	uint32_t type = ELF64_R_TYPE(rela->r_info);

	return (image->header.e_machine == EM_X86_64 && type == R_X86_64_RELATIVE) ||
	       (image->header.e_machine == EM_AARCH64 && type == R_AARCH64_RELATIVE);
}

/* Packed relative relocations (RELR) keep the value in its place, so only RELA has to be applied. */
static void read_relative(struct elf_image *image)
{
	const Elf64_Shdr *section = elf_image_section(image, ".rela.dyn");
	Elf64_Rela *all;
	size_t count, kept = 0;

	image->relative_read = true;
	if (!section)
		section = elf_image_section(image, ".rela");	/* Go's own linker */
	if (!section || section->sh_type != SHT_RELA)
		return;
	count = section->sh_size / sizeof *all;
	all = piece(image, section->sh_offset, count * sizeof *all, RELOCATIONS_MAX);
	for (size_t i = 0; all && i < count; i++)
		if (is_relative(image, &all[i]))
			all[kept++] = all[i];
	image->relative = all;
	image->relative_count = kept;
}

int elf_image_read_words(struct elf_image *image, uint64_t address, uint64_t *to, size_t words)
{
	int error = elf_image_read(image, address, to, words * sizeof *to);

	if (!image->relative_read)
		read_relative(image);
	for (size_t i = 0; !error && i < image->relative_count; i++) {
		uint64_t at = image->relative[i].r_offset - address;

		if (at % sizeof *to == 0 && at / sizeof *to < words)
			to[at / sizeof *to] = (uint64_t)image->relative[i].r_addend;
	}
	return error;
}

const Elf64_Shdr *elf_image_section(const struct elf_image *image, const char *name)
{
	for (unsigned i = 0; i < image->section_count; i++)
		if (image->sections[i].sh_name < image->section_name_bytes &&
		    !strcmp(image->section_names + image->sections[i].sh_name, name))
			return &image->sections[i];
	return NULL;
}

void *elf_image_section_bytes(const struct elf_image *image, const char *name, size_t most, size_t *ret_bytes)
{
	const Elf64_Shdr *section = elf_image_section(image, name);
	void *bytes = NULL;

	if (section && section->sh_type != SHT_NOBITS && !(section->sh_flags & SHF_COMPRESSED))
		bytes = piece(image, section->sh_offset, section->sh_size, most);
	if (bytes)
		*ret_bytes = section->sh_size;
	return bytes;
}

/* What a section becomes when libdw makes use of it; 0: it stays what it is. */
static uint64_t inflated_bytes(const struct elf_image *image, const Elf64_Shdr *section)
{
	struct { char magic[4]; uint8_t bytes[8]; } old;
	Elf64_Chdr head;
	uint64_t bytes = 0;

	if (section->sh_flags & SHF_COMPRESSED)
		return elf_pread(image->fd, &head, sizeof head, section->sh_offset) ? 0 : head.ch_size;
	if (elf_pread(image->fd, &old, sizeof old, section->sh_offset) || memcmp(old.magic, "ZLIB", sizeof old.magic) != 0 ||
	    section->sh_name >= image->section_name_bytes || strncmp(image->section_names + section->sh_name, ".zdebug", 7) != 0)
		return 0;
	for (unsigned i = 0; i < sizeof old.bytes; i++)
		bytes = bytes << 8 | old.bytes[i];
	return bytes;
}

bool elf_swells(int fd)
{
	struct elf_image image;
	uint64_t left = SWELLS_ANYWAY;
	bool swells = read_header(&image, fd) != 0;

	if (!swells && image.header.e_shoff) {
		read_sections(&image);
		swells = !image.section_count;
		left = image.file_bytes > SWELLS_ANYWAY / SWELLS_TIMES ? image.file_bytes * SWELLS_TIMES : SWELLS_ANYWAY;
	}
	for (unsigned i = 0; i < image.section_count && !swells; i++) {
		uint64_t bytes = image.sections[i].sh_type == SHT_NOBITS ? 0 : inflated_bytes(&image, &image.sections[i]);

		swells = bytes > left;
		left -= swells ? 0 : bytes;
	}
	free(image.sections);
	free(image.section_names);
	return swells;
}

int elf_image_bias(const struct elf_image *image, uint64_t start, uint64_t offset, uint64_t *ret_bias)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	for (unsigned i = 0; i < image->segment_count; i++) {
		const Elf64_Phdr *p = &image->segments[i];
		uint64_t from = p->p_offset & ~(page - 1);

		/* The same page can be mapped twice, for two segments: the flags are not asked, as a linker's relro changes them. */
		if (offset < from || offset >= p->p_offset + p->p_filesz || !(p->p_flags & PF_X))
			continue;
		*ret_bias = start - ((p->p_vaddr & ~(page - 1)) + (offset - from));
		return 0;
	}
	return -ENOENT;
}

static size_t build_id_in(const uint8_t *notes, size_t bytes, uint8_t id[BUILD_ID_BYTES])
{
	while (bytes >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		size_t name, text;

		memcpy(&note, notes, sizeof note);
		name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
		text = ((size_t)note.n_descsz + 3) & ~(size_t)3;
		if (name > bytes - sizeof note || text > bytes - sizeof note - name)
			return 0;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !memcmp(notes + sizeof note, "GNU", 4) &&
		    note.n_descsz && note.n_descsz <= BUILD_ID_BYTES) {
			memcpy(id, notes + sizeof note + name, note.n_descsz);
			return note.n_descsz;
		}
		notes += sizeof note + name + text;
		bytes -= sizeof note + name + text;
	}
	return 0;
}

size_t elf_image_build_id(const struct elf_image *image, uint8_t id[BUILD_ID_BYTES])
{
	size_t length = 0;

	for (unsigned i = 0, seen = 0; i < image->section_count && !length && seen < NOTE_SECTIONS_MAX; i++) {
		const Elf64_Shdr *s = &image->sections[i];
		uint8_t *notes = s->sh_type == SHT_NOTE ? piece(image, s->sh_offset, s->sh_size, NOTES_MAX) : NULL;

		seen += s->sh_type == SHT_NOTE;
		length = notes ? build_id_in(notes, s->sh_size, id) : 0;
		free(notes);
	}
	return length;
}
