//! R: what is reported, and when.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

#[cfg(capability = "sockets")]
use socket2::{Domain, SockRef, Socket, Type};
use wakeful::event::{Event, Readiness};
use wakeful::net::{TcpStream, UdpSocket};
use wakeful::{user, Events, Interest, Poll, Token, Waker};

use crate::common::{assert_would_block, expect_event, poll_once, tells_of_the_end, when_ready};
use crate::modes::MODES;
use crate::stress::{on_each_backend, poll_now, poll_of, poll_some, tokens, Dice};
use crate::subjects::{
    for_each, loopback, read_all, std_pair, subjects, tcp_pair, until_blocked, Foreign,
};
use crate::{pipe, FIRST, SECOND};

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A poll with a registered stream, and the stream's peer.
fn registered(
    backend: wakeful::Backend,
    interest: Interest,
) -> (Poll, Events, TcpStream, std::net::TcpStream) {
    let (poll, events) = (poll_of(backend), Events::with_capacity(8));
    let (mut stream, peer) = tcp_pair();
    poll.registry()
        .register(&mut stream, FIRST, interest)
        .unwrap();
    (poll, events, stream, peer)
}

/// Looks several times; the events that there were.
fn look(poll: &mut Poll, events: &mut Events) -> Vec<Event> {
    let mut all = Vec::new();
    for _ in 0..3 {
        poll_once(poll, events, Duration::ZERO);
        all.extend(events.iter().cloned());
    }
    all
}

#[test]
fn r1_what_is_ready_when_it_is_registered_is_reported() {
    for mode in MODES.map(|mode| mode(Interest::READABLE)) {
        for_each(|trial| {
            trial.subject.make_ready();
            trial.register(FIRST, mode);
            trial.expect(FIRST);
        });
    }
}

#[test]
fn r1_what_is_ready_when_it_is_reregistered_is_reported() {
    for mode in MODES.map(|mode| mode(Interest::READABLE)) {
        for_each(|trial| {
            trial.subject.make_ready();
            trial.register(FIRST, mode);
            trial.expect(FIRST);
            for token in [SECOND, SECOND, FIRST, SECOND] {
                trial.reregister(token, mode);
                trial.expect_now(token);
            }
        });
    }
}

#[test]
fn r2_what_becomes_ready_after_it_was_drained_is_reported() {
    for_each(|trial| {
        trial.register(FIRST, Interest::READABLE);
        trial.subject.drain();
        for _ in 0..20 {
            trial.subject.make_ready();
            trial.expect(FIRST);
            trial.subject.drain();
        }
    });
}

#[test]
fn r2_room_after_there_was_none_is_reported() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (mut sender, mut receiver) = pipe::new().unwrap();
        poll.registry()
            .register(&mut sender, FIRST, Interest::WRITABLE)
            .unwrap();
        for _ in 0..5 {
            expect_event(&mut poll, &mut events, FIRST, Event::is_writable);
            until_blocked(|| sender.write(&[7; 4096]));
            read_all(&mut receiver);
        }
        expect_event(&mut poll, &mut events, FIRST, Event::is_writable);
    });
}

#[test]
fn r3_a_short_read_brings_the_next_event() {
    on_each_backend(|backend| {
        let (mut poll, mut events, mut stream, mut peer) = registered(backend, BOTH);
        for _ in 0..20 {
            peer.write_all(b"x").unwrap();
            expect_event(&mut poll, &mut events, FIRST, Event::is_readable);
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
        }
    });
}

#[test]
fn r3_a_short_write_brings_the_next_event() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (mut sender, mut receiver) = pipe::new().unwrap();
        poll.registry()
            .register(&mut sender, FIRST, Interest::WRITABLE)
            .unwrap();
        // More than fits: what the system does not take at once is a short write, or blocks.
        let much = vec![7; 8 * 1024 * 1024];
        for _ in 0..3 {
            expect_event(&mut poll, &mut events, FIRST, Event::is_writable);
            loop {
                match sender.write(&much) {
                    // A system that takes all is asked again.
                    Ok(written) if written == much.len() => {}
                    Ok(_) => break,
                    Err(err) => {
                        assert_eq!(err.kind(), ErrorKind::WouldBlock);
                        break;
                    }
                }
            }
            read_all(&mut receiver);
        }
        expect_event(&mut poll, &mut events, FIRST, Event::is_writable);
    });
}

