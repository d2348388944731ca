/* SPDX-License-Identifier: MIT */
/* What the ptrace engine says of descriptors, without a look into the kernel, is what the kernel does with them. */
#include "check.h"

#include "feed_ptrace.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* What the engine says of a descriptor of this very process. */
static void facts_as(int fd, bool sink, struct event_file *ret)
{
	struct feed_ptrace feed = { .burst = 1 };
	struct traced_process process = { .pid = (uint32_t)getpid(), .pidfd = -1 };
	struct traced_thread thread = { .tid = (uint32_t)getpid() };
	const struct traced_file *file;
	struct event_file_key key = { .sink = sink };

	feed.processes = &process;
	feed.process_count = 1;
	table_init(&feed.files, sizeof(struct traced_file), sizeof key, 16);
	CHECK_EQ(traced_file(&feed, &thread, (uint32_t)fd, sink, &key.inode, &key.device), 0);
	file = table_find(&feed.files, &key);
	CHECK(file);
	*ret = file->facts;
	traced_files_free(&feed);
}

static int mapping_at(const void *at)
{
	struct feed_ptrace feed = { .burst = 1 };
	struct traced_process process = { .pid = (uint32_t)getpid(), .pidfd = -1 };
	struct traced_thread thread = { .tid = (uint32_t)getpid() };
	uint64_t inode, bytes;
	uint32_t device;
	int result;

	feed.processes = &process;
	feed.process_count = 1;
	table_init(&feed.files, sizeof(struct traced_file), sizeof(struct event_file_key), 16);
	result = traced_mapping(&feed, &thread, (uintptr_t)at, &inode, &device, &bytes);
	traced_files_free(&feed);
	return result;
}

static void facts_of(int fd, struct event_file *ret)
{
	facts_as(fd, false, ret);
}

/* Linux 5.10 has no sendfile from a character device that can be spliced. */
static bool by_pipe(int fd)
{
	int pipes[2];
	bool can;

	CHECK_CALL(pipe2(pipes, O_NONBLOCK | O_CLOEXEC));
	can = splice(fd, NULL, pipes[1], NULL, 1, SPLICE_F_NONBLOCK) >= 0;
	close(pipes[0]);
	close(pipes[1]);
	return can;
}

/* Where it claims to know, sendfile(2), or splice(2) into a pipe, must agree; it may say that it does not. */
static void as_sendfile_says(void)
{
	static const char *const paths[] = { "/proc/self/exe", "/dev/zero", "/dev/urandom", "/dev/null", "/sys/kernel/uevent_seqnum",
					     "/proc/cpuinfo", "/proc/kallsyms", "/proc/self/maps", "/dev/full" };
	int pair[2];

	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		int fd = open(paths[i], O_RDONLY);
		struct event_file facts;
		bool can;

		if (fd < 0)
			continue;
		test_note(paths[i]);
		facts_of(fd, &facts);
		can = sendfile(pair[0], fd, NULL, 16) >= 0 || by_pipe(fd);
		printf("%-28s kind %2u: %s; sendfile: %s\n", paths[i], facts.kind,
		       facts.facts & EVENT_CAN_SPLICE_FROM	? "can" :
		       facts.facts & EVENT_SPLICE_UNKNOWN ? "unknown" :
							    "cannot",
		       can ? "can" : "cannot");
		CHECK(facts.facts & EVENT_SPLICE_UNKNOWN || can == !!(facts.facts & EVENT_CAN_SPLICE_FROM));
		close(fd);
	}
	test_note("");
}

static int own_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	if (master < 0 || grantpt(master) || unlockpt(master))
		return -1;
	return open(ptsname(master), O_RDWR | O_NOCTTY | O_NONBLOCK);	/* NOLINT(concurrency-mt-unsafe) */
}

