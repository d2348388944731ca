#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""limits [PART...]: times, rates, caps, the choice of an upstream, and the log of leat proxy."""

import os
import socket
import sys
import time

import lab

MIB = 1 << 20


def deaf():
    """A server whose queue is full: a connect to it is never answered."""
    server = lab.listener(backlog=0)
    held = []
    for _ in range(4):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(server.getsockname())
        held.append(one)
    return server, held


def nobody():
    """An address at which nobody listens."""
    return f'127.0.0.1:{lab.free_port()}'


def took(function):
    began = time.monotonic()
    return function(), time.monotonic() - began


def an_idle_one_is_reset():
    with lab.listener() as server, lab.Proxy(server, options=['--idle', '1']) as proxy:
        client = proxy.connect()
        peer = lab.accept(server)
        for _ in range(4):		# while bytes go, in either direction, it lives
            time.sleep(0.4)
            peer.sendall(b'x')
            lab.read_n(client, 1)
        was_reset, seconds = took(lambda: lab.is_reset(client))
        lab.holds(was_reset and lab.is_reset(peer), 'an idle connection came to a clean end')
        lab.holds(seconds > 0.8, f'it was reset after {seconds} s')
        lab.equal(proxy.lines()[-1]['error'], 'Connection timed out', 'the error in the log')


def one_that_is_not_read_is_idle():
    with lab.listener() as server, lab.Proxy(server, options=['--idle', '1']) as proxy:
        client = proxy.connect()
        peer = lab.accept(server)
        try:
            lab.fill(client)
        except ConnectionResetError:    # a busy machine: all was full for a second before this saw it
            pass
        else:
            lab.holds(lab.is_reset(client), 'it came to a clean end')
        lab.equal(proxy.lines()[-1]['error'], 'Connection timed out', 'the error in the log')
        peer.close()


def half_open_ones_have_their_own_time():
    with lab.listener() as server, lab.Proxy(server, options=['--half-open', '1', '--idle', '0']) as proxy:
        client = proxy.connect()
        peer = lab.accept(server)
        time.sleep(1.3)			# it holds for those only that are half open
        client.shutdown(socket.SHUT_WR)
        for _ in range(4):		# and that move nothing
            time.sleep(0.4)
            peer.sendall(b'x')
            lab.read_n(client, 1)
        lab.holds(lab.is_reset(client), 'it came to a clean end')
        lab.equal(proxy.lines()[-1]['error'], 'Connection timed out', 'the error in the log')
        peer.close()


def a_total_time():
    with lab.listener() as server, lab.Proxy(server, options=['--total', '1']) as proxy:
        client = proxy.connect()
        peer = lab.accept(server)

        def go_on():
            while True:
                peer.sendall(b'x' * 1000)
                lab.read_n(client, 1000)
                time.sleep(0.05)
        try:
            go_on()
        except OSError:
            pass
        lab.equal(proxy.lines()[-1]['error'], 'Connection timed out', 'the error in the log')


def a_connect_that_is_not_answered():
    server, held = deaf()
    with server, lab.Proxy(server, options=['--connect', '1', '--retries', '0']) as proxy:
        client = proxy.connect()
        lab.holds(lab.is_reset(client), 'a connection that goes nowhere came to a clean end')
        line = proxy.lines()[-1]
        lab.equal((line['refused'], line['upstream']), ('Connection timed out', lab.word(server)), 'the log')
    del held


def a_connect_that_is_refused():
    with lab.Proxy(nobody(), options=['--retries', '0']) as proxy:
        lab.holds(lab.is_reset(proxy.connect()), 'a connection that goes nowhere came to a clean end')
        lab.equal(proxy.lines()[-1]['refused'], 'Connection refused', 'the log')


def the_next_upstream_is_tried():
    dead, held = deaf()
    with dead, lab.listener() as server, lab.Proxy(nobody(), dead, server, options=['--connect', '1']) as proxy:
        for _ in range(6):
            client = proxy.connect()
            client.sendall(b'here')
            peer = lab.accept(server)
            lab.equal(lab.read_n(peer, 4), b'here', 'what came')
            client.close()
            peer.close()
        lab.equal({line['upstream'] for line in proxy.lines(6)}, {lab.word(server)}, 'upstreams of the log')
    del held


