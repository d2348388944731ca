#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-faults.sh: what comes between the bench and the kernel, put there by strace around it: a tracer that keeps its own strace
# out, and calls that fail. Each fault is shown to have come and is said in a sentence; then it goes on without what it cannot have,
# or ends with the status of leat-bench(1) and no results.
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

# faulty STATUS FAULT BENCH-OPTIONS...: FAULT is what strace's inject= takes. only: just on this file.
faulty() {
	local want=$1 fault=$2
	shift 2
	rm -f trace
	run "$want" timeout 60 strace -f -qq -o trace ${only:+-P "$only"} -e signal=none -e trace="${fault%%:*}" -e inject="$fault" \
		"$LEAT" bench "$@"
	grep -q INJECTED trace || fail "$fault did not come"
	if [ "$want" -ne 0 ] && [ -e new.json ]; then fail "$fault: there are results all the same"; fi
	rm -f new.json
}

# Without the floor the rest is measured, and compared with nothing.
no_sendfile() {
	faulty 0 sendfile:error=ENOSYS "${few[@]}" --json new.json
	says err '^leat: file-tcp c-sendfile is left out: Function not implemented$'
	says err '^leat: file-tcp c-sendfile-again is left out: Function not implemented$'
	says out '^  leat raw +[^ ]+ +[0-9.]+ +- +[0-9.]+ .* (splice_pipe|copy)'
	if grep -q 'nan' out; then fail "it has a figure that is none: $(grep -m 1 nan out)"; fi
}

parts a_tracer_outside no_sendfile
