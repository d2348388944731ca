#!/bin/bash
# SPDX-License-Identifier: MIT
# demo-doctor.sh LEAT: the end of make demo. Lets leat bench serve a file by libleat with the file hidden from it, by a Go program
# with a wrapper around it where Go is there, and by sendfile; and attaches leat doctor to these servers for three seconds.
set -uo pipefail
leat=${1:?usage: demo-doctor.sh LEAT}
case $("$leat" doctor --help 2>&1) in
*'without the doctor'*) echo 'leat was built without the doctor, so there is none to show: see above'; exit 0 ;;
esac

shapes=file-tcp/opaque hidden=deliver
! command -v go >/dev/null || shapes=$shapes,file-tcp/go-wrapped hidden=justReader
dir=$(mktemp -d)
"$leat" bench --shape "$shapes" --size 32m --rounds 1000 >/dev/null 2>"$dir/said" &
bench=$!
trap 'kill $bench 2>/dev/null; wait $bench 2>/dev/null; rm -rf "$dir"' EXIT

# It makes its file, compares contents and counts calls; from then on its servers only serve.
for _ in $(seq 600); do
	! grep -q '^measuring' "$dir/said" || break
	kill -0 $bench 2>/dev/null || { cat "$dir/said"; exit 1; }
	sleep 0.1
done
watched=()
read -r -a servers <"/proc/$bench/task/$bench/children"
for pid in "${servers[@]}"; do watched+=(-p "$pid"); done
# A recording first, for on a busy machine bench repeats what was disturbed, and may not come to all its servers in that time.
for seconds in 3 8; do
	echo "leat doctor on leat bench's servers: -d $seconds ${watched[*]}${again-}"
	again=' (again, and longer: others keep the CPUs busy)'
	stacks=$("$leat" doctor -d $seconds --folded --record "$dir/seen" "${watched[@]}")
	status=$?
	case $stacks in *$hidden*) break ;; esac
done
case $status in
0 | 1) "$leat" doctor --replay "$dir/seen" || [ $? -eq 1 ] ;;	# 1: the losses that are there
3) echo 'The doctor is not allowed to look here; the rest of the demo stands.' ;;
*) exit 1 ;;
esac
