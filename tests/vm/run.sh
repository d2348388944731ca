#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh [-r] [BUILD [KERNEL...]]: kernel facts and test programs on other kernels, under qemu; `make vm` calls it.
#
#   BUILD     where to work: BUILD/vm (build)
#   KERNEL    names from tests/vm/kernels, or "host" for the running kernel; without: all of the file
#   -r        records the facts and what the test programs said: tests/vm/record/KERNEL.facts and .tests, and makes
#             docs/kernels.md anew
#
# Fetched kernels are kept in LEAT_VM_CACHE (below XDG_CACHE_HOME or ~/.cache): about 270 MB. One guest at a time, at the
# lowest priority: nothing that runs there says anything about speed. LEAT_VM_TESTS=no leaves the test programs out, another
# word all but those whose names begin so, and the facts (LEAT_VM_TESTS=doctor);
# LEAT_VM_LIMIT is the most seconds one guest may take (3600).
# Exit status: 0; 1 when a guest died or met its time limit, a fact the library relies on differs, or a test failed.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

record=no
while getopts r option; do
	case $option in
	r) record=yes ;;
	*) echo "usage: $0 [-r] [BUILD [KERNEL...]]" >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
work=${1:-build}/vm
[ $# -eq 0 ] || shift
cache=${LEAT_VM_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/leat-vm}
results=$work/results
mkdir -p "$results" "$cache"
work=$(cd "$work" && pwd)
failed=()

names=("$@")
[ $# -gt 0 ] || mapfile -t names < <(sed 's/#.*//' tests/vm/kernels | awk 'NF { print $1 }')
if [ "${names[*]}" != host ]; then
	[ "$(uname -m)" = x86_64 ] || { echo 'SKIP: the recipe is for x86_64'; exit 77; }
	tests/vm/install.sh || exit 1
	exec 9>"$cache/lock"
	flock -n 9 || { echo 'waiting for another run to end'; flock 9; }
fi

# The facts of one run, and what is new in them against the record.
keep_facts() {
	local name=$1 facts=$results/$1.facts kept=tests/vm/record/$1.facts
	if [ "$record" = yes ]; then
		mkdir -p tests/vm/record
		grep -v '^#' "$facts" >"$kept"
		return
	fi
	[ -f "$kept" ] || { echo "  no record of $name: run.sh -r makes one"; return; }
	diff <(grep -v '^kernel: ' "$kept") <(grep -v -e '^#' -e '^kernel: ' "$facts") >"$work/diff" ||
		{ echo "  facts that are not as recorded in $kept:"; grep '^[<>]' "$work/diff" | sed 's/^/    /'; }
}

# The test programs of one run, the same way.
keep_tests() {
	local name=$1 tests=$results/$1.tests kept=tests/vm/record/$1.tests
	if [ "$record" = yes ]; then
		cp "$tests" "$work/kept"
		# of a part: the rest stays as it is recorded
		[ "${LEAT_VM_TESTS:-yes}" = yes ] || [ ! -f "$kept" ] ||
			awk 'NR == FNR { now[$1] = 1; next } !($1 in now)' "$tests" "$kept" | cat - "$tests" >"$work/kept"
		mv "$work/kept" "$kept"
		return
	fi
	[ -f "$kept" ] || return
	awk 'NR == FNR { was[$1] = $2; cases[$1] = $3; next }
		$1 in was && was[$1] != $2 { print "  " $1 " ended with " $2 ", recorded is " was[$1] }
		!($1 in was) || cases[$1] != $3 { old = old " " $1 }
		END { if (old) print "  the record is old, run.sh -r renews it:" old }' "$kept" "$tests"
}

run_guest() {
	local name=$1 suite=$2 flavour=$3 kernel status=0 started=$SECONDS
	kernel=$(tests/vm/fetch.sh "$cache" "$suite" "$flavour") || { failed+=("$name: could not be fetched"); return; }
	echo "$name: ${kernel##*/} from $suite"
	BUSYBOX=$cache/busybox LIMIT=${LEAT_VM_LIMIT:-3600} DISKS="$work/ext4.img $work/xfs.img $work/btrfs.img" \
		tests/vm/boot.sh "$kernel" "$work/payload" "virtio_pci virtio_blk xfs btrfs overlay ctr ghash_generic gcm tls" ./guest.sh \
		>"$results/$name.log" 2>"$results/$name.console" || status=$?
	sed -n 's/^@@fact //p' "$results/$name.log" >"$results/$name.facts"
	sed -n 's/^@@test //p' "$results/$name.log" >"$results/$name.tests"
	awk -v seconds=$((SECONDS - started)) '
		FILENAME ~ /facts$/ && !/^#/ { facts++ }
		FILENAME ~ /tests$/ { if ($2 == 0) passed++; else if ($2 == 77) skipped++; else bad++ }
		END { printf "  %d facts; tests: %d passed, %d failed, %d skipped; %d s\n", facts, passed, bad, skipped, seconds }' \
		"$results/$name.facts" "$results/$name.tests"
	case $status in
	0) ;;
	124) failed+=("$name: time limit") ;;
	125) failed+=("$name: the guest died"); tail -30 "$results/$name.console" ;;
	*)
		failed+=("$name: see $results/$name.log")
		grep -E -A20 '^# DIFFERS|^@@test .* [1-9]|failed with' "$results/$name.log" | grep -v '^@@fact' | head -60
		;;
	esac
	[ ! -s "$results/$name.facts" ] || keep_facts "$name"
	[ ! -s "$results/$name.tests" ] || keep_tests "$name"
}

run_host() {
	echo "host: $(uname -r)"
	tests/vm/host.sh "$work" "$results/host.facts" || failed+=('host: a fact differs or a program failed')
	# the rest of the name is the machine's
	sed -i '1s/^\(kernel: [0-9.]*\).*/\1/' "$results/host.facts"
	keep_facts host
}

tests/vm/images.sh "$work" || exit 1
[ "${names[*]}" != host ] || export LEAT_VM_TESTS=no
tests/vm/payload.sh "$work" || { echo 'the payload does not build'; exit 1; }
for name in "${names[@]}"; do
	if [ "$name" = host ]; then
		run_host
		continue
	fi
	[ -x "$cache/busybox" ] || tests/vm/fetch.sh "$cache" bookworm busybox >"$work/log" || exit 1
	read -r suite flavour < <(awk -v name="$name" '$1 == name { print $2, $3 }' tests/vm/kernels)
	[ -n "${flavour:-}" ] || { echo "$name is not in tests/vm/kernels" >&2; exit 2; }
	run_guest "$name" "$suite" "$flavour"
done
[ "$record" = no ] || tests/vm/table.sh

printf 'FAILED %s\n' "${failed[@]}" | grep . | sed '/^FAILED $/d'
echo "$((${#names[@]} - ${#failed[@]})) of ${#names[@]} kernels as they should be"
[ ${#failed[@]} -eq 0 ]
