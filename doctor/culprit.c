/* SPDX-License-Identifier: MIT */
/*
 * The stacks of the read and of the write are walked from their outermost frames inwards as long as they are the same. The
 * last frame they share is the copy loop. Is it the program's, it is the culprit; else the program's frame nearest to it on
 * the read side (the reader's wrapper), else on the write side (the writer's), else the one that called the loop.
 */
#include "culprit.h"

#include <string.h>

#include <leat.h>

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Without names the place on the stack tells: two frames of one module at one depth of one thread's stack. */
static bool same_frame(const struct frame *a, const struct frame *b)
{
	if (!same_text(a->module, b->module))
		return false;
	if (a->function || b->function)
		return same_text(a->function, b->function);
	if (a->sp && b->sp)
		return a->sp == b->sp;
	return a->module_offset == b->module_offset && a->ip == b->ip;
}

/* Both stand at one instruction. A recording keeps only the offset where there is a module. */
static bool same_place(const struct frame *a, const struct frame *b)
{
	return a->module ? a->module_offset == b->module_offset : a->ip == b->ip;
}

/*
 * May the walk go further in? A frame that calls from two places is left for good in between: what it calls there are two
 * calls, even of one function, so it is the loop. Frames that were inlined share their instruction: there the line tells.
 */
static bool goes_on(const struct site *read, uint32_t r, const struct site *write, uint32_t w)
{
	const struct frame *a = &read->frames[r], *b = &write->frames[w];

	if (same_place(a, b))
		return true;
	return r && w && a[-1].inlined && b[-1].inlined && a->line && a->line == b->line;
}

/* How many frames are the same from r and w inwards. */
static uint32_t run_inwards(const struct site *read, uint32_t r, const struct site *write, uint32_t w)
{
	uint32_t n = 0;

	while (n <= r && n <= w && same_frame(&read->frames[r - n], &write->frames[w - n]))
		n++;
	return n;
}

/*
 * Where the two stacks meet at their outer ends. A stack that was cut short ends somewhere in the middle of the other one: of
 * the places where it fits there, the one with the longest run counts.
 */
static bool outer_ends(const struct site *read, const struct site *write, uint32_t *r, uint32_t *w)
{
	uint32_t read_last = read->frame_count - 1, write_last = write->frame_count - 1;
	uint32_t best = run_inwards(read, read_last, write, write_last);

	*r = read_last;
	*w = write_last;
	for (uint32_t i = 0; write->truncated && i < read_last; i++) {
		uint32_t n = run_inwards(read, i, write, write_last);

		if (n > best) {
			best = n;
			*r = i;
		}
	}
	for (uint32_t i = 0; read->truncated && i < write_last; i++) {
		uint32_t n = run_inwards(read, read_last, write, i);

		if (n > best) {
			best = n;
			*r = read_last;
			*w = i;
		}
	}
	return best > 0;
}

/* The innermost frames that both stacks share; false: none. */
static bool find_loop(const struct site *read, const struct site *write, uint32_t *r, uint32_t *w)
{
	if (!read->frame_count || !write->frame_count || !outer_ends(read, write, r, w))
		return false;
	while (*r && *w && goes_on(read, *r, write, *w) && same_frame(&read->frames[*r - 1], &write->frames[*w - 1])) {
		--*r;
		--*w;
	}
	return true;
}

/* What every thread, or goroutine, begins with says nothing of who works together. */
static bool only_begins_threads(const struct site *site, uint32_t loop)
{
	if (same_text(site->frames[loop].function, "runtime.goexit"))
		return true;
	for (uint32_t i = loop; i < site->frame_count; i++)
		if (site->frames[i].owner != OWNER_SYSTEM)
			return false;
	return true;
}

/* Goroutines wander over threads, so there a pair that crossed threads is no sign. */
static bool other_thread(const struct model *model, const struct flow *flow)
{
	const struct process *process = model_process(model, flow->pid);

	return (!process || process->runtime != RUNTIME_GO) && flow->other_thread > flow->writes / 2;
}

