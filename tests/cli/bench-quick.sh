#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-quick.sh: a whole quick run: the JSON holds what it should, wrappers keep the route, contents are right, the planted
# read shows, the table says the same, nothing is left behind. bench-differ.sh has what cannot be told while others keep the
# CPUs busy.
set -u
. "$(dirname "$0")/lib.sh"
failed=0
command -v python3 >/dev/null || skip 'python3 is not installed'
mkdir tmp
export TMPDIR=$PWD/tmp

run 0 "$LEAT" bench --quick --json q.json --html q.html
python3 "$(dirname "$0")/bench-check.py" q.json || failed=1
says out '^file → TCP'
says out '^  leat wrapped +#* .* sendfile$'
says out '^  leat hash .* copy$'
says out '^ +needs-content:xxh3$'
for direction in file-tcp tcp-tcp file-file; do says out "A/A control, $direction: [0-9.]+"; done
if grep -nE ' $|.{81}' out >long; then fail "blanks at the end, or more than 80 columns: $(head -3 long)"; fi
if grep -q $'\033' out; then fail 'colours although it is not a terminal'; fi
[ -z "$(ls tmp)" ] || fail "left behind: $(ls tmp)"
for part in '<!doctype html>' '<svg ' 'prefers-color-scheme:dark' 'System calls' 'How it was measured' '</html>'; do
	says q.html "$part"
done
rounds=$(sed -n 's/^\t"rounds": \([0-9]*\),$/\1/p' q.json)
if [ "$rounds" -lt 21 ]; then
	says out '^  -      wrapped against raw +[0-9.]+ +1\.03$'
	says out "^  -      $rounds rounds?: too few to judge \\(of 21\\)"
	says q.html "<td class=\"soft\">too few rounds to judge \\($rounds of 21\\)</td>"
	if grep -qE '^  (holds|MISSED) +wrapped against raw ' out; then fail "judged by $rounds rounds"; fi
fi
if grep -qiE '<script|https?://|src=' q.html; then fail 'the page has a script or fetches something'; fi
exit "$failed"
