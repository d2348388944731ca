#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-faults.sh: what comes between the bench and the kernel, put there by strace around it: a tracer that keeps its own strace
# out. Each is said in a sentence; then it goes on, or ends with the status of leat-bench(1).
# shellcheck disable=SC2034,SC2317 # parts calls the functions, and reads what they miss
set -u
. "$(dirname "$0")/lib.sh"
failed=0
few=(--shape file-tcp/raw --quick --budget 5 --size 1m --no-go)
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0	# LeakSanitizer cannot work under ptrace

command -v strace >/dev/null || skip 'strace is not installed'
strace -f -o trace -e inject=getpid:error=ENOSYS true 2>err || skip "strace cannot trace here: $(head -1 err)"

# Only one may trace a process: its own strace may not attach.
a_tracer_outside() {
	local outside=(strace -f -qq -o /dev/null -e trace=none)
	run 0 timeout 60 "${outside[@]}" "$LEAT" bench "${few[@]}" --json traced.json
	says err '^leat: strace: .*Operation not permitted: system calls are not counted$'
	says traced.json '"not_counted": "strace: .*Operation not permitted"'
	[ "$(grep -c '"calls_counted_by": null' traced.json)" -eq 4 ] || fail "counts all the same: $(grep calls_counted_by traced.json)"
	says traced.json '"self_check": null'
	run 0 timeout 60 "${outside[@]}" "$LEAT" bench --overhead --rounds 1
	says err '^leat: there is no C program to compare .*\(strace: .*Operation not permitted\): only a bare sendfile$'
}

parts a_tracer_outside
