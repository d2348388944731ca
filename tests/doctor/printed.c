// SPDX-License-Identifier: MIT
/*
 * printed FORMAT MODEL [width N] [color] [utf8] [exit N] [root DIR]: a model made by hand, as a printer writes it to stdout.
 * printed serve MODEL ADDRESS SECONDS: the exporter; its port on stdout. For print.py, exporter.py and prometheus.sh.
 */
#include "../../cli/exporter.h"
#include "../../doctor/advice.h"
#include "../../doctor/print/print.h"
#include "../../doctor/verdict.h"

#include "made.h"

#include <arpa/inet.h>
#include <sys/syscall.h>

#define READ "S read - |R internal/poll.(*FD).Read fd.go:167|R os.(*File).Read file.go:118|P main.justReader.Read /src/app/server.go:12|"
#define WRITE "S write - |R internal/poll.(*FD).Write fd.go:383|R net.(*conn).Write net.go:195|"
#define AROUND(line) "R io.copyBuffer io.go:" line "|R net.genericReadFrom net.go:650|R net.(*TCPConn).ReadFrom tcp.go:130|" \
		     "R io.Copy io.go:386|P main.serve /src/app/server.go:31|R runtime.goexit asm.s:1594"
#define SENDFILE "S sendfile - |R internal/poll.SendFile sendfile.go:10|R io.Copy io.go:386|P main.serve /src/app/server.go:31"

static struct file *file_of(struct model *model, struct flow *flow, bool sink)
{
	return &model->files[sink ? flow->to : flow->from];
}

static void tcp_peer(struct model *model, struct flow *flow, uint16_t port)
{
	struct file *file = file_of(model, flow, true);

	file->peer = (struct file_address){ .family = AF_INET, .port = port, .ip = { 127, 0, 0, 1 } };
	file->local = (struct file_address){ .family = AF_INET, .port = 8080, .ip = { 127, 0, 0, 1 } };
}

static void renamed(char **text, const char *to)
{
	free(*text);
	*text = made_text(to);
}

static void watched(struct model *model)
{
	model->begin_ns = 1000000000;
	model->end_ns = 6000000000;
	model->coverage.reads = 65541;
	model->coverage.writes = 65560;
	model->coverage.read_bytes = model->coverage.write_bytes = 2ull << 30;
	model->coverage.sampled_1_in = 1;
}

static struct flow *kernel_flow(struct model *model, uint64_t bytes, uint64_t calls)
{
	struct flow *flow = made_flow(model, FILE_REGULAR, FILE_TCP, NULL, SENDFILE);

	flow->how = HOW_SENDFILE;
	flow->call_write = SYS_sendfile;
	flow->bytes = bytes;
	flow->reads = 0;
	flow->writes = calls;
	return flow;
}

static void advised(struct finding *finding)
{
	finding->why = "(*TCPConn).ReadFrom knows *os.File behind at most one *io.LimitedReader; justReader hides it";
	finding->mend = "give justReader a WriteTo that forwards to io.Copy(dst, inner), or count in the connection";
	finding->cost = (struct cost){ .user_s = 0.366, .kernel_route_s = 0.106, .low_s = 0.22, .high_s = 0.31, .share = 0.71,
				       .kernel_calls = 20, .method = "calibrated on this machine" };
}

/* The example that everything else is measured by. */
static void picture(struct model *model)
{
	struct flow *flow;

	made_process(model, RUNTIME_GO, "Go 1.19");
	watched(model);
	flow = made_flow(model, FILE_REGULAR, FILE_TCP, READ AROUND("427"), WRITE AROUND("432"));
	flow->reads = 65540;
	flow->writes = 65536;
	flow->bytes = 2ull << 30;
	flow->call_read = SYS_read;
	flow->call_write = SYS_write;
	renamed(&file_of(model, flow, false)->path, "big.bin");
	tcp_peer(model, flow, 51234);
	flow = kernel_flow(model, 1288490189, 24);
	renamed(&file_of(model, flow, false)->path, "index.iso");
	tcp_peer(model, flow, 51240);
	CHECK_EQ(verdict_all(model), 0);
	advised(&model->findings[0]);
}

#define EVIL "\033]0;x\a<script>alert(1)</script>&\"'\\;\n\r\t\u202e\xff\xc0\xaf{}" OUT_GLUE_BYTE
#define OUT_GLUE_BYTE "\001"

