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
    for pid in proxy.pids():
        if any('eventpoll' in os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')):
            return pid
    raise AssertionError('no worker')


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


if __name__ == '__main__':
    sys.exit(lab.parts(those_that_were_not_relayed_yet, bytes_for_who_has_gone, a_reset_towards_a_unix_side))
