#!/bin/bash
# SPDX-License-Identifier: MIT
# rights: what leat doctor can tell with exactly which capabilities, of one's own processes and of root's, whose program all or only
# root may read: the table of leat-doctor(1), RIGHTS, row by row. And what it keeps of them while it watches.
set -uo pipefail
. "$LEAT_SOURCE/tests/cli/lib.sh"
# shellcheck disable=SC2034 # parts ends with it
failed=0
"$LEAT" doctor --help >out 2>&1 || skip 'this leat was built without the doctor'
[ "$(id -u)" = 0 ] || skip 'only root can give other users capabilities'
command -v "${CC:-cc}" >/dev/null || skip 'there is no C compiler'

# as CAPABILITIES COMMAND...: an ordinary user with exactly these. In a pipeline or behind & it is the command itself that runs.
as() {
	local inherited=-all ambient=-all each
	for each in $1; do inherited=$inherited,+$each ambient=$ambient,+$each; done
	shift
	set -- setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps="$inherited" --ambient-caps="$ambient" "$@"
	[ "$BASHPID" = $$ ] || exec "$@"
	"$@"
}
as 'bpf perfmon' "$LEAT" --version >out 2>&1 || skip "capabilities cannot be handed on here: $(head -1 out)"
"$LEAT" doctor --engine bpf -d 0.1 -- true >out 2>&1
[ $? -ne 3 ] || skip "$(cat out)"

"${CC:-cc}" -O2 -g "$LEAT_SOURCE/tests/doctor/copier.c" -o patient || fail 'the patient cannot be built'
head -c 1048576 /dev/urandom >block
chmod 755 . patient; chmod 644 block
mkdir -m 700 hidden && cp patient hidden/ && chmod 700 hidden/patient && mkdir -m 777 open
as '' ./patient block open/own-sink & own=$!
hidden/patient block others-sink & others=$!
./patient block public-sink & public=$!
trap 'kill $own $others $public; wait' EXIT

