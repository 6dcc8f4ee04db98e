//! What named pipes promise: events for what has arrived, what was written, and who is there;
//! no byte is lost; nothing is left behind.

#![cfg(all(windows, feature = "os-ext"))]
#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};
use std::{process, ptr, thread};

use wakeful::event::Event;
use wakeful::windows::NamedPipe;
use wakeful::{Events, Interest, Poll, Token};

use windows_sys::Win32::Foundation::{
    ERROR_NO_DATA, ERROR_PIPE_LISTENING, ERROR_PIPE_NOT_CONNECTED, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX, PIPE_ACCESS_OUTBOUND,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, SetNamedPipeHandleState, PIPE_READMODE_MESSAGE, PIPE_TYPE_BYTE,
    PIPE_TYPE_MESSAGE,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount};
use windows_sys::Win32::System::IO::CreateIoCompletionPort;

#[path = "common/brief_thread.rs"]
mod brief_thread;
#[path = "common/patience.rs"]
mod patience;

use brief_thread::on_a_thread_that_ends;
use patience::PATIENCE;

const SERVER: Token = Token(11);
const CLIENT: Token = Token(22);

fn both() -> Interest {
    Interest::READABLE | Interest::WRITABLE
}

fn name() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(r"\\.\pipe\wakeful-test-{}-{count}", process::id())
}

/// The client's end of a pipe that somebody serves.
#[track_caller]
fn open(name: &str) -> NamedPipe {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(FILE_FLAG_OVERLAPPED)
        .open(name)
        .unwrap();
    NamedPipe::from(OwnedHandle::from(file))
}

/// A server's end with options of its own.
#[track_caller]
fn serve(name: &str, access: u32, mode: u32, quota: u32) -> NamedPipe {
    let name: Vec<u16> = std::ffi::OsStr::new(name)
        .encode_wide()
        .chain([0])
        .collect();
    // SAFETY: the name ends with a NUL character.
    let pipe = unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            access | FILE_FLAG_OVERLAPPED,
            mode,
            255,
            quota,
            quota,
            0,
            ptr::null(),
        )
    };
    assert_ne!(pipe, INVALID_HANDLE_VALUE, "{}", io::Error::last_os_error());
    // SAFETY: the handle is new, so nobody else owns it.
    unsafe { NamedPipe::from_raw_handle(pipe) }
}

struct World {
    poll: Poll,
    events: Events,
}

impl World {
    fn new() -> Self {
        Self::with_capacity(16)
    }

    fn with_capacity(capacity: usize) -> Self {
        Self {
            poll: Poll::new().unwrap(),
            events: Events::with_capacity(capacity),
        }
    }

    #[track_caller]
    fn register(&self, pipe: &mut NamedPipe, token: Token, interest: Interest) {
        self.poll
            .registry()
            .register(pipe, token, interest)
            .unwrap();
    }

    /// Polls until there is an event under `token` for which `wanted` holds.
    #[track_caller]
    fn expect(&mut self, token: Token, wanted: impl Fn(&Event) -> bool) -> Event {
        let deadline = Instant::now() + PATIENCE;
        let mut others = Vec::new();
        loop {
            assert!(
                Instant::now() < deadline,
                "the event for {token:?} did not come; there were {others:?}"
            );
            self.poll.poll_until(&mut self.events, deadline).unwrap();
            for event in &self.events {
                if event.token() == token && wanted(event) {
                    return event.clone();
                }
                others.push(event.clone());
            }
        }
    }

    /// Repeats `attempt` at every event for which `wanted` holds, until it does not block.
    #[track_caller]
    fn when<T>(
        &mut self,
        token: Token,
        wanted: impl Fn(&Event) -> bool,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match attempt() {
                Err(err) if err.kind() == ErrorKind::WouldBlock => {
                    self.expect(token, &wanted);
                }
                outcome => return outcome,
            }
        }
    }

    /// A server that is registered both ways and waits for nobody yet, and its name.
    #[track_caller]
    fn server(&self) -> (String, NamedPipe) {
        let name = name();
        let mut server = NamedPipe::new(&name).unwrap();
        self.register(&mut server, SERVER, both());
        (name, server)
    }

    /// A server and its client, connected and registered both ways.
    #[track_caller]
    fn pair(&mut self) -> (NamedPipe, NamedPipe) {
        self.pair_of(|name| NamedPipe::new(name).unwrap())
    }

    #[track_caller]
    fn pair_of(&mut self, serve: impl Fn(&str) -> NamedPipe) -> (NamedPipe, NamedPipe) {
        let name = name();
        let mut server = serve(&name);
        self.register(&mut server, SERVER, both());
        assert_would_block(server.connect());
        let mut client = open(&name);
        self.register(&mut client, CLIENT, both());
        self.when(SERVER, Event::is_writable, || server.connect())
            .unwrap();
        (server, client)
    }

    #[track_caller]
    fn read(&mut self, token: Token, mut pipe: &NamedPipe, buf: &mut [u8]) -> io::Result<usize> {
        self.when(token, Event::is_readable, || pipe.read(buf))
    }

    #[track_caller]
    fn write_all(&mut self, token: Token, mut pipe: &NamedPipe, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let length = self
                .when(token, Event::is_writable, || pipe.write(bytes))
                .unwrap();
            bytes = &bytes[length..];
        }
    }

    #[track_caller]
    fn expect_bytes(&mut self, token: Token, pipe: &NamedPipe, bytes: &[u8]) {
        let mut came = Vec::new();
        let mut buf = [0; 4096];
        while came.len() < bytes.len() {
            let length = self.read(token, pipe, &mut buf).unwrap();
            assert_ne!(length, 0, "the end after {} bytes", came.len());
            came.extend_from_slice(&buf[..length]);
        }
        assert!(came == bytes, "other bytes came");
    }

    /// What arrives of a source that reports nothing.
    #[track_caller]
    fn read_unseen(&mut self, mut pipe: &NamedPipe) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        let mut buf = [0; 64];
        loop {
            match pipe.read(&mut buf) {
                Err(err) if err.kind() == ErrorKind::WouldBlock => {
                    assert!(Instant::now() < deadline, "nothing came");
                    thread::yield_now();
                }
                outcome => return buf[..outcome.unwrap()].to_vec(),
            }
        }
    }

    /// The events that are there at this moment.
    #[track_caller]
    fn look(&mut self) -> Vec<Event> {
        self.poll
            .poll(&mut self.events, Some(Duration::ZERO))
            .unwrap();
        self.events.iter().cloned().collect()
    }
}

