#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""harm [PART...]: what goes wrong around leat proxy: workers that die or cannot begin, logs that nobody reads, names that
do not answer, who comes in the last moment. None of it costs a connection that need not be lost."""

import fcntl
import os
import resource
import select
import signal
import socket
import sys
import time

import lab
from lab import Echo, Load, Service, ask, free_port, value


def words(port, *upstreams, workers=1):
    return [f'listen 127.0.0.1:{port}', *(f'upstream 127.0.0.1:{up.port}' for up in upstreams), f'workers {workers}']


def talks(client):
    client.sendall(b'x')
    return client.recv(1) == b'x'


def process_of(proxy, has_loop):
    """A worker has an epoll, the keeper none."""
    def found():
        for pid in proxy.children():
            names = [os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')]
            if any('eventpoll' in name for name in names) == has_loop:
                yield pid
    lab.eventually(lambda: next(found(), None), 'the process')
    return next(found())


def a_reload_waits_for_who_is_there():
    """Longer than --drain, which begins with SIGTERM, for the workers of before as well."""
    up, port = Echo(), free_port()
    with Service(words(port, up) + ['drain 1']) as proxy, socket.create_connection(('127.0.0.1', port), 10) as client:
        lab.holds(talks(client), 'it does not begin')
        old = proxy.children()
        proxy.reload()
        time.sleep(2)
        lab.holds(talks(client), 'a connection was lost by a reload')
        lab.holds(set(old) <= set(proxy.children()), 'its worker has gone')
        lab.equal(proxy.stop(), 0, 'the exit status')
        lab.holds(lab.is_reset(client), 'who was cut off saw a clean end')


def reloads_in_a_row():
    """Without a pause between them, under load: each ends the workers of before, however young they are."""
    up, port = Echo(), free_port()
    with Service(words(port, up, workers=2)) as proxy, Load(port) as load:
        for _ in range(50):
            proxy.process.send_signal(signal.SIGHUP)
            time.sleep(0.005)
        proxy.reload()
        lab.eventually(lambda: len(proxy.children()) == 2, 'two workers are left')
        lab.equal(load.errors, [], f'errors of {load.done}')
        lab.holds('ended by' not in proxy.text(), proxy.text())


def who_dies_is_not_counted():
    """What a killed worker had is no part of the counts, nor of the cap that they keep."""
    up, port, metrics = Echo(), free_port(), free_port()
    with Service(words(port, up) + ['connections 2', 'failures 0', f'metrics 127.0.0.1:{metrics}']) as proxy:
        for _ in range(2):
            clients = [socket.create_connection(('127.0.0.1', port), 10) for _ in range(2)]
            lab.holds(all(talks(client) for client in clients), 'two are not served')
            lab.equal(value(metrics, 'leat_proxy_connections_active'), 2, 'connections while they are there')
            victim = process_of(proxy, True)
            os.kill(victim, signal.SIGKILL)
            lab.eventually(lambda: 'signal 9' in proxy.text() and value(metrics, 'leat_proxy_connections_active') == 0, 'they are gone')
            name = f'leat_proxy_upstream_connections_active{{upstream="127.0.0.1:{up.port}",sni=""}}'
            lab.equal(value(metrics, name), 0, 'connections of the upstream')
            for client in clients:
                client.close()
        lab.equal([ask(('127.0.0.1', port)) for _ in range(2)], [b'hello'] * 2, 'the cap is as it was')


def who_starts_it_ignores_its_children():
    """Which is inherited, and means that the kernel tells nobody of those that have died."""
    up, port = Echo(), free_port()
    with Service(words(port, up), before=['env', '--ignore-signal=CHLD']) as proxy:
        worker, = proxy.children()
        os.kill(worker, signal.SIGKILL)
        lab.eventually(lambda: proxy.children() not in ([], [worker]), 'another worker')
        lab.equal(ask(('127.0.0.1', port)), b'hello', 'what comes back')
        lab.equal(proxy.stop(), 0, 'the exit status')


def who_cannot_begin_later_is_tried_again():
    """Only who cannot begin at all ends the service."""
    up, port = Echo(), free_port()
    with Service(words(port, up, workers=2) + [f'listen 127.0.0.{i}:{port}' for i in range(2, 40)]) as proxy:
        victim = proxy.children()[0]
        resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (20, 20))	# which its listeners take
        os.kill(victim, signal.SIGKILL)
        lab.eventually(lambda: proxy.text().count('cannot begin') >= 2, 'it is tried again')
        lab.equal(ask(('127.0.0.1', port)), b'hello', 'what the other one serves')
        lab.equal(proxy.stop(), 0, 'the exit status')


def a_reload_too_many():
    """Thousands of processes that drain are no reason to have none that work."""
    up, port = Echo(), free_port()
    stopped = []
    if lab.SLOW > 1:
        raise lab.Skip('a thousand processes are too many under a sanitizer')
    with Service(words(port, up, workers=256)) as proxy:
        try:
            for _ in range(2):
                lab.eventually(lambda: len(proxy.children()) - len(stopped) == 256, 'all workers are there')
                stopped = proxy.children()
                for pid in stopped:
                    os.kill(pid, signal.SIGSTOP)
                proxy.reload()
            proxy.reload(word='the one before stays')
            lab.equal(ask(('127.0.0.1', port)), b'hello', 'what comes meanwhile')
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        lab.eventually(lambda: len(proxy.children()) == 256, 'they end', 30)
        proxy.reload()
        lab.equal(ask(('127.0.0.1', port)), b'hello', 'what comes afterwards')


def settings_of_a_listener_that_stays():
    """Its queue, and what its connections inherit, are those of the last reload."""
    up, port = Echo(), free_port()

    def timer():
        """Of the proxy's socket of a client: 2 is keep-alive."""
        with socket.create_connection(('127.0.0.1', port), 10) as client:
            lab.holds(talks(client), 'it is not served')
            name = f':{port:04X} 0100007F:{client.getsockname()[1]:04X} '
            with open('/proc/net/tcp', encoding='ascii') as tcp:
                return next(line.split()[5][:2] for line in tcp if name in line)
    with Service(words(port, up)) as proxy:
        for more, kind in ([], '00'), (['keep-alive 100'], '02'), ([], '00'):
            proxy.reload(words(port, up) + more)
            lab.eventually(lambda: len(proxy.children()) == 1, 'the worker of before has ended')
            lab.equal(timer(), kind, f'the timer with {more}')
        proxy.reload(words(port, up) + ['backlog 1'])
        lab.eventually(lambda: len(proxy.children()) == 1, 'the worker of before has ended')
        worker = proxy.children()[0]
        os.kill(worker, signal.SIGSTOP)
        waiting = [socket.socket() for _ in range(10)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(('127.0.0.1', port))
        time.sleep(0.3)
        let_in = len(select.select([], waiting, [], 0)[1])
        os.kill(worker, signal.SIGCONT)
        for one in waiting:
            one.close()
        lab.holds(let_in <= 3, f'{let_in} stood in a queue of 1')


def sockets_at(port):
    """The inodes of those that listen there, by their addresses."""
    with open('/proc/net/tcp', encoding='ascii') as four, open('/proc/net/tcp6', encoding='ascii') as six:
        return {w[1].split(':')[0]: w[9] for w in map(str.split, [*four, *six]) if w[3] == '0A' and w[1].endswith(f':{port:04X}')}


def a_listener_by_another_name():
    """The address is what stays, however it is written: its socket is the same, and has one owner."""
    up, port, other = Echo(), free_port(), free_port()
    rest = [f'upstream 127.0.0.1:{up.port}', 'workers 1']
    with Service([f'listen 127.0.0.1:{port}', f'listen :{other}', *rest]) as proxy, Load(port) as load:
        had = sockets_at(port), sockets_at(other)
        for lines in ([f'listen [::]:{other}', f'listen 127.1:{port}'], [f'listen :{other}', f'listen 127.0.0.1:{port}']):
            proxy.reload(lines + rest)
            lab.equal((sockets_at(port), sockets_at(other)), had, 'the sockets')
            lab.holds('not taken' not in proxy.text(), proxy.text())
        for twice in ([f'listen 127.1:{port}', f'listen 127.0.0.1:{port}'], [f'listen 127.0.0.1:{port}', f'listen 127.1:{port}']):
            proxy.reload(twice + rest, 'the one before stays')
            lab.equal((sockets_at(port), sockets_at(other)), had, 'the sockets')
        proxy.reload([f'listen 127.1:{port}', *rest])
        lab.eventually(lambda: not sockets_at(other), 'nobody listens at what has left')
        lab.holds(load.done and not load.errors, f'errors of {load.done}: {load.errors}')


def all_over(proxy):
    lab.eventually(lambda: value(proxy.metrics, 'leat_proxy_connections_active') == 0, 'all are over')


def logs(proxy, read, count):
    """Connections while nobody reads the log; then what was in it, and how many lines were lost."""
    for _ in range(count):
        lab.equal(ask(('127.0.0.1', proxy.port)), b'hello', 'what comes while nobody reads the log')
    all_over(proxy)
    lost = value(proxy.metrics, 'leat_proxy_log_lines_lost_total')
    text = read()
    lab.holds(lost and text.endswith(b' ok\n'), f'{lost} lines were lost, and the last is {text[-100:]!r}')
    lab.equal(text.count(b'\n') + lost, count, 'lines that were written, and lost')


def start(up, output, *more, before=(), **how):
    port, metrics = free_port(), free_port()
    proxy = Service(args=['--workers', '1', '--metrics', f'127.0.0.1:{metrics}', *more, f'127.0.0.1:{port}', f'127.0.0.1:{up.port}'],
                    before=before, stdout=output, **how)
    proxy.port, proxy.metrics = port, metrics
    return proxy


def a_log_that_nobody_reads():
    """A pipe, a FIFO that nobody has opened, and a socket: lines are lost, connections are not, and the caller's flags stay."""
    up, (out, into), pair = Echo(), os.pipe(), socket.socketpair()
    fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, 4096)
    with start(up, into, '--log', '-') as proxy:
        logs(proxy, lambda: os.read(out, 1 << 16), 200)
        lab.equal(fcntl.fcntl(into, fcntl.F_GETFL) & os.O_NONBLOCK, 0, 'flags of what was passed')
    os.mkfifo('fifo')
    with start(up, None, '--log', 'fifo') as proxy:
        lab.equal(ask(('127.0.0.1', proxy.port)), b'hello', 'what comes before somebody has opened the FIFO')
        all_over(proxy)
        with open('fifo', 'rb', buffering=0) as reader:
            fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
            lab.holds(reader.read(4096).endswith(b' ok\n'), 'the first line has not waited for its reader')
            logs(proxy, lambda: reader.read(1 << 16), 200)
    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    with start(up, pair[0], '--log', '-') as proxy:
        logs(proxy, lambda: b''.join(iter(lambda: receive(pair[1]), b'')), 200)
        lab.equal(fcntl.fcntl(pair[0], fcntl.F_GETFL) & os.O_NONBLOCK, 0, 'flags of what was passed')


