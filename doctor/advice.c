/* SPDX-License-Identifier: MIT */
/* Finds the row of a finding, and puts the culprit's name into its sentence. */
#include "advice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "culprit.h"
#include "known.h"
#include "pairing_types.h"
#include "verdict.h"

#define NAME_MOST 200	/* bytes of a function's name in a sentence */

struct the_case {
	const struct model *model;
	const struct finding *finding;
	const struct flow *flow;
	const struct file *from, *to;
	const struct process *process;
	const struct site *read, *write;
};

static bool has_bit(uint32_t bits, unsigned value)
{
	return !bits || (value < 32 && bits & 1u << value);
}

/* Has text one of the words of "a|b|c" in it? */
static bool has_word(const char *text, const char *words)
{
	while (text && *words) {
		size_t length = strcspn(words, "|");

		if (length && memmem(text, strlen(text), words, length))
			return true;
		words += length + (words[length] == '|');
	}
	return false;
}

static unsigned count_frames(const struct site *site, uint32_t to, const char *words)
{
	unsigned n = 0;

	for (uint32_t i = 0; site && i < to && i < site->frame_count; i++)
		n += has_word(site->frames[i].function, words);
	return n;
}

static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

static bool is_program(const struct process *process, const char *name)
{
	const char *executable = process ? base_name(process->executable) : NULL;

	if (!process)
		return false;
	return (executable && !strcmp(executable, name)) || (!executable && process->name && !strcmp(process->name, name));
}

/* By its name, or by its module's: Debian's are without names. */
static bool is_in(const struct site *site, const char *words)
{
	for (uint32_t i = 0; site && i < site->frame_count; i++)
		if (has_word(site->frames[i].function, words) || has_word(site->frames[i].module, words))
			return true;
	return false;
}

static bool is_nameless(const struct advice *row, const struct the_case *c)
{
	return row->nameless && c->read && c->write && row->nameless(c->flow, c->read, c->write);
}

static bool is_anywhere(const char *words, const struct the_case *c)
{
	return !words || is_in(c->read, words) || is_in(c->write, words);
}

static bool stacks_fit(const struct advice *row, const struct the_case *c)
{
	uint32_t reading = culprit_inside_read(c->model, c->flow, &c->finding->culprit);
	uint32_t writing = culprit_inside_write(c->model, c->flow, &c->finding->culprit);

	if (row->reading && count_frames(c->read, reading, row->reading) < (row->times ? row->times : 1))
		return false;
	if (row->writing && !count_frames(c->write, writing, row->writing))
		return false;
	return (is_anywhere(row->anywhere, c) || is_nameless(row, c)) && is_anywhere(row->and_anywhere, c);
}

/* "Go 1.24.4" is 24; 0: not known. */
static unsigned go_release(const struct process *process)
{
	static const char go[] = "Go 1.";

	if (!process || !process->version || strncmp(process->version, go, sizeof go - 1) != 0)
		return 0;
	return (unsigned)strtoul(process->version + sizeof go - 1, NULL, 10);
}

static bool fits(const struct advice *row, const struct the_case *c)
{
	unsigned runtime = c->process ? c->process->runtime : RUNTIME_UNKNOWN;

	if (!has_bit(row->verdicts, c->finding->verdict) || !has_bit(row->runtimes, runtime) ||
	    !has_bit(row->sides, c->finding->culprit.side) || !has_bit(row->from, c->from->kind) || !has_bit(row->to, c->to->kind))
		return false;
	/* A row about one reason of what cannot be is not about the others. */
	if (c->finding->verdict == VERDICT_CANNOT && row->reason && row->reason != c->finding->reason)
		return false;
	if (row->program && !is_program(c->process, row->program))
		return false;
	if (row->release && !row->release(go_release(c->process)))
		return false;
	return stacks_fit(row, c) && (!row->also || row->also(c->from, c->to));
}

static const struct advice *row_of(const struct the_case *c)
{
	unsigned count;
	const struct advice *rows = advice_rows(&count);

	for (unsigned i = 0; i < count; i++)
		if (fits(&rows[i], c))
			return &rows[i];
	return NULL;
}

/* Of a wrapper the type is meant, not its method: "main.(*lw).Write" is lw, "main.justReader.Read" justReader. */
static void go_type(const char *function, char name[static NAME_MOST])
{
	const char *package = strrchr(function, '/'), *pointer = strstr(package ? package : function, ".(*");
	const char *type = pointer ? pointer : strchr(package ? package : function, '.'), *method = strrchr(function, '.');

	snprintf(name, NAME_MOST, "%s", function);
	if (!type || !method || method <= type)
		return;
	type += pointer ? 3 : 1;
	method -= method > type && method[-1] == ')';
	snprintf(name, NAME_MOST, "%.*s", (int)(method - type < NAME_MOST ? method - type : NAME_MOST - 1), type);
}

