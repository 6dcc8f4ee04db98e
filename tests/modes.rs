//! What the delivery modes promise, for every kind of source and on every backend.

#![cfg(all(
    target_os = "linux",
    feature = "os-poll",
    feature = "net",
    feature = "os-ext"
))]

mod common;
#[path = "common/stress.rs"]
mod stress;

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net as unix_net;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{eventfd, EventfdFlags};
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::time::{
    timerfd_create, timerfd_settime, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags,
    Timespec,
};
use socket2::SockRef;

use wakeful::event::{Event, Readiness, Source};
use wakeful::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use wakeful::time::Timer;
use wakeful::unix::{pipe, SourceFd};
use wakeful::{channel, user, Backend, Events, Interest, Poll, Registry, Token, Waker};

use common::{assert_kind, expect_event};
use stress::{on_each_backend, poll_now, poll_of, spawn_numbered, wait_until_asleep, PATIENCE};

const FIRST: Token = Token(11);
const SECOND: Token = Token(22);

/// A source, and the two things that a mode is about.
trait Subject {
    fn name(&self) -> &'static str;
    /// Whether its I/O passes through the crate; if not, edges may be spurious on poll(2).
    fn is_seen(&self) -> bool;
    fn source(&mut self) -> &mut dyn Source;
    fn make_ready(&mut self);
    /// Uses it until it is not ready any more.
    fn drain(&mut self);
}

struct Case<S> {
    name: &'static str,
    is_seen: bool,
    source: S,
    make_ready: Box<dyn FnMut(&mut S)>,
    drain: fn(&mut S),
}

impl<S: Source> Subject for Case<S> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_seen(&self) -> bool {
        self.is_seen
    }

    fn source(&mut self) -> &mut dyn Source {
        &mut self.source
    }

    fn make_ready(&mut self) {
        (self.make_ready)(&mut self.source);
    }

    fn drain(&mut self) {
        (self.drain)(&mut self.source);
    }
}

fn case<S: Source + 'static>(
    name: &'static str,
    source: S,
    make_ready: impl FnMut(&mut S) + 'static,
    drain: fn(&mut S),
) -> Box<dyn Subject> {
    Box::new(Case {
        name,
        is_seen: true,
        source,
        make_ready: Box::new(make_ready),
        drain,
    })
}

/// A descriptor that the crate knows nothing of.
struct Foreign(File);

impl Foreign {
    fn case(
        name: &'static str,
        fd: OwnedFd,
        make_ready: impl FnMut(&mut Foreign) + 'static,
    ) -> Box<dyn Subject> {
        Box::new(Case {
            name,
            is_seen: false,
            source: Self(fd.into()),
            make_ready: Box::new(make_ready),
            drain: |foreign| read_all(&mut foreign.0),
        })
    }
}

impl Source for Foreign {
    fn register(&mut self, registry: &Registry, token: Token, how: Interest) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).register(registry, token, how)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, how: Interest) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).reregister(registry, token, how)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).deregister(registry)
    }
}

/// Repeats an operation until it would block.
#[track_caller]
fn until_blocked<T>(mut operation: impl FnMut() -> io::Result<T>) {
    loop {
        match operation() {
            Ok(_) => {}
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(err) => {
                assert_eq!(err.kind(), ErrorKind::WouldBlock, "{err}");
                return;
            }
        }
    }
}

fn read_all(source: &mut impl Read) {
    until_blocked(|| source.read(&mut [0; 64]));
}

fn loopback() -> net::SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn tcp_pair() -> (TcpStream, net::TcpStream) {
    let listener = net::TcpListener::bind(loopback()).unwrap();
    let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    (TcpStream::from_std(stream), peer)
}

fn tcp_stream() -> Box<dyn Subject> {
    let (stream, mut peer) = tcp_pair();
    let write = move |_: &mut TcpStream| peer.write_all(b"0123456789").unwrap();
    case("TcpStream", stream, write, read_all)
}

fn tcp_listener() -> Box<dyn Subject> {
    let listener = TcpListener::bind(loopback()).unwrap();
    let mut clients = Vec::new();
    let connect = move |listener: &mut TcpListener| {
        clients.push(net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    };
    case("TcpListener", listener, connect, |listener| {
        until_blocked(|| listener.accept());
    })
}

fn udp_socket() -> Box<dyn Subject> {
    let socket = UdpSocket::bind(loopback()).unwrap();
    let peer = net::UdpSocket::bind(loopback()).unwrap();
    let send = move |socket: &mut UdpSocket| {
        peer.send_to(b"datagram", socket.local_addr().unwrap())
            .unwrap();
    };
    case("UdpSocket", socket, send, |socket| {
        until_blocked(|| socket.recv_from(&mut [0; 64]));
    })
}

fn unix_stream() -> Box<dyn Subject> {
    let (stream, mut peer) = UnixStream::pair().unwrap();
    let write = move |_: &mut UnixStream| peer.write_all(b"0123456789").unwrap();
    case("UnixStream", stream, write, read_all)
}

fn unix_listener() -> Box<dyn Subject> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(path).unwrap();
    let mut clients = Vec::new();
    let connect = move |_: &mut UnixListener| {
        let path = directory.path().join("socket");
        clients.push(unix_net::UnixStream::connect(path).unwrap());
    };
    case("UnixListener", listener, connect, |listener| {
        until_blocked(|| listener.accept());
    })
}

