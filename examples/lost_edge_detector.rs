//! The classic hang of edge-triggered programs, and the message that explains it.
//!
//! A client sends a request of 1,000 bytes and waits for the answer. The server reads into a buffer
//! of 512 bytes, *once* for each event. An event tells that bytes have come, not that there are some: for
//! the second half there is no other one. Both sides wait, and nothing is wrong to be seen.
//!
//! With [`diagnostics`](wakeful::Builder::diagnostics) the poll sees it, and says so through `log`.
//! Then the same server runs again, and reads until `WouldBlock`.
//!
//! ```text
//! cargo run --release --example lost_edge_detector
//! ```

use std::io::{self, ErrorKind, Read, Write};
use std::net;
use std::time::Duration;

use wakeful::net::{TcpListener, TcpStream};
use wakeful::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(0);
const CONNECTION: Token = Token(1);

const REQUEST: [u8; 1000] = [b'?'; 1000];
/// Without it this example would hang too.
const TIMEOUT: Duration = Duration::from_millis(200);

fn main() -> io::Result<()> {
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Warn)
        .target(env_logger::Target::Stdout)
        .format(|out, record| writeln!(out, "\n[{}] {}\n", record.level(), record.args()))
        .init();

    println!("A server that reads once for each event:");
    println!("{}", serve(read_once)?);
    println!("The same server, reading until `WouldBlock`:");
    println!("{}", serve(read_until_it_would_block)?);
    Ok(())
}

/// How a server reads that was told that there is something to read.
type Reader = fn(&mut TcpStream, &mut Vec<u8>) -> io::Result<()>;

/// The mistake.
fn read_once(connection: &mut TcpStream, request: &mut Vec<u8>) -> io::Result<()> {
    let mut buf = [0; 512];
    let count = connection.read(&mut buf)?;
    request.extend_from_slice(&buf[..count]);
    Ok(())
}

fn read_until_it_would_block(stream: &mut TcpStream, request: &mut Vec<u8>) -> io::Result<()> {
    loop {
        match read_once(stream, request) {
            Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(()),
            outcome => outcome?,
        }
    }
}

/// Serves one request, and tells how that went.
fn serve(read: Reader) -> io::Result<String> {
    let mut poll = Poll::builder().diagnostics(true).build()?;
    let mut events = Events::with_capacity(8);
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
    let registry = poll.registry().try_clone()?;
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;

    let mut client = net::TcpStream::connect(listener.local_addr()?)?;
    client.write_all(&REQUEST)?;

    let mut connection = None;
    let mut request = Vec::new();
    loop {
        match poll.poll(&mut events, Some(TIMEOUT)) {
            Err(err) if err.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        if events.is_empty() {
            let unread = REQUEST.len() - request.len();
            return Ok(format!(
                "no event for {TIMEOUT:?}, {unread} bytes unread: it hangs\n"
            ));
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Some(mut stream) = accept(&listener)? {
                    registry.register(&mut stream, CONNECTION, Interest::READABLE)?;
                    connection = Some(stream);
                }
            } else if let Some(connection) = &mut connection {
                match read(connection, &mut request) {
                    Err(err) if err.kind() == ErrorKind::WouldBlock => {} // spurious
                    outcome => outcome?,
                }
                if request.len() == REQUEST.len() {
                    connection.write_all(b"!")?;
                    client.read_exact(&mut [0])?;
                    return Ok("the request was read and answered".to_owned());
                }
            }
        }
    }
}

/// The next connection that waits.
fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(err) if err.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(err) => Err(err),
    }
}