/* "<app::Counting<R> as std::io::Read>::read" is app::Counting<R>. */
static void rust_type(const char *function, char name[static NAME_MOST])
{
	const char *as = strstr(function, " as ");
	int length = as ? (int)(as - function < NAME_MOST ? as - function : NAME_MOST) - 1 : 0;

	if (*function == '<' && length > 0)
		snprintf(name, NAME_MOST, "%.*s", length, function + 1);
	else
		snprintf(name, NAME_MOST, "%s", function);
}

static void name_of(const struct the_case *c, char name[static NAME_MOST])
{
	const struct culprit *culprit = &c->finding->culprit;
	const struct frame *frame = model_frame(c->model, culprit->site, culprit->frame);
	bool wrapper = culprit->side == SIDE_READ || culprit->side == SIDE_WRITE;

	if (!frame || !frame->function)
		snprintf(name, NAME_MOST, "%s", wrapper ? "a wrapper" : "the program");
	else if (wrapper && c->process && c->process->runtime == RUNTIME_GO)
		go_type(frame->function, name);
	else if (wrapper && c->process && c->process->runtime == RUNTIME_RUST)
		rust_type(frame->function, name);
	else
		snprintf(name, NAME_MOST, "%s", frame->function);
}

/* The row's sentence with the name for its "@"; NULL: no memory. */
static char *sentence(const char *why, const char *name)
{
	const char *at = strchr(why, '@');
	char *text;

	if (asprintf(&text, "%.*s%s%s", (int)(at - why), why, name, at + 1) < 0)
		return NULL;
	return text;
}

/* Who is only perhaps a loss is not told to change a program. */
static bool is_doubtful(const struct finding *finding)
{
	return verdict_loses(finding->verdict) && finding->confidence <= CONFIDENCE_LOW;
}

static int advise(const struct model *model, struct finding *finding)
{
	const struct flow *flow = &model->flows[finding->flow];
	struct the_case c = { .model = model, .finding = finding, .flow = flow, .process = model_process(model, flow->pid) };
	char name[NAME_MOST];
	const struct advice *row;

	free(finding->why_text);
	finding->why = finding->mend = finding->why_text = NULL;
	c.from = model_file(model, flow->from);
	c.to = model_file(model, flow->to);
	if (!c.from || !c.to)
		return 0;
	c.read = model_site(model, flow->site_read);
	c.write = model_site(model, flow->site_write);
	row = row_of(&c);
	if (!row)
		return 0;
	finding->mend = is_doubtful(finding) ? NULL : row->mend;
	if (row->reason)
		finding->reason = row->reason;
	if (!strchr(row->why, '@')) {
		finding->why = row->why;
		return 0;
	}
	name_of(&c, name);
	finding->why_text = sentence(row->why, name);
	return finding->why_text ? 0 : -ENOMEM;
}

int advice_all(struct model *model)
{
	for (uint32_t i = 0; i < model->finding_count; i++) {
		int error = advise(model, &model->findings[i]);

		if (error)
			return error;
	}
	return 0;
}

const char *advice_no_mend(const struct model *model, const struct finding *finding)
{
	if (finding->mend || !verdict_loses(finding->verdict))
		return NULL;
	if (!is_doubtful(finding))
		return "no remedy is known";
	if (finding->reads && finding->bytes / finding->reads > PAIRING_WHOLE_MOST)
		return "none is named before every byte of a few buffers was looked at, as of reads longer than 4 MiB it is not: it "
		       "will be if the program reads less at a time";
	if (model->engine == ENGINE_BPF && model->coverage.sampled_1_in > 1)
		return "none is named before every byte of a few buffers was looked at: watch with --full";
	return "none is named before every byte of a few buffers was looked at: watch longer";
}

const char *advice_tls(const struct coverage *coverage)
{
	if (!coverage->tls_records)
		return NULL;
	return "TLS in the program: it has to see the bytes to encrypt them";
}

/* Languages but C and C++ reach OpenSSL by a binding that may have no SSL_sendfile; and who uses kTLS need not be told. */
const char *advice_tls_mend(const struct model *model)
{
	bool native = false;

	for (uint32_t i = 0; i < model->process_count; i++)
		native |= model->processes[i].runtime == RUNTIME_C || model->processes[i].runtime == RUNTIME_CXX;
	for (uint32_t i = 0; i < model->file_count; i++)
		if (model->files[i].ulp_tls)
			return NULL;
	if (!native || !model->coverage.tls_records)
		return NULL;
	return "where OpenSSL makes them, and they come from a file: SSL_OP_ENABLE_KTLS, and after the handshake, if BIO_get_ktls_send() "
	       "says so, SSL_sendfile(3); the kernel needs its module tls";
}

const char *advice_sourceless(const struct model *model)
{
	if (!known_sourceless(model))
		return NULL;
	return "the program made, compressed or encrypted it; or it came by a way that is not followed: native AIO, memory shared "
	       "with another process, a mapping that may hold other bytes than its file";
}
