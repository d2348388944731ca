#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""link [PART...]: leat proxy and its upstream at one end of a slow link between two network name spaces, and clients at the other:
16 Mbit/s each way, by veth and tbf. Both ends hash what they sent and got."""

import contextlib
import ctypes
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import time

import lab

NEAR, FAR = f'leat-near-{os.getpid()}', f'leat-far-{os.getpid()}'
DATA = random.Random(11).randbytes(3 << 20)
LIBC = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(space):
    """What this thread opens meanwhile is of that network."""
    with open('/proc/thread-self/ns/net', 'rb') as back, open(f'/run/netns/{space}', 'rb') as there:
        lab.holds(LIBC.setns(there.fileno(), 0x40000000) == 0, f'{space} cannot be entered')
        try:
            yield
        finally:
            LIBC.setns(back.fileno(), 0x40000000)


def run(command):
    return subprocess.run(command.split(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


@contextlib.contextmanager
def slow_link():
    if os.getuid():
        raise lab.Skip('root is needed, for network name spaces')
    if not all(lab.subprocess.run(['sh', '-c', f'command -v {tool}'], stdout=subprocess.DEVNULL, check=False).returncode == 0 for tool in ('ip', 'tc')):
        raise lab.Skip('ip or tc is not installed')
    try:
        if not all(map(run, (f'ip netns add {NEAR}', f'ip netns add {FAR}', f'ip -n {NEAR} link add name wire type veth peer name wire netns {FAR}'))):
            raise lab.Skip('no network name spaces, or no veth')
        for at, space in enumerate((NEAR, FAR)):
            if not run(f'ip netns exec {space} tc qdisc add dev wire root tbf rate 16mbit burst 32k latency 100ms'):
                raise lab.Skip('this kernel has no tbf')
            for command in 'link set lo up', f'addr add 192.0.2.{at + 1}/30 dev wire', 'link set wire up':
                lab.holds(run(f'ip -n {space} {command}'), command)
        yield
    finally:
        run(f'ip netns del {NEAR}')
        run(f'ip netns del {FAR}')


class Line:
    """A proxy at 192.0.2.1:7000, and its upstream."""

    def __init__(self):
        with inside(NEAR):
            self.server = socket.create_server(('127.0.0.1', 7001))
        self.service = lab.Service(args=['--workers', '1', '--drain', '0', '--log', 'link.log', '--log-json', '192.0.2.1:7000', '127.0.0.1:7001'],
                                   before=['ip', 'netns', 'exec', NEAR])

    def __enter__(self):
        self.service.__enter__()
        open('link.log', 'w', encoding='ascii').close()
        return self

    def __exit__(self, *error):
        self.service.__exit__(*error)
        self.server.close()

    def pair(self):
        with inside(FAR):
            client = socket.create_connection(('192.0.2.1', 7000), 20 * lab.SLOW)
        return client, lab.accept(self.server)

    def line(self):
        lab.eventually(lambda: os.path.getsize('link.log'), 'its line in the log')
        with open('link.log', encoding='ascii') as log:
            return json.loads(log.readline())


def hashed(data):
    return len(data), hashlib.sha256(data).hexdigest()


def send_all(end, data):
    end.sendall(data)
    end.shutdown(socket.SHUT_WR)


def both_ways_at_once():
    with slow_link(), Line() as line:
        client, peer = line.pair()
        up, down = DATA[:2500000], DATA[500000:]
        began = time.monotonic()
        threads = [lab.in_thread(send_all, client, up), lab.in_thread(send_all, peer, down),
                   lab.in_thread(lab.read_all, peer), lab.in_thread(lab.read_all, client)]
        results = [thread.result() for thread in threads]
        seconds = time.monotonic() - began
        lab.equal((hashed(results[2]), hashed(results[3])), (hashed(up), hashed(down)), 'what came at both ends')
        lab.holds(seconds > 1, f'the link is not slow: {seconds:.2f} s')
        client.close()
        peer.close()
        said = line.line()
        lab.equal((said['error'], said['from_client']['bytes'], said['from_upstream']['bytes']), (None, len(up), len(down)), 'the log')
        lab.holds(said['from_client']['spliced'] and said['from_upstream']['spliced'], f'nothing was spliced: {said}')


def one_half_after_the_other():
    """Each side answers only when it has all of the other and its end."""
    for first_is_client in True, False:
        with slow_link(), Line() as line:
            ends = line.pair()
            first, second = ends if first_is_client else ends[::-1]
            asked, answered = DATA[:1000000], DATA[1000000:2000000]
            sending = lab.in_thread(send_all, first, asked)
            lab.equal(hashed(lab.read_all(second)), hashed(asked), 'what came of the first half')
            sending.result()
            time.sleep(0.2)
            sending = lab.in_thread(send_all, second, answered)
            lab.equal(hashed(lab.read_all(first)), hashed(answered), 'what came of the second half')
            sending.result()
            lab.equal(line.line()['error'], None, 'the log')
            for end in ends:
                end.close()


def reset_in_mid_splice(sender, reader):
    """Bytes are under way everywhere, and the link is full: it comes as a reset. What came before, of zeros."""
    sending = lab.in_thread(lambda: lab.fill(sender, 5))
    got = lab.read_n(reader, 500000)
    lab.reset(sender)
    try:
        sending.result()
    except OSError:
        pass
    lab.holds(lab.is_reset(reader), 'a clean end')
    reader.close()
    return got


def a_reset_of_the_upstream_in_mid_splice():
    with slow_link(), Line() as line:
        client, peer = line.pair()
        lab.equal(hashed(reset_in_mid_splice(peer, client)), hashed(bytes(500000)), 'what came before')
        said = line.line()
        lab.equal(said['error'], 'Connection reset by peer', 'the log')
        lab.holds(said['from_upstream']['spliced'], f'nothing was spliced: {said}')


def a_reset_of_the_client_in_mid_splice():
    with slow_link(), Line() as line:
        client, peer = line.pair()
        reset_in_mid_splice(client, peer)
        lab.holds(line.line()['from_client']['spliced'], 'nothing was spliced')


if __name__ == '__main__':
    sys.exit(lab.parts(both_ways_at_once, one_half_after_the_other, a_reset_of_the_upstream_in_mid_splice, a_reset_of_the_client_in_mid_splice))
