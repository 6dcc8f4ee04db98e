//! C: channels whose receiver is a source.

use std::sync::mpsc;
use std::thread;

use wakeful::channel::{self, TryRecvError, TrySendError};
use wakeful::event::Event;
use wakeful::{Events, Interest};

use crate::of_channels::{all, register, MESSAGES};
use crate::stress::{
    on_each_backend, poll_now, poll_of, poll_some, poll_with_room, spawn_numbered, tokens,
    wait_until_asleep, Dice, PATIENCE,
};

const READABLE: Interest = Interest::READABLE;

#[test]
fn c1_a_receiver_that_drains_after_each_event_gets_all_in_order() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let (sender, mut receiver) = channel::channel();
        register(&poll, &mut receiver, READABLE);
        let mut dice = Dice::new(4);
        let (mut sent, mut received) = (0, 0);
        for _ in 0..500 {
            let burst = dice.below(5);
            for _ in 0..burst {
                sender.send(sent).unwrap();
                sent += 1;
            }
            let expected = if burst == 0 { vec![] } else { vec![MESSAGES.0] };
            assert_eq!(poll_now(&mut poll, &mut events), expected);
            for message in receiver.try_iter() {
                assert_eq!(message, received);
                received += 1;
            }
            assert_eq!(received, sent);
        }
    });
}

/// Several senders; whoever missed an event would wait for ever, since the last message has none behind it.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn c1_no_message_of_many_threads_is_lost() {
    const SENDERS: usize = 4;
    const MESSAGES_OF_EACH: usize = 2_000;

    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let (sender, mut receiver) = channel::channel();
        register(&poll, &mut receiver, READABLE);
        let senders: Vec<_> = (0..SENDERS)
            .map(|number| {
                let sender = sender.clone();
                thread::spawn(move || {
                    let mut dice = Dice::new(number as u64);
                    for n in 0..MESSAGES_OF_EACH {
                        sender.send((number, n)).unwrap();
                        dice.dawdle();
                    }
                })
            })
            .collect();
        let mut next = [0; SENDERS];
        while next != [MESSAGES_OF_EACH; SENDERS] {
            poll_some(&mut poll, &mut events);
            for (number, n) in receiver.try_iter() {
                assert_eq!(n, next[number]);
                next[number] += 1;
            }
        }
        senders
            .into_iter()
            .for_each(|sender| sender.join().unwrap());
    });
}

#[test]
fn c1_messages_sent_before_the_registration_are_reported() {
    on_each_backend(|backend| {
        for interest in [READABLE, READABLE.level(), READABLE.oneshot()] {
            let (mut poll, mut events) = poll_with_room(backend);
            let (sender, mut receiver) = channel::channel();
            sender.send(1).unwrap();
            sender.send(2).unwrap();
            register(&poll, &mut receiver, interest);
            assert_eq!(poll_now(&mut poll, &mut events), [MESSAGES.0]);
            assert_eq!(all(&receiver), [1, 2]);
        }
    });
}

#[test]
fn c4_level_reports_while_there_are_messages() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let (sender, mut receiver) = channel::channel();
        register(&poll, &mut receiver, READABLE.level());
        (0..5).for_each(|n| sender.send(n).unwrap());
        // One message for each event.
        for n in 0..5 {
            assert_eq!(poll_now(&mut poll, &mut events), [MESSAGES.0]);
            assert_eq!(receiver.try_recv(), Ok(n));
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(poll_now(&mut poll, &mut events), []);
    });
}

#[test]
fn c2_the_last_sender_that_goes_closes_the_channel() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let (sender, mut receiver) = channel::channel::<u8>();
        register(&poll, &mut receiver, READABLE);
        let other = sender.clone();
        drop(sender);
        assert_eq!(poll_now(&mut poll, &mut events), []);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));

        drop(other);
        assert_eq!(poll_now(&mut poll, &mut events), [MESSAGES.0]);
        let event = events.iter().next().unwrap();
        assert!(event.is_read_closed() && event.is_readable());
        for _ in 0..2 {
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        }
    });
}

#[test]
fn c2_messages_sent_before_the_close_are_still_received() {
    on_each_backend(|backend| {
        for is_bounded in [false, true] {
            for interest in [READABLE, READABLE.level(), READABLE.oneshot()] {
                let (mut poll, mut events) = poll_with_room(backend);
                let mut receiver = if is_bounded {
                    let (sender, receiver) = channel::sync_channel(100);
                    (0..100).for_each(|n| sender.send(n).unwrap());
                    receiver
                } else {
                    let (sender, receiver) = channel::channel();
                    (0..100).for_each(|n| sender.send(n).unwrap());
                    receiver
                };
                register(&poll, &mut receiver, interest);
                assert_eq!(poll_now(&mut poll, &mut events), [MESSAGES.0]);
                assert!(events.iter().all(Event::is_read_closed));
                let mut next = 0;
                loop {
                    match receiver.try_recv() {
                        Ok(n) => {
                            assert_eq!(n, next);
                            next += 1;
                        }
                        Err(err) => break assert_eq!(err, TryRecvError::Disconnected),
                    }
                }
                assert_eq!(next, 100);
            }
        }
    });
}

#[test]
fn c6_whoever_sends_to_nobody_gets_the_message_back() {
    let (sender, receiver) = channel::channel();
    let (bounded, bounded_receiver) = channel::sync_channel(1);
    drop((receiver, bounded_receiver));
    assert_eq!(sender.send(7).unwrap_err().0, 7);
    assert_eq!(bounded.send(8).unwrap_err().0, 8);
    assert_eq!(bounded.try_send(9), Err(TrySendError::Disconnected(9)));
}

