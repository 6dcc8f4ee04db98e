//! Every row of `docs/errors.md`, on every backend of this system.
//!
//! The tests stand in the order of the table and are named in its words.

#![cfg(all(feature = "os-poll", feature = "net", feature = "os-ext"))]
#![allow(unsafe_code)] // a signal for one thread, a limit on descriptors

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::time::Duration;

use wakeful::event::Source;
use wakeful::net::{TcpListener, TcpStream, UdpSocket};
use wakeful::time::Timer;
use wakeful::{channel, user, Backend, Events, Interest, Poll, Token, Waker};

#[path = "common/isolated.rs"]
mod isolated;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/pipe.rs"]
mod pipe;

use isolated::undisturbed;
use patience::PATIENCE;

const TOKEN: Token = Token(7);

mod registering {
    use super::*;

    #[test]
    fn what_is_registered_already_exists() {
        on_every_backend(|new_poll| {
            let (poll, other) = (new_poll(), new_poll());
            for mut source in sources() {
                register(&poll, &mut source).unwrap();
                is(register(&poll, &mut source), ErrorKind::AlreadyExists);
                is(register(&other, &mut source), ErrorKind::AlreadyExists);
            }
        });
    }

    #[test]
    fn what_is_not_registered_is_not_found() {
        on_every_backend(|new_poll| {
            let poll = new_poll();
            for mut source in sources() {
                is(reregister(&poll, &mut source), ErrorKind::NotFound);
                is(deregister(&poll, &mut source), ErrorKind::NotFound);

                register(&poll, &mut source).unwrap();
                deregister(&poll, &mut source).unwrap();
                is(reregister(&poll, &mut source), ErrorKind::NotFound);
                is(deregister(&poll, &mut source), ErrorKind::NotFound);
            }
        });
    }

    #[test]
    fn what_is_registered_with_another_poll_already_exists() {
        on_every_backend(|new_poll| {
            let (poll, other) = (new_poll(), new_poll());
            for mut source in sources() {
                register(&poll, &mut source).unwrap();
                is(reregister(&other, &mut source), ErrorKind::AlreadyExists);
                is(deregister(&other, &mut source), ErrorKind::AlreadyExists);
                // Where it is, nothing has changed.
                reregister(&poll, &mut source).unwrap();
            }
        });
    }

    #[test]
    fn a_source_whose_poll_is_gone_is_free() {
        on_every_backend(|new_poll| {
            for mut source in sources() {
                let poll = new_poll();
                register(&poll, &mut source).unwrap();
                drop(poll);
                let poll = new_poll();
                is(deregister(&poll, &mut source), ErrorKind::NotFound);
                register(&poll, &mut source).unwrap();
            }
        });
    }
}

mod exclusive_interest {
    use super::*;

    #[test]
    fn what_the_backend_cannot_do_is_unsupported() {
        on_every_backend(|new_poll| {
            let poll = new_poll();
            let mut socket = udp();
            let interest = Interest::READABLE.exclusive();
            let outcome = poll.registry().register(&mut socket, TOKEN, interest);
            match poll.backend() {
                Backend::Epoll => outcome.unwrap(),
                _ => is(outcome, ErrorKind::Unsupported),
            }
        });
    }

    #[test]
    fn user_space_sources_cannot_be_shared() {
        on_every_backend(|new_poll| {
            let poll = new_poll();
            let interest = Interest::READABLE.exclusive();
            let mut source = user::source().0;
            let outcome = poll.registry().register(&mut source, TOKEN, interest);
            is(outcome, ErrorKind::Unsupported);
            let mut timer = Timer::new();
            let outcome = poll.registry().register(&mut timer, TOKEN, interest);
            is(outcome, ErrorKind::Unsupported);
        });
    }

    #[test]
    fn with_one_shot_it_is_refused() {
        on_every_backend(|new_poll| {
            let poll = new_poll();
            let mut socket = udp();
            let interest = Interest::READABLE.exclusive().oneshot();
            let outcome = poll.registry().register(&mut socket, TOKEN, interest);
            match poll.backend() {
                Backend::Epoll => is(outcome, ErrorKind::InvalidInput),
                _ => is(outcome, ErrorKind::Unsupported),
            }
        });
    }
}

