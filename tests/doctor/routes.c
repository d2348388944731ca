/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own routes are counted, to the byte; and whether the kernel could have moved what a program carried is said as
 * sendfile itself says it when it is asked, for all kinds of files.
 */
#include "watching.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#define BYTES 1000003

static uint8_t pattern[65536];

static int temporary(void)
{
	char name[] = "routes-XXXXXX";
	int fd = mkstemp(name);

	NEED(fd >= 0 && dup(fd) >= 0);
	unlink(name);
	return fd;
}

static int full_file(void)
{
	static unsigned seed = 11;
	int fd = temporary();

	for (unsigned done = 0; done < BYTES; done += sizeof pattern) {
		size_t bytes = BYTES - done < sizeof pattern ? BYTES - done : sizeof pattern;

		for (unsigned i = 0; i < sizeof pattern; i++)
			pattern[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
		NEED(pwrite(fd, pattern, bytes, done) == (ssize_t)bytes);
	}
	return fd;
}

static int drain_of(int type)
{
	int pair[2];

	NEED(socketpair(AF_UNIX, type, 0, pair) == 0);
	order(ORDER_DRAIN, pair[1], 0);
	return pair[0];
}

/* ---- Kernel routes --------------------------------------------------------------------------------------------------------- */

static struct did *begin(int from, int to, enum flow_how how, int call)
{
	struct did *did = &shared->did[shared->count++];

	memset(did, 0, sizeof *did);
	did->from = from < 0 ? 0 : inode_of(from);
	did->to = inode_of(to);
	did->how = how;
	did->call_write = (uint16_t)call;
	return did;
}

static void by_the_kernel(void)
{
	int file = full_file(), sink = drain_of(SOCK_STREAM), other = temporary(), pipes[2], more[2];
	struct did *did = begin(file, sink, HOW_SENDFILE, SYS_sendfile);
	struct iovec iov = { pattern, 4096 };
	ssize_t n;

	NEED(fcntl(sink, F_SETFL, O_NONBLOCK) == 0);
	for (off_t at = 0; did->bytes < BYTES;) {
		n = sendfile(sink, file, &at, BYTES - did->bytes);
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = sink, .events = POLLOUT };

			did->again++;
			poll(&p, 1, 1000);
			continue;
		}
		NEED(n > 0);
		did->writes++;
		did->bytes += (uint64_t)n;
	}

	did = begin(file, other, HOW_COPY_FILE_RANGE, SYS_copy_file_range);
	for (loff_t in = 0, out = 0; did->bytes < BYTES; did->writes++) {
		n = copy_file_range(file, &in, other, &out, BYTES - did->bytes, 0);
		NEED(n > 0);
		did->bytes += (uint64_t)n;
	}

	NEED(pipe(pipes) == 0 && pipe(more) == 0);
	did = begin(file, pipes[1], HOW_SPLICE, SYS_splice);
	did->bytes = 8192;
	did->writes = 1;
	NEED(splice(file, &(loff_t){ 0 }, pipes[1], NULL, 8192, 0) == 8192);
	did = begin(pipes[0], more[1], HOW_TEE, SYS_tee);
	did->bytes = 8192;
	did->writes = 1;
	NEED(tee(pipes[0], more[1], 8192, 0) == 8192);
	did = begin(-1, more[1], HOW_VMSPLICE, SYS_vmsplice);
	did->bytes = 4096;
	did->writes = 1;
	NEED(vmsplice(more[1], &iov, 1, 0) == 4096);
}

static void kernel_routes(void)
{
	struct watching w;
	char note[80];

	watch(&w, by_the_kernel, false, 30);
	CHECK_EQ(w.shared->count, 5);
	for (unsigned i = 0; i < w.shared->count; i++) {
		const struct did *did = &w.shared->did[i];
		const struct flow *flow = NULL;

		snprintf(note, sizeof note, "how %u", did->how);
		test_note(note);
		for (uint32_t k = 0; k < w.model.flow_count; k++)
			if (w.model.flows[k].how == did->how && w.model.files[w.model.flows[k].to].inode == did->to)
				flow = &w.model.flows[k];
		CHECK(flow);
		CHECK_EQ(w.model.files[flow->from].inode, did->from);
		CHECK_EQ(flow->bytes, did->bytes);
		CHECK_EQ(flow->writes, did->writes);
		CHECK_EQ(flow->again, did->again);
		CHECK_EQ(flow->reads, 0);
		CHECK_EQ(flow->call_write, did->call_write);
		CHECK_EQ(flow->site_read, MODEL_NONE);
		CHECK_NE(flow->site_write, MODEL_NONE);
	}
	watching_end(&w);
}

