#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-input.sh: what is missing is said in a sentence; then it goes on, or ends with 2.
# shellcheck disable=SC2317 # the functions are called by parts
set -u
. "$(dirname "$0")/lib.sh"
failed=0
few=(--shape file-tcp/raw --quick --rounds 1 --size 16m)	# quick: what is counted and compared takes less too

files_that_cannot_be_sent() {
	local file
	: >empty
	mkfifo fifo
	for file in /nonexistent . empty fifo; do
		run 2 timeout 20 "$LEAT" bench "${few[@]}" --file "$file"
		says err '^leat: .*(cannot be read|is not a regular file|has 0 bytes)'
	done
}

# As an ordinary user: root may read everything.
a_file_one_may_not_read() {
	local as_user=(env)
	if [ "$(id -u)" -eq 0 ]; then
		command -v setpriv >/dev/null || { misses 'setpriv is not installed, and root may read everything'; return; }
		as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	fi
	chmod 755 .
	cp "$LEAT" leat
	head -c 2m /dev/zero >secret
	"${as_user[@]}" head -c 1 secret >byte 2>err || { misses "user 65534 does not get into $PWD"; return; }
	"${as_user[@]}" ./leat --version >out 2>err || { misses "user 65534 cannot run $PWD/leat: $(head -1 err)"; return; }
	chmod 0 secret
	run 2 "${as_user[@]}" ./leat bench "${few[@]}" --file secret
	says err '^leat: secret cannot be read: Permission denied'
}

a_file_that_shrinks() {
	local pid status=0
	: >one
	printf x >one
	run 2 "$LEAT" bench "${few[@]}" --file one
	says err '^leat: one has 1 byte; '
	head -c 64m /dev/zero >mine
	timeout 120 "$LEAT" bench --rounds 200 --shape file-tcp/raw,file-tcp/hash,file-file/plain --no-go --file mine --json shrunk.json >out 2>err </dev/null &
	pid=$!
	for _ in $(seq 300); do grep -q '^measuring: ' err && break; sleep 0.1; done
	truncate -s 1m mine
	wait "$pid" || status=$?
	[ "$status" -eq 1 ] || fail "with a file that shrank it ended with $status"
	says err '^leat: mine became shorter while it was measured: 67108864 bytes are 1048576 now$'
	[ "$(grep -c '^leat: .*\(left out\|other bytes\)' err)" -le 1 ] || fail "more than that is said: $(grep '^leat: ' err | head -3)"
	[ ! -e shrunk.json ] || fail 'there are results all the same'
}

a_file_of_ones_own() {
	head -c 3m /dev/urandom >mine
	run 0 "$LEAT" bench --shape file-tcp/raw,file-tcp/wrapped --quick --rounds 1 --no-go --file mine --json mine.json
	says mine.json '"size_bytes": 3145728'
	says mine.json '"verified": true'
	if grep -q '"verified": false' mine.json; then fail 'its own file came out wrong'; fi
}

# The speed of a file copy is by the wall clock: beside somebody who has half of its CPU, less than its CPU time says.
a_copy_beside_a_hog() {
	local cpu hog
	command -v taskset >/dev/null || { misses 'taskset is not installed'; return; }
	cpu=$(taskset -cp $$ | sed -E 's/.*: *([0-9]+).*/\1/')
	taskset -c "$cpu" sh -c 'while :; do :; done' &
	hog=$!
	run 0 "$LEAT" bench --shape file-file/plain --quick --rounds 1 --size 256m --no-go --json hog.json
	kill "$hog"
	tr -d '\n\t' <hog.json | sed 's/.*"name": "plain"//' | awk '{
		match($0, /"cpu_ms_per_gib": {"median": [0-9.]+/); cpu = substr($0, RSTART + 29, RLENGTH - 29)
		match($0, /"gib_per_s": [0-9.]+/); speed = substr($0, RSTART + 13, RLENGTH - 13)
		exit !(cpu > 0 && speed > 0 && cpu * speed < 900) }' || fail "$(grep -E 'gib_per_s|cpu_ms' -A 1 hog.json)"
}

no_directory() {
	TMPDIR=/nonexistent run 2 "$LEAT" bench "${few[@]}"
	says err '^leat: no test file can be made in /nonexistent'
}