/// Also of those that wait for room.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn c6_whoever_waits_gets_the_message_back_when_the_receiver_goes() {
    let (sender, receiver) = channel::sync_channel(1);
    sender.send(0).unwrap();
    let senders: Vec<_> = (1..=3)
        .map(|n| {
            let sender = sender.clone();
            spawn_numbered(move || sender.send(n).unwrap_err().0)
        })
        .collect();
    for sender in &senders {
        wait_until_asleep(sender.number);
    }
    drop(receiver);
    let back: Vec<_> = senders.into_iter().map(|sender| sender.join()).collect();
    assert_eq!(back, [1, 2, 3]);
}

/// A receiver may take messages out of their queue before they are asked for: they count until then,
/// and not longer.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn c5_one_receive_makes_room_for_one() {
    let (sender, receiver) = channel::sync_channel(4);
    (0..4).for_each(|n| sender.send(n).unwrap());
    for n in 4..40 {
        let waiting = sender.clone();
        let waiting = spawn_numbered(move || waiting.send(n).unwrap());
        wait_until_asleep(waiting.number);
        assert_eq!(receiver.try_recv(), Ok(n - 4));
        // Without another receive.
        waiting.join();
        assert_eq!(sender.try_send(99), Err(TrySendError::Full(99)));
    }
}

#[test]
fn c5_a_bounded_channel_holds_so_many_messages() {
    on_each_backend(|backend| {
        // A bound of 0 counts as 1: a receiver that polls never waits in a receive.
        for (bound, room) in [(0, 1), (1, 1), (2, 2), (10, 10)] {
            let (mut poll, mut events) = poll_with_room(backend);
            let (sender, mut receiver) = channel::sync_channel(bound);
            register(&poll, &mut receiver, READABLE);
            for _ in 0..3 {
                for n in 0..room {
                    sender.try_send(n).unwrap();
                }
                assert_eq!(sender.try_send(99), Err(TrySendError::Full(99)));
                assert_eq!(poll_now(&mut poll, &mut events), [MESSAGES.0]);
                assert_eq!(all(&receiver), (0..room).collect::<Vec<_>>());
                assert_eq!(poll_now(&mut poll, &mut events), []);
            }
        }
    });
}

/// Each message but the first has to wait for the poll to make room; nothing but events makes the
/// receiver look.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn c5_a_sender_that_waits_for_room_is_heard() {
    on_each_backend(|backend| {
        for bound in [0, 1, 3] {
            let (mut poll, mut events) = poll_with_room(backend);
            let (sender, mut receiver) = channel::sync_channel(bound);
            register(&poll, &mut receiver, READABLE);
            let sending = thread::spawn(move || (0..2_000).for_each(|n| sender.send(n).unwrap()));
            let mut next = 0;
            'open: loop {
                poll_some(&mut poll, &mut events);
                loop {
                    match receiver.try_recv() {
                        Ok(n) => {
                            assert_eq!(n, next);
                            next += 1;
                        }
                        Err(TryRecvError::Empty) => break,
                        Err(TryRecvError::Disconnected) => break 'open,
                    }
                }
            }
            assert_eq!(next, 2_000);
            sending.join().unwrap();
        }
    });
}

#[test]
fn c3_a_burst_into_an_awake_poll_rings_no_doorbell() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let (sender, mut receiver) = channel::channel();
        register(&poll, &mut receiver, READABLE);
        for round in 1..=10 {
            (0..1000).for_each(|n| sender.send(n).unwrap());
            assert_eq!(poll_now(&mut poll, &mut events), [MESSAGES.0]);
            assert_eq!(all(&receiver).len(), 1000);
            let metrics = poll.metrics();
            assert_eq!(metrics.doorbells, 0);
            // What the poll has not heard of yet is not told again.
            assert_eq!((metrics.wakes, metrics.coalesced), (round, 0));
        }
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn c3_a_burst_into_a_sleeping_poll_rings_one_doorbell() {
    const ROUNDS: u64 = 50;

    on_each_backend(|backend| {
        let mut poll = poll_of(backend);
        let (sender, mut receiver) = channel::channel();
        register(&poll, &mut receiver, READABLE);
        let (report, reports) = mpsc::channel();
        let (go_on, wait) = mpsc::channel::<()>();
        let poller = spawn_numbered(move || {
            let mut events = Events::with_capacity(8);
            for _ in 0..ROUNDS {
                poll.poll(&mut events, Some(PATIENCE)).unwrap();
                assert_eq!(tokens(&events), [MESSAGES.0]);
                report.send(poll.metrics().doorbells).unwrap();
                // Awake until the burst is over.
                wait.recv().unwrap();
                let mut sum = 0;
                loop {
                    sum += receiver.try_iter().sum::<u64>();
                    if poll_now(&mut poll, &mut events).is_empty() {
                        break;
                    }
                }
                assert_eq!(sum, 500 * 499 / 2);
                report.send(poll.metrics().doorbells).unwrap();
            }
        });
        for round in 1..=ROUNDS {
            wait_until_asleep(poller.number);
            (0..500).for_each(|n| sender.send(n).unwrap());
            let woken = reports.recv_timeout(PATIENCE).unwrap();
            go_on.send(()).unwrap();
            let drained = reports.recv_timeout(PATIENCE).unwrap();
            // If it slept somewhere else before it came to the poll, nobody had to ring.
            assert!(woken <= round, "{woken} doorbells in {round} bursts");
            assert_eq!(drained, woken);
        }
        poller.join();
    });
}
