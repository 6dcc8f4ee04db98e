//! `Builder::diagnostics`: each mistake is told once, with the line where the source was registered, and
//! programs that make none hear nothing.
//!
//! There is one logger for the process. A warning comes on the thread that registers or polls, so
//! each test hears its own.

#![cfg(all(feature = "os-ext", feature = "net", feature = "log"))]

mod common;

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::net;
use std::panic::{self, Location};
use std::sync::Once;
use std::thread;
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use wakeful::event::Source;
use wakeful::net::{TcpListener, TcpStream, UdpSocket};
use wakeful::time::Timer;
use wakeful::{Backend, Events, Interest, Poll, Registry, Token, Waker};

use common::{assert_would_block, expect_event, poll_once, tells_of_the_end, PATIENCE};

/// Streams whose ends are both here: of the Unix domain where the system has them, else over loopback.
#[cfg(unix)]
mod local {
    pub(crate) use std::os::unix::net::UnixStream as Peer;
    pub(crate) use wakeful::net::UnixStream as Stream;

    /// As diagnostics name it.
    pub(crate) const STREAM: &str = "UnixStream";

    pub(crate) fn pair() -> (Peer, Peer) {
        Peer::pair().unwrap()
    }
}

#[cfg(not(unix))]
mod local {
    pub(crate) use std::net::TcpStream as Peer;
    pub(crate) use wakeful::net::TcpStream as Stream;

    pub(crate) const STREAM: &str = "TcpStream";

    pub(crate) fn pair() -> (Peer, Peer) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let one = Peer::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        one.set_nodelay(true).unwrap();
        other.set_nodelay(true).unwrap();
        (one, other)
    }
}

use local::{pair, Peer, Stream, STREAM};

const TOKEN: Token = Token(7);
const OTHER: Token = Token(8);

/// The buffers of a stream may hold megabytes.
const LARGE: usize = 65_536;

/// Long enough for a poll to count as one that waits.
const MOMENT: Duration = Duration::from_millis(1);

// --- The logger. ---

struct Ear;

thread_local! {
    static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// A poll that never ends can be left in one way only: from within its warning.
    static LEAVES: Cell<bool> = const { Cell::new(false) };
}

impl Log for Ear {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.level() == Level::Warn && record.target() == "wakeful" {
            HEARD.with(|heard| heard.borrow_mut().push(record.args().to_string()));
            if LEAVES.with(Cell::get) {
                panic::resume_unwind(Box::new("left"));
            }
        }
    }

    fn flush(&self) {}
}

/// What this thread was told since the last call.
fn heard() -> Vec<String> {
    HEARD.with(RefCell::take)
}

#[track_caller]
fn hears_nothing() {
    assert_eq!(heard(), [""; 0]);
}

/// One warning, with all of these in it.
#[track_caller]
fn hears(parts: &[&str]) -> String {
    let heard = heard();
    assert_eq!(heard.len(), 1, "{heard:#?}");
    for part in parts {
        assert!(heard[0].contains(part), "{part:?} is not in: {}", heard[0]);
    }
    eprintln!("{}", heard[0]);
    heard[0].clone()
}

/// A poll of each backend, with diagnostics.
fn polls() -> impl Iterator<Item = (Poll, Events)> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Ear).unwrap();
        log::set_max_level(LevelFilter::Warn);
    });
    hears_nothing();
    Backend::available().iter().map(|&backend| {
        eprintln!("backend: {backend}");
        let poll = Poll::builder().backend(backend).diagnostics(true);
        (poll.build().unwrap(), Events::with_capacity(64))
    })
}

/// Registers the source in the caller's line, and says how a message names that.
#[track_caller]
fn register(poll: &Poll, source: &mut impl Source, token: Token, interest: Interest) -> String {
    poll.registry().register(source, token, interest).unwrap();
    let caller = Location::caller();
    format!("registered at {}:{}:", caller.file(), caller.line())
}

