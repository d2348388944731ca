#!/bin/bash
# SPDX-License-Identifier: MIT
# test.sh BUILD [MESON TEST ARGUMENTS...]: runs the tests of a configured and built directory. The last line counts them.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
build=${1:?usage: test.sh BUILD [meson test arguments]}
shift

log=$build/meson-logs/testlog.json
rm -f "$log"
meson test -C "$build" --no-rebuild --print-errorlogs "$@"
status=$?
[ -f "$log" ] || { echo "test.sh: meson left no $log"; exit 1; }
exec ci/count.py "$log" "$status"