mod polling {
    use super::*;

    #[test]
    fn events_without_capacity_are_invalid_input() {
        on_every_backend(|new_poll| {
            let outcome = new_poll().poll(&mut Events::with_capacity(0), Some(Duration::ZERO));
            is(outcome, ErrorKind::InvalidInput);
        });
    }
}

mod making_a_poll {
    use super::*;

    #[cfg(not(target_family = "wasm"))]
    #[test]
    fn an_unknown_backend_in_the_environment_is_invalid_input() {
        let test = "making_a_poll::an_unknown_backend_in_the_environment_is_invalid_input";
        isolated::isolated_with(&[("WAKEFUL_BACKEND", "select")], test, || {
            is(Poll::new(), ErrorKind::InvalidInput);
            // Who asks for one does not look there.
            on_every_backend(|new_poll| drop(new_poll()));
        });
    }

    #[test]
    fn a_backend_that_the_system_lacks_is_unsupported() {
        for backend in [
            Backend::Epoll,
            Backend::Kqueue,
            Backend::EventPorts,
            Backend::Poll,
            Backend::Iocp,
        ] {
            if !Backend::available().contains(&backend) {
                is(
                    Poll::builder().backend(backend).build(),
                    ErrorKind::Unsupported,
                );
            }
        }
    }

    #[test]
    fn busy_polling_needs_epoll() {
        for &backend in Backend::available() {
            if backend != Backend::Epoll {
                let builder = Poll::builder().backend(backend);
                let outcome = builder.busy_poll(Duration::from_micros(50), 8, false);
                is(outcome.build(), ErrorKind::Unsupported);
            }
        }
    }
}

mod waking {
    use super::*;

    #[test]
    fn a_waker_whose_poll_is_gone_wakes_nobody() {
        on_every_backend(|new_poll| {
            let poll = new_poll();
            let waker = Waker::new(poll.registry(), TOKEN).unwrap();
            drop(poll);
            waker.wake().unwrap();
        });
    }
}

mod sockets_and_pipes {
    use super::*;

    #[test]
    fn what_is_not_ready_would_block() {
        let mut buf = [0; 8];
        let (mut stream, _peer) = tcp_pair();
        is(stream.read(&mut buf), ErrorKind::WouldBlock);
        is(fill(&mut stream), ErrorKind::WouldBlock);
        is(tcp_listener().accept(), ErrorKind::WouldBlock);
        is(udp().recv_from(&mut buf), ErrorKind::WouldBlock);

        let (mut sender, mut receiver) = pipe::new().unwrap();
        is(receiver.read(&mut buf), ErrorKind::WouldBlock);
        is(fill(&mut sender), ErrorKind::WouldBlock);
    }

    #[test]
    fn a_refused_connection_is_the_pending_error() {
        on_every_backend(|new_poll| {
            let mut poll = new_poll();
            let mut events = Events::with_capacity(8);
            let mut stream = match TcpStream::connect(nobody_listens()) {
                Ok(stream) => stream,
                // A host of WASI may know it already.
                Err(err) => return assert_eq!(err.kind(), ErrorKind::ConnectionRefused),
            };
            poll.registry()
                .register(&mut stream, TOKEN, Interest::WRITABLE)
                .unwrap();

            let pending = loop {
                poll.poll(&mut events, Some(PATIENCE)).unwrap();
                assert!(!events.is_empty());
                // None if the event was spurious.
                if let Some(pending) = stream.take_error().unwrap() {
                    break pending;
                }
            };
            assert_eq!(pending.kind(), ErrorKind::ConnectionRefused);
            // Others forget it with the socket only.
            if cfg!(unix) {
                assert!(stream.take_error().unwrap().is_none());
            }
        });
    }

    #[test]
    fn an_unconnected_socket_has_no_peer() {
        is(udp().peer_addr(), ErrorKind::NotConnected);
        assert!(udp().send(b"to nobody").is_err());
    }