#[track_caller]
fn reregister(poll: &Poll, source: &mut impl Source, token: Token, interest: Interest) -> String {
    let registry = poll.registry();
    registry.reregister(source, token, interest).unwrap();
    let caller = Location::caller();
    format!(" and reregistered at {}:{}:", caller.file(), caller.line())
}

/// A stream whose other end has written so many bytes.
fn stream_with(bytes: usize) -> (Stream, Peer) {
    let (here, mut there) = pair();
    there.write_all(&vec![1; bytes]).unwrap();
    (here.try_into().unwrap(), there)
}

fn readable(poll: &mut Poll, events: &mut Events, token: Token) {
    expect_event(poll, events, token, |event| event.is_readable());
}

fn drain(source: &mut impl Read) {
    let mut buf = [0; LARGE];
    while source.read(&mut buf).is_ok_and(|count| count > 0) {}
}

// --- Lost edges. ---

#[test]
fn a_listener_that_accepts_one_connection_for_each_event() {
    for (mut poll, mut events) in polls() {
        let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let place = register(&poll, &mut listener, TOKEN, Interest::READABLE);
        let address = listener.local_addr().unwrap();
        let _clients = [(); 2].map(|()| net::TcpStream::connect(address).unwrap());

        readable(&mut poll, &mut events, TOKEN);
        listener.accept().unwrap();
        poll_once(&mut poll, &mut events, MOMENT);

        hears(&[
            "lost edge: the TcpListener with Token(7)",
            &place,
            "reported readable",
            "1 accept, and it did not return `WouldBlock`",
            &format!("before the poll at {}:", file!()),
            "accept until `WouldBlock`,",
            "Interest::READABLE.level()",
        ]);
    }
}

#[test]
fn a_stream_that_is_read_once_with_a_full_buffer() {
    for (mut poll, mut events) in polls() {
        let (mut stream, _there) = stream_with(1024);
        let place = register(
            &poll,
            &mut stream,
            TOKEN,
            Interest::READABLE | Interest::WRITABLE,
        );

        readable(&mut poll, &mut events, TOKEN);
        assert_eq!(stream.read(&mut [0; 512]).unwrap(), 512);
        poll_once(&mut poll, &mut events, MOMENT);

        hears(&[
            &format!("lost edge: the {STREAM} with Token(7)"),
            &place,
            "1 read of 512 bytes, and it did not return `WouldBlock`",
            "less than it had room for",
        ]);
    }
}

#[test]
fn a_stream_that_is_not_read_at_all() {
    for (mut poll, mut events) in polls() {
        let server = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let place = register(&poll, &mut stream, TOKEN, Interest::READABLE);
        let (mut there, _) = server.accept().unwrap();
        there.write_all(b"hello").unwrap();

        readable(&mut poll, &mut events, TOKEN);
        poll_once(&mut poll, &mut events, MOMENT);

        hears(&["the TcpStream with Token(7)", &place, "no read at all"]);
    }
}

// A host of WASI says of datagrams that are there that they are not, until it has noticed them itself.
#[cfg_attr(target_family = "wasm", ignore = "the host tells later")]
#[test]
fn datagrams_of_which_some_are_received() {
    for (mut poll, mut events) in polls() {
        let mut socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let place = register(&poll, &mut socket, TOKEN, Interest::READABLE);
        let sender = net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..3 {
            let to = socket.local_addr().unwrap();
            sender.send_to(b"hello", to).unwrap();
        }

        readable(&mut poll, &mut events, TOKEN);
        for _ in 0..2 {
            socket.recv_from(&mut [0; 64]).unwrap();
        }
        poll_once(&mut poll, &mut events, MOMENT);

        hears(&[
            "the UdpSocket with Token(7)",
            &place,
            "2 receives, and none of them returned `WouldBlock`",
        ]);
    }
}

