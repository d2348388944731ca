#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-stop.sh: a signal in any pass ends it soon, with every process and file of its own. Killed outright, its processes
# end too.
set -u
. "$(dirname "$0")/lib.sh"
failed=0
mkdir tmp
export TMPDIR=$PWD/tmp

# Processes that serve for the given one.
servers() { pgrep -P "$1" 2>/dev/null; }

stop() {	# SIGNAL AFTER-SECONDS STATUS
	local pid status=0 children gone
	"$LEAT" bench --size 64m --no-go --rounds 200 >out 2>err </dev/null &
	pid=$!
	sleep "$2"
	children=$(servers "$pid")
	[ -n "$children" ] || { fail "no servers after $2 s"; kill -9 "$pid"; return; }
	kill -"$1" "$pid"
	for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
	kill -0 "$pid" 2>/dev/null && { fail "still there 10 s after $1"; kill -9 "$pid"; }
	wait "$pid" || status=$?
	[ "$status" -eq "$3" ] || fail "$1 after $2 s: status $status, not $3"
	for _ in $(seq 50); do
		gone=yes
		for child in $children; do kill -0 "$child" 2>/dev/null && gone=no; done
		[ $gone = yes ] && break
		sleep 0.1
	done
	[ $gone = yes ] || fail "$1 after $2 s: a server outlived it"
	[ -z "$(ls tmp)" ] || fail "$1 after $2 s: left behind $(ls tmp)"
}

command -v pgrep >/dev/null || skip 'pgrep is not installed'
stop TERM 1 143
stop INT 3 130
stop TERM 8 143
stop KILL 2 137
exit "$failed"
