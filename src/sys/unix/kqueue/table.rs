//! What is registered with a queue, and what of its notices is reported.
//!
//! The kernel knows knotes; users know registrations. The table brings them together, and does for a
//! registration what the kernel does for a knote only:
//!
//! - **One event.** The notices of one wait that belong to one registration become one event. They
//!   belong together by their descriptor and by a *stamp*, which they carry as `udata` and which
//!   changes with each registration and reregistration: a notice from before the last change is
//!   not reported, and a token, being the user's, is never compared.
//! - **One shot.** The kernel disables each knote when it is reported, its neighbour is still armed.
//!   What that reports later is not handed on, and has disabled it too.
//! - **Misuse.** To add what is there already is a change to the kernel; here it is a mistake.
//!
//! # Closed descriptors
//!
//! Closing a descriptor deletes its knotes, and says so to nobody. An entry whose knotes are all
//! missing belongs to a file that was closed, and means nothing for the one that has its number
//! now. To ask, the knotes of an unseen source are probed, which may report it once more; a seen one ends
//! before its descriptor is closed, and is not asked about. One exception: knotes that have reported an end
//! prove nothing by their absence, since the end of a pipe may take them along.
//!
//! # Broken pipes
//!
//! Where a pipe with a closed other end takes no knote, its readiness (a write fails at once) is
//! reported by the table itself, as the mode says.
//!
//! FreeBSD's `pipeclose` makes one-shots of the knotes that are there: they report the end, with
//! `EV_ONESHOT`, and are gone. What level mode still has to say of writing then is said by the table.

use std::os::fd::RawFd as Raw;

use super::filter::{Filter, Filters, Notice, DISCONNECTED};
use super::plan::{Delivery, Outcome};
use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::token::Token;

/// The registrations of one queue.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// By descriptor, which the system keeps small.
    entries: Vec<Option<Entry>>,
    /// The newest stamp, and the newest registration.
    stamp: usize,
    registrations: u64,
    /// Counts the calls of `select`.
    turn: u64,
    /// Pipes without a knote whose readiness has to be reported.
    broken: Vec<(Raw, usize)>,
    /// With little room, broken pipes and the kernel take turns.
    broken_are_next: bool,
}

/// One registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Which one it is, through all changes.
    pub(crate) registration: u64,
    /// The `udata` of its knotes, since the last change.
    pub(crate) stamp: usize,
    pub(crate) knotes: Filters,
    pub(crate) delivery: Delivery,
    /// One-shot, and reported.
    pub(crate) is_spent: bool,
    /// Ends before its descriptor is closed, so there is no doubt that it lasts.
    pub(crate) is_seen: bool,
    token: Token,
    /// The knotes that have reported an end.
    ended: Filters,
    /// It was an end with an error.
    is_disconnected: bool,
    /// When it was last reported, where among the events, and by which knotes.
    turn: u64,
    place: usize,
    reported: Filters,
}

impl Entry {
    /// Whether an answer shows that the registered file was closed.
    pub(crate) fn is_closed(&self, outcome: &Outcome) -> bool {
        !(self.knotes - self.ended).is_none() && outcome.found.is_none()
    }
}

/// What was done with a notice.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is an event, or part of one.
    Reported,
    /// Its knote had its part in this turn's events before: the kernel has no news left.
    Again,
    /// The doorbell's, of an earlier registration, or of a one-shot that is spent.
    Dropped,
}

impl Table {
    pub(crate) fn get(&self, fd: Raw) -> Option<&Entry> {
        self.entries.get(usize::try_from(fd).ok()?)?.as_ref()
    }

    /// The entry of one registration.
    pub(crate) fn registered(&self, fd: Raw, registration: u64) -> Option<&Entry> {
        self.get(fd)
            .filter(|entry| entry.registration == registration)
    }

    /// A stamp that no knote has.
    pub(crate) fn new_stamp(&mut self) -> usize {
        self.stamp = self.stamp.wrapping_add(1);
        self.stamp
    }

    /// Enters what was registered; tells which registration it is.
    pub(crate) fn occupy(
        &mut self,
        fd: Raw,
        token: Token,
        interest: Interest,
        is_seen: bool,
        stamp: usize,
        outcome: &Outcome,
    ) -> u64 {
        self.registrations += 1;
        let registration = self.registrations;
        self.enter(fd, registration, token, interest, stamp, outcome);
        if let Some(entry) = self.entry(fd) {
            entry.is_seen = is_seen;
        }
        registration
    }

    /// A source goes on without us: from now on its descriptor may be closed without our knowing.
    pub(crate) fn detach(&mut self, fd: Raw, registration: u64) {
        if let Some(entry) = self.entry(fd) {
            entry.is_seen &= entry.registration != registration;
        }
    }

    /// Enters what was changed, unless it is not registered.
    pub(crate) fn reoccupy(
        &mut self,
        fd: Raw,
        token: Token,
        interest: Interest,
        stamp: usize,
        outcome: &Outcome,
    ) {
        let Some(before) = self.get(fd) else { return };
        let (is_seen, is_disconnected) = (before.is_seen, before.is_disconnected);
        self.enter(fd, before.registration, token, interest, stamp, outcome);
        if let Some(entry) = self.entry(fd) {
            entry.is_seen = is_seen;
            entry.is_disconnected = is_disconnected;
        }
    }