/* ---- Could it have? -------------------------------------------------------------------------------------------------------- */

static const char *const sources[] = {
	"/proc/self/exe", "/proc/kallsyms", "/proc/cpuinfo", "/proc/self/status", "/proc/version", "/proc/self/maps",
	"/sys/kernel/mm/transparent_hugepage/enabled", "/sys/kernel/notes", "/dev/zero", "/dev/urandom", "/dev/shm/routes-test",
	"(pipe)", "(unix)", "(datagram)",
};

static int open_source(const char *name, int *ret_other)
{
	int pair[2], fd;

	*ret_other = -1;
	if (name[0] != '(') {
		fd = open(name, strstr(name, "shm") ? O_RDWR | O_CREAT : O_RDONLY, 0600);
		if (fd >= 0 && strstr(name, "shm"))
			NEED(unlink(name) == 0 && pwrite(fd, pattern, sizeof pattern, 0) > 0);
		return fd;
	}
	if (strcmp(name, "(pipe)") == 0)
		NEED(pipe(pair) == 0);
	else
		NEED(socketpair(AF_UNIX, strcmp(name, "(unix)") == 0 ? SOCK_STREAM : SOCK_DGRAM, 0, pair) == 0);
	*ret_other = pair[1];
	return pair[0];
}

/* Carries some bytes, so that there is a flow; and asks the kernel for the same by sendfile. */
static void carry_and_ask(int from, int from_other, int to)
{
	static uint8_t buffer[4096];
	struct did *did = begin(from, to, HOW_SAME_BUFFER, SYS_write);
	ssize_t got, sent;

	if (from_other >= 0)
		NEED(write(from_other, pattern, 2000) == 2000);
	got = read(from, buffer, 1000);
	if (got <= 0) {	/* not to be read here at all */
		shared->count--;
		return;
	}
	NEED(write(to, buffer, (size_t)got) == got);
	if (from_other >= 0)	/* a datagram is read as one */
		NEED(write(from_other, pattern, 2000) == 2000);
	else if (lseek(from, 0, SEEK_SET) < 0 && errno != ESPIPE)
		did->again = 1;
	sent = sendfile(to, from, NULL, 500);
	did->reads = sent >= 0 ? 0 : (uint64_t)errno;
}

static void asks_of_all(void)
{
	for (unsigned i = 0; i < sizeof sources / sizeof *sources; i++) {
		int other, from = open_source(sources[i], &other);

		if (from >= 0)
			carry_and_ask(from, other, drain_of(SOCK_STREAM));
	}
	/* Sinks of all kinds, from a file. */
	for (unsigned i = 0; i < 5; i++) {
		int pair[2], file = full_file(), to = -1;

		switch (i) {
		case 0: to = temporary(); break;
		case 1: to = temporary(); NEED(fcntl(to, F_SETFL, O_APPEND) == 0); break;
		case 2: to = open("/dev/null", O_WRONLY); break;
		case 3: NEED(pipe(pair) == 0); to = pair[1]; break;
		default: to = drain_of(SOCK_STREAM);
		}
		NEED(to >= 0);
		carry_and_ask(file, -1, to);
	}
}

static const struct flow *flow_between(const struct watching *w, const struct did *did)
{
	for (uint32_t i = 0; i < w->model.flow_count; i++) {
		const struct flow *f = &w->model.flows[i];

		if (f->how < HOW_KERNEL_FROM && w->model.files[f->from].inode == did->from && w->model.files[f->to].inode == did->to)
			return f;
	}
	return NULL;
}

static void what_sendfile_says(void)
{
	struct watching w;
	unsigned could = 0, could_not = 0;

	watch(&w, asks_of_all, true, 30);
	for (unsigned i = 0; i < w.shared->count; i++) {
		const struct did *did = &w.shared->did[i];
		const struct flow *flow = flow_between(&w, did);
		const struct file *from, *to;
		bool can, datagram;
		static char note[256];

		CHECK(flow);
		from = &w.model.files[flow->from];
		to = &w.model.files[flow->to];
		snprintf(note, sizeof note, "%s (kind %d) to kind %d: sendfile said %s", from->path ? from->path : "-", from->kind,
			 to->kind, strerror((int)did->reads));
		test_note(note);
		/* From a pipe it is splice's work; sendfile needs a source with a page cache or a splice_read of its own. */
		datagram = from->kind == FILE_DATAGRAM || to->kind == FILE_DATAGRAM;
		can = from->can_splice_from && to->can_splice_to && !to->append;
		if (from->kind == FILE_PIPE || from->kind == FILE_UNIX_STREAM || datagram)
			continue;
		CHECK_EQ(can, did->reads == 0);
		can ? could++ : could_not++;
	}
	printf("%u could, %u could not\n", could, could_not);
	CHECK(could >= 6);
	CHECK(could_not >= 2);
	watching_end(&w);
}

