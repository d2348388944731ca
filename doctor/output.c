/* SPDX-License-Identifier: MIT */
#include "output.h"

#include "cmd.h"
#include "exporter.h"
#include "out.h"

#include <errno.h>
#include <langinfo.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

typedef int printer(FILE *to, const struct model *model, const struct print_options *options);

static void set_options(struct output *output)
{
	struct out out;

	out_init(&out);		/* sets the locale's characters too */
	output->options = (struct print_options){ .width = out.width, .color = out.color,
						  .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 };
	if (getcwd(output->source_root, sizeof output->source_root))
		output->options.source_root = output->source_root;
}

static int written(const char *what, int error)
{
	if (!error)
		return 0;
	out_error("%s could not be written: %s", what, strerror(-error));
	return EXIT_BROKEN;
}

static int open_exporter(struct output *output)
{
	int error = output->prometheus ? exporter_open(&output->exporter, output->prometheus) : 0;

	if (error == -EINVAL)
		out_error("--prometheus takes [ADDRESS]:PORT, like :9791, 0.0.0.0:9791 or [::1]:9791, not `%s`", output->prometheus);
	else if (error == -EADDRINUSE)
		out_error("--prometheus: another program listens on %s already", output->prometheus);
	else if (error)
		out_error("--prometheus: %s cannot be listened on: %s", output->prometheus, strerror(-error));
	return error ? EXIT_USAGE : 0;
}

int output_open(struct output *output)
{
	int status = 0;

	if (output->json && output->folded) {
		out_error("--json and --folded both write to standard output; take one");
		return EXIT_USAGE;
	}
	set_options(output);
	status = output_file_open(&output->html_file, output->html, "--html", 0666);
	if (!status)
		status = output_file_open(&output->sarif_file, output->sarif, "--sarif", 0666);
	if (!status)
		status = open_exporter(output);
	if (status)
		output_close(output);
	return status;
}

static int write_file(struct output_file *file, printer *print, const struct output *output, const struct model *model)
{
	int error;

	if (!file->open)
		return 0;
	error = output_file_begin(file);
	return output_file_end(file, error ? error : print(file->to, model, &output->options));
}

int output_write(struct output *output, const struct model *model, int exit_status)
{
	printer *print = output->json ? print_json : output->folded ? print_folded : print_text;
	int status;

	output->options.say_exit = true;
	output->options.exit_status = exit_status;
	status = written("the report", print(stdout, model, &output->options));
	if (status) {	/* it has been said: nobody needs to find out at the end once more */
		__fpurge(stdout);
		clearerr(stdout);
	}
	status |= write_file(&output->html_file, print_html, output, model);
	status |= write_file(&output->sarif_file, print_sarif, output, model);
	return status ? EXIT_BROKEN : 0;
}

int output_publish(struct output *output, const struct model *model)
{
	struct print_page page = { model, &output->options };
	int error = output->exporter ? exporter_publish(output->exporter, print_prometheus_page, &page) : 0;

	return written("the page for Prometheus", error);
}

int output_serve(struct output *output, int timeout_ms, const volatile sig_atomic_t *stop)
{
	return output->exporter ? exporter_serve(output->exporter, timeout_ms, stop) : 0;
}

void output_close(struct output *output)
{
	output_file_close(&output->html_file);
	output_file_close(&output->sarif_file);
	exporter_close(output->exporter);
	output->exporter = NULL;
}
