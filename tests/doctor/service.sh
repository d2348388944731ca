#!/bin/bash
# SPDX-License-Identifier: MIT
# service: systemd has no complaint about contrib/leat-doctor.service, and the program takes the options it is started with there.
set -u
unit=$LEAT_SOURCE/contrib/leat-doctor.service
fail() { echo "FAIL: $*"; exit 1; }

read -r program options < <(sed -n 's/^ExecStart=//p' "$unit")
[ "$program" = /usr/local/bin/leat ] || fail "it starts $program"
options=${options/:9791/:0}	# any port that is free
read -ra words <<<"$options"

# A moment of it. 2 is said of options it does not know; 3, that this is not allowed here, is none of theirs.
takes() {
	local status=0
	timeout 60 "$LEAT" "$@" --engine bpf -d 0.2 >out 2>said || status=$?
	[ $status = 0 ] || [ $status = 1 ] || [ $status = 3 ]
}
takes "${words[@]}" || fail "leat $options: $(head -c 500 said)"
! takes "${words[@]}" --no-such-option || fail 'it takes every option'
echo 'ok   options'

if command -v systemd-analyze >/dev/null; then
	# Verified where it is installed, which the tests do not do.
	sed "s|^ExecStart=/usr/local/bin/leat |ExecStart=$LEAT |" "$unit" >leat-doctor.service
	systemd-analyze verify --man=no ./leat-doctor.service >said 2>&1 || fail "$(cat said)"
	[ ! -s said ] || fail "$(cat said)"
	echo 'ok   systemd'
else
	echo 'SKIP systemd: no systemd-analyze here'
fi
