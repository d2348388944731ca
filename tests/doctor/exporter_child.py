#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""exporter_child: programs whose files crash or hang their reader hold up no scrape and no other program's names; the reader
has no rights; what has no names is counted."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request

FRAGILE = os.path.join(os.environ['LEAT_BUILD'], 'tests', 'doctor', 'leat-fragile')
SOURCE = '''
#include <fcntl.h>
#include <unistd.h>

static char buffer[65536];

__attribute__((noinline)) void FUNCTION(int from, int to)
{
	if (pread(from, buffer, sizeof buffer, 0) != sizeof buffer || pwrite(to, buffer, sizeof buffer, 0) < 0)
		_exit(1);
	usleep(20000);
}

int main(void)
{
	int from = open("from", O_RDONLY), to = open("to-FUNCTION", O_WRONLY | O_CREAT, 0600);

	for (;;)
		FUNCTION(from, to);
}
'''
processes = []


def fail(*why):
    sys.exit('FAIL: ' + ' '.join(str(part) for part in why))


def build(function):
    with open(function + '.c', 'w', encoding='ascii') as source:
        source.write(SOURCE.replace('FUNCTION', function))
    subprocess.run(['gcc', '-O2', '-g', '-o', function, function + '.c'], check=True)


def patient(function):
    build(function)
    processes.append(subprocess.Popen(['./' + function]))
    return processes[-1]


def scrape():
    began = time.monotonic()
    with urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics', timeout=60) as answer:
        page = answer.read().decode()
    slowest.append(time.monotonic() - began)
    return page


def value(page, name):
    found = re.search(r'^leat_doctor_' + re.escape(name) + r' (\S+)$', page, re.M)
    return float(found.group(1)) if found else 0


def wait_for(what, holds):
    end = time.monotonic() + 120
    page = ''
    while time.monotonic() < end:
        if doctor.poll() is not None:
            fail('the exporter ended:', doctor.stderr.read().decode())
        try:
            page = scrape()
            if holds(page):
                return page
        except OSError:
            pass
        time.sleep(0.2)
    fail(what, 'never came:', page)


def is_reader(pid):
    """Alive, that is: whoever adopts one may be slow to bury it."""
    try:
        with open(f'/proc/{pid}/status', encoding='utf-8') as status:
            text = status.read()
    except OSError:
        return False
    return 'leat-symbols' in text and '\nState:\tZ' not in text


def children(of):
    """By birth, as the kernel lists them: the numbers of processes begin anew after the last."""
    found = {}
    with open(f'/proc/{of}/task/{of}/children', encoding='ascii') as pids:
        born = pids.read().split()
    for pid in born:
        try:
            with open(f'/proc/{pid}/status', encoding='utf-8', errors='replace') as status:
                lines = dict(line.rstrip('\n').split(':\t', 1) for line in status if ':\t' in line)
        except OSError:
            continue
        if lines['State'][0] != 'Z':
            found[int(pid)] = lines
    return found


if not shutil.which('gcc'):
    print('SKIP: gcc is not installed')
    sys.exit(77)
with open('from', 'wb') as file:
    file.write(os.urandom(65536))
port = 10000 + os.getpid() % 22000	# not one that the kernel gives to who asks for any
slowest = []
try:
    watched = [patient(name) for name in ('sound', 'crash_the_reader', 'hang_the_reader', 'also_sound')]
    build('sound_again')
    waits = subprocess.Popen(['sh', '-c', 'read go && exec ./sound_again'], stdin=subprocess.PIPE)
    processes.append(waits)
    watched.append(waits)
    doctor = subprocess.Popen([FRAGILE, 'doctor', '--engine', 'bpf', '--prometheus', f'127.0.0.1:{port}'] +
                              [word for one in watched for word in ('-p', str(one.pid))],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    processes.append(doctor)
    time.sleep(0.5)
    if doctor.poll() == 3:
        print('SKIP:', doctor.stderr.read().decode().strip())
        sys.exit(77)
    readers, first_seen = {}, {}
    all_seen = threading.Event()

    def look():
        """The one that reads is there only while there is something to read, and a scrape may wait for it. One just born
        has not yet dropped what it drops."""
        while not all_seen.wait(0.05):
            for pid, lines in children(doctor.pid).items():
                if time.monotonic() - first_seen.setdefault(pid, time.monotonic()) > 0.5:
                    readers[pid] = lines

    def all_named(page):
        return ('function="sound"' in page and 'function="also_sound"' in page and
                value(page, 'unseen_total{what="unnamed"}') >= 2)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    page = wait_for('all names', all_named)
    all_seen.set()
    looking.join()
    if 'the_reader"' in page:
        fail('a file that breaks its reader gave names:', page)
    print('ok   served, with the names that can be had')

    if len(readers) < 2 or any(lines['Name'] != 'leat-symbols' for lines in readers.values()):
        fail('children of the exporter:', readers)
    for lines in readers.values():
        if any(int(lines[name], 16) for name in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb')) or lines['NoNewPrivs'] != '1':
            fail('rights:', lines)
        if os.geteuid() == 0 and set(lines['Uid'].split()) != {'65534'}:
            fail('a user:', lines['Uid'])
    if not any(lines['Seccomp'] == '2' for lines in readers.values()):
        fail('no filter of calls:', readers)
    print('ok   its children have no rights')

    if os.geteuid() == 0:       # only root may kill them
        for pid in children(doctor.pid):
            os.kill(pid, signal.SIGKILL)
        waits.stdin.write(b'go\n')
        waits.stdin.flush()
        wait_for('names after all readers were killed', lambda page: 'function="sound_again"' in page)
        readers.update(children(doctor.pid))
        print('ok   readers that are killed are begun anew')

    for pid in list(children(doctor.pid))[1:]:
        os.kill(pid, signal.SIGSTOP)     # asked or not, the exporter has to get over it
    watched.append(patient('sound_later'))
    scrape()
    print('ok   scraped while the reader is stopped')
    doctor.send_signal(signal.SIGTERM)
    out, err = doctor.communicate(timeout=60)
    if doctor.returncode != 1 or b'sound' not in out or b'could not be read' not in b' '.join(out.split()):
        fail('the report:', doctor.returncode, out.decode(), err.decode())
    print('ok   the report names it too')
    for pid in readers:
        for _ in range(500):        # they are killed when the exporter ends, which takes its moment
            if not is_reader(pid):
                break
            time.sleep(0.02)
        else:
            fail('a reader outlives the exporter')
    print(f'ok   nothing is left; the slowest scrape took {max(slowest):.1f} s')
finally:
    for process in processes:
        process.kill()
        process.wait()
