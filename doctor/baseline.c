/* SPDX-License-Identifier: MIT */
/*
 * Findings as keys: verdict, ends, program, side, and the culprit by its function and the name of its file. Its line is not in it,
 * as any edit above it would make an old loss a new one; nor are bytes. Without a name the offset in the module has to do, and
 * every build is another program. Where no frame of the program is known, a finding is all that one script does between such
 * ends: then each of its flows has a key, by what the runtime's own frames are up to the first without a module (what follows
 * in code made at run time is chance), and by the system calls. A baseline is a stranger's file: bounded, and told from what is none.
 */
#include "baseline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hash.h"
#include "known.h"
#include "verdict.h"

#define FIRST_LINE	"leat-baseline 1\n"
#define NAME_MOST	255	/* bytes of a word: as long as a file's name may be; a longer one is cut */
#define FUNCTION_MOST	2048	/* those of one module's templates begin alike for hundreds of bytes: what is cut is no longer told apart */
#define LINE_MOST	8192	/* a key has one function and two names, and each byte of them may become three */
#define KEYS_MOST	100000
#define FRAMES_MOST	8	/* of a stack without names, from the innermost on */
#define PART_ONE_IN	64	/* of the bytes of a finding without a name: less, as a first piece read ahead, is not new by itself */

static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

/* One word of a key: bytes other than ! to ~, and %, as %XX. */
static void add_word(FILE *to, const char *text, unsigned most)
{
	putc(' ', to);
	if (!text || !*text)
		putc('-', to);
	for (unsigned n = 0; text && *text && n < most; text++, n++) {
		unsigned char c = (unsigned char)*text;

		if (c > ' ' && c <= '~' && c != '%')
			putc(c, to);
		else
			fprintf(to, "%%%02X", c);
	}
}

static const char *kind_of(const struct model *model, uint32_t place)
{
	static const char *const names[FILE_KINDS] = { "unknown", "file", "generated", "pipe", "tcp", "unix", "stream", "datagram", "block",
						       "device", "terminal", "anonymous" };
	const struct file *file = model_file(model, place);
	unsigned kind = file ? file->kind : FILE_UNKNOWN;

	return names[kind < FILE_KINDS ? kind : FILE_UNKNOWN];
}

static void add_culprit(FILE *to, const struct model *model, const struct culprit *culprit)
{
	static const char *const sides[] = { "none", "read", "write", "loop", "caller", "threads" };
	const struct frame *frame = model_frame(model, culprit->site, culprit->frame);

	fprintf(to, " %s", sides[culprit->side <= SIDE_THREADS ? culprit->side : SIDE_NONE]);
	if (!frame) {
		add_word(to, culprit->inside, NAME_MOST);
	} else if (frame->function) {
		add_word(to, frame->function, FUNCTION_MOST);
		add_word(to, base_name(frame->file), NAME_MOST);
	} else {
		add_word(to, base_name(frame->module), NAME_MOST);
		fprintf(to, "+%" PRIx64, frame->module_offset);
	}
}

/* A function's name stands another build, its offset does not. */
static uint64_t add_stack(uint64_t hash, const struct model *model, uint32_t place)
{
	const struct site *site = model_site(model, place);
	char offset[32];

	for (uint32_t i = 0; site && i < site->frame_count && i < FRAMES_MOST && site->frames[i].module; i++) {
		const struct frame *frame = &site->frames[i];

		hash = hash_text(hash, base_name(frame->module));
		snprintf(offset, sizeof offset, "%" PRIx64, frame->module_offset);
		hash = hash_text(hash, frame->function ? frame->function : offset);
	}
	return hash_text(hash, "");
}

static void add_calls(FILE *to, const struct model *model, const struct finding *finding, const struct flow *flow)
{
	uint64_t hash = add_stack(add_stack(HASH_FIRST, model, flow->site_read), model, flow->site_write);

	fprintf(to, " calls:%u+%u", flow->call_read, flow->call_write);
	if (known_place_of(model, finding) == PLACE_STACKS)
		fprintf(to, " stacks:%016" PRIx64, hash);
}

/* The key of a finding, of one flow of it where it has no name; to be freed. NULL: no memory. */
static char *key_of(const struct model *model, const struct finding *finding, const struct flow *flow)
{
	const struct process *process = flow ? model_process(model, flow->pid) : NULL;
	bool nameless = known_place_of(model, finding) >= PLACE_STACKS;
	char *key = NULL;
	size_t size;
	FILE *to = open_memstream(&key, &size);

	if (!to)
		return NULL;
	fprintf(to, "%s %s %s", verdict_name(finding->verdict), kind_of(model, flow ? flow->from : MODEL_NONE),
		kind_of(model, flow ? flow->to : MODEL_NONE));
	add_word(to, !process ? NULL : process->executable ? base_name(process->executable) : process->name, NAME_MOST);
	if (nameless && process && process->script)
		add_word(to, process->script, NAME_MOST);
	add_culprit(to, model, &finding->culprit);
	if (nameless && flow)
		add_calls(to, model, finding, flow);
	if (fclose(to)) {
		free(key);
		return NULL;
	}
	return key;
}

