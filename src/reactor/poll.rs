//! The poll itself, and how it is built; `gather` does its work.

use std::env;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::backend::Backend;
use crate::base::busy_poll::BusyPoll;
use crate::base::poll_id::PollId;
use crate::base::wait::Limit;
use crate::diagnostics::log::trace;
use crate::diagnostics::observer::Observer;
use crate::reactor::events::Events;
use crate::reactor::gather::{Gatherer, Options, Plainly};
use crate::reactor::metrics::Metrics;
use crate::reactor::ready::Ready;
use crate::reactor::registry::{Registry, Shared};
use crate::sys::Selector;

/// Waits for registered sources to become ready.
///
/// [`Poll::poll`] is the one place where a thread sleeps: it fills an [`Events`] with the tokens
/// of the sources that are ready. Sources are registered through [`Poll::registry`].
///
/// # Readiness is reported once
///
/// Sources are *edge-triggered*: an event says that a source has become ready since you last found
/// it not ready. So after an event, read (or write, or accept) until [`WouldBlock`]; then the next
/// edge will be reported. An event may also be *spurious*, so be prepared for `WouldBlock` at the
/// first try. Readiness that nobody is told of never happens.
///
/// On streams a read that returns less than it had room for, or a write that took less than
/// it was given, is as good as `WouldBlock`.
///
/// # Threads
///
/// One thread polls. Others register through a clone of the registry, or wake it with a
/// [`Waker`](crate::Waker).
///
/// # Platforms
///
/// | system | [`Backend`], best first | timeouts |
/// |---|---|---|
/// | Linux | epoll, poll | nanoseconds; whole milliseconds on epoll before Linux 5.11 |
/// | Android | epoll, poll | milliseconds; nanoseconds on poll |
/// | Windows | iocp | 100 ns, up to a second and since Windows 10, 1803; else ticks of the system's clock |
/// | macOS, iOS, tvOS, watchOS, visionOS, NetBSD | kqueue, poll | nanoseconds; milliseconds on poll |
/// | FreeBSD, DragonFly, OpenBSD | kqueue, poll | nanoseconds |
/// | Solaris, illumos | event ports, poll | nanoseconds; milliseconds on poll |
///
/// All backends keep the same promises. The backend is chosen when the poll is
/// [built](Poll::builder).
///
/// # Examples
///
/// A client that connects, and learns from the poll how that went:
///
/// ```
/// # #[cfg(all(feature = "os-poll", feature = "net"))]
/// # fn main() -> std::io::Result<()> {
/// use wakeful::net::TcpStream;
/// use wakeful::{Events, Interest, Poll, Token};
///
/// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let address = server.local_addr()?;
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
///
/// let mut stream = TcpStream::connect(address)?;
/// poll.registry().register(&mut stream, Token(0), Interest::WRITABLE)?;
///
/// 'connecting: loop {
///     poll.poll(&mut events, None)?;
///     for event in &events {
///         if event.token() == Token(0) && event.is_writable() {
///             match stream.take_error()? {
///                 Some(err) => return Err(err),
///                 None if stream.peer_addr().is_ok() => break 'connecting,
///                 None => {} // spurious: still connecting
///             }
///         }
///     }
/// }
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "os-poll", feature = "net")))]
/// # fn main() {}
/// ```
///
/// [`WouldBlock`]: io::ErrorKind::WouldBlock
pub struct Poll {
    registry: Registry,
    gatherer: Gatherer,
}

impl Poll {
    /// A poll with the system's best backend, or the one that the environment variable
    /// `WAKEFUL_BACKEND` names.
    ///
    /// # Errors
    ///
    /// - `EMFILE`, `ENFILE`: no descriptors are left; a poll needs two on Linux.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): `WAKEFUL_BACKEND` names no backend.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): it names one that this system does not have,
    ///   or the feature `os-poll` is off.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// let poll = wakeful::Poll::new()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    #[doc(alias = "epoll_create1")]
    #[doc(alias = "kqueue")]
    #[doc(alias = "port_create")]
    pub fn new() -> io::Result<Poll> {
        Self::builder().build()
    }

