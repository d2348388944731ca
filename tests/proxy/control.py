#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""control: what is asked of leat proxy as a service, and none of it costs a connection: reload, drain, processes that die, sockets
from systemd, a user that is not root, names that move, upstreams that die and return, /metrics and /health."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from lab import Echo, Load, Service as Proxy, ask, free_port, page, value

LEAT = os.environ['LEAT']
failed = False


class Skip(Exception):
    pass


def check(holds, *why):
    if not holds:
        raise AssertionError(' '.join(str(part) for part in why))


def wait_for(what, why, seconds=10):
    end = time.monotonic() + seconds
    while not (got := what()):
        check(time.monotonic() < end, 'not in', seconds, 's:', why)
        time.sleep(0.02)
    return got


def reload_under_load():
    up, port, other = Echo(), free_port(), free_port()
    both = ['listen 127.0.0.1:%d' % port, 'listen 127.0.0.1:%d' % other, 'upstream 127.0.0.1:%d' % up.port, 'workers 2']
    with Proxy(both) as proxy, Load(port) as load:
        for turn in range(10):
            proxy.reload(both if turn % 2 else both[:1] + both[2:])
            time.sleep(0.1)
        check(load.done > 50, 'only', load.done, 'connections')
        check(not load.errors, len(load.errors), 'of', load.done, 'failed:', load.errors[:3])
        wait_for(lambda: len(proxy.children()) == 2, 'two workers are left')


def a_connection_outlives_a_reload():
    up, port = Echo(), free_port()
    lines = ['listen 127.0.0.1:%d' % port, 'upstream 127.0.0.1:%d' % up.port, 'workers 1']
    with Proxy(lines) as proxy, socket.create_connection(('127.0.0.1', port), 10) as client:
        client.sendall(b'before')
        check(client.recv(100) == b'before')
        old = proxy.children()
        proxy.reload()
        client.sendall(b'behind')
        check(client.recv(100) == b'behind')
        check(set(old) <= set(proxy.children()), 'its worker has gone')
        client.close()
        wait_for(lambda: not set(old) & set(proxy.children()), 'its worker ends with it')


def who_stands_in_a_queue_is_served():
    """Of an address that leaves the configuration, and while no worker could take anybody."""
    up, port, other = Echo(), free_port(), free_port()
    lines = ['listen 127.0.0.1:%d' % port, 'listen 127.0.0.1:%d' % other, 'upstream 127.0.0.1:%d' % up.port, 'workers 2']
    with Proxy(lines) as proxy:
        workers = proxy.children()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        clients = [socket.create_connection(('127.0.0.1', other), 10) for _ in range(20)]
        proxy.reload(lines[:1] + lines[2:])
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        for client in clients:
            client.sendall(b'here')
            check(client.recv(100) == b'here', 'a client of the queue was not served')
            client.close()
        wait_for(lambda: not set(workers) & set(proxy.children()), 'the workers end')
        try:
            ask(('127.0.0.1', other))
            check(False, 'the address is still listened at')
        except ConnectionRefusedError:
            pass
        check(ask(('127.0.0.1', port)) == b'hello')


def a_reload_that_cannot_be_is_refused():
    up, port, taken = Echo(), free_port(), socket.create_server(('127.0.0.1', 0))
    lines = ['listen 127.0.0.1:%d' % port, 'upstream 127.0.0.1:%d' % up.port, 'workers 1']
    with Proxy(lines) as proxy:
        workers = proxy.children()
        for wrong, word in ((['idle never'], r':4: this line'), (['config other'], r'no word for a file'),
                            (['listen 127.0.0.1:%d' % taken.getsockname()[1]], 'in use'), (['upstream fd:3'], 'no upstream'),
                            (['log /nowhere/log'], '/nowhere/log'), (['metrics nonsense'], '--metrics takes'),
                            (['user no-such-user'], 'no such user'), (['sni x'], 'NAME=ADDRESS'),
                            (['upstream 127.0.0.1:%d' % up.port], 'twice')):
            proxy.reload(lines + wrong, 'the one before stays')
            check(re.search(word, proxy.text()), word, 'is not in', proxy.text())
            check(proxy.children() == workers, 'workers were changed')
            check(ask(('127.0.0.1', port)) == b'hello')


