/* SPDX-License-Identifier: MIT */
/*
 * The ptrace engine at its edges: nothing stays attached, whatever ends the doctor; who may not be traced is told why, in one
 * sentence; an ordinary user without any capability has it for his own processes, and loses none of his programs' rights by it.
 */
#include "bursts.h"

#include <dirent.h>
#include <linux/aio_abi.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define NOBODY 65534

static void carries(void)
{
	carry_in_threads(4);
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

	checker_ns = 12000000;		/* it lives longer than thirty looks at it take */
	patient_begin(&p, carries, 4, false);
	checker_ns = 1000000;
	patient_go(&p);
	for (int i = 0; i < 30; i++) {
		patient_watch(&p);
		CHECK(traced_threads(p.pid) > 0);
		p.feed->ops->close(p.feed);
		p.feed = NULL;
		CHECK_EQ(traced_threads(p.pid), 0);
	}
	patient_watch(&p);
	*let_run = 1;
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

#define FEW 64
#define MANY 80

/* As many processes as there are descriptors, and more: what bursts need besides is left to them. */
static void more_processes_than_descriptors(void)
{
	const struct rlimit few = { FEW, FEW };
	pid_t pids[MANY];
	const struct feed_options options = { .target = { .pids = pids, .pid_count = MANY } };
	struct patient p = { .pid = 0 };
	struct feed_error error = { 0 };

	for (unsigned i = 0; i < MANY; i++)
		pids[i] = sleeper(false);
	CHECK_CALL(setrlimit(RLIMIT_NOFILE, &few));
	CHECK_SAY(feed_ptrace.open(&p.feed, &options, &error) == 0, "%s", error.text);
	for (unsigned i = 0; i < 300 && !p.model.coverage.bursts; i++)
		CHECK(!patient_poll(&p, 100));
	CHECK(p.model.coverage.bursts > 0);
	CHECK(p.model.process_count > 0);
	p.feed->ops->close(p.feed);
	model_free(&p.model);
	for (unsigned i = 0; i < MANY; i++)
		end_sleeper(pids[i]);
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

/* ---- Programs with rights of their own -------------------------------------------------------------------------------------- */

static char privileged[] = "/tmp/leat-setuid-XXXXXX/id";

/* Begins the set-user-ID program again and again, as a shell does, and reads what it says. */
static void begins_privileged(void)
{
	for (int i = 0; i < 150; i++) {
		char said[16] = "";
		int out[2], status;
		pid_t pid;

		MUST(pipe(out) == 0);
		pid = fork();
		MUST(pid >= 0);
		if (pid == 0) {
			dup2(out[1], 1);
			execl(privileged, "id", "-u", (char *)NULL);
			_exit(97);
		}
		close(out[1]);
		MUST(read(out[0], said, sizeof said - 1) > 0);
		MUST(waitpid(pid, &status, 0) == pid && status == 0);
		MUST(strcmp(said, "0\n") == 0);
		close(out[0]);
	}
	carry(sources[0], sinks[0]);
}

static void watched_by_nobody(void)
{
	struct patient p;

	patient_begin(&p, begins_privileged, 1, false);
	patient_watch(&p);
	patient_go(&p);
	CHECK(patient_poll(&p, 60000));
	printf("%u processes were seen, in %u bursts\n", p.model.process_count, p.model.coverage.bursts);
	patient_check(&p);
	CHECK(p.model.process_count > 1);
	patient_end(&p);
}

/* What is begun during a burst keeps the rights that its file gives it, also if the tracer has none. */
static void set_user_id_programs(void)
{
	char command[128];

	if (geteuid())
		test_skip("only root can make a set-user-ID program");
	privileged[strlen(privileged) - 3] = 0;
	CHECK(mkdtemp(privileged));
	CHECK_CALL(chmod(privileged, 0755));
	snprintf(command, sizeof command, "cp \"$(command -v id)\" %s/id && chmod 4755 %s/id", privileged, privileged);
	CHECK_EQ(system(command), 0);	/* NOLINT(cert-env33-c) */
	privileged[strlen(privileged)] = '/';
	as_nobody(watched_by_nobody);
	CHECK_CALL(unlink(privileged));
	privileged[strlen(privileged) - 3] = 0;
	CHECK_CALL(rmdir(privileged));
}

static void execs_often(void)
{
	exec_often(300, 0);
}

static void another_program_of_ones_own(void)
{
	struct patient p;

	patient_run_until_seen(&p, exec_by_a_thread, 1);
	CHECK_EQ(p.model.process_count, 1);
	patient_end(&p);
	patient_run(&p, execs_often, 1, false);
	printf("%u processes were seen in %u bursts\n", p.model.process_count, p.model.coverage.bursts);
	CHECK(p.model.process_count > 5);
	patient_end(&p);
}

/* Let go of, and seized anew; its other threads have to end for it. */
static void exec_without_any_right(void)
{
	as_nobody(another_program_of_ones_own);
}

/* ---- What is not seen ------------------------------------------------------------------------------------------------------ */

static void reads_by_aio(void)
{
	static uint8_t buffer[PIECE];
	aio_context_t context = 0;

	MUST(syscall(SYS_io_setup, 1, &context) == 0);
	for (int i = 0; i < 50; i++) {
		struct iocb request = { .aio_fildes = (uint32_t)sources[0], .aio_lio_opcode = IOCB_CMD_PREAD,
					.aio_buf = (uintptr_t)buffer, .aio_nbytes = PIECE };
		struct iocb *requests = &request;
		struct io_event event;

		MUST(syscall(SYS_io_submit, context, 1, &requests) == 1);
		MUST(syscall(SYS_io_getevents, context, 1, 1, &event, NULL) == 1 && event.res == PIECE);
	}
	carry(sources[0], sinks[0]);
}

static void requests_of_aio_are_counted(void)
{
	aio_context_t context = 0;
	struct patient p;

	if (syscall(SYS_io_setup, 1, &context))
		test_skip("this kernel has no AIO");
	syscall(SYS_io_destroy, context);
	patient_run(&p, reads_by_aio, 1, false);
	CHECK_EQ(p.model.coverage.aio_requests, 50);
	patient_end(&p);
}

static const struct test tests[] = {
	TEST(interrupted), TEST(terminated), TEST(killed), TEST(closed_at_once), TEST(no_signal_dies_with_the_doctor),
	TEST(without_any_right), TEST(another_user), TEST(not_dumpable), TEST(traced_by_another),
	TEST(more_processes_than_descriptors), TEST(not_there), TEST(a_zombie),
	TEST(a_thread_of_the_kernel), TEST(ends_between_bursts), TEST(set_user_id_programs), TEST(exec_without_any_right),
	TEST(requests_of_aio_are_counted),
};
TEST_MAIN(tests)