#[test]
fn r4_edge_reports_once_until_drained() {
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
fn r4_each_direction_is_reported_once() {
    on_each_backend(|backend| {
        let (mut poll, mut events, _stream, mut peer) = registered(backend, BOTH);
        let mut seen = Readiness::default();
        peer.write_all(b"x").unwrap();
        while !(seen.is_readable() && seen.is_writable()) {
            poll_some(&mut poll, &mut events);
            events.iter().for_each(|event| seen |= event.readiness());
        }
        assert!(look(&mut poll, &mut events).is_empty());
    });
}

/// Nobody drains it, and where edges are emulated nobody would see it: the distances grow.
#[test]
fn r5_an_unseen_source_that_stays_ready_does_not_spin() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (stream, mut peer) = std_pair();
        stream.set_nonblocking(true).unwrap();
        let mut source = Foreign(stream);
        poll.registry()
            .register(&mut source, FIRST, Interest::READABLE)
            .unwrap();
        peer.write_all(b"x").unwrap();
        expect_event(&mut poll, &mut events, FIRST, Event::is_readable);

        let deadline = Instant::now() + Duration::from_millis(250);
        let waits = poll.metrics().waits;
        let mut reported = 0;
        while Instant::now() < deadline {
            if let Err(err) = poll.poll_until(&mut events, deadline) {
                assert_eq!(err.kind(), ErrorKind::Interrupted);
            }
            reported += events.iter().count();
        }
        // After 1, 2, 4, .. 128 ms at the earliest.
        assert!(reported <= 8, "{reported} events");
        let waits = poll.metrics().waits - waits;
        assert!(waits <= 40, "{waits} waits");
        poll.registry().deregister(&mut source).unwrap();
    });
}

#[test]
fn r6_a_read_that_would_block_never_causes_a_writable_event() {
    on_each_backend(|backend| {
        let (mut poll, mut events, mut stream, peer) = registered(backend, BOTH);
        expect_event(&mut poll, &mut events, FIRST, Event::is_writable);
        for _ in 0..20 {
            assert_would_block(stream.read(&mut [0; 8]));
            // WASI cannot look at what has arrived without taking it.
            if cfg!(not(target_family = "wasm")) {
                assert_would_block(stream.peek(&mut [0; 8]));
            }
            assert!(look(&mut poll, &mut events).is_empty());
        }
        drop(peer);
    });
}

#[test]
fn r6_a_receive_that_would_block_never_causes_a_writable_event() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let mut socket = UdpSocket::bind(loopback()).unwrap();
        poll.registry().register(&mut socket, FIRST, BOTH).unwrap();
        expect_event(&mut poll, &mut events, FIRST, Event::is_writable);
        for _ in 0..20 {
            assert_would_block(socket.recv_from(&mut [0; 8]));
            assert!(look(&mut poll, &mut events).is_empty());
        }
    });
}

#[test]
fn r6_a_write_that_would_block_never_causes_a_readable_event() {
    on_each_backend(|backend| {
        let (mut poll, mut events, mut stream, mut peer) = registered(backend, Interest::READABLE);
        peer.write_all(b"x").unwrap();
        expect_event(&mut poll, &mut events, FIRST, Event::is_readable);
        for _ in 0..5 {
            until_blocked(|| stream.write(&[7; 64 * 1024]));
            assert!(look(&mut poll, &mut events).is_empty());
        }
    });
}

/// The same in a wait: nothing ends it but its deadline.
#[test]
fn r6_a_read_that_would_block_ends_no_wait() {
    on_each_backend(|backend| {
        let (mut poll, mut events, mut stream, _peer) = registered(backend, BOTH);
        expect_event(&mut poll, &mut events, FIRST, Event::is_writable);
        for _ in 0..5 {
            assert_would_block(stream.read(&mut [0; 8]));
            poll_once(&mut poll, &mut events, Duration::from_millis(2));
            assert!(events.is_empty(), "{events:?}");
        }
    });
}

