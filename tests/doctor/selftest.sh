#!/bin/bash
# SPDX-License-Identifier: MIT
# leat doctor --self-test: with the engines that are to be had here, with none, with a healthy program that does not work; and
# nothing stays behind.
set -uo pipefail
. "$LEAT_SOURCE/tests/cli/lib.sh"
failed=0
"$LEAT" doctor --help >out 2>&1 || skip 'this leat was built without the doctor'

run 2 "$LEAT" doctor --self-test -p 1
run 2 "$LEAT" doctor --self-test --replay x

status=0
timeout 60 "$LEAT" doctor --self-test >out 2>err </dev/null || status=$?
[ $status -ne 3 ] || skip "$(tail -1 out)"
[ $status -eq 0 ] || fail "exit status $status: $(cat out err)"
! grep -q WRONG out || fail "not told apart: $(cat out)"
for engine in bpf ptrace; do
	grep -q "^$engine *not to be had: ." out && continue
	says out "^$engine +read and write +right: bounce, (certain|high)(, in carry_by_hand)?\$"
	says out "^$engine +sendfile +right: kernel, "
	run 0 timeout 60 "$LEAT" doctor --self-test --engine $engine
	[ "$(wc -l <out)" -eq 2 ] || fail "--engine $engine says more than two lines: $(cat out)"
	"$LEAT" doctor --self-test >out 2>err </dev/null
done

# An ordinary user: only ptrace is left.
as='setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all'
# shellcheck disable=SC2086 # words
if [ "$(id -u)" = 0 ] && $as "$LEAT" --version >/dev/null 2>&1; then
	run 3 timeout 60 $as "$LEAT" doctor --self-test --engine bpf
	says out '^bpf +not to be had: .*CAP_BPF'
	if grep -q '^ptrace.*right' <("$LEAT" doctor --self-test --engine ptrace); then
		run 0 timeout 60 $as "$LEAT" doctor --self-test
		says out '^bpf +not to be had: '
		says out '^ptrace +read and write +right: bounce'
	fi
fi

# Its sendfile fails: a healthy program that is not seen is no success.
if command -v strace >/dev/null && "$LEAT" doctor --self-test --engine bpf >/dev/null 2>&1 &&
	strace -f -o /dev/null true 2>/dev/null; then
	# LeakSanitizer cannot work under ptrace.
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 run 1 \
		timeout 60 strace -f -o /dev/null -e trace=sendfile -e inject=sendfile:error=EIO "$LEAT" doctor --self-test --engine bpf
	says out '^bpf +(sendfile +WRONG: nothing was seen of it|FAILED: there is no process)'
fi

# Killed: its programs end with it.
"$LEAT" doctor --self-test --engine bpf >/dev/null 2>&1 &
doctor=$!
for _ in $(seq 50); do
	children=$(pgrep -P $doctor) && break
	sleep 0.02
done
kill -9 $doctor
wait $doctor 2>/dev/null
for child in ${children:-}; do
	for _ in $(seq 50); do
		grep -q '^State:.[^Z]' "/proc/$child/status" 2>/dev/null || break
		sleep 0.1
	done
	! grep -q '^State:.[^Z]' "/proc/$child/status" 2>/dev/null || fail "process $child is left"
done
exit "$failed"
