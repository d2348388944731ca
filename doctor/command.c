/* SPDX-License-Identifier: MIT */
/* `leat doctor -- COMMAND`: it waits in a child until the watch has begun. */
#include "command.h"

#include "out.h"

#include "model.h"
#include "privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int command_prepare(struct command *command, char **argv, void (*in_child)(void))
{
	int go[2], failed[2];

	if (pipe2(go, O_CLOEXEC) || pipe2(failed, O_CLOEXEC))
		return -errno;
	command->pid = fork();
	if (command->pid < 0)
		return -errno;
	if (command->pid == 0) {
		char byte;
		int error;

		close(go[1]);
		in_child();
		privilege_keep_from_command();
		if (read(go[0], &byte, 1) == 1) {
			execvp(argv[0], argv);
			error = errno;
			if (write(failed[1], &error, sizeof error) < 0)
				_exit(126);
		}
		_exit(127);
	}
	close(go[0]);
	close(failed[1]);
	command->go = go[1];
	command->failed = failed[0];
	return 0;
}

int command_go(struct command *command)
{
	int error = 0;

	if (write(command->go, "", 1) != 1)
		error = EPIPE;
	else if (read(command->failed, &error, sizeof error) != sizeof error)
		error = 0;
	close(command->go);
	close(command->failed);
	return -error;
}

/* What the kernel has told the end of is not yet to be waited for in that very moment. */
void command_end(const struct command *command, struct model *model, bool over)
{
	const struct timespec moment = { 0, 5000000 };
	pid_t pid = 0;
	int status;

	if (!command->pid)
		return;
	for (int i = 0; i < (over ? 200 : 1) && pid != command->pid; i++) {
		pid = waitpid(command->pid, &status, WNOHANG);
		if (pid != command->pid && over)
			nanosleep(&moment, NULL);
	}
	if (pid != command->pid) {
		out_error("the command goes on, as process %d", (int)command->pid);
		return;
	}
	for (uint32_t i = 0; i < model->process_count; i++)
		if (model->processes[i].pid == (uint32_t)command->pid) {
			model->processes[i].exited = true;
			model->processes[i].exit_status = status;
		}
}
