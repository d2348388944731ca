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

wide() {
	mkdir wide
	(cd wide && seq 20000 | xargs touch)
	run 0 "$LEAT" cp -r wide wide2
	[ "$(find wide2 | wc -l)" = 20001 ] || fail "$(find wide2 | wc -l) names"
}

parts all_that_can_be_in_it onto_one_that_is_there not_into_itself no_symbolic_link_is_followed what_is_there_is_replaced \
	exchanged_meanwhile a_directory_goes_to_a_directory inherited counted without_r deep wide
