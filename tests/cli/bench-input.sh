#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-input.sh: what is missing is said in a sentence; then it goes on, or ends with 2.
set -u
. "$(dirname "$0")/lib.sh"
failed=0
few=(--shape file-tcp/raw --rounds 1 --size 16m)

# Files that cannot be sent.
: >empty
mkfifo fifo
for file in /nonexistent . empty fifo; do
	run 2 timeout 20 "$LEAT" bench "${few[@]}" --file "$file"
	says err '^leat: .*(cannot be read|is not a regular file|has 0 bytes)'
done
if [ "$(id -u)" -ne 0 ]; then
	head -c 2m /dev/zero >secret
	chmod 0 secret
	run 2 "$LEAT" bench "${few[@]}" --file secret
	says err '^leat: secret cannot be read: Permission denied'
fi
head -c 3m /dev/urandom >mine
run 0 "$LEAT" bench --shape file-tcp/raw,file-tcp/wrapped --rounds 1 --no-go --file mine --json mine.json
grep -q '"size_bytes": 3145728' mine.json || fail 'its own file has another size'
grep -q '"verified": false' mine.json && fail 'its own file came out wrong'

# A directory that takes no file, and one too small.
TMPDIR=/nonexistent run 2 "$LEAT" bench "${few[@]}"
says err '^leat: no test file can be made in /nonexistent'
mkdir small
cat >in-small.sh <<'END'
mount -t tmpfs -o size=24m none small || exit 77
export TMPDIR=$PWD/small
exec "$LEAT" bench --shape file-tcp/raw --rounds 1 --no-go $1
END
status=0
unshare -rm bash in-small.sh >out 2>err || status=$?
if [ "$status" -eq 77 ] || grep -q '^unshare' err; then
	echo 'note: no small file system could be mounted here'
else
	[ "$status" -eq 2 ] || fail "with 24 MiB of room it ended with $status"
	says err '^leat: .* has no room for a test file'
fi

# A port in use.
python3 - >port 2>/dev/null <<'END' &
import socket, sys, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1], flush=True)
time.sleep(60)
END
holder=$!
for _ in $(seq 50); do [ -s port ] && break; sleep 0.1; done
if [ -s port ]; then
	run 2 "$LEAT" bench --shape tcp-tcp/raw --rounds 1 --size 16m --no-go --port "$(cat port)"
	says err '^leat: port [0-9]+ is in use'
	run 2 "$LEAT" bench "${few[@]}" --no-go --port "$(($(cat port) - 1))"
	says err '^leat: a port .* is in use'
else
	echo 'note: python3 is missing, so no port was held'
fi
kill "$holder" 2>/dev/null

# No strace, no Go.
mkdir bin
PATH=$PWD/bin run 0 "$LEAT" bench --shape file-tcp/raw,file-tcp/go-raw --rounds 1 --size 16m --json bare.json
says err '^leat: there is no strace on the PATH: system calls are not counted'
# shellcheck disable=SC2016
says err '^leat: there is no `go` on the PATH: the Go programs are left out'
says bare.json '"calls_counted_by": null'
# shellcheck disable=SC2016
says bare.json '"left_out": "there is no `go` on the PATH"'
says bare.json '"name": "raw"'

# One CPU.
if command -v taskset >/dev/null; then
	run 0 taskset -c 0 "$LEAT" bench "${few[@]}" --no-go
	says err '^leat: there is only one CPU'
fi

# An output nobody can write.
if [ -c /dev/full ]; then
	status=0
	"$LEAT" bench --list >/dev/full 2>err || status=$?
	[ "$status" -eq 1 ] || fail "with a full standard output it ended with $status"
fi
exit "$failed"