    /// A poll with a choice of backend.
    ///
    /// ```
    /// # #[cfg(all(feature = "os-poll", unix))]
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::{Backend, Poll};
    ///
    /// let poll = Poll::builder().backend(Backend::Poll).build()?;
    /// assert_eq!(poll.backend(), Backend::Poll);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(all(feature = "os-poll", unix)))]
    /// # fn main() {}
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The backend in use; never [`Backend::Auto`].
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.shared().selector.backend()
    }

    /// Where sources are registered.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Waits until a source is ready, or `timeout` has passed.
    ///
    /// `events` is emptied first. Afterwards it holds what was found, at least one event unless
    /// the time is over. With `None` the wait has no end but an event; `Some(Duration::ZERO)`
    /// only looks.
    ///
    /// # Timeouts
    ///
    /// A timeout is never cut short. It counts in nanoseconds where the system does (see
    /// [Platforms](Poll#platforms)) and is rounded up elsewhere. Linux ends waits
    /// late by the thread's timer slack, 50 µs by default; that is allowed for (the slack that the
    /// thread had which built the poll, see `PR_SET_TIMERSLACK`). Any duration is allowed: what
    /// exceeds the system's range (24.9 days in milliseconds) is waited for in pieces, and what
    /// exceeds the clock's is for ever.
    ///
    /// # Errors
    ///
    /// - [`Interrupted`](io::ErrorKind::Interrupted): a signal was handled by this thread while it
    ///   waited. No event is lost; call again.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): `events` has a capacity of 0.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use std::time::{Duration, Instant};
    /// use wakeful::{Events, Poll};
    ///
    /// let mut poll = Poll::new()?;
    /// let mut events = Events::with_capacity(8);
    ///
    /// let start = Instant::now();
    /// poll.poll(&mut events, Some(Duration::from_micros(50)))?;
    /// assert!(events.is_empty() && start.elapsed() >= Duration::from_micros(50));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    #[doc(alias = "epoll_wait")]
    #[doc(alias = "epoll_pwait2")]
    #[doc(alias = "kevent")]
    #[doc(alias = "port_getn")]
    #[doc(alias = "ppoll")]
    #[track_caller]
    pub fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match timeout {
            None => self.poll_without_limit(events, Location::caller()),
            Some(_) => self.poll_to(events, Limit::from_timeout(timeout), Location::caller()),
        }
    }

    /// Waits until a source is ready, or `deadline` has come; one that has passed only looks.
    ///
    /// For loops that work towards a moment: interrupted calls and spurious events do not add up.
    ///
    /// # Errors
    ///
    /// Those of [`poll`](Poll::poll).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::ErrorKind;
    /// use std::time::{Duration, Instant};
    /// use wakeful::{Events, Poll};
    ///
    /// let mut poll = Poll::new()?;
    /// let mut events = Events::with_capacity(8);
    ///
    /// let deadline = Instant::now() + Duration::from_millis(2);
    /// while Instant::now() < deadline {
    ///     match poll.poll_until(&mut events, deadline) {
    ///         Err(err) if err.kind() == ErrorKind::Interrupted => continue,
    ///         outcome => outcome?,
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    #[track_caller]
    pub fn poll_until(&mut self, events: &mut Events, deadline: Instant) -> io::Result<()> {
        self.poll_to(events, Limit::at(deadline), Location::caller())
    }

    /// When the next timer is due; `None` if none is armed.
    ///
    /// For whoever nests this poll in another loop: timers do not make its descriptor readable, so
    /// the outer loop has to come back by then.
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use std::time::{Duration, Instant};
    /// use wakeful::time::Timer;
    /// use wakeful::{Interest, Poll, Token};
    ///
    /// let poll = Poll::new()?;
    /// assert_eq!(poll.next_deadline(), None);
    ///
    /// let deadline = Instant::now() + Duration::from_secs(1);
    /// let mut timer = Timer::at(deadline);
    /// poll.registry().register(&mut timer, Token(0), Interest::READABLE)?;
    /// assert_eq!(poll.next_deadline(), Some(deadline));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    #[doc(alias = "uv_backend_timeout")]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.shared().ready.timers().next_deadline()
    }

    /// What the poll has done since it was made.
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::{Events, Poll, Token, Waker};
    ///
    /// let mut poll = Poll::new()?;
    /// let mut events = Events::with_capacity(8);
    /// let waker = Waker::new(poll.registry(), Token(0))?;
    ///
    /// for _ in 0..3 {
    ///     waker.wake()?;
    /// }
    /// poll.poll(&mut events, None)?;
    ///
    /// let metrics = poll.metrics();
    /// assert_eq!((metrics.events, metrics.wakes, metrics.coalesced), (1, 3, 2));
    /// assert_eq!(metrics.doorbells, 0); // the poll was awake
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics {
            doorbells: self.shared().ready.rings() as u64,
            ..self.gatherer.metrics
        }
    }

    // Apart from `poll_to`, so that nothing is asked about a limit.
    #[inline(never)]
    fn poll_without_limit(
        &mut self,
        events: &mut Events,
        call: &'static Location<'static>,
    ) -> io::Result<()> {
        self.poll_within(events, Limit::NEVER, call)
    }

    #[inline(never)]
    fn poll_to(
        &mut self,
        events: &mut Events,
        limit: Limit,
        call: &'static Location<'static>,
    ) -> io::Result<()> {
        self.poll_within(events, limit, call)
    }

    // Everything down to the kernel's call in one function.
    #[inline(always)]
    fn poll_within(
        &mut self,
        events: &mut Events,
        limit: Limit,
        call: &'static Location<'static>,
    ) -> io::Result<()> {
        events.begin()?;
        let gatherer = &mut self.gatherer;
        let slept = match gatherer.gather_plainly(self.registry.shared(), events, limit.left()) {
            Plainly::Found => {
                self.ends(events);
                return Ok(());
            }
            Plainly::Slept(outcome) => Some(outcome),
            Plainly::NotTried => None,
        };
        self.poll_on(events, limit, call, slept)
    }

    /// The rest of a poll that has begun, and may have slept.
    #[inline(never)]
    fn poll_on(
        &mut self,
        events: &mut Events,
        mut limit: Limit,
        call: &'static Location<'static>,
        slept: Option<io::Result<()>>,
    ) -> io::Result<()> {
        let shared = self.registry.shared();
        if let Some(observer) = &shared.observer {
            observer.poll_begins(call, limit.left().is_none());
        }
        let gatherer = &mut self.gatherer;
        let left_some = !gatherer.pending.is_empty();
        let outcome = gatherer.gather(shared, events, &mut limit, slept);
        let leaves_some = !gatherer.pending.is_empty();
        if left_some || leaves_some {
            shared.ready.leave_behind(leaves_some)?;
        }
        self.ends(events);
        outcome
    }

    fn ends(&mut self, events: &mut Events) {
        events.end();
        self.gatherer.metrics.events += events.len() as u64;
        trace!("polled {} events", events.len());
    }

    fn shared(&self) -> &Arc<Shared> {
        self.registry.shared()
    }
}

