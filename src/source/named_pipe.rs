//! Named pipes: streams of bytes between processes of Windows.
//!
//! Windows *completes* operations on pipes, and does not tell when one would not block. So a pipe
//! reads ahead into a buffer of its own, and writes behind from another. [`PipeState`] says what
//! follows from what; here are the locks, the operations, and the readiness that is shown: that of a
//! [user source](crate::user), so modes and fairness are the same as everywhere.
//!
//! The end of an operation is a packet, which the poller takes while it waits; it then looks at the
//! pipe, as `read` and the others do that come before it.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::base::interest::Interest;
use crate::base::outcome::Outcome;
use crate::base::readiness::Readiness;
use crate::base::token::Token;
use crate::reactor::registry::{Registry, Source};
use crate::source::forward::total;
use crate::source::user::{self, SetReadiness};
use crate::sys::handle::handle_conversions;
use crate::sys::named_pipe;
use crate::sys::operation::{Listed, Owner};
use crate::sys::overlapped::{Handle, Operation};
use crate::sys::pipe_state::{
    self as state, Connect, Connecting, PipeState, Reading, Writing, Wrote,
    ERROR_OPERATION_ABORTED, ERROR_PIPE_LISTENING,
};

/// One end of a named pipe.
///
/// [`new`](NamedPipe::new) opens a server's end. A client's end is a file that was opened with
/// `FILE_FLAG_OVERLAPPED`, and made a pipe by [`FromRawHandle`] or `From<OwnedHandle>`; so is a server's
/// end with options of its own.
///
/// All reading and writing, [`connect`](NamedPipe::connect) too, is
/// [`WouldBlock`](io::ErrorKind::WouldBlock) until the pipe is registered for the first time.
///
/// # Reading and writing
///
/// The pipe reads ahead while it is registered for reading, so it is readable when bytes have
/// *arrived*. A [`write`](Write::write) copies the bytes and begins to write them; while that goes on, further ones
/// are `WouldBlock`, and the pipe is writable again when the bytes are written. What goes wrong
/// after `write` has returned is an event (`is_error`), and the error of the next `write`.
///
/// When the other end is gone, reads are `Ok(0)` after all that was sent (`is_read_closed`), and
/// writes fail. Errors keep the code of the system.
///
/// On a pipe of messages, each `write` is a message; a message that is longer than a reader's buffer is read in
/// parts, of which none is lost. Messages of no bytes are neither sent nor reported, since `Ok(0)` is the end.
///
/// # Servers
///
/// A server calls [`connect`](NamedPipe::connect), which is `WouldBlock` until a client is there. An event says that the pipe is
/// writable then, and a second `connect` whether that went well. For the next client it calls
/// [`disconnect`](NamedPipe::disconnect) and then `connect` again, or opens another instance.
///
/// A client may come without being waited for: before the first `connect` a server is writable, and a write goes to
/// the client if there is one. If not, it is the error `ERROR_PIPE_LISTENING`, and the server is not writable
/// any more: only `connect`, or a further write, finds out who has come.
///
/// # One poll
///
/// A handle belongs to the poll with which it was first registered, for good: that is a rule of the system.
/// It can be deregistered and registered again there, as often as wanted.
///
/// # Threads
///
/// Any thread may use the pipe. What one has begun goes on when it ends: the system would cancel operations that have an
/// event of their own, and none of these has.
///
/// # Dropping
///
/// Waiting for a client, and reading ahead, are cancelled, and what was read ahead is lost. What
/// `write` has accepted is still delivered, as with a socket: the system keeps the pipe open until
/// the other end has read it or is gone, for 30 seconds at most. What was not read by then is lost; until
/// then the name may be taken. To give that up at once, call [`cancel_write`](NamedPipe::cancel_write) before, or
/// `disconnect`, which is for servers only. When the process ends, what is in flight is lost.
/// The poll may be dropped before the pipe or after it.
///
/// # Platforms
///
/// Windows.
///
/// [`FromRawHandle`]: std::os::windows::io::FromRawHandle
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::fs::OpenOptions;
/// use std::io::{ErrorKind, Read, Write};
/// use std::os::windows::fs::OpenOptionsExt;
/// use std::os::windows::io::OwnedHandle;
/// use wakeful::windows::NamedPipe;
/// use wakeful::{Events, Interest, Poll, Token};
///
/// const FILE_FLAG_OVERLAPPED: u32 = 0x4000_0000;
///
/// let name = format!(r"\\.\pipe\wakeful-example-{}", std::process::id());
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
///
/// let mut server = NamedPipe::new(&name)?;
/// let both = Interest::READABLE | Interest::WRITABLE;
/// poll.registry().register(&mut server, Token(0), both)?;
/// assert_eq!(server.connect().unwrap_err().kind(), ErrorKind::WouldBlock);
///
/// let mut options = OpenOptions::new();
/// let file = options.read(true).write(true).custom_flags(FILE_FLAG_OVERLAPPED).open(&name)?;
/// let mut client = NamedPipe::from(OwnedHandle::from(file));
/// poll.registry().register(&mut client, Token(1), both)?;
/// client.write_all(b"hello")?;
///
/// let mut buf = [0; 16];
/// let len = loop {
///     poll.poll(&mut events, None)?;
///     match server.read(&mut buf) {
///         Err(err) if err.kind() == ErrorKind::WouldBlock => {}
///         outcome => break outcome?,
///     }
/// };
/// assert_eq!(&buf[..len], b"hello");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ConnectNamedPipe")]
#[doc(alias = "CreateNamedPipe")]
pub struct NamedPipe {
    source: user::Source,
    // Before the operations: no packet leads to them once they are gone.
    listed: Option<Listed>,
    shared: Arc<Shared>,
}