no_room() {
	local status=0
	mkdir small
	cat >in-small.sh <<-'END_OF_SCRIPT'
		mount -t tmpfs -o size=24m none small || exit 77
		export TMPDIR=$PWD/small
		exec "$LEAT" bench --shape file-tcp/raw --rounds 1 --no-go
	END_OF_SCRIPT
	unshare -rm bash in-small.sh >out 2>err || status=$?
	if [ "$status" -eq 77 ] || [ "$status" -eq 127 ] || grep -q '^unshare' err; then
		misses "no small file system could be mounted here: $(head -1 err)"
		return
	fi
	[ "$status" -eq 2 ] || fail "with 24 MiB of room it ended with $status"
	says err '^leat: .* has no room for a test file'
}

# A network of its own, whose loopback is down: nobody reaches any server.
nothing_to_measure() {
	local network=(unshare -rn)
	"${network[@]}" true 2>err || { misses "no network of its own is to be had here: $(head -1 err)"; return; }
	run 2 timeout 60 "${network[@]}" "$LEAT" bench "${few[@]}" --no-go --json nothing.json
	says err '^leat: file-tcp raw is left out: .*Network is unreachable'
	says err '^leat: nothing was measured: all 3 shapes are left out$'
	[ ! -s out ] || fail "it has results: $(head -c 400 out)"
	[ ! -e nothing.json ] || fail 'the JSON is left behind'
	run 0 timeout 60 "${network[@]}" "$LEAT" bench --shape file-tcp/raw,file-file/plain --quick --rounds 1 --size 1m --no-go --json rest.json
	says rest.json '"left_out": ".*Network is unreachable'
	says out '^  leat plain '
}

hold_a_port() {
	exec python3 - <<-'END_OF_SCRIPT'
		import socket, time
		s = socket.socket()
		s.bind(("127.0.0.1", 0))
		s.listen()
		print(s.getsockname()[1], flush=True)
		time.sleep(60)
	END_OF_SCRIPT
}

a_port_in_use() {
	local holder
	command -v python3 >/dev/null || { misses 'python3 is not installed, so no port is held'; return; }
	hold_a_port >port 2>err &
	holder=$!
	for _ in $(seq 100); do [ -s port ] && break; sleep 0.1; done
	if [ -s port ]; then
		run 2 "$LEAT" bench --shape tcp-tcp/raw --rounds 1 --size 16m --no-go --port "$(cat port)"
		says err '^leat: port [0-9]+ is in use'
		run 2 "$LEAT" bench "${few[@]}" --no-go --port "$(($(cat port) - 1))"
		says err '^leat: a port .* is in use'
	else
		fail "no port could be held: $(head -1 err)"
	fi
	kill "$holder" 2>/dev/null
}

no_strace_and_no_go() {
	mkdir -p bin
	PATH=$PWD/bin run 0 "$LEAT" bench --shape file-tcp/raw,file-tcp/go-raw --quick --rounds 1 --size 16m --json bare.json
	# shellcheck disable=SC2016
	says err '^leat: there is no `strace` on the PATH: system calls are not counted'
	# shellcheck disable=SC2016
	says err '^leat: there is no `go` on the PATH: the Go programs are left out'
	says bare.json '"calls_counted_by": null'
	# shellcheck disable=SC2016
	says bare.json '"left_out": "there is no `go` on the PATH"'
	says bare.json '"name": "raw"'
}

# tool NAME SCRIPT: a program of this name in bin, before all others.
tool() { mkdir -p bin; printf '#!/bin/sh\n%s\n' "$2" >"bin/$1"; chmod +x "bin/$1"; }

