//! The server's end of a named pipe: opening it, and letting go of a client.
//!
//! Reference: [CreateNamedPipeW][create], [DisconnectNamedPipe][disconnect].
//!
//! [create]: https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-createnamedpipew
//! [disconnect]: https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-disconnectnamedpipe

#![allow(unsafe_code)]

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, DisconnectNamedPipe, PIPE_TYPE_BYTE, PIPE_UNLIMITED_INSTANCES,
};

use super::check;

/// What the system keeps for each direction while nobody reads.
const QUOTA: u32 = 64 * 1024;

/// Opens the first instance of the pipe `name`, both ways, for streams of bytes.
pub(crate) fn create(name: &OsStr) -> io::Result<OwnedHandle> {
    let mut name: Vec<u16> = name.encode_wide().collect();
    if name.contains(&0) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the name of a pipe cannot contain a NUL character",
        ));
    }
    name.push(0);
    // SAFETY: the name ends with a NUL character; no attributes are given.
    let pipe = unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE | FILE_FLAG_OVERLAPPED,
            PIPE_TYPE_BYTE,
            PIPE_UNLIMITED_INSTANCES,
            QUOTA,
            QUOTA,
            0,
            ptr::null(),
        )
    };
    if pipe == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is new, so nobody else owns it.
    Ok(unsafe { OwnedHandle::from_raw_handle(pipe) })
}

/// Lets go of the client, and of what it did not read.
pub(crate) fn disconnect(pipe: BorrowedHandle<'_>) -> io::Result<()> {
    // SAFETY: the handle is open.
    check(unsafe { DisconnectNamedPipe(pipe.as_raw_handle()) })
}
