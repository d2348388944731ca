#!/bin/bash
# SPDX-License-Identifier: MIT
# releases.sh [RELEASE...]: what doctor knows of Go, against the further releases that tests/doctor/ward/run --fetch has laid out:
# its reader of line tables against what each runtime says of itself, and each remedy for Go, tried and printed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${LEAT_BUILD:?names the build directory}"
export LEAT_SOURCE=${here%/tests/doctor} LEAT=${LEAT:-$LEAT_BUILD/cli/leat} GOTOOLCHAIN=local
releases=${WARD_DIR:-$LEAT_BUILD/ward}/releases
if [ $# -eq 0 ]; then
	for directory in "$releases"/go-*/; do
		[ ! -d "$directory" ] || set -- "$@" "$(basename "$directory" | sed 's/^go-//')"
	done
fi
[ $# -gt 0 ] || { echo 'SKIP: no further release of Go was fetched'; exit 77; }
ninja -C "$LEAT_BUILD" --quiet tests/doctor-symbol_go >/dev/null
failed=0
for release; do
	directory=$releases/go-$release/usr/lib/go-$release/bin
	[ -x "$directory/go" ] || { echo "skip Go $release: it was not fetched"; continue; }
	GOCACHE=$(mktemp -d "${TMPDIR:-/tmp}/leat-go.XXXXXX")
	export GOCACHE
	for what in "$LEAT_BUILD/tests/doctor-symbol_go" "$here/mend.sh go-*" "$here/remedy.sh go-*"; do
		echo "-- Go $release: $(basename "${what%% *}")"
		set -f
		# shellcheck disable=SC2086 # a command and a pattern for it
		GO=$directory/go PATH=$directory:$PATH $what >"$GOCACHE.log" 2>&1 && status=0 || status=$?
		set +f
		grep -E '^(ok|FAIL|skip|SKIP|[0-9]+ )' "$GOCACHE.log" || true
		case $status in
		0 | 77) ;;
		*) tail -20 "$GOCACHE.log"; failed=1 ;;
		esac
	done
	rm -rf "$GOCACHE" "$GOCACHE.log"
done
exit $failed
