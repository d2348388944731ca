/* SPDX-License-Identifier: MIT */
/* The model for programs. The format is described in man/leat-doctor.1; what is renamed, removed or changes its meaning
 * raises FORMAT, what is added does not. */
#include "print.h"
#include "../advice.h"
#include "../verdict.h"
#include "json.h"
#include "words.h"

#include <leat.h>

#include <inttypes.h>
#include <sys/wait.h>

#define FORMAT 1

/* null: nobody could tell. */
static void can_splice(struct json *json, const char *key, const struct file *file, bool can)
{
	if (!can && file->splice_unknown)
		json_null(json, key);
	else
		json_boolean(json, key, can);
}

static void end_of_flow(struct json *json, const char *key, const struct file *file)
{
	char address[WORDS_ADDRESS];

	if (!file) {
		json_null(json, key);
		return;
	}
	json_open(json, key, '{');
	json_text(json, "kind", words_kind(file->kind));
	json_text(json, "path", file->path);
	json_text(json, "address", *words_address(&file->peer, address) ? address : NULL);
	json_text(json, "local_address", *words_address(&file->local, address) ? address : NULL);
	json_integer(json, "device", file->device);
	json_integer(json, "inode", file->inode);
	can_splice(json, "splice_from", file, file->can_splice_from);
	can_splice(json, "splice_to", file, file->can_splice_to);
	json_boolean(json, "append", file->append);
	json_boolean(json, "direct", file->direct);
	json_boolean(json, "nonblocking", file->nonblocking);
	json_boolean(json, "deleted", file->deleted);
	json_boolean(json, "ktls", file->ulp_tls);
	json_close(json, '}');
}

static void place(struct json *json, const struct frame *frame)
{
	char offset[32];

	json_text(json, "function", frame->function);
	json_text(json, "file", frame->file);
	if (frame->line)
		json_integer(json, "line", frame->line);
	else
		json_null(json, "line");
	json_boolean(json, "inlined", frame->inlined);
	json_text(json, "module", frame->module);
	snprintf(offset, sizeof offset, "0x%" PRIx64, frame->module ? frame->module_offset : frame->ip);
	json_text(json, frame->module ? "offset" : "address", offset);
}

static void no_place(struct json *json)
{
	static const char *const members[] = { "function", "file", "line", "inlined", "module", "offset" };

	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
		json_null(json, members[i]);
}

