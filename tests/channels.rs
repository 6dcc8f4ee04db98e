//! What channels promise, on every backend: no message is lost, and a burst costs one doorbell.

#![cfg(all(feature = "os-poll", feature = "net", feature = "os-ext"))]

#[path = "common/channels.rs"]
mod channels;
mod common;
#[path = "common/pipe.rs"]
mod pipe;
#[path = "common/stress.rs"]
mod stress;

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;

use proptest::prelude::*;

use wakeful::channel::{self, Receiver, Sender, SyncSender, TryRecvError};
use wakeful::event::Event;
use wakeful::{Backend, Events, Interest, Token};

use channels::{all, register, MESSAGES};
use common::{assert_kind, expect_event};
use stress::{
    on_each_backend, poll_now, poll_of, poll_some, poll_with_room, spawn_numbered, tokens,
    wait_until_asleep, wait_until_readable, Dice, PATIENCE,
};

const OTHER: Token = Token(6);
const READABLE: Interest = Interest::READABLE;

#[test]
fn a_message_is_a_readable_event_and_can_be_received() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let (sender, mut receiver) = channel::channel();
        register(&poll, &mut receiver, READABLE);
        assert_eq!(poll_now(&mut poll, &mut events), []);
        for n in 0..10 {
            sender.send(n).unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), [MESSAGES.0]);
            let event = events.iter().next().unwrap();
            assert!(event.is_readable() && !event.is_read_closed() && !event.is_writable());
            assert_eq!(receiver.try_recv(), Ok(n));
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            assert_eq!(poll_now(&mut poll, &mut events), []);
        }
    });
}

#[test]
fn messages_come_in_the_order_of_their_sending() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let (sender, mut receiver) = channel::channel();
        register(&poll, &mut receiver, READABLE);
        let sent: Vec<_> = (0..1000).collect();
        for &n in &sent {
            sender.clone().send(n).unwrap();
        }
        assert_eq!(poll_now(&mut poll, &mut events), [MESSAGES.0]);
        assert_eq!(all(&receiver), sent);
        assert_eq!(poll_now(&mut poll, &mut events), []);
    });
}

#[test]
fn a_channel_that_was_drained_before_its_poll_is_not_reported() {
    on_each_backend(|backend| {
        for interest in [READABLE, READABLE.level(), READABLE.oneshot()] {
            let (mut poll, mut events) = poll_with_room(backend);
            let (sender, mut receiver) = channel::channel();
            register(&poll, &mut receiver, interest);
            sender.send(1).unwrap();
            assert_eq!(all(&receiver), [1]);
            assert_eq!(poll_now(&mut poll, &mut events), []);
            sender.send(2).unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), [MESSAGES.0]);
        }
    });
}

#[test]
fn one_shot_reports_one_burst_until_it_is_reregistered() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let (sender, mut receiver) = channel::channel();
        register(&poll, &mut receiver, READABLE.oneshot());
        sender.send(1).unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), [MESSAGES.0]);
        assert_eq!(all(&receiver), [1]);
        sender.send(2).unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), []);
        poll.registry()
            .reregister(&mut receiver, OTHER, READABLE.oneshot())
            .unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), [OTHER.0]);
        assert_eq!(all(&receiver), [2]);
    });
}

/// Closing is told unasked.
#[test]
fn a_close_is_an_event_for_every_interest() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let (sender, mut receiver) = channel::channel::<u8>();
        register(&poll, &mut receiver, Interest::WRITABLE);
        sender.send(1).unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), []);
        drop(sender);
        assert_eq!(poll_now(&mut poll, &mut events), [MESSAGES.0]);
        let event = events.iter().next().unwrap();
        assert!(event.is_read_closed() && !event.is_readable());
    });
}

#[test]
fn the_end_of_a_closed_channel_is_readable_in_level_mode_for_ever() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let (sender, mut receiver) = channel::channel::<u8>();
        register(&poll, &mut receiver, READABLE.level());
        drop(sender);
        for _ in 0..3 {
            assert_eq!(poll_now(&mut poll, &mut events), [MESSAGES.0]);
            assert!(events.iter().all(Event::is_read_closed));
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        }
        poll.registry().deregister(&mut receiver).unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), []);
    });
}

#[test]
fn a_receiver_that_is_dropped_reports_nothing_that_was_queued() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let (sender, mut receiver) = channel::channel();
        register(&poll, &mut receiver, READABLE.level());
        sender.send(1).unwrap();
        drop(receiver);
        assert_eq!(poll_now(&mut poll, &mut events), []);
        assert!(sender.send(2).is_err());
        drop(sender);
        assert_eq!(poll_now(&mut poll, &mut events), []);
    });
}