    #[test]
    fn a_taken_address_is_in_use() {
        let listener = tcp_listener();
        let address = listener.local_addr().unwrap();
        is(TcpListener::bind(address), ErrorKind::AddrInUse);
        let socket = udp();
        is(
            UdpSocket::bind(socket.local_addr().unwrap()),
            ErrorKind::AddrInUse,
        );
    }

    #[test]
    fn a_foreign_address_is_not_available() {
        // For documentation only (RFC 5737): no interface has it.
        let foreign: SocketAddr = "192.0.2.1:0".parse().unwrap();
        is(TcpListener::bind(foreign), ErrorKind::AddrNotAvailable);
        is(UdpSocket::bind(foreign), ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn an_option_out_of_range_is_invalid_input() {
        is(tcp_listener().set_ttl(256), ErrorKind::InvalidInput);
        is(udp().set_ttl(256), ErrorKind::InvalidInput);
    }

    // Elsewhere a socket does not tell whether it blocks.
    #[cfg(unix)]
    #[test]
    #[cfg_attr(
        not(debug_assertions),
        ignore = "panics in builds with debug assertions"
    )]
    #[should_panic(expected = "set_nonblocking")]
    fn from_std_panics_at_a_socket_that_blocks() {
        let _ = TcpListener::from_std(StdTcpListener::bind(LOOPBACK).unwrap());
    }
}

/// Where sources are descriptors.
#[cfg(unix)]
mod of_descriptors {
    use std::fs::File;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
    use std::path::Path;

    use wakeful::unix::{pipe, SourceFd};

    use super::*;

    const NEVER_OPEN: RawFd = RawFd::MAX;

    #[test]
    fn a_raw_descriptor_that_is_registered_already_exists() {
        on_every_backend(|new_poll| {
            let poll = new_poll();
            let mut socket = udp();
            register(&poll, &mut socket).unwrap();
            is(
                register_raw(&poll, socket.as_raw_fd()),
                ErrorKind::AlreadyExists,
            );

            let socket = udp();
            register_raw(&poll, socket.as_raw_fd()).unwrap();
            is(
                register_raw(&poll, socket.as_raw_fd()),
                ErrorKind::AlreadyExists,
            );
        });
    }

    #[test]
    fn a_raw_descriptor_that_is_not_registered_is_not_found() {
        on_every_backend(|new_poll| {
            let poll = new_poll();
            let socket = udp();
            let fd = socket.as_raw_fd();
            is(reregister(&poll, &mut SourceFd(&fd)), ErrorKind::NotFound);
            is(
                poll.registry().deregister(&mut SourceFd(&fd)),
                ErrorKind::NotFound,
            );
        });
    }

    #[test]
    fn what_is_not_open_is_ebadf() {
        on_every_backend(|new_poll| {
            let poll = new_poll();
            is_code(register_raw(&poll, NEVER_OPEN), libc::EBADF);
        });
    }

    #[test]
    fn files_and_directories_are_denied() {
        on_every_backend(|new_poll| {
            let poll = new_poll();
            for path in [file!(), "."] {
                let file = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
                is(
                    register_raw(&poll, file.as_raw_fd()),
                    ErrorKind::PermissionDenied,
                );
            }
        });
    }

    #[test]
    fn too_many_open_files_are_emfile() {
        isolated::isolated("of_descriptors::too_many_open_files_are_emfile", || {
            on_every_backend(|new_poll| {
                let (poll, listener) = (new_poll(), tcp_listener());
                let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                let backend = poll.backend();
                with_no_descriptors_left(|| {
                    is_code(Poll::builder().backend(backend).build(), libc::EMFILE);
                    is_code(TcpListener::bind(LOOPBACK.parse().unwrap()), libc::EMFILE);
                    is_code(listener.accept(), libc::EMFILE);
                    is_code(pipe::new(), libc::EMFILE);
                    // These need none.
                    Waker::new(poll.registry(), TOKEN).unwrap();
                    poll.registry().try_clone().unwrap();
                });
                // The connection still waits.
                listener.accept().unwrap();
                drop(client);
            });
        });
    }

    fn register_raw(poll: &Poll, fd: RawFd) -> io::Result<()> {
        poll.registry()
            .register(&mut SourceFd(&fd), TOKEN, Interest::READABLE)
    }

