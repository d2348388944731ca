#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-differ.sh: raw and wrapped make the same transfer calls, to 5 for each GiB. A receiver that is late for a moment makes the
# server find its socket full, which costs calls, or on a blocking sink spares raw some: counts are made up to three times, and those
# that the receiver had least to do with are compared. What a wrapper costs it costs each time.
# shellcheck disable=SC2034,SC2317 # parts calls the functions, and reads what they miss
set -u
. "$(dirname "$0")/lib.sh"
failed=0
command -v python3 >/dev/null || skip 'python3 is not installed'
export TMPDIR=$PWD
here=$(cd "$(dirname "$0")" && pwd)

differ() {	# BENCH OPTIONS...
	local status
	rm -f differ.*.json
	for n in 1 2 3; do
		run 0 "$LEAT" bench --no-go --shape file-tcp/raw,file-tcp/wrapped --json "differ.$n.json" "$@"
		[ "$failed" -eq 0 ] || return 1
		! under tsan || { misses 'under the thread sanitizer the server finds its socket full by chance'; return; }
		status=0
		python3 "$here/bench-check.py" --differ differ.*.json >said || status=$?
		[ "$status" -ne 0 ] || break
	done
	missing=$(sed 's/^SKIP: //' said)
	[ "$status" -ne 1 ] || fail "$(cat said)"
	return "$status"
}
# Large: a call more or less in a transfer must not be 16 for each GiB.
on_a_nonblocking_sink() { differ --quick --budget 5 --size 256m; }
on_a_blocking_sink() { differ --quick --budget 5 --size 256m --sink blocking; }

parts on_a_nonblocking_sink on_a_blocking_sink
