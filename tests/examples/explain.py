#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""explain: what would be, for seven pairs; and that nothing was moved or changed."""

import os

import lab

FILE = lab.data(100_000)
lab.put('file', FILE)
before = os.stat('file')
out, _ = lab.run([lab.example('explain'), 'file'])
EXPECTED = '''\
a file to a socket           file → unix socket: would go by sendfile
the same, to a pipe          file → pipe: would go by splice
with policy copy             file → unix socket: would go by copy; no sendfile: disabled-by-user
with a counter               file → unix socket: would go by sendfile; 1 wrapper kept it (it needs no content)
with a counter and a hash    file → unix socket: would go by copy; no sendfile: needs-content:xxh3
'''
lab.check(out.startswith(EXPECTED), 'it says', out)
lines = out.splitlines()[5:]
lab.check(len(lines) == 2, 'two lines more, not', lines)
lab.matches('^that, with policy require .*no sendfile: needs-content:xxh3.* -> no kernel route, and policy require forbids a copy$',
            lines[0], 'require')
lab.matches(r'^a file of procfs             generated file → unix socket: would go by copy; .*src-generated$', lines[1], 'procfs')
after = os.stat('file')
lab.check((before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns), 'the file changed')
