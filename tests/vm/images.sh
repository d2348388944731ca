#!/bin/sh
# SPDX-License-Identifier: MIT
# images.sh DIRECTORY: makes ext4.img, xfs.img and btrfs.img there, sparse. Needs no root.
# Kernels as old as 5.10 must mount them: newer format features are left out where mkfs knows of them.
set -eu
PATH=$PATH:/usr/sbin:/sbin
to=${1:?usage: images.sh DIRECTORY}
mkdir -p "$to"

fresh() {
	rm -f "$to/$1"
	truncate -s "$2" "$to/$1"
}

if [ ! -f "$to/ext4.img" ]; then
	fresh ext4.new 3G
	mkfs.ext4 -q -F -O ^orphan_file,^metadata_csum_seed "$to/ext4.new" 2>/dev/null || mkfs.ext4 -q -F "$to/ext4.new"
	mv "$to/ext4.new" "$to/ext4.img"
fi
if [ ! -f "$to/xfs.img" ]; then
	fresh xfs.new 2G
	mkfs.xfs -q -f -m reflink=1,bigtime=0,inobtcount=0 -i nrext64=0 "$to/xfs.new" 2>/dev/null ||
		mkfs.xfs -q -f -m reflink=1 "$to/xfs.new"
	mv "$to/xfs.new" "$to/xfs.img"
fi
if [ ! -f "$to/btrfs.img" ]; then
	fresh btrfs.new 2G
	mkfs.btrfs -q -f "$to/btrfs.new" >/dev/null
	mv "$to/btrfs.new" "$to/btrfs.img"
fi
