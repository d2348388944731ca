#!/bin/sh
# SPDX-License-Identifier: MIT
# build.sh DIRECTORY: builds every fact program there as fact-NAME, static, by ${CC:-cc}; nothing of leat is needed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
to=${1:?usage: build.sh DIRECTORY}
mkdir -p "$to"
work=$(mktemp -d "${TMPDIR:-/tmp}/leat-facts.XXXXXX")
trap 'rm -rf "$work"' EXIT

compile() {
	"${CC:-cc}" -std=gnu11 -O2 -D_GNU_SOURCE= -D_FILE_OFFSET_BITS=64 "-I$here" "$@"
}
for shared in fact setup; do
	compile -c -o "$work/$shared.o" "$here/$shared.c"
done
for source in "$here"/*.c; do
	name=$(basename "$source" .c)
	case $name in
	fact | setup) ;;
	*) compile -static -o "$to/fact-$name" "$source" "$work/fact.o" "$work/setup.o" ;;
	esac
done
