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

# on_terminal COLUMNS COMMAND...: what it shows there goes to stdout. It takes Python.
# ON_TERMINAL: of another kind than xterm.
on_terminal() { TERM=${ON_TERMINAL:-xterm} python3 "$LEAT_SOURCE/tests/cli/terminal.py" "$@"; }

# parts NAME...: runs the functions of these names as tests of their own, which ci/count.py counts: passed, failed or skipped.
# One that lacks something says so: misses 'there is no such thing'; return. The script ends here: skipped when all are.
parts() {
	local skipped=0 all=$#
	for name; do part "$name"; done
	[ "$failed" -ne 0 ] || [ "$skipped" -lt "$all" ] || exit 77
	exit "$failed"
}
part() {
	local before=$failed status=0
	failed=0
	"$1" || status=$?
	if [ "$failed" -ne 0 ]; then
		echo "FAIL $1: see above"
	elif [ "$status" -eq 77 ]; then
		echo "SKIP $1: $missing"
		skipped=$((${skipped:-0} + 1))
	else
		echo "ok   $1"
	fi
	failed=$((before | failed))
}
misses() { missing=$*; return 77; }

# aside COMMAND...: beside what follows and others like it, in an empty directory of its own: for what waits, and disturbs nobody.
# together: they are over, and what failed there has failed here.
aside() {
	local dir=aside.$((++aside_count)) failed=0
	mkdir "$dir"
	(trap - EXIT; cd "$dir" && "$@"; exit $failed) &
	asides+=($!)
}
together() {
	local each
	for each in "${asides[@]}"; do wait "$each" || failed=1; done
	asides=()
}
asides=() aside_count=0

# under tsan: whether that is what the tests run under, as ci/sanitize.sh says.
under() { [ "${SANITIZER:-}" = "$1" ]; }
