/* SPDX-License-Identifier: MIT */
#include "api.h"

#include <poll.h>

#define FILE_BYTES 20000

static int64_t read_back(void *arg, void *buffer, size_t bytes, struct pollfd *wait)
{
	(void)arg;
	(void)wait;
	if (below(3) == 0)
		return -EAGAIN;
	if (below(20) == 0)
		return below(2) ? 0 : -EIO;
	bytes = bytes < 700 ? bytes : 700;
	memset(buffer, 'c', bytes);
	return (int64_t)bytes;
}

static int64_t write_back(void *arg, const void *buffer, size_t bytes, int more, struct pollfd *wait)
{
	(void)arg;
	(void)buffer;
	(void)more;
	(void)wait;
	if (below(3) == 0)
		return -EAGAIN;
	return below(30) ? (int64_t)(1 + below(bytes)) : -EPROTO;
}

static const struct leat_source_ops source_ops = { .name = "reads", .read = read_back };
static const struct leat_sink_ops sink_ops = { .name = "writes", .write = write_back };

static void pipe_or_socket(int fds[2])
{
	lab_pair(below(3) == 0 ? LAB_TCP : below(2) ? LAB_UNIX : LAB_PIPE, fds);
	for (int i = 0; i < 2; i++)
		CHECK_CALL(fcntl(fds[i], F_SETFL, O_NONBLOCK));
}

