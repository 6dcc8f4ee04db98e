//! No descriptors left: every step fails with a clear error, loses nothing, and works again when
//! there are some.
//!
//! The limit is the process's, so each test runs in a process of its own, see `isolated`.

#![cfg(all(
    target_os = "linux",
    feature = "os-poll",
    feature = "net",
    feature = "os-ext"
))]

#[path = "common/stress.rs"]
mod stress;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{self, SocketAddr};
use std::os::fd::AsRawFd;
use std::path::Path;

use wakeful::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use wakeful::unix::{pipe, SourceFd};
use wakeful::{Backend, Events, Interest, Poll, Token, Waker};

use stress::{isolated, on_each_backend, poll_now, poll_of, poll_some, tokens};

/// Lowers the limit, so that it is soon reached.
#[allow(unsafe_code)]
fn lower_the_limit() {
    let limit = libc::rlimit {
        rlim_cur: 64,
        rlim_max: 64,
    };
    // SAFETY: the struct lives during the call.
    let outcome = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    assert_eq!(outcome, 0, "{}", io::Error::last_os_error());
}

/// Holds every descriptor that the process may still open.
struct Hog {
    files: Vec<File>,
}

impl Hog {
    fn new() -> Self {
        let mut hog = Self { files: Vec::new() };
        hog.take_all();
        hog
    }

    fn take_all(&mut self) -> usize {
        let mut taken = 0;
        loop {
            match File::open("/dev/null") {
                Ok(file) => self.files.push(file),
                Err(err) => {
                    assert_eq!(err.raw_os_error(), Some(libc::EMFILE));
                    return taken;
                }
            }
            taken += 1;
        }
    }

    /// Lets exactly so many be opened.
    fn leave(&mut self, number: usize) {
        self.take_all();
        let kept = self.files.len() - number;
        self.files.truncate(kept);
    }
}

#[track_caller]
fn assert_exhausted<T: std::fmt::Debug>(outcome: io::Result<T>) {
    let err = outcome.expect_err("there was no descriptor for this");
    assert_eq!(err.raw_os_error(), Some(libc::EMFILE), "{err}");
}

/// Tries with 0, 1, ... descriptors until it works with as many as it `needs`; what fails leaves as
/// many as there were.
#[track_caller]
fn needs<T: std::fmt::Debug>(hog: &mut Hog, needs: usize, open: impl Fn() -> io::Result<T>) {
    for number in 0..needs {
        hog.leave(number);
        for _ in 0..3 {
            assert_exhausted(open());
        }
        assert_eq!(hog.take_all(), number, "an error kept a descriptor");
    }
    hog.leave(needs);
    let opened = open().expect("there are descriptors enough");
    assert_eq!(hog.take_all(), 0, "it needs fewer than {needs}");
    drop(opened);
    assert_eq!(hog.take_all(), needs, "some were not closed");
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Runs the test on each backend, in a process with a low limit.
#[track_caller]
fn exhausted(name: &str, test: impl Fn(Backend)) {
    isolated(name, || {
        lower_the_limit();
        on_each_backend(test);
    });
}

#[test]
fn a_poll_without_descriptors_is_an_error() {
    exhausted("a_poll_without_descriptors_is_an_error", |backend| {
        let number = if backend == Backend::Epoll { 2 } else { 1 };
        needs(&mut Hog::new(), number, || {
            Poll::builder().backend(backend).build()
        });
    });
}

#[test]
fn sockets_and_pipes_without_descriptors_are_errors() {
    exhausted(
        "sockets_and_pipes_without_descriptors_are_errors",
        |_backend| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("listener");
            let listener = net::TcpListener::bind(loopback()).unwrap();
            let address = listener.local_addr().unwrap();
            let _unix_listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
            let mut hog = Hog::new();
            needs(&mut hog, 1, || TcpListener::bind(loopback()));
            needs(&mut hog, 1, || TcpStream::connect(address));
            needs(&mut hog, 1, || UdpSocket::bind(loopback()));
            needs(&mut hog, 1, || UnixStream::connect(&path));
            needs(&mut hog, 1, UnixDatagram::unbound);
            needs(&mut hog, 2, UnixStream::pair);
            needs(&mut hog, 2, UnixDatagram::pair);
            needs(&mut hog, 2, pipe::new);
            needs_at_a_path(&mut hog, folder.path());
        },
    );
}

/// Sockets that leave a file behind, which the next try needs gone.
fn needs_at_a_path(hog: &mut Hog, folder: &Path) {
    let path = folder.join("file");
    let binds: [fn(&Path) -> io::Result<()>; 2] = [
        |path| UnixListener::bind(path).map(drop),
        |path| UnixDatagram::bind(path).map(drop),
    ];
    for bind in binds {
        hog.leave(0);
        assert_exhausted(bind(&path));
        assert!(!path.exists(), "an error left a file");
        hog.leave(1);
        bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(hog.take_all(), 1);
    }
}

