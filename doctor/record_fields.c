/* SPDX-License-Identifier: MIT */
/* What of the model a recording keeps, and under which word. A field that is added needs a row here, no more. */
#include "record_fields.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *const engines[] = { "bpf", "ptrace" };
static const char *const runtimes[RUNTIMES] = { "unknown", "c", "c++", "rust", "go", "python", "node", "java" };
static const char *const missings[MISSINGS] = { "none", "ptrace", "read", "both" };
static const char *const owners[] = { "unknown", "program", "runtime", "system" };
static const char *const kinds[FILE_KINDS] = {
	"unknown", "regular", "generated", "pipe", "tcp", "unix-stream", "stream-socket", "datagram", "block", "device", "terminal",
	"anonymous"
};
static const char *const hows[HOWS] = {
	"same-buffer", "inside-buffer", "copied", "mapped", "io-uring", "sendfile", "splice", "tee", "vmsplice", "copy-file-range"
};

#define BOOL(type, key, member)		{ key, FIELD_BOOL, offsetof(struct type, member), NULL, 0 }
#define U16(type, key, member)		{ key, FIELD_U16, offsetof(struct type, member), NULL, 0 }
#define U32(type, key, member)		{ key, FIELD_U32, offsetof(struct type, member), NULL, 0 }
#define U64(type, key, member)		{ key, FIELD_U64, offsetof(struct type, member), NULL, 0 }
#define INT(type, key, member)		{ key, FIELD_INT, offsetof(struct type, member), NULL, 0 }
#define I64(type, key, member)		{ key, FIELD_I64, offsetof(struct type, member), NULL, 0 }
#define TEXT(type, key, member)		{ key, FIELD_TEXT, offsetof(struct type, member), NULL, 0 }
#define WORD(type, key, member, words)	{ key, FIELD_WORD, offsetof(struct type, member), words, COUNT(words) }
#define OTHER(type, key, member, what)	{ key, what, offsetof(struct type, member), NULL, 0 }

static const struct field watch_fields[] = {
	WORD(model, "engine", engine, engines),
	U64(model, "begin", begin_ns),
	U64(model, "end", end_ns),
};

static const struct field coverage_fields[] = {
	U64(coverage, "reads", reads),
	U64(coverage, "writes", writes),
	U64(coverage, "read_bytes", read_bytes),
	U64(coverage, "write_bytes", write_bytes),
	U64(coverage, "unpaired_read_bytes", unpaired_read_bytes),
	U64(coverage, "unpaired_write_bytes", unpaired_write_bytes),
	U64(coverage, "lost_pairs", lost_pairs),
	U64(coverage, "lost_bytes", lost_bytes),
	U64(coverage, "lost_flows", lost_flows),
	U64(coverage, "unheard_flows", unheard_flows),
	U64(coverage, "missed_calls", missed_calls),
	U64(coverage, "cut_vectors", cut_vectors),
	U64(coverage, "io_uring_calls", io_uring_calls),
	U64(coverage, "io_uring_blind", io_uring_blind),
	U64(coverage, "calls_32_bit", calls_32_bit),
	U64(coverage, "aio_requests", aio_requests),
	U64(coverage, "mapped_read_bytes", mapped_read_bytes),
	U64(coverage, "tls_records", tls_records),
	U64(coverage, "no_stack", no_stack),
	U64(coverage, "unnamed", unnamed),
	U64(coverage, "ended", ended),
	U32(coverage, "sampled_1_in", sampled_1_in),
	U32(coverage, "bursts", bursts),
	U32(coverage, "bursts_seen", bursts_seen),
	U32(coverage, "untraced", untraced),
};

static const struct field process_fields[] = {
	U32(process, "pid", pid),
	U32(process, "parent", parent),
	U64(process, "start", start_ticks),
	WORD(process, "runtime", runtime, runtimes),
	WORD(process, "missing", missing, missings),
	BOOL(process, "exited", exited),
	BOOL(process, "32bit", is_32_bit),
	INT(process, "status", exit_status),
	TEXT(process, "name", name),
	TEXT(process, "version", version),
	TEXT(process, "executable", executable),
	TEXT(process, "script", script),
};

static const struct field file_fields[] = {
	WORD(file, "kind", kind, kinds),
	U64(file, "inode", inode),
	U64(file, "device", device),
	BOOL(file, "from", can_splice_from),
	BOOL(file, "to", can_splice_to),
	BOOL(file, "splice-unknown", splice_unknown),
	BOOL(file, "append", append),
	BOOL(file, "direct", direct),
	BOOL(file, "nonblocking", nonblocking),
	BOOL(file, "deleted", deleted),
	BOOL(file, "ktls", ulp_tls),
	U64(file, "unpaired", unpaired_bytes),
	TEXT(file, "path", path),
	OTHER(file, "local", local, FIELD_ADDRESS),
	OTHER(file, "peer", peer, FIELD_ADDRESS),
};