/// Producers against one consumer that looks at events alone: a message whose event were lost would
/// leave the poll asleep for ever, unless another one came, and the last one has none behind it.
#[track_caller]
fn no_message_is_lost<S: Clone + Send + 'static>(
    backend: Backend,
    interest: Interest,
    (sender, mut receiver): (S, Receiver<(usize, usize)>),
    send: fn(&S, (usize, usize)),
    each: usize,
) {
    const PRODUCERS: usize = 4;

    let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(2));
    register(&poll, &mut receiver, interest);
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|number| {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut dice = Dice::new(number as u64);
                for n in 0..each {
                    send(&sender, (number, n));
                    if dice.below(256) == 0 {
                        dice.dawdle();
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    drop(sender);

    let mut next = [0; PRODUCERS];
    let mut is_open = true;
    while is_open {
        poll_some(&mut poll, &mut events);
        loop {
            match receiver.try_recv() {
                Ok((number, n)) => {
                    assert_eq!(n, next[number], "of producer {number}");
                    next[number] += 1;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    is_open = false;
                    break;
                }
            }
            if interest.is_level() && next[0] % 64 == 0 {
                // Level mode need not be drained.
                break;
            }
        }
        if interest.is_oneshot() {
            poll.registry()
                .reregister(&mut receiver, MESSAGES, interest)
                .unwrap();
        }
    }
    assert_eq!(next, [each; PRODUCERS]);
    producers
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

type Numbered = (usize, usize);

fn send(sender: &Sender<Numbered>, message: Numbered) {
    sender.send(message).unwrap();
}

fn send_bounded(sender: &SyncSender<Numbered>, message: Numbered) {
    sender.send(message).unwrap();
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn no_message_of_many_threads_is_lost() {
    on_each_backend(|backend| {
        no_message_is_lost(backend, READABLE, channel::channel(), send, 100_000);
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn no_message_of_many_threads_is_lost_in_other_modes() {
    on_each_backend(|backend| {
        for mode in [READABLE.level(), READABLE.oneshot()] {
            no_message_is_lost(backend, mode, channel::channel(), send, 10_000);
        }
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn no_message_of_many_threads_is_lost_in_a_bounded_channel() {
    on_each_backend(|backend| {
        for bound in [0, 1, 7, 1000] {
            let channel = channel::sync_channel(bound);
            no_message_is_lost(backend, READABLE, channel, send_bounded, 2_000);
        }
    });
}

/// Somebody who watches the descriptor must be rung for, each time, and once.
#[cfg(unix)]
#[test]
fn a_burst_into_a_watched_poll_rings_one_doorbell() {
    use std::os::fd::AsRawFd;

    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let (sender, mut receiver) = channel::channel();
        register(&poll, &mut receiver, READABLE);
        let raw = poll.as_raw_fd();
        for round in 1..=10 {
            (0..1000).for_each(|n| sender.send(n).unwrap());
            assert_eq!(poll.metrics().doorbells, round);
            assert!(stress::is_readable(raw));
            assert_eq!(poll_now(&mut poll, &mut events), [MESSAGES.0]);
            assert_eq!(all(&receiver).len(), 1000);
            assert_eq!(poll_now(&mut poll, &mut events), []);
        }
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn a_message_ends_a_wait() {
    on_each_backend(|backend| {
        for is_close in [false, true] {
            let mut poll = poll_of(backend);
            let (sender, mut receiver) = channel::channel();
            register(&poll, &mut receiver, READABLE);
            let poller = spawn_numbered(move || {
                let mut events = Events::with_capacity(8);
                poll.poll(&mut events, Some(PATIENCE)).unwrap();
                (tokens(&events), receiver.try_recv())
            });
            wait_until_asleep(poller.number);
            let expected = if is_close {
                drop(sender);
                Err(TryRecvError::Disconnected)
            } else {
                sender.send(3).unwrap();
                Ok(3)
            };
            assert_eq!(poller.join(), (vec![MESSAGES.0], expected));
        }
    });
}

#[test]
fn a_receiver_moves_to_another_poll_with_its_messages() {
    on_each_backend(|backend| {
        let (mut here, mut events) = poll_with_room(backend);
        let mut there = poll_of(backend);
        let (sender, mut receiver) = channel::channel();
        register(&here, &mut receiver, READABLE);
        sender.send(1).unwrap();
        here.registry().deregister(&mut receiver).unwrap();
        register(&there, &mut receiver, READABLE);
        assert_eq!(poll_now(&mut here, &mut events), []);
        assert_eq!(poll_now(&mut there, &mut events), [MESSAGES.0]);
        sender.send(2).unwrap();
        assert_eq!(poll_now(&mut there, &mut events), [MESSAGES.0]);
        assert_eq!(all(&receiver), [1, 2]);

        // Its poll is gone: it keeps what is sent, and can be registered with another.
        drop(there);
        sender.send(3).unwrap();
        register(&here, &mut receiver, READABLE);
        assert_eq!(poll_now(&mut here, &mut events), [MESSAGES.0]);
        assert_eq!(all(&receiver), [3]);
    });
}

#[test]
fn misuse_is_an_error() {
    on_each_backend(|backend| {
        let (poll, other) = (poll_of(backend), poll_of(backend));
        let (_sender, mut receiver) = channel::channel::<u8>();
        let (ours, theirs) = (poll.registry(), other.registry());
        assert_kind(ours.deregister(&mut receiver), ErrorKind::NotFound);
        ours.register(&mut receiver, MESSAGES, READABLE).unwrap();
        for registry in [ours, theirs] {
            let again = registry.register(&mut receiver, OTHER, READABLE);
            assert_kind(again, ErrorKind::AlreadyExists);
        }
        let outcome = theirs.reregister(&mut receiver, OTHER, READABLE);
        assert_kind(outcome, ErrorKind::AlreadyExists);
    });
}

#[test]
fn a_busy_channel_and_a_busy_pipe_take_turns_at_capacity_one() {
    const POLLS: usize = 200;

    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(1));
        let (sender, mut receiver) = channel::channel();
        let (mut writer, mut reader) = pipe::new().unwrap();
        writer.write_all(b"x").unwrap();
        wait_until_readable(&mut reader);
        register(&poll, &mut receiver, READABLE);
        poll.registry()
            .register(&mut reader, OTHER, READABLE.level())
            .unwrap();
        let mut reported = [0; 2];
        for n in 0..POLLS {
            sender.send(n).unwrap();
            poll_some(&mut poll, &mut events);
            reported[tokens(&events)[0] - MESSAGES.0] += 1;
        }
        assert!(
            reported.iter().all(|&times| times >= POLLS / 4),
            "{reported:?} of the channel and the pipe"
        );
    });
}

/// Each message is dropped once, also those that nobody received.
#[test]
fn messages_that_nobody_received_are_dropped() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    on_each_backend(|backend| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let (mut poll, mut events) = poll_with_room(backend);
        let (sender, mut receiver) = channel::channel();
        register(&poll, &mut receiver, READABLE);
        for _ in 0..10 {
            sender.send(Counted(Arc::clone(&dropped))).unwrap();
        }
        expect_event(&mut poll, &mut events, MESSAGES, Event::is_readable);
        receiver.try_iter().take(3).for_each(drop);
        assert_eq!(dropped.load(Ordering::SeqCst), 3);
        drop(receiver);
        drop(sender);
        assert_eq!(dropped.load(Ordering::SeqCst), 10);
    });
}

#[test]
fn ends_can_be_sent_to_other_threads() {
    fn is_send<T: Send>() {}
    fn is_send_sync_and_clone<T: Send + Sync + Clone>() {}
    is_send::<Receiver<u8>>();
    is_send_sync_and_clone::<Sender<u8>>();
    is_send_sync_and_clone::<SyncSender<u8>>();
}

#[derive(Copy, Clone, Debug)]
enum Step {
    Send,
    Receive,
    Drain,
    Close,
    Look,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against a queue: after a look in level mode there is an event just when a receive would not
    /// say `Empty`, if it was said since the last message was taken.
    #[test]
    fn level_mode_says_what_a_receive_would(
        bound in 1usize..5,
        steps in proptest::collection::vec(prop_oneof![
            4 => Just(Step::Send), 3 => Just(Step::Receive), 1 => Just(Step::Drain),
            3 => Just(Step::Look), 1 => Just(Step::Close)], 0..60),
    ) {
        for &backend in Backend::available() {
            let (mut poll, mut events) = poll_with_room(backend);
            let (sender, mut receiver) = channel::sync_channel(bound);
            register(&poll, &mut receiver, READABLE.level());
            let mut sender = Some(sender);
            let mut queue = VecDeque::new();
            let mut said_empty = true;
            for (n, &step) in steps.iter().enumerate() {
                match step {
                    Step::Send => {
                        if let Some(sender) = &sender {
                            let has_room = queue.len() < bound;
                            prop_assert_eq!(sender.try_send(n).is_ok(), has_room);
                            if has_room {
                                queue.push_back(n);
                                said_empty = false;
                            }
                        }
                    }
                    Step::Receive => {
                        let expected = match (queue.pop_front(), &sender) {
                            (Some(n), _) => Ok(n),
                            (None, Some(_)) => Err(TryRecvError::Empty),
                            (None, None) => Err(TryRecvError::Disconnected),
                        };
                        said_empty = expected == Err(TryRecvError::Empty);
                        prop_assert_eq!(receiver.try_recv(), expected);
                    }
                    Step::Drain => {
                        prop_assert_eq!(all(&receiver), Vec::from(std::mem::take(&mut queue)));
                        said_empty = sender.is_some();
                    }
                    Step::Close => {
                        said_empty = false;
                        sender = None;
                    }
                    Step::Look => {
                        let is_reported = !poll_now(&mut poll, &mut events).is_empty();
                        prop_assert_eq!(is_reported, !said_empty);
                        let closed = events.iter().any(Event::is_read_closed);
                        prop_assert_eq!(closed, sender.is_none());
                    }
                }
            }
        }
    }
}
