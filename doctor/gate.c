/* SPDX-License-Identifier: MIT */
/* Reads expressions, and says whether a model makes one of them true. */
#include "gate.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "baseline.h"
#include "verdict.h"

#define BIT(value)	(1u << (value))
#define LOSSES		(BIT(VERDICT_BOUNCE) | BIT(VERDICT_COPIED) | BIT(VERDICT_MMAP_WRITE))
#define WORD_MOST	32

/* ---- Words ------------------------------------------------------------------------------------------------------------------- */

struct words {
	const char *at;
	char *why;
	size_t size;
};

static int bad(struct words *words, const char *what, const char *word)
{
	snprintf(words->why, words->size, *word ? "%s: `%.60s`" : "%s", what, word);
	return -EINVAL;
}

/* The next word: letters, digits and what belongs to numbers; a comma; a sign of comparison. "" at the end, false if it is too long. */
static bool next(struct words *words, char word[static WORD_MOST])
{
	size_t n = 0;

	while (isspace((unsigned char)*words->at))
		words->at++;
	if (*words->at == ',') {
		word[n++] = *words->at++;
		word[n] = 0;
		return true;
	}
	if (*words->at == '>' || *words->at == '<' || *words->at == '=') {
		while (n < WORD_MOST - 1 && *words->at && strchr("<>=", *words->at))
			word[n++] = *words->at++;
	} else {
		while (n < WORD_MOST - 1 && *words->at && !isspace((unsigned char)*words->at) && !strchr("<>=,", *words->at))
			word[n++] = *words->at++;
	}
	word[n] = 0;
	return n < WORD_MOST - 1 || !*words->at || isspace((unsigned char)*words->at) || strchr("<>=,", *words->at);
}

/* ---- Terms --------------------------------------------------------------------------------------------------------------------- */

static uint32_t verdicts_of(const char *word)
{
	static const struct { const char *word; uint32_t verdicts; } picks[] = {
		{ "loss", LOSSES },			{ "bounce", BIT(VERDICT_BOUNCE) | BIT(VERDICT_COPIED) },
		{ "copied", BIT(VERDICT_COPIED) },	{ "mmap-write", BIT(VERDICT_MMAP_WRITE) },
		{ "changed", BIT(VERDICT_CHANGED) },	{ "small", BIT(VERDICT_SMALL) },
		{ "cannot", BIT(VERDICT_CANNOT) },
	};

	for (unsigned i = 0; i < sizeof picks / sizeof picks[0]; i++)
		if (!strcmp(word, picks[i].word))
			return picks[i].verdicts;
	return 0;
}

static bool is_or(const char *word)
{
	return !strcmp(word, ",") || !strcmp(word, "or");
}

/* The verdict, and those that are joined to it. */
static int verdicts(struct words *words, struct gate *gate, uint32_t first)
{
	char word[WORD_MOST];
	const char *behind;

	if (gate->verdicts)
		return bad(words, "nothing has two verdicts, which \"and\" asks for; \",\" stands between those of which one will do", "");
	for (gate->verdicts = first;; gate->verdicts |= first) {
		behind = words->at;
		if (!next(words, word) || !is_or(word)) {
			words->at = behind;
			return 0;
		}
		if (!next(words, word) || !(first = verdicts_of(word)))
			return bad(words, "between verdicts only there is \",\" or \"or\"; --fail-if may be given several times", "");
	}
}

static bool pick(struct gate *gate, const char *word)
{
	if (!strcmp(word, "incomplete"))
		return gate->incomplete = true;
	return !strcmp(word, "new") && (gate->only_new = true);
}

/* A number that is not negative, with what stands behind it. */
static bool number(const char *word, double *ret, const char **ret_unit)
{
	char *end;

	if (!isdigit((unsigned char)*word))	/* strtod would take "inf", "nan" and "0x1" too */
		return false;
	if (word[0] == '0' && (word[1] == 'x' || word[1] == 'X'))
		return false;
	*ret = strtod(word, &end);
	*ret_unit = end;
	return isfinite(*ret);
}

