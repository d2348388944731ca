/* SPDX-License-Identifier: MIT */
/* Folding what is over: no byte is lost, what goes on stays as it was, and there is an end to what is kept. */
#include "check.h"

#include "../../doctor/fold.h"

#include <stdlib.h>
#include <string.h>

struct made {
	struct collect collect;
	struct model model;
	uint8_t *alive;
};

static void make(struct made *m)
{
	memset(m, 0, sizeof *m);
	collect_init(&m->collect);
	m->alive = calloc(FOLD_PIDS, 1);
	CHECK(m->alive);
}

static void end(struct made *m)
{
	collect_free(&m->collect);
	model_free(&m->model);
	free(m->alive);
}

static uint32_t fold(struct made *m, uint32_t most_flows, uint32_t most_processes)
{
	struct fold fold = { .alive = m->alive, .most_flows = most_flows, .most_processes = most_processes };

	CHECK_EQ(fold_model(&m->collect, &m->model, &fold), 0);
	free(fold.processes);
	return fold.over;
}

static struct event_flow_key key_of(uint32_t pid, uint64_t from, uint64_t to)
{
	return (struct event_flow_key){ .from_inode = from, .to_inode = to, .from_device = 1, .to_device = 1, .tgid = pid,
					.site_read = pid * 2 + 1, .site_write = pid * 2 + 2, .how = HOW_SAME_BUFFER };
}

static void add_process(struct made *m, uint32_t pid, const char *executable, bool alive)
{
	uint32_t place = model_add_process(&m->model);

	CHECK(place != MODEL_NONE);
	m->model.processes[place].pid = pid;
	m->model.processes[place].executable = strdup(executable);
	m->model.processes[place].exited = !alive;
	m->alive[pid] = alive;
}

/* A flow of so many bytes, at places whose only frame is that function. */
static void add_flow(struct made *m, const struct event_flow_key *key, uint64_t bytes, const char *function)
{
	const struct event_flow flow = { .bytes = bytes, .writes = 1, .smallest = (uint32_t)bytes, .largest = (uint32_t)bytes,
					 .sizes = { [13] = 1 }, .equal = 1, .first_ns = bytes, .last_ns = bytes };
	const struct event_file facts = { .kind = FILE_REGULAR, .facts = EVENT_CAN_SPLICE_FROM | EVENT_CAN_SPLICE_TO, .unpaired = 10 };
	uint32_t place = collect_flow(&m->collect, &m->model, key, &flow);
	uint32_t sites[] = { m->model.flows[place].site_read, m->model.flows[place].site_write };

	collect_facts(&m->model, m->model.flows[place].from, &facts, NULL);
	collect_facts(&m->model, m->model.flows[place].to, &facts, NULL);
	for (int i = 0; i < 2; i++)
		if (!m->model.sites[sites[i]].frame_count) {
			struct frame *frame = model_add_frame(&m->model.sites[sites[i]]);

			CHECK(frame);
			frame->function = strdup(function);
			frame->line = (uint32_t)i + 1;
		}
}

static uint64_t bytes_of(const struct made *m)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < m->model.flow_count; i++) {
		const struct flow *flow = &m->model.flows[i];

		CHECK(flow->from < m->model.file_count && flow->to < m->model.file_count);
		CHECK(flow->site_read == MODEL_NONE || flow->site_read < m->model.site_count);
		CHECK_EQ(flow->writes, flow->sizes[13]);
		CHECK_EQ(flow->writes, flow->samples_equal);
		bytes += flow->bytes;
	}
	return bytes;
}

/* Hundred processes of two programs, each copying one file, and one that goes on. */
static void one_place_for_many_processes(void)
{
	struct event_flow_key key;
	struct made m;

	make(&m);
	for (uint32_t pid = 100; pid < 200; pid++) {
		add_process(&m, pid, pid % 2 ? "/bin/odd" : "/bin/even", false);
		key = key_of(pid, 7, 8);
		add_flow(&m, &key, 1000 + pid, "copies");
		collect_over(&m.collect, &key);
	}
	add_process(&m, 5, "/bin/odd", true);
	key = key_of(5, 7, 8);
	add_flow(&m, &key, 1, "copies");
	CHECK_EQ(fold(&m, 1000, 10), 2);
	CHECK_EQ(m.model.flow_count, 3);
	CHECK_EQ(m.model.site_count, 6);
	CHECK_EQ(m.model.file_count, 2);
	CHECK_EQ(m.model.process_count, 3);
	CHECK_EQ(bytes_of(&m), 100 * 1000 + (100 + 199) * 50 + 1);
	for (uint32_t i = 0; i < m.model.flow_count; i++) {
		const struct flow *flow = &m.model.flows[i];

		CHECK(model_process(&m.model, flow->pid));
		CHECK_STR(m.model.sites[flow->site_write].frames[0].function, "copies");
		CHECK_EQ(m.model.sites[flow->site_write].frames[0].line, 2);
		CHECK_EQ(m.model.sites[flow->site_write].pid, flow->pid);
		CHECK_EQ(m.model.files[flow->from].inode, 7);
		CHECK(flow->pid == 5 || (flow->smallest < 1102 && flow->largest > 1197 && flow->first_ns == flow->smallest));
	}
	/* Who goes on is still known by its key, and of those that are over nobody is. */
	add_flow(&m, &key, 50, "copies");
	CHECK_EQ(m.model.flow_count, 3);
	key = key_of(100, 7, 8);
	add_flow(&m, &key, 2, "copies");
	CHECK_EQ(m.model.flow_count, 4);
	CHECK_EQ(bytes_of(&m), 100 * 1000 + (100 + 199) * 50 + 52);
	end(&m);
}