#[test]
fn a_lost_edge_is_told_once_until_the_source_is_drained_or_registered_anew() {
    for (mut poll, mut events) in polls() {
        let (mut stream, mut there) = stream_with(100);
        register(&poll, &mut stream, TOKEN, Interest::READABLE);
        let mut lose = |poll: &mut Poll, stream: &mut Stream| {
            there.write_all(&[1; 100]).unwrap();
            poll_once(poll, &mut events, MOMENT);
            assert_eq!(stream.read(&mut [0; 10]).unwrap(), 10);
            poll_once(poll, &mut events, MOMENT);
            poll_once(poll, &mut events, MOMENT);
        };

        lose(&mut poll, &mut stream);
        hears(&[&format!("lost edge: the {STREAM} with Token(7)")]);
        lose(&mut poll, &mut stream);
        hears_nothing();

        drain(&mut stream);
        lose(&mut poll, &mut stream);
        hears(&[&format!("lost edge: the {STREAM} with Token(7)")]);

        let place = reregister(&poll, &mut stream, OTHER, Interest::READABLE);
        lose(&mut poll, &mut stream);
        hears(&[&format!("lost edge: the {STREAM} with Token(8)"), &place]);
    }
}

#[test]
fn one_of_two_sources_with_the_same_token_is_found() {
    for (mut poll, mut events) in polls() {
        let (mut first, _there) = stream_with(5);
        let (mut second, _there) = stream_with(0);
        register(&poll, &mut first, TOKEN, Interest::READABLE);
        register(&poll, &mut second, TOKEN, Interest::READABLE);

        readable(&mut poll, &mut events, TOKEN);
        poll_once(&mut poll, &mut events, MOMENT);

        hears(&["or another source with this token"]);
    }
}

#[test]
fn a_loop_that_never_waits_is_told_when_it_has_forgotten_a_source() {
    for (mut poll, mut events) in polls() {
        let (mut stream, _there) = stream_with(100);
        register(&poll, &mut stream, TOKEN, Interest::READABLE);

        readable(&mut poll, &mut events, TOKEN);
        assert_eq!(stream.read(&mut [0; 10]).unwrap(), 10);
        for _ in 0..100 {
            poll_once(&mut poll, &mut events, Duration::ZERO);
        }

        hears(&[
            &format!("lost edge: the {STREAM} with Token(7)"),
            "1 read of 10 bytes",
        ]);
    }
}

// --- Where a source was registered. ---

/// Forwards to the source that it wraps.
struct Wrapped(Stream);

impl Source for Wrapped {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.0.register(registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.0.reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.0.deregister(registry)
    }
}

/// Registers what it wraps with the registry.
struct Composite(Stream);

thread_local! {
    static LINE_IN_COMPOSITE: Cell<u32> = const { Cell::new(0) };
}

impl Source for Composite {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        LINE_IN_COMPOSITE.with(|line| line.set(line!() + 1));
        registry.register(&mut self.0, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        registry.reregister(&mut self.0, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut self.0)
    }
}

#[test]
fn a_boxed_and_wrapped_source_was_registered_where_the_user_did() {
    for (mut poll, mut events) in polls() {
        let (stream, _there) = stream_with(5);
        let mut source: Box<dyn Source> = Box::new(Wrapped(stream));
        let place = register(&poll, &mut source, TOKEN, Interest::READABLE);

        readable(&mut poll, &mut events, TOKEN);
        poll_once(&mut poll, &mut events, MOMENT);

        hears(&[&format!("the {STREAM} with Token(7)"), &place]);
    }
}

#[test]
fn a_source_within_a_source_is_named_with_both_calls() {
    for (mut poll, mut events) in polls() {
        let (stream, _there) = stream_with(5);
        let mut source = Composite(stream);
        let place = register(&poll, &mut source, TOKEN, Interest::READABLE);
        let outer = place.replace("registered", "within the call");

        readable(&mut poll, &mut events, TOKEN);
        poll_once(&mut poll, &mut events, MOMENT);

        let line = LINE_IN_COMPOSITE.with(Cell::get);
        let inner = format!("registered at {}:{line}:", file!());
        hears(&[&format!("the {STREAM} with Token(7)"), &inner, &outer]);
    }
}

