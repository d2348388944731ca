/* SPDX-License-Identifier: MIT */
/* Bounces between threads: one reads, the other writes. The stacks share nothing, so the reader is to be named. */
#include "ward.h"

#include <pthread.h>

#define PIECE 65536
#define ROOMS_MOST 4

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint8_t rooms[ROOMS_MOST][PIECE];
static ssize_t sizes[ROOMS_MOST];
static unsigned room_count, head, tail;

static void *rdr(void *arg)
{
	const struct ward *ward = arg;
	ssize_t n;

	do {
		pthread_mutex_lock(&lock);
		while (head - tail == room_count)
			pthread_cond_wait(&changed, &lock);
		pthread_mutex_unlock(&lock);
		n = read(ward->from, rooms[head % room_count], PIECE);	/* CULPRIT: one; CULPRIT: queue */
		MUST(n >= 0);
		pthread_mutex_lock(&lock);
		sizes[head++ % room_count] = n;
		pthread_cond_signal(&changed);
		pthread_mutex_unlock(&lock);
	} while (n);
	return NULL;
}

static void *wtr(void *arg)
{
	const struct ward *ward = arg;
	static uint64_t moved;
	ssize_t n;

	do {
		pthread_mutex_lock(&lock);
		while (head == tail)
			pthread_cond_wait(&changed, &lock);
		n = sizes[tail % room_count];
		pthread_mutex_unlock(&lock);
		for (ssize_t done = 0; done < n;) {
			ssize_t sent = write(ward->to, rooms[tail % room_count] + done, (size_t)(n - done));

			MUST(sent > 0);
			done += sent;
		}
		moved += (uint64_t)n;
		pthread_mutex_lock(&lock);
		tail++;
		pthread_cond_signal(&changed);
		pthread_mutex_unlock(&lock);
	} while (n);
	return &moved;
}

static uint64_t run(struct ward *ward, unsigned rooms_wanted)
{
	pthread_t reader, writer;
	void *moved;

	room_count = rooms_wanted;
	MUST(!pthread_create(&reader, NULL, rdr, ward) && !pthread_create(&writer, NULL, wtr, ward));
	MUST(!pthread_join(reader, NULL) && !pthread_join(writer, &moved));
	return *(uint64_t *)moved;
}

static uint64_t run_one(struct ward *ward)
{
	return run(ward, 1);
}

static uint64_t run_queue(struct ward *ward)
{
	return run(ward, ROOMS_MOST);
}

int main(int argc, char **argv)
{
	static const struct ward_mode modes[] = { { "one", run_one }, { "queue", run_queue }, { NULL, NULL } };

	return ward_main(argc, argv, modes);
}
