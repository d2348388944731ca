#!/bin/bash
# SPDX-License-Identifier: MIT
# capabilities: the engine in the kernel under exactly the capabilities that leat-doctor(1) RIGHTS names, as an ordinary user:
# with two of them all of one's own process, with four all of root's; with fewer, what is said then.
set -u
[ "$(id -u)" = 0 ] || { echo 'SKIP: only root can become a user with some capabilities'; exit 77; }
command -v gcc >/dev/null || { echo 'SKIP: gcc is not installed'; exit 77; }
command -v setpriv >/dev/null || { echo 'SKIP: setpriv is not installed'; exit 77; }
patients=()
finish() { [ ${#patients[@]} -eq 0 ] || kill "${patients[@]}" 2>/dev/null; wait; }
trap finish EXIT
fail() { echo "FAIL: $*"; exit 1; }
chmod 711 .
cp "$LEAT" leat	# the build's directory may be closed to others
here=$PWD

cat >patient.c <<'END'
#include <fcntl.h>
#include <unistd.h>

static char buffer[65536];

static __attribute__((noinline)) void hand_over(int from, int to)
{
	if (pread(from, buffer, sizeof buffer, 0) != sizeof buffer || pwrite(to, buffer, sizeof buffer, 0) < 0)
		_exit(1);
	usleep(10000);
}

int main(int count, char **names)
{
	int from = open("from", O_RDONLY), to = open(names[1], O_WRONLY);

	for (;;)
		hand_over(from, to);
}
END
gcc -O2 -g -o patient patient.c || fail 'the patient does not build'
line=$(grep -n pread patient.c | cut -d: -f1)
head -c 65536 /dev/urandom >from
chmod 644 from
for user in root nobody; do : >"to-$user"; done
chmod 666 to-nobody

# with MASK CAPABILITIES COMMAND...: as nobody, with these and no others
with() {
	local mask=$1 names=$2
	shift 2
	# shellcheck disable=SC2016 # for the other shell
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps="-all$names" --ambient-caps="-all$names" \
		--bounding-set="-all$names" bash -c '
		[ "$(sed -n "s/^CapEff:\t0*//p" /proc/self/status)" = "$0" ] || { echo "not exactly these capabilities"; exit 99; }
		exec "$@"' "$mask" "$@"
}
two='c000000000 ,+bpf,+perfmon'
three='c000080000 ,+bpf,+perfmon,+sys_ptrace'
four='c000080004 ,+bpf,+perfmon,+sys_ptrace,+dac_read_search'
# shellcheck disable=SC2086 # words, here and below
with $two true || { echo 'SKIP: these capabilities cannot be given here'; exit 77; }

cp patient private	# root's alone to read
chmod 700 private
./patient to-root &
of_public=$!
patients+=($!)
./private to-root &
of_root=$!
patients+=($!)
setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$here/patient" to-nobody &
of_nobody=$!
patients+=($!)
sleep 0.3

# expect STATUS PATTERN|! WHAT CAPABILITIES PID: what the doctor says, by one line
expect() {
	local status=$1 pattern=$2 what=$3
	shift 3
	# shellcheck disable=SC2086
	with $1 "$here/leat" doctor --engine bpf -p "$2" -d 1 >out 2>&1
	local is=$?
	if [ $is = 3 ] && [ "$status" != 3 ] && grep -q 'refuses\|locked down\|BTF' out; then
		echo "SKIP: $(cat out)"
		exit 77
	fi
	[ $is = "$status" ] || fail "$what: exit status $is, not $status: $(cat out)"
	grep -q "to-" out || [ "$status" = 3 ] || fail "$what: no path: $(cat out)"
	case $pattern in
	!*) ! grep -q "${pattern#!}" out || fail "$what: ${pattern#!} in: $(cat out)" ;;
	*) grep -q "$pattern" out || fail "$what: no $pattern in: $(cat out)" ;;
	esac
	echo "ok   $what"
}
named="lost   *hand_over  *patient.c:$line"
expect 1 "$named" "two, one's own process" "$two" $of_nobody
expect 1 '!hand_over' "two, root's process: no names" "$two" $of_root
expect 1 "$named" "three, root's process, from a file that all may read" "$three" $of_public
expect 1 '!hand_over' "three, root's process, from a file that is root's: no names" "$three" $of_root
expect 1 "$named" "four, root's process, from a file that is root's" "$four" $of_root
expect 1 "$named" "four, one's own process" "$four" $of_nobody
expect 3 'CAP_PERFMON is missing' 'one' '8000000000 ,+bpf' $of_nobody
expect 3 'CAP_BPF is missing' 'the other one' '4000000000 ,+perfmon' $of_nobody
