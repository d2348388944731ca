/* SPDX-License-Identifier: MIT */
/*
 * A burst: all threads of the targets are seized and followed from call to call, for some hundred calls.
 *
 * It runs in a thread of its own, and that thread's end is how it detaches: the kernel lets go of all that a thread has seized
 * when it ends, whatever they are doing, be it asleep, and nobody has to be stopped once more for that. It is the same when
 * the doctor is killed.
 *
 * A stop is looked at without taking it (WNOWAIT): what a thread stopped for, a signal above all, stays with it until it is
 * told to go on. So nothing is lost if we end in between. Signals are passed on, group-stops are kept (PTRACE_LISTEN), and
 * those that a stopped thread forks are followed.
 */
#include "feed_ptrace.h"

#include "call.h"
#include "privilege.h"
#include "process.h"

#include <leat.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALLS_MOST 200		/* that are seen from begin to end: a busy target is held up for some 10 ms by them, once in a second */
#define CALLS_BEFORE 4000	/* besides these, of the first burst before its first transfer: 0.15 s of who only calls */
#define SCAN_EVERY 4		/* the kernel shows the first thread that is stopped: others must have their turn as well */
#define WAIT_FOR (WEXITED | WSTOPPED | __WALL | __WNOTHREAD)
#define SYSCALL_STOP (SIGTRAP | 0x80)
#define ATTACH_MOST_NS 2000000000	/* 500 threads take some 10 ms */
#define EXEC_LOOKS 100		/* at whether an exec is done; one takes about a millisecond */
#define EXEC_LOOK_NS 200000

struct burst {
	struct feed_ptrace *feed;
	unsigned calls, before, turns;
	bool over;
	bool may_follow;	/* through an exec: what is begun so has the rights its file gives it */
};

static bool has_ended(const siginfo_t *info)
{
	return info->si_code == CLD_EXITED || info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED;
}

/* ---- Stops ----------------------------------------------------------------------------------------------------------------- */

/* Of a thread that was met: one that began meanwhile, perhaps in a process that did. */
static struct traced_thread *thread_of(struct feed_ptrace *feed, uint32_t tid)
{
	struct traced_thread *t = table_find(&feed->threads, &tid);
	uint32_t process;
	long group;

	if (t && !t->gone)
		return t;
	group = process_status((pid_t)tid, "Tgid:");
	process = group > 0 ? traced_process_of(feed, (pid_t)group) : MODEL_NONE;
	return process == MODEL_NONE ? NULL : traced_add_thread(feed, tid, process);
}

/* The ends of a process's other threads, for which its exec waits; also of those that have not been met yet. */
static void take_ends(struct feed_ptrace *feed, uint32_t process)
{
	uint32_t pid = feed->processes[process].pid, tids[TRACED_THREADS_MOST];
	unsigned count = traced_list_threads(pid, tids);

	for (unsigned i = 0; i < count; i++) {
		struct traced_thread *t = table_find(&feed->threads, &tids[i]);
		siginfo_t info = { 0 };

		if (tids[i] == pid || waitid(P_PID, tids[i], &info, WAIT_FOR | WNOHANG | WNOWAIT) || !info.si_pid || !has_ended(&info))
			continue;
		waitid(P_PID, tids[i], &info, WEXITED | __WALL | __WNOTHREAD | WNOHANG);
		if (t)
			t->gone = true;
	}
}

static bool is_exec(const struct traced_thread *t)
{
	switch (t->architecture) {
	case AUDIT_ARCH_I386: return t->number == 11 || t->number == 358;
	case AUDIT_ARCH_ARM: return t->number == 11 || t->number == 387;
#ifdef __x86_64__
	case AUDIT_ARCH_X86_64:	/* x32 too */
		return t->number == __NR_execve || t->number == __NR_execveat || t->number == (0x40000000 | 520) ||
		       t->number == (0x40000000 | 545);
#endif
	default: return t->number == __NR_execve || t->number == __NR_execveat;
	}
}

/*
 * A program that is begun while somebody without rights traces it gets none by its set-user-ID bit: sudo would fail. So it is let
 * go of, and seized anew when it runs; the kernel refuses that if it has more rights than we.
 */
static void over_exec(struct burst *b, struct traced_thread *t)
{
	uint32_t tid = t->tid, process = t->process;
	int ignored;

	t->gone = true;
	if (ptrace(PTRACE_DETACH, (pid_t)tid, 0, 0))
		return;
	for (int i = 0; i < EXEC_LOOKS; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = EXEC_LOOK_NS }, NULL);
		take_ends(b->feed, process);
		if (!traced_is_new_program(b->feed, process))
			continue;
		traced_new_program(b->feed, process);
		traced_seize_listed(b->feed, process, &ignored);
		return;
	}
	traced_seize(b->feed, tid, process);	/* it failed, or takes its time */
}