void make_world(const char *note)
{
	char path[128];
	unsigned sums[] = { world.done, world.moved, world.failed, world.copied };

	test_note(note);
	memset(&world, 0, sizeof world);
	world.done = sums[0];
	world.moved = sums[1];
	world.failed = sums[2];
	world.copied = sums[3];
	snprintf(path, sizeof path, "%s/append", lab_dir());
	world.file = lab_file(FILE_BYTES);
	world.sparse = lab_empty_file();
	CHECK_CALL(ftruncate(world.sparse, FILE_BYTES));
	CHECK_EQ(pwrite(world.sparse, "x", 1, 9000), 1);
	world.target = lab_empty_file();
	world.append = CHECK_CALL(open(path, O_CREAT | O_TRUNC | O_RDWR | O_APPEND | O_CLOEXEC, 0600));
	world.dir = CHECK_CALL(open(lab_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	for (int i = 0; i < STREAMS; i++) {
		pipe_or_socket(world.in[i]);
		pipe_or_socket(world.out[i]);
	}
	for (int i = 0; i < QUEUES; i++)
		leat_queue_init(&world.queues[i]);
	CHECK_EQ(leat_helper_init(&world.helper, (unsigned)below(4)), 0);
	for (int i = 0; i < SOURCES; i++)
		make_source(&world.sources[i]);
	for (int i = 0; i < SINKS; i++)
		make_sink(&world.sinks[i]);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void unmake_world(void)
{
	bool again = true;

	for (int i = 0; i < SOURCES; i++)
		CHECK_SAY(!world.sources[i].serves, "source %d is left busy", i);
	for (int i = 0; i < SINKS; i++)
		CHECK_SAY(!world.sinks[i].serves, "sink %d is left busy", i);
	for (int i = 0; i < QUEUES; i++) {	/* parts of a queue that no source was made of */
		struct leat_source top;

		if (world.queues[i].owner)
			continue;
		leat_from_queue(&top, &world.queues[i]);
		leat_close(&top);
	}
	/* What stands on others first. */
	for (int round = 0; again && round < 2 * SOURCES; round++) {
		again = false;
		for (int i = 0; i < SOURCES; i++) {
			if (world.sources[i].state & (END_PART | END_VIEWED))
				again = true;
			else
				leat_close(&world.sources[i]);
		}
		for (int i = 0; i < SINKS; i++) {
			if (world.sinks[i].state & END_VIEWED)
				again = true;
			else
				leat_close_sink(&world.sinks[i]);
		}
	}
	for (int i = 0; i < SOURCES; i++)
		CHECK_SAY(!world.sources[i].state, "source %d of kind %d is in state %d", i, world.sources[i].kind, world.sources[i].state);
	for (int i = 0; i < SINKS; i++)
		CHECK_SAY(!world.sinks[i].state, "sink %d of kind %d is in state %d", i, world.sinks[i].kind, world.sinks[i].state);
	for (int i = 0; i < WRAPPERS; i++)
		CHECK_EQ(world.wrappers[i].wrapper.state, 0);
	leat_helper_end(&world.helper);
	for (int i = 0; i < STREAMS * 2; i++) {
		close_fd(&world.in[i / 2][i % 2]);
		close_fd(&world.out[i / 2][i % 2]);
	}
	close_fd(&world.file);
	close_fd(&world.sparse);
	close_fd(&world.target);
	close_fd(&world.append);
	close_fd(&world.dir);
}

static void on_release(void *arg, const struct leat_report *report)
{
	(void)arg;
	(void)report;
}

static uint64_t odd_length(void)
{
	return below(12) ? below(FILE_BYTES + 3000) : below(2) ? UINT64_MAX - below(10) : (uint64_t)INT64_MAX - below(FILE_BYTES);
}

static void start_source(struct leat_source *source)
{
	int file = below(3) ? world.file : below(2) ? world.sparse : world.target;

	switch (below(11)) {
	case 0:
		leat_from_fd(source, below(8) ? file : world.dir);
		break;
	case 1:
		leat_from_file(source, file, odd_length());
		break;
	case 2: case 3:
		leat_from_range(source, file, odd_length(), odd_length());
		break;
	case 4:
		leat_from_memory(source, world.memory, below(sizeof world.memory));
		break;
	case 5:
		leat_from_callback(source, &source_ops, NULL);
		break;
	case 6:
		leat_from_queue(source, &world.queues[below(QUEUES)]);
		break;
	case 7:
		leat_from_source(source, &world.sources[below(SOURCES)]);
		break;
	default:
		leat_from_fd(source, world.in[below(STREAMS)][0]);
	}
}

void make_source(struct leat_source *source)
{
	if (source->serves || source->state & (END_PART | END_VIEWED))
		return;
	leat_close(source);
	start_source(source);
	if (!below(4))
		leat_promise(source, (enum leat_stability)below(5));
	if (!below(3))
		leat_on_release(source, on_release, NULL);
}

void make_sink(struct leat_sink *sink)
{
	if (sink->serves || sink->state & END_VIEWED)
		return;
	leat_close_sink(sink);
	switch (below(9)) {
	case 0:
		leat_to_fd(sink, below(3) ? world.target : world.append);
		break;
	case 1:
		leat_to_file(sink, below(8) ? world.target : world.append, odd_length());
		break;
	case 2:
		leat_to_memory(sink, world.memory, below(sizeof world.memory));
		break;
	case 3:
		leat_to_callback(sink, &sink_ops, NULL);
		break;
	case 4:
		leat_to_nothing(sink);
		break;
	case 5:
		leat_to_sink(sink, &world.sinks[below(SINKS)]);
		break;
	default:
		leat_to_fd(sink, world.out[below(STREAMS)][1]);
	}
}

/* ---- wrappers ------------------------------------------------------------------------------------------------------------ */

static int flip(struct leat_wrapper *wrapper, struct leat_change *change)
{
	size_t n = change->in_bytes < change->out_bytes ? change->in_bytes : change->out_bytes;

	(void)wrapper;
	n = n > 1 && below(3) == 0 ? 1 + below(n) : n;
	for (size_t i = 0; i < n; i++)
		change->out[i] = change->in[i] ^ 0x55;
	change->consumed = change->produced = n;
	return change->last && n == change->in_bytes ? LEAT_END : 0;
}

static int see(struct leat_wrapper *wrapper, const void *bytes, size_t length)
{
	unsigned sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += ((const unsigned char *)bytes)[i];
	(void)wrapper;
	return sum == 1 ? -EILSEQ : 0;
}

static int allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	(void)wrapper;
	if (below(4) == 0)
		budget->wake_at_ns = budget->now_ns + below(1000000);
	if (below(6) == 0)
		return LEAT_WAIT;
	budget->bytes = below(3) ? budget->bytes : budget->bytes / 2 + 1;
	return below(200) ? 0 : -ENOTRECOVERABLE;
}

static int update(void *state, const void *bytes, size_t length)
{
	(void)state;
	return see(NULL, bytes, length);
}

static void on_event(void *arg, const struct leat_event *event)
{
	(void)arg;
	CHECK(event->kind <= LEAT_EVENT_END);
}

static void on_trace(void *arg, const void *id, const struct leat_event *event)
{
	(void)id;
	on_event(arg, event);
}

static void on_progress(void *arg, const struct leat_progress_state *state)
{
	(void)arg;
	CHECK(state->ended == 0 || state->ended == 1);
}

static const struct leat_wrapper_ops flip_ops = { .name = "flip", .need = LEAT_NEED_CHANGE, .change = flip };
static const struct leat_wrapper_ops see_ops = { .name = "see", .need = LEAT_NEED_CONTENT, .see = see };
static const struct leat_wrapper_ops allow_ops = { .name = "allow", .need = LEAT_NEED_NOTHING, .allow = allow };
static const struct leat_hash_ops hash_calls = { .name = "sum", .update = update };

static struct leat_wrapper *prepare(unsigned which)
{
	union any_wrapper *any = &world.wrappers[which];

	switch (below(16)) {
	case 0: return leat_limit_init(&any->limit, below(FILE_BYTES));
	case 1: return leat_limit_init_exact(&any->limit, below(FILE_BYTES));
	case 2: return leat_section_init(&any->limit, below(3000), below(FILE_BYTES));
	case 3: return leat_rate_init(&any->rate, 100000 + below(100000000), below(100000));
	case 4: return leat_deadline_init(&any->deadline, LEAT_SECOND, below(2) * LEAT_SECOND);
	case 5: return leat_count_init(&any->count);
	case 6: return leat_log_init(&any->log, on_event, NULL);
	case 7: return leat_trace_init(&any->trace, any, below(2) * 1000000, on_trace, NULL);
	case 8: return leat_progress_init(&any->progress, 1 + below(5000000), on_progress, NULL);
	case 9: return leat_hash_init(&any->hash, &hash_calls, NULL);
	case 10: return leat_xxh3_init(&any->xxh3);
	case 11:
		leat_close_sink(&world.seconds[which]);
		leat_to_fd(&world.seconds[which], world.out[below(STREAMS)][1]);
		return leat_tee_init(&any->tee, &world.seconds[which], (enum leat_tee_policy)below(3), world.tee_room[which],
				     sizeof world.tee_room[which]);
	case 12: return leat_chunked_init(&any->frame, below(2) ? 0 : 1 + below(3000));
	case 13: return leat_wrapper_init(&any->wrapper, &flip_ops);
	case 14: return leat_wrapper_init(&any->wrapper, &see_ops);
	default: return leat_wrapper_init(&any->wrapper, &allow_ops);
	}
}

/* A wrapper that is on a chain already is put on another one as it is: the end keeps the misuse. */
void wrap_something(void)
{
	unsigned which = (unsigned)below(WRAPPERS);
	struct leat_wrapper *wrapper = &world.wrappers[which].wrapper;

	if (wrapper->state && below(10))
		return;
	if (!wrapper->state)
		wrapper = prepare(which);
	if (below(2))
		leat_wrap(&world.sources[below(SOURCES)], wrapper);
	else
		leat_wrap_sink(&world.sinks[below(SINKS)], wrapper);
}

void grow_a_queue(void)
{
	struct leat_queue *queue = &world.queues[below(QUEUES)];

	if (below(8) == 0)
		leat_queue_end(queue);
	else if (below(20) == 0 && !queue->owner && !queue->first)
		leat_queue_init(queue);
	else
		leat_queue_add(queue, &world.sources[below(SOURCES)]);
}

/* ---- the far ends ---------------------------------------------------------------------------------------------------------- */

void poke_the_far_ends(void)
{
	static unsigned char bytes[8000];
	unsigned which = (unsigned)below(STREAMS);
	struct pollfd feed = { .fd = world.in[which][1], .events = POLLOUT };

	if (below(40) == 0) {
		close_fd(&world.in[which][1]);		/* the end of a stream */
	} else if (below(60) == 0) {
		close_fd(&world.out[which][0]);		/* a reader that is gone */
	} else if (below(2)) {
		if (poll(&feed, 1, 0) == 1 && feed.revents == POLLOUT && write(feed.fd, bytes, 1 + below(sizeof bytes)) < 0)
			CHECK_EQ(errno, EAGAIN);
	} else if (world.out[which][0] >= 0 && read(world.out[which][0], bytes, 1 + below(sizeof bytes)) < 0) {
		CHECK(errno == EAGAIN || errno == ECONNRESET);
	}
}
