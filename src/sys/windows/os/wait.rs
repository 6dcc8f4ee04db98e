//! Waiting for an object of the system (an event, a process, a timer ..) without a thread of our
//! own: the system's pool waits, and calls.
//!
//! A wait ends the first time that the object is signaled. It takes what there is to take: an
//! auto-reset event is reset, a semaphore counted down.
//!
//! A [`Wait`] has a handle of its own to the object, so the object cannot be closed under it, and no
//! call goes on when it is dropped. Nobody else's code runs within a call, so nobody can
//! drop a wait there.
//!
//! What the system cannot wait for is looked at now and then, on a thread of the pool too.
//!
//! Reference: [RegisterWaitForSingleObject][register], [UnregisterWaitEx][unregister],
//! [CreateThreadpoolTimer][timer].
//!
//! [register]: https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-registerwaitforsingleobject
//! [unregister]: https://learn.microsoft.com/windows/win32/api/threadpoollegacyapiset/nf-threadpoollegacyapiset-unregisterwaitex
//! [timer]: https://learn.microsoft.com/windows/win32/api/threadpoolapiset/nf-threadpoolapiset-createthreadpooltimer

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fmt;
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, OwnedHandle};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    FILETIME, HANDLE, INVALID_HANDLE_VALUE, WAIT_ABANDONED, WAIT_OBJECT_0, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::Threading::{
    CloseThreadpoolTimer, CreateThreadpoolTimer, RegisterWaitForSingleObject, SetThreadpoolTimer,
    UnregisterWaitEx, WaitForSingleObject, INFINITE, PTP_CALLBACK_INSTANCE, PTP_TIMER,
    WT_EXECUTEONLYONCE,
};

use super::iocp::relative;
use super::{check, library};

/// Who is called when the object is signaled, on a thread of the system.
pub(crate) trait Signaled: Send + Sync {
    /// Called once, and not again.
    fn signaled(&self);
}

/// A wait for an object, until it is dropped.
pub(crate) struct Wait<S: Signaled> {
    wait: HANDLE,
    /// The pool reads it until the wait is unregistered.
    _context: Arc<S>,
    _object: OwnedHandle,
}

// SAFETY: the handle of a wait may be used on any thread.
unsafe impl<S: Signaled> Send for Wait<S> {}
// SAFETY: nothing can be done with a shared reference.
unsafe impl<S: Signaled> Sync for Wait<S> {}

impl<S: Signaled> Wait<S> {
    /// Waits for `object`, and calls `context` when it is signaled, maybe at once.
    pub(crate) fn new(object: OwnedHandle, context: Arc<S>) -> io::Result<Self> {
        library::stay_loaded()?;
        let pointer = Arc::as_ptr(&context).cast::<c_void>();
        let mut wait = ptr::null_mut();
        // SAFETY: the handle is open. The context and the object are kept until no call goes on, see `drop`.
        check(unsafe {
            RegisterWaitForSingleObject(
                &mut wait,
                object.as_raw_handle(),
                Some(called::<S>),
                pointer,
                INFINITE,
                WT_EXECUTEONLYONCE,
            )
        })?;
        Ok(Self {
            wait,
            _context: context,
            _object: object,
        })
    }
}

impl<S: Signaled> Drop for Wait<S> {
    fn drop(&mut self) {
        // SAFETY: the wait was registered, and is unregistered here only. The call returns when no
        // call of ours goes on, nor will. It has no failure besides a wrong handle.
        unsafe { UnregisterWaitEx(self.wait, INVALID_HANDLE_VALUE) };
    }
}

impl<S: Signaled> fmt::Debug for Wait<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").finish_non_exhaustive()
    }
}

/// The pool's call for a [`Wait`].
///
/// # Safety
///
/// The context is that of a wait which goes on.
unsafe extern "system" fn called<S: Signaled>(context: *mut c_void, _timed_out: bool) {
    // SAFETY: the wait keeps its context until no call goes on.
    let context = unsafe { &*context.cast::<S>() };
    context.signaled();
}

/// Looks at `value` after `pause`, and after each pause that a look says is to follow; then drops it, as it does at once
/// if the system has no timer to spare.
pub(crate) fn look_again<T: Send>(value: T, pause: Duration, look: fn(&mut T) -> Option<Duration>) {
    let looked_at = Box::into_raw(Box::new(LookedAt { value, look }));
    let timer = library::stay_loaded().map_or(0, |()| {
        // SAFETY: the context is kept until a call of this timer frees it.
        unsafe { CreateThreadpoolTimer(Some(call_look::<T>), looked_at.cast(), ptr::null()) }
    });
    if timer == 0 {
        // SAFETY: it came from a box, and there is no call.
        drop(unsafe { Box::from_raw(looked_at) });
        return;
    }
    // SAFETY: the timer was just made, and makes its first call after this.
    unsafe { expire_after(timer, pause) };
}

/// What is looked at by one call after the other.
struct LookedAt<T> {
    value: T,
    look: fn(&mut T) -> Option<Duration>,
}

/// The pool's call for [`look_again`].
///
/// # Safety
///
/// The context is that of `look_again`, and no other call for it goes on.
unsafe extern "system" fn call_look<T: Send>(
    _call: PTP_CALLBACK_INSTANCE,
    context: *mut c_void,
    timer: PTP_TIMER,
) {
    let context = context.cast::<LookedAt<T>>();
    // SAFETY: nobody else uses it until the timer is set again or closed.
    let looked_at = unsafe { &mut *context };
    if let Some(pause) = (looked_at.look)(&mut looked_at.value) {
        // SAFETY: the timer is open, and makes its next call after this; nothing is touched here any more.
        unsafe { expire_after(timer, pause) };
        return;
    }
    // SAFETY: the timer is open; it makes no further call, and the system frees it after this one.
    unsafe { CloseThreadpoolTimer(timer) };
    // SAFETY: it came from a box, and is ours alone.
    drop(unsafe { Box::from_raw(context) });
}

/// Lets the timer expire once.
///
/// # Safety
///
/// The timer is open.
unsafe fn expire_after(timer: PTP_TIMER, pause: Duration) {
    let due = relative(pause);
    let due = FILETIME {
        dwLowDateTime: due as u32,
        dwHighDateTime: (due >> 32) as u32,
    };
    // SAFETY: as the caller promises; the time outlives the call.
    unsafe { SetThreadpoolTimer(timer, &due, 0, 0) };
}

/// Whether the object is signaled; takes what there is to take.
pub(crate) fn is_signaled(object: BorrowedHandle<'_>) -> io::Result<bool> {
    // SAFETY: the handle is open.
    match unsafe { WaitForSingleObject(object.as_raw_handle(), 0) } {
        // A mutex whose owner has ended is ours all the same.
        WAIT_OBJECT_0 | WAIT_ABANDONED => Ok(true),
        WAIT_TIMEOUT => Ok(false),
        _ => Err(io::Error::last_os_error()),
    }
}
