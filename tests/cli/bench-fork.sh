#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-fork.sh: where no process can be started, that is said and it ends; kill(-1) would end every other process one has.
# As an ordinary user without any other process: the limit on processes does not hold for root.
# shellcheck disable=SC2034,SC2317 # parts calls the functions, and says what failed
set -u
. "$(dirname "$0")/lib.sh"
failed=0
as_user=(env)
if [ "$(id -u)" -eq 0 ]; then
	command -v setpriv >/dev/null || skip 'setpriv is not installed, and the limit on processes does not hold for root'
	as_user=(setpriv --reuid 64321 --regid 64321 --clear-groups)
fi
cp "$LEAT" leat
chmod 777 .
"${as_user[@]}" ./leat --version >out 2>err || skip "user 64321 cannot run $PWD/leat: $(head -1 err)"

# limited PROCESSES STATUS OPTIONS...
limited() {
	local most=$1 want=$2
	shift 2
	# shellcheck disable=SC2016
	run "$want" timeout 60 "${as_user[@]}" env TMPDIR="$PWD" bash -c 'ulimit -u "$1"; shift; exec ./leat bench "$@"' bash "$most" "$@"
}

no_process_at_all() {
	local bystander
	"${as_user[@]}" sleep 300 &
	bystander=$!
	for what in --sweep --overhead '--shape file-tcp/raw --size 1m' '--shape tcp-tcp/raw --size 1m --receiver ordinary'; do
		read -ra words <<<"$what"
		limited 1 2 --rounds 1 --no-go "${words[@]}"
		says err '^leat: .*Resource temporarily unavailable'
		kill -0 "$bystander" 2>/dev/null || fail "leat bench $what ended another process of this user"
	done
	kill "$bystander"
}

# Room for the three servers; then neither strace nor the process that feeds the relay.
none_beside_the_servers() {
	local bystander
	[ "$(id -u)" -eq 0 ] || { misses 'how many processes this user has is not known'; return; }
	! under tsan || { misses 'the thread sanitizer has a thread in each process, which the limit on processes counts'; return; }
	"${as_user[@]}" sleep 300 &
	bystander=$!
	limited 5 0 --rounds 1 --no-go --shape tcp-tcp/raw --size 1m --receiver ordinary --json few.json
	says err '^leat: .*Resource temporarily unavailable: system calls are not counted'
	says few.json '"left_out": ".*Resource temporarily unavailable'
	kill -0 "$bystander" 2>/dev/null || fail 'it ended another process of this user'
	kill "$bystander"
}

parts no_process_at_all none_beside_the_servers
