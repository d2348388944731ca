/* SPDX-License-Identifier: MIT */
/* `leat doctor`: options and life cycle. What is seen comes from a feed, what it means from verdict.c and those behind it. */
#include "cmd.h"
#include "opt.h"
#include "out.h"

#include "advice.h"
#include "command.h"
#include "cost.h"
#include "feed.h"
#include "outcome.h"
#include "output.h"
#include "privilege.h"
#include "selftest.h"
#include "symbol.h"
#include "symbol_child.h"
#include "verdict.h"

#include <leat.h>

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"usage: leat doctor -p PID [OPTION]...\n"
	"       leat doctor [OPTION]... -- COMMAND [ARGUMENT]...\n"
	"       leat doctor --replay FILE [OPTION]...\n"
	"       leat doctor --self-test [--engine ENGINE]\n"
	"\n"
	"Watches running programs, finds the bytes that go through user space although the kernel could have moved them, and names "
	"the source line that lost it. Nothing is restarted or changed, and nothing is left behind.\n"
	"\n"
	"Exit status: 0 nothing lost, 1 a loss was found, 2 usage, 3 no rights, 4 the process is not there, 5 the watch failed, or its "
	"report could not be written.\n"
	"\n"
	"options:";

struct settings {
	struct opt_list pid_list;
	pid_t pids[OPT_LIST_MOST + 1];
	struct feed_target target;
	const char *duration;
	double duration_s;	/* 0: until something else ends it */
	int full, all, engine, self_test;
	uint64_t flows;
	const char *replay;	/* a recording, instead of a watch; NULL: none */
	struct output output;
	struct outcome outcome;
	char **command;		/* NULL: none */
};

static volatile sig_atomic_t stop_signal;

static void on_signal(int signal)
{
	stop_signal = signal;
}

/* What signals do here, and did before. The last two: a report that cannot be written is said. */
static struct {
	int number;
	void (*handler)(int signal);
	struct sigaction before;
} signals[] = {
	{ .number = SIGINT, .handler = on_signal }, { .number = SIGTERM, .handler = on_signal },
	{ .number = SIGHUP, .handler = on_signal }, { .number = SIGPIPE, .handler = SIG_IGN },
	{ .number = SIGXFSZ, .handler = SIG_IGN },
};
#define SIGNALS (sizeof signals / sizeof *signals)

/* watches: there is a watch that one can end. Of nohup one does not hear. */
static void catch_signals(bool watches)
{
	for (unsigned i = 0; i < SIGNALS; i++) {
		struct sigaction action = { .sa_handler = signals[i].handler };

		sigaction(signals[i].number, NULL, &signals[i].before);
		if (signals[i].handler == SIG_IGN ||
		    (watches && (signals[i].number != SIGHUP || signals[i].before.sa_handler != SIG_IGN)))
			sigaction(signals[i].number, &action, NULL);
	}
}

static void give_signals_back(void)
{
	for (unsigned i = 0; i < SIGNALS; i++)
		sigaction(signals[i].number, &signals[i].before, NULL);
}

/* ---- Options --------------------------------------------------------------------------------------------------------------- */

enum { ENGINE_AUTO, ENGINE_WANT_BPF, ENGINE_WANT_PTRACE };

static enum opt_result parse_values(struct settings *s)
{
	char *end;

	if (s->duration) {
		errno = 0;
		s->duration_s = strtod(s->duration, &end);
		if (errno || *end || end == s->duration || !isfinite(s->duration_s) || s->duration_s <= 0 || s->duration_s > 1e7) {
			out_error("--duration takes seconds, like 5 or 0.5, not `%s`", s->duration);
			return OPT_WRONG;
		}
	}
	for (unsigned i = 0; i < s->pid_list.count; i++) {
		long pid = strtol(s->pid_list.items[i], &end, 10);

		if (*end || end == s->pid_list.items[i] || pid <= 0 || pid > 1 << 22) {
			out_error("--pid takes the number of a process, not `%s`", s->pid_list.items[i]);
			return OPT_WRONG;
		}
		s->pids[s->target.pid_count++] = (pid_t)pid;
	}
	s->target.pids = s->pids;
	s->target.all = s->all;
	if (s->replay && (s->target.pid_count || s->target.name || s->target.cgroup || s->all || s->command)) {
		out_error("--replay says what was seen already; nothing can be watched with it");
		return OPT_WRONG;
	}
	if (s->self_test && (s->replay || s->target.pid_count || s->target.name || s->target.cgroup || s->all || s->command)) {
		out_error("--self-test watches programs of its own, and nothing else");
		return OPT_WRONG;
	}
	if (!s->self_test && !s->replay && !s->target.pid_count && !s->target.name && !s->target.cgroup && !s->all && !s->command) {
		out_error("what is to be watched? `leat doctor -p PID`, or `leat doctor -- COMMAND`; `leat doctor --help` says more");
		return OPT_WRONG;
	}
	return OPT_GO_ON;
}