fn unix_datagram() -> Box<dyn Subject> {
    let (socket, peer) = UnixDatagram::pair().unwrap();
    let send = move |_: &mut UnixDatagram| {
        peer.send(b"datagram").unwrap();
    };
    case("UnixDatagram", socket, send, |socket| {
        until_blocked(|| socket.recv(&mut [0; 64]));
    })
}

fn pipe_receiver() -> Box<dyn Subject> {
    let (mut sender, receiver) = pipe::new().unwrap();
    let write = move |_: &mut pipe::Receiver| sender.write_all(b"0123456789").unwrap();
    case("pipe::Receiver", receiver, write, read_all)
}

fn foreign_pipe() -> Box<dyn Subject> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    let mut writer = File::from(writer);
    Foreign::case("SourceFd of a pipe", reader, move |_| {
        writer.write_all(b"0123456789").unwrap();
    })
}

fn foreign_eventfd() -> Box<dyn Subject> {
    let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
    Foreign::case("SourceFd of an eventfd", fd, |foreign| {
        foreign.0.write_all(&1_u64.to_ne_bytes()).unwrap();
    })
}

fn foreign_timerfd() -> Box<dyn Subject> {
    let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK).unwrap();
    Foreign::case("SourceFd of a timerfd", fd, |foreign| {
        let at_once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: 0,
                tv_nsec: 1,
            },
        };
        timerfd_settime(&foreign.0, TimerfdTimerFlags::empty(), &at_once).unwrap();
        // It expires in an interrupt, which may come later than the call's return.
        assert!(stress::becomes_readable(foreign.0.as_raw_fd(), PATIENCE));
    })
}

fn user_source() -> Box<dyn Subject> {
    struct User(user::Source, user::SetReadiness);
    impl Source for User {
        fn register(&mut self, registry: &Registry, token: Token, how: Interest) -> io::Result<()> {
            self.0.register(registry, token, how)
        }
        fn reregister(
            &mut self,
            registry: &Registry,
            token: Token,
            how: Interest,
        ) -> io::Result<()> {
            self.0.reregister(registry, token, how)
        }
        fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
            self.0.deregister(registry)
        }
    }
    let (source, readiness) = user::source();
    let set = |user: &mut User| user.1.set(Readiness::READABLE).unwrap();
    case("user::Source", User(source, readiness), set, |user| {
        user.1.clear(Readiness::READABLE);
    })
}

fn channel_receiver() -> Box<dyn Subject> {
    let (sender, receiver) = channel::channel();
    let send = move |_: &mut channel::Receiver<u8>| (0..3).for_each(|n| sender.send(n).unwrap());
    case("channel::Receiver", receiver, send, |receiver| {
        receiver.try_iter().for_each(drop);
    })
}

fn sync_channel_receiver() -> Box<dyn Subject> {
    let (sender, receiver) = channel::sync_channel(1);
    let send = move |_: &mut channel::Receiver<u8>| {
        // Full if it was not drained: then it is ready already.
        let _ = sender.try_send(1);
    };
    case(
        "channel::Receiver of a bounded channel",
        receiver,
        send,
        |receiver| {
            receiver.try_iter().for_each(drop);
        },
    )
}

fn timer() -> Box<dyn Subject> {
    let expire = |timer: &mut Timer| timer.set_at(Instant::now());
    case("Timer", Timer::new(), expire, |timer| {
        timer.expirations();
    })
}

fn subjects() -> Vec<Box<dyn Subject>> {
    vec![
        tcp_stream(),
        tcp_listener(),
        udp_socket(),
        unix_stream(),
        unix_listener(),
        unix_datagram(),
        pipe_receiver(),
        foreign_pipe(),
        foreign_eventfd(),
        foreign_timerfd(),
        user_source(),
        channel_receiver(),
        sync_channel_receiver(),
        timer(),
    ]
}

/// One poll and one subject at a time, both named on standard error.
struct Trial {
    poll: Poll,
    events: Events,
    subject: Box<dyn Subject>,
}

/// Runs the test for every kind of source on every backend.
fn for_each(test: impl Fn(&mut Trial)) {
    on_each_backend(|backend| {
        for subject in subjects() {
            eprintln!("source: {}", subject.name());
            test(&mut Trial {
                poll: poll_of(backend),
                events: Events::with_capacity(8),
                subject,
            });
        }
    });
}

