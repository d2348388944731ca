#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""count.py LOG STATUS: reads meson's testlog.json; prints the skipped cases with their reasons, the failed ones, and one
last line that counts. A program that names its cases (tests/check.h) counts by case, any other test as one. STATUS is
what `meson test` exited with: when it failed and nothing here explains it, that is a failure too."""

import json
import re
import sys

CASE = re.compile(r'^(ok  |FAIL|SKIP) (\w+)(?:: (.*))?$')


class Count:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def add(self, test):
        name, result = re.sub(r'^\w+:(\w+)\S* / ', r'\1/', test['name']), test['result']
        cases = [match.groups() for match in map(CASE.match, test.get('stdout', '').splitlines()) if match]
        for word, case, text in cases:
            if word == 'ok  ':
                self.passed += 1
            elif word == 'FAIL':
                self.failed.append(f'{name}: {case}: {text}')
            else:
                self.skipped.append(f'{name}: {case}: {text}')
        words = {word for word, case, text in cases}
        if result == 'SKIP':
            if 'SKIP' not in words:
                self.skipped.append(f'{name}: {reason(test)}')
        elif result in ('OK', 'EXPECTEDFAIL'):
            self.passed += not words
        elif 'FAIL' not in words:
            self.failed.append(f'{name}: {result.lower()}, exit status {test.get("returncode")}')


def reason(test):
    lines = (test.get('stdout', '') + test.get('stderr', '')).splitlines()
    for line in lines:
        if line.startswith('SKIP'):
            return line[4:].lstrip(': ')
    return 'no reason given'


def main():
    count = Count()
    with open(sys.argv[1], encoding='utf-8') as log:
        for line in log:
            count.add(json.loads(line))
    if sys.argv[2] != '0' and not count.failed:
        count.failed.append(f'meson test itself: exit status {sys.argv[2]}')
    if not count.passed and not count.failed and not count.skipped:
        count.failed.append('no test ran')
    for text in count.skipped:
        print('skipped', text)
    for text in count.failed:
        print('FAILED ', text)
    print(f'{count.passed} passed, {len(count.failed)} failed, {len(count.skipped)} skipped')
    return 1 if count.failed else 0


sys.exit(main())
