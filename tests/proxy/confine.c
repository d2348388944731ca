/* SPDX-License-Identifier: MIT */
/* What a confined process still can, and cannot: each in a child, as there is no way back. */
#include "../../cli/confine.c"

#include "check.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* The exit status of a child that runs this. */
static int in_child(int (*what)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(what(arg));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), r = connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ? errno : 0;

	close(fd);
	return r;
}

static int opens(const char *path, int flags)
{
	int fd = open(path, flags, 0600), r = fd < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

/* ---- Calls ---- */

static int only_some_calls(void *arg)
{
	static const int some[] = { __NR_write, __NR_exit_group, __NR_close };

	if (confine_calls(some, sizeof some / sizeof *some) < 0)
		return 1;
	if (syscall(__NR_getppid) != -1 || errno != EPERM)
		return 2;
	if (open("/", O_RDONLY) != -1 || errno != EPERM)
		return 3;
	return close(STDIN_FILENO) == 0 ? 0 : 4;
}

static void calls(void)
{
	CHECK_EQ(in_child(only_some_calls, NULL), 0);
}

/* ---- Files and ports ---- */

static int no_file(void *arg)
{
	struct confine_reach reach = { 0 };
	int r = confine_reach(&reach);

	if (r < 0)
		return r == -EOPNOTSUPP ? 77 : 1;
	return opens("/etc/passwd", O_RDONLY) == EACCES && opens("/tmp/leat-confine", O_CREAT | O_WRONLY) == EACCES ? 0 : 2;
}

static void files(void)
{
	int status = in_child(no_file, NULL);

	if (status == 77)
		test_skip("there is no Landlock in this kernel");
	CHECK_EQ(status, 0);
}

static int some_files(void *arg)
{
	static const char *const readable[] = { "/etc", "/no/such/path", NULL };
	struct confine_reach reach = { .readable = readable };
	int r = confine_reach(&reach);

	if (r < 0)
		return r == -EOPNOTSUPP ? 77 : 1;
	if (opens("/etc/passwd", O_RDONLY))
		return 2;
	return opens("/etc/passwd", O_WRONLY) == EACCES && opens("/proc/self/status", O_RDONLY) == EACCES ? 0 : 3;
}

static void readable(void)
{
	int status = in_child(some_files, NULL);

	if (status == 77)
		test_skip("there is no Landlock in this kernel");
	CHECK_EQ(status, 0);
}

struct ports { uint16_t allowed, other; };

static int one_port(void *arg)
{
	const struct ports *ports = arg;
	struct confine_reach reach = { .ports = &ports->allowed, .ports_count = 1 };
	struct sockaddr_in any = { .sin_family = AF_INET };
	int r = confine_reach(&reach), fd = socket(AF_INET, SOCK_STREAM, 0);

	if (r < 0)
		return r == -EOPNOTSUPP ? 77 : 1;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 4)
		return 77;
	if (connect_to(ports->allowed))
		return 2;
	if (connect_to(ports->other) != EACCES)
		return 3;
	return bind(fd, (struct sockaddr *)&any, sizeof any) < 0 && errno == EACCES ? 0 : 4;
}

static int listens(uint16_t *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK_CALL(bind(fd, (struct sockaddr *)&at, sizeof at));
	CHECK_CALL(listen(fd, 10));
	CHECK_CALL(getsockname(fd, (struct sockaddr *)&at, &size));
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static void tcp_ports(void)
{
	struct ports listening;
	int fds[] = { listens(&listening.allowed), listens(&listening.other) };
	int status = in_child(one_port, &listening);

	close(fds[0]);
	close(fds[1]);
	if (status == 77)
		test_skip("this kernel's Landlock knows no ports");
	CHECK_EQ(status, 0);
}

static const struct test tests[] = { TEST(calls), TEST(files), TEST(readable), TEST(tcp_ports) };
TEST_MAIN(tests)
