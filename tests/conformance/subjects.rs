//! Every kind of source, and the two things that a mode is about: how it becomes ready, and how it
//! ceases to be.

use std::io::{self, ErrorKind, Read, Write};
use std::net;
use std::time::Instant;

use wakeful::event::{Event, Readiness, Source};
use wakeful::net::{TcpListener, TcpStream, UdpSocket};
use wakeful::time::Timer;
#[cfg(not(windows))]
use wakeful::unix::SourceFd;
#[cfg(windows)]
use wakeful::windows::SourceSocket;
use wakeful::{channel, user, Backend, Events, Interest, Poll, Registry, Token};

use crate::common::expect_event;
use crate::stress::{on_each_backend, poll_now, poll_of};

/// A source, and the two things that a mode is about.
pub(crate) trait Subject: Send {
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
    make_ready: Box<dyn FnMut(&mut S) + Send>,
    drain: fn(&mut S),
}

impl<S: Source + Send> Subject for Case<S> {
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

fn case<S: Source + Send + 'static>(
    name: &'static str,
    source: S,
    make_ready: impl FnMut(&mut S) + Send + 'static,
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

/// A socket, or a descriptor, that the crate knows nothing of: its owner uses it behind our back.
pub(crate) struct Foreign<T>(pub(crate) T);

impl<T: Read + AsRaw + Send + 'static> Foreign<T> {
    fn case(
        name: &'static str,
        owner: T,
        make_ready: impl FnMut(&mut Foreign<T>) + Send + 'static,
    ) -> Box<dyn Subject> {
        Box::new(Case {
            name,
            is_seen: false,
            source: Self(owner),
            make_ready: Box::new(make_ready),
            drain: |foreign| read_all(&mut foreign.0),
        })
    }
}

#[cfg(not(windows))]
pub(crate) use std::os::fd::AsRawFd as AsRaw;
#[cfg(windows)]
pub(crate) use std::os::windows::io::AsRawSocket as AsRaw;

