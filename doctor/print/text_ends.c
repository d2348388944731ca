/* SPDX-License-Identifier: MIT */
#include "text.h"

/* One end of a flow, as short as it can be told. */
static void end_name(const struct line *line, const struct file *file, char ret[LINE_TEXT])
{
	char address[WORDS_ADDRESS], name[LINE_TEXT];
	const char *path = file && file->path && *file->path ? file->path : NULL;
	bool whole = file && (file->kind == FILE_GENERATED || file->kind == FILE_DEVICE || file->kind == FILE_TERMINAL);
	const char *kind = !file ? "?" : file->kind == FILE_UNIX_STREAM ? "unix" : words_kind(file->kind);

	if (path)
		line_name(line, whole ? path : words_base(path), 40, name);
	if (!file || (!path && !*words_address(&file->peer, address)))
		snprintf(ret, LINE_TEXT, "%s%s", kind, file && file->kind == FILE_UNIX_STREAM ? " socket" : "");
	else if (!path)
		snprintf(ret, LINE_TEXT, "%s %s%s", kind, address, file->ulp_tls ? " (kTLS)" : "");
	else if (file->kind == FILE_REGULAR || whole)
		snprintf(ret, LINE_TEXT, "%.900s%s", name, file->deleted ? " (deleted)" : "");
	else
		snprintf(ret, LINE_TEXT, "%s %.900s", kind, name);
}

/* big.bin → tcp 127.0.0.1:51234 and 17 more */
void text_ends(const struct line *line, const struct model *model, const struct finding *finding, char ret[LINE_TEXT])
{
	const struct flow *flow = model_flow(model, finding->flow);
	char from[LINE_TEXT], to[LINE_TEXT], text[LINE_TEXT * 3], number[WORDS_NUMBER], more[64] = "";

	end_name(line, flow ? model_file(model, flow->from) : NULL, from);
	end_name(line, flow ? model_file(model, flow->to) : NULL, to);
	if (finding->flow_count > 1)
		snprintf(more, sizeof more, " and %s more", words_number(finding->flow_count - 1, number));
	snprintf(text, sizeof text, "%s %s %s%s", from, line->how == ESCAPE_ASCII ? "->" : "→", to, more);
	snprintf(ret, LINE_TEXT, "%.*s", LINE_TEXT - 1, text);
}

/* 2.00 GiB carried through user space */
void text_statement(const struct model *model, const struct finding *finding, char ret[LINE_TEXT])
{
	static const char *const sentences[VERDICTS] = {
		[VERDICT_UNKNOWN] = "not judged", [VERDICT_CHANGED] = "changed by the program on the way",
		[VERDICT_SMALL] = "in pieces too small to gain", [VERDICT_CANNOT] = "that the kernel cannot move",
		[VERDICT_BOUNCE] = "carried through user space", [VERDICT_COPIED] = "copied twice through user space",
		[VERDICT_MMAP_WRITE] = "written from a mapped file",
	};
	const char *maybe = finding->confidence == CONFIDENCE_MEDIUM ? "probably " : "perhaps ";
	char size[WORDS_NUMBER], number[WORDS_NUMBER];
	struct calls calls;

	words_size(finding->bytes, size);
	if (finding->verdict == VERDICT_KERNEL) {
		words_calls(model, finding, SIDE_NONE, &calls);
		snprintf(ret, LINE_TEXT, "%s by %s%s in %s call%s", size, calls.count ? calls.of[0].name : "the kernel",
			 calls.count > 1 ? " and others" : "", words_number(finding->writes, number),
			 finding->writes == 1 ? "" : "s");
		return;
	}
	if (finding->confidence >= CONFIDENCE_HIGH || !verdict_loses(finding->verdict))
		maybe = "";
	snprintf(ret, LINE_TEXT, "%s %s%s", size, maybe,
		 finding->verdict < VERDICTS ? sentences[finding->verdict] : sentences[VERDICT_UNKNOWN]);
}