bool culprit_is_libuv(const struct frame *frame)
{
	const char *slash = frame->module ? strrchr(frame->module, '/') : NULL;

	return slash && !strncmp(slash, "/libuv.so", strlen("/libuv.so"));
}

static bool has_libuv(const struct site *site)
{
	for (uint32_t i = 0; site && i < site->frame_count; i++)
		if (culprit_is_libuv(&site->frames[i]))
			return true;
	return false;
}

static bool has_program(const struct site *site, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		if (site->frames[i].owner == OWNER_PROGRAM)
			return true;
	return false;
}

/* The program's frame in [from, to): the outermost or the innermost. What a compiler made up is nobody's line. */
static uint32_t program_frame(const struct site *site, uint32_t from, uint32_t to, bool outermost)
{
	uint32_t found = MODEL_NONE;

	for (uint32_t i = from; site && i < to; i++) {
		if (site->frames[i].owner != OWNER_PROGRAM || same_text(site->frames[i].file, "<autogenerated>"))
			continue;
		found = i;
		if (!outermost)
			break;
	}
	return found;
}

static bool take(struct culprit *culprit, uint32_t site, uint32_t frame, enum culprit_side side)
{
	if (frame == MODEL_NONE)
		return false;
	culprit->site = site;
	culprit->frame = frame;
	culprit->side = side;
	return true;
}

/* Where no frame of the program is left. shows: there are such frames, only without names, and this would name them. */
static void set_inside(const struct model *model, const struct flow *flow, bool shows, struct culprit *culprit)
{
	static const struct {
		const char *inside, *more;
	} of[RUNTIMES] = {
		[RUNTIME_UNKNOWN] = { "code of an unknown kind", NULL },
		[RUNTIME_C] = { "the system's libraries", NULL },
		[RUNTIME_CXX] = { "the system's libraries", NULL },
		[RUNTIME_RUST] = { "the Rust standard library", NULL },
		[RUNTIME_GO] = { "the Go runtime", NULL },
		[RUNTIME_PYTHON] = { "the Python interpreter", "Python 3.12 and later, started with -X perf, names its functions" },
		[RUNTIME_NODE] = { "the Node.js runtime", "Node.js, started with --perf-basic-prof, names its functions" },
		[RUNTIME_JAVA] = { "the Java virtual machine",
				   "Java 17 and later, started with -XX:+PreserveFramePointer, names compiled methods after "
				   "`jcmd PID Compiler.perfmap`" },
	};
	const struct process *process = model_process(model, flow->pid);
	enum runtime runtime = process && process->runtime < RUNTIMES ? process->runtime : RUNTIME_UNKNOWN;

	culprit->inside = process && process->missing & MISSING_PTRACE ? "a process that may not be looked into" : of[runtime].inside;
	if ((runtime == RUNTIME_C || runtime == RUNTIME_CXX) && has_libuv(model_site(model, flow->site_read)) &&
	    has_libuv(model_site(model, flow->site_write)))
		culprit->inside = "libuv";
	culprit->more = shows ? of[runtime].more : NULL;
}

/* What there was no right to see has no name. */
static void tell_missing(const struct model *model, const struct flow *flow, struct culprit *culprit)
{
	static const char *const more[MISSINGS] = {
		[MISSING_PTRACE] = "to name its functions takes CAP_SYS_PTRACE; as root it works, and with processes of one's own",
		[MISSING_READ] = "to name its functions takes CAP_DAC_READ_SEARCH, as not all may read the program's file; as root it "
				 "works",
		[MISSING_BOTH] = "to name its functions takes CAP_SYS_PTRACE, and CAP_DAC_READ_SEARCH where not all may read the "
				 "program's file; as root it works, and with processes of one's own",
	};
	const struct process *process = model_process(model, flow->pid);
	const struct frame *frame = model_frame(model, culprit->site, culprit->frame);

	if (process && process->missing && (!frame || !frame->function))
		culprit->more = more[process->missing];
}