    /// Uses up all descriptors meanwhile. For processes with one test.
    fn with_no_descriptors_left(body: impl FnOnce()) {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: `limit` is writable.
        let outcome = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
        assert_eq!(outcome, 0);
        limit.rlim_cur = limit.rlim_cur.min(64);
        // SAFETY: `limit` is readable.
        let outcome = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
        assert_eq!(outcome, 0);
        let mut hoard: Vec<OwnedFd> = Vec::with_capacity(64);
        loop {
            // SAFETY: takes numbers only.
            let fd = unsafe { libc::dup(0) };
            if fd < 0 {
                break;
            }
            // SAFETY: `fd` was opened just now.
            hoard.push(unsafe { OwnedFd::from_raw_fd(fd) });
        }
        body();
    }
}

/// Where there are signals.
#[cfg(unix)]
mod of_signals {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn a_signal_is_interrupted() {
        on_every_backend(|new_poll| {
            let mut poll = new_poll();
            let mut events = Events::with_capacity(8);
            let handled = Arc::new(AtomicBool::new(false));
            let id = signal_hook::flag::register(libc::SIGUSR1, handled).unwrap();

            let outcome = while_signalled(libc::SIGUSR1, || poll.poll(&mut events, Some(PATIENCE)));

            is(outcome, ErrorKind::Interrupted);
            assert!(events.is_empty());
            signal_hook::low_level::unregister(id);
        });
    }

    #[test]
    fn a_poll_that_retries_is_not_interrupted() {
        for &backend in Backend::available() {
            let builder = Poll::builder().backend(backend).retry_interrupted(true);
            let mut poll = builder.build().unwrap();
            let mut events = Events::with_capacity(8);
            let handled = Arc::new(AtomicBool::new(false));
            let id = signal_hook::flag::register(libc::SIGUSR2, Arc::clone(&handled)).unwrap();

            while_signalled(libc::SIGUSR2, || {
                while !handled.load(Ordering::Relaxed) {
                    poll.poll(&mut events, Some(Duration::from_millis(1)))
                        .unwrap();
                }
            });

            signal_hook::low_level::unregister(id);
        }
    }

    /// Sends a signal to this thread, over and over, while `wait` waits.
    fn while_signalled<R>(signal: libc::c_int, wait: impl FnOnce() -> R) -> R {
        // SAFETY: asks for a number, and cannot fail.
        let waiting = unsafe { libc::pthread_self() } as usize;
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    // SAFETY: the scope does not end before this thread has, so the other one lives.
                    unsafe { libc::pthread_kill(waiting as libc::pthread_t, signal) };
                    thread::yield_now();
                }
            });
            let outcome = wait();
            done.store(true, Ordering::Release);
            outcome
        })
    }
}

#[cfg(unix)]
mod of_unix_sockets {
    use std::fs;
    use std::path::PathBuf;

    use wakeful::net::{UnixDatagram, UnixListener, UnixStream};
    use wakeful::unix::pipe;

    use super::*;

    #[test]
    fn a_unix_socket_that_nobody_serves_refuses() {
        let _undisturbed = undisturbed();
        let folder = Folder::new("refused");
        is(UnixStream::connect(folder.socket()), ErrorKind::NotFound);
        drop(UnixListener::bind(folder.socket()).unwrap());
        is(
            UnixStream::connect(folder.socket()),
            ErrorKind::ConnectionRefused,
        );
    }

    #[test]
    fn a_path_that_no_address_holds_is_invalid_input() {
        let path = "x".repeat(200);
        is(UnixStream::connect(&path), ErrorKind::InvalidInput);
        is(UnixListener::bind(&path), ErrorKind::InvalidInput);
        is(UnixDatagram::bind(&path), ErrorKind::InvalidInput);
        is(UnixStream::connect("a\0b"), ErrorKind::InvalidInput);
    }

    #[test]
    fn writing_to_nobody_is_a_broken_pipe() {
        let _undisturbed = undisturbed();
        let (mut sender, receiver) = pipe::new().unwrap();
        drop(receiver);
        is(sender.write(b"lost"), ErrorKind::BrokenPipe);

        let (mut stream, peer) = UnixStream::pair().unwrap();
        drop(peer);
        is(stream.write(b"lost"), ErrorKind::BrokenPipe);
    }

