/* SPDX-License-Identifier: MIT */
/*
 * Each flow stands in it twice: by the stack that took its bytes in and by the one that sent them out. Losses come first, so
 * when there are more places than NODES_MOST it is the others whose inner frames are missing.
 */
#include "flame.h"
#include "escape.h"
#include "../hash.h"
#include "../verdict.h"
#include "words.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MOST 8000
#define NAME_BYTES 256		/* of a name that is kept; which names are the same is told by a hash of all of it */
#define WIDTH 1200.0
#define ROW 19
#define NARROWEST 1.5		/* what would be thinner is not drawn */
#define LETTER 7.0		/* columns that a text of 11 pixels takes, roughly */

enum path { PATH_OTHER, PATH_KERNEL, PATH_LOST };

struct node {
	uint64_t hash, bytes;
	uint32_t first, next;		/* child, sibling; 0: none, for that is the root's number */
	enum path path;
	bool culprit;
	char name[NAME_BYTES];
};

struct flame {
	struct node *nodes;
	uint32_t count, room;
	unsigned deepest;
};

/* 0: no room, or no memory: the flow stays with the frames it has. */
static uint32_t new_node(struct flame *flame, const char *name, uint64_t hash)
{
	struct node *node;

	if (flame->count == flame->room) {
		uint32_t room = flame->room ? flame->room * 2 : 64;
		struct node *nodes = flame->room < NODES_MOST ? reallocarray(flame->nodes, room, sizeof *nodes) : NULL;

		if (!nodes)
			return 0;
		flame->nodes = nodes;
		flame->room = room;
	}
	node = &flame->nodes[flame->count];
	memset(node, 0, sizeof *node);
	node->hash = hash;
	snprintf(node->name, sizeof node->name, "%.*s", NAME_BYTES - 1, name);
	return flame->count++;
}

static uint32_t child(struct flame *flame, uint32_t parent, const char *name)
{
	uint64_t hash = hash_bytes(HASH_FIRST, name, strlen(name));
	uint32_t place = flame->nodes[parent].first;

	while (place && flame->nodes[place].hash != hash)
		place = flame->nodes[place].next;
	if (place)
		return place;
	place = new_node(flame, name, hash);
	if (place) {
		flame->nodes[place].next = flame->nodes[parent].first;
		flame->nodes[parent].first = place;
	}
	return place;
}

static void count(struct node *node, uint64_t bytes, enum path path)
{
	node->bytes += bytes;
	if (path > node->path)
		node->path = path;
}

static void add_stack(struct flame *flame, const struct model *model, const struct flow *flow, uint32_t place)
{
	const struct process *process = model_process(model, flow->pid);
	const struct site *site = model_site(model, place);
	const struct finding *finding = flow->finding;
	enum verdict verdict = finding ? finding->verdict : VERDICT_UNKNOWN;
	enum path path = verdict_loses(verdict) ? PATH_LOST : verdict == VERDICT_KERNEL ? PATH_KERNEL : PATH_OTHER;
	const struct frame *culprit =
		finding ? model_frame(model, finding->culprit.site, finding->culprit.frame) : NULL;
	char name[WORDS_NAME], whose[WORDS_NAME] = "";
	uint32_t node = 0;
	unsigned depth = 1;

	if (!site || !flow->bytes)
		return;
	if (culprit)
		words_frame(culprit, whose);
	count(&flame->nodes[0], flow->bytes, path);
	snprintf(name, sizeof name, "%.200s (pid %" PRIu32 ")", process && process->name ? process->name : "process", flow->pid);
	for (uint32_t i = site->frame_count + 1; i-- > 0;) {
		node = child(flame, node, i == site->frame_count ? name : words_frame(&site->frames[i], name));
		if (!node)
			break;
		count(&flame->nodes[node], flow->bytes, path);
		if (i < site->frame_count && path == PATH_LOST && *whose && !strcmp(name, whose))
			flame->nodes[node].culprit = true;
		if (++depth > flame->deepest)
			flame->deepest = depth;
	}
}

