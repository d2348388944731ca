// SPDX-License-Identifier: MIT

import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;

/** InputStream.transferTo reads and writes through two buffers. After: FileChannel.transferTo to the socket's or file's channel. */
class Transfer {
	static void all(FileChannel from, WritableByteChannel to) throws Exception {
		for (long at = 0, size = from.size(); at < size;)
			at += from.transferTo(at, size - at, to);
	}

	public static void main(String[] args) throws Exception {
		boolean after = args[0].equals("after"), socket = args[1].equals("file-tcp");
		try (FileInputStream from = new FileInputStream(System.getenv("MEND_FILE"))) {
			if (!socket) {
				try (FileOutputStream to = new FileOutputStream(System.getenv("MEND_COPY"))) {
					if (after)
						all(from.getChannel(), to.getChannel());
					else
						((InputStream) from).transferTo(to);
				}
				return;
			}
			InetSocketAddress at = new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("MEND_SINK")));
			if (after) {
				try (SocketChannel to = SocketChannel.open(at)) {
					all(from.getChannel(), to);
				}
			} else {
				try (Socket to = new Socket(at.getAddress(), at.getPort()); OutputStream out = to.getOutputStream()) {
					from.transferTo(out);
				}
			}
		}
	}
}
