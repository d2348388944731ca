#!/bin/bash
# SPDX-License-Identifier: MIT
# files.sh: one file to another: content, holes, what becomes of the file that was there, and when it is refused.
set -u
. "$(dirname "$0")/../cli/lib.sh"
export failed=0
head -c 5000000 /dev/urandom >a

a_new_file() {
	run 0 "$LEAT" cp a new
	cmp a new || fail 'not the same'
	[ ! -s out ] && [ ! -s err ] || fail "it said something: $(cat out err)"
	umask 027
	run 0 "$LEAT" cp a masked
	umask 022
	[ "$(stat -c %a masked)" = 640 ] || fail "mode $(stat -c %a masked)"
}

an_old_file_is_replaced_and_keeps_its_mode() {
	echo old >old
	chmod 604 old
	exec 3<old
	run 0 "$LEAT" cp a old
	cmp a old || fail 'not the same'
	[ "$(cat <&3)" = old ] || fail 'who had it open lost what he read'
	[ "$(stat -c %a old)" = 604 ] || fail "mode $(stat -c %a old)"
	exec 3<&-
}

a_symbolic_link_stays_and_its_target_is_replaced() {
	mkdir -p far
	echo old >far/target
	ln -s far/target link
	ln -s link again
	run 0 "$LEAT" cp a again
	[ -L again ] && [ -L link ] || fail 'a link is gone'
	cmp a far/target || fail 'not the same'
	ln -s far/none dangling
	run 0 "$LEAT" cp a dangling
	cmp a far/none || fail 'what a link names was not made'
}

holes_stay_holes() {
	truncate -s 64M sparse
	printf x | dd of=sparse bs=1 seek=33000000 conv=notrunc status=none
	run 0 "$LEAT" cp sparse kept
	cmp sparse kept || fail 'not the same'
	[ "$(stat -c %b kept)" -le $(($(stat -c %b sparse) + 8)) ] || fail "$(stat -c %b kept) blocks, not $(stat -c %b sparse)"
}

what_cannot_be_replaced_is_refused() {
	echo one >first
	ln first second
	run 6 "$LEAT" cp a first
	says err '^leat: first: it has other names \(hard links\), .* --in-place'
	[ "$(cat second)" = one ] || fail 'it was written to'
	run 0 "$LEAT" cp --in-place a first
	cmp a second || fail 'not the same'
	run 4 "$LEAT" cp a a
	says err 'it is the source itself'
	ln -s a self
	run 4 "$LEAT" cp a self
	run 4 "$LEAT" cp a .
	says err 'it is the source itself'
	mkdir -p locked
	echo old >locked/file
	chmod 666 locked/file
	chmod 555 locked
	cp "$LEAT" leat-here
	if [ "$(id -u)" = 0 ]; then
		chmod 755 .
		run 6 setpriv --reuid 65534 --regid 65534 --clear-groups ./leat-here cp a locked/file
		says err 'so it cannot be replaced'
		[ "$(cat locked/file)" = old ] || fail 'it was written to'
		run 0 setpriv --reuid 65534 --regid 65534 --clear-groups ./leat-here cp --in-place a locked/file
		cmp a locked/file || fail 'not the same'
		chmod 222 locked/file
		run 0 setpriv --reuid 65534 --regid 65534 --clear-groups ./leat-here cp --in-place --limit 5 a locked/file
		[ "$(stat -c %s locked/file)" = 5 ] || fail 'what can only be written was not'
	fi
	chmod 755 locked
}

what_is_mounted_on_is_refused() {
	[ "$(id -u)" = 0 ] || { misses 'mounting takes root'; return; }
	echo below >below
	echo above >above
	mount --bind above below 2>/dev/null || { misses 'nothing can be mounted here'; return; }
	run 6 "$LEAT" cp a below
	says err '^leat: below: something is mounted on it, .* --in-place'
	[ "$(cat above)" = above ] || fail 'it was written to'
	run 0 "$LEAT" cp --in-place a below
	cmp a above || fail 'not the same'
	umount below
}

access_lists_stay() {
	echo old >listed
	setfacl -m u:1234:rw,g::--- listed 2>/dev/null || { misses 'no access lists here'; return; }
	getfacl -c listed >list
	run 0 "$LEAT" cp a listed
	cmp a listed || fail 'not the same'
	diff list <(getfacl -c listed) || fail 'another access list'
}

# A new file of another group would be open to that by the old one's mode.
groups_stay() {
	[ "$(id -u)" = 0 ] || { misses 'giving files away takes root'; return; }
	mkdir -p shared
	chown 65534:1234 shared
	chmod 2775 shared
	echo secret >shared/file
	chown 65534:77 shared/file
	chmod 640 shared/file
	cp "$LEAT" leat-here
	chmod 755 .
	run 6 setpriv --reuid 65534 --regid 65534 --clear-groups ./leat-here cp a shared/file
	says err '^leat: shared/file: a new file cannot have its owner and group, .* --in-place'
	[ "$(head -c 6 shared/file)" = secret ] || fail 'it was written to'
	[ "$(stat -c %U:%g:%a shared/file)" = nobody:77:640 ] || fail "$(stat -c %U:%g:%a shared/file)"
	run 0 setpriv --reuid 65534 --regid 65534 --groups 77 ./leat-here cp a shared/file
	[ "$(stat -c %u:%g:%a shared/file)" = 65534:77:640 ] || fail "$(stat -c %u:%g:%a shared/file)"
	# The directory gives its group to what is new in it, not to what is replaced.
	chown 0:0 shared/file
	run 0 "$LEAT" cp a shared/file
	[ "$(stat -c %u:%g:%a shared/file)" = 0:0:640 ] || fail "$(stat -c %u:%g:%a shared/file)"
}

