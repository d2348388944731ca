#!/bin/sh
# SPDX-License-Identifier: MIT
# guest.sh: runs in the guest (busybox sh): mounts the disks, runs the kernel facts and the test programs of the payload.
# What it writes is read by run.sh: lines "@@fact ...", "@@test NAME STATUS CASES SKIPPED CELLS" (cells of a
# matrix), and free text between.
set -u

dirs=''
for disk in /dev/vd?; do
	[ -e "$disk" ] || continue
	for type in ext4 xfs btrfs; do
		mkdir -p "/mnt/$type"
		if mount -t $type "$disk" "/mnt/$type" 2>/dev/null; then
			dirs="$dirs /mnt/$type"
			break
		fi
	done
done
if [ -d /mnt/ext4/lost+found ]; then
	mkdir -p /mnt/overlay /mnt/ext4/lower /mnt/ext4/upper /mnt/ext4/work
	mount -t overlay -o lowerdir=/mnt/ext4/lower,upperdir=/mnt/ext4/upper,workdir=/mnt/ext4/work overlay /mnt/overlay &&
		dirs="$dirs /mnt/overlay"
	mkdir -m 1777 /mnt/ext4/tmp
	export TMPDIR=/mnt/ext4/tmp
else
	echo 'no ext4 disk'
	exit 1
fi
status=0
mkdir -p /lib
ln -s /t/lib /lib64
ln -s /t/lib /lib/x86_64-linux-gnu
[ ! -x /t/tools/dash ] || ln -sf /t/tools/dash /bin/sh	# not there when only facts are asked for
export PATH="/t/tools:$PATH" LEAT=/t/leat
case $(uname -r) in
5.10.*) bpf=no ;; # Linux 5.17 is needed
*) bpf=yes ;;
esac
export LEAT_EMULATED=1 # a test that measures time or CPU may be lenient here, or skip

if [ -d /t/facts ]; then
	# shellcheck disable=SC2086 # a list
	/t/facts.sh -v -b /t/facts -o /run/facts $dirs /dev/shm || status=1
	sed 's/^/@@fact /' /run/facts
fi

# run_test LABEL PROGRAM DIRECTORY [ARGUMENT...]
run_test() {
	label=$1 program=$2 directory=$3
	shift 3
	code=0
	mkdir -p "$directory"
	(cd "$directory" && TMPDIR=$directory timeout "${LEAT_TEST_LIMIT:-1200}" "$program" "$@" >/run/out 2>&1 </dev/null) || code=$?
	awk -v head="@@test $label $code" '
		/^ok   / { ok++ }
		/^SKIP / { skipped++ }
		/^[0-9]+ cells/ { cells += $1 }
		/^[0-9]+ cases/ { ok += $1 }
		END { print head, ok + 0, skipped + 0, cells + 0 }' /run/out
	case $code in
	0) ;;
	77)
		grep -i skip /run/out | head -3
		# of the doctor's, only what needs a newer kernel may skip, and what a kernel that misses calls cannot be asked
		[ "$bpf" = no ] || [ "${label#doctor-}" = "$label" ] || grep -q 'this kernel missed' /run/out || status=1
		;;
	*)
		grep -m 12 -A 3 -E 'WRONG|FAIL' /run/out
		tail -12 /run/out
		status=1
		;;
	esac
}

for program in /t/tests/*; do
	[ -x "$program" ] || continue
	case $program in
	*/doctor-cost) run_test doctor-cost "$program" /mnt/ext4/tmp nothing_is_left ;; # the rest of it measures
	*/route-property) run_test route-property "$program" /mnt/ext4/tmp --cases 500 ;; # 20,000 would take an hour
	*/doctor-events) run_test doctor-events env /mnt/ext4/tmp LEAT_SOURCE=/t/source "$program" ;;
	*) run_test "${program##*/}" "$program" /mnt/ext4/tmp ;;
	esac
done
# what depends on the file system, on those with reflinks too
for name in route-reflink route-reflink-wrapped route-holes; do
	[ -x /t/tests/$name ] || continue
	for type in xfs btrfs; do
		run_test $name@$type /t/tests/$name /mnt/$type/tmp
	done
done
if [ -x /t/leat ]; then
	run_test doctor-ktls /t/ktls.sh /mnt/ext4/tmp
	run_test doctor-engines /t/doctor.sh /mnt/ext4/tmp # the last: it locks the kernel down
	grep -A1 '^ok   bpf\|^ok   engine bpf' /run/out
fi
exit $status
