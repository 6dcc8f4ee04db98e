//! Unix domain sockets, which Windows has since version 10, 1803: streams, in the file system.
//!
//! `std` has no types for them here yet, so these stand in for those of `std::os::unix::net`.
//!
//! Reference: [AF_UNIX comes to Windows](https://devblogs.microsoft.com/commandline/af_unix-comes-to-windows/)

#![allow(unsafe_code)] // the bytes of an address

use std::env;
use std::fs;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::windows::io::{
    AsRawSocket, AsSocket, BorrowedSocket, IntoRawSocket, OwnedSocket, RawSocket,
};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fmt, mem, slice, str};

use socket2::{Domain, SockAddr, Socket, Type};

/// The address of a Unix domain socket on Windows: a path, or none.
///
/// What `std::os::unix::net::SocketAddr` is elsewhere.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UnixSocketAddr {
    path: Option<PathBuf>,
}

impl UnixSocketAddr {
    /// The address of the socket at `path`. An empty path is no address.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): the path contains a NUL character, or is longer
    /// than 107 bytes of UTF-8.
    pub fn from_pathname<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        let path = path.as_ref();
        SockAddr::unix(path)?;
        let path = (!path.as_os_str().is_empty()).then(|| path.to_owned());
        Ok(Self { path })
    }

    /// The path, if there is one.
    pub fn as_pathname(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether there is no path, as with most clients.
    pub fn is_unnamed(&self) -> bool {
        self.path.is_none()
    }
}

/// As that of `std`.
impl fmt::Debug for UnixSocketAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{path:?} (pathname)"),
            None => f.write_str("(unnamed)"),
        }
    }
}

pub(crate) use UnixSocketAddr as SocketAddr;

/// The address, for `socket2`.
pub(crate) fn unix_address(address: &UnixSocketAddr) -> io::Result<SockAddr> {
    SockAddr::unix(address.as_pathname().unwrap_or(Path::new("")))
}

/// The address of a peer whose connection is there already: a name that is none takes it from nobody.
pub(crate) fn peer_unix_address(address: &SockAddr) -> io::Result<UnixSocketAddr> {
    Ok(or_unnamed(std_unix_address(address)))
}

fn or_unnamed(address: io::Result<UnixSocketAddr>) -> UnixSocketAddr {
    address.unwrap_or(UnixSocketAddr { path: None })
}

/// The address, from `socket2`.
pub(crate) fn std_unix_address(address: &SockAddr) -> io::Result<UnixSocketAddr> {
    /// `sizeof(ADDRESS_FAMILY)`, which precedes the path.
    const FAMILY: usize = mem::size_of::<u16>();
    // SAFETY: the address is valid for its length, which `socket2` keeps below that of its storage.
    let bytes =
        unsafe { slice::from_raw_parts(address.as_ptr().cast::<u8>(), address.len() as usize) };
    decode(bytes.get(FAMILY..).unwrap_or(&[]))
}

/// A path in UTF-8 that ends with a NUL byte, or where the bytes end.
fn decode(path: &[u8]) -> io::Result<UnixSocketAddr> {
    let path = path.split(|byte| *byte == 0).next().unwrap_or(&[]);
    let path =
        str::from_utf8(path).map_err(|err| io::Error::new(io::ErrorKind::InvalidData, err))?;
    let path = (!path.is_empty()).then(|| PathBuf::from(path));
    Ok(UnixSocketAddr { path })
}

/// Opens two sockets that are connected to each other, by way of a listener in the directory for
/// temporary files, which is the user's own.
pub(crate) fn pair(kind: Type) -> io::Result<(Socket, Socket)> {
    let path = env::temp_dir().join(unused_name());
    let address = SockAddr::unix(&path)?;
    let listener = super::socket::open(Domain::UNIX, kind, None)?;
    listener.bind(&address)?;
    let outcome = connect_to(&listener, &address);
    // The sockets go on without the file.
    let _ = fs::remove_file(&path);
    outcome
}

fn connect_to(listener: &Socket, address: &SockAddr) -> io::Result<(Socket, Socket)> {
    listener.listen(1)?;
    listener.set_nonblocking(false)?;
    let one = super::socket::new(Domain::UNIX, Type::STREAM, None)?;
    one.connect(address)?;
    let (other, _) = listener.accept()?;
    one.set_nonblocking(true)?;
    other.set_nonblocking(true)?;
    Ok((one, other))
}

fn unused_name() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Relaxed);
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = time.map_or(0, |time| time.subsec_nanos());
    format!("wakeful-{}-{count}-{nanos}.sock", process::id())
}

/// What a stream and a listener of `std` would be.
macro_rules! object {
    ($object:ident) => {
        #[derive(Debug)]
        pub(crate) struct $object(Socket);

        impl $object {
            pub(crate) fn local_addr(&self) -> io::Result<UnixSocketAddr> {
                std_unix_address(&self.0.local_addr()?)
            }

            pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
                self.0.take_error()
            }
        }

        impl From<Socket> for $object {
            fn from(socket: Socket) -> Self {
                Self(socket)
            }
        }

        impl From<OwnedSocket> for $object {
            fn from(socket: OwnedSocket) -> Self {
                Self(socket.into())
            }
        }

        impl From<$object> for OwnedSocket {
            fn from(object: $object) -> Self {
                object.0.into()
            }
        }

        impl AsSocket for $object {
            fn as_socket(&self) -> BorrowedSocket<'_> {
                self.0.as_socket()
            }
        }

        impl AsRawSocket for $object {
            fn as_raw_socket(&self) -> RawSocket {
                self.0.as_raw_socket()
            }
        }

        impl IntoRawSocket for $object {
            fn into_raw_socket(self) -> RawSocket {
                self.0.into_raw_socket()
            }
        }
    };
}

object!(UnixStream);
object!(UnixListener);

impl UnixStream {
    pub(crate) fn peer_addr(&self) -> io::Result<UnixSocketAddr> {
        std_unix_address(&self.0.peer_addr()?)
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

impl Read for &UnixStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&self.0).read_vectored(bufs)
    }
}

impl Write for &UnixStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&self.0).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&self.0).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn addresses_survive_the_way_there_and_back() {
        for path in [r"C:\Temp\some.sock", ""] {
            let address = UnixSocketAddr::from_pathname(path).unwrap();
            let back = std_unix_address(&unix_address(&address).unwrap()).unwrap();
            assert_eq!(back.as_pathname(), address.as_pathname());
            assert_eq!(back.is_unnamed(), path.is_empty());
        }
    }

    #[test]
    fn a_peer_whose_name_is_none_is_unnamed() {
        let named = or_unnamed(decode(b"some.sock\0"));
        assert_eq!(named.as_pathname(), Some(Path::new("some.sock")));
        let outcome = decode(b"\xff.sock\0");
        assert_eq!(
            outcome.as_ref().unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        assert!(or_unnamed(outcome).is_unnamed());
    }

    #[test]
    fn paths_that_are_too_long_are_refused() {
        let outcome = UnixSocketAddr::from_pathname("x".repeat(108));
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
