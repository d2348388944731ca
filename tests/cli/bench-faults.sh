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
	faulty 0 sendfile:error=ENOSYS "${few[@]}" --json new.json --html page.html
	says err '^leat: file-tcp c-sendfile is left out: Function not implemented$'
	says err '^leat: file-tcp c-sendfile-again is left out: Function not implemented$'
	says out '^  leat raw +[^ ]+ +[0-9.]+ +- +[0-9.]+ .* (splice_pipe|copy)'
	if grep -q 'nan' out; then fail "it has a figure that is none: $(grep -m 1 nan out)"; fi
	says page.html 'The floor was left out, so nothing is compared'
	if grep -qw 'nan' page.html; then fail "the page has a figure that is none: $(grep -m 1 -w nan page.html)"; fi
}

no_copy_file_range() {
	faulty 0 copy_file_range:error=ENOSYS --shape file-file/plain --quick --budget 5 --size 1m --no-go
	says err '^leat: file-file c-copy-file-range is left out: Function not implemented$'
	says out '^  leat plain .* (clone|sendfile|splice_pipe|copy)'
}

no_port() {
	faulty 2 listen:error=EADDRINUSE "${few[@]}" --json new.json
	says err '^leat: the server of c-sendfile could not be started: Address already in use$'
	faulty 2 listen:error=EADDRINUSE:when=2 "${few[@]}" --port 20000 --json new.json
	says err '^leat: a port from 20000 on is in use on 127\.0\.0\.1; leave --port out'
	faulty 2 bind:error=EADDRINUSE --shape tcp-tcp/raw --quick --budget 5 --size 1m --no-go --json new.json
	says err '^leat: no port could be had on 127\.0\.0\.1: Address already in use$'
}

# Verified they are, by three connections: then there is nobody to measure.
no_connection_any_more() {
	faulty 2 connect:error=ENETUNREACH:when=4+ "${few[@]}" --json new.json
	[ "$(grep -c '^leat: file-tcp .* is left out: .*Network is unreachable' err)" -eq 3 ] || fail "not all are left out: $(head -c 400 err)"
	says err '^leat: nothing was measured: all 3 shapes are left out$'
}

no_process() {
	faulty 2 '?fork,clone:error=EAGAIN' "${few[@]}" --json new.json
	says err '^leat: the server of c-sendfile could not be started: Resource temporarily unavailable$'
	faulty 2 '?fork,clone:error=EAGAIN:when=3' "${few[@]}" --json new.json
	says err '^leat: the server of c-sendfile-again could not be started: Resource temporarily unavailable$'
	faulty 0 '?fork,clone:error=EAGAIN:when=4+' "${few[@]}"
	# shellcheck disable=SC2016
	says err '^leat: `strace` could not be started: Resource temporarily unavailable: system calls are not counted$'
}

no_room() {
	local only=
	faulty 2 pwrite64:error=ENOSPC "${few[@]}" --json new.json
	says err '^leat: the test file of 1 MiB .* could not be written: No space left on device; '
	only=$PWD/new.json
	faulty 1 write:error=ENOSPC "${few[@]}" --json "$only"
	says err '^leat: .*/new\.json could not be written: No space left on device$'
	says out '^  leat raw '
	faulty 1 close:error=EIO "${few[@]}" --json "$only"
	says err '^leat: .*/new\.json could not be written: Input/output error$'
}

parts a_tracer_outside no_sendfile no_copy_file_range no_port no_connection_any_more no_process no_room
