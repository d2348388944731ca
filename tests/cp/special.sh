#!/bin/bash
# SPDX-License-Identifier: MIT
# special.sh: what FIFOs, devices and symbolic links of a tree keep: access lists, attributes, owners; and when they have which rights.
set -u
. "$(dirname "$0")/../cli/lib.sh"
export failed=0

# all_of DIRECTORY: what can be told of each name in it, but for what is asked of the directory itself.
all_of() { (cd "$1" && find . -mindepth 1 -printf '%p %M %y %U %G %T@ %l\n' | sort && getfattr -Rhd -m - .); }
lists_of() { (cd "$1" && find . -mindepth 1 ! -type l -print0 | sort -z | xargs -0 getfacl -c); }

mkdir s into
mkfifo s/fifo s/plain
chmod 640 s/plain
ln -s nowhere s/link
lists=1
setfacl -m u:1234:rw,g::-,m::rw s/fifo 2>/dev/null && setfacl -d -m u:1234:rwx into || lists=
if [ "$(id -u)" = 0 ]; then
	mknod s/device c 1 3
	[ ! "$lists" ] || setfacl -m u:1234:rw,g::-,m::rw s/device
	chown -h 12:34 s/device s/link s/plain
fi

# The bits of the group are what a list lets others have, and no right of the group. What is new has no list by the directory's default.
access_lists() {
	local time
	[ "$lists" ] || { misses 'no access lists here'; return; }
	for time in first second; do	# under a free name, and over what is there
		run 0 "$LEAT" cp -r --preserve=mode s into
		diff <(lists_of s) <(lists_of into/s) >differ || fail "the $time time: $(cat differ)"
	done
	rm -rf into/s
	run 0 "$LEAT" cp -r --preserve=xattr s s2
	diff <(lists_of s) <(lists_of s2) >differ || fail "as an attribute: $(cat differ)"
	rm -r s2
}

attributes() {
	[ "$(id -u)" = 0 ] || { misses 'attributes of what is no file take root'; return; }
	setfattr -n trusted.b -v fifo s/fifo && setfattr -h -n trusted.a -v link s/link && setfattr -n trusted.c -v device s/device ||
		{ misses 'such attributes cannot be had here'; return; }
	local time
	for time in first second; do
		run 0 "$LEAT" cp -r --preserve=all s into
		diff <(all_of s) <(all_of into/s) >differ || fail "the $time time: $(cat differ)"
	done
	[ "$(find into/s -mindepth 1 | wc -l)" = 4 ] || fail "left: $(ls -lA into/s)"
	rm -rf into/s
}

# Of a new one, where the mode is not kept, and the name is another's.
without_the_mode() {
	local preserve
	for preserve in times owner xattr; do
		[ $preserve != owner ] || [ "$(id -u)" = 0 ] || continue
		(umask 027; "$LEAT" cp -r --preserve=$preserve s s2) || fail "ended with $?"
		[ "$(stat -c %a s2/plain)" = 640 ] || fail "$preserve: $(stat -c %a s2/plain)"
		rm -r s2
		(umask 077; "$LEAT" cp -r --preserve=$preserve s s2) || fail "ended with $?"
		[ "$(stat -c %a s2/plain)" = 600 ] || fail "$preserve: $(stat -c %a s2/plain)"
		rm -r s2
	done
}

# Nobody gets in before it has its owner and its list; what cannot be kept fails, and leaves what is there.
on_the_way() {
	local fault name
	[ "$lists" ] || { misses 'no access lists here'; return; }
	{ command -v strace && strace -o probe true; } >/dev/null 2>&1 || { misses 'strace cannot trace here'; return; }
	under asan && { misses 'strace and the leak checker are both tracers'; return; }
	run 0 strace -f -o trace -e trace=mknod,mknodat "$LEAT" cp -r --preserve=mode s s3
	grep -q 'S_IFIFO|0600' trace || fail "$(cat trace)"
	! grep -qE 'S_IF[A-Z]+\|0[0-7]([1-7][0-7]|0[1-7])' trace || fail "others may open it meanwhile: $(cat trace)"
	for fault in setxattr:error=EOPNOTSUPP:when=1 chmod:error=EIO:when=1; do
		rm -rf s2
		mkdir s2
		run 4 strace -f -o trace -e inject="$fault" "$LEAT" cp -r --json --preserve=mode s/. s2
		grep -q INJECTED trace || fail "$fault: the fault did not fire"
		says err '^leat: s2/\./[a-z]+: cannot keep its (access list|mode): '
		says out '"failed": 1'
		[ "$(find s2 -mindepth 1 | wc -l)" = $(($(find s -mindepth 1 | wc -l) - 1)) ] || fail "$fault: left: $(ls -lA s2)"
		rm -r s2
		mkdir s2
		for name in fifo plain device; do echo old >s2/$name; done
		run 4 strace -f -o trace -e inject="$fault" "$LEAT" cp -r --preserve=mode s/. s2
		name=$(sed -n 's,^leat: s2/\./\([a-z]*\): .*,\1,p' err)
		[ -f "s2/$name" ] && [ "$(cat "s2/$name")" = old ] || fail "$fault: not the old one: $(ls -lA s2)"
		[ -z "$(find s2 -name '.*')" ] || fail "$fault: left: $(ls -lA s2)"
	done
	rm -rf s2
}

parts access_lists attributes without_the_mode on_the_way
