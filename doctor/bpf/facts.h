/* SPDX-License-Identifier: MIT */
/* What a file is: looked at when it is met, as a source and as a sink, not at every call. */
#ifndef DOCTOR_BPF_FACTS_H
#define DOCTOR_BPF_FACTS_H

#include "state.h"

#define MODE_TYPE 0170000
#define MODE_REGULAR 0100000
#define MODE_SOCKET 0140000
#define MODE_PIPE 0010000
#define MODE_CHARACTER 0020000
#define MODE_BLOCK 0060000
#define MAGIC_PROC 0x9fa0
#define MAGIC_SYSFS 0x62656572
#define FLAG_APPEND 02000
#define FLAG_NONBLOCK 04000
#if defined(__TARGET_ARCH_arm64)
#define FLAG_DIRECT 0200000
#else
#define FLAG_DIRECT 040000
#endif
#define FAMILY_UNIX 1
#define FAMILY_IP4 2
#define FAMILY_IP6 10
#define SOCKET_STREAM 1
#define PROTOCOL_TCP 6
#define DEVICE_MAJOR(device) ((device) >> 20)

static __always_inline void take_name(struct event_file *file, struct sock *sk)
{
	struct unix_sock *un = (struct unix_sock *)sk;
	struct unix_address *address = BPF_CORE_READ(un, addr);
	int bytes;

	if (!address) {	/* one that was accepted has its listener's; of a client's, see the peer's */
		un = (struct unix_sock *)BPF_CORE_READ(un, peer);
		address = un ? BPF_CORE_READ(un, addr) : NULL;
		if (!address)
			return;
	}
	bytes = BPF_CORE_READ(address, len) - (int)sizeof(unsigned short);
	if (bytes <= 0)
		return;
	if (bytes > EVENT_NAME_BYTES)
		bytes = EVENT_NAME_BYTES;
	bpf_probe_read_kernel(file->name, EVENT_NAME_BYTES, (char *)address + bpf_core_field_offset(struct unix_address, name) +
			      bpf_core_field_offset(struct sockaddr_un, sun_path));
	file->name_bytes = bytes;
}

static __always_inline void take_addresses(struct event_file *file, struct sock *sk, uint16_t family)
{
	file->local.family = file->peer.family = family;
	file->local.port = BPF_CORE_READ(sk, __sk_common.skc_num);
	file->peer.port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (family == FAMILY_IP4) {
		BPF_CORE_READ_INTO((uint32_t *)file->local.ip, sk, __sk_common.skc_rcv_saddr);
		BPF_CORE_READ_INTO((uint32_t *)file->peer.ip, sk, __sk_common.skc_daddr);
	} else {
		BPF_CORE_READ_INTO(&file->local.ip, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
		BPF_CORE_READ_INTO(&file->peer.ip, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	}
}

static __always_inline void socket_facts(struct event_file *file, struct socket *socket)
{
	struct sock *sk = BPF_CORE_READ(socket, sk);
	uint16_t family, protocol;
	const struct tcp_ulp_ops *ulp;
	char name[4] = {};

	file->kind = FILE_STREAM_SOCKET;
	if (BPF_CORE_READ(socket, type) != SOCKET_STREAM)
		file->kind = FILE_DATAGRAM;
	if (!sk)
		return;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family == FAMILY_UNIX) {
		if (file->kind != FILE_DATAGRAM)
			file->kind = FILE_UNIX_STREAM;
		file->local.family = file->peer.family = family;
		take_name(file, sk);
		return;
	}
	if (family != FAMILY_IP4 && family != FAMILY_IP6)
		return;
	take_addresses(file, sk, family);
	protocol = BPF_CORE_READ(sk, sk_protocol);
	if (file->kind == FILE_DATAGRAM || protocol != PROTOCOL_TCP)
		return;
	file->kind = FILE_TCP;
	ulp = BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_ulp_ops);
	if (ulp && !BPF_CORE_READ_INTO(&name, ulp, name) && name[0] == 't' && name[1] == 'l' && name[2] == 's' && !name[3])
		file->facts |= EVENT_TLS;
}

static __always_inline uint32_t kind_of(uint32_t mode, struct inode *inode, uint32_t device)
{
	unsigned long magic;

	switch (mode & MODE_TYPE) {
	case MODE_REGULAR:
		magic = BPF_CORE_READ(inode, i_sb, s_magic);
		return magic == MAGIC_PROC || magic == MAGIC_SYSFS ? FILE_GENERATED : FILE_REGULAR;
	case MODE_PIPE:
		return FILE_PIPE;
	case MODE_BLOCK:
		return FILE_BLOCK;
	case MODE_CHARACTER: {
		/* 4 and 5: consoles and serial lines; 136 to 143: pseudo-terminals */
		uint32_t major = DEVICE_MAJOR(device);

		return major == 4 || major == 5 || (major >= 136 && major <= 143) ? FILE_TERMINAL : FILE_DEVICE;
	}
	case 0:
		return FILE_ANONYMOUS;
	}
	return FILE_UNKNOWN;
}

/* ---- Its path -------------------------------------------------------------------------------------------------------------- */

struct walk {
	struct event_path *path;
	uint64_t dentry, mnt;	/* struct dentry *, struct vfsmount * */
	uint64_t root_dentry, root_mnt;
};

