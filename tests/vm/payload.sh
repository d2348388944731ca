#!/bin/sh
# SPDX-License-Identifier: MIT
# payload.sh WORK: builds what runs in the guests into WORK/payload: the kernel facts, the test programs of tests/unit,
# tests/route, tests/property, tests/fault and tests/doctor but those in tests/vm/leave-out, and leat with a patient of its doctor's,
# all static; and a few tools that busybox has otherwise. LEAT_VM_TESTS=no: the facts alone;
# another word: only the programs whose names begin so, without the facts.
set -eu
work=${1:?usage: payload.sh WORK}
source=$(cd "$(dirname "$0")/../.." && pwd)
payload=$work/payload
tests=${LEAT_VM_TESTS:-yes}

rm -rf "$payload"
mkdir -p "$payload/facts" "$payload/tests" "$payload/mend" "$payload/tools" "$payload/lib"
cp "$source/tests/kernel/facts.sh" "$source/tests/vm/guest.sh" "$payload"
case $tests in
yes | no) first='' && "$source/tests/kernel/build.sh" "$payload/facts" ;;
*) first=$tests && rmdir "$payload/facts" ;;
esac
[ "$tests" != no ] || exit 0

static=$work/all-static
if [ ! -f "$static/build.ninja" ]; then
	meson setup --default-library static -Dprefer_static=true -Dc_link_args=-static -Ddoctor=enabled "$static" "$source" \
		>"$work/meson.log" 2>&1 || { cat "$work/meson.log" >&2; exit 1; }
fi
# What is to be built is known when the build is as the tree is now.
ninja -C "$static" build.ninja >"$work/ninja.log" 2>&1 || { tail -30 "$work/ninja.log" >&2; exit 1; }
programs=$(ninja -C "$static" -t targets all | sed -n 's/^\(tests\/\(unit\|route\|fault\|doctor\)-[^:.]*\): .*/\1/p')
programs=$(printf '%s\n' "$programs" | grep "^tests/$first")
# shellcheck disable=SC2086 # a list
ninja -C "$static" $programs cli/leat >"$work/ninja.log" 2>&1 || { tail -30 "$work/ninja.log" >&2; exit 1; }
for program in $programs; do
	name=${program##*/}
	awk -v name="$name" '$1 == name { found = 1 } END { exit !found }' "$source/tests/vm/leave-out" ||
		cp "$static/$program" "$payload/tests/"
done

[ -z "${first%doctor*}" ] || exit 0
cp "$static/cli/leat" "$source/tests/vm/doctor.sh" "$source/tests/vm/ktls.sh" "$payload"
mkdir -p "$payload/source/tests/doctor"
cp -r "$source/tests/doctor/events" "$payload/source/tests/doctor/"
cc -static -O2 -D_GNU_SOURCE -I"$source/tests/doctor/mend/c" "$source/tests/doctor/mend/c/tls.c" -o "$payload/mend/tls" \
	-lssl -lcrypto >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }

# The tests of the doctor begin programs that read and write as these do.
for tool in dash dd id; do
	program=$(command -v $tool)
	cp "$program" "$payload/tools/"
	ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
		cp "$library" "$payload/lib/"
	done
done
