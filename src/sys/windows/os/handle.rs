//! The conversions of what owns a handle, and a second handle for an object.

#![allow(unsafe_code)]

use std::io;
use std::os::windows::io::{BorrowedHandle, OwnedHandle};

/// Another handle for the same object, which is not inherited.
pub(crate) fn duplicate(handle: BorrowedHandle<'_>) -> io::Result<OwnedHandle> {
    handle.try_clone_to_owned()
}

/// `handle_conversions!(Source)`: `AsHandle`, `AsRawHandle`, `FromRawHandle` and
/// `From<OwnedHandle>` for a `Source` that has a function `Source::wrap(OwnedHandle)` and a method
/// `handle` that borrows its handle.
macro_rules! handle_conversions {
    ($source:ty) => {
        impl ::std::os::windows::io::AsHandle for $source {
            fn as_handle(&self) -> ::std::os::windows::io::BorrowedHandle<'_> {
                self.handle()
            }
        }

        impl ::std::os::windows::io::AsRawHandle for $source {
            fn as_raw_handle(&self) -> ::std::os::windows::io::RawHandle {
                ::std::os::windows::io::AsRawHandle::as_raw_handle(&self.handle())
            }
        }

        #[allow(unsafe_code)] // the method is unsafe by its trait, and hands the promise on
        impl ::std::os::windows::io::FromRawHandle for $source {
            /// The handle must be of the right kind and opened for overlapped operations; neither is
            /// checked.
            ///
            /// # Safety
            ///
            /// Nobody else owns the handle; see
            /// [`FromRawHandle`](::std::os::windows::io::FromRawHandle).
            unsafe fn from_raw_handle(handle: ::std::os::windows::io::RawHandle) -> Self {
                // SAFETY: the caller promises that nobody else owns `handle`.
                let owned = unsafe { ::std::os::windows::io::OwnedHandle::from_raw_handle(handle) };
                Self::from(owned)
            }
        }

        impl ::std::convert::From<::std::os::windows::io::OwnedHandle> for $source {
            /// The handle must be of the right kind and opened for overlapped operations; neither is
            /// checked.
            fn from(handle: ::std::os::windows::io::OwnedHandle) -> Self {
                Self::wrap(handle)
            }
        }
    };
}

pub(crate) use handle_conversions;
