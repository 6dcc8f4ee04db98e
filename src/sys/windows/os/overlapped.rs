//! Operations that go on after the call that began them, and the memory that the kernel uses
//! meanwhile.
//!
//! An [`Operation`] owns its buffer, its `OVERLAPPED` and a share of the handle. While it is in
//! flight nobody else gets at the memory, and it is not freed before the kernel is done with it: who
//! drops an operation cancels it *and waits* for its end. Each has an event of its own, since a file
//! handle says only that some operation is over.
//!
//! Whether it is over is asked of the `OVERLAPPED` and not told by packets, so it makes no
//! difference whether the system posts one for an operation that is over at once.
//!
//! Reference: [ReadFile][read], [WriteFile][write], [ConnectNamedPipe][connect],
//! [GetOverlappedResult][result], [CancelIoEx][cancel].
//!
//! [read]: https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-readfile
//! [write]: https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-writefile
//! [connect]: https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-connectnamedpipe
//! [result]: https://learn.microsoft.com/windows/win32/api/ioapiset/nf-ioapiset-getoverlappedresult
//! [cancel]: https://learn.microsoft.com/windows/win32/fileio/cancelioex-func

#![allow(unsafe_code)]

use std::fmt;
use std::io::{self, IoSlice};
use std::mem;
use std::ops::Range;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::ptr::{self, NonNull};
use std::sync::atomic::{fence, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use windows_sys::core::BOOL;
use windows_sys::Win32::Foundation::{
    ERROR_IO_INCOMPLETE, ERROR_IO_PENDING, ERROR_MORE_DATA, ERROR_OPERATION_ABORTED,
};
use windows_sys::Win32::Storage::FileSystem::{
    ReadFile, SetFileCompletionNotificationModes, WriteFile,
};
use windows_sys::Win32::System::Pipes::ConnectNamedPipe;
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};

use super::wait::{self, Ending};
use crate::base::outcome::Outcome;

/// One operation at a time, begun again and again.
pub(crate) struct Operation {
    handle: Arc<OwnedHandle>,
    memory: NonNull<Memory>,
    /// The kernel uses the memory.
    in_flight: bool,
}

/// What the kernel uses. Never moves.
struct Memory {
    overlapped: OVERLAPPED,
    buffer: Vec<u8>,
    /// Signaled when the operation is over. Made when it is first needed.
    event: Option<OwnedHandle>,
}

// SAFETY: the memory is the operation's own; while it is in flight it is the kernel's, who does not
// mind threads.
unsafe impl Send for Operation {}
// SAFETY: a shared reference leads to the memory only while nothing is in flight, and only reads.
unsafe impl Sync for Operation {}

