# SPDX-License-Identifier: MIT
"""Python's own http.server, unchanged, on a port that it says; it serves until a line comes."""

import functools
import http.server
import os
import threading

import ward

DIRECTORY = os.path.dirname(os.environ['WARD_FROM'].split(':', 1)[1])
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=DIRECTORY)
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
ward.ready(server.server_address[1])
ward.end(0)
