#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""many: the whole command where there is much of something: 10,000 flows with every output at once, in no more than 64 MiB for the
doctor and its children together, and processes with 100,000 descriptors open. What they moved is reported, or said to be lost."""

import json
import os
import resource
import subprocess
import sys
import time

LEAT = os.environ['LEAT']
MEMORY_KIB = 64 * 1024
SINKS, PIECE = 10000, 8192
DESCRIPTORS, HOLDERS_MOST, COPIES = 100000, 50, 40

FLOWS = r'''
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char buffer[65536];
	int source = open("block", O_RDONLY), bytes = atoi(argv[argc - 1]);

	for (int i = atoi(argv[1]); i > 0; i--) {
		int sink = memfd_create("sink", 0);

		if (sink < 0 || pread(source, buffer, bytes, 0) != bytes || write(sink, buffer, bytes) != bytes || close(sink))
			return 1;
	}
}
'''
HOLDER = f'''
import os, sys
number, count, go = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
source = os.open('block', os.O_RDONLY)
sink = os.open('held-' + number, os.O_WRONLY | os.O_CREAT)
for _ in range(count):
    last = os.dup(source), os.dup(sink)
print('ready', flush=True)
os.read(go, 1)
for _ in range({COPIES}):
    os.write(last[1], os.pread(last[0], {PIECE}, 0))
'''


def check(holds, *why):
    if not holds:
        sys.exit('FAIL: ' + ' '.join(str(part) for part in why))


def doctor(engine, *options):
    """The command; its report is to come."""
    return subprocess.Popen([LEAT, 'doctor', '--json', '--engine', engine, *options], stdout=open(f'{engine}.json', 'wb'),
                            stderr=open('said', 'wb'))


def memory_kib(parent):
    """What the doctor holds now, with its children that are the doctor still: of pages that several hold each its share."""
    pids, kib = [parent], 0
    while pids:
        pid = pids.pop()
        try:
            if not os.path.samefile(f'/proc/{pid}/exe', LEAT):
                continue
            with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as rollup:
                kib += sum(int(line.split()[1]) for line in rollup if line.startswith('Pss:'))
            with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as children:
                pids += children.read().split()
        except OSError:
            pass        # it has ended meanwhile
    return kib


def ended(process, engine):
    """Its report; and the most it held at a time."""
    most = 0
    while process.poll() is None:
        most = max(most, memory_kib(process.pid))
        time.sleep(0.01)
    with open('said', encoding='utf-8') as said:
        check(process.returncode in (0, 1), engine, 'ended with', process.returncode, said.read())
    with open(f'{engine}.json', encoding='utf-8') as file:
        return json.load(file), most


def carried(report, source):
    """Bytes of all that came from there, whatever the verdict."""
    return sum(member['bytes'] for flow in report['flows'] for member in flow['members']
               if member['source']['inode'] == source)


def many_flows():
    with open('flows.c', 'w', encoding='ascii') as source:
        source.write(FLOWS)
    subprocess.run([os.environ.get('CC', 'cc'), '-D_GNU_SOURCE', '-O2', '-g', 'flows.c', '-o', 'flows'], check=True)
    inode = os.stat('block').st_ino
    report, most = ended(doctor('bpf', '--html', 'page', '--sarif', 'log', '--record', 'seen', '--save-baseline', 'known', '--',
                                 './flows', str(SINKS), str(PIECE)), 'bpf')
    got, lost = carried(report, inode), report['coverage']['lost_bytes']
    print(f'     {report["summary"]["flows"]:,} flows, {most:,} KiB')
    check(most, 'nobody has seen what it holds')
    check(got <= SINKS * PIECE <= got + lost, got, 'bytes,', lost, 'lost, not', SINKS * PIECE)
    check(report['summary']['flows'] + report['coverage']['lost_flows'] >= SINKS, report['summary'])
    # Of a file whose facts had no room nobody knows what the kernel could do with it.
    check(all(flow['verdict'] != 'cannot' for flow in report['flows']), 'a file that can be spliced cannot, it says')
    check(not report['coverage']['unknown_ends'], report['coverage']['unknown_ends'], 'flows with an end that nothing is known of')
    check(most <= MEMORY_KIB or 'SANITIZER' in os.environ, 'it took', most, 'KiB')
    again = subprocess.run([LEAT, 'doctor', '--json', '--replay', 'seen'], stdout=subprocess.PIPE, timeout=120, check=False)
    check(json.loads(again.stdout) == report, 'the recording gives another report')


def many_descriptors(engine):
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, soft))
    each = min(soft - 50, DESCRIPTORS)
    holders = -(-DESCRIPTORS // each)
    if holders > HOLDERS_MOST:
        print(f'SKIP many_descriptors: {soft} to a process are too few')
        return
    read, write = os.pipe()
    patients = [subprocess.Popen([sys.executable, '-c', HOLDER, f'{engine}-{i}', str(each // 2), str(read)], pass_fds=[read],
                                 stdout=subprocess.PIPE) for i in range(holders)]
    for patient in patients:
        check(patient.stdout.readline() == b'ready\n', 'a holder does not begin')
    process = doctor(engine, '-d', '60', *(word for patient in patients for word in ('-p', str(patient.pid))))
    while process.poll() is None and not watches(process, patients[0], engine):
        time.sleep(0.01)
    os.write(write, bytes(holders))
    for patient in patients:
        patient.stdout.read()
        check(patient.wait() == 0, 'a holder fails')
    report, _ = ended(process, engine)
    got, lost, truth = carried(report, os.stat('block').st_ino), report['coverage']['lost_bytes'], holders * COPIES * PIECE
    print(f'     {holders} processes with {each // 2 * 2:,} descriptors each, {got:,} of {truth:,} bytes')
    check(got <= truth, got, 'bytes of', truth)
    check(engine == 'ptrace' or truth <= got + lost, got, 'bytes,', lost, 'lost, not', truth)
    check(engine == 'bpf' or not report['coverage']['complete'], 'a sample says that it is all')


def watches(process, patient, engine):
    """It has let go of its rights, and holds links; or the patient has a tracer."""
    try:
        if engine == 'ptrace':
            with open(f'/proc/{patient.pid}/status', encoding='utf-8') as status:
                return 'TracerPid:\t0\n' not in status.read()
        with open(f'/proc/{process.pid}/status', encoding='utf-8') as status:
            return 'NoNewPrivs:\t1\n' in status.read()
    except OSError:
        return False


with open('block', 'wb') as block:
    block.write(os.urandom(PIECE))
first = subprocess.run([LEAT, 'doctor', '-d', '0.1', '--engine', 'bpf', '-p', str(os.getpid())], capture_output=True, text=True,
                       timeout=60, check=False)
if first.returncode not in (0, 1):
    print('SKIP:', (first.stderr.strip().splitlines() or ['no doctor here'])[0])
    sys.exit(77)
many_flows()
print('ok   many_flows')
for name in 'bpf', 'ptrace':
    many_descriptors(name)
    print('ok   many_descriptors by', name)