def receive(end):
    try:
        return end.recv(1 << 16, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b''


def a_log_into_the_pipe_of_another():
    """Who may not open it anew, as a container's user: Linux from 6.4 on has a way."""
    if os.getuid():
        raise lab.Skip('only root has pipes that others may not open')
    if tuple(map(int, os.uname().release.split('.')[:2])) < (6, 4):
        raise lab.Skip('this kernel has no RWF_NOWAIT for pipes')
    os.chmod('.', 0o777)
    user = ['setpriv', '--reuid', '54321', '--regid', '54321', '--clear-groups']
    if lab.subprocess.run([*user, lab.LEAT, '--version'], check=False, capture_output=True).returncode:
        raise lab.Skip('the program cannot be run as another user')
    up, (out, into) = Echo(), os.pipe()
    fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, 4096)
    with start(up, into, '--log', '-', before=user) as proxy:
        logs(proxy, lambda: os.read(out, 1 << 16), 200)


def a_reader_that_goes():
    """The log's pipe is closed: nothing ends by that."""
    up, (out, into) = Echo(), os.pipe()
    with start(up, into, '--log', '-') as proxy:
        os.close(into)
        os.close(out)
        for _ in range(5):
            lab.equal(ask(('127.0.0.1', proxy.port)), b'hello', 'what comes when the log is gone')
        lab.eventually(lambda: value(proxy.metrics, 'leat_proxy_log_lines_lost_total') == 5, 'the lines are counted')
    lab.equal(proxy.process.returncode, 0, 'the exit status')