static long walk_up(uint32_t i, void *context)
{
	struct walk *walk = context;
	struct event_path *path = walk->path;
	struct dentry *dentry = (struct dentry *)walk->dentry, *parent;
	struct vfsmount *mnt = (struct vfsmount *)walk->mnt;
	uint32_t used = path->bytes;
	long bytes;

	if (walk->dentry == walk->root_dentry && walk->mnt == walk->root_mnt)
		return 1;
	parent = BPF_CORE_READ(dentry, d_parent);
	if (dentry == BPF_CORE_READ(mnt, mnt_root)) {
		struct mount *mount = (struct mount *)((char *)mnt - bpf_core_field_offset(struct mount, mnt));
		struct mount *above = BPF_CORE_READ(mount, mnt_parent);

		if (above == mount || !above)
			return 1;
		walk->dentry = (uint64_t)BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mnt = (uint64_t)above + bpf_core_field_offset(struct mount, mnt);
		return 0;
	}
	if (used > EVENT_PATH_BYTES - EVENT_NAME_MOST) {
		path->cut = 1;
		return 1;
	}
	bytes = bpf_probe_read_kernel_str(&path->names[used], EVENT_NAME_MOST, BPF_CORE_READ(dentry, d_name.name));
	if (bytes <= 0 || bytes > EVENT_NAME_MOST)
		bytes = 0;
	path->bytes = used + bytes;
	path->rootless = parent == dentry;
	walk->dentry = (uint64_t)parent;
	return parent == dentry || !bytes;
}

static __always_inline void take_path(struct scratch *s, uint64_t file)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct walk walk = {};

	walk.path = &s->path;
	s->path.bytes = s->path.cut = s->path.rootless = 0;
	walk.dentry = (uint64_t)BPF_CORE_READ((struct file *)file, f_path.dentry);
	walk.mnt = (uint64_t)BPF_CORE_READ((struct file *)file, f_path.mnt);
	walk.root_dentry = (uint64_t)BPF_CORE_READ(task, fs, root.dentry);
	walk.root_mnt = (uint64_t)BPF_CORE_READ(task, fs, root.mnt);
	bpf_loop(256, walk_up, &walk, 0);
	bpf_map_update_elem(&paths, &s->file_key, &s->path, BPF_ANY);
}

/* ---- All of it ------------------------------------------------------------------------------------------------------------- */

/* Linux 6.1 takes no memory that a function was passed for a map's key or value: the scratch is looked up again. */
BOTH int take_facts(uint64_t address, uint32_t sink)
{
	struct scratch *s = scratch_of_this_cpu();
	struct file *from = (struct file *)address;
	struct inode *inode = BPF_CORE_READ(from, f_inode);
	const struct file_operations *f_op = BPF_CORE_READ(from, f_op);
	uint32_t flags = BPF_CORE_READ(from, f_flags), mode = BPF_CORE_READ(inode, i_mode);
	struct event_file *file, *before;

	if (!s)
		return 0;
	file = &s->file;
	__builtin_memset(file, 0, sizeof *file);
	s->file_key.inode = BPF_CORE_READ(inode, i_ino);
	s->file_key.device = BPF_CORE_READ(inode, i_sb, s_dev);
	s->file_key.sink = sink;
	before = bpf_map_lookup_elem(&files, &s->file_key);
	file->unpaired = before ? before->unpaired : 0;
	if (f_op && BPF_CORE_READ(f_op, splice_read))
		file->facts |= EVENT_CAN_SPLICE_FROM;
	if (f_op && BPF_CORE_READ(f_op, splice_write))
		file->facts |= EVENT_CAN_SPLICE_TO;
	file->facts |= (flags & FLAG_APPEND ? EVENT_APPEND : 0) | (flags & FLAG_DIRECT ? EVENT_DIRECT : 0) |
		       (flags & FLAG_NONBLOCK ? EVENT_NONBLOCKING : 0);
	if ((mode & MODE_TYPE) == MODE_SOCKET) {
		socket_facts(file, BPF_CORE_READ(from, private_data));
	} else {
		file->kind = kind_of(mode, inode, BPF_CORE_READ(inode, i_rdev));
		if (file->kind == FILE_PIPE)
			file->facts |= EVENT_CAN_SPLICE_FROM | EVENT_CAN_SPLICE_TO;
		if (!BPF_CORE_READ(inode, i_nlink))
			file->facts |= EVENT_DELETED;
		take_path(s, address);
	}
	bpf_map_update_elem(&files, &s->file_key, file, BPF_ANY);
	return 0;
}

/* Remembers whose facts were taken, by names of 64 bits, which two files hardly ever share: who is not told apart would
 * stay without any. Which set has no room forgets the eldest, whose facts are taken once more. */
static __always_inline void know_file(uint64_t file, uint64_t inode, uint32_t device, uint32_t sink)
{
	uint64_t name = pairing_mix(inode, (uint64_t)device << 1 | sink);
	uint64_t *known = files_known[name & (FILES_KNOWN - 1)];

	if (known[0] == name || known[1] == name || known[2] == name || known[3] == name)
		return;
	take_facts(file, sink);		/* before it is known: another processor may have a flow of it at once */
	known[3] = known[2];
	known[2] = known[1];
	known[1] = known[0];
	known[0] = name;
}

#endif
