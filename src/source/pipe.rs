//! Pipes: one end to write to, one to read from.
//!
//! Manual: [pipe(7)](https://man7.org/linux/man-pages/man7/pipe.7.html)

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout};

use crate::reactor::io_source::IoSource;
use crate::source::forward::{forward_read, forward_source, forward_write};
use crate::sys::conversions;
use crate::sys::pipe;

/// Opens a pipe, non-blocking and close-on-exec: what is written to the [`Sender`] can be read
/// from the [`Receiver`].
///
/// # Errors
///
/// - `EMFILE`, `ENFILE`: too many open files, in the process or in the system; on Linux also when the
///   user has too much memory in pipes.
///
/// # Platforms
///
/// One system call where there is [pipe2(2)]; elsewhere the flags are set after pipe(2).
///
/// [pipe2(2)]: https://man7.org/linux/man-pages/man2/pipe.2.html
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::io::{Read, Write};
/// use wakeful::unix::pipe;
/// use wakeful::{Events, Interest, Poll, Token};
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// let (mut sender, mut receiver) = pipe::new()?;
/// poll.registry().register(&mut receiver, Token(0), Interest::READABLE)?;
///
/// sender.write_all(b"hello")?;
///
/// poll.poll(&mut events, None)?;
/// let mut buf = [0; 16];
/// let len = receiver.read(&mut buf)?;
/// assert_eq!(&buf[..len], b"hello");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "pipe2")]
pub fn new() -> io::Result<(Sender, Receiver)> {
    let (receiver, sender) = pipe::create()?;
    Ok((sender.into(), receiver.into()))
}

/// The end of a pipe to write to.
///
/// Writable when there is room. When the last [`Receiver`] is gone, an event says so
/// (`is_write_closed`), and a write fails with [`BrokenPipe`](io::ErrorKind::BrokenPipe). Writes go
/// through [`Write`](io::Write).
///
/// Also made from the standard input of a child process, and from any descriptor. Neither is made
/// non-blocking by that: call [`set_nonblocking`](Sender::set_nonblocking).
///
/// # Platforms
///
/// On Linux the event that says so is `is_error` too. Kernels with kqueue(2) tell of an end without an
/// error.
///
/// # Examples
///
/// Feeding a child process:
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::io::{Read, Write};
/// use std::process::{Command, Stdio};
/// use wakeful::unix::pipe::Sender;
/// use wakeful::{Events, Interest, Poll, Token};
///
/// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// let mut sender = Sender::from(child.stdin.take().unwrap());
/// sender.set_nonblocking(true)?;
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// poll.registry().register(&mut sender, Token(0), Interest::WRITABLE)?;
/// poll.poll(&mut events, None)?;
/// sender.write_all(b"hello")?;
/// drop(sender); // the end of the child's input
///
/// assert_eq!(child.wait_with_output()?.stdout, b"hello");
/// # Ok(())
/// # }
/// ```
pub struct Sender {
    inner: IoSource<File>,
}

impl Sender {
    fn wrap(file: File) -> Self {
        let inner = IoSource::new(file);
        Self { inner }
    }

    /// Makes writes return at once (`true`), or wait for room (`false`).
    ///
    /// Needed for what came from elsewhere; the ends of [`new`] are non-blocking. Holds for every
    /// descriptor of this end, also in other processes that share it.
    ///
    /// # Errors
    ///
    /// Those of [fcntl(2)](https://man7.org/linux/man-pages/man2/fcntl.2.html).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::{ErrorKind, Write};
    ///
    /// let (mut sender, _receiver) = wakeful::unix::pipe::new()?;
    /// sender.set_nonblocking(true)?; // as it was
    /// let full = loop {
    ///     if let Err(err) = sender.write(&[0; 4096]) {
    ///         break err;
    ///     }
    /// };
    /// assert_eq!(full.kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "O_NONBLOCK")]
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        pipe::set_nonblocking(self.inner.as_fd(), nonblocking)
    }

    /// Runs an operation on the pipe that this type does not have, [vmsplice(2)] or [splice(2)] on
    /// its raw descriptor for example.
    ///
    /// If `f` returns [`WouldBlock`](io::ErrorKind::WouldBlock), events for the pipe go on as
    /// after any other operation that would block. So `f` must do its I/O on this pipe, without
    /// blocking, and return that error only when the pipe did.
    ///
    /// [vmsplice(2)]: https://man7.org/linux/man-pages/man2/vmsplice.2.html
    /// [splice(2)]: https://man7.org/linux/man-pages/man2/splice.2.html
    ///
    /// # Errors
    ///
    /// Those of `f`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::fs::File;
    /// use std::io::Write;
    /// use std::os::fd::AsFd;
    ///
    /// let (sender, _receiver) = wakeful::unix::pipe::new()?;
    /// let mut file = File::from(sender.as_fd().try_clone_to_owned()?);
    /// assert_eq!(sender.try_io(|| file.write(b"hello"))?, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_io<F, T>(&self, f: F) -> io::Result<T>
    where
        F: FnOnce() -> io::Result<T>,
    {
        self.inner.try_io(f)
    }
}

