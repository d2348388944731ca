#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""soak [SECONDS]: connections of random sizes, halves that end in any order, resets in the midst, splices that are cut short and
calls that are interrupted (short.c), by each route, TCP and Unix, in so many seconds together; and for as long once more with
all at random: the route, the kinds of both sides, limits, workers, and reloads in between. Every byte is compared at its
end, and hashed where all came; afterwards no connection, descriptor or memory is left, and nothing runs on."""

import hashlib
import os
import random
import socket
import struct
import sys
import threading
import time

import lab

BLOCK = random.Random(7).randbytes(6 << 20)
HEAD = struct.Struct('>QIIIIBB')
ASKS, RESETS_CLIENT, RESETS_SERVER = range(3)
AT_ONCE = 8
HEAP_KIB = 5000


class Fates:
    """What became of the connections, by number."""

    def __init__(self):
        self.lock, self.wrong, self.whole, self.cut = threading.Lock(), [], 0, 0

    def note(self, wrong, whole):
        with self.lock:
            if wrong:
                self.wrong.append(wrong)
            self.whole += whole
            self.cut += not whole


def send_slowly(end, data, rng, stop_at):
    """stop_at: bytes after which it breaks off, or None. Whether it sent all."""
    sent = 0
    while sent < len(data):
        if stop_at is not None and sent >= stop_at:
            return False
        piece = min(rng.choice((1, 100, 1448, 20000, 300000)), len(data) - sent)
        end.sendall(data[sent:sent + piece])
        sent += piece
        if rng.random() < 0.02:
            time.sleep(rng.random() / 50)
    return stop_at is None


def receive(end, wanted, rng):
    """'' when what came is the wanted bytes and an end; 'cut' when it is their beginning and a reset; else what is wrong."""
    got, hashed = 0, hashlib.sha256()
    try:
        while piece := end.recv(rng.choice((100, 5000, 1 << 18))):
            if piece != wanted[got:got + len(piece)]:
                return f'other bytes behind {got}'
            hashed.update(piece)
            got += len(piece)
            if rng.random() < 0.01:
                time.sleep(rng.random() / 50)
    except (ConnectionResetError, BrokenPipeError):
        return 'cut'
    if got != len(wanted) or hashed.digest() != hashlib.sha256(wanted).digest():
        return f'a clean end behind {got} of {len(wanted)} bytes'
    return ''


def exchange(end, out, wanted, rng, resets):
    """Both directions at once on one end. What receive says, and whether this end broke off."""
    stop_at = rng.randrange(len(out) + 1) if resets else None
    sender = lab.in_thread(lambda: send_slowly(end, out, rng, stop_at) and (end.shutdown(socket.SHUT_WR) or True))
    if resets:
        try:
            sender.result()
        except OSError:
            pass
        if end.family == socket.AF_UNIX:	# it knows resets only of who leaves something unread
            end.close()
        else:
            lab.reset(end)
        return 'cut'
    said = receive(end, wanted, random.Random(rng.random()))
    try:
        sender.result()
    except OSError:		# who of the two is told of a reset leaves an end to the other
        said = 'cut' if said.startswith('a clean end') else said or 'cut'
    end.close()
    return said


def head_of(rng, may_reset, unix):
    sizes = [min(int(2 ** rng.uniform(0, 22)) - 1, len(BLOCK) // 2) for _ in range(2)]
    fate = rng.choices((ASKS, RESETS_CLIENT, RESETS_SERVER), (8, 1, 1))[0] if may_reset else ASKS
    return HEAD.pack(rng.getrandbits(60), rng.randrange(len(BLOCK) // 2), sizes[0], rng.randrange(len(BLOCK) // 2), sizes[1], fate, unix)


def parts_of(head):
    number, up_at, up, down_at, down, fate, unix = HEAD.unpack(head)
    return number, BLOCK[up_at:up_at + up], BLOCK[down_at:down_at + down], fate, unix


def may_be(said, fate, unix):
    """Of who is broken off; a Unix socket, on either side, tells so only if something was left unread: CAVEATS of leat-proxy(1)."""
    return not said or (fate != ASKS and (said == 'cut' or (unix and said.startswith('a clean end'))))


def serve_one(peer, fates):
    peer.settimeout(60 * lab.SLOW)
    try:
        number, up, down, fate, unix = parts_of(lab.read_n(peer, HEAD.size))
    except (OSError, AssertionError):
        peer.close()		# it was reset before it had begun
        return
    said = exchange(peer, down, up, random.Random(number + 1), fate == RESETS_SERVER)
    if not may_be(said, fate, unix):
        fates.note(f'at the server, of fate {fate}: {said}', False)


def ask_one(proxy, rng, may_reset, fates):
    client = proxy.connect()
    head = head_of(rng, may_reset, client.family == socket.AF_UNIX or proxy.to_unix)
    number, up, down, fate, unix = parts_of(head)
    client.settimeout(60 * lab.SLOW)
    try:
        client.sendall(head)
    except OSError:
        pass
    said = exchange(client, up, down, random.Random(number), fate == RESETS_CLIENT)
    wrong = not may_be(said, fate, unix)
    fates.note(f'at the client, of fate {fate}: {said}' if wrong else '', fate == ASKS and not wrong)


def serve(server, fates):
    while True:
        try:
            peer = server.accept()[0]
        except OSError:
            return
        threading.Thread(target=serve_one, args=(peer, fates), daemon=True).start()


def preload(name):
    """short.c in the program's process, if that can be: the sanitizers want to be first."""
    library = os.path.join(os.environ.get('LEAT_BUILD', 'build'), 'tests', 'proxy', 'libproxy-short.so')
    if os.environ.get('SANITIZER'):
        return [], None
    lab.holds(os.path.exists(library), f'no {library}')
    with open(name, 'wb') as counts:
        counts.write(bytes(16))
    return ['env', f'LD_PRELOAD={library}', f'SHORT_COUNTS={os.path.abspath(name)}'], name


