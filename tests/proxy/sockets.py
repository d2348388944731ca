#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""sockets [PART...]: which sockets leat proxy has of its own, and what is set on them."""

import ctypes
import fcntl
import os
import shutil
import socket
import subprocess
import sys

import lab

LIBC = ctypes.CDLL(None, use_errno=True)
PIDFD_GETFD = 438


def begin(*args, before=(), **how):
    done = subprocess.run([*before, lab.LEAT, 'proxy', *args], capture_output=True, text=True, timeout=20 * lab.SLOW, check=False, **how)
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

def passed(*sockets):
    """What to start a service with that is passed them, as systemd does, from descriptor 3 on."""
    spare = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 100) for one in sockets]

    def as_passed():
        for number, descriptor in enumerate(spare):
            os.dup2(descriptor, 3 + number, inheritable=True)
    return {'before': ['sh', '-c', f'LISTEN_PID=$$ LISTEN_FDS={len(sockets)} exec "$@"', 'sh'], 'preexec_fn': as_passed, 'close_fds': False}


def one_that_was_passed_has_two_names():
    """`systemd` and `fd:3`: it outlives a reload that calls it by the other, and is not taken twice, however the number is written."""
    up, handed = lab.Echo(), lab.listener()
    rest = [f'upstream 127.0.0.1:{up.port}', 'workers 1']
    with lab.Service(['listen systemd', *rest], **passed(handed)) as proxy:
        for name in 'fd:3', 'fd:03', 'systemd':
            proxy.reload([f'listen {name}', *rest])
            lab.equal(lab.ask(handed.getsockname(), b'one'), b'one', f'what comes by {name}')
        for one, other in ('systemd', 'fd:3'), ('fd:3', 'fd:03'):
            proxy.reload([f'listen {one}', f'listen {other}', *rest], word='the one before stays')
            lab.holds('is there twice' in proxy.text(), proxy.text())
        lab.equal(lab.ask(handed.getsockname(), b'two'), b'two', 'what comes afterwards')


def a_number_of_our_own():
    """A socket that the proxy made itself was not passed: a configuration that takes it for one is refused, and nothing is closed."""
    up, port, metrics = lab.Echo(), lab.free_port(), lab.free_port()
    lines = [f'listen 127.0.0.1:{port}', f'upstream 127.0.0.1:{up.port}', 'workers 1', f'metrics 127.0.0.1:{metrics}']
    with lab.Service(lines) as proxy:
        own = f'/proc/{proxy.process.pid}/fd'
        numbers = [number for number in os.listdir(own) if int(number) > 2 and os.readlink(f'{own}/{number}').startswith('socket:')]
        lab.equal(len(numbers), 2, 'sockets of its own')
        for number in numbers:
            for first in [], lines[:1]:
                proxy.reload([*first, f'listen fd:{number}', *lines[1:]], word='the one before stays')
        lab.equal(lab.ask(('127.0.0.1', port), b'one'), b'one', 'what comes afterwards')
        lab.equal(lab.page(metrics, 'health')[0], 200, '/health')
    status, said = begin('--check', '--listen', f'127.0.0.1:{lab.free_port()}', '--listen', 'fd:3', '--upstream', '127.0.0.1:1')
    lab.equal((status, 'fd:3' in said), (2, True), f'begun by a number that is its own: {said}')


def messages_are_no_stream():
    """A socket whose connections are none is refused when the configuration is read, not each connection for itself."""
    handed = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    handed.bind('packets')
    handed.listen()
    for name in 'fd:3', 'systemd':
        status, said = begin('--check', name, '127.0.0.1:1', **passed(handed))
        lab.equal((status, 'stream' in said), (2, True), f'a check of {name}: {said}')


if __name__ == '__main__':
    sys.exit(lab.parts(no_half_of_every_address, only_where_there_is_no_ipv6, what_is_set_on_both_sides, keep_alive_has_the_kernel_s_bound,
                       one_that_was_passed_has_two_names, a_number_of_our_own, messages_are_no_stream))