#[test]
fn wakers_and_registries_need_no_descriptor() {
    exhausted("wakers_and_registries_need_no_descriptor", |backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let _hog = Hog::new();
        let registry = poll.registry().try_clone().unwrap();
        let waker = Waker::new(&registry, Token(3)).unwrap();
        waker.wake().unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), [3]);
        // Asleep, too.
        let waking = std::thread::spawn(move || waker.wake().unwrap());
        poll_some(&mut poll, &mut events);
        assert_eq!(tokens(&events), [3]);
        waking.join().unwrap();
    });
}

#[test]
fn registering_needs_no_descriptor() {
    exhausted("registering_needs_no_descriptor", |backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let (raw, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
        raw.set_nonblocking(true).unwrap();
        let fd = raw.as_raw_fd();
        let _hog = Hog::new();

        let registry = poll.registry();
        registry
            .register(&mut here, Token(0), Interest::READABLE)
            .unwrap();
        registry
            .register(&mut SourceFd(&fd), Token(1), Interest::READABLE)
            .unwrap();
        registry
            .reregister(&mut here, Token(2), Interest::READABLE)
            .unwrap();
        there.write_all(b"x").unwrap();
        poll_some(&mut poll, &mut events);
        assert_eq!(tokens(&events), [2]);
        here.read_exact(&mut [0]).unwrap();
        other.write_all(b"x").unwrap();
        poll_some(&mut poll, &mut events);
        assert_eq!(tokens(&events), [1]);
        poll.registry().deregister(&mut here).unwrap();
        poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
    });
}

/// The peer has connected as far as it can tell, and waits. It must not wait in vain, nor keep the
/// loop busy meanwhile.
#[test]
fn a_connection_that_could_not_be_accepted_waits() {
    exhausted("a_connection_that_could_not_be_accepted_waits", |backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let mut listener = TcpListener::bind(loopback()).unwrap();
        poll.registry()
            .register(&mut listener, Token(0), Interest::READABLE)
            .unwrap();
        let mut client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut hog = Hog::new();

        poll_some(&mut poll, &mut events);
        assert_eq!(tokens(&events), [0]);
        assert_exhausted(listener.accept());

        // Told once; the listener is not drained, but nothing has changed.
        let again: usize = (0..1000)
            .map(|_| poll_now(&mut poll, &mut events).len())
            .sum();
        assert!(again <= 1, "{again} events for nothing");
        assert_exhausted(listener.accept());

        // As soon as there is a descriptor, it is there.
        hog.leave(1);
        let (mut accepted, _) = listener.accept().unwrap();
        client.write_all(b"x").unwrap();
        drop(hog);
        poll.registry()
            .register(&mut accepted, Token(1), Interest::READABLE)
            .unwrap();
        poll_some(&mut poll, &mut events);
        assert_eq!(tokens(&events), [1]);
        accepted.read_exact(&mut [0]).unwrap();

        // And so are those that come later.
        assert_eq!(
            listener.accept().unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        let _second = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        poll_some(&mut poll, &mut events);
        assert_eq!(tokens(&events), [0]);
        listener.accept().unwrap();
    });
}

#[test]
fn a_connection_that_comes_during_the_shortage_is_reported_too() {
    exhausted(
        "a_connection_that_comes_during_the_shortage_is_reported_too",
        |backend| {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("listener");
            let mut listener = UnixListener::bind(&path).unwrap();
            poll.registry()
                .register(&mut listener, Token(0), Interest::READABLE)
                .unwrap();
            let mut hog = Hog::new();

            hog.leave(1);
            let _first = std::os::unix::net::UnixStream::connect(&path).unwrap();
            poll_some(&mut poll, &mut events);
            assert_eq!(tokens(&events), [0]);
            assert_exhausted(listener.accept());
            hog.leave(1);
            let _second = std::os::unix::net::UnixStream::connect(&path).unwrap();
            assert_exhausted(listener.accept());

            // The third is for the system, which takes a descriptor before it looks.
            hog.leave(3);
            let accepted = [listener.accept().unwrap(), listener.accept().unwrap()];
            assert_eq!(
                listener.accept().unwrap_err().kind(),
                io::ErrorKind::WouldBlock
            );
            drop(accepted);
            let _third = std::os::unix::net::UnixStream::connect(&path).unwrap();
            poll_some(&mut poll, &mut events);
            assert_eq!(tokens(&events), [0]);
            listener.accept().unwrap();
        },
    );
}

#[test]
fn a_running_poll_does_not_notice_the_shortage() {
    exhausted("a_running_poll_does_not_notice_the_shortage", |backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (mut here, mut there) = UnixStream::pair().unwrap();
        poll.registry()
            .register(&mut here, Token(0), Interest::READABLE)
            .unwrap();
        let _hog = Hog::new();
        for byte in 0..50 {
            there.write_all(&[byte]).unwrap();
            poll_some(&mut poll, &mut events);
            assert_eq!(tokens(&events), [0]);
            let mut room = [0; 4];
            assert_eq!(here.read(&mut room).unwrap(), 1);
            assert_eq!(room[0], byte);
            let short = Some(std::time::Duration::from_micros(1));
            poll.poll(&mut events, short).unwrap();
            assert!(events.is_empty());
        }
    });
}
