#!/bin/sh
# SPDX-License-Identifier: MIT
# facts.sh [-b PROGRAMS] [-o FILE] [-v] [DIRECTORY...]: runs all kernel facts and prints one sorted table of this kernel.
#
#   -b PROGRAMS   directory of built fact programs (fact-NAME or kernel-NAME); else they are built by ${CC:-cc} for this run
#   -o FILE       the table goes there, and progress to standard output
#   -v            the programs' notes (exact figures) too, as lines that begin with "#"
#   DIRECTORY...  one on each file system to look at; else the programs choose (/tmp, /var/tmp, /dev/shm)
#
# Exit status: 0; 1 when a value the library relies on differs; 2 when a program could not do its work.
# Runs under busybox sh too: tests/vm copies it into guests.
set -u

here=$(cd "$(dirname "$0")" && pwd)
programs='' out='' notes=no
while getopts b:o:v option; do
	case $option in
	b) programs=$(cd "$OPTARG" && pwd) || exit 2 ;;
	o) out=$OPTARG ;;
	v) notes=yes ;;
	*) echo "usage: $0 [-b PROGRAMS] [-o FILE] [-v] [DIRECTORY...]" >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))

work=$(mktemp -d "${TMPDIR:-/tmp}/leat-facts.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM

if [ -z "$programs" ]; then
	programs=$work
	"$here/build.sh" "$work" || exit 2
fi

status=0
: >"$work/all"
for program in "$programs"/fact-* "$programs"/kernel-*; do
	[ -x "$program" ] && [ ! -d "$program" ] || continue
	name=${program##*/}
	name=${name#*-}
	code=0
	began=$(date +%s)
	"$program" "$@" >"$work/one" 2>&1 </dev/null || code=$?
	[ -z "$out" ] || echo "$name: $code, $(($(date +%s) - began)) s"
	case $code in
	0 | 77) ;;
	1) grep '^# DIFFERS' "$work/one" >&2; [ $status -ne 0 ] || status=1 ;;
	*) echo "$name failed with $code" >&2; cat "$work/one" >&2; status=2 ;;
	esac
	if [ $notes = yes ]; then
		sed "s/^# /# $name: /" "$work/one" >>"$work/all"
	else
		grep -v '^#' "$work/one" >>"$work/all"
	fi
done

{
	echo "kernel: $(uname -r)"
	LC_ALL=C sort "$work/all"
} >"${out:-/dev/stdout}"
exit $status
