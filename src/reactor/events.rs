//! The batch of events that one call of `poll` fills.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;

use crate::base::event::Event;

/// The events of one call of [`Poll::poll`](crate::Poll::poll).
///
/// Made once and used for every call, which empties it first. Its capacity bounds how many events
/// one call reports; what does not fit is reported by the next call, and takes turns so that
/// nothing starves even at capacity 1.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "os-poll")]
/// # fn main() -> std::io::Result<()> {
/// use std::time::Duration;
/// use wakeful::{Events, Poll};
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(1024);
///
/// poll.poll(&mut events, Some(Duration::ZERO))?;
/// for event in &events {
///     println!("{event:?}");
/// }
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "os-poll"))]
/// # fn main() {}
/// ```
pub struct Events {
    list: Vec<Event>,
    capacity: usize,
    /// What the capacity may grow to.
    most: usize,
    /// Whether the last poll filled it.
    was_filled: bool,
}

impl Events {
    /// Room for `capacity` events, allocated now: 16 bytes each on 64-bit systems.
    ///
    /// A poll needs room for one event at least; with a capacity of 0 it fails with
    /// [`InvalidInput`](std::io::ErrorKind::InvalidInput).
    ///
    /// # Panics
    ///
    /// If the events would need more than `isize::MAX` bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::{Events, Poll, Token, Waker};
    ///
    /// let mut poll = Poll::new()?;
    /// let mut one = Events::with_capacity(1);
    /// let wakers = [Waker::new(poll.registry(), Token(0))?, Waker::new(poll.registry(), Token(1))?];
    /// for waker in &wakers {
    ///     waker.wake()?;
    /// }
    ///
    /// // What does not fit is there at the next call.
    /// for _ in 0..2 {
    ///     poll.poll(&mut one, None)?;
    ///     assert_eq!(one.iter().count(), 1);
    /// }
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            list: Vec::with_capacity(capacity),
            capacity,
            most: capacity,
            was_filled: false,
        }
    }

    /// Room for as many events as the range begins with, which doubles whenever a poll has filled
    /// it, up to the range's end.
    ///
    /// For loops that do not know their load: batches stay small while little happens, which keeps
    /// latencies even, and grow when more is ready than fits. A range that begins with 0 begins
    /// with 1.
    ///
    /// # Panics
    ///
    /// If the events would need more than `isize::MAX` bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::{Events, Poll, Token, Waker};
    ///
    /// let mut poll = Poll::new()?;
    /// let mut events = Events::adaptive(1..=64);
    /// let wakers = [1, 2].map(|n| Waker::new(poll.registry(), Token(n)));
    /// for waker in wakers {
    ///     waker?.wake()?;
    /// }
    ///
    /// poll.poll(&mut events, None)?;
    /// assert!(events.is_saturated() && events.capacity() == 1);
    /// poll.poll(&mut events, None)?;
    /// assert!(!events.is_saturated() && events.capacity() == 2);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn adaptive(capacity: RangeInclusive<usize>) -> Self {
        let (least, most) = (*capacity.start(), *capacity.end());
        let mut events = Self::with_capacity(least.max(1));
        events.most = events.capacity.max(most);
        events
    }

    /// Whether there was no room for another event: more may be ready, and the next poll reports
    /// it.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::{Events, Poll, Token, Waker};
    ///
    /// let mut poll = Poll::new()?;
    /// let (mut small, mut large) = (Events::with_capacity(1), Events::with_capacity(8));
    /// let waker = Waker::new(poll.registry(), Token(0))?;
    ///
    /// waker.wake()?;
    /// poll.poll(&mut small, None)?;
    /// assert!(small.is_saturated());
    ///
    /// waker.wake()?;
    /// poll.poll(&mut large, None)?;
    /// assert!(!large.is_saturated());
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.list.len() >= self.capacity
    }

    /// Empties the events for a new poll, with more room if the last one filled it.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        if self.capacity == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "events with a capacity of 0 can hold none",
            ));
        }
        if self.was_filled && self.capacity < self.most {
            self.capacity = self.capacity.saturating_mul(2).min(self.most);
        }
        self.clear();
        self.list.reserve(self.capacity);
        Ok(())
    }

    /// Notes how a poll went, for the next one.
    pub(crate) fn end(&mut self) {
        self.was_filled = self.is_saturated();
    }

    /// How many events one call of `poll` reports at most.
    ///
    /// ```
    /// assert_eq!(wakeful::Events::with_capacity(64).capacity(), 64);
    /// ```
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The events, in the order in which they were found.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            events: self.list.iter(),
        }
    }

    /// Drops the events. `poll` does so by itself.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn push(&mut self, event: Event) {
        debug_assert!(self.list.len() < self.capacity);
        self.list.push(event);
    }

    /// For a backend, which appends what it finds.
    pub(crate) fn list(&mut self) -> &mut Vec<Event> {
        &mut self.list
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = &'a Event;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Shows the events as a list.
impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// The events of an [`Events`], see [`Events::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    events: std::slice::Iter<'a, Event>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Event;

    fn next(&mut self) -> Option<&'a Event> {
        self.events.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.events.size_hint()
    }

    fn count(self) -> usize {
        self.events.count()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.events.next_back()
    }
}

impl std::iter::FusedIterator for Iter<'_> {}
