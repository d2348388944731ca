/* SPDX-License-Identifier: MIT */
/*
 * The model as Prometheus scrapes it: text exposition format 0.0.4. What is a label is bounded: verdicts and kinds are closed
 * sets, and culprits are the CULPRITS_MOST largest losses. Sums by verdict are gauges, for a flow that is judged anew moves
 * from one verdict to another; what the kernel counted are counters.
 */
#include "print.h"
#include "escape.h"
#include "../verdict.h"
#include "words.h"

#include <leat.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CULPRITS_MOST 20
#define LABEL_COLUMNS 200
#define LABEL_BYTES 1024

static void about(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP leat_doctor_%s %s\n# TYPE leat_doctor_%s %s\n", name, help, name, type);
}

static void plain(FILE *to, const char *name, const char *type, const char *help, double value)
{
	about(to, name, type, help);
	fprintf(to, "leat_doctor_%s %.17g\n", name, value);
}

static void seen(FILE *to, const struct coverage *c)
{
	about(to, "calls_total", "counter", "Calls that moved bytes through user space, paired or not.");
	fprintf(to, "leat_doctor_calls_total{direction=\"read\"} %" PRIu64 "\n", c->reads);
	fprintf(to, "leat_doctor_calls_total{direction=\"write\"} %" PRIu64 "\n", c->writes);
	about(to, "bytes_total", "counter", "Bytes that these calls moved.");
	fprintf(to, "leat_doctor_bytes_total{direction=\"read\"} %" PRIu64 "\n", c->read_bytes);
	fprintf(to, "leat_doctor_bytes_total{direction=\"write\"} %" PRIu64 "\n", c->write_bytes);
	about(to, "unpaired_bytes", "gauge", "Bytes of these that are part of no flow; of what was read, not yet.");
	fprintf(to, "leat_doctor_unpaired_bytes{direction=\"read\"} %" PRIu64 "\n", c->unpaired_read_bytes);
	fprintf(to, "leat_doctor_unpaired_bytes{direction=\"write\"} %" PRIu64 "\n", c->unpaired_write_bytes);
}

static void unseen(FILE *to, const struct coverage *c)
{
	const struct { const char *what; uint64_t count; } rows[] = {
		{ "lost_pairs", c->lost_pairs }, { "lost_flows", c->lost_flows },
		{ "unheard_flows", c->unheard_flows }, { "cut_vectors", c->cut_vectors }, { "missed_calls", c->missed_calls },
		{ "io_uring_blind", c->io_uring_blind }, { "calls_32_bit", c->calls_32_bit },
		{ "aio_requests", c->aio_requests }, { "mapped_read_bytes", c->mapped_read_bytes }, { "no_stack", c->no_stack },
		{ "unnamed", c->unnamed }, { "ended", c->ended },
	};

	about(to, "unseen_total", "counter", "What could not be followed; but for unnamed and ended, which lack names only, with any of "
	      "it the coverage is not complete.");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		fprintf(to, "leat_doctor_unseen_total{what=\"%s\"} %" PRIu64 "\n", rows[i].what, rows[i].count);
}

static double saved(const struct finding *finding)
{
	double seconds = finding->cost.user_s - finding->cost.kernel_route_s;

	return finding->cost.method && isfinite(seconds) && verdict_loses(finding->verdict) ? seconds : 0;
}

static void by_verdict(FILE *to, const struct model *model)
{
	uint64_t flows[VERDICTS] = { 0 };
	double cpu[VERDICTS] = { 0 };

	for (uint32_t i = 0; i < model->finding_count; i++) {
		if (model->findings[i].verdict >= VERDICTS)
			continue;
		flows[model->findings[i].verdict] += model->findings[i].flow_count;
		cpu[model->findings[i].verdict] += saved(&model->findings[i]);
	}
	about(to, "flows", "gauge", "Flows by what they are.");
	for (enum verdict v = 0; v < VERDICTS; v++)
		fprintf(to, "leat_doctor_flows{verdict=\"%s\"} %" PRIu64 "\n", verdict_name(v), flows[v]);
	about(to, "lost_cpu_seconds", "gauge", "CPU that the kernel's route would have saved, as calibrated, since the watch began.");
	for (enum verdict v = 0; v < VERDICTS; v++)
		if (verdict_loses(v))
			fprintf(to, "leat_doctor_lost_cpu_seconds{verdict=\"%s\"} %.6g\n", verdict_name(v), cpu[v]);
}

struct sums { uint64_t bytes[VERDICTS][FILE_KINDS][FILE_KINDS], calls[VERDICTS][FILE_KINDS][FILE_KINDS]; };

static void sum_up(const struct model *model, struct sums *sums)
{
	for (uint32_t i = 0; i < model->flow_count; i++) {
		const struct flow *flow = &model->flows[i];
		const struct file *from = model_file(model, flow->from), *to = model_file(model, flow->to);
		enum verdict verdict = flow->finding ? flow->finding->verdict : VERDICT_UNKNOWN;

		if (!from || !to || from->kind >= FILE_KINDS || to->kind >= FILE_KINDS || verdict >= VERDICTS)
			continue;
		sums->bytes[verdict][from->kind][to->kind] += flow->bytes;
		sums->calls[verdict][from->kind][to->kind] += flow->reads + flow->writes;
	}
}