#[test]
fn a_source_that_was_registered_past_the_registry_has_no_place() {
    for (mut poll, mut events) in polls() {
        let (mut stream, _there) = stream_with(5);
        stream
            .register(poll.registry(), TOKEN, Interest::READABLE)
            .unwrap();

        readable(&mut poll, &mut events, TOKEN);
        poll_once(&mut poll, &mut events, MOMENT);

        hears(&[
            &format!("the {STREAM} with Token(7)"),
            "by `Source::register`",
        ]);
    }
}

// --- Programs without a mistake. ---

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn an_echo_server_that_drains_hears_nothing() {
    const LISTENER: Token = Token(0);
    const STREAM: Token = Token(1);
    for (mut poll, mut events) in polls() {
        let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        register(&poll, &mut listener, LISTENER, Interest::READABLE);
        let address = listener.local_addr().unwrap();
        let client = thread::spawn(move || {
            let mut client = net::TcpStream::connect(address).unwrap();
            let mut buf = [1; 64];
            for _ in 0..200 {
                client.write_all(&buf).unwrap();
                client.read_exact(&mut buf).unwrap();
            }
        });

        let mut connection: Option<TcpStream> = None;
        let mut is_over = false;
        while !is_over {
            poll_once(&mut poll, &mut events, PATIENCE);
            for event in &events {
                if event.token() == LISTENER {
                    while let Ok((mut stream, _)) = listener.accept() {
                        let both = Interest::READABLE | Interest::WRITABLE;
                        register(&poll, &mut stream, STREAM, both);
                        connection = Some(stream);
                    }
                } else if let Some(stream) = &mut connection {
                    is_over |= echo(stream);
                }
            }
        }

        client.join().unwrap();
        hears_nothing();
    }
}

/// Until it would block; whether the other side has closed.
fn echo(stream: &mut TcpStream) -> bool {
    let mut buf = [0; 64];
    loop {
        match stream.read(&mut buf) {
            Ok(0) => return true,
            Ok(count) => stream.write_all(&buf[..count]).unwrap(),
            Err(err) => {
                assert_eq!(err.kind(), ErrorKind::WouldBlock);
                return false;
            }
        }
    }
}

/// Runs a step after a readable event, and is told nothing of it.
#[track_caller]
fn is_no_mistake(interest: Interest, mut step: impl FnMut(&Poll, Stream) -> Option<Stream>) {
    for (mut poll, mut events) in polls() {
        let (mut stream, _there) = stream_with(100);
        register(&poll, &mut stream, TOKEN, interest);
        readable(&mut poll, &mut events, TOKEN);
        let stream = step(&poll, stream);
        for _ in 0..3 {
            poll_once(&mut poll, &mut events, MOMENT);
        }
        drop(stream);
        hears_nothing();
    }
}

#[test]
#[cfg_attr(
    target_family = "wasm",
    ignore = "a stream is said to be readable there until a read has blocked"
)]
fn a_short_read_is_as_good_as_would_block() {
    is_no_mistake(Interest::READABLE, |_, mut stream| {
        assert_eq!(stream.read(&mut [0; 512]).unwrap(), 100);
        Some(stream)
    });
}

#[test]
fn whoever_reads_until_it_would_block_hears_nothing() {
    is_no_mistake(Interest::READABLE, |_, mut stream| {
        stream.read_exact(&mut [0; 100]).unwrap();
        assert_would_block(stream.read(&mut [0; 1]));
        Some(stream)
    });
}

#[test]
fn level_and_oneshot_need_not_be_drained() {
    is_no_mistake(Interest::READABLE.level(), |_, stream| Some(stream));
    is_no_mistake(Interest::READABLE.oneshot(), |_, stream| Some(stream));
}

#[test]
fn what_is_dropped_or_deregistered_or_registered_anew_is_not_accused() {
    is_no_mistake(Interest::READABLE, |_, _| None);
    is_no_mistake(Interest::READABLE, |poll, mut stream| {
        poll.registry().deregister(&mut stream).unwrap();
        Some(stream)
    });
    is_no_mistake(Interest::READABLE, |poll, mut stream| {
        let registry = poll.registry();
        registry
            .reregister(&mut stream, TOKEN, Interest::WRITABLE)
            .unwrap();
        Some(stream)
    });
}

