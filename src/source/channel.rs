//! Channels whose receiver is a source: messages from other threads, in the same loop as the
//! sockets.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::base::inbox::{Inbox, Refused, Taken, NO_BOUND};
use crate::base::interest::Interest;
use crate::base::readiness::Readiness;
use crate::base::sync;
use crate::base::token::Token;
use crate::reactor::registry::{Registry, Source};
use crate::source::user::{self, SetReadiness};

pub use std::sync::mpsc::{SendError, TryRecvError, TrySendError};

/// A channel without bounds: a [`Sender`] for any number of threads, and the [`Receiver`] that is
/// registered.
///
/// A message costs a lock that is mostly free; a burst of messages is one event, and at most one
/// system call.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "os-poll")]
/// # fn main() -> std::io::Result<()> {
/// use wakeful::{channel, Events, Interest, Poll, Token};
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
///
/// let (sender, mut receiver) = channel::channel();
/// poll.registry().register(&mut receiver, Token(0), Interest::READABLE)?;
///
/// let worker = std::thread::spawn(move || (1..=3).try_for_each(|n| sender.send(n)));
///
/// let mut sum = 0;
/// 'messages: loop {
///     poll.poll(&mut events, None)?;
///     // Drain: one event may stand for many messages.
///     loop {
///         match receiver.try_recv() {
///             Ok(n) => sum += n,
///             Err(channel::TryRecvError::Empty) => break,
///             Err(channel::TryRecvError::Disconnected) => break 'messages,
///         }
///     }
/// }
/// assert_eq!(sum, 6);
/// # worker.join().unwrap().unwrap();
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "os-poll"))]
/// # fn main() {}
/// ```
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (door, receiver) = open(NO_BOUND);
    (Sender { door }, receiver)
}

/// A channel that holds up to `bound` messages.
///
/// A message costs a lock that is mostly free; a burst of messages is one event, and at most one system call. A message
/// counts until it is received. The memory grows with what is in the channel, up to the bound.
///
/// A bound of 0 counts as 1: a receiver that polls never waits in a receive, so there is no
/// moment at which a message could be handed over.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = wakeful::channel::sync_channel(1);
/// sender.try_send(1).unwrap();
/// assert!(sender.try_send(2).is_err()); // full
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[must_use]
pub fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let (door, receiver) = open(bound.max(1));
    (SyncSender { door }, receiver)
}

fn open<T>(bound: usize) -> (Arc<Door<T>>, Receiver<T>) {
    let inbox = Arc::new(Inbox::new(bound));
    let heard = sync::Arc::clone(inbox.heard());
    let (source, readiness) = user::source_heard_by(Some(heard));
    let door = Door {
        inbox: Arc::clone(&inbox),
        open: Open {
            readiness: readiness.clone(),
        },
    };
    let unread = Unread {
        inbox,
        messages: RefCell::default(),
    };
    let receiver = Receiver {
        unread,
        source,
        readiness,
    };
    (Arc::new(door), receiver)
}

/// Tells the receiver that there is something, and, when the last sender goes, that nothing will come.
struct Open {
    readiness: SetReadiness,
}

impl Open {
    fn announce(&self) {
        // A doorbell that cannot be rung is one that has been.
        let _ = self.readiness.set(Readiness::READABLE);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self
            .readiness
            .set(Readiness::READABLE | Readiness::READ_CLOSED);
    }
}

/// Sends into a [`channel`].
pub struct Sender<T> {
    door: Arc<Door<T>>,
}

/// Shared by all senders.
struct Door<T> {
    inbox: Arc<Inbox<T>>,
    // The inbox is closed by `drop`, before the receiver is told of it.
    open: Open,
}

impl<T> Door<T> {
    fn put(&self, message: T) -> Result<(), SendError<T>> {
        if self.inbox.put(message).map_err(SendError)? {
            self.open.announce();
        }
        Ok(())
    }
}

impl<T> Drop for Door<T> {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

impl<T> Sender<T> {
    /// Sends a message; never waits.
    ///
    /// # Errors
    ///
    /// Gives the message back if the receiver is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = wakeful::channel::channel();
    /// sender.send("hello").unwrap();
    /// assert_eq!(receiver.try_recv(), Ok("hello"));
    ///
    /// drop(receiver);
    /// let error = sender.send("anybody?").unwrap_err();
    /// assert_eq!(error.0, "anybody?");
    /// ```
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.door.put(message)
    }
}

/// Sends into a [`sync_channel`].
pub struct SyncSender<T> {
    door: Arc<Door<T>>,
}