def memory(pids):
    total = 0
    for pid in pids:
        with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as rollup:
            total += sum(int(line.split()[1]) for line in rollup if line.startswith(('Private_Clean', 'Private_Dirty')))
    return total


def load(choose, seconds, may_reset, fates, seed):
    """Bounded in number as well as in time. choose: gives a proxy, or a door of one."""
    end = time.monotonic() + seconds
    def one(at):
        rng, count = random.Random(seed * 1000 + at), 0
        while time.monotonic() < end and count < 100000:
            ask_one(choose(rng), rng, may_reset, fates)
            count += 1
        return count
    return sum(thread.result() for thread in [lab.in_thread(one, at) for at in range(AT_ONCE)])


def soak(route, unix, seconds):
    before, counts = preload(f'short-{route}-{unix}')
    fates = Fates()
    with lab.listener(lab.new_path() if unix else '127.0.0.1') as server:
        listen = f'unix:{lab.new_path()}' if unix else None
        metrics = lab.free_port()
        with lab.Proxy(server, listen=listen, before=before, options=['--route', route, '--metrics', f'127.0.0.1:{metrics}']) as proxy:
            proxy.to_unix = unix
            threading.Thread(target=serve, args=(server, fates), daemon=True).start()
            idle = lab.settled(proxy.descriptors)	# its processes are still beginning
            asked = load(lambda _: proxy, seconds / 4, True, fates, 1)
            proxy.lines(asked)
            warm = memory(proxy.pids())
            asked += load(lambda _: proxy, seconds * 3 / 4, True, fates, 2)
            proxy.lines(asked)
            # Two for each pipe of the pool, of which there are as many as were in use at once.
            lab.eventually(lambda: proxy.descriptors() - idle == 2 * lab.value(metrics, 'leat_proxy_pipes_open'), 'an end of descriptors')
            more, used = memory(proxy.pids()) - warm, proxy.cpu_s()
            time.sleep(0.5)
            lab.holds(proxy.cpu_s() - used <= 2 / lab.TICK, 'it runs on though nobody is there')
            # A heap is not as large each time; the structs of the connections of a minute would be more.
            lab.holds(more < HEAP_KIB or lab.SLOW > 1, f'{more} KiB more after {asked} connections')
            lines = proxy.all_lines()[proxy.before:]
        lab.equal(fates.wrong[:3], [], f'of {asked} connections, wrong are {len(fates.wrong)}')
        lab.holds(fates.whole and fates.cut, f'fates: {fates.whole} whole, {fates.cut} cut')
        lab.equal(len(lines), asked, 'lines of the log')
        spliced = sum(line[way]['spliced'] for line in lines for way in ('from_client', 'from_upstream') if line.get(way))
        lab.holds((spliced == 0) == (route == 'copy'), f'{spliced} bytes spliced with {route}')
    said = ''
    if counts:
        with open(counts, 'rb') as file:
            short, interrupted = struct.unpack('QQ', file.read())
        lab.holds(interrupted and (short or route == 'copy'), f'{short} cut short, {interrupted} interrupted')
        said = f', {short} splices cut short, {interrupted} calls interrupted'
    print(f'     {route}, {"Unix" if unix else "TCP"}: {fates.whole} whole, {fates.cut} cut{said}', flush=True)


class Door:
    """A way into one of the proxies of a lot."""

    def __init__(self, listen, to_unix):
        self.listen, self.to_unix = listen, to_unix

    def connect(self):
        unix = self.listen.startswith('unix:')
        client = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        client.connect(self.listen[5:] if unix else ('127.0.0.1', int(self.listen.rsplit(':', 1)[1])))
        return client