def no_more_are_tried_than_asked():
    with lab.listener() as server:
        for retries, passes in ((1, False), (3, True)):
            with lab.Proxy(nobody(), nobody(), nobody(), server, options=['--retries', str(retries), '--failures', '0']) as proxy:
                client = proxy.connect()		# begins with the second one
                if passes:
                    client.shutdown(socket.SHUT_WR)
                    lab.accept(server).close()
                lab.equal(not lab.is_reset(client), passes, f'whether it passes after {retries} more')
                lab.equal(proxy.lines()[-1]['refused'], None if passes else 'Connection refused', 'the log')


def all_addresses_of_a_name():
    """A name of several addresses, at the last of which somebody listens: found, though the name is the only upstream."""
    with open('hosts', 'w', encoding='ascii') as hosts:
        hosts.write(''.join(f'127.0.0.{i} several\n' for i in range(1, 7)) + '127.0.0.1 localhost\n')
    alone = ['unshare', '-m', 'sh', '-c', 'mount --bind hosts /etc/hosts && exec "$@"', 'sh']
    if lab.subprocess.run([*alone, 'true'], check=False, capture_output=True).returncode:
        raise lab.Skip('no mount name space of its own')
    with lab.listener('127.0.0.5') as server:
        options = ['--retries', '0', '--failures', '1', '--down', '60']
        with lab.Proxy(f'several:{server.getsockname()[1]}', options=options, before=alone) as proxy:
            for _ in range(10):
                client = proxy.connect()
                lab.accept(server).close()
                client.close()
            lab.equal([line['refused'] for line in proxy.lines(10)], [None] * 10, 'refusals')


def round_robin_and_least():
    with lab.listener() as one, lab.listener() as two:
        for options in ([], ['--balance', 'least']):
            with lab.Proxy(one, two, options=options) as proxy:
                first = [proxy.connect() for _ in range(4)]
                time.sleep(0.2)
                held = [[], []]
                for server, peers in zip((one, two), held):
                    server.settimeout(0.2)
                    try:
                        while True:
                            peers.append(server.accept()[0])
                    except TimeoutError:
                        pass
                lab.equal([len(peers) for peers in held], [2, 2], 'connections of each')
                for client in first:
                    client.close()
                for peers in held:
                    for peer in peers:
                        peer.close()
                proxy.lines(4)


def least_goes_where_fewer_are():
    with lab.listener() as one, lab.listener() as two, lab.Proxy(one, two, options=['--balance', 'least']) as proxy:
        ends = [proxy.connect(), lab.accept(two), proxy.connect(), lab.accept(one)]	# the second in turn is first
        ends[0].close()
        ends[1].close()
        for count in range(1, 6):		# one has a connection, two none
            proxy.lines(count)
            client = proxy.connect()
            lab.accept(two).close()
            client.close()
        for end in ends[2:]:
            end.close()


def one_that_fails_is_left_out():
    with lab.listener() as server:
        dead = nobody()
        with lab.Proxy(dead, server, options=['--retries', '0', '--failures', '2', '--down', '60']) as proxy:
            fates = []
            for _ in range(12):
                client = proxy.connect()
                server.settimeout(0.3)
                try:
                    client.shutdown(socket.SHUT_WR)
                    server.accept()[0].close()
                    fates.append(not lab.is_reset(client))
                except OSError:     # nobody came, or the reset did first
                    fates.append(False)
                client.close()
            lab.equal(fates.count(False), 2, f'failures of {fates}')
            lab.holds(all(fates[4:]), f'it came back early: {fates}')


def one_that_failed_comes_back():
    port = lab.free_port()
    with lab.Proxy(f'127.0.0.1:{port}', options=['--failures', '1', '--down', '1']) as proxy:
        lab.holds(lab.is_reset(proxy.connect()), 'nobody is there')
        with socket.create_server(('127.0.0.1', port)) as server:	# the only one there is: it is tried although it is out
            client = proxy.connect()
            client.sendall(b'x')
            lab.equal(lab.read_n(lab.accept(server), 1), b'x', 'what came')
            client.close()


