// SPDX-License-Identifier: MIT

// Between two files std::io::copy uses copy_file_range, if both are its own types. After: the inner file is handed to it, and
// what it returns is counted.
use std::env;
use std::fs::File;
use std::io::{self, Read};

struct Counting<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.bytes += n as u64;
        Ok(n)
    }
}

fn main() -> io::Result<()> {
    let mut from = Counting { inner: File::open(env::var("MEND_FILE").unwrap())?, bytes: 0 };
    let mut to = File::create(env::var("MEND_COPY").unwrap())?;
    if env::args().nth(1).as_deref() == Some("before") {
        io::copy(&mut from, &mut to)?;
    } else {
        from.bytes += io::copy(&mut from.inner, &mut to)?;
    }
    assert_eq!(from.bytes, to.metadata()?.len());
    Ok(())
}
