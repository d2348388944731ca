# SPDX-License-Identifier: MIT
"""http.server sends files by shutil.copyfileobj. After: a handler whose copyfile flushes, and lets the socket send the file."""
import http.server
import os
import sys
import threading
import urllib.request


class Sending(http.server.SimpleHTTPRequestHandler):
	def copyfile(self, source, outputfile):
		outputfile.flush()
		self.connection.sendfile(source)


directory, name = os.path.split(os.environ['MEND_FILE'])
os.chdir(directory)
handler = Sending if sys.argv[1] == 'after' else http.server.SimpleHTTPRequestHandler
with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
	threading.Thread(target=server.serve_forever, daemon=True).start()
	with urllib.request.urlopen(f'http://127.0.0.1:{server.server_port}/{name}') as response:
		moved = 0
		while piece := response.read(1 << 18):
			moved += len(piece)
	server.shutdown()
assert moved == os.path.getsize(name), moved
