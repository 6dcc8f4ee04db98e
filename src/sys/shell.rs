//! The backend of a build without `os-poll`: it has every item and opens nothing.
//!
//! No value of these types can be made, so what follows `Selector::new` cannot be reached, and the
//! compiler knows it.

use std::convert::Infallible;
use std::io;

use crate::base::backend::Backend;
use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::base::wait::Wait;
use crate::sys::{Blocked, Raw};

#[derive(Debug)]
pub(crate) struct Selector(Infallible);

#[derive(Debug)]
pub(crate) struct Doorbell(Infallible);

#[derive(Debug)]
pub(crate) struct Registration(Infallible);

#[derive(Debug, Default)]
pub(crate) struct Buffer;

impl Selector {
    pub(crate) fn new(_backend: Backend) -> io::Result<(Self, Doorbell)> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "wakeful was built without the feature `os-poll`",
        ))
    }

    pub(crate) fn backend(&self) -> Backend {
        match self.0 {}
    }

    pub(crate) fn select(
        &self,
        _buffer: &mut Buffer,
        _events: &mut Vec<Event>,
        _room: usize,
        _wait: Wait,
    ) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn register(
        &self,
        _raw: Raw,
        _token: Token,
        _interest: Interest,
    ) -> io::Result<Registration> {
        match self.0 {}
    }

    pub(crate) fn reregister(
        &self,
        _raw: Raw,
        _registration: &Registration,
        _token: Token,
        _interest: Interest,
    ) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn deregister(&self, _raw: Raw, _registration: &Registration) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn register_unseen(
        &self,
        _raw: Raw,
        _token: Token,
        _interest: Interest,
    ) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn reregister_unseen(
        &self,
        _raw: Raw,
        _token: Token,
        _interest: Interest,
    ) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn deregister_unseen(&self, _raw: Raw) -> io::Result<()> {
        match self.0 {}
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Selector {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self.0 {}
    }
}

impl Doorbell {
    pub(crate) fn ring(&self) -> io::Result<()> {
        match self.0 {}
    }
}

impl Registration {
    pub(crate) fn blocked(&self, _direction: Blocked) {
        match self.0 {}
    }
}
