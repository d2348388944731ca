#!/bin/bash
# SPDX-License-Identifier: MIT
# fresh.sh [TARGET...]: tries `make demo` and `make test` (or the named targets) of the last commit as a newcomer would, then
# `make install`, and an example linked with it, shared and static: in a minimal Debian 12 with exactly git and make added.
# Needs root, debootstrap and this system's package mirror; takes some minutes and about 1.5 GB below TMPDIR. All mounts live
# in a mount namespace of their own, so they end with it whatever happens, and the directory is only removed from outside it.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=bookworm

inside() {
	# In the new namespaces: nothing mounted from here on is seen outside.
	root=$1 tree=$2
	shift 2
	mount --make-rprivate /
	mount --bind "$root" "$root"
	mount -t proc proc "$root/proc"
	mount -t sysfs -o ro sysfs "$root/sys"
	mount -t tmpfs -o mode=755,size=16m dev "$root/dev"
	for node in null zero full random urandom tty; do
		touch "$root/dev/$node"
		mount --bind "/dev/$node" "$root/dev/$node"
	done
	mkdir "$root/dev/pts" "$root/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
	ln -s pts/ptmx "$root/dev/ptmx"
	ln -s /proc/self/fd "$root/dev/fd"
	ln -s fd/0 "$root/dev/stdin"
	ln -s fd/1 "$root/dev/stdout"
	ln -s fd/2 "$root/dev/stderr"
	mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
	mount --bind -o ro "$tree" "$root/mnt"
	# shellcheck disable=SC2016 # expanded in there
	try='git -c safe.directory=* clone -q /mnt leat && cd leat && for target; do
		echo "== make $target"; begin=$(date +%s)
		make "$target" || exit
		echo "== make $target: $(($(date +%s) - begin)) s"
	done
	echo "== make install"
	make install >/tmp/log 2>&1 && ldconfig || { tail /tmp/log; exit 1; }
	for how in "" -static; do
		cc $how -o /tmp/explain examples/explain.c $(pkg-config ${how:+-}$how --cflags --libs leat) || exit
		/tmp/explain README.md || exit
	done
	leat --version'
	exec chroot "$root" env -i HOME=/tmp LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		sh -c "cd /tmp && $try" make "$@"
}
if [ "${1:-}" = --inside ]; then
	shift
	inside "$@"
fi

[ "$(id -u)" = 0 ] || { echo 'fresh.sh needs root: chroot and mounts'; exit 2; }
command -v debootstrap >/dev/null || { echo 'fresh.sh needs debootstrap'; exit 2; }
[ $# -gt 0 ] || set -- demo test
mirror=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null |
	sed -nE 's/^URIs: *([^ ]*).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]*) .*/\2/p' | grep -m1 '/debian/\?$' || :)
[ -n "$mirror" ] || { echo 'fresh.sh finds no Debian mirror in this system'"'"'s apt sources'; exit 2; }

dir=$(mktemp -d "${TMPDIR:-/tmp}/leat-fresh.XXXXXX")
# --one-file-system: should anything still be mounted below, it is left alone.
trap 'rm -rf --one-file-system "$dir"' EXIT
chmod 755 "$dir"
root=$dir/root

packages=git,make
case $mirror in https:*) packages+=,ca-certificates ;; esac	# apt could not even reach such a mirror without
echo "debootstrap $suite, minbase, with $packages"
debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$mirror" >"$dir/log" 2>&1 ||
	{ tail -20 "$dir/log"; exit 1; }
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/hosts "$root/etc/hosts"
apt-config dump | grep -E '^Acquire::(http|https)::[Pp]roxy' >"$root/etc/apt/apt.conf.d/99proxy" || :
git clone -q --bare . "$dir/tree"

unshare --mount --pid --fork --kill-child bash "$0" --inside "$root" "$dir/tree" "$@"
