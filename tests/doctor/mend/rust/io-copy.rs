// SPDX-License-Identifier: MIT

// std::io::copy from a file to a socket reads and writes, wrapped or not. After: sendfile, declared here to need no crate.
use std::env;
use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

extern "C" {
    fn sendfile(to: i32, from: i32, offset: *mut i64, bytes: usize) -> isize;
}

fn send(to: &TcpStream, from: &File) -> io::Result<()> {
    loop {
        // SAFETY: both descriptors are open for as long as the references live; no offset is passed.
        let n = unsafe { sendfile(to.as_raw_fd(), from.as_raw_fd(), std::ptr::null_mut(), 1 << 30) };
        match n {
            0 => return Ok(()),
            n if n < 0 => return Err(io::Error::last_os_error()),
            _ => {}
        }
    }
}

fn main() -> io::Result<()> {
    let mut from = File::open(env::var("MEND_FILE").unwrap())?;
    let port: u16 = env::var("MEND_SINK").unwrap().parse().unwrap();
    let mut to = TcpStream::connect(("127.0.0.1", port))?;
    if env::args().nth(1).as_deref() == Some("before") {
        io::copy(&mut from, &mut to)?;
        return Ok(());
    }
    send(&to, &from)
}
