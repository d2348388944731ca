/* SPDX-License-Identifier: MIT */
/*
 * Models made by hand. A stack is a line, innermost frame first: "OWNER FUNCTION FILE:LINE", frames separated by '|'. OWNER is
 * P (program), R (runtime), S (system) or U (unknown), with a '+' behind it where the frame was inlined. The call's place in
 * its function is "@N" at the end, so that one function can call from two places; "-" for no name.
 */
#ifndef LEAT_TESTS_DOCTOR_MADE_H
#define LEAT_TESTS_DOCTOR_MADE_H

#include "check.h"

#include <leat.h>

#include "../../doctor/model.h"

#define MADE_PID 4242

static inline char *made_text(const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	CHECK(!text || copy);
	return copy;
}

static inline void made_owner(struct frame *frame, const char *word)
{
	switch (*word) {
	case 'P': frame->owner = OWNER_PROGRAM; break;
	case 'R': frame->owner = OWNER_RUNTIME; break;
	case 'S': frame->owner = OWNER_SYSTEM; break;
	default: frame->owner = OWNER_UNKNOWN;
	}
	frame->inlined = word[1] == '+';
}

static inline void made_frame(struct site *site, char *text)
{
	struct frame *frame = model_add_frame(site);
	char owner[3], function[200], file[200];
	unsigned place = 0;
	char *at = strrchr(text, '@'), *colon;

	CHECK(frame);
	if (at) {
		place = (unsigned)strtoul(at + 1, NULL, 10);
		*at = 0;
	}
	CHECK_EQ(sscanf(text, " %2s %199s %199s", owner, function, file), 3);
	made_owner(frame, owner);
	frame->module = made_text(*file == '/' ? file : frame->owner == OWNER_SYSTEM ? "/usr/lib/libc.so.6" : "/srv/server");
	frame->function = strcmp(function, "-") != 0 ? made_text(function) : NULL;
	colon = strrchr(file, ':');
	if (colon) {
		*colon = 0;
		frame->line = (uint32_t)strtoul(colon + 1, NULL, 10);
		frame->file = made_text(file);
	}
	frame->module_offset = place ? place : frame->line;
	frame->ip = 0x400000 + frame->module_offset;
}

static inline uint32_t made_site(struct model *model, const char *stack)
{
	uint32_t place = model_add_site(model);
	char *copy = made_text(stack), *rest = copy, *frame;

	CHECK_NE(place, MODEL_NONE);
	model->sites[place].pid = MADE_PID;
	model->sites[place].id = place + 1;
	while ((frame = strsep(&rest, "|")))
		if (*frame)
			made_frame(&model->sites[place], frame);
	free(copy);
	return place;
}

static inline uint32_t made_file(struct model *model, enum file_kind kind, const char *path)
{
	uint32_t place = model_add_file(model);

	CHECK_NE(place, MODEL_NONE);
	model->files[place].kind = kind;
	model->files[place].path = made_text(path);
	model->files[place].can_splice_from = kind != FILE_GENERATED && kind != FILE_DATAGRAM && kind != FILE_ANONYMOUS;
	model->files[place].can_splice_to = model->files[place].can_splice_from;
	model->files[place].inode = place + 100;
	return place;
}

/* A flow of 1,000 writes of 32 KiB, sampled and looked at as a whole, between two new files of these kinds. */
static inline struct flow *made_flow(struct model *model, enum file_kind from, enum file_kind to, const char *read_stack,
				     const char *write_stack)
{
	uint32_t a = made_file(model, from, from == FILE_REGULAR ? "/srv/big.bin" : NULL);
	uint32_t b = made_file(model, to, to == FILE_REGULAR ? "/srv/copy.bin" : NULL);
	uint32_t read = read_stack ? made_site(model, read_stack) : MODEL_NONE;
	uint32_t write = write_stack ? made_site(model, write_stack) : MODEL_NONE;
	uint32_t place = model_add_flow(model);
	struct flow *flow;

	CHECK_NE(place, MODEL_NONE);
	flow = &model->flows[place];
	flow->pid = MADE_PID;
	flow->from = a;
	flow->to = b;
	flow->site_read = read;
	flow->site_write = write;
	flow->reads = flow->writes = 1000;
	flow->bytes = 1000 * 32768;
	flow->smallest = flow->largest = 32768;
	flow->sizes[15] = 1000;
	flow->samples_equal = 1000;
	flow->whole_equal = 7;
	return flow;
}

static inline void made_process(struct model *model, enum runtime runtime, const char *version)
{
	uint32_t place = model_add_process(model);

	CHECK_NE(place, MODEL_NONE);
	model->processes[place].pid = MADE_PID;
	model->processes[place].runtime = runtime;
	model->processes[place].name = made_text("server");
	model->processes[place].version = made_text(version);
	model->processes[place].executable = made_text("/srv/server");
}

/* Stacks as they are met: a Go server whose reader is wrapped, a C loop. */
#define MADE_GO_READ "S read - |R internal/poll.(*FD).Read fd.go:167|R os.(*File).Read file.go:118|P+ main.justReader.Read server.go:12" \
		     "|R io.copyBuffer io.go:427|R+ io.Copy io.go:385|R net.genericReadFrom net.go:650|" \
		     "R net.(*TCPConn).ReadFrom tcp.go:130|R io.Copy io.go:386|P main.serve server.go:31|R runtime.goexit asm.s:1594"
#define MADE_GO_WRITE "S write - |R internal/poll.(*FD).Write fd.go:383|R net.(*conn).Write net.go:195" \
		      "|R io.copyBuffer io.go:432|R+ io.Copy io.go:385|R net.genericReadFrom net.go:650|" \
		      "R net.(*TCPConn).ReadFrom tcp.go:130|R io.Copy io.go:386|P main.serve server.go:31|R runtime.goexit asm.s:1594"
#define MADE_C_READ "S read -|P fetch_block srv.c:9|P serve srv.c:17|P main srv.c:40|S __libc_start_main -"
#define MADE_C_WRITE "S write -|P send_all srv.c:13|P serve srv.c:18|P main srv.c:40|S __libc_start_main -"

#endif