    fn enter(
        &mut self,
        fd: Raw,
        registration: u64,
        token: Token,
        interest: Interest,
        stamp: usize,
        outcome: &Outcome,
    ) {
        let Ok(index) = usize::try_from(fd) else {
            return; // the kernel has no such descriptor
        };
        if self.entries.len() <= index {
            self.entries.resize_with(index + 1, || None);
        }
        self.entries[index] = Some(Entry {
            registration,
            stamp,
            knotes: outcome.added,
            delivery: Delivery::of(interest),
            is_spent: false,
            is_seen: false,
            token,
            ended: Filters::NONE,
            is_disconnected: false,
            turn: 0,
            place: 0,
            reported: Filters::NONE,
        });
        self.broken.retain(|&(broken, _)| broken != fd);
        if outcome.is_broken {
            self.broken.push((fd, stamp));
        }
    }

    /// What the kernel has of a registration after a change that failed, with this stamp.
    pub(crate) fn restore(&mut self, fd: Raw, stamp: usize, outcome: &Outcome) {
        let Some(entry) = self.entry(fd) else { return };
        entry.knotes = outcome.added;
        entry.stamp = stamp;
        let before = self.broken.len();
        self.broken.retain(|&(broken, _)| broken != fd);
        let was_broken = self.broken.len() < before;
        if was_broken || outcome.is_broken {
            self.broken.push((fd, stamp));
        }
    }

    pub(crate) fn vacate(&mut self, fd: Raw) {
        if let Some(place) = usize::try_from(fd)
            .ok()
            .and_then(|at| self.entries.get_mut(at))
        {
            *place = None;
            self.broken.retain(|&(broken, _)| broken != fd);
        }
    }

    fn entry(&mut self, fd: Raw) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(fd).ok()?)?.as_mut()
    }

    /// Whether this is a pipe without a knote whose readiness has to be reported.
    pub(crate) fn is_broken(&self, fd: Raw) -> bool {
        self.broken.iter().any(|&(broken, _)| broken == fd)
    }

    /// Begins a call of `select`; whether there is something to report that the kernel knows
    /// nothing of.
    pub(crate) fn begin(&mut self) -> bool {
        self.turn += 1;
        !self.broken.is_empty()
    }

    /// Whether broken pipes are reported before the kernel's events, this time.
    pub(crate) fn broken_go_first(&mut self) -> bool {
        self.broken_are_next = !self.broken_are_next;
        self.broken_are_next
    }

    /// Reports broken pipes, as many as there is room for.
    pub(crate) fn report_broken(&mut self, events: &mut Vec<Event>, most: usize) {
        for (fd, stamp) in std::mem::take(&mut self.broken) {
            let ident = usize::try_from(fd).unwrap_or(usize::MAX);
            let is_full = events.len() >= most;
            if !is_full {
                self.report(&Notice::of_broken_pipe(ident, stamp), events);
            }
            let is_level = self.get(fd).map(|entry| entry.delivery) == Some(Delivery::Level);
            if is_full || is_level {
                self.broken.push((fd, stamp));
            }
        }
        // Whoever came first is last in the next turn.
        let number = self.broken.len();
        self.broken.rotate_left(number.min(1));
    }

    /// Makes an event of a notice, or adds it to the event of its registration.
    pub(crate) fn report(&mut self, notice: &Notice, events: &mut Vec<Event>) -> Taken {
        match notice.filter {
            Filter::Read | Filter::Write | Filter::Except => self.report_descriptor(notice, events),
            Filter::User => Taken::Dropped,
            Filter::Aio | Filter::Lio | Filter::Other => {
                // Not registered by us: whoever did it gave his token.
                events.push(Event::new(Token(notice.udata), notice.readiness()));
                Taken::Reported
            }
        }
    }

    fn report_descriptor(&mut self, notice: &Notice, events: &mut Vec<Event>) -> Taken {
        let turn = self.turn;
        let entry = self
            .entries
            .get_mut(notice.ident)
            .and_then(Option::as_mut)
            .filter(|entry| entry.stamp == notice.udata);
        // It was made of one.
        let (Some(entry), Ok(fd)) = (entry, Raw::try_from(notice.ident)) else {
            return Taken::Dropped;
        };
        let knote = Filters::of(notice.filter);
        if notice.is_last {
            entry.knotes = entry.knotes - knote;
            let is_level = entry.delivery == Delivery::Level;
            if is_level && notice.filter == Filter::Write {
                self.broken.push((fd, entry.stamp));
            }
        }
        if notice.is_idle() {
            return Taken::Dropped;
        }
        entry.is_disconnected |= notice.is_disconnection();
        if notice.is_eof {
            entry.ended |= knote;
        }
        let is_disconnected = notice.is_eof && entry.is_disconnected;
        let readiness = notice.readiness().with(DISCONNECTED, is_disconnected);
        if entry.turn != turn {
            if entry.is_spent {
                return Taken::Dropped;
            }
            entry.is_spent = entry.delivery == Delivery::Once;
            entry.turn = turn;
            entry.place = events.len();
            entry.reported = knote;
            events.push(Event::new(entry.token, readiness));
            return Taken::Reported;
        }
        if let Some(event) = events.get_mut(entry.place) {
            *event = Event::new(entry.token, event.readiness() | readiness);
        }
        if entry.reported.has(knote) {
            return Taken::Again;
        }
        entry.reported |= knote;
        Taken::Reported
    }
}

/// Whether a batch that was full is followed by another look, in the same turn.
///
/// Notices that become one event leave room that the next ones can have, and events that do not fill
/// the room promise that nothing was left out. What is not reported fills batches too: the doorbell, and
/// one-shots that are spent, which their other knotes still have to say. Each of those says so once, so
/// there are as many fruitless looks as there may be such notices; nobody who goes on ringing keeps us
/// here.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    fruitless: usize,
}

impl Rounds {
    pub(crate) fn goes_on(&mut self, has_brought_events: bool, table: &Table) -> bool {
        self.fruitless += usize::from(!has_brought_events);
        self.fruitless <= 1 + 2 * table.entries.len()
    }
}