impl Trial {
    #[track_caller]
    fn register(&mut self, token: Token, interest: Interest) {
        let registry = self.poll.registry();
        registry
            .register(self.subject.source(), token, interest)
            .unwrap();
    }

    #[track_caller]
    fn reregister(&mut self, token: Token, interest: Interest) {
        let registry = self.poll.registry();
        registry
            .reregister(self.subject.source(), token, interest)
            .unwrap();
    }

    #[track_caller]
    fn deregister(&mut self) {
        let registry = self.poll.registry();
        registry.deregister(self.subject.source()).unwrap();
    }

    /// What was sent is there, but may take a moment to arrive.
    #[track_caller]
    fn expect(&mut self, token: Token) {
        expect_event(&mut self.poll, &mut self.events, token, Event::is_readable);
    }

    /// What is known to be there is reported by a poll that only looks.
    #[track_caller]
    fn expect_now(&mut self, token: Token) {
        assert_eq!(poll_now(&mut self.poll, &mut self.events), [token.0]);
        assert!(self.events.iter().all(Event::is_readable));
    }

    #[track_caller]
    fn expect_silence(&mut self) {
        for _ in 0..3 {
            assert_eq!(poll_now(&mut self.poll, &mut self.events), []);
        }
    }

    /// Whether a poll without an edge is a promise here.
    fn has_exact_edges(&self) -> bool {
        self.subject.is_seen() || self.poll.backend() != Backend::Poll
    }
}

#[test]
fn edge_reports_once_until_drained() {
    for_each(|trial| {
        trial.register(FIRST, Interest::READABLE);
        trial.expect_silence();
        for _ in 0..3 {
            trial.subject.make_ready();
            trial.expect(FIRST);
            if trial.has_exact_edges() {
                trial.expect_silence();
            }
            trial.subject.drain();
            trial.expect_silence();
        }
    });
}

#[test]
fn level_reports_in_every_poll_until_drained() {
    for_each(|trial| {
        trial.register(FIRST, Interest::READABLE.level());
        trial.expect_silence();
        for _ in 0..3 {
            trial.subject.make_ready();
            trial.expect(FIRST);
            for _ in 0..5 {
                trial.expect_now(FIRST);
            }
            trial.subject.drain();
            trial.expect_silence();
        }
    });
}

#[test]
fn level_ends_a_wait_that_begins_when_it_is_ready() {
    for_each(|trial| {
        trial.register(FIRST, Interest::READABLE.level());
        trial.subject.make_ready();
        for _ in 0..5 {
            trial.poll.poll(&mut trial.events, None).unwrap();
            assert_eq!(stress::tokens(&trial.events), [FIRST.0]);
        }
    });
}

#[test]
fn one_shot_reports_once_until_reregistered() {
    for_each(|trial| {
        let once = Interest::READABLE.oneshot();
        trial.register(FIRST, once);
        trial.expect_silence();

        trial.subject.make_ready();
        trial.expect(FIRST);
        trial.expect_silence();
        trial.subject.drain();
        trial.subject.make_ready();
        trial.expect_silence();

        // Ready by then: at once, and once.
        trial.reregister(SECOND, once);
        trial.expect(SECOND);
        trial.expect_silence();

        // Not ready by then: when it becomes so.
        trial.subject.drain();
        trial.reregister(FIRST, once);
        trial.expect_silence();
        trial.subject.make_ready();
        trial.expect(FIRST);
        trial.expect_silence();
    });
}

#[test]
fn one_shot_is_one_shot_in_level_mode_too() {
    for_each(|trial| {
        let once = Interest::READABLE.level().oneshot();
        trial.register(FIRST, once);
        trial.subject.make_ready();
        trial.expect(FIRST);
        trial.expect_silence();
        trial.reregister(SECOND, once);
        trial.expect_now(SECOND);
        trial.expect_silence();
    });
}

#[test]
fn modes_are_kept_through_unions_and_removals_and_hold() {
    for_each(|trial| {
        let level = (Interest::WRITABLE | Interest::READABLE.level())
            .remove(Interest::WRITABLE)
            .unwrap();
        trial.register(FIRST, level);
        trial.subject.make_ready();
        trial.expect(FIRST);
        trial.expect_now(FIRST);

        let once = (level.oneshot() | Interest::READABLE)
            .remove(Interest::WRITABLE.level())
            .unwrap();
        trial.reregister(SECOND, once);
        trial.expect_now(SECOND);
        trial.expect_silence();
    });
}

