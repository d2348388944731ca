/* SPDX-License-Identifier: MIT */
#include "words.h"
#include "print.h"
#include "../verdict.h"

#include <leat.h>

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <math.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define WORD(table, value) ((size_t)(value) < sizeof(table) / sizeof((table)[0]) && (table)[value] ? (table)[value] : "unknown")

const char *words_side(enum culprit_side side)
{
	static const char *const table[] = {
		[SIDE_NONE] = "none", [SIDE_READ] = "read", [SIDE_WRITE] = "write", [SIDE_LOOP] = "loop",
		[SIDE_CALLER] = "caller", [SIDE_THREADS] = "threads",
	};

	return WORD(table, side);
}

const char *words_kind(enum file_kind kind)
{
	static const char *const table[FILE_KINDS] = {
		[FILE_UNKNOWN] = "unknown", [FILE_REGULAR] = "file", [FILE_GENERATED] = "generated", [FILE_PIPE] = "pipe",
		[FILE_TCP] = "tcp", [FILE_UNIX_STREAM] = "unix-stream", [FILE_STREAM_SOCKET] = "stream-socket",
		[FILE_DATAGRAM] = "datagram", [FILE_BLOCK] = "block", [FILE_DEVICE] = "device", [FILE_TERMINAL] = "terminal",
		[FILE_ANONYMOUS] = "anonymous",
	};

	return WORD(table, kind);
}

const char *words_how(enum flow_how how)
{
	static const char *const table[HOWS] = {
		[HOW_SAME_BUFFER] = "same-buffer", [HOW_INSIDE_BUFFER] = "inside-buffer", [HOW_COPIED] = "copied-buffer",
		[HOW_MAPPED] = "mapped", [HOW_IO_URING] = "io_uring", [HOW_SENDFILE] = "sendfile", [HOW_SPLICE] = "splice",
		[HOW_TEE] = "tee", [HOW_VMSPLICE] = "vmsplice", [HOW_COPY_FILE_RANGE] = "copy_file_range",
	};

	return WORD(table, how);
}

const char *words_engine(enum engine engine)
{
	static const char *const table[] = { [ENGINE_BPF] = "bpf", [ENGINE_PTRACE] = "ptrace" };

	return WORD(table, engine);
}

const char *words_runtime(enum runtime runtime)
{
	static const char *const table[RUNTIMES] = {
		[RUNTIME_UNKNOWN] = "unknown", [RUNTIME_C] = "c", [RUNTIME_CXX] = "c++", [RUNTIME_RUST] = "rust",
		[RUNTIME_GO] = "go", [RUNTIME_PYTHON] = "python", [RUNTIME_NODE] = "node", [RUNTIME_JAVA] = "java",
	};

	return WORD(table, runtime);
}

const char *words_owner(enum frame_owner owner)
{
	static const char *const table[] = {
		[OWNER_UNKNOWN] = "unknown", [OWNER_PROGRAM] = "program", [OWNER_RUNTIME] = "runtime", [OWNER_SYSTEM] = "system",
	};

	return WORD(table, owner);
}

const char *words_reason(const struct finding *finding)
{
	return finding->reason < LEAT_REASONS ? leat_reason_name((enum leat_reason)finding->reason) : "unknown";
}

const char *words_call(uint16_t call)
{
	static const struct { uint16_t number; const char *name; } calls[] = {
		{ SYS_read, "read" }, { SYS_pread64, "pread64" }, { SYS_readv, "readv" }, { SYS_preadv, "preadv" },
		{ SYS_preadv2, "preadv2" }, { SYS_recvfrom, "recvfrom" }, { SYS_recvmsg, "recvmsg" },
		{ SYS_recvmmsg, "recvmmsg" }, { SYS_write, "write" }, { SYS_pwrite64, "pwrite64" }, { SYS_writev, "writev" },
		{ SYS_pwritev, "pwritev" }, { SYS_pwritev2, "pwritev2" }, { SYS_sendto, "sendto" }, { SYS_sendmsg, "sendmsg" },
		{ SYS_sendmmsg, "sendmmsg" }, { SYS_sendfile, "sendfile" }, { SYS_splice, "splice" }, { SYS_tee, "tee" },
		{ SYS_vmsplice, "vmsplice" }, { SYS_copy_file_range, "copy_file_range" },
		{ 1000 + IORING_OP_READV, "io_uring_readv" }, { 1000 + IORING_OP_WRITEV, "io_uring_writev" },
		{ 1000 + IORING_OP_READ_FIXED, "io_uring_read_fixed" }, { 1000 + IORING_OP_WRITE_FIXED, "io_uring_write_fixed" },
		{ 1000 + IORING_OP_SENDMSG, "io_uring_sendmsg" }, { 1000 + IORING_OP_RECVMSG, "io_uring_recvmsg" },
		{ 1000 + IORING_OP_READ, "io_uring_read" }, { 1000 + IORING_OP_WRITE, "io_uring_write" },
		{ 1000 + IORING_OP_SEND, "io_uring_send" }, { 1000 + IORING_OP_RECV, "io_uring_recv" },
	};

	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
		if (calls[i].number == call)
			return calls[i].name;
	return NULL;
}

