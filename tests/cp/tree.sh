#!/bin/bash
# SPDX-License-Identifier: MIT
# tree.sh: directories with links, special files, any names, deep and wide.
set -u
. "$(dirname "$0")/../cli/lib.sh"
export failed=0

listed() { (cd "$1" && find . -printf '%p %m %y %n %s %T@ %U %G %l\n' | sort); }

all_that_can_be_in_it() {
	mkdir -p t/x/y/z
	for i in $(seq 300); do echo "$i" >"t/x/f$i"; done
	ln t/x/f1 t/hard
	ln t/x/f1 t/x/y/hard
	ln -s x/f2 t/sym
	ln -s nowhere t/x/dangling
	mkfifo t/x/fifo
	printf 'a' >t/$'na\nme\xff'
	truncate -s 10M t/x/sparse
	chmod 555 t/x/y
	chmod 4755 t/x/f3
	chmod 622 t/x/fifo
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("t/x/socket")' 2>/dev/null || :
	[ "$(id -u)" != 0 ] || mknod t/null c 1 3
	for jobs in 1 4; do
		rm -rf t2
		run 0 "$LEAT" cp -r -j $jobs --preserve=all t t2
		diff <(listed t) <(listed t2) >differ || fail "-j $jobs: $(head -5 differ)"
		(cd t && find . -type f -print0) | while IFS= read -r -d '' name; do cmp "t/$name" "t2/$name"; done >differ 2>&1
		[ ! -s differ ] || fail "$(head -3 differ)"
	done
	chmod 755 t/x/y
}

onto_one_that_is_there() {
	mkdir -p o/x p/x
	echo new >o/x/f
	echo old >p/x/f
	echo kept >p/x/g
	run 0 "$LEAT" cp -r o p
	[ "$(cat p/o/x/f)" = new ] || fail 'it goes into a directory that is there'
	run 0 "$LEAT" cp -r o/x p
	[ "$(cat p/x/f) $(cat p/x/g)" = 'new kept' ] || fail "$(cat p/x/f) $(cat p/x/g)"
}

not_into_itself() {
	mkdir -p s/a
	echo x >s/a/f
	run 3 "$LEAT" cp -r s s/a/b
	says err 'it is the destination itself'
	[ "$(cat s/a/b/a/f)" = x ] || fail 'what is not itself was not copied'
	[ ! -e s/a/b/a/b ] || fail 'it went on'
}

no_symbolic_link_is_followed() {
	mkdir -p l/d outside m/l
	echo x >l/d/f
	ln -s "$PWD/outside" m/l/d
	run 4 "$LEAT" cp -r l m
	[ -z "$(ls -A outside)" ] || fail 'written through a link'
	rm m/l/d
	mkdir m/l/d
	echo old >outside/f
	ln -s "$PWD/outside/f" m/l/d/f
	run 0 "$LEAT" cp -r l m
	[ "$(cat outside/f)" = old ] || fail 'written through a link'
	[ -f m/l/d/f ] && [ ! -L m/l/d/f ] && [ "$(cat m/l/d/f)" = x ] || fail 'the link was not replaced'
}

# What stands under the name is replaced: what was there is there until then, and nothing else is left.
what_is_there_is_replaced() {
	mkdir -p a1/d a2/a1/d
	for i in link hard first special file; do echo old >a2/a1/d/$i; done
	rm a2/a1/d/file
	mkfifo a2/a1/d/file
	ln -s target a1/d/link
	echo x >a1/d/first
	ln a1/d/first a1/d/hard
	mkfifo a1/d/special
	echo y >a1/d/file
	chmod 640 a1/d/file
	for i in 1 2; do
		rm -f a2/a1/d/hard a2/a1/d/first	# with two names they would be refused
		timeout 20 "$LEAT" cp -r a1 a2 2>err || fail "ended with $?: $(cat err)"
		diff <(listed a1 | cut -d' ' -f1,3,4) <(listed a2/a1 | cut -d' ' -f1,3,4) >differ || fail "$(head -5 differ)"
		[ "$(stat -c %a a2/a1/d/file)" = 640 ] || fail "the mode $(stat -c %a a2/a1/d/file)"
		[ a2/a1/d/hard -ef a2/a1/d/first ] || fail 'not one file'
	done
}

