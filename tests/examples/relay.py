#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""A relay between two sockets: both ways at once, by splice, and a half-close goes through while the other way stays open."""

import socket
import subprocess
import threading

import lab

LARGE, REPLY = lab.data(30_000_000), lab.data(70_000)
near, near_of_relay = socket.socketpair()
far, far_of_relay = socket.socketpair()
with subprocess.Popen([lab.example('relay'), str(near_of_relay.fileno()), str(far_of_relay.fileno())],
                      pass_fds=[near_of_relay.fileno(), far_of_relay.fileno()], stdout=subprocess.PIPE) as relay:
    for end in near_of_relay, far_of_relay:
        end.close()
    for end in near, far:
        end.settimeout(lab.SECONDS)

    def send():
        near.sendall(LARGE)
        near.shutdown(socket.SHUT_WR)

    threading.Thread(target=send, daemon=True).start()
    lab.check(lab.everything(far) == LARGE, 'other bytes came through')
    far.sendall(REPLY)	# after the end of the other way
    far.shutdown(socket.SHUT_WR)
    lab.check(lab.everything(near) == REPLY, 'another reply came back')
    out = relay.communicate(timeout=lab.SECONDS)[0].decode()
    lab.check(relay.returncode == 0, 'ended with', relay.returncode)
lines = out.splitlines()
lab.check(len(lines) == 2, 'a line for each way, not', lines)
lab.matches(r'^unix socket → unix socket: 30000000 bytes by splice_pipe in \d+ calls', lines[0], 'the first way')
lab.matches(r'^unix socket → unix socket: 70000 bytes by ', lines[1], 'the way back')
