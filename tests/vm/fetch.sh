#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch.sh CACHE SUITE FLAVOUR: puts that Debian suite's kernel below CACHE, unpacked, and prints its directory.
# fetch.sh CACHE SUITE busybox: the same for a static busybox; prints the program's path.
# fetch.sh CACHE SUITE NAME PACKAGE...: the same for these packages and all they depend on; the directory is CACHE/NAME.
#
# Nothing is installed and nothing of the system's apt is touched. The mirror is the one the system uses. What was
# fetched once is not fetched again: remove CACHE to get newer kernels.
set -eu

cache=${1:?} suite=${2:?} what=${3:?}
stamp=$cache/fetched/$suite-$what
if [ -f "$stamp" ] && [ -e "$(cat "$stamp")" ]; then
	cat "$stamp"
	exit
fi

mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -1)
[ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[.*\] \)\{0,1\}\(http[^ ]*\).*/\2/p' /etc/apt/sources.list | head -1)
[ -n "$mirror" ] || { echo 'fetch.sh: no mirror in the sources of apt' >&2; exit 1; }

own=$cache/apt-$suite
mkdir -p "$cache/fetched" "$own/etc/sources.list.d" "$own/etc/preferences.d" "$own/etc/apt.conf.d" \
	"$own/state/lists/partial" "$own/cache/archives/partial" "$own/deb"
: >"$own/state/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$own/etc/sources.list"

private_apt() {
	command=$1
	shift
	"apt-$command" -q -o Dir::Etc="$own/etc" -o Dir::State="$own/state" -o Dir::State::status="$own/state/status" \
		-o Dir::Cache="$own/cache" -o Acquire::Languages=none -o APT::Sandbox::User="$(id -un)" "$@"
}

private_apt get update >"$own/log" 2>&1 || { tail -5 "$own/log" >&2; exit 1; }

if [ "$what" = busybox ]; then
	(cd "$own/deb" && rm -f ./*.deb && private_apt get download busybox-static >"$own/log" 2>&1 &&
		dpkg -x busybox-static_*.deb busybox) || { tail -5 "$own/log" >&2; exit 1; }
	cp "$(find "$own/deb/busybox" -path '*bin/busybox' -type f)" "$cache/busybox"
	result=$cache/busybox
elif [ $# -gt 3 ]; then
	shift 3
	private_apt get -y --no-install-recommends --download-only install "$@" >"$own/log" 2>&1 || { tail -5 "$own/log" >&2; exit 1; }
	result=$cache/$what
	rm -rf "$result"
	for package in "$own"/cache/archives/*.deb; do
		dpkg -x "$package" "$result"
	done
else
	version=$(private_apt cache depends "linux-image-$what" | sed -n 's/.*Depends: linux-image-\([0-9].*\)/\1/p' | head -1)
	[ -n "$version" ] || { echo "fetch.sh: no linux-image-$what in $suite" >&2; exit 1; }
	# from 7.x on the image is split in three packages
	like=$(printf %s "$version" | sed 's/[.+]/\\&/g')
	packages=$(private_apt cache pkgnames linux- | grep -xE "linux-(image|modules|binary)-$like")
	# shellcheck disable=SC2086 # a list
	(cd "$own/deb" && rm -f ./*.deb && private_apt get download $packages >"$own/log" 2>&1) ||
		{ tail -5 "$own/log" >&2; exit 1; }
	result=$cache/$version
	rm -rf "$result"
	for package in "$own"/deb/linux-*.deb; do
		dpkg -x "$package" "$result"
	done
	base=$result
	[ -d "$base/lib/modules" ] || base=$result/usr # 7.x: all files are below /usr
	depmod -b "$base" "$version" 2>/dev/null || :
fi
rm -rf "$own"
echo "$result" >"$stamp"
echo "$result"
