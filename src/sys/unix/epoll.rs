//! Readiness through epoll(7): Linux, Android, Redox.
//!
//! Sources are registered edge-triggered, so the kernel keeps all state and a registration
//! costs nothing here. It also keeps the token, in the 64 bits that come back with each event.
//!
//! Waits are exact to the nanosecond where `epoll_pwait2` exists (Linux 5.11, asked once per
//! process) and rounded *up* to milliseconds elsewhere.
//!
//! The doorbell is registered like a source, edge-triggered, and never read: every write is an
//! edge. Its 64 bits are a value that no token has, see [`Unclaimed`].
//!
//! Manual: <https://man7.org/linux/man-pages/man7/epoll.7.html>

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::backend::Backend;
use crate::base::blocked::Blocked;
use crate::base::busy_poll::BusyPoll;
use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::readiness::Readiness;
use crate::base::token::Token;
use crate::base::unclaimed::{Claim, Unclaimed, FLOOR};
use crate::base::wait::Wait;
use crate::diagnostics::flags::Flags;
use crate::diagnostics::log::trace;
use crate::sys::levels::Levels;
use crate::sys::unix::doorbell::Doorbell;
use crate::sys::unix::os::epoll::{self, epoll_event};
use crate::sys::unix::os::Raw;

/// One epoll instance, and the doorbell in it.
pub(crate) struct Selector {
    epoll: OwnedFd,
    doorbell: Doorbell,
    // What the doorbell's events carry. Asked only for values that are no small token.
    names: Mutex<Unclaimed>,
}

/// None is made: the kernel has it all. Closing the descriptor ends it, and edges need no help.
#[derive(Debug)]
pub(crate) enum Registration {}

impl Registration {
    pub(crate) fn detach(self) {
        match self {}
    }

    pub(crate) fn exposed(&self) {
        match *self {}
    }

    pub(crate) fn blocked(&self, _direction: Blocked) {
        match *self {}
    }

    pub(crate) fn fell_short(&self, _way: Blocked) {
        match *self {}
    }
}

/// Where the kernel puts its events, kept from wait to wait.
#[derive(Default)]
pub(crate) struct Buffer {
    events: Vec<epoll_event>,
}

impl Selector {
    pub(crate) fn new(backend: Backend) -> io::Result<(Self, Doorbell)> {
        backend.require(Backend::Epoll)?;
        let epoll = epoll::create()?;
        let doorbell = Doorbell::new()?;
        let names = Unclaimed::new();
        let fd = doorbell.as_fd().as_raw_fd();
        epoll::add(epoll.as_fd(), fd, DOORBELL, names.ours())?;
        let selector = Self {
            epoll,
            doorbell: doorbell.clone(),
            names: Mutex::new(names),
        };
        Ok((selector, doorbell))
    }

    pub(crate) fn backend(&self) -> Backend {
        Backend::Epoll
    }

    pub(crate) fn busy_poll(&self, parameters: &BusyPoll) -> io::Result<()> {
        epoll::set_busy_poll(self.epoll.as_fd(), parameters)
    }

    #[inline]
    pub(crate) fn select(
        &self,
        buffer: &mut Buffer,
        events: &mut Vec<Event>,
        room: usize,
        wait: Wait,
    ) -> io::Result<()> {
        self.ask(buffer, events, room, wait)?;
        if events.is_empty() && buffer.events.len() >= room {
            return self.ask_again(buffer, events, room);
        }
        Ok(())
    }

    /// The doorbell alone filled the batch: what it kept out has its turn now.
    #[cold]
    fn ask_again(
        &self,
        buffer: &mut Buffer,
        events: &mut Vec<Event>,
        room: usize,
    ) -> io::Result<()> {
        // The doorbell may have been rung once more.
        while events.is_empty() && buffer.events.len() >= room {
            self.ask(buffer, events, room, Wait::NONE)?;
        }
        Ok(())
    }

    #[inline]
    fn ask(
        &self,
        buffer: &mut Buffer,
        events: &mut Vec<Event>,
        room: usize,
        wait: Wait,
    ) -> io::Result<()> {
        epoll::wait(self.epoll.as_fd(), &mut buffer.events, room, wait)?;
        trace!("epoll: {buffer:?}");
        self.harvest(buffer, events);
        Ok(())
    }

    #[inline]
    fn harvest(&self, buffer: &Buffer, events: &mut Vec<Event>) {
        for event in &buffer.events {
            // Copied out: the struct is packed on some architectures.
            let (data, bits) = (event.u64, event.events);
            if !self.is_doorbell(data, bits) {
                events.push(Event::new(token(data), readiness(bits)));
            }
        }
    }

