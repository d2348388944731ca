#!/bin/bash
# SPDX-License-Identifier: MIT
# options.sh: what each option does, and what is said of a value that makes no sense.
set -u
. "$(dirname "$0")/../cli/lib.sh"
export failed=0
head -c 3000000 /dev/urandom >a

ranges() {
	run 0 "$LEAT" cp --offset 1000 --limit 2k a part
	cmp part <(tail -c +1001 a | head -c 2048) || fail 'another part'
	run 0 "$LEAT" cp --offset 1g a nothing
	[ -f nothing ] && [ ! -s nothing ] || fail 'behind the end is nothing'
}

hashes() {
	run 0 "$LEAT" cp --hash=sha256 a b
	[ "$(cut -d' ' -f1 out)" = "$(sha256sum a | cut -d' ' -f1)" ] || fail "$(cat out)"
	run 0 "$LEAT" cp --hash=xxh3 --explain a b
	says out 'by copy in .*; no .*needs-content:xxh3|by clone in'
	run 0 "$LEAT" cp --hash=xxh3 a b
	grep -q '^leat: --hash costs a copy through user space here; without it: copy_file_range$' err ||
		{ "$LEAT" cp --explain a b | grep -q 'by clone in'; } || fail "what it costs is not said: $(cat err)"
	# A part that is there already belongs to it.
	rm -f b
	head -c 1000001 a >.b.leat-part
	run 0 "$LEAT" cp --resume --hash=sha256 a b
	says out "^$(sha256sum a | cut -d' ' -f1)  a$"
}

tees() {
	echo old >second
	run 0 "$LEAT" cp --tee second a first
	cmp a first && cmp a second || fail 'not the same'
	"$LEAT" cp --hash=sha256 --tee second2 - first2 <a >out || fail "ended with $?"
	cmp a second2 || fail 'not the same'
}

# The end that failed is named, and has the status of a destination.
a_tee_that_fails() {
	[ "$(id -u)" = 0 ] || { misses 'mounting takes root'; return; }
	mkdir -p small
	mount -t tmpfs -o size=1m none small || { misses 'no tmpfs may be mounted'; return; }
	run 4 "$LEAT" cp --json --tee small/second a first3
	says err '^leat: small/second: writing failed after [0-9]+ bytes, by copy: No space left on device$'
	[ ! -e first3 ] && [ -z "$(ls -A small)" ] || fail 'something was left'
	umount small
	echo old >twice
	ln twice twice2
	run 6 "$LEAT" cp --tee twice a first3
	run 0 "$LEAT" cp --in-place --tee twice a first3
	cmp a twice2 || fail 'the advice leads nowhere'
}

verified() {
	run 0 "$LEAT" cp --verify --json a v
	says out '"verified": true'
	# What cannot be read again is hashed while it passes.
	cat a | "$LEAT" cp --verify --json - v >out || fail "ended with $?"
	says out '"verified": true'
	(dd of=/dev/null bs=1000 count=1 status=none; "$LEAT" cp --verify - v) <a || fail "ended with $?"
	cmp v <(tail -c +1001 a) || fail 'not the same'
	run 0 "$LEAT" cp --verify /proc/cpuinfo v
	run 2 "$LEAT" cp --verify a /dev/null
}

