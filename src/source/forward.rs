//! What every source of this crate that wraps an [`IoSource`] forwards to it.
//!
//! A type with a field `inner: IoSource<Object>` invokes [`forward_source!`], one that reads or
//! writes a stream of bytes also [`forward_read!`] and [`forward_write!`]. Macros, since a
//! foreign trait (`Read`) cannot be implemented for all of them at once; the work is done by the
//! functions here.
//!
//! [`IoSource`]: crate::reactor::io_source::IoSource

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::ops::Deref;

use crate::reactor::io_source::IoSource;

/// Reads from a stream of bytes.
#[inline]
pub(crate) fn read<T>(source: &IoSource<T>, buf: &mut [u8]) -> io::Result<usize>
where
    for<'a> &'a T: Read,
{
    source.read_stream(buf.len(), |mut inner| inner.read(buf))
}

/// Reads from a stream of bytes into several buffers, in order.
#[inline]
pub(crate) fn read_vectored<T>(
    source: &IoSource<T>,
    bufs: &mut [IoSliceMut<'_>],
) -> io::Result<usize>
where
    for<'a> &'a T: Read,
{
    let room = total(bufs);
    source.read_stream(room, |mut inner| inner.read_vectored(bufs))
}

/// Writes to a stream of bytes.
#[inline]
pub(crate) fn write<T>(source: &IoSource<T>, buf: &[u8]) -> io::Result<usize>
where
    for<'a> &'a T: Write,
{
    source.write_stream(buf.len(), |mut inner| inner.write(buf))
}

/// Writes several buffers to a stream of bytes, in order.
#[inline]
pub(crate) fn write_vectored<T>(source: &IoSource<T>, bufs: &[IoSlice<'_>]) -> io::Result<usize>
where
    for<'a> &'a T: Write,
{
    source.write_stream(total(bufs), |mut inner| inner.write_vectored(bufs))
}

/// Saturates: buffers to write may overlap, and be more than there is memory.
pub(crate) fn total(bufs: &[impl Deref<Target = [u8]>]) -> usize {
    bufs.iter()
        .map(|buf| buf.len())
        .fold(0, usize::saturating_add)
}

/// Implements `Source` by the field `inner`, and `Debug` by what it wraps.
macro_rules! forward_source {
    ($source:ty) => {
        impl $crate::reactor::registry::Source for $source {
            fn register(
                &mut self,
                registry: &$crate::reactor::registry::Registry,
                token: $crate::base::token::Token,
                interest: $crate::base::interest::Interest,
            ) -> ::std::io::Result<()> {
                self.inner.register(registry, token, interest)
            }

            fn reregister(
                &mut self,
                registry: &$crate::reactor::registry::Registry,
                token: $crate::base::token::Token,
                interest: $crate::base::interest::Interest,
            ) -> ::std::io::Result<()> {
                self.inner.reregister(registry, token, interest)
            }

            fn deregister(
                &mut self,
                registry: &$crate::reactor::registry::Registry,
            ) -> ::std::io::Result<()> {
                self.inner.deregister(registry)
            }
        }

        impl ::std::fmt::Debug for $source {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                self.inner.fmt(f)
            }
        }
    };
}

/// Implements `Read` for a source and for references to it.
macro_rules! forward_read {
    ($source:ty) => {
        impl ::std::io::Read for $source {
            fn read(&mut self, buf: &mut [u8]) -> ::std::io::Result<usize> {
                $crate::source::forward::read(&self.inner, buf)
            }

            fn read_vectored(
                &mut self,
                bufs: &mut [::std::io::IoSliceMut<'_>],
            ) -> ::std::io::Result<usize> {
                $crate::source::forward::read_vectored(&self.inner, bufs)
            }
        }

        impl ::std::io::Read for &$source {
            fn read(&mut self, buf: &mut [u8]) -> ::std::io::Result<usize> {
                $crate::source::forward::read(&self.inner, buf)
            }

            fn read_vectored(
                &mut self,
                bufs: &mut [::std::io::IoSliceMut<'_>],
            ) -> ::std::io::Result<usize> {
                $crate::source::forward::read_vectored(&self.inner, bufs)
            }
        }
    };
}

/// Implements `Write` for a source and for references to it. There is nothing to flush.
macro_rules! forward_write {
    ($source:ty) => {
        impl ::std::io::Write for $source {
            fn write(&mut self, buf: &[u8]) -> ::std::io::Result<usize> {
                $crate::source::forward::write(&self.inner, buf)
            }

            fn write_vectored(
                &mut self,
                bufs: &[::std::io::IoSlice<'_>],
            ) -> ::std::io::Result<usize> {
                $crate::source::forward::write_vectored(&self.inner, bufs)
            }

            fn flush(&mut self) -> ::std::io::Result<()> {
                ::std::result::Result::Ok(())
            }
        }

        impl ::std::io::Write for &$source {
            fn write(&mut self, buf: &[u8]) -> ::std::io::Result<usize> {
                $crate::source::forward::write(&self.inner, buf)
            }

            fn write_vectored(
                &mut self,
                bufs: &[::std::io::IoSlice<'_>],
            ) -> ::std::io::Result<usize> {
                $crate::source::forward::write_vectored(&self.inner, bufs)
            }

            fn flush(&mut self) -> ::std::io::Result<()> {
                ::std::result::Result::Ok(())
            }
        }
    };
}

pub(crate) use forward_source;
// ... those below only where a stream of bytes is built.
pub(crate) use {forward_read, forward_write};
