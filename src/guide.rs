//! # From an empty poll to an echo server
//!
//! Each step is a program that runs. At the end stands a TCP server that sends back what it receives,
//! to any number of clients, in one thread.
//!
//! 1. [Waiting](#waiting)
//! 2. [A source](#a-source)
//! 3. [Draining](#draining)
//! 4. [Many sources](#many-sources)
//! 5. [Waking](#waking)
//! 6. [Other modes](#other-modes)
//! 7. [What goes wrong](#what-goes-wrong)
//! 8. [Platforms](#platforms)
//!
//! # Chapters
//!
//! This page is the beginning. Chapters about one question each, whose programs run as well:
//!
//! - [Edge and level](crate::guide::edge_and_level): what an event says, and the four modes
//! - [Draining](crate::guide::draining): when a source is done with, and how to take turns
//! - [Backpressure](crate::guide::backpressure): what to do with those who send too fast
//! - [Timers and idle timeouts](crate::guide::timers_and_idle_timeouts): being on time, and giving up
//! - [Graceful shutdown](crate::guide::graceful_shutdown): stopping without cutting anybody off
//! - [Many threads](crate::guide::many_threads): three ways to use several processors
//! - [From mio](crate::guide::from_mio): what changes, and what becomes simpler
//! - [From libuv](crate::guide::from_libuv): a table of equivalents, and a program
//!
//! # Waiting
//!
//! A [`Poll`] is the one place where your thread sleeps. Each call of [`Poll::poll`] fills an [`Events`],
//! which you make once and use again. With nothing registered only the timeout ends the wait:
//!
//! ```
//! # #[cfg(feature = "os-poll")]
//! # fn main() -> std::io::Result<()> {
//! use std::time::Duration;
//! use wakeful::{Events, Poll};
//!
//! let mut poll = Poll::new()?;
//! let mut events = Events::with_capacity(128);
//!
//! poll.poll(&mut events, Some(Duration::from_millis(1)))?;
//! assert!(events.is_empty());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "os-poll"))]
//! # fn main() {}
//! ```
//!
//! The capacity bounds how much one call reports, not how many sources there may be. What does not fit
//! comes with the next call.
//!
//! # A source
//!
//! A socket becomes a source when you register it: with a [`Token`], your name for it, and an
//! [`Interest`], what you want to hear. A listener is *readable* when a connection waits:
//!
//! ```
//! # #[cfg(all(feature = "os-poll", feature = "net"))]
//! # fn main() -> std::io::Result<()> {
//! use wakeful::net::TcpListener;
//! use wakeful::{Events, Interest, Poll, Token};
//!
//! const LISTENER: Token = Token(0);
//!
//! let mut poll = Poll::new()?;
//! let mut events = Events::with_capacity(128);
//! let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
//! poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
//!
//! let client = std::net::TcpStream::connect(listener.local_addr()?)?;
//!
//! poll.poll(&mut events, None)?;
//! for event in &events {
//!     assert_eq!(event.token(), LISTENER);
//!     assert!(event.is_readable());
//! }
//! # drop(client);
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "os-poll", feature = "net")))]
//! # fn main() {}
//! ```
//!
//! You own the source: keep it where its token leads you. When it is dropped, it is closed and reports
//! no more.
//!
//! # Draining
//!
//! Events are *edges*, unless you ask for [another mode](#other-modes). One says that a source has become ready since you last found it not ready, and
//! as long as you leave something behind, no other need come. So after an event go on until the operation
//! says [`WouldBlock`]: here accept all connections, not one.
//!
//! ```
//! # #[cfg(all(feature = "os-poll", feature = "net"))]
//! # fn main() -> std::io::Result<()> {
//! use std::io::{self, ErrorKind};
//! use wakeful::net::{TcpListener, TcpStream};
//! # use wakeful::{Events, Interest, Poll, Token};
//!
//! /// All connections that wait, and then an edge for the next one.
//! fn accept_all(listener: &TcpListener) -> io::Result<Vec<TcpStream>> {
//!     let mut accepted = Vec::new();
//!     loop {
//!         match listener.accept() {
//!             Ok((stream, _address)) => accepted.push(stream),
//!             Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(accepted),
//!             // This one gave up while it waited.
//!             Err(err) if err.kind() == ErrorKind::ConnectionAborted => continue,
//!             Err(err) => return Err(err),
//!         }
//!     }
//! }
//! #
//! # let mut poll = Poll::new()?;
//! # let mut events = Events::with_capacity(128);
//! # let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
//! # poll.registry().register(&mut listener, Token(0), Interest::READABLE)?;
//!
//! let address = listener.local_addr()?;
//! let clients = [(); 3].map(|()| std::net::TcpStream::connect(address));
//!
//! let mut connections = Vec::new();
//! while connections.len() < clients.len() {
//!     poll.poll(&mut events, None)?;
//!     connections.extend(accept_all(&listener)?);
//! }
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "os-poll", feature = "net")))]
//! # fn main() {}
//! ```
//!
//! An event may also be *spurious*: the first try is `WouldBlock`. That is no error; wait on.
//!
//! On a stream of bytes, a read that returns less than there was room for has drained it just as well,
//! and so has a write that took less than it was given. This spares a system call. One exception: after
//! [`Event::is_read_closed`] read on until `Ok(0)`, since the end of the stream may have been reported
//! already.
//!
//! # Many sources
//!
//! The token leads from an event to its source. Any `usize` will do; the index into a slab or a `Vec` is
//! a good one. This is the whole server:
//!
//! ```
//! # #[cfg(all(feature = "os-poll", feature = "net"))]
//! # mod server {
//! use std::io::{self, ErrorKind, Read, Write};
//! use slab::Slab;
//! use wakeful::net::{TcpListener, TcpStream};
//! use wakeful::{Events, Interest, Poll, Token};
//!
//! // No index of a slab is that large.
//! const LISTENER: Token = Token(usize::MAX);
//!
//! struct Connection {
//!     stream: TcpStream,
//!     /// Read, but not sent back yet.
//!     owed: Vec<u8>,
//! }
//!
//! impl Connection {
//!     /// Goes on until it would block. Tells whether there is more to come.
//!     fn serve(&mut self) -> io::Result<bool> {
//!         let mut buffer = [0; 4096];
//!         loop {
//!             // Nothing more is read from a client that does not take what it is owed.
//!             while !self.owed.is_empty() {
//!                 match self.stream.write(&self.owed) {
//!                     Ok(sent) => drop(self.owed.drain(..sent)),
//!                     Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(true),
//!                     Err(err) if err.kind() == ErrorKind::Interrupted => continue,
//!                     Err(err) => return Err(err),
//!                 }
//!             }
//!             match self.stream.read(&mut buffer) {
//!                 Ok(0) => return Ok(false),
//!                 Ok(read) => self.owed.extend_from_slice(&buffer[..read]),
//!                 Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(true),
//!                 Err(err) if err.kind() == ErrorKind::Interrupted => continue,
//!                 Err(err) => return Err(err),
//!             }
//!         }
//!     }
//! }
//!
//! /// Serves until `clients` have come and gone.
//! pub fn run(mut listener: TcpListener, mut clients: usize) -> io::Result<()> {
//!     let mut poll = Poll::new()?;
//!     let mut events = Events::with_capacity(1024);
//!     let mut connections: Slab<Connection> = Slab::new();
//!     poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
//!
//!     while clients > 0 {
//!         match poll.poll(&mut events, None) {
//!             // A signal: nothing was lost.
//!             Err(err) if err.kind() == ErrorKind::Interrupted => continue,
//!             outcome => outcome?,
//!         }
//!         for event in &events {
//!             match event.token() {
//!                 LISTENER => loop {
//!                     let mut stream = match listener.accept() {
//!                         Ok((stream, _address)) => stream,
//!                         Err(err) if err.kind() == ErrorKind::WouldBlock => break,
//!                         Err(err) if err.kind() == ErrorKind::ConnectionAborted => continue,
//!                         Err(err) => return Err(err),
//!                     };
//!                     // Both at once: what is not ready costs nothing, and there is no need to
//!                     // change the interest whenever a write would block.
//!                     let both = Interest::READABLE | Interest::WRITABLE;
//!                     let entry = connections.vacant_entry();
//!                     poll.registry().register(&mut stream, Token(entry.key()), both)?;
//!                     entry.insert(Connection { stream, owed: Vec::new() });
//!                 },
//!                 Token(key) => {
//!                     // A connection that broke concerns nobody but itself.
//!                     let goes_on = connections[key].serve().unwrap_or(false);
//!                     if !goes_on {
//!                         connections.remove(key);
//!                         clients -= 1;
//!                     }
//!                 }
//!             }
//!         }
//!     }
//!     Ok(())
//! }
//! # }
//! #
//! # #[cfg(all(feature = "os-poll", feature = "net"))]
//! # fn main() -> std::io::Result<()> {
//! # use std::io::{Read, Write};
//! # use std::{net, thread};
//! # let listener = wakeful::net::TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
//! # let address = listener.local_addr()?;
//! # let clients: Vec<_> = (0..3)
//! #     .map(|n: u8| {
//! #         thread::spawn(move || -> std::io::Result<()> {
//! #             let mut stream = net::TcpStream::connect(address)?;
//! #             let said = vec![n; 100_000];
//! #             let mut heard = vec![!n; said.len()];
//! #             for (said, heard) in said.chunks(5_000).zip(heard.chunks_mut(5_000)) {
//! #                 stream.write_all(said)?;
//! #                 stream.read_exact(heard)?;
//! #             }
//! #             assert_eq!(said, heard);
//! #             Ok(())
//! #         })
//! #     })
//! #     .collect();
//! # server::run(listener, clients.len())?;
//! # clients.into_iter().try_for_each(|client| client.join().unwrap())
//! # }
//! # #[cfg(not(all(feature = "os-poll", feature = "net")))]
//! # fn main() {}
//! ```
//!
//! Why a removed connection cannot be met again by a later event of the same batch: a source has at most
//! one event in each. A new connection that gets the index of a removed one has none yet, since it
//! was registered after the wait.
//!
//! What is left out here: limits of time and number, an answer to running out of descriptors, and a
//! way to stop. The examples of the repository have them (`tcp_echo`, `http_hello`).
//!
//! # Waking
//!
//! Work that other threads do is announced with a [`Waker`], under a token of its own:
//!
//! ```
//! # #[cfg(feature = "os-poll")]
//! # fn main() -> std::io::Result<()> {
//! use std::sync::mpsc;
//! use std::thread;
//! use wakeful::{Events, Poll, Token, Waker};
//!
//! const ANSWERS: Token = Token(1);
//!
//! let mut poll = Poll::new()?;
//! let mut events = Events::with_capacity(128);
//! let waker = Waker::new(poll.registry(), ANSWERS)?;
//!
//! let (sender, answers) = mpsc::channel();
//! let worker = thread::spawn(move || {
//!     sender.send(6 * 7).unwrap();
//!     waker.wake() // after the message, so that whoever wakes finds it
//! });
//!
//! poll.poll(&mut events, None)?;
//! for event in &events {
//!     assert_eq!(event.token(), ANSWERS);
//!     // One event stands for any number of wakes: take all there is.
//!     assert_eq!(answers.try_iter().collect::<Vec<_>>(), [42]);
//! }
//! # worker.join().unwrap()?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "os-poll"))]
//! # fn main() {}
//! ```
//!
//! # Other modes
//!
//! Edges suit a loop that drains. The interest can ask for another way of delivery: [`level`] reports in every
//! poll for as long as the source is ready, [`oneshot`] once until it is reregistered, and [`exclusive`] wakes one
//! of several polls that watch the same source.
//!
//! ```
//! # #[cfg(all(feature = "os-poll", feature = "net"))]
//! # fn main() -> std::io::Result<()> {
//! use wakeful::net::UdpSocket;
//! use wakeful::{Events, Interest, Poll, Token};
//!
//! let mut poll = Poll::new()?;
//! let mut events = Events::with_capacity(128);
//! let mut socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
//! poll.registry().register(&mut socket, Token(0), Interest::READABLE.level())?;
//!
//! let address = socket.local_addr()?;
//! for word in ["one", "two"] {
//!     socket.send_to(word.as_bytes(), address)?;
//! }
//! // One datagram for each event: the second is reported though the first was not the last.
//! let mut buffer = [0; 16];
//! for _ in 0..2 {
//!     poll.poll(&mut events, None)?;
//!     socket.recv(&mut buffer)?;
//! }
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "os-poll", feature = "net")))]
//! # fn main() {}
//! ```
//!
//! # What goes wrong
//!
//! - **A connection goes silent.** It was not drained after its event. Read until `WouldBlock`; to turn
//!   to others before that, remember which sources are not drained and come back to them (with a
//!   timeout of zero meanwhile), or [`reregister`], which reports anew what is ready.
//! - **The whole loop stands still.** A descriptor that blocks was registered: one of `from_std`, a
//!   `SourceFd`, a child's pipe. Set it non-blocking first; `try_from` does so.
//! - **Writes are never reported.** [`Interest::WRITABLE`] was not asked for, or nothing was written until
//!   `WouldBlock` since the last event.
//! - **A socket that connects looks connected too early.** An event may be spurious. Ask `take_error`,
//!   then `peer_addr`.
//! - **Events of somebody else's file.** A raw descriptor was closed before it was deregistered. Types that
//!   own their descriptor cannot do that.
//! - **`register` says [`AlreadyExists`].** Use `reregister` to change token or interest; deregister a source
//!   before you take it to another poll.
//!
//! # Platforms
//!
//! Every [`Backend`] keeps the promises of this crate. This is where they differ.
//!
//! | system | backends, best first | wakes a sleeping poll by | tested |
//! |---|---|---|---|
//! | Linux | epoll(7), poll(2) | an eventfd | the whole suite, on both backends |
//! | Android | epoll(7), poll(2) | an eventfd | type-checked only |
//! | macOS, iOS, tvOS, watchOS, visionOS | kqueue(2) | `EVFILT_USER` | type-checked; the logic of the backend runs over a model |
//! | FreeBSD, DragonFly | kqueue(2), poll(2) | `EVFILT_USER` | the same |
//! | NetBSD, OpenBSD | kqueue(2), poll(2) | a pipe | the same |
//! | Solaris, illumos | event ports, poll(2) | `port_send` | the same |
//! | Windows | a completion port | a posted packet | the whole suite, under Wine |
//! | WASI, preview 1 and 2 | poll(2) of its C library | nothing: there is one thread | what one thread can do, under wasmtime |
//! | Redox | epoll(7), poll(2) | a pipe | type-checked only |
//! | Cygwin, Emscripten, Haiku, Hurd, QNX, Vita | poll(2) | a pipe | type-checked only |
//! | ESP-IDF, Fuchsia, Hermit, NuttX | poll(2) | an eventfd | type-checked only |
//! | Nintendo 3DS | poll(2) | nothing: no wait in the kernel is longer than 10 ms | type-checked only |
//! | AIX | poll(2) | a pipe | never built |
//! | all others | none: building with `os-poll` or `net` is an error that says so | | |
//!
//! **Edges.** The edges of epoll and kqueue come from the kernel. poll(2), event ports and Windows know only
//! levels, so their edges are emulated: a direction that was reported is not asked about again before an operation has found it
//! not ready. For the types of this crate the result is the same.
//!
//! **Raw descriptors.** The I/O of a `SourceFd`, and of a source that forwards to one, does not pass
//! through us. epoll and kqueue do not mind. An emulating backend cannot see whether the descriptor was drained, and
//! promises this:
//!
//! - Its events are *never missing*.
//! - They may be *spurious*. While it stays ready, its event is repeated: after 1 ms, then at distances that
//!   double up to 128 ms. That ends when it is found not ready, and starts anew when it is
//!   registered again.
//!
//! A loop that reads until `WouldBlock` sees no difference. One that ignores an event is told again,
//! and does not spin.
//!
//! The same holds for a socket or pipe of this crate whose descriptor was handed out (`as_fd`, `as_raw_fd`), until
//! one of its own operations has blocked.
//!
//! On Windows all this is said of `SourceSocket`, and of `as_socket` and `as_raw_socket`.
//!
//! **Modes.** Edge, level and one-shot behave the same everywhere. [`exclusive`] needs epoll; elsewhere it
//! is [`Unsupported`].
//!
//! **Cost.** A wait on epoll, kqueue or event ports costs by the number of events; on poll(2) by the
//! number of sources. Event ports cost one more system call for each event, and
//! Windows one, or two in level and one-shot mode.
//!
//! **Timeouts** count in nanoseconds on Linux (on epoll since 5.11), on kqueue and event ports, wherever
//! there is ppoll(2), and up to a second on Windows since version 10, 1803. Elsewhere they are rounded up to milliseconds.
//!
//! **Files and directories** cannot be registered; they are always ready. The error is
//! [`PermissionDenied`] on every backend.
//!
//! **The descriptor of a poll** (`AsFd`, `AsRawFd`) can be watched by another loop. On epoll and
//! kqueue it becomes readable for everything that is registered, on poll(2) and event ports for wakes only.
//!
//! **fork(2).** Make the poll in the child. What belongs to a poll is not all inherited: a queue of kqueue
//! is not, and of the others parent and child would share one.
//!
//! **Which backend** is chosen when the poll is built: by [`Poll::builder`], else by the environment
//! variable `WAKEFUL_BACKEND` (`auto`, or a [`Backend`]'s name), else the best.
//!
//! [`AlreadyExists`]: std::io::ErrorKind::AlreadyExists
//! [`Backend`]: crate::Backend
//! [`exclusive`]: crate::Interest::exclusive
//! [`Event::is_read_closed`]: crate::event::Event::is_read_closed
//! [`Events`]: crate::Events
//! [`Interest`]: crate::Interest
//! [`Interest::WRITABLE`]: crate::Interest::WRITABLE
//! [`level`]: crate::Interest::level
//! [`oneshot`]: crate::Interest::oneshot
//! [`PermissionDenied`]: std::io::ErrorKind::PermissionDenied
//! [`Poll`]: crate::Poll
//! [`Poll::builder`]: crate::Poll::builder
//! [`Poll::poll`]: crate::Poll::poll
//! [`reregister`]: crate::Registry::reregister
//! [`Token`]: crate::Token
//! [`Unsupported`]: std::io::ErrorKind::Unsupported
//! [`Waker`]: crate::Waker
//! [`WouldBlock`]: std::io::ErrorKind::WouldBlock

