/* SPDX-License-Identifier: MIT */
#include "symbol_child.h"

#include "privilege.h"
#include "symbol_inside.h"
#include "symbol_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/oom.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TAIL_BYTES (512u << 10)		/* of a message to the child: ptrace's stacks have up to 193 KiB */
#define SEND_BYTES (256 << 10)		/* that the socket is to hold of it */
#define CONTROL 3
#define BEGIN_MS 5000
#define END_MS 1000
#define KEEPERS_MOST 4			/* that are begun anew */
#define KEEPER "--keep-symbols"		/* says to a program that it is to be one */

/* ---- The child ------------------------------------------------------------------------------------------------------------- */

struct child {
	int line;
	struct symbol *symbols[WIRE_SLOTS];
	struct wire query;
	uint8_t *tail;
	size_t tail_bytes;
};

static int answer_process(struct child *child)
{
	struct source source = { .pid = child->query.process.pid, .proc = -1, .root = -1, .line = child->line };
	struct symbol **slot = &child->symbols[child->query.slot];
	struct wire answer = { .kind = WIRE_PROCESS };
	const char *texts[WIRE_TEXTS] = { NULL };
	int error = 0;

	if (!wire_texts_fit(&child->query, child->tail_bytes))
		return -EBADMSG;
	source.executable = wire_text(&child->query, (const char *)child->tail, 0, &error);
	symbol_close(*slot);
	*slot = NULL;
	if (error || symbol_open_source(slot, &source))
		return -ENOMEM;
	answer.result = symbol_error(*slot);
	answer.process = (struct wire_process){ .parent = (*slot)->parent, .runtime = (*slot)->runtime,
						.is_32_bit = (*slot)->is_32_bit, .start_ticks = (*slot)->start_ticks };
	texts[0] = (*slot)->name;
	texts[1] = (*slot)->version;
	return wire_send(child->line, &answer, texts, -1);
}

static int send_frame(struct child *child, const struct frame *frame)
{
	const char *const texts[WIRE_TEXTS] = { frame->module, frame->function, frame->file };
	struct wire answer = { .kind = WIRE_FRAME };

	answer.frame = (struct wire_frame){ .ip = frame->ip, .sp = frame->sp, .module_offset = frame->module_offset,
					    .line = frame->line, .inlined = frame->inlined, .owner = frame->owner };
	return wire_send(child->line, &answer, texts, -1);
}

static int answer_stack(struct child *child)
{
	struct feed_stack *stack = &child->query.stack;
	size_t walked = stack->ip_count * sizeof *stack->ips;
	struct wire answer = { .kind = WIRE_DONE };
	struct site site = { 0 };
	int error = 0;

	if (!child->symbols[child->query.slot] || stack->register_count > FEED_REGISTERS || stack->byte_count > child->tail_bytes ||
	    stack->more_count > child->tail_bytes || walked + stack->byte_count + stack->more_count != child->tail_bytes)
		return -EBADMSG;
	stack->ips = (const uint64_t *)(const void *)child->tail;
	stack->bytes = child->tail + walked;
	stack->more = stack->more_count ? child->tail + walked + stack->byte_count : NULL;
	answer.result = symbol_frames(child->symbols[child->query.slot], stack, &site, &answer.done.want);
	explicit_bzero(child->tail, child->tail_bytes);
	for (uint32_t i = 0; i < site.frame_count && !error; i++)
		error = send_frame(child, &site.frames[i]);
	answer.done.truncated = site.truncated;
	answer.done.different_file = site.different_file;
	symbol_drop_frames(&site);
	return error ? error : wire_send(child->line, &answer, NULL, -1);
}

/* Until the doctor hangs up. It has asked for nothing that cannot be: what can, is the end of this child and no more. */
static void serve(int line)
{
	struct child child = { .line = line, .tail = malloc(TAIL_BYTES) };
	int error = child.tail ? 0 : -ENOMEM;

	while (!error) {
		child.tail_bytes = TAIL_BYTES;
		error = wire_receive(line, &child.query, child.tail, &child.tail_bytes, NULL);
		if (!error && child.query.slot >= WIRE_SLOTS)
			error = -EBADMSG;
		if (!error)
			error = child.query.kind == WIRE_PROCESS ? answer_process(&child) :
				child.query.kind == WIRE_STACK ? answer_stack(&child) : -EBADMSG;
	}
}

/* ---- The keeper ------------------------------------------------------------------------------------------------------------ */

/* The doctor's child, not the keeper's own: the engines know by that, that it is not to be watched. */
static pid_t fork_beside(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
}

