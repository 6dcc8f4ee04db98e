//! Objects of Windows that can be waited for: events, processes, threads, timers ..
//!
//! The system's pool of threads waits for the object. When it is signaled, a
//! [user source](crate::user) becomes ready, so modes and fairness are the same as everywhere.
//!
//! A wait *takes* what there is to take (an auto-reset event is reset by it), so a wait that has
//! succeeded is worth one [`SourceHandle::try_wait`], whoever calls it, whenever.

use std::fmt;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, RawHandle};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::interest::Interest;
use crate::base::readiness::Readiness;
use crate::base::token::Token;
use crate::reactor::registry::{Registry, Source};
use crate::source::user::{self, SetReadiness};
use crate::sys::handle;
use crate::sys::wait::{self, Signaled, Wait};

/// An object that can be waited for: an event, a semaphore, a process, a thread, a waitable timer, the
/// input of a console, a change notification.
///
/// `H` is whatever has its handle: something that owns it ([`OwnedHandle`], [`Child`]) or a reference to
/// that. The source waits with a handle of its own, so the object may be closed meanwhile.
///
/// # When it is ready
///
/// It is readable when the object has become signaled. Then call [`try_wait`](SourceHandle::try_wait) until it says
/// [`WouldBlock`](io::ErrorKind::WouldBlock): each `Ok` is one signal, and `WouldBlock` begins to wait for the next one.
///
/// | object | how often `try_wait` succeeds |
/// |---|---|
/// | auto-reset event, synchronization timer | once for each time that it was signaled and has released us |
/// | semaphore | once for each count |
/// | process, thread | always, once it has ended: one event is all there is, then deregister it |
/// | manual-reset event or timer, console, change notification | until it is reset, read, or asked for the next change |
///
/// - **Edge**: an event when the object is signaled, and after that when it is signaled after a
///   `try_wait` that would block. No more events come before that: the object is not watched.
/// - **Level**: an event in every poll, from the moment that the object is signaled until a `try_wait`
///   would block.
/// - **One-shot**: one event; `reregister` reports the readiness that is left, or waits.
///
/// To watch an object that is signaled is to wait for it, and that has the effect that a wait has on
/// the object. A signal that was taken is the next `try_wait`'s, also if the source was deregistered
/// after the event. Who deregisters (or drops) a source in the very moment in which its object is signaled may
/// lose that one signal: the system has taken it, and nobody is there any more to hear of it.
/// If the poll goes first, the source waits on, and tells the poll that it is registered with next.
///
/// Do not use it for a mutex: it would be owned by the thread that happened to wait.
///
/// # Platforms
///
/// Windows. Sockets can be registered as they are, or with [`SourceSocket`](crate::windows::SourceSocket); files and pipes are not
/// signaled when they are ready.
///
/// [`OwnedHandle`]: std::os::windows::io::OwnedHandle
/// [`Child`]: std::process::Child
///
/// # Examples
///
/// The end of a child process:
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::process::Command;
/// use wakeful::windows::SourceHandle;
/// use wakeful::{Events, Interest, Poll, Token};
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
///
/// let child = Command::new("cmd").args(["/c", "exit 7"]).spawn()?;
/// let mut child = SourceHandle::new(child);
/// poll.registry().register(&mut child, Token(0), Interest::READABLE)?;
///
/// poll.poll(&mut events, None)?;
/// assert_eq!(events.iter().next().unwrap().token(), Token(0));
/// let status = child.into_inner().wait()?;
/// assert_eq!(status.code(), Some(7));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "WaitForSingleObject")]
#[doc(alias = "RegisterWaitForSingleObject")]
pub struct SourceHandle<H: AsHandle> {
    source: user::Source,
    shared: Arc<Shared>,
    watch: Mutex<Watch>,
    inner: H,
}

/// What the system's thread gets at, too.
struct Shared {
    readiness: SetReadiness,
    /// A wait has succeeded, and nobody was told: a `try_wait` is owed.
    is_owed: AtomicBool,
}