def names_in_the_log_are_no_lines():
    """A client of a Unix socket has the name it likes."""
    up, front, name = Echo(), lab.new_path(), os.path.join(os.getcwd(), 'a\n2026-01-01 forged \x1b[2J b')
    with Service(args=['--workers', '1', '--log', 'log', f'unix:{front}', f'127.0.0.1:{up.port}']):
        with socket.socket(socket.AF_UNIX) as client:
            client.bind(name)
            client.connect(front)
            lab.holds(talks(client), 'it is not served')

        def text():
            with open('log', encoding='utf-8') as log:
                return log.read()
        lab.eventually(lambda: text().endswith('\n'), 'the line')
        lab.holds(text().count('\n') == 1 and '\x1b' not in text() and 'a\\n2026-01-01 forged \\x1b[2J b ' in text(), f'the log is {text()!r}')


def all_that_are_out_have_turns():
    """When none is up each is tried as often as the others."""
    for at in range(2):
        ports = [free_port(), free_port()]
        with lab.Proxy(*(f'127.0.0.1:{port}' for port in ports), options=['--retries', '0', '--failures', '1', '--down', '600']) as proxy:
            for _ in range(4):
                lab.holds(lab.is_reset(proxy.connect()), 'nobody is there')
            with socket.create_server(('127.0.0.1', ports[at])) as server:
                def came():
                    return select.select([server], [], [], 0)[0]
                for number in range(5, 9):
                    client = proxy.connect()
                    lab.eventually(lambda n=number: came() or len(proxy.all_lines()) - proxy.before >= n, 'its fate')
                    client.close()
                    if came():
                        break
                lab.holds(came(), f'upstream {at} came back, and nobody went there')


