//! Where sources are registered, and what makes something a source.

use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::Arc;

use crate::base::interest::Interest;
use crate::base::poll_id::PollId;
use crate::base::token::Token;
use crate::diagnostics::log::trace;
use crate::diagnostics::observer::Observer;
use crate::diagnostics::place::Calling;
use crate::reactor::ready::Ready;
use crate::sys::Selector;

/// What a poll and its registries have in common.
pub(crate) struct Shared {
    pub(crate) selector: Selector,
    // Apart from the selector, so that a waker that outlives the poll keeps no more alive than it
    // needs.
    pub(crate) ready: Arc<Ready>,
    /// The diagnostics, if they are on.
    pub(crate) observer: Option<Box<Observer>>,
    // Given back after all else is gone.
    pub(crate) id: PollId,
}

/// Registers sources with a [`Poll`](crate::Poll).
///
/// Every poll has one, [`Poll::registry`](crate::Poll::registry). It can be cloned with
/// [`try_clone`](Registry::try_clone) and used from any thread, also while the poll is waiting:
/// what it changes holds at once.
///
/// A source that is dropped is closed and reports no more. [`unix::SourceFd`] is the
/// exception, since it owns nothing: deregister it before its descriptor is closed.
///
/// [`unix::SourceFd`]: crate::guide#platforms
///
/// # Examples
///
/// A thread that registers while another one polls:
///
/// ```
/// # #[cfg(all(feature = "os-poll", feature = "net"))]
/// # fn main() -> std::io::Result<()> {
/// use wakeful::net::UdpSocket;
/// use wakeful::{Events, Interest, Poll, Token};
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// let registry = poll.registry().try_clone()?;
///
/// let other = std::thread::spawn(move || {
///     let mut socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
///     registry.register(&mut socket, Token(3), Interest::WRITABLE)?;
///     Ok::<_, std::io::Error>(socket)
/// });
///
/// poll.poll(&mut events, None)?;
/// assert_eq!(events.iter().next().unwrap().token(), Token(3));
/// # other.join().unwrap()?;
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "os-poll", feature = "net")))]
/// # fn main() {}
/// ```
pub struct Registry {
    shared: Arc<Shared>,
}

impl Registry {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Watches `source` and reports its readiness under `token`.
    ///
    /// Edge-triggered: readiness is reported when it comes about, once. What is ready already is
    /// reported by the next [`poll`](crate::Poll::poll). After an event, use the source until it
    /// says [`WouldBlock`]; until then there may be no other event for it.
    ///
    /// # Errors
    ///
    /// - [`AlreadyExists`]: the source is registered already, with this poll or another one.
    /// - [`PermissionDenied`] (`EPERM`): the descriptor cannot be watched: a regular file or a
    ///   directory, which the system calls ready at any time.
    /// - `EBADF`: the descriptor is not open.
    /// - `ENOSPC`: the user's limit of watches is reached
    ///   (`/proc/sys/fs/epoll/max_user_watches`).
    ///
    /// The source is as it was before.
    ///
    /// [`WouldBlock`]: io::ErrorKind::WouldBlock
    /// [`AlreadyExists`]: io::ErrorKind::AlreadyExists
    /// [`PermissionDenied`]: io::ErrorKind::PermissionDenied
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(all(feature = "os-poll", feature = "net"))]
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::ErrorKind;
    /// use wakeful::net::TcpListener;
    /// use wakeful::{Interest, Poll, Token};
    ///
    /// let poll = Poll::new()?;
    /// let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
    /// poll.registry().register(&mut listener, Token(0), Interest::READABLE)?;
    ///
    /// let again = poll.registry().register(&mut listener, Token(1), Interest::READABLE);
    /// assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(all(feature = "os-poll", feature = "net")))]
    /// # fn main() {}
    /// ```
    #[doc(alias = "epoll_ctl")]
    #[doc(alias = "EV_ADD")]
    #[doc(alias = "port_associate")]
    #[doc(alias = "EPOLL_CTL_ADD")]
    #[track_caller]
    pub fn register<S>(&self, source: &mut S, token: Token, interest: Interest) -> io::Result<()>
    where
        S: Source + ?Sized,
    {
        trace!("registering {token:?} for {interest:?}");
        if self.shared.observer.is_some() {
            return noted(Location::caller(), || {
                source.register(self, token, interest)
            });
        }
        source.register(self, token, interest)
    }

    /// Watches a registered `source` under another `token`, for another `interest`.
    ///
    /// Both replace what was given before. What is ready at this moment is reported anew, so
    /// this is also the way to ask "is it ready now?" of a source that was not drained.
    ///
    /// # Errors
    ///
    /// - [`NotFound`](io::ErrorKind::NotFound): the source is not registered.
    /// - [`AlreadyExists`](io::ErrorKind::AlreadyExists): it is registered with another poll.
    ///
    /// The registration is as it was before.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(all(feature = "os-poll", feature = "net"))]
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::UdpSocket;
    /// use wakeful::{Interest, Poll, Token};
    ///
    /// let poll = Poll::new()?;
    /// let mut socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// poll.registry().register(&mut socket, Token(0), Interest::READABLE)?;
    /// // There is something to send now.
    /// poll.registry().reregister(&mut socket, Token(0), Interest::READABLE | Interest::WRITABLE)?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(all(feature = "os-poll", feature = "net")))]
    /// # fn main() {}
    /// ```
    #[doc(alias = "EPOLL_CTL_MOD")]
    #[track_caller]
    pub fn reregister<S>(&self, source: &mut S, token: Token, interest: Interest) -> io::Result<()>
    where
        S: Source + ?Sized,
    {
        trace!("reregistering {token:?} for {interest:?}");
        if self.shared.observer.is_some() {
            return noted(Location::caller(), || {
                source.reregister(self, token, interest)
            });
        }
        source.reregister(self, token, interest)
    }

    /// Stops watching `source`.
    ///
    /// No later call of [`poll`](crate::Poll::poll) reports it. Events that were delivered before
    /// stay in their [`Events`](crate::Events).
    ///
    /// # Errors
    ///
    /// - [`NotFound`](io::ErrorKind::NotFound): the source is not registered.
    /// - [`AlreadyExists`](io::ErrorKind::AlreadyExists): it is registered with another poll.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(all(feature = "os-poll", feature = "net"))]
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::ErrorKind;
    /// use wakeful::net::UdpSocket;
    /// use wakeful::{Interest, Poll, Token};
    ///
    /// let poll = Poll::new()?;
    /// let mut socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// poll.registry().register(&mut socket, Token(0), Interest::READABLE)?;
    /// poll.registry().deregister(&mut socket)?;
    ///
    /// let again = poll.registry().deregister(&mut socket);
    /// assert_eq!(again.unwrap_err().kind(), ErrorKind::NotFound);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(all(feature = "os-poll", feature = "net")))]
    /// # fn main() {}
    /// ```
    #[doc(alias = "EPOLL_CTL_DEL")]
    pub fn deregister<S>(&self, source: &mut S) -> io::Result<()>
    where
        S: Source + ?Sized,
    {
        trace!("deregistering a source");
        source.deregister(self)
    }

    /// Another handle for the same poll, to take to another thread.
    ///
    /// Costs no descriptor. Sources stay registered for as long as the poll or any of its
    /// registries lives.
    ///
    /// # Errors
    ///
    /// None today; the signature leaves room for systems that have to ask.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// let poll = wakeful::Poll::new()?;
    /// let registry = poll.registry().try_clone()?;
    /// std::thread::spawn(move || drop(registry));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    pub fn try_clone(&self) -> io::Result<Registry> {
        Ok(Self::new(Arc::clone(&self.shared)))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// For diagnostics: tells where the user's call stands, for as long as it lasts.