/* Every text of the model is the worst one, and so long that each bound is met. */
static void hostile(struct model *model)
{
	char *big = malloc(70000);

	CHECK(big);
	picture(model);
	strcpy(big, EVIL);
	memset(big + strlen(EVIL), 'A', 69999 - strlen(EVIL));
	big[69999] = 0;
	for (uint32_t i = 0; i < model->process_count; i++) {
		renamed(&model->processes[i].name, EVIL);
		renamed(&model->processes[i].version, EVIL);
		renamed(&model->processes[i].executable, big);
		renamed(&model->processes[i].script, EVIL);
	}
	for (uint32_t i = 0; i < model->file_count; i++)
		renamed(&model->files[i].path, i ? EVIL : "/" EVIL "/" EVIL);
	for (uint32_t i = 0; i < model->site_count; i++)
		for (uint32_t k = 0; k < model->sites[i].frame_count; k++) {
			struct frame *frame = &model->sites[i].frames[k];

			renamed(&frame->function, k % 2 ? EVIL : big);
			renamed(&frame->module, EVIL);
			renamed(&frame->file, k % 3 ? EVIL : big);
			frame->line = frame->line ? frame->line : UINT32_MAX;
		}
	model->findings[0].why_text = made_text(big);
	model->findings[0].cost.share = 0.0 / 0.0;
	model->findings[0].cost.low_s = -1.0 / 0.0;
	free(big);
}

/* One flow of each verdict, and ends of each kind. */
static void verdicts(struct model *model)
{
	static const struct { enum file_kind from, to; enum flow_how how; uint64_t changed, bytes; } rows[] = {
		{ FILE_REGULAR, FILE_TCP, HOW_SAME_BUFFER, 0, 1000 * 32768 },
		{ FILE_TCP, FILE_REGULAR, HOW_COPIED, 0, 900 * 32768 },
		{ FILE_REGULAR, FILE_UNIX_STREAM, HOW_MAPPED, 0, 800 * 32768 },
		{ FILE_REGULAR, FILE_TCP, HOW_SAME_BUFFER, 500, 700 * 32768 },
		{ FILE_PIPE, FILE_STREAM_SOCKET, HOW_SAME_BUFFER, 0, 1000 * 100 },
		{ FILE_REGULAR, FILE_DATAGRAM, HOW_SAME_BUFFER, 0, 500 * 32768 },
		{ FILE_GENERATED, FILE_TERMINAL, HOW_SAME_BUFFER, 0, 400 * 32768 },
		{ FILE_BLOCK, FILE_DEVICE, HOW_SAME_BUFFER, 0, 300 * 32768 },
		{ FILE_ANONYMOUS, FILE_UNKNOWN, HOW_SAME_BUFFER, 0, 0 },
		{ FILE_PIPE, FILE_PIPE, HOW_SPLICE, 0, 200 * 32768 },
		{ FILE_PIPE, FILE_PIPE, HOW_TEE, 0, 100 * 32768 },
		{ FILE_REGULAR, FILE_REGULAR, HOW_COPY_FILE_RANGE, 0, 99 * 32768 },
	};

	made_process(model, RUNTIME_C, NULL);
	watched(model);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct flow *flow = made_flow(model, rows[i].from, rows[i].to, MADE_C_READ, MADE_C_WRITE);

		flow->how = rows[i].how;
		flow->whole_changed = rows[i].changed;
		flow->bytes = rows[i].bytes;
		flow->call_read = SYS_pread64;
		flow->call_write = SYS_sendto;
		flow->again = i;
		if (rows[i].to == FILE_TCP)
			tcp_peer(model, flow, (uint16_t)(5000 + i));
	}
	CHECK_EQ(verdict_all(model), 0);
}

/* From a file to one of another file system, and within one. */
static void between_files(struct model *model)
{
	struct flow *flow;

	made_process(model, RUNTIME_C, NULL);
	watched(model);
	for (int i = 0; i < 3; i++) {
		flow = made_flow(model, FILE_REGULAR, FILE_REGULAR, MADE_C_READ, MADE_C_WRITE);
		flow->bytes *= (uint64_t)(4 - i);
		flow->call_read = SYS_read;
		flow->call_write = SYS_write;
		file_of(model, flow, false)->device = 7;
		file_of(model, flow, true)->device = i == 0 ? 8 : 7;
		if (i == 2)
			file_of(model, flow, true)->inode = file_of(model, flow, false)->inode;
	}
	renamed(&file_of(model, flow, true)->path, "/srv/big.bin");
	CHECK_EQ(verdict_all(model), 0);
	CHECK_EQ(advice_all(model), 0);
	model->findings[0].cost.kernel_calls = model->findings[1].cost.kernel_calls = 12;
}

