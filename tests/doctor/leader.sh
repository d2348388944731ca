#!/bin/bash
# SPDX-License-Identifier: MIT
# leader [PART...]: a process whose first thread has ended goes on in the others. /proc calls it a zombie, and shows nothing of its memory
# but by a thread that is there: it is found, by each of its numbers, and its places are named.
set -uo pipefail
. "$LEAT_SOURCE/tests/cli/lib.sh"
# shellcheck disable=SC2034 # parts ends with it
failed=0
"$LEAT" doctor --help >out 2>&1 || skip 'this leat was built without the doctor'

head -c 65536 /dev/urandom >carried
line=$(grep -n MARK "$LEAT_SOURCE/tests/doctor/leader.c" | cut -d: -f1)
"$LEAT_BUILD/tests/doctor/leader" & patient=$!
trap 'kill "$patient"' EXIT
for ((i = 0; i < 500; i++)); do
	grep -q '^State:.Z' "/proc/$patient/status" && break
	sleep 0.01
done
grep -q '^State:.Z' "/proc/$patient/status" || { echo 'FAIL: the first thread does not end'; exit 1; }
thread=$(find "/proc/$patient/task" -mindepth 1 -maxdepth 1 ! -name "$patient" -printf '%f')

# sees PID: what was printed names the process, and one flow with its line
sees() {
	says out "\"pid\": $1,"
	says out '"name": "leader"'
	says out '"executable": ".*/tests/doctor/leader"'
	python3 - "$line" <<-'END' || fail 'another place'
		import json, sys
		places = [flow['culprit'] for flow in json.load(open('out'))['flows']]
		here = [p for p in places if p and p['function'] == 'carry' and p['file'].endswith('leader.c') and p['line'] == int(sys.argv[1])]
		sys.exit(None if len(places) == 1 and here else str(places))
	END
}

# watched ENGINE WORD...: the loss is seen, and has its line
watched() {
	timeout 60 "$LEAT" doctor --engine "$1" --json -d 0.5 "${@:2}" >out 2>err </dev/null
	local status=$?
	[ $status -ne 3 ] || { misses "$(cat err)"; return; }
	[ $status -eq 1 ] || fail "$* ended with $status: $(head -c 400 err)"
	sees "$patient"
}

# begun ENGINE: it is seen to lose its first thread
begun() {
	timeout 60 "$LEAT" doctor --engine "$1" --json -d 1 -- "$LEAT_BUILD/tests/doctor/leader" >out 2>err </dev/null
	local status=$? command
	[ $status -ne 3 ] || { misses "$(cat err)"; return; }
	command=$(sed -n 's/.*goes on, as process //p' err)
	[ -n "$command" ] || { fail "it does not go on: $(cat err)"; return; }
	kill "$command"
	sees "$command"
}

by_bpf() { watched bpf -p "$patient"; }
by_ptrace() { watched ptrace -p "$patient"; }
by_its_thread() { watched bpf -p "$thread"; }
by_name() { watched bpf -n leader; }
by_name_and_ptrace() { watched ptrace -n leader; }
a_command() { begun bpf; }
a_command_and_ptrace() { begun ptrace; }

parts by_bpf by_ptrace by_its_thread by_name by_name_and_ptrace a_command a_command_and_ptrace
