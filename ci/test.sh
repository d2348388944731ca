#!/bin/bash
# SPDX-License-Identifier: MIT
# test.sh BUILD [MESON TEST ARGUMENTS...]: runs the tests of a configured directory, and builds what they lack.
# The last line counts them.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
build=${1:?usage: test.sh BUILD [meson test arguments]}
shift

rm -f "$build"/meson-logs/testlog*.json
# More at a time than there are processors: many tests wait for a clock or a peer.
meson test -C "$build" --num-processes $(($(nproc) * 5 / 2)) --print-errorlogs "$@"
status=$?
logs=("$build"/meson-logs/testlog*.json)	# its name has the wrapper's in it
log=${logs[0]}
[ -f "$log" ] || { echo "test.sh: meson left no $log"; exit 1; }
exec ci/count.py "$log" "$status"
