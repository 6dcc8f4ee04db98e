//! Descriptors: each one that is opened is closed again, and no child process inherits any.
//!
//! The tests of one file are threads of one process, so a test that counts the process's
//! descriptors would count its neighbours' too. Each test here runs its scenario in a process of its own: it
//! starts this file's program again, told to run that one test.

#![cfg(all(
    target_os = "linux",
    feature = "os-poll",
    feature = "net",
    feature = "os-ext"
))]

#[path = "common/stress.rs"]
mod stress;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use wakeful::event::Source;
use wakeful::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use wakeful::unix::{pipe, SourceFd};
use wakeful::{Backend, Events, Interest, Poll, Token, Waker};

use stress::{isolated, on_each_backend, poll_now, poll_of, role, run_again};

/// The open descriptors of this process, and what they are.
fn descriptors() -> BTreeMap<i32, PathBuf> {
    let directory = fs::read_dir("/proc/self/fd").unwrap();
    let entries = directory.filter_map(|entry| {
        let path = entry.unwrap().path();
        let number = path.file_name()?.to_str()?.parse().ok()?;
        Some((number, path))
    });
    // Read to the end before the links are, so that the directory is closed by then.
    let entries: Vec<_> = entries.collect();
    entries
        .into_iter()
        .filter_map(|(number, path)| Some((number, fs::read_link(path).ok()?)))
        .collect()
}

