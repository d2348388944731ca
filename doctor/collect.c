/* SPDX-License-Identifier: MIT */
#include "collect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* ---- Tables ---------------------------------------------------------------------------------------------------------------- */

/* An entry is a key and the place in the model, + 1; 0: the model had no room for it. */
static uint32_t *place_in(const struct table *table, void *entry)
{
	return (uint32_t *)(void *)((uint8_t *)entry + table->key_bytes);
}

#define PLACE_BYTES 8	/* keys are of 64-bit words */

void collect_init(struct collect *collect)
{
	*collect = (struct collect){ .over = 0 };
	table_init(&collect->files, sizeof(struct event_file_key) + PLACE_BYTES, sizeof(struct event_file_key), MODEL_FILES_MAX);
	table_init(&collect->sites, sizeof(struct event_site_key) + PLACE_BYTES, sizeof(struct event_site_key), MODEL_SITES_MAX);
	table_init(&collect->flows, sizeof(struct event_flow_key) + PLACE_BYTES, sizeof(struct event_flow_key), MODEL_FLOWS_MAX);
}

void collect_free(struct collect *collect)
{
	table_free(&collect->files);
	table_free(&collect->sites);
	table_free(&collect->flows);
}

/* The place of the key; add makes it when it is new, and *ret_new says so. */
static uint32_t place_of(struct table *table, const void *key, struct model *model, uint32_t (*add)(struct model *), bool *ret_new)
{
	void *entry = table_make(table, key);
	uint32_t *place = entry ? place_in(table, entry) : NULL;

	*ret_new = false;
	if (!place)
		return MODEL_NONE;
	if (!*place) {
		*place = add(model) + 1;
		*ret_new = *place != 0;
	}
	return *place - 1;
}

int collect_fresh(const struct collect *collect, uint32_t more_files, struct collect *ret_fresh)
{
	collect_init(ret_fresh);
	if (!table_reserve(&ret_fresh->files, collect->files.count + more_files) &&
	    !table_reserve(&ret_fresh->sites, collect->sites.count) && !table_reserve(&ret_fresh->flows, collect->flows.count))
		return 0;
	collect_free(ret_fresh);
	return -ENOMEM;
}

static void move(const struct table *from, struct table *to, const uint32_t *places)
{
	uint32_t at = 0, place;
	void *entry;

	while ((entry = table_next(from, &at))) {
		place = *place_in(from, entry);
		if (place && places[place - 1] != MODEL_NONE)
			*place_in(to, table_make(to, entry)) = places[place - 1] + 1;
	}
}

void collect_moved(struct collect *collect, struct collect *fresh, const uint32_t *files, const uint32_t *sites,
		   const uint32_t *flows)
{
	move(&collect->files, &fresh->files, files);
	move(&collect->sites, &fresh->sites, sites);
	move(&collect->flows, &fresh->flows, flows);
	fresh->over = collect->over;
	collect_free(collect);
	*collect = *fresh;
}

/* ---- Files ----------------------------------------------------------------------------------------------------------------- */

uint32_t collect_file(struct collect *collect, struct model *model, const struct event_file_key *key)
{
	bool is_new;
	uint32_t place = place_of(&collect->files, key, model, model_add_file, &is_new);

	if (is_new && key->inode & EVENT_SUMMARY) {
		const struct event_file facts = { .kind = key->inode & 0xff, .facts = (uint32_t)(key->inode >> 8) };

		collect_facts(model, place, &facts, NULL);
	} else if (is_new) {
		model->files[place].inode = key->inode;
		if (key->device != EVENT_CLOSED)
			model->files[place].device = makedev(key->device >> 20, key->device & 0xfffff);
		if (!key->inode && !key->device)	/* the program's own memory: vmsplice */
			model->files[place].kind = FILE_ANONYMOUS;
		else
			model->files[place].splice_unknown = true;	/* until there are facts: the kernel side may have had no room */
	}
	return place;
}

/* Innermost first, as they are found, to a path from the root. */
static char *path_text(const struct event_path *path)
{
	uint32_t bytes = path->bytes < EVENT_PATH_BYTES ? path->bytes : EVENT_PATH_BYTES, end, at = 0;
	char *text = malloc((size_t)bytes + 8);

	if (!text)
		return NULL;
	if (path->cut) {
		memcpy(text, "...", 3);
		at = 3;
	}
	for (end = bytes; end > 0;) {
		uint32_t from = end - 1;	/* its 0 */
		size_t length;

		while (from > 0 && path->names[from - 1])
			from--;
		length = strnlen(path->names + from, end - from);
		if (at || !path->rootless)
			text[at++] = '/';
		memcpy(text + at, path->names + from, length);
		at += (uint32_t)length;
		end = from;
	}
	if (!bytes)
		text[at++] = '/';
	text[at] = 0;
	return text;
}

static char *name_text(const struct event_file *facts)
{
	size_t bytes = facts->name_bytes < EVENT_NAME_BYTES ? facts->name_bytes : EVENT_NAME_BYTES;
	char *text;

	if (!bytes)
		return NULL;
	text = strndup((const char *)facts->name + !facts->name[0], bytes - !facts->name[0]);
	if (text && !facts->name[0]) {	/* an abstract one, as ss and /proc/net/unix write it */
		char *with = malloc(strlen(text) + 2);

		if (with) {
			with[0] = '@';
			memcpy(with + 1, text, strlen(text) + 1);
		}
		free(text);
		text = with;
	}
	return text;
}

