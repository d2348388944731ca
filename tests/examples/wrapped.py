#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Five wrappers on a file to a socket: the bytes arrive, by sendfile, and each wrapper was told."""

import lab

FILE = lab.data(3_000_001)
lab.put('file', FILE)
peer = lab.Peer()
out, err = lab.run([lab.example('wrapped'), 'file', peer.port])
lab.check(peer.bytes() == FILE, 'other bytes arrived')
lab.matches(r'^file → tcp: 3000001 bytes by sendfile in \d+ calls?; 5 wrappers kept it \(they need no content\)$', out, 'explain')
lab.matches(r'^counted 3000001$', out, 'the counter')
lab.matches(r'^file: ended by sendfile$', err, 'the log')
lab.matches(r'^3000001 bytes, done$', err, 'the progress')

lab.put('empty', b'')
peer = lab.Peer()
out, err = lab.run([lab.example('wrapped'), 'empty', peer.port])
lab.check(peer.bytes() == b'', 'bytes out of nothing')
lab.matches(r'^counted 0$', out, 'the counter')
