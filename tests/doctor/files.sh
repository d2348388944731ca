#!/bin/bash
# SPDX-License-Identifier: MIT
# Files that reports are written to: what cannot be written whole is not there, what a file held before is there still, and one
# sentence says so. A FIFO that nobody reads is not waited for. By a recording, so no rights are needed but for the full disk.
set -uo pipefail
. "$LEAT_SOURCE/tests/cli/lib.sh"
failed=0
trap '[ ! -d disk ] || umount disk 2>/dev/null' EXIT

cat >one <<-END
	leat-recording 1
	watch begin=1000000000 end=6000000000
	coverage reads=960 writes=960 read_bytes=31457280 write_bytes=31457280 sampled_1_in=1
	process pid=4242 runtime=c status=-1 name=server executable=/srv/server
	file kind=regular inode=5 device=1 from=1 to=1 path=/srv/$(printf 'long%.0s' {1..800})
	file kind=tcp inode=6 from=1 to=1 peer=2/51234/7f000001000000000000000000000000
	site pid=4242 id=1
	frame owner=program function=$(printf 'copy%.0s' {1..500}) file=server.c line=12 module=/srv/server offset=2
	site pid=4242 id=2
	frame owner=program function=$(printf 'copy%.0s' {1..500}) file=server.c line=13 module=/srv/server offset=4
	flow pid=4242 from=0 to=1 read_site=0 write_site=1 reads=960 writes=960 bytes=31457280 samples_equal=960 whole_equal=7
	calibration from=regular to=tcp piece=32768 user=400000000 kernel=100000000 low=290000000 high=310000000 kernel_bytes=4194304
	end 12
END
outputs=(html sarif record save-baseline)

# replay STATUS OPTIONS...
replay() {
	local status=0 want=$1
	shift
	timeout 30 "$LEAT" doctor --replay one "$@" >out 2>err || status=$?
	[ $status -eq "$want" ] || fail "$* ends with $status, not $want: $(cat err)"
}
# told FILE WORDS: in the one sentence
told() {
	[ "$(wc -l <err)" -eq 1 ] && grep -q -e "$1.*$2" err || fail "$1: wants $2, says: $(cat err)"
}
# nothing_else DIRECTORY NUMBER: of names in it
nothing_else() {
	[ "$(find "$1" -mindepth 1 | wc -l)" -eq "$2" ] || fail "left behind: $(ls -A "$1")"
}
"$LEAT" doctor --help >out 2>&1 || skip "$(head -1 out)"

mkdir limited
in_one_kib() { (ulimit -f 1; replay "$@"; exit $failed) || failed=1; }
for output in "${outputs[@]}"; do
	in_one_kib 5 "--$output" limited/made
	told "--$output: limited/made" 'could not be written: File too large'
	nothing_else limited 0
	seq 10000 >limited/kept
	cp limited/kept was
	in_one_kib 5 "--$output" limited/kept
	told "--$output: limited/kept" 'File too large; it holds what it did before'
	cmp was limited/kept || fail "$output: what the file held is lost"
	ln limited/kept limited/other
	in_one_kib 5 "--$output" limited/kept
	told "--$output: limited/kept" 'File too large; it holds what it did before'
	cmp was limited/other || fail "$output: what a file of two names held is lost"
	nothing_else limited 2
	rm limited/kept limited/other
	ln -s away limited/link
	in_one_kib 5 "--$output" limited/link
	nothing_else limited 1
	rm limited/link
done
echo 'ok   a limit of sizes'

# What is written over keeps its names, its rights and its owner; a link stays one.
for output in "${outputs[@]}"; do
	rm -rf place && mkdir place
	seq 10000 >place/file
	chmod 640 place/file
	ln -s file place/link
	replay 1 "--$output" place/link
	[ -L place/link ] && ! grep -qx 777 place/file && [ -s place/file ] || fail "$output: not written where the link leads"
	case $output in record) mode=600 ;; *) mode=640 ;; esac
	[ "$(stat -c %a place/file)" = $mode ] || fail "$output: rights are $(stat -c %a place/file)"
	cp place/file first
	seq 10000 >place/file
	ln place/file place/other
	replay 1 "--$output" place/file
	cmp place/other first || fail "$output: differs where the file has two names"
	nothing_else place 3
done
echo 'ok   written over'

# Without the rights of before the watch no name can be made in another's directory: the file itself is written.
if mkdir others && chown 65534 others 2>/dev/null && [ "$(id -u)" = 0 ]; then
	for output in "${outputs[@]}"; do
		replay 1 "--$output" others/made
		[ -s others/made ] || fail "$output: not written in another's directory"
		cp others/made first
		seq 10000 >others/made
		in_one_kib 5 "--$output" others/made
		told "--$output: others/made" 'File too large; it holds what it did before'
		[ "$(sed -n '$p' others/made)" = 10000 ] || fail "$output: what the file held is lost in another's directory"
		replay 1 "--$output" others/made
		cmp others/made first || fail "$output: differs when written into"
		nothing_else others 1
		rm others/made
	done
	echo "ok   another's directory"
fi

mkfifo fifo
for output in "${outputs[@]}"; do
	replay 2 "--$output" fifo
	told "--$output: fifo" 'nobody reads'
	cat fifo >through & reader=$!
	for _ in $(seq 100); do
		timeout 30 "$LEAT" doctor --replay one "--$output" fifo >out 2>err && fail "$output: no loss"
		grep -q 'nobody reads' err || break	# the reader had not opened it
		sleep 0.05
	done
	wait $reader
	[ -s through ] || fail "$output: nothing came through a FIFO that is read: $(cat err)"
done
echo 'ok   FIFOs'

replay 2 --html same --sarif ./same
told '--html and --sarif' 'write to same'
replay 2 --record same --save-baseline same
told '--record and --save-baseline' 'write to same'
[ ! -e same ] || fail 'a file for two reports was made'
replay 1 --html /dev/null --sarif /dev/null
echo 'ok   one file for two reports'

mkdir disk
if mount -t tmpfs -o size=64k none disk 2>/dev/null; then
	head -c 3000 /dev/zero >was
	for output in "${outputs[@]}"; do
		cp was disk/kept
		cat /dev/zero >disk/fill 2>/dev/null
		replay 5 "--$output" disk/kept
		told "--$output: disk/kept" 'No space left on device; it holds what it did before'
		cmp was disk/kept || fail "$output: what the file held is lost on a full disk"
		replay 5 "--$output" disk/made
		told "--$output: disk/made" 'No space left on device'
		nothing_else disk 2
		rm disk/*
	done
	echo 'ok   a full disk'
else
	echo 'note no right to mount: no full disk was tried'
fi
exit $failed
