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


def only_where_there_is_no_ipv6():
    """As the kernel says it: of the binds, those of the C library's own come first."""
    if not shutil.which('strace'):
        raise lab.Skip('no strace')
    args = '--check', f':{lab.free_port()}', '127.0.0.1:1'
    begin(*args, before=['strace', '-o', 'calls', '-e', 'trace=bind'])
    with open('calls', encoding='ascii') as calls:
        binds = [line for line in calls if line.startswith('bind(')]
    first = next((i for i, line in enumerate(binds, 1) if 'AF_INET6' in line), 0)
    lab.holds(first, f'no bind is of IPv6: {binds}')
    for error, wanted in ('EADDRNOTAVAIL', 0), ('EACCES', 2), ('ENOMEM', 2):
        status, said = begin(*args, before=['strace', '-o', 'calls', '-e', 'trace=bind', '-e', f'inject=bind:error={error}:when={first}'])
        with open('calls', encoding='ascii') as calls:
            text = calls.read()
        if '(INJECTED)' not in text:
            raise lab.Skip(f'strace cannot: {said or text}')
        lab.equal(status, wanted, f'exit status with {error}: {said}')
        lab.equal('AF_INET,' in text, not wanted, f'whether IPv4 was tried with {error}')


PIDFD_GETFD = 438
WANTED = {'TCP_NODELAY': (socket.IPPROTO_TCP, 1), 'TCP_USER_TIMEOUT': (socket.IPPROTO_TCP, 7000), 'SO_KEEPALIVE': (socket.SOL_SOCKET, 1),
          'TCP_KEEPIDLE': (socket.IPPROTO_TCP, 33)}


def what_is_set(pid, number):
    """The port of a connection of the process's, and what is set on it; or None, it is none. Nothing of it stays open."""
    pidfd = os.pidfd_open(pid)
    fd = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, pidfd, number, 0)
    os.close(pidfd)
    if fd < 0:
        raise lab.Skip(f'pidfd_getfd: {os.strerror(ctypes.get_errno())}')
    is_socket = os.readlink(f'/proc/self/fd/{fd}').startswith('socket:')
    with socket.socket(fileno=fd) if is_socket else open(fd, 'rb', buffering=0) as one:
        try:
            one.getpeername()
            return one.getsockname()[1], {name: one.getsockopt(level, getattr(socket, name)) for name, (level, _) in WANTED.items()}
        except (AttributeError, OSError):       # no socket, one of another kind, a listener
            return None


def of_both_sides():
    """What the options say is set on the client's socket and on the upstream's."""
    with lab.listener() as server, lab.Proxy(server, options=('--user-timeout', '7', '--keep-alive', '33')) as proxy:
        with proxy.connect() as client, lab.accept(server) as behind:
            client.sendall(b'x')
            lab.read_n(behind, 1)
            found = dict(filter(None, (what_is_set(pid, int(fd)) for pid in proxy.pids() for fd in os.listdir(f'/proc/{pid}/fd'))))
            lab.equal(len(found), 2, 'connections of the proxy')
            for port, is_set in found.items():
                side = 'client' if port == proxy.port else 'upstream'
                lab.equal(is_set, {name: value for name, (_, value) in WANTED.items()}, f'what is set on the socket of the {side}')


if __name__ == '__main__':
    sys.exit(lab.parts(no_half_of_every_address, only_where_there_is_no_ipv6, of_both_sides))
