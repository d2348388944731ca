# SPDX-License-Identifier: MIT
"""Compares a report with what was planted. Nothing here knows how a patient was run."""

import fnmatch
import os
import re
import shutil
import subprocess

LOSSES = {'bounce', 'copied', 'mmap-write'}
GAPS = 'calls_32_bit', 'aio_requests', 'io_uring_blind', 'unknown_ends'
CONFIDENCE = ['none', 'low', 'medium', 'high', 'certain']


class Judgement:
    """What holds: True, False, or None where nothing was asked. notes: why not, in words."""

    def __init__(self):
        self.verdict = self.function = self.line = self.confidence = self.bytes = self.words = None
        self.said, self.sure, self.notes, self.blind = '-', '-', [], False

    def hold(self, what, holds, *why):
        setattr(self, what, holds and getattr(self, what) is not False)
        if not holds:
            self.notes.append(' '.join(str(part) for part in why))

    def right(self):
        return False not in (self.verdict, self.function, self.line, self.confidence, self.bytes, self.words)


def symbolized(program, address):
    """[(function, file, line)], innermost first. LLVM's first: addr2line 2.40 leaves frames out that clang inlined."""
    if shutil.which('llvm-symbolizer'):
        out = subprocess.run(['llvm-symbolizer', '--inlines', '--demangle', '--output-style=GNU', '--functions', '-e', program,
                              hex(address)], capture_output=True, text=True, check=True).stdout
    else:
        out = subprocess.run(['addr2line', '-f', '-i', '-C', '-e', program, hex(address)], capture_output=True, text=True,
                             check=True).stdout
    lines = [line for line in out.splitlines() if line]
    found = []
    for function, place in zip(lines[::2], lines[1::2]):
        file, _, line = re.sub(r' \(.*', '', place).rpartition(':')
        found.append((function, file, int(line) if line.isdigit() else None))
    return found


def named(culprit, names_from):
    """The functions and places that a culprit's address stands for, innermost first: as the report has it, or, where the names
    were taken out of the program, as the copy with the names has it."""
    if not names_from:
        return [(culprit.get('function'), culprit.get('file'), culprit.get('line'))]
    if not culprit.get('offset'):
        return [(None, None, None)]
    offset = int(culprit['offset'], 16)
    return symbolized(names_from, offset - 1) + symbolized(names_from, offset)  # of a return address the call stands before it


def judge_culprit(judgement, row, flow, lines, names_from):
    culprit = flow['culprit']
    if row.side != '-':
        judgement.hold('words', culprit['side'] in row.side.split('|'), 'side', culprit['side'], 'not', row.side)
    if 'unnamed' in row.flags:
        judgement.hold('function', culprit['function'] is None and row.flags['unnamed'] in (culprit['more'] or ''), 'function',
                       culprit['function'], 'and', culprit['more'], 'not none and', row.flags['unnamed'])
    if row.function == '-':
        return
    places = named(culprit, names_from)
    right = [place for place in places if place[0] and any(fnmatch.fnmatchcase(place[0], name.replace('[', '[[]'))
                                                           for name in row.function.split('|'))]
    judgement.hold('function', bool(right), 'culprit', places[0][0] or culprit.get('inside') or culprit.get('offset'),
                   'not', row.function)
    if lines:
        judgement.hold('line', any((os.path.basename(file or ''), line) in lines for _, file, line in (right or places)),
                       'line', f'{os.path.basename(places[0][1] or "?")}:{places[0][2]}', 'not',
                       ' or '.join(f'{file}:{line}' for file, line in sorted(lines)))


