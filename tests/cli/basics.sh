#!/bin/bash
# SPDX-License-Identifier: MIT
# basics.sh: help and version everywhere; wrong words and options end with 2 and a sentence.
set -u
. "$(dirname "$0")/lib.sh"
failed=0

run 0 "$LEAT" --help
says out '^usage: leat COMMAND'
says out '^  bench '
run 0 "$LEAT" bench --help
says out '^usage: leat bench'
for option in quick rounds size file shape receiver sink hash mss sweep overhead ahead json html port budget; do
	says out "^  --$option"
done
run 0 "$LEAT" --version
says out '^leat [0-9]+\.[0-9]+\.[0-9]+$'
[ "$(wc -l <out)" -eq 1 ] || fail '--version alone says more than the version'
for order in '--version --verbose' '--verbose --version' '-V -v'; do
	read -ra words <<<"$order"
	run 0 "$LEAT" "${words[@]}"
	for route in clone copy_file_range sendfile splice splice_pipe memory copy; do
		says out "^  $route +(yes|no) "
	done
done
says out '^  copy +yes '
# Every command has them too, wherever they stand.
"$LEAT" --help | sed -n '/^commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p' >commands
[ -s commands ] || fail 'leat --help lists no commands'
while read -r command; do
	if "$LEAT" "$command" --help 2>&1 | grep -q 'this leat was built without'; then	# cli-doctor-absent looks at that
		continue
	fi
	for words in --version -V '--rounds 3 --version'; do
		read -ra words <<<"$words"
		run 0 "$LEAT" "$command" "${words[@]}"
		says out '^leat [0-9]+\.[0-9]+\.[0-9]+$'
		[ "$(wc -l <out)" -eq 1 ] || fail "leat $command ${words[*]} says more than the version"
	done
	run 0 "$LEAT" "$command" --version --verbose
	says out '^  copy +yes '
	run 0 "$LEAT" "$command" --help
	says out '^  --version '
	! grep -q "^leat $command" out || fail "leat $command --help: a line of its usage begins without the blanks below \`usage:\`"
	cp out own
	for words in "help $command" "--help $command" "-h $command"; do
		read -ra words <<<"$words"
		run 0 "$LEAT" "${words[@]}"
		cmp -s own out || fail "leat ${words[*]} is not leat $command --help"
	done
	run 0 "$LEAT" --version "$command"
	[ "$(wc -l <out)" -eq 1 ] || fail "leat --version $command says more than the version"
done <commands

# What cannot be written is no success, in whatever way it was asked for.
if [ -c /dev/full ]; then
	for words in --help help --version '--version --verbose' 'bench --help' 'bench --version' 'bench --list'; do
		read -ra words <<<"$words"
		status=0
		"$LEAT" "${words[@]}" >/dev/full 2>err || status=$?
		[ "$status" -eq 1 ] || fail "leat ${words[*]} with a full standard output ended with $status"
		says err '^leat: standard output could not be written: No space left'
		status=0
		"$LEAT" "${words[@]}" >&- 2>err || status=$?
		[ "$status" -eq 1 ] || fail "leat ${words[*]} without a standard output ended with $status"
	done
fi

run 2 "$LEAT"
says err '^usage: leat COMMAND'
while read -ra words; do
	run 2 "$LEAT" "${words[@]}"
	says err '^leat: '
	[ "$(wc -l <err)" -eq 1 ] || fail "leat ${words[*]} says $(wc -l <err) lines, not one sentence"
	[ ! -s out ] || fail "leat ${words[*]} writes to standard output"
done <<'END'
nonsense
--nonsense
--verbose
help nonsense
help --nonsense
--help nonsense
--version nonsense
bench --nonsense
bench nonsense
bench --rounds
bench --rounds 0
bench --rounds x
bench --rounds 1x
bench --rounds -1
bench --rounds 99999999999999999999
bench --size 5q
bench --size 1
bench --size 99999999999t
bench --receiver fast
bench --sink
bench --sink=maybe
bench --hash md5
bench --mss 1
bench --mss 100000
bench --port 0
bench --port 65535
bench --quick=yes
bench --file=
bench --shape raw,nonsense
bench --json /nonexistent/dir/file --shape raw
bench --html /nonexistent/dir/file --shape raw
END

run 0 "$LEAT" bench --list
for name in raw limit section wrapped rate framed hash opaque c-sendfile c-sendfile-cork c-sendfile-poll c-copy-32k c-copy-256k c-splice-64k \
	c-splice-1m go-raw go-wrapped go-limit go-section; do
	says out "^file-tcp +$name "
done
for name in raw wrapped opaque c-splice-64k c-splice-1m; do says out "^tcp-tcp +$name "; done
for name in plain wrapped sparse reflink; do says out "^file-file +$name "; done
exit "$failed"