/// What the poller gets at, too.
struct Shared {
    handle: Arc<Handle>,
    readiness: SetReadiness,
    state: Mutex<State>,
}

struct State {
    pipe: PipeState,
    connect: Operation,
    read: Operation,
    write: Operation,
    /// How much to read ahead at once.
    room: usize,
    /// The ends of operations are reported.
    is_attached: bool,
    /// It was registered for reading.
    reads_ahead: bool,
    /// What the source shows.
    shown: Readiness,
}

/// How much is read ahead at once, at least and at most: as much as the last read had room for.
const ROOM: usize = 4 * 1024;
const MOST_ROOM: usize = 64 * 1024;

/// For how long a pipe that was dropped still writes what it has accepted. A peer that never reads would
/// keep it, its memory and its name for ever.
const LINGER: Duration = Duration::from_secs(30);

impl NamedPipe {
    /// Opens the server's end of the pipe `name`, which looks like `\\.\pipe\name`.
    ///
    /// It goes both ways, is a stream of bytes, and is the first instance of its name; others may
    /// open further ones. For other options open it yourself, overlapped, and convert it.
    ///
    /// # Errors
    ///
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied): there is a pipe of that name.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): `name` is not that of a pipe, or has a NUL
    ///   character in it.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::windows::NamedPipe;
    ///
    /// let name = format!(r"\\.\pipe\wakeful-new-{}", std::process::id());
    /// let pipe = NamedPipe::new(&name)?;
    /// let client = std::fs::File::open(&name)?;
    /// # drop((pipe, client));
    /// # Ok(())
    /// # }
    /// ```
    pub fn new<A: AsRef<OsStr>>(addr: A) -> io::Result<NamedPipe> {
        named_pipe::create(addr.as_ref()).map(Self::wrap)
    }

    /// Waits for a client: `Ok` if one is there.
    ///
    /// `WouldBlock` says that there is none yet. An event says when this is to be called again: the
    /// pipe is writable then.
    ///
    /// # Errors
    ///
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock): there is no client yet, or the pipe was never
    ///   registered.
    /// - What the system says of the attempt, once.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::fs::File;
    /// use std::io::ErrorKind;
    /// use wakeful::windows::NamedPipe;
    /// use wakeful::{Events, Interest, Poll, Token};
    ///
    /// let name = format!(r"\\.\pipe\wakeful-connect-{}", std::process::id());
    /// let mut poll = Poll::new()?;
    /// let mut events = Events::with_capacity(8);
    /// let mut pipe = NamedPipe::new(&name)?;
    /// poll.registry().register(&mut pipe, Token(0), Interest::WRITABLE)?;
    ///
    /// let client = File::open(&name)?;
    /// while let Err(err) = pipe.connect() {
    ///     assert_eq!(err.kind(), ErrorKind::WouldBlock);
    ///     poll.poll(&mut events, None)?;
    /// }
    /// # drop(client);
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect(&self) -> io::Result<()> {
        self.shared.connect()
    }

    /// Lets go of the client, so that the server can [`connect`](NamedPipe::connect) again.
    ///
    /// What the client has not read, and what was received and not read here, is lost. The client
    /// sees an error.
    ///
    /// # Errors
    ///
    /// What the system says; as for a client's end, which cannot do that. Then nothing has changed.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::windows::NamedPipe;
    ///
    /// let name = format!(r"\\.\pipe\wakeful-disconnect-{}", std::process::id());
    /// let pipe = NamedPipe::new(&name)?;
    /// let client = std::fs::File::open(&name)?;
    /// pipe.disconnect()?;
    /// # drop(client);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "DisconnectNamedPipe")]
    pub fn disconnect(&self) -> io::Result<()> {
        self.shared.disconnect()
    }

    /// Gives up the write that goes on, and returns when it is over. Says how many bytes that
    /// [`write`](Write::write) had accepted may be lost: 0 if there was nothing left to be written.
    ///
    /// The other end may have read some of them. After this the pipe can be written again, and dropping it leaves
    /// nothing behind. Both ends can do it; [`disconnect`](NamedPipe::disconnect) is for servers only.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut): the system does not let go of the write, which goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::Write;
    /// use wakeful::windows::NamedPipe;
    /// use wakeful::{Interest, Poll, Token};
    ///
    /// let name = format!(r"\\.\pipe\wakeful-cancel-{}", std::process::id());
    /// let poll = Poll::new()?;
    /// let mut pipe = NamedPipe::new(&name)?;
    /// poll.registry().register(&mut pipe, Token(0), Interest::WRITABLE)?;
    ///
    /// // More than the system keeps, for a client that does not read.
    /// let client = std::fs::File::open(&name)?;
    /// let accepted = pipe.write(&[0; 1 << 20])?;
    /// assert_eq!(pipe.cancel_write()?, accepted);
    /// assert_eq!(pipe.cancel_write()?, 0);
    /// # drop(client);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "CancelIoEx")]
    pub fn cancel_write(&self) -> io::Result<usize> {
        self.shared.cancel_write()
    }

    /// Takes an error that nobody was told: of an attempt to connect, or of bytes that were
    /// accepted and could not be written.
    ///
    /// What is not taken here is returned by the next [`connect`](NamedPipe::connect) or `write`.
    ///
    /// # Errors
    ///
    /// None today.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::windows::NamedPipe;
    ///
    /// let name = format!(r"\\.\pipe\wakeful-error-{}", std::process::id());
    /// assert!(NamedPipe::new(&name)?.take_error()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let mut state = self.shared.state();
        let state = &mut *state;
        let code = (state.pipe.connecting.take_error()).or_else(|| state.pipe.writing.take_error());
        self.shared.show(state, Readiness::EMPTY, Wake::Poller);
        Ok(code.map(error))
    }

    fn wrap(handle: OwnedHandle) -> Self {
        let (source, readiness) = user::source();
        let handle = Arc::new(Handle::new(handle));
        let operation = || Operation::new(Arc::clone(&handle));
        let state = State {
            pipe: PipeState::default(),
            connect: operation(),
            read: operation(),
            write: operation(),
            room: ROOM,
            is_attached: false,
            reads_ahead: false,
            shown: Readiness::EMPTY,
        };
        let shared = Arc::new(Shared {
            handle,
            readiness,
            state: Mutex::new(state),
        });
        Self {
            source,
            listed: None,
            shared,
        }
    }

    fn handle(&self) -> BorrowedHandle<'_> {
        self.shared.handle.as_handle()
    }

    /// Lets the packets of this handle go to the poll of `registry`, for good.
    fn attach(&mut self, registry: &Registry) -> io::Result<()> {
        let port = registry.shared().selector.port();
        if let Some(own) = self.shared.handle.port() {
            if Arc::ptr_eq(own, &port) {
                return Ok(());
            }
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the pipe belongs to the `Poll` that it was first registered with",
            ));
        }
        self.shared.handle.attach(port)?;
        let owner: Weak<Shared> = Arc::downgrade(&self.shared);
        let owner: Weak<dyn Owner> = owner;
        self.listed = Some(Listed::new(self.shared.state().addresses(), &owner));
        self.shared.state().is_attached = true;
        Ok(())
    }
}

