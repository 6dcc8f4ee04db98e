//! Operations that go on after the call that began them, and the memory that the kernel uses
//! meanwhile.
//!
//! An [`Operation`] owns its buffer, its `OVERLAPPED` and a share of the handle. While it is in
//! flight nobody else gets at the memory, and it is not freed before the kernel is done with it: who
//! drops an operation cancels it *and waits* for its end.
//!
//! Whether it is over is asked of the `OVERLAPPED` and not told by packets, so it makes no
//! difference whether the system posts one for an operation that is over at once.
//!
//! # Threads
//!
//! The system cancels what a thread has begun when that thread ends. Not so operations on a handle that belongs to a
//! completion port, but only those *without an event*: these belong to nobody. So none has an event here.
//!
//! The price is that nothing tells of an end but a packet, and that the system may write the end into the `OVERLAPPED`
//! only when somebody takes that packet. So whoever waits for an end [stirs](Port::stir) the port.
//!
//! Reference: [ReadFile][read], [WriteFile][write], [ConnectNamedPipe][connect],
//! [GetOverlappedResult][result], [CancelIoEx][cancel]; ["Canceling Pending I/O Operations"][ends].
//!
//! [read]: https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-readfile
//! [write]: https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-writefile
//! [connect]: https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-connectnamedpipe
//! [result]: https://learn.microsoft.com/windows/win32/api/ioapiset/nf-ioapiset-getoverlappedresult
//! [cancel]: https://learn.microsoft.com/windows/win32/fileio/cancelioex-func
//! [ends]: https://learn.microsoft.com/windows/win32/fileio/canceling-pending-i-o-operations

#![allow(unsafe_code)]

use std::fmt;
use std::io::{self, IoSlice};
use std::mem;
use std::ops::Range;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::ptr::{self, NonNull};
use std::sync::atomic::{fence, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use windows_sys::core::BOOL;
use windows_sys::Win32::Foundation::{
    ERROR_IO_INCOMPLETE, ERROR_IO_PENDING, ERROR_MORE_DATA, ERROR_OPERATION_ABORTED, HANDLE,
};
use windows_sys::Win32::Storage::FileSystem::{
    ReadFile, SetFileCompletionNotificationModes, WriteFile,
};
use windows_sys::Win32::System::Pipes::ConnectNamedPipe;
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};

use super::iocp::Port;
use super::wait;
use crate::base::outcome::Outcome;
use crate::sys::rearm::Backoff;

/// What operations are begun on, and the port that is told of their ends.
#[derive(Debug)]
pub(crate) struct Handle {
    handle: OwnedHandle,
    port: OnceLock<Arc<Port>>,
}

impl Handle {
    /// One that was opened with `FILE_FLAG_OVERLAPPED`.
    pub(crate) fn new(handle: OwnedHandle) -> Self {
        Self {
            handle,
            port: OnceLock::new(),
        }
    }

    /// Lets packets come to `port`, for good; but none for operations that are over at once: whoever begins them
    /// sees it.
    pub(crate) fn attach(&self, port: Arc<Port>) -> io::Result<()> {
        const SKIP_COMPLETION_PORT_ON_SUCCESS: u8 = 1;
        port.attach_operations(self.handle.as_handle())?;
        // SAFETY: the handle is open. A failure leaves packets that say nothing new.
        unsafe { SetFileCompletionNotificationModes(self.raw(), SKIP_COMPLETION_PORT_ON_SUCCESS) };
        // The system attaches a handle once, so there is none yet.
        self.port.get_or_init(|| port);
        Ok(())
    }

    /// The port that it was attached to.
    pub(crate) fn port(&self) -> Option<&Arc<Port>> {
        self.port.get()
    }

    fn raw(&self) -> HANDLE {
        self.handle.as_raw_handle()
    }
}

impl AsHandle for Handle {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.handle.as_handle()
    }
}

/// One operation at a time, begun again and again.
pub(crate) struct Operation {
    handle: Arc<Handle>,
    memory: NonNull<Memory>,
    /// The kernel uses the memory.
    in_flight: bool,
}

