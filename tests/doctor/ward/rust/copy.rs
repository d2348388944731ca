// SPDX-License-Identifier: MIT
// Transfers of Rust; what the ends are stands in c/ward.h. "CULPRIT: mode" marks the line that is to be named.
use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

struct Just<R>(R);

impl<R: Read> Read for Just<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.0.read(to) // CULPRIT: wrapped; CULPRIT: wrapped-file; CULPRIT: both
    }
}

struct Tallied<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Tallied<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(to)?; // CULPRIT: two
        self.bytes += n as u64;
        Ok(n)
    }
}

struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?; // CULPRIT: writer
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

struct Flipped<R>(R);

impl<R: Read> Read for Flipped<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = self.0.read(to)?;
        for byte in &mut to[..n] {
            *byte ^= 0x5a;
        }
        Ok(n)
    }
}

#[inline(never)]
fn by_copy<R: Read, W: Write>(mut from: R, to: &mut W) -> io::Result<u64> {
    io::copy(&mut from, to) // CULPRIT: raw; CULPRIT: buffered
}

#[inline(never)]
fn by_loop(mut from: File, to: &mut TcpStream) -> io::Result<u64> {
    let mut buffer = vec![0u8; 65536];
    let mut moved = 0;
    loop {
        let n = from.read(&mut buffer)?; // CULPRIT: loop
        if n == 0 {
            return Ok(moved);
        }
        to.write_all(&buffer[..n])?;
        moved += n as u64;
    }
}

fn place(name: &str) -> (String, String) {
    let end = env::var(name).expect("ends in the environment");
    let (kind, name) = end.split_once(':').expect("KIND:NAME");
    (kind.to_string(), name.to_string())
}

fn source() -> File {
    File::open(place("WARD_FROM").1).expect("source")
}

fn socket() -> TcpStream {
    TcpStream::connect(format!("127.0.0.1:{}", place("WARD_TO").1)).expect("sink")
}

fn target() -> File {
    OpenOptions::new().write(true).create(true).truncate(true).open(place("WARD_TO").1).expect("sink")
}

fn wait() {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).expect("line");
}

fn main() -> io::Result<()> {
    let mode = env::args().nth(1).expect("mode");
    let from = source();
    let into_file = place("WARD_TO").0 == "file";
    let moved;
    if into_file {
        let mut to = target();
        println!("ready 0");
        wait();
        moved = match mode.as_str() {
            "wrapped-file" => by_copy(Just(from), &mut to)?,
            "range" => by_copy(from, &mut to)?,
            _ => panic!("no such mode"),
        };
    } else {
        let mut to = socket();
        println!("ready 0");
        wait();
        moved = match mode.as_str() {
            "wrapped" => by_copy(Just(from), &mut to)?,
            "raw" => by_copy(from, &mut to)?,
            "buffered" => by_copy(BufReader::with_capacity(65536, from), &mut to)?,
            "writer" => {
                let mut counted = Counted { inner: to, bytes: 0 };
                by_copy(from, &mut counted)?;
                counted.bytes
            }
            "both" => {
                let mut counted = Counted { inner: to, bytes: 0 };
                by_copy(Just(from), &mut counted)?;
                counted.bytes
            }
            "two" => {
                let mut tallied = Tallied { inner: Just(from), bytes: 0 };
                by_copy(&mut tallied, &mut to)?;
                tallied.bytes
            }
            "loop" => by_loop(from, &mut to)?,
            "flipped" => by_copy(Flipped(from), &mut to)?,
            _ => panic!("no such mode"),
        };
    }
    println!("moved {}", moved);
    if env::var("WARD_HASTY").is_err() {
        wait();
    }
    Ok(())
}