impl Operation {
    /// One that is not in flight, on a handle that was opened with `FILE_FLAG_OVERLAPPED`.
    pub(crate) fn new(handle: Arc<OwnedHandle>) -> Self {
        let memory = Box::new(Memory {
            overlapped: OVERLAPPED::default(),
            buffer: Vec::new(),
            event: None,
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
        let (handle, overlapped) = (self.handle.as_raw_handle(), self.overlapped());
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
        let (handle, overlapped) = (self.handle.as_raw_handle(), self.overlapped());
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
        let (handle, overlapped) = (self.handle.as_raw_handle(), self.overlapped());
        // SAFETY: the handle is open; so many bytes and the `OVERLAPPED` are the kernel's until the
        // operation is over.
        let begun = unsafe { WriteFile(handle, bytes, length, ptr::null_mut(), overlapped) };
        self.began(begun)
    }

    /// How the operation that was begun last is going, or has ended: that is told once.
    pub(crate) fn outcome(&mut self) -> Outcome {
        self.result(false)
    }

    /// Calls the operation back, and returns when the kernel is done with it, one way or another: that is how it
    /// has ended. Only if the kernel refuses to give it back it is still under way.
    pub(crate) fn cancel(&mut self) -> Outcome {
        if !self.in_flight {
            return self.outcome();
        }
        // SAFETY: the handle is open, and the `OVERLAPPED` that of an operation. A failure says that
        // it is over.
        unsafe { CancelIoEx(self.handle.as_raw_handle(), self.overlapped()) };
        // Twice would be enough for an event that was signaled by mistake, see `be_left`.
        for _ in 0..1000 {
            let outcome = self.result(true);
            if outcome != Outcome::Pending {
                return outcome;
            }
            if let Some(event) = self.event() {
                // A failure makes the next wait another look.
                let _ = wait::reset(event.as_handle());
            }
            let outcome = self.result(false);
            if outcome != Outcome::Pending {
                return outcome;
            }
            thread::yield_now();
        }
        Outcome::Pending
    }

    /// Leaves the operation to itself: what it uses is given back when it is over, on a thread of
    /// the system. If that takes longer than `within`, it is called back. Another operation can be begun at
    /// once.
    pub(crate) fn linger(&mut self, within: Duration) {
        if !self.in_flight {
            return;
        }
        let next = Self::new(Arc::clone(&self.handle));
        let left = Left {
            operation: mem::replace(self, next),
            until: Instant::now() + within,
        };
        left.wait(Ending::Signaled);
    }

    /// The memory for the next operation. An error is what to say instead of beginning it.
    fn prepare(&mut self) -> Result<&mut Memory, Outcome> {
        if self.in_flight {
            return Err(Outcome::Pending);
        }
        // SAFETY: nothing is in flight, so the memory is ours.
        let memory = unsafe { self.memory.as_mut() };
        let event = match memory.event.take() {
            Some(event) => event,
            None => wait::event().map_err(|err| Outcome::Failed(code(&err)))?,
        };
        memory.overlapped = OVERLAPPED::default();
        memory.overlapped.hEvent = event.as_raw_handle();
        memory.event = Some(event);
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

    fn result(&mut self, wait: bool) -> Outcome {
        if !self.in_flight {
            // There is nothing that could end.
            return Outcome::Failed(ERROR_OPERATION_ABORTED);
        }
        let mut moved = 0;
        let handle = self.handle.as_raw_handle();
        // SAFETY: the handle is open, and the `OVERLAPPED` that of an operation on it.
        let done =
            unsafe { GetOverlappedResult(handle, self.overlapped(), &mut moved, BOOL::from(wait)) };
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

    fn event(&self) -> Option<&OwnedHandle> {
        // SAFETY: the event is made before the operation begins, and does not change meanwhile.
        unsafe { &(*self.memory.as_ptr()).event }.as_ref()
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
}

impl Left {
    /// Keeps what the operation uses until it is over, or called back because the time is.
    ///
    /// Its event may have been signaled for the one before, by mistake: the system says in the
    /// `OVERLAPPED` that an operation is over, and signals its event *afterwards*. Who begins another
    /// one in between has the event signaled early. So the signal is taken back, and the question
    /// asked after that: if the operation is not over then, its own signal is still to come.
    fn wait(mut self, ending: Ending) {
        if ending == Ending::TimedOut {
            return; // and drops it
        }
        let event = self.operation.event();
        let Some(event) = event.and_then(|event| event.try_clone().ok()) else {
            return;
        };
        if wait::reset(event.as_handle()).is_ok() && self.operation.outcome() == Outcome::Pending {
            let within = self.until.saturating_duration_since(Instant::now());
            wait::then(event, within, self, Self::wait);
        }
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

/// No packets for operations that are over at once: whoever begins them sees it.
pub(crate) fn skip_packets(handle: BorrowedHandle<'_>) {
    const SKIP_COMPLETION_PORT_ON_SUCCESS: u8 = 1;
    // SAFETY: the handle is open. A failure leaves packets that say nothing new.
    unsafe {
        SetFileCompletionNotificationModes(handle.as_raw_handle(), SKIP_COMPLETION_PORT_ON_SUCCESS)
    };
}

/// The kernel's mark in an `OVERLAPPED` that it is not done with.
const STATUS_PENDING: usize = 0x103;

/// What does not fit is for the next operation.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn last_error() -> u32 {
    code(&io::Error::last_os_error())
}

fn code(err: &io::Error) -> u32 {
    err.raw_os_error()
        .map_or(ERROR_OPERATION_ABORTED, |code| code as u32)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::Read;

    use windows_sys::Win32::System::Threading::SetEvent;

    use super::*;
    use crate::sys::windows::os::named_pipe;

    /// Only a failing test waits for so long.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn both_ends(name: &str) -> (Arc<OwnedHandle>, File) {
        let name = format!(r"\\.\pipe\wakeful-{name}-{}", std::process::id());
        let server = named_pipe::create(name.as_ref()).unwrap();
        let client = OpenOptions::new().read(true).write(true).open(&name);
        (Arc::new(server), client.unwrap())
    }

    #[test]
    fn a_write_that_nobody_reads_is_left_for_so_long_and_no_longer() {
        let (server, mut client) = both_ends("nobody-reads");
        let bytes = vec![7; 1 << 20];
        let mut write = Operation::new(Arc::clone(&server));
        assert_eq!(write.write(&[IoSlice::new(&bytes)]), Outcome::Pending);
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
    fn an_early_signal_neither_ends_a_write_that_is_left_nor_frees_what_is_called_back() {
        let (server, mut client) = both_ends("early-signal");
        let signal = |operation: &Operation| {
            let event = operation.event().unwrap().as_raw_handle();
            // SAFETY: the handle is open.
            assert_ne!(unsafe { SetEvent(event) }, 0);
        };

        let mut read = Operation::new(Arc::clone(&server));
        assert_eq!(read.read(16), Outcome::Pending);
        signal(&read);
        let called_back = Outcome::Failed(ERROR_OPERATION_ABORTED);
        assert_eq!(read.cancel(), called_back);
        assert!(!read.in_flight);

        let bytes = vec![7; 1 << 20];
        let mut write = Operation::new(Arc::clone(&server));
        assert_eq!(write.write(&[IoSlice::new(&bytes)]), Outcome::Pending);
        signal(&write);
        write.linger(PATIENCE);
        drop((read, write, server));
        let mut came = Vec::new();
        client.read_to_end(&mut came).unwrap();
        assert!(came == bytes, "{} bytes came", came.len());
    }
}