#[cfg(not(windows))]
impl<T: AsRaw> Source for Foreign<T> {
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

#[cfg(windows)]
impl<T: AsRaw> Source for Foreign<T> {
    fn register(&mut self, registry: &Registry, token: Token, how: Interest) -> io::Result<()> {
        SourceSocket(&self.0.as_raw_socket()).register(registry, token, how)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, how: Interest) -> io::Result<()> {
        SourceSocket(&self.0.as_raw_socket()).reregister(registry, token, how)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceSocket(&self.0.as_raw_socket()).deregister(registry)
    }
}

/// Repeats an operation until it would block.
#[track_caller]
pub(crate) fn until_blocked<T>(mut operation: impl FnMut() -> io::Result<T>) {
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

pub(crate) fn read_all(source: &mut impl Read) {
    until_blocked(|| source.read(&mut [0; 16 * 1024]));
}

pub(crate) fn loopback() -> net::SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Two ends of a connection: of a stream that blocks, and its peer.
pub(crate) fn std_pair() -> (net::TcpStream, net::TcpStream) {
    let listener = net::TcpListener::bind(loopback()).unwrap();
    let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nodelay(true).unwrap();
    peer.set_nodelay(true).unwrap();
    (stream, peer)
}

/// A stream of ours, and its blocking peer.
pub(crate) fn tcp_pair() -> (TcpStream, net::TcpStream) {
    let (stream, peer) = std_pair();
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
    if cfg!(target_family = "wasm") {
        // It is said to be readable there until somebody has tried.
        until_blocked(|| socket.recv_from(&mut [0; 64]));
    }
    let peer = net::UdpSocket::bind(loopback()).unwrap();
    let send = move |socket: &mut UdpSocket| {
        peer.send_to(b"datagram", socket.local_addr().unwrap())
            .unwrap();
    };
    case("UdpSocket", socket, send, |socket| {
        until_blocked(|| socket.recv_from(&mut [0; 64]));
    })
}

fn foreign_socket() -> Box<dyn Subject> {
    let (stream, mut peer) = std_pair();
    stream.set_nonblocking(true).unwrap();
    Foreign::case("a raw socket", stream, move |_| {
        peer.write_all(b"0123456789").unwrap();
    })
}

pub(crate) fn user_source() -> Box<dyn Subject> {
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

/// One of every kind that the system has.
pub(crate) fn subjects() -> Vec<Box<dyn Subject>> {
    let mut subjects = vec![
        tcp_stream(),
        tcp_listener(),
        udp_socket(),
        foreign_socket(),
        user_source(),
        channel_receiver(),
        sync_channel_receiver(),
        timer(),
    ];
    subjects.extend(of_this_system());
    subjects
}

/// Those whose readiness is kept in user space.
pub(crate) fn user_space_subjects() -> Vec<Box<dyn Subject>> {
    vec![
        user_source(),
        channel_receiver(),
        sync_channel_receiver(),
        timer(),
    ]
}

/// One poll and one subject at a time, both named on standard error.
pub(crate) struct Trial {
    pub(crate) poll: Poll,
    pub(crate) events: Events,
    pub(crate) subject: Box<dyn Subject>,
}

/// Runs the test for every kind of source on every backend.
pub(crate) fn for_each(test: impl Fn(&mut Trial)) {
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
    pub(crate) fn register(&mut self, token: Token, interest: Interest) {
        let registry = self.poll.registry();
        registry
            .register(self.subject.source(), token, interest)
            .unwrap();
    }

    #[track_caller]
    pub(crate) fn reregister(&mut self, token: Token, interest: Interest) {
        let registry = self.poll.registry();
        registry
            .reregister(self.subject.source(), token, interest)
            .unwrap();
    }

    #[track_caller]
    pub(crate) fn deregister(&mut self) {
        let registry = self.poll.registry();
        registry.deregister(self.subject.source()).unwrap();
    }

    /// What was sent is there, but may take a moment to arrive.
    #[track_caller]
    pub(crate) fn expect(&mut self, token: Token) {
        expect_event(&mut self.poll, &mut self.events, token, Event::is_readable);
    }

    /// What is known to be there is reported by a poll that only looks.
    #[track_caller]
    pub(crate) fn expect_now(&mut self, token: Token) {
        assert_eq!(poll_now(&mut self.poll, &mut self.events), [token.0]);
        assert!(self.events.iter().all(Event::is_readable));
    }

    #[track_caller]
    pub(crate) fn expect_silence(&mut self) {
        for _ in 0..3 {
            assert_eq!(poll_now(&mut self.poll, &mut self.events), []);
        }
    }

    /// Whether a poll without an edge is a promise here.
    pub(crate) fn has_exact_edges(&self) -> bool {
        let keeps_edges = matches!(self.poll.backend(), Backend::Epoll | Backend::Kqueue);
        self.subject.is_seen() || keeps_edges
    }
}

#[cfg(any(unix, windows))]
use unix_streams::of_this_system;

#[cfg(not(any(unix, windows)))]
fn of_this_system() -> Vec<Box<dyn Subject>> {
    Vec::new()
}

#[cfg(any(unix, windows))]
mod unix_streams {
    use wakeful::net::{UnixListener, UnixStream};

    use super::*;

    pub(super) fn of_this_system() -> Vec<Box<dyn Subject>> {
        let mut subjects = Vec::new();
        // Windows has them since 2018, and Wine has not.
        if is_supported() {
            subjects.extend([unix_stream(), unix_listener()]);
        }
        #[cfg(unix)]
        subjects.extend(descriptors::of_this_system());
        subjects
    }

    fn is_supported() -> bool {
        !matches!(UnixStream::pair(), Err(err) if err.kind() == ErrorKind::Unsupported)
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
            clients.push(UnixStream::connect(path).unwrap());
        };
        case("UnixListener", listener, connect, |listener| {
            until_blocked(|| listener.accept());
        })
    }
}

#[cfg(unix)]
mod descriptors {
    use std::fs::File;
    use std::os::fd::OwnedFd;

    use wakeful::net::UnixDatagram;
    use wakeful::unix::pipe;

    use super::*;

    pub(super) fn of_this_system() -> Vec<Box<dyn Subject>> {
        vec![
            unix_datagram(),
            pipe_receiver(),
            foreign_pipe(),
            #[cfg(target_os = "linux")]
            linux::foreign_eventfd(),
            #[cfg(target_os = "linux")]
            linux::foreign_timerfd(),
        ]
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
        let (sender, receiver) = pipe::new().unwrap();
        let mut writer = File::from(OwnedFd::from(sender));
        let reader = OwnedFd::from(receiver);
        Foreign::case("SourceFd of a pipe", File::from(reader), move |_| {
            writer.write_all(b"0123456789").unwrap();
        })
    }

    #[cfg(target_os = "linux")]
    mod linux {
        use rustix::event::{eventfd, EventfdFlags};
        use rustix::time::{
            timerfd_create, timerfd_settime, Itimerspec, TimerfdClockId, TimerfdFlags,
            TimerfdTimerFlags, Timespec,
        };

        use super::*;
        use crate::stress::{becomes_readable, PATIENCE};

        pub(super) fn foreign_eventfd() -> Box<dyn Subject> {
            let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
            Foreign::case("SourceFd of an eventfd", File::from(fd), |foreign| {
                foreign.0.write_all(&1_u64.to_ne_bytes()).unwrap();
            })
        }

        pub(super) fn foreign_timerfd() -> Box<dyn Subject> {
            let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK).unwrap();
            Foreign::case("SourceFd of a timerfd", File::from(fd), |foreign| {
                let at_once = Itimerspec {
                    it_interval: Timespec::default(),
                    it_value: Timespec {
                        tv_sec: 0,
                        tv_nsec: 1,
                    },
                };
                timerfd_settime(&foreign.0, TimerfdTimerFlags::empty(), &at_once).unwrap();
                // It expires in an interrupt, which may come later than the call's return.
                assert!(becomes_readable(foreign.0.as_raw_fd(), PATIENCE));
            })
        }
    }
}
