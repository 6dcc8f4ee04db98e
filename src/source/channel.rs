//! Channels whose receiver is a source: messages from other threads, in the same loop as the
//! sockets.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{mpsc, Arc};

use crate::base::inbox::{Inbox, Taken};
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
    let inbox = Arc::new(Inbox::new());
    let (open, receiver) = open(Queue::Inbox(Unread {
        inbox: Arc::clone(&inbox),
        messages: RefCell::default(),
    }));
    let door = Door { inbox, open };
    (
        Sender {
            door: Arc::new(door),
        },
        receiver,
    )
}

/// A channel that holds up to `bound` messages.
///
/// The queue is that of [`std::sync::mpsc`]. A message costs what it costs there and one lock; a burst of
/// messages is one event, and at most one system call.
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
    let (sender, receiver) = mpsc::sync_channel(bound.max(1));
    let (open, receiver) = open(Queue::Bounded(receiver));
    let open = Arc::new(open);
    (SyncSender { sender, open }, receiver)
}

fn open<T>(queue: Queue<T>) -> (Open, Receiver<T>) {
    let heard = match &queue {
        Queue::Inbox(unread) => Some(sync::Arc::clone(unread.inbox.heard())),
        Queue::Bounded(_) => None,
    };
    let (source, readiness) = user::source_heard_by(heard);
    let open = Open {
        readiness: readiness.clone(),
    };
    let receiver = Receiver {
        queue,
        source,
        readiness,
    };
    (open, receiver)
}

/// Held by every sender: the last one to go closes the channel.
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
        if self.door.inbox.put(message).map_err(SendError)? {
            self.door.open.announce();
        }
        Ok(())
    }
}

/// Sends into a [`sync_channel`].
pub struct SyncSender<T> {
    // Before `open`: the queue must know that it is closed before the receiver is told.
    sender: mpsc::SyncSender<T>,
    open: Arc<Open>,
}

impl<T> SyncSender<T> {
    /// Sends a message; waits while the channel is full.
    ///
    /// # Errors
    ///
    /// Gives the message back if the receiver is gone.
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
        // If it waits, the messages in its way have announced themselves.
        self.sender.send(message)?;
        self.open.announce();
        Ok(())
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
        self.sender.try_send(message)?;
        self.open.announce();
        Ok(())
    }
}

/// The end that is registered: readable while there may be messages.
///
/// After an event, [receive](Receiver::try_recv) until the channel is empty. When every sender is
/// gone an event [says so](crate::event::Event::is_read_closed); messages that were sent before can
/// still be received.
pub struct Receiver<T> {
    queue: Queue<T>,
    source: user::Source,
    readiness: SetReadiness,
}

enum Queue<T> {
    Inbox(Unread<T>),
    Bounded(mpsc::Receiver<T>),
}

/// An inbox without bounds, and what was taken out of it.
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
        messages.pop_front().ok_or(TryRecvError::Empty)
    }
}

impl<T> Drop for Unread<T> {
    fn drop(&mut self) {
        // Here and not under the lock: a message may hold a sender.
        drop(self.inbox.abandon());
    }
}

fn try_recv_bounded<T>(
    queue: &mpsc::Receiver<T>,
    readiness: &SetReadiness,
) -> Result<T, TryRecvError> {
    let outcome = queue.try_recv();
    if !matches!(outcome, Err(TryRecvError::Empty)) {
        return outcome;
    }
    readiness.clear(Readiness::READABLE);
    // A message that came between the two lines above has announced itself in vain.
    let outcome = queue.try_recv();
    if !matches!(outcome, Err(TryRecvError::Empty)) {
        let _ = readiness.set(Readiness::READABLE);
    }
    outcome
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
        match &self.queue {
            Queue::Inbox(unread) => unread.try_recv(&self.readiness),
            Queue::Bounded(queue) => try_recv_bounded(queue, &self.readiness),
        }
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
            sender: self.sender.clone(),
            open: Arc::clone(&self.open),
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
