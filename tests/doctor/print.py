#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""print: models made by hand through every printer: the text as it should stand, JSON and SARIF as their readers need them,
HTML that nothing hostile gets through, folded stacks and metrics line by line, and a full disk."""

import html.parser
import json
import os
import re
import subprocess
import sys

SOURCE, BUILD = os.environ['LEAT_SOURCE'], os.environ['LEAT_BUILD']
PRINTED = os.path.join(BUILD, 'tests', 'doctor', 'printed')
MODELS = ['picture', 'hostile', 'verdicts', 'threads', 'between-files', 'incomplete', 'clean', 'unjudged', 'sourceless', 'by-the-way',
          'nothing', 'many', 'placeless']
CLEAN = 'clean', 'by-the-way'
FORMATS = ['text', 'json', 'html', 'folded', 'sarif', 'metrics']
# What moves a cursor, turns the writing or cannot be seen; in no output, whatever the model holds.
UNFIT = re.compile('[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]')


def check(holds, *why):
    if not holds:
        sys.exit('FAIL: ' + ' '.join(str(part) for part in why))


def printed(form, model, *options):
    done = subprocess.run([PRINTED, form, model, *options], capture_output=True, timeout=120, check=False)
    check(done.returncode == 0, form, model, options, 'ended with', done.returncode, done.stderr.decode(errors='replace'))
    return done.stdout.decode()      # strict: what is no UTF-8 fails


def golden(name, text):
    with open(os.path.join(SOURCE, 'tests', 'doctor', 'golden', name), encoding='utf-8') as file:
        want = file.read()
    if text != want:
        with open(name, 'w', encoding='utf-8') as file:
            file.write(text)
        subprocess.run(['diff', '-u', os.path.join(SOURCE, 'tests', 'doctor', 'golden', name), name], check=False)
        sys.exit(f'FAIL: {name} is another text')


def columns(line):
    return len(line)       # the models' texts have no wide characters


def texts():
    golden('picture.txt', printed('text', 'picture', 'utf8', 'exit', '1'))
    golden('picture-wide.txt', printed('text', 'picture', 'utf8', 'exit', '1', 'width', '110'))
    golden('picture-ascii.txt', printed('text', 'picture', 'exit', '1', 'width', '60'))
    golden('verdicts.txt', printed('text', 'verdicts', 'utf8'))
    golden('between-files.txt', printed('text', 'between-files', 'utf8'))
    golden('threads.txt', printed('text', 'threads', 'utf8'))
    golden('incomplete.txt', printed('text', 'incomplete', 'utf8'))
    for model in MODELS:
        for width in 40, 80, 200:
            for line in printed('text', model, 'width', str(width), 'utf8').splitlines():
                check(columns(line) <= width, model, 'has a line of', columns(line), 'columns, not', width, line)
        check(printed('text', model).isascii(), model, 'has more than ASCII where there is no UTF-8')
    colored = printed('text', 'picture', 'utf8', 'color')
    check('\033[31m' in colored, 'no colour')
    check(re.sub('\033\\[[0-9]*m', '', colored) == printed('text', 'picture', 'utf8'), 'colour changes the text')
    check('\033' not in re.sub('\033\\[[0-9]+m', '', printed('text', 'hostile', 'utf8', 'color')), 'an escape gets through')
    for model in MODELS:
        said = printed('text', model, 'utf8').lower()
        check(('clean' in said) == (model in CLEAN), model, 'says clean, or does not')
    check('more findings' in printed('text', 'many'), 'what is not shown is not counted')
    said = ' '.join(printed('text', 'sourceless', 'utf8').split())
    check('31 MiB written that came from no read that was seen' in said and 'why the program made, ' in said and
          'No loss of zero copy was seen in 1 flow, but much was written' in said, said)
    check('not all could be judged' in printed('text', 'unjudged'), 'what could not be judged is not told')


VERDICTS = {'kernel', 'bounce', 'copied', 'mmap-write', 'changed', 'small', 'cannot', 'unknown'}
FLOW = {'verdict', 'reason', 'confidence', 'source', 'sink', 'bytes', 'calls', 'cost', 'culprit', 'stack_read', 'stack_write',
        'mend', 'why', 'members'}


def json_flow(model, flow):
    check(FLOW <= set(flow), model, 'lacks', FLOW - set(flow))
    check(flow['verdict'] in VERDICTS, flow['verdict'])
    check({'function', 'file', 'line', 'inlined', 'module', 'side'} <= set(flow['culprit']), flow['culprit'])
    for side in 'source', 'sink':
        check({'kind', 'path', 'address'} <= set(flow[side]), flow[side])
    check(all(isinstance(count, int) for count in flow['calls'].values()), flow['calls'])
    check(flow['bytes'] == sum(member['bytes'] for member in flow['members']), model, 'bytes of its members')
    check(sum(flow['calls'].values()) >= sum(member['writes'] for member in flow['members']), model, flow['calls'])
    for frame in flow['stack_read'] + flow['stack_write']:
        check({'function', 'file', 'line', 'inlined', 'module'} <= set(frame), frame)


def jsons():
    found = set()
    for model in MODELS:
        text = printed('json', model, 'exit', '1')
        check(not UNFIT.search(text), model, 'has bytes that a terminal may not see')
        said = json.loads(text, parse_constant=lambda constant: check(False, model, 'has', constant))
        check(said['format'] == 'leat-doctor' and said['version'] == 1, 'another format')
        check({'engine', 'target', 'coverage', 'flows', 'summary'} <= set(said), model, set(said))
        for flow in said['flows']:
            json_flow(model, flow)
            found.add(flow['verdict'])
        check(said['summary']['clean'] == (model in CLEAN), model, said['summary'])
        check(bool(said['coverage']['unpaired_why']) == (model in ('incomplete', 'sourceless')), model, said['coverage'])
        check(said['coverage']['complete'] == (model != 'incomplete'), model, said['coverage'])
    check(found == VERDICTS, 'no model has', VERDICTS - found)
    flow = json.loads(printed('json', 'picture'))['flows'][0]
    check(flow['culprit']['function'] == 'main.justReader.Read' and flow['culprit']['line'] == 12, flow['culprit'])
    check(flow['calls'] == {'read': 65540, 'write': 65536} and flow['kernel_calls'] == 20, flow['calls'])
    evil = json.loads(printed('json', 'hostile'))['target'][0]['name']
    check(evil.startswith('\033]0;x\a<script>') and '\u202e\ufffd\ufffd\ufffd{}' in evil, ascii(evil))


def sarif_place(model, result):
    """Consumers refuse all the results for one that has no file."""
    check(len(result['locations']) == 1, model, 'has not one location', result['locations'])
    physical = result['locations'][0].get('physicalLocation', {})
    uri = physical.get('artifactLocation', {}).get('uri', '')
    check(re.fullmatch(r'(file://(?=/))?([A-Za-z0-9/._~-]|%[0-9A-F]{2})+', uri), model, 'uri', uri[:300])
    check(physical.get('region', {'startLine': 1})['startLine'] >= 1, physical)


def sarif_placeless():
    """Of each result the file and line that stand in, and whose name stands there."""
    places = []
    for result in json.loads(printed('sarif', 'placeless'))['runs'][0]['results']:
        place = result['locations'][0]
        physical = place['physicalLocation']
        places.append((physical['artifactLocation']['uri'], physical.get('region', {}).get('startLine'),
                       *(name['fullyQualifiedName'] for name in place.get('logicalLocations', []))))
    want = [('wrap.c', 4, 'wrap'), ('file:///opt/c%23/dd', None, 'dd+0x0'), ('file:///srv/server', None),
            ('copy%20it.py', None), ('copy%20it.py', None), ('server', None), ('unknown', None)]
    check(places == want, places, 'are not', want)


def sarifs():
    sarif_placeless()
    for model in MODELS + ['broken']:
        text = printed('sarif', model, 'root', '/src/app')
        check(not UNFIT.search(text), model, 'has bytes that a terminal may not see')
        log = json.loads(text)
        check(log['version'] == '2.1.0' and len(log['runs']) == 1, model, log['version'])
        run = log['runs'][0]
        rules = run['tool']['driver']['rules']
        check(run['tool']['driver']['name'] == 'leat doctor', run['tool'])
        check(len({rule['id'] for rule in rules}) == len(rules), 'a rule twice')
        for result in run['results']:
            check(rules[result['ruleIndex']]['id'] == result['ruleId'], result['ruleId'])
            check(result['level'] in ('warning', 'note') and result['message']['text'], result['level'])
            check(not re.search(r'(?<!\{)\{(\{\{)*(?!\{)', result['message']['text']), 'a placeholder', result['message'])
            sarif_place(model, result)
        notes = run['invocations'][0]['toolExecutionNotifications']
        check(bool(notes) == (model in ('incomplete', 'sourceless', 'broken')), model, notes)
    place = json.loads(printed('sarif', 'picture', 'root', '/src/app/'))['runs'][0]['results'][0]['locations'][0]
    physical = place['physicalLocation']
    check(physical['artifactLocation'] == {'uri': 'server.go', 'uriBaseId': 'SRCROOT'}, physical)
    check(physical['region']['startLine'] == 12, physical)
    physical = json.loads(printed('sarif', 'picture'))['runs'][0]['results'][0]['locations'][0]['physicalLocation']
    check(physical['artifactLocation'] == {'uri': 'file:///src/app/server.go'}, physical)


class Page(html.parser.HTMLParser):
    """Every tag closed in its order, none that was not ours, no attribute that acts."""
    VOID = {'meta', 'rect', '!doctype'}
    TAGS = {'html', 'head', 'meta', 'title', 'style', 'body', 'main', 'h1', 'h2', 'h3', 'p', 'div', 'b', 'span', 'i', 'article',
            'pre', 'dl', 'dt', 'dd', 'details', 'summary', 'table', 'tr', 'th', 'td', 'svg', 'g', 'rect', 'text'}

    def __init__(self, name):
        super().__init__()
        self.name, self.open, self.text = name, [], []

    def handle_starttag(self, tag, attrs):
        check(tag in self.TAGS, self.name, 'has a tag', tag)
        for key, value in attrs:
            check(not key.startswith('on') and key not in ('src', 'href'), self.name, key, value)
            check('url(' not in (value or ''), self.name, value)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        check(self.open and self.open[-1] == tag, self.name, 'closes', tag, 'in', self.open[-3:])
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


def pages():
    for model in MODELS:
        text = printed('html', model)
        check(not UNFIT.search(text), model, 'has bytes that no page may have')
        check('<script' not in text and 'http://' not in text and 'https://' not in text, model, 'fetches or runs something')
        check(len(text) < 4 << 20, model, 'is a page of', len(text))
        page = Page(model)
        page.feed(text)
        page.close()
        check(not page.open, model, 'leaves open', page.open)
        if model == 'hostile':
            check('<script>alert(1)</script>' in ''.join(page.text), 'the name is not shown')
    text = printed('html', 'picture')
    check(re.search(r'<g class="lost culprit"><title>main.justReader.Read · 2.00 GiB', text), 'the lost path is not marked')
    check(text.count('class="lost culprit"') == 1 and 'class="kernel"><title>sendfile' in text, 'the graph')


def folded():
    lines = {model: printed('folded', model).splitlines() for model in MODELS}
    for model, stacks in lines.items():
        for line in stacks:
            match = re.fullmatch(r'(.+) ([1-9][0-9]*)', line)
            check(match and not UNFIT.search(line), model, line[:200])
            check(re.search(r';\[\w+ [a-z-]+\]$', match.group(1)), model, line[-200:])
    check(lines['picture'][0] == 'server;runtime.goexit;main.serve;io.Copy;net.(*TCPConn).ReadFrom;net.genericReadFrom;'
          'io.copyBuffer;main.justReader.Read;os.(*File).Read;internal/poll.(*FD).Read;read;[read bounce] 2147483648',
          lines['picture'][0])
    check(len(lines['picture']) == 3, 'two flows have three stacks')


def metrics():
    label = r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
    for model in MODELS:
        text = printed('metrics', model)
        check(not UNFIT.search(text) and text.endswith('\n'), model, 'has unfit bytes')
        series, typed = set(), {}
        for line in text.splitlines():
            kind = re.fullmatch(r'# TYPE (leat_doctor_\w+) (gauge|counter)', line)
            if kind:
                check(kind.group(1) not in typed, line)
                check((kind.group(2) == 'counter') == kind.group(1).endswith('_total'), line)
                typed[kind.group(1)] = kind.group(2)
            elif not line.startswith('# HELP '):
                sample = re.fullmatch(rf'((leat_doctor_\w+)(?:\{{{label}(?:,{label})*\}})?) -?[0-9.e+-]+', line)
                check(sample and sample.group(2) in typed, model, line[:300])
                check(sample.group(1) not in series, model, 'twice', line[:300])
                series.add(sample.group(1))
        check(typed['leat_doctor_unpaired_bytes'] == 'gauge', 'what was read and is then written makes a counter go down')
        check(len(series) < 100, model, 'has', len(series), 'series')
        check(len(text) < 100000, model, 'has', len(text), 'bytes')
    gaps = dict(re.findall(r'^leat_doctor_unseen_total\{what="(\w+)"\} (\d+)$', printed('metrics', 'incomplete'), re.M))
    gaps.update(re.findall(r'^leat_doctor_(unknown_ends|untraced) (\d+)$', printed('metrics', 'incomplete'), re.M))
    coverage = json.loads(printed('json', 'incomplete'))['coverage']
    check({'unknown_ends', 'untraced'} <= set(gaps) and all(coverage[name] == int(count) for name, count in gaps.items()), gaps, coverage)
    check(gaps['unknown_ends'] == '1', gaps)
    total = sum(int(n) for n in re.findall(r'^leat_doctor_culprit_(?:other_)?bytes.* (\d+)$', printed('metrics', 'many'), re.M))
    lost = json.loads(printed('json', 'many'))['summary']['lost_bytes']
    check(total == lost, 'the culprits have', total, 'bytes, not', lost)


def broken():
    for form in FORMATS:
        text = printed(form, 'broken')
        check(not UNFIT.search(text), form, 'has unfit bytes')
        if form in ('json', 'sarif'):
            json.loads(text)


def full_disk():
    for form in FORMATS:
        for model in 'picture', 'many':
            with open('/dev/full', 'wb') as full:
                done = subprocess.run([PRINTED, form, model], stdout=full, stderr=subprocess.PIPE, timeout=120, check=False)
            check(done.returncode == 1 and b'No space left on device' in done.stderr, form, model, 'on a full disk:',
                  done.returncode, done.stderr)


for case in texts, jsons, sarifs, pages, folded, metrics, broken, full_disk:
    case()
    print('ok  ', case.__name__)
