#!/bin/sh
# SPDX-License-Identifier: MIT
# payload.sh WORK: builds what runs in the guests into WORK/payload: the kernel facts, and the test programs of
# tests/unit, tests/route, tests/property and tests/fault but those in tests/vm/leave-out, all static. LEAT_VM_TESTS=no: the
# facts alone.
set -eu
work=${1:?usage: payload.sh WORK}
source=$(cd "$(dirname "$0")/../.." && pwd)
payload=$work/payload

rm -rf "$payload"
mkdir -p "$payload/facts" "$payload/tests"
"$source/tests/kernel/build.sh" "$payload/facts"
cp "$source/tests/kernel/facts.sh" "$source/tests/vm/guest.sh" "$payload"
[ "${LEAT_VM_TESTS:-yes}" = yes ] || exit 0

static=$work/static
if [ ! -f "$static/build.ninja" ]; then
	meson setup --default-library static -Dc_link_args=-static -Dcli=false "$static" "$source" >"$work/meson.log" 2>&1 ||
		{ cat "$work/meson.log" >&2; exit 1; }
fi
programs=$(ninja -C "$static" -t targets all | sed -n 's/^\(tests\/\(unit\|route\|fault\)-[^:.]*\): .*/\1/p')
[ -n "$programs" ] || exit 0
# shellcheck disable=SC2086 # a list
ninja -C "$static" $programs >"$work/ninja.log" 2>&1 || { tail -30 "$work/ninja.log" >&2; exit 1; }
for program in $programs; do
	name=${program##*/}
	awk -v name="$name" '$1 == name { found = 1 } END { exit !found }' "$source/tests/vm/leave-out" ||
		cp "$static/$program" "$payload/tests/"
done