#[track_caller]
fn assert_would_block<T: Debug>(outcome: io::Result<T>) {
    assert_kind(outcome, ErrorKind::WouldBlock);
}

#[track_caller]
fn assert_kind<T: Debug>(outcome: io::Result<T>, kind: ErrorKind) {
    match outcome {
        Err(err) if err.kind() == kind => {}
        other => panic!("expected {kind:?}, got {other:?}"),
    }
}

#[track_caller]
fn assert_code<T: Debug>(outcome: io::Result<T>, codes: &[u32]) {
    match outcome {
        Err(err)
            if err
                .raw_os_error()
                .is_some_and(|code| codes.contains(&(code as u32))) => {}
        other => panic!("expected one of {codes:?}, got {other:?}"),
    }
}

fn some_bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

/// How many handles the process has; other tests open and close theirs meanwhile.
fn handles() -> u32 {
    let mut count = 0;
    // SAFETY: takes nothing, and cannot fail.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the handle is the process's own; the number is written by the call.
    let counted = unsafe { GetProcessHandleCount(process, &mut count) };
    assert_ne!(counted, 0);
    count
}

#[test]
fn before_it_is_registered_everything_would_block() {
    let name = name();
    let mut server = NamedPipe::new(&name).unwrap();
    assert_would_block(server.connect());
    let mut client = open(&name);
    assert_would_block(client.write(b"x"));
    assert_would_block(client.read(&mut [0; 1]));
    assert_would_block(server.read(&mut [0; 1]));
    assert!(server.take_error().unwrap().is_none());
}

#[test]
fn a_client_is_an_event_and_then_connect_says_so() {
    let mut world = World::new();
    let (name, mut server) = world.server();
    assert_would_block(server.connect());
    assert_would_block(server.connect());
    assert_would_block(server.write(b"too early"));
    assert_would_block(server.read(&mut [0; 1]));
    assert_eq!(world.look().len(), 0);

    let client = open(&name);
    world.expect(SERVER, Event::is_writable);
    server.connect().unwrap();
    assert!(server.take_error().unwrap().is_none());
    drop(client);
}

/// Nobody has asked whether there is a client.
#[test]
fn a_fresh_server_is_writable_when_it_is_registered() {
    let mut world = World::new();
    let (name, server) = world.server();
    let event = world.expect(SERVER, Event::is_writable);
    assert!(!event.is_readable() && !event.is_error());
    assert_eq!(world.look().len(), 0);

    let mut client = open(&name);
    world.register(&mut client, CLIENT, both());
    world.write_all(SERVER, &server, b"welcome");
    world.expect_bytes(CLIENT, &client, b"welcome");
    // Now that it is known to be there, its bytes are an event.
    world.write_all(CLIENT, &client, b"thanks");
    world.expect(SERVER, Event::is_readable);
    world.expect_bytes(SERVER, &server, b"thanks");
}

#[test]
fn a_server_that_waits_for_a_client_is_ready_for_nothing() {
    let mut world = World::new();
    let (_, server) = world.server();
    // What was ready before is called back.
    assert_would_block(server.connect());
    assert_eq!(world.look().len(), 0);
}

#[test]
fn a_server_that_has_failed_to_write_to_nobody_is_ready_for_nothing() {
    let mut world = World::new();
    let name = name();
    let mut server = NamedPipe::new(&name).unwrap();
    world.register(&mut server, SERVER, both().level());
    for _ in 0..3 {
        let event = world.expect(SERVER, Event::is_writable);
        assert!(!event.is_readable() && !event.is_error());
        assert_would_block(server.read(&mut [0; 1]));
    }
    assert_code(server.write(b"x"), &[ERROR_PIPE_LISTENING]);
    for _ in 0..3 {
        assert_eq!(world.look().len(), 0);
        assert_would_block(server.read(&mut [0; 1]));
    }
    // And it can be asked to wait for one, or to write once more.
    let _client = open(&name);
    assert_eq!(server.write(b"x").unwrap(), 1);
    world.expect(SERVER, Event::is_writable);
    assert!(server.connect().is_ok());
}

#[test]
fn a_server_that_has_let_go_of_its_client_is_ready_for_nothing() {
    let mut world = World::new();
    let (server, _client) = world.pair();
    server.disconnect().unwrap();
    assert!(world.look().iter().all(|event| event.token() != SERVER));
}

#[test]
fn a_client_that_nobody_waited_for_is_served() {
    let mut world = World::new();
    let (name, mut server) = world.server();
    let mut client = open(&name);
    world.register(&mut client, CLIENT, both());

    assert_eq!(server.write(b"welcome").unwrap(), 7);
    world.expect(SERVER, Event::is_writable);
    world.expect_bytes(CLIENT, &client, b"welcome");
}

