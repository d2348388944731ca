#!/bin/bash
# SPDX-License-Identifier: MIT
# strace.sh: faults put under a finished program (mover) by strace. For each: the fault is shown to have come (INJECTED in the
# trace), the bytes are equal, and the report has the route and the reason; or, for final errors, the error is told.
# Then LEAT_ROUTES, which can only take routes away.
# shellcheck disable=SC2317 # the functions are called by part
set -u
. "$(dirname "$0")/../cli/lib.sh"
mover=$LEAT_BUILD/tests/fault/mover
failed=0 cases=0 only=
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0	# LeakSanitizer cannot work under ptrace

[ -x "$mover" ] || { echo "FAIL: no $mover"; exit 1; }
command -v strace >/dev/null || skip 'strace is not installed'
strace -o trace -e inject=getpid:error=ENOSYS true 2>err || skip "strace cannot trace here: $(head -1 err)"

# More than two calls of 8 MiB, and not a whole number of pages. The small one is for calls that are small anyway.
head -c 20000003 /dev/urandom >big
head -c 300007 big >small

# inject FAULT STATUS PATTERN FILE FROM TO [MOVER OPTIONS...]: FAULT is what strace's inject= takes; PATTERN is on the report.
inject() {
	local fault=$1 want=$2 pattern=$3 file=$4 from=$5 to=$6 call=${1%%:*} status=0
	shift 6
	cases=$((cases + 1))
	rm -f out
	timeout 60 strace -o trace ${only:+-P "$only"} -e trace="$call" -e signal=none -e inject="$fault" "$mover" "$@" "$from:$file" "$to:out" \
		>said 2>err || status=$?
	local what="$fault, $from to $to${*:+, $*}"
	[ "$status" -eq "$want" ] || fail "$what: ended with $status, not $want: $(head -c 300 said err)"
	grep -q INJECTED trace || fail "$what: the fault did not come"
	grep -qE -- "$pattern" said || fail "$what: \"$(cat said)\" is not like \"$pattern\""
	if [ "$want" -eq 0 ]; then
		cmp -s "$file" out || fail "$what: the bytes differ"
	else
		cmp -s -n "$(wc -c <out)" "$file" out || fail "$what: what arrived is not the beginning"
	fi
}

# Calls that are probed once on invalid descriptors: when=1 is the probe, when=2 the first real one.
file_to_file() {
	inject ioctl:error=ENOSYS:when=1+ 0 'by copy_file_range .*no clone: sandbox' small file file
	inject ioctl:error=EINVAL:when=2 0 'by copy_file_range .*no clone: fs-denied' small file file
	inject ioctl:error=EPERM:when=2 0 'by copy_file_range .*no clone: sandbox' small file file
	inject ioctl:error=ENOSPC:when=2 1 '0 bytes.*failed at the sink: No space' small file file
	inject ioctl:error=EIO:when=2 1 '0 bytes.*failed at the sink: Input/output' small file file
	inject copy_file_range:error=ENOSYS:when=1+ 0 'by sendfile .*no copy_file_range: sandbox' small file file
	for error in EINVAL EPERM EXDEV EOPNOTSUPP ENOSYS EIO EBADF ETXTBSY ENODATA; do
		inject copy_file_range:error="$error":when=2 0 ' 300007 bytes by sendfile .*no copy_file_range: ' small file file
	done
	inject copy_file_range:error=EINVAL:when=3 0 'by copy_file_range in [0-9]+ calls?, sendfile .*no copy_file_range: fs-denied' \
		big file file
	inject copy_file_range:error=EPERM:when=3 1 'failed at the sink: Operation not permitted' big file file
	inject copy_file_range:error=EINTR:when=2..5 0 'by copy_file_range' small file file
	inject copy_file_range:retval=0:when=2+ 0 ' 300007 bytes by sendfile .*no copy_file_range: src-generated' small file file
	inject copy_file_range:error=ENOSPC:when=2 1 '0 bytes.*failed at the sink: No space left' small file file
	inject sendfile:error=EINVAL:when=2 0 'by splice_pipe .*no ' small file file -o clone -o copy_file_range
	inject sendfile:error=EINVAL:when=3 0 'by sendfile in [0-9]+ calls?, splice_pipe ' big file file -o clone -o copy_file_range
	only=$PWD/small	# the loader reads libraries by pread, too
	inject pread64:error=EINTR:when=1..3 0 'by copy' small file file -c
	only=
	inject pwrite64:error=EINTR:when=2..4 0 'by copy' small file file -c
	inject pwrite64:error=EDQUOT:when=1 1 '0 bytes.*failed at the sink: Disk quota' small file file -c
}

