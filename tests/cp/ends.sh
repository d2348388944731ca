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
	local listener port host
	for host in 127.0.0.1 '[::1]' ''; do
		[ "$host" != '[::1]' ] || [ -e /proc/net/if_inet6 ] || continue
		"$LEAT" cp "tcp-listen://$host:0" "got" &
		listener=$!
		port=$(port_of $listener)
		run 0 "$LEAT" cp a "tcp://${host:-localhost}:$port"
		wait $listener || fail "the listener ended with $?"
		cmp a got || fail "through TCP at $host"
	done
	"$LEAT" cp a tcp-listen://127.0.0.1:0 &
	listener=$!
	port=$(port_of $listener)
	run 0 "$LEAT" cp "tcp://127.0.0.1:$port" pulled
	wait $listener || fail "the listener ended with $?"
	cmp a pulled || fail 'pulled'
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

nobody_there() {
	run 4 "$LEAT" cp a tcp://127.0.0.1:1
	says err 'cannot connect: Connection refused'
	run 7 "$LEAT" cp --timeout 1 tcp-listen://127.0.0.1:0 never
	[ ! -e never ] || fail 'a destination was made'
}

parts streams reports_beside_the_bytes fifos tcp unix_sockets nobody_there
