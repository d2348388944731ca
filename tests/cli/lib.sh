# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Sourced by the tests of the program: what they expect, said when it is not so. LEAT is the program.
# A script begins with failed=0 and ends with exit "$failed".
# shellcheck disable=SC2034
fail() { echo "FAIL: $*"; failed=1; }
skip() { echo "SKIP: $*"; exit 77; }

# run STATUS COMMAND...: its output goes to out and err; the exit status must be STATUS.
run() {
	local want=$1 status=0
	shift
	"$@" >out 2>err </dev/null || status=$?
	[ "$status" -eq "$want" ] || fail "$* ended with $status, not $want: $(head -c 400 err)"
}

# says FILE PATTERN: an extended regular expression on one line of FILE.
says() { grep -qE -- "$2" "$1" || fail "no line of $1 is like \"$2\": $(head -c 400 "$1")"; }

# part NAME: runs the function of that name as a test of its own, which ci/count.py counts: passed, failed or skipped. One
# that lacks something says so: misses 'there is no such thing'; return
part() {
	local before=$failed status=0
	failed=0
	"$1" || status=$?
	if [ "$failed" -ne 0 ]; then
		echo "FAIL $1: see above"
	elif [ "$status" -eq 77 ]; then
		echo "SKIP $1: $missing"
	else
		echo "ok   $1"
	fi
	failed=$((before | failed))
}
misses() { missing=$*; return 77; }
