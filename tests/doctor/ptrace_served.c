/* SPDX-License-Identifier: MIT */
/*
 * Bursts over a file system whose server is watched, too (FUSE, as of an AppImage). It is stopped with its clients, so who asks it
 * for anything meanwhile waits for it, and it for him, for ever: not even SIGKILL ends that.
 */
#include "bursts.h"

#include <errno.h>
#include <linux/fuse.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define SERVED "served"
#define FILE_NODE 2

static uint8_t *content;		/* of the one file */
static uint64_t content_bytes;

/* ---- The server ------------------------------------------------------------------------------------------------------------ */

static void set_attributes(struct fuse_attr *attr, uint64_t node)
{
	*attr = (struct fuse_attr){ .ino = node, .mode = node == FILE_NODE ? S_IFREG | 0755 : S_IFDIR | 0755, .nlink = 1,
				    .size = node == FILE_NODE ? content_bytes : 0 };
}

static void answer(int fuse, uint64_t unique, int error, const void *what, size_t bytes)
{
	static uint8_t out[sizeof(struct fuse_out_header) + (1 << 20)];
	struct fuse_out_header head = { .len = (uint32_t)(sizeof head + bytes), .error = error, .unique = unique };

	memcpy(out, &head, sizeof head);
	if (bytes)
		memcpy(out + sizeof head, what, bytes);
	MUST(write(fuse, out, sizeof head + bytes) >= 0 || errno == ENOENT);
}

/* A name is good for no time at all: whoever goes along it asks again. */
static void answer_lookup(int fuse, const struct fuse_in_header *in)
{
	struct fuse_entry_out entry = { .nodeid = FILE_NODE };

	if (strcmp((const char *)(in + 1), "file") != 0) {
		answer(fuse, in->unique, -ENOENT, NULL, 0);
		return;
	}
	set_attributes(&entry.attr, FILE_NODE);
	answer(fuse, in->unique, 0, &entry, sizeof entry);
}

static void answer_read(int fuse, const struct fuse_in_header *in)
{
	const struct fuse_read_in *wanted = (const void *)(in + 1);
	uint64_t at = wanted->offset < content_bytes ? wanted->offset : content_bytes;

	answer(fuse, in->unique, 0, content + at, content_bytes - at < wanted->size ? content_bytes - at : wanted->size);
}

static void answer_attributes(int fuse, const struct fuse_in_header *in)
{
	struct fuse_attr_out attributes = { .attr_valid = 0 };

	set_attributes(&attributes.attr, in->nodeid);
	answer(fuse, in->unique, 0, &attributes, sizeof attributes);
}

static void answer_one(int fuse, const struct fuse_in_header *in)
{
	const struct fuse_init_out init = { .major = 7, .minor = 31, .max_write = 1 << 17, .max_readahead = 1 << 17 };
	const struct fuse_open_out opened = { .open_flags = FOPEN_KEEP_CACHE };

	switch (in->opcode) {
	case FUSE_INIT: answer(fuse, in->unique, 0, &init, sizeof init); break;
	case FUSE_LOOKUP: answer_lookup(fuse, in); break;
	case FUSE_GETATTR: answer_attributes(fuse, in); break;
	case FUSE_OPEN: answer(fuse, in->unique, 0, &opened, sizeof opened); break;
	case FUSE_READ: answer_read(fuse, in); break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_ACCESS: answer(fuse, in->unique, 0, NULL, 0); break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET: break;
	default: answer(fuse, in->unique, -ENOSYS, NULL, 0);
	}
}

static _Noreturn void serve(int fuse)
{
	static uint8_t request[1 << 18] __attribute__((aligned(8)));

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		ssize_t n = read(fuse, request, sizeof request);

		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			answer_one(fuse, (const void *)request);
		else if (n < 0 && errno == ENODEV)
			_exit(0);
	}
}

/* In the patient: a file system of its own, that a child of it serves. The descriptor is the file's. */
static pid_t mount_served(void)
{
	int fuse = open("/dev/fuse", O_RDWR);
	char options[100];
	pid_t server;

	MUST(fuse >= 0 && unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	MUST(mount("served", SERVED, "fuse", 0, options) == 0);
	server = fork();
	MUST(server >= 0);
	if (!server)
		serve(fuse);
	close(fuse);
	return server;
}

static void fill_content(void)
{
	content_bytes = CHANNEL_BYTES;
	content = malloc(content_bytes);
	MUST(content);
	for (uint64_t i = 0; i < content_bytes; i++)
		content[i] = byte_at(i);
}

/* ---- Cases ----------------------------------------------------------------------------------------------------------------- */

static void end_server(pid_t server)
{
	MUST(kill(server, SIGKILL) == 0 && waitpid(server, NULL, 0) == server);
}

/* Writes out of a mapping of the served file. */
static void write_mapped(void)
{
	const volatile uint8_t *at;
	pid_t server;
	int fd;

	fill_content();
	server = mount_served();
	fd = open(SERVED "/file", O_RDONLY);
	MUST(fd >= 0);
	at = mmap(NULL, content_bytes, PROT_READ, MAP_SHARED, fd, 0);
	MUST(at != MAP_FAILED);
	for (uint64_t i = 0; i < content_bytes; i += 4096)
		(void)at[i];
	for (uint64_t done = 0; done < content_bytes;) {
		ssize_t n = write(sinks[0], (const uint8_t *)at + done, PIECE);

		MUST(n > 0 || errno == EINTR);
		done += n > 0 ? (uint64_t)n : 0;
	}
	end_server(server);
}

static void load_program(void)
{
	int fd = open("/bin/sh", O_RDONLY);
	struct stat st;

	MUST(fd >= 0 && fstat(fd, &st) == 0);
	content_bytes = (uint64_t)st.st_size;
	content = malloc(content_bytes);
	MUST(content && read(fd, content, content_bytes) == st.st_size);
	close(fd);
}

/* A served program that forks and forks, so that bursts meet children of it. */
static void fork_served(void)
{
	pid_t server, pid;
	int status;

	load_program();
	server = mount_served();
	pid = fork();
	MUST(pid >= 0);
	if (!pid) {
		execl(SERVED "/file", "sh", "-c", "i=0; while [ $i -lt 3000 ]; do (exit 0); i=$((i+1)); done", (char *)NULL);
		_exit(97);
	}
	MUST(waitpid(pid, &status, 0) == pid && status == 0);
	carry(sources[0], sinks[0]);
	end_server(server);
}

static void needs_served(void)
{
	int fuse = open("/dev/fuse", O_RDWR);

	if (geteuid() != 0 || fuse < 0)
		test_skip("needs root and /dev/fuse");
	close(fuse);
	mkdir(SERVED, 0755);
}

static void a_mapping(void)
{
	struct patient p;

	needs_served();
	patient_run_until_seen(&p, write_mapped, 1);
	CHECK(p.model.flow_count > 0);
	patient_end(&p);
}

static void a_program(void)
{
	struct patient p;

	needs_served();
	patient_run(&p, fork_served, 1, false);
	patient_end(&p);
}

static const struct test tests[] = { TEST(a_mapping), TEST(a_program) };
TEST_MAIN(tests)
