//! Readiness through poll(2): every Unix, and WASI.
//!
//! The kernel keeps nothing between waits, so this backend does: a table of registrations, and
//! the array that is handed to each wait. poll(2) knows levels only; [`Arm`] makes edges of them.
//!
//! # Threads
//!
//! The table is behind a lock that is never held during a wait. A thread that changes it while the
//! poller waits rings the doorbell, the poller returns without events, and its caller waits again
//! until the same deadline. What was changed during a wait is asked about in the next one: an
//! answer that was given for an earlier registration is not used. A removal comes back when the
//! poller has let go of the descriptor, so that closing it closes it.
//!
//! A user's wake travels in a list of its own (`reactor::ready`), so an interrupt
//! of ours cannot swallow it.
//!
//! # Fairness
//!
//! Each wait begins to harvest where the last one stopped, so that a batch too small for all takes
//! turns.
//!
//! Manual: <https://man7.org/linux/man-pages/man2/poll.2.html>

use std::fmt;
use std::io;
#[cfg(not(doorbell = "none"))]
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::backend::Backend;
use crate::base::blocked::Blocked;
use crate::base::busy_poll::{self, BusyPoll};
use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::base::wait::Wait;
use crate::diagnostics::log::trace;
use crate::sys::levels::Levels;
use crate::sys::rearm::Arm;
use crate::sys::unix::doorbell::Doorbell;
use crate::sys::unix::os::poll::{self, pollfd, Bits};
use crate::sys::unix::os::Raw;

/// The registrations of one poll.
#[derive(Debug)]
pub(crate) struct Selector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    doorbell: Doorbell,
    table: Mutex<Table>,
    /// Told when a wait ends.
    wait_ended: Condvar,
}

/// What a source holds whose I/O passes through us; ends the registration when it is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    shared: Arc<Shared>,
    key: Key,
    is_detached: bool,
}

/// The array of the poller: the doorbell, then one entry for each slot of the table.
#[derive(Default)]
pub(crate) struct Buffer {
    polled: Vec<pollfd>,
    /// The slot to look at first.
    turn: usize,
}

impl Selector {
    pub(crate) fn new(backend: Backend) -> io::Result<(Self, Doorbell)> {
        backend.require(Backend::Poll)?;
        let doorbell = Doorbell::new()?;
        let shared = Arc::new(Shared {
            doorbell: doorbell.clone(),
            table: Mutex::default(),
            wait_ended: Condvar::new(),
        });
        Ok((Self { shared }, doorbell))
    }

    pub(crate) fn backend(&self) -> Backend {
        Backend::Poll
    }

    pub(crate) fn busy_poll(&self, _parameters: &BusyPoll) -> io::Result<()> {
        busy_poll::needs_epoll()
    }

    pub(crate) fn select(
        &self,
        buffer: &mut Buffer,
        events: &mut Vec<Event>,
        room: usize,
        wait: Wait,
    ) -> io::Result<()> {
        let wait = self.prepare(buffer, wait);
        let outcome = poll::poll(&mut buffer.polled, wait);
        self.harvest(buffer, outcome, events, room)
    }

    pub(crate) fn register(
        &self,
        raw: Raw,
        token: Token,
        interest: Interest,
    ) -> io::Result<Option<Registration>> {
        let key = self.insert(raw, token, interest, true)?;
        Ok(Some(Registration {
            shared: Arc::clone(&self.shared),
            key,
            is_detached: false,
        }))
    }

    pub(crate) fn reregister(
        &self,
        _raw: Raw,
        registration: &Registration,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        require_shareable(interest)?;
        self.shared.change(|table| {
            table.slot(&registration.key).ok_or_else(not_registered)?;
            table.reoccupy(registration.key.index, token, interest);
            Ok(())
        })
    }

    pub(crate) fn deregister(&self, _raw: Raw, registration: &Registration) -> io::Result<()> {
        registration.end()
    }

    pub(crate) fn register_unseen(
        &self,
        raw: Raw,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.insert(raw, token, interest, false).map(drop)
    }

    pub(crate) fn reregister_unseen(
        &self,
        raw: Raw,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        require_shareable(interest)?;
        poll::check_open(raw)?;
        self.shared.change(|table| {
            let index = table.index_of(raw).ok_or_else(not_registered)?;
            table.reoccupy(index, token, interest);
            Ok(())
        })
    }

    pub(crate) fn deregister_unseen(&self, raw: Raw) -> io::Result<()> {
        poll::check_open(raw)?;
        self.shared.remove(|table| table.index_of(raw))
    }

