/* SPDX-License-Identifier: MIT */
/*
 * The pairing rules, driven with events that were made up: the files in events/, a command on each line.
 *
 *	case NAME			begins anew: one process, one thread, no flows
 *	repeat N ... end		the lines between, so often; not within another
 *	fill AT BYTES			with bytes that occur nowhere else. AT is a or b, two places of memory, or a+OFFSET
 *	zero AT BYTES, copy AT AT BYTES, xor AT BYTES VALUE
 *	read AT BYTES FILE		from the file of this number; write AT BYTES FILE, to it
 *	write AT BYTES FILE moved N	the kernel took less; "again": it took none, and said so
 *	thread N, process N		who does it from now on
 *	look 0|1			whether bytes are looked at; sample: so much that copies are found
 *	unknown				reads from before are not known: no copy is certain
 *	mapped BYTES			so much of a file is mapped where a write is from; 0: nothing
 *	room N				for flows
 *	flow HOW MEMBER=N...		there is one flow, paired so (same inside copied mapped), with these members of event_flow
 *	flows N				so many
 *	counts MEMBER=N...		members of event_counts
 */
#include <dirent.h>

#include "paired.h"

#include <limits.h>

#define WORDS_MOST 12
#define LINES_MOST 400

static uint8_t other[MEMORY];
static char where[512];

struct line { unsigned number, count; char *text, *words[WORDS_MOST]; };

static _Noreturn void wrong(const char *why, const char *word)
{
	CHECK_SAY(0, "%s: %s: %s", where, why, word);
	abort();
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (*end || end == text)
		wrong("no number", text);
	return value;
}

static uint8_t *place(const char *text, uint64_t bytes)
{
	uint64_t at = text[1] == '+' ? number(text + 2) : 0;

	if ((*text != 'a' && *text != 'b') || (text[1] && text[1] != '+') || at + bytes > MEMORY)
		wrong("no place", text);
	return (*text == 'a' ? memory : other) + at;
}

/* ---- What is expected ------------------------------------------------------------------------------------------------------- */

struct member { const char *name; size_t offset, size; };
#define OF(type, member) #member, offsetof(struct type, member), sizeof((struct type *)0)->member

static const struct member flow_members[] = {
	{ OF(event_flow, reads) }, { OF(event_flow, writes) }, { OF(event_flow, bytes) }, { OF(event_flow, again) },
	{ OF(event_flow, equal) }, { OF(event_flow, changed) }, { OF(event_flow, weak) }, { OF(event_flow, whole_equal) },
	{ OF(event_flow, whole_changed) }, { OF(event_flow, other_thread) }, { OF(event_flow, smallest) },
	{ OF(event_flow, largest) },
	{ 0 },
};

static const struct member count_members[] = {
	{ OF(event_counts, paired_read_bytes) }, { OF(event_counts, unpaired_write_bytes) },
	{ OF(event_counts, lost_pairs) }, { OF(event_counts, lost_bytes) }, { OF(event_counts, lost_flows) },
	{ OF(event_counts, lost_flow_bytes) },
	{ 0 },
};

/* MEMBER=N */
static void expect(const struct member *members, const void *of, char *word)
{
	char *equals = strchr(word, '=');
	uint64_t is = 0;

	if (!equals)
		wrong("no MEMBER=N", word);
	*equals = 0;
	while (members->name && strcmp(members->name, word) != 0)
		members++;
	if (!members->name)
		wrong("no member", word);
	memcpy(&is, (const char *)of + members->offset, members->size);
	CHECK_SAY(is == number(equals + 1), "%s: %s is %llu, not %s", where, word, (unsigned long long)is, equals + 1);
	*equals = '=';
}

static void expect_flow(const struct line *line)
{
	static const struct { const char *name; enum flow_how how; } hows[] = {
		{ "same", HOW_SAME_BUFFER }, { "inside", HOW_INSIDE_BUFFER }, { "copied", HOW_COPIED }, { "mapped", HOW_MAPPED },
	};

	CHECK_SAY(flow_count == 1, "%s: there are %u flows", where, flow_count);
	for (size_t i = 0; i < sizeof hows / sizeof *hows; i++)
		if (strcmp(hows[i].name, line->words[1]) == 0)
			CHECK_SAY(flows[0].key.how == hows[i].how, "%s: the pair was made otherwise: %d", where, (int)flows[0].key.how);
	for (unsigned i = 2; i < line->count; i++)
		expect(flow_members, &flows[0].flow, line->words[i]);
}

/* ---- What happens ---------------------------------------------------------------------------------------------------------- */

static void do_write(const struct line *line)
{
	uint64_t bytes = number(line->words[2]), moved = bytes;

	if (line->count > 4)
		moved = strcmp(line->words[4], "moved") == 0 ? number(line->words[5]) : 0;
	p.again = line->count > 4 && strcmp(line->words[4], "again") == 0;
	writes_of(place(line->words[1], bytes), bytes, moved, number(line->words[3]));
	p.again = 0;
}

