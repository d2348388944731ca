#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-stop.sh: a signal in any pass ends it soon, with every process and file of its own. Killed outright, its processes
# end too. One that it was begun to ignore does not.
set -u
. "$(dirname "$0")/lib.sh"
failed=0
mkdir tmp
export TMPDIR=$PWD/tmp

# Processes that serve for the given one.
servers() { pgrep -P "$1" 2>/dev/null; }

stop() {	# SIGNAL PASS STATUS OPTIONS...: PASS is what it says when it comes to it
	local pid status=0 children='' gone
	echo mine >kept.html
	env --default-signal=INT "$LEAT" bench --size 64m --rounds 200 --json new.json --html kept.html "${@:4}" >out 2>err </dev/null &
	pid=$!
	for _ in $(seq 600); do
		! grep -q "^$2" err || children=$(servers "$pid")
		[ -z "$children" ] || break
		sleep 0.05
	done
	[ -n "$children" ] || { fail "no servers while $2: $(cat err)"; kill -9 "$pid"; return; }
	kill -"$1" "$pid"
	for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
	kill -0 "$pid" 2>/dev/null && { fail "still there 10 s after $1"; kill -9 "$pid"; }
	wait "$pid" || status=$?
	[ "$status" -eq "$3" ] || fail "$1 while $2: status $status, not $3"
	for _ in $(seq 50); do
		gone=yes
		for child in $children; do kill -0 "$child" 2>/dev/null && gone=no; done
		[ $gone = yes ] && break
		sleep 0.1
	done
	[ $gone = yes ] || fail "$1 while $2: a server outlived it"
	[ -z "$(ls tmp)" ] || fail "$1 while $2: left behind $(ls tmp)"
	[ "$1" = KILL ] && { rm -f new.json; return; }
	says err "^leat: stopped by signal [0-9]+; nothing was left behind"
	[ ! -e new.json ] || fail "$1 while $2: left behind new.json"
	[ "$(cat kept.html)" = mine ] || fail "$1 while $2: a file that was there before is emptied or gone"
}

# As under nohup, or in the background of a script: a signal that its user has it ignore does not end it.
ignored() {
	local pid status=0
	timeout 60 bash -c 'trap "" HUP INT; exec "$@"' ignored "$LEAT" bench --quick --budget 5 --size 1m --shape file-tcp/raw --no-go \
		>out 2>err </dev/null &
	pid=$!
	for _ in $(seq 200); do grep -q '^measuring: ' err && break; sleep 0.05; done
	pkill -HUP -P "$pid"
	pkill -INT -P "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 0 ] || fail "ended with $status by signals that it was to ignore: $(tail -1 err)"
	says out '^  leat raw '
}

command -v pgrep >/dev/null || skip 'pgrep is not installed'
stop TERM comparing 143 --no-go
stop INT counting 130 --no-go
stop TERM measuring 143 --no-go --quick
stop KILL counting 137 --no-go
ignored
# Within the build of the Go programs, which takes long when nothing is built yet.
command -v go >/dev/null && GOCACHE=$PWD/cache stop INT "comparing contents (and building" 130
exit "$failed"