#[test]
fn reregistration_changes_the_mode_and_reports_what_is_ready() {
    let edge = Interest::READABLE;
    for_each(|trial| {
        trial.register(FIRST, edge);
        trial.subject.make_ready();
        trial.expect(FIRST);

        trial.reregister(SECOND, edge.level());
        trial.expect_now(SECOND);
        trial.expect_now(SECOND);

        trial.reregister(FIRST, edge);
        trial.expect_now(FIRST);
        if trial.has_exact_edges() {
            trial.expect_silence();
        }

        trial.reregister(SECOND, edge.oneshot());
        trial.expect_now(SECOND);
        trial.expect_silence();

        trial.reregister(FIRST, edge.level());
        trial.expect_now(FIRST);
        trial.expect_now(FIRST);
        trial.subject.drain();
        trial.expect_silence();
    });
}

#[test]
fn the_same_mode_again_reports_what_is_ready() {
    let modes = [
        Interest::READABLE,
        Interest::READABLE.level(),
        Interest::READABLE.oneshot(),
    ];
    for_each(|trial| {
        trial.register(FIRST, modes[0]);
        trial.subject.make_ready();
        trial.expect(FIRST);
        for mode in modes {
            for token in [FIRST, SECOND, FIRST] {
                trial.reregister(token, mode);
                trial.expect_now(token);
            }
        }
    });
}

#[test]
fn what_is_deregistered_is_silent_in_every_mode() {
    let edge = Interest::READABLE;
    for mode in [edge, edge.level(), edge.oneshot(), edge.level().oneshot()] {
        for_each(|trial| {
            trial.register(FIRST, mode);
            trial.subject.make_ready();
            // Ready and not reported.
            trial.deregister();
            trial.expect_silence();

            trial.register(SECOND, mode);
            trial.expect(SECOND);
            // Ready and reported.
            trial.deregister();
            trial.expect_silence();

            // A spent one-shot can be registered anew too.
            trial.register(FIRST, mode);
            trial.expect_now(FIRST);
        });
    }
}

#[test]
fn what_is_dropped_is_silent_in_every_mode() {
    let edge = Interest::READABLE;
    for mode in [edge, edge.level(), edge.oneshot()] {
        for_each(|trial| {
            trial.register(FIRST, mode);
            trial.subject.make_ready();
            trial.expect(FIRST);
            if !trial.subject.is_seen() {
                // Its owner has to, before it is closed.
                trial.deregister();
            }
            trial.subject = user_source();
            trial.expect_silence();
        });
    }
}

/// With room for one event, the sources that are ready all the time take turns.
#[test]
fn level_sources_of_all_kinds_take_turns() {
    on_each_backend(|backend| {
        for capacity in [1, 2, 5] {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(capacity));
            let mut subjects = subjects();
            for (token, subject) in subjects.iter_mut().enumerate() {
                subject.make_ready();
                let level = Interest::READABLE.level();
                poll.registry()
                    .register(subject.source(), Token(token), level)
                    .unwrap();
            }

            let mut reported = vec![0; subjects.len()];
            for _ in 0..subjects.len() * 10 {
                poll.poll(&mut events, Some(PATIENCE)).unwrap();
                assert!(!events.is_empty());
                for event in &events {
                    reported[event.token().0] += 1;
                }
            }

            // Ten even shares at least, halved for the two origins, and halved again for any order.
            assert!(reported.iter().all(|&times| times >= 2), "{reported:?}");
        }
    });
}

#[test]
fn a_mode_holds_for_both_directions() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (mut stream, mut peer) = UnixStream::pair().unwrap();
        let both = Interest::READABLE | Interest::WRITABLE;

        let registry = poll.registry().try_clone().unwrap();
        registry.register(&mut stream, FIRST, both.level()).unwrap();
        for _ in 0..3 {
            assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
            let event = events.iter().next().unwrap();
            assert!(event.is_writable() && !event.is_readable());
        }
        peer.write_all(b"x").unwrap();
        for _ in 0..3 {
            assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
            let event = events.iter().next().unwrap();
            assert!(event.is_writable() && event.is_readable());
        }

        // One event for both directions, and no second one for the other.
        registry
            .reregister(&mut stream, SECOND, both.oneshot())
            .unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), [SECOND.0]);
        read_all(&mut stream);
        peer.write_all(b"x").unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), []);
    });
}

#[test]
fn level_writing_stops_when_there_is_no_room() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (mut sender, mut receiver) = pipe::new().unwrap();
        poll.registry()
            .register(&mut sender, FIRST, Interest::WRITABLE.level())
            .unwrap();
        for _ in 0..3 {
            assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
            until_blocked(|| sender.write(&[7; 4096]));
            assert_eq!(poll_now(&mut poll, &mut events), []);
            read_all(&mut receiver);
        }
        assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
    });
}

const MODES: [fn(Interest) -> Interest; 4] = [
    Interest::edge,
    Interest::level,
    Interest::oneshot,
    |interest| interest.level().oneshot(),
];

