// SPDX-License-Identifier: MIT
// Transfers of Java: what ends and lines are, c/ward.h says.
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.zip.GZIPOutputStream;

class Copy {
	static final BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
	static final String file = System.getenv("WARD_FROM").split(":", 2)[1];
	static final String[] sink = System.getenv("WARD_TO").split(":", 2);

	static void say(String word, long number) throws IOException {
		System.out.println(word + " " + number);
		lines.readLine();
	}

	static OutputStream stream() throws IOException {
		return sink[0].equals("tcp") ? new Socket("127.0.0.1", Integer.parseInt(sink[1])).getOutputStream()
			: new FileOutputStream(sink[1]);
	}

	static WritableByteChannel channel() throws IOException {
		return sink[0].equals("tcp") ? SocketChannel.open(new InetSocketAddress("127.0.0.1", Integer.parseInt(sink[1])))
			: new FileOutputStream(sink[1]).getChannel();
	}

	static long byTransfer(InputStream from, OutputStream to) throws IOException {
		say("ready", 0);
		long moved = from.transferTo(to);
		to.close();
		return moved;
	}

	static long byChannel(FileChannel from, WritableByteChannel to) throws IOException {
		long moved = 0, size = from.size();

		say("ready", 0);
		while (moved < size)
			moved += from.transferTo(moved, size - moved, to);
		to.close();
		return moved;
	}

	static long byBuffer(FileChannel from, WritableByteChannel to) throws IOException {
		ByteBuffer buffer = ByteBuffer.allocateDirect(65536);
		long moved = 0;

		say("ready", 0);
		while (from.read(buffer) >= 0) {
			buffer.flip();
			while (buffer.hasRemaining())
				moved += to.write(buffer);
			buffer.clear();
		}
		to.close();
		return moved;
	}

	static int copyPiece(InputStream from, OutputStream to, byte[] bytes) throws IOException {
		int n = from.read(bytes);

		if (n > 0)
			to.write(bytes, 0, n);
		return n;
	}

	/** A piece is no reason to compile anything: before that it is called until a compiler has been at it. */
	static long byLoop(InputStream from, OutputStream to) throws IOException {
		byte[] bytes = new byte[8192];
		long moved = 0;
		int n;

		try (InputStream zeros = new FileInputStream("/dev/zero"); OutputStream nothing = new FileOutputStream("/dev/null")) {
			for (int i = 0; i < 200000; i++)
				copyPiece(zeros, nothing, new byte[1]);
		}
		say("ready", 0);
		while ((n = copyPiece(from, to, bytes)) > 0)
			moved += n;
		to.close();
		return moved;
	}

	public static void main(String[] arguments) throws IOException {
		long moved;

		switch (arguments[0]) {
		case "transfer": moved = byTransfer(new FileInputStream(file), stream()); break;
		case "loop": moved = byLoop(new FileInputStream(file), stream()); break;
		case "gzip": moved = byTransfer(new FileInputStream(file), new GZIPOutputStream(stream(), 8192)); break;
		case "buffer": moved = byBuffer(FileChannel.open(Path.of(file)), channel()); break;
		default: moved = byChannel(FileChannel.open(Path.of(file)), channel()); break;
		}
		say("moved", moved);
	}
}
