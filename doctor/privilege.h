/* SPDX-License-Identifier: MIT */
/* What the doctor may do, and what of that it needs no longer once it watches: from then on it meets strangers' files. */
#ifndef DOCTOR_PRIVILEGE_H
#define DOCTOR_PRIVILEGE_H

#include <stdbool.h>

/* Gives up all capabilities but CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, which looking into a process takes, and CAP_BPF where the
 * kernel wants it for reading maps (before Linux 5.19). What one does not have is not given up either. 0 or -errno. */
int privilege_drop(void);
/* In a child that is to become a stranger's program: what the doctor was given is not handed on with it. It would not be let
 * look into a program that may do what it itself may no longer. */
void privilege_keep_from_command(void);
bool privilege_has(unsigned capability);	/* CAP_... of linux/capability.h, effective */

/* privilege_confine.c. For children that have no need of any. Who may becomes nobody (65534) by the first; no capability is
 * left, none comes back, and no other process may look inside. 0 or -errno. */
int privilege_drop_all(void);
/* From then on: memory, what is open, and no call that opens, makes or reaches anything else (EPERM). 0 or -errno. */
int privilege_confine(void);

#endif
