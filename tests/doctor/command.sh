#!/bin/bash
# SPDX-License-Identifier: MIT
# The command as a whole: its exit statuses and sentences, the ways to say what is watched, the least rights it works with, and
# that nothing stays attached, also when it is killed. The patient is dd, which reads from a pipe and writes to a file.
# shellcheck disable=SC2317 # aside calls the functions
set -uo pipefail
. "$LEAT_SOURCE/tests/cli/lib.sh"
failed=0

head -c 65536 /dev/urandom >block
chmod 755 .; chmod 644 block
feed() { while :; do cat block || exit; sleep 0.02; done; }
patients=()
# patient: a dd that goes on for ever; its number in $patient
patient() {
	mkfifo "pipe$1" 2>/dev/null
	feed >"pipe$1" 2>/dev/null &
	patients+=($!)
	"${@:2}" dd if="pipe$1" of="sink$1" bs=64k 2>/dev/null &
	patient=$!
	patients+=("$patient")
}
tidy() { [ ${#patients[@]} -eq 0 ] || kill "${patients[@]}" 2>/dev/null; wait 2>/dev/null; patients=(); }
trap tidy EXIT

# expect STATUS PATTERN COMMAND...: what is printed on either side goes to `out`
expect() {
	local want=$1 pattern=$2 status
	shift 2
	timeout 60 "$@" >out 2>&1 </dev/null
	status=$?
	[ $status -eq "$want" ] || { fail "$* ended with $status, not $want"; cat out; }
	grep -qE "$pattern" out || { fail "$* did not say /$pattern/"; cat out; }
}
# Of $doctor: it gives up rights when it begins to watch.
until_it_watches() {
	for _ in $(seq 400); do
		! grep -q '^NoNewPrivs:.1' "/proc/$doctor/status" || return
		sleep 0.05
	done
}

if ! "$LEAT" doctor --help >out 2>&1; then
	grep -q 'without the doctor' out || { cat out; exit 1; }
	echo 'SKIP: this leat was built without the doctor'
	exit 77
fi

expect 2 'what is to be watched' "$LEAT" doctor
expect 2 'not .x.' "$LEAT" doctor -p x
expect 2 'seconds' "$LEAT" doctor -p 1 -d -1
expect 2 'cannot be run' "$LEAT" doctor -d 1 -- ./not-there

patient 0
"$LEAT" doctor --engine bpf -p "$patient" -d 0.1 >out 2>&1
if [ $? -eq 3 ]; then
	echo "SKIP: $(cat out)"
	exit 77
fi
expect 4 'no process 4194000' "$LEAT" doctor -p 4194000 -d 1
[ "$(ps -o comm= -p 2 2>/dev/null)" != kthreadd ] || expect 2 "kernel's" "$LEAT" doctor -p 2 -d 1
sh -c 'exit 0' & zombie=$!
sleep 0.2
expect 4 'no process' "$LEAT" doctor -p $zombie -d 1

# A command of which ptrace sees no transfer has its name all the same.
expect 0 '^sleep \(pid' "$LEAT" doctor --engine ptrace -- sleep 0.5

# By number, several, by name, all.
both() {
	expect 1 'sink[01] and 1 more' "$LEAT" doctor --engine bpf -p "$first" -p "$patient" -d 1
	grep -q '2 flows' out || fail "of two processes one was seen"
}
first=$patient
patient 1
expect 1 'sink[01]' "$LEAT" doctor --engine bpf --all -d 1
ln -s "$(command -v dd)" dd-of-a-very-long-name	# of which the kernel keeps fifteen characters
mkfifo pipe-long
feed >pipe-long 2>/dev/null &
patients+=($!)
./dd-of-a-very-long-name if=pipe-long of=sink-long bs=64k 2>/dev/null &
long=$!
sleep 0.2
aside expect 1 'sink0' "$LEAT" doctor --engine bpf -p "$first" -d 1
aside both
aside expect 1 'sink' "$LEAT" doctor --engine bpf -n dd -d 1
aside expect 1 'sink-long' "$LEAT" doctor --engine bpf -n dd-of-a-very-long-name -d 1
aside expect 4 'no process of that name' "$LEAT" doctor --engine bpf -n leat-nobody -d 0.2
aside expect 1 'sink1' "$LEAT" doctor --engine bpf --flows 1 -p "$patient"
together
kill $long	# its feed ends with it; what follows is about the others

# by_cgroup ENGINE PID SINK OTHER: what is in it, and what comes while it is watched
by_cgroup() {
	local name=leat-test-$$-$1
	local path=$cgroups/$name
	mkdir -p "$path/inner"
	(sleep 0.5; echo "$2" >"$path/inner/cgroup.procs") &
	expect 1 "$3" "$LEAT" doctor --engine "$1" --cgroup "$name" -d 2
	! grep -q "$4" out || fail "$1 saw a process of another cgroup"
	expect 1 "$3" "$LEAT" doctor --engine "$1" --cgroup "./$name/inner/../inner/" -d 1
	echo "$2" >"$cgroups/cgroup.procs"
	expect 4 'no process in that cgroup' "$LEAT" doctor --engine "$1" --cgroup "$path" -d 0.3
	rmdir "$path/inner" "$path"
}
cgroups=/sys/fs/cgroup/unified
[ -d $cgroups ] || cgroups=/sys/fs/cgroup
if [ -f $cgroups/cgroup.procs ] && mkdir $cgroups/leat-test-$$ 2>/dev/null; then
	rmdir $cgroups/leat-test-$$
	aside by_cgroup bpf "$first" sink0 sink1
	aside by_cgroup ptrace "$patient" sink1 sink0
	together
else
	echo 'no cgroup of version 2 can be made here: --cgroup is not tried'
fi
for engine in bpf ptrace; do
	expect 2 'no cgroup' "$LEAT" doctor --engine $engine --cgroup not-there -d 1
	expect 2 'is no cgroup' "$LEAT" doctor --engine $engine --cgroup /sys/fs/cgroup/../../.. -d 1
done

# A command: its end ends the watch, its status is not ours.
expect 1 'exited with 7' "$LEAT" doctor -- sh -c 'dd if=block of=copy bs=8k 2>/dev/null; exit 7'

# What signals do to the command is what they did to who began the doctor.
ignoring=(bash -c 'trap "" HUP PIPE USR1; exec "$@"' ignoring)
tells=(grep SigIgn /proc/self/status)
expect 0 "$(timeout 60 "${ignoring[@]}" "${tells[@]}")" "${ignoring[@]}" "$LEAT" doctor -- "${tells[@]}"
# Nohup is heard by the doctor as well.
hung_up() {
	(trap '' HUP; exec "$LEAT" doctor --engine bpf -p "$first" -d 2) >out 2>&1 &
	local doctor=$!
	sleep 1
	kill -HUP "$doctor"
	wait "$doctor"
	grep -qE '([2-9]|[1-9][0-9])\.[0-9] s watched' out || { fail "a hangup ended a doctor that was told to ignore it"; cat out; }
}
# ended PID PATTERN COMMAND...: a watch of it that COMMAND ends
ended() {
	local status=0
	"$LEAT" doctor --engine bpf -p "$1" >out 2>&1 &
	doctor=$!
	until_it_watches
	sleep 1
	"${@:3}"
	wait "$doctor" || status=$?
	{ [ "$status" -eq 1 ] && grep -q "$2" out; } || { fail "what ${*:3} ended, ended with $status"; cat out; }
}
interrupt() { kill -INT "$doctor"; }
# The end of the process ends the watch, and Ctrl-C does.
aside hung_up
aside ended "$patient" sink1 kill "$patient"
aside ended "$first" sink0 interrupt
together
tidy

# Another pid namespace.
if unshare --pid --fork --mount-proc true 2>/dev/null; then
	patient 2 unshare --pid --fork --mount-proc
	sleep 0.3
	inside=$(pgrep -P "$patient")
	expect 1 'sink2' "$LEAT" doctor --engine bpf -p "$inside" -d 1
	grep -q "pid $inside" out || { fail "the number is not the one that was asked for"; cat out; }
	kill "$inside"
	tidy
	mkfifo pipe3
	feed >pipe3 2>/dev/null &
	patients+=($!)
	# shellcheck disable=SC2016 # for the other shell
	expect 1 'sink3' unshare --pid --fork --mount-proc sh -c \
		'dd if=pipe3 of=sink3 bs=64k 2>/dev/null & "$0" doctor --engine bpf -p $! -d 1; s=$?; kill $!; exit $s' "$LEAT"
	tidy
fi

# As an ordinary user with exactly two capabilities, and no memory that may be locked; and with none.
as='setpriv --reuid=65534 --regid=65534 --clear-groups'
if [ "$(id -u)" = 0 ] && $as --inh-caps=-all,+bpf,+perfmon --ambient-caps=+bpf,+perfmon "$LEAT" --version >/dev/null 2>&1; then
	mkdir -m 777 -p others
	two="$as --inh-caps=-all,+bpf,+perfmon --ambient-caps=+bpf,+perfmon"
	(
		ulimit -l 0
		# shellcheck disable=SC2086 # words
		expect 1 'copy' $two "$LEAT" doctor --engine bpf -- dd if=block of=others/copy bs=8k status=none
		exit $failed
	) || failed=1
	# shellcheck disable=SC2086 # words
	expect 3 'CAP_BPF and CAP_PERFMON are missing' $as --inh-caps=-all "$LEAT" doctor --engine bpf -- true
	# shellcheck disable=SC2086 # words
	expect 3 'CAP_PERFMON is missing' $as --inh-caps=-all,+bpf --ambient-caps=+bpf "$LEAT" doctor --engine bpf -- true
	rm -rf others
fi

# Killed: its programs go with its descriptors.
patient 4
"$LEAT" doctor --engine bpf -p "$patient" >/dev/null &
doctor=$!
held() { grep -l '^prog_id:' /proc/$doctor/fdinfo/* 2>/dev/null | xargs -r grep -h '^prog_id:' | awk '{ print $2 }' | sort -u; }
until_it_watches
ids=$(held)
[ -n "$ids" ] || fail "the doctor holds no program"
if command -v bpftool >/dev/null; then
	for id in $ids; do
		bpftool prog show id "$id" >/dev/null 2>&1 || fail "program $id is not there while it is held"
	done
fi
kill -9 $doctor
wait $doctor 2>/dev/null
if command -v bpftool >/dev/null; then
	for i in $(seq 50); do
		left=
		for id in $ids; do
			! bpftool prog show id "$id" >/dev/null 2>&1 || left="$left $id"
		done
		[ -n "$left" ] || break
		sleep 0.1
	done
	[ -z "$left" ] || fail "programs$left are still there $i tenths after the doctor was killed"
fi
kill -0 "$patient" 2>/dev/null || fail "the patient died with the doctor"
exit $failed
