/* SPDX-License-Identifier: MIT */
/*
 * The few structs of the kernel that are read, with the members that are. Where they really stand the loader finds out from
 * the running kernel (CO-RE), so the build needs nothing of a kernel. Linux 5.17 or later.
 */
#ifndef DOCTOR_BPF_KERNEL_H
#define DOCTOR_BPF_KERNEL_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define KERNEL __attribute__((preserve_access_index))

struct sock;

struct timespec64 {
	long long tv_sec;
	long tv_nsec;
} KERNEL;

struct qstr {
	const unsigned char *name;
} KERNEL;

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
} KERNEL;

struct vfsmount {
	struct dentry *mnt_root;
} KERNEL;

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} KERNEL;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} KERNEL;

struct super_block {
	__u32 s_dev;
	unsigned long s_magic;
} KERNEL;

struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_nlink;
	__u32 i_rdev;
} KERNEL;

struct file_operations {
	void *splice_read, *splice_write;
} KERNEL;

struct file {
	const struct file_operations *f_op;
	void *private_data;
	struct inode *f_inode;
	unsigned int f_flags;
	struct path f_path;
} KERNEL;

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
} KERNEL;

struct files_struct {
	struct fdtable *fdt;
} KERNEL;

struct fs_struct {
	struct path root;
} KERNEL;

struct mm_struct {
	struct file *exe_file;
	unsigned long start_code, end_code;
} KERNEL;

struct vm_area_struct {
	unsigned long vm_end, vm_flags;
	struct file *vm_file;
	struct anon_vma *anon_vma;
} KERNEL;

struct ns_common {
	unsigned int inum;
} KERNEL;

struct timens_offsets {
	struct timespec64 boottime;
} KERNEL;

struct time_namespace {
	struct timens_offsets offsets;
} KERNEL;

struct nsproxy {
	struct time_namespace *time_ns;
} KERNEL;

struct pid_namespace {
	struct ns_common ns;
	unsigned int level;
} KERNEL;

struct upid {
	int nr;
	struct pid_namespace *ns;
} KERNEL;

struct pid {
	unsigned int level;
	struct upid numbers[1];
} KERNEL;

typedef struct { int counter; } atomic_t;

struct signal_struct {
	atomic_t live;
	int group_exit_code;
} KERNEL;

struct thread_info {
	__u32 status;
} KERNEL;

struct task_struct {
	struct thread_info thread_info;
	int pid, tgid;
	int exit_code;
	__u32 self_exec_id;
	__u64 start_boottime;
	struct task_struct *group_leader, *real_parent;
	struct pid *thread_pid;
	struct nsproxy *nsproxy;
	struct fs_struct *fs;
	struct files_struct *files;
	struct signal_struct *signal;
	struct mm_struct *mm;
} KERNEL;

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} KERNEL;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} KERNEL;

/* ---- Sockets --------------------------------------------------------------------------------------------------------------- */

struct in6_addr {
	union { __u8 u6_addr8[16]; } in6_u;
} KERNEL;

struct sock_common {
	__u32 skc_daddr, skc_rcv_saddr;
	__u16 skc_dport, skc_num;
	unsigned short skc_family;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
} KERNEL;

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
} KERNEL;

struct socket {
	short type;
	struct sock *sk;
} KERNEL;

struct tcp_ulp_ops {
	char name[16];
} KERNEL;

struct inet_connection_sock {
	const struct tcp_ulp_ops *icsk_ulp_ops;
} KERNEL;

struct sockaddr_un {
	unsigned short sun_family;
	char sun_path[108];
} KERNEL;

struct unix_address {
	int len;
	struct sockaddr_un name[0];
} KERNEL;

struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
} KERNEL;

/* ---- io_uring -------------------------------------------------------------------------------------------------------------- */

struct io_cqe {
	__s32 res;
	int fd;
} KERNEL;

struct io_kiocb {
	struct file *file;
	__u8 opcode;
	__u64 flags;
	struct io_cqe cqe;
} KERNEL;

struct io_uring_cqe {
	__s32 res;
	__u32 flags;
} KERNEL;

struct io_rw {
	__u64 addr;
	__u32 len;
} KERNEL;

struct io_sr_msg {
	void *buf;
	int len;
	__u16 flags;
} KERNEL;

/* ---- Registers ------------------------------------------------------------------------------------------------------------- */

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, sp;
} KERNEL;
#define REGISTERS 17
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	unsigned long long regs[31], sp, pc, orig_x0;
	__s32 syscallno;
} KERNEL;
#define REGISTERS 33
#else
#error "the calls of this processor are not known here"
#endif

/* ---- Reading it ------------------------------------------------------------------------------------------------------------ */

extern void *bpf_rdonly_cast(const void *address, __u32 type) __ksym __weak;

const volatile __u32 can_cast;	/* set before loading: the kernel has bpf_rdonly_cast (Linux 6.2) */

/*
 * Eight bytes of the kernel's; 0 where there is nothing. What is cast is read by a plain load, without the call of a helper,
 * which takes as long as an empty program does, on processors whose returns are guarded (36 ns here).
 */
static __always_inline __u64 word_at(const void *address)
{
	__u64 word = 0;

	if (can_cast)
		return ((struct timespec64 *)bpf_rdonly_cast(address, bpf_core_type_id_kernel(struct timespec64)))->tv_sec;
	bpf_probe_read_kernel(&word, sizeof word, address);
	return word;
}

#define WORD_OF(pointer, type, member) word_at((const char *)(pointer) + bpf_core_field_offset(type, member))

#endif
