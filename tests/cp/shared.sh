#!/bin/bash
# SPDX-License-Identifier: MIT
# shared.sh: on XFS and btrfs, in images of their own, the extents are shared whatever is asked for besides.
set -u
. "$(dirname "$0")/../cli/lib.sh"
export failed=0
[ "$(id -u)" = 0 ] || skip 'mounting takes root'

# on MKFS...: a fresh file system, and in it a file whose end is no whole block.
on() {
	command -v "$1" >/dev/null || { misses "$1 is not installed"; return; }
	rm -f image
	truncate -s 400M image
	"$@" image >/dev/null 2>&1 || { misses "$* makes no file system here"; return; }
	mkdir -p mounted
	mount -o loop image mounted 2>/dev/null || { misses 'nothing can be mounted by a loop device'; return; }
	head -c 30000001 /dev/urandom >mounted/a
	sync mounted/a
	shared
	umount mounted
}

by() { says out "b: file . file: [0-9]+ bytes by $1 in [0-9]+ calls?(;|\$)"; }

shared() {
	local option a=mounted/a b=mounted/b
	for option in --explain --progress=always --rate=20m --limit=8m --timeout=9 --verify --no-cache --sync --stable --in-place --resume \
		--preserve=all --hash=xxh3 --hash=sha256 '--require=reflink --hash=xxh3'; do
		rm -f $b
		# shellcheck disable=SC2086 # two options
		run 0 "$LEAT" cp --explain $option $a $b
		by clone
		cmp -n "$(stat -c %s $b)" $a $b || fail "$option: not the same"
		[ "$option" != --hash=sha256 ] || says out "^$(sha256sum <$a | cut -d' ' -f1) "
		! grep -q 'costs a copy' err || fail "$option: $(cat err)"
	done
	# What is no whole block goes by the next route, or, as asked, not at all; the hash is then taken of what passes.
	run 0 "$LEAT" cp --offset 5 --explain $a $b
	by copy_file_range
	cmp $b <(tail -c +6 $a) || fail 'not the same'
	run 6 "$LEAT" cp --offset 5 --require=reflink $a mounted/c
	run 0 "$LEAT" cp --limit 5000 --hash=sha256 $a $b
	says out "^$(head -c 5000 $a | sha256sum | cut -d' ' -f1) "
	"$LEAT" cp --limit 5000 --hash=sha256 - $b <$a >out 2>err || fail "ended with $?"
	cmp $b <(head -c 5000 $a) || fail 'what was shared first is missing'
	# A snapshot is stable, and keeps the kernel's way.
	"$LEAT" cp --stable --explain $a - 2>err | cmp - $a || fail 'not the same'
	says err 'by splice in'
	# A part that is right is gone on from.
	rm -f $b
	head -c 8388608 $a >mounted/.b.leat-part
	run 0 "$LEAT" cp --resume --explain $a $b
	by clone
	cmp $a $b || fail 'not the same'
	[ -z "$(find mounted -mindepth 1 ! -name a ! -name b)" ] || fail "left beside it: $(ls -A mounted)"
}

xfs() { on mkfs.xfs -q -f -m reflink=1; }
btrfs() { on mkfs.btrfs -q -f; }

parts xfs btrfs
