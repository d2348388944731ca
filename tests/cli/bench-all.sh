#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-all.sh: one run prints raw against the C sendfile loop in all its conditions, and the calls on both kinds of sink;
# the connections really were so. It is quick and rough here: what the figures come to is not looked at.
set -u
. "$(dirname "$0")/lib.sh"
failed=0
command -v python3 >/dev/null || skip 'python3 is not installed'
[ "$(nproc)" -ge 2 ] || skip 'with one CPU there is no wire receiver'

run 0 "$LEAT" bench --all --no-go --quick --budget 5 --size 16m --shape file-tcp/raw,file-tcp/wrapped --json all.json --html all.html
for condition in ', loopback MSS' ', MSS 1448' ', ordinary receiver, blocking sink' ' and poll, ordinary receiver'; do
	says out "^  (-|holds|MISSED) +raw against C sendfile$condition +[0-9.]+ +[0-9.]+\$"
	says all.html "raw against C sendfile$condition</td>"
done
if grep -q '"calls_counted_by": "strace' all.json; then
	for name in raw wrapped; do
		says out "^  (busy|holds|MISSED) +transfer calls per GiB, $name, non-blocking sink +[0-9]+ +300\$"
		says out "^  (busy|holds|MISSED) +transfer calls per GiB, $name, blocking sink +[0-9]+ +1100\$"
		if grep -nE " \$|.{81}" out >long; then fail "too wide: $(head -3 long)"; fi
	done
fi
python3 - all.json <<'END_OF_CHECKS' || failed=1
import json, sys
data = json.load(open(sys.argv[1]))
wrong = []
seen = [(run['receiver'], run['sink'], run['mss_asked']) for run in data['also']]
if seen != [('wire', 'nonblocking', 1448), ('ordinary', 'blocking', 0), ('ordinary', 'nonblocking', 0),
            ('wire', 'blocking', 0)]:
    wrong.append(f'also has {seen}')
for run in data['also']:
    where = f"{run['receiver']} {run['sink']} {run['mss_asked']}"
    if run['mss_asked'] and run['mss_seen'] != run['mss_asked'] or not run['mss_asked'] and run['mss_seen'] < 30000:
        wrong.append(f"{where}: segments of {run['mss_seen']}")
    names = [shape['name'] for shape in run['shapes']]
    if names[:2] != ['c-sendfile', 'raw']:
        wrong.append(f'{where}: shapes {names}')
    for shape in run['shapes']:
        if shape['verified'] is not True or shape['left_out']:
            wrong.append(f"{where}: {shape['name']} verified {shape['verified']}, left out {shape['left_out']}")
        timed = (run['receiver'], run['sink']) != ('wire', 'blocking')
        if bool(shape['cpu_ms_per_gib']) != timed or (shape['ratio_to_floor'] or {'n': 0})['n'] != run['rounds'] or bool(run['rounds']) != timed:
            wrong.append(f"{where}: {shape['name']} has the wrong rounds")
    if not run['control']['file-tcp'] and (run['receiver'], run['sink']) != ('wire', 'blocking'):
        wrong.append(f'{where}: no control')
rows = [(f['receiver'], f['mss_asked'], f['at_most']) for f in data['figures'] if f['of'] == 'raw' and (f['over'] or '').startswith('c-sendfile')]
if rows != [('wire', 0, 0.85), ('wire', 1448, 1.02), ('ordinary', 0, 1.02), ('ordinary', 0, 1.02)]:
    wrong.append(f'figures of raw over c-sendfile: {rows}')
if 'overhead' not in data or 'sweep' not in data:
    wrong.append('no overhead or no sweep')
for line in wrong:
    print('FAIL:', line)
sys.exit(1 if wrong else 0)
END_OF_CHECKS
exit "$failed"
