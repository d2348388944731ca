#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""ways [PART...]: each direction of leat proxy has its own end; resets are passed on as such; nothing spins while it waits."""

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time

import lab

MIB = 1 << 20


def sides(proxy, server):
    client = proxy.connect()
    return client, lab.accept(server)


def kinds():
    """TCP and Unix on either side: proxies, each with its server."""
    for listens, serves in ((listens, serves) for listens in ('tcp', 'unix') for serves in ('tcp', 'unix', '::1')):
        if serves == '::1' and not os.path.exists('/proc/net/if_inet6'):
            continue
        server = lab.listener({'tcp': '127.0.0.1', 'unix': lab.new_path()}.get(serves, serves))
        yield lab.Proxy(server, listen=f'unix:{lab.new_path()}' if listens == 'unix' else None), server


def bytes_in_both_directions():
    data = random.Random(1).randbytes(20 * MIB)
    for proxy, server in kinds():
        with proxy:
            for size in (0, 1, 1024, 16384, 65537, len(data)):
                client, peer = sides(proxy, server)
                readers = [lab.in_thread(lab.read_all, end) for end in (client, peer)]
                writers = [lab.in_thread(lambda end: (end.sendall(data[:size]), end.shutdown(socket.SHUT_WR)), end)
                           for end in (client, peer)]
                for thread in writers:
                    thread.result()
                for thread in readers:
                    lab.holds(thread.result() == data[:size], f'{size} bytes, {proxy.listen}: what came differs')
                client.close()
                peer.close()
            for line in proxy.lines(6):
                lab.equal(line['from_client']['bytes'], line['from_upstream']['bytes'], 'bytes of the log')
                lab.equal(line['error'], None, 'the error in the log')


def half_closed():
    """The client ends first, and gets all of an answer that begins long after; and the other way round."""
    for proxy, server in kinds():
        with proxy:
            for first in (0, 1):
                ends = sides(proxy, server)
                ends[first].sendall(b'ask')
                ends[first].shutdown(socket.SHUT_WR)
                lab.equal(lab.read_all(ends[1 - first]), b'ask', 'what was asked')
                time.sleep(0.1)
                ends[1 - first].sendall(b'x' * 300000)
                ends[1 - first].shutdown(socket.SHUT_WR)
                lab.equal(len(lab.read_all(ends[first])), 300000, 'bytes of the answer')
                for end in ends:
                    end.close()


def end_behind_a_full_pipe():
    """Megabytes and an end, written to who does not read yet: the end comes behind the last byte."""
    data = random.Random(2).randbytes(40 * MIB)
    with lab.listener() as server, lab.Proxy(server) as proxy:
        for first in (0, 1):
            ends = sides(proxy, server)
            writer = lab.in_thread(lambda end: (end.sendall(data), end.shutdown(socket.SHUT_WR), end.close()), ends[first])
            time.sleep(0.5)
            lab.holds(lab.read_all(ends[1 - first]) == data, 'what came differs')
            writer.result()
            ends[1 - first].close()


def tiny_segments():
    """A pipe is full by its slots long before it is by bytes (hazard 42): no byte stays behind."""
    options = ['--route', 'splice']
    with lab.listener() as server, lab.Proxy(server, options=options) as proxy:
        client, peer = sides(proxy, server)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = sum(client.send(b'y' * (1 + i % 97)) for i in range(5000))
        lab.equal(len(lab.read_n(peer, sent)), sent, 'bytes')
        client.shutdown(socket.SHUT_WR)
        lab.equal(lab.read_all(peer), b'', 'what follows')
        peer.close()
        client.close()


def a_reset_is_one():
    with lab.listener() as server, lab.Proxy(server) as proxy:
        for first in (0, 1):
            ends = sides(proxy, server)
            ends[first].sendall(b'some')
            lab.equal(lab.read_n(ends[1 - first], 4), b'some', 'what came')
            lab.reset(ends[first])
            lab.holds(lab.is_reset(ends[1 - first]), 'a reset came out as an end')
            ends[1 - first].close()
            line = proxy.lines()[-1]
            lab.holds(line['error'] in ('Connection reset by peer', 'Broken pipe'), f'the log says {line}')
            proxy.forget()


def a_reset_behind_an_end():
    """Who has half closed may still break off: the other side learns it, also when nothing goes."""
    with lab.listener() as server, lab.Proxy(server) as proxy:
        for first in (0, 1):
            ends = sides(proxy, server)
            ends[first].shutdown(socket.SHUT_WR)
            lab.equal(lab.read_all(ends[1 - first]), b'', 'what came')
            lab.reset(ends[first])
            lab.eventually(lambda: len(proxy.all_lines()) > proxy.before, 'the end of a connection whose side was reset')
            lab.holds(lab.is_reset(ends[1 - first]) or not writes(ends[1 - first]), 'nobody is there, and it does not show')
            ends[1 - first].close()
            proxy.forget()


def writes(end):
    try:
        for _ in range(3):
            end.send(b'x')
            time.sleep(0.05)
    except OSError:
        return False
    return True


def a_reset_while_bytes_wait():
    """The sink is full, the proxy's pipe is, and then the source is reset."""
    with lab.listener() as server, lab.Proxy(server) as proxy:
        for first in (0, 1):
            ends = sides(proxy, server)
            lab.fill(ends[first])
            lab.reset(ends[first])
            lab.holds(lab.is_reset(ends[1 - first]), 'a reset came out as an end')
            ends[1 - first].close()
            lab.holds(proxy.lines()[-1]['error'], 'the log has no error')
            proxy.forget()


