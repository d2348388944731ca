#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-results.sh: the files of --json and --html: what cannot be one is said before anything is measured, and what comes to
# nothing leaves none.
# shellcheck disable=SC2317 # the functions are called by parts
set -u
. "$(dirname "$0")/lib.sh"
failed=0
few=(--shape file-tcp/raw --quick --budget 5 --size 1m --no-go)

a_fifo() {
	mkfifo fifo
	run 2 timeout 20 "$LEAT" bench "${few[@]}" --json fifo
	says err '^leat: fifo is not a regular file'
	cat fifo >taken &
	sleep 0.2
	run 2 timeout 20 "$LEAT" bench "${few[@]}" --html fifo
	kill $! 2>/dev/null
	wait
}

one_file_for_two() {
	run 2 "$LEAT" bench "${few[@]}" --json both --html ./both
	says err '^leat: --json and --html name the same file'
	[ ! -e both ] || fail 'it is left behind'
	head -c 2m /dev/urandom >mine
	cp mine before
	run 2 "$LEAT" bench "${few[@]}" --file mine --json mine
	says err '^leat: --json and --file name the same file'
	cmp -s mine before || fail 'the file to send was overwritten'
	echo old >old
	ln old link
	run 2 "$LEAT" bench "${few[@]}" --json old --html link
	[ "$(cat old)" = old ] || fail 'a file that was refused was emptied'
}

nothing_left_after_a_mistake() {
	TMPDIR=/nonexistent run 2 "$LEAT" bench "${few[@]}" --json new.json --html new.html
	run 2 "$LEAT" bench "${few[@]}" --json new.json --html /nonexistent/new.html
	run 2 "$LEAT" bench "${few[@]}" --file /nonexistent --json new.json
	run 2 "$LEAT" bench --shape nonsense --json new.json
	[ -z "$(ls new.* 2>/dev/null)" ] || fail "left behind: $(ls new.*)"
	echo mine >kept.json
	run 2 "$LEAT" bench --shape nonsense --json kept.json
	[ "$(cat kept.json 2>/dev/null)" = mine ] || fail 'a file that was there before was emptied or removed'
}

standard_output() {
	local status=0
	for path in /dev/stdout /dev/fd/1; do
		"$LEAT" bench "${few[@]}" --json "$path" 2>err | cat >all
		says all '^file → TCP'
		says all '^	"format": "leat-bench",$'
		"$LEAT" bench "${few[@]}" --json "$path" 2>err >all || status=$?
		says all '^file → TCP'
		says all '^	"format": "leat-bench",$'
	done
	[ "$status" -eq 0 ] || fail "it ended with $status"
	run 0 "$LEAT" bench "${few[@]}" --json /dev/null --html /dev/null
}

a_full_device() {
	[ -c /dev/full ] || { misses 'there is no /dev/full'; return; }
	run 1 "$LEAT" bench "${few[@]}" --json /dev/full
	says err '^leat: /dev/full could not be written: No space left on device'
}

a_limit_on_files() {
	# shellcheck disable=SC2016
	run 2 bash -c 'ulimit -f 1024; exec "$LEAT" bench --shape file-tcp/raw --rounds 1 --size 16m --no-go --json large.json'
	says err '^leat: the test file .* could not be written: File too large'
	[ ! -e large.json ] || fail 'the JSON is left behind'
}

for name in a_fifo one_file_for_two nothing_left_after_a_mistake standard_output a_full_device a_limit_on_files; do
	part "$name"
done
exit "$failed"