#[test]
fn a_client_that_came_first_is_connected_at_once() {
    let mut world = World::new();
    let (name, server) = world.server();
    let mut client = open(&name);
    world.register(&mut client, CLIENT, both());
    world.write_all(CLIENT, &client, b"early");

    server.connect().unwrap();
    world.expect_bytes(SERVER, &server, b"early");
}

#[test]
fn what_a_client_left_behind_is_read_before_the_end() {
    let mut world = World::new();
    let name = name();
    let mut server = NamedPipe::new(&name).unwrap();
    let mut client = File::options().read(true).write(true).open(&name).unwrap();
    client.write_all(b"gone").unwrap();
    drop(client);

    world.register(&mut server, SERVER, both());
    world
        .when(SERVER, Event::is_writable, || server.connect())
        .unwrap();
    world.expect_bytes(SERVER, &server, b"gone");
    assert_eq!(world.read(SERVER, &server, &mut [0; 8]).unwrap(), 0);
}

#[test]
fn what_is_written_is_an_event_and_is_read() {
    let mut world = World::new();
    let (server, client) = world.pair();
    world.write_all(CLIENT, &client, b"ping");
    world.expect_bytes(SERVER, &server, b"ping");
    world.write_all(SERVER, &server, b"pong");
    world.expect_bytes(CLIENT, &client, b"pong");
}

#[test]
fn a_sleeping_poller_hears_of_another_threads_write() {
    let mut world = World::new();
    let (server, client) = world.pair();
    let writer = thread::spawn(move || {
        (&client).write_all(b"hello").unwrap();
        client
    });
    world.expect_bytes(SERVER, &server, b"hello");
    writer.join().unwrap();
}

#[test]
fn the_end_of_an_operation_wakes_the_poller_without_a_doorbell() {
    let mut world = World::new();
    let (name, server) = world.server();
    server.connect().unwrap_err();
    let client = thread::spawn(move || {
        let mut client = File::options().read(true).write(true).open(&name).unwrap();
        client.write_all(b"hello").unwrap();
        client
    });
    world.expect_bytes(SERVER, &server, b"hello");
    assert_eq!(world.poll.metrics().doorbells, 0);
    client.join().unwrap();
}

#[test]
fn a_partial_read_leaves_the_rest() {
    let mut world = World::new();
    let (server, client) = world.pair();
    world.write_all(CLIENT, &client, b"abcdef");
    let mut buf = [0; 4];
    assert_eq!(world.read(SERVER, &server, &mut buf).unwrap(), 4);
    assert_eq!(&buf, b"abcd");
    assert_eq!((&server).read(&mut buf).unwrap(), 2);
    assert_eq!(&buf[..2], b"ef");
    assert_would_block((&server).read(&mut buf));
}

#[test]
fn empty_buffers_read_and_write_nothing() {
    let mut world = World::new();
    let (mut server, mut client) = world.pair();
    assert_eq!(client.write(&[]).unwrap(), 0);
    assert_eq!(server.read(&mut []).unwrap(), 0);
    assert_would_block(server.read(&mut [0; 1]));
}

#[test]
fn several_buffers_are_written_in_one_go() {
    let mut world = World::new();
    let (server, mut client) = world.pair();
    let bufs = [
        IoSlice::new(b"one "),
        IoSlice::new(b""),
        IoSlice::new(b"two"),
    ];
    assert_eq!(client.write_vectored(&bufs).unwrap(), 7);
    client.flush().unwrap();
    world.expect_bytes(SERVER, &server, b"one two");
}

#[test]
fn several_buffers_are_filled_in_one_go() {
    let mut world = World::new();
    let (mut server, mut client) = world.pair();
    assert_eq!(client.write(b"one two!").unwrap(), 8);
    world.expect(SERVER, Event::is_readable);

    let (mut first, mut none, mut second) = ([0; 4], [0; 0], [0; 3]);
    let mut bufs = [&mut first[..], &mut none, &mut second].map(IoSliceMut::new);
    assert_eq!(server.read_vectored(&mut bufs).unwrap(), 7);
    assert_eq!((&first, &second), (b"one ", b"two"));
    // There was no room for it, so nobody was told that this is all.
    assert_eq!(server.read(&mut [0; 4]).unwrap(), 1);
    assert_eq!(server.read_vectored(&mut []).unwrap(), 0);

    // A short read is as good as `WouldBlock`: more is an event.
    client.write_all(b"more").unwrap();
    world.expect(SERVER, Event::is_readable);
    let (mut first, mut second) = ([0; 3], [0; 3]);
    let mut bufs = [&mut first[..], &mut second].map(IoSliceMut::new);
    assert_eq!(server.read_vectored(&mut bufs).unwrap(), 4);
    client.write_all(b"and more").unwrap();
    world.expect(SERVER, Event::is_readable);
}

#[test]
fn a_piece_is_as_large_as_the_last_read_had_room_for() {
    const LARGE: usize = 64 * 1024;
    let mut world = World::new();
    let (mut server, mut client) = world.pair();
    let bytes = some_bytes(4 * LARGE);
    assert_eq!(client.write(&bytes).unwrap(), bytes.len());
    let mut buf = vec![0; LARGE];

    // Begun before anybody had read.
    let first = world.when(SERVER, Event::is_readable, || server.read(&mut buf));
    assert_eq!(first.unwrap(), 4096);
    let second = world.when(SERVER, Event::is_readable, || server.read(&mut buf));
    assert_eq!(second.unwrap(), LARGE);
    // Begun by the read of a large piece.
    for _ in 0..LARGE / 1024 {
        assert_eq!(server.read(&mut buf[..1024]).unwrap(), 1024);
    }
    let third = world.when(SERVER, Event::is_readable, || server.read(&mut buf));
    assert_eq!(third.unwrap(), 4096);
}

