/* SPDX-License-Identifier: MIT */
/* Sets the kernel side up: what it is told before it is loaded, who is watched from the start, and why it cannot be had. */
#include "feed_bpf.h"

#include "cmd.h"
#include "privilege.h"
#include "process.h"

#include "doctor.skel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SAMPLED_1_IN 16

/* ---- Why not --------------------------------------------------------------------------------------------------------------- */

static bool is_confidential(void)
{
	char text[64] = "";
	int fd = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, text, sizeof text - 1) < 0)
			text[0] = 0;
		close(fd);
	}
	return strstr(text, "[confidentiality]") != NULL;
}

static int say_why(struct feed_error *error, int result)
{
	bool admin = privilege_has(CAP_SYS_ADMIN), bpf = admin || privilege_has(CAP_BPF), perfmon = admin || privilege_has(CAP_PERFMON);
	struct utsname system;
	const char *instead = "`--engine ptrace` needs no rights for processes of one's own";

	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return feed_fail(error, EXIT_RIGHTS, result, "this kernel does not describe its types (/sys/kernel/btf/vmlinux: %s); %s",
				 strerror(errno), instead);
	if ((result == -EPERM || result == -EACCES) && (!bpf || !perfmon))
		return feed_fail(error, EXIT_RIGHTS, result, "%s%s%s missing; as root it works, and %s", bpf ? "" : "CAP_BPF",
				 bpf || perfmon ? "" : " and ", perfmon ? " is" : bpf ? "CAP_PERFMON is" : "CAP_PERFMON are", instead);
	if (is_confidential())	/* -EPERM, or -EINVAL: no helper that reads memory is known then */
		return feed_fail(error, EXIT_RIGHTS, result, "the kernel is locked down to \"confidentiality\", which forbids BPF to read "
				 "memory; %s", instead);
	if (result == -EPERM || result == -EACCES)
		return feed_fail(error, EXIT_RIGHTS, result, "the kernel refuses to load the BPF program (%s): a container, or the sysctl "
				 "kernel.unprivileged_bpf_disabled; %s", strerror(-result), instead);
	if (result == -ENOMEM)
		return feed_fail(error, EXIT_BROKEN, result, "there is no memory for the BPF maps (%s)", strerror(-result));
	if (result == -EMFILE || result == -ENFILE)
		return feed_fail(error, EXIT_BROKEN, result, "there are no descriptors left for the BPF maps and programs (%s): see "
				 "`ulimit -n`", strerror(-result));
	uname(&system);
	return feed_fail(error, EXIT_RIGHTS, result, "Linux %s does not take the BPF program (%s), which is for 5.17 and later; %s",
			 system.release, strerror(-result), instead);
}

/* ---- What it is told ------------------------------------------------------------------------------------------------------- */

/* How deep a directory lies below the mount, or -1: it does not. By the real path, where . and .. are no levels. */
static int level_below_mount(int directory)
{
	static const char *const tops[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	char link[64], path[PATH_MAX];
	struct statfs fs;
	int level = 0;

	snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
	if (!realpath(link, path))
		return -1;
	for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
		size_t length = strlen(tops[i]);

		if (strncmp(path, tops[i], length) != 0 || (path[length] && path[length] != '/') || statfs(tops[i], &fs) ||
		    fs.f_type != CGROUP2_SUPER_MAGIC)
			continue;
		for (const char *at = path + length; *at; at++)
			level += *at == '/';
		return level;
	}
	return -1;
}

/* The number by which BPF knows a cgroup is its directory's inode; its level, how deep it lies below the mount. */
static int find_cgroup(struct feed_bpf *feed, struct feed_error *error)
{
	struct doctor_bpf__rodata *set = feed->skeleton->rodata;
	const char *name = feed->options.target.cgroup;
	int directory = feed_open_cgroup(name, error), level;
	struct statfs fs;
	struct stat st;

	if (directory < 0)
		return directory;
	level = fstatfs(directory, &fs) || fstat(directory, &st) || fs.f_type != CGROUP2_SUPER_MAGIC ? -1 : level_below_mount(directory);
	close(directory);
	if (level < 0)
		return feed_fail(error, EXIT_USAGE, -EINVAL, "%.300s is no cgroup of version 2", name);
	set->watch_cgroup = st.st_ino;
	set->watch_cgroup_level = (uint32_t)level;
	return 0;
}