def a_unix_upstream_whose_queue_is_full():
    """Who comes waits for room, as with TCP, and no longer than --connect."""
    with lab.listener(lab.new_path(), backlog=0) as server, \
            lab.Proxy(server, options=['--connect', '2', '--retries', '0', '--failures', '1']) as proxy:
        clients = [proxy.connect() for _ in range(6)]
        time.sleep(0.5)
        peers = [lab.accept(server) for _ in clients]
        for client in clients:
            client.sendall(b'x')
        lab.equal([peer.recv(1) for peer in peers], [b'x'] * 6, 'what came')
        late = [proxy.connect() for _ in range(3)]
        lab.eventually(lambda: any(line['refused'] == 'Connection timed out' for line in proxy.all_lines()), 'one that waits in vain')
        lab.holds(any(lab.is_reset(client) for client in late[1:]), 'who waits in vain came to a clean end')
        for end in (*clients, *peers):
            end.close()


def with_hosts(text):
    """A command before the program by which it has an /etc/hosts of its own, which is the file hosts."""
    if os.getuid():
        raise lab.Skip('only root has an /etc/hosts of its own')
    with open('hosts', 'w', encoding='ascii') as hosts:
        hosts.write(text)
    before = ['unshare', '-m', 'sh', '-c', 'mount --bind hosts /etc/hosts && exec "$@"', 'sh']
    if lab.subprocess.run([*before, 'true'], stderr=lab.subprocess.DEVNULL, check=False).returncode:
        raise lab.Skip('no mount name spaces here')
    return before


def a_reload_while_no_name_answers():
    """What had addresses keeps them."""
    before, up, port = with_hosts('127.0.0.1 kept.test\n'), Echo(), free_port()
    lines = [f'listen 127.0.0.1:{port}', f'upstream kept.test:{up.port}', 'workers 1']
    with Service(lines, before=before) as proxy:
        lab.equal(ask(('127.0.0.1', port)), b'hello', 'what comes before')
        with_hosts('\n')
        proxy.reload()
        lab.equal(ask(('127.0.0.1', port)), b'hello', 'what comes while nobody answers for the name')