# A kernel that says it copied, and did not.
verified_in_vain() {
	local at status
	{ command -v strace && strace -o probe true; } >/dev/null 2>&1 || { misses 'strace cannot trace here'; return; }
	under asan && { misses 'strace and the leak checker are both tracers'; return; }
	echo old >v2
	run 8 env LEAT_ROUTES=copy_file_range strace -o trace -e inject=copy_file_range:retval=3000000 "$LEAT" cp a v2
	grep -q INJECTED trace || fail 'the fault did not fire'
	says err 'not all of the 3000000 bytes'
	[ "$(head -c 3 v2)" = old ] || fail 'the old file is not what it was'
	# In place a file of the same length is there.
	cp a v3
	dd if=/dev/zero of=v3 bs=1000 count=1 conv=notrunc status=none
	run 8 env LEAT_ROUTES=copy_file_range strace -o trace \
		-e inject=copy_file_range:retval=3000000 "$LEAT" cp --json --in-place --verify a v3
	says err '^leat: v3: read back, it is not what was sent: it differs after 0 bytes, by copy_file_range$'
	says out '"error": "what is there is not what was sent"'
	# The first that differs, of several; beyond what is compared at once.
	cp a v3
	for at in 2345678 2345679 2900000; do
		# shellcheck disable=SC2059 # the byte is what it says
		printf "\\$(printf %o $(($(od -An -tu1 -j $at -N 1 a) ^ 1)))" | dd of=v3 bs=1 seek=$at conv=notrunc status=none
	done
	run 8 env LEAT_ROUTES=copy_file_range strace -o trace \
		-e inject=copy_file_range:retval=3000000 "$LEAT" cp --in-place --verify a v3
	says err '^leat: v3: read back, it is not what was sent: it differs after 2345678 bytes, by copy_file_range$'
	# What cannot be read twice cannot be compared, either.
	head -c 5000 /dev/zero >v4
	status=0
	head -c 5000 a | strace -o trace -P "$PWD/v4" -e inject=write,pwrite64,splice:retval=5000 \
		"$LEAT" cp --in-place --verify - v4 2>err || status=$?
	[ $status -eq 8 ] || fail "ended with $status: $(cat err)"
	says err '^leat: v4: read back, it is not what was sent: 5000 bytes, by (splice|copy)$'
}

required() {
	run 0 "$LEAT" cp --require=kernel a k
	run 6 "$LEAT" cp --require=kernel --hash=xxh3 a k2
	says err 'no kernel route'
	[ ! -e k2 ] || fail 'a destination was made'
	# What is missing is named, and why, and what forbids the rest.
	run 6 "$LEAT" cp --json --require=kernel --tee k3 a k2
	says err '^leat: k2: copying failed after 0 bytes: no kernel route here, and --require=kernel forbids a copy$'
	says out '"error": "no kernel route here, and --require=kernel forbids a copy"'
	run 6 "$LEAT" cp --require=offload --tee k3 a k2
	says err ': no reflink \(needs-content\) or copy_file_range \(needs-content\) here, and --require=offload forbids the rest$'
	for option in --progress=never --hash=xxh3; do
		run 6 env LEAT_ROUTES=copy_file_range "$LEAT" cp --json --require=reflink $option a k2
		says err '^leat: k2: copying failed after 0 bytes: no reflink here \([a-z-]+\), and --require=reflink forbids the rest$'
		says out '"error": "no reflink here \([a-z-]+\), and --require=reflink forbids the rest"'
		! grep -q needs-content err || fail "another reason: $(cat err)"
	done
	[ ! -e k2 ] && [ ! -e k3 ] || fail 'a destination was made'
}

attributes() {
	chmod 751 a
	touch -d '2001-02-03 04:05:06.789' a
	run 0 "$LEAT" cp --preserve=mode,times a kept
	[ "$(stat -c '%a %y' kept)" = "$(stat -c '%a %y' a)" ] || fail "$(stat -c '%a %y' kept)"
	# What is longer is cut before it gets its times.
	head -c 4000000 /dev/zero >longer
	run 0 "$LEAT" cp --in-place --preserve=mode,times a longer
	[ "$(stat -c '%a %s %y' longer)" = "$(stat -c '%a %s %y' a)" ] || fail "$(stat -c '%a %s %y' longer)"
	if setfattr -n user.colour -v blue a 2>/dev/null; then
		run 0 "$LEAT" cp --preserve=xattr a kept2
		[ "$(getfattr --only-values -n user.colour kept2)" = blue ] || fail 'no attribute'
	fi
	if [ "$(id -u)" = 0 ]; then
		chown 12:34 a
		run 0 "$LEAT" cp --preserve=owner a kept3
		[ "$(stat -c %u:%g kept3)" = 12:34 ] || fail "$(stat -c %u:%g kept3)"
		chown 0:0 a
	fi
	# What is no file keeps what it has.
	local was
	was=$(stat -c '%a %u %y' /dev/null)
	run 2 "$LEAT" cp --preserve=all a /dev/null
	[ "$(stat -c '%a %u %y' /dev/null)" = "$was" ] || fail '/dev/null was changed'
	cat a | "$LEAT" cp --preserve=mode - kept4 2>err
	[ $? -eq 2 ] && [ ! -e kept4 ] || fail 'attributes of a pipe were kept'
	chmod 644 a
}

