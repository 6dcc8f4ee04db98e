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
//! Reference: [RegisterWaitForSingleObject][register], [UnregisterWaitEx][unregister].
//!
//! [register]: https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-registerwaitforsingleobject
//! [unregister]: https://learn.microsoft.com/windows/win32/api/threadpoollegacyapiset/nf-threadpoollegacyapiset-unregisterwaitex

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fmt;
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    HANDLE, INVALID_HANDLE_VALUE, WAIT_ABANDONED, WAIT_OBJECT_0, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::Threading::{
    CreateEventW, RegisterWaitForSingleObject, ResetEvent, UnregisterWaitEx, WaitForSingleObject,
    INFINITE, WAITORTIMERCALLBACK, WT_EXECUTEONLYONCE,
};

use super::{check, library};
use crate::base::wait::div_ceil;

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
        let pointer = Arc::as_ptr(&context).cast::<c_void>();
        // SAFETY: the context and the object are kept until no call goes on, see `drop`.
        let wait =
            unsafe { register(object.as_raw_handle(), Some(called::<S>), pointer, INFINITE) }?;
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

/// Hands `value` over when `object` is signaled, or when that has not happened `within` that time; drops it at once
/// if it cannot be waited for.
pub(crate) fn then<T: Send>(
    object: OwnedHandle,
    within: Duration,
    value: T,
    hand_over: fn(T, Ending),
) {
    let pending = Box::new(Pending {
        wait: AtomicPtr::new(ptr::null_mut()),
        has_timed_out: AtomicBool::new(false),
        object,
        value,
        hand_over,
    });
    let object = pending.object.as_raw_handle();
    let pending = Box::into_raw(pending);
    // SAFETY: `pending` is freed by the later one of us and the call.
    match unsafe {
        register(
            object,
            Some(end_pending::<T>),
            pending.cast(),
            millis(within),
        )
    } {
        Ok(wait) => {
            // SAFETY: not freed yet: the call leaves that to us if it comes before this.
            let before = unsafe { &(*pending).wait }.swap(wait, Ordering::AcqRel);
            if before == CALLED {
                // SAFETY: the call has left it to us.
                unsafe { finish(wait, pending) };
            }
        }
        // SAFETY: there is no call, so it is ours alone.
        Err(_) => drop(unsafe { Box::from_raw(pending) }),
    }
}

/// How a wait has ended that had a limit.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Signaled,
    TimedOut,
}

/// What is kept until an object is signaled.
struct Pending<T> {
    /// Null; then the wait, or `CALLED`. Whoever comes second frees all.
    wait: AtomicPtr<c_void>,
    /// Said by the call.
    has_timed_out: AtomicBool,
    object: OwnedHandle,
    value: T,
    hand_over: fn(T, Ending),
}

/// The value that no wait has: the object was signaled before the wait was known.
const CALLED: HANDLE = INVALID_HANDLE_VALUE;

/// The pool's call for [`then`].
///
/// # Safety
///
/// The context is that of `then`, and this is the only call for it.
unsafe extern "system" fn end_pending<T: Send>(context: *mut c_void, timed_out: bool) {
    let pending = context.cast::<Pending<T>>();
    // SAFETY: as below. Relaxed: whoever comes second sees it by the exchange.
    unsafe { &(*pending).has_timed_out }.store(timed_out, Ordering::Relaxed);
    // SAFETY: freed by the second one to swap.
    let wait = unsafe { &(*pending).wait }.swap(CALLED, Ordering::AcqRel);
    if !wait.is_null() {
        // SAFETY: `then` has swapped first, and left it to us.
        unsafe { finish(wait, pending) };
    }
}

/// Ends the wait, without waiting for the call that may go on, and hands over what was kept.
///
/// # Safety
///
/// The wait is registered, and `pending` is used by nobody else any more.
unsafe fn finish<T>(wait: HANDLE, pending: *mut Pending<T>) {
    // SAFETY: as the caller promises. It says that the call goes on, if it is made there.
    unsafe { UnregisterWaitEx(wait, ptr::null_mut()) };
    // SAFETY: it came from a box, and is ours alone.
    let pending = unsafe { Box::from_raw(pending) };
    let ending = match pending.has_timed_out.into_inner() {
        true => Ending::TimedOut,
        false => Ending::Signaled,
    };
    (pending.hand_over)(pending.value, ending);
}

/// What the system takes for "for ever" is too long to be a limit. Rounded up.
fn millis(within: Duration) -> u32 {
    u32::try_from(div_ceil(within.as_nanos(), 1_000_000))
        .map_or(INFINITE - 1, |millis| millis.min(INFINITE - 1))
}

/// Lets the pool wait for an object, once, and for so many milliseconds.
///
/// # Safety
///
/// The object and what the context points to are kept until no call goes on.
unsafe fn register(
    object: HANDLE,
    call: WAITORTIMERCALLBACK,
    context: *const c_void,
    millis: u32,
) -> io::Result<HANDLE> {
    library::stay_loaded()?;
    let mut wait = ptr::null_mut();
    // SAFETY: the handle is open; the caller keeps what the call needs.
    check(unsafe {
        RegisterWaitForSingleObject(&mut wait, object, call, context, millis, WT_EXECUTEONLYONCE)
    })?;
    Ok(wait)
}

/// An event that stays signaled until it is reset; not signaled.
pub(crate) fn event() -> io::Result<OwnedHandle> {
    // SAFETY: no attributes and no name are given.
    let event = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
    if event.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is new, so nobody else owns it.
    Ok(unsafe { OwnedHandle::from_raw_handle(event) })
}

/// Takes the signal back.
pub(crate) fn reset(event: BorrowedHandle<'_>) -> io::Result<()> {
    // SAFETY: the handle is open.
    check(unsafe { ResetEvent(event.as_raw_handle()) }).map(drop)
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
