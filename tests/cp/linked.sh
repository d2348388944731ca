#!/bin/bash
# SPDX-License-Identifier: MIT
# linked.sh: a destination that has further names (hard links): no two files become one, and a backup can be made again.
set -u
. "$(dirname "$0")/../cli/lib.sh"
export failed=0

# What was one file in the source when it was copied, and is two now.
in_place_two_files_do_not_become_one() {
	local jobs
	mkdir a
	echo same >a/1
	ln a/1 a/2
	run 0 "$LEAT" cp -r a/. a2
	rm a/2
	echo OTHER >a/2
	echo first >a/1
	for jobs in 1 4; do
		run 6 "$LEAT" cp -r -j $jobs --in-place --verify a/. a2
		says err '^leat: a2/.*[12]: it is the file that a/.*[12] was just written to, by another name \(hard link\); remove this name, and copy again$'
		[ "$(cat a2/1)" = first ] || [ "$(cat a2/1)" = OTHER ] || fail "a2/1 is $(cat a2/1)"
	done
	rm a2/2
	run 0 "$LEAT" cp -r --in-place --verify a/. a2
	[ "$(cat a2/1 a2/2)" = "$(cat a/1 a/2)" ] || fail 'the advice leads nowhere'
	# So it is with files that are given one by one, also by symbolic links.
	rm a2/2
	ln a2/1 a2/2
	run 6 "$LEAT" cp --in-place a/1 a/2 a2
	[ "$(cat a2/1)" = first ] || fail 'the second was written over the first'
	ln -sf 1 a2/2
	run 6 "$LEAT" cp --in-place a/1 a/2 a2
	[ "$(cat a2/1)" = first ] || fail 'the second was written over the first'
}

# The second name is a symbolic link to the first, which is made, replaced or found complete by this very run.
by_a_link_to_what_was_just_made() {
	local option there
	mkdir -p one two
	echo first >one/x
	echo the other >two/y
	for option in --sync --in-place --resume; do
		for there in none old same; do
			rm -rf into
			mkdir into
			ln -s x into/y
			[ $there != old ] || echo old >into/x
			[ $there != same ] || cp one/x into/x
			run 6 "$LEAT" cp $option one/x two/y into
			says err '^leat: into/y: it is the file that one/x was just written to, by another name \(symbolic link\); remove this name, and copy again$'
			[ "$(cat into/x)" = first ] || fail "$option, $there: the second was written over the first"
			rm into/y
			run 0 "$LEAT" cp $option one/x two/y into
			cmp into/y two/y || fail 'the advice leads nowhere'
		done
	done
}

# Directories of one name become one, but of two files in them neither is lost.
two_trees_of_one_name() {
	local option jobs
	mkdir -p first/sub/d second/sub/d
	echo 1 | tee first/sub/d/f >first/sub/one
	echo 2 | tee second/sub/d/f >second/sub/two
	for option in --sync --in-place --resume; do
		for jobs in 1 4; do
			rm -rf both
			mkdir -p both/sub/d
			[ $jobs = 1 ] || echo old >both/sub/d/f
			run 4 "$LEAT" cp -r -j $jobs $option first/sub second/sub both
			says err '^leat: second/sub/d/f: both/sub/d/f was made from first/sub/d/f just now, and is not overwritten$'
			[ "$(cat both/sub/d/f both/sub/one both/sub/two)" = $'1\n1\n2' ] || fail "$option, $jobs: $(head both/sub/d/f both/sub/*)"
		done
	done
	run 0 "$LEAT" cp -r second/sub both
	[ "$(cat both/sub/d/f)" = 2 ] || fail 'another run did not replace it'
}

# Unchanged, changed, and with another division of names: each time the destination is as the source.
a_second_time() {
	local jobs
	for jobs in 1 4; do
		rm -rf b b2
		mkdir -p b/d
		echo x >b/1
		ln b/1 b/2
		ln b/1 b/d/3
		echo y >b/d/4
		for change in true true 'eval echo new >b/2' 'eval rm b/d/4; ln b/1 b/d/4' 'eval echo own >b/own'; do
			$change
			run 0 "$LEAT" cp -r -j $jobs --verify b/. b2
			diff -r b b2 >differ || fail "after $change: $(head -3 differ)"
			diff <(cd b && find . -type f -printf '%p %n\n' | sort) <(cd b2 && find . -type f -printf '%p %n\n' | sort) >differ ||
				fail "after $change: $(head -3 differ)"
			[ b2/1 -ef b2/2 ] && [ b2/1 -ef b2/d/3 ] || fail "after $change they are not one file"
			[ -z "$(find b2 -name '.*leat-part*')" ] || fail 'something is left'
		done
	done
	run 0 "$LEAT" cp -r --in-place b/. b2
	[ b2/1 -ef b2/2 ] && [ b2/1 -ef b2/d/3 ] || fail 'in place they are not one file any more'
}

# More names than the source has: somebody else's, perhaps.
more_names_than_the_source() {
	mkdir c c2
	echo x >c/1
	ln c/1 c/2
	echo y >c/one
	echo old >c2/1
	ln c2/1 c2/2
	ln c2/1 elsewhere
	run 6 "$LEAT" cp -r c/. c2
	says err '^leat: c2/.*1: it has other names \(hard links\), so it cannot be replaced by a new file; --in-place writes into it$'
	[ "$(cat c2/1 c2/2 elsewhere | tr '\n' ' ')" = 'old old old ' ] || fail 'it was written to'
	[ "$(cat c2/one)" = y ] || fail 'the others did not go on'
	# One of the names only; whether it is the first one is chance.
	: >said
	for name in 1 2; do
		rm -f c2/1 c2/2 elsewhere*
		echo old >c2/$name
		ln c2/$name elsewhere
		ln c2/$name elsewhere2
		run 6 "$LEAT" cp -r c/. c2
		cat err >>said
		[ "$(cat c2/1 c2/2 | sort | tr '\n' ' ')" = 'old x ' ] && [ c2/$name -ef elsewhere ] || fail "$(cat c2/1 c2/2)"
		rm c2/$name
		run 0 "$LEAT" cp -r c/. c2
		[ c2/1 -ef c2/2 ] && [ "$(cat c2/2 elsewhere | tr '\n' ' ')" = 'x old ' ] || fail 'the advice leads nowhere'
	done
	says said '^leat: c2/.*[12]: it has more names \(hard links\) than its source, so it is not replaced; remove this one, and copy again$'
	# A file with one name in the source has no claim on one with two.
	ln c2/one elsewhere3
	run 6 "$LEAT" cp -r c/. c2
	[ c2/one -ef elsewhere3 ] || fail 'it was replaced'
}

parts in_place_two_files_do_not_become_one by_a_link_to_what_was_just_made two_trees_of_one_name a_second_time more_names_than_the_source