def a_unix_client_that_closes():
    """Sends and closes at once: all of it arrives, and an end behind it, though nobody is there for an answer."""
    with lab.listener() as server, lab.Proxy(server, listen=f'unix:{lab.new_path()}') as proxy:
        client, peer = sides(proxy, server)
        writer = lab.in_thread(lambda: (client.sendall(b'z' * 3000000), client.close()))
        time.sleep(0.3)
        lab.equal(len(lab.read_all(peer)), 3000000, 'bytes')
        writer.result()
        peer.close()
        lab.equal(proxy.lines()[-1]['error'], None, 'the error in the log')


def urgent_data_stops_nothing():
    with lab.listener() as server, lab.Proxy(server) as proxy:
        client, peer = sides(proxy, server)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(b'a' * 1000)
        client.send(b'!', socket.MSG_OOB)
        client.sendall(b'b' * 1000)
        lab.equal(lab.read_n(peer, 2000), b'a' * 1000 + b'b' * 1000, 'what came')
        client.close()
        peer.close()


def slow_readers_are_bounded():
    """What one connection that is not read holds in the proxy: a pipe, and what the sockets take."""
    with lab.listener() as server, lab.Proxy(server) as proxy:
        client, peer = sides(proxy, server)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        before = memory(proxy)
        sent = lab.fill(client)
        lab.holds(memory(proxy) - before < 1024, f'{memory(proxy) - before} KiB more')
        lab.holds(sent < 64 * MIB, f'{sent} bytes were taken of who is not read')
        client.shutdown(socket.SHUT_WR)
        lab.equal(len(lab.read_all(peer)), sent, 'bytes')
        client.close()
        peer.close()


def memory(proxy):
    """KiB of its own."""
    total = 0
    for pid in proxy.pids():
        with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as rollup:
            total += sum(int(line.split()[1]) for line in rollup if line.startswith(('Private_Clean', 'Private_Dirty')))
    return total


def nothing_spins():
    """Idle, half closed, and with a full sink, also behind an end, in both directions: at most 2 ticks of CPU in a second."""
    with lab.listener() as server, lab.Proxy(server) as proxy:
        held = []
        for first in (0, 1):
            held.append(sides(proxy, server))			# idle
            ends = sides(proxy, server)
            ends[first].shutdown(socket.SHUT_WR)		# half closed
            held.append(ends)
            ends = sides(proxy, server)
            lab.fill(ends[first])				# a full sink
            held.append(ends)
            ends = sides(proxy, server)
            lab.fill(ends[first])
            ends[first].shutdown(socket.SHUT_WR)		# with an end behind it
            held.append(ends)
            ends = sides(proxy, server)
            lab.fill(ends[first])
            ends[1 - first].shutdown(socket.SHUT_WR)		# and the other way over
            held.append(ends)
        time.sleep(0.5)
        before = proxy.cpu_s()
        time.sleep(2)
        used = proxy.cpu_s() - before
        lab.holds(used <= 4 / lab.TICK, f'{used} s of CPU in 2 s for connections that stand still')
        for ends in held:
            for end in ends:
                end.close()


def requests_are_not_kept():
    """The rest that lets the bytes of large transfers gather (conn.c): never between a request and its answer."""
    if not shutil.which('strace'):
        raise lab.Skip('strace is not installed')
    with lab.listener() as server, lab.Proxy(server) as proxy:
        pairs = [sides(proxy, server) for _ in range(4)]
        said = lab.new_path()
        calls = 'trace=epoll_wait,epoll_pwait,nanosleep,clock_nanosleep'
        watchers = [subprocess.Popen(['strace', '-p', str(pid), '-o', f'{said}.{pid}', '-e', calls],
                                     stderr=subprocess.DEVNULL) for pid in proxy.pids()]
        lab.eventually(lambda: all(os.path.exists(f'{said}.{pid}') for pid in proxy.pids()), 'strace watches')
        time.sleep(0.5)
        for number in range(400):
            size = (100, 20000)[number & 1]
            for pair in pairs:				# four at once: they are served in one turn
                pair[0].sendall(bytes(size))
            for pair in pairs:
                lab.read_n(pair[1], size)
                pair[1].sendall(b'answer')
            for pair in pairs:
                lab.read_n(pair[0], 6)
        for watcher in watchers:
            watcher.terminate()
            watcher.wait()
        calls = ''
        for pid in proxy.pids():
            with open(f'{said}.{pid}', encoding='utf-8') as log:
                calls += log.read()
        lab.holds(calls.count('epoll_') >= 400, 'strace did not see the loop')
        rests = re.findall('.*nanosleep.*', calls)
        lab.equal(len(rests), 0, f'rests, {rests[:2]}')
        for pair in pairs:
            for end in pair:
                end.close()


def nothing_is_left():
    """Descriptors after thousands of connections of all fates: as before the first."""
    rng = random.Random(3)
    with lab.listener() as server, lab.Proxy(server) as proxy:
        before = proxy.descriptors()
        for _ in range(300):
            ends = list(sides(proxy, server))
            rng.shuffle(ends)
            if rng.random() < 0.5:
                ends[0].sendall(bytes(rng.choice((1, 1000, 100000))))
            if rng.random() < 0.3:
                ends[0].shutdown(socket.SHUT_WR)
            for end in ends:
                (lab.reset if rng.random() < 0.5 else socket.socket.close)(end)
        proxy.lines(300)
        left = proxy.descriptors() - before
        lab.holds(left <= 4, f'{left} descriptors are left')		# two pipes of the pool


if __name__ == '__main__':
    sys.exit(lab.parts(bytes_in_both_directions, half_closed, end_behind_a_full_pipe, tiny_segments, a_reset_is_one,
                       a_reset_behind_an_end, a_reset_while_bytes_wait, a_unix_client_that_closes, urgent_data_stops_nothing,
                       slow_readers_are_bounded, nothing_spins, requests_are_not_kept, nothing_is_left))