static void add_flows(struct flame *flame, const struct model *model, bool lost)
{
	for (uint32_t i = 0; i < model->flow_count; i++) {
		const struct flow *flow = &model->flows[i];

		if ((flow->finding && verdict_loses(flow->finding->verdict)) != lost)
			continue;
		if (flow->how < HOW_KERNEL_FROM && flow->how != HOW_MAPPED)
			add_stack(flame, model, flow, flow->site_read);
		add_stack(flame, model, flow, flow->site_write);
	}
}

/* ---- drawing ---- */

static void box(FILE *to, const struct node *node, double x, double width, double y)
{
	static const char *const classes[] = { [PATH_OTHER] = "other", [PATH_KERNEL] = "kernel", [PATH_LOST] = "lost" };
	char size[WORDS_NUMBER], label[NAME_BYTES * 8];
	int columns = (int)((width - 6) / LETTER);

	fprintf(to, "<g class=\"%s%s\"><title>", classes[node->path], node->culprit ? " culprit" : "");
	escape(to, ESCAPE_HTML, node->name);
	fprintf(to, " \u00b7 %s%s</title><rect x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%d\"/>",
		words_size(node->bytes, size), node->culprit ? " \u00b7 lost here" : "", x, y, width > 1 ? width - .6 : width, ROW - 1);
	if (columns >= 3)
		fprintf(to, "<text x=\"%.1f\" y=\"%.0f\">%s</text>", x + 4, y + 13,
			escape_text(label, sizeof label, ESCAPE_HTML, node->name, columns));
	fputs("</g>\n", to);
}

static int by_bytes(const void *a, const void *b, void *arg)
{
	const struct node *nodes = arg, *x = &nodes[*(const uint32_t *)a], *y = &nodes[*(const uint32_t *)b];

	if (x->path != y->path)
		return x->path > y->path ? -1 : 1;
	return x->bytes != y->bytes ? (x->bytes > y->bytes ? -1 : 1) : 0;
}

/* What is to be drawn: a node, its left edge, and how deep it stands. */
struct place { uint32_t node; double x; unsigned depth; };

/* Puts the children of a place on the stack of what is to be drawn. Each is there once: room for all nodes does. */
static uint32_t push_children(const struct flame *flame, struct place at, double scale, uint32_t *order, struct place *stack)
{
	uint32_t children = 0;

	for (uint32_t i = flame->nodes[at.node].first; i; i = flame->nodes[i].next)
		order[children++] = i;
	qsort_r(order, children, sizeof *order, by_bytes, flame->nodes);
	for (uint32_t i = 0; i < children; i++) {
		stack[i] = (struct place){ order[i], at.x, at.depth + 1 };
		at.x += (double)flame->nodes[order[i]].bytes * scale;
	}
	return children;
}

static int draw(FILE *to, const struct flame *flame)
{
	struct place *stack = calloc(flame->count, sizeof *stack);
	uint32_t *order = calloc(flame->count, sizeof *order), used = 1;
	double scale = WIDTH / (double)flame->nodes[0].bytes, height = (flame->deepest + 1.0) * ROW;

	if (!stack || !order) {
		free(stack);
		free(order);
		return -ENOMEM;
	}
	fprintf(to, "<svg class=\"flame\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"Flame graph of the bytes moved\">\n",
		WIDTH, height);
	while (used) {
		struct place at = stack[--used];
		double width = (double)flame->nodes[at.node].bytes * scale;

		if (width < NARROWEST)
			continue;
		box(to, &flame->nodes[at.node], at.x, width, height - (at.depth + 1.0) * ROW);
		used += push_children(flame, at, scale, order, stack + used);
	}
	fputs("</svg>\n", to);
	free(stack);
	free(order);
	return 0;
}

int flame_draw(FILE *to, const struct model *model)
{
	struct flame flame = { 0 };
	int error = 0;

	new_node(&flame, "all bytes, in and out", 0);
	if (!flame.nodes)
		return -ENOMEM;
	add_flows(&flame, model, true);
	add_flows(&flame, model, false);
	if (flame.nodes[0].bytes)
		error = draw(to, &flame);
	free(flame.nodes);
	return error;
}
