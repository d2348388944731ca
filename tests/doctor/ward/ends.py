# SPDX-License-Identifier: MIT
"""The other side of a patient's ends: who gives it bytes, who takes them and counts them. All in threads of the runner, which
nobody watches."""

import concurrent.futures
import http.client
import os
import socket
import ssl
import threading
import zlib

PIECE = 1 << 18
DEADLINE_S = 60


class Sink:
    """Takes what comes on one socket or pipe until its end. tls: (certificate, key) of a socket that speaks TLS."""

    def __init__(self, kind, where, number, tls=None):
        self.bytes = self.crc = 0
        self.tls = tls
        self.fd = None
        if kind == 'pipe':
            ours, self.fd = os.pipe()
            self.name = f'fd:{self.fd}'
            self.take = lambda: os.read(ours, PIECE)
            self.accept = self.close = lambda: None
        else:
            self.listener = listening(kind, where, f'sink-{number}')
            self.name = named(kind, self.listener)
            self.accept = self.accepted
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def accepted(self):
        self.listener.settimeout(DEADLINE_S)
        connection, _ = self.listener.accept()
        connection.settimeout(DEADLINE_S)
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            context.num_tickets = 0      # who never reads them sends a reset when it closes
            connection = context.wrap_socket(connection, server_side=True)
        self.take = lambda: connection.recv(PIECE)
        self.close = connection.close

    def run(self):
        try:
            self.accept()
            while piece := self.take():
                self.bytes += len(piece)
                self.crc = zlib.crc32(piece, self.crc)
            self.close()
        except OSError:
            pass

    def started(self):
        """The patient has its own descriptor now."""
        if self.fd is not None:
            os.close(self.fd)

    def ended(self):
        self.thread.join(DEADLINE_S)
        return not self.thread.is_alive()


class Source:
    """Gives a file to one socket or pipe."""

    def __init__(self, kind, where, path):
        self.path, self.fd = path, None
        if kind == 'pipe':
            self.fd, self.ours = os.pipe()
            self.name = f'fd:{self.fd}'
        else:
            self.listener = listening(kind, where, 'source')
            self.name = named(kind, self.listener)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            with open(self.path, 'rb') as file:
                if self.fd is not None:
                    with open(self.ours, 'wb', buffering=0) as to:
                        while piece := file.read(PIECE):
                            to.write(piece)
                    return
                self.listener.settimeout(DEADLINE_S)
                connection, _ = self.listener.accept()
                connection.settimeout(DEADLINE_S)
                with connection:
                    connection.sendfile(file)
        except OSError:
            pass

    def started(self):
        if self.fd is not None:
            os.close(self.fd)


def checksum(path):
    crc = 0
    with open(path, 'rb') as file:
        while piece := file.read(PIECE):
            crc = zlib.crc32(piece, crc)
    return crc


def listening(kind, where, name):
    if kind == 'unix':
        at = os.path.join(where, name)
        if os.path.exists(at):
            os.unlink(at)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(at)
    else:
        listener = socket.socket()
        listener.bind(('127.0.0.1', 0))
    listener.listen(64)
    return listener


def named(kind, listener):
    return f'unix:{listener.getsockname()}' if kind == 'unix' else f'tcp:{listener.getsockname()[1]}'


class Origin:
    """A server of one file, for proxies to stand before."""

    def __init__(self, path):
        self.path = path
        self.listener = listening('tcp', None, None)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        try:
            with connection, open(self.path, 'rb') as file:
                connection.settimeout(DEADLINE_S)
                while connection.recv(65536)[-4:] != b'\r\n\r\n':
                    pass
                connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n'
                                   b'Content-Length: %d\r\n\r\n' % os.fstat(file.fileno()).st_size)
                connection.sendfile(file)
        except OSError:
            pass


def received(port):
    """What comes from there until its end: the bytes, and their sum."""
    total = crc = 0
    with socket.create_connection(('127.0.0.1', port), DEADLINE_S) as connection:
        while piece := connection.recv(PIECE):
            total += len(piece)
            crc = zlib.crc32(piece, crc)
    return total, crc


def got(port, path, tls, gzip):
    """One GET: the bytes of the body as they came, and their sum."""
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection('127.0.0.1', port, timeout=DEADLINE_S, context=context)
    else:
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=DEADLINE_S)
    connection.request('GET', path, headers={'Accept-Encoding': 'gzip'} if gzip else {})
    answer = connection.getresponse()
    total = crc = 0
    while piece := answer.read(PIECE):
        total += len(piece)
        crc = zlib.crc32(piece, crc)
    connection.close()
    if answer.status != 200:
        raise OSError(f'the server says {answer.status}')
    return total, crc


def gets(port, path, count, tls=False, gzip=False):
    """So many, six at a time."""
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        return list(pool.map(lambda _: got(port, path, tls, gzip), range(count)))