# The mode says who may read it only with its access list: neither may one come by where it is put.
access_lists() {
	mkdir -p listed d
	setfacl -m u:1234:rw d 2>/dev/null || { misses 'no access lists here'; return; }
	setfacl -b d
	setfacl -d -m u:1234:rwx listed
	cp a plain
	chmod 640 plain
	run 0 "$LEAT" cp --preserve=mode plain listed/plain
	[ "$(getfacl -cE listed/plain)" = "$(getfacl -cE plain)" ] || fail "others may read it: $(getfacl -cE listed/plain)"
	setfacl -m u:77:r plain
	run 0 "$LEAT" cp --preserve=mode plain kept5
	[ "$(getfacl -cE kept5)" = "$(getfacl -cE plain)" ] || fail "not its list: $(getfacl -cE kept5)"
	run 0 "$LEAT" cp -r --preserve=mode d listed
	[ "$(getfacl -cE listed/d)" = "$(getfacl -cE d)" ] || fail "others may list it: $(getfacl -cE listed/d)"
}

progress() {
	run 0 "$LEAT" cp --progress=always --rate 4m a p
	says err '^p: .* of 2\.9 MiB  [0-9]+ %  .*/s .*(copy_file_range|clone|copy)$'
	run 0 "$LEAT" cp --progress=always --explain a p2
	says out 'by (copy_file_range|clone) in'
	(head -c 1000000 /dev/zero; sleep 3; echo) | "$LEAT" cp --progress=always - p3 2>err || fail "ended with $?"
	says err '^p3: 977 KiB  stalled for 0:0[1-9]  (splice|copy)$'
	# A hole goes by no route: what the data takes is shown.
	truncate -s 8m hole
	cat a >>hole
	run 0 "$LEAT" cp --progress=always --rate 20m hole p4
	says err '^p4: .* of 10\.9 MiB '
	if grep '^p4: ' err | grep -vE '  (copy_file_range|clone|copy)$'; then fail 'a hole has a route of its own'; fi
}

# The rate is of all files together. Time is the bucket's own: what passes less than it must is the test's only clock.
limits_in_time() {
	local began=$SECONDS i
	run 0 "$LEAT" cp --rate 1m a slow
	[ $((SECONDS - began)) -ge 2 ] || fail "it took $((SECONDS - began)) s"
	mkdir many
	for i in $(seq 30); do head -c 100000 a >many/"$i"; done
	began=$SECONDS
	run 0 "$LEAT" cp -r -j4 --rate 1m many many2
	[ $((SECONDS - began)) -ge 2 ] || fail "many files took $((SECONDS - began)) s"
	mkfifo silent
	sleep 5 >silent &
	run 7 "$LEAT" cp --timeout 1 silent got
	kill $! 2>/dev/null
	wait
}

synced() {
	run 0 "$LEAT" cp --sync --no-cache --stable a y
	cmp a y || fail 'not the same'
	run 0 "$LEAT" cp --sync a /dev/null
	"$LEAT" cp --sync a - | cmp - a || fail 'not the same'
	mkdir synced
	cp a synced/f
	run 0 "$LEAT" cp -r --sync synced synced2
	cmp a synced2/f || fail 'not the same'
}