static const struct field site_fields[] = {
	U32(site, "pid", pid),
	U64(site, "id", id),
	BOOL(site, "cut", truncated),
	BOOL(site, "different_file", different_file),
};

static const struct field frame_fields[] = {
	WORD(frame, "owner", owner, owners),
	BOOL(frame, "inlined", inlined),
	TEXT(frame, "function", function),
	TEXT(frame, "file", file),
	U32(frame, "line", line),
	TEXT(frame, "module", module),
	U64(frame, "offset", module_offset),
	U64(frame, "sp", sp),
	U64(frame, "ip", ip),
};

static const struct field flow_fields[] = {
	U32(flow, "pid", pid),
	WORD(flow, "how", how, hows),
	OTHER(flow, "from", from, FIELD_FILE),
	OTHER(flow, "to", to, FIELD_FILE),
	OTHER(flow, "read_site", site_read, FIELD_SITE),
	OTHER(flow, "write_site", site_write, FIELD_SITE),
	U16(flow, "read_call", call_read),
	U16(flow, "write_call", call_write),
	U64(flow, "reads", reads),
	U64(flow, "writes", writes),
	U64(flow, "bytes", bytes),
	U64(flow, "again", again),
	U32(flow, "smallest", smallest),
	U32(flow, "largest", largest),
	OTHER(flow, "sizes", sizes, FIELD_SIZES),
	U64(flow, "samples_equal", samples_equal),
	U64(flow, "samples_changed", samples_changed),
	U64(flow, "samples_weak", samples_weak),
	U64(flow, "whole_equal", whole_equal),
	U64(flow, "whole_changed", whole_changed),
	U64(flow, "other_thread", other_thread),
	U64(flow, "first", first_ns),
	U64(flow, "last", last_ns),
};

static const struct field calibration_fields[] = {
	WORD(calibration, "from", from, kinds),
	WORD(calibration, "to", to, kinds),
	U32(calibration, "piece", piece_bytes),
	WORD(calibration, "how", how, hows),
	BOOL(calibration, "apart", apart),
	U64(calibration, "user", user_ns),
	U64(calibration, "kernel", kernel_ns),
	I64(calibration, "low", low_ns),
	I64(calibration, "high", high_ns),
	U64(calibration, "kernel_bytes", kernel_bytes),
};

static void *the_model(struct model *model, uint32_t place)
{
	return model;
}

static void *the_coverage(struct model *model, uint32_t place)
{
	return &model->coverage;
}

#define AT(table) \
	static void *at_##table(struct model *model, uint32_t place) \
	{ \
		return &model->table[place]; \
	}
AT(processes)
AT(files)
AT(sites)
AT(flows)
AT(calibrations)

/* Frames have no table of their own: they end the last site's. */
static uint32_t add_frame(struct model *model)
{
	struct site *last = model->site_count ? &model->sites[model->site_count - 1] : NULL;

	return last && model_add_frame(last) ? last->frame_count - 1 : MODEL_NONE;
}

static void *at_frame(struct model *model, uint32_t place)
{
	return &model->sites[model->site_count - 1].frames[place];
}

const struct record records[RECORDS] = {
	[RECORD_WATCH] = { "watch", 0, watch_fields, COUNT(watch_fields), NULL, the_model },
	[RECORD_COVERAGE] = { "coverage", 0, coverage_fields, COUNT(coverage_fields), NULL, the_coverage },
	[RECORD_PROCESS] = { "process", sizeof(struct process), process_fields, COUNT(process_fields), model_add_process, at_processes },
	[RECORD_FILE] = { "file", sizeof(struct file), file_fields, COUNT(file_fields), model_add_file, at_files },
	[RECORD_SITE] = { "site", sizeof(struct site), site_fields, COUNT(site_fields), model_add_site, at_sites },
	[RECORD_FRAME] = { "frame", sizeof(struct frame), frame_fields, COUNT(frame_fields), add_frame, at_frame },
	[RECORD_FLOW] = { "flow", sizeof(struct flow), flow_fields, COUNT(flow_fields), model_add_flow, at_flows },
	[RECORD_CALIBRATION] = { "calibration", sizeof(struct calibration), calibration_fields, COUNT(calibration_fields),
				 model_add_calibration, at_calibrations },
};
