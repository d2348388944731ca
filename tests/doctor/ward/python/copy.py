# SPDX-License-Identifier: MIT
"""Transfers of Python: MODE says which."""

import gzip
import os
import shutil
import socket
import ssl
import sys
import threading

import ward

MODE = sys.argv[1]


def by_copyfileobj(source, sink):
    if isinstance(sink, socket.socket):
        sink = sink.makefile('wb', buffering=0)
    shutil.copyfileobj(source, sink, 64 << 10)
    return source.tell()


def by_loop(source, sink):
    moved = 0
    while piece := source.read(64 << 10):
        sink.sendall(piece)
        moved += len(piece)
    return moved


def by_sendfile(source, sink):
    return sink.sendfile(source)


def by_gzip(source, sink):
    with gzip.open(sink.makefile('wb', buffering=0), 'wb', compresslevel=1) as packed:
        shutil.copyfileobj(source, packed, 64 << 10)
    return source.tell()


def by_tls(source, sink):
    context = ssl.create_default_context(cafile=os.environ['WARD_CERTIFICATE'])
    context.check_hostname = False
    with context.wrap_socket(sink) as secured:
        return by_loop(source, secured)


def by_translate(source, sink):
    table = bytes(byte ^ 0x5a for byte in range(256))
    moved = 0
    while piece := source.read(64 << 10):
        sink.sendall(piece.translate(table))
        moved += len(piece)
    return moved


def by_threads(source, sink):
    """Several copies at a time, each in a thread and from a file of its own."""
    def one(i):
        with open(source.name, 'rb', buffering=0) as mine:
            moved[i] = by_loop(mine, sinks[i])
    sinks = [sink, *map(ward.sink, range(1, 4))]
    moved = [0] * len(sinks)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(moved))]
    for thread in threads:
        thread.start()
    for thread, one_sink in zip(threads, sinks):
        thread.join()
        one_sink.close()
    return sum(moved)


def main():
    source, sink = ward.source(), ward.sink()
    ward.ready()
    moved = globals()['by_' + MODE](source, sink)
    sink.close()
    ward.end(moved)


main()
