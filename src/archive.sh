#!/bin/sh
# SPDX-License-Identifier: MIT
# archive.sh IN.a OUT.a: one object out of all of IN's, its hidden names made local.
set -eu
object=$(mktemp "${TMPDIR:-/tmp}/leat-XXXXXX.o")
trap 'rm -f "$object"' EXIT
ld -r -o "$object" --whole-archive "$1"
objcopy --localize-hidden "$object"
rm -f "$2"
ar rcsD "$2" "$object"