#[test]
fn a_half_close_is_reported_as_the_mode_says() {
    on_each_backend(|backend| {
        for mode in MODES.map(|mode| mode(Interest::READABLE)) {
            eprintln!("mode: {mode:?}");
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
            let registry = poll.registry().try_clone().unwrap();
            let (mut stream, peer) = tcp_pair();
            registry.register(&mut stream, FIRST, mode).unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), []);

            peer.shutdown(net::Shutdown::Write).unwrap();
            expect_event(&mut poll, &mut events, FIRST, Event::is_read_closed);
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);

            for _ in 0..3 {
                let again = poll_now(&mut poll, &mut events);
                if mode.is_level() && !mode.is_oneshot() {
                    // The end can be read for ever.
                    assert_eq!(again, [FIRST.0]);
                    assert!(events.iter().all(Event::is_read_closed));
                } else {
                    assert_eq!(again, []);
                }
            }
            registry.reregister(&mut stream, SECOND, mode).unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), [SECOND.0]);
            assert!(events
                .iter()
                .all(|event| event.is_read_closed() && event.is_readable()));
        }
    });
}

#[test]
fn a_reset_is_reported_as_the_mode_says() {
    on_each_backend(|backend| {
        for mode in MODES.map(|mode| mode(Interest::READABLE)) {
            eprintln!("mode: {mode:?}");
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
            let registry = poll.registry().try_clone().unwrap();
            let (mut stream, peer) = tcp_pair();
            registry.register(&mut stream, FIRST, mode).unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), []);

            SockRef::from(&peer)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
            drop(peer);
            let closed = |event: &Event| event.is_read_closed() && event.is_write_closed();
            expect_event(&mut poll, &mut events, FIRST, closed);
            assert_kind(stream.read(&mut [0; 8]), ErrorKind::ConnectionReset);

            for _ in 0..3 {
                let again = poll_now(&mut poll, &mut events);
                if mode.is_level() && !mode.is_oneshot() {
                    assert_eq!(again, [FIRST.0]);
                    assert!(events.iter().all(closed));
                } else {
                    assert_eq!(again, []);
                }
            }
            registry.reregister(&mut stream, SECOND, mode).unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), [SECOND.0]);
            assert!(events.iter().all(closed));
        }
    });
}

/// Closing is told unasked: also to who waits for room only.
#[test]
fn a_spent_one_shot_does_not_hear_of_a_reset() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let registry = poll.registry().try_clone().unwrap();
        let (mut stream, peer) = tcp_pair();
        let once = Interest::WRITABLE.oneshot();
        registry.register(&mut stream, FIRST, once).unwrap();
        expect_event(&mut poll, &mut events, FIRST, Event::is_writable);

        SockRef::from(&peer)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(peer);
        assert!(stress::becomes_readable(stream.as_raw_fd(), PATIENCE));
        for _ in 0..3 {
            assert_eq!(poll_now(&mut poll, &mut events), []);
        }
        registry.reregister(&mut stream, SECOND, once).unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), [SECOND.0]);
        assert!(events.iter().all(Event::is_write_closed));
    });
}

/// The hand-over that one-shot is for: whoever has served the source gives it back.
#[test]
fn one_shot_gives_a_source_to_one_thread_at_a_time() {
    const MESSAGES: usize = 300;

    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (mut stream, mut peer) = tcp_pair();
        let once = Interest::READABLE.oneshot();
        poll.registry().register(&mut stream, FIRST, once).unwrap();
        let registry = Arc::new(poll.registry().try_clone().unwrap());

        let (work, to_do) = mpsc::channel::<TcpStream>();
        let (give_back, done) = mpsc::channel();
        let worker = thread::spawn({
            let registry = Arc::clone(&registry);
            move || {
                for mut stream in to_do {
                    let mut byte = [0];
                    assert_eq!(stream.read(&mut byte).unwrap(), 1);
                    // Reported as soon as this returns, at the latest.
                    registry.reregister(&mut stream, FIRST, once).unwrap();
                    give_back.send((stream, byte[0])).unwrap();
                }
            }
        });

        let mut ours = Some(stream);
        let (here, there) = (MESSAGES / 2, MESSAGES - MESSAGES / 2);
        peer.write_all(&vec![1; here]).unwrap();
        let writer = thread::spawn(move || {
            for _ in 0..there {
                peer.write_all(&[1]).unwrap();
            }
            peer
        });
        for _ in 0..MESSAGES {
            expect_event(&mut poll, &mut events, FIRST, Event::is_readable);
            assert_eq!(events.iter().count(), 1);
            work.send(ours.take().expect("reported while a thread has it"))
                .unwrap();
            let (stream, byte) = done.recv_timeout(PATIENCE).unwrap();
            assert_eq!(byte, 1);
            ours = Some(stream);
        }
        assert_eq!(poll_now(&mut poll, &mut events), []);
        drop(work);
        worker.join().unwrap();
        drop(writer.join().unwrap());
    });
}