files_of_the_kernel() {
	[ "$(id -u)" = 0 ] || { misses 'setting a name takes root'; return; }
	unshare -u true 2>/dev/null || { misses 'there are no name spaces here'; return; }
	echo another-name >name
	# shellcheck disable=SC2016 # its own "$0"
	run 0 unshare -u sh -c '"$0" cp name /proc/sys/kernel/hostname && cat /proc/sys/kernel/hostname' "$LEAT"
	says out '^another-name$'
	run 2 "$LEAT" cp --preserve=mode name /proc/sys/kernel/hostname
	says err 'it is no file'
}

# What a link in /proc names is open already, and written to as it is.
links_of_proc() {
	local reader
	exec 3> >(cat >piped)
	reader=$!
	run 0 "$LEAT" cp a /proc/self/fd/3
	exec 3>&-
	wait $reader
	cmp a piped || fail 'through a pipe of the shell'
	"$LEAT" cp a /dev/stdout | cmp - a || fail 'to /dev/stdout'
	"$LEAT" cp a /dev/stdout >redirected || fail "ended with $?"
	cmp a redirected || fail 'to a file by /dev/stdout'
	"$LEAT" cp /dev/stdin read_in <a || fail "ended with $?"
	cmp a read_in || fail 'from /dev/stdin'
}

without_proc() {
	[ "$(id -u)" = 0 ] || { misses 'mounting takes root'; return; }
	under asan && { misses 'the leak checker needs /proc'; return; }
	unshare -m mount -t tmpfs none /proc 2>/dev/null || { misses 'nothing can be mounted here'; return; }
	echo old >no_proc
	# shellcheck disable=SC2016 # its own "$0"
	run 0 unshare -m sh -c 'mount -t tmpfs none /proc && "$0" cp a no_proc && "$0" cp a no_proc2' "$LEAT"
	cmp a no_proc && cmp a no_proc2 || fail 'not the same'
	[ ! -e .no_proc.leat-part ] || fail 'something was left'
}

in_place_is_cut_at_the_new_length() {
	head -c 9000000 /dev/zero >long
	run 0 "$LEAT" cp --in-place a long
	cmp a long || fail 'not the same'
}

generated_files_and_devices() {
	run 0 "$LEAT" cp /proc/cpuinfo info
	[ -s info ] || fail '/proc/cpuinfo came out empty'
	run 0 "$LEAT" cp a /dev/null
	run 0 "$LEAT" cp --limit 1m /dev/zero zeros
	cmp <(head -c 1048576 /dev/zero) zeros || fail 'not the same'
	: >empty
	run 0 "$LEAT" cp empty nothing
	[ -f nothing ] && [ ! -s nothing ] || fail 'an empty file did not come out so'
}

several_go_to_a_directory() {
	mkdir -p into
	echo b >b
	run 0 "$LEAT" cp a b into
	cmp a into/a && cmp b into/b || fail 'not the same'
	run 2 "$LEAT" cp a b nowhere
	says err 'several sources go to a directory'
	run 3 "$LEAT" cp a none b into
	says err '^leat: none: No such file'
}

one_name_for_two() {
	mkdir -p one two both
	echo 1 >one/f
	echo 2 >two/f
	echo 3 >two/g
	run 4 "$LEAT" cp one/f two/f two/g both
	says err '^leat: two/f: both/f was made from another source just now, and is not overwritten$'
	[ "$(cat both/f both/g | tr '\n' ' ')" = '1 3 ' ] || fail "$(cat both/f both/g)"
	run 0 "$LEAT" cp -r one two both
	run 3 "$LEAT" cp one/none two/f one/none both
	[ "$(cat both/f)" = 2 ] || fail 'what failed has taken the name'
}

names_of_any_kind() {
	local long name
	long=$(printf 'x%.0s' $(seq 255))
	for name in -r -- '--json' $'new\nline' $'\xff\xfe' "$long" '*'; do
		run 0 "$LEAT" cp -- a "./$name"
		cmp a "./$name" || fail "not the same: $name"
		rm -f "./$name"
	done
	echo dash >./-x
	run 0 "$LEAT" cp -- -x dash
	[ "$(cat dash)" = dash ] || fail 'a name with a dash'
}

# Many files of /proc refuse what is written at a place.
written_where_it_stands() {
	local whose
	sleep 20 &
	whose=/proc/$!/timerslack_ns
	if ! echo 60000 2>/dev/null >$whose; then
		kill $!
		misses "$whose is not to be written to"
		return
	fi
	echo 70000 >slack
	run 0 "$LEAT" cp slack $whose
	[ "$(cat $whose)" = 70000 ] || fail "of a file: $(cat $whose)"
	echo 80000 | "$LEAT" cp - $whose || fail "ended with $?"
	[ "$(cat $whose)" = 80000 ] || fail "of a pipe: $(cat $whose)"
	echo 90000 | "$LEAT" cp - - 1<>$whose || fail "ended with $?"
	[ "$(cat $whose)" = 90000 ] || fail "of what is open: $(cat $whose)"
	kill $!
}

parts written_where_it_stands a_new_file an_old_file_is_replaced_and_keeps_its_mode a_symbolic_link_stays_and_its_target_is_replaced holes_stay_holes \
	what_cannot_be_replaced_is_refused what_is_mounted_on_is_refused access_lists_stay groups_stay files_of_the_kernel links_of_proc without_proc \
	in_place_is_cut_at_the_new_length generated_files_and_devices several_go_to_a_directory \
	one_name_for_two names_of_any_kind