impl fmt::Debug for Poll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poll")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

/// Builds a [`Poll`] to measure, see [`Poll::builder`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    backend: Backend,
    options: Options,
    busy_poll: Option<BusyPoll>,
    diagnostics: bool,
}

/// Names the backend that [`Backend::Auto`] takes.
const BACKEND_VARIABLE: &str = "WAKEFUL_BACKEND";

impl Builder {
    /// Asks for one backend. [`Backend::Auto`], the default, lets the environment variable
    /// `WAKEFUL_BACKEND` decide, and takes the system's best if that is unset or empty.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::{Backend, Poll};
    ///
    /// let last = *Backend::available().last().unwrap();
    /// let poll = Poll::builder().backend(last).build()?;
    /// assert_eq!(poll.backend(), last);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Looks again and again for up to `time` before it sleeps; off (zero) by default.
    ///
    /// A thread that sleeps takes some microseconds to come back. A poll that spins finds what
    /// becomes ready in the meantime at once, from the kernel and from user space, and whoever
    /// wakes it makes no system call. It costs the processor: worth it where the answer is expected
    /// within microseconds and the core has nothing better to do.
    ///
    /// Adaptive: it stops when it does not pay. After a spin that found nothing it sleeps the next
    /// times without spinning, first once, then twice as often each time, up to 64 times; a spin
    /// that finds something starts that anew.
    ///
    /// Tens of microseconds are typical. Durations beyond a second make little sense, and are
    /// allowed.
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use std::time::Duration;
    ///
    /// let poll = wakeful::Poll::builder().spin(Duration::from_micros(50)).build()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    pub fn spin(mut self, time: Duration) -> Self {
        self.options.spin = time;
        self
    }

    /// Has the kernel poll the network devices for up to `time` before it sleeps, taking up to
    /// `budget` packets at once.
    ///
    /// For devices whose driver supports NAPI busy polling; others, loopback included, are not
    /// affected. `time` counts in microseconds, rounded up, up to `u32::MAX` of them; a `budget`
    /// beyond 64 needs `CAP_NET_ADMIN`. With `prefer`, interrupts are held off while the
    /// application keeps polling.
    ///
    /// # Platforms
    ///
    /// epoll on Linux 6.9 and later (`EPIOCSPARAMS`). [`build`](Builder::build) is
    /// [`Unsupported`](io::ErrorKind::Unsupported) elsewhere.
    ///
    /// Kernel documentation:
    /// <https://docs.kernel.org/networking/napi.html#epoll-based-busy-polling>
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use std::time::Duration;
    /// use wakeful::Poll;
    ///
    /// let builder = Poll::builder();
    /// let busy = builder.clone().busy_poll(Duration::from_micros(50), 8, false);
    /// // Without it, where the system has no such thing.
    /// let poll = busy.build().or_else(|_| builder.build())?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    #[doc(alias = "EPIOCSPARAMS")]
    pub fn busy_poll(mut self, time: Duration, budget: u16, prefer: bool) -> Self {
        self.busy_poll = Some(BusyPoll {
            time,
            budget,
            prefer,
        });
        self
    }

    /// Goes on waiting, for the time that remains, when a signal interrupts the wait; off by
    /// default.
    ///
    /// By default [`poll`](Poll::poll) then fails with [`Interrupted`](io::ErrorKind::Interrupted),
    /// so that a program can look at what its signal handlers did. With this it never does.
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// let poll = wakeful::Poll::builder().retry_interrupted(true).build()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    #[doc(alias = "EINTR")]
    pub fn retry_interrupted(mut self, retry: bool) -> Self {
        self.options.retry_interrupted = retry;
        self
    }

    /// Measures how long the poll sleeps, for [`Metrics::asleep`]; off by default.
    ///
    /// Costs two readings of the clock for each sleep, about 50 ns.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use std::time::Duration;
    /// use wakeful::{Events, Poll};
    ///
    /// let mut poll = Poll::builder().measure_sleep(true).build()?;
    /// let mut events = Events::with_capacity(8);
    /// poll.poll(&mut events, Some(Duration::from_millis(2)))?;
    /// assert!(poll.metrics().asleep > Duration::ZERO);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    pub fn measure_sleep(mut self, measure: bool) -> Self {
        self.options.measure_sleep = measure;
        self
    }

    /// Finds the mistakes that make a program hang, and tells of them through the [`log`] facade;
    /// off by default, and free then.
    ///
    /// Turn it on when a program stands still, or in all debug builds. It warns, under the target
    /// `wakeful`, of:
    ///
    /// - A **lost edge**: a source was reported ready under edge mode, and not used until it blocked
    ///   ([`WouldBlock`], a short read or write on a stream, the end, an error) before the next
    ///   poll. What is left in it is not reported again.
    /// - A **blocking descriptor** that is registered. It stops the whole loop when it is not ready.
    /// - An **endless poll**: it waits without a timeout, and there is no source, no waker, no timer
    ///   and no other handle of its registry that could end it.
    ///
    /// A message names the token, the type of the source, and the lines where it was registered and
    /// where the poll was called. For example, of a server that accepts one connection for each
    /// event:
    ///
    /// ```text
    /// lost edge: the TcpListener with Token(0), registered at src/main.rs:14:21, was reported
    /// readable and not drained before the poll at src/main.rs:17:14: there was 1 accept, and it did
    /// not return `WouldBlock`. It is edge-triggered: what is left in it is not reported again, so a
    /// program that waits for an event to go on hangs. After every event accept until
    /// `WouldBlock`, or register it with `Interest::READABLE.level()`.
    /// ```
    ///
    /// Each is told once, until the source is registered anew or was drained.
    ///
    /// # What it sees
    ///
    /// A lost edge is seen where the I/O passes through this crate: not with `unix::SourceFd`, not
    /// in `try_io`, and not if the descriptor was ever taken from the source (`as_raw_fd`, `as_fd`).
    /// If several sources have one token, one that was drained stands for all of them. Of writing it
    /// is told only under an interest of [`WRITABLE`] alone, and if something was written: a source
    /// that is watched for both is writable most of the time, with nobody having anything to say.
    ///
    /// It takes "before the next poll" at its word. A poll with a timeout of zero is excepted: a
    /// loop may look for more while it works on what it has. So is who stops reading because a write
    /// met a full buffer, until an event says that there is room again. But sources that are left for
    /// later for another reason, or drained by other threads, are reported too, wrongly.
    ///
    /// Without the feature `log` this is accepted and does nothing.
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// let poll = wakeful::Poll::builder().diagnostics(cfg!(debug_assertions)).build()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    ///
    /// [`log`]: https://docs.rs/log
    /// [`WouldBlock`]: io::ErrorKind::WouldBlock
    /// [`WRITABLE`]: crate::Interest::WRITABLE
    pub fn diagnostics(mut self, on: bool) -> Self {
        self.diagnostics = on;
        self
    }

    /// Makes the poll.
    ///
    /// # Errors
    ///
    /// Those of [`Poll::new`]; [`Unsupported`](io::ErrorKind::Unsupported) if the system does not
    /// have what was asked for.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::ErrorKind;
    /// use wakeful::{Backend, Poll};
    ///
    /// match Poll::builder().backend(Backend::Kqueue).build() {
    ///     Ok(poll) => assert_eq!(poll.backend(), Backend::Kqueue),
    ///     Err(err) => assert_eq!(err.kind(), ErrorKind::Unsupported),
    /// }
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    pub fn build(self) -> io::Result<Poll> {
        let backend = match self.backend {
            Backend::Auto => backend_of_environment()?,
            chosen => chosen,
        };
        let (selector, doorbell) = Selector::new(backend)?;
        if let Some(busy_poll) = self.busy_poll {
            selector.busy_poll(&busy_poll)?;
        }
        let observer = Observer::new_if(self.diagnostics);
        let gatherer = Gatherer::new(self.options, observer.is_some());
        let shared = Arc::new(Shared {
            id: PollId::new(),
            selector,
            ready: Arc::new(Ready::new(doorbell)),
            observer,
        });
        Ok(Poll {
            registry: Registry::new(shared),
            gatherer,
        })
    }
}

/// What `WAKEFUL_BACKEND` names, or the best there is.
fn backend_of_environment() -> io::Result<Backend> {
    let best = Backend::available().first().copied();
    let named = match env::var_os(BACKEND_VARIABLE) {
        Some(name) if !name.is_empty() => name.to_string_lossy().parse().map_err(|err| {
            let message = format!("{BACKEND_VARIABLE}: {err}");
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?,
        _ => Backend::Auto,
    };
    match (named, best) {
        (Backend::Auto, None) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "wakeful was built without the feature `os-poll`",
        )),
        (Backend::Auto, Some(best)) => Ok(best),
        (named, _) => Ok(named),
    }
}