def drain():
    up, port = Echo(), free_port()
    with Proxy(args=['--workers', '2', '127.0.0.1:%d' % port, '127.0.0.1:%d' % up.port]) as proxy:
        client = socket.create_connection(('127.0.0.1', port), 10)
        client.sendall(b'x')
        check(client.recv(1) == b'x')
        proxy.process.send_signal(signal.SIGTERM)

        def refused():
            try:
                socket.create_connection(('127.0.0.1', port), 10).close()
            except ConnectionRefusedError:
                return True
        wait_for(refused, 'nobody is taken any more')
        sent, got = os.urandom(3 << 20), b''
        sender = threading.Thread(target=lambda: (client.sendall(sent), client.shutdown(socket.SHUT_WR)))
        sender.start()
        while piece := client.recv(65536):
            got += piece
        sender.join()
        check(got == sent, 'bytes were lost in the drain')
        check(proxy.process.wait(10) == 0, 'ends with', proxy.process.returncode)


def drain_has_a_limit_and_a_second_signal():
    up, port = Echo(), free_port()
    for limit, signals in ('1', 1), ('1000', 2):
        with Proxy(args=['--drain', limit, '--workers', '1', '127.0.0.1:%d' % port, '127.0.0.1:%d' % up.port]) as proxy:
            client = socket.create_connection(('127.0.0.1', port), 10)
            client.sendall(b'x')
            check(client.recv(1) == b'x')
            for _ in range(signals):
                proxy.process.send_signal(signal.SIGTERM)
                time.sleep(0.3)
            check(proxy.process.wait(10) == 0)
            try:
                check(client.recv(1) != b'', 'who was cut off saw a clean end')
            except ConnectionResetError:
                pass


def processes_that_die():
    up, port = Echo(), free_port()
    user = [] if os.getuid() else ['--user', 'nobody']      # who becomes somebody else forgets whose child it is
    with Proxy(args=[*user, '--workers', '2', '127.0.0.1:%d' % port, '127.0.0.1:%d' % up.port]) as proxy:
        first = proxy.children()
        os.kill(first[0], signal.SIGKILL)
        wait_for(lambda: len(proxy.children()) == 2 and first[0] not in proxy.children(), 'another worker')
        check(ask(('127.0.0.1', port)) == b'hello')
        workers = proxy.children()
        client = socket.create_connection(('127.0.0.1', port), 10)
        client.sendall(b'x')
        check(client.recv(1) == b'x')
        proxy.process.kill()
        proxy.process.wait()
        client.sendall(b'y')
        check(client.recv(1) == b'y', 'a connection is lost with the master')
        client.close()
        wait_for(lambda: not any(os.path.exists('/proc/%d' % pid) for pid in workers), 'the workers end by themselves')


