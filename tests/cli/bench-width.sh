#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-width.sh: the text fits the terminal, and 80 columns where there is none; no blanks at the end of a line; a dumb terminal
# gets no escapes.
set -u
. "$(dirname "$0")/lib.sh"
failed=0
export LC_ALL=C.UTF-8

for words in --help 'bench --help' 'bench --list' '--version --verbose'; do
	read -ra split <<<"$words"
	run 0 "$LEAT" "${split[@]}"
	if grep -nE ' $|.{81}' out >long; then fail "leat $words: blanks at the end, or more than 80 columns: $(head -3 long)"; fi
done

command -v python3 >/dev/null || skip 'python3 is not installed, so there is no terminal'
for columns in 72 80 100 150; do
	ON_TERMINAL=dumb run 0 on_terminal "$columns" "$LEAT" bench --quick --budget 5 --size 1m --no-go
	tr -d '\r' <out | sed -n '/^file/,$p' >table
	says table '^  leat wrapped .* sendfile$'
	if grep -nE " \$|.{$((columns + 1))}" table >long; then fail "on $columns columns: $(head -3 long)"; fi
	if grep -q $'\033' out; then fail "escapes on a dumb terminal: $(grep $'\033' out | head -3)"; fi
done
says table '^  c-copy-file-range-again$'
says table '^  file-file c-copy-file-range-again copy_file_range '
says table 'wrapped against raw +[0-9.]+ .* at most 1.03 +too few rounds to judge'
run 0 on_terminal 80 "$LEAT" bench --quick --budget 5 --size 1m --no-go --shape file-tcp/raw
grep -q $'\033\\[1m' out || fail 'no bold type on a terminal'
exit "$failed"
