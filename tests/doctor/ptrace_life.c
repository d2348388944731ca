/* SPDX-License-Identifier: MIT */
/*
 * The ptrace engine at its edges: nothing stays attached, whatever ends the doctor; who may not be traced is told why, in one
 * sentence; an ordinary user without any capability has it for his own processes; and what it says of files is what the kernel
 * does with them.
 */
#include "bursts.h"

#include "feed_ptrace.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define NOBODY 65534

static void *carry_channel(void *channel)
{
	unsigned i = (unsigned)(uintptr_t)channel;

	carry(sources[i], sinks[i]);
	return NULL;
}

static void carries(void)
{
	pthread_t threads[4];

	for (unsigned i = 1; i < 4; i++)
		MUST(pthread_create(&threads[i], NULL, carry_channel, (void *)(uintptr_t)i) == 0);
	carry_channel(NULL);
	for (unsigned i = 1; i < 4; i++)
		MUST(pthread_join(threads[i], NULL) == 0);
}

/* Threads of it that somebody traces. */
static unsigned traced_threads(pid_t pid)
{
	const struct dirent *entry;
	char path[64];
	unsigned count = 0;
	DIR *tasks;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	CHECK(tasks);
	while ((entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			count += traced_by((pid_t)strtol(entry->d_name, NULL, 10)) > 0;
	closedir(tasks);
	return count;
}

/* ---- However it ends ------------------------------------------------------------------------------------------------------- */

static pid_t run_doctor(pid_t target)
{
	const char *leat = getenv("LEAT");
	char number[16];
	pid_t pid;

	if (!leat)
		test_skip("LEAT does not say where the program is");
	snprintf(number, sizeof number, "%d", (int)target);
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 1);
		execl(leat, "leat", "doctor", "--engine", "ptrace", "-p", number, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void wait_until_traced(pid_t pid)
{
	for (int i = 0; i < 20000 && !traced_threads(pid); i++)
		moment(100000);
	CHECK_SAY(traced_threads(pid) > 0, "nobody traces it, and it is in state %c", state_of(pid));
}

/* In the midst of a burst, at moments that differ. */
static void ended_by(int signal, bool exits)
{
	struct patient p;
	int status;

	checker_ns = 12000000;
	patient_begin(&p, carries, 4, false);
	checker_ns = 1000000;
	patient_go(&p);
	for (int i = 0; i < 8; i++) {
		pid_t doctor = run_doctor(p.pid);

		wait_until_traced(p.pid);
		moment(300000L * i);
		CHECK_CALL(kill(doctor, signal));
		CHECK_CALL(waitpid(doctor, &status, 0));
		CHECK_EQ(traced_threads(p.pid), 0);
		CHECK_EQ(WIFEXITED(status), exits);
		CHECK(!exits || WEXITSTATUS(status) <= 1);
	}
	patient_check(&p);
	patient_end(&p);
}

static void interrupted(void)
{
	ended_by(SIGINT, true);
}

static void terminated(void)
{
	ended_by(SIGTERM, true);
}

static void killed(void)
{
	ended_by(SIGKILL, false);
}

static void closed_at_once(void)
{
	struct patient p;

	patient_begin(&p, carries, 4, false);
	patient_go(&p);
	for (int i = 0; i < 30; i++) {
		patient_watch(&p);
		CHECK(traced_threads(p.pid) > 0);
		p.feed->ops->close(p.feed);
		p.feed = NULL;
		CHECK_EQ(traced_threads(p.pid), 0);
	}
	patient_watch(&p);
	CHECK(patient_poll(&p, 30000));
	patient_check(&p);
	patient_end(&p);
}

/* Signals that come at the very moment the tracer is killed are not lost with it. */
#define SIGNALS 400
static volatile sig_atomic_t arrived;

static void on_signal(int signal)
{
	(void)signal;
	arrived++;
}

static void counts_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	MUST(sigaction(SIGRTMIN, &action, NULL) == 0);
	carry(sources[0], sinks[0]);
	for (int i = 0; i < 5000 && arrived < SIGNALS; i++)
		moment(1000000);
	MUST(arrived == SIGNALS);
}

static void no_signal_dies_with_the_doctor(void)
{
	union sigval value = { 0 };
	struct patient p;
	int status;

	patient_begin(&p, counts_signals, 1, false);
	patient_go(&p);
	moment(30000000);
	for (int i = 0; i < SIGNALS / 20; i++) {
		pid_t doctor = run_doctor(p.pid);

		wait_until_traced(p.pid);
		for (int k = 0; k < 20; k++) {
			CHECK_CALL(sigqueue(p.pid, SIGRTMIN, value));
			if (k == 10)
				CHECK_CALL(kill(doctor, SIGKILL));
			moment(20000);
		}
		CHECK_CALL(waitpid(doctor, &status, 0));
		CHECK_EQ(traced_threads(p.pid), 0);
	}
	patient_check(&p);
	patient_end(&p);
}

/* ---- Who may not be traced ------------------------------------------------------------------------------------------------- */

/* The case in a process of an ordinary user who has no capability at all. */
static void as_nobody(void (*what)(void))
{
	pid_t pid;
	int status;

	if (geteuid())
		test_skip("only root can become an ordinary user");
	fflush(stdout);
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		char directory[] = "/tmp/leat-nobody-XXXXXX";

		MUST(mkdtemp(directory) && chown(directory, NOBODY, NOBODY) == 0 && chdir(directory) == 0);
		MUST(setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0);
		MUST(prctl(PR_SET_DUMPABLE, 1) == 0);	/* the change of user has closed it to all */
		what();
		MUST(rmdir(directory) == 0 || errno == EACCES || errno == EPERM);
		fflush(stdout);
		_exit(0);
	}
	CHECK_CALL(waitpid(pid, &status, 0));
	CHECK_SAY(status == 0, "as nobody it ended with %#x", (unsigned)status);
}

static void own_process(void)
{
	struct patient p;

	patient_run(&p, carries, 4, false);
	CHECK(patient_bytes(&p) > 0);
	CHECK(p.model.files[p.model.flows[0].from].path);
	patient_end(&p);
}

static void without_any_right(void)
{
	as_nobody(own_process);
}

static void refused(pid_t pid, int status, const char *words)
{
	const struct feed_options options = { .target = { .pids = &pid, .pid_count = 1 } };
	struct feed_error error = { 0 };
	struct feed *feed = NULL;
	int result = feed_ptrace.open(&feed, &options, &error);

	if (!result)
		feed->ops->close(feed);
	CHECK(result < 0);
	printf("%d: %s\n", error.status, error.text);
	CHECK_EQ(error.status, status);
	CHECK_SAY(strstr(error.text, words), "it says: %s", error.text);
}

static void others_process(void)
{
	refused(1, 3, "belongs to user 0");
}

static void another_user(void)
{
	as_nobody(others_process);
}

static pid_t sleeper(bool closed)
{
	int ready[2];
	char byte;
	pid_t pid;

	CHECK_CALL(pipe(ready));
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (closed)
			prctl(PR_SET_DUMPABLE, 0);
		MUST(write(ready[1], "", 1) == 1);
		for (;;)
			pause();
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void end_sleeper(pid_t pid)
{
	CHECK_CALL(kill(pid, SIGKILL));
	CHECK_CALL(waitpid(pid, NULL, 0));
}

static void closed_process(void)
{
	pid_t pid = sleeper(true);

	refused(pid, 3, "not dumpable");
	end_sleeper(pid);
}

static void not_dumpable(void)
{
	as_nobody(closed_process);
}

static void traced_by_another(void)
{
	pid_t pid = sleeper(false), tracer;
	int ready[2];
	char byte;

	CHECK_CALL(pipe(ready));
	tracer = CHECK_CALL(fork());
	if (tracer == 0) {
		MUST(ptrace(PTRACE_SEIZE, pid, 0, 0) == 0 && write(ready[1], "", 1) == 1);
		for (;;)
			pause();
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	refused(pid, 3, "traced already");
	end_sleeper(tracer);
	end_sleeper(pid);
	close(ready[0]);
	close(ready[1]);
}

static void not_there(void)
{
	pid_t pid = sleeper(false);

	end_sleeper(pid);
	refused(pid, 4, "no process");
	refused(getpid(), 2, "nobody can trace himself");
}

static void a_zombie(void)
{
	pid_t pid = sleeper(false);
	siginfo_t info;

	CHECK_CALL(kill(pid, SIGKILL));
	CHECK_CALL(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	refused(pid, 4, "no process");
	CHECK_CALL(waitpid(pid, NULL, 0));
}

static void a_thread_of_the_kernel(void)
{
	char name[32] = "";
	int fd = open("/proc/2/comm", O_RDONLY);

	if (fd < 0 || read(fd, name, sizeof name - 1) < 0 || strcmp(name, "kthreadd\n") != 0)
		test_skip("process 2 is not the kernel's here");
	close(fd);
	refused(2, 2, "thread of the kernel");
}

/* Its end is seen though it was not traced when it came. */
static void ends_between_bursts(void)
{
	struct patient p;

	patient_begin(&p, carries, 1, false);
	patient_watch(&p);
	CHECK(!patient_poll(&p, 600));
	CHECK_CALL(kill(p.pid, SIGKILL));
	CHECK(patient_poll(&p, 1500));
	CHECK(p.model.processes[0].exited);
	patient_end(&p);
	end_sleeper(p.checkers[0]);
	waitpid(p.pid, NULL, 0);
}

/* ---- What files are -------------------------------------------------------------------------------------------------------- */

/* What the engine says of a descriptor of this very process. */
static void facts_of(int fd, struct event_file *ret)
{
	struct feed_ptrace feed = { .bursts = 1 };
	struct traced_process process = { .pid = (uint32_t)getpid(), .pidfd = -1 };
	struct traced_thread thread = { .tid = (uint32_t)getpid() };
	const struct traced_file *file;
	struct event_file_key key = { 0 };

	feed.processes = &process;
	feed.process_count = 1;
	table_init(&feed.files, sizeof(struct traced_file), sizeof key, 16);
	CHECK_EQ(traced_file(&feed, &thread, (uint32_t)fd, false, &key.inode, &key.device), 0);
	file = table_find(&feed.files, &key);
	CHECK(file);
	*ret = file->facts;
	traced_files_free(&feed);
}

/* Where it claims to know, sendfile(2) must agree; it may say that it does not. */
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
		can = sendfile(pair[0], fd, NULL, 16) >= 0;
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
	struct feed_ptrace feed = { .bursts = 1 };
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
	CHECK_EQ(strncmp((char *)ret->name + !ret->name[0], (char *)looked_up.name + !looked_up.name[0], EVENT_NAME_BYTES - 1), 0);
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

static const struct test tests[] = {
	TEST(interrupted), TEST(terminated), TEST(killed), TEST(closed_at_once), TEST(no_signal_dies_with_the_doctor),
	TEST(without_any_right), TEST(another_user), TEST(not_dumpable), TEST(traced_by_another), TEST(not_there), TEST(a_zombie),
	TEST(a_thread_of_the_kernel), TEST(ends_between_bursts), TEST(as_sendfile_says), TEST(flags_of_a_descriptor),
	TEST(internet_sockets), TEST(unix_sockets),
};
TEST_MAIN(tests)
