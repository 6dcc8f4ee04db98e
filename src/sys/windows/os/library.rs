//! What only newer versions of the system have, looked up by name when it is first asked for.

#![allow(unsafe_code)] // GetModuleHandle, GetProcAddress

use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};

/// A function of any signature.
///
/// # Safety
///
/// It must be called by the signature that it has.
pub(super) type Function = unsafe extern "system" fn() -> isize;

/// The address of a function of `ntdll.dll`, which is part of every process. The name ends with
/// a NUL byte.
pub(super) fn ntdll(name: &str) -> Option<Function> {
    assert!(name.ends_with('\0'));
    // SAFETY: the name ends with a NUL byte.
    let module = unsafe { GetModuleHandleA("ntdll.dll\0".as_ptr()) };
    if module.is_null() {
        return None;
    }
    // SAFETY: the module is never unloaded, and the name ends with a NUL byte.
    unsafe { GetProcAddress(module, name.as_ptr()) }
}