def check_beside_who_runs():
    """The configuration that runs can be checked, and nobody who comes meanwhile meets the check."""
    up, port, metrics, path = Echo(), free_port(), free_port(), lab.new_path()
    lines = words(port, up) + [f'metrics 127.0.0.1:{metrics}', f'listen unix:{path}']
    with Service(lines) as proxy:
        done = lab.subprocess.run([lab.LEAT, 'proxy', '--config', proxy.file, '--check'], capture_output=True, text=True, check=False)
        lab.equal((done.returncode, done.stdout, done.stderr), (0, 'ok\n', ''), 'the check')
        lab.equal(value(metrics, 'leat_proxy_connections_total'), 0, 'connections that the check made')
        lab.equal((ask(('127.0.0.1', port)), ask(path)), (b'hello', b'hello'), 'what comes afterwards')
        proxy.reload(lines + [lines[0]], word='the one before stays')
        lab.holds('is there twice' in proxy.text(), proxy.text())


def a_number_that_was_passed():
    """When what was passed has left the configuration, no other socket is taken for it."""
    up, ports, passed = Echo(), [free_port() for _ in range(3)], socket.create_server(('127.0.0.1', 0))
    lines = [f'upstream 127.0.0.1:{up.port}', 'workers 1']

    def three():
        os.dup2(passed.fileno(), 3, inheritable=True)
    with Service(lines + ['listen fd:3'], preexec_fn=three, close_fds=False) as proxy:
        lab.equal(ask(passed.getsockname()), b'hello', 'what comes by it')
        for i in range(1, 4):
            proxy.reload(lines + [f'listen 127.0.0.1:{port}' for port in ports[:i]])
        proxy.reload(lines + [f'listen 127.0.0.1:{port}' for port in ports] + ['listen fd:3'], word='the one before stays')
        lab.equal([ask(('127.0.0.1', port)) for port in ports], [b'hello'] * 3, 'what comes by the others')


