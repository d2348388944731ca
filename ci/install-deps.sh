#!/bin/sh
# SPDX-License-Identifier: MIT
# install-deps.sh [demo|test|ward|overhead|gates]: installs by apt what is missing to build and run that, and says so. When all is
# there it does nothing. Without apt or without root it says in a sentence what to install by hand, and fails; but leat is
# built without the doctor where only the doctor's packages cannot be had.
set -eu

# package=what shows that it is there: a command, or a file
needed='gcc=gcc libc6-dev=/usr/include/stdio.h pkg-config=pkg-config meson=meson ninja-build=ninja'
needed="$needed libxxhash-dev=/usr/include/xxhash.h libssl-dev=/usr/include/openssl/evp.h"
needed="$needed strace=strace"
# `leat doctor`: clang and bpftool make its program for the kernel, the libraries load it and read symbols
doctor='bpftool=/usr/sbin/bpftool libbpf-dev=/usr/include/bpf/libbpf.h libelf-dev=/usr/include/libelf.h'
doctor="$doctor libdw-dev=/usr/include/elfutils/libdwfl.h libiberty-dev=/usr/include/libiberty/demangle.h"
# clang's libFuzzer is for tests/fuzz
tests='g++=g++ python3=python3 procps=pgrep clang=clang libclang-rt-14-dev=/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux'
# what the doctor is tried on: Go in make test as well, the others in make ward
tests="$tests golang-go=go"
# what belongs to files besides bytes, for tests/cp
tests="$tests acl=setfacl attr=setfattr"
# what bench's XXH3 is compared with
tests="$tests xxhash=xxhsum"
# whom leat proxy is tried between, and a slow link
tests="$tests openssl=openssl socat=socat haproxy=haproxy curl=curl iperf3=iperf3 iproute2=ip"
ward='rustc=rustc nodejs=node default-jdk-headless=javac'
gates='git=git clang-format=clang-format clang-tidy=clang-tidy mandoc=mandoc'
gates="$gates universal-ctags=ctags-universal shellcheck=shellcheck abigail-tools=abidiff valgrind=valgrind"
gates="$gates xfsprogs=/usr/sbin/mkfs.xfs btrfs-progs=/usr/sbin/mkfs.btrfs"
case ${1:-demo} in
demo) doctor="clang=clang $doctor" ;;
test) needed="$needed $tests" ;;
ward) needed="$needed $tests $ward" ;;
overhead) needed="$needed $tests bpftrace=bpftrace" ;;
gates) needed="$needed $tests $gates" ;;
*)
	echo "usage: $0 [demo|test|ward|overhead|gates]" >&2
	exit 2
	;;
esac

# absent ROW...: the packages of these that are not there
absent() {
	for row; do
		probe=${row#*=}
		command -v "$probe" >/dev/null || [ -e "/${probe#/}" ] || printf '%s ' "${row%%=*}"
	done
}
# shellcheck disable=SC2086 # lists of rows
missing=$(absent $needed) wanted=$(absent $doctor)
missing=${missing% } wanted=${wanted% }
[ -n "$missing$wanted" ] || exit 0

# by_hand WHY: what is needed is missing for good, or only what the doctor needs is
by_hand() {
	if [ -n "$missing" ]; then
		echo "$1; please install by hand: $missing" >&2
		exit 1
	fi
	echo "$1: leat is built without the doctor, which needs $wanted"
	exit 0
}

command -v apt-get >/dev/null || by_hand 'There is no apt-get here'
sudo=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || by_hand 'Installing needs root, and there is no sudo'
	sudo=sudo
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >"$log" 2>&1
}

# The lists may be absent or stale: then the first try fails, and is worth repeating after an update. What the doctor needs
# comes along, or alone where one of its packages has another name.
echo "Installing by apt: $missing${missing:+${wanted:+ }}$wanted"
# shellcheck disable=SC2086 # lists of packages
if ! install $missing $wanted; then
	$sudo apt-get update -q >"$log" 2>&1 || { tail -5 "$log" >&2; by_hand 'apt-get update failed'; }
	if ! install $missing $wanted; then
		[ -z "$missing" ] || install $missing || { tail -5 "$log" >&2; by_hand 'apt-get install failed'; }
		missing=
		by_hand 'apt-get install failed'
	fi
fi