/// Runs the scenario on each backend, in a process of its own, and looks for what it left open.
#[track_caller]
fn leaves_nothing_open(name: &str, scenario: impl Fn(Backend)) {
    isolated(name, || {
        on_each_backend(|backend| {
            let before = descriptors();
            for _ in 0..3 {
                scenario(backend);
                assert_eq!(descriptors(), before);
            }
        });
    });
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn udp() -> UdpSocket {
    UdpSocket::bind(loopback()).unwrap()
}

/// One of each source that there is, and what keeps them alive.
struct Everything {
    sources: Vec<Box<dyn Source>>,
    _others: Vec<OwnedFd>,
}

fn everything() -> Everything {
    let listener = TcpListener::bind(loopback()).unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let accepted = loop {
        match listener.accept() {
            Ok((accepted, _)) => break accepted,
            Err(err) if err.kind() == ErrorKind::WouldBlock => thread::yield_now(),
            Err(err) => panic!("{err}"),
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let unix_listener = UnixListener::bind(folder.path().join("socket")).unwrap();
    let unix_stream = UnixStream::connect(folder.path().join("socket")).unwrap();
    let (unix_accepted, _) = unix_listener.accept().unwrap();
    let (one, other) = UnixStream::pair().unwrap();
    let (datagram, other_datagram) = UnixDatagram::pair().unwrap();
    let bound = UnixDatagram::bind(folder.path().join("datagrams")).unwrap();
    let unbound = UnixDatagram::unbound().unwrap();
    let (sender, receiver) = pipe::new().unwrap();
    Everything {
        sources: vec![
            Box::new(listener),
            Box::new(stream),
            Box::new(accepted),
            Box::new(unix_listener),
            Box::new(unix_stream),
            Box::new(unix_accepted),
            Box::new(one),
            Box::new(datagram),
            Box::new(bound),
            Box::new(unbound),
            Box::new(sender),
            Box::new(receiver),
            Box::new(udp()),
        ],
        _others: vec![other.into(), other_datagram.into()],
    }
}

fn register_all(poll: &Poll, everything: &mut Everything) {
    for (token, source) in everything.sources.iter_mut().enumerate() {
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(source, Token(token), both)
            .unwrap();
    }
}

#[test]
fn polls_close_what_they_opened() {
    leaves_nothing_open("polls_close_what_they_opened", |backend| {
        let poll = poll_of(backend);
        let clones: Vec<_> = (0..10)
            .map(|_| poll.registry().try_clone().unwrap())
            .collect();
        drop(poll);
        drop(clones);
    });
}

#[test]
fn clones_of_a_registry_cost_no_descriptor() {
    isolated("clones_of_a_registry_cost_no_descriptor", || {
        on_each_backend(|backend| {
            let poll = poll_of(backend);
            let before = descriptors();
            let _clones: Vec<_> = (0..10)
                .map(|_| poll.registry().try_clone().unwrap())
                .collect();
            assert_eq!(descriptors(), before);
        });
    });
}

#[test]
fn wakers_cost_no_descriptor() {
    isolated("wakers_cost_no_descriptor", || {
        on_each_backend(|backend| {
            let mut poll = poll_of(backend);
            let before = descriptors();
            let wakers: Vec<_> = (0..100)
                .map(|token| Waker::new(poll.registry(), Token(token)).unwrap())
                .collect();
            wakers.iter().for_each(|waker| waker.wake().unwrap());
            assert_eq!(descriptors(), before);
            assert_eq!(
                poll_now(&mut poll, &mut Events::with_capacity(200)).len(),
                100
            );
            assert_eq!(descriptors(), before);
        });
    });
}

#[test]
fn wakers_that_outlive_their_poll_close_the_doorbell() {
    leaves_nothing_open(
        "wakers_that_outlive_their_poll_close_the_doorbell",
        |backend| {
            let poll = poll_of(backend);
            let waker = Waker::new(poll.registry(), Token(0)).unwrap();
            waker.wake().unwrap();
            drop(poll);
            waker.wake().unwrap();
        },
    );
}

#[test]
fn wakes_that_were_never_polled_keep_nothing_open() {
    leaves_nothing_open(
        "wakes_that_were_never_polled_keep_nothing_open",
        |backend| {
            let mut poll = poll_of(backend);
            let wakers: Vec<_> = (0..10)
                .map(|token| Waker::new(poll.registry(), Token(token)).unwrap())
                .collect();
            wakers.iter().for_each(|waker| waker.wake().unwrap());
            // Some are left behind in the poll, others in the list.
            poll_now(&mut poll, &mut Events::with_capacity(1));
            wakers.iter().for_each(|waker| waker.wake().unwrap());
        },
    );
}

#[test]
fn sources_close_what_they_opened() {
    leaves_nothing_open("sources_close_what_they_opened", |backend| {
        let poll = poll_of(backend);
        let mut unregistered = everything();
        let mut registered = everything();
        register_all(&poll, &mut registered);
        let mut deregistered = everything();
        register_all(&poll, &mut deregistered);
        for source in &mut deregistered.sources {
            poll.registry().deregister(source).unwrap();
        }
        unregistered.sources.clear();
    });
}

#[test]
fn sources_that_outlive_their_poll_close_everything() {
    leaves_nothing_open(
        "sources_that_outlive_their_poll_close_everything",
        |backend| {
            let mut poll = poll_of(backend);
            let mut all = everything();
            register_all(&poll, &mut all);
            poll_now(&mut poll, &mut Events::with_capacity(4));
            drop(poll);
            let other = poll_of(backend);
            register_all(&other, &mut all);
            drop(all);
            drop(other);
        },
    );
}

#[test]
fn conversions_neither_leak_nor_close_twice() {
    leaves_nothing_open("conversions_neither_leak_nor_close_twice", |backend| {
        let poll = poll_of(backend);
        let mut socket = udp();
        poll.registry()
            .register(&mut socket, Token(0), Interest::READABLE)
            .unwrap();
        poll.registry().deregister(&mut socket).unwrap();
        let raw = socket.into_raw_fd();
        // SAFETY: it was given away just now.
        #[allow(unsafe_code)]
        let socket = unsafe { UdpSocket::from_raw_fd(raw) };
        let owned = OwnedFd::from(socket);
        let socket = net::UdpSocket::from(owned);
        let mut socket = UdpSocket::from_std(socket);
        poll.registry()
            .register(&mut socket, Token(1), Interest::READABLE)
            .unwrap();
        let (mut here, there) = UnixStream::pair().unwrap();
        poll.registry()
            .register(&mut here, Token(2), Interest::READABLE)
            .unwrap();
        let here = std::os::unix::net::UnixStream::from(here);
        drop(UnixStream::from_std(here));
        drop(there);
    });
}

#[test]
fn raw_descriptors_stay_their_owners() {
    leaves_nothing_open("raw_descriptors_stay_their_owners", |backend| {
        let poll = poll_of(backend);
        let (here, mut there) = std::os::unix::net::UnixStream::pair().unwrap();
        let fd = here.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&fd), Token(0), Interest::READABLE)
            .unwrap();
        poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
        drop(poll);
        // Still open.
        there.write_all(b"x").unwrap();
        (&here).read_exact(&mut [0]).unwrap();
    });
}

#[test]
fn errors_leave_nothing_open() {
    leaves_nothing_open("errors_leave_nothing_open", |backend| {
        let taken = net::TcpListener::bind(loopback()).unwrap();
        let address = taken.local_addr().unwrap();
        TcpListener::bind(address).unwrap_err();
        let socket = udp();
        UdpSocket::bind(socket.local_addr().unwrap()).unwrap_err();
        // Nobody has this address (TEST-NET-1), and there is no such file.
        TcpListener::bind("192.0.2.1:0".parse().unwrap()).unwrap_err();
        UdpSocket::bind("192.0.2.1:0".parse().unwrap()).unwrap_err();
        UnixStream::connect("/no/such/socket").unwrap_err();
        UnixListener::bind("/no/such/folder/socket").unwrap_err();
        UnixDatagram::bind("/no/such/folder/socket").unwrap_err();

        // A connection that is refused, sooner or later.
        drop(taken);
        if let Ok(stream) = TcpStream::connect(address) {
            drop(stream);
        }

        let mut poll = poll_of(backend);
        let other = poll_of(backend);
        let mut socket = udp();
        let mut register = |poll: &Poll| {
            poll.registry()
                .register(&mut socket, Token(0), Interest::READABLE)
        };
        register(&poll).unwrap();
        register(&poll).unwrap_err();
        register(&other).unwrap_err();
        let mut none = Events::with_capacity(0);
        poll.poll(&mut none, None).unwrap_err();
        let closed = i32::MAX;
        poll.registry()
            .register(&mut SourceFd(&closed), Token(0), Interest::READABLE)
            .unwrap_err();
    });
}

#[test]
fn a_descriptor_that_was_handed_out_is_closed_with_the_poll() {
    leaves_nothing_open(
        "a_descriptor_that_was_handed_out_is_closed_with_the_poll",
        |backend| {
            let (inner, outer) = (poll_of(backend), poll_of(backend));
            let fd = inner.as_raw_fd();
            outer
                .registry()
                .register(&mut SourceFd(&fd), Token(0), Interest::READABLE)
                .unwrap();
            outer.registry().deregister(&mut SourceFd(&fd)).unwrap();
            drop(inner);
        },
    );
}

#[test]
fn a_busy_server_leaves_nothing_open() {
    leaves_nothing_open("a_busy_server_leaves_nothing_open", |backend| {
        let mut poll = poll_of(backend);
        let mut events = Events::with_capacity(8);
        let mut listener = TcpListener::bind(loopback()).unwrap();
        poll.registry()
            .register(&mut listener, Token(usize::MAX), Interest::READABLE)
            .unwrap();
        let address = listener.local_addr().unwrap();
        let clients = thread::spawn(move || {
            for _ in 0..50 {
                let mut stream = net::TcpStream::connect(address).unwrap();
                stream.write_all(b"hello").unwrap();
            }
        });
        let mut streams = Vec::new();
        let mut closed = 0;
        while closed < 50 {
            stress::poll_some(&mut poll, &mut events);
            for event in &events {
                if event.token().0 == usize::MAX {
                    while let Ok((mut stream, _)) = listener.accept() {
                        let token = Token(streams.len());
                        poll.registry()
                            .register(&mut stream, token, Interest::READABLE)
                            .unwrap();
                        streams.push(Some(stream));
                    }
                } else if let Some(place) = streams.get_mut(event.token().0) {
                    let is_over = place.as_mut().is_some_and(drained_to_the_end);
                    if is_over {
                        *place = None;
                        closed += 1;
                    }
                }
            }
        }
        clients.join().unwrap();
    });
}

fn drained_to_the_end(stream: &mut TcpStream) -> bool {
    loop {
        match stream.read(&mut [0; 64]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(err) if err.kind() == ErrorKind::WouldBlock => return false,
            Err(err) => panic!("{err}"),
        }
    }
}

/// Starts programs while everything is open: they see what they saw before, and nothing of ours.
#[test]
fn child_processes_inherit_nothing() {
    const NAME: &str = "child_processes_inherit_nothing";
    const LIST: &str = "list";
    const MARK: &str = "descriptors of the child:";

    if role().as_deref() == Some(LIST) {
        let mut out = io::stdout().lock();
        for (number, what) in descriptors() {
            // Standard streams come from whoever starts it; some that were there before from cargo.
            writeln!(out, "{MARK}{number} {}", what.display()).unwrap();
        }
        return;
    }
    isolated(NAME, || {
        let seen_by_child = || {
            let output = run_again(NAME, LIST);
            assert!(output.status.success());
            let text = String::from_utf8(output.stdout).unwrap();
            let numbers = text
                .lines()
                .filter_map(|line| line.split_once(MARK)?.1.split(' ').next()?.parse().ok());
            numbers.collect::<Vec<i32>>()
        };
        let before = seen_by_child();
        assert!(before.starts_with(&[0, 1, 2]), "{before:?}");
        on_each_backend(|backend| {
            let poll = poll_of(backend);
            let _waker = Waker::new(poll.registry(), Token(99)).unwrap();
            let mut all = everything();
            register_all(&poll, &mut all);
            assert_eq!(seen_by_child(), before);
            // A program that knows nothing of us, too.
            let status = Command::new("true").stdin(Stdio::null()).status();
            assert!(status.map_or(true, |status| status.success()));
        });
    });
}
