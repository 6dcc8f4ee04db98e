//! signal-hook-mio: signals as a source beside others in a plain mio loop.

use std::io;

use downstream::{assert_polls_are_ours, run, step};
use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook::consts::{SIGUSR1, SIGUSR2};
use signal_hook::low_level::raise;
use signal_hook_mio::v1_0::Signals;

const SIGNALS: Token = Token(0);
const WAKER: Token = Token(1);

fn main() {
    run("signals", || signals().unwrap());
}

fn signals() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let mut signals = Signals::new([SIGUSR1, SIGUSR2])?;
    poll.registry()
        .register(&mut signals, SIGNALS, Interest::READABLE)?;
    let waker = Waker::new(poll.registry(), WAKER)?;
    assert_polls_are_ours();

    step("one signal at a time, 100 times");
    for round in 0..100 {
        let signal = if round % 3 == 0 { SIGUSR2 } else { SIGUSR1 };
        raise(signal)?;
        let mut got = Vec::new();
        while got.is_empty() {
            wait(&mut poll, &mut events)?;
            if events.iter().any(|event| event.token() == SIGNALS) {
                got.extend(signals.pending());
            }
        }
        assert_eq!(got, [signal]);
    }

    step("two signals at once");
    raise(SIGUSR1)?;
    raise(SIGUSR2)?;
    let mut got = Vec::new();
    while got.len() < 2 {
        wait(&mut poll, &mut events)?;
        if events.iter().any(|event| event.token() == SIGNALS) {
            got.extend(signals.pending());
        }
    }
    got.sort_unstable();
    assert_eq!(got, [SIGUSR1, SIGUSR2]);

    step("silent once deregistered");
    poll.registry().deregister(&mut signals)?;
    raise(SIGUSR1)?;
    waker.wake()?;
    let mut tokens = Vec::new();
    while !tokens.contains(&WAKER) {
        wait(&mut poll, &mut events)?;
        tokens.extend(events.iter().map(mio::event::Event::token));
    }
    assert!(!tokens.contains(&SIGNALS));
    assert_eq!(signals.pending().collect::<Vec<_>>(), [SIGUSR1]);
    Ok(())
}

/// A signal may interrupt the wait; the loop then asks again.
fn wait(poll: &mut Poll, events: &mut Events) -> io::Result<()> {
    match poll.poll(events, None) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        result => result,
    }
}
