#!/bin/bash
# SPDX-License-Identifier: MIT
# Recordings, baselines and --fail-if at the program itself: reports and exit statuses, without any rights.
set -euo pipefail
failed=0

is() { # WHAT STATUS COMMAND...
	local what=$1 want=$2 got=0
	shift 2
	"$@" >out 2>err || got=$?
	[ $got = "$want" ] || { echo "FAIL $what: status $got, not $want"; cat out err; failed=1; }
}

says() { # WHAT WORDS: of the last command
	grep -qF -- "$2" out err || { echo "FAIL $1: nobody says \"$2\""; cat out err; failed=1; }
}

# shellcheck disable=SC2317 # is calls it
doctor() { "$LEAT" doctor "$@"; }

# shellcheck disable=SC2317
on_full_disk() { "$LEAT" doctor "$@" >/dev/full; }

# 30 MiB that bounce by a wrapper, 70 MiB by sendfile; figures of its own.
recording() { # NAME OF THE WRAPPER
	cat <<-END
		leat-recording 1
		watch begin=1000000000 end=6000000000
		coverage reads=960 writes=960 read_bytes=31457280 write_bytes=31457280 sampled_1_in=1
		process pid=4242 runtime=go status=-1 name=server version=Go%201.19 executable=/srv/server
		file kind=regular inode=5 device=1 from=1 to=1 path=/srv/big.bin
		file kind=tcp inode=6 from=1 to=1 peer=2/51234/7f000001000000000000000000000000
		site pid=4242 id=1
		frame owner=system function=read module=/lib/libc.so.6 offset=1
		frame owner=program function=$1 file=server.go line=12 module=/srv/server offset=2
		frame owner=runtime function=io.copyBuffer file=io.go line=427 module=/srv/server offset=3
		frame owner=program function=main.serve file=server.go line=31 module=/srv/server offset=4
		site pid=4242 id=2
		frame owner=system function=write module=/lib/libc.so.6 offset=5
		frame owner=runtime function=io.copyBuffer file=io.go line=432 module=/srv/server offset=6
		frame owner=program function=main.serve file=server.go line=31 module=/srv/server offset=4
		flow pid=4242 from=0 to=1 read_site=0 write_site=1 reads=960 writes=960 bytes=31457280 smallest=32768 largest=32768 samples_equal=960 whole_equal=7
		flow pid=4242 how=sendfile from=0 to=1 write_site=1 writes=24 bytes=73400320
		calibration from=regular to=tcp piece=32768 user=400000000 kernel=100000000 low=290000000 high=310000000 kernel_bytes=4194304
	END
	echo "end 18"
}
recording main.justReader.Read >one
recording main.other.Read >two

is 'a replay' 1 doctor --replay one
says 'a replay' main.justReader.Read
says 'a replay' 'justReader hides it'
says 'a replay' 'calibrated on this machine'
cp out first
is 'a replay that is recorded again' 1 doctor --replay one --record again
is 'a replay of that' 1 doctor --replay again
cmp first out || { echo 'FAIL the two reports differ'; failed=1; }
[ "$(stat -c %a again)" = 600 ] || { echo 'FAIL a recording is not for its owner alone'; failed=1; }
chmod 664 again
is 'a recording over one' 1 doctor --replay one --record again
[ "$(stat -c %a again)" = 600 ] || { echo 'FAIL a recording over one that all may read is not for its owner alone'; failed=1; }

is 'a limit that is passed' 1 doctor --replay one --fail-if 'share > 5%'
says 'a limit that is passed' "--fail-if 'share > 5%': 1 finding, 30 MiB, 30.0 %"
recording 'odd%1Bb\c' >odd
is 'an odd name' 1 doctor --replay odd --fail-if 'share > 5%'
says 'an odd name' 'first by odd\x1bb\\c'	# escaped once
is 'an odd path' 2 doctor --replay $'no\033where'
says 'an odd path' 'no\x1bwhere cannot be read'
is 'a limit that is not' 0 doctor --replay one --fail-if 'share > 50%'
is 'one of two' 1 doctor --replay one --fail-if 'share > 50%' --fail-if bounce
is 'CPU' 1 doctor --replay one --fail-if 'cpu > 0.008s'
is 'less CPU' 0 doctor --replay one --fail-if 'cpu > 0.1s'

! grep -q 'holds' err || { echo 'FAIL all was seen, and the gate doubts'; failed=1; }
is 'all was seen' 0 doctor --replay one --fail-if incomplete
sed 's/^coverage /&aio_requests=3 /' one >blind
is 'a gate that cannot know' 0 doctor --replay blind --fail-if 'share > 50%'
says 'a gate that cannot know' "--fail-if: nothing holds, but not everything was seen"
is 'a gate that wants to know' 1 doctor --replay blind --fail-if 'share > 50%' --fail-if incomplete
says 'a gate that wants to know' "--fail-if 'incomplete': not everything was seen"
is 'a gate that holds' 1 doctor --replay blind --fail-if bounce
! grep -q 'nothing holds' err || { echo 'FAIL a gate that holds says it does not'; failed=1; }
printf 'leat-recording 1\nprocess pid=1 name=a\nend 2\n' >nothing
is 'a gate of nothing' 0 doctor --replay nothing --fail-if bounce
says 'a gate of nothing' 'nothing holds, but no transfer was seen'
is 'nothing is not enough' 1 doctor --replay nothing --fail-if incomplete

