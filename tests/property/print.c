/* SPDX-License-Identifier: MIT */
/* A draft, readable. */
#include "property.h"

static const char *const leaf_names[LEAF_KINDS] = {
	"file (from_fd)", "file (from_file)", "file (from_range)", "memory", "callback", "tcp", "unix", "pipe",
};
static const char *const sink_names[SINK_KINDS] = {
	"file (to_fd)", "file (to_file)", "file, appending", "tcp", "unix", "pipe", "memory", "callback", "nothing",
};
static const char *const policies[] = { "auto", "require", "copy" };
static const char *const ways[] = { "step", "copy", "read", "unread" };

const char *leaf_name(enum leaf_kind kind)
{
	return leaf_names[kind];
}

const char *sink_name(enum sink_kind kind)
{
	return sink_names[kind];
}

static void number(FILE *to, const char *name, uint64_t n)
{
	if (n == NEVER)
		fprintf(to, " %s max", name);
	else
		fprintf(to, " %s %llu", name, (ull)n);
}

static void print_chain(const struct chain_draft *chain, unsigned indent, FILE *to)
{
	for (unsigned i = 0; i < chain->count; i++) {
		const struct made_draft *made = &chain->made[i];

		if (made->gone)
			continue;
		fprintf(to, "%*s+ %s", (int)indent + 2, "", made_name(made->kind));
		number(to, "a", made->a);
		number(to, "b", made->b);
		fprintf(to, " how %u\n", made->how);
	}
}

static void print_node(const struct draft *draft, unsigned index, unsigned indent, FILE *to)
{
	const struct node_draft *node = &draft->node[index];

	if (node->gone)
		return;
	if (node->kind == NODE_LEAF) {
		fprintf(to, "%*s%s, %llu bytes", (int)indent, "", leaf_names[node->leaf], (ull)node->size);
		if (node->leaf <= LEAF_RANGE)
			fprintf(to, " at %llu, %llu after%s%s", (ull)node->offset, (ull)node->after,
				node->sparse ? ", sparse" : "", node->disk ? ", on disk" : ", memfd");
		else if (node->leaf >= LEAF_TCP)
			fprintf(to, "%s", node->blocking ? ", blocking" : "");
		if (node->fails_after != NEVER)
			fprintf(to, ", fails after %llu", (ull)node->fails_after);
	} else if (node->kind == NODE_VIEW) {
		fprintf(to, "%*sview", (int)indent, "");
	} else {
		fprintf(to, "%*squeue, begins with %u", (int)indent, "", node->first);
	}
	fprintf(to, " [%u]\n", index);
	print_chain(&node->chain, indent, to);
	for (unsigned i = 0; i < node->parts; i++)
		print_node(draft, node->part[i], indent + 4, to);
}

static void print_options(const struct draft *draft, FILE *to)
{
	fprintf(to, "options: policy %s%s%s%s, step %llu, pipe %llu, buffer %llu\n", policies[draft->policy],
		draft->level_triggered ? ", level triggered" : "", draft->helper ? ", helper" : "",
		draft->clock_jumps ? ", clock jumps" : "", (ull)draft->step_bytes, (ull)draft->pipe_bytes,
		(ull)draft->buffer_bytes);
	if (draft->routes_off)
		fprintf(to, "routes off: 0x%x\n", draft->routes_off);
	fprintf(to, "injected: %u short, %u EAGAIN, %u EINTR of 256; %u declined of 4096\n", draft->shorts, draft->agains,
		draft->interrupts, draft->declines);
	for (unsigned i = 0; i < draft->phases; i++) {
		fprintf(to, "phase %u: %s", i, ways[draft->phase[i].way]);
		if (draft->phase[i].amount != NEVER)
			fprintf(to, draft->phase[i].way <= PHASE_COPY ? ", cancelled after %llu" : " %llu",
				(ull)draft->phase[i].amount);
		putc('\n', to);
	}
}

void draft_print(const struct draft *draft, FILE *to)
{
	fprintf(to, "source:\n");
	print_node(draft, draft->root, 4, to);
	fprintf(to, "sink: %s", sink_names[draft->sink]);
	if (draft->sink <= SINK_APPEND)
		fprintf(to, " at %llu%s", (ull)draft->sink_offset, draft->sink_disk ? ", on disk" : ", memfd");
	else if (draft->sink <= SINK_PIPE)
		fprintf(to, ", buffers %u%s", draft->buffer_class, draft->sink_blocking ? ", blocking" : "");
	if (draft->dies_after != NEVER)
		fprintf(to, ", dies after %llu", (ull)draft->dies_after);
	putc('\n', to);
	for (unsigned i = 0; i < draft->sinks; i++) {
		if (i)
			fprintf(to, "    view %u\n", i);
		print_chain(&draft->sink_chain[i], 4, to);
	}
	print_options(draft, to);
}
