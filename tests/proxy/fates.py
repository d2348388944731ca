#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""fates [PART...]: what a client sees of a connection that was broken off, and what the log and /metrics say of it: the same."""

import os
import signal
import sys

import lab
from limits import deaf


def those_that_were_not_relayed_yet():
    """The proxy ends while an upstream has not answered, or the client has not said all: a reset, as to all the others."""
    server, held = deaf()
    for options, sent in ([], b''), (['--header-in'], b''), (['--header-in'], b'PROX'), (['--sni', 'x=127.0.0.1:1'], b'\x16'):
        with lab.Proxy(server, options=[*options, '--connect', '600']) as proxy:
            idle = lab.settled(proxy.descriptors)
            client = proxy.connect()
            client.sendall(sent)
            lab.eventually(lambda p=proxy, n=idle: p.descriptors() > n, 'it is taken')
            proxy.process.terminate()
            lab.holds(lab.is_reset(client), f'a clean end with {options} behind {sent}')
            line = proxy.lines()[-1]
            lab.equal((line['refused'], line['error']), ('the proxy ended', None), f'the log with {options}')
    for one in held:
        one.close()


def counts(metrics):
    return [lab.value(metrics, f'leat_proxy_{name}_total') for name in ('reset', 'unread')]


def bytes_for_who_has_gone():
    """A Unix upstream closes before it has read what it is sent: who had no answer is reset; who had one has it, and its end. The log
    and /metrics say which."""
    with lab.listener(lab.new_path()) as server:
        metrics = lab.free_port()
        with lab.Proxy(server, options=['--metrics', f'127.0.0.1:{metrics}']) as proxy:
            for sent, wanted, told in (b'', 'Broken pipe', [1, 0]), (b'answer', 'unread', [1, 1]):
                client = proxy.connect()
                peer = lab.accept(server)
                os.kill(worker_of(proxy), signal.SIGSTOP)	# it sees all of that at once
                peer.sendall(sent)
                peer.close()
                client.sendall(b'x' * 1000)
                os.kill(worker_of(proxy), signal.SIGCONT)
                line = proxy.lines()[-1]
                lab.equal((line['error'], line['refused']), (wanted, None), f'the log behind {sent}')
                if sent:
                    lab.equal(lab.read_all(client), sent, 'what came')
                else:
                    lab.holds(lab.is_reset(client), 'a clean end, though what it sent was lost')
                lab.equal(counts(metrics), told, f'/metrics behind {sent}')
                client.close()
                proxy.forget()


def worker_of(proxy):
    return next(pid for pid in proxy.pids() if lab.is_worker(pid))


def a_reset_towards_a_unix_side():
    """The kernel has none for Unix sockets (see CAVEATS of leat-proxy): the log says what the client cannot see."""
    with lab.listener() as server, lab.Proxy(server, listen=f'unix:{lab.new_path()}') as proxy:
        client = proxy.connect()
        peer = lab.accept(server)
        peer.sendall(b'half of it')
        lab.equal(lab.read_n(client, 10), b'half of it', 'what came')
        lab.reset(peer)
        lab.is_reset(client)
        lab.equal(proxy.lines()[-1]['error'], 'Connection reset by peer', 'the error in the log')


def who_leaves_while_it_connects():
    """An upstream has not answered yet: who has reset his connection meanwhile takes no place of --connections, and has his line."""
    server, held = deaf()
    with lab.Proxy(server, options=['--connections', '5', '--connect', '600']) as proxy:
        for sent in b'', b'something that nobody will read':
            proxy.lines(5 if sent else 0)
            for _ in range(5):
                client = proxy.connect()
                client.sendall(sent)
                lab.reset(client)
        lines = proxy.lines(10)
        lab.equal({line['refused'] for line in lines}, {'it left before an upstream had answered'}, 'the log')
        idle = lab.settled(proxy.descriptors)
        client = proxy.connect()
        lab.eventually(lambda: proxy.descriptors() == idle + 2, 'the next one is taken')
        lab.equal(len(proxy.all_lines()) - proxy.before, 10, 'lines of the log')
    for one in held:
        one.close()


def who_has_ended_while_it_connects():
    """That is no leaving: what he has sent arrives, and his end behind it; from a Unix socket as well, though that is closed. One
    that is closed and has sent nothing has left."""
    path = lab.new_path()
    with lab.listener(path, backlog=0) as server, lab.Proxy(server, options=['--connect', '600'], listen=f'unix:{lab.new_path()}') as proxy:
        first = lab.socket.socket(lab.socket.AF_UNIX)
        first.connect(path)			# the queue is full
        for closes in True, False:
            client = proxy.connect()
            client.sendall(b'all of it')
            client.shutdown(lab.socket.SHUT_WR)
            if closes:
                client.close()
            lab.time.sleep(0.3)
            lab.equal(len(proxy.all_lines()), proxy.before, 'it was ended')
            lab.accept(server).close()
            with lab.accept(server) as peer:
                lab.equal(lab.read_all(peer), b'all of it', 'what came')
                if not closes:
                    peer.sendall(b'answer')
            if not closes:
                lab.equal(lab.read_all(client), b'answer', 'what came back')
            proxy.lines()
            proxy.forget()
            first = lab.socket.socket(lab.socket.AF_UNIX)
            first.connect(path)
        proxy.connect().close()
        lab.equal(proxy.lines()[0]['refused'], 'it left before an upstream had answered', 'the log of who closed and had sent nothing')


def the_upstream_that_was_tried_last():
    """It is in the log also of a connection that was refused, with the address that was tried; of a name by JSON and by text."""
    port = lab.free_port()
    for options, upstream, address in ([], f'127.0.0.1:{port}', f'127.0.0.1:{port}'), (['--retries', '0'], f'localhost:{port}', None):
        with lab.Proxy(upstream, options=options) as proxy:
            lab.holds(lab.is_reset(proxy.connect()), 'a clean end')
            line = proxy.lines()[-1]
            lab.equal((line['upstream'], line['refused']), (upstream, 'Connection refused'), 'the log')
            lab.holds(line['address'] == address or (not address and line['address'] in (f'127.0.0.1:{port}', f'[::1]:{port}')), line)
    front = lab.free_port()
    with lab.Service(args=['--workers', '1', '--log', 'text', f'127.0.0.1:{front}', f'localhost:{port}']):
        lab.holds(lab.is_reset(lab.socket.create_connection(('127.0.0.1', front))), 'a clean end')
        lab.eventually(lambda: os.path.getsize('text'), 'a line')
        with open('text', encoding='ascii') as text:
            line = text.read()
        lab.holds(lab.re.fullmatch(rf'\S+Z 127\.0\.0\.1:\d+ localhost:{port}=(127\.0\.0\.1|\[::1\]):{port} \d+\.\d{{3}} s Connection refused\n', line), line)


if __name__ == '__main__':
    sys.exit(lab.parts(those_that_were_not_relayed_yet, bytes_for_who_has_gone, a_reset_towards_a_unix_side, who_leaves_while_it_connects,
                       who_has_ended_while_it_connects, the_upstream_that_was_tried_last))
