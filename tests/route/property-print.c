/* SPDX-License-Identifier: MIT */
/* A plan, readable. */
#include "property.h"

static const char *const leaf_names[LEAF_KINDS] = {
	"file (from_fd)", "file (from_file)", "file (from_range)", "memory", "callback", "tcp", "unix", "pipe",
};
static const char *const sink_names[SINK_KINDS] = {
	"file (to_fd)", "file (to_file)", "file, appending", "tcp", "unix", "pipe", "memory", "callback", "nothing",
};
static const char *const policies[] = { "auto", "require", "copy" };
static const char *const ways[] = { "step", "copy", "read", "unread" };

static void number(FILE *to, const char *name, uint64_t n)
{
	if (n == NEVER)
		fprintf(to, " %s max", name);
	else
		fprintf(to, " %s %llu", name, (ull)n);
}

static void print_chain(const struct chain_plan *chain, unsigned indent, FILE *to)
{
	for (unsigned i = 0; i < chain->count; i++) {
		const struct made_plan *made = &chain->made[i];

		if (made->gone)
			continue;
		fprintf(to, "%*s+ %s", (int)indent + 2, "", made_name(made->kind));
		number(to, "a", made->a);
		number(to, "b", made->b);
		fprintf(to, " how %u\n", made->how);
	}
}

static void print_node(const struct plan *plan, unsigned index, unsigned indent, FILE *to)
{
	const struct node_plan *node = &plan->node[index];

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
		print_node(plan, node->part[i], indent + 4, to);
}

static void print_options(const struct plan *plan, FILE *to)
{
	fprintf(to, "options: policy %s%s%s%s, step %llu, pipe %llu, buffer %llu\n", policies[plan->policy],
		plan->level_triggered ? ", level triggered" : "", plan->helper ? ", helper" : "",
		plan->clock_jumps ? ", clock jumps" : "", (ull)plan->step_bytes, (ull)plan->pipe_bytes,
		(ull)plan->buffer_bytes);
	fprintf(to, "injected: %u short, %u EAGAIN, %u EINTR of 256; %u declined of 4096\n", plan->shorts, plan->agains,
		plan->interrupts, plan->declines);
	for (unsigned i = 0; i < plan->phases; i++) {
		fprintf(to, "phase %u: %s", i, ways[plan->phase[i].way]);
		if (plan->phase[i].amount != NEVER)
			fprintf(to, plan->phase[i].way <= PHASE_COPY ? ", cancelled after %llu" : " %llu",
				(ull)plan->phase[i].amount);
		putc('\n', to);
	}
}

void plan_print(const struct plan *plan, FILE *to)
{
	fprintf(to, "source:\n");
	print_node(plan, plan->root, 4, to);
	fprintf(to, "sink: %s", sink_names[plan->sink]);
	if (plan->sink <= SINK_APPEND)
		fprintf(to, " at %llu%s", (ull)plan->sink_offset, plan->sink_disk ? ", on disk" : ", memfd");
	else if (plan->sink <= SINK_PIPE)
		fprintf(to, ", buffers %u%s", plan->buffer_class, plan->sink_blocking ? ", blocking" : "");
	if (plan->dies_after != NEVER)
		fprintf(to, ", dies after %llu", (ull)plan->dies_after);
	putc('\n', to);
	for (unsigned i = 0; i < plan->sinks; i++) {
		if (i)
			fprintf(to, "    view %u\n", i);
		print_chain(&plan->sink_chain[i], 4, to);
	}
	print_options(plan, to);
}