# While it goes on already, 32 MiB at a time of either file; and at the end nothing is left.
no_cache() {
	local file
	{ command -v strace && strace -o probe true && fincore --version; } >/dev/null 2>&1 || { misses 'strace, or no fincore'; return; }
	under asan && { misses 'strace and the leak checker are both tracers'; return; }
	[ "$(stat -f -c %T .)" != tmpfs ] || { misses 'what is on a tmpfs stays in memory'; return; }
	head -c 200000000 /dev/zero >large
	sync large
	run 0 strace -o trace -e trace=fadvise64 "$LEAT" cp --no-cache large uncached
	[ "$(grep -c ', 33554432, POSIX_FADV_DONTNEED' trace)" -eq 8 ] || fail "$(cat trace)"
	for file in large uncached; do
		[ "$(fincore -bnro RES $file)" -lt 1000000 ] || fail "$file is in memory: $(fincore -bnro RES $file) bytes"
	done
	cmp large uncached || fail 'not the same'
}

# What the disk did not take is told once, to whom asks first; nothing may come of it that has the name.
never_on_the_disk() {
	local fault option
	{ command -v strace && strace -o probe true; } >/dev/null 2>&1 || { misses 'strace cannot trace here'; return; }
	under asan && { misses 'strace and the leak checker are both tracers'; return; }
	head -c 80000000 /dev/zero >windows
	for option in --sync --progress=never; do
		for fault in sync_file_range:error=EIO:when=1 sync_file_range:error=ENOSPC:when=2 sync_file_range:error=EDQUOT:when=3 \
			fdatasync:error=EIO:when=1; do
			mkdir -p lost
			echo old >lost/file
			run 4 strace -o trace -e trace="${fault%%:*}" -e inject="$fault" "$LEAT" cp --no-cache $option windows lost/file
			grep -q INJECTED trace || fail "$fault: the fault did not fire"
			says err '^leat: lost/file: not all of it reached the disk: .*; '
			[ "$(cat lost/file)" = old ] && [ "$(ls -A lost)" = file ] || fail "$fault $option: $(ls -lA lost)"
		done
	done
	for fault in ESPIPE EINVAL ENOSYS; do
		run 0 strace -o trace -e trace=sync_file_range -e inject="sync_file_range:error=$fault" "$LEAT" cp --no-cache windows lost/file
		grep -q INJECTED trace || fail "$fault: the fault did not fire"
		cmp windows lost/file || fail 'not the same'
	done
	"$LEAT" cp --no-cache windows - | cmp - windows || fail 'to a pipe'
	run 0 "$LEAT" cp --no-cache windows /dev/null
}

resumed_when_complete() {
	local inode
	cp a whole
	inode=$(stat -c '%i %y' whole)
	run 0 "$LEAT" cp --resume --json a whole
	says out '"resumed_bytes": 3000000'
	[ "$(stat -c '%i %y' whole)" = "$inode" ] || fail 'what was complete was written anew'
	[ ! -e .whole.leat-part ] || fail 'a part was left'
	# As long, but another one.
	head -c 3000000 /dev/zero >whole
	run 0 "$LEAT" cp --resume a whole
	cmp a whole || fail 'not the same'
}

# What is complete is not written to, though the source grows just then: a signal would leave neither.
resumed_when_it_grows() {
	local pid
	{ command -v strace && strace -o probe true; } >/dev/null 2>&1 || { misses 'strace cannot trace here'; return; }
	under asan && { misses 'strace and the leak checker are both tracers'; return; }
	cp a grows
	cp a complete
	strace -qq -o trace -e trace=unlinkat -e inject=unlinkat:delay_enter=2000000 "$LEAT" cp --resume grows complete &
	pid=$!
	for _ in $(seq 200); do [ -e .complete.leat-part ] && break; sleep 0.02; done
	sleep 0.5
	echo more >>grows
	wait $pid || fail "ended with $?"
	cmp a complete || fail 'it was written to'
	# Nothing says of what is made up how long it is.
	: >made_up
	run 0 "$LEAT" cp --resume /proc/cpuinfo made_up
	[ -s made_up ] || fail 'an empty file was taken for the whole'
}

