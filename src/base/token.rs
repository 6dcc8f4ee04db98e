//! The name that a user gives to a source.

/// Tells which source an event belongs to.
///
/// You choose the token when you register a source, and get it back in every event of that source.
/// Any `usize` will do: an index into a slab, a pointer, a constant. None is reserved, and nothing
/// stops two sources from sharing one.
///
/// # Examples
///
/// A server that tells its listener and its connections apart by token. Connections live in a
/// [slab], whose index is the token; the listener has a token that no index reaches.
///
/// ```
/// # #[cfg(all(feature = "os-poll", feature = "net"))]
/// # fn main() -> std::io::Result<()> {
/// use std::io::{self, Read};
/// use slab::Slab;
/// use wakeful::net::TcpListener;
/// use wakeful::{Events, Interest, Poll, Token};
///
/// const CLIENTS: usize = 32;
/// const LISTENER: Token = Token(usize::MAX);
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(128);
/// let mut connections = Slab::with_capacity(CLIENTS);
///
/// let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
/// poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
///
/// // Clients that connect and close at once.
/// let address = listener.local_addr()?;
/// let clients = std::thread::spawn(move || {
///     (0..CLIENTS).try_for_each(|_| std::net::TcpStream::connect(address).map(drop))
/// });
///
/// let mut closed = 0;
/// let mut buffer = [0; 512];
/// while closed < CLIENTS {
///     poll.poll(&mut events, None)?;
///     for event in &events {
///         match event.token() {
///             // One event may stand for many connections: accept until it would block.
///             LISTENER => loop {
///                 match listener.accept() {
///                     Ok((mut connection, _)) => {
///                         let entry = connections.vacant_entry();
///                         let token = Token(entry.key());
///                         poll.registry().register(&mut connection, token, Interest::READABLE)?;
///                         entry.insert(connection);
///                     }
///                     Err(err) if err.kind() == io::ErrorKind::WouldBlock => break,
///                     Err(err) => return Err(err),
///                 }
///             },
///             // And read until it would block, or the peer has closed.
///             Token(key) => loop {
///                 match connections[key].read(&mut buffer) {
///                     Ok(0) => {
///                         connections.remove(key);
///                         closed += 1;
///                         break;
///                     }
///                     Ok(n) => println!("connection {key}: {n} bytes"),
///                     Err(err) if err.kind() == io::ErrorKind::WouldBlock => break,
///                     Err(err) => return Err(err),
///                 }
///             },
///         }
///     }
/// }
/// assert!(connections.is_empty());
/// # clients.join().unwrap()?;
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "os-poll", feature = "net")))]
/// # fn main() {}
/// ```
///
/// [slab]: https://docs.rs/slab
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub usize);

impl From<Token> for usize {
    fn from(token: Token) -> usize {
        token.0
    }
}