#[cold]
fn noted<R>(call: &'static Location<'static>, operation: impl FnOnce() -> R) -> R {
    let _calling = Calling::enter(call);
    operation()
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("selector", &self.shared.selector)
            .finish()
    }
}

/// Something that can be registered with a [`Registry`].
///
/// Call the registry's methods, not these: `registry.register(&mut source, token, interest)`.
///
/// # Implementing
///
/// A source that wraps others forwards to them. One that owns a descriptor forwards to
/// [`SourceFd`](crate::guide#platforms). The calls come from whatever thread the user registers on.
///
/// ```
/// # #[cfg(all(feature = "os-poll", feature = "net"))]
/// # fn main() -> std::io::Result<()> {
/// use std::io;
/// use wakeful::event::Source;
/// use wakeful::net::UdpSocket;
/// use wakeful::{Interest, Poll, Registry, Token};
///
/// struct Discovery {
///     socket: UdpSocket,
/// }
///
/// impl Source for Discovery {
///     fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
///         self.socket.register(registry, token, interest)
///     }
///
///     fn reregister(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
///         self.socket.reregister(registry, token, interest)
///     }
///
///     fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
///         self.socket.deregister(registry)
///     }
/// }
///
/// let poll = Poll::new()?;
/// let mut discovery = Discovery { socket: UdpSocket::bind("127.0.0.1:0".parse().unwrap())? };
/// poll.registry().register(&mut discovery, Token(0), Interest::READABLE)?;
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "os-poll", feature = "net")))]
/// # fn main() {}
/// ```
pub trait Source {
    /// Registers the source; see [`Registry::register`].
    ///
    /// # Errors
    ///
    /// Those of [`Registry::register`].
    fn register(&mut self, registry: &Registry, token: Token, interest: Interest)
        -> io::Result<()>;

    /// Changes token and interest; see [`Registry::reregister`].
    ///
    /// # Errors
    ///
    /// Those of [`Registry::reregister`].
    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()>;

    /// Ends the registration; see [`Registry::deregister`].
    ///
    /// # Errors
    ///
    /// Those of [`Registry::deregister`].
    fn deregister(&mut self, registry: &Registry) -> io::Result<()>;
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        (**self).register(registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        (**self).reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        (**self).deregister(registry)
    }
}
