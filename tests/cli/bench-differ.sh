#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-differ.sh: raw and wrapped make the same transfer calls, to 5 for each GiB, where nobody else is busy. A receiver that
# others keep waiting makes the server find its socket full more often: such a count is made again, and nothing is said by it.
set -u
. "$(dirname "$0")/lib.sh"
failed=0
command -v python3 >/dev/null || skip 'python3 is not installed'
export TMPDIR=$PWD

for _ in 1 2 3; do
	run 0 "$LEAT" bench --quick --budget 5 --no-go --shape file-tcp/raw,file-tcp/wrapped --json differ.json
	[ "$failed" -eq 0 ] || exit 1
	status=0
	python3 "$(dirname "$0")/bench-check.py" --differ differ.json >said || status=$?
	[ "$status" -eq 77 ] || break
done
cat said
exit "$status"