static enum opt_result parse(struct settings *s, int argc, char **argv)
{
	const struct opt table[] = {
		{ "pid", OPT_LIST, &s->pid_list, "PID", "watch this process, and what it forks; several times for several", .letter = 'p' },
		{ "name", OPT_TEXT, &s->target.name, "NAME", "watch the processes of that name, also those that begin later",
		  .letter = 'n' },
		{ "cgroup", OPT_TEXT, &s->target.cgroup, "PATH", "watch what runs in this cgroup: a container, a systemd unit" },
		{ "all", OPT_FLAG, &s->all, NULL, "watch every process but this one" },
		{ "duration", OPT_TEXT, &s->duration, "SECONDS", "how long; default: until Ctrl-C, or the end of the processes",
		  .letter = 'd' },
		{ "flows", OPT_NUMBER, &s->flows, "N", "end as soon as N flows were seen", 1, 1 << 20 },
		{ "full", OPT_FLAG, &s->full, NULL, "look at the bytes of every call, not of one in 16; costs twice as much" },
		{ "engine", OPT_CHOICE, &s->engine, "auto|bpf|ptrace", "bpf sees every call and needs rights; ptrace samples, and needs "
		  "none for processes of one's own", 0, 0, "auto|bpf|ptrace" },
		{ "json", OPT_FLAG, &s->output.json, NULL, "the report for programs; the format is in leat-doctor(1)" },
		{ "folded", OPT_FLAG, &s->output.folded, NULL, "the stacks for flame graph programs, weighted by bytes, instead of the "
		  "report" },
		{ "html", OPT_TEXT, &s->output.html, "FILE", "also write the report as one page, with a flame graph" },
		{ "sarif", OPT_TEXT, &s->output.sarif, "FILE", "also write the losses for code reviews, as SARIF 2.1.0" },
		{ "prometheus", OPT_TEXT, &s->output.prometheus, "[ADDR]:PORT", "answer a Prometheus that scrapes this address meanwhile; "
		  "without ADDR 127.0.0.1" },
		{ "fail-if", OPT_LIST, &s->outcome.fail_if, "EXPRESSION", "exit 1 only if this is so: bounce, share > 5%, new, incomplete; "
		  "several times for several" },
		{ "baseline", OPT_TEXT, &s->outcome.baseline, "FILE", "what is in it is not new" },
		{ "save-baseline", OPT_TEXT, &s->outcome.save_baseline, "FILE", "write the losses as a baseline" },
		{ "record", OPT_TEXT, &s->outcome.record, "FILE", "write what was seen, with stacks as names, for --replay" },
		{ "replay", OPT_TEXT, &s->replay, "FILE", "report a recording; needs no rights" },
		{ "self-test", OPT_FLAG, &s->self_test, NULL, "run a program that loses zero copy and one that does not, and see whether "
		  "they are told apart here" },
		{ .name = NULL },
	};
	enum opt_result result;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0) {
			s->command = i + 1 < argc ? argv + i + 1 : NULL;
			argc = i;
		}
	result = opt_parse(table, argc, argv, usage);
	return result == OPT_GO_ON ? parse_values(s) : result;
}

/* ---- The watch ------------------------------------------------------------------------------------------------------------- */

static double now_s(void)
{
	return (double)leat_now_ns() / 1e9;
}

/* symbols: NULL for a recording, which has its names and figures, and whose processes are not here. */
static int judge(struct model *model, struct symbols *symbols)
{
	int result = symbols ? symbols_describe(symbols, model) : 0;

	if (!result)
		result = verdict_all(model);
	if (!result)
		result = advice_all(model);
	return result ? result : cost_all(model, symbols != NULL);
}