/// A poll in a thread of its own; what it reports comes through the channel, batch by batch.
struct Poller {
    thread: stress::Numbered<()>,
    batches: mpsc::Receiver<Vec<usize>>,
    stop: Waker,
    registry: Registry,
}

const STOP: Token = Token(99);

impl Poller {
    fn start(mut poll: Poll) -> Self {
        let stop = Waker::new(poll.registry(), STOP).unwrap();
        let registry = poll.registry().try_clone().unwrap();
        let (sender, batches) = mpsc::channel();
        let thread = spawn_numbered(move || {
            let mut events = Events::with_capacity(8);
            loop {
                poll.poll(&mut events, Some(PATIENCE)).unwrap();
                let tokens = stress::tokens(&events);
                let is_over = tokens.contains(&STOP.0);
                sender.send(tokens).unwrap();
                if is_over {
                    return;
                }
            }
        });
        Self {
            thread,
            batches,
            stop,
            registry,
        }
    }

    #[track_caller]
    fn next(&self) -> Vec<usize> {
        self.batches.recv_timeout(PATIENCE).unwrap()
    }

    /// Ends the thread; what else was reported until then.
    #[track_caller]
    fn stop(self) -> Vec<usize> {
        self.stop.wake().unwrap();
        self.thread.join();
        let rest = self.batches.into_iter().flatten();
        rest.filter(|&token| token != STOP.0).collect()
    }
}

#[test]
fn another_thread_changes_the_mode_of_a_sleeping_poll() {
    on_each_backend(|backend| {
        for mut subject in subjects() {
            eprintln!("source: {}", subject.name());
            let poll = poll_of(backend);
            let once = Interest::READABLE.oneshot();
            poll.registry()
                .register(subject.source(), FIRST, once)
                .unwrap();
            let poller = Poller::start(poll);

            subject.make_ready();
            assert_eq!(poller.next(), [FIRST.0]);
            for round in 0..10 {
                wait_until_asleep(poller.thread.number);
                // Silent since it is spent; ready all the time.
                let token = Token(100 + round);
                poller
                    .registry
                    .reregister(subject.source(), token, once)
                    .unwrap();
                assert_eq!(poller.next(), [token.0]);
            }

            poller
                .registry
                .reregister(subject.source(), SECOND, Interest::READABLE.level())
                .unwrap();
            for _ in 0..10 {
                assert_eq!(poller.next(), [SECOND.0]);
            }
            poller.registry.deregister(subject.source()).unwrap();
            // What was reported before that may still be in the channel.
            assert!(poller.stop().iter().all(|&token| token == SECOND.0));
        }
    });
}

/// While a system call waits, the kernel holds on to the files that it was given: nobody notices
/// who only drops.
#[test]
fn what_is_dropped_during_a_wait_is_closed_at_once() {
    on_each_backend(|backend| {
        for mode in MODES.map(|mode| mode(Interest::READABLE)) {
            for deregisters in [false, true] {
                let poll = poll_of(backend);
                let (mut stream, mut peer) = tcp_pair();
                poll.registry().register(&mut stream, FIRST, mode).unwrap();
                let poller = Poller::start(poll);
                wait_until_asleep(poller.thread.number);
                if deregisters {
                    poller.registry.deregister(&mut stream).unwrap();
                }
                drop(stream);
                peer.set_read_timeout(Some(PATIENCE)).unwrap();
                assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
                assert_eq!(poller.stop(), []);
            }
        }
    });
}

const POLLS: usize = 8;

