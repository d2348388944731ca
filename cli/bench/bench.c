/* SPDX-License-Identifier: MIT */
/* `leat bench`: options and life cycle. */
#include "../cmd.h"
#include "../opt.h"
#include "../out.h"
#include "../sha256.h"
#include "ahead.h"
#include "bench.h"
#include "child.h"
#include "machine.h"
#include "overhead.h"
#include "passes.h"
#include "results.h"
#include "settings.h"
#include "shapes.h"
#include "sweep.h"
#include "testfile.h"
#include "units.h"

#include <leat.h>

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: leat bench [OPTION]...\n"
	"\n"
	"Measures, on this machine, what a wrapper around a source costs: with leat, with C and with Go. The server has one CPU, "
	"the receiver another; every shape is measured in every round; system calls are counted by strace in a pass of their own, "
	"contents are compared in another. Makes its own test file under TMPDIR (/var/tmp), and leaves nothing.\n"
	"\n"
	"options:";

static volatile sig_atomic_t stop_signal;

static void on_signal(int signal)
{
	stop_signal = signal;
}

static void catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal }, was;

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (sigaction(numbers[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)	/* nohup */
			sigaction(numbers[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* a file that grows too large is an error like others: EFBIG */
}

static enum opt_result parse(struct settings *s, int argc, char **argv)
{
	const struct opt table[] = {
		{ "quick", OPT_FLAG, &s->quick, NULL, "64 MiB, few rounds: under 20 seconds in all" },
		{ "rounds", OPT_NUMBER, &s->rounds, "N", "exactly N rounds (a figure is judged by 21 or more); "
		  "default: what the budget allows, 3 to 21", 1, 1000 },
		{ "budget", OPT_NUMBER, &s->budget_s, "SECONDS", "no new round after so long, 75 by default (--quick: 16)",
		  5, 86400 },
		{ "size", OPT_SIZE, &s->size, "BYTES", "of the test file, 512m by default", MIB, UINT64_C(1) << 40 },
		{ "file", OPT_TEXT, &s->file, "FILE", "send this file instead of a generated one" },
		{ "shape", OPT_TEXT, &s->shape_list, "LIST", "only these: names, directions, or direction/name, parted by "
		  "commas. The floor and the control are always with them" },
		{ "list", OPT_FLAG, &s->list, NULL, "list the shapes, measure nothing" },
		{ "receiver", OPT_CHOICE, &s->receiver, "wire|ordinary", "wire neither sleeps nor copies (default); ordinary does "
		  "both, as programs do", 0, 0, "wire|ordinary" },
		{ "sink", OPT_CHOICE, &s->sink, "nonblocking|blocking", "how leat's server holds its socket: stepped "
		  "with poll (default), or leat_copy on a blocking one", 0, 0, "nonblocking|blocking" },
		{ "hash", OPT_CHOICE, &s->hash, "xxh3|sha256", "what the shape hash computes; xxh3 by default", 0, 0, "xxh3|sha256" },
		{ "mss", OPT_NUMBER, &s->mss, "N", "TCP segments of N bytes, as on a network (1448); default "
		  "is what loopback takes, about 64 KiB", 500, 32000 },
		{ "sweep", OPT_FLAG, &s->sweep, NULL, "1 B to 64 MiB by memory, copy and sendfile: where the kernel "
		  "routes start to pay" },
		{ "overhead", OPT_FLAG, &s->overhead, NULL, "begin + step + end of a 4 KiB transfer with six wrappers, "
		  "against a C program that makes the same calls" },
		{ "all", OPT_FLAG, &s->all, NULL, "the shapes, the sweep and the overhead; raw and the C sendfile loop "
		  "also at MSS 1448 and with the ordinary receiver, the calls also "
		  "on a blocking sink: all that is judged" },
		{ "ahead", OPT_FLAG, &s->ahead, NULL, "before all other processes (nice -20; root), where others "
		  "are busy. They have little of the two CPUs meanwhile" },
		{ "no-go", OPT_FLAG, &s->no_go, NULL, "leave the Go programs out" },
		{ "port", OPT_NUMBER, &s->port, "N", "listen on 127.0.0.1 from port N on, one port for each shape; "
		  "default: any free ones", 1, 65000 },
		{ "json", OPT_TEXT, &s->json, "FILE", "the results for programs; the format is in leat-bench(1)" },
		{ "html", OPT_TEXT, &s->html, "FILE", "the results as one page with charts, for people" },
		{ .name = NULL },
	};
	enum opt_result result = opt_parse(table, argc, argv, usage);

	if (!s->budget_s)
		s->budget_s = s->quick ? 16 : 75;
	if (!s->size)
		s->size = s->quick ? 64 * MIB : 512 * MIB;
	if (!strcmp(hash_names[s->hash], "sha256"))
		sha256_load();	/* before any call is counted; who cannot have it is told by the hash */
	return result;
}

uint64_t now_ns(void)
{
	return leat_now_ns();
}

const char *rounds_text(unsigned rounds, char text[24])
{
	snprintf(text, 24, "%u round%s", rounds, rounds == 1 ? "" : "s");
	return text;
}

int out_of_time(const struct bench *b, double part)
{
	return !b->settings.rounds && (double)(now_ns() - b->began_ns) > part * (double)b->settings.budget_s * 1e9;
}

void bench_note(struct bench *b, const char *format, ...)
{
	char text[sizeof b->notes[0]];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	out_error("%s", text);
	if (b->notes_count < sizeof b->notes / sizeof b->notes[0])
		memcpy(b->notes[b->notes_count++], text, sizeof text);
}

void bench_drop(struct bench *b, struct run *run, const char *format, ...)
{
	char text[sizeof run->why];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	memcpy(run->why, text, sizeof text);
	run->dropped = 1;
	child_stop(&run->child);
	if (b->file.fd >= 0 && test_file_changed(&b->file, b->settings.file))	/* so will it be with all the others */
		for (unsigned i = 0; i < b->runs_count; i++)
			b->runs[i].dropped = 1;
	else if (!*b->stop)
		bench_note(b, "%s %s is left out: %s", direction_names[run->shape->direction], run->shape->name, text);
}

const char *run_error_text(const struct run *run)
{
	if (run->shape->arg & ONLY_CLONE && run->outcome.bytes == LEAT_EREFUSED)
		return "the file system cannot share extents between files (fs-denied)";
	return leat_strerror((int)run->outcome.bytes);
}

static void list_shapes(void)
{
	for (size_t i = 0; i < shapes_count; i++) {
		printf("%-10s%-24s%-5s", direction_names[shapes[i].direction], shapes[i].name, family_names[shapes[i].family]);
		out_wrap(stdout, 39, 39, out_width(), "%s", shapes[i].what);
	}
}

static void init(struct bench *b)
{
	b->file.fd = b->sparse = b->upstream = -1;
	b->self_check = -1;
	b->stop = &stop_signal;
	b->began_ns = now_ns();
	b->settings.sweep |= b->settings.all;
	b->settings.overhead |= b->settings.all;
	test_dir(&b->file);
	out_init(&b->out);
	catch_signals();
}

static int measure(struct bench *b)
{
	const struct settings *s = &b->settings;
	int shapes_wanted = s->all || s->shape_list || !(s->sweep || s->overhead), error = 0;

	if (s->ahead)
		error = ahead_begin(b->stop);
	if (error)
		bench_note(b, "only root may run with --ahead (%s): going on without", strerror(-error));
	error = 0;
	machine_find(b);
	if (shapes_wanted)
		error = passes_run(b);
	if (!error && s->all && !stop_signal)
		error = also_run(b);
	if (!error && s->sweep && !stop_signal)
		error = sweep_run(b);
	if (!error && s->overhead && !stop_signal)
		error = overhead_run(b);
	return error;
}

static int wrong_bytes(const struct bench *b)
{
	for (unsigned i = 0; i < b->runs_count; i++)
		if (b->runs[i].verified == 0 && !b->runs[i].dropped)
			return 1;
	return 0;
}

static int results(struct bench *b)
{
	int status = wrong_bytes(b) ? EXIT_FAILED : EXIT_OK;

	out_progress_end();
	table_print(b);
	for (unsigned i = 0; i < b->also_count; i++)
		if (wrong_bytes(b->also[i]))
			status = EXIT_FAILED;
	if (b->self_check == 0)
		status = EXIT_FAILED;
	if (results_write(b))
		status = EXIT_FAILED;
	return status;
}

int bench_main(int argc, char **argv)
{
	struct bench *b = calloc(1, sizeof *b);
	int status;

	if (!b) {
		out_error("no memory");
		return EXIT_FAILED;
	}
	switch (parse(&b->settings, argc, argv)) {
	case OPT_SHOWN:
		status = EXIT_OK;
		break;
	case OPT_WRONG:
		status = EXIT_USAGE;
		break;
	default:
		if (b->settings.list) {
			list_shapes();
			status = EXIT_OK;
			break;
		}
		init(b);
		status = results_check(b) || measure(b) ? EXIT_USAGE : stop_signal ? 128 + stop_signal : results(b);
		if (b->file.changed && status == EXIT_USAGE)
			status = EXIT_FAILED;
		passes_end(b);
		results_end(b);
		if (status > 128)
			out_error("stopped by signal %d; nothing was left behind", (int)stop_signal);
	}
	free(b);
	return status;
}