static void sum_lines(FILE *to, const char *name, uint64_t sums[VERDICTS][FILE_KINDS][FILE_KINDS],
		      uint64_t present[VERDICTS][FILE_KINDS][FILE_KINDS])
{
	for (unsigned i = 0; i < VERDICTS * FILE_KINDS * FILE_KINDS; i++) {
		enum verdict verdict = i / (FILE_KINDS * FILE_KINDS);
		enum file_kind from = i / FILE_KINDS % FILE_KINDS, sink = i % FILE_KINDS;

		if (present[verdict][from][sink])
			fprintf(to, "leat_doctor_%s{verdict=\"%s\",source=\"%s\",sink=\"%s\"} %" PRIu64 "\n", name,
				verdict_name(verdict), words_kind(from), words_kind(sink), sums[verdict][from][sink]);
	}
}

static int by_kind(FILE *to, const struct model *model)
{
	struct sums *sums = calloc(1, sizeof *sums);

	if (!sums)
		return -ENOMEM;
	sum_up(model, sums);
	about(to, "flow_bytes", "gauge", "Bytes of the flows since the watch began, as they are judged now.");
	sum_lines(to, "flow_bytes", sums->bytes, sums->calls);
	about(to, "flow_calls", "gauge", "Calls that moved them.");
	sum_lines(to, "flow_calls", sums->calls, sums->calls);
	free(sums);
	return 0;
}

struct series { char labels[LABEL_BYTES * 4]; uint64_t bytes; };

static void culprit_labels(const struct model *model, const struct finding *finding, char *ret, size_t size)
{
	const struct frame *frame = model_frame(model, finding->culprit.site, finding->culprit.frame);
	char name[WORDS_NAME], function[LABEL_BYTES], file[LABEL_BYTES];
	const char *whose = frame ? words_frame(frame, name) : finding->culprit.inside;

	snprintf(ret, size, "function=\"%s\",file=\"%s\",line=\"%" PRIu32 "\",verdict=\"%s\",reason=\"%s\"",
		 escape_text(function, sizeof function, ESCAPE_LABEL, whose, LABEL_COLUMNS),
		 escape_tail(file, sizeof file, ESCAPE_LABEL, frame ? frame->file : NULL, LABEL_COLUMNS), frame ? frame->line : 0,
		 verdict_name(finding->verdict), words_reason(finding));
}

/* Findings come with the largest loss first. Those that differ only in what is no label are one series. */
static int by_culprit(FILE *to, const struct model *model)
{
	struct series *series = calloc(CULPRITS_MOST, sizeof *series);
	uint64_t rest = 0;
	unsigned count = 0;

	if (!series)
		return -ENOMEM;
	for (uint32_t i = 0; i < model->finding_count; i++) {
		char labels[sizeof series->labels] = "";
		unsigned k = 0;

		if (!verdict_loses(model->findings[i].verdict))
			continue;
		culprit_labels(model, &model->findings[i], labels, sizeof labels);
		while (k < count && strcmp(series[k].labels, labels))
			k++;
		if (k == CULPRITS_MOST) {
			rest = model_plus(rest, model->findings[i].bytes);
			continue;
		}
		count += k == count;
		memcpy(series[k].labels, labels, sizeof labels);
		series[k].bytes = model_plus(series[k].bytes, model->findings[i].bytes);
	}
	about(to, "culprit_bytes", "gauge", "Bytes lost to user space, by the place that lost them: the largest.");
	for (unsigned k = 0; k < count; k++)
		fprintf(to, "leat_doctor_culprit_bytes{%s} %" PRIu64 "\n", series[k].labels, series[k].bytes);
	plain(to, "culprit_other_bytes", "gauge", "Bytes lost by all other places.", (double)rest);
	free(series);
	return 0;
}

int print_prometheus(FILE *to, const struct model *model, const struct print_options *options)
{
	int error;

	words_begin();
	about(to, "info", "gauge", "What runs.");
	fprintf(to, "leat_doctor_info{version=\"%s\",engine=\"%s\"} 1\n", leat_version(), words_engine(model->engine));
	plain(to, "watched_seconds", "gauge", "Since the watch began.", words_seconds(model));
	plain(to, "processes", "gauge", "Processes that are watched, or were and are still known.", model->process_count);
	plain(to, "coverage_complete", "gauge", "1: all that moves bytes was seen.", known_coverage(model));
	seen(to, &model->coverage);
	unseen(to, &model->coverage);
	plain(to, "unknown_ends", "gauge", "Flows with an end that could not be looked at; with any the coverage is not complete.",
	      (double)known_unknown_ends(model));
	plain(to, "untraced", "gauge", "Processes that ptrace was not allowed to look into, or has not come to yet.",
	      model->coverage.untraced);
	by_verdict(to, model);
	error = by_kind(to, model);
	if (!error)
		error = by_culprit(to, model);
	return error ? error : words_end(to);
}

int print_prometheus_page(FILE *to, void *page)
{
	const struct print_page *of = page;

	return print_prometheus(to, of->model, of->options);
}