static void do_bytes(const struct line *line)
{
	uint64_t bytes = number(line->words[line->words[0][0] == 'c' ? 3 : 2]);
	uint8_t *at = place(line->words[1], bytes);

	switch (line->words[0][0]) {
	case 'f': fill(at, bytes); break;
	case 'z': memset(at, 0, bytes); break;
	case 'c': memmove(at, place(line->words[2], bytes), bytes); break;
	case 'r': reads(at, (uint32_t)bytes, number(line->words[3])); break;
	default:
		for (uint64_t i = 0; i < bytes; i++)
			at[i] ^= (uint8_t)number(line->words[3]);
	}
}

static void do_setting(const struct line *line)
{
	const char *what = line->words[0];
	uint64_t value = line->count > 1 ? number(line->words[1]) : 0;

	if (strcmp(what, "thread") == 0)
		p.tid = (uint32_t)value;
	else if (strcmp(what, "process") == 0)
		p.tgid = p.tid = (uint32_t)value;
	else if (strcmp(what, "look") == 0)
		p.look = (p.first = p.whole = (uint8_t)value) ? PAIRING_ALL_SAMPLES : 0;
	else if (strcmp(what, "sample") == 0)	/* as of most calls: for copies only */
		p.look = p.whole = 0;
	else if (strcmp(what, "unknown") == 0)
		filled = 0;
	else if (strcmp(what, "mapped") == 0)
		mapped_bytes = value;
	else if (strcmp(what, "room") == 0)
		flow_room = (unsigned)value;
	else
		CHECK_SAY(flow_count == value, "%s: there are %u flows", where, flow_count);
}

static const struct command { const char *name; unsigned words; void (*run)(const struct line *line); } commands[] = {
	{ "fill", 3, do_bytes }, { "zero", 3, do_bytes }, { "copy", 4, do_bytes }, { "xor", 4, do_bytes }, { "read", 4, do_bytes },
	{ "write", 4, do_write }, { "flow", 2, expect_flow },
	{ "thread", 2, do_setting }, { "process", 2, do_setting }, { "look", 2, do_setting },
	{ "sample", 1, do_setting }, { "unknown", 1, do_setting },
	{ "mapped", 2, do_setting }, { "room", 2, do_setting }, { "flows", 2, do_setting },
};

static void run_line(const char *file, const char *name, const struct line *line)
{
	snprintf(where, sizeof where, "%s:%u (%s)", file, line->number, name);
	if (strcmp(line->words[0], "counts") == 0) {
		for (unsigned i = 1; i < line->count; i++)
			expect(count_members, &p.counts, line->words[i]);
		return;
	}
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (strcmp(commands[i].name, line->words[0]) != 0)
			continue;
		if (line->count < commands[i].words)
			wrong("too few words", line->words[0]);
		commands[i].run(line);
		return;
	}
	wrong("no command", line->words[0]);
}

/* ---- Files ------------------------------------------------------------------------------------------------------------------ */

static unsigned run_lines(const char *file, const struct line *lines, unsigned count)
{
	const char *name = "";
	unsigned cases = 0, from = 0;
	uint64_t times = 0;

	for (unsigned i = 0; i < count; i++) {
		const char *word = lines[i].words[0];

		if (strcmp(word, "case") == 0) {
			name = lines[i].words[1];
			begin();
			cases++;
		} else if (strcmp(word, "repeat") == 0) {
			times = number(lines[i].words[1]);
			from = i;
		} else if (strcmp(word, "end") == 0) {
			if (times-- > 1)
				i = from;
		} else {
			run_line(file, name, &lines[i]);
		}
	}
	return cases;
}

static unsigned read_lines(FILE *from, struct line lines[LINES_MOST])
{
	unsigned count = 0, at = 0;
	char *text = NULL, *rest;
	size_t size = 0;

	while (getline(&text, &size, from) > 0) {
		struct line line = { .number = ++at };
		line.text = strdup(text);
		CHECK(line.text);
		line.text[strcspn(line.text, "#\n")] = 0;
		for (char *word = strtok_r(line.text, " \t", &rest); word && line.count < WORDS_MOST; word = strtok_r(NULL, " \t", &rest))
			line.words[line.count++] = word;
		CHECK(count < LINES_MOST);
		if (line.count)
			lines[count++] = line;
		else
			free(line.text);
	}
	free(text);
	return count;
}

static void events(void)
{
	static struct line lines[LINES_MOST];
	char path[PATH_MAX];
	unsigned files = 0, cases = 0;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof path, "%s/tests/doctor/events", getenv("LEAT_SOURCE") ? getenv("LEAT_SOURCE") : ".");
	dir = opendir(path);
	CHECK_SAY(dir, "no directory %s", path);
	while ((entry = readdir(dir))) {
		char name[PATH_MAX + 300];
		unsigned count;
		FILE *from;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
		from = fopen(name, "re");
		CHECK(from);
		count = read_lines(from, lines);
		cases += run_lines(entry->d_name, lines, count);
		while (count)
			free(lines[--count].text);
		fclose(from);
		files++;
	}
	closedir(dir);
	CHECK(files > 1);
	printf("%u cases\n", cases);
}

static const struct test tests[] = { TEST(events) };
TEST_MAIN(tests)
