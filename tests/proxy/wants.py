#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""wants [PART...]: leat proxy runs out of descriptors. Who comes then waits; nobody is reset while he may wait, no upstream is blamed,
and nothing spins."""

import os
import resource
import select
import signal
import socket
import sys
import time

import lab
from harm import process_of, talks, words
from lab import Echo, Service, ask, free_port, value


class Limit:
    """Of a worker's descriptors: as many as it has, and so many more."""

    def __init__(self, pid, more=0):
        if os.getuid():
            raise lab.Skip('only root may set limits of others')
        self.pid, self.before = pid, resource.prlimit(pid, resource.RLIMIT_NOFILE)
        lab.settled(lambda: len(os.listdir(f'/proc/{pid}/fd')))
        free = [n for n in range(4096) if not os.path.exists(f'/proc/{pid}/fd/{n}')]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[more], self.before[1]))

    def lift(self):
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, self.before)


def come(port, count):
    clients = [socket.create_connection(('127.0.0.1', port), 20) for _ in range(count)]
    for client in clients:
        client.sendall(b'x')
    return clients


def answer(clients):
    """How many have an answer by now."""
    time.sleep(0.3 * lab.SLOW)
    return len(select.select(clients, [], [], 0)[0])


def who_comes_then_waits():
    """Whatever is left: also when it is one descriptor, or three. It takes longer than --connect, which holds for who was let in."""
    for more in range(4):
        up, port, metrics = Echo(), free_port(), free_port()
        with Service(words(port, up) + ['connect 1', 'failures 1', 'down 600', f'metrics 127.0.0.1:{metrics}']) as proxy:
            lab.equal(ask(('127.0.0.1', port)), b'hello', 'what comes before')
            lab.eventually(lambda m=metrics: value(m, 'leat_proxy_connections_active') == 0, 'it is over')
            worker = process_of(proxy, True)
            limit = Limit(worker, more)
            clients = come(port, 6)
            served = answer(clients)
            used = lab.cpu_s(worker)
            time.sleep(1.5)
            lab.holds(lab.cpu_s(worker) - used <= 3 / lab.TICK, 'it spins while it has no descriptors')
            lab.equal(answer(clients), served, f'who is served, or reset, when {more} descriptors are left')
            lab.equal(served, (more + 1) // 2, f'who was served by {more} descriptors, and one that is kept for this')
            limit.lift()
            lab.equal([client.recv(1) for client in clients], [b'x'] * 6, f'what comes when there are more than {more} again')
            name = f'{{upstream="127.0.0.1:{up.port}",sni=""}}'
            lab.equal((value(metrics, f'leat_proxy_upstream_up{name}'), value(metrics, f'leat_proxy_upstream_failures_total{name}')), (1, 0), 'the upstream')
            for client in clients:
                client.close()


def who_has_been_let_in_waits():
    """Those that have not said yet where to hold one descriptor each and want another. They wait for it as long as for a connect."""
    header = b'PROXY UNKNOWN\r\n'
    for lifts in True, False:
        up, port, metrics = Echo(), free_port(), free_port()
        with Service(words(port, up) + ['connect 3', 'failures 1', 'down 600', 'header-in', f'metrics 127.0.0.1:{metrics}']) as proxy:
            clients = [socket.create_connection(('127.0.0.1', port), 20) for _ in range(5)]
            lab.eventually(lambda m=metrics: value(m, 'leat_proxy_connections_active') == 5, 'all are let in')
            limit = Limit(process_of(proxy, True))
            for client in clients:
                client.sendall(header + b'x')
            lab.equal(answer(clients), 1, 'who has an answer: of one descriptor that is kept')
            late = socket.create_connection(('127.0.0.1', port), 20)
            late.sendall(header + b'x')
            if lifts:
                limit.lift()
                lab.equal([client.recv(1) for client in clients + [late]], [b'x'] * 6, 'what comes when there are some again')
            else:
                waiting = [client for client in clients if client not in select.select(clients, [], [], 0)[0]]
                lab.equal([lab.is_reset(client) for client in waiting], [True] * 4, 'resets')
                lab.holds(late.recv(1) == b'x', 'who came late had no turn')
            lab.equal(value(metrics, f'leat_proxy_upstream_up{{upstream="127.0.0.1:{up.port}",sni=""}}'), 1, 'whether the upstream is up')
            limit.lift()
            for client in clients + [late]:
                client.close()


def stalled_splices():
    """They hold four descriptors each, and not two: whatever the limit is, who comes then waits."""
    for limit in range(60, 64):
        with lab.listener() as server, lab.Proxy(server, before=['prlimit', f'--nofile={limit}:{limit}']) as proxy:
            held, late = [], []
            while not late:
                client = proxy.connect()
                server.settimeout(0.3 * lab.SLOW)
                try:
                    held += [server.accept()[0], client]
                    lab.fill(held[-2], 0.05)
                except TimeoutError:
                    late = [client, proxy.connect(), proxy.connect()]
            time.sleep(0.5)
            lab.equal(proxy.all_lines()[proxy.before:], [], f'what is over with {limit} descriptors')
            for end in held:
                end.close()
            for client in late:
                client.sendall(b'x')
            peers = [lab.accept(server) for _ in late]
            lab.equal([peer.recv(1) for peer in peers], [b'x'] * 3, f'what comes when there are some again, of {limit}')
            for end in (*late, *peers):
                end.close()


def no_descriptors_is_no_reason_to_spin():
    """Who comes then waits in the queue, and is taken when there are some; also when it drains."""
    if os.getuid():
        raise lab.Skip('only root may set limits of others')
    up, port = Echo(), free_port()
    with Service(words(port, up)) as proxy:
        lab.equal(ask(('127.0.0.1', port)), b'hello', 'what comes before')
        worker = proxy.children()[0]
        before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (3, before[1]))
        clients = [socket.create_connection(('127.0.0.1', port), 20) for _ in range(5)]
        used = lab.cpu_s(worker)
        time.sleep(1)
        lab.holds(lab.cpu_s(worker) - used <= 2 / lab.TICK, 'it spins while it has no descriptors')
        proxy.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
        lab.equal([talks(client) for client in clients], [True] * 5, 'who stood in the queue was served')
        for client in clients:
            client.close()
        lab.equal(proxy.process.wait(10), 0, 'the exit status')


if __name__ == '__main__':
    sys.exit(lab.parts(who_comes_then_waits, who_has_been_let_in_waits, stalled_splices, no_descriptors_is_no_reason_to_spin))
