#!/bin/bash
# SPDX-License-Identifier: MIT
# plant.sh: plants one violation for each gate in a copy of the last commit, and shows that the gate sees it. A gate that
# sees nothing is worse than none. Some minutes; run it after a change to a gate.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
git clone -q . "$dir/tree" && cd "$dir/tree" || exit
export BUILD=$dir/build
{ meson setup -Dtests=false "$BUILD" . && ninja -C "$BUILD"; } >"$dir/log" 2>&1 || { tail -20 "$dir/log"; exit 1; }
missed=0 seen=0

# plant GATE WHAT COMMAND: after COMMAND the gate must fail, and say something that WHAT matches.
plant() {
	local status=0
	eval "$3" || { echo "plant.sh: could not plant: $3"; missed=$((missed + 1)); return; }
	ninja -C "$BUILD" --quiet >"$dir/log" 2>&1
	# shellcheck disable=SC2086 # a gate may have arguments
	ci/gates/$1 >"$dir/out" 2>&1 || status=$?
	if [ $status != 0 ] && [ $status != 77 ] && grep -qE -- "$2" "$dir/out"; then
		seen=$((seen + 1))
		printf 'seen    %-9s %s\n' "$1" "$(grep -m1 -E -- "$2" "$dir/out" | cut -c1-110)"
	else
		missed=$((missed + 1))
		printf 'MISSED  %-9s %s (exit status %d)\n' "$1" "${3:0:80}" $status
		head -5 "$dir/out"
	fi
	git checkout -q . && git clean -qfd
}

add() {
	printf '%b' "$2" >>"$1"
}

long=$(printf '\\tx++;\\n%.0s' {1..80})
plant sizes 'LONG: .*f: ' "add src/plan.c 'int f(int x)\n{\n${long}return x;\n}\n'"
plant sizes 'nesting' "add src/plan.c 'int f(int x)\n{\n\tif (x)\n\t\tif (x)\n\t\t\tif (x)\n\t\t\t\tif (x)\n\t\t\t\t\tif (x)\n\t\t\t\t\t\tx++;\n}\n'"
plant sizes 'TOO LONG: src/plan.c' "add src/plan.c '$(printf '\\n%.0s' {1..560})'"
plant includes 'never each other' "sed -i '/types.h/a #include \"wrapper.h\"' src/plan.h"
plant includes 'does not see sys.h' "sed -i '/plan.h/a #include \"sys.h\"' src/plan.c"
plant includes 'array of routes' "add src/plan.c 'extern const struct route route_copy;\n'"
plant includes 'what judges' "sed -i '0,/^#include/s//#include \"feed.h\"\n#include/' doctor/verdict.c"
plant includes 'print/ reads' "sed -i '0,/^#include/s//#include \"..\/symbol.h\"\n#include/' doctor/print/json.c"
plant includes 'doctor/ sees its own' "sed -i '0,/^#include/s//#include \"chattr.h\"\n#include/' doctor/process.c"
plant includes 'only <leat.h>' "sed -i '0,/^#include/s//#include \"..\/src\/types.h\"\n#include/' cli/out.c"
plant header 'by itself' "sed -i '/^#include <stdint.h>/d; /^#include <poll.h>/d' include/leat.h"
plant header 'by itself' "sed -i 's/enum leat_route route);/enum leat_route class);/' include/leat.h"
plant format 'better:.*if \(' "add src/plan.c 'int f(int x)\n{\n\tif(x) return 1;\n\treturn 0;\n}\n'"
plant shell 'SC2086' "add ci/test.sh 'rm \$1\n'"
plant man 'described in no man page|Xx' "sed -i '/^void leat_wrap(/a void leat_planted(void);' include/leat.h; printf '.Dd x\n.Xx\n' >man/leat.3"
plant paths 'one machine' "add README '/ho''me/somebody/leat\n'; git add README"
plant count 'count.py' "sed -i 's/count.failed else 0/count.skipped else 0/' ci/count.py"
plant syscalls 'only sys.c' "add src/plan.c '#include <unistd.h>\nlong f(void);\nlong f(void) { return write(1, \"\", 0); }\n'"
plant syscalls 'silent' "add src/plan.c '#include <stdio.h>\nint f(void);\nint f(void) { return puts(\"\"); }\n'"
plant exports 'disagree' "sed -i '/leat_begin;/d' src/leat.map"
plant exports 'exports other' "sed -i 's/^local:/\tplan_*;\nlocal:/' src/leat.map; sed -i 's/hidden/default/' src/meson.build"
plant abi 'interface changed' "sed -i 's/uint64_t begin_ns, end_ns;/uint64_t end_ns, begin_ns;/' include/leat.h"
plant consumer 'not expected' "sed -i \"s|^install_headers.*|install_headers('include/leat.h', 'src/types.h')|\" meson.build"
plant consumer 'fails|does not build' "sed -i 's/^Cflags//; s/leat_chunked_init;/&/; /leat_copy;/d' src/leat.map"
plant 'lint src/plan.c' 'NullDereference|nullPointer' "add src/plan.c 'int f(int *p);\nint f(int *p)\n{\n\tif (p)\n\t\treturn 0;\n\treturn *p;\n}\n'"
plant warnings 'something to say' "add src/plan.c 'static int unused;\n'"
plant tree 'left in the source tree' "sed -i 's/^\\.PHONY/&/; s/^all: configured/&\n\t@touch planted/' Makefile; git -c user.name=x -c user.email=x commit -qam x"
git reset -q --hard '@{1}'
plant asan 'asan|Sanitizer|failed' "sed -i 's/CHECK_EQ(LEAT_ROUTE_COPY, 7);/&\n\tfree(malloc(8) + 1);/' tests/unit/sizes.c"

echo "$seen seen, $missed missed"
[ $missed = 0 ]
