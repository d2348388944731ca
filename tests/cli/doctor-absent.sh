#!/bin/bash
# SPDX-License-Identifier: MIT
# leat without the doctor: switched off it is built, and says so in a sentence. Where a tool of the doctor's is missing, setting
# up names it, and goes on without the doctor, unless that was asked for.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
export failed=0
command -v meson >/dev/null && command -v ninja >/dev/null || skip 'meson and ninja build it'

switched_off() {
	run 0 meson setup -Ddoctor=disabled -Dtests=false -Doptimization=0 -Ddebug=false off "$LEAT_SOURCE"
	says out 'doctor *: NO'
	run 0 ninja -C off --quiet cli/leat
	for arguments in '-p 1' '--help' ''; do
		# shellcheck disable=SC2086 # words
		run 2 off/cli/leat doctor $arguments
		says err '^leat.*: this leat was built without the doctor: that needs libbpf'
		[ ! -s out ] || fail "doctor $arguments said something as if it were a result"
	done
	run 0 off/cli/leat --help
}

no_clang() {
	mkdir bin
	local IFS=: dir file
	for dir in $PATH; do
		for file in "$dir"/*; do
			case ${file##*/} in clang*) continue ;; esac
			[ -e "bin/${file##*/}" ] || ln -s "$file" bin/ 2>/dev/null
		done
	done
	run 0 env PATH="$PWD/bin" meson setup -Dtests=false auto "$LEAT_SOURCE"
	says out '^Message: leat doctor is left out: here is no (.*, )?clang'
	says out 'doctor *: NO'
	run 1 env PATH="$PWD/bin" meson setup -Dtests=false -Ddoctor=enabled enabled "$LEAT_SOURCE"
	says out "clang' not found"
}

parts switched_off no_clang
