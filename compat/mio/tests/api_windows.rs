//! Every public item that mio 1.2.5 has on Windows only, used with its full type.
//!
//! As `api.rs` does for Linux: the compiler is the judge, and the file names nothing that mio lacks.

#![cfg(windows)]

use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::windows::io::{
    AsRawHandle, AsRawSocket, AsSocket, BorrowedSocket, FromRawHandle, FromRawSocket,
    IntoRawSocket, OwnedSocket, RawHandle, RawSocket,
};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::PathBuf;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::windows::NamedPipe;
use mio::{Interest, Registry, Token};

fn is_ordinary<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + Debug>() {}
fn is_source<T: Source>() {}
fn is_read<T: Read>() {}
fn is_write<T: Write>() {}

fn has_socket<T>()
where
    T: AsSocket + AsRawSocket + FromRawSocket + IntoRawSocket + From<OwnedSocket>,
    OwnedSocket: From<T>,
{
    let _: fn(&T) -> BorrowedSocket<'_> = T::as_socket;
    let _: fn(&T) -> RawSocket = T::as_raw_socket;
    let _: unsafe fn(RawSocket) -> T = T::from_raw_socket;
    let _: fn(T) -> RawSocket = T::into_raw_socket;
}

#[test]
fn sockets() {
    has_socket::<TcpListener>();
    has_socket::<TcpStream>();
    has_socket::<UdpSocket>();
}

#[test]
fn named_pipe() {
    is_ordinary::<NamedPipe>();
    is_source::<NamedPipe>();
    is_read::<NamedPipe>();
    is_write::<NamedPipe>();
    is_read::<&NamedPipe>();
    is_write::<&NamedPipe>();

    let _: fn(&'static str) -> io::Result<NamedPipe> = NamedPipe::new::<&'static str>;
    let _: fn(String) -> io::Result<NamedPipe> = NamedPipe::new::<String>;
    let _: fn(&'static OsStr) -> io::Result<NamedPipe> = NamedPipe::new::<&'static OsStr>;
    let _: fn(OsString) -> io::Result<NamedPipe> = NamedPipe::new::<OsString>;
    let _: fn(PathBuf) -> io::Result<NamedPipe> = NamedPipe::new::<PathBuf>;
    let _: fn(&NamedPipe) -> io::Result<()> = NamedPipe::connect;
    let _: fn(&NamedPipe) -> io::Result<()> = NamedPipe::disconnect;
    let _: fn(&NamedPipe) -> io::Result<Option<io::Error>> = NamedPipe::take_error;

    let _: fn(&NamedPipe) -> RawHandle = NamedPipe::as_raw_handle;
    let _: unsafe fn(RawHandle) -> NamedPipe = NamedPipe::from_raw_handle;

    let _: fn(&mut NamedPipe, &Registry, Token, Interest) -> io::Result<()> = NamedPipe::register;
    let _: fn(&mut NamedPipe, &Registry, Token, Interest) -> io::Result<()> = NamedPipe::reregister;
    let _: fn(&mut NamedPipe, &Registry) -> io::Result<()> = NamedPipe::deregister;

    let _: fn(&mut NamedPipe, &mut [u8]) -> io::Result<usize> = NamedPipe::read;
    let _: fn(&mut NamedPipe, &mut [IoSliceMut<'_>]) -> io::Result<usize> =
        NamedPipe::read_vectored;
    let _: fn(&mut NamedPipe, &[u8]) -> io::Result<usize> = NamedPipe::write;
    let _: fn(&mut NamedPipe, &[IoSlice<'_>]) -> io::Result<usize> = NamedPipe::write_vectored;
    let _: fn(&mut NamedPipe) -> io::Result<()> = NamedPipe::flush;
}
