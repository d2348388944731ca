# SPDX-License-Identifier: MIT
"""What every patient in Python begins and ends with; c/ward.h says how."""

import os
import socket
import sys


def opened(end, writing):
    kind, name = end.split(':', 1)
    if kind == 'tcp':
        return socket.create_connection(('127.0.0.1', int(name)))
    return open(name, 'wb' if writing else 'rb', buffering=0)


def source():
    return opened(os.environ['WARD_FROM'], False)


def sink(number=0):
    return opened(os.environ['WARD_TO'].split()[number], True)


def ready(number=0):
    print('ready', number, flush=True)
    sys.stdin.readline()


def end(moved):
    print('moved', moved, flush=True)
    if 'WARD_HASTY' not in os.environ:
        sys.stdin.readline()
