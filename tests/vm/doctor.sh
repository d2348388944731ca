#!/bin/sh
# SPDX-License-Identifier: MIT
# doctor.sh: runs in the guest: leat doctor tells its two programs apart with both engines, and where one is not to be had it says
# why in one sentence, exits with 3, and works with the other. The last cases lock the kernel down, which nothing undoes.
set -u
leat=/t/leat
failed=0
case $(uname -r) in
5.10.*) bpf=3 ;; # Linux 5.17 is needed
*) bpf=0 ;;
esac

fail() {
	echo "FAIL $1"
	cat out
	failed=1
}

# self_test WHAT ENGINE STATUS [SENTENCE]: with status 3 one line, which has SENTENCE in it and names the other engine
self_test() {
	status=0
	timeout 300 $leat doctor --self-test --engine "$2" >out 2>&1 || status=$?
	if [ "$status" != "$3" ]; then
		fail "$1: exit status $status, not $3"
	elif [ "$3" = 0 ] && [ "$(grep -c " right: " out)" != 2 ]; then
		fail "$1: not told apart"
	elif [ "$3" = 3 ] && { [ "$(wc -l <out)" != 1 ] || ! grep -q "$4.*--engine ptrace" out; }; then
		fail "$1: not one sentence about \"$4\""
	elif pidof leat >/dev/null; then
		fail "$1: something of it is left"
	else
		echo "ok   $1"
		sed 's/^/     /' out
	fi
}

cd "$(mktemp -d)" || exit 1
old="Linux $(uname -r) does not take the BPF program .*, which is for 5.17 and later"
self_test 'engine bpf' bpf $bpf "$old"
self_test 'engine ptrace' ptrace 0
# shellcheck disable=SC3045 # the shells there have it
(ulimit -l 0 && self_test 'bpf, no memory may be locked' bpf $bpf "$old" && exit "$failed") || failed=1

mount -t tmpfs none /sys/kernel/btf
[ ! -e /sys/kernel/btf/vmlinux ] || fail 'the types of the kernel are still there'
self_test 'bpf, a kernel without BTF' bpf 3 'does not describe its types'
self_test 'ptrace, a kernel without BTF' ptrace 0
umount /sys/kernel/btf

mount -t securityfs none /sys/kernel/security 2>/dev/null
echo integrity >/sys/kernel/security/lockdown
self_test 'bpf, locked down to integrity' bpf $bpf "$old"
echo confidentiality >/sys/kernel/security/lockdown
self_test 'bpf, locked down to confidentiality' bpf 3 'locked down to "confidentiality"'
self_test 'ptrace, locked down to confidentiality' ptrace 0
exit $failed
