#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""exporter: what it answers, to whom it says no, and that clients that are slow, silent, mad or many hold up no other."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time

BUILD = os.environ['LEAT_BUILD']
PRINTED = os.path.join(BUILD, 'tests', 'doctor', 'printed')


def check(holds, *why):
    if not holds:
        server.kill()
        sys.exit('FAIL: ' + ' '.join(str(part) for part in why))


def start(model, address='127.0.0.1:0', seconds=60):
    process = subprocess.Popen([PRINTED, 'serve', model, address, str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    line = process.stdout.readline()
    return process, int(line) if line else 0


def connect(size=None):
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if size:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    client.settimeout(20)
    client.connect(('127.0.0.1', port))
    return client


def raw(request, end=False):
    """All that comes back for these bytes."""
    with connect() as client:
        client.sendall(request)
        if end:
            client.shutdown(socket.SHUT_WR)
        answer = b''
        while piece := client.recv(65536):
            answer += piece
        return answer


def get(path, method='GET'):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def answers():
    answer, body = get('/metrics')
    check(answer.status == 200 and answer.version == 11, answer.status)
    check(answer.headers['Content-Type'] == 'text/plain; version=0.0.4; charset=utf-8', answer.headers)
    check(int(answer.headers['Content-Length']) == len(body) and b'leat_doctor_flows{verdict="bounce"} 1\n' in body, body)
    check(get('/metrics?debug=1')[1] == body, 'a query changes the page')
    head, nothing = get('/metrics', 'HEAD')
    check(head.status == 200 and not nothing and int(head.headers['Content-Length']) == len(body), head.headers)
    check(get('/health')[1] == b'ok\n', 'health')
    check(b'/metrics' in get('/')[1], 'the index')
    check(get('/etc/passwd')[0].status == 404 and get('/../metrics')[0].status == 404, 'another path is found')
    refused = get('/metrics', 'POST')[0]
    check(refused.status == 405 and refused.headers['Allow'] == 'GET, HEAD', refused.status)


def mad():
    for request in (b'\r\n\r\n', b'GET\r\n\r\n', b'GET /metrics\r\n\r\n', b'GET  /metrics HTTP/1.1\r\n\r\n',
                    b'GET /metrics HTTP/2.0\r\n\r\n', b'GET /metrics HTTP/1.1 x\r\n\r\n', b'\0\xff\x16\x03\x01\n\n',
                    b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', b' GET / HTTP/1.1\r\n\r\n', b'GET ' + b'\0' * 99 + b' HTTP/1.1x\n\n'):
        check(raw(request).startswith(b'HTTP/1.1 400 '), request, raw(request)[:60])
    check(raw(b'GET / HTTP/1.0\n\n').startswith(b'HTTP/1.1 200 '), 'bare line feeds, HTTP/1.0')
    check(raw(b'GET /metrics HTTP/1.1\r\nX: ' + b'a' * 100000).startswith(b'HTTP/1.1 431 '), 'a head without an end')
    check(raw(b'GET /metrics HTTP/1.1\r\nContent-Length: 9\r\n\r\n' + b'b' * 30000).endswith(b'\n'), 'a body that nobody wants')
    check(raw(b'GET /met', end=True) == b'', 'half a request')
    check(raw(b'', end=True) == b'', 'no request')
    with connect() as client:       # one byte after the other
        for byte in b'GET /health HTTP/1.1\r\nHost: x\r\n\r\n':
            client.sendall(bytes([byte]))
        check(client.recv(1000).startswith(b'HTTP/1.1 200'), 'byte by byte')


def many():
    silent = [connect() for _ in range(100)]
    before = time.monotonic()
    check(get('/health')[1] == b'ok\n', 'silent clients keep others out')
    check(time.monotonic() - before < 2, 'silent clients hold others up for', time.monotonic() - before)
    descriptors = len(os.listdir(f'/proc/{server.pid}/fd'))
    check(descriptors < 30, descriptors, 'descriptors')
    for client in silent:
        client.close()
    with connect(size=2048) as slow:        # asks, and does not read
        slow.sendall(b'GET /metrics HTTP/1.1\r\n\r\n')
        check(get('/health')[1] == b'ok\n', 'a slow client keeps others out')


def bounded():
    """A silent client is let go, and the process does nothing meanwhile."""
    with connect() as client:
        begin, ticks = time.monotonic(), cpu()
        check(client.recv(1) == b'', 'an answer to nothing')
        check(4 < time.monotonic() - begin < 8, 'let go after', time.monotonic() - begin)
        check(cpu() - ticks <= 5, 'burns', cpu() - ticks, 'ticks while it waits')


def cpu():
    with open(f'/proc/{server.pid}/stat', encoding='utf-8') as stat:
        return sum(int(field) for field in stat.read().rsplit(')', 1)[1].split()[11:13])


def addresses():
    for address, word in (('nonsense', 'Invalid'), (':', 'Invalid'), (':65536', 'Invalid'), (':-1', 'Invalid'), ('', 'Invalid'),
                          ('[::1:80', 'Invalid'), ('1.2.3:80', 'Invalid'), (':1x', 'Invalid'), (f':{port}', 'in use')):
        process, got = start('picture', address, 1)
        check(process.wait(20) == 1 and not got and word in process.stderr.read().decode(), 'address', address)
    for address in ':0', '[::1]:0' if socket.has_ipv6 and os.path.exists('/proc/net/if_inet6') else ':0':
        process, got = start('picture', address, 0)
        check(process.wait(20) == 0 and got, 'address', address)


server, port = start('picture')
check(port, 'it does not begin')
for case in answers, mad, many, bounded, addresses:
    case()
    print('ok  ', case.__name__)
check(server.poll() is None, 'it has ended')
server.send_signal(signal.SIGTERM)
server.wait(20)
