#!/bin/sh
# SPDX-License-Identifier: MIT
# archive.sh LD OBJCOPY AR IN.a OUT.a: one object out of all of IN's, its hidden names made local, by the tools of the target.
set -eu
object=$(mktemp "${TMPDIR:-/tmp}/leat-XXXXXX.o")
trap 'rm -f "$object"' EXIT
"$1" -r -o "$object" --whole-archive "$4"
"$2" --localize-hidden "$object"
rm -f "$5"
"$3" rcsD "$5" "$object"