def a_cap_of_connections():
    with lab.listener() as server, lab.Proxy(server, options=['--connections', '3']) as proxy:
        held = [proxy.connect() for _ in range(3)]
        peers = [lab.accept(server) for _ in held]
        lab.holds(lab.is_reset(proxy.connect()), 'one too many came to a clean end')
        lab.equal(proxy.lines()[-1]['refused'], 'there are as many as --connections allows', 'the log')
        held.pop().close()
        peers.pop().close()
        proxy.lines(2)
        client = proxy.connect()
        peer = lab.accept(server)
        peer.sendall(b'x')
        lab.equal(lab.read_n(client, 1), b'x', 'what came to the next one')
        for end in (*held, *peers, client, peer):
            end.close()


def one_too_many_is_written_as_the_others_are():
    """At a socket for both families, too."""
    if not os.path.exists('/proc/net/if_inet6'):
        raise lab.Skip('no IPv6 here')
    with lab.listener() as server, lab.Proxy(server, listen=f':{lab.free_port()}', options=['--connections', '1']) as proxy:
        clients = [proxy.connect()]
        peer = lab.accept(server)
        clients.append(proxy.connect())
        lab.holds(lab.is_reset(clients[1]), 'one too many came to a clean end')
        names = {'%s:%d' % client.getsockname() for client in clients}
        for end in (*clients, peer):
            end.close()
        lab.equal({line['client'] for line in proxy.lines(2)}, names, 'clients in the log')


