#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""The same five wrappers from an epoll loop: the socket fills up many times, no byte is lost, each was told, and it ends."""

import socket
import subprocess

import lab

FILE = lab.data(20_000_000)
lab.put('file', FILE)
peer = lab.Peer()
with socket.create_connection(('127.0.0.1', int(peer.port))) as sink:
    done = subprocess.run([lab.example('epoll'), 'file'], stdout=sink, stderr=subprocess.PIPE, text=True,
                          timeout=lab.SECONDS, check=False)
lab.check(done.returncode == 0, 'ended with', done.returncode, done.stderr)
lab.check(peer.bytes() == FILE, 'other bytes arrived')
lab.matches(r'^file → tcp: 20000000 bytes by sendfile in \d+ calls?; 5 wrappers kept it \(they need no content\)$', done.stderr,
            'explain')
lab.matches(r'^counted 20000000$', done.stderr, 'the counter')
lab.matches(r'^file: ended by sendfile$', done.stderr, 'the log')
lab.matches(r'^file: 20000000 bytes, done$', done.stderr, 'the progress')
