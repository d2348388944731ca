# SPDX-License-Identifier: MIT
"""What the tests of examples, README and manual share: a peer on loopback, the examples, the compiler."""

import json
import os
import re
import socket
import subprocess
import sys
import threading

SOURCE, BUILD = os.environ['LEAT_SOURCE'], os.environ['LEAT_BUILD']
SECONDS = 40


def check(condition, *what):
    if not condition:
        print('FAIL', os.path.basename(sys.argv[0]), *what)
        sys.exit(1)


def skip(why):
    print('SKIP:', why)
    sys.exit(77)


def data(size):
    """Bytes that repeat nowhere near: a shifted or doubled piece shows."""
    return b''.join(b'%015x\n' % n for n in range(size // 16 + 1))[:size]


def put(name, content):
    with open(name, 'wb') as file:
        file.write(content)


def get(name):
    with open(name, 'rb') as file:
        return file.read()


def example(name):
    return os.path.join(BUILD, 'examples', name)


def run(args, **how):
    """stdout and stderr of a program that has to end well."""
    done = subprocess.run(args, capture_output=True, timeout=SECONDS, check=False, **how)
    out, err = done.stdout.decode(errors='replace'), done.stderr.decode(errors='replace')
    check(done.returncode == 0, args, 'ended with', done.returncode, out, err)
    return out, err


class Peer:
    """Accepts one connection and reads it to its end."""

    def __init__(self):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.listener.settimeout(SECONDS)
        self.port, self.got = str(self.listener.getsockname()[1]), b''
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        connection = self.listener.accept()[0]
        connection.settimeout(SECONDS)
        self.got = everything(connection)

    def bytes(self):
        self.thread.join(SECONDS)
        check(not self.thread.is_alive(), 'the peer saw no end of the stream')
        return self.got


def everything(connection):
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b''.join(pieces)


def option(name):
    with open(os.path.join(BUILD, 'meson-info', 'intro-buildoptions.json'), encoding='utf-8') as file:
        return next(o['value'] for o in json.load(file) if o['name'] == name)


def compile_c(args):
    """cc with warnings as errors, the sanitizers of the build, and the public header alone."""
    sanitize = option('b_sanitize')
    sanitize = ','.join(sanitize) if isinstance(sanitize, list) else sanitize
    more = [] if sanitize in ('', 'none') else ['-fsanitize=' + sanitize]
    command = [os.environ.get('CC', 'cc'), '-std=c11', '-Wall', '-Wextra', '-Werror', '-I' + os.path.join(SOURCE, 'include')]
    done = subprocess.run(command + more + args, capture_output=True, text=True, timeout=SECONDS, check=False)
    check(done.returncode == 0, ' '.join(args), 'does not compile:\n' + done.stderr)


def link_c(source, program):
    compile_c([source, '-o', program, os.path.join(BUILD, 'src', 'libleat.a'), '-pthread'])


def matches(pattern, text, what):
    check(re.search(pattern, text, re.MULTILINE), what, 'says', repr(text), 'not', pattern)


def free_of_switches():
    """LEAT_ROUTES of the caller would change every route that is looked for."""
    os.environ.pop('LEAT_ROUTES', None)


free_of_switches()