impl Source for NamedPipe {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        user::require_shareable(interest)?;
        self.attach(registry)?;
        self.source.register(registry, token, interest)?;
        self.shared.read_ahead(interest);
        Ok(())
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.source.reregister(registry, token, interest)?;
        self.shared.read_ahead(interest);
        Ok(())
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source.deregister(registry)?;
        self.shared.state().reads_ahead = false;
        Ok(())
    }
}

impl Drop for NamedPipe {
    fn drop(&mut self) {
        // From here on no packet leads to the pipe. The poller may be looking at it right now, and
        // finds nothing to do if it comes later.
        self.listed = None;
        let mut state = self.shared.state();
        state.is_attached = false;
        state.reads_ahead = false;
        state.connect.cancel();
        state.read.cancel();
        state.write.linger(LINGER);
        state.pipe = PipeState::default();
    }
}

/// Who is to learn what the pipe is ready for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Wake {
    /// The poller, who may sleep.
    Poller,
    /// Nobody: the poller is asking.
    Nobody,
}

impl Owner for Shared {
    fn look(&self) {
        let mut state = self.state();
        let news = state.look();
        self.show(&mut state, news, Wake::Nobody);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what the pipe is ready for, and reports what is new: what it was not ready for before,
    /// and `news`.
    fn show(&self, state: &mut State, news: Readiness, wake: Wake) {
        let now = if state.is_attached {
            state.pipe.readiness()
        } else {
            Readiness::EMPTY
        };
        let before = std::mem::replace(&mut state.shown, now);
        if !(before - now).is_empty() {
            self.readiness.clear(before - now);
        }
        let gained = now - before;
        if gained.is_empty() && !now.intersects(news) {
            return;
        }
        match wake {
            // A doorbell that cannot be rung is one that has been.
            Wake::Poller => drop(self.readiness.set(now)),
            Wake::Nobody => self.readiness.set_by_poller(now),
        }
    }

    fn read_ahead(&self, interest: Interest) {
        let mut state = self.state();
        state.reads_ahead = interest.is_readable();
        state.read_ahead();
        self.show(&mut state, Readiness::EMPTY, Wake::Poller);
    }

    fn connect(&self) -> io::Result<()> {
        let mut state = self.state();
        let outcome = state.connect();
        self.show(&mut state, Readiness::EMPTY, Wake::Poller);
        outcome
    }

    fn disconnect(&self) -> io::Result<()> {
        let mut state = self.state();
        match named_pipe::disconnect(self.handle.as_handle()) {
            // There is no client to let go of, and whoever waits for one stops.
            Err(err) if err.raw_os_error() == Some(ERROR_PIPE_LISTENING as i32) => {}
            outcome => outcome?,
        }
        state.connect.cancel();
        state.read.cancel();
        state.write.cancel();
        state.pipe.disconnect();
        self.show(&mut state, Readiness::EMPTY, Wake::Poller);
        Ok(())
    }

    fn cancel_write(&self) -> io::Result<usize> {
        let mut state = self.state();
        let outcome = state.cancel_write();
        self.show(&mut state, Readiness::EMPTY, Wake::Poller);
        outcome
    }

    fn read(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Ok(0);
        }
        let mut state = self.state();
        let (outcome, news) = state.read(bufs);
        self.show(&mut state, news, Wake::Poller);
        outcome
    }