file_to_a_socket() {
	inject sendfile:error=ENOSYS:when=1+ 0 'by splice_pipe .*no sendfile: sandbox' small file tcp
	for error in EINVAL EPERM ENOSYS EOVERFLOW EIO ENOTSOCK; do
		inject sendfile:error="$error":when=2 0 ' 300007 bytes by splice_pipe .*no sendfile: ' small file tcp
	done
	inject sendfile:error=EINVAL:when=3 0 'by (splice_pipe|sendfile) .*no sendfile: fs-denied' big file tcp
	inject sendfile:error=EAGAIN:when=2..4 0 'by sendfile' small file tcp
	inject sendfile:error=EINTR:when=2..4 0 'by sendfile' small file tcp
	inject sendfile:error=EAGAIN:when=2..4 0 'by sendfile' small file tcp -s
	inject sendfile:error=EINTR:when=2..4 0 'by sendfile' small file unix -s
	inject sendfile:error=EIO:when=3 1 'failed at the source: Input/output error' big file tcp
	inject sendfile:error=EPIPE:when=2 1 '0 bytes.*failed at the sink: Broken pipe' small file tcp
	inject sendfile:error=ENOSYS:when=2 1 'no sendfile: sandbox; .*policy require' small file tcp -r -o splice_pipe
	inject pipe2:error=EMFILE:when=1 0 'by copy .*no sendfile: disabled-by-user' small file tcp -o sendfile
	inject sendto:error=EAGAIN:when=1..3 0 'by copy' small file tcp -c
	inject sendto:error=EINTR:when=1..3 0 'by copy' small file unix -c
}

by_splice() {
	inject splice:error=ENOSYS:when=1+ 0 'by copy .*no splice_pipe: sandbox' small tcp file
	for error in EINVAL EPERM ENOSYS EBADF; do
		inject splice:error="$error":when=2 0 ' 300007 bytes by copy .*no splice_pipe: ' small tcp file	# filling our pipe
		inject splice:error="$error":when=3 0 ' 300007 bytes by copy .*no splice_pipe: ' small tcp file	# emptying it
		inject splice:error="$error":when=2 0 ' 300007 bytes by copy .*no splice: ' small pipe file
		inject splice:error="$error":when=2 0 ' 300007 bytes by copy .*no splice: ' small file pipe
	done
	inject splice:error=EINVAL:when=5 0 'by (copy|splice_pipe) .*no splice_pipe: fs-denied' big tcp file
	for when in 2..4 3..5; do
		inject splice:error=EINTR:when="$when" 0 'by splice_pipe' small unix file
		inject splice:error=EAGAIN:when="$when" 0 'by splice' small pipe unix -s
		inject splice:error=EINTR:when="$when" 0 'by splice' small file pipe -s
	done
	# Of a socket that has bytes, twice in a row is urgent data, if it says so; else they came just then.
	inject splice:error=EAGAIN:when=2..6+2 0 'by splice_pipe' small unix file
	inject splice:error=EAGAIN:when=2..4 0 'by splice_pipe' small unix file
	inject recvfrom:error=EAGAIN:when=1..3 0 ' 300007 bytes by ' small unix tcp
	inject recvfrom:error=EINTR:when=1..3 0 ' 300007 bytes by ' small unix tcp -s
	inject recvfrom:error=ECONNRESET:when=2 1 'failed at the source: Connection reset' small unix tcp -c
	inject poll:error=EINTR:when=1..3 0 ' 300007 bytes by ' small unix tcp	# which blocks: asked before each call
}

leat_routes() {
	# routes VALUE PATTERN FROM TO [OPTIONS...]
	routes() {
		local value=$1 pattern=$2 from=$3 to=$4
		shift 4
		cases=$((cases + 1))
		LEAT_ROUTES=$value "$mover" "$@" "$from:small" "$to:out" >said 2>err || fail "LEAT_ROUTES=$value: $(cat said err)"
		grep -qE -- "$pattern" said || fail "LEAT_ROUTES=$value: \"$(cat said)\" is not like \"$pattern\""
		cmp -s small out || fail "LEAT_ROUTES=$value: the bytes differ"
	}
	routes sendfile 'by sendfile' file tcp
	routes splice_pipe 'by splice_pipe .*no sendfile: disabled-by-user' file tcp
	routes copy 'by copy .*no sendfile: disabled-by-user' file tcp
	routes '' 'by copy .*no sendfile: disabled-by-user' file tcp
	routes 'clone, nonsense,,  sendfile splice' 'by sendfile' file file
	routes sendfile 'by splice_pipe|by copy' file tcp -o sendfile	# it cannot put back what the program took away
	routes 'copy_file_range,sendfile' 'by copy .*disabled-by-user' file file -c
}

# A program that runs with other rights than its caller's is not told by the caller's environment.
setuid_programs() {
	local dir
	[ "$(id -u)" -eq 0 ] || { misses 'it needs root'; return; }
	command -v setpriv >/dev/null || { misses 'setpriv is not installed'; return; }
	dir=$(mktemp -d "${TMPDIR:-/tmp}/leat-setuid.XXXXXX")
	chmod 755 "$dir"
	install -o 12345 -m 4755 "$mover" "$dir/mover"
	install -o 54321 -m 644 small "$dir/small"
	install -o 12345 -m 600 /dev/null "$dir/out"
	(cd / && LEAT_ROUTES=copy setpriv --reuid 54321 --regid 54321 --clear-groups "$dir/mover" "file:$dir/small" "tcp:$dir/out") \
		>said 2>err || true
	rm -rf "$dir"
	[ -s said ] || { misses "setuid programs do not run from $dir: $(head -1 err)"; return; }
	cases=$((cases + 1))
	grep -q 'by sendfile' said || fail "LEAT_ROUTES was obeyed: $(cat said)"
}

for name in file_to_file file_to_a_socket by_splice leat_routes setuid_programs; do part "$name"; done
echo "$cases cases"
exit "$failed"
