# SPDX-License-Identifier: MIT
"""What the tests of leat proxy share: the proxy as a child, servers for it, parts that are counted, and what a process uses."""

import errno
import http.client
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

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
            where = traceback.extract_tb(error.__traceback__)[:2][-1]
            print(f'FAIL {function.__name__}: line {where.lineno}: {type(error).__name__}: {error}', flush=True)
    return 1 if failed else 77 if chosen and skipped == len(chosen) else 0


def eventually(condition, what, seconds=10):
    """Waits until it holds, and fails when it never does."""
    end = time.monotonic() + seconds * SLOW
    while not condition():
        holds(time.monotonic() < end, f'never came: {what}')
        time.sleep(0.01)


def settled(value, seconds=0.3):
    """What it gives when it has given the same for so long."""
    last, since = value(), time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(0.02)
        now = value()
        if now != last:
            last, since = now, time.monotonic()
    return last


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
    """Not one of those that the kernel gives to who asks for any: the tests beside this one do, before it is taken."""
    while True:
        port = random.randrange(10000, 32768)
        try:
            socket.create_server(('127.0.0.1', port)).close()
            return port
        except OSError:
            pass


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


def is_worker(pid):
    """It has a loop; the keeper has none."""
    return any('eventpoll' in os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd'))


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
                *whole, _ = log.read().split('\n')	# what is behind the last one is being written
                return [json.loads(line) for line in whole]
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


def fill(peer, seconds=0.5):
    """Sends until nothing more is taken for so long. Bytes."""
    peer.settimeout(seconds)
    sent = 0
    try:
        while True:
            sent += peer.send(bytes(1 << 16))
    except TimeoutError:
        peer.settimeout(20 * SLOW)
        return sent


class Echo:
    """An upstream that says its name and then what it hears."""

    def __init__(self, name=b'', port=0, host='127.0.0.1'):
        self.name, self.server = name, socket.create_server((host, port), backlog=1000)
        self.port = self.server.getsockname()[1]
        self.running = True
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while self.running:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(client,), daemon=True).start()

    def one(self, client):
        with client:
            try:
                client.sendall(self.name)
                while piece := client.recv(65536):
                    client.sendall(piece)
                client.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def close(self):
        self.running = False
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


class Service:
    """leat proxy by a configuration file, or by words, with all its processes; what it says is kept."""

    def __init__(self, lines=None, args=(), **how):
        self.file = 'conf.%d' % id(self)
        if lines is not None:
            self.write(lines)
            args = ['--config', self.file, *args]
        self.said = open('said.%d' % id(self), 'w+')
        self.process = subprocess.Popen([*how.pop('before', []), LEAT, 'proxy', *args], stderr=self.said, **how)

    def __enter__(self):
        eventually(lambda: self.process.poll() is not None or 'listening' in self.text(), 'it begins')
        holds(self.process.poll() is None, f'it does not begin: {self.text()}')
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if error[0]:
            print(self.text())

    def write(self, lines):
        with open(self.file, 'w') as to:
            to.write('\n'.join(lines) + '\n')

    def text(self):
        self.said.flush()
        with open(self.said.name) as of:
            return of.read()

    def reload(self, lines=None, word='listening'):
        if lines is not None:
            self.write(lines)
        before = self.text().count(word)
        self.process.send_signal(signal.SIGHUP)
        eventually(lambda: self.text().count(word) > before, f'it says {word}')

    def children(self):
        with open('/proc/%d/task/%d/children' % (self.process.pid, self.process.pid)) as of:
            return [int(word) for word in of.read().split()]

    def stop(self, number=signal.SIGTERM, seconds=10):
        self.process.send_signal(number)
        return self.process.wait(seconds)


def ask(address, word=b'hello', seconds=10):
    """What comes back for it, to the end. A reset is a ConnectionResetError, whichever call meets it."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(seconds)
        client.connect(address)
        try:
            client.sendall(word)
            client.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.ENOTCONN):
                raise ConnectionResetError(errno.ECONNRESET, 'reset before all was said') from error
            raise
        got = b''
        while piece := client.recv(65536):
            got += piece
        return got


class Load:
    """Clients that come one after the other, as long as this is."""

    def __init__(self, port, clients=4):
        self.done, self.errors, self.running, self.port = 0, [], True, port
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.running = False
        for thread in self.threads:
            thread.join()

    def run(self):
        word = os.urandom(30000)
        while self.running:
            try:
                if ask(('127.0.0.1', self.port), word) != word:
                    self.errors.append('other bytes')
                self.done += 1
            except OSError as error:
                self.errors.append(str(error))


def page(port, path='metrics'):
    try:
        with urllib.request.urlopen('http://127.0.0.1:%d/%s' % (port, path), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def value(port, name):
    found = re.search(r'^%s (\S+)$' % re.escape(name), page(port)[1], re.M)
    return float(found.group(1)) if found else None
