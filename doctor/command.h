/* SPDX-License-Identifier: MIT */
/* A command that is watched from its first call on. */
#ifndef DOCTOR_COMMAND_H
#define DOCTOR_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

struct model;

struct command {
	pid_t pid;		/* 0: none */
	int go, failed;		/* it waits to be let go; says errno if it could not be run */
};

/* A child that will run argv, and has called in_child. 0, or -errno of pipe2 or fork. It ends by itself if it is never let go. */
int command_prepare(struct command *command, char **argv, void (*in_child)(void));

/* 0, or -errno of the exec. */
int command_go(struct command *command);

/* The command's status, which is not ours, goes into the model. over: the watch has ended because nobody was left. */
void command_end(const struct command *command, struct model *model, bool over);

#endif