    #[inline]
    pub(crate) fn register(
        &self,
        raw: Raw,
        token: Token,
        interest: Interest,
    ) -> io::Result<Option<Registration>> {
        self.register_unseen(raw, token, interest).map(|()| None)
    }

    pub(crate) fn reregister(
        &self,
        _raw: Raw,
        registration: &Registration,
        _token: Token,
        _interest: Interest,
    ) -> io::Result<()> {
        match *registration {}
    }

    pub(crate) fn deregister(&self, _raw: Raw, registration: &Registration) -> io::Result<()> {
        match *registration {}
    }

    #[inline]
    pub(crate) fn register_unseen(
        &self,
        raw: Raw,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let data = self.claim(token)?;
        epoll::add(self.epoll.as_fd(), raw, wanted(interest)?, data)
            .map_err(|err| explain_exclusive(interest, err))
    }

    #[inline]
    pub(crate) fn reregister_unseen(
        &self,
        raw: Raw,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let data = self.claim(token)?;
        epoll::modify(self.epoll.as_fd(), raw, wanted(interest)?, data)
            .or_else(|err| self.register_anew(raw, data, interest, err))
    }

    /// The kernel changes no registration from or to exclusive: it has to be made anew.
    #[cold]
    fn register_anew(
        &self,
        raw: Raw,
        data: u64,
        interest: Interest,
        err: io::Error,
    ) -> io::Result<()> {
        if err.kind() != io::ErrorKind::InvalidInput {
            return Err(err);
        }
        let (epoll, wanted) = (self.epoll.as_fd(), wanted(interest)?);
        // Tried out first: a registration that fails must leave the old one.
        let scratch = epoll::create()?;
        epoll::add(scratch.as_fd(), raw, wanted, data)
            .map_err(|err| explain_exclusive(interest, err))?;
        epoll::delete(epoll, raw)?;
        epoll::add(epoll, raw, wanted, data)
    }

    #[inline]
    pub(crate) fn deregister_unseen(&self, raw: Raw) -> io::Result<()> {
        epoll::delete(self.epoll.as_fd(), raw)
    }

    /// The data for a user's token, after the doorbell has left it if it was there.
    #[inline]
    fn claim(&self, token: Token) -> io::Result<u64> {
        let data = token.0 as u64;
        if data >= FLOOR {
            self.claim_from_doorbell(data)?;
        }
        Ok(data)
    }

    #[cold]
    fn claim_from_doorbell(&self, data: u64) -> io::Result<()> {
        let mut names = self.names();
        if let Claim::MoveTo(ours) = names.claim(data) {
            let fd = self.doorbell.as_fd().as_raw_fd();
            epoll::modify(self.epoll.as_fd(), fd, DOORBELL, ours)?;
        }
        Ok(())
    }

    /// Whether an event is the doorbell's and nobody else's.
    ///
    /// Asked after the wait: whoever claims our value moves the doorbell away before his source can
    /// have an event, so none of his is ever taken for the doorbell's. The other way round it can
    /// happen, once, that a ring from before the move counts as an event of his: a spurious one.
    #[inline]
    fn is_doorbell(&self, data: u64, bits: u32) -> bool {
        data >= FLOOR && self.is_unshared(data, bits)
    }

    #[inline(never)]
    fn is_unshared(&self, data: u64, bits: u32) -> bool {
        let names = self.names();
        data == names.ours() && bits == epoll::IN && !names.is_shared()
    }

    fn names(&self) -> MutexGuard<'_, Unclaimed> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Becomes readable when an event waits.
impl AsFd for Selector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Epoll")
            .field("fd", &self.epoll.as_raw_fd())
            .finish()
    }
}

/// What the last wait has found.
impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.events.iter().map(|event| {
            let (data, bits) = (event.u64, event.events);
            (data, Flags::new(bits, NAMES, "|"))
        });
        f.debug_map().entries(found).finish()
    }
}

const DOORBELL: u32 = epoll::IN | epoll::ET;

/// What to ask the kernel for.
#[inline]
fn wanted(interest: Interest) -> io::Result<u32> {
    if interest.is_exclusive() {
        return wanted_exclusively(interest);
    }
    Ok(WANTED[usize::from(interest.as_bits())])
}

/// By the bits of every interest that is not exclusive.
const WANTED: [u32; 128] = {
    let mut table = [0; 128];
    let mut interest = 1;
    while interest < 128 {
        table[interest as usize] = asked_for(Interest::from_bits(interest));
        interest += 1;
    }
    table
};