/* What a program does before its first transfer, as loading libraries, or asking in each new thread what kind of file it is,
 * would use the first burst up, and what comes then may be over before the next. */
static bool waits_for_transfer(const struct burst *b)
{
	return b->feed->burst == 1 && !b->feed->charged && b->before < CALLS_BEFORE;
}

/* True: it goes on without us. */
static bool at_call(struct burst *b, struct traced_thread *t)
{
	struct __ptrace_syscall_info info;
	long bytes = ptrace(PTRACE_GET_SYSCALL_INFO, (pid_t)t->tid, sizeof info, &info);

	if (bytes <= 0)
		return false;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		t->in_call = true;
		t->architecture = info.arch;
		t->ip = info.instruction_pointer;
		t->sp = info.stack_pointer;
		t->number = info.entry.nr;
		for (int i = 0; i < 6; i++)
			t->arguments[i] = info.entry.args[i];
		if (!b->may_follow && is_exec(t)) {
			over_exec(b, t);
			return true;
		}
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && t->in_call) {
		t->in_call = false;
		traced_call(b->feed, t, info.exit.rval);
		if (waits_for_transfer(b))
			b->before++;
		else
			b->calls++;
	}
	return false;
}

/* All other threads of it are gone, and the one that did it has the number of the first now. */
static void at_exec(struct feed_ptrace *feed, uint32_t tid)
{
	struct traced_thread *t, *own = thread_of(feed, tid);
	uint32_t at = 0;

	if (!own)
		return;
	while ((t = table_next(&feed->threads, &at)))
		if (t->process == own->process && t != own)
			t->gone = true;
	own->in_call = false;	/* execve's own end is still to come, and is of no interest */
	traced_new_program(feed, own->process);
}

static bool is_group_stop(int signal)
{
	return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

static void at_stop(struct burst *b, pid_t tid, int status)
{
	struct traced_thread *t = thread_of(b->feed, (uint32_t)tid);
	int event = status >> 8, signal = status & 0xff;

	if (t && b->feed->processes[t->process].exited) {
		t->gone = true;
		ptrace(PTRACE_DETACH, tid, 0, event || signal == SYSCALL_STOP ? 0 : signal);
		return;
	}
	if (event == PTRACE_EVENT_STOP && is_group_stop(signal)) {
		ptrace(PTRACE_LISTEN, tid, 0, 0);
		return;
	}
	if (t && status == SYSCALL_STOP && at_call(b, t))
		return;
	if (event == PTRACE_EVENT_EXEC)
		at_exec(b->feed, (uint32_t)tid);
	/* Without room for it, it is not followed. */
	ptrace(t ? PTRACE_SYSCALL : PTRACE_CONT, tid, 0, event || signal == SYSCALL_STOP ? 0 : signal);
}

/* The end of a thread is taken, or one that runs another program would wait for that. The end of a process we began ourselves is
 * for who began it, and would be shown again and again: with it the burst is over. */
static void at_end(struct burst *b, const siginfo_t *info)
{
	struct feed_ptrace *feed = b->feed;
	uint32_t tid = (uint32_t)info->si_pid;
	struct traced_thread *t = table_find(&feed->threads, &tid);
	const struct traced_process *p = t ? &feed->processes[t->process] : NULL;
	int status = info->si_code == CLD_EXITED ? info->si_status << 8 :
						   info->si_status | (info->si_code == CLD_DUMPED ? 0x80 : 0);
	siginfo_t taken;

	if (p && p->pid == tid && p->process.parent == (uint32_t)getpid())
		b->over = true;
	else
		waitid(P_PID, (id_t)info->si_pid, &taken, WEXITED | __WALL | __WNOTHREAD | WNOHANG);
	if (!t || !p)
		return;
	t->gone = true;
	if (p->pid == tid)
		traced_process_ended(feed, t->process, status);
}

static void at_any(struct burst *b, const siginfo_t *info)
{
	if (has_ended(info))
		at_end(b, info);
	else
		at_stop(b, info->si_pid, info->si_status);
}

/* ---- The thread ------------------------------------------------------------------------------------------------------------ */

static void scan(struct burst *b)
{
	struct table *threads = &b->feed->threads;
	uint32_t tids[TRACED_THREADS_MOST], count = 0, at = 0;
	const struct traced_thread *t;

	while (count < TRACED_THREADS_MOST && (t = table_next(threads, &at)))
		if (!t->gone)
			tids[count++] = t->tid;
	for (uint32_t i = 0; i < count && !b->over; i++) {
		siginfo_t info = { 0 };

		if (waitid(P_PID, tids[i], &info, WAIT_FOR | WNOHANG | WNOWAIT) == 0 && info.si_pid)
			at_any(b, &info);
	}
}

/* Only here can the burst be cut short: by the end of the time it has, or of the watch. */
static int wait_for_any(siginfo_t *info)
{
	int result;

	memset(info, 0, sizeof *info);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	result = waitid(P_ALL, 0, info, WAIT_FOR | WNOWAIT);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	return result ? -errno : 0;
}

static void *run_burst(void *context)
{
	struct feed_ptrace *feed = context;
	struct burst burst = { .feed = feed, .may_follow = privilege_has(CAP_SYS_PTRACE) };

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	feed->tid = (int)syscall(SYS_gettid);
	traced_attach_all(feed);
	sem_post(&feed->attached);
	while (!burst.over && burst.calls < CALLS_MOST) {
		siginfo_t info;
		int result = wait_for_any(&info);

		if (result && result != -EINTR)
			break;	/* nobody is left */
		if (!result && info.si_pid)
			at_any(&burst, &info);
		if (++burst.turns % SCAN_EVERY == 0)
			scan(&burst);
	}
	feed->used_up = burst.calls >= CALLS_MOST;
	return NULL;
}

static struct timespec time_of(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };
}