json() {
	command -v python3 >/dev/null || { misses 'python3 is not installed'; return; }
	run 4 "$LEAT" cp --json a $'odd\n"name' .
	python3 - <<'END_OF_CHECKS' || fail 'the JSON is not as documented'
import json
got = json.load(open('out'))
assert got['format'] == 'leat-cp' and got['version'] == 1, got
assert [f['status'] for f in got['files']] == [4, 3], got
assert got['files'][1]['from'] == 'odd\n"name', got
assert got['files'][1]['error'] == 'No such file or directory', got
assert got['status'] == 4 and got['counts']['failed'] == 2 and got['counts']['files'] == 0, got
assert not any('from_bytes' in f or 'to_bytes' in f for f in got['files']), got
END_OF_CHECKS
	# Any byte that a name has can be told from what is said.
	mkdir -p bytes
	echo x >bytes/$'\xff\xe9\n'
	echo x >bytes/$'\u65e5\u202e"'
	run 0 "$LEAT" cp -r --json bytes bytes2
	python3 - <<'END_OF_CHECKS' || fail 'the JSON is not as documented'
import json, os
for f in json.load(open('out'))['files']:
    for end, top in ('from', b'bytes'), ('to', b'bytes2'):
        name = bytes.fromhex(f[end + '_bytes']) if end + '_bytes' in f else f[end].encode()
        assert name in [top + b'/' + n for n in os.listdir(top)], (name, f)
    assert ('from_bytes' in f) == ('\ufffd' in f['from']), f
END_OF_CHECKS
}

# refused NAME WORD...: a usage error of one line that names it, before anything is made.
refused() {
	local name=$1
	shift
	run 2 "$LEAT" cp "$@" a b2
	grep -q "^leat: .*$name" err && [ "$(wc -l <err)" = 1 ] && [ ! -s out ] || fail "$*: $(cat err out)"
	[ ! -e b2 ] || { fail "$*: a destination was made"; rm b2; }
}

# As --help lists them: none is forgotten.
every_option_has_bad_values() {
	local name argument value count=0
	"$LEAT" cp --help >help
	while read -r name argument; do
		count=$((count + 1))
		[ -n "$argument" ] || { refused "--$name" "--$name=x"; refused "--$name" "--$name="; continue; }
		refused "--$name" "--$name="
		refused "--$name" "--$name" ''
		run 2 "$LEAT" cp a b2 "--$name"
		grep -q "^leat: --$name needs" err || fail "$name without a value: $(cat err)"
		case $argument in
		BYTES | SECONDS | N) set -- x -1 1e3 1x ' 1' 99999999999999999999 ;;
		WHAT) set -- soul mode, ,mode mode,,times 'mode times' all,x MODE ;;
		FILE) set -- ;;
		*) set -- magic alway always,auto 'always|auto' xxh3x 'xxh3|sha256' Kernel 'reflink|offload' ;;
		esac
		for value; do refused "--$name" "--$name=$value"; done
	done < <(sed -nE 's/^  (-[a-z], )?--([a-z-]+)( ([A-Z]+))?( .*|$)/\2 \4/p' help | grep -v '^help ')
	[ $count -ge 19 ] || fail "only $count options: $(cat help)"
	# Their bounds.
	for value in rate=0 timeout=0 timeout=86401 jobs=0 jobs=65 limit=16777216t offset=99999999999g; do
		refused "--${value%=*}" "--$value"
	done
	for value in -j0 -j65 -jx; do refused --jobs $value; done
	refused 'option .-r4. means' -r4
	refused 'option .--none. means' --none
	refused 'option .-x. means' -x
}

bad_addresses() {
	local word
	for word in tcp:// tcp://host tcp://:80 tcp://h:0 tcp://h:70000 tcp://[::1 tcp://::1:80 tcp://h:x unix: fd: fd:x fd:-1 '' \
		"unix:$(printf 'x%.0s' $(seq 200))"; do
		run 2 "$LEAT" cp a "$word"
		[ "$(wc -l <err)" = 1 ] || fail "$word: $(cat err)"
		run 2 "$LEAT" cp "$word" b2
	done
	run 4 "$LEAT" cp a fd:99
	run 2 "$LEAT" cp a
	run 2 "$LEAT" cp
}

parts ranges hashes tees a_tee_that_fails verified verified_in_vain required attributes access_lists progress limits_in_time synced no_cache never_on_the_disk \
	resumed_when_complete resumed_when_it_grows json every_option_has_bad_values bad_addresses