#[test]
fn a_write_in_flight_blocks_the_next_and_its_end_is_an_event() {
    let mut world = World::new();
    let (server, mut client) = world.pair();
    // More than the system keeps for a reader.
    let bytes = some_bytes(1 << 20);
    assert_eq!(client.write(&bytes).unwrap(), bytes.len());
    assert_would_block(client.write(b"more"));
    world.look();
    assert_would_block(client.write(b"more"));

    world.expect_bytes(SERVER, &server, &bytes);
    world
        .when(CLIENT, Event::is_writable, || client.write(b"more"))
        .unwrap();
    world.expect_bytes(SERVER, &server, b"more");
}

#[test]
fn megabytes_are_echoed() {
    let mut world = World::new();
    let (mut server, mut client) = world.pair();
    let bytes = some_bytes(4 << 20);
    let (mut sent, mut echo) = (0, Vec::new());
    let mut owed: Vec<u8> = Vec::new();
    let mut buf = vec![0; 16 * 1024];
    let deadline = Instant::now() + PATIENCE;
    while echo.len() < bytes.len() {
        assert!(
            Instant::now() < deadline,
            "sent {sent}, back {}",
            echo.len()
        );
        world.poll.poll(&mut world.events, Some(PATIENCE)).unwrap();
        assert!(!world.events.is_empty(), "sent {sent}, back {}", echo.len());
        // Until nothing moves any more.
        loop {
            let before = (sent, owed.len(), echo.len());
            match client.write(&bytes[sent..(sent + 100_000).min(bytes.len())]) {
                Ok(length) => sent += length,
                Err(err) => assert_eq!(err.kind(), ErrorKind::WouldBlock, "{err}"),
            }
            match server.read(&mut buf) {
                Ok(length) => owed.extend_from_slice(&buf[..length]),
                Err(err) => assert_eq!(err.kind(), ErrorKind::WouldBlock, "{err}"),
            }
            match server.write(&owed) {
                Ok(length) => drop(owed.drain(..length)),
                Err(err) => assert_eq!(err.kind(), ErrorKind::WouldBlock, "{err}"),
            }
            match client.read(&mut buf) {
                Ok(length) => echo.extend_from_slice(&buf[..length]),
                Err(err) => assert_eq!(err.kind(), ErrorKind::WouldBlock, "{err}"),
            }
            if before == (sent, owed.len(), echo.len()) {
                break;
            }
        }
    }
    assert!(echo == bytes, "other bytes came back");
}

#[test]
fn many_clients_are_served() {
    const CLIENTS: usize = 40;
    let mut world = World::with_capacity(8);
    let name = name();
    let mut servers: Vec<_> = (0..CLIENTS)
        .map(|index| {
            let mut server = serve(&name, PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE, 4096);
            world.register(&mut server, Token(index), both());
            assert_would_block(server.connect());
            server
        })
        .collect();
    let clients = thread::spawn(move || {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|index| {
                let mut client = File::options().read(true).write(true).open(&name).unwrap();
                client.write_all(&[index as u8; 100]).unwrap();
                client
            })
            .collect();
        for (index, mut client) in clients.into_iter().enumerate() {
            let mut echo = [0; 100];
            client.read_exact(&mut echo).unwrap();
            assert_eq!(echo, [index as u8; 100]);
        }
    });
    let mut done = BTreeSet::new();
    while done.len() < CLIENTS {
        world.poll.poll(&mut world.events, Some(PATIENCE)).unwrap();
        assert!(!world.events.is_empty(), "served {done:?}");
        for event in &world.events {
            let server = &mut servers[event.token().0];
            let mut buf = [0; 256];
            match server.read(&mut buf) {
                Ok(0) => {
                    done.insert(event.token().0);
                }
                Ok(length) => assert_eq!(server.write(&buf[..length]).unwrap(), length),
                Err(err) if err.kind() == ErrorKind::WouldBlock => {}
                Err(err) => panic!("{err}"),
            }
        }
    }
    clients.join().unwrap();
}

#[test]
fn after_a_disconnection_the_next_client_is_served() {
    let mut world = World::new();
    let (name, mut server) = world.server();
    for round in 0..5_u8 {
        assert_would_block(server.connect());
        let mut client = open(&name);
        world.register(&mut client, CLIENT, both());
        world
            .when(SERVER, Event::is_writable, || server.connect())
            .unwrap();
        world.write_all(CLIENT, &client, &[round; 3]);
        world.expect_bytes(SERVER, &server, &[round; 3]);
        // What is left is the old client's, and lost with it.
        world.write_all(CLIENT, &client, b"left");
        server.disconnect().unwrap();
        assert_code(
            world.read(CLIENT, &client, &mut [0; 8]),
            &[ERROR_PIPE_NOT_CONNECTED],
        );
        assert_code(client.write(b"x"), &[ERROR_PIPE_NOT_CONNECTED]);
        assert_code(server.write(b"x"), &[ERROR_PIPE_NOT_CONNECTED]);
    }
}

/// It is there for so short a time that the end of the wait, its bytes and its end come together.
#[test]
fn clients_that_come_and_go_are_read_without_a_second_connect() {
    let mut world = World::new();
    let (name, server) = world.server();
    for round in [&b"first"[..], b"second", b"third"] {
        assert_would_block(server.connect());
        let mut client = OpenOptions::new().write(true).open(&name).unwrap();
        client.write_all(round).unwrap();
        drop(client);

        world.expect(SERVER, Event::is_readable);
        let mut buf = [0; 16];
        let length = world.read(SERVER, &server, &mut buf).unwrap();
        assert_eq!(&buf[..length], round);
        assert_eq!(world.read(SERVER, &server, &mut buf).unwrap(), 0);
        server.disconnect().unwrap();
    }
}

