#!/bin/bash
# SPDX-License-Identifier: MIT
# refused: kernels that do not take the program, as strace and mounts of its own make them look like, and a number that another process
# takes over: one sentence each with what would work instead, and nothing that the other process did or is.
set -uo pipefail
. "$LEAT_SOURCE/tests/cli/lib.sh"
# shellcheck disable=SC2034 # parts ends with it
failed=0
"$LEAT" doctor --help >out 2>&1 || skip 'this leat was built without the doctor'
[ "$(id -u)" = 0 ] || skip 'only root can hide what the kernel says of itself'

# sentence WORDS: of the last command, the only one
sentence() {
	[ "$(wc -l <err)" -eq 1 ] || fail "more than a sentence: $(cat err)"
	says err "^leat: .*$1.*--engine ptrace. needs no rights"
	[ ! -s out ] || fail "there is a report: $(cat out)"
}
# bpf_says ERRNO COMMAND...: every bpf(2) of it ends with that
bpf_says() { strace -f -qq -o log -e trace=bpf -e inject=bpf:error="$1" "${@:2}"; }

without() {
	mkdir empty
	unshare --mount true 2>err || { misses "mounts: $(cat err)"; return; }
	[ -d /sys/kernel/btf ] || { misses 'this kernel has no BTF to hide'; return; }
	run 3 unshare --mount sh -c 'mount --bind empty /sys/kernel/btf && exec "$@"' sh "$LEAT" doctor --engine bpf -p $$ -d 0.1
	sentence 'does not describe its types \(/sys/kernel/btf/vmlinux'
}

old() {
	strace -o log true 2>err || { misses "strace: $(cat err)"; return; }
	run 3 bpf_says EINVAL "$LEAT" doctor --engine bpf -p $$ -d 0.1
	sentence 'does not take the BPF program .*, which is for 5\.17 and later'
	run 3 bpf_says EPERM "$LEAT" doctor --engine bpf -p $$ -d 0.1
	sentence 'refuses to load the BPF program'
	run 5 bpf_says ENOMEM "$LEAT" doctor --engine bpf -p $$ -d 0.1
	says err '^leat: there is no memory for the BPF maps'
	run 5 bpf_says EMFILE "$LEAT" doctor -p $$ -d 0.1
	says err '^leat: there are no descriptors left for the BPF maps and programs \(Too many open files\): see .ulimit -n'
}

# What has no kernel to blame still says what it was that failed.
short() {
	strace -o log true 2>err || { misses "strace: $(cat err)"; return; }
	# shellcheck disable=SC2016 # for the other shell
	run 5 sh -c 'ulimit -n 4 && exec "$@"' sh "$LEAT" doctor --engine ptrace -p $$ -d 0.1
	says err '^leat: the process that reads symbols cannot be begun: Too many open files$'
	run 5 strace -f -qq -o log -e trace=getrandom -e inject=getrandom:error=EIO "$LEAT" doctor --engine ptrace -p $$ -d 0.1
	says err '^leat: the watch cannot begin: Input/output error$'
}

locked_down() {
	strace -o log true 2>err || { misses "strace: $(cat err)"; return; }
	[ -d /sys/kernel/security ] && unshare --mount true 2>err || { misses 'a place to mount on'; return; }
	echo 'none integrity [confidentiality]' >lockdown
	# shellcheck disable=SC2016 # for the other shell
	run 3 bpf_says EPERM unshare --mount sh -c \
		'mount -t tmpfs none /sys/kernel/security && cp lockdown /sys/kernel/security && exec "$@"' sh \
		"$LEAT" doctor --engine bpf -p $$ -d 0.1
	sentence 'locked down to "confidentiality"'
}

# taken_over ENGINE, in a pid namespace of its own: a patient ends while it is watched, and the next one gets its number.
taken_over() {
	local first second doctor
	dd if=/dev/zero of=/dev/null bs=64k & first=$!
	sleep 1000 & local other=$!
	"$LEAT" doctor --engine "$1" -p $first -p $other --json -d 60 >out 2>err & doctor=$!
	for _ in $(seq 400); do
		[ "$(awk '/NoNewPrivs/ { print $2 }' /proc/$doctor/status)" = 0 ] || break
		sleep 0.02
	done
	sleep 1.5	# for a burst, and for flows
	kill -9 $first
	wait $first 2>/dev/null
	echo $((first - 1)) >/proc/sys/kernel/ns_last_pid
	dd if=/dev/urandom of=/dev/null bs=64k & second=$!
	[ $second -eq $first ] || { echo "the next process is $second, not $first"; kill -9 $second $other $doctor; return 77; }
	sleep 1.5	# in which it would be taken for the first
	kill -INT $doctor
	wait $doctor
	kill -9 $second $other
	grep -q '/dev/urandom"' out && { echo 'what the second did is reported'; return 1; }
	grep -q '/dev/zero"' out || { echo "what the first did is not reported: $(cat err out)"; return 1; }
}
export -f taken_over

