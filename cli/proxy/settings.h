/* SPDX-License-Identifier: MIT */
/* What was asked of `leat proxy`, by options, or by a file of the same words, one on a line. */
#ifndef CLI_PROXY_SETTINGS_H
#define CLI_PROXY_SETTINGS_H

#include "../opt.h"

#include <stdint.h>

#define WORKERS_MOST 256
#define SETTINGS_LINES 512	/* of a file, with a word on each */

enum { ROUTE_AUTO, ROUTE_SPLICE, ROUTE_COPY };
enum { HEADER_NONE, HEADER_V1, HEADER_V2 };

struct settings {
	struct opt_words words;		/* LISTEN UPSTREAM... */
	struct opt_list listen, upstream, sni;	/* of sni the most exact names first, and those of one name together */
	const char *config, *log, *metrics, *user;
	uint64_t workers, rate, total_rate;
	uint64_t idle_s, connect_s, half_open_s, total_s, drain_s;
	uint64_t backlog, connections, retries, failures, down_s;
	uint64_t resolve_s, health_s, user_timeout_s, keep_alive_s;
	int route, balance, header_out, header_in, log_json, no_sandbox, check;
	char *name;			/* of the subcommand */
	char *lines[SETTINGS_LINES];	/* of the file, as options, which the members above point into; owned */
	unsigned line_numbers[SETTINGS_LINES], lines_count;
};

/* What opt_parse gives; all sentences are printed. argv is borrowed. LISTEN and UPSTREAM of the command line are in the lists as well. Only
 * OPT_GO_ON leaves something to free. */
enum opt_result settings_parse(struct settings *ret_settings, int argc, char **argv);
/* Something could not be, behind its sentence: says in which line of the file the value stands, unless the command line has it. */
void settings_blame(const struct settings *settings, const char *value);
void settings_free(struct settings *settings);

#endif