#[test]
fn a_disconnection_while_waiting_for_a_client_ends_the_wait() {
    let mut world = World::new();
    let (name, server) = world.server();
    assert_would_block(server.connect());
    server.disconnect().unwrap();
    assert_would_block(server.connect());
    let _client = open(&name);
    world
        .when(SERVER, Event::is_writable, || server.connect())
        .unwrap();
}

#[test]
fn a_client_cannot_disconnect_or_connect_and_loses_nothing_by_it() {
    let mut world = World::new();
    let (server, client) = world.pair();
    world.write_all(SERVER, &server, b"kept");
    assert!(client.disconnect().is_err());
    let refused = client.connect();
    assert!(
        !matches!(&refused, Err(err) if err.kind() == ErrorKind::WouldBlock),
        "{refused:?}"
    );
    world.expect_bytes(CLIENT, &client, b"kept");
}

#[test]
fn a_peer_that_is_gone_is_the_end_after_all_that_it_sent() {
    let mut world = World::new();
    let (mut server, client) = world.pair();
    world.write_all(CLIENT, &client, b"last words");
    drop(client);
    world.expect_bytes(SERVER, &server, b"last words");
    world.expect(SERVER, |event| {
        event.is_read_closed() && event.is_readable()
    });
    for _ in 0..3 {
        assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
    }
    assert_code(
        server.write(b"x"),
        &[ERROR_NO_DATA, ERROR_PIPE_NOT_CONNECTED],
    );
}

#[test]
fn a_server_that_is_gone_is_the_end_for_its_client() {
    let mut world = World::new();
    let (server, mut client) = world.pair();
    drop(server);
    world.expect(CLIENT, Event::is_read_closed);
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
    assert!(client.write(b"x").is_err());
}

#[test]
fn what_could_not_be_written_is_an_event_and_an_error() {
    let mut world = World::new();
    let (server, mut client) = world.pair();
    assert_eq!(client.write(&some_bytes(1 << 20)).unwrap(), 1 << 20);
    assert_would_block(client.write(b"x"));
    drop(server);
    world.expect(CLIENT, |event| event.is_writable() && event.is_error());
    assert!(client.take_error().unwrap().is_some());
    assert!(client.take_error().unwrap().is_none());
    assert!(client.write(b"x").is_err());
}

#[test]
fn no_event_comes_after_it_was_deregistered() {
    let mut world = World::new();
    let (mut server, client) = world.pair();
    world.look();
    world.poll.registry().deregister(&mut server).unwrap();
    world.write_all(CLIENT, &client, b"unseen");
    assert_kind(
        world.poll.registry().deregister(&mut server),
        ErrorKind::NotFound,
    );
    assert_kind(
        world
            .poll
            .registry()
            .reregister(&mut server, SERVER, both()),
        ErrorKind::NotFound,
    );
    for _ in 0..10 {
        assert!(world.look().iter().all(|event| event.token() != SERVER));
    }
    // What arrived meanwhile is reported when it is registered again.
    world.register(&mut server, Token(33), both());
    world.expect(Token(33), Event::is_readable);
    world.expect_bytes(Token(33), &server, b"unseen");
}

#[test]
fn an_event_that_was_not_delivered_is_gone_with_the_registration() {
    let mut world = World::new();
    let (mut server, mut client) = world.pair();
    world.look();
    client.write_all(b"x").unwrap();
    world.poll.registry().deregister(&mut server).unwrap();
    assert!(world.look().iter().all(|event| event.token() != SERVER));
    drop(server);
    assert!(world.look().iter().all(|event| event.token() != SERVER));
}

#[test]
fn registering_anew_reports_what_is_ready() {
    let mut world = World::new();
    let (mut server, mut client) = world.pair();
    client.write_all(b"x").unwrap();
    world.expect(SERVER, Event::is_readable);
    world
        .poll
        .registry()
        .reregister(&mut server, Token(44), Interest::READABLE)
        .unwrap();
    let event = world.expect(Token(44), Event::is_readable);
    assert!(!event.is_writable());
}

#[test]
fn registering_twice_is_refused() {
    let mut world = World::new();
    let (mut server, _client) = world.pair();
    assert_kind(
        world.poll.registry().register(&mut server, SERVER, both()),
        ErrorKind::AlreadyExists,
    );
    assert_kind(
        world
            .poll
            .registry()
            .reregister(&mut server, SERVER, both().exclusive()),
        ErrorKind::Unsupported,
    );
}

#[test]
fn a_pipe_stays_with_its_first_poll() {
    let mut world = World::new();
    let other = Poll::new().unwrap();
    let (mut server, client) = world.pair();
    let register = |pipe: &mut NamedPipe| other.registry().register(pipe, SERVER, both());
    assert_kind(register(&mut server), ErrorKind::AlreadyExists);
    world.poll.registry().deregister(&mut server).unwrap();
    assert_kind(register(&mut server), ErrorKind::AlreadyExists);
    world.register(&mut server, SERVER, both());
    world.write_all(CLIENT, &client, b"still here");
    world.expect_bytes(SERVER, &server, b"still here");
}

#[test]
fn a_name_is_served_first_by_one() {
    let name = name();
    let _server = NamedPipe::new(&name).unwrap();
    assert_kind(NamedPipe::new(&name), ErrorKind::PermissionDenied);
}

#[test]
fn a_name_that_is_none_is_refused() {
    assert_kind(NamedPipe::new("with\0nul"), ErrorKind::InvalidInput);
    assert!(NamedPipe::new("no path of a pipe").is_err());
}

