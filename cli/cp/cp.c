/* SPDX-License-Identifier: MIT */
/* leat cp: from and to anything, by the best route the kernel has. */
#include "../cmd.h"
#include "../out.h"
#include "job.h"
#include "keep.h"
#include "stop.h"
#include "tree.h"
#include "written.h"

#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
	"usage: leat cp [OPTION]... SOURCE DEST\n"
	"       leat cp [OPTION]... SOURCE... DIRECTORY\n"
	"\n"
	"Copies from and to files, devices, pipes (-: the standard ones), tcp://HOST:PORT, tcp-listen://[ADDRESS]:PORT, unix:PATH, "
	"unix-listen:PATH and fd:NUMBER, by reflink, copy_file_range, sendfile or splice where the kernel can. A file appears whole "
	"or not at all.\n"
	"\n"
	"Exit status: 0 all is there; 2 usage; 3 a source, 4 a destination failed; 5 a source changed; 6 refused; 7 timed out; 8 what is "
	"there differs; 1 anything else; 128 and the number of the signal that ended it.\n"
	"\n"
	"options:\n";

static enum opt_result parse(struct settings *s, int argc, char **argv)
{
	const struct opt table[] = {
		{ "recursive", OPT_FLAG, &s->recursive, NULL, "copy directories with all that is in them", .letter = 'r' },
		{ "limit", OPT_SIZE, &s->limit, "BYTES", "at most so many" },
		{ "offset", OPT_SIZE, &s->offset, "BYTES", "leave out so many at the beginning of the source" },
		{ "rate", OPT_SIZE, &s->rate, "BYTES", "at most so many each second", 1 },
		{ "timeout", OPT_NUMBER, &s->timeout_s, "SECONDS", "give up when nothing moves for so long, or nobody connects",
		  1, 86400 },
		{ "progress", OPT_CHOICE, &s->progress, "WHEN", "always, auto (on a terminal; default) or never: rate, time left, "
		  "stalls and the route", 0, 0, "always|auto|never" },
		{ "hash", OPT_CHOICE, &s->hash, "NAME", "print the hash of what was copied: xxh3 or sha256; costs a copy through "
		  "user space", 0, 0, "xxh3|sha256" },
		{ "tee", OPT_TEXT, &s->tee, "FILE", "write the same bytes there, too; costs a copy through user "
		  "space" },
		{ "verify", OPT_FLAG, &s->verify, NULL, "read back and compare; of a pipe it costs a copy through user "
		  "space" },
		{ "resume", OPT_FLAG, &s->resume, NULL, "go on where an interrupted run with --resume stood, if what is there is right" },
		{ "preserve", OPT_TEXT, &s->preserve_words, "WHAT", "mode, times, owner, xattr, with commas between; or all" },
		{ "explain", OPT_FLAG, &s->explain, NULL, "say before and after how the bytes move, and why not better" },
		{ "require", OPT_CHOICE, &s->require, "ROUTE", "fail rather than do it worse: reflink, offload (reflink, "
		  "copy_file_range) or kernel", 0, 0, "reflink|offload|kernel" },
		{ "stable", OPT_FLAG, &s->stable, NULL, "what was sent must not show later changes of the source" },
		{ "in-place", OPT_FLAG, &s->in_place, NULL, "write into the file that is there, instead of replacing it at the end" },
		{ "sync", OPT_FLAG, &s->sync, NULL, "flush to the disk" },
		{ "no-cache", OPT_FLAG, &s->no_cache, NULL, "leave nothing in the page cache" },
		{ "jobs", OPT_NUMBER, &s->jobs, "N", "files at once, of a directory", 1, 64, .letter = 'j' },
		{ "json", OPT_FLAG, &s->json, NULL, "what was done, for programs; the format is in leat-cp(1)" },
		{ "", OPT_WORDS, &s->words },
		{ 0 },
	};

	return opt_parse(table, argc, argv, usage);
}

static int is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The name of the file it becomes in a directory; NULL for what has none. */
static char *path_within(const char *directory, const struct addr *from)
{
	size_t length = from->kind == ADDR_FILE ? strlen(from->path) : 0, begin;
	char *path = NULL;

	while (length > 1 && from->path[length - 1] == '/')
		length--;
	for (begin = length; begin && from->path[begin - 1] != '/'; begin--)
		;
	if (begin == length || (length - begin == 2 && !memcmp(from->path + begin, "..", 2)))
		return NULL;
	if (asprintf(&path, "%s/%.*s", directory, (int)(length - begin), from->path + begin) < 0)
		return NULL;
	return path;
}