static void as_splice_says(void)
{
	static const char *const paths[] = { "/dev/null", "/dev/zero", "/dev/full", "a terminal", "/dev/urandom", "/proc/self/comm" };
	int pipes[2];

	CHECK_CALL(pipe(pipes));
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		int fd = *paths[i] == 'a' ? own_terminal() : open(paths[i], O_WRONLY);
		struct event_file facts;
		bool can;

		if (fd < 0)
			continue;
		test_note(paths[i]);
		facts_as(fd, true, &facts);
		CHECK_EQ(write(pipes[1], "x", 1), 1);
		can = splice(pipes[0], NULL, fd, NULL, 1, 0) >= 0 || errno == ENOSPC;
		printf("%-28s kind %2u: %s; splice: %s\n", paths[i], facts.kind,
		       facts.facts & EVENT_CAN_SPLICE_TO	? "can" :
		       facts.facts & EVENT_SPLICE_UNKNOWN ? "unknown" :
							    "cannot",
		       can ? "can" : "cannot");
		CHECK(facts.facts & EVENT_SPLICE_UNKNOWN || can == !!(facts.facts & EVENT_CAN_SPLICE_TO));
		CHECK(i > 3 || !(facts.facts & EVENT_SPLICE_UNKNOWN));
		close(fd);
	}
	test_note("");
}

static void flags_of_a_descriptor(void)
{
	char name[] = "append-XXXXXX";
	int fd = CHECK_CALL(mkstemp(name)), again;
	struct event_file facts;

	facts_of(fd, &facts);
	CHECK_EQ(facts.kind, FILE_REGULAR);
	CHECK_EQ(facts.facts, EVENT_CAN_SPLICE_FROM | EVENT_CAN_SPLICE_TO);
	again = CHECK_CALL(open(name, O_RDWR | O_APPEND | O_NONBLOCK));
	CHECK_CALL(unlink(name));
	facts_of(again, &facts);
	CHECK_EQ(facts.facts, EVENT_CAN_SPLICE_FROM | EVENT_CAN_SPLICE_TO | EVENT_APPEND | EVENT_NONBLOCKING | EVENT_DELETED);
	close(fd);
	close(again);
}

static void connect_pair(int family, int pair[2], struct file_address *ret_local)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&four : (struct sockaddr *)&six;
	socklen_t length = family == AF_INET ? sizeof four : sizeof six;
	int listener = CHECK_CALL(socket(family, SOCK_STREAM, 0));

	if (bind(listener, address, length))
		test_skip("no loopback of that family");
	CHECK_CALL(listen(listener, 1));
	CHECK_CALL(getsockname(listener, address, &length));
	pair[0] = CHECK_CALL(socket(family, SOCK_STREAM, 0));
	CHECK_CALL(connect(pair[0], address, length));
	pair[1] = CHECK_CALL(accept(listener, NULL, NULL));
	close(listener);
	memset(ret_local, 0, sizeof *ret_local);
	ret_local->family = (uint16_t)family;
	ret_local->port = ntohs(family == AF_INET ? four.sin_port : six.sin6_port);
	memcpy(ret_local->ip, family == AF_INET ? (void *)&four.sin_addr : (void *)&six.sin6_addr, family == AF_INET ? 4 : 16);
}

/* A duplicate of the socket and the tables of its namespace say the same. */
static void both_ways(int fd, struct event_file *ret)
{
	struct feed_ptrace feed = { .burst = 1 };
	struct traced_process process = { .pidfd = -1 };	/* of no process: no duplicate is to be had */
	struct traced_thread thread = { .tid = (uint32_t)getpid() };
	struct event_file looked_up = { .facts = EVENT_CAN_SPLICE_FROM | EVENT_CAN_SPLICE_TO };
	struct stat st;

	feed.processes = &process;
	feed.process_count = 1;
	CHECK_CALL(fstat(fd, &st));
	traced_socket(&feed, &thread, (uint32_t)fd, st.st_ino, &looked_up);
	facts_of(fd, ret);
	CHECK_EQ(ret->kind, looked_up.kind);
	CHECK_BYTES(&ret->local, &looked_up.local, sizeof ret->local);
	CHECK_BYTES(&ret->peer, &looked_up.peer, sizeof ret->peer);
	CHECK_STR((char *)ret->name + (ret->name[0] == 0), (char *)looked_up.name + (looked_up.name[0] == 0));
}