    fn write(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Ok(0);
        }
        let mut state = self.state();
        let outcome = state.write(bufs);
        self.show(&mut state, Readiness::EMPTY, Wake::Poller);
        outcome
    }
}

impl State {
    fn addresses(&self) -> [usize; 3] {
        [&self.connect, &self.read, &self.write].map(Operation::address)
    }

    /// Takes what is over, and begins what follows; the directions in which something is over.
    fn look(&mut self) -> Readiness {
        let mut news = Readiness::EMPTY;
        if self.pipe.connecting == Connecting::Pending && self.look_at_connection() {
            news |= Readiness::WRITABLE;
        }
        if self.pipe.reading == Reading::Pending && self.look_at_read() {
            news |= Readiness::READABLE;
            self.read_ahead();
        }
        if matches!(self.pipe.writing, Writing::Pending(_)) && self.look_at_write() {
            news |= Readiness::WRITABLE;
        }
        news
    }

    /// Whether it is over.
    fn look_at_connection(&mut self) -> bool {
        let outcome = self.connect.outcome();
        self.pipe.connecting.take(outcome);
        if self.pipe.connecting == Connecting::Connected {
            self.meet_client();
        }
        outcome != Outcome::Pending
    }

    /// Whether it is over.
    fn look_at_read(&mut self) -> bool {
        let outcome = self.read.outcome();
        self.pipe.note_read(outcome);
        self.pipe.reading.take(outcome);
        outcome != Outcome::Pending
    }

