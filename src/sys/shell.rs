//! The backend of a build without `os-poll`: it has every item and opens nothing.
//!
//! No value of these types can be made, so what follows `Selector::new` cannot be reached, and the
//! compiler knows it.

use std::io;
use std::time::Duration;

use crate::base::backend::Backend;
use crate::base::blocked::Blocked;
use crate::base::busy_poll::BusyPoll;
use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::base::wait::Wait;

#[derive(Debug)]
pub(crate) enum Selector {}

#[derive(Debug)]
pub(crate) enum Doorbell {}

#[derive(Debug)]
pub(crate) enum Registration {}

/// How a source would be named to the system.
#[cfg(not(handle = "windows"))]
pub(crate) type Raw = i32;
/// How a source would be named to the system.
#[cfg(handle = "windows")]
pub(crate) type Raw = std::os::windows::io::RawSocket;

#[derive(Debug, Default)]
pub(crate) struct Buffer {}

pub(crate) fn timer_slack() -> Duration {
    Duration::ZERO
}

impl Selector {
    pub(crate) fn new(_backend: Backend) -> io::Result<(Self, Doorbell)> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "wakeful was built without the feature `os-poll`",
        ))
    }

    pub(crate) fn backend(&self) -> Backend {
        match *self {}
    }

    pub(crate) fn busy_poll(&self, _parameters: &BusyPoll) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn select(
        &self,
        _buffer: &mut Buffer,
        _events: &mut Vec<Event>,
        _room: usize,
        _wait: Wait,
    ) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn register(
        &self,
        _raw: Raw,
        _token: Token,
        _interest: Interest,
    ) -> io::Result<Option<Registration>> {
        match *self {}
    }

    pub(crate) fn reregister(
        &self,
        _raw: Raw,
        _registration: &Registration,
        _token: Token,
        _interest: Interest,
    ) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn deregister(&self, _raw: Raw, _registration: &Registration) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn register_unseen(
        &self,
        _raw: Raw,
        _token: Token,
        _interest: Interest,
    ) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn reregister_unseen(
        &self,
        _raw: Raw,
        _token: Token,
        _interest: Interest,
    ) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn deregister_unseen(&self, _raw: Raw) -> io::Result<()> {
        match *self {}
    }
}

impl Doorbell {
    pub(crate) fn ring(&self) -> io::Result<()> {
        match *self {}
    }
}

impl Registration {
    pub(crate) fn detach(self) {
        match self {}
    }

    pub(crate) fn exposed(&self) {
        match *self {}
    }

    pub(crate) fn fell_short(&self, _way: Blocked) {
        match *self {}
    }

    pub(crate) fn blocked(&self, _direction: Blocked) {
        match *self {}
    }
}