static bool size_of(const char *word, int64_t *ret)
{
	static const char units[] = "kmgt";
	const char *unit, *at;
	double value;

	if (!number(word, &value, &unit))
		return false;
	at = *unit ? strchr(units, tolower((unsigned char)*unit)) : NULL;
	if (*unit && (!at || (unit[1] && strcasecmp(unit + 1, "ib") != 0)))
		return false;
	value = at ? ldexp(value, 10 * (int)(at - units + 1)) : value;
	if (value >= 9e18)
		return false;
	*ret = (int64_t)value;
	return true;
}

static bool level_of(const char *word, enum confidence *ret)
{
	for (int level = CONFIDENCE_LOW; level <= CONFIDENCE_CERTAIN; level++)
		if (!strcmp(word, confidence_name(level))) {
			*ret = level;
			return true;
		}
	return false;
}

static int limit(struct words *words, struct gate *gate, const char *what, bool or_equal, const char *value)
{
	const char *unit = "";

	gate->least_said |= !strcmp(what, "confidence");
	if (!strcmp(what, "confidence"))
		return or_equal && level_of(value, &gate->least) ? 0 :
			bad(words, "confidence takes >= and low, medium, high or certain, not", value);
	if (!strcmp(what, "bytes")) {
		gate->bytes_or_equal = or_equal;
		return size_of(value, &gate->bytes) ? 0 : bad(words, "bytes takes a size, like 10m, not", value);
	}
	if (!strcmp(what, "share")) {
		gate->share_or_equal = or_equal;
		if (!number(value, &gate->share, &unit) || strcmp(unit, "%") != 0 || gate->share > 100)
			return bad(words, "share takes a percentage, like 5%, not", value);
		gate->share /= 100;
		return 0;
	}
	gate->cpu_or_equal = or_equal;
	return number(value, &gate->cpu_s, &unit) && !strcmp(unit, "s") ? 0 : bad(words, "cpu takes seconds, like 0.5s, not", value);
}

static bool has_limit(const char *word)
{
	return !strcmp(word, "share") || !strcmp(word, "bytes") || !strcmp(word, "cpu") || !strcmp(word, "confidence");
}

static bool is_said(const struct gate *gate, const char *what)
{
	return !strcmp(what, "confidence") ? gate->least_said :
	       !strcmp(what, "share") ? gate->share >= 0 : !strcmp(what, "bytes") ? gate->bytes >= 0 : gate->cpu_s >= 0;
}

static int term(struct words *words, struct gate *gate)
{
	char word[WORD_MOST], sign[WORD_MOST], value[WORD_MOST];

	uint32_t first;

	if (!next(words, word))
		return bad(words, "there is no such word", words->at);
	first = verdicts_of(word);
	if (first)
		return verdicts(words, gate, first);
	if (pick(gate, word))
		return 0;
	if (!has_limit(word))
		return *word ? bad(words, "there is no such word", word) : bad(words, "something is missing at its end", "");
	if (is_said(gate, word))
		return bad(words, "it can stand once", word);
	if (!next(words, sign) || (strcmp(sign, ">") != 0 && strcmp(sign, ">=") != 0))
		return bad(words, "> or >= is wanted behind", word);
	if (!next(words, value))
		return bad(words, "there is no such value", value);
	return limit(words, gate, word, sign[1] == '=', value);
}

int gate_parse(struct gate *gate, const char *text, char *ret_why, size_t size)
{
	struct words words = { .at = text, .why = ret_why, .size = size };
	char word[WORD_MOST];
	unsigned terms;

	*gate = (struct gate){ .text = text, .least = CONFIDENCE_MEDIUM, .share = -1, .cpu_s = -1, .bytes = -1 };
	for (terms = 1;; terms++) {
		int error = term(&words, gate);

		if (error)
			return error;
		if (!next(&words, word))
			return bad(&words, "there is no such word", words.at);
		if (!*word)
			break;
		if (is_or(word))
			return bad(&words, "between verdicts only there is \",\" or \"or\"; --fail-if may be given several times", "");
		if (strcmp(word, "and") != 0)
			return bad(&words, "\"and\" is wanted before", word);
	}
	if (gate->incomplete && terms > 1)
		return bad(&words, "incomplete stands alone; --fail-if may be given several times", "");
	if (!gate->verdicts)
		gate->verdicts = LOSSES;
	return 0;
}

