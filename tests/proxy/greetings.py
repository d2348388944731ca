#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""greetings [PART...]: PROXY headers in and out, and the choice of an upstream by the name in a TLS ClientHello."""

import os
import select
import socket
import ssl
import struct
import sys
import time

import lab

SIGNATURE = b'\r\n\r\n\0\r\nQUIT\n'


def hello(name=None, padding=0):
    """A ClientHello as OpenSSL makes it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if padding:
        context.set_alpn_protocols(['x' * 255] * (padding // 256))
    try:
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def v2(command=1, family=0x11, body=b'\x01\x02\x03\x04\x05\x06\x07\x08\x00\x50\x01\xbb', tlv=b''):
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack('>H', len(body + tlv)) + body + tlv


def headers_out():
    """Of either version, first of all bytes, for both families, from a socket of both families as well, and a Unix client."""
    for version in ('v1', 'v2'):
        with lab.listener() as server:
            for listen, connect in ('127.0.0.1', '127.0.0.1'), ('[::]', '127.0.0.1'), ('[::]', '::1'), ('unix', None):
                if listen == '[::]' and not os.path.exists('/proc/net/if_inet6'):
                    continue
                where = f'{listen}:{lab.free_port()}' if connect else f'unix:{lab.new_path()}'
                with lab.Proxy(server, options=['--header-out', version], listen=where) as proxy:
                    client = socket.create_connection((connect, proxy.port)) if connect else proxy.connect()
                    wanted = wanted_header(version, client)
                    client.sendall(b'payload')
                    client.shutdown(socket.SHUT_WR)
                    with lab.accept(server) as peer:
                        lab.equal(lab.read_all(peer), wanted + b'payload', f'{version} of {listen}')
                    client.close()
                    lab.equal(proxy.lines()[-1]['from_client']['bytes'], 7, 'bytes of the client in the log')


def a_check_says_that_it_is_one():
    """Of a health check the upstream learns that no client stands behind it."""
    for version, wanted in ('v1', b'PROXY UNKNOWN\r\n'), ('v2', v2(command=0, family=0, body=b'')):
        with lab.listener() as server, lab.Proxy(server, options=['--header-out', version, '--health', '60']):
            with lab.accept(server) as peer:
                lab.equal(lab.read_all(peer), wanted, f'what a check says by {version}')


def wanted_header(version, client):
    if client.family == socket.AF_UNIX:
        path = client.getpeername().encode()
        return b'PROXY UNKNOWN\r\n' if version == 'v1' else v2(family=0x31, body=bytes(108) + path.ljust(108, b'\0'))
    (host, port, *_), (to, to_port, *_) = client.getsockname(), client.getpeername()
    if version == 'v1':
        return f'PROXY TCP{6 if ":" in host else 4} {host} {to} {port} {to_port}\r\n'.encode()
    body = socket.inet_pton(client.family, host) + socket.inet_pton(client.family, to) + struct.pack('>HH', port, to_port)
    return v2(family=0x21 if ':' in host else 0x11, body=body)


def headers_in():
    """Taken, whole or in pieces, with what follows in the same segment; the log and the next header have the addresses."""
    cases = [
        (b'PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n', '192.0.2.1:1000'),
        (b'PROXY TCP6 2001:db8::1 2001:db8::2 1000 443\r\n', '[2001:db8::1]:1000'),
        (v2(), '1.2.3.4:80'),
        (v2(tlv=b'\x04\x00\x10' + bytes(16)), '1.2.3.4:80'),
        (v2(family=0x21, body=bytes(15) + b'\x01' + bytes(16) + b'\x00\x07\x00\x08'), '[::1]:7'),
    ]
    cases += [(local, None) for local in (b'PROXY UNKNOWN\r\n', b'PROXY UNKNOWN a b c d\r\n', v2(command=0), v2(family=0, body=b''))]
    with lab.listener() as server, lab.Proxy(server, options=['--header-in', '--header-out', 'v1']) as proxy:
        for header, name in cases:
            for pieces in (1, 2, len(header)):
                client = proxy.connect()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                whole = header + b'payload'
                for i in range(pieces):
                    client.sendall(whole[len(whole) * i // pieces:len(whole) * (i + 1) // pieces])
                    time.sleep(0.002 if pieces > 1 else 0)
                client.shutdown(socket.SHUT_WR)
                with lab.accept(server) as peer:
                    first, rest = lab.read_all(peer).split(b'\r\n', 1)
                own = '%s:%d' % client.getsockname()
                lab.equal(rest, b'payload', f'what followed {header!r} in {pieces} pieces')
                words = first.decode().split()
                told = f'[{words[2]}]:{words[4]}' if words[1] == 'TCP6' else f'{words[2]}:{words[4]}'
                lab.equal(told, name or own, f'who the upstream is told of by {header!r}')
                lab.equal(proxy.lines()[-1]['client'], name or own, f'who the log names by {header!r}')
                client.close()
                proxy.forget()


def header_of(version, one, other):
    """Of two addresses of one family, from port 1234 to port 80."""
    family = socket.AF_INET6 if ':' in one else socket.AF_INET
    if version == 'v1':
        return f'PROXY TCP{6 if ":" in one else 4} {one} {other} 1234 80\r\n'.encode()
    body = socket.inet_pton(family, one) + socket.inet_pton(family, other) + struct.pack('>HH', 1234, 80)
    return v2(family=0x21 if ':' in one else 0x11, body=body)


def headers_of_mixed_families():
    """IPv4 may come as a socket for both families writes it. It goes on as IPv4 where both ends are; else as it came: the client is told."""
    cases = [('2001:db8::1', '::ffff:10.0.0.1', None), ('::ffff:192.0.2.9', '2001:db8::2', None), ('2001:db8::1', '2001:db8::2', None),
             ('192.0.2.9', '10.0.0.1', None), ('::ffff:192.0.2.9', '::ffff:10.0.0.1', ('192.0.2.9', '10.0.0.1'))]
    for version in 'v1', 'v2':
        with lab.listener() as server, lab.Proxy(server, options=['--header-in', '--header-out', version]) as proxy:
            for one, other, told in cases:
                for came in 'v1', 'v2':
                    client = proxy.connect()
                    client.sendall(header_of(came, one, other))
                    client.shutdown(socket.SHUT_WR)
                    with lab.accept(server) as peer:
                        lab.equal(lab.read_all(peer), header_of(version, *(told or (one, other))), f'{version} of {one}, {other} by {came}')
                    client.close()


def bad_headers():
    cases = [b'GET / HTTP/1.1\r\n\r\n', b'PROXY TCP4 192.0.2.1 192.0.2.2 1000\r\n', b'PROXY TCP4 192.0.2.1 192.0.2.2 1000 99999\r\n',
             b'PROXY TCP4 ::1 ::2 1 2\r\n', b'PROXY TCP9 1.2.3.4 1.2.3.4 1 2\r\n', b'PROXY ' + b'x' * 200, v2()[:12] + b'\x31' + v2()[13:],
             v2(family=0x11, body=b'short'), v2(body=bytes(60000))[:4200], b'\r\n\r\n\0\r\nQUIX\n' + bytes(20)]
    with lab.listener() as server, lab.Proxy(server, options=['--header-in']) as proxy:
        for sent in cases:
            client = proxy.connect()
            client.sendall(sent)
            lab.holds(lab.is_reset(client), f'{sent[:40]!r} came to a clean end')
            lab.equal(proxy.lines()[-1]['refused'], 'it begins with no PROXY header', f'the log of {sent[:40]!r}')
            proxy.forget()
        client = proxy.connect()
        client.sendall(b'PROXY TCP4 192.0')
        client.shutdown(socket.SHUT_WR)
        lab.holds(lab.is_reset(client), 'half a header came to a clean end')
        lab.equal(proxy.lines()[-1]['refused'], 'it ended before it had said where to', 'the log of half a header')
        server.settimeout(0.1)
        try:
            server.accept()
            raise AssertionError('the upstream was troubled')
        except TimeoutError:
            pass


def a_header_that_does_not_come():
    with lab.listener() as server, lab.Proxy(server, options=['--header-in', '--connect', '1']) as proxy:
        client = proxy.connect()
        client.sendall(b'PROXY ')
        lab.holds(lab.is_reset(client), 'it came to a clean end')
        lab.equal(proxy.lines()[-1]['refused'], 'Connection timed out', 'the log')
        before = proxy.cpu_s()
        held = [proxy.connect() for _ in range(20)]
        for client in held:
            client.sendall(b'PROXY ')
        time.sleep(0.7)
        lab.holds(proxy.cpu_s() - before <= 3 / lab.TICK, 'it spins while it waits')


def records(whole, sizes):
    """The same handshake in records of other sizes."""
    body, out = whole[5:], b''
    for size in sizes:
        out += whole[:3] + struct.pack('>H', min(size, len(body))) + body[:size]
        body = body[size:]
    return out + (whole[:3] + struct.pack('>H', len(body)) + body if body else b'')


def names_choose():
    """In pieces, in small records, in capitals, with a wildcard, without a name; behind a PROXY header. All of it arrives."""
    with lab.listener() as other, lab.listener() as named, lab.listener() as wild:
        options = ['--sni', f'One.Example={lab.word(named)}', '--sni', f'*.example={lab.word(wild)}']
        cases = [(None, other), ('one.example', named), ('ONE.example', named), ('two.example', wild), ('a.b.example', wild),
                 ('example', other), ('oneexample', other), ('one.example.org', other)]
        for header in (b'', b'PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n'):
            with lab.Proxy(other, options=[*options, *(['--header-in'] if header else [])]) as proxy:
                for name, server in cases:
                    whole = hello(name)
                    for sent, pieces in (whole, 1), (whole, 40), (records(whole, [1, 2, 3, 50]), 1), (records(whole, [100] * 9), 30):
                        client = proxy.connect()
                        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        all_sent = header + sent + b'and more'
                        for i in range(pieces):
                            client.sendall(all_sent[len(all_sent) * i // pieces:len(all_sent) * (i + 1) // pieces])
                            time.sleep(0.001 if pieces > 1 else 0)
                        client.shutdown(socket.SHUT_WR)
                        with lab.accept(server) as peer:
                            lab.holds(lab.read_all(peer) == sent + b'and more', f'{name} in {pieces} pieces: what came differs')
                        client.close()


def names_in_turn():
    """Connections of two groups, one of each by turns: each group has turns of its own."""
    servers = [lab.listener() for _ in range(4)]
    options = [word for server in servers[2:] for word in ('--sni', f'x.y={lab.word(server)}')]
    with lab.Proxy(*servers[:2], options=options) as proxy:
        for _ in range(6):
            for name in ('other.y', 'x.y'):
                with proxy.connect() as client:
                    client.sendall(hello(name))
                    client.shutdown(socket.SHUT_WR)
                    with accept_one(servers) as peer:
                        lab.read_all(peer)
        went = [line['upstream'] for line in proxy.lines(12)]
        lab.equal([went.count(lab.word(server)) for server in servers], [3, 3, 3, 3], 'connections of each upstream')
    for server in servers:
        server.close()


def the_most_exact_name():
    """Wherever it stands: a name comes before a domain, a longer domain before a shorter one, and any name last. Those of one name
    share its connections, though others stand between them."""
    servers = [lab.listener() for _ in range(6)]
    words = ['*', '*.example', 'one.example', '*.two.example', 'ONE.example']
    options = [word for name, server in zip(words, servers[1:]) for word in ('--sni', f'{name}={lab.word(server)}')]
    with lab.Proxy(servers[0], options=options) as proxy:
        for name, wanted in (('else.test', {1}), ('example', {1}), ('x.example', {2}), ('one.example', {3, 5}), ('a.two.example', {4}), ('two.example', {2}),
                             (None, {0})):
            went = set()
            for _ in range(len(wanted)):
                with proxy.connect() as client:
                    client.sendall(hello(name))
                    client.shutdown(socket.SHUT_WR)
                    with accept_one(servers) as peer:
                        lab.read_all(peer)
                    went.add(proxy.lines()[-1]['upstream'])
                    proxy.forget()
            lab.equal(went, {lab.word(servers[at]) for at in wanted}, f'where {name} went')
    for server in servers:
        server.close()


def names_that_are_none():
    """What no client can ask for, or what would stand for more than it says, is refused in one sentence."""
    for name in ('*bank.com', 'a.*.com', '**', '*.', '*.*', 'a*', '.com', 'a..b', 'a.', 'a b', 'a/b', 'b\u00fccher.example', ''):
        done = lab.subprocess.run([lab.LEAT, 'proxy', '--check', '127.0.0.1:0', '127.0.0.1:1', f'--sni={name}=127.0.0.1:2'], capture_output=True, text=True,
                                  check=False)
        lab.equal((done.returncode, done.stdout, done.stderr.count('\n'), '--sni' in done.stderr), (2, '', 1, True), f'{name}: {done.stderr}')
    for name in '*', '*.a', '*.a-b.example', 'a', 'A.b_c.example', 'xn--bcher-kva.example':
        done = lab.subprocess.run([lab.LEAT, 'proxy', '--check', '127.0.0.1:0', '127.0.0.1:1', f'--sni={name}=127.0.0.1:2'], capture_output=True, text=True,
                                  check=False)
        lab.equal((done.returncode, done.stderr), (0, ''), name)


def accept_one(servers):
    ready = select.select(servers, [], [], 20 * lab.SLOW)[0]
    lab.holds(ready, 'no upstream got the connection')
    return lab.accept(ready[0])


def bad_hellos():
    with lab.listener() as server, lab.Proxy(server, options=['--sni', f'x={lab.word(server)}']) as proxy:
        good = hello('x')
        large = b'\x16\x03\x01\x40\x00\x01\x00\xff\xff' + bytes(16380)
        for sent, why in ((b'GET / HTTP/1.0\r\n\r\n', 'it begins with no TLS hello'), (b'\x16\x03\x01\x00\x00', 'it begins with no TLS hello'),
                          (b'\x16\x03\x01\x00\x05\x02' + bytes(4), 'it begins with no TLS hello'),
                          (good[:6] + b'\0\0\x3c' + good[9:], 'it begins with no TLS hello'),
                          (large, 'its TLS hello is larger than 16 KiB'), (good[:100], 'it ended before it had said where to')):
            client = proxy.connect()
            client.sendall(sent)
            if 'ended' in why:
                client.shutdown(socket.SHUT_WR)
            lab.holds(lab.is_reset(client), f'{sent[:20]!r} came to a clean end')
            lab.equal(proxy.lines()[-1]['refused'], why, f'the log of {sent[:20]!r}')
            proxy.forget()


def a_large_hello():
    """Of some KiB, as with keys that are safe from quantum computers."""
    with lab.listener() as other, lab.listener() as named, lab.Proxy(other, options=['--sni', f'x.y={lab.word(named)}']) as proxy:
        for size in (2000, 9000):
            sent = hello('x.y', size)
            lab.holds(len(sent) > size // 2, f'the hello has {len(sent)} bytes only')
            client = proxy.connect()
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            with lab.accept(named) as peer:
                lab.holds(lab.read_all(peer) == sent, 'what came differs')


if __name__ == '__main__':
    sys.exit(lab.parts(headers_out, a_check_says_that_it_is_one, headers_in, headers_of_mixed_families, bad_headers,
                       a_header_that_does_not_come, names_choose, names_in_turn, the_most_exact_name, names_that_are_none, bad_hellos, a_large_hello))
