#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""pages [PART...]: what --metrics serves: who is answered, and what /health and /ready say."""

import signal
import socket
import sys
import time

import lab
from lab import Echo, Proxy, Service, free_port, page, value


def is_there(metrics):
    try:
        return page(metrics)[0] == 200
    except OSError:
        return False


def many_who_do_not_ask():
    """Whoever holds a connection and has not asked gives way, also when many come at once: no scrape is late by the second that TCP
    waits before it asks again."""
    metrics = free_port()
    with Proxy('127.0.0.1:1', options=['--metrics', f'127.0.0.1:{metrics}']):
        lab.eventually(lambda: is_there(metrics), 'it is served')
        for sent in b'', b'GET /metrics HT':
            silent = []
            for _ in range(60):
                silent.append(socket.socket())
                silent[-1].setblocking(False)
                silent[-1].connect_ex(('127.0.0.1', metrics))
                try:
                    silent[-1].send(sent)
                except OSError:
                    pass
            began = time.monotonic()
            lab.equal(page(metrics)[0], 200, 'the status')
            lab.holds(time.monotonic() - began < 0.8 * lab.SLOW, f'an answer after {time.monotonic() - began:.2f} s')
            for one in silent:
                one.close()


def ready_and_healthy():
    """/health is the proxy's own; /ready asks for an upstream that is up, of each group."""
    one, named, port, metrics = Echo(), Echo(), free_port(), free_port()
    with Service(args=[f'127.0.0.1:{port}', f'127.0.0.1:{one.port}', '127.0.0.1:1', '--sni', f'a.b=127.0.0.1:{named.port}', '--workers', '1', '--health', '1',
                       '--failures', '1', '--metrics', f'127.0.0.1:{metrics}']) as proxy:
        lab.eventually(lambda: value(metrics, 'leat_proxy_upstream_up{upstream="127.0.0.1:1",sni=""}') == 0, 'one of two is found out')
        lab.equal((page(metrics, 'health'), page(metrics, 'ready')), ((200, 'ok\n'), (200, 'ok\n')), 'while one of each is up')
        named.close()
        lab.eventually(lambda: page(metrics, 'ready') == (503, 'no upstream of a name of --sni is up\n'), 'it says so')
        one.close()
        lab.eventually(lambda: page(metrics, 'ready') == (503, 'no upstream is up\n'), 'it says so')
        lab.equal(page(metrics, 'health'), (200, 'ok\n'), '/health')
        one = Echo(port=one.port)
        named = Echo(port=named.port)
        lab.eventually(lambda: page(metrics, 'ready')[0] == 200, 'they are back')
        with socket.create_connection(('127.0.0.1', port)) as client:
            client.sendall(b'\x16')
            lab.eventually(lambda: value(metrics, 'leat_proxy_connections_active') == 1, 'it is let in')
            proxy.process.send_signal(signal.SIGTERM)
            lab.eventually(lambda: page(metrics, 'ready') == (503, 'draining\n'), 'it drains')


if __name__ == '__main__':
    sys.exit(lab.parts(many_who_do_not_ask, ready_and_healthy))
