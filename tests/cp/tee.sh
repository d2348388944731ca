#!/bin/bash
# SPDX-License-Identifier: MIT
# tee.sh: the second file of --tee is as the first one: its holes, what is asked for it, and when it gets its name.
set -u
. "$(dirname "$0")/../cli/lib.sh"
export failed=0
head -c 3000000 /dev/urandom >a

traced() {
	{ command -v strace && strace -o probe true; } >/dev/null 2>&1 || { misses 'strace cannot trace here'; return; }
	! under asan || misses 'strace and the leak checker are both tracers'
}

blocks() { stat -c %b "$1"; }

# sparse NAME LENGTH MIB...: a file of such a length, with a few KiB of data at these MiB.
sparse() {
	local name=$1 at
	truncate -s "$2" "$name"
	shift 2
	for at; do head -c 5000 a | dd of="$name" bs=1M seek="$at" conv=notrunc status=none; done
}

holes() {
	local source
	sparse middle 200M 0 100 199
	sparse to_the_end 200M 100
	sparse odd 123456789 3
	sparse nothing 50M
	[ "$(blocks middle)" -lt 1000 ] || { misses 'no holes here'; return; }
	for source in middle to_the_end odd nothing; do
		run 0 "$LEAT" cp --verify --tee two $source one
		cmp $source two && cmp $source one || fail "$source: not the same"
		[ "$(blocks two)" -le $(($(blocks $source) + 64)) ] || fail "$source: $(blocks $source) blocks became $(blocks two)"
		rm two
	done
	# Of a part of it, and of one that is open.
	run 0 "$LEAT" cp --offset 50000001 --limit 120000001 --tee two middle one
	cmp two <(tail -c +50000002 middle | head -c 120000001) || fail 'another part'
	[ "$(blocks two)" -lt 1000 ] || fail "$(blocks two) blocks"
	"$LEAT" cp --tee two fd:3 one 3<middle || fail "ended with $?"
	cmp two middle && [ "$(blocks two)" -lt 1000 ] || fail "$(blocks two) blocks, or not the same"
	# Over what is there, and stays itself.
	head -c 210000000 /dev/zero | tr '\0' x >two
	ln -f two twice
	run 0 "$LEAT" cp --in-place --tee two middle one
	cmp middle twice || fail 'not the same'
	[ "$(blocks two)" -lt 1000 ] || fail "$(blocks two) blocks"
	rm twice
	# Zeros that are no hole stay zeros on the disk; to what has no holes all is sent.
	head -c 3000000 /dev/zero >zeros
	run 0 "$LEAT" cp --tee two zeros one
	[ "$(blocks two)" -ge 5000 ] || fail "$(blocks two) blocks"
	"$LEAT" cp --tee /dev/stdout odd one | cmp - odd || fail 'to a pipe'
}

verified_too() {
	run 2 "$LEAT" cp --verify --tee /dev/null a one
	says err '^leat: /dev/null: it cannot be read back, so --verify means nothing$'
	traced || return
	head -c 1000 a >some
	for source in some -; do
		why='it differs after 0 bytes'
		[ $source != - ] || why='1000 bytes'
		head -c 1000 /dev/zero >two
		cat some | strace -P "$PWD/two" -o trace -e inject=write,pwrite64:retval=1000 "$LEAT" cp --verify --in-place --tee two $source one 2>err
		[ $? = 8 ] || fail "$source: $(cat err)"
		grep -q INJECTED trace || fail 'the fault did not fire'
		says err "^leat: two: read back, it is not what was sent: $why, by copy$"
	done
}

# Neither is in memory at the end, and both are on the disk.
no_cache_too() {
	fincore --version >/dev/null 2>&1 || { misses 'no fincore'; return; }
	[ "$(stat -f -c %T .)" != tmpfs ] || { misses 'what is on a tmpfs stays in memory'; return; }
	head -c 100000000 /dev/urandom >large
	sync large	# what is not on its disk yet cannot be dropped
	run 0 "$LEAT" cp --no-cache --tee two large one
	for file in one two large; do
		[ "$(fincore -bnro RES $file)" -lt 1000000 ] || fail "$file is in memory: $(fincore -bnro RES $file) bytes"
	done
	cmp large two || fail 'not the same'
	traced || return
	echo old >two
	echo old >one
	for fault in fdatasync:error=EIO:when=2 sync_file_range:error=EIO:when=2; do
		run 4 strace -o trace -e inject=$fault "$LEAT" cp --no-cache --tee two large one
		grep -q INJECTED trace || fail 'the fault did not fire'
		says err '^leat: (one|two): not all of it reached the disk: '
		[ "$(cat one two | tr '\n' ' ')" = 'old old ' ] || fail "$fault: something has its name"
	done
}

# What cannot be given its name leaves both.
after_the_destination() {
	traced || return
	echo old >one
	echo old >two
	run 4 strace -o trace -e inject=renameat:error=EIO:when=1 "$LEAT" cp --tee two a one
	grep -q INJECTED trace || fail 'the fault did not fire'
	says err '^leat: one: cannot give it its name'
	[ "$(cat one two | tr '\n' ' ')" = 'old old ' ] || fail 'only one of them was replaced'
	run 4 strace -o trace -e inject=fsync:error=EIO:when=2 "$LEAT" cp --sync --tee two a one
	grep -q INJECTED trace || fail 'the fault did not fire'
	says err '^leat: (one|two): cannot flush it'
	[ "$(cat one two | tr '\n' ' ')" = 'old old ' ] || fail 'only one of them was replaced'
	run 4 strace -o trace -e inject=renameat:error=EIO:when=2 "$LEAT" cp --tee two a one
	says err '^leat: two: cannot give it its name'
	says err '^leat: one: it is there, but not the second file, two$'
	[ "$(cat two)" = old ] && cmp a one || fail 'another order'
	[ -z "$(find . -name '.*leat-part')" ] || fail 'something is left'
	# What takes room is done before.
	echo old >one
	rm two
	for fault in linkat:error=ENOSPC:when=1 linkat:error=ENOSPC:when=2; do
		run 4 strace -o trace -e inject=$fault "$LEAT" cp --tee two a one
		grep -q INJECTED trace || fail 'the fault did not fire'
		[ "$(cat one)" = old ] && [ ! -e two ] && [ -z "$(find . -name '.*leat-part')" ] || fail "$fault: $(ls -A)"
	done
}

# By another word for the same place, or another name of the same file.
onto_the_destination() {
	local there option
	mkdir -p same
	ln -sfn same by_link
	for there in no yes; do
		rm -f same/file
		[ $there = no ] || echo old >same/file
		for option in '' --in-place; do
			# shellcheck disable=SC2086
			run 4 "$LEAT" cp $option --tee by_link/file a same/file
			says err '^leat: by_link/file: it is the destination itself; nothing was copied$'
			[ $there = no ] || cmp -s same/file <(echo old) || fail "$option: it was written to"
			[ $there = yes ] || [ ! -s same/file ] || fail "$option: it was made"
			[ -z "$(find same -name '.*')" ] || fail "left: $(ls -A same)"
		done
	done
	ln same/file same/again
	run 4 "$LEAT" cp --in-place --tee same/again a same/file
	cmp -s same/file <(echo old) || fail 'it was written to'
	run 0 "$LEAT" cp --tee /dev/null a /dev/null
}

parts onto_the_destination holes verified_too no_cache_too after_the_destination