#[test]
fn what_is_done_out_of_sight_is_not_accused() {
    is_no_mistake(Interest::READABLE, |_, stream| {
        stream.try_io(|| Ok(())).unwrap();
        Some(stream)
    });
    #[cfg(unix)]
    is_no_mistake(Interest::READABLE, |_, stream| {
        let _ = std::os::fd::AsRawFd::as_raw_fd(&stream);
        Some(stream)
    });
    is_no_mistake(Interest::READABLE, |_, stream| {
        let stream = Peer::from(stream);
        stream.try_into().ok()
    });
}

#[test]
fn the_end_of_a_stream_is_reached_or_left_alone() {
    for (mut poll, mut events) in polls() {
        // WASI does not tell the end from what there is to read, so it has to be read there.
        let left_alone = (!cfg!(target_family = "wasm")).then_some(false);
        for reads in [true].into_iter().chain(left_alone) {
            let (mut stream, there) = stream_with(0);
            register(&poll, &mut stream, TOKEN, Interest::READABLE);
            drop(there);
            let is_end = tells_of_the_end(poll.backend());
            expect_event(&mut poll, &mut events, TOKEN, is_end);
            if reads {
                assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
            }
            poll_once(&mut poll, &mut events, MOMENT);
            hears_nothing();
        }
    }
}

#[test]
fn whoever_has_nothing_to_write_hears_nothing() {
    for (mut poll, mut events) in polls() {
        let (mut stream, _there) = stream_with(0);
        register(&poll, &mut stream, TOKEN, Interest::WRITABLE);
        expect_event(&mut poll, &mut events, TOKEN, |event| event.is_writable());
        poll_once(&mut poll, &mut events, MOMENT);
        hears_nothing();
    }
}

#[test]
fn a_loop_that_looks_for_more_while_it_works_hears_nothing() {
    for (mut poll, mut events) in polls() {
        let (mut stream, _there) = stream_with(100);
        register(&poll, &mut stream, TOKEN, Interest::READABLE);
        readable(&mut poll, &mut events, TOKEN);
        // One piece a round.
        while stream.read(&mut [0; 1]).is_ok() {
            poll_once(&mut poll, &mut events, Duration::ZERO);
        }
        poll_once(&mut poll, &mut events, MOMENT);
        hears_nothing();
    }
}

/// Writes until the buffers are full.
fn fill(stream: &mut Stream) {
    while stream.write(&[0; LARGE]).is_ok() {}
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "a socket cannot be duplicated there")]
fn whoever_stops_reading_because_a_write_would_block_hears_nothing() {
    for (mut poll, mut events) in polls() {
        for is_proxy in [false, true] {
            let both = Interest::READABLE | Interest::WRITABLE;
            let (mut input, peer) = stream_with(100);
            let (mut output, mut receiver) = stream_with(0);
            register(&poll, &mut input, TOKEN, both);
            register(&poll, &mut output, OTHER, both);
            let full = if is_proxy { OTHER } else { TOKEN };
            if !is_proxy {
                receiver = peer.try_clone().unwrap();
            }
            // What is writable from the start is said first.
            expect_event(&mut poll, &mut events, OTHER, |event| event.is_writable());
            drain(&mut input);
            receiver.set_nonblocking(true).unwrap();

            let mut sender = &peer;
            sender.write_all(&[0; 100]).unwrap();
            readable(&mut poll, &mut events, TOKEN);
            input.read_exact(&mut [0; 10]).unwrap();
            fill(if is_proxy { &mut output } else { &mut input });
            for _ in 0..3 {
                poll_once(&mut poll, &mut events, MOMENT);
            }
            hears_nothing();

            // There is room again, and the rest is forgotten.
            drain(&mut receiver);
            expect_event(&mut poll, &mut events, full, |event| event.is_writable());
            poll_once(&mut poll, &mut events, MOMENT);
            hears(&[
                &format!("lost edge: the {STREAM} with Token(7)"),
                "1 read of 10 bytes",
            ]);
        }
    }
}