def a_passed_socket_outlives_a_reload_that_fails():
    """It cannot be opened anew: the next configuration finds it where it was."""
    up, port, taken = Echo(), free_port(), socket.create_server(('127.0.0.1', 0))
    passed = [socket.create_server(('127.0.0.1', 0)) for _ in range(2)]
    lines = words(port, up)

    def from_three():
        for number, one in enumerate(passed):
            os.dup2(one.fileno(), 3 + number, inheritable=True)
    before = ['sh', '-c', 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"', 'sh']
    for listen, good in ('listen fd:3', passed[:1]), ('listen systemd', passed):
        with Service(lines, before=before, preexec_fn=from_three, close_fds=False) as proxy:
            for wrong in [f'listen 127.0.0.1:{taken.getsockname()[1]}'], ['listen fd:0'], [listen]:
                proxy.reload(lines + [listen] + wrong, word='the one before stays')
            proxy.reload(lines + [listen])
            lab.equal([ask(one.getsockname()) for one in good], [b'hello'] * len(good), f'what comes by {listen}')
            proxy.reload(lines + [listen] + ['listen fd:0'], word='the one before stays')
            lab.equal([ask(one.getsockname()) for one in good], [b'hello'] * len(good), f'what comes by {listen} afterwards')


def a_request_in_pieces():
    """/metrics is made for a request, not for each piece of one: the kernel counts what is read for it."""
    up, metrics = Echo(), free_port()
    with Service(words(free_port(), up) + [f'metrics 127.0.0.1:{metrics}']) as proxy:
        value(metrics, 'leat_proxy_connections_total')
        keeper = process_of(proxy, False)

        def reads():
            with open(f'/proc/{keeper}/io', encoding='ascii') as io:
                return int(next(line.split()[1] for line in io if line.startswith('syscr')))
        with socket.create_connection(('127.0.0.1', metrics), 10) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.sendall(b'GET /metrics HTTP/1.1\r\n')
            before = reads()
            for _ in range(300):
                client.sendall(b'x')
                time.sleep(0.001)
            client.sendall(b': y\r\n\r\n')
            lab.holds(lab.read_all(client).startswith(b'HTTP/1.1 200'), 'it was not answered')
            lab.holds(reads() - before < 10, f'{reads() - before} reads for one page')


def who_asks_for_metrics_during_a_reload():
    """Each gets them: of the keeper before, or of the one that follows it."""
    up, metrics, errors, running = Echo(), free_port(), [], [True]

    def asks():
        count = 0
        while running:
            try:
                count += lab.page(metrics)[0] == 200
            except OSError as error:
                errors.append(repr(error))
            except lab.http.client.HTTPException as error:
                errors.append(repr(error))
        return count
    with Service(words(free_port(), up) + [f'metrics 127.0.0.1:{metrics}']) as proxy:
        askers = [lab.in_thread(asks) for _ in range(3)]
        for _ in range(60):
            proxy.reload()
        running.clear()
        lab.holds(sum(asker.result() for asker in askers) > 60, 'nobody was answered')
        lab.equal(errors, [], 'errors')


def put_in_place(path, make):
    if os.path.isdir(path):
        os.rmdir(path)
    elif os.path.lexists(path):
        os.remove(path)
    make(path)


def a_configuration_that_is_no_text():
    """What stands in its place is refused, and holds nobody up: a FIFO that nobody writes to, or not to its end, for two seconds."""
    up, port = Echo(), free_port()
    with Service(words(port, up)) as proxy:
        workers = proxy.children()
        for make in (os.mkdir, os.mkfifo, lambda path: os.symlink('/dev/zero', path), lambda path: os.symlink('/dev/null', path),
                     lambda path: os.symlink('/nowhere', path), lambda path: os.symlink(path, path)):
            put_in_place(proxy.file, make)
            proxy.reload(word='the one before stays')
            lab.equal(ask(('127.0.0.1', port)), b'hello', 'what comes back')
            lab.equal(proxy.children(), workers, 'the workers')
        put_in_place(proxy.file, os.mkfifo)
        with open(proxy.file, 'rb+', buffering=0) as fifo:
            fifo.write(b'listen ')
            proxy.reload(word='the one before stays')
        lab.equal(proxy.text().count('did not come'), 2, 'FIFOs')
        with open(proxy.file, 'rb+', buffering=0):
            proxy.process.send_signal(signal.SIGHUP)
            lab.equal(proxy.stop(), 0, 'the exit status')


def a_configuration_through_a_pipe():
    """Whoever writes it takes a moment."""
    up, port = Echo(), free_port()
    read, write = os.pipe()
    aside = lab.in_thread(lambda: [(time.sleep(0.2), os.write(write, (line + '\n').encode())) for line in words(port, up)] and os.close(write))
    with Service(args=['--config', f'/dev/fd/{read}'], pass_fds=[read]):
        lab.equal(ask(('127.0.0.1', port)), b'hello', 'what comes back')
    aside.result()
    os.close(read)


def who_comes_in_the_last_moment():
    """Drained, or without its address, while clients come as fast as they can: each is served, or refused. Nobody is reset."""
    up, seen = Echo(), []
    for turn in range(20):
        port, other = free_port(), free_port()
        with Service(words(port, up, workers=2) + [f'listen 127.0.0.1:{other}']) as proxy, Load(other, 8) as load:
            lab.eventually(lambda: load.done > 20, 'clients are served')
            if turn % 2:
                proxy.process.send_signal(signal.SIGTERM)
            else:
                proxy.reload(words(port, up, workers=2))
            lab.eventually(lambda: any('refused' in error for error in load.errors), 'nobody is taken any more')
            load.running = False
        seen += [error for error in load.errors if 'refused' not in error]
    lab.equal(seen, [], 'errors of those who were let in')


if __name__ == '__main__':
    sys.exit(lab.parts(a_reload_waits_for_who_is_there, reloads_in_a_row, who_dies_is_not_counted, who_starts_it_ignores_its_children,
                       who_cannot_begin_later_is_tried_again, a_reload_too_many, settings_of_a_listener_that_stays,
                       a_listener_by_another_name, a_log_that_nobody_reads, a_log_into_the_pipe_of_another, a_reader_that_goes,
                       names_in_the_log_are_no_lines, all_that_are_out_have_turns, a_unix_upstream_whose_queue_is_full,
                       a_reload_while_no_name_answers, check_beside_who_runs, a_number_that_was_passed,
                       a_passed_socket_outlives_a_reload_that_fails, a_request_in_pieces, who_asks_for_metrics_during_a_reload,
                       a_configuration_that_is_no_text, a_configuration_through_a_pipe, who_comes_in_the_last_moment))