const char *words_route(const struct file *from, const struct file *to)
{
	enum file_kind source = from ? from->kind : FILE_UNKNOWN, sink = to ? to->kind : FILE_UNKNOWN;

	if (source == FILE_REGULAR && sink == FILE_REGULAR && !model_two_filesystems(from, to))
		return "copy_file_range";
	return source == FILE_REGULAR || source == FILE_BLOCK ? "sendfile" : "splice";
}

const char *words_address(const struct file_address *address, char text[WORDS_ADDRESS])
{
	char ip[INET6_ADDRSTRLEN];

	*text = 0;
	if ((address->family != AF_INET && address->family != AF_INET6) ||
	    !inet_ntop(address->family, address->ip, ip, sizeof ip))
		return text;
	snprintf(text, WORDS_ADDRESS, address->family == AF_INET6 ? "[%s]:%u" : "%s:%u", ip, address->port);
	return text;
}

const char *words_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

const char *words_frame(const struct frame *frame, char text[WORDS_NAME])
{
	if (frame->function && *frame->function)
		snprintf(text, WORDS_NAME, "%s", frame->function);
	else if (frame->module && *frame->module)
		snprintf(text, WORDS_NAME, "%s+0x%" PRIx64, words_base(frame->module), frame->module_offset);
	else
		snprintf(text, WORDS_NAME, "0x%" PRIx64, frame->ip);
	return text;
}

const char *words_number(uint64_t number, char text[WORDS_NUMBER])
{
	char digits[WORDS_NUMBER];
	size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, number), at = 0;

	for (size_t i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = digits[i];
	}
	text[at] = 0;
	return text;
}

const char *words_size(uint64_t bytes, char text[WORDS_NUMBER])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1023.5 && unit + 1 < sizeof units / sizeof units[0]) {
		value /= 1024;
		unit++;
	}
	snprintf(text, WORDS_NUMBER, "%.*f %s", unit < 3 && value == floor(value) ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0,
		 value, units[unit]);
	return text;
}

double words_seconds(const struct model *model)
{
	return model->end_ns > model->begin_ns ? (double)(model->end_ns - model->begin_ns) / 1e9 : 0;
}

static void add_call(struct calls *calls, const char *name, uint64_t count)
{
	unsigned i = 0;

	if (!name)
		name = "other";
	while (i < calls->count && strcmp(calls->of[i].name, name))
		i++;
	if (!count || i == sizeof calls->of / sizeof calls->of[0])
		return;
	if (i == calls->count) {
		calls->of[i].name = name;
		calls->of[i].count = 0;
		calls->count++;
	}
	calls->of[i].count += count;
}

/* The kernel's own calls are counted as writes: they have no other side. */
static void flow_calls(const struct flow *flow, enum culprit_side side, struct calls *calls)
{
	if (side != SIDE_WRITE && flow->how < HOW_KERNEL_FROM && flow->how != HOW_MAPPED)
		add_call(calls, words_call(flow->call_read), flow->reads);
	if (side != SIDE_READ)
		add_call(calls, flow->how >= HOW_KERNEL_FROM ? words_how(flow->how) : words_call(flow->call_write), flow->writes);
}

void words_calls(const struct model *model, const struct finding *finding, enum culprit_side side, struct calls *ret_calls)
{
	memset(ret_calls, 0, sizeof *ret_calls);
	for (uint32_t i = 0; i < finding->flow_count; i++)
		flow_calls(&model->flows[model->members[finding->first + i]], side, ret_calls);
}

struct tally words_tally(const struct model *model)
{
	struct tally tally = { 0 };

	for (uint32_t i = 0; i < model->finding_count; i++) {
		const struct finding *finding = &model->findings[i];

		tally.flows += finding->flow_count;
		if (verdict_loses(finding->verdict)) {
			tally.lost_flows += finding->flow_count;
			tally.lost_bytes = model_plus(tally.lost_bytes, finding->bytes);
		}
	}
	tally.known = known_of(model);
	tally.clean = tally.flows && !tally.lost_flows && tally.known == KNOWN_ENOUGH;
	return tally;
}

void words_begin(void)
{
	errno = 0;
}

int words_end(FILE *to)
{
	if (ferror(to))
		return errno ? -errno : -EIO;
	return fflush(to) ? -errno : 0;
}
