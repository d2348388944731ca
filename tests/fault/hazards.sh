#!/bin/bash
# SPDX-License-Identifier: MIT
# hazards.sh: every test that tests/HAZARDS.md names exists: a case `TEST(name)` of a program, a fact of a kernel program, or a
# file. And every hazard from 1 to 80 has its row.
set -u
cd "$LEAT_SOURCE/tests" || exit 1
failed=0 references=0
fail() { echo "FAIL: $*"; failed=1; }

while read -r reference; do
	file=${reference%%:*}
	name=${reference#"$file"}
	name=${name#:}
	references=$((references + 1))
	if [ ! -f "$file" ] && [ ! -f "../$file" ]; then
		fail "$reference: there is no tests/$file"
	elif [ -n "$name" ] && ! grep -qE "TEST\($name\)|\"$name\"" "$file"; then
		fail "$reference: no such case in tests/$file"
	fi
done < <(tr '`' '\n' <HAZARDS.md | grep -xE '[a-z./_-]+(/[A-Za-z0-9_.-]+)+(:[A-Za-z0-9_-]+)?' |
	grep -vE '^tests/|^directory/|^kernel/file' | sort -u)

for n in $(seq 1 80); do
	grep -qE "^\| $n \|" HAZARDS.md && continue
	awk -v n="$n" -F'|' '$2 ~ / to / { split($2, r, " to "); if (n >= r[1] + 0 && n <= r[2] + 0) found = 1 } END { exit !found }' HAZARDS.md ||
		fail "hazard $n has no row"
done
[ "$references" -gt 80 ] || fail "only $references references found"
echo "$references references"
exit "$failed"