# The source has what a killed --resume left in it: that is copied as any file is, and never taken for something that we left.
names_like_our_own() {
	local resume name time
	mkdir -p o1
	for name in file link fifo; do echo "mine $name" >o1/.$name.leat-part; done	# first: copied in the order of inodes
	echo one >o1/file
	ln -s target o1/link
	mkfifo o1/fifo
	for resume in --sync --resume; do
		mkdir -p o2
		for time in first second third; do
			run 0 timeout 20 "$LEAT" cp -r $resume o1 o2
			diff <(listed o1 | cut -d' ' -f1,3) <(listed o2/o1 | cut -d' ' -f1,3) >differ ||
				fail "the $time time, with $resume: $(cat differ)"
			for name in .file.leat-part .link.leat-part .fifo.leat-part file; do
				cmp o1/$name o2/o1/$name || fail "the $time time, with $resume: $name"
			done
		done
		rm -rf o2
	done
	# A name that is none of theirs, and what an earlier run left under it.
	mkdir -p o2/o1
	echo left >o2/o1/.file.leat-part2
	run 0 "$LEAT" cp -r o1 o2
	[ ! -e o2/o1/.file.leat-part2 ] || fail 'what was left is still there'
	for name in 2 3 4 5 6 7 8 9; do echo "$name" >o1/.file.leat-part$name; done
	run 4 "$LEAT" cp -r o1 o2
	says err '^leat: o2/o1/file: the source has all its temporary names, \.file\.leat-part to \.file\.leat-part9; rename one of them$'
	[ "$(cat o2/o1/file) $(cat o2/o1/.file.leat-part)" = 'one mine file' ] || fail 'it is not as it was'
}

# What stands under the temporary name of a link, FIFO or second name: ours, and left over; somebody's at work; no file of ours.
left_in_the_way_of_what_is_no_file() {
	mkdir -p b1 b2/b1
	ln -s new b1/link
	mkfifo b1/fifo
	ln -s old b2/b1/link
	ln -s half b2/b1/.link.leat-part
	echo old >b2/b1/fifo
	echo half >b2/b1/.fifo.leat-part
	run 0 "$LEAT" cp -r b1 b2
	[ "$(readlink b2/b1/link)" = new ] && [ -p b2/b1/fifo ] && [ "$(find b2/b1 -mindepth 1 | wc -l)" = 2 ] || fail "$(ls -lA b2/b1)"
	# Locked, as one that is being written is.
	echo half >b2/b1/.link.leat-part
	flock b2/b1/.link.leat-part sh -c 'touch held; sleep 2' &
	for _ in $(seq 200); do [ -e held ] && break; sleep 0.02; done
	ln -sf old b2/b1/link
	run 4 "$LEAT" cp -r b1 b2
	says err '^leat: b2/b1/link: somebody is copying to it'
	[ "$(readlink b2/b1/link) $(cat b2/b1/.link.leat-part)" = 'old half' ] || fail 'what somebody is writing was removed'
	wait $!
	rm b2/b1/.link.leat-part
	mkdir b2/b1/.link.leat-part
	run 4 "$LEAT" cp -r b1 b2
	says err '^leat: b2/b1/link: what has its temporary name, \.link\.leat-part, was not left by leat; rename or remove it$'
	[ -d b2/b1/.link.leat-part ] && [ "$(readlink b2/b1/link)" = old ] || fail "$(ls -lA b2/b1)"
}

# While a directory of the destination is exchanged for a link that leads out, and back.
exchanged_meanwhile() {
	local i exchanger
	mkdir -p e/d/d m2/e/d/d out2/d
	for i in $(seq 1000); do echo x >"e/d/d/f$i"; ln "e/d/d/f$i" "e/d/h$i"; done
	(
		while [ -e m2 ]; do
			mv -T m2/e/d m2/away && ln -s "$PWD/out2" m2/e/d
			rm -f m2/e/d && mv -T m2/away m2/e/d
		done
	) 2>/dev/null &
	exchanger=$!
	for i in 1 2 3; do
		"$LEAT" cp -r e m2 >out 2>err
		[ -z "$(find out2 ! -type d)" ] || fail "written through a link: $(find out2 ! -type d | head -3)"
	done
	mv m2 m3
	wait $exchanger
	[ -z "$(find out2 ! -type d)" ] || fail 'written through a link'
}

