//! The standard library's channels, with mio's waker: a wake for every message.

use std::io::ErrorKind;
use std::sync::mpsc::{channel, sync_channel, Receiver};
use std::sync::Arc;

use anyhow::Result;
use mio_peer::{Events, Poll, Token, Waker};

use super::{Ledger, Message};
use crate::workloads::channel::Channel;
use crate::workloads::Values;

pub fn run(job: &Channel) -> Result<Values> {
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), Token(0))?);
    // A waker that is dropped takes its last wake along: the producers may be gone before it is seen.
    let _kept = Arc::clone(&waker);
    match job.bound {
        None => {
            let (sender, receiver) = channel();
            super::measure(
                job,
                move |message| {
                    sender.send(message)?;
                    Ok(waker.wake()?)
                },
                |ledger| receive(poll, receiver, ledger),
            )
        }
        Some(bound) => {
            let (sender, receiver) = sync_channel(bound);
            super::measure(
                job,
                move |message| {
                    sender.send(message)?;
                    Ok(waker.wake()?)
                },
                |ledger| receive(poll, receiver, ledger),
            )
        }
    }
}

fn receive(mut poll: Poll, receiver: Receiver<Message>, ledger: &mut Ledger) -> Result<()> {
    let mut events = Events::with_capacity(8);
    while !ledger.is_full() {
        match poll.poll(&mut events, None) {
            Err(err) if err.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        receiver
            .try_iter()
            .try_for_each(|message| ledger.enter(message))?;
    }
    Ok(())
}