# tells PID CAPABILITIES SINK NAMED [MISSING...]: the report has the sink by its path, and of the culprit the function, the address
# or nothing; and says, also when it is replayed, which capabilities the names take, or has no word of any.
tells() {
	local status=0 found each
	mkdir -m 777 open
	(as "$2" timeout 60 "$LEAT" doctor --engine bpf -p "$1" -d 1 --json --record open/recording) >out 2>err || status=$?
	[ $status -eq 1 ] || { fail "with $2: ended with $status: $(cat err)"; return; }
	found=$(python3 - <<'END'
import json
report = json.load(open('out'))
flow = report['flows'][0]
culprit = flow['culprit']
name = culprit['function'] or ('address' if culprit.get('module') else 'nothing')
print(flow['verdict'], flow['sink']['path'].rpartition('/')[2], name, culprit.get('line') and 'with-line', culprit['side'],
      *report['target'][0]['missing'])
END
	)
	[ "$found" = "bounce $3 ${*:4}" ] || fail "with $2: $found, not bounce $3 ${*:4}"
	"$LEAT" doctor --replay open/recording | tr -s ' \n' ' ' >text
	[ $# -gt 4 ] || ! grep -q 'CAP_' text || fail "with $2: $(cat text)"
	for each in "${@:5}"; do says text "note to name its functions takes .*$each.*; as root it works"; done
	! grep -q 'of an unknown kind' text || fail "with $2: it is said to be of an unknown kind"
}
refuses() { # CAPABILITIES WORDS
	local status=0
	as "$1" timeout 60 "$LEAT" doctor --engine bpf -p $own -d 0.1 >out 2>err || status=$?
	[ $status -eq 3 ] || fail "with $1: ended with $status: $(cat err)"
	[ "$(wc -l <err)" -eq 1 ] || fail "with $1: more than a sentence: $(cat err)"
	says err "^leat: $2 missing; as root it works, and .--engine ptrace"
}

table() {
	refuses '' 'CAP_BPF and CAP_PERFMON are'
	refuses bpf 'CAP_PERFMON is'
	refuses perfmon 'CAP_BPF is'
	aside tells $own 'bpf perfmon' own-sink 'pump with-line loop'
	aside tells $others 'bpf perfmon' others-sink 'nothing None none' CAP_SYS_PTRACE CAP_DAC_READ_SEARCH
	aside tells $public 'bpf perfmon' public-sink 'nothing None none' CAP_SYS_PTRACE CAP_DAC_READ_SEARCH
	aside tells $others 'bpf perfmon dac_read_search' others-sink 'nothing None none' CAP_SYS_PTRACE
	aside tells $others 'bpf perfmon sys_ptrace' others-sink 'address None none' CAP_DAC_READ_SEARCH
	aside tells $public 'bpf perfmon sys_ptrace' public-sink 'pump with-line loop'
	aside tells $others 'bpf perfmon sys_ptrace dac_read_search' others-sink 'pump with-line loop'
	together
}

# Another user's, with neither engine: one sentence, which does not offer what it refuses.
neither() {
	local status=0
	as '' timeout 60 "$LEAT" doctor -p $others -d 0.1 >out 2>err || status=$?
	[ $status -eq 3 ] || fail "of another user: ended with $status: $(cat err)"
	[ "$(wc -l <err)" -eq 1 ] || fail "of another user: more than a sentence: $(cat err)"
	says err '^leat: process [0-9]+ belongs to user .*; nor is the bpf engine to be had: CAP_BPF and CAP_PERFMON are missing$'
}

# All of the machine as a sample: who cannot be traced is not said to be watched. With nobody left there is no report.
sample() {
	local status=0 found
	# shellcheck disable=SC2016 # for the other shell, which is one's own process
	as '' timeout 60 bash -c '"$1" doctor --engine ptrace --all -d 1 --json --record open/sample; exit $?' sh "$LEAT" >out 2>err || status=$?
	[ $status -le 1 ] || fail "all: ended with $status: $(cat err)"
	found=$(python3 - $own $others $$ <<'END'
import json, sys
report = json.load(open('out'))
watched = {process['pid'] for process in report['target']}
coverage = report['coverage']
print(*(int(pid) in watched for pid in sys.argv[1:]), coverage.get('untraced', 0) >= 2, coverage['complete'], report['summary']['clean'])
END
	)
	[ "$found" = 'True False False True False False' ] || fail "all: $found: $(cat out)"
	"$LEAT" doctor --replay open/sample | tr -s ' \n' ' ' >text
	says text '[0-9]+ processes not traced: not allowed, or their turn did not come'
	status=0
	timeout 60 setpriv --reuid=65533 --regid=65533 --clear-groups --inh-caps=-all "$LEAT" doctor --all -d 0.1 >out 2>err || status=$?
	[ $status -eq 3 ] || fail "all of others: ended with $status: $(cat err)"
}

# Those that come later are others', too: that is not nobody.
came() {
	local status=0 late
	ln -s "$(command -v sleep)" leat-late
	(sleep 0.5; exec ./leat-late 60) & late=$!
	as '' timeout 60 "$LEAT" doctor --engine ptrace -n leat-late -d 2 >out 2>err || status=$?
	kill $late
	[ $status -eq 3 ] || fail "of another's name: ended with $status: $(cat err)"
	says err '^leat: no process of that name could be traced'
}

# kept CAPABILITIES MASK: what it still has when it watches, and could take back
kept() {
	local fields
	as "$1" "$LEAT" doctor --engine bpf -p $own >out 2>err & local doctor=$!
	for _ in $(seq 200); do
		fields=$(awk '/^Cap(Prm|Eff)|^NoNewPrivs/ { printf "%s ", $2 }' /proc/$doctor/status)
		[ "$fields" != "$2 $2 1 " ] || break
		sleep 0.05
	done
	[ "$fields" = "$2 $2 1 " ] || fail "with $1: it keeps $fields"
	kill -INT $doctor
	wait $doctor
}

dropped() {
	kept 'bpf perfmon' 0000000000000000
	kept 'bpf perfmon sys_ptrace dac_read_search' 0000000000080004
	kept 'bpf perfmon sys_ptrace dac_read_search kill chown net_admin' 0000000000080004
}

parts table neither sample came dropped