const fn asked_for(interest: Interest) -> u32 {
    let edge = if interest.is_level() { 0 } else { epoll::ET };
    let oneshot = if interest.is_oneshot() {
        epoll::ONESHOT
    } else {
        0
    };
    edge | oneshot | bits(Levels::asked_for(interest))
}

#[cold]
fn wanted_exclusively(interest: Interest) -> io::Result<u32> {
    if interest.is_oneshot() || interest.is_priority() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "exclusive interest goes with reading and writing in edge or level mode only",
        ));
    }
    // Refused by the kernel in this combination.
    Ok(asked_for(interest) & !epoll::RDHUP | epoll::EXCLUSIVE)
}

/// Kernels before 4.5 do not know the flag, and none allows it for an epoll descriptor.
#[cold]
fn explain_exclusive(interest: Interest, err: io::Error) -> io::Error {
    if interest.is_exclusive() && err.kind() == io::ErrorKind::InvalidInput {
        return io::Error::new(
            io::ErrorKind::Unsupported,
            "exclusive interest needs Linux 4.5 or later, and a source that is no poll itself",
        );
    }
    err
}

fn readiness(bits: u32) -> Readiness {
    levels(bits).readiness()
}

// The kernel's low bits are those of `Levels`; only this one stands higher.
const RDHUP_SHIFT: u32 = 8;

fn levels(bits: u32) -> Levels {
    let read_hangup = (bits & epoll::RDHUP) >> RDHUP_SHIFT;
    Levels::from_bits(((bits & LOW_BITS) | read_hangup) as u8)
}

const fn bits(levels: Levels) -> u32 {
    let bits = levels.bits() as u32;
    let read_hangup = (levels.bits() & Levels::READ_HANGUP.bits()) as u32;
    (bits & LOW_BITS) | (read_hangup << RDHUP_SHIFT)
}

const LOW_BITS: u32 = epoll::IN | epoll::PRI | epoll::OUT | epoll::ERR | epoll::HUP;

const _: () = {
    assert!(epoll::IN == Levels::INPUT.bits() as u32);
    assert!(epoll::PRI == Levels::PRIORITY.bits() as u32);
    assert!(epoll::OUT == Levels::OUTPUT.bits() as u32);
    assert!(epoll::ERR == Levels::ERROR.bits() as u32);
    assert!(epoll::HUP == Levels::HANGUP.bits() as u32);
    assert!(epoll::RDHUP == (Levels::READ_HANGUP.bits() as u32) << RDHUP_SHIFT);
};

fn token(data: u64) -> Token {
    // It came from a `usize`, in `claim`.
    Token(data as usize)
}

const NAMES: &[(u32, &str)] = &[
    (epoll::IN, "EPOLLIN"),
    (epoll::OUT, "EPOLLOUT"),
    (epoll::PRI, "EPOLLPRI"),
    (epoll::ERR, "EPOLLERR"),
    (epoll::HUP, "EPOLLHUP"),
    (epoll::RDHUP, "EPOLLRDHUP"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_watches_for_the_peers_shutdown_too() {
        let wanted = |interest| wanted(interest).unwrap();
        assert_eq!(
            wanted(Interest::READABLE),
            epoll::ET | epoll::IN | epoll::RDHUP
        );
        assert_eq!(wanted(Interest::WRITABLE), epoll::ET | epoll::OUT);
    }

    #[test]
    fn bits_become_flags() {
        assert_eq!(readiness(epoll::IN), Readiness::READABLE);
        assert_eq!(
            readiness(epoll::IN | epoll::RDHUP),
            Readiness::READABLE | Readiness::READ_CLOSED
        );
        assert_eq!(
            readiness(epoll::ERR),
            Readiness::ERROR | Readiness::WRITE_CLOSED
        );
    }

    #[test]
    fn the_doorbell_yields_its_value_to_a_user() {
        let (epoll, doorbell) = Selector::new(Backend::Epoll).unwrap();
        let before = epoll.names().ours();
        let Ok(token) = usize::try_from(before) else {
            return; // no token reaches it on 32-bit systems
        };
        let user = Doorbell::new().unwrap();
        let mut buffer = Buffer::default();
        let mut events = Vec::new();

        let fd = user.as_fd().as_raw_fd();
        epoll
            .register_unseen(fd, Token(token), Interest::READABLE)
            .unwrap();
        user.ring().unwrap();
        doorbell.ring().unwrap();
        epoll
            .select(&mut buffer, &mut events, 8, Wait::NONE)
            .unwrap();

        assert_ne!(epoll.names().ours(), before);
        let tokens: Vec<_> = events.iter().map(Event::token).collect();
        assert_eq!(tokens, [Token(token)]);
    }
}