static int tell(struct feed_bpf *feed, struct feed_error *error)
{
	const struct feed_options *options = &feed->options;
	struct doctor_bpf__rodata *set = feed->skeleton->rodata;
	uint64_t secret;

	if (getrandom(&secret, sizeof secret, 0) != sizeof secret)
		return feed_fail(error, EXIT_BROKEN, -errno, "there are no random numbers: %s", strerror(errno));
	set->secret = secret;
	set->sampled_mask = options->full ? 0 : SAMPLED_1_IN - 1;
	set->watch_all = options->target.all;
	set->want_stacks = options->take_stack != NULL;
	if (options->target.name)
		snprintf((char *)set->watch_name, sizeof set->watch_name, "%s", options->target.name);
	if (options->most_flows)
		bpf_map__set_max_entries(feed->skeleton->maps.flows, options->most_flows);
	set->exact_flows = bpf_map__max_entries(feed->skeleton->maps.flows) / 4 * 3;
	return options->target.cgroup ? find_cgroup(feed, error) : 0;
}

/* ---- Who is watched from the start ----------------------------------------------------------------------------------------- */

struct numbers {
	struct event_number *all;
	size_t count;
};

/* Lets the kernel side find out who we are, and takes how it numbers the processes. */
static int read_numbers(struct feed_bpf *feed, struct numbers *numbers)
{
	int link, fd = -1;
	ssize_t bytes = 0;
	size_t room = 0, have = 0;

	link = bpf_link_create(bpf_program__fd(feed->skeleton->progs.doctor_tasks), 0, BPF_TRACE_ITER, NULL);
	if (link < 0)
		return -errno;
	fd = bpf_iter_create(link);
	if (fd < 0)
		bytes = -errno;
	while (fd >= 0) {
		if (have + 4096 > room) {
			struct event_number *bigger = realloc(numbers->all, room = room ? room * 2 : 65536);

			if (!bigger) {
				bytes = -ENOMEM;
				break;
			}
			numbers->all = bigger;
		}
		bytes = read(fd, (char *)numbers->all + have, room - have);
		if (bytes <= 0) {
			bytes = bytes < 0 ? -errno : 0;
			break;
		}
		have += (size_t)bytes;
	}
	numbers->count = have / sizeof *numbers->all;
	if (fd >= 0)
		close(fd);
	close(link);
	return (int)bytes;
}

static uint32_t tgid_of(const struct numbers *numbers, uint32_t pid)
{
	for (size_t i = 0; i < numbers->count; i++)
		if (numbers->all[i].pid == pid)
			return numbers->all[i].tgid;
	return 0;
}

static int watch_one(struct feed_bpf *feed, const struct numbers *numbers, pid_t pid, struct feed_error *error)
{
	struct process process;
	int result = feed_look(pid, &process, error);
	uint32_t tgid;

	if (result)
		return result;
	tgid = tgid_of(numbers, process.pid);
	if (!tgid) {	/* it came since they were read */
		model_free_texts(&process);
		return feed_fail(error, EXIT_GONE, -ESRCH, "there is no process %d", (int)pid);
	}
	result = feed_bpf_watch(feed, tgid, &process);
	return result == -ESRCH ? feed_fail(error, EXIT_GONE, result, "process %d has just ended", (int)pid) : result;
}

static int watch_pids(struct feed_bpf *feed, struct feed_error *error)
{
	const struct feed_target *target = &feed->options.target;
	struct numbers numbers = { 0 };
	int result = read_numbers(feed, &numbers);

	if (result)
		feed_fail(error, EXIT_RIGHTS, result, "the kernel does not list its tasks to BPF: %s", strerror(-result));
	for (unsigned i = 0; !result && i < target->pid_count; i++)
		result = watch_one(feed, &numbers, target->pids[i], error);
	free(numbers.all);
	return result;
}

