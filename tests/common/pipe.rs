//! Two ends of a stream of bytes within the program, both of them sources: a pipe, and where the system has
//! none, a connection over loopback.

// Every test is a crate of its own and uses a part of this.
#![allow(dead_code, unused_imports)]

#[cfg(unix)]
pub(crate) use wakeful::unix::pipe::*;

#[cfg(not(unix))]
pub(crate) use loopback::*;

/// Two streams, each of which reads what the other writes.
#[cfg(all(unix, feature = "net"))]
pub(crate) fn pair() -> std::io::Result<(wakeful::net::UnixStream, wakeful::net::UnixStream)> {
    wakeful::net::UnixStream::pair()
}

#[cfg(not(unix))]
mod loopback {
    use std::io;
    use std::net;

    use wakeful::net::TcpStream;

    pub(crate) type Sender = TcpStream;
    pub(crate) type Receiver = TcpStream;

    pub(crate) fn pair() -> io::Result<(TcpStream, TcpStream)> {
        new()
    }

    pub(crate) fn new() -> io::Result<(Sender, Receiver)> {
        let listener = net::TcpListener::bind("127.0.0.1:0")?;
        let sender = net::TcpStream::connect(listener.local_addr()?)?;
        let (receiver, _) = listener.accept()?;
        sender.set_nodelay(true)?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        Ok((TcpStream::from_std(sender), TcpStream::from_std(receiver)))
    }
}