static void across_threads(const struct model *model, const struct flow *flow, struct culprit *culprit)
{
	const struct site *read = model_site(model, flow->site_read), *write = model_site(model, flow->site_write);

	if (take(culprit, flow->site_read, program_frame(read, 0, read->frame_count, false), SIDE_THREADS) ||
	    take(culprit, flow->site_write, program_frame(write, 0, write->frame_count, false), SIDE_THREADS))
		return;
	culprit->side = SIDE_THREADS;
	set_inside(model, flow, false, culprit);
}

static void around_loop(const struct model *model, const struct flow *flow, struct culprit *culprit)
{
	const struct site *read = model_site(model, flow->site_read), *write = model_site(model, flow->site_write);
	uint32_t r = culprit->loop_read, w = culprit->loop_write;

	if (take(culprit, flow->site_read, program_frame(read, r, r + 1, false), SIDE_LOOP) ||
	    take(culprit, flow->site_read, program_frame(read, 0, r, true), SIDE_READ) ||
	    take(culprit, flow->site_write, program_frame(write, 0, w, true), SIDE_WRITE) ||
	    take(culprit, flow->site_read, program_frame(read, r + 1, read->frame_count, false), SIDE_CALLER))
		return;
	set_inside(model, flow, true, culprit);
}

/* One stack only: a kernel route, a mapped file that is written, or a side that could not be unwound. */
static void one_side(const struct model *model, const struct flow *flow, struct culprit *culprit)
{
	bool of_read = !model_site(model, flow->site_write) || !model_site(model, flow->site_write)->frame_count;
	uint32_t place = of_read ? flow->site_read : flow->site_write;
	const struct site *site = model_site(model, place);

	if (!site || !site->frame_count)
		return;
	if (!take(culprit, place, program_frame(site, 0, site->frame_count, false), SIDE_CALLER))
		set_inside(model, flow, true, culprit);
}

static void find(const struct model *model, const struct flow *flow, struct culprit *culprit)
{
	const struct site *read = model_site(model, flow->site_read), *write = model_site(model, flow->site_write);

	*culprit = (struct culprit){ .site = MODEL_NONE, .frame = MODEL_NONE, .loop_read = MODEL_NONE, .loop_write = MODEL_NONE };
	if (flow->how >= HOW_KERNEL_FROM || !read || !write || !read->frame_count || !write->frame_count) {
		one_side(model, flow, culprit);
		return;
	}
	if (!find_loop(read, write, &culprit->loop_read, &culprit->loop_write)) {
		culprit->loop_read = culprit->loop_write = MODEL_NONE;
		across_threads(model, flow, culprit);
		/* Of a stack that was cut the shared frames may be those that are missing: two threads only if they were seen. */
		if ((read->truncated || write->truncated) && !flow->other_thread)
			culprit->side = SIDE_NONE;
		return;
	}
	if (other_thread(model, flow) ||
	    (only_begins_threads(read, culprit->loop_read) &&
	     (has_program(read, 0, culprit->loop_read) || has_program(write, 0, culprit->loop_write)))) {
		culprit->loop_read = culprit->loop_write = MODEL_NONE;
		across_threads(model, flow, culprit);
		return;
	}
	around_loop(model, flow, culprit);
}

void culprit_find(const struct model *model, const struct flow *flow, struct culprit *culprit)
{
	find(model, flow, culprit);
	tell_missing(model, flow, culprit);
}

static uint32_t inside_loop(const struct site *site, uint32_t loop)
{
	if (!site)
		return 0;
	return loop < site->frame_count ? loop : site->frame_count;
}

uint32_t culprit_inside_read(const struct model *model, const struct flow *flow, const struct culprit *culprit)
{
	return inside_loop(model_site(model, flow->site_read), culprit->loop_read);
}

uint32_t culprit_inside_write(const struct model *model, const struct flow *flow, const struct culprit *culprit)
{
	return inside_loop(model_site(model, flow->site_write), culprit->loop_write);
}