/* When the kernel side is attached: who takes the name from then on tells it by a bell, so nobody comes unseen in between. */
static int watch_named(struct feed_bpf *feed)
{
	struct numbers numbers = { 0 };
	struct feed_error ignored;
	int result = read_numbers(feed, &numbers), count = 0;
	struct process_line *lines = result ? NULL : calloc(numbers.count + 1, sizeof *lines);

	if (lines)
		count = process_list(feed->options.target.name, lines, (unsigned)numbers.count);
	for (int i = 0; i < count; i++)
		watch_one(feed, &numbers, lines[i].pid, &ignored);	/* one that has gone meanwhile is no error */
	if (!result)
		result = !lines ? -ENOMEM : count < 0 ? count : 0;
	free(lines);
	free(numbers.all);
	return result;
}

/* Parameters of a tracepoint, the one that BPF is passed first not counted; 0: there is none. */
static unsigned parameters_of(const struct btf *btf, const char *tracepoint)
{
	char name[64];
	int id;

	snprintf(name, sizeof name, "btf_trace_%s", tracepoint);
	id = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);
	while (id > 0) {
		const struct btf_type *type = btf__type_by_id(btf, (uint32_t)id);

		if (btf_kind(type) == BTF_KIND_FUNC_PROTO)
			return btf_vlen(type) - 1U;
		id = btf_kind(type) == BTF_KIND_TYPEDEF || btf_kind(type) == BTF_KIND_PTR ? (int)type->type : 0;
	}
	return 0;
}

/* The tracepoints of io_uring differ by kernel. Without them it is not seen, and that is said. Names matter to who watches by one.
 * How the kernel's memory is read best differs, too. */
static void choose_programs(struct feed_bpf *feed)
{
	struct btf *btf = btf__load_vmlinux_btf();
	unsigned submit = btf ? parameters_of(btf, "io_uring_submit_req") : 0;
	unsigned submit_entry = btf ? parameters_of(btf, "io_uring_submit_sqe") : 0;
	unsigned complete = btf ? parameters_of(btf, "io_uring_complete") : 0;

	feed->skeleton->rodata->can_cast = btf && btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
	feed->sees_ring = (submit == 1 || submit_entry == 2) && (complete == 3 || complete >= 5);
	bpf_program__set_autoload(feed->skeleton->progs.doctor_ring_submit, feed->sees_ring && submit == 1);
	bpf_program__set_autoload(feed->skeleton->progs.doctor_ring_submit_entry, feed->sees_ring && submit != 1);
	bpf_program__set_autoload(feed->skeleton->progs.doctor_ring_complete, feed->sees_ring && complete == 3);
	bpf_program__set_autoload(feed->skeleton->progs.doctor_ring_complete_parts, feed->sees_ring && complete != 3);
	bpf_program__set_autoload(feed->skeleton->progs.doctor_rename,
				  feed->options.target.name && btf && parameters_of(btf, "task_rename") == 2);
	btf__free(btf);
}

static __attribute__((format(printf, 2, 0))) int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN && getenv("LEAT_DOCTOR_LIBBPF") ? vfprintf(stderr, format, args) : 0;
}

int feed_bpf_load(struct feed_bpf *feed, struct feed_error *error)
{
	int result;

	libbpf_set_print(quiet);
	feed->skeleton = doctor_bpf__open();
	if (!feed->skeleton)
		return feed_fail(error, EXIT_BROKEN, -errno, "the BPF program cannot be read: %s", strerror(errno));
	result = tell(feed, error);
	if (result)
		return result;
	memset(feed->skeleton->bss->site_uses, 1, sizeof feed->skeleton->bss->site_uses);
	choose_programs(feed);
	bpf_program__set_autoattach(feed->skeleton->progs.doctor_tasks, false);
	result = doctor_bpf__load(feed->skeleton);
	if (result)
		return say_why(error, result);
	result = watch_pids(feed, error);
	if (result)
		return result;
	result = doctor_bpf__attach(feed->skeleton);
	if (result)
		return say_why(error, result);
	return feed->options.target.name ? watch_named(feed) : 0;
}
