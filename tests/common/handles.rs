//! How sockets of Windows must be that the crate opens.

#![allow(unsafe_code)]

use std::fmt::Debug;
use std::io;
use std::os::windows::io::AsRawSocket;
use std::os::windows::io::AsSocket;

use windows_sys::Win32::Foundation::{GetHandleInformation, HANDLE, HANDLE_FLAG_INHERIT};

/// How every socket that we open must be. Windows does not tell whether it blocks.
#[track_caller]
pub(crate) fn assert_nonblocking_and_cloexec(source: &(impl AsSocket + Debug)) {
    let mut flags = 0;
    let handle = source.as_socket().as_raw_socket() as usize as HANDLE;
    // SAFETY: the handle is open during the call, and so is the number.
    let outcome = unsafe { GetHandleInformation(handle, &mut flags) };
    assert_ne!(outcome, 0, "{}", io::Error::last_os_error());
    assert_eq!(flags & HANDLE_FLAG_INHERIT, 0, "{source:?} is inherited");
}