# While a file of the source, or a directory, that was looked at is opened another thing gets its name: nothing of that is read.
exchanged_in_the_source() {
	{ command -v strace && strace -o probe true; } >/dev/null 2>&1 || { misses 'strace cannot trace here'; return; }
	under asan && { misses 'strace and the leak checker are both tracers'; return; }
	local what why pid
	mkdir secret
	echo secret >secret/file
	for what in link fifo directory; do
		rm -rf e4 e5 looked
		mkdir e4
		why='Too many levels of symbolic links'
		case $what in
		link) echo x >e4/name ;;
		fifo) echo x >e4/name; why='it was a file, and is none any more' ;;
		directory) mkdir e4/name; why='Not a directory' ;;
		esac
		timeout 20 strace -f -o looked -P name -e inject=openat:delay_enter=2000000:when=1 "$LEAT" cp -r e4 e5 2>err &
		pid=$!
		for _ in $(seq 200); do [ ! -s looked ] || break; sleep 0.02; done
		sleep 0.5
		mv e4/name e4-before
		case $what in
		link) ln -s "$PWD/secret/file" e4/name ;;
		fifo) mkfifo e4/name ;;
		directory) ln -s "$PWD/secret" e4/name ;;
		esac
		wait $pid
		[ $? -eq 3 ] || fail "$what: another exit status: $(cat err)"
		grep -q DELAYED looked || fail "$what: nothing was held up: $(cat looked)"
		says err "^leat: e4/name: $why$"
		[ -z "$(ls -A e5)" ] || fail "$what: copied: $(ls -lRA e5)"
		rm -rf e4-before
	done
}

# So where it is written into, of what was not there, and of a file: nothing is written to a FIFO, nor waited for.
exchanged_in_the_destination() {
	{ command -v strace && strace -o probe true; } >/dev/null 2>&1 || { misses 'strace cannot trace here'; return; }
	under asan && { misses 'strace and the leak checker are both tracers'; return; }
	local was read why pid
	mkdir -p e6
	echo x >e6/name
	for was in none file; do
		for read in no yes; do
			rm -rf e7 looked got
			mkdir e7
			: >looked
			[ $was = none ] || echo old >e7/name
			why='e7/\./name: (cannot open it for writing: No such device or address|it was made just now, from .* and is not overwritten|something else has its name since it was looked at)'
			timeout -s KILL 10 strace -f -o looked -P name -e inject=openat:delay_enter=2000000:when=2 "$LEAT" cp -r --in-place e6/. e7 2>err &
			pid=$!
			for _ in $(seq 200); do [ "$(wc -l <looked)" -lt 2 ] || break; sleep 0.02; done
			sleep 0.5
			rm -f e7/name
			mkfifo e7/name
			[ $read = no ] || timeout 8 cat e7/name >got &
			wait $pid
			[ $? -eq 4 ] || { fail "$was, $read: another exit status: $(cat err)"; timeout 1 cat e7/name; }	# it may wait for a reader
			grep -q DELAYED looked || fail "$was, $read: nothing was held up: $(cat looked)"
			says err "^leat: $why$"
			[ ! -s got ] || fail "$was: somebody else has got $(cat got)"
			[ $read = no ] || [ $was = file ] || : >e7/name	# he waits still
			wait
		done
	done
}

a_directory_goes_to_a_directory() {
	mkdir -p g/d
	echo x >g/d/f
	run 2 "$LEAT" cp -r g tcp://127.0.0.1:1
	run 2 "$LEAT" cp -r g -
	[ ! -e - ] || fail 'a directory called - was made'
	run 2 "$LEAT" cp -r --tee copy g g2
	[ ! -e g2 ] || fail 'a destination was made'
	run 4 "$LEAT" cp -r g .
	says err 'it is the source itself'
	[ "$(cat g/d/f)" = x ] || fail 'the source was changed'
}