impl<T> SyncSender<T> {
    /// Sends a message; waits while the channel is full.
    ///
    /// # Errors
    ///
    /// Gives the message back if the receiver is gone, or goes while this waits.
    ///
    /// # Panics
    ///
    /// If it would have to wait where a program has one thread (WASI): nobody else could make room.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::{channel, Events, Interest, Poll, Token};
    ///
    /// let mut poll = Poll::new()?;
    /// let mut events = Events::with_capacity(8);
    /// let (sender, mut receiver) = channel::sync_channel(1);
    /// poll.registry().register(&mut receiver, Token(0), Interest::READABLE)?;
    ///
    /// // Waits again and again, until there is room.
    /// let worker = std::thread::spawn(move || (1..=3).try_for_each(|n| sender.send(n)));
    ///
    /// let mut received = Vec::new();
    /// while received.len() < 3 {
    ///     poll.poll(&mut events, None)?;
    ///     received.extend(receiver.try_iter());
    /// }
    /// assert_eq!(received, [1, 2, 3]);
    /// # worker.join().unwrap().unwrap();
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        // If it waits, the messages in its way are announced by who sent them.
        self.door.put(message)
    }

    /// Sends a message if there is room.
    ///
    /// # Errors
    ///
    /// Gives the message back if the channel is full, or the receiver is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use wakeful::channel::{self, TrySendError};
    ///
    /// let (sender, receiver) = channel::sync_channel(1);
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    ///
    /// drop(receiver);
    /// assert_eq!(sender.try_send(3), Err(TrySendError::Disconnected(3)));
    /// ```
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let must_tell = self.door.inbox.try_put(message);
        let must_tell = must_tell.map_err(|refused| match refused {
            Refused::Full(message) => TrySendError::Full(message),
            Refused::Closed(message) => TrySendError::Disconnected(message),
        })?;
        if must_tell {
            self.door.open.announce();
        }
        Ok(())
    }
}

/// The end that is registered: readable while there may be messages.
///
/// After an event, [receive](Receiver::try_recv) until the channel is empty. When every sender is
/// gone an event [says so](crate::event::Event::is_read_closed); messages that were sent before can
/// still be received.
pub struct Receiver<T> {
    unread: Unread<T>,
    source: user::Source,
    readiness: SetReadiness,
}

/// An inbox, and what was taken out of it.
struct Unread<T> {
    inbox: Arc<Inbox<T>>,
    messages: RefCell<VecDeque<T>>,
}

impl<T> Unread<T> {
    fn try_recv(&self, readiness: &SetReadiness) -> Result<T, TryRecvError> {
        let mut messages = self.messages.borrow_mut();
        if messages.is_empty() {
            let found_nothing = || readiness.clear(Readiness::READABLE);
            match self.inbox.take(&mut messages, found_nothing) {
                Taken::Messages => {}
                Taken::Nothing => return Err(TryRecvError::Empty),
                Taken::TheEnd => return Err(TryRecvError::Disconnected),
            }
        }
        let message = messages.pop_front().ok_or(TryRecvError::Empty)?;
        self.inbox.received();
        Ok(message)
    }
}

impl<T> Drop for Unread<T> {
    fn drop(&mut self) {
        // Here and not under the lock: a message may hold a sender.
        drop(self.inbox.abandon());
    }
}

impl<T> Receiver<T> {
    /// The next message, if there is one; never waits.
    ///
    /// # Errors
    ///
    /// - [`Empty`](TryRecvError::Empty): there is none now; an event will tell.
    /// - [`Disconnected`](TryRecvError::Disconnected): there is none, and no sender to send one.
    ///
    /// # Examples
    ///
    /// ```
    /// use wakeful::channel::{self, TryRecvError};
    ///
    /// let (sender, receiver) = channel::channel();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    ///
    /// sender.send(1).unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.unread.try_recv(&self.readiness)
    }

    /// The messages that are there now.
    ///
    /// ```
    /// let (sender, receiver) = wakeful::channel::channel();
    /// sender.send('a').unwrap();
    /// sender.send('b').unwrap();
    /// assert_eq!(receiver.try_iter().collect::<String>(), "ab");
    /// ```
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }
}

/// The messages that are there now, see [`Receiver::try_iter`].
pub struct TryIter<'a, T> {
    receiver: &'a Receiver<T>,
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

impl<T> Source for Receiver<T> {
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

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            door: Arc::clone(&self.door),
        }
    }
}

impl<T> Clone for SyncSender<T> {
    fn clone(&self) -> Self {
        Self {
            door: Arc::clone(&self.door),
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SyncSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for TryIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryIter").finish_non_exhaustive()
    }
}
