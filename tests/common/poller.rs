//! A poll in a thread of its own, which tells of each event.

use std::sync::mpsc;

use wakeful::{Backend, Events, Registry, Token, Waker};

use crate::stress::{poll_of, spawn_numbered, tokens, Numbered, PATIENCE};

/// A token that no source of the tests has: the waker's.
pub(crate) const WAKE: usize = usize::MAX;

/// A thread that polls without timeout and tells of each event, until it is dropped.
pub(crate) struct Poller {
    pub(crate) registry: Registry,
    pub(crate) waker: Waker,
    batches: mpsc::Receiver<Vec<usize>>,
    pub(crate) thread: Numbered<()>,
}

impl Poller {
    pub(crate) fn start(backend: Backend, capacity: usize) -> Self {
        let mut poll = poll_of(backend);
        let registry = poll.registry().try_clone().unwrap();
        let waker = Waker::new(&registry, Token(WAKE)).unwrap();
        let (sender, batches) = mpsc::channel();
        let thread = spawn_numbered(move || {
            let mut events = Events::with_capacity(capacity);
            loop {
                poll.poll(&mut events, None).unwrap();
                assert!(!events.is_empty());
                if sender.send(tokens(&events)).is_err() {
                    return;
                }
            }
        });
        Self {
            registry,
            waker,
            batches,
            thread,
        }
    }

    /// The next batch with an event of a source.
    #[track_caller]
    pub(crate) fn next(&self) -> Vec<usize> {
        loop {
            let mut batch = self.batches.recv_timeout(PATIENCE).unwrap();
            batch.retain(|&token| token != WAKE);
            if !batch.is_empty() {
                return batch;
            }
        }
    }

    /// What is reported until a wake that is sent now has come back.
    ///
    /// A poll that begins after that call knows of everything that was done before it, and so does
    /// the one that was under way: its rest is among what is returned.
    #[track_caller]
    pub(crate) fn until_woken(&self) -> Vec<usize> {
        self.waker.wake().unwrap();
        let mut all = Vec::new();
        loop {
            let batch = self.batches.recv_timeout(PATIENCE).unwrap();
            let is_last = batch.contains(&WAKE);
            all.extend(batch.into_iter().filter(|&token| token != WAKE));
            if is_last {
                return all;
            }
        }
    }

    pub(crate) fn stop(self) {
        drop(self.batches);
        self.waker.wake().unwrap();
        self.thread.join();
    }
}
