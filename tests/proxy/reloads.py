#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""reloads [PART...]: what connections that outlive a reload of leat proxy have in common with those that come behind it."""

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


if __name__ == '__main__':
    sys.exit(lab.parts(a_total_rate_is_one))
