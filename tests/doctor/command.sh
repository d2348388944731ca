#!/bin/bash
# SPDX-License-Identifier: MIT
# The command as a whole: its exit statuses and sentences, the ways to say what is watched, the least rights it works with, and
# that nothing stays attached, also when it is killed. The patient is dd, which reads from a pipe and writes to a file.
set -uo pipefail
failed=0
say() { echo "FAIL: $*"; failed=1; }

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
	[ $status -eq "$want" ] || { say "$* ended with $status, not $want"; cat out; }
	grep -qE "$pattern" out || { say "$* did not say /$pattern/"; cat out; }
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
SECONDS=0
"$LEAT" doctor --engine bpf -p "$patient" -d 0.1 >out 2>&1
if [ $? -eq 3 ]; then
	echo "SKIP: $(cat out)"
	exit 77
fi
watching=$((3 + 4 * SECONDS))	# a doctor that was begun so long ago watches, on a busy machine as well
expect 4 'no process 4194000' "$LEAT" doctor -p 4194000 -d 1
[ "$(ps -o comm= -p 2 2>/dev/null)" != kthreadd ] || expect 2 "kernel's" "$LEAT" doctor -p 2 -d 1
sh -c 'exit 0' & zombie=$!
sleep 0.2
expect 4 'no process' "$LEAT" doctor -p $zombie -d 1

# A command of which ptrace sees no transfer has its name all the same.
expect 0 '^sleep \(pid' "$LEAT" doctor --engine ptrace -- sleep 0.5

# By number, several, by name, by cgroup, all.
expect 1 'sink0' "$LEAT" doctor --engine bpf -p "$patient" -d 1
first=$patient
patient 1
expect 1 'sink[01] and 1 more' "$LEAT" doctor --engine bpf -p "$first" -p "$patient" -d 1
grep -q '2 flows' out || say "of two processes one was seen"
expect 1 'sink' "$LEAT" doctor --engine bpf -n dd -d 1
ln -s "$(command -v dd)" dd-of-a-very-long-name	# of which the kernel keeps fifteen characters
mkfifo pipe-long
feed >pipe-long 2>/dev/null &
patients+=($!)
./dd-of-a-very-long-name if=pipe-long of=sink-long bs=64k 2>/dev/null &
patients+=($!)
sleep 0.2
expect 1 'sink-long' "$LEAT" doctor --engine bpf -n dd-of-a-very-long-name -d 1
kill $!	# its feed ends with it; what follows is about the others
expect 4 'no process of that name' "$LEAT" doctor --engine bpf -n leat-nobody -d 0.2
expect 1 'sink[01]' "$LEAT" doctor --engine bpf --all -d 1
expect 1 'sink1' "$LEAT" doctor --engine bpf --flows 1 -p "$patient"

cgroups=/sys/fs/cgroup/unified
[ -d $cgroups ] || cgroups=/sys/fs/cgroup
if [ -f $cgroups/cgroup.procs ] && mkdir -p $cgroups/leat-test-$$/inner 2>/dev/null; then
	for engine in bpf ptrace; do
		(sleep 0.5; echo "$patient" >$cgroups/leat-test-$$/inner/cgroup.procs) &
		expect 1 'sink1' "$LEAT" doctor --engine $engine --cgroup leat-test-$$ -d 2
		! grep -q sink0 out || say "$engine saw a process of another cgroup"
		expect 1 'sink1' "$LEAT" doctor --engine $engine --cgroup "./leat-test-$$/inner/../inner/" -d 1
		echo "$patient" >$cgroups/cgroup.procs
		expect 4 'no process in that cgroup' "$LEAT" doctor --engine $engine --cgroup $cgroups/leat-test-$$ -d 0.3
	done
	rmdir $cgroups/leat-test-$$/inner $cgroups/leat-test-$$
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
(trap '' HUP; exec "$LEAT" doctor --engine bpf -p "$first" -d 2) >out 2>&1 &
doctor=$!
sleep 1
kill -HUP $doctor
wait $doctor
grep -qE '([2-9]|[1-9][0-9])\.[0-9] s watched' out || { say "a hangup ended a doctor that was told to ignore it"; cat out; }

# The end of the process ends the watch.
(sleep $watching; kill "$patient") &
expect 1 'sink1' "$LEAT" doctor --engine bpf -p "$patient"
# And Ctrl-C does.
expect 1 'sink0' timeout --preserve-status --signal=INT $watching "$LEAT" doctor --engine bpf -p "$first"
tidy

# Another pid namespace.
if unshare --pid --fork --mount-proc true 2>/dev/null; then
	patient 2 unshare --pid --fork --mount-proc
	sleep 0.3
	inside=$(pgrep -P "$patient")
	expect 1 'sink2' "$LEAT" doctor --engine bpf -p "$inside" -d 1
	grep -q "pid $inside" out || { say "the number is not the one that was asked for"; cat out; }
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
sleep 2
held() { grep -l '^prog_id:' /proc/$doctor/fdinfo/* 2>/dev/null | xargs -r grep -h '^prog_id:' | awk '{ print $2 }' | sort -u; }
ids=$(held)
[ -n "$ids" ] || say "the doctor holds no program"
if command -v bpftool >/dev/null; then
	for id in $ids; do
		bpftool prog show id "$id" >/dev/null 2>&1 || say "program $id is not there while it is held"
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
	[ -z "$left" ] || say "programs$left are still there $i tenths after the doctor was killed"
fi
kill -0 "$patient" 2>/dev/null || say "the patient died with the doctor"
exit $failed