/* One interpreter, and in it the same stacks: what a baseline and a report tell findings by is the script. */
static void scripts_stay_apart(void)
{
	static const char *const scripts[] = { "a.py", "b.py", NULL };
	struct made m;

	make(&m);
	for (uint32_t pid = 100; pid < 190; pid++) {
		const char *script = scripts[pid % 3];
		struct event_flow_key key = key_of(pid, 7, 8);

		add_process(&m, pid, "/usr/bin/python3", false);
		m.model.processes[pid - 100].script = script ? strdup(script) : NULL;
		add_flow(&m, &key, 1000 + pid % 3, "read");
		collect_over(&m.collect, &key);
	}
	CHECK_EQ(fold(&m, 1000, 3), 3);
	CHECK_EQ(m.model.process_count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		const struct process *process = model_process(&m.model, m.model.flows[i].pid);
		const char *script = scripts[m.model.flows[i].bytes % 30000 / 30];

		CHECK(process && !process->script == !script);
		CHECK(!script || !strcmp(process->script, script));
	}
	end(&m);
}

/* Each to a file of its own: too many of them become one, of the kind that they are. */
static void too_many_become_kinds(void)
{
	struct event_flow_key key, alive = key_of(5, 7, 150);
	unsigned named = 0;
	struct made m;

	make(&m);
	add_process(&m, 5, "/bin/cp", true);
	add_flow(&m, &alive, 1, "goes_on");
	for (uint32_t pid = 100; pid < 200; pid++) {
		add_process(&m, pid, "/bin/cp", false);
		key = key_of(pid, 7, pid);
		add_flow(&m, &key, 1000, "copies");
		collect_over(&m.collect, &key);
	}
	CHECK_EQ(fold(&m, 100, 1000), 100);
	CHECK_EQ(m.model.flow_count, 101);
	CHECK_EQ(m.model.process_count, 101);
	CHECK_EQ(m.model.site_count, 4);
	CHECK_EQ(fold(&m, 50, 1000), 2);	/* one goes to the file that the living one has, too */
	CHECK_EQ(m.model.flow_count, 3);
	CHECK_EQ(bytes_of(&m), 100 * 1000 + 1);
	for (uint32_t i = 0; i < m.model.flow_count; i++) {
		const struct file *to = &m.model.files[m.model.flows[i].to];

		CHECK_EQ(to->kind, FILE_REGULAR);
		CHECK(to->can_splice_to && !to->splice_unknown);
		CHECK_EQ(to->unpaired_bytes, to->inode ? 10 : 99 * 10);
		named += to->inode == 150;
	}
	CHECK_EQ(named, 2);
	end(&m);
}

/* All at places that no other has: their places go last, and then there is an end. */
static void there_is_an_end(void)
{
	struct made m;

	make(&m);
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t pid = 1000; pid < 1100; pid++) {
			struct event_flow_key key = key_of(pid, 7, pid);
			char name[32];

			key.site_read += round * 10000;
			key.site_write += round * 10000;
			snprintf(name, sizeof name, "copies_%u_%u", round, pid);
			add_flow(&m, &key, 1000, name);
			collect_over(&m.collect, &key);
		}
		CHECK_EQ(fold(&m, 50, 1000), 1);
		CHECK_EQ(m.model.flow_count, 1);
		CHECK_EQ(m.model.site_count, 0);
		CHECK_EQ(m.model.file_count, 2);
		CHECK_EQ(bytes_of(&m), (round + 1) * 100000);
	}
	end(&m);
}

/* The same name, over and over: each time another flow, and one in the end. */
static void over_and_over(void)
{
	const struct event_flow_key key = key_of(5, 7, 8);
	struct made m;

	make(&m);
	for (uint32_t i = 0; i < 1000; i++) {
		add_flow(&m, &key, 10, "copies");
		if (i % 3 == 2)
			add_flow(&m, &key, 20, "copies");	/* the numbers are replaced */
		collect_over(&m.collect, &key);
		CHECK_EQ(collect_known_flow(&m.collect, &key), MODEL_NONE);
		if (i % 100 == 99)
			CHECK_EQ(fold(&m, 1000, 1000), 1);
	}
	CHECK_EQ(m.model.flow_count, 1);
	m.model.flows[0].sizes[13] = m.model.flows[0].samples_equal = m.model.flows[0].writes;
	CHECK_EQ(bytes_of(&m), 667 * 10 + 333 * 20);
	end(&m);
}

static const struct test tests[] = {
	TEST(one_place_for_many_processes), TEST(scripts_stay_apart), TEST(too_many_become_kinds),
	TEST(there_is_an_end), TEST(over_and_over),
};
TEST_MAIN(tests)