class Lot:
    """Proxies by each route to each kind of upstream, each with doors of both kinds, and limits by chance."""

    def __init__(self, rng, servers):
        self.doors, self.services, self.metrics, self.counts = [], [], [], []
        for at, (route, server) in enumerate([(route, server) for route in ('auto', 'splice', 'copy') for server in servers]):
            doors, metrics = [f'127.0.0.1:{lab.free_port()}', f'unix:{lab.new_path()}'], lab.free_port()
            before, counts = preload(f'short-lot-{at}')
            words = [*(f'listen {door}' for door in doors), f'upstream {lab.word(server)}', f'route {route}', f'log lot.{at}', f'metrics 127.0.0.1:{metrics}',
                     f'workers {rng.choice((1, 2))}', f'balance {rng.choice(("least", "round-robin"))}',
                     *rng.sample(['rate 200m', 'total-rate 1g', 'keep-alive 60', 'user-timeout 60', 'idle 60', 'half-open 60', 'total 600', 'health 1'], 3)]
            self.services.append(lab.Service(words, before=before).__enter__())
            self.doors += [Door(door, server.family == socket.AF_UNIX) for door in doors]
            self.metrics.append(metrics)
            self.counts += [counts] if counts else []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for service in self.services:
            service.__exit__(*error)

    def pids(self):
        return [pid for service in self.services for pid in lab.children(service.process.pid)]

    def descriptors(self):
        """Less those of pipes in the pool. -1: somebody is just ending."""
        try:
            open_ones = sum(len(os.listdir(f'/proc/{pid}/fd')) for pid in self.pids())
        except FileNotFoundError:
            return -1
        return open_ones - 2 * sum(lab.value(metrics, 'leat_proxy_pipes_open') for metrics in self.metrics)

    def cpu_s(self):
        return sum(lab.cpu_s(pid) for pid in self.pids())

    def lines(self):
        count = 0
        for at in range(len(self.services)):
            with open(f'lot.{at}', encoding='ascii') as log:
                count += sum(line.endswith('\n') for line in log)
        return count


def reload_now_and_then(lot, rng, until):
    count = 0
    while time.monotonic() < until:
        time.sleep(rng.random())
        rng.choice(lot.services).reload()
        count += 1
    return count


def all_at_random():
    """As long as all the others together."""
    rng, fates = random.Random(5), Fates()
    with lab.listener() as tcp, lab.listener(lab.new_path()) as unix, Lot(rng, (tcp, unix)) as lot:
        for server in tcp, unix:
            threading.Thread(target=serve, args=(server, fates), daemon=True).start()
        idle, end = lab.settled(lot.descriptors), time.monotonic() + SECONDS
        reloads = lab.in_thread(reload_now_and_then, lot, random.Random(6), end - SECONDS / 5)
        asked = load(lambda rng: rng.choice(lot.doors), SECONDS * 4 / 5, True, fates, 3)
        reloads = reloads.result()
        lab.eventually(lambda: lot.descriptors() == idle, 'an end of those that drain', 30)
        warm = memory(lot.pids())
        asked += load(lambda rng: rng.choice(lot.doors), SECONDS / 5, True, fates, 4)
        lab.eventually(lambda: lot.lines() >= asked, f'{asked} lines of the logs', 30)
        lab.eventually(lambda: lot.descriptors() == idle, 'an end of descriptors', 30)
        more, used = memory(lot.pids()) - warm, lot.cpu_s()
        time.sleep(0.5)
        lab.holds(lot.cpu_s() - used <= 3 / lab.TICK, 'they run on though nobody is there')
        lab.holds(more < HEAP_KIB * len(lot.services) or lab.SLOW > 1, f'{more} KiB more after {asked} connections')
        lab.equal(fates.wrong[:3], [], f'of {asked} connections, wrong are {len(fates.wrong)}')
        lab.holds(fates.whole and fates.cut and reloads, f'fates: {fates.whole} whole, {fates.cut} cut, {reloads} reloads')
        lab.equal(lot.lines(), asked, 'lines of the logs')
    for name in lot.counts:
        with open(name, 'rb') as file:
            lab.holds(struct.unpack('QQ', file.read())[1], 'no call was interrupted')
    lab.equal([service.process.returncode for service in lot.services], [0] * len(lot.services), 'exit statuses')
    print(f'     all at random: {fates.whole} whole, {fates.cut} cut, {reloads} reloads', flush=True)


SECONDS = float(sys.argv.pop(1)) if len(sys.argv) > 1 and sys.argv[1].replace('.', '').isdigit() else 6


def part(route, unix):
    def run():
        soak(route, unix, SECONDS / 6)
    run.__name__ = f'{route}_{"unix" if unix else "tcp"}'
    return run


if __name__ == '__main__':
    sys.exit(lab.parts(*(part(route, unix) for route in ('auto', 'splice', 'copy') for unix in (False, True)), all_at_random))
