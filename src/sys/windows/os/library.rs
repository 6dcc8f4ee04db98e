//! What only newer versions of the system have, looked up by name when it is first asked for; and that our own
//! code stays where the system will call it.

#![allow(unsafe_code)] // GetModuleHandle, GetProcAddress

#[cfg(feature = "os-ext")]
use std::io;
#[cfg(feature = "os-ext")]
use std::ptr;
#[cfg(feature = "os-ext")]
use std::sync::atomic::{AtomicBool, Ordering};

use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};
#[cfg(feature = "os-ext")]
use windows_sys::Win32::System::LibraryLoader::{
    GetModuleHandleExW, GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN,
};

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

/// From now on the library or program that this code is part of stays loaded until the process ends.
///
/// Needed before a thread of the system is to call us: a plug-in may be unloaded before it does.
#[cfg(feature = "os-ext")]
pub(super) fn stay_loaded() -> io::Result<()> {
    static STAYS: AtomicBool = AtomicBool::new(false);

    // Relaxed: nothing else depends on it, and to ask twice does no harm.
    if STAYS.load(Ordering::Relaxed) {
        return Ok(());
    }
    let flags = GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
    let within = stay_loaded as *const u16;
    let mut module = ptr::null_mut();
    // SAFETY: with these flags the name is an address, of which nothing is read; the module is written by the call.
    super::check(unsafe { GetModuleHandleExW(flags, within, &mut module) })?;
    STAYS.store(true, Ordering::Relaxed);
    Ok(())
}
