//! Standard input as a source, in level mode: one read for each event.
//!
//! The usual edges ask for a descriptor that does not block, since one reads until `WouldBlock`.
//! But whether standard input blocks is not ours to change: the shell, and whoever else has the same
//! terminal or pipe, would find it changed too. *Level mode* is the way out. It reports in every
//! poll for as long as there is something, so one read after each event is enough, and that one
//! does not block (unless somebody else reads from the same pipe and takes it away first).
//!
//! Two traps:
//!
//! - `io::stdin()` reads ahead into a buffer of its own. What is in there makes no events. So this
//!   reads from the descriptor itself.
//! - A *file* (`< Cargo.toml`) cannot be watched: it is ready at all times, and the error is
//!   `PermissionDenied` (`EPERM`). There is nothing to wait for, so it is read right away.
//!
//! ```text
//! echo "tokens in, events out" | cargo run --example level_triggered_stdin
//! cargo run --example level_triggered_stdin              # type something, Ctrl-D ends
//! cargo run --example level_triggered_stdin < Cargo.toml
//! ```
//!
//! For Unix: elsewhere standard input is no source.
#![cfg_attr(not(unix), allow(dead_code, unused_imports))]

use std::fs::File;
use std::io::{self, ErrorKind, Read};
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd};

#[cfg(unix)]
use wakeful::unix::SourceFd;
use wakeful::{Events, Interest, Poll, Token};

const STDIN: Token = Token(0);

#[cfg(not(unix))]
fn main() {
    println!("standard input cannot be watched on this system");
}

#[cfg(unix)]
fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);

    // Another number for the same open file; it is ours, so it is not closed too early.
    let mut stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut total = Total::default();
    let level = Interest::READABLE.level();
    match poll
        .registry()
        .register(&mut SourceFd(&stdin.as_raw_fd()), STDIN, level)
    {
        Err(err) if err.kind() == ErrorKind::PermissionDenied => {
            println!("standard input is a file: always ready, never watched ({err})");
            while read_once(&mut stdin, &mut total)? {}
            println!("{} bytes in {} reads, no poll", total.bytes, total.reads);
            return Ok(());
        }
        outcome => outcome?,
    }

    let mut polls = 0;
    'input: loop {
        match poll.poll(&mut events, None) {
            Err(err) if err.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        polls += 1;
        for event in &events {
            // Not only if it is readable: the end of a pipe may be reported as `is_read_closed`
            // alone. A read tells in any case.
            if event.token() == STDIN && !read_once(&mut stdin, &mut total)? {
                break 'input;
            }
        }
    }

    // A `SourceFd` owns nothing: deregister before the descriptor is closed.
    poll.registry()
        .deregister(&mut SourceFd(&stdin.as_raw_fd()))?;
    println!(
        "{} bytes in {} reads, {polls} polls",
        total.bytes, total.reads
    );
    Ok(())
}

#[derive(Default)]
struct Total {
    reads: usize,
    bytes: usize,
}

/// Reads a little, and leaves the rest for the next event; `false` at the end.
fn read_once(stdin: &mut File, total: &mut Total) -> io::Result<bool> {
    // Tiny, so that there is a rest.
    let mut buffer = [0; 16];
    loop {
        match stdin.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(n) => {
                total.reads += 1;
                total.bytes += n;
                println!("{:?}", String::from_utf8_lossy(&buffer[..n]));
                return Ok(true);
            }
            // Somebody else has made it non-blocking: wait for an event.
            Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
}
