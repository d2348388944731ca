#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""sockets [PART...]: which sockets leat proxy has of its own, and what is set on them."""

import ctypes
import os
import shutil
import socket
import subprocess
import sys

import lab

LIBC = ctypes.CDLL(None, use_errno=True)
PIDFD_GETFD = 438


def begin(*args, before=()):
    done = subprocess.run([*before, lab.LEAT, 'proxy', *args], capture_output=True, text=True, timeout=20 * lab.SLOW, check=False)
    return done.returncode, done.stderr


def no_half_of_every_address():
    """What listens at a port without an address is at IPv4 alone only where there is no IPv6: not where somebody else has its half."""
    if not os.path.exists('/proc/net/if_inet6'):
        raise lab.Skip('no IPv6 here')
    with socket.create_server(('::', 0), family=socket.AF_INET6) as taken:
        status, said = begin(f':{taken.getsockname()[1]}', '127.0.0.1:1')
    lab.equal((status, 'Address already in use' in said), (2, True), said)


def traced(*options):
    """A check of such a listener: its exit status and calls of bind."""
    strace = ['strace', '-o', 'calls', '-e', 'trace=bind', *options]
    status, said = begin('--check', f':{lab.free_port()}', '127.0.0.1:1', before=strace)
    with open('calls', encoding='ascii') as calls:
        lines = [line for line in calls if line.startswith('bind')]
    if not lines:
        raise lab.Skip(f'strace cannot: {said}')
    return status, lines


def only_where_there_is_no_ipv6():
    """As the kernel says it."""
    if not shutil.which('strace'):
        raise lab.Skip('no strace')
    before = [number for number, line in enumerate(traced()[1]) if 'AF_INET6' in line]
    lab.equal(len(before), 1, 'sockets of IPv6')
    for error, wanted in ('EADDRNOTAVAIL', 0), ('EACCES', 2), ('ENOMEM', 2):
        status, lines = traced('-e', f'inject=bind:error={error}:when={before[0] + 1}')
        lab.holds('INJECTED' in lines[before[0]] and 'AF_INET6' in lines[before[0]], f'what failed: {lines}')
        lab.equal(status, wanted, f'exit status with {error}')
        lab.equal('AF_INET,' in lines[-1], not wanted, f'whether IPv4 was tried with {error}')


def options_of(pid):
    """Of its connected TCP sockets, by the port of the peer: what is set there, as the kernel has it."""
    try:
        process = os.pidfd_open(pid)
    except (AttributeError, OSError) as error:
        raise lab.Skip(f'no pidfd: {error}') from error
    found = {}
    for fd in map(int, os.listdir(f'/proc/{pid}/fd')):
        if not os.readlink(f'/proc/{pid}/fd/{fd}').startswith('socket:'):
            continue
        copy = LIBC.syscall(PIDFD_GETFD, process, fd, 0)
        if copy < 0:
            raise lab.Skip(f'pidfd_getfd: {os.strerror(ctypes.get_errno())}')
        with socket.socket(fileno=copy) as end:
            try:
                peer = end.getpeername()[1]
            except OSError:		# it listens
                continue
            found[peer] = tuple(end.getsockopt(*what) for what in (
                (socket.IPPROTO_TCP, socket.TCP_NODELAY), (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)))
    os.close(process)
    return found


def what_is_set_on_both_sides():
    """No delay, always; a user timeout and keep-alive, with its time, when they are asked for."""
    with open('/proc/sys/net/ipv4/tcp_keepalive_time', encoding='ascii') as of:
        usual = int(of.read())
    for options, wanted in ([], (1, 0, 0, usual)), (['--user-timeout', '7', '--keep-alive', '32767'], (1, 7000, 1, 32767)):
        with lab.listener() as server, lab.Proxy(server, options=options) as proxy, proxy.connect() as client, lab.accept(server) as peer:
            peer.sendall(b'x')
            lab.read_n(client, 1)
            worker = next(pid for pid in proxy.pids() if lab.is_worker(pid))
            found = options_of(worker)
            lab.equal(found, {client.getsockname()[1]: wanted, server.getsockname()[1]: wanted}, f'what is set with {options}')


def keep_alive_has_the_kernel_s_bound():
    """It refuses more: who asks for more shall not be left without."""
    status, said = begin('--check', '--keep-alive', '32768', '127.0.0.1:0', '127.0.0.1:1')
    lab.equal((status, 'keep-alive' in said, '32767' in said), (2, True, True), said)


if __name__ == '__main__':
    sys.exit(lab.parts(no_half_of_every_address, only_where_there_is_no_ipv6, what_is_set_on_both_sides, keep_alive_has_the_kernel_s_bound))