/* ---- The answer ---------------------------------------------------------------------------------------------------------------- */

/* What the kernel moved, and could have moved. */
static double all_bytes(const struct model *model)
{
	double bytes = 0;

	for (uint32_t i = 0; i < model->finding_count; i++)
		if (model->findings[i].verdict == VERDICT_KERNEL || verdict_loses(model->findings[i].verdict))
			bytes += (double)model->findings[i].bytes;
	return bytes;
}

/* Bytes of the finding that are picked; false: none. */
static bool picks(const struct gate *gate, const struct model *model, const struct finding *finding, const struct baseline *baseline,
		  uint64_t *ret_bytes)
{
	*ret_bytes = finding->bytes;
	if (!(gate->verdicts & BIT(finding->verdict)) || finding->confidence < gate->least)
		return false;
	if (gate->only_new)
		*ret_bytes = baseline ? baseline_new_bytes(baseline, model, finding) : 0;
	return !gate->only_new || *ret_bytes;
}

/* That it counts as known says little where its place has no name. */
static void note_unsure(const struct gate *gate, const struct model *model, uint32_t place, uint64_t picked, struct gate_result *ret)
{
	const struct finding *finding = &model->findings[place];

	if (!gate->only_new || !(gate->verdicts & BIT(finding->verdict)) || finding->confidence < gate->least ||
	    picked >= finding->bytes || !known_place_words(known_place_of(model, finding)))
		return;
	if (!ret->unsure_count++ || finding->bytes > model->findings[ret->unsure].bytes)
		ret->unsure = place;
	ret->unsure_bytes = model_plus(ret->unsure_bytes, finding->bytes - picked);
}

static bool passes(double value, double most, bool or_equal)
{
	return most < 0 || (or_equal ? value >= most : value > most);
}

static bool is_true(const struct gate *gate, const struct model *model, const struct baseline *baseline, struct gate_result *ret)
{
	double all = all_bytes(model);

	*ret = (struct gate_result){ .gate = gate, .finding = MODEL_NONE };
	if (gate->incomplete) {
		ret->known = known_of(model);
		return ret->known != KNOWN_ENOUGH;
	}
	for (uint32_t i = 0; i < model->finding_count; i++) {
		const struct finding *finding = &model->findings[i];
		uint64_t bytes;
		bool picked = picks(gate, model, finding, baseline, &bytes);

		note_unsure(gate, model, i, bytes, ret);
		if (!picked)
			continue;
		if (!ret->count++ || finding->bytes > model->findings[ret->finding].bytes)
			ret->finding = i;
		ret->bytes = model_plus(ret->bytes, bytes);
		if (finding->cost.method)
			ret->cpu_s += (finding->cost.user_s - finding->cost.kernel_route_s) *
				      (finding->bytes ? (double)bytes / (double)finding->bytes : 1);
	}
	ret->share = all > 0 ? (double)ret->bytes / all : 0;
	return ret->count && passes(ret->share, gate->share, gate->share_or_equal) && passes(ret->cpu_s, gate->cpu_s, gate->cpu_or_equal) &&
	       passes((double)ret->bytes, (double)gate->bytes, gate->bytes_or_equal);
}

bool gate_fails(const struct gate *gates, unsigned count, const struct model *model, const struct baseline *baseline,
		struct gate_result *ret)
{
	struct gate_result unsure = { .finding = MODEL_NONE };

	for (unsigned i = 0; i < count; i++) {
		if (is_true(&gates[i], model, baseline, ret))
			return true;
		if (ret->unsure_bytes > unsure.unsure_bytes)
			unsure = *ret;
	}
	*ret = unsure;
	return false;
}
