#!/bin/bash
# SPDX-License-Identifier: MIT
# install.sh: `make install` builds library, program and pages, no test; what it installs works.
set -u
. "$(dirname "$0")/lib.sh"
failed=0
for tool in make meson ninja python3; do command -v "$tool" >/dev/null || skip "$tool is not installed"; done

run 0 make -C "$LEAT_SOURCE" --no-print-directory BUILD="$PWD/b" PREFIX=/there DESTDIR="$PWD/stage" install
cp out said
for file in bin/leat include/leat.h lib/libleat.a lib/libleat.so lib/pkgconfig/leat.pc share/man/man1/leat-bench.1 \
	share/man/man3/leat_copy.3; do
	[ -e "stage/there/$file" ] || fail "$file is not installed"
done
run 0 stage/there/bin/leat --version
says said '^Building .*: less than a minute the first time$'
built=$(find b/tests b/examples -type f \( -perm -u+x -o -name '*.o' \) 2>/dev/null | head -3)
[ -z "$built" ] || fail "built for an installation: $built"
# Another prefix, without building anew.
run 0 make -C "$LEAT_SOURCE" --no-print-directory BUILD="$PWD/b" PREFIX=/elsewhere DESTDIR="$PWD/stage" install
says stage/elsewhere/lib/pkgconfig/leat.pc '^prefix=/elsewhere$'
exit "$failed"
