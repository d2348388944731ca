#!/bin/bash
# SPDX-License-Identifier: MIT
# refused: kernels that do not take the program, as strace and mounts of its own make them look like, and a number that another process
# takes over: one sentence each with what would work instead, and nothing that the other process did.
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

parts without old locked_down reused
