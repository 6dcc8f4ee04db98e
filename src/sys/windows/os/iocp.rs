//! I/O completion ports: a queue of packets, each of which tells that something has happened.
//!
//! Reference: [CreateIoCompletionPort][create], [GetQueuedCompletionStatusEx][get],
//! [PostQueuedCompletionStatus][post]. They count milliseconds; `NtRemoveIoCompletionEx`, which is behind the
//! second, counts 100 ns, and is looked up for waits that need it.
//!
//! [create]: https://learn.microsoft.com/windows/win32/fileio/createiocompletionport
//! [get]: https://learn.microsoft.com/windows/win32/fileio/getqueuedcompletionstatusex-func
//! [post]: https://learn.microsoft.com/windows/win32/fileio/postqueuedcompletionstatus

#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::mem;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
#[cfg(feature = "os-ext")]
use std::thread;
use std::time::Duration;

#[cfg(feature = "os-ext")]
use windows_sys::Win32::Foundation::ERROR_INVALID_PARAMETER;
use windows_sys::Win32::Foundation::{
    HANDLE, INVALID_HANDLE_VALUE, NTSTATUS, STATUS_TIMEOUT, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::Threading::INFINITE;
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatusEx, PostQueuedCompletionStatus, OVERLAPPED,
    OVERLAPPED_ENTRY,
};

use super::afd::{Answer, Request};
use super::{check, error_of, has_failed, library};
use crate::base::wait::{div_ceil, Wait};

/// A completion port, and whether its doorbell was rung.
#[derive(Debug)]
pub(crate) struct Port {
    handle: OwnedHandle,
    /// A packet of the doorbell is on its way, so another one would say nothing new.
    is_rung: AtomicBool,
}

/// Where a packet comes from: its completion key.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Origin {
    Doorbell = 1,
    /// A request of `Afd::poll`.
    Afd = 2,
    /// An operation on a handle that was attached by whoever began the operation.
    Operation = 3,
    /// The poller's timer.
    Timer = 4,
}

/// One thing that has happened.
#[derive(Debug)]
pub(crate) enum Packet {
    Doorbell,
    Afd(Arc<Request>, Answer),
    /// The operation that was begun with this `OVERLAPPED` is over.
    Operation(*mut OVERLAPPED),
    Timer,
}

