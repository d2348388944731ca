#!/bin/bash
# SPDX-License-Identifier: MIT
# ward.sh: the short run of the ward: one build of each kind of patient, in the languages that are here, by either engine.
# `make ward` runs all.
. "$LEAT_SOURCE/tests/cli/lib.sh"
# shellcheck disable=SC2034 # parts ends with it
failed=0

by_engine() {
	local status=0
	"$LEAT_SOURCE/tests/doctor/ward/run" --quick --engine "$1" >out 2>&1 || status=$?
	cat out
	case $status in
	0) ;;
	77) misses "$(sed -n 's/^SKIP: //p' out)"; return ;;
	*) fail "the ward by $1 ended with $status" ;;
	esac
}
by_bpf() { by_engine bpf; }
by_ptrace() { by_engine ptrace; }

parts by_bpf by_ptrace