    /// Whether it is over, with all that was accepted.
    fn look_at_write(&mut self) -> bool {
        let mut outcome = self.write.outcome();
        while let Some(rest) = self.pipe.writing.take(outcome) {
            outcome = self.write.write_again(rest);
        }
        if outcome == Outcome::Pending {
            return false;
        }
        self.write.keep_no_more_than(MOST_ROOM);
        true
    }

    fn meet_client(&mut self) {
        self.pipe.forget_the_end();
        self.read_ahead();
    }

    /// Begins to read if nobody has asked for it yet, but will.
    fn read_ahead(&mut self) {
        let may_have_client = !matches!(
            self.pipe.connecting,
            Connecting::Pending | Connecting::Disconnected
        );
        if self.reads_ahead && may_have_client && self.pipe.reading == Reading::Idle {
            let outcome = self.read.read(self.room);
            self.pipe.note_read(outcome);
            self.pipe.reading.take_ahead(outcome);
        }
    }

    fn connect(&mut self) -> io::Result<()> {
        if !self.is_attached {
            return Err(would_block());
        }
        loop {
            match self.pipe.connecting.connect() {
                Connect::Begin => {
                    let outcome = self.connect.connect();
                    self.pipe.connecting.take(outcome);
                }
                Connect::Block if self.look_at_connection() => {}
                Connect::Block => return Err(would_block()),
                Connect::Done => {
                    self.meet_client();
                    return Ok(());
                }
                Connect::Fail(code) => return Err(error(code)),
            }
        }
    }