def judge_loss(judgement, row, report, flows, truth, lines, names_from):
    wanted = set(row.verdict.split('+'))
    found = [flow for flow in flows if flow['verdict'] in wanted]
    def theirs(flow):       # what a server carries once, in an odd way: what stood behind the head of an answer, say
        return row.language == 'server' and flow['bytes'] * 100 < truth

    # of a few calls none may have been looked into, where 1 in 16 is: reported all the same
    small = sum(flow['bytes'] for flow in flows if flow['verdict'] == 'small' or flow['verdict'] == 'unknown' and theirs(flow))
    judgement.hold('verdict', bool(found), 'no', row.verdict)
    for flow in flows:
        if flow['verdict'] in LOSSES - wanted and not theirs(flow):
            judgement.hold('verdict', False, 'also', flow['verdict'])
    if not found:
        return
    reported, lost = sum(flow['bytes'] for flow in found), report['coverage']['lost_bytes']
    if report['engine'] == 'bpf':
        judgement.hold('bytes', reported <= truth <= reported + small + lost + row.slack, reported, 'bytes,', small,
                       'small and', lost, 'lost, not', truth)
    found = [flow for flow in found if not theirs(flow)] or found[:1]
    least = min((flow['confidence'] for flow in found), key=CONFIDENCE.index)
    wanted = row.confidence if report['coverage']['sampled_1_in'] > 1 else row.flags.get('looked', row.confidence)
    judgement.sure = least
    judgement.hold('confidence', CONFIDENCE.index(least) >= CONFIDENCE.index(wanted), 'only', least)
    for flow in found:
        if row.reason != '-':
            judgement.hold('words', flow['reason'] in row.reason.split('|'), 'reason', flow['reason'], 'not', row.reason)
        if 'why' in row.flags:
            judgement.hold('words', row.flags['why'] in (flow['why'] or ''), 'why', flow['why'], 'not', row.flags['why'])
        judge_culprit(judgement, row, flow, lines, names_from)


def judge_release(judgement, report, release):
    """Of which release of its language the process is said to be."""
    said = [(process['version'] or '?').split()[-1] for process in report['target']]
    if release:
        judgement.hold('words', any((version + '.').startswith(release + '.') for version in said), said, 'not', release)


def judge(row, report, truth, lines, names_from):
    """row: of the table. truth: bytes that were moved. lines: {(file, line)} of the markers, empty where none is asked."""
    judgement = Judgement()
    flows = report['flows']
    loud = [flow for flow in flows if flow['verdict'] in LOSSES]
    judgement.said = '+'.join(sorted({flow['verdict'] for flow in flows
                                     if flow['bytes'] * 20 > truth or report['engine'] == 'ptrace'})) or 'nothing'
    judgement.blind = row.verdict == 'unseen' or ('noburst' in row.flags and report['engine'] == 'ptrace')
    if set(row.verdict.split('+')) & LOSSES and not judgement.blind:
        judge_loss(judgement, row, report, flows, truth, lines, names_from)
        return judgement
    rest = sum(flow['bytes'] for flow in loud)
    judgement.hold('verdict', rest <= row.rest, 'false alarm:', *(f"{flow['verdict']} of {flow['bytes']}" for flow in loud))
    if row.verdict in ('none', 'tls'):
        if row.verdict == 'tls':
            judgement.hold('words', report['coverage']['tls_records'] > 0, 'no TLS records were seen')
        return judgement
    if judgement.blind:
        if row.verdict != 'unseen':
            judgement.notes.append('a burst cannot tell: ' + row.flags['noburst'])
        coverage = report['coverage']
        judgement.hold('words', not coverage['complete'] and not report['summary']['clean'], 'it says all was seen')
        judgement.hold('words', any(coverage[gap] for gap in GAPS), 'it does not say what was not seen')
        return judgement
    mine = [flow for flow in flows if flow['verdict'] == row.verdict]
    judgement.hold('verdict', bool(mine), 'no', row.verdict)
    if not mine:
        return judgement
    judgement.sure = mine[0]['confidence']
    if row.confidence != '-':
        judgement.hold('confidence', CONFIDENCE.index(judgement.sure) >= CONFIDENCE.index(row.confidence), 'only', judgement.sure)
    if row.reason != '-':
        judgement.hold('words', mine[0]['reason'] in row.reason.split('|'), 'reason', mine[0]['reason'], 'not', row.reason)
    if row.verdict == 'kernel' and report['engine'] == 'bpf':
        # By way of a pipe the bytes are counted into it and out of it.
        ways = {flow['bytes'] for flow in mine} | {sum(flow['bytes'] for flow in mine)}
        judgement.hold('bytes', any(n <= truth <= n + row.slack for n in ways), sorted(ways), 'bytes, not', truth)
    return judgement