#[cfg(capability = "sockets")]
#[test]
#[cfg_attr(target_family = "wasm", ignore = "nobody can reset a connection there")]
fn r7_a_reset_is_reported_whatever_was_asked_for_and_once() {
    on_each_backend(|backend| {
        for interest in [Interest::READABLE, Interest::WRITABLE, BOTH] {
            let (mut poll, mut events, _stream, peer) = registered(backend, interest);
            look(&mut poll, &mut events);
            SockRef::from(&peer)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
            drop(peer);
            let is_told = |event: &Event| {
                event.is_error() || event.is_read_closed() || event.is_write_closed()
            };
            expect_event(&mut poll, &mut events, FIRST, is_told);
            assert!(look(&mut poll, &mut events).is_empty());
        }
    });
}

#[test]
fn r7_what_a_program_closes_is_reported_whatever_was_asked_for_and_once() {
    on_each_backend(|backend| {
        for flag in [
            Readiness::READ_CLOSED,
            Readiness::WRITE_CLOSED,
            Readiness::ERROR,
        ] {
            for interest in [Interest::READABLE, Interest::WRITABLE] {
                let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
                let (mut source, readiness) = user::source();
                poll.registry()
                    .register(&mut source, FIRST, interest)
                    .unwrap();
                readiness.set(flag).unwrap();
                let told = look(&mut poll, &mut events);
                assert_eq!(told.len(), 1);
                assert_eq!((told[0].token(), told[0].readiness()), (FIRST, flag));
            }
        }
    });
}

#[test]
fn r8_the_end_of_a_stream_is_readable() {
    on_each_backend(|backend| {
        let (mut poll, mut events, mut stream, peer) = registered(backend, Interest::READABLE);
        assert_would_block(stream.read(&mut [0; 8]));
        peer.shutdown(Shutdown::Write).unwrap();
        let event = expect_event(&mut poll, &mut events, FIRST, tells_of_the_end(backend));
        assert!(event.is_readable(), "{event:?}");
        for _ in 0..3 {
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
        }
        stream.write_all(b"still open this way").unwrap();
    });
}

#[test]
fn r8_what_was_sent_before_the_end_can_be_read() {
    on_each_backend(|backend| {
        let (mut poll, mut events, mut stream, mut peer) = registered(backend, Interest::READABLE);
        peer.write_all(b"the rest").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let mut all: Vec<u8> = Vec::new();
        loop {
            let mut room = [0; 3];
            let outcome = when_ready(&mut poll, &mut events, FIRST, Event::is_readable, || {
                stream.read(&mut room)
            });
            match outcome.unwrap() {
                0 => break,
                n => all.extend(&room[..n]),
            }
        }
        assert_eq!(all, b"the rest");
    });
}

#[test]
fn r9_a_connection_that_is_made_is_writable() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let listener = std::net::TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        poll.registry().register(&mut stream, FIRST, BOTH).unwrap();
        let peer = loop {
            expect_event(&mut poll, &mut events, FIRST, Event::is_writable);
            assert!(stream.take_error().unwrap().is_none());
            match stream.peer_addr() {
                Err(err) if err.kind() == ErrorKind::NotConnected => {} // spurious
                outcome => break outcome.unwrap(),
            }
        };
        assert_eq!(peer, address);
        stream.write_all(b"hello").unwrap();
    });
}

