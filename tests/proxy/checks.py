#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""checks [PART...]: what --health holds against an upstream, and what it does not."""

import ctypes
import errno
import os
import socket
import sys
import time

import lab


def stays_up(upstream, checks=3):
    """Of so many checks, one a second, each of which would take it out."""
    metrics = lab.free_port()
    name = f'leat_proxy_upstream_up{{upstream="{upstream}",sni=""}}'
    with lab.Proxy(upstream, options=['--health', '1', '--failures', '1', '--metrics', f'127.0.0.1:{metrics}']):
        seen = []
        for _ in range(checks * 4):
            time.sleep(0.25)
            seen.append(lab.value(metrics, name))
        return seen == [1] * len(seen)


def a_queue_that_is_full():
    """A Unix upstream that is busy: who comes waits for it, so it is there."""
    path = lab.new_path()
    with lab.listener(path, backlog=0) as server, socket.socket(socket.AF_UNIX) as first:
        first.connect(path)
        lab.holds(stays_up(lab.word(server)), 'it was taken out')
    lab.holds(not stays_up(f'unix:{path}'), 'nobody listens there, and it is up')


def no_port_to_come_from():
    """All that the kernel may give to who connects are in use towards this upstream: that is short in the proxy."""
    if os.getuid():
        raise lab.Skip('only root may have a network of its own')
    if ctypes.CDLL(None).unshare(0x40000000):
        raise lab.Skip('no network name spaces here')
    lab.subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    with open('/proc/sys/net/ipv4/ip_local_port_range', 'w', encoding='ascii') as to:
        to.write('40000 40063\n')	# enough for those who ask for /metrics one after the other
    with socket.create_server(('127.0.0.1', 7000), backlog=100) as server:
        held = []
        try:
            while len(held) < 100:
                held.append(socket.create_connection(('127.0.0.1', 7000)))
        except OSError as error:
            lab.equal(error.errno, errno.EADDRNOTAVAIL, 'what is short')
        lab.holds(0 < len(held) < 100, f'{len(held)} connections')
        lab.holds(stays_up(lab.word(server)), 'it was taken out')
        for one in held:
            lab.reset(one)


def known_after_a_reload(option):
    """Who was out by what this option does is out still; and is in again where that is not done any more. What /ready says."""
    gone, up = lab.free_port(), lab.Echo()
    port, metrics = lab.free_port(), lab.free_port()
    words = [f'listen 127.0.0.1:{port}', f'upstream 127.0.0.1:{gone}', f'metrics 127.0.0.1:{metrics}', 'workers 1']
    name = f'leat_proxy_upstream_%s{{upstream="127.0.0.1:{gone}",sni=""}}'
    with lab.Service(words + option) as proxy:
        if option[0] != 'failures 0':
            for _ in range(9):
                lab.holds(is_refused(port), 'somebody answers')
        lab.eventually(lambda: lab.value(metrics, name % 'up') == 0, 'it is out')
        reload(proxy, words + option + [f'upstream 127.0.0.1:{up.port}'])
        for _ in range(9):
            lab.equal((lab.ask(('127.0.0.1', port)), lab.value(metrics, name % 'up')), (b'hello', 0), 'what comes back, and who is up')
        lab.equal(lab.value(metrics, name % 'failures_total'), 0, 'connects to who was out')
        reload(proxy, words + ['failures 0'])
        lab.equal(lab.value(metrics, name % 'up'), 1, 'that of who is not looked at')


def reload(proxy, lines):
    before = set(proxy.children())
    proxy.reload(lines)
    lab.eventually(lambda: not before & set(proxy.children()), 'those of before answer nobody any more')


def is_refused(port):
    try:
        return lab.ask(('127.0.0.1', port)) != b'hello'
    except ConnectionResetError:
        return True


def a_reload_knows_whose_connects_failed():
    known_after_a_reload(['failures 2', 'down 1000'])


def a_reload_knows_whose_checks_failed():
    known_after_a_reload(['failures 0', 'health 1000'])


if __name__ == '__main__':
    sys.exit(lab.parts(a_queue_that_is_full, a_reload_knows_whose_connects_failed, a_reload_knows_whose_checks_failed, no_port_to_come_from))