void collect_facts(struct model *model, uint32_t place, const struct event_file *facts, const struct event_path *path)
{
	struct file *file = &model->files[place];

	file->splice_unknown &= file->kind != FILE_UNKNOWN;
	if (facts->kind && facts->kind < FILE_KINDS)
		file->kind = (enum file_kind)facts->kind;
	file->can_splice_from |= !!(facts->facts & EVENT_CAN_SPLICE_FROM);
	file->can_splice_to |= !!(facts->facts & EVENT_CAN_SPLICE_TO);
	file->splice_unknown |= !!(facts->facts & EVENT_SPLICE_UNKNOWN);
	file->append |= !!(facts->facts & EVENT_APPEND);
	file->direct |= !!(facts->facts & EVENT_DIRECT);
	file->nonblocking |= !!(facts->facts & EVENT_NONBLOCKING);
	file->deleted |= !!(facts->facts & EVENT_DELETED);
	file->ulp_tls |= !!(facts->facts & EVENT_TLS);
	if (facts->local.family)
		file->local = facts->local;
	if (facts->peer.family)
		file->peer = facts->peer;
	if (file->unpaired_bytes < facts->unpaired)	/* it may have been forgotten in between */
		file->unpaired_bytes = facts->unpaired;
	if (file->path)
		return;
	if (facts->name_bytes)
		file->path = name_text(facts);
	else if (path && (path->bytes || path->cut))
		file->path = path_text(path);
}

/* ---- Sites, flows, counters ------------------------------------------------------------------------------------------------ */

uint32_t collect_site(struct collect *collect, struct model *model, uint32_t pid, uint64_t site)
{
	struct event_site_key key = { .tgid = pid, .site = site };
	bool is_new;
	uint32_t place;

	if (!site)
		return MODEL_NONE;
	place = place_of(&collect->sites, &key, model, model_add_site, &is_new);
	if (is_new) {
		model->sites[place].pid = pid;
		model->sites[place].id = site;
	}
	return place;
}

static void name_flow(struct collect *collect, struct model *model, uint32_t place, const struct event_flow_key *key)
{
	const struct event_file_key from = { key->from_inode, key->from_device, 0 }, to = { key->to_inode, key->to_device, 1 };
	struct flow *flow = &model->flows[place];

	flow->pid = key->tgid;
	flow->how = (enum flow_how)(key->how < HOWS ? key->how : HOW_SAME_BUFFER);
	flow->call_read = key->call_read;
	flow->call_write = key->call_write;
	flow->from = collect_file(collect, model, &from);
	flow->to = collect_file(collect, model, &to);
	flow->site_read = collect_site(collect, model, key->tgid, key->site_read);
	flow->site_write = collect_site(collect, model, key->tgid, key->site_write);
}

uint32_t collect_flow(struct collect *collect, struct model *model, const struct event_flow_key *key,
		      const struct event_flow *event)
{
	bool is_new;
	uint32_t place = place_of(&collect->flows, key, model, model_add_flow, &is_new);
	struct flow *flow;

	if (place == MODEL_NONE)
		return place;
	if (is_new)
		name_flow(collect, model, place, key);
	flow = &model->flows[place];
	flow->reads = event->reads;
	flow->writes = event->writes;
	flow->bytes = event->bytes;
	flow->again = event->again;
	flow->smallest = event->smallest;
	flow->largest = event->largest;
	memcpy(flow->sizes, event->sizes, sizeof flow->sizes);
	flow->samples_equal = event->equal;
	flow->samples_changed = event->changed;
	flow->samples_weak = event->weak;
	flow->whole_equal = event->whole_equal;
	flow->whole_changed = event->whole_changed;
	flow->other_thread = event->other_thread;
	flow->first_ns = event->first_ns;
	flow->last_ns = event->last_ns;
	return place;
}

uint32_t collect_known_flow(const struct collect *collect, const struct event_flow_key *key)
{
	void *entry = table_find(&collect->flows, key);

	return entry ? *place_in(&collect->flows, entry) - 1 : MODEL_NONE;
}

/* Under a name that no flow has it stays known, and in nobody's way. */
void collect_over(struct collect *collect, const struct event_flow_key *key)
{
	struct event_flow_key *known = table_find(&collect->flows, key);

	if (known && *place_in(&collect->flows, known))
		known->zero = ++collect->over ? collect->over : ++collect->over;
}

void collect_mark_over(const struct collect *collect, uint8_t *over)
{
	struct event_flow_key *key;
	uint32_t at = 0;

	while ((key = table_next(&collect->flows, &at)))
		if (key->zero && *place_in(&collect->flows, key))
			over[*place_in(&collect->flows, key) - 1] = 1;
}

void collect_counts(struct model *model, const struct event_counts *c)
{
	struct coverage *to = &model->coverage;

	to->reads = c->reads;
	to->writes = c->writes;
	to->read_bytes = c->read_bytes;
	to->write_bytes = c->write_bytes;
	to->unpaired_read_bytes = c->read_bytes > c->paired_read_bytes ? c->read_bytes - c->paired_read_bytes : 0;
	to->unpaired_write_bytes = c->unpaired_write_bytes;
	/* A read that was evicted may never have been written: no more was lost than was written without a read. */
	to->lost_pairs = c->lost_pairs;
	to->lost_bytes = c->lost_bytes < c->unpaired_write_bytes ? c->lost_bytes : c->unpaired_write_bytes;
	if (!to->lost_bytes)
		to->lost_pairs = 0;
	to->lost_bytes += c->lost_flow_bytes;
	to->lost_flows = c->lost_flows;
	to->cut_vectors = c->cut_vectors;
	to->io_uring_calls = c->uring_calls;
	to->io_uring_blind = c->uring_blind;
	to->calls_32_bit = c->calls_32_bit;
	to->aio_requests = c->aio_requests;
	to->mapped_read_bytes = c->mapped_read_bytes;
	to->tls_records = c->tls_records;
	to->no_stack = c->no_stack;
}