#[cfg(capability = "sockets")]
#[test]
fn r9_a_connection_that_is_refused_is_writable_and_an_error() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        // A port that nobody listens on, and that nobody else is given meanwhile.
        let unused = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        unused.bind(&loopback().into()).unwrap();
        let address = unused.local_addr().unwrap().as_socket().unwrap();

        let reason = TcpStream::connect(address).and_then(|mut stream| {
            poll.registry()
                .register(&mut stream, FIRST, Interest::WRITABLE)
                .unwrap();
            loop {
                expect_event(&mut poll, &mut events, FIRST, Event::is_writable);
                if let Some(reason) = stream.take_error()? {
                    return Err::<(), _>(reason);
                }
            }
        });
        assert_eq!(reason.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn r10_what_is_deregistered_is_silent_in_every_mode() {
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

/// Found, and left for the next poll, since there was room for one.
#[test]
fn r10_what_was_found_ready_and_is_gone_is_not_reported() {
    on_each_backend(|backend| {
        let mut events = Events::with_capacity(1);
        for drops in [false, true] {
            let mut poll = poll_of(backend);
            let mut all = subjects();
            for (n, subject) in all.iter_mut().enumerate() {
                subject.make_ready();
                poll.registry()
                    .register(subject.source(), Token(n), Interest::READABLE.level())
                    .unwrap();
            }
            poll_some(&mut poll, &mut events);
            for mut subject in all {
                if !drops || !subject.is_seen() {
                    poll.registry().deregister(subject.source()).unwrap();
                }
                if !drops {
                    // It goes on, unwatched.
                    subject.drain();
                    subject.make_ready();
                    assert!(look(&mut poll, &mut Events::with_capacity(64))
                        .iter()
                        .all(|event| event.token().0 < 64));
                }
            }
            assert!(look(&mut poll, &mut events).is_empty());
        }
    });
}

/// Values that somebody might want to reserve, and many that nobody thought of.
fn extreme_tokens() -> impl Iterator<Item = usize> {
    const TOP: usize = 1 << (usize::BITS - 1);
    let mut dice = Dice::new(5);
    let mut tokens = vec![0, 1, usize::MAX, usize::MAX - 1, TOP, TOP - 1, TOP + 1];
    tokens.extend((0..usize::BITS).map(|bit| 1 << bit));
    tokens.extend((0..usize::BITS).map(|bit| !(1 << bit)));
    tokens.extend((0..50).map(|_| dice.next() as usize));
    let mut known = HashSet::new();
    tokens.into_iter().filter(move |&token| known.insert(token))
}

#[test]
fn r11_any_number_is_a_token() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let mut socket = UdpSocket::bind(loopback()).unwrap();
        let (mut source, readiness) = user::source();
        let registry = poll.registry().try_clone().unwrap();
        registry
            .register(&mut socket, FIRST, Interest::WRITABLE)
            .unwrap();
        registry
            .register(&mut source, FIRST, Interest::READABLE)
            .unwrap();
        expect_event(&mut poll, &mut events, FIRST, Event::is_writable);
        for token in extreme_tokens() {
            let waker = Waker::new(&registry, Token(token)).unwrap();
            waker.wake().unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), [token]);
            registry
                .reregister(&mut socket, Token(token), Interest::WRITABLE)
                .unwrap();
            poll_some(&mut poll, &mut events);
            assert_eq!(tokens(&events), [token]);
            registry
                .reregister(&mut source, Token(token), Interest::READABLE)
                .unwrap();
            readiness.set(Readiness::READABLE).unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), [token]);
            readiness.clear(Readiness::READABLE);
        }
    });
}

#[test]
fn r12_readiness_says_what_the_event_says() {
    on_each_backend(|backend| {
        let (mut poll, mut events, mut stream, mut peer) = registered(backend, BOTH);
        let (mut source, readiness) = user::source();
        let registry = poll.registry().try_clone().unwrap();
        registry.register(&mut source, SECOND, BOTH).unwrap();
        let check = |event: &Event| {
            let flags = event.readiness();
            assert!(!flags.is_empty());
            assert_eq!(flags.is_readable(), event.is_readable());
            assert_eq!(flags.is_writable(), event.is_writable());
            assert_eq!(flags.is_priority(), event.is_priority());
            assert_eq!(flags.is_error(), event.is_error());
            assert_eq!(flags.is_read_closed(), event.is_read_closed());
            assert_eq!(flags.is_write_closed(), event.is_write_closed());
            assert!(format!("{event:?}").contains(&format!("{flags:?}")));
        };
        for flags in [
            Readiness::READABLE,
            Readiness::WRITABLE | Readiness::ERROR,
            Readiness::READABLE | Readiness::READ_CLOSED | Readiness::WRITE_CLOSED,
        ] {
            readiness.set(flags).unwrap();
            let event = expect_event(&mut poll, &mut events, SECOND, |_| true);
            assert_eq!(event.readiness(), flags);
            events.iter().for_each(check);
            readiness.clear(flags);
        }
        peer.write_all(b"x").unwrap();
        check(&expect_event(
            &mut poll,
            &mut events,
            FIRST,
            Event::is_readable,
        ));
        read_all(&mut stream);
        drop(peer);
        check(&expect_event(
            &mut poll,
            &mut events,
            FIRST,
            tells_of_the_end(backend),
        ));
    });
}