#[test]
fn what_is_no_pipe_is_refused_by_the_system() {
    let world = World::new();
    let path = std::env::temp_dir().join(format!("wakeful-no-pipe-{}", process::id()));
    // Not opened for overlapped operations, so no port takes it.
    let file = File::create(&path).unwrap();
    let mut pipe = NamedPipe::from(OwnedHandle::from(file));
    let refused = world.poll.registry().register(&mut pipe, SERVER, both());
    assert_kind(refused, ErrorKind::InvalidInput);
    assert_kind(
        world.poll.registry().deregister(&mut pipe),
        ErrorKind::NotFound,
    );
    drop(pipe);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_handle_that_belongs_to_another_port_is_refused_in_words() {
    let name = name();
    let server = NamedPipe::new(&name).unwrap();
    // SAFETY: opens a port, and attaches the handle, which is open.
    let port = unsafe { CreateIoCompletionPort(server.as_raw_handle(), ptr::null_mut(), 0, 1) };
    assert!(!port.is_null(), "{}", io::Error::last_os_error());
    // SAFETY: the handle is new, so nobody else owns it.
    let _port = unsafe { OwnedHandle::from_raw_handle(port) };

    let world = World::new();
    let mut server = server;
    let registry = world.poll.registry();
    let refused = registry.register(&mut server, SERVER, both());
    let said = refused.as_ref().unwrap_err().to_string();
    assert!(said.contains("completion port"), "{said}");
    assert_kind(refused, ErrorKind::InvalidInput);
    assert_kind(registry.deregister(&mut server), ErrorKind::NotFound);
}

#[test]
fn a_read_that_would_block_makes_no_event() {
    let mut world = World::new();
    let (mut server, _client) = world.pair();
    while !world.look().is_empty() {}
    for _ in 0..3 {
        assert_would_block(server.read(&mut [0; 8]));
        assert_eq!(world.look().len(), 0);
    }
}

#[test]
fn edges_are_reported_once() {
    let mut world = World::new();
    let (mut server, mut client) = world.pair();
    while !world.look().is_empty() {}
    for _ in 0..3 {
        client.write_all(b"x").unwrap();
        world.expect(SERVER, Event::is_readable);
        assert!(world.look().iter().all(|event| event.token() != SERVER));
        assert_eq!(server.read(&mut [0; 8]).unwrap(), 1);
        assert_would_block(server.read(&mut [0; 8]));
    }
}

#[test]
fn levels_are_reported_until_they_end() {
    let mut world = World::new();
    let (mut server, mut client) = world.pair();
    let interest = Interest::READABLE.level();
    world
        .poll
        .registry()
        .reregister(&mut server, SERVER, interest)
        .unwrap();
    client.write_all(b"xy").unwrap();
    for _ in 0..3 {
        world.expect(SERVER, Event::is_readable);
    }
    assert_eq!(server.read(&mut [0; 8]).unwrap(), 2);
    assert!(world.look().iter().all(|event| event.token() != SERVER));
}

#[test]
fn a_one_shot_reports_once() {
    let mut world = World::new();
    let (mut server, mut client) = world.pair();
    let interest = Interest::READABLE.oneshot();
    let registry = world.poll.registry().try_clone().unwrap();
    for _ in 0..2 {
        registry.reregister(&mut server, SERVER, interest).unwrap();
        client.write_all(b"x").unwrap();
        world.expect(SERVER, Event::is_readable);
        assert_eq!(server.read(&mut [0; 8]).unwrap(), 1);
        assert_would_block(server.read(&mut [0; 8]));
        client.write_all(b"y").unwrap();
        assert!(world.look().iter().all(|event| event.token() != SERVER));
        assert_eq!(world.read_unseen(&server), b"y");
    }
}

#[test]
fn with_room_for_one_event_nobody_starves() {
    const PIPES: usize = 6;
    let mut world = World::with_capacity(1);
    let mut pairs = Vec::new();
    for index in 0..PIPES {
        let (mut server, mut client) = {
            let name = name();
            (NamedPipe::new(&name).unwrap(), open(&name))
        };
        let interest = Interest::READABLE.level();
        world.register(&mut server, Token(index), interest);
        world.register(&mut client, CLIENT, Interest::WRITABLE);
        client.write_all(b"x").unwrap();
        pairs.push((server, client));
    }
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        world.poll.poll(&mut world.events, Some(PATIENCE)).unwrap();
        seen.extend(world.events.iter().map(|event| event.token().0));
        if (0..PIPES).all(|index| seen.contains(&index)) {
            return;
        }
    }
    panic!("only {seen:?}");
}

#[test]
fn messages_are_read_whole_or_in_parts() {
    let mut world = World::new();
    let (server, client) = world.pair_of(|name| {
        let mode = PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE;
        serve(name, PIPE_ACCESS_DUPLEX, mode, 1 << 20)
    });
    let mode = PIPE_READMODE_MESSAGE;
    // SAFETY: the handle is open, and `mode` outlives the call.
    let changed =
        unsafe { SetNamedPipeHandleState(client.as_raw_handle(), &mode, ptr::null(), ptr::null()) };
    assert_ne!(changed, 0);
    // Longer than what is read ahead.
    let long = some_bytes(100_000);
    for (from, token, to, end) in [
        (&client, CLIENT, &server, SERVER),
        (&server, SERVER, &client, CLIENT),
    ] {
        world.write_all(token, from, b"one");
        world.write_all(token, from, b"two");
        world.write_all(token, from, &long);
        world.write_all(token, from, b"end");
        let mut buf = vec![0; 200_000];
        assert_eq!(world.read(end, to, &mut buf).unwrap(), 3);
        assert_eq!(&buf[..3], b"one");
        assert_eq!(world.read(end, to, &mut buf).unwrap(), 3);
        assert_eq!(&buf[..3], b"two");
        world.expect_bytes(end, to, &long);
        world.expect_bytes(end, to, b"end");
    }
}

