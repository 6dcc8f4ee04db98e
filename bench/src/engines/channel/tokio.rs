//! tokio's channels, received from by the one task of a current-thread runtime without I/O: it sleeps on a futex.

use anyhow::{Context, Result};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{channel, unbounded_channel};

use crate::workloads::channel::Channel;
use crate::workloads::Values;

pub fn run(job: &Channel) -> Result<Values> {
    let runtime = Builder::new_current_thread().build()?;
    match job.bound {
        None => {
            let (sender, mut receiver) = unbounded_channel();
            super::measure(
                job,
                move |message| Ok(sender.send(message)?),
                |ledger| {
                    runtime.block_on(async {
                        while !ledger.is_full() {
                            let message = receiver.recv().await;
                            ledger.enter(message.context("closed, messages are lost")?)?;
                        }
                        Ok(())
                    })
                },
            )
        }
        Some(bound) => {
            let (sender, mut receiver) = channel(bound);
            super::measure(
                job,
                move |message| Ok(sender.blocking_send(message)?),
                |ledger| {
                    runtime.block_on(async {
                        while !ledger.is_full() {
                            let message = receiver.recv().await;
                            ledger.enter(message.context("closed, messages are lost")?)?;
                        }
                        Ok(())
                    })
                },
            )
        }
    }
}
