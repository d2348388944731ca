#!/bin/bash
# SPDX-License-Identifier: MIT
# test.sh BUILD [MESON TEST ARGUMENTS...]: runs the tests of a configured and built directory. The last line counts them.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: test.sh BUILD [meson test arguments]}
shift

meson test -C "$build" --no-rebuild --print-errorlogs "$@"
status=$?
log=$(ls -t "$build"/meson-logs/testlog*.json 2>/dev/null | head -1)
[ -n "$log" ] || { echo "test.sh: meson left no log in $build/meson-logs" >&2; exit 1; }
exec ci/count.py "$log" "$status"