# What a directory has of the one above it stays.
inherited() {
	mkdir -p i/d i2
	chmod 2755 i2
	chmod 700 i/d
	chmod 500 i
	run 0 "$LEAT" cp -r i i2/i
	chmod 700 i
	[ "$(stat -c %a i2/i i2/i/d | tr '\n' ' ')" = '2500 2700 ' ] || fail "$(stat -c %a i2/i i2/i/d)"
	chmod 700 i2/i
}

counted() {
	mkdir -p c/d
	echo x >c/f
	ln c/f c/d/hard
	ln -s f c/d/sym
	mkfifo c/d/fifo
	run 0 "$LEAT" cp -r --json c c2
	tr -d '\n\t' <out | grep -q '"counts": {"files": 1,"directories": 2,"links": 1,"special": 2,"failed": 0},"status": 0}$' ||
		fail "$(tail -9 out)"
}

# A sentence is one line, whoever else has one to say, and the files that can be copied are.
many_failures() {
	local i
	mkdir -p f f2/f
	for i in $(seq 400); do echo "$i" >"f/$i"; done
	for i in $(seq 1 2 399); do mkdir "f2/f/$i"; done
	for jobs in 1 8; do
		run 4 "$LEAT" cp -r -j $jobs f f2
		[ "$(grep -cxE 'leat: f2/f/[0-9]+: cannot be written: Is a directory' err)" = 200 ] && [ "$(wc -l <err)" = 200 ] ||
			fail "-j $jobs: $(grep -vxE 'leat: f2/f/[0-9]+: cannot be written: Is a directory' err | head -3)"
		for i in $(seq 2 2 400); do cmp "f/$i" "f2/f/$i" || fail "$i is not there"; done
	done
	{ command -v strace && strace -o probe true; } >/dev/null 2>&1 || return 0
	under asan && return
	strace -f -o trace -e trace=write "$LEAT" cp -r -j 8 f f2 2>err
	[ "$(grep -c 'write(2, ' trace)" = 200 ] || fail "$(grep -c 'write(2, ' trace) writes for 200 sentences"
}

# Progress stands in one line of its own, which a sentence takes away first.
failures_below_progress() {
	command -v python3 >/dev/null || { misses 'python3 is not installed'; return; }
	local status=0
	on_terminal 80 "$LEAT" cp -r --rate 500 f f2 >shown || status=$?
	[ $status -eq 4 ] || fail "ended with $status"
	python3 - <<'END_OF_CHECK' || fail 'the lines are not as they should be'
lines = open('shown', newline='').read().replace('\r\n', '\n')
assert 'f2/f: ' in lines and ' files, ' in lines, lines[:400]
for line in lines.split('\n'):
    for at, part in enumerate(line.split('leat: ')[1:]):
        before = line.split('leat: ')[at]
        assert before == '' or before.endswith('\r\x1b[K'), repr(line)
END_OF_CHECK
}

# Of a directory, too: how much is left, a file of two names once; and nothing is counted that nobody sees.
time_left() {
	local i
	mkdir -p left/d/e left2
	for i in 1 2 3 4; do head -c 500000 /dev/zero >left/d/$i; done
	ln left/d/1 left/d/e/again
	run 0 "$LEAT" cp -r --progress=always --rate 1m left left2
	says err '^left2/left: [0-9]+ files, .* of 1\.9 MiB  [0-9]+ %  .*/s  0:0[0-9] left  [a-z_]+$'
	run 0 "$LEAT" cp -r --progress=always --rate 1m --offset 100000 --limit 250000 left left3
	says err '^left3: [0-9]+ files, .* of 977 KiB  [0-9]+ %  .*/s  0:0[0-9] left  [a-z_]+$'
	{ command -v strace && strace -o probe true; } >/dev/null 2>&1 || return 0
	under asan && return
	rm -rf left3
	run 0 strace -f -o trace -e trace=clone,clone3 "$LEAT" cp -r -j 1 left left3
	! grep -q clone trace || fail "a thread that nobody needs: $(head -3 trace)"
}