/// Several polls that watch one listener, each in a thread that sleeps; in each round one client
/// comes, and the round ends when so many polls have reported it as are `awaited`. For each round,
/// how many have.
fn woken_by_a_client(interest: Interest, rounds: usize, awaited: usize) -> Vec<usize> {
    let listener = net::TcpListener::bind(loopback()).unwrap();
    listener.set_nonblocking(true).unwrap();
    let raw = listener.as_raw_fd();
    // Nobody polls between the end of a round and the beginning of the next one.
    let barrier = Arc::new(Barrier::new(POLLS + 1));
    let begun = Arc::new(AtomicUsize::new(0));
    let (sender, reports) = mpsc::channel();

    let pollers: Vec<_> = (0..POLLS)
        .map(|_| {
            let mut poll = poll_of(Backend::Epoll);
            poll.registry()
                .register(&mut SourceFd(&raw), FIRST, interest)
                .unwrap();
            let end_of_round = Waker::new(poll.registry(), SECOND).unwrap();
            let (sender, barrier) = (sender.clone(), Arc::clone(&barrier));
            let begun = Arc::clone(&begun);
            let poller = spawn_numbered(move || {
                let mut events = Events::with_capacity(8);
                for _ in 0..rounds {
                    begun.fetch_add(1, Ordering::SeqCst);
                    let mut is_reported = false;
                    loop {
                        poll.poll(&mut events, Some(PATIENCE)).unwrap();
                        assert!(!events.is_empty());
                        let has = |token| events.iter().any(|event| event.token() == token);
                        if has(FIRST) && !is_reported {
                            is_reported = true;
                            sender.send(()).unwrap();
                        }
                        if has(SECOND) {
                            break;
                        }
                    }
                    barrier.wait();
                    barrier.wait();
                }
                poll.registry().deregister(&mut SourceFd(&raw)).unwrap();
            });
            (poller, end_of_round)
        })
        .collect();

    let mut woken = Vec::new();
    for round in 1..=rounds {
        while begun.load(Ordering::SeqCst) < round * POLLS {
            thread::yield_now();
        }
        for (poller, _) in &pollers {
            wait_until_asleep(poller.number);
        }
        let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        for _ in 0..awaited {
            let report = reports.recv_timeout(PATIENCE);
            report.expect("too few polls reported the client");
        }
        for (_, end_of_round) in &pollers {
            end_of_round.wake().unwrap();
        }
        barrier.wait();
        woken.push(awaited + reports.try_iter().count());
        // Not before: a poll does not report what is not there any more.
        drop(listener.accept().unwrap());
        drop(client);
        barrier.wait();
    }
    pollers.into_iter().for_each(|(poller, _)| poller.join());
    woken
}

#[test]
fn exclusive_wakes_one_or_a_few_and_not_all() {
    const ROUNDS: usize = 20;

    for exclusive in [
        Interest::READABLE.exclusive(),
        Interest::READABLE.level().exclusive(),
    ] {
        let woken = woken_by_a_client(exclusive, ROUNDS, 1);
        let sum: usize = woken.iter().sum();
        assert!(
            sum < POLLS * ROUNDS,
            "{exclusive:?}: all were woken: {woken:?}"
        );
    }
}

#[test]
fn without_exclusive_all_are_woken() {
    let woken = woken_by_a_client(Interest::READABLE, 5, POLLS);
    assert_eq!(woken, [POLLS; 5]);
}

#[test]
fn exclusive_reports_as_the_mode_beside_it_says() {
    for interest in [Interest::READABLE, Interest::READABLE.level()] {
        let (mut poll, mut events) = (poll_of(Backend::Epoll), Events::with_capacity(8));
        let (mut stream, mut peer) = tcp_pair();
        poll.registry()
            .register(&mut stream, FIRST, interest.exclusive())
            .unwrap();
        for _ in 0..3 {
            peer.write_all(b"x").unwrap();
            expect_event(&mut poll, &mut events, FIRST, Event::is_readable);
            let again = poll_now(&mut poll, &mut events);
            assert_eq!(
                again,
                if interest.is_level() {
                    vec![FIRST.0]
                } else {
                    vec![]
                }
            );
            read_all(&mut stream);
            assert_eq!(poll_now(&mut poll, &mut events), []);
        }
        // A half-close can be read, and is not called so.
        peer.shutdown(net::Shutdown::Write).unwrap();
        expect_event(&mut poll, &mut events, FIRST, Event::is_readable);
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    }
}

#[test]
fn reregistration_goes_to_exclusive_and_back() {
    let (mut poll, mut events) = (poll_of(Backend::Epoll), Events::with_capacity(8));
    let (mut stream, mut peer) = tcp_pair();
    let registry = poll.registry().try_clone().unwrap();
    let edge = Interest::READABLE;
    registry.register(&mut stream, FIRST, edge).unwrap();
    peer.write_all(b"x").unwrap();
    expect_event(&mut poll, &mut events, FIRST, Event::is_readable);

    let steps = [
        edge.exclusive(),
        edge.exclusive(),
        edge.level().exclusive(),
        edge,
        edge.exclusive(),
        edge.oneshot(),
        edge.exclusive(),
        edge.level(),
    ];
    for (number, step) in steps.into_iter().enumerate() {
        let token = Token(number);
        registry.reregister(&mut stream, token, step).unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), [token.0], "{step:?}");
    }
    read_all(&mut stream);
    assert_eq!(poll_now(&mut poll, &mut events), []);
    registry.deregister(&mut stream).unwrap();
    assert_kind(
        registry.reregister(&mut stream, FIRST, edge.exclusive()),
        ErrorKind::NotFound,
    );
}

/// That the source is still registered as it was, under FIRST in level mode, and ready.
#[track_caller]
fn assert_unchanged(poll: &mut Poll, events: &mut Events) {
    assert_eq!(poll_now(poll, events), [FIRST.0]);
    assert_eq!(poll_now(poll, events), [FIRST.0]);
}

