#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""The manual: every example marked as compiled compiles against leat.h without a warning; every public function has a page
under its own name; every error, reason, route and option of the header stands in the page that lists them."""

import glob
import os
import re

import lab

TOP = '''\
#define _GNU_SOURCE
#include <leat.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
'''
BEFORE = TOP + '''
int example(int file, int sock, int other_fd, uint64_t size, void (*on_event)(void *, const struct leat_event *),
	    void (*on_trace)(void *, const void *, const struct leat_event *),
	    void (*on_progress)(void *, const struct leat_progress_state *));
int example(int file, int sock, int other_fd, uint64_t size, void (*on_event)(void *, const struct leat_event *),
	    void (*on_trace)(void *, const void *, const struct leat_event *),
	    void (*on_progress)(void *, const struct leat_progress_state *))
{
	static struct leat_source source, other;
	static struct leat_sink sink;
	static struct leat_transfer transfer;
	struct leat_report report = { 0 };
	struct leat_wait wait;
	char line[256];
	int64_t n = 0;
	int r = 0;

	(void)file, (void)sock, (void)other_fd, (void)size, (void)on_event, (void)on_trace, (void)on_progress;
	(void)source, (void)other, (void)sink, (void)transfer, (void)report, (void)wait, (void)line;
	{
'''
AFTER = '''
	}
	return n < 0 || r < 0;
}
'''
FILE = TOP + '''
int64_t my_tls_read(void *, void *, size_t);
int my_tls_fd(void *);
'''


def text(block):
    return block.replace('\\e', '\\')


pages = {}
for name in glob.glob(os.path.join(lab.SOURCE, 'man', '*.3')):
    with open(name, encoding='utf-8') as page:
        pages[os.path.basename(name)[:-2]] = page.read()
lab.check(len(pages) >= 12, 'twelve pages, not', sorted(pages))

count = 0
for name, page in sorted(pages.items()):
    examples = re.findall(r'\.\\" compiled(: file)?\n\.Bd [^\n]*\n(.*?)\.Ed', page, re.DOTALL)
    for at_file, block in examples:
        count += 1
        source = f'{name}-{count}.c'
        lab.put(source, ((FILE + text(block)) if at_file else (BEFORE + text(block) + AFTER)).encode())
        lab.compile_c(['-c', source, '-o', 'example.o', '-Wno-unused', '-O1'])
lab.check(count >= 20, 'twenty examples, not', count)

with open(os.path.join(lab.SOURCE, 'include', 'leat.h'), encoding='utf-8') as file:
    header = file.read()
with open(os.path.join(lab.SOURCE, 'src', 'leat.map'), encoding='utf-8') as file:
    functions = re.findall(r'^\t(leat_\w+);', file.read(), re.MULTILINE)
lab.check(len(functions) > 50, 'all functions, not', functions)
for function in functions:
    homes = [name for name, page in pages.items() if re.search(rf'^\.Nm {function}( ,)?$', page, re.MULTILINE)]
    lab.check(len(homes) == 1, function, 'has one page, not', homes)
    lab.check(re.search(rf'^\.F[no] {function}\b', pages[homes[0]], re.MULTILINE), function, 'is not in the synopsis of', homes)
    alias = os.path.join(lab.BUILD, 'man', function + '.3')
    lab.check(function in pages or os.path.exists(alias), 'man', function, 'finds nothing')


def listed(pattern, page, what):
    words = re.findall(pattern, header)
    lab.check(words, 'no', what, 'in the header')
    for word in words:
        lab.check(re.search(rf'(?<![\w-]){re.escape(word)}(?![\w-])', pages[page]), what, word, 'is not in', page)


listed(r'\b(LEAT_E[A-Z]+) = -', 'leat', 'error')
options = header[header.index('struct leat_options {'):]
for words in re.findall(r'^\t[^/\n]*?([\w, ()*]+)(?:\[4\])?;', options[:options.index('};')], re.MULTILINE):
    for word in re.findall(r'(\w+)(?=,|$)', words):
        lab.check(re.search(rf'^\.It Va .*\b{word}\b', pages['leat_options'], re.MULTILINE), 'option', word, 'is not described')
members = header[header.index('struct leat_report {'):]
for words in re.findall(r'^\t[\w ]+?[ *]+([\w, \[\]]+);', members[:members.index('};')], re.MULTILINE):
    for word in re.findall(r'(\w+)(?:\[\w+\])?(?=,|$)', words):
        lab.check(word == 'reserved' or re.search(rf'^\.It Va .*\b{word}\b', pages['leat_report'], re.MULTILINE),
                  'member', word, 'is not described')

lab.put('words.c', b'''#include <leat.h>
#include <stdio.h>
int main(void)
{
	for (int i = 1; i < LEAT_ROUTES; i++)
		puts(leat_route_name((enum leat_route)i));
	for (int i = 0; i < LEAT_REASONS; i++)
		puts(leat_reason_name((enum leat_reason)i));
	return 0;
}
''')
lab.link_c('words.c', 'words')
for word in lab.run(['./words'])[0].split():
    lab.check(re.search(rf'^\.It Li .*(?<![\w-]){word}(?![\w-])', pages['leat_report'], re.MULTILINE), word, 'is not in leat_report')