# A file server has a file open for itself, and gives it up when it is told that others want it.
a_file_under_a_lease() {
	local server
	command -v python3 >/dev/null || { misses 'python3 is not installed'; return; }
	mkdir -p s1
	echo x >s1/f
	python3 - <<'END_OF_SERVER' &
import fcntl, os, signal, time
fd = os.open('s1/f', os.O_RDWR)
asked = []
signal.signal(signal.SIGIO, lambda *_: asked.append(1))
try:
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    os.close(os.open('leased', os.O_CREAT))
except OSError:
    os.close(os.open('not-leased', os.O_CREAT))
for _ in range(200):
    time.sleep(0.05)
    if asked:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        break
END_OF_SERVER
	server=$!
	for _ in $(seq 200); do [ -e leased ] || [ -e not-leased ] || sleep 0.05; done
	[ -e leased ] || { kill $server; misses 'there are no leases here'; return; }
	run 0 "$LEAT" cp -r s1 s2
	[ "$(cat s2/f)" = x ] || fail 'not the same'
	wait $server
}

# Who has the lease is told that it is wanted, and may put a FIFO in the file's place before it is asked for again.
exchanged_by_who_has_the_lease() {
	{ command -v strace && strace -o probe true; } >/dev/null 2>&1 || { misses 'strace cannot trace here'; return; }
	under asan && { misses 'strace and the leak checker are both tracers'; return; }
	command -v python3 >/dev/null || { misses 'python3 is not installed'; return; }
	local server
	mkdir -p s3
	echo x >s3/name
	mkfifo s3/fifo
	python3 - <<'END_OF_SERVER' &
import fcntl, os, signal
fd = os.open('s3/name', os.O_RDWR)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
try:
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    os.close(os.open('leased3', os.O_CREAT))
    signal.sigtimedwait([signal.SIGIO], 20)
    os.rename('s3/fifo', 's3/name')
    os.close(os.open('exchanged', os.O_CREAT))
except OSError:
    os.close(os.open('not-leased3', os.O_CREAT))
END_OF_SERVER
	server=$!
	for _ in $(seq 200); do [ -e leased3 ] || [ -e not-leased3 ] || sleep 0.05; done
	[ -e leased3 ] || { wait $server; misses 'there are no leases here'; return; }
	timeout -s KILL 10 strace -f -o looked -P name -e inject=openat:delay_enter=2000000:when=2 "$LEAT" cp -r s3/. s4 2>err
	[ $? -eq 3 ] || { fail "another exit status: $(cat err)"; timeout 1 sh -c ': >s3/name'; }	# it may wait for a writer
	grep -q DELAYED looked || fail "nothing was held up: $(cat looked)"
	[ -e exchanged ] || fail 'nothing was exchanged'
	says err '^leat: s3/./name: it was a file, and is none any more$'
	wait $server
}

# Where a file cannot have a second name there are two files.
no_second_names() {
	{ command -v strace && strace -o probe true; } >/dev/null 2>&1 || { misses 'strace cannot trace here'; return; }
	under asan && { misses 'strace and the leak checker are both tracers'; return; }
	local error
	mkdir -p n
	echo x >n/first
	ln n/first n/second
	for error in EPERM EMLINK EOPNOTSUPP; do
		rm -rf n2
		run 0 strace -f -o trace -e trace=linkat -e inject=linkat:error=$error:when=2 "$LEAT" cp -r -j 1 n n2
		grep -q INJECTED trace || fail 'the fault did not fire'
		[ "$(cat n2/first n2/second | tr '\n' ' ')" = 'x x ' ] || fail "$error: $(ls n2)"
	done
}

