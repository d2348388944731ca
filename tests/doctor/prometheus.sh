#!/bin/bash
# SPDX-License-Identifier: MIT
# prometheus: promtool has no complaint about the metrics, and a real Prometheus scrapes the exporter: what it stores is what
# the model holds, hostile names included. And the program itself, where it may watch: the place that loses arrives by its name.
set -u
printed=$LEAT_BUILD/tests/doctor/printed
pids=()
fail() { echo "FAIL: $*"; exit 1; }
finish() { [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null; wait; }
trap finish EXIT

# Installed, Debian's would start a server: make ward only lays it out.
PATH=$PATH:$LEAT_BUILD/ward/packages/usr/bin
for tool in prometheus promtool; do
	command -v $tool >/dev/null || { echo "SKIP: $tool is neither installed (Debian: prometheus) nor fetched by make ward"; exit 77; }
done

for model in picture hostile verdicts threads incomplete clean unjudged sourceless nothing many; do
	"$printed" metrics $model | promtool check metrics >said 2>&1 || fail "promtool about $model: $(head -c 500 said)"
	[ ! -s said ] || fail "promtool about $model: $(head -c 500 said)"
done
echo 'ok   promtool'

# serve MODEL: an exporter; its port in $port
serve() {
	"$printed" serve "$1" 127.0.0.1:0 120 >"port-$1" &
	pids+=($!)
	for _ in $(seq 100); do
		[ -s "port-$1" ] && break
		sleep 0.05
	done
	port=$(cat "port-$1")
	[ -n "$port" ] || fail "the exporter of $1 does not begin"
}
serve picture
picture=$port
serve hostile
hostile=$port

# A patient that goes on until its end is killed, and the doctor that watches it; without the rights, or a compiler, neither.
cat >patient.c <<'END'
#include <fcntl.h>
#include <unistd.h>

static char buffer[65536];

__attribute__((noinline)) static void loses_all(int from, int to)
{
	ssize_t bytes;

	while ((bytes = read(from, buffer, sizeof buffer)) > 0)
		if (write(to, buffer, bytes) != bytes)
			return;
}

int main(void)
{
	int from = open("carried", O_RDONLY), to = open("sink", O_WRONLY | O_CREAT, 0600);

	for (;;) {
		lseek(from, 0, SEEK_SET);
		lseek(to, 0, SEEK_SET);
		loses_all(from, to);
		usleep(10000);
	}
}
END
live='' targets="'127.0.0.1:$picture', '127.0.0.1:$hostile'"
"$LEAT" doctor --engine bpf -p $$ -d 0.1 >/dev/null 2>said
if [ $? = 3 ]; then
	echo "SKIP a live watch: $(head -1 said)"
elif ! ${CC:-cc} -g -O1 patient.c -o patient; then
	echo 'SKIP a live watch: no compiler'
else
	head -c 1000000 /dev/urandom >carried
	./patient &
	patient=$!
	pids+=("$patient")
	live=$((32000 - $$ % 20000))	# not one that the kernel gives to who asks for any
	targets+=", '127.0.0.1:$live'"
	"$LEAT" doctor --engine bpf -p "$patient" --prometheus 127.0.0.1:$live >report 2>&1 &
	pids+=($!)
fi
web=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >config.yml <<END
global: { scrape_interval: 1s, scrape_timeout: 1s }
scrape_configs:
  - job_name: leat
    static_configs: [ { targets: [ $targets ] } ]
END
promtool check config config.yml >said 2>&1 || fail "$(cat said)"
prometheus --config.file=config.yml --storage.tsdb.path=data --web.listen-address=127.0.0.1:"$web" >log 2>&1 &
pids+=($!)

python3 - "$web" "$picture" "$hostile" "$live" <<'END' || fail "Prometheus: $(tail -5 log)"
import json, sys, time, urllib.parse, urllib.request

web, picture, hostile, live = sys.argv[1:]


def query(text):
    url = f'http://127.0.0.1:{web}/api/v1/query?' + urllib.parse.urlencode({'query': text})
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)['data']['result']
    except OSError:
        return []


def wait_for(text, holds):
    end = time.monotonic() + 60
    while not holds(found := query(text)):
        if time.monotonic() > end:
            sys.exit(f'{text} is {found}')
        time.sleep(0.5)
    return found


def value(found):
    return len(found) == 1 and float(found[0]['value'][1])


wait_for('sum(up{job="leat"})', lambda found: value(found) == (3 if live else 2))
at = f'instance="127.0.0.1:{picture}"'
wait_for(f'leat_doctor_flow_bytes{{{at},verdict="bounce"}}', lambda found: value(found) == 2 << 30)
wait_for(f'leat_doctor_flow_calls{{{at},verdict="kernel"}}', lambda found: value(found) == 24)
wait_for(f'leat_doctor_culprit_bytes{{{at},function="main.justReader.Read",line="12"}}', lambda found: value(found) == 2 << 30)
found = wait_for(f'leat_doctor_culprit_bytes{{instance="127.0.0.1:{hostile}"}}', lambda found: value(found) == 2 << 30)
name = found[0]['metric']['function']
if not name.startswith('\\x1b]0;x\\x07<script>alert(1)</script>&"\'\\;\\n') or '\n' in name:
    sys.exit(f'the hostile name became {name!r}')
if live:
    at = f'instance="127.0.0.1:{live}"'
    lost = f'leat_doctor_culprit_bytes{{{at},function="loses_all",verdict="bounce"}}'
    before = value(wait_for(lost, lambda found: value(found) > 0))
    wait_for(lost, lambda found: value(found) > before)
    found = query(lost)[0]['metric']
    if not found['file'].endswith('patient.c') or found['line'] not in ('10', '11'):
        sys.exit(f'lost at {found}')
    wait_for(f'leat_doctor_watched_seconds{{{at}}}', lambda found: value(found) > 5)
    print('ok   a live watch')
END
echo 'ok   scraped'