/* Read by one thread, written by another; a culprit nobody can name; names that may be wrong. */
static void threads(struct model *model)
{
	struct flow *flow;

	made_process(model, RUNTIME_PYTHON, "Python 3.11");
	made_process(model, RUNTIME_PYTHON, NULL);
	model->processes[1].pid = MADE_PID + 1;
	watched(model);
	flow = made_flow(model, FILE_REGULAR, FILE_TCP, "S read -|P rdr pool.c:9|S start_thread -",
			 "S write -|P wtr pool.c:44|P main pool.c:60");
	flow->other_thread = flow->writes;
	made_flow(model, FILE_TCP, FILE_REGULAR, "S read -|R os_read -|R _PyEval_EvalFrameDefault -",
		  "S write -|R os_write -|R _PyEval_EvalFrameDefault -");
	flow = made_flow(model, FILE_REGULAR, FILE_PIPE, NULL, NULL);
	flow->whole_equal = 0;
	flow->samples_equal = 0;
	CHECK_EQ(verdict_all(model), 0);
	model->sites[0].truncated = model->sites[1].different_file = true;
}

/* Nothing lost, but not everything was seen. */
static void incomplete(struct model *model)
{
	struct coverage *c = &model->coverage;
	struct flow *flow;

	made_process(model, RUNTIME_GO, NULL);
	watched(model);
	tcp_peer(model, kernel_flow(model, 1 << 20, 1), 9);
	*c = (struct coverage){ .lost_pairs = 3, .lost_bytes = 98304, .lost_flows = 1, .unheard_flows = 7, .missed_calls = 4,
				.cut_vectors = 2, .io_uring_calls = 1000, .io_uring_blind = 17, .calls_32_bit = 5, .aio_requests = 6,
				.tls_records = 8, .no_stack = 1, .sampled_1_in = 16, .unpaired_write_bytes = 5 << 20,
				.bursts = 3, .bursts_seen = 2, .untraced = 9 };
	model->engine = ENGINE_PTRACE;
	flow = made_flow(model, FILE_REGULAR, FILE_PIPE, NULL, NULL);
	file_of(model, flow, false)->can_splice_from = false;
	file_of(model, flow, false)->splice_unknown = true;
	CHECK_EQ(verdict_all(model), 0);
}

static void clean(struct model *model)
{
	made_process(model, RUNTIME_GO, "Go 1.19");
	watched(model);
	tcp_peer(model, kernel_flow(model, 1 << 20, 1), 9);
	CHECK_EQ(verdict_all(model), 0);
}

/* Nothing lost, and one flow of which nobody has looked at a byte. */
static void unjudged(struct model *model)
{
	struct flow *flow;

	clean(model);
	flow = made_flow(model, FILE_REGULAR, FILE_PIPE, MADE_C_READ, MADE_C_WRITE);
	flow->reads = flow->writes = 3;
	flow->bytes = 3 * 32768;
	flow->samples_equal = flow->whole_equal = 0;
	CHECK_EQ(verdict_all(model), 0);
}

/* Nothing lost, and 31 MiB from nowhere beside one by sendfile. */
static void sourceless(struct model *model)
{
	clean(model);
	model->coverage.write_bytes = model->coverage.unpaired_write_bytes = 31 << 20;
}

/* What a program writes by the way: one in twenty, and less than a MiB of little. */
static void by_the_way(struct model *model)
{
	clean(model);
	model->coverage.write_bytes = 19 << 20;
	model->coverage.unpaired_write_bytes = 1 << 20;
}

/* Losses without a source file at their culprit, from what is nearly as good to nothing at all. */
static void placeless(struct model *model)
{
	static const struct { const char *read, *write; uint32_t process; } rows[] = {
		{ "S read -|P+ crc.update -|P wrap wrap.c:4|P pump -|P main main.c:8",
		  "S write -|P put put.c:6|P pump -|P main main.c:8", 0 },
		{ "S read unistd.h:3|P - /opt/c#/dd", "S write -|P - /opt/c#/dd", 0 },
		{ "S read -|R+ loop <autogenerated>:1", NULL, 0 },
		{ "S read -|R read_file fileio.c:7", "S write -|R write_file fileio.c:9", 1 },
		{ NULL, NULL, 1 }, { NULL, NULL, 2 }, { NULL, NULL, 3 },
	};

	for (uint32_t i = 0; i < 3; i++) {
		made_process(model, i ? RUNTIME_PYTHON : RUNTIME_C, NULL);
		model->processes[i].pid = MADE_PID + i;
	}
	model->processes[1].script = made_text("copy it.py");
	renamed(&model->processes[2].executable, NULL);
	watched(model);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct flow *flow = made_flow(model, FILE_REGULAR, FILE_TCP, rows[i].read, rows[i].write);

		flow->pid += rows[i].process;
		flow->bytes *= 10 - i;
	}
	CHECK_EQ(verdict_all(model), 0);
}

static void nothing(struct model *model)
{
	watched(model);
}

