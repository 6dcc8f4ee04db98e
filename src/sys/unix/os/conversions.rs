//! The conversions that everything with a descriptor offers on Unix.

/// `conversions!(Source, Object)`: what a `Source` that wraps an `Object` with a descriptor has
/// on Unix: `AsFd`, `AsRawFd`, `IntoRawFd`, `FromRawFd`, `From<OwnedFd>` and `Into<OwnedFd>`.
///
/// Needs a field `inner` that derefs to the object and has `into_inner`, and a function
/// `Source::wrap(Object)`.
macro_rules! conversions {
    ($source:ty, $object:ty) => {
        impl ::std::os::fd::AsFd for $source {
            fn as_fd(&self) -> ::std::os::fd::BorrowedFd<'_> {
                ::std::os::fd::AsFd::as_fd(self.inner.expose())
            }
        }

        impl ::std::os::fd::AsRawFd for $source {
            fn as_raw_fd(&self) -> ::std::os::fd::RawFd {
                ::std::os::fd::AsRawFd::as_raw_fd(self.inner.expose())
            }
        }

        impl ::std::os::fd::IntoRawFd for $source {
            fn into_raw_fd(self) -> ::std::os::fd::RawFd {
                ::std::os::fd::IntoRawFd::into_raw_fd(self.inner.into_inner())
            }
        }

        #[allow(unsafe_code)] // the method is unsafe by its trait, and hands the promise on
        impl ::std::os::fd::FromRawFd for $source {
            /// The descriptor must be non-blocking and of the right kind; neither is checked.
            ///
            /// # Safety
            ///
            /// Nobody else owns the descriptor; see [`FromRawFd`](::std::os::fd::FromRawFd).
            unsafe fn from_raw_fd(fd: ::std::os::fd::RawFd) -> Self {
                // SAFETY: the caller promises that nobody else owns `fd`.
                let owned = unsafe { ::std::os::fd::OwnedFd::from_raw_fd(fd) };
                Self::from(owned)
            }
        }

        impl ::std::convert::From<::std::os::fd::OwnedFd> for $source {
            /// The descriptor must be non-blocking and of the right kind; neither is checked.
            fn from(fd: ::std::os::fd::OwnedFd) -> Self {
                Self::wrap(<$object>::from(fd))
            }
        }

        impl ::std::convert::From<$source> for ::std::os::fd::OwnedFd {
            fn from(source: $source) -> Self {
                source.inner.into_inner().into()
            }
        }
    };
}

pub(crate) use conversions;
