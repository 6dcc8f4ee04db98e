//! Threads that hand over results and wake the thread that polls.
//!
//! Four workers look for prime numbers, each in its own range. Each has a channel for what it
//! finds and a [`Waker`] with its own token, all on one [`Poll`]. The order is what matters:
//!
//! - a worker *first* sends, *then* wakes;
//! - wakes coalesce: one event stands for any number of them, so whoever gets it takes
//!   *everything* out of the channel;
//! - a wake is never lost: what was sent before it is seen after its event.
//!
//! ```text
//! cargo run --release --example wake_from_thread
//! ```

use std::io;
use std::ops::Range;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::Arc;
use std::thread;

use wakeful::{Events, Poll, Token, Waker};

const WORKERS: usize = 4;
const NUMBERS_EACH: u32 = 50_000;

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(WORKERS);
    let mut inboxes = Vec::with_capacity(WORKERS);

    for (worker, first) in (0..WORKERS).zip((0..).step_by(NUMBERS_EACH as usize)) {
        let (sender, receiver) = mpsc::channel();
        let waker = Arc::new(Waker::new(poll.registry(), Token(worker))?);
        inboxes.push(Inbox::new(receiver, Arc::clone(&waker)));
        thread::spawn(move || find_primes(first..first + NUMBERS_EACH, sender, &waker));
    }

    while inboxes.iter().any(|inbox| !inbox.finished) {
        match poll.poll(&mut events, None) {
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            inboxes[event.token().0].empty();
        }
    }

    println!("token   primes  largest   wakes  events");
    for (token, inbox) in inboxes.iter().enumerate() {
        let Inbox {
            primes,
            largest,
            events,
            ..
        } = inbox;
        let wakes = primes + 1;
        println!("{token:5}  {primes:7}  {largest:7}  {wakes:6}  {events:6}");
    }
    let total: usize = inboxes.iter().map(|inbox| inbox.primes).sum();
    println!("{total} primes in all");
    Ok(())
}

/// Runs in its own thread: sends each prime, and wakes the poller for it.
fn find_primes(range: Range<u32>, sender: Sender<u32>, waker: &Waker) {
    let is_prime = |n: u32| n > 1 && (2..).take_while(|d| d * d <= n).all(|d| n % d != 0);
    for prime in range.filter(|&n| is_prime(n)) {
        if sender.send(prime).is_err() || waker.wake().is_err() {
            return; // The poller is gone.
        }
    }
    // That we have finished is also news: first close the channel, then wake once more.
    drop(sender);
    let _ = waker.wake();
}

struct Inbox {
    receiver: Receiver<u32>,
    /// As long as we hold it, the last wake reaches us even if its worker has ended already.
    _waker: Arc<Waker>,
    primes: usize,
    largest: u32,
    events: usize,
    finished: bool,
}

impl Inbox {
    fn new(receiver: Receiver<u32>, waker: Arc<Waker>) -> Self {
        Self {
            receiver,
            _waker: waker,
            primes: 0,
            largest: 0,
            events: 0,
            finished: false,
        }
    }

    /// Takes everything out: no further event will tell of what we leave.
    fn empty(&mut self) {
        self.events += 1;
        loop {
            match self.receiver.try_recv() {
                Ok(prime) => {
                    self.primes += 1;
                    self.largest = self.largest.max(prime);
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.finished = true;
                    return;
                }
            }
        }
    }
}