static void sockets_of(int family)
{
	struct file_address address;
	struct event_file facts;
	int pair[2];

	connect_pair(family, pair, &address);
	both_ways(pair[1], &facts);
	CHECK_EQ(facts.kind, FILE_TCP);
	CHECK_BYTES(&facts.local, &address, sizeof address);
	both_ways(pair[0], &facts);
	CHECK_BYTES(&facts.peer, &address, sizeof address);
	close(pair[0]);
	close(pair[1]);
}

static void internet_sockets(void)
{
	sockets_of(AF_INET);
	sockets_of(AF_INET6);
}

static void unix_sockets(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "a socket" };
	int listener = CHECK_CALL(socket(AF_UNIX, SOCK_STREAM, 0)), client = CHECK_CALL(socket(AF_UNIX, SOCK_STREAM, 0)), server;
	struct event_file facts;
	int pair[2];

	CHECK_CALL(bind(listener, (struct sockaddr *)&address, sizeof address));
	CHECK_CALL(listen(listener, 1));
	CHECK_CALL(connect(client, (struct sockaddr *)&address, sizeof address));
	server = CHECK_CALL(accept(listener, NULL, NULL));
	both_ways(server, &facts);
	CHECK_EQ(facts.kind, FILE_UNIX_STREAM);
	CHECK_STR((char *)facts.name, "a socket");
	facts_of(client, &facts);
	CHECK_STR((char *)facts.name, "a socket");
	CHECK_CALL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	both_ways(pair[0], &facts);
	CHECK_EQ(facts.kind, FILE_DATAGRAM);
	for (int fd = listener; fd <= pair[1]; fd++)
		close(fd);
	unlink("a socket");
}

static void private_mappings(void)
{
	static const struct { int protection, flags, result; } ways[] = {
		{ PROT_READ, MAP_SHARED, 0 }, { PROT_READ, MAP_PRIVATE, 0 }, { PROT_READ | PROT_WRITE, MAP_SHARED, 0 },
		{ PROT_READ | PROT_WRITE, MAP_PRIVATE, -ENOENT },
	};
	int fd = CHECK_CALL(open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600));

	CHECK_CALL(ftruncate(fd, 65536));
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		void *map = mmap(NULL, 65536, ways[i].protection, ways[i].flags, fd, 0);

		CHECK(map != MAP_FAILED);
		CHECK_EQ(mapping_at(map), ways[i].result);
		munmap(map, 65536);
	}
	close(fd);
	unlink("mapped");
}

/* A child with mounts of its own, and two files open through binds, of a directory and of a file: it says their numbers, and waits. */
static _Noreturn void open_through_binds(int say)
{
	int fds[2], there;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("stored", "bound", NULL, MS_BIND, NULL))
		_exit(1);
	there = open("stored/itself", O_WRONLY | O_CREAT, 0600);
	fds[0] = open("bound/in-a-bind", O_RDWR | O_CREAT, 0600);
	if (there < 0 || mount("stored/itself", "name", NULL, MS_BIND, NULL))
		_exit(1);
	fds[1] = open("name", O_RDONLY);
	if (write(say, fds, sizeof fds) != sizeof fds)
		_exit(1);
	for (;;)
		pause();
}

/* As the process has it, not where the bind comes from. */
static void path_is(uint32_t pid, int fd, const char *name)
{
	struct feed_ptrace feed = { .burst = 1 };
	struct traced_process process = { .pid = pid, .pidfd = -1 };
	struct traced_thread thread = { .tid = pid };
	const struct traced_file *file;
	struct event_file_key key = { .sink = false };
	char here[PATH_MAX / 2], want[PATH_MAX];

	feed.processes = &process;
	feed.process_count = 1;
	table_init(&feed.files, sizeof(struct traced_file), sizeof key, 16);
	CHECK_EQ(traced_file(&feed, &thread, (uint32_t)fd, false, &key.inode, &key.device), 0);
	file = table_find(&feed.files, &key);
	CHECK(file && file->path && getcwd(here, sizeof here));
	snprintf(want, sizeof want, "%s/%s", here, name);
	CHECK_STR(file->path, want);
	traced_files_free(&feed);
}

