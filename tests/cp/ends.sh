#!/bin/bash
# SPDX-License-Identifier: MIT
# ends.sh: standard streams, descriptors, FIFOs, TCP and Unix sockets, in both directions.
set -u
. "$(dirname "$0")/../cli/lib.sh"
export failed=0
head -c 3000000 /dev/urandom >a

# The port a listener of this process id has, once it listens.
port_of() {
	local inode port
	for _ in $(seq 200); do
		for inode in $(readlink /proc/"$1"/fd/* 2>/dev/null | sed -n 's/socket:\[\(.*\)\]/\1/p'); do
			port=$(awk -v inode="$inode" '$10 == inode && $4 == "0A" { sub(/.*:/, "", $2); print $2 }' /proc/net/tcp /proc/net/tcp6)
			[ -z "$port" ] || { echo $((16#$port)); return; }
		done
		sleep 0.02
	done
}

streams() {
	"$LEAT" cp - b <a || fail "ended with $?"
	cmp a b || fail 'from a file at standard input'
	cat a | "$LEAT" cp - c || fail "ended with $?"
	cmp a c || fail 'from a pipe'
	"$LEAT" cp a - | cmp - a || fail 'to a pipe'
	cat a | "$LEAT" cp - - | cmp - a || fail 'from pipe to pipe'
	"$LEAT" cp a fd:7 7>d || fail "ended with $?"
	cmp a d || fail 'to a descriptor'
	"$LEAT" cp fd:8 e 8<a || fail "ended with $?"
	cmp a e || fail 'from a descriptor'
	"$LEAT" cp a - >>b
	cmp <(cat a a) b || fail 'appended'
}

# Where the descriptor stands, and at the end of what is appended to.
a_stream_by_its_name() {
	local name
	for name in /dev/stdout /proc/self/fd/1 /dev/fd/1; do
		{ echo head; "$LEAT" cp a $name; echo tail; } >by_name
		cmp by_name <(echo head; cat a; echo tail) || fail "$name: something else than between head and tail"
		"$LEAT" cp a $name >>by_name || fail "ended with $?"
		cmp by_name <(echo head; cat a; echo tail; cat a) || fail "$name: not appended"
	done
	run 4 "$LEAT" cp a /dev/fd/5 5<by_name
	says err 'it is open for reading only'
}

# Progress would stand among the bytes, where both go to the terminal.
a_terminal() {
	command -v python3 >/dev/null || { misses 'python3 is not installed'; return; }
	printf 'x%.0s' $(seq 1000) >line
	on_terminal 80 "$LEAT" cp --rate 1000 line - >shown || fail "ended with $?"
	cmp shown line || fail 'something else is among the bytes'
}

# A line of progress that is wider than the terminal would go on in the next one, and stay there.
a_narrow_terminal() {
	command -v python3 >/dev/null || { misses 'python3 is not installed'; return; }
	local name
	name=$(printf 'long-name-%.0s' $(seq 20))
	head -c 400000 a >some
	for name in "$name" $'\u65e5\u672c'"$name"; do
		on_terminal 90 "$LEAT" cp --rate 400k some "$name" >shown || fail "ended with $?"
		python3 - <<'END_OF_CHECK' || fail 'the lines are not as they should be'
import unicodedata
shown = open('shown', 'rb').read()
lines = [line for line in shown.decode().split('\r\x1b[K') if line]
assert lines, shown
for line in lines:
    columns = sum(2 if unicodedata.east_asian_width(c) in 'WF' else 1 for c in line)
    assert columns < 90, (columns, line)
    assert 'name-: ' in line and '/s  ' in line and line.endswith(('copy_file_range', 'clone', 'copy')), line
END_OF_CHECK
	done
}

# What is said of the copy goes to stderr, where the bytes go to stdout.
reports_beside_the_bytes() {
	local option
	for option in --hash=xxh3 --explain --json; do
		"$LEAT" cp $option a - 2>err | cmp - a || fail "$option: something else is among the bytes"
		[ -s err ] || fail "$option: nothing was said"
		"$LEAT" cp $option a /dev/stdout 2>err | cmp - a || fail "$option: something else is among the bytes"
	done
}

fifos() {
	local ends
	mkfifo fifo
	"$LEAT" cp a fifo &
	cmp a <(cat fifo) || fail 'to a FIFO'
	wait $! || fail "ended with $?"
	cat a >fifo &
	"$LEAT" cp fifo f || fail "ended with $?"
	cmp a f || fail 'from a FIFO'
	[ -p fifo ] || fail 'the FIFO was replaced'
	# Nobody comes.
	run 7 "$LEAT" cp --timeout 1 fifo g
	run 7 "$LEAT" cp --timeout 1 a fifo
	[ ! -e g ] || fail 'a destination was made'
	for ends in 'a fifo' 'fifo g'; do
		# shellcheck disable=SC2086 # two words
		env --default-signal=INT "$LEAT" cp $ends &
		sleep 0.2
		kill -INT $!
		wait $!
		[ $? -eq 130 ] || fail "$ends: a signal did not end it"
	done
}

tcp() {
	local listener port host ends
	for ends in '127.0.0.1 127.0.0.1' '[::1] [::1]' ' localhost' ' 127.0.0.1' ' [::1]'; do
		case $ends in *'[::1]') [ -e /proc/net/if_inet6 ] || continue ;; esac
		host=${ends% *}
		rm -f got
		"$LEAT" cp "tcp-listen://$host:0" "got" &
		listener=$!
		port=$(port_of $listener)
		"$LEAT" cp a "tcp://${ends#* }:$port" 2>err || { fail "at $ends: $(cat err)"; kill $listener; }
		wait $listener || fail "the listener ended with $?"
		cmp a got || fail "through TCP at $ends"
	done
	"$LEAT" cp a tcp-listen://127.0.0.1:0 &
	listener=$!
	port=$(port_of $listener)
	run 0 "$LEAT" cp "tcp://127.0.0.1:$port" pulled
	wait $listener || fail "the listener ended with $?"
	cmp a pulled || fail 'pulled'
}

until_true() {
	for _ in $(seq 200); do
		"$@" && return
		sleep 0.05
	done
	fail "never: $*"
}
has_received() {
	local fd
	for fd in /proc/"$1"/fd/*; do
		case $(readlink "$fd") in *'(deleted)') [ "$(stat -Lc %s "$fd")" -gt 0 ] && return ;; esac
	done
	return 1
}

# Who sends is lost: what came before is not the whole.
a_lost_sender() {
	local listener sender signal
	for signal in KILL INT; do
		"$LEAT" cp tcp-listen://127.0.0.1:0 lost 2>err.listener &
		listener=$!
		env --default-signal=INT "$LEAT" cp --rate 1m a "tcp://127.0.0.1:$(port_of $listener)" 2>err &
		sender=$!
		until_true has_received $listener
		kill -$signal $sender
		wait $sender
		wait $listener
		[ $? -eq 3 ] || fail "$signal: the listener ended with another status: $(cat err.listener)"
		says err.listener 'reading failed after [0-9]+ bytes'
		[ ! -e lost ] || fail "$signal: a part became the whole"
		rm -f lost
	done
}

# A connection to this port is in this state of the kernel's.
in_state() { grep -qi ":$(printf %04X "$2") $1 " /proc/net/tcp; }

# peer WHAT: a TCP server of one connection on a small buffer. Its port goes to the file port.
peer() {
	rm -f port
	python3 - "$1" <<'END_OF_PEER' &
import os, socket, sys, time
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
listener.bind(('127.0.0.1', 0))
listener.listen(1)
with open('port.new', 'w') as port:
    port.write(str(listener.getsockname()[1]))
os.rename('port.new', 'port')
connection = listener.accept()[0]
if sys.argv[1] == 'reads slowly':
    while connection.recv(16384):
        time.sleep(0.05)
elif sys.argv[1] == 'resets':
    time.sleep(0.5)
    connection.close()
else:
    time.sleep(60)
END_OF_PEER
	peer=$!
	until_true [ -e port ]
}

# All is written, and waits in the kernel for a peer that takes its time.
the_last_bytes() {
	command -v python3 >/dev/null || { misses 'python3 is not installed'; return; }
	head -c 1000000 a >some
	peer 'reads slowly'
	run 0 "$LEAT" cp --timeout 1 some "tcp://127.0.0.1:$(cat port)"
	wait $peer
	peer resets
	run 4 "$LEAT" cp some "tcp://127.0.0.1:$(cat port)"
	says err '^leat: tcp://127.0.0.1:[0-9]+: writing failed after [0-9]+ bytes.*: Connection reset by peer$'
	wait $peer
	peer sleeps
	env --default-signal=INT "$LEAT" cp some "tcp://127.0.0.1:$(cat port)" 2>err &
	until_true in_state 04 "$(cat port)"	# FIN_WAIT1
	kill -INT $!
	wait $!
	[ $? -eq 130 ] || fail 'a signal did not end it as one'
	kill $peer
	wait $peer 2>/dev/null
}

a_listener_takes_who_stays() {
	local listener
	{ command -v strace && strace -o probe true; } >/dev/null 2>&1 || { misses 'strace cannot trace here'; return; }
	under asan && { misses 'strace and the leak checker are both tracers'; return; }
	strace -qq -o trace -e trace=accept4 -e inject=accept4:error=ECONNABORTED:when=1 "$LEAT" cp tcp-listen://127.0.0.1:0 stays &
	until_true pgrep -P $! >/dev/null
	listener=$(pgrep -P $!)
	run 0 "$LEAT" cp a "tcp://127.0.0.1:$(port_of "$listener")"
	wait $! || fail "the listener ended with $?"
	grep -q INJECTED trace || fail 'the fault did not fire'
	cmp a stays || fail 'not the same'
	# What it did not make it does not remove.
	echo precious >precious
	run 3 strace -o trace -e inject=socket:error=EMFILE "$LEAT" cp unix-listen:precious taken
	grep -q INJECTED trace || fail 'the fault did not fire'
	[ "$(cat precious)" = precious ] || fail 'a file was removed'
	run 3 "$LEAT" cp unix-listen:precious taken
	[ "$(cat precious)" = precious ] || fail 'a file was removed'
}

# What is opened meanwhile may get the number; it is not what was meant.
descriptors_that_are_not_open() {
	local fd
	for fd in 3 4 5; do
		run 4 "$LEAT" cp a fd:$fd 3>&- 4>&- 5>&-
		says err "^leat: fd:$fd: no such descriptor is open"
	done
}

unix_sockets() {
	"$LEAT" cp unix-listen:sock got2 &
	for _ in $(seq 200); do [ -S sock ] && break; sleep 0.02; done
	run 0 "$LEAT" cp a unix:sock
	wait $! || fail "the listener ended with $?"
	cmp a got2 || fail 'through a Unix socket'
	[ ! -e sock ] || fail 'the socket was left there'
	run 3 "$LEAT" cp unix:none got3
	says err '^leat: unix:none: No such file'
	[ ! -e got3 ] || fail 'a destination was made'
}

# A killed listener leaves its socket. What somebody has bound stays his, and loses no connection by our asking.
a_socket_that_was_left() {
	local first kind
	"$LEAT" cp unix-listen:left got4 &
	first=$!
	until_true [ -S left ]
	run 3 timeout 5 "$LEAT" cp unix-listen:left got5
	says err '^leat: unix-listen:left: Address already in use$'
	[ -S left ] || fail 'a socket that is listened at was removed'
	kill -0 $first || fail 'who listens was disturbed'
	kill -9 $first
	wait $first 2>/dev/null
	[ -S left ] || fail 'nothing was left'
	"$LEAT" cp unix-listen:left got5 &
	first=$!
	until_true grep -q ' 0001 01 .* left$' /proc/net/unix
	run 0 "$LEAT" cp a unix:left
	wait $first || fail "ended with $?"
	cmp a got5 || fail 'not the same'
	[ ! -e left ] || fail 'it is still there'
	# What is no socket stays, also when it is pointed at.
	echo precious >left
	run 3 timeout 5 "$LEAT" cp unix-listen:left got6
	[ "$(cat left)" = precious ] || fail 'a file was removed'
	ln -s left pointer
	run 3 timeout 5 "$LEAT" cp unix-listen:pointer got6
	[ -L pointer ] && [ "$(cat left)" = precious ] || fail 'something was removed'
	command -v python3 >/dev/null || return 0
	rm left pointer
	for kind in DGRAM SEQPACKET STREAM; do	# bound, and not listening
		rm -f bound
		python3 -c "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_$kind); s.bind('left'); open('bound', 'w'); import time; time.sleep(20)" &
		first=$!
		until_true [ -e bound ]
		run 3 timeout 5 "$LEAT" cp unix-listen:left got6
		[ -S left ] || fail "$kind: a socket that somebody has was removed"
		run 2 timeout 5 "$LEAT" proxy unix:left 127.0.0.1:1
		says err 'Address already in use$'
		[ -S left ] || fail "$kind: a socket that somebody has was removed by the proxy"
		kill $first
		wait $first 2>/dev/null
		rm -f left
	done
}

# Both find what was left, and the slower one is about to remove it while the faster one looks, too.
a_socket_left_to_two() {
	local slow fast
	under asan && { misses 'strace and the leak checker are both tracers'; return; }
	"$LEAT" cp unix-listen:two two1 &
	until_true [ -S two ]
	kill -9 $!
	wait $! 2>/dev/null
	: >trace
	strace -qq -o trace -e trace=/^unlink -e inject=/^unlink:delay_enter=300000:when=1 "$LEAT" cp unix-listen:two two1 2>err.slow &
	slow=$!
	until_true grep -q unlink trace
	timeout 10 "$LEAT" cp unix-listen:two two2 2>err.fast &
	fast=$!
	until_true grep -q DELAYED trace
	until_true grep -q ' 0001 01 .* two$' /proc/net/unix
	sleep 0.3
	[ "$(grep -c ' 0001 01 .* two$' /proc/net/unix)" = 1 ] || fail 'both listen, and one has lost his name'
	run 0 "$LEAT" cp a unix:two
	wait $slow || fail "who came first ended with $?: $(cat err.slow)"
	wait $fast
	[ $? -eq 3 ] || fail 'who came second did not give way'
	says err.fast '^leat: unix-listen:two: Address already in use$'
}

# A signal between the look at the flag and the call that waits is not seen by that call: none waits for ever.
no_signal_is_lost() {
	local pid ends
	{ command -v strace && strace -o probe true; } >/dev/null 2>&1 || { misses 'strace cannot trace here'; return; }
	under asan && { misses 'strace and the leak checker are both tracers'; return; }
	mkfifo nobody
	for ends in 'nobody g' 'unix-listen:waits g' 'tcp-listen://127.0.0.1:0 g'; do
		# shellcheck disable=SC2086 # two words
		strace -qq -o trace -e trace=poll,ppoll "$LEAT" cp --timeout 1 $ends
		[ $? -eq 7 ] || fail "$ends: no timeout"
		[ "$(grep -cE '\], 1, [0-9]{1,2}\) +=' trace)" -ge 10 ] || fail "$ends: $(head -3 trace)"
		! grep -qE '\], 1, (-1|[0-9]{3,})\)' trace || fail "$ends: $(head -3 trace)"
		# shellcheck disable=SC2086
		strace -qq -o trace -e trace=poll,ppoll "$LEAT" cp $ends &
		until_true pgrep -P $! >/dev/null
		pid=$(pgrep -P $!)
		until_true grep -q '= 0' trace
		! grep -qE '\], 1, -1' trace || fail "$ends: $(head -3 trace)"
		kill -TERM "$pid"
		wait $!
		[ $? -eq 143 ] || fail "$ends: another exit status"
	done
}

nobody_there() {
	run 4 "$LEAT" cp a tcp://127.0.0.1:1
	says err 'cannot connect: Connection refused'
	run 7 "$LEAT" cp --timeout 1 tcp-listen://127.0.0.1:0 never
	[ ! -e never ] || fail 'a destination was made'
}

# A name whose server says nothing: without a limit the C library asks for 10 s, and twice that for two families.
a_name_that_nobody_tells() {
	[ "$(id -u)" = 0 ] || { misses 'only root has an /etc/resolv.conf of its own'; return; }
	command -v python3 >/dev/null || { misses 'python3 is not installed'; return; }
	echo 'nameserver 127.0.0.1' >resolv.conf
	echo 'hosts: dns' >nsswitch.conf
	# shellcheck disable=SC2016 # expanded in there
	unshare -mn sh -c '
		for f in resolv.conf nsswitch.conf; do mount --bind $f /etc/$f || exit 99; done
		ip link set lo up || exit 99
		exec python3 - "$@"' sh "$LEAT" <<'END_OF_SILENCE' || fail "ended with $?"
import socket, subprocess, sys, time
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.1", 53))
began = time.monotonic()
timed = subprocess.run([sys.argv[1], "cp", "--timeout", "1", "a", "tcp://nobody.example:80"], stderr=subprocess.PIPE, text=True, timeout=60)
assert silent.recv(512, socket.MSG_DONTWAIT), "nobody was asked"
assert timed.returncode == 7 and "cannot find its address" in timed.stderr and time.monotonic() - began < 8, timed
began = time.monotonic()
copy = subprocess.Popen(["env", "--default-signal=INT", sys.argv[1], "cp", "tcp://nobody.example:80", "never"])
silent.settimeout(20)
silent.recv(512)
time.sleep(0.2)
copy.send_signal(2)
assert copy.wait(60) == 130 and time.monotonic() - began < 8, (copy.returncode, time.monotonic() - began)
END_OF_SILENCE
	[ ! -e never ] || fail 'a destination was made'
}

parts streams a_stream_by_its_name a_terminal a_narrow_terminal reports_beside_the_bytes fifos tcp a_lost_sender the_last_bytes a_listener_takes_who_stays \
	descriptors_that_are_not_open unix_sockets a_socket_that_was_left a_socket_left_to_two no_signal_is_lost nobody_there \
	a_name_that_nobody_tells