#[test]
fn a_poll_without_diagnostics_says_nothing() {
    for (poll, mut events) in polls() {
        let mut poll = Poll::builder().backend(poll.backend()).build().unwrap();
        let (mut stream, _there) = stream_with(100);
        register(&poll, &mut stream, TOKEN, Interest::READABLE);
        readable(&mut poll, &mut events, TOKEN);
        poll_once(&mut poll, &mut events, MOMENT);
        hears_nothing();
    }
}

// --- Blocking descriptors. ---

// --- Polls without an end. ---

/// Polls without a timeout, and leaves as soon as a warning comes.
fn poll_for_ever(poll: &mut Poll, events: &mut Events) {
    LEAVES.with(|leaves| leaves.set(true));
    let outcome = panic::catch_unwind(panic::AssertUnwindSafe(|| poll.poll(events, None)));
    LEAVES.with(|leaves| leaves.set(false));
    if let Ok(outcome) = outcome {
        outcome.unwrap();
    }
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "nothing unwinds there")]
fn a_poll_that_nothing_can_end() {
    for (mut poll, mut events) in polls() {
        poll_for_ever(&mut poll, &mut events);
        let place = "endless poll: the poll at tests/diagnostics.rs:";
        hears(&[place, "Nothing was ever registered"]);
    }
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "nothing unwinds there")]
fn a_poll_whose_only_source_was_dropped() {
    for (mut poll, mut events) in polls() {
        let (mut stream, there) = stream_with(0);
        let place = register(&poll, &mut stream, TOKEN, Interest::READABLE);
        drop(stream);
        poll_for_ever(&mut poll, &mut events);
        hears(&[
            "endless poll",
            &format!("the {STREAM} with Token(7)"),
            &place,
            "is gone",
        ]);
        drop(there);
    }
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn a_poll_that_somebody_can_end_is_left_alone() {
    for (mut poll, mut events) in polls() {
        // A waker.
        let waker = Waker::new(poll.registry(), TOKEN).unwrap();
        let thread = thread::spawn(move || waker.wake());
        poll_for_ever(&mut poll, &mut events);
        thread.join().unwrap().unwrap();

        // A registry.
        let registry = poll.registry().try_clone().unwrap();
        let thread = thread::spawn(move || {
            let (mut stream, there) = stream_with(5);
            registry
                .register(&mut stream, TOKEN, Interest::READABLE)
                .unwrap();
            (stream, there)
        });
        poll_for_ever(&mut poll, &mut events);
        drop(thread.join().unwrap());

        // A timer.
        let mut timer = Timer::after(MOMENT);
        register(&poll, &mut timer, TOKEN, Interest::READABLE);
        poll_for_ever(&mut poll, &mut events);
        drop(timer);

        // A source.
        let (mut stream, mut there) = stream_with(0);
        register(&poll, &mut stream, TOKEN, Interest::READABLE);
        let thread = thread::spawn(move || there.write_all(b"hello"));
        poll_for_ever(&mut poll, &mut events);
        thread.join().unwrap().unwrap();
        drop(stream);

        // A source that became another's, and is registered still.
        let (mut stream, mut there) = stream_with(0);
        register(&poll, &mut stream, TOKEN, Interest::READABLE);
        let stream = Peer::from(stream);
        let thread = thread::spawn(move || there.write_all(b"hello"));
        poll_for_ever(&mut poll, &mut events);
        thread.join().unwrap().unwrap();
        drop(stream);

        // The clock.
        poll_once(&mut poll, &mut events, MOMENT);
        hears_nothing();
    }
}

/// Where sources are descriptors, and tell whether they block.
#[cfg(unix)]
mod of_descriptors {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use wakeful::unix::{pipe, SourceFd};

    use super::*;

    #[test]
    fn a_raw_descriptor_is_not_accused() {
        for (mut poll, mut events) in polls() {
            let (stream, _there) = stream_with(100);
            let fd = stream.as_raw_fd();
            register(&poll, &mut SourceFd(&fd), TOKEN, Interest::READABLE);
            readable(&mut poll, &mut events, TOKEN);
            poll_once(&mut poll, &mut events, MOMENT);
            poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
            hears_nothing();
        }
    }

    #[test]
    fn a_pipe_that_blocks_is_told_when_it_is_registered() {
        for (poll, _) in polls() {
            let (reader, _writer) = rustix::pipe::pipe().unwrap();
            let mut receiver = pipe::Receiver::from(reader);
            let place = register(&poll, &mut receiver, TOKEN, Interest::READABLE);
            hears(&[
                "blocking descriptor: the pipe::Receiver with Token(7)",
                &place,
                "does not have O_NONBLOCK",
                "as it is edge-triggered",
                "Call `set_nonblocking(true)` on it before",
            ]);

            poll.registry().deregister(&mut receiver).unwrap();
            register(&poll, &mut receiver, TOKEN, Interest::READABLE.level());
            let message = hears(&["blocking descriptor"]);
            assert!(!message.contains("edge"), "{message}");

            poll.registry().deregister(&mut receiver).unwrap();
            receiver.set_nonblocking(true).unwrap();
            register(&poll, &mut receiver, TOKEN, Interest::READABLE);
            hears_nothing();
        }
    }

    #[test]
    fn a_raw_descriptor_that_blocks_is_told_when_it_is_registered() {
        for (poll, _) in polls() {
            let (blocking, _there) = Peer::pair().unwrap();
            let fd = blocking.as_raw_fd();
            let place = register(&poll, &mut SourceFd(&fd), TOKEN, Interest::READABLE);
            hears(&[
                "blocking descriptor: the SourceFd with Token(7)",
                &place,
                "F_SETFL",
            ]);
            let (registry, interest) = (poll.registry(), Interest::WRITABLE);
            registry
                .reregister(&mut SourceFd(&fd), TOKEN, interest)
                .unwrap();
            hears_nothing();
            registry.deregister(&mut SourceFd(&fd)).unwrap();
        }
    }

    #[test]
    fn a_terminal_may_block_and_is_read_once_for_each_event() {
        let Ok(terminal) = File::options().read(true).write(true).open("/dev/ptmx") else {
            return; // not on this system
        };
        let fd = terminal.as_raw_fd();
        for (poll, _) in polls() {
            register(&poll, &mut SourceFd(&fd), TOKEN, Interest::READABLE);
            hears(&["is a terminal", "read once for each event", ".level()"]);
            poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
        }
    }

    #[test]
    fn what_nobody_reads_may_block() {
        for (poll, _) in polls() {
            // An epoll instance, or that of a doorbell.
            let inner = Poll::new().unwrap();
            let fd = inner.as_raw_fd();
            register(&poll, &mut SourceFd(&fd), TOKEN, Interest::READABLE);
            poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
            hears_nothing();
        }
    }

    #[test]
    fn a_pipe_that_is_written_to_and_never_full() {
        for (mut poll, mut events) in polls() {
            let (mut sender, _receiver) = pipe::new().unwrap();
            let place = register(&poll, &mut sender, TOKEN, Interest::WRITABLE);

            expect_event(&mut poll, &mut events, TOKEN, |event| event.is_writable());
            assert_eq!(sender.write(&[0; 64]).unwrap(), 64);
            poll_once(&mut poll, &mut events, MOMENT);

            hears(&[
                "lost edge: the pipe::Sender with Token(7)",
                &place,
                "reported writable",
                "1 write of 64 bytes",
                "Interest::WRITABLE.level()",
            ]);
        }
    }

    #[test]
    fn the_pipes_end_is_named() {
        for (mut poll, mut events) in polls() {
            let (mut sender, mut receiver) = pipe::new().unwrap();
            register(&poll, &mut receiver, TOKEN, Interest::READABLE);
            sender.write_all(b"hello").unwrap();

            readable(&mut poll, &mut events, TOKEN);
            poll_once(&mut poll, &mut events, MOMENT);

            hears(&["the pipe::Receiver with Token(7)"]);
        }
    }
}