# A directory that will be somebody else's is nobody's until it is.
closed_meanwhile() {
	[ "$(id -u)" = 0 ] || { misses 'giving files away takes root'; return; }
	local preserve
	for preserve in owner all; do
		rm -rf q q2
		mkdir -p q/d
		head -c 300000 /dev/urandom >q/d/f
		chmod 750 q q/d
		chown -R 1234:1234 q
		"$LEAT" cp -r --rate 200k --preserve=$preserve q q2 &
		for _ in $(seq 200); do [ -d q2/d ] && break; sleep 0.02; done
		[ "$(stat -c %a q2 q2/d | tr '\n' ' ')" = '700 700 ' ] || fail "$preserve: $(stat -c %a:%g q2 q2/d) meanwhile"
		wait $! || fail "ended with $?"
		[ "$(stat -c %a:%u:%g q2 q2/d | tr '\n' ' ')" = '750:1234:1234 750:1234:1234 ' ] || fail "$preserve: $(stat -c %a:%u:%g q2 q2/d)"
	done
}

# What an ordinary user takes from himself by his umask he has until a directory is filled.
a_umask_of_ones_own_rights() {
	local as_user=(env) mask
	if [ "$(id -u)" = 0 ]; then
		as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
		"${as_user[@]}" true 2>/dev/null || { misses 'root has every right, and setpriv cannot take it'; return; }
	fi
	mkdir -p u/d/e umasked
	echo x >u/d/e/f
	ln -s f u/d/e/link
	chmod 755 .
	chmod 777 umasked
	cp "$LEAT" leat-for-all
	"${as_user[@]}" ./leat-for-all --version >out 2>err || { misses "user 65534 cannot run $PWD/leat-for-all: $(head -1 err)"; return; }
	for mask in 0277 0777; do
		run 0 "${as_user[@]}" bash -c "umask $mask; exec ./leat-for-all cp -r u umasked/$mask"
		[ "$(stat -c %a umasked/$mask umasked/$mask/d umasked/$mask/d/e | uniq)" = "$(printf %o $((0755 & ~mask)))" ] ||
			fail "$mask: $(stat -c %a umasked/$mask umasked/$mask/d umasked/$mask/d/e)"
		[ "$(cat umasked/$mask/d/e/f)" = x ] && [ -L umasked/$mask/d/e/link ] || fail "$mask: $(ls -lR umasked/$mask)"
	done
	"${as_user[@]}" chmod -R u+rwx umasked/* 2>/dev/null
}

without_r() {
	mkdir -p w
	run 3 "$LEAT" cp w v
	says err 'it is a directory; -r copies it'
}

deep() {
	local i
	mkdir -p deep
	(cd deep && for i in $(seq 700); do mkdir dddddddd && cd dddddddd || exit 1; done && echo end >f && ln f hard)
	run 0 "$LEAT" cp -r deep deep2
	[ "$(find deep2 | wc -l)" = 703 ] || fail "$(find deep2 | wc -l) names"
	[ "$(find deep2 -links 2 -type f | wc -l)" = 2 ] || fail 'two names are not one file'
	rm -rf deep deep2
}

# A thread's stack is as large as RLIMIT_STACK says, if nobody says otherwise.
small_stacks() {
	local option
	under asan && { misses 'the sanitizer needs larger ones'; return; }
	mkdir small
	for i in 1 2 3; do head -c 300000 /dev/urandom >small/$i; done
	ln small/1 small/linked
	for option in --sync --verify --hash=xxh3 --resume --preserve=all; do
		rm -rf small2
		for _ in first second; do
			run 0 bash -c 'ulimit -s 64; exec "$@"' small "$LEAT" cp -r -j 2 $option small/. small2
			diff -r small small2 >differ 2>&1 || fail "$option: $(head -3 differ)"
		done
	done
}

wide() {
	mkdir wide
	(cd wide && seq 20000 | xargs touch)
	run 0 "$LEAT" cp -r wide wide2
	[ "$(find wide2 | wc -l)" = 20001 ] || fail "$(find wide2 | wc -l) names"
}

parts all_that_can_be_in_it onto_one_that_is_there not_into_itself no_symbolic_link_is_followed what_is_there_is_replaced \
	names_like_our_own left_in_the_way_of_what_is_no_file exchanged_meanwhile exchanged_in_the_source exchanged_in_the_destination a_directory_goes_to_a_directory inherited counted many_failures \
	failures_below_progress time_left a_file_under_a_lease exchanged_by_who_has_the_lease no_second_names closed_meanwhile a_umask_of_ones_own_rights without_r deep small_stacks wide