static void stack(struct json *json, const char *key, const struct site *site)
{
	json_open(json, key, '[');
	for (uint32_t i = 0; site && i < site->frame_count; i++) {
		json_open(json, NULL, '{');
		place(json, &site->frames[i]);
		json_text(json, "owner", words_owner(site->frames[i].owner));
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void loop_frame(struct json *json, const char *key, uint32_t frame)
{
	if (frame == MODEL_NONE)
		json_null(json, key);
	else
		json_integer(json, key, frame);
}

static void culprit(struct json *json, const struct model *model, const struct finding *finding)
{
	const struct culprit *culprit = &finding->culprit;
	const struct frame *frame = model_frame(model, culprit->site, culprit->frame);

	json_open(json, "culprit", '{');
	if (frame)
		place(json, frame);
	else
		no_place(json);
	json_text(json, "side", words_side(culprit->side));
	json_text(json, "inside", frame ? NULL : culprit->inside);
	json_text(json, "more", culprit->more);
	json_text(json, "known_by", known_place_name(known_place_of(model, finding)));
	json_text(json, "known_by_why", known_place_words(known_place_of(model, finding)));
	loop_frame(json, "loop_read", culprit->loop_read);
	loop_frame(json, "loop_write", culprit->loop_write);
	json_close(json, '}');
}

static void cost(struct json *json, const struct cost *cost)
{
	if (!cost->method) {
		json_null(json, "cost");
		return;
	}
	json_open(json, "cost", '{');
	json_number(json, "cpu_s", cost->user_s);
	json_number(json, "kernel_route_cpu_s", cost->kernel_route_s);
	json_number(json, "saved_low_s", cost->low_s);
	json_number(json, "saved_high_s", cost->high_s);
	json_number(json, "share", cost->share);
	json_text(json, "method", cost->method);
	json_close(json, '}');
}

static void calls(struct json *json, const struct calls *calls)
{
	json_open(json, "calls", '{');
	for (unsigned i = 0; i < calls->count; i++)
		json_integer(json, calls->of[i].name, calls->of[i].count);
	json_close(json, '}');
}

static void member(struct json *json, const struct model *model, const struct flow *flow)
{
	json_open(json, NULL, '{');
	json_integer(json, "pid", flow->pid);
	json_text(json, "how", words_how(flow->how));
	end_of_flow(json, "source", model_file(model, flow->from));
	end_of_flow(json, "sink", model_file(model, flow->to));
	json_integer(json, "bytes", flow->bytes);
	json_integer(json, "reads", flow->reads);
	json_integer(json, "writes", flow->writes);
	json_integer(json, "eagain", flow->again);
	json_integer(json, "smallest_bytes", flow->smallest);
	json_integer(json, "largest_bytes", flow->largest);
	json_integers(json, "sizes_log2", flow->sizes, FLOW_SIZES);
	json_open(json, "evidence", '{');
	json_integer(json, "samples_equal", flow->samples_equal);
	json_integer(json, "samples_changed", flow->samples_changed);
	json_integer(json, "samples_weak", flow->samples_weak);
	json_integer(json, "whole_equal", flow->whole_equal);
	json_integer(json, "whole_changed", flow->whole_changed);
	json_integer(json, "other_thread", flow->other_thread);
	json_close(json, '}');
	json_close(json, '}');
}

static void finding(struct json *json, const struct model *model, const struct finding *finding)
{
	const struct flow *flow = model_flow(model, finding->flow);
	const struct site *read = flow ? model_site(model, flow->site_read) : NULL;
	const struct site *write = flow ? model_site(model, flow->site_write) : NULL;
	struct calls all;

	words_calls(model, finding, SIDE_NONE, &all);
	json_open(json, NULL, '{');
	json_text(json, "verdict", verdict_name(finding->verdict));
	json_text(json, "reason", words_reason(finding));
	json_text(json, "confidence", confidence_name(finding->confidence));
	end_of_flow(json, "source", flow ? model_file(model, flow->from) : NULL);
	end_of_flow(json, "sink", flow ? model_file(model, flow->to) : NULL);
	json_integer(json, "bytes", finding->bytes);
	calls(json, &all);
	json_integer(json, "eagain", finding->again);
	json_text(json, "kernel_call", flow ? words_route(model_file(model, flow->from), model_file(model, flow->to)) : NULL);
	if (finding->cost.kernel_calls)
		json_integer(json, "kernel_calls", finding->cost.kernel_calls);
	else
		json_null(json, "kernel_calls");
	cost(json, &finding->cost);
	culprit(json, model, finding);
	stack(json, "stack_read", read);
	stack(json, "stack_write", write);
	json_boolean(json, "stack_truncated", (read && read->truncated) || (write && write->truncated));
	json_boolean(json, "different_file", (read && read->different_file) || (write && write->different_file));
	json_text(json, "why", finding->why_text ? finding->why_text : finding->why);
	json_text(json, "mend", finding->mend);
	json_text(json, "mend_why", advice_no_mend(model, finding));
	json_integer(json, "flow_count", finding->flow_count);
	json_open(json, "members", '[');
	for (uint32_t i = 0; i < finding->flow_count; i++)
		member(json, model, &model->flows[model->members[finding->first + i]]);
	json_close(json, ']');
	json_close(json, '}');
}

static void process(struct json *json, const struct process *process)
{
	bool exited = process->exited && process->exit_status >= 0;

	json_open(json, NULL, '{');
	json_integer(json, "pid", process->pid);
	json_integer(json, "parent", process->parent);
	json_text(json, "name", process->name);
	json_text(json, "executable", process->executable);
	json_text(json, "script", process->script);
	json_text(json, "runtime", words_runtime(process->runtime));
	json_text(json, "version", process->version);
	json_open(json, "missing", '[');
	if (process->missing & MISSING_PTRACE)
		json_text(json, NULL, "CAP_SYS_PTRACE");
	if (process->missing & MISSING_READ)
		json_text(json, NULL, "CAP_DAC_READ_SEARCH");
	json_close(json, ']');
	json_boolean(json, "is_32_bit", process->is_32_bit);
	json_boolean(json, "exited", process->exited);
	if (exited && WIFEXITED(process->exit_status))
		json_signed(json, "exit_status", WEXITSTATUS(process->exit_status));
	else
		json_null(json, "exit_status");
	if (exited && WIFSIGNALED(process->exit_status))
		json_signed(json, "exit_signal", WTERMSIG(process->exit_status));
	else
		json_null(json, "exit_signal");
	json_close(json, '}');
}

static void coverage(struct json *json, const struct model *model)
{
	const struct coverage *c = &model->coverage;

	json_open(json, "coverage", '{');
	json_boolean(json, "complete", known_coverage(model));
	json_integer(json, "reads", c->reads);
	json_integer(json, "writes", c->writes);
	json_integer(json, "read_bytes", c->read_bytes);
	json_integer(json, "write_bytes", c->write_bytes);
	json_integer(json, "unpaired_read_bytes", c->unpaired_read_bytes);
	json_integer(json, "unpaired_write_bytes", c->unpaired_write_bytes);
	json_text(json, "unpaired_why", advice_sourceless(model));
	json_integer(json, "lost_pairs", c->lost_pairs);
	json_integer(json, "lost_bytes", c->lost_bytes);
	json_integer(json, "lost_flows", c->lost_flows);
	json_integer(json, "unheard_flows", c->unheard_flows);
	json_integer(json, "missed_calls", c->missed_calls);
	json_integer(json, "cut_vectors", c->cut_vectors);
	json_integer(json, "io_uring_calls", c->io_uring_calls);
	json_integer(json, "io_uring_blind", c->io_uring_blind);
	json_integer(json, "calls_32_bit", c->calls_32_bit);
	json_integer(json, "aio_requests", c->aio_requests);
	json_integer(json, "mapped_read_bytes", c->mapped_read_bytes);
	json_integer(json, "tls_records", c->tls_records);
	json_text(json, "tls_why", advice_tls(c));
	json_text(json, "tls_mend", advice_tls_mend(model));
	json_integer(json, "no_stack", c->no_stack);
	json_integer(json, "unknown_ends", known_unknown_ends(model));
	json_integer(json, "unnamed", c->unnamed);
	json_integer(json, "ended", c->ended);
	json_integer(json, "sampled_1_in", c->sampled_1_in);
	json_integer(json, "bursts", c->bursts);
	json_integer(json, "bursts_seen", c->bursts_seen);
	json_integer(json, "untraced", c->untraced);
	json_close(json, '}');
}

static void summary(struct json *json, const struct model *model, const struct print_options *options)
{
	struct tally tally = words_tally(model);

	json_open(json, "summary", '{');
	json_integer(json, "flows", tally.flows);
	json_integer(json, "lost_flows", tally.lost_flows);
	json_integer(json, "lost_bytes", tally.lost_bytes);
	json_boolean(json, "clean", tally.clean);
	if (options->say_exit)
		json_signed(json, "exit", options->exit_status);
	else
		json_null(json, "exit");
	json_close(json, '}');
}

int print_json(FILE *to, const struct model *model, const struct print_options *options)
{
	struct json json = { .to = to };

	words_begin();
	json_open(&json, NULL, '{');
	json_text(&json, "format", "leat-doctor");
	json_integer(&json, "version", FORMAT);
	json_text(&json, "leat", leat_version());
	json_text(&json, "engine", words_engine(model->engine));
	json_number(&json, "watched_s", words_seconds(model));
	json_open(&json, "target", '[');
	for (uint32_t i = 0; i < model->process_count; i++)
		process(&json, &model->processes[i]);
	json_close(&json, ']');
	coverage(&json, model);
	summary(&json, model, options);
	json_open(&json, "flows", '[');
	for (uint32_t i = 0; i < model->finding_count; i++)
		finding(&json, model, &model->findings[i]);
	json_close(&json, ']');
	json_close(&json, '}');
	json_end(&json);
	return words_end(to);
}
