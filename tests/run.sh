#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh SCRIPT ARGS...: runs a test script in an empty directory of its own, which is removed afterwards.
set -eu
script=$1
shift
dir=$(mktemp -d "${TMPDIR:-/tmp}/leat-test.XXXXXX")
status=0
(cd "$dir" && exec "$script" "$@") || status=$?
rm -rf "$dir"
exit "$status"
