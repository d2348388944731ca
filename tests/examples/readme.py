#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""README: its program compiles without a warning, prints what the page shows, and the pages and targets it names are there."""

import os
import re
import subprocess

import lab

with open(os.path.join(lab.SOURCE, 'README.md'), encoding='utf-8') as page:
    README = page.read()

program = re.findall(r'```c\n(.*?)```', README, re.DOTALL)
lab.check(len(program) == 1, 'one program, not', len(program))
lab.check(len(program[0].splitlines()) <= 15, 'fifteen lines, not', len(program[0].splitlines()))
lab.put('first.c', program[0].encode())
lab.link_c('first.c', 'first')
lab.put('data', lab.data(4 << 20))

shown = re.findall(r'```console\n(.*?)```', README, re.DOTALL)[0]
commands = re.findall(r'^\$ (.*)\n((?:(?!\$ ).*\n)*)', shown, re.MULTILINE)
lab.check(len(commands) == 4 and commands[0][0].startswith('cc '), 'four commands, not', commands)
for command, output in commands[1:]:
    done = subprocess.run(['sh', '-c', command], capture_output=True, text=True, timeout=lab.SECONDS, check=False)
    lab.check(done.returncode == 0, command, 'ended with', done.returncode, done.stderr)
    said = re.sub('by clone in', 'by copy_file_range in', done.stderr)	# on btrfs and XFS the better way is there
    output = output if said == done.stderr else output.replace('; no clone: fs-denied', '')
    lab.check(said == output, command, 'prints', done.stderr, 'not', output)
lab.check(lab.get('copy') == lab.data(1 << 20), 'copy is not the first MiB of data')

for name in re.findall(r'\]\(([^)#:]+)\)|src="([^"]+)"', README):
    name = name[0] or name[1]
    lab.check(os.path.exists(os.path.join(lab.SOURCE, name)), name, 'is not there')
for name, section in set(re.findall(r'\b(leat[a-z_-]*)\((\d)\)', README)) | set(re.findall(r'man/(\w+)\.(\d)', README)):
    lab.check(os.path.exists(os.path.join(lab.SOURCE, 'man', f'{name}.{section}')), f'{name}({section})', 'is not there')
with open(os.path.join(lab.SOURCE, 'Makefile'), encoding='utf-8') as makefile:
    targets = re.findall(r'^([a-z ]+):', makefile.read(), re.MULTILINE)
for target in re.findall(r'\bmake ([a-z]+)', README):
    lab.check(target in ' '.join(targets).split(), 'make', target, 'is no target')
