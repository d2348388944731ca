#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""names [PART...]: names that nobody tells hold up neither leat proxy nor each other. In name spaces of their own, with a name server
that hears and is silent, or knows some names only."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import lab

NEW_SPACES = 0x00020000 | 0x40000000	# CLONE_NEWNS, CLONE_NEWNET


def own_resolver():
    """A network of our own, where names are asked for at 127.0.0.1:53 alone, for this process and those it starts."""
    if os.getuid():
        raise lab.Skip('only root has an /etc/resolv.conf of its own')
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_SPACES):
        raise lab.Skip('no name spaces of mounts and networks here')
    with open('resolv.conf', 'w', encoding='ascii') as to:
        to.write('nameserver 127.0.0.1\noptions timeout:5 attempts:2\n')
    with open('nsswitch.conf', 'w', encoding='ascii') as to:
        to.write('hosts: files dns\n')
    for command in ('mount --make-rprivate /', 'mount --bind resolv.conf /etc/resolv.conf', 'mount --bind nsswitch.conf /etc/nsswitch.conf',
                    'ip link set lo up'):
        if subprocess.run(command.split(), stderr=subprocess.DEVNULL, check=False).returncode:
            raise lab.Skip(f'`{command}` fails here')


class Names(threading.Thread):
    """A name server that knows some names, by an address or several, and has no answer for others."""

    def __init__(self, known=()):
        super().__init__(daemon=True)
        self.known, self.asked = dict(known), set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 53))
        self.start()

    def run(self):
        while True:
            query, client = self.socket.recvfrom(2000)
            end = query.index(b'\0', 12) + 5
            name, at = [], 12
            while query[at]:
                name.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            name = '.'.join(name)
            self.asked.add(name)
            if name not in self.known:
                continue
            is_a = query[end - 4:end - 2] == b'\0\1'
            known = self.known[name].split() if is_a else []
            answer = b''.join(b'\xc0\x0c\0\1\0\1\0\0\0\1\0\4' + socket.inet_aton(address) for address in known)
            self.socket.sendto(query[:2] + b'\x81\x80\0\1\0' + bytes([len(known)]) + b'\0\0\0\0' + query[12:end] + answer, client)


DEAD = ['dead%d.test:1' % n for n in range(4)]
NAMES = []


def resolver():
    """The one of this script."""
    if not NAMES:
        own_resolver()
        NAMES.append(Names())
    return NAMES[0]


def took(function):
    began = time.monotonic()
    function()
    return time.monotonic() - began


def it_begins_without_them():
    """Four names that nobody tells, and one upstream that needs none: it listens and serves at once, and ends when told."""
    names, up, port = resolver(), lab.Echo(), lab.free_port()
    began = time.monotonic()
    with lab.Service(args=['--workers', '1', f'127.0.0.1:{port}', *DEAD, f'127.0.0.1:{up.port}']) as proxy:
        lab.holds(time.monotonic() - began < 4 * lab.SLOW, f'it listened after {time.monotonic() - began:.1f} s')
        lab.holds(len(names.asked) == 4, f'asked for at once were {names.asked}')
        lab.equal(proxy.text().count('it has no address yet'), 4, 'what it says of them')
        lab.equal(lab.ask(('127.0.0.1', port)), b'hello', 'what comes')
        seconds = took(lambda: lab.equal(proxy.stop(), 0, 'its exit status'))
        lab.holds(seconds < 2 * lab.SLOW, f'it ended after {seconds:.1f} s')


def a_reload_without_them():
    """New names, and nobody tells them: it is taken soon, and SIGTERM is heard meanwhile."""
    _, up, port = resolver(), lab.Echo(), lab.free_port()
    lines = ['workers 1', f'listen 127.0.0.1:{port}', f'upstream 127.0.0.1:{up.port}']
    with lab.Service(lines) as proxy:
        seconds = took(lambda: proxy.reload(lines + [f'upstream {name}' for name in DEAD]))
        lab.holds(seconds < 4 * lab.SLOW, f'the reload took {seconds:.1f} s')
        lab.equal(lab.ask(('127.0.0.1', port)), b'hello', 'what comes')
        proxy.write(lines + [f'upstream other-{name}' for name in DEAD])
        proxy.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        seconds = took(lambda: lab.equal(proxy.stop(), 0, 'its exit status'))
        lab.holds(seconds < 1.2 * lab.SLOW, f'it ended after {seconds:.1f} s')


def who_is_told_while_it_begins():
    """SIGTERM while names are asked for the first time."""
    resolver().asked.clear()
    process = subprocess.Popen([lab.LEAT, 'proxy', f'127.0.0.1:{lab.free_port()}', *DEAD], stderr=subprocess.PIPE, text=True)
    lab.eventually(lambda: resolver().asked, 'somebody is asked')
    seconds = took(lambda: (process.terminate(), process.communicate(timeout=60)))
    lab.equal(process.returncode, 0, 'its exit status')
    lab.holds(seconds < 1 * lab.SLOW, f'it ended after {seconds:.1f} s')


def one_is_told_later():
    """It waits neither for the others, which stay dead, nor for the next --resolve."""
    names, up, port = resolver(), lab.Echo(), lab.free_port()
    with lab.Service(args=['--workers', '1', '--resolve', '3600', f'127.0.0.1:{port}', *DEAD, f'late.test:{up.port}']) as proxy:
        names.known['late.test'] = '127.0.0.1'

        def comes():
            try:
                return lab.ask(('127.0.0.1', port)) == b'hello'
            except OSError:
                return False
        lab.eventually(comes, 'it is served', 15)
        lab.holds('late.test' in proxy.text(), proxy.text())


def a_check_says_them():
    """What is not known yet is said, and is no mistake."""
    resolver().known['known.test'] = '127.0.0.1'
    done = subprocess.run([lab.LEAT, 'proxy', '--check', '127.0.0.1:0', 'known.test:1', *DEAD], capture_output=True, text=True, timeout=60, check=False)
    lab.equal((done.returncode, done.stdout, done.stderr.count('it has no address yet'), 'known.test' in done.stderr), (0, 'ok\n', 4, False), done.stderr)


def more_addresses_than_are_used():
    """It is said, once; and again when they are others in number."""
    names, port, metrics = resolver(), lab.free_port(), lab.free_port()
    lines = ['workers 1', 'resolve 1', f'listen 127.0.0.1:{port}', 'upstream many.test:1', f'metrics 127.0.0.1:{metrics}']

    def know(count):
        names.known['many.test'] = ' '.join(f'127.0.1.{i}' for i in range(1, count + 1))

    def asked_anew():
        for _ in range(2):
            names.asked.discard('many.test')
            lab.eventually(lambda: 'many.test' in names.asked, 'it is asked for again')

    def used():
        return lab.value(metrics, 'leat_proxy_upstream_addresses{upstream="many.test:1",sni=""}')

    know(40)
    with lab.Service(lines) as proxy:
        lab.eventually(lambda: used() == 32, 'addresses that are used')
        asked_anew()
        proxy.reload()
        asked_anew()
        lab.equal(proxy.text().count('many.test:1: it has 40 addresses, of which 8 are left out'), 1, 'times it is said')
        know(32)
        asked_anew()
        know(33)
        lab.eventually(lambda: 'many.test:1: it has 33 addresses, of which 1 are left out' in proxy.text(), 'the other number is said')
        lab.equal(proxy.text().count('left out'), 2, 'times anything is said')


if __name__ == '__main__':
    sys.exit(lab.parts(it_begins_without_them, a_reload_without_them, who_is_told_while_it_begins, one_is_told_later, a_check_says_them,
                       more_addresses_than_are_used))
