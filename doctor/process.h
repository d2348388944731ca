/* SPDX-License-Identifier: MIT */
/* What /proc says of a process that is to be watched. */
#ifndef DOCTOR_PROCESS_H
#define DOCTOR_PROCESS_H

#include "model.h"

#include <sys/types.h>

/* The start_ticks of one that could not be looked at before he had ended: nobody's, so that no name of who has his number now is his.
 * Two that began within a tick have the same. */
#define PROCESS_UNSEEN UINT64_MAX

/* Fills *process (texts are owned by the caller from then on), whose number becomes that of the whole process if pid is one of
 * its threads. 0; -ESRCH: there is none, or it has ended and waits for its parent; -ENOEXEC: a thread of the kernel's. */
int process_look(pid_t pid, struct process *process);
/* /proc/PID or, when its first thread has ended, which takes the sight of its memory along, that of another: a descriptor of its own, for
 * maps, exe, root and cmdline. -1: none. */
int process_memory(int proc);
int process_memory_of(pid_t pid);
/* It runs another program: *is becomes what *now says of that, and takes its texts. */
void process_changed(struct process *is, const struct process *now);
/* The number behind a word ("Tgid:") that begins a line of /proc/PID/status; -1: there is none. */
long process_status(pid_t pid, const char *word);
/* The doctor itself, or a child of it: what works for it. */
bool process_is_ours(pid_t pid);
/* The processes whose comm this is, or all (name NULL), but for the kernel's threads and what is ours: how many, at most so many;
 * -errno when /proc cannot be read. */
struct process_line {
	pid_t pid, parent;
	uint64_t start_ticks;
};
int process_list(const char *name, struct process_line *lines, unsigned most);
/* Whether the number still belongs to the one that was looked at. */
bool process_is_same(const struct process *process);

#endif
