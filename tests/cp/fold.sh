#!/bin/bash
# SPDX-License-Identifier: MIT
# fold.sh: where capitals and small letters are the same in a name, two of the source do not become one without a word.
# shellcheck disable=SC2034,SC2317 # parts calls the functions, and reads what they miss
set -u
. "$(dirname "$0")/../cli/lib.sh"
export failed=0
library=$LEAT_BUILD/tests/cp/libcp-fold.so
[ -z "${SANITIZER:-}" ] || skip 'the sanitizers want to be first'
[ -e "$library" ] || fail "no $library"

mkdir -p s/dir s/DIR
for name in file FILE dir/f dir/F DIR/f; do echo "$name" >"s/$name"; done
ln -s one s/link
ln -s two s/LINK
mkfifo -m 600 s/fifo
mkfifo -m 644 s/FIFO
echo first >s/first
ln s/first s/hard
echo other >s/HARD

# folded FOLD_NAMED COMMAND...
folded() {
	local named=$1
	shift
	mkdir -p to
	env LD_PRELOAD="$library" FOLD="$PWD/to" ${named:+FOLD_NAMED=$named} "$@"
}

# What is there is one of the source's, whole, and each of the others is named in a sentence.
one_of_each() {
	local name found
	for name in file dir dir/f link fifo hard; do
		grep -qiE "^leat: (s/\./$name: )?to/d/(\./)?$name(:| was) .*(not overwritten|it has other names|it is the file that)" err ||
			fail "$1: $name: nothing is said: $(cat err)"
	done
	[ "$(grep -c . err)" -eq 6 ] || fail "$1: $(grep -c . err) sentences: $(cat err)"
	found=$(cat to/d/file)
	[ "$found" = file ] || [ "$found" = FILE ] || fail "$1: file is $found"
	case "$(cat to/d/dir/f)" in dir/f | dir/F | DIR/f) ;; *) fail "$1: dir/f is $(cat to/d/dir/f)" ;; esac
	case "$(cat to/d/hard)" in first | other) ;; *) fail "$1: hard is $(cat to/d/hard)" ;; esac
	[ -z "$(find to -name '*leat-part*')" ] || fail "$1: left: $(find to -name '*leat-part*')"
}

into_a_new_directory() {
	local named option
	for named in '' new old; do
		for option in --sync --in-place --resume --preserve=all; do
			rm -rf to
			run 4 folded "$named" "$LEAT" cp -r -j 1 $option s/. to/d
			one_of_each "$named $option"
		done
	done
}

# 6: of what has two names there by now it is said so.
into_one_that_is_there() {
	local named option
	for named in '' old; do
		for option in --sync --in-place --resume --preserve=all; do
			rm -rf to
			mkdir -p to/d
			run 6 folded "$named" "$LEAT" cp -r -j 1 $option s/. to/d
			one_of_each "$named $option"
			# What is there is from another run: replaced, once.
			run 6 folded "$named" "$LEAT" cp -r -j 1 $option s/. to/d
			one_of_each "$named $option, again"
		done
	done
}

parts into_a_new_directory into_one_that_is_there
