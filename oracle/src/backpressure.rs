//! A TCP connection that is full, again and again.
//!
//! How much fits, and when there is room again, depends on the time that acknowledgements take: nothing to
//! compare step by step. What must not happen is that the writer, once blocked, is never told.

use std::io;
use std::net::SocketAddr;

use crate::kernel::PATIENCE;
use crate::subject::{Flags, Id, Subject, Wanted};

const LISTENER: usize = 0;
const WRITER: usize = 1;
const READER: usize = 2;

/// Fills a connection `rounds` times, and each time reads at the other end until the writer is told of room.
pub(crate) fn run(subject: &mut dyn Subject, rounds: usize) -> Result<(), String> {
    let (writer, reader) = connect(subject).map_err(|err| format!("no connection: {err}"))?;
    for round in 0..rounds {
        fill(subject, writer).map_err(|err| format!("write: {err}"))?;
        loop {
            drain(subject, reader).map_err(|err| format!("read: {err}"))?;
            let flags = wait(subject, round)?;
            if flags.has(Flags::WRITABLE) {
                break;
            }
        }
    }
    Ok(())
}

fn connect(subject: &mut dyn Subject) -> io::Result<(Id, Id)> {
    let wanted = |readable, writable| Wanted {
        readable,
        writable,
        priority: false,
    };
    let listener = subject.listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    subject.register(listener, LISTENER, wanted(true, false))?;
    let writer = subject.connect(subject.address(listener)?)?;
    subject.register(writer, WRITER, wanted(false, true))?;
    loop {
        let reports = subject.poll(Some(PATIENCE))?;
        if reports.is_empty() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if reports.iter().any(|(token, _)| *token == LISTENER) {
            break;
        }
    }
    let reader = subject.accept(listener)?;
    subject.register(reader, READER, wanted(true, false))?;
    Ok((writer, reader))
}

fn fill(subject: &mut dyn Subject, writer: Id) -> io::Result<()> {
    until_it_would_block(|| subject.write(writer, &[b'.'; 64 << 10]))
}

fn drain(subject: &mut dyn Subject, reader: Id) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    until_it_would_block(|| subject.read(reader, &mut buffer))
}

fn until_it_would_block(mut operation: impl FnMut() -> io::Result<usize>) -> io::Result<()> {
    loop {
        match operation() {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(err) => return Err(err),
        }
    }
}

/// What is reported of the writer, once anything is reported.
fn wait(subject: &mut dyn Subject, round: usize) -> Result<Flags, String> {
    let reports = subject.poll(Some(PATIENCE));
    let reports = reports.map_err(|err| format!("poll: {err}"))?;
    if reports.is_empty() {
        return Err(format!("nothing more is reported in round {round}"));
    }
    let of_writer = reports.iter().filter(|(token, _)| *token == WRITER);
    Ok(of_writer.fold(Flags::NONE, |all, (_, flags)| all | *flags))
}
