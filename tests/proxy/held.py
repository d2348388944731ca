#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""held: 9,500 connections held at once. What each costs, that all of them work, and that nothing is left behind them."""

import os
import resource
import sys
import time

import lab

COUNT = 9500


def memory(proxy):
    """KiB of its own."""
    total = 0
    for pid in proxy.pids():
        with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as rollup:
            total += sum(int(line.split()[1]) for line in rollup if line.startswith('Pss:'))
    return total


def pipes(proxy):
    return sum(os.readlink(f'/proc/{pid}/fd/{fd}').startswith('pipe:') for pid in proxy.pids() for fd in os.listdir(f'/proc/{pid}/fd'))


def thousands():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 2 * COUNT + 300:
        raise lab.Skip(f'a process may have {hard} descriptors')
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with lab.listener(backlog=4096) as server, lab.Proxy(server) as proxy:
        before, fds, pipes_before = memory(proxy), proxy.descriptors(), pipes(proxy)
        ends = []
        for _ in range(COUNT):
            client = proxy.connect()
            ends.append((client, lab.accept(server)))
            client.sendall(b'first')		# each has been of use
            lab.equal(lab.read_n(ends[-1][1], 5), b'first', 'what came')
        kib, each = (memory(proxy) - before) / COUNT, (proxy.descriptors() - fds) / COUNT
        print(f'     {kib:.2f} KiB and {each:.3f} descriptors each', flush=True)
        lab.holds(kib <= 4 or lab.SLOW > 1, f'{kib} KiB each')
        lab.equal(proxy.descriptors() - fds - 2 * COUNT, 0, 'descriptors besides two each')
        lab.equal(pipes(proxy), pipes_before, 'pipes while all stand still')
        time.sleep(6 * lab.SLOW)		# the times of connecting have gone by
        used = proxy.cpu_s()
        time.sleep(2)
        lab.holds(proxy.cpu_s() - used <= 4 / lab.TICK, f'{proxy.cpu_s() - used} s of CPU in 2 s while all stand still')
        for client, peer in ends[::100]:
            peer.sendall(bytes(100000))
            lab.equal(len(lab.read_n(client, 100000)), 100000, 'bytes')
        for pair in ends:
            for end in pair:
                end.close()
        proxy.lines(COUNT)
        left = proxy.descriptors() - fds
        lab.holds(left <= 4, f'{left} descriptors are left')	# pipes of the pool


if __name__ == '__main__':
    sys.exit(lab.parts(thousands))
