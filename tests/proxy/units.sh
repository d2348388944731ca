#!/bin/bash
# SPDX-License-Identifier: MIT
# units.sh: the systemd units of leat proxy are understood, by systemd where it is, and what they run and quote by leat proxy.
set -u
. "$LEAT_SOURCE/tests/cli/lib.sh"
# shellcheck disable=SC2034 # of lib.sh
failed=0

systemd_understands_them() {
	command -v systemd-analyze >/dev/null || { misses 'systemd-analyze is not installed'; return; }
	printf '[Service]\nExecStart=/bin/true\n' >leat-test.service
	systemd-analyze --man=no verify ./leat-test.service >said 2>&1 || { misses "systemd-analyze verifies nothing here: $(head -1 said)"; return; }
	sed "s#/usr/local/bin/leat#$LEAT#" "$LEAT_SOURCE/contrib/leat-proxy.service" >leat-proxy.service
	cp "$LEAT_SOURCE/contrib/leat-proxy.socket" .
	# Without the manual it cannot look the page up, and says so.
	systemd-analyze --man=no verify ./leat-proxy.service ./leat-proxy.socket >said 2>&1 || fail "systemd-analyze ended with $?: $(cat said)"
	if grep -n 'leat-proxy\.\(service\|socket\)' said; then fail 'it says something of them'; fi
}

leat_proxy_understands_them() {
	local unit=$LEAT_SOURCE/contrib/leat-proxy.service words
	sed -n 's/^#\t\(.*\)/\1/p' "$unit" | sed 's/^listen .*/listen 127.0.0.1:0/' >leat-proxy.conf
	[ "$(wc -l <leat-proxy.conf)" -ge 4 ] || fail 'the unit quotes no configuration'
	words=$(sed -n 's#^ExecStart=/usr/local/bin/leat proxy ##p' "$unit" | sed 's#/etc/leat-proxy.conf#leat-proxy.conf#')
	[ -n "$words" ] || fail 'no ExecStart'
	# shellcheck disable=SC2086 # options
	"$LEAT" proxy $words --check >out 2>err || fail "ended with $?: $(cat err)"
	says out '^ok$'
	echo 'listen systemd' >leat-proxy.conf
	echo 'upstream 127.0.0.1:1' >>leat-proxy.conf
	# shellcheck disable=SC2086 # options
	"$LEAT" proxy $words --check >out 2>err && fail 'sockets that systemd has not passed were taken'
	says err 'no sockets were passed'
}

parts systemd_understands_them leat_proxy_understands_them