#define PUBLISH_EVERY_S 5	/* a scraper's usual interval is 15; each time all flows are judged anew */

/* For a scraper: the page of now, when it is time for one, and a moment to ask for it. */
static int serve(struct feed *feed, struct model *model, struct settings *s, struct symbols *symbols, double *next_s)
{
	int result = 0;

	if (now_s() >= *next_s) {
		result = feed->ops->collect(feed, model);
		if (!result)
			result = judge(model, symbols);
		if (!result && output_publish(&s->output, model))
			result = -EIO;
		*next_s = now_s() + PUBLISH_EVERY_S;
	}
	return result ? result : output_serve(&s->output, 100, &stop_signal);
}

/* A program whose files keep their reader busy holds up no scraper. */
static void serve_meanwhile(void *context, int ms)
{
	struct settings *s = context;

	output_serve(&s->output, ms, &stop_signal);
}

/* *ret_over: nobody is left who could be watched. */
static int watch(struct feed *feed, struct model *model, struct settings *s, struct symbols *symbols, bool *ret_over)
{
	double end_s = now_s() + s->duration_s, publish_s = 0;
	int state = FEED_GOES_ON, result = 0, most_ms = s->output.exporter ? 100 : 250;

	while (!stop_signal && state == FEED_GOES_ON && !result) {
		double left_s = s->duration_s > 0 ? end_s - now_s() : 1;

		if (left_s <= 0)
			break;
		state = feed->ops->poll(feed, model, left_s * 1e3 < most_ms ? (int)ceil(left_s * 1e3) : most_ms);
		if (s->output.exporter && state == FEED_GOES_ON)
			result = serve(feed, model, s, symbols, &publish_s);
		if (s->flows && !result) {
			result = feed->ops->collect(feed, model);
			if (model->flow_count >= s->flows)
				break;
		}
	}
	if (state < 0)
		return state;
	*ret_over = state == FEED_OVER;
	if (feed->ops->end)
		feed->ops->end(feed);
	return result ? result : feed->ops->collect(feed, model);
}

/* A name that nobody had, or an empty cgroup, must not pass for a program without losses. */
static bool nobody_came(const struct settings *s, const struct model *model)
{
	return (s->target.name || s->target.cgroup) && !model->process_count;
}

static void say_nobody(const struct settings *s, int status)
{
	const char *whose = s->target.name ? "of that name" : "in that cgroup";

	if (status == EXIT_RIGHTS)
		out_error("no process %s could be traced: of another user's, that needs CAP_SYS_PTRACE, or root", whose);
	else
		out_error("there was no process %s%s", whose, s->target.name ? "" : ", or none that made a call");
}

static int report(struct model *model, struct settings *s)
{
	bool nobody = nobody_came(s, model);
	int status = !nobody ? outcome_status(&s->outcome, model) : model->coverage.untraced ? EXIT_RIGHTS : EXIT_GONE;
	int failed = output_write(&s->output, model, status);

	if (nobody)
		say_nobody(s, status);
	return outcome_write(&s->outcome, model, status) || failed ? EXIT_BROKEN : status;
}

/* Without the rights that the engine in the kernel needs, a sample is better than nothing, and is said to be one. */
static int open_feed(const struct settings *s, const struct feed_options *options, struct feed **ret_feed, struct feed_error *error)
{
	const struct feed_ops *ops = s->replay ? &feed_file : s->engine == ENGINE_WANT_PTRACE ? &feed_ptrace : &feed_bpf;
	struct feed_error first;
	int result = ops->open(ret_feed, options, error);

	if (!result || s->replay || s->engine != ENGINE_AUTO || error->status != EXIT_RIGHTS)
		return result;
	first = *error;
	if (feed_ptrace.open(ret_feed, options, error)) {
		/* Of the first sentence what is missing; what would work instead does not. */
		if (error->status == EXIT_RIGHTS)
			snprintf(error->text + strlen(error->text), sizeof error->text - strlen(error->text),
				 "; nor is the bpf engine to be had: %.*s", (int)strcspn(first.text, ";"), first.text);
		return result;
	}
	out_error("the bpf engine is not to be had, so this is a sample by ptrace: %s", first.text);
	return 0;
}

