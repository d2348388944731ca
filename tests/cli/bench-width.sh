#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-width.sh: the text fits the terminal, and 80 columns where there is none; no blanks at the end of a line; a dumb terminal
# gets no escapes.
set -u
. "$(dirname "$0")/lib.sh"
failed=0
export LC_ALL=C.UTF-8

for words in --help 'bench --help' 'bench --list' '--version --verbose'; do
	read -ra split <<<"$words"
	run 0 "$LEAT" "${split[@]}"
	if grep -nE ' $|.{81}' out >long; then fail "leat $words: blanks at the end, or more than 80 columns: $(head -3 long)"; fi
done

command -v python3 >/dev/null || skip 'python3 is not installed, so there is no terminal'
cat >on-terminal.py <<'END_OF_SCRIPT'
import fcntl, os, pty, struct, sys, termios
columns = int(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 50, columns, 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
said = b''
try:
    while chunk := os.read(terminal, 65536):
        said += chunk
except OSError:
    pass
sys.stdout.buffer.write(said.replace(b'\r\n', b'\n'))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END_OF_SCRIPT
for columns in 72 80 100 150; do
	TERM=dumb run 0 python3 on-terminal.py "$columns" "$LEAT" bench --quick --budget 5 --size 1m --no-go
	sed -n '/^file/,$p' out >table
	says table '^  leat wrapped .* sendfile$'
	if grep -nE " \$|.{$((columns + 1))}" table >long; then fail "on $columns columns: $(head -3 long)"; fi
	if grep -q $'\033' out; then fail "escapes on a dumb terminal: $(grep $'\033' out | head -3)"; fi
done
says table 'wrapped against raw +[0-9.]+ .* at most 1.03 +too few rounds to judge'
TERM=xterm run 0 python3 on-terminal.py 80 "$LEAT" bench --quick --budget 5 --size 1m --no-go --shape file-tcp/raw
grep -q $'\033\\[1m' out || fail 'no bold type on a terminal'
exit "$failed"
