//! M: the delivery modes, for every kind of source.

use std::io::{ErrorKind, Read, Write};
use std::net;
use std::sync::mpsc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

#[cfg(capability = "sockets")]
use socket2::SockRef;
use wakeful::event::Event;
use wakeful::net::TcpStream;
use wakeful::{Events, Interest, Token};

use crate::common::{assert_kind, expect_event, tells_of_the_end};
use crate::poller::Poller;
use crate::stress::{self, on_each_backend, poll_now, poll_of, wait_until_asleep, PATIENCE};
use crate::subjects::{for_each, read_all, subjects, tcp_pair, until_blocked};
use crate::{pipe, FIRST, SECOND};

/// Edge, level, one-shot, and the two together.
pub(crate) const MODES: [fn(Interest) -> Interest; 4] = [
    Interest::edge,
    Interest::level,
    Interest::oneshot,
    |interest| interest.level().oneshot(),
];

#[test]
fn m2_edge_is_the_default_and_is_not_repeated() {
    assert_eq!(Interest::READABLE.edge(), Interest::READABLE);
    for_each(|trial| {
        trial.register(FIRST, Interest::READABLE.level().oneshot().edge());
        for _ in 0..3 {
            trial.subject.make_ready();
            trial.expect(FIRST);
            if trial.has_exact_edges() {
                trial.expect_silence();
            }
            trial.subject.drain();
        }
    });
}

#[test]
fn m3_level_reports_in_every_poll_until_drained() {
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
fn m3_level_ends_a_wait_that_begins_when_it_is_ready() {
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
fn m4_one_shot_reports_once_until_reregistered() {
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
fn m6_one_shot_is_one_shot_in_level_mode_too() {
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
fn m10_modes_are_kept_through_unions_and_removals_and_hold() {
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
fn m9_reregistration_changes_the_mode_and_reports_what_is_ready() {
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
fn m9_the_same_mode_again_reports_what_is_ready() {
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
fn m1_a_mode_holds_for_both_directions() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (mut stream, mut peer) = tcp_pair();
        let both = Interest::READABLE | Interest::WRITABLE;

        let registry = poll.registry().try_clone().unwrap();
        registry.register(&mut stream, FIRST, both.level()).unwrap();
        for _ in 0..3 {
            assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
            let event = events.iter().next().unwrap();
            assert!(event.is_writable() && !event.is_readable());
        }
        peer.write_all(b"x").unwrap();
        expect_event(&mut poll, &mut events, FIRST, Event::is_readable);
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
fn m3_level_writing_stops_when_there_is_no_room() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (mut sender, mut receiver) = pipe::new().unwrap();
        poll.registry()
            .register(&mut sender, FIRST, Interest::WRITABLE.level())
            .unwrap();
        for _ in 0..3 {
            expect_event(&mut poll, &mut events, FIRST, Event::is_writable);
            // A connection takes more for a while: the other end has a buffer too.
            while !poll_now(&mut poll, &mut events).is_empty() {
                until_blocked(|| sender.write(&[7; 4096]));
            }
            read_all(&mut receiver);
        }
        expect_event(&mut poll, &mut events, FIRST, Event::is_writable);
        assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
    });
}

#[test]
fn m11_a_half_close_is_reported_as_the_mode_says() {
    on_each_backend(|backend| {
        for mode in MODES.map(|mode| mode(Interest::READABLE)) {
            eprintln!("mode: {mode:?}");
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
            let registry = poll.registry().try_clone().unwrap();
            let (mut stream, peer) = tcp_pair();
            registry.register(&mut stream, FIRST, mode).unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), []);

            peer.shutdown(net::Shutdown::Write).unwrap();
            let is_end = tells_of_the_end(backend);
            expect_event(&mut poll, &mut events, FIRST, is_end);
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);

            for _ in 0..3 {
                let again = poll_now(&mut poll, &mut events);
                if mode.is_level() && !mode.is_oneshot() {
                    // The end can be read for ever.
                    assert_eq!(again, [FIRST.0]);
                    assert!(events.iter().all(is_end));
                } else {
                    assert_eq!(again, []);
                }
            }
            registry.reregister(&mut stream, SECOND, mode).unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), [SECOND.0]);
            assert!(events
                .iter()
                .all(|event| is_end(event) && event.is_readable()));
        }
    });
}

#[cfg(capability = "sockets")]
#[test]
#[cfg_attr(target_family = "wasm", ignore = "nobody can reset a connection there")]
fn m11_a_reset_is_reported_as_the_mode_says() {
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

/// Waits until the peer's reset has arrived, behind the back of the stream.
#[cfg(unix)]
fn wait_for_the_end(stream: &TcpStream) {
    use std::os::fd::AsRawFd;
    assert!(stress::becomes_readable(stream.as_raw_fd(), PATIENCE));
}

#[cfg(not(unix))]
fn wait_for_the_end(stream: &TcpStream) {
    while matches!(stream.peek(&mut [0]), Err(err) if err.kind() == ErrorKind::WouldBlock) {
        thread::yield_now();
    }
}

/// Closing is told unasked: also to who waits for room only.
#[cfg(capability = "sockets")]
#[test]
#[cfg_attr(target_family = "wasm", ignore = "nobody can reset a connection there")]
fn m4_a_spent_one_shot_does_not_hear_of_a_reset() {
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
        wait_for_the_end(&stream);
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
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn m4_one_shot_gives_a_source_to_one_thread_at_a_time() {
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

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn m9_another_thread_changes_the_mode_of_a_sleeping_poll() {
    on_each_backend(|backend| {
        for mut subject in subjects() {
            eprintln!("source: {}", subject.name());
            let poller = Poller::start(backend, 8);
            let once = Interest::READABLE.oneshot();
            poller
                .registry
                .register(subject.source(), FIRST, once)
                .unwrap();

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
            let rest = poller.until_woken();
            assert!(rest.iter().all(|&token| token == SECOND.0));
            assert_eq!(poller.until_woken(), []);
            poller.stop();
        }
    });
}

#[test]
fn m10_modes_are_constants_that_can_be_asked_and_shown() {
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
