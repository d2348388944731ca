#!/bin/bash
# SPDX-License-Identifier: MIT
# faults.sh: each call of a copy is made to fail in turn. The destination is the old file or the new one, the exit status says
# which, and nothing is left beside it.
set -u
. "$(dirname "$0")/../cli/lib.sh"
export failed=0
{ command -v strace && strace -o probe true; } >/dev/null 2>&1 || skip 'strace cannot trace here'
under asan && skip 'strace and the leak checker are both tracers'
head -c 300000 /dev/urandom >a
head -c 1000 /dev/urandom >old

# fails_at CALL ERROR N MAY_STAY COMMAND...: 1 when there is no Nth such call.
fails_at() {
	local call=$1 error=$2 n=$3 may_stay=$4 status=0
	shift 4
	cp old d/file
	strace -o trace -e trace="$call" -e inject="$call:error=$error:when=$n" "$@" >out 2>err </dev/null || status=$?
	grep -q INJECTED trace || return 1
	fired=$((fired + 1))
	[ "$status" -lt 128 ] || fail "$call $n: ended with $status"
	if [ "$status" -eq 0 ]; then
		cmp -s a d/file || fail "$call $n $error: it says that all went well, and d/file is not the new file"
	elif grep -q 'it is there, but not the second file' err; then
		cmp -s a d/file || fail "$call $n $error: d/file is not there"
	elif ! grep -qE 'it is there, but its directory cannot be flushed|standard output could not be written' err; then
		cmp -s old d/file || fail "$call $n $error: it failed, and d/file is not the old file: $(cat err)"
		[ -s err ] || fail "$call $n $error: no word was said"
	fi
	[ -z "$(find d -type f ! -name file ! -name "$may_stay")" ] || fail "$call $n $error: left: $(ls -A d)"
	[ -z "$(find e -mindepth 1 ! -name second)" ] || fail "$call $n $error: left: $(ls -A e)"
	rm -f "d/$may_stay"
	return 0
}

every() {
	local call error n fired=0
	mkdir -p d
	for call in openat newfstatat fstat statx flock copy_file_range pread64 pwrite64 write ftruncate fchown fchmod fsync fdatasync linkat \
		renameat unlinkat close fcntl ioctl fsetxattr fgetxattr utimensat; do
		for error in EIO ENOSPC EPERM; do
			for n in $(seq 40); do
				fails_at "$call" "$error" "$n" "$@" || break
			done
		done
	done
	echo "$fired faults"
	[ "$fired" -ge 60 ] || fail "only $fired faults fired"
}

without_a_name() { every none "$LEAT" cp --sync --no-cache a d/file; }
# What a run with --resume leaves is for the next one.
by_a_temporary_name() { every .file.leat-part "$LEAT" cp --resume --sync --verify a d/file; }
# A hash and a second file: through user space.
by_a_copy() { every none "$LEAT" cp --hash=xxh3 --preserve=mode,times --tee e/second a d/file; }

mkdir -p e
parts without_a_name by_a_temporary_name by_a_copy
