#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""The same from an epoll loop: the socket fills up many times, no byte is lost, and it ends."""

import lab

FILE = lab.data(20_000_000)
lab.put('file', FILE)
peer = lab.Peer()
out, _ = lab.run([lab.example('epoll'), 'file', peer.port])
lab.check(peer.bytes() == FILE, 'other bytes arrived')
lab.matches(r'^file → tcp: 20000000 bytes by sendfile in \d+ calls?; 1 wrapper kept it \(they need no content\)$', out, 'explain')