    fn insert(&self, raw: Raw, token: Token, interest: Interest, seen: bool) -> io::Result<Key> {
        require_shareable(interest)?;
        poll::check_pollable(raw)?;
        if raw == self.shared.doorbell.raw() {
            return Err(io::Error::from_raw_os_error(poll::INVALID));
        }
        let arm = Arm::new(interest, seen);
        poll::check_taken(raw, bits(Levels::asked_for(interest)))?;
        self.shared.change(|table| {
            if table.index_of(raw).is_some() {
                return Err(io::Error::from_raw_os_error(poll::ALREADY_EXISTS));
            }
            Ok(table.occupy(raw, token, arm))
        })
    }

    /// Brings the array up to date; says how long to wait before something has to be looked at.
    fn prepare(&self, buffer: &mut Buffer, mut wait: Wait) -> Wait {
        let mut table = self.shared.table();
        let table = &mut *table;
        let now = Instant::now();
        if buffer.polled.is_empty() {
            buffer.polled.push(pollfd {
                fd: self.shared.doorbell.raw(),
                events: poll::IN,
                revents: 0,
            });
        }
        buffer.polled.resize(1 + table.slots.len(), IGNORED);

        for index in table
            .changed
            .drain(..)
            .chain(table.in_doubt.iter().copied())
        {
            let slot = &mut table.slots[index];
            slot.changed = false;
            buffer.polled[1 + index] = slot.question(now);
            if let Some(look) = slot.next_look(now) {
                wait = wait.no_longer_than(look);
            }
        }
        table.is_waiting = true;
        table.is_interrupted = wait.is_none();
        wait
    }

    /// Takes the answers of a wait.
    fn harvest(
        &self,
        buffer: &mut Buffer,
        outcome: io::Result<usize>,
        events: &mut Vec<Event>,
        room: usize,
    ) -> io::Result<()> {
        let mut table = self.shared.table();
        let table = &mut *table;
        table.is_waiting = false;
        table.waits = table.waits.wrapping_add(1);
        self.shared.wait_ended.notify_all();
        let mut answers = outcome?;
        if buffer.polled[0].revents != 0 {
            // Saturating, here and below: a system that counts wrongly is not to be believed, nor to be fatal.
            answers = answers.saturating_sub(1);
            self.shared.doorbell.silence();
        }
        let now = Instant::now();
        // Silence is an answer too, about slots in doubt.
        for index in std::mem::take(&mut table.in_doubt) {
            table.slots[index].in_doubt = false;
            let answer = buffer.polled[1 + index];
            if answer.revents == 0 && answer.fd >= 0 {
                let nothing = table.answer(index, answer, now, is_open);
                debug_assert!(nothing.is_none(), "silence is not reported");
            }
            if answer.revents == 0 {
                // Also if the doubt is over: the array still has the old question.
                table.touch(index);
            } else {
                table.list_doubt(index);
            }
        }
        let most = events.len().saturating_add(room);
        let number = buffer.polled.len() - 1;
        let first = buffer.turn;
        for index in (0..number).map(|n| (first + n) % number) {
            if answers == 0 || events.len() == most {
                buffer.turn = index;
                break;
            }
            let answer = buffer.polled[1 + index];
            if answer.revents == 0 {
                continue;
            }
            answers = answers.saturating_sub(1);
            events.extend(table.answer(index, answer, now, is_open));
            buffer.polled[1 + index] = table.slots[index].question(now);
            table.list_doubt(index);
        }
        Ok(())
    }
}

/// Becomes readable on wakes, but not for sources: poll(2) has no descriptor of its own.
#[cfg(not(doorbell = "none"))]
impl AsFd for Selector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.doorbell.as_fd()
    }
}

impl Registration {
    fn end(&self) -> io::Result<()> {
        self.shared
            .remove(|table| table.slot(&self.key).map(|_| self.key.index))
    }

    /// The descriptor was handed out.
    pub(crate) fn exposed(&self) {
        self.with_slot(|slot| slot.arm.expose());
    }

    /// The source goes on without us: it is unseen, and registered until it is closed.
    pub(crate) fn detach(mut self) {
        self.exposed();
        self.is_detached = true;
    }

    pub(crate) fn blocked(&self, direction: Blocked) {
        self.with_slot(|slot| slot.arm.blocked(direction));
    }

    pub(crate) fn fell_short(&self, way: Blocked) {
        self.with_slot(|slot| slot.arm.fell_short(way));
    }