/// What the kernel uses. Never moves.
struct Memory {
    overlapped: OVERLAPPED,
    buffer: Vec<u8>,
}

// SAFETY: the memory is the operation's own; while it is in flight it is the kernel's, who does not
// mind threads.
unsafe impl Send for Operation {}
// SAFETY: a shared reference leads to the memory only while nothing is in flight, and only reads.
unsafe impl Sync for Operation {}

impl Operation {
    /// One that is not in flight. It is to be begun when the handle was attached, and not before.
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        let memory = Box::new(Memory {
            overlapped: OVERLAPPED::default(),
            buffer: Vec::new(),
        });
        Self {
            handle,
            memory: NonNull::from(Box::leak(memory)),
            in_flight: false,
        }
    }

    /// What packets name it by, for as long as it exists.
    pub(crate) fn address(&self) -> usize {
        self.overlapped() as usize
    }

    /// What was read last; nothing while an operation is in flight.
    pub(crate) fn buffer(&self) -> &[u8] {
        if self.in_flight {
            return &[];
        }
        // SAFETY: nothing is in flight, so the memory is ours.
        unsafe { &(*self.memory.as_ptr()).buffer }
    }

    /// Waits for a client.
    pub(crate) fn connect(&mut self) -> Outcome {
        if let Err(outcome) = self.prepare() {
            return outcome;
        }
        let (handle, overlapped) = (self.handle.raw(), self.overlapped());
        // SAFETY: the handle is open; the `OVERLAPPED` is the kernel's until the operation is over.
        let begun = unsafe { ConnectNamedPipe(handle, overlapped) };
        self.began(begun)
    }

    /// Reads up to `room` bytes.
    pub(crate) fn read(&mut self, room: usize) -> Outcome {
        let memory = match self.prepare() {
            Ok(memory) => memory,
            Err(outcome) => return outcome,
        };
        memory.buffer.resize(room, 0);
        let (bytes, length) = (memory.buffer.as_mut_ptr(), length(room));
        let (handle, overlapped) = (self.handle.raw(), self.overlapped());
        // SAFETY: the handle is open; so many bytes and the `OVERLAPPED` are the kernel's until the
        // operation is over.
        let begun = unsafe { ReadFile(handle, bytes, length, ptr::null_mut(), overlapped) };
        self.began(begun)
    }

    /// Writes a copy of the bytes, one buffer after the other.
    pub(crate) fn write(&mut self, bufs: &[IoSlice<'_>]) -> Outcome {
        let length = match self.prepare() {
            Ok(memory) => {
                memory.buffer.clear();
                for buf in bufs {
                    memory.buffer.extend_from_slice(buf);
                }
                memory.buffer.len()
            }
            Err(outcome) => return outcome,
        };
        self.write_again(0..length)
    }

    /// How many bytes are written, or were.
    pub(crate) fn length(&self) -> usize {
        // SAFETY: the kernel does not write to the length of the buffer.
        unsafe { (*self.memory.as_ptr()).buffer.len() }
    }

    /// Gives back a buffer that was for once larger than that.
    pub(crate) fn keep_no_more_than(&mut self, room: usize) {
        if let Ok(memory) = self.prepare() {
            if memory.buffer.capacity() > room {
                memory.buffer = Vec::new();
            }
        }
    }

    /// Writes a part of the bytes that were written last.
    pub(crate) fn write_again(&mut self, part: Range<usize>) -> Outcome {
        let memory = match self.prepare() {
            Ok(memory) => memory,
            Err(outcome) => return outcome,
        };
        let bytes = memory.buffer.get(part).unwrap_or_default();
        let (bytes, length) = (bytes.as_ptr(), length(bytes.len()));
        let (handle, overlapped) = (self.handle.raw(), self.overlapped());
        // SAFETY: the handle is open; so many bytes and the `OVERLAPPED` are the kernel's until the
        // operation is over.
        let begun = unsafe { WriteFile(handle, bytes, length, ptr::null_mut(), overlapped) };
        self.began(begun)
    }

    /// Calls the operation back, and returns when the kernel is done with it, one way or another: that is how it
    /// has ended. Only if the kernel refuses to give it back it is still under way.
    pub(crate) fn cancel(&mut self) -> Outcome {
        if !self.in_flight {
            return self.outcome();
        }
        // SAFETY: the handle is open, and the `OVERLAPPED` that of an operation. A failure says that
        // it is over.
        unsafe { CancelIoEx(self.handle.raw(), self.overlapped()) };
        // Mostly it is over at once, or as soon as a poller is done with the packet.
        for attempt in 0..1000 {
            let outcome = self.settled();
            if outcome != Outcome::Pending {
                return outcome;
            }
            if attempt < 100 {
                thread::yield_now();
            } else {
                thread::sleep(Duration::from_millis(1));
            }
        }
        Outcome::Pending
    }

    /// As `outcome`, also if nobody takes the packet.
    fn settled(&mut self) -> Outcome {
        match (self.outcome(), self.handle.port()) {
            (Outcome::Pending, Some(port)) => port.stir(),
            (outcome, _) => return outcome,
        }
        self.outcome()
    }

    /// Leaves the operation to itself: what it uses is given back when it is over, on a thread of
    /// the system. If that takes longer than `within`, it is called back. Another operation can be begun at
    /// once.
    pub(crate) fn linger(&mut self, within: Duration) {
        if !self.in_flight {
            return;
        }
        let next = Self::new(Arc::clone(&self.handle));
        let mut left = Left {
            operation: mem::replace(self, next),
            until: Instant::now() + within,
            pause: Backoff::SHORTEST,
        };
        if let Some(pause) = left.look() {
            wait::look_again(left, pause, Left::look);
        }
    }

    /// The memory for the next operation. An error is what to say instead of beginning it.
    fn prepare(&mut self) -> Result<&mut Memory, Outcome> {
        if self.in_flight {
            return Err(Outcome::Pending);
        }
        // SAFETY: nothing is in flight, so the memory is ours.
        let memory = unsafe { self.memory.as_mut() };
        memory.overlapped = OVERLAPPED::default();
        Ok(memory)
    }

    /// What the call returned that began the operation.
    fn began(&mut self, begun: BOOL) -> Outcome {
        if begun == 0 {
            match last_error() {
                // Under way; or over, of which the `OVERLAPPED` tells more.
                ERROR_IO_PENDING | ERROR_MORE_DATA => {}
                code => return Outcome::Failed(code),
            }
        }
        self.in_flight = true;
        self.outcome()
    }

    /// How the operation that was begun last is going, or has ended: that is told once.
    pub(crate) fn outcome(&mut self) -> Outcome {
        if !self.in_flight {
            // There is nothing that could end.
            return Outcome::Failed(ERROR_OPERATION_ABORTED);
        }
        let mut moved = 0;
        let handle = self.handle.raw();
        // SAFETY: the handle is open, and the `OVERLAPPED` that of an operation on it.
        let done = unsafe { GetOverlappedResult(handle, self.overlapped(), &mut moved, 0) };
        let outcome = match done {
            0 => match last_error() {
                ERROR_IO_INCOMPLETE => return Outcome::Pending,
                ERROR_MORE_DATA => Outcome::More(moved as usize),
                code => Outcome::Failed(code),
            },
            _ => Outcome::Done(moved as usize),
        };
        // An error may be that of the question; then the kernel is not done.
        // SAFETY: the memory is allocated; only the address is taken.
        let status = unsafe { ptr::addr_of!((*self.overlapped()).Internal) };
        // SAFETY: the kernel writes the status in one go, and last.
        if unsafe { status.read_volatile() } == STATUS_PENDING {
            return Outcome::Pending;
        }
        // Acquire: pairs with the kernel's release of the status, so that what it has written to the buffer
        // before that is read after it. A processor that reorders reads (ARM64) might read it earlier.
        fence(Ordering::Acquire);
        self.in_flight = false;
        outcome
    }

    fn overlapped(&self) -> *mut OVERLAPPED {
        // SAFETY: the memory is allocated; only the address is taken.
        unsafe { ptr::addr_of_mut!((*self.memory.as_ptr()).overlapped) }
    }
}

