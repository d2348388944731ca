#!/bin/sh
# SPDX-License-Identifier: MIT
# install-deps.sh [demo|test|gates]: installs by apt what is missing to build and run that, and says so. When all is
# there it does nothing. Without apt or without root it says in a sentence what to install by hand, and fails.
set -eu

# package=what shows that it is there: a command, or a file
needed='gcc=gcc libc6-dev=/usr/include/stdio.h pkg-config=pkg-config meson=meson ninja-build=ninja'
needed="$needed libxxhash-dev=/usr/include/xxhash.h libssl-dev=/usr/include/openssl/evp.h"
needed="$needed strace=strace"
# clang and its libFuzzer are for tests/fuzz
tests='g++=g++ python3=python3 procps=pgrep clang=clang libclang-rt-14-dev=/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux'
gates='git=git clang-format=clang-format clang-tidy=clang-tidy mandoc=mandoc'
gates="$gates universal-ctags=ctags-universal shellcheck=shellcheck abigail-tools=abidiff valgrind=valgrind"
gates="$gates xfsprogs=/usr/sbin/mkfs.xfs btrfs-progs=/usr/sbin/mkfs.btrfs"
case ${1:-demo} in
demo) ;;
test) needed="$needed $tests" ;;
gates) needed="$needed $tests $gates" ;;
*)
	echo "usage: $0 [demo|test|gates]" >&2
	exit 2
	;;
esac

missing=
for row in $needed; do
	probe=${row#*=}
	command -v "$probe" >/dev/null || [ -e "/${probe#/}" ] || missing="$missing ${row%%=*}"
done
missing=${missing# }
[ -n "$missing" ] || exit 0

by_hand() {
	echo "$1; please install by hand: $missing" >&2
	exit 1
}

command -v apt-get >/dev/null || by_hand 'There is no apt-get here'
sudo=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || by_hand 'Installing needs root, and there is no sudo'
	sudo=sudo
fi

echo "Installing by apt: $missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
try() {
	# shellcheck disable=SC2086 # a list of packages
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >"$log" 2>&1
}

# The lists may be absent or stale: then the first try fails, and is worth repeating after an update.
if ! try; then
	$sudo apt-get update -q >"$log" 2>&1 || { tail -5 "$log" >&2; by_hand 'apt-get update failed'; }
	try || { tail -5 "$log" >&2; by_hand 'apt-get install failed'; }
fi