impl From<ChildStdin> for Sender {
    /// The descriptor stays as it is, which is blocking; see
    /// [`set_nonblocking`](Sender::set_nonblocking).
    fn from(stdin: ChildStdin) -> Sender {
        OwnedFd::from(stdin).into()
    }
}

forward_source!(Sender);
forward_write!(Sender);
conversions!(Sender, File);

/// The end of a pipe to read from.
///
/// Readable when there is something to read. When the last [`Sender`] is gone, an event says so
/// (`is_read_closed`), and reads find the rest and then the end, `Ok(0)`. Reads go through
/// [`Read`](io::Read).
///
/// Also made from the standard output or error of a child process, and from any descriptor.
/// Neither is made non-blocking by that: call [`set_nonblocking`](Receiver::set_nonblocking).
///
/// # Examples
///
/// Reading what a child process prints:
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::io::{ErrorKind, Read};
/// use std::process::{Command, Stdio};
/// use wakeful::unix::pipe::Receiver;
/// use wakeful::{Events, Interest, Poll, Token};
///
/// let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
/// let mut receiver = Receiver::from(child.stdout.take().unwrap());
/// receiver.set_nonblocking(true)?;
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// poll.registry().register(&mut receiver, Token(0), Interest::READABLE)?;
///
/// let mut output = Vec::new();
/// loop {
///     poll.poll(&mut events, None)?;
///     match receiver.read_to_end(&mut output) {
///         Ok(_) => break,
///         Err(err) if err.kind() == ErrorKind::WouldBlock => continue,
///         Err(err) => return Err(err),
///     }
/// }
/// assert_eq!(output, b"hello\n");
/// # child.wait()?;
/// # Ok(())
/// # }
/// ```
pub struct Receiver {
    inner: IoSource<File>,
}

impl Receiver {
    fn wrap(file: File) -> Self {
        let inner = IoSource::new(file);
        Self { inner }
    }

    /// Makes reads return at once (`true`), or wait for something to read (`false`).
    ///
    /// Needed for what came from elsewhere; the ends of [`new`] are non-blocking. Holds for every
    /// descriptor of this end, also in other processes that share it.
    ///
    /// # Errors
    ///
    /// Those of [fcntl(2)](https://man7.org/linux/man-pages/man2/fcntl.2.html).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::{ErrorKind, Read};
    ///
    /// let (_sender, mut receiver) = wakeful::unix::pipe::new()?;
    /// receiver.set_nonblocking(true)?; // as it was
    /// assert_eq!(receiver.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "O_NONBLOCK")]
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        pipe::set_nonblocking(self.inner.as_fd(), nonblocking)
    }

    /// Runs an operation on the pipe that this type does not have, [tee(2)] or [splice(2)] on
    /// its raw descriptor for example.
    ///
    /// If `f` returns [`WouldBlock`](io::ErrorKind::WouldBlock), events for the pipe go on as
    /// after any other operation that would block. So `f` must do its I/O on this pipe, without
    /// blocking, and return that error only when the pipe did.
    ///
    /// [tee(2)]: https://man7.org/linux/man-pages/man2/tee.2.html
    /// [splice(2)]: https://man7.org/linux/man-pages/man2/splice.2.html
    ///
    /// # Errors
    ///
    /// Those of `f`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::fs::File;
    /// use std::io::{ErrorKind, Read};
    /// use std::os::fd::AsFd;
    ///
    /// let (_sender, receiver) = wakeful::unix::pipe::new()?;
    /// let mut file = File::from(receiver.as_fd().try_clone_to_owned()?);
    /// let outcome = receiver.try_io(|| file.read(&mut [0; 8]));
    /// assert_eq!(outcome.unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_io<F, T>(&self, f: F) -> io::Result<T>
    where
        F: FnOnce() -> io::Result<T>,
    {
        self.inner.try_io(f)
    }
}

impl From<ChildStdout> for Receiver {
    /// The descriptor stays as it is, which is blocking; see
    /// [`set_nonblocking`](Receiver::set_nonblocking).
    fn from(stdout: ChildStdout) -> Receiver {
        OwnedFd::from(stdout).into()
    }
}

impl From<ChildStderr> for Receiver {
    /// The descriptor stays as it is, which is blocking; see
    /// [`set_nonblocking`](Receiver::set_nonblocking).
    fn from(stderr: ChildStderr) -> Receiver {
        OwnedFd::from(stderr).into()
    }
}

forward_source!(Receiver);
forward_read!(Receiver);
conversions!(Receiver, File);