/* How many keys a finding has, and the flow of one of them; NULL: there is none. */
static uint32_t keys_of(const struct model *model, const struct finding *finding)
{
	return known_place_of(model, finding) >= PLACE_STACKS && finding->flow_count ? finding->flow_count : 1;
}

static const struct flow *flow_of(const struct model *model, const struct finding *finding, uint32_t key)
{
	uint32_t place = keys_of(model, finding) > 1 ? model->members[finding->first + key] : finding->flow;

	return model_flow(model, place);
}

static int key_order(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

/* Takes key. */
static int add_key(struct baseline *baseline, char *key)
{
	char **keys = NULL;

	if (key && baseline->count < KEYS_MOST)
		keys = reallocarray(baseline->keys, baseline->count + 1, sizeof *keys);
	if (!keys) {
		free(key);
		return key && baseline->count >= KEYS_MOST ? -EBADMSG : -ENOMEM;
	}
	baseline->keys = keys;
	keys[baseline->count++] = key;
	return 0;
}

static int add_keys(struct baseline *baseline, const struct model *model, const struct finding *finding)
{
	int error = 0;

	for (uint32_t i = 0, count = keys_of(model, finding); !error && i < count; i++)
		error = add_key(baseline, key_of(model, finding, flow_of(model, finding, i)));
	return error;
}

static void sort(struct baseline *baseline)
{
	if (baseline->count)
		qsort(baseline->keys, baseline->count, sizeof *baseline->keys, key_order);
}

static bool has_key(const struct baseline *baseline, const struct model *model, const struct finding *finding, const struct flow *flow)
{
	char *key = key_of(model, finding, flow);
	bool has = key && baseline->count && bsearch(&key, baseline->keys, baseline->count, sizeof key, key_order);

	free(key);
	return has;
}

uint64_t baseline_new_bytes(const struct baseline *baseline, const struct model *model, const struct finding *finding)
{
	uint32_t keys = keys_of(model, finding);
	uint64_t bytes = 0;

	if (keys == 1)
		return has_key(baseline, model, finding, flow_of(model, finding, 0)) ? 0 : finding->bytes;
	for (uint32_t i = 0; i < keys; i++) {
		const struct flow *flow = flow_of(model, finding, i);

		if (flow && flow->bytes >= finding->bytes / PART_ONE_IN && !has_key(baseline, model, finding, flow))
			bytes = model_plus(bytes, flow->bytes);
	}
	return bytes < finding->bytes ? bytes : finding->bytes;
}

void baseline_free(struct baseline *baseline)
{
	for (uint32_t i = 0; i < baseline->count; i++)
		free(baseline->keys[i]);
	free(baseline->keys);
	*baseline = (struct baseline){ .count = 0 };
}

/* ---- Files --------------------------------------------------------------------------------------------------------------------- */

/* Lines that are empty or begin with # are the user's. */
int baseline_read(struct baseline *baseline, FILE *from)
{
	char line[LINE_MOST];
	int error = 0;

	if (!fgets(line, sizeof line, from) || strcmp(line, FIRST_LINE) != 0)
		return ferror(from) ? -EIO : -EBADMSG;
	while (!error && fgets(line, sizeof line, from)) {
		size_t length = strcspn(line, "\n");

		if (line[length] != '\n')
			error = -EBADMSG;
		line[length] = 0;
		if (!error && *line && *line != '#')
			error = add_key(baseline, strdup(line));
	}
	if (!error && ferror(from))
		error = -EIO;
	if (error)
		baseline_free(baseline);
	sort(baseline);
	return error;
}

int baseline_write(const struct model *model, FILE *to)
{
	struct baseline keys = { .count = 0 };
	int error = 0;

	for (uint32_t i = 0; !error && i < model->finding_count; i++)
		if (verdict_loses(model->findings[i].verdict))
			error = add_keys(&keys, model, &model->findings[i]);
	sort(&keys);
	fputs(FIRST_LINE, to);
	for (uint32_t i = 0; i < keys.count; i++)
		if (!i || strcmp(keys.keys[i], keys.keys[i - 1]) != 0)
			fprintf(to, "%s\n", keys.keys[i]);
	baseline_free(&keys);
	if (!error && (fflush(to) || ferror(to)))
		error = errno ? -errno : -EIO;
	return error;
}

int baseline_load(struct baseline *baseline, const char *path)
{
	FILE *from = fopen(path, "re");
	int error;

	*baseline = (struct baseline){ .count = 0 };
	if (!from)
		return -errno;
	error = baseline_read(baseline, from);
	fclose(from);
	return error;
}
