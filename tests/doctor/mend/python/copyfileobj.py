# SPDX-License-Identifier: MIT
"""shutil.copyfileobj reads and writes, whatever the ends are. After: socket.sendfile, or shutil.copyfile between files."""
import os
import shutil
import socket
import sys

path, after = os.environ['MEND_FILE'], sys.argv[1] == 'after'
if sys.argv[2] != 'file-tcp':
	if after:
		shutil.copyfile(path, os.environ['MEND_COPY'])
	else:
		with open(path, 'rb') as source, open(os.environ['MEND_COPY'], 'wb') as sink:
			shutil.copyfileobj(source, sink)
	sys.exit()
with open(path, 'rb') as source, socket.create_connection(('127.0.0.1', int(os.environ['MEND_SINK']))) as sink:
	if after:
		sink.sendfile(source)
	else:
		with sink.makefile('wb') as wfile:
			shutil.copyfileobj(source, wfile)
