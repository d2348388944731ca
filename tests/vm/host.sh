#!/bin/sh
# SPDX-License-Identifier: MIT
# host.sh WORK OUT: the kernel facts on the running kernel, the table into OUT. As root, and where the kernel has loop
# devices, XFS, btrfs and overlay are looked at too: on copies of WORK's images, mounted in a mount namespace of its own.
set -eu
work=$(cd "${1:?}" && pwd) out=${2:?}
source=$(cd "$(dirname "$0")/../.." && pwd)

if [ "${3:-}" = inside ]; then
	# the end of this namespace unmounts all and frees the loop devices
	dirs=$TMPDIR
	for type in xfs btrfs; do
		mkdir "$TMPDIR/$type"
		cp --sparse=always "$work/$type.img" "$TMPDIR/$type.img"
		if mount -t $type -o loop "$TMPDIR/$type.img" "$TMPDIR/$type" 2>/dev/null; then
			dirs="$dirs $TMPDIR/$type"
		else
			echo "  $type cannot be mounted here"
		fi
	done
	mkdir "$TMPDIR/lower" "$TMPDIR/upper" "$TMPDIR/work" "$TMPDIR/overlay"
	if mount -t overlay -o "lowerdir=$TMPDIR/lower,upperdir=$TMPDIR/upper,workdir=$TMPDIR/work" overlay \
		"$TMPDIR/overlay" 2>/dev/null; then
		dirs="$dirs $TMPDIR/overlay"
	else
		echo '  overlay cannot be mounted here'
	fi
	# shellcheck disable=SC2086 # a list
	exec "$source/tests/kernel/facts.sh" -v -b "$work/payload/facts" -o "$out" $dirs /dev/shm
fi

TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/leat-host.XXXXXX")
export TMPDIR
chmod 755 "$TMPDIR"
trap 'rm -rf "$TMPDIR"' EXIT
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	unshare -m "$0" "$work" "$out" inside
else
	echo '  not root: without XFS, btrfs and overlay'
	"$source/tests/kernel/facts.sh" -v -b "$work/payload/facts" -o "$out" "$TMPDIR" /dev/shm
fi