    /// What to return, and the directions to be reported if there is something.
    fn read(&mut self, bufs: &mut [IoSliceMut<'_>]) -> (io::Result<usize>, Readiness) {
        const NOTHING_NEW: Readiness = Readiness::EMPTY;
        // An empty message is skipped; so many in a row wait for the next event.
        let mut attempts = 0..4;
        let wanted = total(bufs);
        // Also for the reads ahead that follow: who takes large pieces is likely to go on so.
        self.room = wanted.clamp(ROOM, MOST_ROOM);
        loop {
            match self.pipe.reading.read() {
                state::Read::Give(bytes) => {
                    let bytes = self.read.buffer().get(bytes).unwrap_or_default();
                    let length = scatter(bytes, bufs);
                    self.pipe.reading.gave(length);
                    self.read_ahead();
                    // Who takes less than he wanted for the end of what is there waits for an event.
                    let is_full = length == wanted;
                    let news = if is_full {
                        NOTHING_NEW
                    } else {
                        Readiness::READABLE
                    };
                    return (Ok(length), news);
                }
                state::Read::Block if self.look_at_read() => {}
                state::Read::Block => return (Err(would_block()), NOTHING_NEW),
                state::Read::Begin if !self.is_attached => {
                    return (Err(would_block()), NOTHING_NEW);
                }
                state::Read::Begin if attempts.next().is_none() => {
                    let outcome = match self.pipe.reading {
                        Reading::Idle => Err(error(ERROR_OPERATION_ABORTED)),
                        _ => Err(would_block()),
                    };
                    return (outcome, Readiness::READABLE);
                }
                state::Read::Begin => {
                    let outcome = self.read.read(self.room);
                    self.pipe.note_read(outcome);
                    self.pipe.reading.take(outcome);
                    if outcome == Outcome::Failed(ERROR_PIPE_LISTENING) {
                        return (Err(would_block()), NOTHING_NEW);
                    }
                }
                state::Read::End => return (Ok(0), NOTHING_NEW),
                state::Read::Fail(code) => return (Err(error(code)), NOTHING_NEW),
            }
        }
    }

    fn write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.is_attached || self.pipe.connecting == Connecting::Pending {
            return Err(would_block());
        }
        loop {
            match self.pipe.writing.write() {
                state::Write::Begin => {
                    let outcome = self.write.write(bufs);
                    let length = self.write.length();
                    let wrote = self.pipe.writing.begun(length, outcome);
                    if self.pipe.note_write(outcome) {
                        // It may answer.
                        self.read_ahead();
                    }
                    return match wrote {
                        Wrote::Accepted(length) => Ok(length),
                        Wrote::Fail(code) => Err(error(code)),
                    };
                }
                state::Write::Block if self.look_at_write() => {}
                state::Write::Block => return Err(would_block()),
                state::Write::Fail(code) => return Err(error(code)),
            }
        }
    }

    fn cancel_write(&mut self) -> io::Result<usize> {
        let outcome = match self.pipe.writing {
            Writing::Pending(_) => self.write.cancel(),
            Writing::Idle | Writing::Failed(_) => return Ok(0),
        };
        let lost = self.pipe.writing.call_back(outcome).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::TimedOut,
                "the system does not let go of the write",
            )
        })?;
        self.write.keep_no_more_than(MOST_ROOM);
        Ok(lost)
    }
}

/// Fills one buffer after the other; how much there was, or was room for.
fn scatter(mut bytes: &[u8], bufs: &mut [IoSliceMut<'_>]) -> usize {
    let mut length = 0;
    for buf in bufs {
        let (now, later) = bytes.split_at(bytes.len().min(buf.len()));
        buf[..now.len()].copy_from_slice(now);
        length += now.len();
        bytes = later;
    }
    length
}

fn would_block() -> io::Error {
    io::ErrorKind::WouldBlock.into()
}

fn error(code: u32) -> io::Error {
    io::Error::from_raw_os_error(code as i32)
}

/// Several buffers are filled in one go.
impl Read for &NamedPipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.shared.read(&mut [IoSliceMut::new(buf)])
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.shared.read(bufs)
    }
}

/// As for a reference.
impl Read for NamedPipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

/// Buffers are written in one go: as one message, if it is a pipe of messages. There is nothing to
/// flush.
impl Write for &NamedPipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.shared.write(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.shared.write(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As for a reference.
impl Write for NamedPipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

handle_conversions!(NamedPipe);

impl fmt::Debug for NamedPipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedPipe")
            .field("handle", &self.shared.handle)
            .field("state", &self.shared.state().pipe)
            .finish_non_exhaustive()
    }
}
