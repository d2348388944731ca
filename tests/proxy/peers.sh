#!/bin/bash
# SPDX-License-Identifier: MIT
# peers.sh: leat proxy between programs that people use: curl, socat, haproxy as either side of the PROXY protocol, iperf3,
# openssl s_client by name; and through a slow link in a network name space.
set -u
. "$LEAT_SOURCE/tests/cli/lib.sh"
# shellcheck disable=SC2034 # of lib.sh
failed=0
head -c 5000000 /dev/urandom >a
started=
trap 'kill $started 2>/dev/null; wait' EXIT

needs() {
	local program
	for program; do command -v "$program" >/dev/null || { misses "$program is not installed"; return; }; done
}

# Ports that nobody has, one after the other: next_port NAME.
last_port=$((10000 + $$ % 22000))	# not one that the kernel gives to who asks for any
next_port() {
	while last_port=$((last_port + 1)); [ -n "$(awk -v port=":$(printf %04X $last_port)" 'index($2, port)' /proc/net/tcp /proc/net/tcp6)" ]; do :; done
	printf -v "$1" %s $last_port
}

listens() {
	local hex
	hex=$(printf ':%04X' "$1")
	for _ in $(seq 500); do
		awk -v port="$hex" '$4 == "0A" && index($2, port) { found = 1 } END { exit !found }' "/proc/${2:-self}/net/tcp" "/proc/${2:-self}/net/tcp6" && return
		sleep 0.02
	done
	fail "nobody listens at port $1"
}

# background COMMAND...: ends with the script.
background() {
	"$@" >>said 2>&1 &
	started="$started $!"
}

proxy() {
	background "$LEAT" proxy --workers 1 --drain 0 "$@"
}

# serve PORT: who connects gets the file a, and an end.
serve() {
	background socat -U "TCP-LISTEN:$1,bind=127.0.0.1,reuseaddr,fork" OPEN:a,rdonly
	listens "$1"
}

socats() {
	needs socat || return
	local up front
	next_port up; next_port front
	background socat "TCP-LISTEN:$up,bind=127.0.0.1,reuseaddr,fork" EXEC:'sha1sum'	# answers when the client has ended
	proxy "127.0.0.1:$front" "127.0.0.1:$up" --listen unix:front.sock
	listens "$up"; listens "$front"
	[ "$(socat -t 20 - "TCP:127.0.0.1:$front" <a)" = "$(sha1sum <a)" ] || fail 'through TCP'
	[ "$(socat -t 20 - UNIX-CONNECT:front.sock <a)" = "$(sha1sum <a)" ] || fail 'through a Unix socket'
}

curls() {
	needs curl python3 || return
	local up front twenty=()
	next_port up; next_port front
	background python3 -m http.server --bind 127.0.0.1 "$up"
	proxy "127.0.0.1:$front" "127.0.0.1:$up" --log curl.log
	listens "$up"; listens "$front"
	curl -s -o b "http://127.0.0.1:$front/a" || fail "curl ended with $?"
	cmp a b || fail 'another file'
	for i in $(seq 20); do twenty+=(-o "c$i" "http://127.0.0.1:$front/a"); done
	curl -s --no-progress-meter --parallel "${twenty[@]}" || fail "twenty: curl ended with $?"
	for i in $(seq 20); do cmp a "c$i" || fail "file $i of twenty"; done
	says curl.log ' < [0-9]+ \([0-9]{7} spliced, [0-9]+ copied, small\) ok$'
}

# haproxy MODE: listens with accept-proxy, or connects with send-proxy.
haproxy_with() {
	local name=$1 bind=$2 server=$3
	cat >"$name.cfg" <<-END
		global
		  maxconn 100
		defaults
		  mode tcp
		  timeout connect 5s
		  timeout client 30s
		  timeout server 30s
		  log stdout format raw local0
		  log-format "%ci from"
		listen l
		  bind $bind
		  server s $server
	END
	haproxy -db -f "$name.cfg" >"$name.log" 2>&1 &
	started="$started $!"
}

haproxy_takes_headers() {
	needs haproxy socat || return
	local up front middle version
	for version in v1 v2; do
		next_port up; next_port middle; next_port front
		serve "$up"
		haproxy_with "takes-$version" "127.0.0.1:$middle accept-proxy" "127.0.0.1:$up"
		listens "$middle"
		proxy "127.0.0.1:$front" "127.0.0.1:$middle" --header-out $version
		listens "$front"
		timeout 20 socat -u "TCP:127.0.0.1:$front,bind=127.0.0.77" - | cmp - a || fail "by $version"
		for _ in $(seq 100); do grep -q '^127.0.0.77 from' "takes-$version.log" && break; sleep 0.02; done
		says "takes-$version.log" '^127.0.0.77 from'
	done
}