#[test]
fn exclusive_is_unsupported_on_poll_and_changes_nothing() {
    let exclusive = Interest::READABLE.exclusive();
    for mut subject in subjects() {
        eprintln!("source: {}", subject.name());
        let (mut poll, mut events) = (poll_of(Backend::Poll), Events::with_capacity(8));
        let registry = poll.registry().try_clone().unwrap();
        for interest in [exclusive, exclusive.level(), exclusive.oneshot()] {
            let outcome = registry.register(subject.source(), SECOND, interest);
            assert_kind(outcome, ErrorKind::Unsupported);
        }
        let level = Interest::READABLE.level();
        registry.register(subject.source(), FIRST, level).unwrap();
        subject.make_ready();
        expect_event(&mut poll, &mut events, FIRST, Event::is_readable);
        for interest in [exclusive, exclusive.level(), exclusive.oneshot()] {
            let outcome = registry.reregister(subject.source(), SECOND, interest);
            assert_kind(outcome, ErrorKind::Unsupported);
            assert_unchanged(&mut poll, &mut events);
        }
    }
}

#[test]
fn exclusive_is_unsupported_for_user_space_sources_and_changes_nothing() {
    let exclusive = Interest::READABLE.exclusive();
    on_each_backend(|backend| {
        for mut subject in [
            user_source(),
            channel_receiver(),
            sync_channel_receiver(),
            timer(),
        ] {
            eprintln!("source: {}", subject.name());
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
            let registry = poll.registry().try_clone().unwrap();
            let outcome = registry.register(subject.source(), SECOND, exclusive);
            assert_kind(outcome, ErrorKind::Unsupported);
            assert_kind(registry.deregister(subject.source()), ErrorKind::NotFound);

            let level = Interest::READABLE.level();
            registry.register(subject.source(), FIRST, level).unwrap();
            subject.make_ready();
            let outcome = registry.reregister(subject.source(), SECOND, exclusive);
            assert_kind(outcome, ErrorKind::Unsupported);
            assert_unchanged(&mut poll, &mut events);
        }
    });
}

#[test]
fn exclusive_is_refused_with_one_shot_and_priority_and_changes_nothing() {
    let exclusive = Interest::READABLE.exclusive();
    let (mut poll, mut events) = (poll_of(Backend::Epoll), Events::with_capacity(8));
    let registry = poll.registry().try_clone().unwrap();
    let (mut stream, mut peer) = tcp_pair();
    let refused = [exclusive.oneshot(), exclusive | Interest::PRIORITY];
    for interest in refused {
        assert_kind(
            registry.register(&mut stream, SECOND, interest),
            ErrorKind::InvalidInput,
        );
    }
    let level = Interest::READABLE.level();
    registry.register(&mut stream, FIRST, level).unwrap();
    peer.write_all(b"x").unwrap();
    expect_event(&mut poll, &mut events, FIRST, Event::is_readable);
    for interest in refused {
        assert_kind(
            registry.reregister(&mut stream, SECOND, interest),
            ErrorKind::InvalidInput,
        );
        assert_unchanged(&mut poll, &mut events);
    }
}

/// The kernel does not do that; what was registered before stays.
#[test]
fn a_poll_cannot_be_watched_exclusively() {
    let inner = poll_of(Backend::Epoll);
    let (mut poll, mut events) = (poll_of(Backend::Epoll), Events::with_capacity(8));
    let raw = inner.as_raw_fd();
    let registry = poll.registry().try_clone().unwrap();
    let exclusive = Interest::READABLE.exclusive();
    assert!(registry
        .register(&mut SourceFd(&raw), SECOND, exclusive)
        .is_err());

    let level = Interest::READABLE.level();
    registry
        .register(&mut SourceFd(&raw), FIRST, level)
        .unwrap();
    Waker::new(inner.registry(), Token(0))
        .unwrap()
        .wake()
        .unwrap();
    assert_unchanged(&mut poll, &mut events);
    assert!(registry
        .reregister(&mut SourceFd(&raw), SECOND, exclusive)
        .is_err());
    assert_unchanged(&mut poll, &mut events);
}

#[test]
fn modes_are_constants_that_can_be_asked_and_shown() {
    const LEVEL: Interest = Interest::READABLE.level();
    const ALL: Interest = LEVEL.add(Interest::WRITABLE).oneshot().exclusive();
    const EDGE: Interest = ALL.edge();

    assert!(LEVEL.is_level() && !LEVEL.is_oneshot() && !LEVEL.is_exclusive());
    assert!(ALL.is_level() && ALL.is_oneshot() && ALL.is_exclusive());
    assert!(!EDGE.is_level() && !EDGE.is_oneshot() && !EDGE.is_exclusive());
    assert_eq!(EDGE, Interest::READABLE | Interest::WRITABLE);
    assert_eq!(
        format!("{ALL:?}"),
        "READABLE | WRITABLE | LEVEL | ONESHOT | EXCLUSIVE"
    );
}
