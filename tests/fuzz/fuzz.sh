#!/bin/bash
# SPDX-License-Identifier: MIT
# fuzz.sh [NAME...]: libFuzzer on the parsers of tests/fuzz/NAME.c (without a name: on all), under the address and undefined
# sanitizers, FUZZ_SECONDS (3) each. An input that it finds is printed, as Base64 too, and kept in FUZZ_FOUND, a directory;
# to meet it again: fuzz.sh NAME FILE.
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/leat-fuzz.XXXXXX")
trap 'rm -rf "$work"' EXIT

command -v clang >/dev/null || { echo 'SKIP: clang is not installed'; exit 77; }
echo 'int LLVMFuzzerTestOneInput(const char *a, unsigned long b); int LLVMFuzzerTestOneInput(const char *a, unsigned long b) { return 0; }' \
	>"$work/try.c"
clang -fsanitize=fuzzer,address,undefined "$work/try.c" -o "$work/try" 2>/dev/null ||
	{ echo 'SKIP: this clang has no libFuzzer (Debian: libclang-rt-14-dev)'; exit 77; }

again=
if [ $# -gt 1 ] && [ -f "$2" ]; then
	again=$(realpath "$2")
	set -- "$1"
fi
[ $# -gt 0 ] || mapfile -t names < <(cd "$source/tests/fuzz" && basename -s .c -- *.c)
[ $# -eq 0 ] || names=("$@")

for name in "${names[@]}"; do
	mkdir -p "$work/$name"
	# What the rest of an included file refers to is never called, and stays unresolved (a PIE would not be loaded).
	clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -fno-pie -no-pie -std=gnu11 -D_GNU_SOURCE= -D_FILE_OFFSET_BITS=64 \
		-I"$source/include" -I"$source/src" -I"$source/cli" "$source/tests/fuzz/$name.c" \
		-Wl,--unresolved-symbols=ignore-all -pthread -lm -o "$work/fuzz-$name"
	if [ -n "$again" ]; then
		"$work/fuzz-$name" "$again"
		continue
	fi
	FUZZ_CORPUS=$work/$name ASAN_OPTIONS='' UBSAN_OPTIONS=print_stacktrace=1 "$work/fuzz-$name" -close_fd_mask=1 -timeout=10 \
		-max_len=4096 -max_total_time="${FUZZ_SECONDS:-3}" -artifact_prefix="${FUZZ_FOUND:-$work}/" -print_final_stats=1 \
		"$work/$name" >"$work/log" 2>&1 || { tail -40 "$work/log"; echo "FAIL $name"; exit 1; }
	echo "ok   $name"
	awk '/number_of_executed_units/ { units = $2 } / cov: / { cov = $4; corpus = $0; sub(/.*corp: /, "", corpus); sub(/ .*/, "", corpus) }
		END { print "     " units " inputs, " cov " edges, corpus " corpus }' "$work/log"
done
