#!/bin/sh
# SPDX-License-Identifier: MIT
# install-deps.sh [demo|test|gates]: installs by apt what is missing to build and run that, and says so. When all is
# there it does nothing. Without apt or without root it says what to install by hand, and fails.
set -eu

packages='gcc libc6-dev pkg-config meson ninja-build libxxhash-dev libssl-dev strace'
case ${1:-demo} in
demo) ;;
test) packages="$packages g++ python3" ;;
gates)
	packages="$packages g++ python3 clang clang-format clang-tidy cppcheck universal-ctags mandoc shellcheck"
	packages="$packages abigail-tools valgrind git"
	;;
*)
	echo "usage: $0 [demo|test|gates]" >&2
	exit 2
	;;
esac

# A package counts as there when dpkg has it; without dpkg, the tools are looked for.
missing=
if command -v dpkg-query >/dev/null; then
	for package in $packages; do
		status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || :)
		case $status in
		?i*) ;;
		*) missing="$missing $package" ;;
		esac
	done
else
	for tool in cc pkg-config meson ninja; do
		command -v $tool >/dev/null || missing="$missing $tool"
	done
fi
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

echo "Installing: $missing"
install() {
	# shellcheck disable=SC2086 # a list of packages
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >"$log" 2>&1
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# The lists may be absent or stale: then the first try fails, and is worth repeating after an update.
if ! install; then
	$sudo apt-get update -q >"$log" 2>&1 || { tail -5 "$log" >&2; by_hand 'apt-get update failed'; }
	install || { tail -5 "$log" >&2; by_hand 'apt-get install failed'; }
fi