#[test]
fn empty_messages_are_not_the_end() {
    let mut world = World::new();
    let name = name();
    let mode = PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE;
    let mut server = serve(&name, PIPE_ACCESS_DUPLEX, mode, 4096);
    world.register(&mut server, SERVER, both());
    assert_would_block(server.connect());
    let client = File::options().read(true).write(true).open(&name).unwrap();
    let writer = thread::spawn(move || {
        for _ in 0..9 {
            // `std` hands empty buffers to the system.
            let _ = (&client).write(b"").unwrap();
        }
        (&client).write_all(b"full").unwrap();
        client
    });
    world.expect_bytes(SERVER, &server, b"full");
    writer.join().unwrap();
}

#[test]
fn a_pipe_that_only_writes_is_no_error() {
    let mut world = World::new();
    let name = name();
    let mut server = serve(&name, PIPE_ACCESS_OUTBOUND, PIPE_TYPE_BYTE, 4096);
    world.register(&mut server, SERVER, both());
    assert_would_block(server.connect());
    let mut client = File::open(&name).unwrap();
    let event = world.expect(SERVER, Event::is_writable);
    assert!(!event.is_error() && !event.is_readable());
    server.connect().unwrap();
    server.write_all(b"down").unwrap();
    let mut buf = [0; 4];
    client.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"down");
    assert!(!matches!(server.read(&mut buf), Err(err) if err.kind() == ErrorKind::WouldBlock));
}

/// All of the bytes come, and then the end.
fn is_delivered(write_and_drop: impl FnOnce(NamedPipe, &[u8])) {
    let mut world = World::new();
    let (server, client) = world.pair();
    let bytes = some_bytes(1 << 20);
    write_and_drop(server, &bytes);
    world.expect_bytes(CLIENT, &client, &bytes);
    assert_eq!(world.read(CLIENT, &client, &mut [0; 8]).unwrap(), 0);
}

fn write_and_drop(mut pipe: NamedPipe, bytes: &[u8]) {
    assert_eq!(pipe.write(bytes).unwrap(), bytes.len());
}

#[test]
fn what_was_accepted_is_delivered_after_the_drop() {
    is_delivered(write_and_drop);
}

#[test]
fn what_was_accepted_is_delivered_after_the_poll_is_gone() {
    let world = World::new();
    let (name, mut server) = world.server();
    let mut client = File::options().read(true).write(true).open(&name).unwrap();
    let bytes = some_bytes(300_000);
    assert_eq!(server.write(&bytes).unwrap(), bytes.len());
    drop(world);
    drop(server);
    let mut came = Vec::new();
    client.read_to_end(&mut came).unwrap();
    assert!(came == bytes, "{} bytes came", came.len());
}

#[test]
fn a_write_that_is_cancelled_is_over_at_both_ends() {
    for is_server in [false, true] {
        let mut world = World::new();
        let (server, client) = world.pair();
        let (mut pipe, token, peer, other) = match is_server {
            true => (server, SERVER, client, CLIENT),
            false => (client, CLIENT, server, SERVER),
        };
        assert_eq!(pipe.cancel_write().unwrap(), 0);
        let bytes = some_bytes(1 << 20);
        assert_eq!(pipe.write(&bytes).unwrap(), bytes.len());
        assert_would_block(pipe.write(b"more"));
        assert_eq!(pipe.cancel_write().unwrap(), bytes.len());
        assert_eq!(pipe.cancel_write().unwrap(), 0);
        world.expect(token, |event| event.is_writable() && !event.is_error());
        assert!(pipe.take_error().unwrap().is_none());
        drop(pipe);

        // Nothing is left of it: the end comes without all of the bytes.
        let mut came = 0;
        let mut buf = [0; 4096];
        loop {
            match world.read(other, &peer, &mut buf).unwrap() {
                0 => break,
                length => came += length,
            }
        }
        assert!(came < bytes.len());
    }
}

#[test]
fn a_write_that_was_cancelled_can_be_followed_by_another() {
    let mut world = World::new();
    let mode = PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE;
    let (server, client) = world.pair_of(|name| serve(name, PIPE_ACCESS_DUPLEX, mode, 4096));
    for _ in 0..3 {
        assert_eq!((&server).write(&[7; 100_000]).unwrap(), 100_000);
        assert_would_block((&server).write(b"more"));
        server.cancel_write().unwrap();
    }
    assert_eq!((&server).write(b"next").unwrap(), 4);
    let mut last = Vec::new();
    while !last.ends_with(b"next") {
        let mut buf = [0; 4096];
        let length = world.read(CLIENT, &client, &mut buf).unwrap();
        last.extend_from_slice(&buf[..length]);
    }
}

#[test]
fn operations_in_flight_leave_no_handle_behind() {
    let attempt = |polls_first: bool, reader_stays: bool| {
        let mut world = World::new();
        let waiting = {
            let (_, server) = world.server();
            assert_would_block(server.connect());
            server
        };
        let (server, mut client) = world.pair();
        assert_eq!(client.write(&some_bytes(1 << 20)).unwrap(), 1 << 20);
        if polls_first {
            drop(world);
            drop((waiting, client, server));
        } else {
            drop((waiting, client));
            if reader_stays {
                world.look();
            }
            drop(server);
            drop(world);
        }
    };
    // Threads of the system's pool, and what they have, come once.
    for _ in 0..3 {
        attempt(true, true);
        attempt(false, true);
    }
    let deadline = Instant::now() + PATIENCE;
    let mut before = handles();
    loop {
        for _ in 0..10 {
            attempt(true, true);
            attempt(false, true);
            attempt(false, false);
        }
        // A handle that each of the thirty has left behind would be seen here every time.
        let now = handles();
        if now < before + 30 {
            return;
        }
        assert!(Instant::now() < deadline, "{before} handles, then {now}");
        before = now;
    }
}