    #[test]
    fn what_is_not_ready_would_block() {
        let mut buf = [0; 8];
        let (mut stream, _peer) = UnixStream::pair().unwrap();
        is(stream.read(&mut buf), ErrorKind::WouldBlock);
        is(fill(&mut stream), ErrorKind::WouldBlock);
        let (datagrams, _peer) = UnixDatagram::pair().unwrap();
        is(datagrams.recv(&mut buf), ErrorKind::WouldBlock);
    }

    #[test]
    fn an_unconnected_socket_has_no_peer() {
        is(
            UnixDatagram::unbound().unwrap().peer_addr(),
            ErrorKind::NotConnected,
        );
        is_code(udp().send(b"to nobody"), libc::EDESTADDRREQ);
    }

    #[test]
    fn a_taken_path_is_in_use() {
        let folder = Folder::new("taken");
        let _listener = UnixListener::bind(folder.socket()).unwrap();
        is(UnixListener::bind(folder.socket()), ErrorKind::AddrInUse);
        is(UnixDatagram::bind(folder.socket()), ErrorKind::AddrInUse);
    }

    /// A new folder in the temporary one, removed in the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("wakeful-errors-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn socket(&self) -> PathBuf {
            self.0.join("socket")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            // What is left behind does no harm.
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

const LOOPBACK: &str = "127.0.0.1:0";

/// Runs a test with what makes a poll, once for each backend.
fn on_every_backend(test: impl Fn(&dyn Fn() -> Poll)) {
    let _undisturbed = undisturbed();
    assert!(!Backend::available().is_empty());
    for &backend in Backend::available() {
        test(&|| Poll::builder().backend(backend).build().unwrap());
    }
}

/// The operation failed, with this kind.
#[track_caller]
fn is<T>(outcome: io::Result<T>, kind: ErrorKind) {
    let error = outcome.err().expect("an error");
    assert_eq!(error.kind(), kind, "{error}");
}

fn udp() -> UdpSocket {
    UdpSocket::bind(LOOPBACK.parse().unwrap()).unwrap()
}

/// One of each kind that remembers where it is registered.
fn sources() -> Vec<Box<dyn Source>> {
    let (_, receiver) = pipe::new().unwrap();
    vec![
        Box::new(udp()),
        Box::new(tcp_listener()),
        Box::new(pipe::pair().unwrap().0),
        Box::new(receiver),
        Box::new(user::source().0),
        Box::new(channel::channel::<()>().1),
        Box::new(Timer::after(PATIENCE)),
    ]
}

fn register(poll: &Poll, source: &mut impl Source) -> io::Result<()> {
    poll.registry().register(source, TOKEN, Interest::READABLE)
}

fn reregister(poll: &Poll, source: &mut impl Source) -> io::Result<()> {
    poll.registry()
        .reregister(source, TOKEN, Interest::READABLE)
}

fn deregister(poll: &Poll, source: &mut impl Source) -> io::Result<()> {
    poll.registry().deregister(source)
}

fn tcp_listener() -> TcpListener {
    TcpListener::bind(LOOPBACK.parse().unwrap()).unwrap()
}

fn tcp_pair() -> (TcpStream, std::net::TcpStream) {
    let listener = StdTcpListener::bind(LOOPBACK).unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    (TcpStream::try_from(stream).unwrap(), peer)
}

/// An address that refuses: its port was free a moment ago, and is bound to no listener.
fn nobody_listens() -> SocketAddr {
    StdTcpListener::bind(LOOPBACK)
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Writes until it fails.
fn fill(stream: &mut impl Write) -> io::Result<()> {
    loop {
        stream.write(&[0; 65_536]).map(drop)?;
    }
}

/// The operation failed, with the operating system's own code.
#[cfg(unix)]
#[track_caller]
fn is_code<T>(outcome: io::Result<T>, code: libc::c_int) {
    let error = outcome.err().expect("an error");
    assert_eq!(error.raw_os_error(), Some(code), "{error}");
}
