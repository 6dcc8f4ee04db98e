//! Unix domain sockets: pairs, and the way between the addresses of `socket2` and those of `std`, which
//! differ for sockets outside the file system.
//!
//! Manual: [socketpair(2)](https://man7.org/linux/man-pages/man2/socketpair.2.html),
//! [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html)

#[cfg(capability = "abstract_unix")]
use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "android")]
use std::os::android::net::SocketAddrExt;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
#[cfg(capability = "abstract_unix")]
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net;
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

/// Opens two Unix domain sockets that are connected to each other.
#[cfg(capability = "flags_at_open")]
pub(crate) fn pair(kind: Type) -> io::Result<(Socket, Socket)> {
    Socket::pair(Domain::UNIX, kind.nonblocking(), None)
}

/// Opens two Unix domain sockets that are connected to each other.
#[cfg(not(capability = "flags_at_open"))]
pub(crate) fn pair(kind: Type) -> io::Result<(Socket, Socket)> {
    let (one, other) = Socket::pair(Domain::UNIX, kind, None)?;
    one.set_nonblocking(true)?;
    other.set_nonblocking(true)?;
    Ok((one, other))
}

/// The address of a Unix socket, for `socket2`.
#[cfg(capability = "abstract_unix")]
pub(crate) fn unix_address(address: &net::SocketAddr) -> io::Result<SockAddr> {
    let Some(name) = address.as_abstract_name() else {
        return file_address(address);
    };
    // The notation of `socket2`: a path that starts with a NUL byte.
    let path = [b"\0", name].concat();
    SockAddr::unix(OsStr::from_bytes(&path))
}

/// The address of a Unix socket, for `socket2`.
#[cfg(not(capability = "abstract_unix"))]
pub(crate) fn unix_address(address: &net::SocketAddr) -> io::Result<SockAddr> {
    file_address(address)
}

/// The address of a file, or no address (the empty path).
fn file_address(address: &net::SocketAddr) -> io::Result<SockAddr> {
    SockAddr::unix(address.as_pathname().unwrap_or(Path::new("")))
}

/// The address of a peer whose connection is there already: a name that is none takes it from nobody.
pub(crate) fn peer_unix_address(address: &SockAddr) -> io::Result<net::SocketAddr> {
    std_unix_address(address).or_else(|_| net::SocketAddr::from_pathname(""))
}

/// The address of a Unix socket, for `std`.
#[cfg(capability = "abstract_unix")]
pub(crate) fn std_unix_address(address: &SockAddr) -> io::Result<net::SocketAddr> {
    match address.as_abstract_namespace() {
        Some(name) => net::SocketAddr::from_abstract_name(name),
        None => std_file_address(address),
    }
}

/// The address of a Unix socket, for `std`.
#[cfg(not(capability = "abstract_unix"))]
pub(crate) fn std_unix_address(address: &SockAddr) -> io::Result<net::SocketAddr> {
    std_file_address(address)
}

/// The address of a file, or no address (the empty path).
fn std_file_address(address: &SockAddr) -> io::Result<net::SocketAddr> {
    net::SocketAddr::from_pathname(address.as_pathname().unwrap_or(Path::new("")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_there_and_back() {
        for path in ["/run/some.sock", ""] {
            let address = net::SocketAddr::from_pathname(path).unwrap();
            let back = std_unix_address(&unix_address(&address).unwrap()).unwrap();
            assert_eq!(back.as_pathname(), address.as_pathname());
            assert_eq!(back.is_unnamed(), path.is_empty());
        }
    }

    #[cfg(capability = "abstract_unix")]
    #[test]
    fn abstract_addresses_keep_every_byte() {
        for name in [&b"wakeful"[..], b"with\0nul\0", b"\0", b""] {
            let address = net::SocketAddr::from_abstract_name(name).unwrap();
            let back = std_unix_address(&unix_address(&address).unwrap()).unwrap();
            assert_eq!(back.as_abstract_name(), Some(name));
        }
    }
}
