#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""reloads [PART...]: what connections that outlive a reload of leat proxy have in common with those that come behind it."""

import os
import select
import signal
import socket
import sys
import time

import lab

MIB = 1 << 20


class Sink:
    """An upstream that counts what it gets, of all connections together."""

    def __init__(self):
        self.server, self.count = lab.listener(), 0
        lab.in_thread(self.serve)

    def serve(self):
        while True:
            lab.in_thread(self.take, self.server.accept()[0])

    def take(self, peer):
        while piece := peer.recv(1 << 16):
            self.count += len(piece)

    def mib_a_second(self, seconds=1):
        time.sleep(0.4)			# what was free, or is on its way
        before, began = self.count, time.monotonic()
        time.sleep(seconds)
        return (self.count - before) / MIB / (time.monotonic() - began)


def push(port, count):
    """So many clients that send what is taken, until the proxy ends."""
    def run(client):
        try:
            while True:
                client.sendall(bytes(1 << 16))
        except OSError:
            pass
    time.sleep(0.2)			# workers of before take nobody any more
    for _ in range(count):
        lab.in_thread(run, socket.create_connection(('127.0.0.1', port)))


def within(got, least, most, what):
    lab.holds(least < got < most, f'{what}: {got:.2f} MiB/s and not {least} to {most}')


def a_total_rate_is_one():
    """However many generations of workers share it; and one that is changed or taken away holds for those that were there as well."""
    sink, port = Sink(), lab.free_port()
    lines = [f'listen 127.0.0.1:{port}', f'upstream {lab.word(sink.server)}', 'workers 2', 'drain 0']
    with lab.Service([*lines, 'total-rate 1m']) as proxy:
        push(port, 4)
        within(sink.mib_a_second(), 0.5, 1.3, 'at first')
        for reload in range(2):
            proxy.reload()
            push(port, 3)
            within(sink.mib_a_second(), 0.5, 1.3, f'after {reload + 1} reloads')
        proxy.reload([*lines, 'total-rate 8m'])
        within(sink.mib_a_second(), 4, 10, 'those that were there, by a higher rate')
        proxy.reload([*lines, 'total-rate 1m'])
        push(port, 2)
        within(sink.mib_a_second(), 0.5, 1.3, 'by a lower one')
        proxy.reload(lines)
        within(sink.mib_a_second(0.5), 20, 1e6, 'without one')
        proxy.reload([*lines, 'total-rate 1m'])
        within(sink.mib_a_second(), 0.5, 1.3, 'by one again')


class Front:
    """A proxy in front of several servers, by the fewest connections; what it holds open ends with it."""

    def __init__(self, servers):
        self.servers, self.held = servers, []
        self.port, self.metrics = lab.free_port(), lab.free_port()
        self.lines = [f'listen 127.0.0.1:{self.port}', 'workers 1', 'balance least', 'drain 0', f'metrics 127.0.0.1:{self.metrics}']

    def with_upstreams(self, *numbers):
        return [*self.lines, *(f'upstream {lab.word(self.servers[number])}' for number in numbers)]

    def connect(self, count):
        """Connections one by one: how many each server has got of them."""
        got = [0] * len(self.servers)
        for _ in range(count):
            client = socket.create_connection(('127.0.0.1', self.port), 10)
            ready = select.select(self.servers, [], [], 10 * lab.SLOW)[0]
            for server in ready:
                got[self.servers.index(server)] += 1
                self.held.append((client, server.accept()[0]))
        return got

    def active(self, number):
        return lab.value(self.metrics, 'leat_proxy_upstream_connections_active{upstream="%s",sni=""}' % lab.word(self.servers[number]))

    def close(self, count):
        for pair in self.held[:count]:
            for end in pair:
                end.close()
        del self.held[:count]


def the_least_of_all_generations():
    """Who holds connections from before a reload is not sent more than who is new; and all are counted while they are there."""
    front = Front([lab.listener(), lab.listener()])
    with lab.Service(front.with_upstreams(0)) as proxy:
        lab.equal(front.connect(6), [6, 0], 'connections before a reload')
        proxy.reload(front.with_upstreams(0, 1))
        time.sleep(0.3)
        lab.equal(front.connect(6), [0, 6], 'connections behind it')
        lab.equal((front.active(0), front.active(1)), (6, 6), '/metrics')
        proxy.reload(front.with_upstreams(0, 1))
        front.close(3)
        lab.eventually(lambda: (front.active(0), front.active(1)) == (3, 6), '/metrics when three have ended')
        front.close(9)
        lab.eventually(lambda: (front.active(0), front.active(1)) == (0, 0), '/metrics when all have ended')


def a_worker_of_before_that_is_killed():
    """What it had is taken back from the upstreams, though they have another place in the configuration by now, or have left it."""
    front = Front([lab.listener(), lab.listener()])
    with lab.Service(front.with_upstreams(0, 1)) as proxy:
        workers = [pid for pid in proxy.children() if lab.is_worker(pid)]
        lab.equal(front.connect(6), [3, 3], 'connections before a reload')
        proxy.reload(front.with_upstreams(1))
        proxy.reload(front.with_upstreams(1, 0))
        time.sleep(0.3)
        lab.equal(front.connect(2), [1, 1], 'connections behind it')
        lab.equal((front.active(0), front.active(1)), (4, 4), '/metrics')
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        lab.eventually(lambda: (front.active(0), front.active(1)) == (1, 1), '/metrics when it has been killed')
        lab.equal(front.connect(2), [1, 1], 'connections then')
        front.close(10)


if __name__ == '__main__':
    sys.exit(lab.parts(a_total_rate_is_one, the_least_of_all_generations, a_worker_of_before_that_is_killed))