def rates():
    """4 MiB at 2 MiB/s, of which a tenth is free: 1.8 s at least; in total the same for two at once. By splice all the same."""
    for options, count in (['--rate', '2m'], 1), (['--total-rate', '2m'], 2):
        with lab.listener() as server, lab.Proxy(server, options=options) as proxy:
            ends = [(proxy.connect(), lab.accept(server)) for _ in range(count)]
            size = 4 * MIB // count

            def move(pair, size=size):
                writer = lab.in_thread(lambda: (pair[0].sendall(bytes(size)), pair[0].shutdown(socket.SHUT_WR)))
                got = lab.read_all(pair[1])
                writer.result()
                pair[1].close()
                return len(got)
            began = time.monotonic()
            threads = [lab.in_thread(move, pair) for pair in ends]
            lab.equal([thread.result() for thread in threads], [size] * count, 'bytes')
            seconds = time.monotonic() - began
            lab.holds(seconds > 1.6, f'{options} took {seconds} s')
            for client, _ in ends:
                lab.equal(lab.read_all(client), b'', 'what came back')
                client.close()
            for line in proxy.lines(count):
                lab.holds(line['from_client']['spliced'] > size * 3 // 4, f'not by splice: {line}')


def pipes_that_cannot_be_had():
    """As an ordinary user whose pipes are all in use: it copies, every byte arrives, and the log says why."""
    user = ['setpriv', '--reuid', '54321', '--regid', '54321', '--clear-groups']
    os.chmod('.', 0o777)
    if os.geteuid() or lab.subprocess.run([*user, lab.LEAT, '--version'], check=False, capture_output=True).returncode:
        raise lab.Skip('the program cannot be run as another user')
    with open('/proc/sys/fs/pipe-user-pages-soft', encoding='ascii') as soft:
        pages = int(soft.read())
    if not 0 < pages <= 65536:
        raise lab.Skip(f'a user may have {pages} pages of pipes')
    hog = f'import os, sys; pipes = [os.pipe() for _ in range({pages // 16 + 8})]; print("full", flush=True); sys.stdin.read()'
    with lab.listener() as server, lab.Proxy(server, before=user) as proxy, \
            lab.subprocess.Popen([*user, sys.executable, '-c', hog], stdin=lab.subprocess.PIPE, stdout=lab.subprocess.PIPE, text=True) as full:
        lab.equal(full.stdout.readline(), 'full\n', 'who takes all pipes')
        client = proxy.connect()
        peer = lab.accept(server)
        writer = lab.in_thread(lambda: (client.sendall(bytes(4 * MIB)), client.shutdown(socket.SHUT_WR)))
        lab.equal(len(lab.read_all(peer)), 4 * MIB, 'bytes')
        writer.result()
        peer.close()
        client.close()
        line = proxy.lines()[-1]
        lab.equal(line['from_client'], {'bytes': 4 * MIB, 'spliced': 0, 'copied': 4 * MIB, 'reason': 'pipe-budget'}, 'the log')
        full.stdin.close()


def the_log():
    with lab.listener() as server, lab.Proxy(server) as proxy:
        client = proxy.connect()
        name = client.getsockname()
        peer = lab.accept(server)
        for _ in range(100):				# small and chatty: copied
            client.sendall(b'q' * 100)
            peer.sendall(lab.read_n(peer, 100))
            lab.read_n(client, 100)
        peer.sendall(bytes(MIB))
        lab.read_n(client, MIB)
        peer.close()
        client.close()
        line = proxy.lines()[-1]
        up, down = line['from_client'], line['from_upstream']
        lab.equal((up['bytes'], up['spliced'], up['copied'], up['reason']), (10000, 0, 10000, 'small'), 'the way up')
        lab.equal((down['bytes'], down['spliced'] + down['copied']), (MIB + 10000, MIB + 10000), 'the way down')
        lab.holds(down['spliced'] >= MIB - 65536, f'spliced: {down}')
        lab.equal((line['error'], line['refused'], line['upstream']), (None, None, lab.word(server)), 'the rest')
        lab.equal(line['client'], '%s:%d' % name, 'the client')
        lab.holds(0 < line['connect_seconds'] < line['seconds'] < 60, f'times: {line}')
    for route, reason in (('copy', 'disabled-by-user'), ('splice', 'ok')):
        with lab.listener() as server, lab.Proxy(server, options=['--route', route]) as proxy:
            client = proxy.connect()
            peer = lab.accept(server)
            client.sendall(bytes(MIB) + b'small')
            client.shutdown(socket.SHUT_WR)
            lab.equal(len(lab.read_all(peer)), MIB + 5, 'bytes')
            peer.close()
            client.close()
            up = proxy.lines()[-1]['from_client']
            lab.equal((up['spliced'], up['copied']), ((0, MIB + 5) if route == 'copy' else (MIB + 5, 0)), f'bytes with {route}')
            lab.equal(up['reason'], reason, f'the reason with {route}')


def a_log_of_text():
    with lab.listener() as server:
        port = lab.free_port()
        process = lab.subprocess.Popen([lab.LEAT, 'proxy', '--workers', '1', '--log', '-', f'127.0.0.1:{port}', lab.word(server)],
                                       stdout=lab.subprocess.PIPE, text=True)
        try:
            lab.eventually(lambda: connects(port), 'the listener')
            lab.accept(server).close()
            client = socket.create_connection(('127.0.0.1', port))
            peer = lab.accept(server)
            client.sendall(b'12345')
            lab.read_n(peer, 5)
            peer.close()
            client.close()
            process.stdout.readline()
            line = process.stdout.readline()
        finally:
            process.terminate()
            process.communicate(timeout=20)
        lab.holds(lab.re.fullmatch(r'\S+Z 127\.0\.0\.1:\d+ 127\.0\.0\.1:\d+ \d+\.\d{3} s > 5 \(0 spliced, 5 copied, small\) '
                                   r'< 0 \(0 spliced, 0 copied, ok\) ok\n', line), f'the line is {line!r}')


def connects(port):
    try:
        socket.create_connection(('127.0.0.1', port)).close()
        return True
    except ConnectionRefusedError:
        return False


if __name__ == '__main__':
    sys.exit(lab.parts(an_idle_one_is_reset, one_that_is_not_read_is_idle, half_open_ones_have_their_own_time, a_total_time,
                       a_connect_that_is_not_answered, a_connect_that_is_refused, the_next_upstream_is_tried,
                       no_more_are_tried_than_asked, all_addresses_of_a_name, round_robin_and_least, least_goes_where_fewer_are, one_that_fails_is_left_out,
                       one_that_failed_comes_back, a_cap_of_connections, one_too_many_is_written_as_the_others_are, rates, pipes_that_cannot_be_had, the_log, a_log_of_text))