    fn with_slot(&self, change: impl FnOnce(&mut Slot)) {
        // A failure to interrupt the poller is the doorbell's, which has none.
        let _ = self.shared.change(|table| {
            if let Some(slot) = table.slot(&self.key) {
                change(slot);
                table.touch(self.key.index);
            }
            Ok(())
        });
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if !self.is_detached {
            // An error says that it was deregistered before.
            let _ = self.end();
        }
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the table, and makes a poller that waits take notice.
    fn change<R>(&self, change: impl FnOnce(&mut Table) -> io::Result<R>) -> io::Result<R> {
        let mut table = self.table();
        let outcome = change(&mut table)?;
        self.interrupt(&mut table)?;
        Ok(outcome)
    }

    /// Removes the registration that `find` finds, and comes back when no wait knows of it.
    ///
    /// While poll(2) waits, the kernel holds on to every file that it was given: closing the
    /// descriptor would not close a connection, and a port would stay in use.
    fn remove(&self, find: impl FnOnce(&mut Table) -> Option<usize>) -> io::Result<()> {
        let mut table = self.table();
        let index = find(&mut table).ok_or_else(not_registered)?;
        table.vacate(index);
        self.interrupt(&mut table)?;
        let wait = table.waits;
        while table.is_waiting && table.waits == wait {
            table = self
                .wait_ended
                .wait(table)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Makes a poller that waits return; once, since whoever comes next finds it interrupted.
    fn interrupt(&self, table: &mut Table) -> io::Result<()> {
        if table.is_waiting && !std::mem::replace(&mut table.is_interrupted, true) {
            self.doorbell.ring()?;
        }
        Ok(())
    }
}

/// poll(2) wakes everybody who waits.
fn require_shareable(interest: Interest) -> io::Result<()> {
    if interest.is_exclusive() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "exclusive interest needs epoll(7); poll(2) wakes every poll that watches a source",
        ));
    }
    Ok(())
}

fn not_registered() -> io::Error {
    io::Error::from_raw_os_error(poll::NOT_FOUND)
}

/// The registrations, each in a slot that keeps its place in the poller's array.
#[derive(Debug, Default)]
struct Table {
    slots: Vec<Slot>,
    vacant: Vec<usize>,
    /// By descriptor, which systems number from 0 and take the lowest of that is free.
    indexes: Vec<Option<usize>>,
    /// Slots that differ from the poller's array.
    changed: Vec<usize>,
    /// Slots about which silence says something.
    in_doubt: Vec<usize>,
    /// Tells the registrations of one slot apart.
    registrations: u64,
    /// The poller waits.
    is_waiting: bool,
    /// And the doorbell was rung since it began to.
    is_interrupted: bool,
    /// How many waits have ended.
    waits: u64,
}

/// One registration, for as long as it lasts.
#[derive(Debug)]
struct Key {
    index: usize,
    registration: u64,
}

#[derive(Debug)]
struct Slot {
    /// Negative when vacant, which poll(2) ignores.
    fd: Raw,
    registration: u64,
    token: Token,
    arm: Arm,
    /// Listed in `Table::changed`.
    changed: bool,
    /// Listed in `Table::in_doubt`.
    in_doubt: bool,
}

const IGNORED: pollfd = pollfd {
    fd: -1,
    events: 0,
    revents: 0,
};

impl Slot {
    fn question(&self, now: Instant) -> pollfd {
        match self.arm.ask(now) {
            Some(asked) if self.fd >= 0 => pollfd {
                fd: self.fd,
                events: bits(asked),
                revents: 0,
            },
            _ => IGNORED,
        }
    }

    /// How long the next wait may last at most, on account of this slot.
    fn next_look(&self, now: Instant) -> Option<Duration> {
        if self.fd < 0 {
            return None;
        }
        if self.arm.wants_a_look() {
            return Some(Duration::ZERO);
        }
        let look = self.arm.next_look()?;
        Some(look.saturating_duration_since(now))
    }
}

