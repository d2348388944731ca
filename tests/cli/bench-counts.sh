#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-counts.sh: whatever shapes are chosen, the counts are checked by a planted read.
# shellcheck disable=SC2034,SC2317 # parts calls the functions, and reads what they miss
set -u
. "$(dirname "$0")/lib.sh"
failed=0

# checked OPTIONS...: the planted read showed.
checked() {
	run 0 timeout 60 "$LEAT" bench --quick --budget 5 --size 1m --no-go --json counts.json "$@"
	if grep -qE '^leat: .*: system calls are not counted' err; then
		misses "$(grep -E -m 1 ': system calls are not counted' err)"
		return
	fi
	says counts.json '"self_check": true'
	says out '^  self-check: a planted read of one byte changed the counts by exactly that$'
}
of_the_bare_file() { checked --shape file-tcp/raw; }
of_a_file_copy() { checked --shape file-file/plain; }
of_a_wrapped_file_copy() { checked --shape file-file/wrapped; }
of_a_relay() { checked --shape tcp-tcp/raw; }
of_a_wrapped_relay() { checked --shape tcp-tcp/wrapped; }
of_a_relay_on_a_blocking_sink() { checked --shape tcp-tcp/raw --sink blocking; }

parts of_the_bare_file of_a_file_copy of_a_wrapped_file_copy of_a_relay of_a_wrapped_relay of_a_relay_on_a_blocking_sink
