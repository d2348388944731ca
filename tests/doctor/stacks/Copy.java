// SPDX-License-Identifier: MIT
// Reads until a compiler has been at it, then waits, while symbol_script.c has the map of that code written, and goes on until
// it is ended.
import java.io.FileInputStream;
import java.io.IOException;

public class Copy {
	static int fetchBlock(FileInputStream from, byte[] into, int length) throws IOException {
		return from.read(into, 0, length);
	}

	public static void main(String[] args) throws Exception {
		FileInputStream from = new FileInputStream("/dev/zero");
		byte[] into = new byte[8192];

		for (int i = 0; i < 200000; i++)
			fetchBlock(from, into, 16);
		System.out.println("ready");
		System.in.read();
		for (int i = 0; i < 2000; i++)
			fetchBlock(from, into, 4241);
	}
}
