//! The `polling` crate, edge-triggered as its documentation offers it where the system can: its default, one-shot, would
//! need a call more for every event.

pub mod api {
    use std::io;
    use std::num::NonZeroUsize;
    use std::os::fd::{AsRawFd, BorrowedFd};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Arc;
    use std::time::Duration;

    use ::polling::{PollMode, Poller};

    pub use super::super::bare::{net, unix, Interest, Token};

    /// The token of the waker while it is not woken.
    const NOBODY: usize = usize::MAX;

    pub struct Poll {
        registry: Registry,
    }

    pub struct Registry {
        shared: Arc<Shared>,
    }

    /// `notify` ends a wait and says nothing more, so programs over polling note why they called it.
    struct Shared {
        poller: Poller,
        woken: AtomicUsize,
    }

    impl Poll {
        pub fn new() -> io::Result<Self> {
            let poller = Poller::new()?;
            if !poller.supports_edge() {
                return Err(io::ErrorKind::Unsupported.into());
            }
            let shared = Arc::new(Shared {
                poller,
                woken: AtomicUsize::new(NOBODY),
            });
            Ok(Self {
                registry: Registry { shared },
            })
        }

        pub fn registry(&self) -> &Registry {
            &self.registry
        }

        pub fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
            let shared = &self.registry.shared;
            loop {
                events.list.clear();
                shared.poller.wait(&mut events.list, timeout)?;
                // Acquire: pairs with the waker, so that who sees the wake sees what was written before. Looked at
                // before it is taken: most waits end for other reasons.
                events.woken = None;
                if shared.woken.load(Ordering::Acquire) != NOBODY {
                    events.woken = match shared.woken.swap(NOBODY, Ordering::Acquire) {
                        NOBODY => None,
                        token => Some(Token(token)),
                    };
                }
                // A notification whose wake was seen earlier.
                if timeout.is_some() || !events.is_empty() {
                    return Ok(());
                }
            }
        }
    }

    impl Registry {
        pub fn register(
            &self,
            source: &mut impl AsRawFd,
            token: Token,
            interest: Interest,
        ) -> io::Result<()> {
            let event = event(token, interest);
            let fd = source.as_raw_fd();
            // SAFETY: the programs deregister what they close, or end.
            unsafe { self.shared.poller.add_with_mode(fd, event, PollMode::Edge) }
        }

        pub fn reregister(
            &self,
            source: &mut impl AsRawFd,
            token: Token,
            interest: Interest,
        ) -> io::Result<()> {
            // SAFETY: open as long as the source lives.
            let fd = unsafe { BorrowedFd::borrow_raw(source.as_raw_fd()) };
            let event = event(token, interest);
            let poller = &self.shared.poller;
            poller.modify_with_mode(fd, event, PollMode::Edge)
        }

        pub fn deregister(&self, source: &mut impl AsRawFd) -> io::Result<()> {
            // SAFETY: open as long as the source lives.
            let fd = unsafe { BorrowedFd::borrow_raw(source.as_raw_fd()) };
            self.shared.poller.delete(fd)
        }
    }

    fn event(token: Token, interest: Interest) -> ::polling::Event {
        ::polling::Event::new(token.0, interest.is_readable(), interest.is_writable())
    }

    pub struct Events {
        list: ::polling::Events,
        woken: Option<Token>,
    }

    impl Events {
        pub fn with_capacity(capacity: usize) -> Self {
            let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
            Self {
                list: ::polling::Events::with_capacity(capacity),
                woken: None,
            }
        }

        pub fn is_empty(&self) -> bool {
            self.woken.is_none() && self.list.is_empty()
        }

        pub fn iter(&self) -> impl Iterator<Item = Event> + '_ {
            let listed = self.list.iter().map(|event| Event(Token(event.key)));
            listed.chain(self.woken.map(Event))
        }
    }

    pub struct Event(Token);

    impl Event {
        pub fn token(&self) -> Token {
            self.0
        }

        /// Not told on every system: it may be.
        pub fn is_read_closed(&self) -> bool {
            true
        }
    }

    pub struct Waker {
        shared: Arc<Shared>,
        token: Token,
    }

    impl Waker {
        pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
            Ok(Self {
                shared: Arc::clone(&registry.shared),
                token,
            })
        }

        pub fn wake(&self) -> io::Result<()> {
            // Release: pairs with the poll.
            self.shared.woken.store(self.token.0, Ordering::Release);
            self.shared.poller.notify()
        }
    }
}

// Compiled once for each engine, that is the point: see engines/mod.rs.
#[allow(clippy::duplicate_mod)]
#[path = "program/mod.rs"]
mod program;

pub use program::run;