// Their programs need a system to run on, and sockets.
#[cfg(all(feature = "os-poll", feature = "net"))]
pub mod edge_and_level {
    #![doc = include_str!("../docs/guide/01-edge-and-level.md")]
}
#[cfg(all(feature = "os-poll", feature = "net"))]
pub mod draining {
    #![doc = include_str!("../docs/guide/02-draining.md")]
}
#[cfg(all(feature = "os-poll", feature = "net"))]
pub mod backpressure {
    #![doc = include_str!("../docs/guide/03-backpressure.md")]
}
#[cfg(all(feature = "os-poll", feature = "net"))]
pub mod timers_and_idle_timeouts {
    #![doc = include_str!("../docs/guide/04-timers-and-idle-timeouts.md")]
}
#[cfg(all(feature = "os-poll", feature = "net"))]
pub mod graceful_shutdown {
    #![doc = include_str!("../docs/guide/05-graceful-shutdown.md")]
}
#[cfg(all(feature = "os-poll", feature = "net"))]
pub mod many_threads {
    #![doc = include_str!("../docs/guide/06-many-threads.md")]
}
#[cfg(all(feature = "os-poll", feature = "net"))]
pub mod from_mio {
    #![doc = include_str!("../docs/guide/07-from-mio.md")]
}
#[cfg(all(feature = "os-poll", feature = "net"))]
pub mod from_libuv {
    #![doc = include_str!("../docs/guide/08-from-libuv.md")]
}
