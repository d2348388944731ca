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
			before=$((before + 1))
		elif cmp -s k/file a; then
			after=$((after + 1))
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

parts killed_at_any_moment left_over_names_are_swept signals full_disk a_source_that_shrinks resumed