/// An operation that was left to itself.
struct Left {
    operation: Operation,
    until: Instant,
    pause: Backoff,
}

impl Left {
    /// When to look again; not any more if the operation is over, or is to be called back because the time is.
    fn look(&mut self) -> Option<Duration> {
        if self.operation.settled() != Outcome::Pending {
            return None;
        }
        let left = self.until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| self.pause.next().min(left))
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if self.cancel() == Outcome::Pending {
            // The kernel refuses to give the memory back. Then it keeps it.
            return;
        }
        // SAFETY: the memory came from a box, and nobody uses it any more.
        drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

/// The kernel's mark in an `OVERLAPPED` that it is not done with.
const STATUS_PENDING: usize = 0x103;

/// What does not fit is for the next operation.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn last_error() -> u32 {
    let code = io::Error::last_os_error().raw_os_error();
    code.map_or(ERROR_OPERATION_ABORTED, |code| code as u32)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::Read;

    use super::*;
    use crate::base::wait::Wait;
    use crate::sys::windows::os::iocp::Packets;
    use crate::sys::windows::os::named_pipe;

    /// Only a failing test waits for so long.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn both_ends(name: &str, port: &Arc<Port>) -> (Arc<Handle>, File) {
        let name = format!(r"\\.\pipe\wakeful-{name}-{}", std::process::id());
        let server = Handle::new(named_pipe::create(name.as_ref()).unwrap());
        server.attach(Arc::clone(port)).unwrap();
        let client = OpenOptions::new().read(true).write(true).open(&name);
        (Arc::new(server), client.unwrap())
    }

    /// Begins a write that nobody reads, on a thread that ends.
    fn write_too_much(server: &Arc<Handle>, bytes: &[u8]) -> Operation {
        let mut write = Operation::new(Arc::clone(server));
        thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(write.write(&[IoSlice::new(bytes)]), Outcome::Pending);
            });
        });
        write
    }

    #[test]
    fn a_write_that_nobody_reads_is_left_for_so_long_and_no_longer() {
        let port = Arc::new(Port::new().unwrap());
        let (server, mut client) = both_ends("nobody-reads", &port);
        let bytes = vec![7; 1 << 20];
        let mut write = write_too_much(&server, &bytes);
        let within = Duration::from_millis(20);
        let start = Instant::now();
        write.linger(within);

        let handle = Arc::downgrade(&server);
        drop((write, server));
        while handle.strong_count() > 0 {
            assert!(start.elapsed() < PATIENCE, "the pipe is still open");
            thread::yield_now();
        }
        assert!(start.elapsed() >= within);
        // What the system had taken may still come; then the end.
        let mut came = Vec::new();
        let _ = client.read_to_end(&mut came);
        assert!(came.len() < bytes.len());
    }

    #[test]
    fn a_write_that_is_left_goes_on_without_its_thread_and_its_poll() {
        let port = Arc::new(Port::new().unwrap());
        let (server, mut client) = both_ends("left", &port);
        let bytes = vec![7; 1 << 20];
        let mut write = write_too_much(&server, &bytes);
        write.linger(PATIENCE);
        drop((write, server, port));
        let mut came = Vec::new();
        client.read_to_end(&mut came).unwrap();
        assert!(came == bytes, "{} bytes came", came.len());
    }

    #[test]
    fn what_is_called_back_is_over_and_the_poller_is_told() {
        let port = Arc::new(Port::new().unwrap());
        let (server, _client) = both_ends("called-back", &port);
        let called_back = Outcome::Failed(ERROR_OPERATION_ABORTED);
        let mut packets = Packets::default();
        for _ in 0..3 {
            let mut read = Operation::new(Arc::clone(&server));
            assert_eq!(read.read(16), Outcome::Pending);
            assert_eq!(read.cancel(), called_back);
            assert!(!read.in_flight);
            port.wait(&mut packets, 8, Wait::AtMost(PATIENCE)).unwrap();
            assert_eq!(packets.take(&port).count(), 1);
        }
    }
}