static void paths_through_binds(void)
{
	int pipes[2], fds[2];
	pid_t child;

	if (geteuid())
		test_skip("mounts are root's");
	CHECK_CALL(mkdir("stored", 0700));
	CHECK_CALL(mkdir("bound", 0700));
	close(CHECK_CALL(open("name", O_WRONLY | O_CREAT, 0600)));
	CHECK_CALL(pipe2(pipes, O_CLOEXEC));
	child = CHECK_CALL(fork());
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		open_through_binds(pipes[1]);
	}
	close(pipes[1]);
	CHECK_EQ(read(pipes[0], fds, sizeof fds), sizeof fds);
	path_is((uint32_t)child, fds[0], "bound/in-a-bind");
	path_is((uint32_t)child, fds[1], "name");
	CHECK_CALL(kill(child, SIGKILL));
	CHECK_CALL(waitpid(child, NULL, 0));
	close(pipes[0]);
	unlink("stored/in-a-bind");
	unlink("stored/itself");
	unlink("name");
	rmdir("stored");
	rmdir("bound");
}

/* ---- Memory ---------------------------------------------------------------------------------------------------------------- */

/* A page that is there, and one of a file that is not there yet: whoever serves that file (FUSE) may be stopped, and is not asked. */
static void memory_that_is_not_there(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = CHECK_CALL(open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600));
	char *at = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *copy = malloc(2 * page);
	pid_t child;

	CHECK(at != MAP_FAILED && copy);
	CHECK_CALL(ftruncate(fd, (off_t)page));
	memset(at, 'x', page);
	CHECK(mmap(at + page, page, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) != MAP_FAILED);
	child = CHECK_CALL(fork());
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		raise(SIGSTOP);
		_exit(at[page]);
	}
	CHECK_CALL(waitpid(child, NULL, WUNTRACED));
	CHECK_EQ(traced_memory(child, copy, 2 * page, (uintptr_t)at), page);
	CHECK_EQ(traced_memory(child, copy, 2, (uintptr_t)at + page - 1), 1);
	CHECK_EQ(traced_memory(child, copy, 8, (uintptr_t)at + 3), 8);
	CHECK(memcmp(copy, "xxxxxxxx", 8) == 0);
	CHECK_EQ(traced_memory(child, copy, 8, (uintptr_t)at + page), 0);
	CHECK_CALL(kill(child, SIGKILL));
	CHECK_CALL(waitpid(child, NULL, 0));
	free(copy);
	munmap(at, 2 * page);
	close(fd);
	unlink("mapped");
}

/* As of a function with a large buffer that has not been filled yet: who called it stands behind. */
static void a_stack_with_untouched_pages(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *at = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *copy = calloc(8, page);
	pid_t child;

	CHECK(at != MAP_FAILED && copy);
	at[0] = at[3 * page - 1] = 'a';
	at[5 * page] = 'b';
	CHECK_CALL(munmap(at + 7 * page, page));
	child = CHECK_CALL(fork());
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		raise(SIGSTOP);
		_exit(0);
	}
	CHECK_CALL(waitpid(child, NULL, WUNTRACED));
	CHECK_EQ(traced_memory(child, copy, 8 * page, (uintptr_t)at), page);
	CHECK_EQ(traced_stack_memory(child, copy, 8 * page, (uintptr_t)at), 6 * page);
	CHECK(copy[0] == 'a' && copy[3 * page - 1] == 'a' && copy[5 * page] == 'b' && !copy[page] && !copy[4 * page]);
	CHECK_EQ(traced_stack_memory(child, copy, 5 * page, (uintptr_t)at + page - 1), 5 * page);
	CHECK_EQ(traced_stack_memory(child, copy, page, (uintptr_t)at + page), 0);
	CHECK_CALL(kill(child, SIGKILL));
	CHECK_CALL(waitpid(child, NULL, 0));
	free(copy);
	munmap(at, 7 * page);
}

static const struct test tests[] = {
	TEST(as_sendfile_says), TEST(as_splice_says), TEST(flags_of_a_descriptor), TEST(internet_sockets), TEST(unix_sockets),
	TEST(private_mappings), TEST(paths_through_binds), TEST(memory_that_is_not_there), TEST(a_stack_with_untouched_pages),
};
TEST_MAIN(tests)