is 'a baseline is saved' 1 doctor --replay one --save-baseline known
is 'what it has is not new' 0 doctor --replay one --fail-if new --baseline known
is 'what it has not is' 1 doctor --replay two --fail-if new --baseline known
says 'what it has not is' main.other.Read
is 'saved and compared at once' 0 doctor --replay one --fail-if new --baseline known --save-baseline known

is 'one of several verdicts' 1 doctor --replay one --fail-if 'copied, bounce and share > 5%'
is 'two verdicts at once' 2 doctor --replay one --fail-if 'bounce and copied'
says 'two verdicts at once' 'nothing has two verdicts'

is 'new to nothing' 2 doctor --replay one --fail-if new
is 'no such word' 2 doctor --replay one --fail-if bounces
says 'no such word' 'there is no such word'
is 'a replay of a process' 2 doctor --replay one -p 1
is 'no such recording' 2 doctor --replay nowhere
head -5 one >half
is 'a recording cut short' 2 doctor --replay half
says 'a recording cut short' 'line 5: its end is missing'
is 'no baseline' 2 doctor --replay one --baseline one
is 'a recording on a full disk' 5 doctor --replay one --record /dev/full
says 'a recording on a full disk' 'could not be written'
is 'a baseline on a full disk' 5 doctor --replay one --save-baseline /dev/full --fail-if 'share > 50%'
for output in --html --sarif; do
	is "$output on a full disk" 5 doctor --replay one $output /dev/full --fail-if 'share > 50%'
	says "$output on a full disk" '/dev/full could not be written: No space left on device'
done
for output in '' --json --folded; do
	# shellcheck disable=SC2086 # none is no word
	is "the report on a full disk, $output" 5 on_full_disk --replay one $output --fail-if 'share > 50%'
	[ "$(cat err)" = 'leat: the report could not be written: No space left on device' ] ||
		{ echo "FAIL the report on a full disk, $output: $(cat err)"; failed=1; }
done
# shellcheck disable=SC2317 # is calls it
in_one_kib() { (ulimit -f 1; exec "$LEAT" doctor "$@"); }
is 'a limit of sizes' 5 in_one_kib --replay one --html page --fail-if 'share > 50%'
says 'a limit of sizes' 'page could not be written: File too large'
# As many processes as there is room for, each with a flow: to find the one's process must not mean to look at all of them.
awk 'BEGIN {
	n = 65536
	print "leat-recording 1"
	for (i = 1; i <= n; i++) print "process pid=" i " name=p" i
	print "file kind=regular from=1 to=1\nfile kind=tcp from=1 to=1"
	for (i = 1; i <= n; i++) print "flow pid=" i " from=0 to=1 reads=9 writes=9 bytes=294912 samples_equal=9"
	print "end " 2 * n + 3
}' >many
is 'many processes' 1 doctor --replay many --sarif many.sarif
says 'many processes' '65,536 of 65,536 flows lose'
# Ctrl-C ends a replay at once: there is no watch that it could end.
mkfifo never
sleep 100 >never & writer=$!
"$LEAT" doctor --replay never >out 2>err & doctor=$!
for _ in $(seq 500); do
	[ "$(readlink "/proc/$doctor/fd/"* 2>/dev/null | grep -c '/never$')" = 0 ] || break
	sleep 0.01
done
kill -TERM $doctor
status=0
wait $doctor || status=$?
[ $status = 143 ] || { echo "FAIL a replay that is told to end: status $status"; cat out err; failed=1; }
kill $writer
is 'a recording in no directory' 2 doctor --replay one --record nowhere/x
# Colours are for terminals alone, and not for all.
coloured() { TERM=xterm "$@" script -qec "'$LEAT' doctor --replay one" /dev/null </dev/null | grep -c $'\033\\[31m'; }
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
	[ "$(coloured env -u NO_COLOR)" -gt 0 ] || { echo 'FAIL no colour on a terminal'; failed=1; }
	[ "$(coloured env NO_COLOR=1)" -eq 0 ] || { echo 'FAIL a colour in spite of NO_COLOR'; failed=1; }
fi
is 'no terminal' 1 doctor --replay one
! grep -q $'\033' out || { echo 'FAIL a colour where there is no terminal'; failed=1; }
printf 'leat-recording 1\nprocess pid=1 name=%%1B[31m\nfile kind=tcp path=a%%0Ab\nend 3\n' >strange
is 'an empty, strange one' 0 doctor --replay strange
! grep -q $'\033' out err || { echo 'FAIL a control character reached the report'; failed=1; }

exit $failed
