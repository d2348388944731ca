// SPDX-License-Identifier: MIT
// A reader that hides a file from io::copy, for symbol.c. Its read has a length nobody else asks for.
use std::fs::File;
use std::io::{self, Read};

struct Just<R>(R);

impl<R: Read> Read for Just<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(&mut into[..4241]) // MARK wrapper
    }
}

#[inline(never)]
fn serve(file: &mut File) -> io::Result<u64> {
    io::copy(&mut Just(file), &mut io::sink().by_ref_sink()) // MARK serve
}

trait BySink {
    fn by_ref_sink(self) -> Hold;
}

struct Hold(u64);

impl BySink for io::Sink {
    fn by_ref_sink(self) -> Hold {
        Hold(0)
    }
}

impl io::Write for Hold {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.0 += from.len() as u64;
        Err(io::Error::new(io::ErrorKind::Other, "enough"))
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn main() {
    let mut file = File::open("/dev/zero").unwrap();
    let _ = serve(&mut file); // MARK main
}