impl Port {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: opens a port and attaches nothing.
        let port = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, ALL) };
        if port.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new, so nobody else owns it.
        let handle = unsafe { OwnedHandle::from_raw_handle(port) };
        Ok(Self {
            handle,
            is_rung: AtomicBool::new(false),
        })
    }

    /// From now on what is completed on `handle` makes packets here. It cannot be undone.
    #[cfg(feature = "os-ext")]
    pub(super) fn attach_operations(&self, handle: BorrowedHandle<'_>) -> io::Result<()> {
        let outcome = self.attach(handle, Origin::Operation);
        outcome.map_err(|err| match err.raw_os_error().map(|code| code as u32) {
            Some(ERROR_INVALID_PARAMETER) => io::Error::new(
                io::ErrorKind::InvalidInput,
                "the handle belongs to another completion port already, or was not opened for \
                 overlapped operations (ERROR_INVALID_PARAMETER)",
            ),
            _ => err,
        })
    }

    /// Only `afd` may attach under its own name: it owns what its packets point to.
    pub(super) fn attach(&self, handle: BorrowedHandle<'_>, origin: Origin) -> io::Result<()> {
        // SAFETY: both handles are open.
        let port = unsafe {
            CreateIoCompletionPort(
                handle.as_raw_handle(),
                self.handle.as_raw_handle(),
                origin as usize,
                0,
            )
        };
        if port.is_null() {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Posts the packet of the doorbell, unless one is on its way.
    pub(crate) fn ring(&self) -> io::Result<()> {
        // AcqRel: pairs with `silence`. What was queued before a ring that found the bell rung is
        // seen by the poller that silences it.
        if self.is_rung.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let packet = OVERLAPPED_ENTRY {
            lpCompletionKey: Origin::Doorbell as usize,
            ..OVERLAPPED_ENTRY::default()
        };
        self.post(&packet).map_err(|err| {
            self.is_rung.store(false, Ordering::Release);
            err
        })
    }

    fn silence(&self) {
        self.is_rung.swap(false, Ordering::AcqRel);
    }

    /// Waits for packets, and takes up to `most` of them.
    pub(crate) fn wait(&self, packets: &mut Packets, most: usize, wait: Wait) -> io::Result<()> {
        debug_assert!(packets.entries.is_empty(), "packets are taken at once");
        let most = most.clamp(1, MOST_AT_ONCE);
        packets.entries.reserve(most);
        let mut taken = 0;
        if self.remove(&mut packets.entries, most as u32, &mut taken, wait)? {
            return Ok(());
        }
        // SAFETY: the system has filled so many entries, and there is room for them.
        unsafe { packets.entries.set_len(taken as usize) };
        Ok(())
    }

    /// Takes packets and puts them back, behind those that are there.
    ///
    /// How an operation has ended the system may write down not when it ends, but when its packet is taken: by
    /// the poller, who may not come for a while, or never. Whoever waits for the end of an operation stirs.
    #[cfg(feature = "os-ext")]
    pub(super) fn stir(&self) {
        const SOME: usize = 64;
        let mut packets = Packets::default();
        if self.wait(&mut packets, SOME, Wait::NONE).is_err() {
            return;
        }
        for entry in &packets.entries {
            // Memory is short if that fails. A packet is not to be lost.
            while self.post(entry).is_err() {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Queues a packet: one that carries no pointer, or one that was taken.
    fn post(&self, entry: &OVERLAPPED_ENTRY) -> io::Result<()> {
        let (key, overlapped) = (entry.lpCompletionKey, entry.lpOverlapped);
        let length = entry.dwNumberOfBytesTransferred;
        // SAFETY: the port is open. A packet that was taken means what it meant, and is taken once more.
        check(unsafe {
            PostQueuedCompletionStatus(self.handle.as_raw_handle(), length, key, overlapped)
        })
    }
}

impl Port {
    /// Whether the time was over before there was a packet.
    fn remove(
        &self,
        entries: &mut Vec<OVERLAPPED_ENTRY>,
        most: u32,
        taken: &mut u32,
        wait: Wait,
    ) -> io::Result<bool> {
        if let (Wait::AtMost(time), true) = (wait, wait.needs_nanos()) {
            if let Some(outcome) = self.remove_precisely(entries, most, taken, time) {
                return outcome;
            }
        }
        // SAFETY: there is room for so many entries, which nobody touches during the call.
        let outcome = check(unsafe {
            GetQueuedCompletionStatusEx(
                self.handle.as_raw_handle(),
                entries.as_mut_ptr(),
                most,
                taken,
                millis(wait),
                0,
            )
        });
        match outcome {
            Err(err) if err.raw_os_error() == Some(WAIT_TIMEOUT as i32) => Ok(true),
            outcome => outcome.map(|()| false),
        }
    }

    /// The system call behind it, which counts in 100 ns; `None` where it is not there.
    fn remove_precisely(
        &self,
        entries: &mut Vec<OVERLAPPED_ENTRY>,
        most: u32,
        taken: &mut u32,
        time: Duration,
    ) -> Option<io::Result<bool>> {
        static FUNCTION: OnceLock<Option<NtRemoveIoCompletionEx>> = OnceLock::new();
        let function = (*FUNCTION.get_or_init(|| {
            let function = library::ntdll("NtRemoveIoCompletionEx\0")?;
            // SAFETY: the signature of the function with that name.
            Some(unsafe { mem::transmute::<library::Function, NtRemoveIoCompletionEx>(function) })
        }))?;
        let timeout = relative(time);
        // SAFETY: there is room for so many entries, which have the layout of the structure that the
        // call fills, and which nobody touches during the call; the timeout outlives it.
        let status = unsafe {
            function(
                self.handle.as_raw_handle(),
                entries.as_mut_ptr(),
                most,
                taken,
                &timeout,
                0,
            )
        };
        Some(match status {
            STATUS_TIMEOUT => Ok(true),
            status if has_failed(status) => Err(error_of(status)),
            _ => Ok(false),
        })
    }
}

/// The entries are `FILE_IO_COMPLETION_INFORMATION`: key, context, status and information.
///
/// # Safety
///
/// There is room for `most` entries; the other pointers are valid during the call.
type NtRemoveIoCompletionEx = unsafe extern "system" fn(
    port: HANDLE,
    entries: *mut OVERLAPPED_ENTRY,
    most: u32,
    taken: *mut u32,
    timeout: *const i64,
    alertable: u8,
) -> NTSTATUS;

const _: () = assert!(mem::size_of::<OVERLAPPED_ENTRY>() == 4 * mem::size_of::<usize>());

/// A time from now on in the system's notation: negative, in 100 ns, rounded up.
pub(super) fn relative(time: Duration) -> i64 {
    let steps = div_ceil(time.as_nanos(), 100);
    i64::try_from(steps).map_or(i64::MIN, |steps| -steps)
}

/// Threads that a port lets through at once. A thread counts from its first wait at a port on, also while it does
/// something else; so if there were a limit, one that computes could keep another from its packets.
const ALL: u32 = i32::MAX as u32;

/// More than that in one call only makes the list longer.
pub(crate) const MOST_AT_ONCE: usize = 1024;

/// What `INFINITE` stands for is never reached by a wait that ends.
fn millis(wait: Wait) -> u32 {
    u32::try_from(wait.as_millis()).unwrap_or(INFINITE)
}

impl AsHandle for Port {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.handle.as_handle()
    }
}

/// Packets that were taken from a port.
#[derive(Default)]
pub(crate) struct Packets {
    entries: Vec<OVERLAPPED_ENTRY>,
}

// SAFETY: the pointers in a packet belong to whoever takes it, on whatever thread.
unsafe impl Send for Packets {}
// SAFETY: nothing can be done with a shared reference.
unsafe impl Sync for Packets {}

impl Packets {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes the packets, in the order in which they were queued at `port`.
    pub(crate) fn take<'a>(&'a mut self, port: &'a Port) -> impl Iterator<Item = Packet> + 'a {
        self.entries
            .drain(..)
            .filter_map(move |entry| packet(port, &entry))
    }
}

/// What an entry means that the system has filled, once.
fn packet(port: &Port, entry: &OVERLAPPED_ENTRY) -> Option<Packet> {
    Some(match entry.lpCompletionKey {
        key if key == Origin::Doorbell as usize => {
            port.silence();
            Packet::Doorbell
        }
        key if key == Origin::Afd as usize => {
            // SAFETY: only `Afd` attaches handles under this key, and begins nothing on them but
            // requests of `Afd::poll`. This is the one packet of that request.
            let (request, answer) = unsafe { Request::completed(entry.lpOverlapped.cast()) };
            Packet::Afd(request, answer)
        }
        key if key == Origin::Operation as usize => Packet::Operation(entry.lpOverlapped),
        key if key == Origin::Timer as usize => Packet::Timer,
        // Nobody of ours posts others.
        _ => return None,
    })
}

impl fmt::Debug for Packets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packets")
            .field("length", &self.entries.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_and_saturate() {
        assert_eq!(relative(Duration::from_nanos(1)), -1);
        assert_eq!(relative(Duration::from_nanos(100)), -1);
        assert_eq!(relative(Duration::from_micros(50)), -500);
        assert_eq!(relative(Duration::MAX), i64::MIN);
    }

    #[cfg(feature = "os-ext")]
    #[test]
    fn stirring_loses_no_packet() {
        let port = Port::new().unwrap();
        let mut packets = Packets::default();
        port.stir();
        port.ring().unwrap();
        let afar = 8 as *mut OVERLAPPED;
        let entry = OVERLAPPED_ENTRY {
            lpCompletionKey: Origin::Operation as usize,
            lpOverlapped: afar,
            ..OVERLAPPED_ENTRY::default()
        };
        port.post(&entry).unwrap();
        port.stir();
        port.wait(&mut packets, 8, Wait::NONE).unwrap();
        let taken: Vec<_> = packets.take(&port).collect();
        assert!(
            matches!(taken[..], [Packet::Doorbell, Packet::Operation(at)] if at == afar),
            "{taken:?}"
        );
    }

    #[test]
    fn rings_coalesce_until_the_packet_is_taken() {
        let port = Port::new().unwrap();
        let mut packets = Packets::default();
        for _ in 0..2 {
            for _ in 0..3 {
                port.ring().unwrap();
            }
            port.wait(&mut packets, 8, Wait::NONE).unwrap();
            let taken: Vec<_> = packets.take(&port).collect();
            assert!(matches!(taken[..], [Packet::Doorbell]), "{taken:?}");
        }
        port.wait(&mut packets, 8, Wait::NONE).unwrap();
        assert_eq!(packets.len(), 0);
    }
}
