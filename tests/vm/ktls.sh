#!/bin/sh
# SPDX-License-Identifier: MIT
# ktls.sh: runs in the guest. The patient c-tls of tests/doctor/mend, watched by leat doctor: before its remedy what it sends is TLS
# of its own, no flow and no loss, and the remedy is named; after it the kernel moved the whole file to a socket with kTLS. Skips
# where the kernel has no TLS, and says so.
set -u
work=$(mktemp -d)
cd "$work" || exit 1
export MEND_FILE="$work/file" MEND_COPY="$work/copy"
bytes=8388608
failed=0
head -c $bytes /dev/urandom >file

watched() { # MODE: the patient in this mode, the report in `report`
	status=0
	rm -f copy
	timeout 300 /t/leat doctor --json -- /t/mend/tls "$1" file-tcp >report 2>errors || status=$?
}

expect() { # WHAT COMMAND...
	what=$1
	shift
	if "$@"; then
		echo "ok   $what"
	else
		echo "FAIL $what"
		failed=1
	fi
}

# shellcheck disable=SC2317 # expect calls it
no() { ! grep -q "$1" report; }

watched before
expect 'before: nothing is lost' [ $status = 0 ]
expect 'before: the file came' cmp -s file copy
records=$((bytes / 16384))
! grep -q -e '"engine": "ptrace"' -e '"missed_calls": [1-9]' report || records=1 # not all is seen, and that is said
expect 'before: all of it in records' [ "$(sed -n 's/.*"tls_records": \([0-9]*\).*/\1/p' report)" -ge $records ]
expect 'before: no flow to the socket' no '"kind": "tcp"'
expect 'before: the remedy' grep -q '"tls_mend": "where OpenSSL makes them' report
[ $failed = 0 ] || cat errors report

watched after
if grep -q 'got no TLS of the kernel' errors; then
	cat /proc/net/tls_stat 2>/dev/null
	echo "SKIP after: $(grep -m 1 'got no TLS of the kernel' errors)"
	exit $((failed ? 1 : 77))
fi
expect 'after: nothing is lost' [ $status = 0 ]
expect 'after: the file came' cmp -s file copy
expect 'after: by sendfile' grep -q '"sendfile": [1-9]' report
expect 'after: the verdict' grep -q '"verdict": "kernel"' report
expect 'after: all of its bytes' grep -q "\"bytes\": $bytes" report
expect 'after: a socket with kTLS' grep -q '"ktls": true' report
expect 'after: no remedy any more' no '"tls_mend": "'
expect 'after: the kernel counted the connection' grep -q '^TlsTxSw[[:space:]]*[1-9]' /proc/net/tls_stat
[ $failed = 0 ] || cat errors report
rm -rf "$work"
exit $failed