/* What no feed and no verdict makes, and no printer may fall over: places that are not there, values that are none. */
static void broken(struct model *model)
{
	static const uint32_t nowhere[] = { MODEL_NONE, 12345 };

	verdicts(model);
	for (uint32_t i = 0; i < model->flow_count; i++) {
		struct flow *flow = &model->flows[i];

		flow->from = nowhere[i % 2];
		flow->to = i % 3 ? flow->to : nowhere[0];
		flow->site_read = i % 5 ? flow->site_read : nowhere[1];
		flow->call_read = flow->call_write = UINT16_MAX;
		flow->pid = 1;
	}
	for (uint32_t i = 0; i < model->finding_count; i++) {
		struct finding *finding = &model->findings[i];

		finding->reason = UINT8_MAX;
		finding->confidence = i % 2 ? (enum confidence)99 : finding->confidence;
		finding->verdict = i % 4 == 3 ? (enum verdict)99 : finding->verdict;
		finding->flow = i % 3 ? finding->flow : nowhere[1];
		finding->culprit.site = i % 2 ? finding->culprit.site : nowhere[1];
		finding->culprit.loop_read = finding->culprit.loop_write = i % 2 ? 12345 : 0;
		finding->culprit.side = (enum culprit_side)(i % 9);
		finding->writes = 0;
	}
	for (uint32_t i = 0; i < model->file_count; i++) {
		model->files[i].kind = (enum file_kind)(99 + i);
		model->files[i].peer.family = 77;
	}
	model->processes[0].runtime = (enum runtime)99;
	model->engine = (enum engine)99;
	model->end_ns = 0;
	model->coverage.lost_pairs = UINT64_MAX;
}

/* Ten thousand flows, of which each is another finding: the kinds, the reason and the culprit are, in turn, others. */
static void many(struct model *model)
{
	char stack[64];

	made_process(model, RUNTIME_C, NULL);
	watched(model);
	for (unsigned i = 0; i < 10000; i++) {
		struct flow *flow;

		snprintf(stack, sizeof stack, "S read -|P worker_%u srv.c:%u", i % 3000, i % 3000 + 1);
		flow = made_flow(model, FILE_REGULAR, FILE_TCP, stack, stack);
		flow->bytes = (uint64_t)(i + 1) << 20;
		tcp_peer(model, flow, (uint16_t)i);
	}
	CHECK_EQ(verdict_all(model), 0);
}

static const struct { const char *name; void (*make)(struct model *); } models[] = {
	{ "picture", picture }, { "hostile", hostile }, { "verdicts", verdicts }, { "threads", threads },
	{ "placeless", placeless }, { "between-files", between_files },
	{ "incomplete", incomplete }, { "clean", clean }, { "unjudged", unjudged },
	{ "sourceless", sourceless }, { "by-the-way", by_the_way }, { "nothing", nothing },
	{ "many", many }, { "broken", broken },
};

static const struct {
	const char *name;
	int (*print)(FILE *, const struct model *, const struct print_options *);
} formats[] = {
	{ "text", print_text }, { "json", print_json }, { "html", print_html }, { "folded", print_folded },
	{ "sarif", print_sarif }, { "metrics", print_prometheus },
};

static int fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-error));
	return 1;
}

static int serve(const struct model *model, const char *address, int seconds)
{
	struct exporter *exporter = NULL;
	struct print_options options = { 0 };
	int error = exporter_open(&exporter, address);

	if (error)
		return fail("open", error);
	error = exporter_publish(exporter, print_prometheus_page, &(struct print_page){ model, &options });
	printf("%u\n", exporter_port(exporter));
	fflush(stdout);
	if (!error)
		error = exporter_serve(exporter, seconds * 1000, NULL);
	exporter_close(exporter);
	return error ? fail("serve", error) : 0;
}

int main(int argc, char **argv)
{
	struct print_options options = { 0 };
	struct model model = { 0 };
	int error = -EINVAL;

	for (size_t i = 0; argc > 2 && i < sizeof models / sizeof models[0]; i++)
		if (!strcmp(models[i].name, argv[2]))
			models[i].make(&model);
	if (argc == 5 && !strcmp(argv[1], "serve")) {
		error = serve(&model, argv[3], atoi(argv[4]));
		model_free(&model);
		return error;
	}
	for (int i = 3; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		options.color |= !strcmp(argv[i], "color");
		options.utf8 |= !strcmp(argv[i], "utf8");
		if (!strcmp(argv[i], "width"))
			options.width = atoi(value);
		if (!strcmp(argv[i], "exit"))
			options.say_exit = true, options.exit_status = atoi(value);
		if (!strcmp(argv[i], "root"))
			options.source_root = value;
	}
	for (size_t i = 0; argc > 2 && i < sizeof formats / sizeof formats[0]; i++)
		if (!strcmp(formats[i].name, argv[1]))
			error = formats[i].print(stdout, &model, &options);
	model_free(&model);
	return error ? fail(argc > 1 ? argv[1] : "usage", error) : 0;
}
