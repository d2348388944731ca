#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""stops: whoever stops a worker for a moment, as SIGSTOP, a tracer that attaches or a frozen cgroup does, cuts its calls short.
Nothing stands still for that."""

import os
import signal
import sys
import threading
import time

import lab

ANSWER = 1 << 20
STOPS = 2000


def stopped_again_and_again():
    def serve(server):
        peer, answer = lab.accept(server), bytes(ANSWER)
        while peer.recv(1):
            peer.sendall(answer)
        peer.close()

    with lab.listener() as server, lab.Proxy(server) as proxy:
        client = proxy.connect()
        serving = lab.in_thread(serve, server)
        workers, over, stops, answers = proxy.pids(), threading.Event(), 0, 0

        def stop():
            nonlocal stops
            until = time.monotonic() + 20 * lab.SLOW
            while stops < STOPS and time.monotonic() < until:
                for pid in workers:
                    os.kill(pid, signal.SIGSTOP)
                    os.kill(pid, signal.SIGCONT)
                stops += 1
                time.sleep(0.0005)
            over.set()

        stopping = threading.Thread(target=stop)
        stopping.start()
        client.settimeout(10 * lab.SLOW)
        while not over.is_set():
            client.sendall(b'?')
            lab.equal(len(lab.read_n(client, ANSWER)), ANSWER, f'bytes of answer {answers} after {stops} stops')
            answers += 1
        stopping.join()
        lab.holds(stops > 100 and answers > 10, f'{stops} stops in {answers} answers')
        client.close()
        serving.result()


if __name__ == '__main__':
    sys.exit(lab.parts(stopped_again_and_again))
