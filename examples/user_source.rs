//! A source of one's own that has no descriptor: a value that another thread keeps up to date.
//!
//! A `Watch` holds the newest value only. Whoever sets it overwrites what was there; the loop is told
//! that there is something new, and takes it. Ten thousand values may be a hundred events. That
//! is what a display of a temperature wants, and what a channel cannot do.
//!
//! Two parts make it: [`user::source`], whose readiness the program sets itself, and the trait
//! [`Source`], so that a `Watch` is registered like a socket. The value and its readiness change
//! under one lock. So they agree at all times: level mode, one-shot and edges all work.
//!
//! ```text
//! cargo run --release --example user_source
//! ```

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use wakeful::event::{Readiness, Source};
use wakeful::user::{self, SetReadiness};
use wakeful::{Events, Interest, Poll, Registry, Token};

const TEMPERATURE: Token = Token(0);
const VALUES: u32 = 10_000;

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);

    let (setter, mut temperature) = watch();
    poll.registry()
        .register(&mut temperature, TEMPERATURE, Interest::READABLE)?;
    let sensor = thread::spawn(move || (1..=VALUES).try_for_each(|value| setter.set(value)));

    let mut seen = 0;
    let mut last = None;
    let mut is_over = false;
    while !is_over {
        match poll.poll(&mut events, None) {
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            // Said by the end of the setter. A last value may come with it.
            is_over |= event.is_read_closed();
            if let Some(value) = temperature.take() {
                seen += 1;
                last = Some(value);
            }
        }
    }

    sensor.join().expect("the sensor does not panic")?;
    println!("{VALUES} values set, {seen} seen, the last one is {last:?}");
    Ok(())
}

/// A cell for the newest value: one end sets it, the other one is a source.
fn watch<T>() -> (Setter<T>, Watch<T>) {
    let value = Arc::new(Mutex::new(None));
    let (source, readiness) = user::source();
    let setter = Setter {
        value: Arc::clone(&value),
        readiness: readiness.clone(),
    };
    let watch = Watch {
        value,
        source,
        readiness,
    };
    (setter, watch)
}

struct Setter<T> {
    value: Arc<Mutex<Option<T>>>,
    readiness: SetReadiness,
}

impl<T> Setter<T> {
    fn set(&self, value: T) -> io::Result<()> {
        let mut cell = lock(&self.value);
        *cell = Some(value);
        self.readiness.set(Readiness::READABLE)
    }
}

impl<T> Drop for Setter<T> {
    fn drop(&mut self) {
        // The only error would be that the poll cannot be woken; then nobody can be told.
        let _ = self.readiness.set(Readiness::READ_CLOSED);
    }
}

struct Watch<T> {
    value: Arc<Mutex<Option<T>>>,
    source: user::Source,
    readiness: SetReadiness,
}

impl<T> Watch<T> {
    /// The newest value, unless it was taken before.
    fn take(&self) -> Option<T> {
        let mut cell = lock(&self.value);
        self.readiness.clear(Readiness::READABLE);
        cell.take()
    }
}

/// A source that wraps another one forwards to it.
impl<T> Source for Watch<T> {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.source.register(registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.source.reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source.deregister(registry)
    }
}

fn lock<T>(cell: &Mutex<Option<T>>) -> MutexGuard<'_, Option<T>> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}