def systemd():
    up, told = Echo(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind('notify')
    told.settimeout(10)
    passed = [socket.create_server(('127.0.0.1', 0)) for _ in range(2)]

    def as_passed():
        for number, one in enumerate(passed):
            os.dup2(one.fileno(), 3 + number, inheritable=True)
        os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid()), NOTIFY_SOCKET=os.path.abspath('notify'))

    before = ['sh', '-c', 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"', 'sh']
    environment = dict(os.environ, NOTIFY_SOCKET=os.path.abspath('notify'))
    with Proxy(['listen systemd', 'upstream 127.0.0.1:%d' % up.port, 'workers 1'], before=before, env=environment, preexec_fn=as_passed,
               close_fds=False) as proxy:
        check(told.recv(500).startswith(b'READY=1\n'))
        for one in passed:
            check(ask(one.getsockname()) == b'hello')
        proxy.reload()
        check(re.match(rb'RELOADING=1\nMONOTONIC_USEC=\d+$', told.recv(500)))
        check(told.recv(500).startswith(b'READY=1\n'))
        for one in passed:
            check(ask(one.getsockname()) == b'hello')
        check(proxy.stop() == 0)
        check(told.recv(500).startswith(b'STOPPING=1\n'))
    proxy = Proxy(['listen systemd', 'upstream 127.0.0.1:1'])
    check(proxy.process.wait(10) == 2 and 'no sockets were passed' in proxy.text())


def status_of(pid, word):
    with open('/proc/%d/status' % pid) as of:
        return re.search(r'^%s:\s+(.*)$' % word, of.read(), re.M).group(1)


def another_user_and_the_sandbox():
    if os.getuid():
        raise Skip('only root can become somebody else')
    up, port, metrics = Echo(), free_port(), free_port()
    words = ['127.0.0.1:%d' % port, 'localhost:%d' % up.port, '--metrics', '127.0.0.1:%d' % metrics, '--user', 'nobody', '--workers', '1']
    for args, seccomp in ((words, '2'), (words + ['--no-sandbox'], '0')):
        with Proxy(args=args) as proxy:
            wait_for(lambda: all(status_of(pid, 'Seccomp') == seccomp for pid in proxy.children()), 'seccomp is ' + seccomp)
            for pid in proxy.children():    # one that has only just been forked is root yet
                wait_for(lambda one=pid: status_of(one, 'Uid').split() == ['65534'] * 4, 'it is nobody')
                check(status_of(pid, 'Groups').strip() in ('65534', ''), 'groups', status_of(pid, 'Groups'))
                check(int(status_of(pid, 'CapEff'), 16) == 0, 'capabilities', status_of(pid, 'CapEff'))
            check(ask(('127.0.0.1', port)) == b'hello')


def own_hosts(text):
    """What a command begins with that shall have another /etc/hosts."""
    if os.getuid():
        raise Skip('only root has an /etc/hosts of its own')
    with open('hosts', 'w') as hosts:
        hosts.write(text)
    before = ['unshare', '-m', 'sh', '-c', 'mount --bind hosts /etc/hosts && exec "$@"', 'sh']
    if subprocess.run([*before, 'true'], stderr=subprocess.DEVNULL).returncode:
        raise Skip('no mount namespaces here')
    return before


def names_move():
    """A name has other addresses a while later: no restart, no reload. Inside the sandbox."""
    here, there, port = Echo(b'here', 0, '127.0.0.2'), None, free_port()
    there = Echo(b'there', here.port, '127.0.0.3')
    before = own_hosts('127.0.0.2 moves.test\n')
    with Proxy(args=['--resolve', '1', '--workers', '1', '127.0.0.1:%d' % port, 'moves.test:%d' % here.port], before=before):
        check(ask(('127.0.0.1', port)) == b'herehello')
        with open('hosts', 'w') as hosts:
            hosts.write('127.0.0.3 moves.test\n')
        wait_for(lambda: ask(('127.0.0.1', port)) == b'therehello', 'the new address is used')
        with open('hosts', 'w') as hosts:
            hosts.write('\n')
        time.sleep(2.5)
        check(ask(('127.0.0.1', port)) == b'therehello', 'no answer is no reason to forget an address')
        there.close()


class Names(threading.Thread):
    """A name server that knows one name, and has no IPv6 address for it."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.asked, self.silent = address, 0, False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.9', 53))
        self.start()

    def run(self):
        while True:
            query, client = self.socket.recvfrom(2000)
            if self.silent:
                continue
            end = query.index(b'\0', 12) + 5
            is_a = query[end - 4:end - 2] == b'\0\1'
            answer = b'\xc0\x0c\0\1\0\1\0\0\0\1\0\4' + socket.inet_aton(self.address) if is_a else b''
            self.socket.sendto(query[:2] + b'\x81\x80\0\1' + (b'\0\1' if is_a else b'\0\0') + b'\0\0\0\0' + query[12:end] + answer, client)
            self.asked += is_a


def names_are_asked_for():
    """By DNS, as the C library does it, inside the sandbox and as an ordinary user."""
    if os.getuid():
        raise Skip('only root has an /etc/resolv.conf of its own')
    with open('resolv.conf', 'w') as to:
        to.write('nameserver 127.0.0.9\noptions timeout:30 attempts:1\n')
    with open('nsswitch.conf', 'w') as to:
        to.write('hosts: files dns\n')
    before = ['unshare', '-m', 'sh', '-c', 'for f in resolv.conf nsswitch.conf; do mount --bind $f /etc/$f || exit; done; exec "$@"', 'sh']
    if subprocess.run([*before, 'true'], stderr=subprocess.DEVNULL).returncode:
        raise Skip('no mount namespaces here')
    here, port = Echo(b'here', 0, '127.0.0.2'), free_port()
    _there, names = Echo(b'there', here.port, '127.0.0.3'), Names('127.0.0.2')
    with Proxy(args=['--resolve', '1', '--workers', '1', '--user', 'nobody', '127.0.0.1:%d' % port, 'db.test:%d' % here.port],
               before=before) as proxy:
        check(ask(('127.0.0.1', port)) == b'herehello')
        names.address = '127.0.0.3'
        wait_for(lambda: ask(('127.0.0.1', port)) == b'therehello', 'the new address is used')
        check(names.asked > 1)
        names.silent = True
        proxy.reload()          # waits for no answer
        check(ask(('127.0.0.1', port)) == b'therehello', 'what comes while nobody answers')


def upstreams_die_and_return():
    one, two, port, metrics = Echo(b'1'), Echo(b'2'), free_port(), free_port()
    name = 'leat_proxy_upstream_up{upstream="127.0.0.1:%d",sni=""}' % one.port
    with Proxy(args=['127.0.0.1:%d' % port, '127.0.0.1:%d' % one.port, '127.0.0.1:%d' % two.port, '--health', '1', '--workers', '1',
                     '--failures', '1', '--down', '3600', '--metrics', '127.0.0.1:%d' % metrics]):
        wait_for(lambda: value(metrics, name) == 1, 'it is up')
        check({ask(('127.0.0.1', port))[:1] for _ in range(8)} == {b'1', b'2'}, 'both are used')
        one.close()
        check([ask(('127.0.0.1', port))[:1] for _ in range(4)] == [b'2'] * 4, 'the other one is tried in its place')
        wait_for(lambda: value(metrics, name) == 0, 'it is down')
        one = Echo(b'1', one.port)
        wait_for(lambda: value(metrics, name) == 1, 'it is up again, long before --down has passed')
        check({ask(('127.0.0.1', port))[:1] for _ in range(8)} == {b'1', b'2'}, 'both are used again')


def an_address_does_not_answer():
    """One of two of a name, whose queue is full: it is left out alone, by a health check or by the first connect that fails, and
    is back when it answers. All are out when each of them is."""
    before = own_hosts('127.0.0.2 two.test\n127.0.0.3 two.test\n')
    for options in ['--health', '1'], ['--down', '2']:
        alive, deaf, port, metrics = Echo(b'2', 0, '127.0.0.2'), socket.socket(), free_port(), free_port()
        deaf.bind(('127.0.0.3', alive.port))
        deaf.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())

        def known(what, alive=alive, metrics=metrics):
            return value(metrics, 'leat_proxy_upstream_%s{upstream="two.test:%d",sni=""}' % (what, alive.port))

        def answers(count=6, port=port):
            """Who answers so many connections in turn, or nothing when one of them had to wait."""
            begin, who = time.monotonic(), ''
            for _ in range(count):
                who += ask(('127.0.0.1', port))[:1].decode()
            return who if time.monotonic() - begin < 0.9 else ''

        with Proxy(args=['127.0.0.1:%d' % port, 'two.test:%d' % alive.port, '--failures', '1', '--connect', '1', '--workers', '1',
                         '--metrics', '127.0.0.1:%d' % metrics, *options], before=before):
            wait_for(lambda: answers() == '222222', 'no connection waits for the other address')
            check(known('up') == 1 and known('addresses') == 2, 'the upstream is not out')
            check(known('addresses_up') == 1, 'addresses that are up:', known('addresses_up'))
            check(options[0] == '--health' or known('failures_total') >= 1, 'connects to it that failed')
            for one in [deaf, *waiting]:
                one.close()
            deaf = Echo(b'3', alive.port, '127.0.0.3')
            wait_for(lambda: set(answers()) == {'2', '3'}, 'it is used again')
            alive.close()
            deaf.close()
            for _ in range(2):
                try:
                    check(not ask(('127.0.0.1', port)), 'who answered?')
                except ConnectionResetError:
                    pass
            wait_for(lambda: known('up') == 0, 'all its addresses are out, and so is the upstream')


def metrics_and_health():
    up, port, metrics = Echo(), free_port(), free_port()
    lines = ['listen 127.0.0.1:%d' % port, 'upstream 127.0.0.1:%d' % up.port, 'workers 2', 'metrics 127.0.0.1:%d' % metrics]
    with Proxy(lines) as proxy:
        wait_for(lambda: page(metrics, 'health') == (200, 'ok\n'), 'it is well')
        for _ in range(5):
            ask(('127.0.0.1', port), b'x' * 100)
        wait_for(lambda: value(metrics, 'leat_proxy_connections_active') == 0, 'all are counted out')
        check(value(metrics, 'leat_proxy_connections_total') == 5)
        check(value(metrics, 'leat_proxy_bytes_total{from="client"}') == 500)
        proxy.reload()
        wait_for(lambda: value(metrics, 'leat_proxy_connections_total') == 5, 'a reload keeps the counts')
        client = socket.create_connection(('127.0.0.1', port), 10)
        client.sendall(b'x')
        check(client.recv(1) == b'x')
        check(value(metrics, 'leat_proxy_connections_active') == 1)
        other = free_port()
        proxy.reload(lines[:3] + ['metrics 127.0.0.1:%d' % other])
        wait_for(lambda: value(other, 'leat_proxy_connections_active') == 1, 'it is served elsewhere')
        socket.create_server(('127.0.0.1', metrics)).close()    # nobody has it, while the worker of before has its client
        metrics = other
        proxy.process.send_signal(signal.SIGTERM)
        wait_for(lambda: page(metrics, 'health')[0] == 503, 'it says that it drains')
        client.close()
        check(proxy.process.wait(10) == 0)


def connections_have_a_cap():
    up, port = Echo(), free_port()
    with Proxy(args=['127.0.0.1:%d' % port, '127.0.0.1:%d' % up.port, '--connections', '3', '--log', 'log', '--workers', '2']):
        clients = [socket.create_connection(('127.0.0.1', port), 10) for _ in range(3)]
        for client in clients:
            client.sendall(b'x')
            check(client.recv(1) == b'x')
        try:
            check(ask(('127.0.0.1', port)) == b'?', 'a fourth one was served')
        except ConnectionResetError:
            pass
        clients[0].close()
        wait_for(lambda: 'ok' in open('log').read(), 'the first one is over')
        check(ask(('127.0.0.1', port)) == b'hello')
        check('--connections allows' in open('log').read(), open('log').read())


def unix_sockets():
    up, port = Echo(), free_port()
    with Proxy(args=['unix:front', '127.0.0.1:%d' % up.port]) as proxy, Proxy(args=['127.0.0.1:%d' % port, 'unix:front']):
        check(ask('front') == b'hello' and ask(('127.0.0.1', port)) == b'hello')
        again = Proxy(args=['unix:front', '127.0.0.1:%d' % up.port])
        check(again.process.wait(10) == 2 and 'in use' in again.text(), again.text())
        workers = proxy.children()
        proxy.process.kill()
        proxy.process.wait()
        wait_for(lambda: not any(os.path.exists('/proc/%d' % pid) for pid in workers), 'the workers end by themselves')
    check(os.path.exists('front'))
    with Proxy(args=['unix:front', '127.0.0.1:%d' % up.port]) as proxy:
        check(ask('front') == b'hello', 'a stale file is in the way')
        check(proxy.stop() == 0)
    check(not os.path.exists('front'), 'the file is left')


def only_checked():
    def run(*args):
        done = subprocess.run([LEAT, 'proxy', *args], capture_output=True, text=True, timeout=20)
        return done.returncode, done.stdout, done.stderr

    port = free_port()
    with open('good', 'w') as to:
        to.write('listen 127.0.0.1:%d\n  upstream   127.0.0.1:1 # there\n#\n\nsni a.test=127.0.0.1:2\nroute splice\nlog-json\nlog -\n' % port)
    check(run('--config', 'good', '--check') == (0, 'ok\n', ''), run('--config', 'good', '--check'))
    check(run('--config', 'good', '--route', 'copy', '--check')[0] == 0)
    for line, word in (('rout auto', 'rout'), ('route fast', 'auto|splice|copy'), ('idle -1', '--idle'), ('workers 0', '--workers'),
                       ('rate', 'needs'), ('log-json yes', 'no value'), ('check', ''), ('--route auto', 'route'), ('help', 'no word')):
        with open('bad', 'w') as to:
            to.write('listen 127.0.0.1:%d\nupstream 127.0.0.1:1\n%s\n' % (port, line))
        status, out, err = run('--config', 'bad', '--check')
        if line != 'check':
            check(status == 2 and 'bad:3: ' in err and word in err, line, status, out, err)
    for line, word in (('listen 127.0.0.1:99999', '99999'), ('listen 127.0.0.1:%d' % port, 'twice'), ('listen fd:77', '77'),
                       ('listen unix:/nowhere/x', '/nowhere/x'), ('upstream a', 'port'),
                       ('upstream 127.0.0.1:1', 'twice'), ('sni a..b=127.0.0.1:2', 'a..b'), ('sni a=b', 'port'),
                       ('metrics x', '--metrics'), ('log /nowhere/log', '/nowhere/log'), ('user no-such-user', 'no-such-user')):
        with open('bad', 'w') as to:
            to.write('listen 127.0.0.1:%d\nsni z=127.0.0.1:1\n# here\n%s\nupstream 127.0.0.1:1\n' % (port, line))
        status, out, err = run('--config', 'bad', '--check')
        twice = line.startswith('upstream 127')
        check(status == 2 and re.search(r'^leat: bad:%d: ' % (5 if twice else 4), err, re.M) and word in err, line, status, out, err)
    for args, word in ((['--check'], 'LISTEN'), (['--check', ':x', '127.0.0.1:1'], 'port'), (['--check', '127.0.0.1:0', ':80'], 'host'),
                       (['--config', 'none', '--check'], 'none'), (['--check', 'fd:0', '127.0.0.1:1'], 'no listening socket'),
                       (['--check', '127.0.0.1:0', '127.0.0.1'], 'port'),
                       (['--check', '--log-json', '127.0.0.1:0', '127.0.0.1:1'], 'no --log')):
        status, out, err = run(*args)
        check(status == 2 and word in err, args, status, err)


def every_option_has_bad_values():
    """As --help lists them: none is forgotten. Each is refused with its name, and what it takes."""
    text = subprocess.run([LEAT, 'proxy', '--help'], capture_output=True, text=True, timeout=20).stdout
    options = re.findall(r'^  --([a-z-]+)(?: ([A-Z=]+))?(?: |$)', text, re.M)
    check(len(options) > 30, options)
    numbers, choices = ('N', 'SECONDS', 'BYTES'), ('HOW', 'ROUTE', 'VERSION')
    for name, argument in options:
        values = ['=x', '=-1', '=', '=1e3', '=1x', '=99999999999999999999'] if argument in numbers else ['=x', '='] if argument in choices else []
        values += ['=', ''] if argument else ['=x']
        for value_of in values:
            if name in ('help', 'version') or (not value_of and not argument):
                continue
            done = subprocess.run([LEAT, 'proxy', '127.0.0.1:0', '127.0.0.1:1', '--check', '--' + name + value_of], capture_output=True,
                                  text=True, timeout=20)
            check(done.returncode == 2 and (name in done.stderr or argument in ('ADDRESS', 'NAME=ADDRESS')) and not done.stdout,
                  name, value_of, done)


only = sys.argv[1:]
for case in (reload_under_load, a_connection_outlives_a_reload, who_stands_in_a_queue_is_served, a_reload_that_cannot_be_is_refused, drain,
             drain_has_a_limit_and_a_second_signal, processes_that_die, systemd, another_user_and_the_sandbox, names_move,
             names_are_asked_for, upstreams_die_and_return, an_address_does_not_answer,
             metrics_and_health, connections_have_a_cap, unix_sockets, only_checked, every_option_has_bad_values):
    if only and case.__name__ not in only:
        continue
    try:
        case()
        print('ok  ', case.__name__, flush=True)
    except Skip as why:
        print('SKIP', case.__name__ + ':', why, flush=True)
    except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
        print('FAIL', case.__name__ + ':', type(error).__name__, error, flush=True)
        failed = True
sys.exit(failed)