reused() {
	unshare --pid --fork --mount-proc true 2>err || { misses "namespaces: $(cat err)"; return; }
	for engine in bpf ptrace; do
		timeout 60 unshare --pid --fork --mount-proc bash -c "taken_over $engine" >said 2>/dev/null
		case $? in
		0) ;;
		77) misses "$(cat said)"; return ;;
		*) fail "$engine: $(cat said)" ;;
		esac
	done
}

# within TRIES COMMAND...: it succeeds at last
within() {
	local most=$1
	shift
	for _ in $(seq "$most"); do
		"$@" && return
		sleep 0.02
	done
	return 1
}
is_stopped() { grep -q '^State:.T' "/proc/$1/status"; }
is_confined() { grep -q '^NoNewPrivs:.1' "/proc/$1/status"; }

# unheard [STRANGER], in a pid namespace of its own: while the doctor is stopped a child begins, copies and ends, and STRANGER gets its
# number.
unheard() {
	local parent child doctor stranger=
	rm -f child
	./copier & parent=$!
	"$LEAT" doctor --engine bpf -p $parent --json -d 60 >out 2>err & doctor=$!
	within 400 is_confined $doctor
	kill -STOP $doctor
	within 100 is_stopped $doctor
	kill -USR1 $parent
	within 400 [ -s child ] || echo 'no child has ended'
	child=$(cat child)
	if [ $# -gt 0 ]; then
		echo $((child - 1)) >/proc/sys/kernel/ns_last_pid
		"./$1" & stranger=$!
	fi
	kill -CONT $doctor
	sleep 1.5
	kill -INT $doctor
	wait $doctor
	kill -9 $parent $stranger
	[ $# -eq 0 ] || [ $stranger -eq "$child" ] || { echo "the next process is $stranger, not $child"; return 77; }
	[ $# -eq 0 ] || ! grep "$1" out || { echo 'the child is said to be who has its number now'; return 1; }
	grep -q '/child-sink"' out || { echo "what the child did is not reported: $(cat err out)"; return 1; }
	sed '/"summary"/,$d' out | grep -q '"lost_flows": 0' || { echo "flows were lost: $(grep lost_ out)"; return 1; }
}
export -f within is_stopped is_confined unheard

# in_namespace COMMAND: 77 when there is none, or a number could not be had
in_namespace() {
	local status=0
	unshare --pid --fork --mount-proc true 2>err || { misses "namespaces: $(cat err)"; return; }
	timeout 60 unshare --pid --fork --mount-proc bash -c "$1" >said 2>/dev/null || status=$?
	[ $status -ne 77 ] || { misses "$(cat said)"; return; }
	[ $status -eq 0 ] || fail "$1: $(cat said)"
}

# In two programs a child's copy has another name; all places of both have the same addresses.
build_copiers() {
	local name
	"$LEAT" doctor --engine bpf -d 0.1 -- true >out 2>&1 || [ $? -ne 3 ] || { misses "$(cat out)"; return; }
	head -c 4194304 /dev/urandom >block
	for name in copier stranger; do
		"${CC:-cc}" -O2 -g -static -DNAME="${name}_copies" "$LEAT_SOURCE/tests/doctor/copier.c" -o $name 2>err ||
			{ misses "a static program: $(head -1 err)"; return; }
	done
}

unheard_child() {
	build_copiers && in_namespace unheard
}

unheard_and_reused() {
	build_copiers && in_namespace 'unheard stranger'
}

# The doctor's clock may go otherwise than the kernel's: who began when is the same.
other_time() {
	unshare --time --boottime 1234567 --fork true 2>err || { misses "time namespaces: $(head -1 err)"; return; }
	unshare --time --boottime 1234567 --fork "$LEAT" doctor --engine bpf --json -- sh -c 'sleep 1; :' >out 2>err
	[ $? -ne 3 ] || { misses "$(cat err)"; return; }
	says out '"executable": ".*/(sleep|coreutils|busybox)"'
}

parts without old short locked_down reused unheard_child unheard_and_reused other_time