/* A burst's stacks are named when it is over, and by then a process may be gone. So those that were asked for are looked into while
 * the first one goes on; not a command, which is another program when it is let go. */
static int look_ahead(const struct settings *s, const struct feed *feed, const struct command *command, struct symbols *symbols)
{
	int result = 0;

	for (unsigned i = 0; i < s->target.pid_count && !result && feed->ops == &feed_ptrace; i++)
		if (s->pids[i] != command->pid)
			result = symbols_look(symbols, (uint32_t)s->pids[i]);
	return result;
}

static int run(struct settings *s, struct command *command, struct symbols *symbols)
{
	struct feed_options options = { .target = s->target, .full = s->full, .stop = &stop_signal, .file = s->replay,
					.take_stack = symbols_take_stack, .take_context = symbols };
	struct feed_error error = { .status = EXIT_BROKEN };
	struct model model = { 0 };
	struct feed *feed = NULL;
	bool over = false;
	int result = open_feed(s, &options, &feed, &error), status;

	if (result) {
		if (*error.text)
			out_error("%s", error.text);
		else
			out_error("the watch cannot begin: %s", strerror(-result));
		return error.status;
	}
	if (command->pid && (result = command_go(command))) {
		out_error("%s cannot be run: %s", s->command[0], strerror(-result));
		feed->ops->close(feed);
		return EXIT_USAGE;
	}
	if ((result = privilege_drop()))
		out_error("capabilities that are needed no longer could not be given up: %s", strerror(-result));
	result = look_ahead(s, feed, command, symbols);
	if (!result)
		result = watch(feed, &model, s, symbols, &over);
	feed->ops->close(feed);
	command_end(command, &model, over);
	if (!result)
		result = judge(&model, symbols);
	if (result)
		out_error("the watch failed: %s", strerror(-result));
	status = result ? EXIT_BROKEN : report(&model, s);
	model_free(&model);
	return status;
}

static int self_test(const struct settings *s)
{
	static const struct feed_ops *const engines[] = { &feed_bpf, &feed_ptrace };

	catch_signals(true);
	return selftest(engines + (s->engine == ENGINE_WANT_PTRACE), s->engine == ENGINE_AUTO ? 2 : 1, &stop_signal);
}

static int run_with_symbols(struct settings *s, struct command *command)
{
	struct symbols *symbols = NULL;
	int result = s->replay ? 0 : symbols_open(&symbols), status;

	if (result) {
		out_error("the process that reads symbols cannot be begun: %s", strerror(-result));
		return EXIT_BROKEN;
	}
	if (command->pid)
		s->pids[s->target.pid_count++] = command->pid;
	if (symbols && s->output.exporter)
		symbols_meanwhile(symbols, serve_meanwhile, s);
	status = run(s, command, symbols);
	symbols_close(symbols);
	return status;
}

/* All that are written to at the end. */
static int open_outputs(struct output *output, struct outcome *outcome)
{
	const struct output_file *const files[] = { &output->html_file, &output->sarif_file, &outcome->record_file,
						    &outcome->baseline_file, NULL };
	int status = output_open(output);

	if (status)
		return status;
	status = outcome_open(outcome);
	if (status) {
		output_close(output);
		return status;
	}
	status = output_files_differ(files);
	if (status) {
		output_close(output);
		outcome_close(outcome);
	}
	return status;
}

int doctor_main(int argc, char **argv)
{
	struct settings s = { 0 };
	struct command command = { 0 };
	int result, status;

	if (symbol_keeper_is_asked_for(argc, argv))
		symbol_keeper_be();
	switch (parse(&s, argc, argv)) {
	case OPT_SHOWN: return EXIT_OK;
	case OPT_WRONG: return EXIT_USAGE;
	default: break;
	}
	if (s.self_test)
		return self_test(&s);
	status = open_outputs(&s.output, &s.outcome);
	if (status)
		return status;
	catch_signals(!s.replay);
	result = s.command ? command_prepare(&command, s.command, give_signals_back) : 0;
	if (result) {
		out_error("%s cannot be run: %s", s.command[0], strerror(-result));
		status = EXIT_BROKEN;
	} else {
		status = run_with_symbols(&s, &command);
	}
	outcome_close(&s.outcome);
	output_close(&s.output);
	return status;
}
