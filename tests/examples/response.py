#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Header + file + trailer as one job: in order, each by its own route, each with its own report."""

import lab

FILE = lab.data(1_000_000)
lab.put('file', FILE)
peer = lab.Peer()
out, _ = lab.run([lab.example('response'), 'file', peer.port])
lab.check(peer.bytes() == b'here it comes\n' + FILE + b'that was it\n', 'other bytes arrived')
lines = out.splitlines()
lab.check(len(lines) == 4, 'four lines, not', lines)
lab.matches(r'^part: memory → tcp: 14 bytes by memory in 1 call$', lines[0], 'the header')
lab.matches(r'^part: file → tcp: 1000000 bytes by sendfile in \d+ calls?$', lines[1], 'the file')
lab.matches(r'^part: memory → tcp: 12 bytes by memory in 1 call$', lines[2], 'the trailer')
lab.matches(r'^whole: file → tcp: 1000026 bytes by sendfile in \d+ calls?, memory in 2 calls$', lines[3], 'the whole')
