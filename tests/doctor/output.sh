#!/bin/bash
# SPDX-License-Identifier: MIT
# output: a path that cannot be written, a port in use and options that exclude each other end the doctor before it watches
# anything: one sentence, exit 2, and no rights are needed for it. What a file held is still there.
set -u
fail() { echo "FAIL: $*"; exit 1; }

"$LEAT" doctor --help >help 2>&1 || { echo "SKIP: $(head -1 help)"; exit 77; }
for option in --json --folded --html --sarif --prometheus; do
	grep -q -- "$option" help || fail "--help does not know $option"
done

# refused WORDS OPTIONS...: one sentence with these words
refused() {
	local words=$1 status=0
	shift
	timeout 20 "$LEAT" doctor -p $$ -d 0.1 "$@" >out 2>err || status=$?
	[ $status -eq 2 ] || fail "$*: ends with $status: $(cat err)"
	[ ! -s out ] || fail "$*: prints a report"
	[ "$(wc -l <err)" -eq 1 ] || fail "$*: $(wc -l <err) lines: $(cat err)"
	grep -q -- "$words" err || fail "$*: says $(cat err), not $words"
	case $(cat err) in leat:*) ;; *) fail "$*: $(cat err)" ;; esac
}
refused 'No such file' --html nowhere/page.html
refused 'No such file' --sarif nowhere/log.sarif
refused 'Is a directory' --html .
refused 'standard output' --json --folded
refused '\[ADDRESS\]:PORT' --prometheus 9791
refused '\[ADDRESS\]:PORT' --prometheus 127.0.0.1:http
refused '\[ADDRESS\]:PORT' --prometheus example.org:9791
echo 'ok   refused'

mkfifo port
python3 -c '
import socket, sys
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
sys.stdin.read()' <port >number &
holder=$!
exec 3>port
for _ in $(seq 100); do
	[ -s number ] && break
	sleep 0.05
done
refused 'listens on' --prometheus "127.0.0.1:$(cat number)"
exec 3>&-
wait $holder
echo 'ok   port in use'

echo before >kept.html
refused 'No such file' --html kept.html --sarif nowhere/log.sarif
[ "$(cat kept.html)" = before ] || fail "kept.html was cut short"
for file in made.html made.sarif made.rec made.baseline; do
	[ ! -e $file ] || fail "$file is there before anything was watched"
done
sh -c : &
gone=$!
wait $gone
status=0
"$LEAT" doctor -p $gone -d 0.1 --html made.html --sarif made.sarif --record made.rec --save-baseline made.baseline 2>err || status=$?
[ $status -eq 4 ] || [ $status -eq 3 ] || fail "a process that has gone: ends with $status: $(cat err)"
for file in made.html made.sarif made.rec made.baseline; do
	[ ! -e $file ] || fail "$file is there, and empty, although there was no report"
done
[ "$(cat kept.html)" = before ] || fail "kept.html was cut short"
echo 'ok   kept'
