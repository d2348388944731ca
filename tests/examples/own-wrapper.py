#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""A wrapper of one's own: what it allows is what goes, it is charged all of it, and the kernel's way is kept."""

import re

import lab

FILE = lab.data(1_000_000)
lab.put('file', FILE)
out, _ = lab.run([lab.example('own-wrapper'), 'file', 'copy'])
lab.check(lab.get('copy') == FILE, 'another copy')
moves = re.findall(r'^(\d+) bytes by (\w+)$', out, re.MULTILINE)
lab.check(sum(int(bytes) for bytes, route in moves) == len(FILE), 'charged', moves)
lab.check(len(moves) >= 2, 'more than one move, not', moves)
lab.check(all(route in ('clone', 'copy_file_range') for bytes, route in moves), 'a way of the kernel, not', moves)
half = [sum(int(bytes) for bytes, route in moves[:n + 1]) for n in range(len(moves))]
lab.check(len(FILE) // 2 in half, 'one half at first, not', moves)
