#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitize.sh asan|tsan|valgrind DIR [MESON TEST ARGUMENTS...]: runs the tests under the address and undefined sanitizers, the
# thread sanitizer, or valgrind; what they take is built into DIR. All but the suites "slow", "ward" and "kernel".
# MESON_OPTIONS: further ones of the build.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:?usage: sanitize.sh asan|tsan|valgrind DIR [meson test arguments]}
dir=${2:?which directory to build in?}
shift 2

options=(-Dbuildtype=debugoptimized -Doptimization=1)
run=(--no-suite slow --no-suite ward --no-suite kernel)	# kernel facts contain nothing of ours
case $kind in
asan)
	options+=('-Db_sanitize=address,undefined')
	run+=(--timeout-multiplier 5)
	;;
tsan)
	options+=(-Db_sanitize=thread)
	run+=(--timeout-multiplier 10)
	;;
valgrind)
	command -v valgrind >/dev/null || { echo 'valgrind is not installed: ci/install-deps.sh gates'; exit 77; }
	run+=(--timeout-multiplier 30 --suite unit --suite route --suite fault)
	run+=(--wrapper 'valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect')
	;;
*)
	echo "$0: asan, tsan or valgrind, not $kind" >&2
	exit 2
	;;
esac
[ $# -eq 0 ] || run+=("$@")

log=$dir/setup.log
mkdir -p "$dir"
if [ ! -f "$dir/build.ninja" ]; then
	# shellcheck disable=SC2086 # several options
	meson setup "${options[@]}" ${MESON_OPTIONS:-} "$dir" . >"$log" 2>&1 || { cat "$log"; exit 1; }
fi
SANITIZER=$kind exec ci/test.sh "$dir" "${run[@]}"