/// Whether the system waits.
#[derive(Debug)]
enum Watch {
    /// Not registered.
    Idle,
    /// It waits, or has succeeded, and nobody was told.
    Waiting(#[allow(dead_code)] Option<Wait<Shared>>),
    /// It has succeeded, and there may be more.
    InDoubt,
}

impl<H: AsHandle> SourceHandle<H> {
    /// A source that waits for the object of `handle`.
    ///
    /// # Examples
    ///
    /// The end of a thread that somebody else joins:
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::windows::SourceHandle;
    /// use wakeful::{Events, Interest, Poll, Token};
    ///
    /// let mut poll = Poll::new()?;
    /// let mut events = Events::with_capacity(8);
    /// let thread = std::thread::spawn(|| 6 * 7);
    /// let mut end = SourceHandle::new(&thread);
    /// poll.registry().register(&mut end, Token(0), Interest::READABLE)?;
    /// poll.poll(&mut events, None)?;
    /// drop(end);
    /// assert_eq!(thread.join().unwrap(), 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(handle: H) -> Self {
        let (source, readiness) = user::source();
        Self {
            source,
            shared: Arc::new(Shared {
                readiness,
                is_owed: AtomicBool::new(false),
            }),
            watch: Mutex::new(Watch::Idle),
            inner: handle,
        }
    }

    /// Takes one signal, if there is one.
    ///
    /// # Errors
    ///
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock): the object is not signaled. If the source is registered,
    ///   an event tells when it is.
    /// - What the system says: the handle is not that of an object that can be waited for.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::windows::SourceHandle;
    ///
    /// let thread = std::thread::spawn(|| {});
    /// let end = SourceHandle::new(&thread);
    /// while let Err(err) = end.try_wait() {
    ///     assert_eq!(err.kind(), std::io::ErrorKind::WouldBlock);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_wait(&self) -> io::Result<()> {
        let mut watch = self.watch();
        // Acquire: pairs with `signaled`.
        if self.shared.is_owed.swap(false, Ordering::Acquire) {
            match *watch {
                Watch::Waiting(_) => *watch = Watch::InDoubt,
                // It was the readiness that was left of an earlier registration; nobody waits who could
                // add to it.
                Watch::Idle => self.shared.readiness.clear(Readiness::READABLE),
                Watch::InDoubt => {}
            }
            return Ok(());
        }
        if wait::is_signaled(self.inner.as_handle())? {
            return Ok(());
        }
        if let Watch::InDoubt = *watch {
            self.shared.readiness.clear(Readiness::READABLE);
            *watch = self.wait()?;
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// What it was made from.
    pub fn get_ref(&self) -> &H {
        &self.inner
    }

    /// What it was made from; the registration ends.
    pub fn into_inner(self) -> H {
        self.inner
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait, unless a signal is there that nobody was told of.
    fn wait(&self) -> io::Result<Watch> {
        if self.shared.is_owed.load(Ordering::Acquire) {
            return Ok(Watch::Waiting(None));
        }
        let object = handle::duplicate(self.inner.as_handle())?;
        let wait = Wait::new(object, Arc::clone(&self.shared))?;
        Ok(Watch::Waiting(Some(wait)))
    }
}

impl Signaled for Shared {
    fn signaled(&self) {
        // Release: pairs with `try_wait`. Before the event, whose receiver looks for it.
        self.is_owed.store(true, Ordering::Release);
        // A doorbell that cannot be rung is one that has been.
        let _ = self.readiness.set(Readiness::READABLE);
    }
}

impl<H: AsHandle> Source for SourceHandle<H> {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.source.register(registry, token, interest)?;
        // What is left from a poll that is gone goes on: to end it might lose the signal that it just takes.
        let goes_on = matches!(*self.watch(), Watch::Waiting(_));
        if goes_on {
            return Ok(());
        }
        match self.wait() {
            Ok(watch) => {
                *self.watch() = watch;
                Ok(())
            }
            Err(err) => {
                self.source.deregister(registry)?;
                Err(err)
            }
        }
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
        self.source.deregister(registry)?;
        *self.watch() = Watch::Idle;
        if !self.shared.is_owed.load(Ordering::Acquire) {
            self.shared.readiness.clear(Readiness::READABLE);
        }
        Ok(())
    }
}

impl<H: AsHandle> AsHandle for SourceHandle<H> {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.inner.as_handle()
    }
}

impl<H: AsHandle> AsRawHandle for SourceHandle<H> {
    fn as_raw_handle(&self) -> RawHandle {
        self.inner.as_handle().as_raw_handle()
    }
}

impl<H: AsHandle> fmt::Debug for SourceHandle<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceHandle")
            .field("handle", &self.inner.as_handle())
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
