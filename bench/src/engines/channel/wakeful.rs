//! wakeful's channels: the receiver is a source.

use anyhow::{bail, Result};
use wakeful::channel::{channel, sync_channel, Receiver, TryRecvError};
use wakeful::{Events, Interest, Poll, Token};

use super::{Ledger, Message};
use crate::workloads::channel::Channel;
use crate::workloads::Values;

pub fn run(job: &Channel) -> Result<Values> {
    match job.bound {
        None => {
            let (sender, receiver) = channel();
            super::measure(
                job,
                move |message| Ok(sender.send(message)?),
                |ledger| receive(receiver, ledger),
            )
        }
        Some(bound) => {
            let (sender, receiver) = sync_channel(bound);
            super::measure(
                job,
                move |message| Ok(sender.send(message)?),
                |ledger| receive(receiver, ledger),
            )
        }
    }
}

fn receive(mut receiver: Receiver<Message>, ledger: &mut Ledger) -> Result<()> {
    let mut poll = Poll::builder().retry_interrupted(true).build()?;
    let mut events = Events::with_capacity(8);
    poll.registry()
        .register(&mut receiver, Token(0), Interest::READABLE)?;
    while !ledger.is_full() {
        poll.poll(&mut events, None)?;
        for _event in events.iter() {
            loop {
                match receiver.try_recv() {
                    Ok(message) => ledger.enter(message)?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) if ledger.is_full() => break,
                    Err(TryRecvError::Disconnected) => bail!("closed, messages are lost"),
                }
            }
        }
    }
    Ok(())
}