/* Gives the pid and the doctor's end of the line. */
static pid_t begin_child(void)
{
	struct wire message = { .kind = WIRE_DONE };
	int pair[2], room = SEND_BYTES;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -1;
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	pid = fork_beside();
	if (pid == 0) {
		close(CONTROL);
		close(pair[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);	/* the doctor's end is its own, without a keeper too */
		if (privilege_confine() == 0)
			serve(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	message.process.pid = pid > 0 ? (uint32_t)pid : 0;
	if (wire_send(CONTROL, &message, NULL, pair[0]) && pid > 0)
		kill(pid, SIGKILL);
	close(pair[0]);
	return pid;
}

/* Of what the doctor has open nothing stays but the control line. */
static bool leave_all(int control)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < 3; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			return false;
	return dup2(control, CONTROL) == CONTROL && syscall(SYS_close_range, CONTROL + 1, ~0u, 0) == 0;
}

/* What reads strangers' files is the first to go when memory is short, not what is watched. */
static void be_first_to_go(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;		/* it is as likely as others */
	dprintf(fd, "%d", OOM_SCORE_ADJ_MAX);
	close(fd);
}

/* With nothing open but the control line. */
static _Noreturn void keep(pid_t doctor)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	pid_t child = 0;
	char byte;

	for (unsigned i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);	/* who ends the doctor still gets its report, with names */
	if (privilege_drop_all())
		_exit(1);
	prctl(PR_SET_NAME, "leat-symbols");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == doctor && read(CONTROL, &byte, 1) == 1) {
		if (child > 0)
			kill(child, SIGKILL);
		child = begin_child();
	}
	if (child > 0)
		kill(child, SIGKILL);
	_exit(0);
}

bool symbol_keeper_is_asked_for(int argc, char *const argv[])
{
	return argc == 2 && strcmp(argv[1], KEEPER) == 0;
}

void symbol_keeper_be(void)
{
	keep(getppid());
}

/* ---- In the doctor --------------------------------------------------------------------------------------------------------- */

/* again: by now the doctor knows of others, and a copy of it must not be the keeper. The program's own file is begun instead. */
static int begin_keeper(struct symbol_keeper *keeper, bool again)
{
	pid_t doctor = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	keeper->control = pair[0];
	keeper->pid = fork();
	if (keeper->pid == 0) {
		be_first_to_go();
		if (!leave_all(pair[1]))
			_exit(1);
		if (!again)
			keep(doctor);
		if (privilege_drop_all())
			_exit(1);
		execl("/proc/self/exe", "leat", "doctor", KEEPER, NULL);
		_exit(1);
	}
	close(pair[1]);
	if (keeper->pid > 0)
		return 0;
	close(pair[0]);
	keeper->control = -1;
	return -errno;
}

int symbol_keeper_open(struct symbol_keeper *keeper)
{
	*keeper = (struct symbol_keeper){ .pid = 0 };
	return begin_keeper(keeper, false);
}

static bool reap(pid_t *pid)
{
	if (*pid > 0 && waitpid(*pid, NULL, WNOHANG) != 0)
		*pid = 0;
	return !*pid;
}

/* One that was killed may be long in ending, as where a file system does not answer; then init will wait for it. */
static void wait_for_end(pid_t *pid)
{
	const struct timespec moment = { 0, 1000000 };

	for (int i = 0; i < END_MS && !reap(pid); i++)
		nanosleep(&moment, NULL);
}

static void end_keeper(struct symbol_keeper *keeper)
{
	if (keeper->pid <= 0)
		return;
	close(keeper->control);
	wait_for_end(&keeper->pid);
	keeper->pid = 0;
	keeper->control = -1;
}

/* The line to a new child, or -errno; -EPIPE: there is no keeper. */
static int ask_keeper(struct symbol_keeper *keeper)
{
	struct pollfd answer = { .fd = keeper->control, .events = POLLIN };
	struct wire message;
	size_t none = 0;
	int line = -1, error;

	if (keeper->pid <= 0)
		return -EPIPE;
	if (send(keeper->control, "", 1, MSG_NOSIGNAL) != 1)
		return errno == ECONNRESET ? -EPIPE : -errno;
	while (poll(&answer, 1, BEGIN_MS) < 0)
		if (errno != EINTR)
			return -errno;
	if (!answer.revents)
		return -ETIMEDOUT;
	error = wire_receive(keeper->control, &message, NULL, &none, &line);
	if (error)
		return error;
	reap(&keeper->former);
	keeper->former = keeper->child;
	keeper->child = (pid_t)message.process.pid;
	reap(&keeper->former);
	if (keeper->child && line >= 0)
		return line;
	if (line >= 0)
		close(line);
	return -EAGAIN;
}

int symbol_keeper_begin(struct symbol_keeper *keeper)
{
	int line = ask_keeper(keeper);

	while (line == -EPIPE && keeper->begun_anew < KEEPERS_MOST) {
		keeper->begun_anew++;
		end_keeper(keeper);
		line = begin_keeper(keeper, true);
		if (!line)
			line = ask_keeper(keeper);
	}
	return line;
}

void symbol_keeper_close(struct symbol_keeper *keeper)
{
	end_keeper(keeper);
	wait_for_end(&keeper->former);
	wait_for_end(&keeper->child);
}
