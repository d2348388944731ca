#!/bin/bash
# SPDX-License-Identifier: MIT
# gates.sh [GATE...]: runs the gates in ci/gates/, all or the named ones, and counts them. A gate is a script: 0 holds,
# 77 could not be looked at, anything else does not hold. BUILD names the build directory (build).
set -uo pipefail
cd "$(dirname "$0")/.." || exit
export BUILD=${BUILD:-build}

# Cheap ones first.
order='sizes includes header format shell man paths count syscalls exports abi consumer lint warnings tree asan'
[ $# -eq 0 ] || order=$*
for file in ci/gates/*; do
	case " $order " in *" ${file##*/} "*) ;; *) [ $# -gt 0 ] || { echo "ci/gates.sh does not know $file"; exit 1; } ;; esac
done

passed=0 failed=() skipped=()
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for gate in $order; do
	start=$SECONDS
	status=0
	"ci/gates/$gate" >"$out" 2>&1 </dev/null || status=$?
	case $status in
	0) passed=$((passed + 1)) word=ok ;;
	77) skipped+=("$gate") word=skipped ;;
	*) failed+=("$gate") word=FAILED ;;
	esac
	printf '%-8s %-10s %4d s\n' "$word" "$gate" $((SECONDS - start))
	if [ "$word" = FAILED ]; then tail -60 "$out" | sed 's/^/    /'; else grep -E '^(SKIP|long|note)' "$out" | sed 's/^/    /'; fi
done
for gate in "${failed[@]}"; do
	echo "FAILED   run ci/gates/$gate by itself"
done
echo "$passed passed, ${#failed[@]} failed, ${#skipped[@]} skipped"
[ ${#failed[@]} -eq 0 ]