impl Table {
    fn slot(&mut self, key: &Key) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(key.index)?;
        (slot.fd >= 0 && slot.registration == key.registration).then_some(slot)
    }

    fn occupy(&mut self, fd: Raw, token: Token, arm: Arm) -> Key {
        self.registrations += 1;
        let registration = self.registrations;
        let index = self.vacant.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(index) {
            Some(slot) => {
                slot.fd = fd;
                slot.registration = registration;
                slot.token = token;
                slot.arm = arm;
            }
            None => self.slots.push(Slot {
                fd,
                registration,
                token,
                arm,
                changed: false,
                in_doubt: false,
            }),
        }
        self.set_index(fd, Some(index));
        self.touch(index);
        Key {
            index,
            registration,
        }
    }

    /// Gives a registration another token and interest, and arms it anew.
    fn reoccupy(&mut self, index: usize, token: Token, interest: Interest) {
        let slot = &mut self.slots[index];
        slot.token = token;
        slot.arm = slot.arm.anew(interest);
        self.touch(index);
    }

    fn index_of(&self, fd: Raw) -> Option<usize> {
        self.indexes.get(usize::try_from(fd).ok()?).copied()?
    }

    /// Of a descriptor that is open, or was: no negative number.
    fn set_index(&mut self, fd: Raw, index: Option<usize>) {
        let fd = fd as usize;
        if fd >= self.indexes.len() {
            self.indexes.resize(fd + 1, None);
        }
        self.indexes[fd] = index;
    }

    fn vacate(&mut self, index: usize) {
        self.set_index(self.slots[index].fd, None);
        self.slots[index].fd = IGNORED.fd;
        self.vacant.push(index);
        self.touch(index);
    }

    /// Notes that a slot differs from the poller's array.
    fn touch(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if !slot.changed {
            slot.changed = true;
            self.changed.push(index);
        }
        self.list_doubt(index);
    }

    /// Lists a slot that is in doubt, once.
    fn list_doubt(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if !slot.in_doubt && slot.fd >= 0 && slot.arm.is_in_doubt() {
            slot.in_doubt = true;
            self.in_doubt.push(index);
        }
    }

    /// Takes the system's answer about one slot; the event, if there is one to report.
    fn answer(
        &mut self,
        index: usize,
        answer: pollfd,
        now: Instant,
        is_open: impl FnOnce(Raw) -> bool,
    ) -> Option<Event> {
        let slot = &mut self.slots[index];
        // Asked before the last change: the next wait asks again.
        if slot.changed || slot.fd != answer.fd {
            return None;
        }
        if answer.revents & poll::NVAL != 0 && is_open(answer.fd) {
            // A device that was revoked, say. It stays registered, and would be answered so for ever.
            trace!("poll: {} cannot be watched any more", answer.fd);
            slot.arm.give_up();
            return Some(Event::new(slot.token, Levels::ERROR.readiness()));
        }
        if answer.revents & poll::NVAL != 0 {
            // Closed without being deregistered; other systems forget it just so.
            trace!("poll: {} was closed while registered", answer.fd);
            self.vacate(index);
            return None;
        }
        let asked = levels(answer.events) | Levels::ALWAYS;
        let report = slot.arm.observe(asked, levels(answer.revents), now);
        (!report.is_none()).then(|| Event::new(slot.token, report.readiness()))
    }
}

fn is_open(fd: Raw) -> bool {
    poll::check_open(fd).is_ok()
}

const LEVELS: [(Bits, Levels); 6] = [
    (poll::IN, Levels::INPUT),
    (poll::OUT, Levels::OUTPUT),
    (poll::PRI, Levels::PRIORITY),
    (poll::ERR, Levels::ERROR),
    (poll::HUP, Levels::HANGUP),
    (poll::RDHUP, Levels::READ_HANGUP),
];

/// What to ask the kernel for; what it reports unasked is ignored there.
pub(super) fn bits(asked: Levels) -> Bits {
    let asked = LEVELS.iter().filter(|(_, level)| asked.has(*level));
    asked.fold(0, |bits, (bit, _)| bits | bit) & !(poll::ERR | poll::HUP)
}

pub(super) fn levels(bits: Bits) -> Levels {
    let hold = LEVELS.iter().filter(|(bit, _)| bits & bit != 0);
    hold.fold(Levels::NONE, |levels, (_, level)| levels | *level)
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("length", &self.polled.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FD: Raw = 7;

    /// A table with one registration, and what the system is asked about it.
    fn table() -> (Table, Key, pollfd) {
        let mut table = Table::default();
        let arm = Arm::new(Interest::READABLE, true);
        let key = table.occupy(FD, Token(1), arm);
        table.slots[key.index].changed = false;
        let question = table.slots[key.index].question(Instant::now());
        (table, key, question)
    }

    fn invalid(question: pollfd) -> pollfd {
        let revents = poll::NVAL;
        pollfd {
            revents,
            ..question
        }
    }

    #[test]
    fn what_the_system_takes_no_more_is_an_error_once_and_stays_registered() {
        let (mut table, key, question) = table();
        let now = Instant::now();
        let event = table.answer(key.index, invalid(question), now, |fd| fd == FD);
        assert!(event.is_some_and(|event| event.is_error() && event.token() == Token(1)));
        assert_eq!(table.slots[key.index].question(now).fd, IGNORED.fd);
        assert!(table.slots[key.index].next_look(now).is_none());
        assert_eq!(table.index_of(FD), Some(key.index));

        table.reoccupy(key.index, Token(2), Interest::READABLE);
        assert_eq!(table.slots[key.index].question(now).fd, FD);
    }

    #[test]
    fn what_was_closed_without_being_deregistered_is_forgotten() {
        let (mut table, key, question) = table();
        let answer = invalid(question);
        let event = table.answer(key.index, answer, Instant::now(), |_| false);
        assert!(event.is_none());
        assert_eq!(table.index_of(FD), None);
    }
}
