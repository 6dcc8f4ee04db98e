//! The conversions that everything with a socket offers on Windows.

/// `conversions!(Source, Object)`: what a `Source` that wraps an `Object` with a socket has on
/// Windows: `AsSocket`, `AsRawSocket`, `IntoRawSocket`, `FromRawSocket`, `From<OwnedSocket>` and
/// `Into<OwnedSocket>`.
///
/// Needs a field `inner` that derefs to the object and has `into_inner`, and a function
/// `Source::wrap(Object)`.
macro_rules! conversions {
    ($source:ty, $object:ty) => {
        impl ::std::os::windows::io::AsSocket for $source {
            fn as_socket(&self) -> ::std::os::windows::io::BorrowedSocket<'_> {
                ::std::os::windows::io::AsSocket::as_socket(self.inner.expose())
            }
        }

        impl ::std::os::windows::io::AsRawSocket for $source {
            fn as_raw_socket(&self) -> ::std::os::windows::io::RawSocket {
                ::std::os::windows::io::AsRawSocket::as_raw_socket(self.inner.expose())
            }
        }

        impl ::std::os::windows::io::IntoRawSocket for $source {
            fn into_raw_socket(self) -> ::std::os::windows::io::RawSocket {
                ::std::os::windows::io::IntoRawSocket::into_raw_socket(self.inner.into_inner())
            }
        }

        #[allow(unsafe_code)] // the method is unsafe by its trait, and hands the promise on
        impl ::std::os::windows::io::FromRawSocket for $source {
            /// The socket must be non-blocking and of the right kind; neither is checked.
            ///
            /// # Safety
            ///
            /// Nobody else owns the socket; see
            /// [`FromRawSocket`](::std::os::windows::io::FromRawSocket).
            unsafe fn from_raw_socket(socket: ::std::os::windows::io::RawSocket) -> Self {
                // SAFETY: the caller promises that nobody else owns `socket`.
                let owned = unsafe { ::std::os::windows::io::OwnedSocket::from_raw_socket(socket) };
                Self::from(owned)
            }
        }

        impl ::std::convert::From<::std::os::windows::io::OwnedSocket> for $source {
            /// The socket must be non-blocking and of the right kind; neither is checked.
            fn from(socket: ::std::os::windows::io::OwnedSocket) -> Self {
                Self::wrap(<$object>::from(socket))
            }
        }

        impl ::std::convert::From<$source> for ::std::os::windows::io::OwnedSocket {
            fn from(source: $source) -> Self {
                source.inner.into_inner().into()
            }
        }
    };
}

pub(crate) use conversions;