/* ---- Copies ---------------------------------------------------------------------------------------------------------------- */

static void by_copies(void)
{
	static uint8_t read_here[4096], written_there[4096];
	int from = full_file(), to = temporary();
	struct did *did = begin(from, to, HOW_COPIED, SYS_write);

	for (unsigned round = 0; round < 40; round++) {
		ssize_t n;

		NEED(lseek(from, 0, SEEK_SET) == 0);
		while ((n = read(from, read_here, sizeof read_here)) > 0) {
			memcpy(written_there, read_here, (size_t)n);
			NEED(pwrite(to, written_there, (size_t)n, 0) == n);
			did->reads++;
			did->writes++;
			did->bytes += (uint64_t)n;
		}
	}
	did->call_write = SYS_pwrite64;
}

/* A copy can be found by its bytes only, and these are not looked at in every call. */
static void copies_are_found_sampled(void)
{
	struct watching w;
	struct flow sum;
	const struct did *did;

	watch(&w, by_copies, false, 30);
	did = &w.shared->did[0];
	CHECK(sum_flows(&w, did->from, did->to, &sum) > 0);
	CHECK_EQ(sum.how, HOW_COPIED);
	printf("%llu of %llu bytes, %llu of %llu writes\n", (unsigned long long)sum.bytes, (unsigned long long)did->bytes,
	       (unsigned long long)sum.writes, (unsigned long long)did->writes);
	CHECK(sum.bytes <= did->bytes);
	CHECK(sum.bytes * 100 >= did->bytes * 98);
	CHECK_EQ(sum.samples_changed + sum.whole_changed, 0);
	CHECK(sum.whole_equal > 0);
	watching_end(&w);
}

/* ---- Mapped files ---------------------------------------------------------------------------------------------------------- */

static const struct { int protection, flags; bool stores, seals, is_the_file; } mappings[] = {
	{ PROT_READ, MAP_SHARED, false, false, true },
	{ PROT_READ, MAP_PRIVATE, false, false, true },
	{ PROT_READ | PROT_WRITE, MAP_SHARED, true, false, true },
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE, true, false, false },
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE, true, true, false },	/* nobody may write any more, but somebody has */
};
#define MAPPINGS (sizeof mappings / sizeof *mappings)

static void by_mappings(void)
{
	for (unsigned i = 0; i < MAPPINGS; i++) {
		int from = temporary(), to = temporary();	/* never closed: each has an inode of its own */
		uint8_t *map = mmap(NULL, sizeof pattern, mappings[i].protection, mappings[i].flags, from, 0);

		NEED(map != MAP_FAILED && write(from, pattern, sizeof pattern) == sizeof pattern);
		for (unsigned at = 0; mappings[i].stores && at < sizeof pattern; at++)
			map[at] ^= 0x5a;
		NEED(!mappings[i].seals || mprotect(map, sizeof pattern, PROT_READ) == 0);
		for (unsigned at = 0; at < sizeof pattern; at += 8192)
			NEED(write(to, map + at, 8192) == 8192);
		shared->did[i] = (struct did){ .from = inode_of(from), .to = inode_of(to), .bytes = sizeof pattern };
	}
}

/* What a private mapping holds is its file's only as long as nothing was stored there. */
static void mappings_that_are_their_file(void)
{
	struct watching w;

	watch(&w, by_mappings, false, 20);
	for (unsigned i = 0; i < MAPPINGS; i++) {
		struct flow sum;

		CHECK_EQ(sum_flows(&w, w.shared->did[i].from, w.shared->did[i].to, &sum), mappings[i].is_the_file);
		CHECK_EQ(sum.bytes, mappings[i].is_the_file ? w.shared->did[i].bytes : 0);
	}
	watching_end(&w);
}

static const struct test tests[] = { TEST(kernel_routes), TEST(what_sendfile_says), TEST(copies_are_found_sampled),
				      TEST(mappings_that_are_their_file) };
TEST_MAIN(tests)
