# SPDX-License-Identifier: MIT
"""What the tests of leat proxy share: the proxy as a child, servers for it, parts that are counted, and what a process uses."""

import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

LEAT = os.environ.get('LEAT', os.path.join(os.environ.get('LEAT_BUILD', 'build'), 'cli', 'leat'))
SLOW = 4 if os.environ.get('SANITIZER') else 1
RESET = struct.pack('ii', 1, 0)
TICK = os.sysconf('SC_CLK_TCK')


class Skip(Exception):
    """What a part lacks."""


def holds(condition, what):
    if not condition:
        raise AssertionError(what)


def equal(got, wanted, what):
    holds(got == wanted, f'{what}: {got!r} and not {wanted!r}')


def parts(*functions):
    """Runs them as tests of their own, which ci/count.py counts. The exit status of the script."""
    names, failed, skipped = sys.argv[1:], 0, 0
    chosen = [f for f in functions if not names or f.__name__ in names]
    for function in chosen:
        try:
            function()
            print(f'ok   {function.__name__}', flush=True)
        except Skip as why:
            skipped += 1
            print(f'SKIP {function.__name__}: {why}', flush=True)
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            where = traceback.extract_tb(error.__traceback__)[0]
            print(f'FAIL {function.__name__}: line {where.lineno}: {type(error).__name__}: {error}', flush=True)
    return 1 if failed else 77 if chosen and skipped == len(chosen) else 0


def eventually(condition, what, seconds=10):
    """Waits until it holds, and fails when it never does."""
    end = time.monotonic() + seconds * SLOW
    while not condition():
        holds(time.monotonic() < end, f'never came: {what}')
        time.sleep(0.01)


def listener(address='127.0.0.1', backlog=512, **options):
    """A socket that listens, at a port nobody has, or at a path."""
    if '/' in address:
        server = socket.socket(socket.AF_UNIX)
        server.bind(address)
        server.listen(backlog)
        return server
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    return socket.create_server((address, 0), family=family, backlog=backlog, **options)


def word(server):
    """Where it listens, as the proxy takes it."""
    name = server.getsockname()
    return f'unix:{name}' if isinstance(name, str) else f'[{name[0]}]:{name[1]}' if ':' in name[0] else f'{name[0]}:{name[1]}'


def new_path():
    """Of a Unix socket, in the directory of this test."""
    return tempfile.mktemp(dir=os.getcwd())


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


def cpu_s(pid):
    """Of the process and of all it has left to it by children that ended, in seconds."""
    with open(f'/proc/{pid}/stat', encoding='ascii') as stat:
        words = stat.read().rsplit(')', 1)[1].split()
    return (int(words[11]) + int(words[12])) / TICK


def children(pid):
    found = [pid]
    for one in found:
        try:
            for task in os.listdir(f'/proc/{one}/task'):
                with open(f'/proc/{one}/task/{task}/children', encoding='ascii') as names:
                    found += [int(name) for name in names.read().split()]
        except OSError:
            pass
    return found


class Proxy:
    """leat proxy with one worker, from one address of its own to the servers, with a log in JSON. Ends with its block."""

    def __init__(self, *upstreams, options=(), listen=None, workers=1, before=()):
        self.listen = listen or f'127.0.0.1:{free_port()}'
        self.port = 0 if self.listen.startswith('unix:') else int(self.listen.rsplit(':', 1)[1])
        self.log_path = tempfile.mktemp(prefix='log-', dir=os.getcwd())
        words = [u if isinstance(u, str) else word(u) for u in upstreams]
        self.process = subprocess.Popen([*before, LEAT, 'proxy', '--workers', str(workers), '--drain', '0', '--log', self.log_path, '--log-json',
                                         *options, self.listen, *words], stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        eventually(self.answers, f'the listener {self.listen}')
        self.forget()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            _, said = self.process.communicate(timeout=10 * SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise AssertionError('it did not end by SIGTERM') from None
        holds(self.process.returncode == 0, f'it ended with {self.process.returncode}: {said[:2000]}')
        holds('Sanitizer' not in said and 'runtime error' not in said, said[:2000])

    def answers(self):
        holds(self.process.poll() is None, f'it ended with {self.process.poll()} before it listened')
        if self.listen.startswith('unix:'):    # the path is there before it is listened at, which a flag tells
            with open('/proc/net/unix', encoding='utf-8', errors='replace') as sockets:
                return any(w[-1] == self.listen[5:] and int(w[3], 16) & 0x10000 for w in map(str.split, [*sockets][1:]))
        with open('/proc/net/tcp', encoding='ascii') as tcp, open('/proc/net/tcp6', encoding='ascii') as tcp6:
            return any(w[3] == '0A' and w[1].endswith(f':{self.port:04X}') for w in (line.split() for line in [*tcp][1:] + [*tcp6][1:]))

    def forget(self):
        """What was logged so far."""
        self.before = len(self.all_lines())

    def all_lines(self):
        try:
            with open(self.log_path, encoding='utf-8') as log:
                return [json.loads(line) for line in log if line.endswith('\n')]
        except FileNotFoundError:
            return []

    def lines(self, count=1):
        """The log since forget, when it has so many lines."""
        eventually(lambda: len(self.all_lines()) >= self.before + count, f'{count} lines of the log')
        return self.all_lines()[self.before:]

    def connect(self, **options):
        if self.listen.startswith('unix:'):
            client = socket.socket(socket.AF_UNIX)
            client.connect(self.listen[5:])
            return client
        client = socket.create_connection(('127.0.0.1', self.port), **options)
        client.settimeout(20 * SLOW)
        return client

    def pids(self):
        return children(self.process.pid)

    def descriptors(self):
        return sum(len(os.listdir(f'/proc/{pid}/fd')) for pid in self.pids())

    def cpu_s(self):
        return sum(cpu_s(pid) for pid in self.pids())


def accept(server):
    server.settimeout(20 * SLOW)
    peer = server.accept()[0]
    peer.settimeout(20 * SLOW)
    return peer


def read_all(peer):
    got = bytearray()
    while piece := peer.recv(1 << 18):
        got += piece
    return bytes(got)


def read_n(peer, count):
    got = bytearray()
    while len(got) < count:
        piece = peer.recv(count - len(got))
        holds(piece, f'it ended after {len(got)} of {count} bytes')
        got += piece
    return bytes(got)


def is_reset(peer):
    """Whether what comes at the end of what is there is a reset, and not a clean end."""
    try:
        while peer.recv(1 << 16):
            pass
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    peer.close()


def in_thread(function, *args):
    """Runs it aside; .result() gives what it returned, or raises what it raised."""
    class Aside(threading.Thread):
        def run(self):
            try:
                self.value, self.error = function(*args), None
            except BaseException as error:  # pylint: disable=broad-except
                self.value, self.error = None, error

        def result(self):
            self.join(60 * SLOW)
            holds(not self.is_alive(), 'it hangs')
            if self.error:
                raise self.error
            return self.value
    thread = Aside(daemon=True)
    thread.start()
    return thread


def fill(peer):
    """Sends until nothing more is taken for half a second. Bytes."""
    peer.settimeout(0.5)
    sent = 0
    try:
        while True:
            sent += peer.send(bytes(1 << 16))
    except TimeoutError:
        peer.settimeout(20 * SLOW)
        return sent