static enum status copy(const struct settings *settings, struct show *show, const struct addr *from, const struct addr *to)
{
	if (!settings->recursive || from->kind != ADDR_FILE || !is_directory(from->path))
		return job_copy(settings, show, NULL, from, to);
	if (to->kind != ADDR_FILE || settings->tee) {
		out_error("%s: it is a directory, which goes to a directory and not to %s", from->text,
			  to->kind == ADDR_FILE ? "--tee" : to->text);
		return STATUS_USAGE;
	}
	return tree_copy(settings, show, from, to);
}

/* Where several sources go. */
struct into {
	const struct addr *to;
	int directory;		/* each gets its own name in it */
	void *made;		/* tree of these names: what one source was given, another does not get */
};

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* path becomes into's; directories are added to. */
static enum status copy_within(const struct settings *settings, struct show *show, const struct addr *from, struct into *into, char *path)
{
	const struct addr within = { .kind = ADDR_FILE, .text = path, .path = path, .fd = -1, .at = into->to->at };
	int directory = settings->recursive && is_directory(from->path);
	enum status status = STATUS_DEST;

	if (!directory && tfind(path, &into->made, compare))
		out_error("%s: %s was made from another source just now, and is not overwritten", from->text, path);
	else
		status = copy(settings, show, from, &within);
	if (directory || status != STATUS_OK || !tsearch(path, &into->made, compare))
		free(path);
	return status;
}

static enum status one(const struct settings *settings, struct show *show, const char *word, struct into *into)
{
	struct addr from;
	char why[400], *path;

	if (addr_parse(word, &from, why, sizeof why) < 0) {
		out_error("%s", why);
		return STATUS_USAGE;
	}
	if (!into->directory)
		return copy(settings, show, &from, into->to);
	path = path_within(into->to->path, &from);
	if (!path) {
		out_error("%s: it has no name to be given in %s", word, into->to->text);
		return STATUS_USAGE;
	}
	return copy_within(settings, show, &from, into, path);
}

static int usage_error(const struct settings *s, const struct into *into)
{
	if (s->words.count > 2 && !into->directory) {
		out_error("%s: several sources go to a directory, and this is none", into->to->text);
		return 1;
	}
	if (s->tee && s->words.count > 2) {
		out_error("--tee is for one source");
		return 1;
	}
	if (s->tee && s->resume) {
		out_error("--tee and --resume do not go together: the second file would lack the beginning");
		return 1;
	}
	return 0;
}

/* What is said of the copy stands on stdout, unless the bytes go there. */
static FILE *said_to(const struct settings *s, const struct addr *to)
{
	static const char *const names[] = { "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1" };
	int data = to->kind == ADDR_STANDARD || (to->kind == ADDR_FD && to->fd == STDOUT_FILENO);

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		data |= !strcmp(to->text, names[i]) || (s->tee && !strcmp(s->tee, names[i]));
	return data ? stderr : stdout;
}

int cp_main(int argc, char **argv)
{
	struct settings s = { .limit = NO_LIMIT, .require = REQUIRE_NOTHING, .progress = SHOW_AUTO, .hash = HASH_NONE };
	enum opt_result parsed = parse(&s, argc, argv);
	enum status worst = STATUS_OK;
	struct leat_bucket bucket;
	struct show show;
	struct addr to;
	struct into into = { .to = &to };
	char why[400];

	if (parsed != OPT_GO_ON)
		return parsed == OPT_SHOWN ? EXIT_OK : EXIT_USAGE;
	if (s.words.count < 2) {
		out_error("it takes a SOURCE and a DEST; `leat cp --help` says more");
		return EXIT_USAGE;
	}
	if (addr_parse(s.words.items[s.words.count - 1], &to, why, sizeof why) < 0) {
		out_error("%s", why);
		return EXIT_USAGE;
	}
	if (to.kind == ADDR_FD && fcntl(to.fd, F_GETFD) < 0)
		to.fd = -1;	/* nor will it be, when what is opened from here on gets that number */
	into.directory = to.kind == ADDR_FILE && is_directory(to.path);
	if (usage_error(&s, &into) || (s.preserve_words && keep_parse(s.preserve_words, &s.preserve) < 0))
		return EXIT_USAGE;
	s.several = s.words.count > 2;
	s.mask = umask(0);
	umask(s.mask);
	stop_by_signals();
	if (s.rate) {
		leat_bucket_init(&bucket, s.rate, s.rate / 10 + 1);
		s.bucket = &bucket;
	}
	s.written = written_new();
	if (!s.written) {
		out_error("no memory");
		return EXIT_FAILED;
	}
	show_init(&show, &s, said_to(&s, &to));
	for (unsigned i = 0; i + 1 < s.words.count && worst < STATUS_STOPPED; i++) {
		enum status status = one(&s, &show, s.words.items[i], &into);

		worst = status > worst ? status : worst;
	}
	tdestroy(into.made, free);
	written_free(s.written);
	show_end(&show, (int)worst);
	return (int)worst;
}