#[test]
fn the_poll_may_be_dropped_before_the_pipe() {
    let mut world = World::new();
    let (mut server, client) = world.pair();
    (&client).write_all(b"kept").unwrap();
    drop(world);
    // Nobody takes packets any more, but what is there can be read.
    let deadline = Instant::now() + PATIENCE;
    let mut buf = [0; 8];
    let length = loop {
        match server.read(&mut buf) {
            Err(err) if err.kind() == ErrorKind::WouldBlock => {
                assert!(Instant::now() < deadline);
                thread::yield_now();
            }
            outcome => break outcome.unwrap(),
        }
    };
    assert_eq!(&buf[..length], b"kept");
    drop(client);
    drop(server);
}

#[test]
fn one_thread_reads_while_another_writes() {
    let mut world = World::new();
    let (server, client) = world.pair();
    let bytes = Arc::new(some_bytes(1 << 20));
    let server = Arc::new(server);
    let client = Arc::new(client);
    let start = Arc::new(Barrier::new(2));
    // Both directions of both ends, without waiting for events.
    let talk = |pipe: Arc<NamedPipe>| {
        let (bytes, start) = (Arc::clone(&bytes), Arc::clone(&start));
        thread::spawn(move || {
            start.wait();
            let mut left = &bytes[..];
            let mut came = Vec::new();
            let mut buf = [0; 8192];
            let deadline = Instant::now() + PATIENCE;
            while !left.is_empty() || came.len() < bytes.len() {
                assert!(Instant::now() < deadline, "{} left", left.len());
                match (&*pipe).write(&left[..left.len().min(10_000)]) {
                    Ok(length) => left = &left[length..],
                    Err(err) => assert_eq!(err.kind(), ErrorKind::WouldBlock, "{err}"),
                }
                match (&*pipe).read(&mut buf) {
                    Ok(length) => came.extend_from_slice(&buf[..length]),
                    Err(err) => assert_eq!(err.kind(), ErrorKind::WouldBlock, "{err}"),
                }
            }
            assert!(came == *bytes, "other bytes came");
        })
    };
    let talkers = [talk(server), talk(client)];
    while !talkers.iter().all(|talker| talker.is_finished()) {
        world
            .poll
            .poll(&mut world.events, Some(Duration::from_millis(10)))
            .unwrap();
    }
    for talker in talkers {
        talker.join().unwrap();
    }
}

#[test]
fn pipes_come_and_go_on_many_threads_while_one_polls() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 25;
    let mut world = World::new();
    let threads: Vec<_> = (0..THREADS)
        .map(|index| {
            let registry = world.poll.registry().try_clone().unwrap();
            thread::spawn(move || {
                for round in 0..ROUNDS {
                    let name = name();
                    let mut server = NamedPipe::new(&name).unwrap();
                    registry
                        .register(&mut server, Token(index), both())
                        .unwrap();
                    let _ = server.connect();
                    let mut client = open(&name);
                    registry
                        .register(&mut client, Token(index), both())
                        .unwrap();
                    let length = if round % 2 == 0 { 10 } else { 200_000 };
                    let _ = client.write(&some_bytes(length));
                    let _ = server.read(&mut [0; 5]);
                    if round % 3 == 0 {
                        registry.deregister(&mut server).unwrap();
                    }
                    if round % 5 == 0 {
                        let _ = server.disconnect();
                    }
                }
            })
        })
        .collect();
    while !threads.iter().all(|thread| thread.is_finished()) {
        world
            .poll
            .poll(&mut world.events, Some(Duration::from_millis(10)))
            .unwrap();
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(world.look().len(), 0);
}

#[test]
fn a_write_outlives_the_thread_that_began_it() {
    let mut world = World::new();
    let (server, client) = world.pair();
    let bytes = some_bytes(1 << 20);
    on_a_thread_that_ends(|| assert_eq!((&server).write(&bytes).unwrap(), bytes.len()));
    world.expect_bytes(CLIENT, &client, &bytes);
    world.expect(SERVER, |event| event.is_writable() && !event.is_error());
}

#[test]
fn a_write_outlives_the_thread_that_began_it_and_dropped_the_pipe() {
    is_delivered(|server, bytes| on_a_thread_that_ends(|| write_and_drop(server, bytes)));
}

#[test]
fn waiting_for_a_client_outlives_the_thread_that_began_it() {
    let mut world = World::new();
    let (name, server) = world.server();
    on_a_thread_that_ends(|| assert_would_block(server.connect()));
    let client = open(&name);
    let event = world.expect(SERVER, Event::is_writable);
    assert!(!event.is_error());
    server.connect().unwrap();
    drop(client);
}

#[test]
fn reading_ahead_outlives_the_thread_that_began_it() {
    let mut world = World::new();
    let (mut server, mut client) = world.pair();
    on_a_thread_that_ends(|| {
        let registry = world.poll.registry();
        registry.reregister(&mut server, SERVER, both()).unwrap();
        assert_would_block(server.read(&mut [0; 8]));
    });
    client.write_all(b"late").unwrap();
    world.expect_bytes(SERVER, &server, b"late");
}
