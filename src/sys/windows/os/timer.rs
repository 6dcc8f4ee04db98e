//! A timer that is exact below a millisecond, and makes a packet when it expires.
//!
//! A port counts milliseconds, and the system's clock mostly ticks every 15.6 ms. Since Windows 10,
//! version 1803, there are timers that are more exact, and since Windows 8 the end of a wait for any
//! object can make a packet. Both are looked up when they are first needed; where one is missing,
//! waits are rounded up to milliseconds.
//!
//! Reference: [CreateWaitableTimerExW][timer], [NtAssociateWaitCompletionPacket][packet].
//!
//! [timer]: https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createwaitabletimerexw
//! [packet]: https://learn.microsoft.com/windows/win32/devnotes/ntassociatewaitcompletionpacket

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::mem;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::OnceLock;
use std::time::Duration;

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Win32::Foundation::{HANDLE, NTSTATUS, STATUS_CANCELLED, STATUS_SUCCESS};
use windows_sys::Win32::System::Threading::{
    CancelWaitableTimer, CreateWaitableTimerExW, SetWaitableTimer,
    CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, TIMER_ALL_ACCESS,
};

use super::iocp::{relative, Origin, Port};
use super::{check, error_of, has_failed, library};

/// A timer that is attached to a port while it runs.
#[derive(Debug)]
pub(crate) struct Timer {
    timer: OwnedHandle,
    packet: WaitPacket,
}

impl Timer {
    /// An error says that the system does not have it.
    pub(crate) fn new() -> io::Result<Self> {
        let packet = WaitPacket::new()?;
        // SAFETY: takes numbers only.
        let timer = unsafe {
            CreateWaitableTimerExW(
                ptr::null(),
                ptr::null(),
                CREATE_WAITABLE_TIMER_HIGH_RESOLUTION,
                TIMER_ALL_ACCESS,
            )
        };
        if timer.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new, so nobody else owns it.
        let timer = unsafe { OwnedHandle::from_raw_handle(timer) };
        Ok(Self { timer, packet })
    }

    /// Makes a packet at `port` after `time`, rounded up to 100 ns.
    pub(crate) fn start(&self, port: &Port, time: Duration) -> io::Result<()> {
        let due = relative(time);
        // SAFETY: `due` outlives the call; no routine is to be called.
        check(unsafe {
            SetWaitableTimer(self.timer.as_raw_handle(), &due, 0, None, ptr::null(), 0)
        })?;
        self.packet
            .associate(port, self.timer.as_handle(), Origin::Timer as usize)
    }

    /// Calls it back; a packet that was not taken yet is gone too. An error says that this may not be so: then
    /// the timer cannot be started again.
    pub(crate) fn stop(&self) -> io::Result<()> {
        // SAFETY: the handle is open. A failure leaves a timer whose expiration nobody is told.
        unsafe { CancelWaitableTimer(self.timer.as_raw_handle()) };
        self.packet.cancel()
    }
}

/// What makes a packet of the end of a wait for an object.
#[derive(Debug)]
struct WaitPacket {
    handle: OwnedHandle,
    functions: &'static Functions,
}

impl WaitPacket {
    fn new() -> io::Result<Self> {
        let functions = Functions::get().ok_or(io::ErrorKind::Unsupported)?;
        let mut handle = ptr::null_mut();
        // SAFETY: the handle is written by the call; no attributes are given.
        let status = unsafe { (functions.create)(&mut handle, GENERIC_ALL, ptr::null()) };
        if has_failed(status) {
            return Err(error_of(status));
        }
        // SAFETY: the handle is new, so nobody else owns it.
        let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
        Ok(Self { handle, functions })
    }

    fn associate(&self, port: &Port, object: BorrowedHandle<'_>, key: usize) -> io::Result<()> {
        // SAFETY: all three handles are open; the packet carries no pointer.
        let status = unsafe {
            (self.functions.associate)(
                self.handle.as_raw_handle(),
                port.as_handle().as_raw_handle(),
                object.as_raw_handle(),
                key as *const c_void,
                ptr::null(),
                0,
                0,
                ptr::null_mut(),
            )
        };
        if has_failed(status) {
            return Err(error_of(status));
        }
        Ok(())
    }

    fn cancel(&self) -> io::Result<()> {
        const REMOVE_SIGNALED: u8 = 1;
        // SAFETY: the handle is open.
        let status =
            unsafe { (self.functions.cancel)(self.handle.as_raw_handle(), REMOVE_SIGNALED) };
        if is_called_back(status) {
            Ok(())
        } else {
            Err(error_of(status))
        }
    }
}

/// Whether the packet is free to be used again. `STATUS_PENDING`, which is a success, says that it is just
/// being made.
fn is_called_back(status: NTSTATUS) -> bool {
    // The second: there was nothing to call back, since the packet was taken.
    matches!(status, STATUS_SUCCESS | STATUS_CANCELLED)
}

const GENERIC_ALL: u32 = 0x1000_0000;

/// The functions of `ntdll.dll`.
#[derive(Debug)]
struct Functions {
    create: Create,
    associate: Associate,
    cancel: Cancel,
}

/// # Safety
///
/// The handle is written; the attributes may be null.
type Create = unsafe extern "system" fn(*mut HANDLE, u32, *const OBJECT_ATTRIBUTES) -> NTSTATUS;

/// # Safety
///
/// The handles are open; the last pointer may be null, the others are not followed.
type Associate = unsafe extern "system" fn(
    packet: HANDLE,
    port: HANDLE,
    object: HANDLE,
    key: *const c_void,
    context: *const c_void,
    status: NTSTATUS,
    information: usize,
    is_signaled: *mut u8,
) -> NTSTATUS;

/// # Safety
///
/// The handle is open.
type Cancel = unsafe extern "system" fn(packet: HANDLE, remove_signaled: u8) -> NTSTATUS;

impl Functions {
    /// Looked up once; `None` on systems that lack one of them.
    fn get() -> Option<&'static Self> {
        static FUNCTIONS: OnceLock<Option<Functions>> = OnceLock::new();
        FUNCTIONS.get_or_init(Self::look_up).as_ref()
    }

    fn look_up() -> Option<Self> {
        let create = library::ntdll("NtCreateWaitCompletionPacket\0")?;
        let associate = library::ntdll("NtAssociateWaitCompletionPacket\0")?;
        let cancel = library::ntdll("NtCancelWaitCompletionPacket\0")?;
        Some(Self {
            // SAFETY: the documented signature of the function with that name.
            create: unsafe { mem::transmute::<library::Function, Create>(create) },
            // SAFETY: as above.
            associate: unsafe { mem::transmute::<library::Function, Associate>(associate) },
            // SAFETY: as above.
            cancel: unsafe { mem::transmute::<library::Function, Cancel>(cancel) },
        })
    }
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Foundation::{STATUS_INVALID_HANDLE, STATUS_PENDING};

    use super::*;

    #[test]
    fn a_packet_that_is_being_made_is_not_called_back() {
        assert!(is_called_back(STATUS_SUCCESS));
        assert!(is_called_back(STATUS_CANCELLED));
        assert!(!is_called_back(STATUS_PENDING));
        assert!(!is_called_back(STATUS_INVALID_HANDLE));
    }
}
