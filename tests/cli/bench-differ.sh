#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-differ.sh: raw and wrapped make the same transfer calls, to 5 for each GiB, where nobody else is busy. A receiver that
# others keep waiting makes the server find its socket full more often: such a count is made again, and nothing is said by it.
# shellcheck disable=SC2034,SC2317 # parts calls the functions, and reads what they miss
set -u
. "$(dirname "$0")/lib.sh"
failed=0
command -v python3 >/dev/null || skip 'python3 is not installed'
export TMPDIR=$PWD
here=$(cd "$(dirname "$0")" && pwd)

differ() {	# BENCH OPTIONS...
	local status
	for _ in 1 2 3; do
		run 0 "$LEAT" bench --no-go --shape file-tcp/raw,file-tcp/wrapped --json differ.json "$@"
		[ "$failed" -eq 0 ] || return 1
		! under tsan || { misses 'under the thread sanitizer the server finds its socket full by chance'; return; }
		status=0
		python3 "$here/bench-check.py" --differ differ.json >said || status=$?
		[ "$status" -eq 77 ] || break
	done
	missing=$(sed 's/^SKIP: //' said)
	[ "$status" -ne 1 ] || fail "$(cat said)"
	return "$status"
}
on_a_nonblocking_sink() { differ --quick --budget 5; }
# Larger: a call more or less in each transfer must not be 16 for each GiB.
on_a_blocking_sink() { differ --quick --budget 5 --sink blocking --size 256m; }

parts on_a_nonblocking_sink on_a_blocking_sink