# shellcheck disable=SC2016
a_strace_or_go_that_fails() {
	local with=(--shape "file-tcp/raw,file-tcp/go-raw" --quick --budget 5 --size 1m)
	tool strace 'exit 3'
	tool go 'exit 4'
	PATH=$PWD/bin:$PATH run 0 "$LEAT" bench "${with[@]}" --json bare.json
	says err '^leat: `strace -V` ended with status 3: system calls are not counted$'
	says err '^leat: `go version` ended with status 4: the Go programs are left out$'
	says bare.json '"not_counted": "`strace -V` ended with status 3"'
	tool strace 'test "$1" = -V && echo "strace -- version 9.9" || { echo "strace: no" >&2; exit 3; }'
	tool go 'test "$1" = version && echo "go version go9.9 x" || kill -9 $$'
	PATH=$PWD/bin:$PATH run 0 "$LEAT" bench "${with[@]}"
	says err '^leat: strace: no: system calls are not counted$'
	says err '^leat: `go build` was ended by signal 9 \(Killed\): the Go programs are left out$'
	chmod -x bin/strace bin/go
	PATH=$PWD/bin run 0 "$LEAT" bench "${with[@]}"
	says err '^leat: `strace` cannot be run: Permission denied: system'
	says err '^leat: `go` cannot be run: Permission denied: the Go'
	rm -r bin
}

# shellcheck disable=SC2016
a_strace_or_go_that_hangs() {
	local with=(--shape "file-tcp/raw,file-tcp/go-raw" --quick --budget 5 --size 1m)
	tool strace 'sleep 300'
	tool go 'sleep 300 & wait'
	PATH=$PWD/bin:$PATH run 0 timeout 60 "$LEAT" bench "${with[@]}"
	says err '^leat: `strace -V` did not answer within 5 s: system calls are not counted$'
	says err '^leat: `go version` did not answer within 5 s: the Go programs are left out$'
	tool strace 'test "$1" = -V && echo "strace -- version 9.9" || sleep 300'
	tool go 'test "$1" = version && echo "go version go9.9 x" || sleep 300'
	PATH=$PWD/bin:$PATH run 0 timeout 60 "$LEAT" bench "${with[@]}"
	says err '^leat: strace did not attach within 5 s: system calls are not counted$'
	says err '^leat: `go build` took longer than 6 s: the Go programs are left out$'
	rm -r bin
}

one_cpu() {
	local cpu
	command -v taskset >/dev/null || { misses 'taskset is not installed'; return; }
	cpu=$(taskset -cp $$ | sed -E 's/.*: *([0-9]+).*/\1/')
	run 0 taskset -c "$cpu" "$LEAT" bench "${few[@]}" --no-go
	says err '^leat: there is only one CPU'
}

# Without standard output or error, no file of the bench takes their number and so what they are told.
closed_descriptors() {
	local status
	head -c 3m /dev/urandom >mine
	cp mine before
	for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
		status=0
		eval '"$LEAT" bench --shape file-tcp/raw,file-file/plain --quick --rounds 1 --no-go --file mine --json closed.json \
			</dev/null >out 2>err' "$closed" || status=$?
		if [[ $closed == *' >'* || $closed == '>'* ]]; then
			[ "$status" -eq 1 ] || fail "with $closed it ended with $status, not 1"
		else
			[ "$status" -eq 0 ] || fail "with $closed it ended with $status, not 0"
		fi
		cmp -s mine before || fail "with $closed something was written into the file"
		says closed.json '"verified": true'
		if grep -q '"verified": false' closed.json; then fail "with $closed other bytes came out"; fi
		python3 -m json.tool closed.json >/dev/null 2>said || fail "with $closed the JSON is none: $(tail -1 said)"
		rm closed.json
		status=0
		eval '"$LEAT" bench --shape file-tcp/raw --quick --rounds 1 --no-go --size 16m --json closed.json </dev/null >out 2>err' "$closed" ||
			status=$?
		if grep -q '"verified": false' closed.json; then fail "with $closed the test file was written into"; fi
		rm -f closed.json
	done
}

a_full_output() {
	local status=0
	[ -c /dev/full ] || { misses 'there is no /dev/full'; return; }
	"$LEAT" bench --list >/dev/full 2>err || status=$?
	[ "$status" -eq 1 ] || fail "with a full standard output it ended with $status"
}

for name in files_that_cannot_be_sent a_file_one_may_not_read a_file_of_ones_own a_file_that_shrinks \
	a_copy_beside_a_hog no_directory no_room nothing_to_measure a_port_in_use no_strace_and_no_go a_strace_or_go_that_fails a_strace_or_go_that_hangs one_cpu closed_descriptors \
	a_full_output; do
	part "$name"
done
exit "$failed"
