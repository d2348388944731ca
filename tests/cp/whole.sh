#!/bin/bash
# SPDX-License-Identifier: MIT
# whole.sh: whatever ends a copy, the destination is the old file or the new one, and nothing is left beside it.
set -u
. "$(dirname "$0")/../cli/lib.sh"
export failed=0
head -c 40000000 /dev/urandom >a
head -c 1000000 /dev/urandom >old

beside() { find "$1" -mindepth 1 ! -name file -printf '%f '; }

# until_true COMMAND...: within 10 s.
until_true() {
	local i
	for i in $(seq 200); do
		"$@" && return
		sleep 0.05
	done
	fail "never: $*"
}
# What it writes has no name as yet.
writes() { readlink /proc/"$1"/fd/* 2>/dev/null | grep -q '(deleted)$'; }

# 200 times, at any moment of the time that one copy takes, and a little after; in turn over an old file, where none is, and under
# a temporary name. Both ends of the scale must have come, or nothing was shown.
killed_at_any_moment() {
	local i pid took before=0 after=0 parts=0 moment
	mkdir -p k
	took=$(date +%s%N)
	"$LEAT" cp a k/file
	took=$(($(date +%s%N) - took))
	for i in $(seq 200); do
		rm -f k/file
		[ $((i % 3)) = 1 ] || cp old k/file
		# shellcheck disable=SC2046 # none, or one
		"$LEAT" cp $([ $((i % 3)) != 2 ] || echo --resume) a k/file &
		pid=$!
		moment=$((took * (RANDOM % 150) / 100))
		sleep "$((moment / 1000000000)).$(printf '%09d' $((moment % 1000000000)))"
		kill -9 $pid 2>/dev/null
		wait $pid 2>/dev/null
		[ ! -e k/.file.leat-part ] || parts=$((parts + 1))
		if [ ! -e k/file ] && [ $((i % 3)) = 1 ] || cmp -s k/file old; then
			before=$((before + 1)) took=$((took * 21 / 20))
		elif cmp -s k/file a; then
			after=$((after + 1)) took=$((took * 20 / 21))	# however busy the machine has become
		else
			fail "after kill $i it is neither"
		fi
	done
	echo "killed before $before times, after $after times; $parts times a part was left"
	[ "$before" -gt 10 ] && [ "$after" -gt 10 ] && [ "$parts" -gt 0 ] || fail 'all kills came at one side'
	run 0 "$LEAT" cp a k/file
	[ -z "$(beside k)" ] || fail "left beside it: $(beside k)"
}

left_over_names_are_swept() {
	mkdir -p s
	echo half >s/.file.leat-part
	run 0 "$LEAT" cp old s/file
	cmp old s/file || fail 'not the same'
	[ -z "$(beside s)" ] || fail "left beside it: $(beside s)"
	# One that is being written is not: it is locked.
	echo half >s/.file.leat-part
	flock s/.file.leat-part sh -c 'touch locked; sleep 2' &
	until_true [ -e locked ]
	run 4 "$LEAT" cp a s/file
	says err 'somebody is copying to it'
	cmp old s/file || fail 'it was written to'
	wait
}

signals() {
	local signal
	mkdir -p g
	for signal in INT TERM; do
		cp old g/file
		env --default-signal=INT "$LEAT" cp --rate 1m a g/file 2>err &
		until_true writes $!
		kill -$signal $!
		wait $!
		[ $? -eq $((128 + $(kill -l $signal))) ] || fail "$signal: another exit status"
		cmp -s g/file old || fail "$signal: the old file is not what it was"
		[ -z "$(beside g)" ] || fail "left beside it: $(beside g)"
	done
}

full_disk() {
	[ "$(id -u)" = 0 ] || { misses 'mounting takes root'; return; }
	mkdir -p full
	mount -t tmpfs -o size=20m none full || { misses 'no tmpfs may be mounted'; return; }
	cp old full/file
	run 4 "$LEAT" cp a full/file
	says err '^leat: full/file: writing failed after [0-9]+ bytes, by .*: No space left on device$'
	cmp -s full/file old || fail 'the old file is not what it was'
	[ -z "$(beside full)" ] || fail "left beside it: $(beside full)"
	umount full
}

# The kernel tells who would exceed it by a signal, of which one dies who does not ignore it.
a_limit_on_the_size_of_files() {
	local option
	mkdir -p limited
	for option in --sync --resume --verify; do
		cp old limited/file
		run 4 bash -c 'ulimit -f 20000; exec "$@"' limited "$LEAT" cp $option a limited/file
		says err '^leat: limited/file: writing failed after [0-9]+ bytes, by .*: File too large$'
		cmp -s limited/file old || fail "$option: the old file is not what it was"
		[ $option = --resume ] || [ -z "$(beside limited)" ] || fail "$option: left beside it: $(beside limited)"
	done
}

a_source_that_shrinks() {
	mkdir -p c
	cp a shrinks
	cp old c/file
	"$LEAT" cp --rate 20m shrinks c/file 2>err &
	until_true writes $!
	truncate -s 1000 shrinks
	wait $!
	case $? in 3 | 5) ;; *) fail 'another exit status' ;; esac
	cmp -s c/file old || fail 'the old file is not what it was'
	[ -z "$(beside c)" ] || fail "left beside it: $(beside c)"
}

resumed() {
	mkdir -p r
	env --default-signal=INT "$LEAT" cp --resume --rate 10m a r/file 2>err &
	until_true [ -s r/.file.leat-part ]
	kill -INT $!
	wait $!
	[ -s r/.file.leat-part ] || fail 'no part was kept'
	local had
	had=$(stat -c %s r/.file.leat-part)
	run 0 "$LEAT" cp --resume --json a r/file
	cmp a r/file || fail 'not the same'
	says out "\"resumed_bytes\": $had"
	# What is there is not the beginning of it.
	head -c 100000 /dev/zero >r/.file.leat-part
	cp old r/file
	run 0 "$LEAT" cp --resume --json a r/file
	says err 'starting anew'
	cmp a r/file || fail 'not the same'
	head -c 100000 a >r/file
	run 0 "$LEAT" cp --resume --in-place --json a r/file
	says out '"resumed_bytes": 100000'
	cmp a r/file || fail 'not the same'
	head -c 100000 /dev/zero >r/file
	run 8 "$LEAT" cp --resume --in-place a r/file
	cmp r/file <(head -c 100000 /dev/zero) || fail 'it was written to'
}

# Under the name of the part stands something that others can write to, or read afterwards.
a_part_of_others() {
	mkdir -p p
	chmod 777 p
	echo precious >p/precious
	ln p/precious p/.file.leat-part
	run 0 "$LEAT" cp --resume old p/file
	[ "$(head -c 8 p/precious)" = precious ] || fail 'another file was written to, by its second name'
	cmp old p/file || fail 'not the same'
	rm p/file
	head -c 1000 old >p/.file.leat-part
	chmod 666 p/.file.leat-part
	exec 3>>p/.file.leat-part
	run 0 "$LEAT" cp --resume old p/file
	echo more >&3
	exec 3>&-
	cmp old p/file || fail 'who had the part open writes to the file'
	if [ "$(id -u)" = 0 ]; then
		head -c 1000 old >p/.file2.leat-part
		chown 65534 p/.file2.leat-part
		run 0 "$LEAT" cp --resume old p/file2
		[ "$(stat -c %u p/file2)" = 0 ] || fail 'the file belongs to who made the part'
	fi
	# What is no file is not swept, and in nobody's way where the name is not needed.
	mkdir p/.file3.leat-part
	run 0 "$LEAT" cp old p/file3
	[ -d p/.file3.leat-part ] || fail 'a directory was removed'
}

# One gives its file its name while another looks for what is left over.
two_at_once() {
	local first
	{ command -v strace && strace -o probe true; } >/dev/null 2>&1 || { misses 'strace cannot trace here'; return; }
	under asan && { misses 'strace and the leak checker are both tracers'; return; }
	mkdir -p w
	cp old w/file
	strace -qq -o trace -e trace=renameat -e inject=renameat:delay_enter=3000000 "$LEAT" cp a w/file &
	first=$!
	until_true [ -e w/.file.leat-part ]
	run 4 timeout 20 "$LEAT" cp --resume --rate 100k old w/file
	says err 'somebody is copying to it'
	run 4 "$LEAT" cp old w/file
	says err 'somebody is copying to it'
	wait $first || fail "the first ended with $?"
	cmp a w/file || fail 'it is not what the first one wrote'
	[ -z "$(beside w)" ] || fail "left beside it: $(beside w)"
}

# What the file system will not let go of is said before the first byte, with what lifts it.
what_may_not_be_changed() {
	local letter word where
	mkdir -p x
	{ : >x/probe && chattr +i x/probe; } 2>/dev/null || { misses 'chattr changes nothing here'; return; }
	chattr -i x/probe
	rm x/probe
	for letter in i a; do
		word=immutable
		[ $letter = i ] || word=append-only
		cp old x/file
		for where in --sync --in-place --resume; do
			chattr +$letter x/file
			run 4 timeout 2 "$LEAT" cp --rate 1m $where a x/file
			says err "^leat: x/file: it is $word; \`chattr -$letter\` lets it be replaced$"
			run 4 timeout 2 "$LEAT" cp --rate 1m --tee x/file a other
			says err "^leat: x/file: it is $word; \`chattr -$letter\` lets it be replaced$"
			chattr -$letter x/file
			cmp -s x/file old || fail 'it was written to'
		done
		# What is complete needs no change.
		chattr +$letter x/file
		for where in --sync --in-place --verify --hash=xxh3 --no-cache --require=reflink --json -r; do
			run 0 "$LEAT" cp --resume $where old x/file
			[ $where != --json ] || says out '"resumed_bytes": '
		done
		chattr -$letter x/file
		chattr +$letter x
		run 6 timeout 2 "$LEAT" cp --rate 1m a x/file
		says err "^leat: x/file: its directory is $word \(\`chattr -$letter\` on it lifts that\), so it cannot be replaced by a new file; --in-place writes into it$"
		run 0 "$LEAT" cp --in-place old x/file
		if [ $letter = i ]; then
			run 4 timeout 2 "$LEAT" cp --rate 1m a x/none
			says err "^leat: x/none: its directory is immutable; \`chattr -i\` on it lets one be made$"
		else
			run 0 "$LEAT" cp old x/new
			run 4 timeout 2 "$LEAT" cp --resume --rate 1m a x/none
			says err "^leat: x/none: its directory is append-only; \`chattr -a\` on it lets one be renamed there$"
		fi
		chattr -$letter x
		[ -z "$(find x -name '.*')" ] || fail "left: $(ls -A x)"
	done
}

parts what_may_not_be_changed killed_at_any_moment a_part_of_others two_at_once left_over_names_are_swept signals full_disk \
	a_limit_on_the_size_of_files a_source_that_shrinks resumed