haproxy_gives_headers() {
	needs haproxy socat || return
	local up front middle how
	for how in send-proxy send-proxy-v2 'send-proxy-v2 proxy-v2-options unique-id,crc32c'; do
		next_port up; next_port middle; next_port front
		serve "$up"
		proxy "127.0.0.1:$middle" "127.0.0.1:$up" --header-in --log "gives-$front.log"
		listens "$middle"
		haproxy_with "gives-$front" "127.0.0.1:$front" "127.0.0.1:$middle $how"
		listens "$front"
		timeout 20 socat -u "TCP:127.0.0.1:$front,bind=127.0.0.78" - | cmp - a || fail "by $how"
		for _ in $(seq 100); do [ -s "gives-$front.log" ] && break; sleep 0.02; done
		says "gives-$front.log" ' 127\.0\.0\.78:[0-9]+ '
	done
}

iperf() {
	needs iperf3 || return
	local up front
	next_port up; next_port front
	background iperf3 -s -B 127.0.0.1 -p "$up"
	proxy "127.0.0.1:$front" "127.0.0.1:$up" --log iperf.log
	listens "$up"; listens "$front"
	for how in '' -R '-P 4' --bidir; do
		# shellcheck disable=SC2086 # options
		timeout 60 iperf3 -c 127.0.0.1 -p "$front" -n 20M $how >iperf.out 2>&1 || fail "iperf3 $how ended with $?: $(tail -2 iperf.out)"
	done
	for _ in $(seq 100); do [ "$(wc -l <iperf.log)" -ge 12 ] && break; sleep 0.02; done
	says iperf.log '[0-9]{8} spliced'
}

by_name() {
	needs openssl || return
	local one two front host
	next_port one; next_port two; next_port front
	for host in one two; do
		openssl req -x509 -newkey rsa:2048 -nodes -keyout $host.key -out $host.crt -days 2 -subj "/CN=$host.example" 2>err ||
			fail "$(tail -1 err)"
		background openssl s_server -accept "127.0.0.1:${!host}" -cert $host.crt -key $host.key -quiet -www
		listens "${!host}"
	done
	proxy "127.0.0.1:$front" "127.0.0.1:$one" --sni "two.example=127.0.0.1:$two"
	listens "$front"
	for host in one two; do
		for version in -tls1_2 -tls1_3; do
			openssl s_client -connect "127.0.0.1:$front" -servername $host.example $version </dev/null >out 2>&1
			says out "^subject=CN = $host.example"
		done
	done
	openssl s_client -connect "127.0.0.1:$front" -noservername </dev/null >out 2>&1
	says out '^subject=CN = one.example'
	curl -sk --resolve "two.example:$front:127.0.0.1" "https://two.example:$front/" -o out || fail "curl ended with $?"
	says out 'Ciphers|Protocol'
}

# Two megabytes over a link of ten megabits: all of it, and an end, and hardly any CPU meanwhile.
slow_link() {
	needs ip tc socat || return
	[ "$(id -u)" -eq 0 ] || { misses 'root is needed, for a network name space'; return; }
	local near=leat-near-$$ far=leat-far-$$ process used
	ip netns add "$near" 2>/dev/null || { misses 'no network name spaces'; return; }
	ip netns add "$far"
	if ip -n "$near" link add name wire type veth peer name wire netns "$far" &&
		ip netns exec "$near" tc qdisc add dev wire root tbf rate 10mbit burst 32k latency 100ms 2>/dev/null; then
		through_slow_link
	else
		misses 'this kernel has no veth, or no tbf' || status=77
	fi
	ip netns del "$near"
	ip netns del "$far"
	return "${status:-0}"
}

through_slow_link() {
	ip -n "$near" link set lo up
	ip -n "$near" addr add 192.0.2.1/30 dev wire; ip -n "$near" link set wire up
	ip -n "$far" addr add 192.0.2.2/30 dev wire; ip -n "$far" link set wire up
	head -c 2000000 a >part
	background ip netns exec "$near" socat -U TCP-LISTEN:7001,bind=127.0.0.1,reuseaddr,fork OPEN:part,rdonly
	ip netns exec "$near" "$LEAT" proxy --workers 1 --log slow.log 192.0.2.1:7000 127.0.0.1:7001 2>>said &
	process=$!
	started="$started $process"
	listens 7001 "$process"; listens 7000 "$process"
	used=$(awk '{ print $14 + $15 }' "/proc/$process/stat")
	timeout 60 ip netns exec "$far" socat -u TCP:192.0.2.1:7000 - | cmp - part || fail "something else came: $(cat said)"
	used=$(($(awk '{ print $14 + $15 }' "/proc/$process/stat") - used))
	[ "$used" -le 10 ] || fail "it took $used ticks of CPU"
	# Who breaks off in the midst of it, with bytes under way everywhere: a reset, and no end.
	timeout 0.5 ip netns exec "$far" socat -u TCP:192.0.2.1:7000 OPEN:/dev/null
	for _ in $(seq 500); do [ "$(wc -l <slow.log)" -ge 2 ] && break; sleep 0.02; done
	says slow.log ' ok$'
	says slow.log ' < [0-9]+ .* (Connection reset by peer|Broken pipe)$'
}

parts socats curls haproxy_takes_headers haproxy_gives_headers iperf by_name slow_link
