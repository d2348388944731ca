#!/bin/sh
# SPDX-License-Identifier: MIT
# install.sh: installs by apt what tests/vm needs and the system lacks, and says so. Nothing is done when all is there.
set -eu
"$(dirname "$0")/../../ci/install-deps.sh" demo
missing=''
need() { # TOOL PACKAGE
	PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null || missing="$missing $2"
}
need cc gcc
need meson meson
need ninja ninja-build
need qemu-system-x86_64 qemu-system-x86
need cpio cpio
need modprobe kmod
need xz xz-utils
need mkfs.ext4 e2fsprogs
need mkfs.xfs xfsprogs
need mkfs.btrfs btrfs-progs
[ -f /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || { echo "install by hand:$missing" >&2; exit 1; }
sudo=''
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || { echo "as root, install:$missing" >&2; exit 1; }
	sudo=sudo
fi
echo "Installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # a list
install() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >"$log" 2>&1; }
install || { $sudo apt-get update -q >"$log" 2>&1 && install; } || { tail -5 "$log" >&2; exit 1; }