/* pthread_join returns a moment before the kernel has let go of what the thread had seized. */
static void until_gone(int tid)
{
	const struct timespec moment = { 0, 20000 };

	for (int i = 0; i < 100000 && syscall(SYS_tgkill, getpid(), tid, 0) == 0; i++)
		nanosleep(&moment, NULL);
}

static void ended(struct feed_ptrace *feed)
{
	feed->running = false;
	pthread_sigmask(SIG_SETMASK, &feed->signals_before, NULL);
	feed->bursts_seen += feed->charged != feed->charged_before;
}

static void end_thread(struct feed_ptrace *feed)
{
	pthread_cancel(feed->thread);
	pthread_join(feed->thread, NULL);
	until_gone(feed->tid);
}

/* In a moment; or it waits for what waits for it. Then there is no burst, this time. */
static void wait_attached(struct feed_ptrace *feed)
{
	struct timespec most = time_of(leat_now_ns() + ATTACH_MOST_NS);

	while (sem_clockwait(&feed->attached, CLOCK_MONOTONIC, &most)) {
		if (errno == EINTR)
			continue;
		end_thread(feed);
		while (sem_trywait(&feed->attached) == 0)
			;
		ended(feed);
		return;
	}
}

int traced_burst_begin(struct feed_ptrace *feed)
{
	sigset_t all, before, stops;
	int result;

	table_clear(&feed->threads);
	traced_calls_forget(feed);
	feed->burst++;
	feed->charged_before = feed->charged;
	feed->used_up = false;
	feed->burst_begin_ns = leat_now_ns();
	/* Signals are for who has begun this. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&feed->thread, NULL, run_burst, feed);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result)
		return -result;
	/* Whoever is stopped for us must not stay so because we are stopped by Ctrl-Z. */
	sigemptyset(&stops);
	sigaddset(&stops, SIGTSTP);
	sigaddset(&stops, SIGTTIN);
	sigaddset(&stops, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &stops, &feed->signals_before);
	feed->running = true;
	wait_attached(feed);
	feed->bursts += feed->taken > 0;
	return 0;
}

#define LOOK_EVERY_NS 5000000	/* for a stop that was asked for */

bool traced_is_to_stop(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGTSTP) || sigismember(&pending, SIGTTIN) || sigismember(&pending, SIGTTOU));
}

bool traced_burst_wait(struct feed_ptrace *feed, uint64_t until_ns)
{
	int result = ETIMEDOUT;

	while (result == ETIMEDOUT) {
		uint64_t now = leat_now_ns();
		struct timespec at = time_of(now + LOOK_EVERY_NS < until_ns ? now + LOOK_EVERY_NS : until_ns);

		if (now >= until_ns || traced_is_to_stop() || (feed->options.stop && *feed->options.stop))
			return false;
		result = pthread_clockjoin_np(feed->thread, NULL, CLOCK_MONOTONIC, &at);
	}
	until_gone(feed->tid);
	ended(feed);
	return true;
}

void traced_burst_end(struct feed_ptrace *feed)
{
	if (!feed->running)
		return;
	end_thread(feed);
	ended(feed);
}
