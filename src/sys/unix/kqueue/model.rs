//! A queue without a kernel, for tests: it does what the manuals say, and no more.
//!
//! Rules, from kqueue(2) of FreeBSD unless said otherwise:
//!
//! - "The filter is also run when an event is initially registered": a new knote is pending if its
//!   condition holds.
//! - "Re-adding an existing event will modify the parameters of the original event": nothing is said of
//!   its mode, so the model changes `udata` only.
//! - A change of a knote that stays enabled runs the filter too, and makes it pending if its condition holds
//!   (`kqueue_register`: `done_ev_add`).
//! - `EV_CLEAR`: "After the event is retrieved by the user, its state is reset."
//! - `EV_DISPATCH`: "Disable the event source immediately after delivery of an event."
//! - Else "the filter is also run when the user attempts to retrieve the event", and what holds no more
//!   is not reported.
//! - "Calling close() on a file descriptor will remove any kevents that reference the descriptor."
//! - `ENOENT`: "The event could not be found to be modified or deleted." `EBADF`: "The specified
//!   descriptor is invalid."

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::RawFd as Raw;

use super::filter::{Filter, Filters, Notice};
use super::plan::{Action, Answer, Change, Delivery, Outcome};
use super::registrations::{self, Kernel, Refused};
use super::table::{Rounds, Table, Taken};
use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::token::Token;

pub(super) const ENOENT: i32 = 2;
pub(super) const EBADF: i32 = 9;
pub(super) const EINVAL: i32 = 22;
pub(super) const EPIPE: i32 = 32;

#[derive(Debug, Default)]
pub(super) struct Model {
    files: HashMap<Raw, File>,
    /// In the order in which they become pending.
    queue: VecDeque<(Raw, Filter)>,
    knotes: HashMap<(Raw, Filter), Knote>,
    /// Apple's systems: the filter for out-of-band data is that of reading.
    pub(super) except_is_read: bool,
}

/// An open file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) ready: Filters,
    pub(super) ended: Filters,
    /// What it takes no knotes for, and the code that says so.
    pub(super) refuses: Option<(Filter, i32)>,
    /// The pending error, if it has ended with one.
    pub(super) error: u32,
    /// FreeBSD, of pipes: a knote that reports an end is deleted with that, and writing takes no
    /// other.
    pub(super) forgets_at_end: bool,
}

#[derive(Debug)]
struct Knote {
    udata: usize,
    delivery: Delivery,
    is_enabled: bool,
}

impl Model {
    pub(super) fn open(&mut self, fd: Raw) -> &mut File {
        self.close(fd);
        self.files.entry(fd).or_default()
    }

    /// One that is open.
    pub(super) fn file(&mut self, fd: Raw) -> &mut File {
        self.files.get_mut(&fd).unwrap()
    }

    pub(super) fn close(&mut self, fd: Raw) {
        self.files.remove(&fd);
        self.knotes.retain(|(of, _), _| *of != fd);
        self.queue.retain(|(of, _)| *of != fd);
    }

    pub(super) fn is_open(&self, fd: Raw) -> bool {
        self.files.contains_key(&fd)
    }

    pub(super) fn is_ready(&self, fd: Raw, filter: Filter) -> bool {
        let also_reads = self.except_is_read && filter == Filter::Except;
        let filters = if also_reads {
            Filters::of(filter) | Filters::of(Filter::Read)
        } else {
            Filters::of(filter)
        };
        let file = self.files.get(&fd);
        file.is_some_and(|file| file.ready.has(filters))
    }

    /// Something arrives, or room does.
    pub(super) fn make_ready(&mut self, fd: Raw, filter: Filter) {
        if let Some(file) = self.files.get_mut(&fd) {
            file.ready |= Filters::of(filter);
            self.activate(fd, filter);
            if self.except_is_read && filter == Filter::Read {
                self.activate(fd, Filter::Except);
            }
        }
    }

    pub(super) fn drain(&mut self, fd: Raw, filter: Filter) {
        if let Some(file) = self.files.get_mut(&fd) {
            file.ready = file.ready - Filters::of(filter);
        }
    }

    /// The other end resets the connection.
    pub(super) fn reset(&mut self, fd: Raw, error: u32) {
        if let Some(file) = self.files.get_mut(&fd) {
            file.error = error;
        }
        self.end(fd, Filter::Read);
        self.end(fd, Filter::Write);
    }

    /// An operation, or the user, fetches the error.
    pub(super) fn take_error(&mut self, fd: Raw) {
        if let Some(file) = self.files.get_mut(&fd) {
            file.error = 0;
        }
    }

    pub(super) fn end(&mut self, fd: Raw, filter: Filter) {
        if let Some(file) = self.files.get_mut(&fd) {
            file.ended |= Filters::of(filter);
        }
        self.make_ready(fd, filter);
    }

    pub(super) fn knotes(&self) -> usize {
        self.knotes.len()
    }

    /// How many knotes have something to say.
    pub(super) fn pending(&self) -> usize {
        self.queue.len()
    }

    fn activate(&mut self, fd: Raw, filter: Filter) {
        if self.knotes.contains_key(&(fd, filter)) && !self.queue.contains(&(fd, filter)) {
            self.queue.push_back((fd, filter));
        }
    }

    fn apply(&mut self, fd: Raw, stamp: usize, change: Change) -> Answer {
        let Some(file) = self.files.get(&fd) else {
            return Answer::Failed(EBADF);
        };
        let key = (fd, change.filter);
        if let (Action::Add(delivery), None) = (change.action, self.knotes.get(&key)) {
            let is_forgotten = file.forgets_at_end && file.ended.has(Filters::of(Filter::Write));
            if is_forgotten && change.filter == Filter::Write {
                return Answer::Broken(EPIPE);
            }
            match file.refuses {
                Some((filter, EPIPE)) if filter == change.filter => return Answer::Broken(EPIPE),
                Some((filter, code)) if filter == change.filter => return Answer::Failed(code),
                _ => {}
            }
            let knote = Knote {
                udata: stamp,
                delivery,
                is_enabled: true,
            };
            self.knotes.insert(key, knote);
            if self.is_ready(fd, change.filter) {
                self.activate(fd, change.filter);
            }
            return Answer::Done;
        }
        let Some(knote) = self.knotes.get_mut(&key) else {
            return Answer::Missing(ENOENT);
        };
        knote.udata = stamp;
        match change.action {
            Action::Delete => {
                self.knotes.remove(&key);
                self.queue.retain(|queued| *queued != key);
            }
            Action::ProbeDisabled => knote.is_enabled = false,
            Action::Add(_) | Action::ProbeEnabled => {
                knote.is_enabled = true;
                if self.is_ready(fd, change.filter) {
                    self.activate(fd, change.filter);
                }
            }
        }
        Answer::Done
    }

    /// Takes up to `room` events.
    fn wait(&mut self, room: usize) -> Vec<Notice> {
        let mut notices = Vec::new();
        for _ in 0..self.queue.len() {
            if notices.len() == room {
                break;
            }
            let Some((fd, filter)) = self.queue.pop_front() else {
                break;
            };
            let is_ready = self.is_ready(fd, filter);
            let Some(knote) = self.knotes.get_mut(&(fd, filter)) else {
                continue;
            };
            if !knote.is_enabled {
                continue;
            }
            match knote.delivery {
                Delivery::Level | Delivery::Once if !is_ready => continue,
                Delivery::Level => self.queue.push_back((fd, filter)),
                Delivery::Once => knote.is_enabled = false,
                Delivery::Edge => {}
            }
            let file = &self.files[&fd];
            let is_eof = file.ended.has(Filters::of(filter));
            notices.push(Notice {
                ident: usize::try_from(fd).unwrap(),
                filter,
                udata: knote.udata,
                is_eof,
                is_error: false,
                is_last: is_eof && file.forgets_at_end,
                is_out_of_band: filter == Filter::Except
                    && file.ready.has(Filters::of(Filter::Except)),
                fflags: file.error,
            });
            if is_eof && file.forgets_at_end {
                self.knotes.remove(&(fd, filter));
                self.queue.retain(|queued| *queued != (fd, filter));
            }
        }
        notices
    }
}

impl Kernel for Model {
    fn except_is_read(&self) -> bool {
        self.except_is_read
    }

    fn control(
        &mut self,
        fd: Raw,
        stamp: usize,
        changes: impl Iterator<Item = Change>,
    ) -> io::Result<Outcome> {
        let changes: Vec<_> = changes.collect();
        let answers = changes
            .into_iter()
            .map(|change| (change, self.apply(fd, stamp, change)));
        Ok(Outcome::of(answers))
    }
}

/// A table over a model, used as the selector uses its own.
#[derive(Debug, Default)]
pub(super) struct Reactor {
    pub(super) kernel: Model,
    pub(super) table: Table,
}

impl Reactor {
    /// A source whose descriptor may be closed without our knowing.
    pub(super) fn register(
        &mut self,
        fd: Raw,
        token: usize,
        interest: Interest,
    ) -> Result<u64, Refused> {
        let (table, kernel) = (&mut self.table, &mut self.kernel);
        registrations::register(table, kernel, fd, Token(token), interest, false)
    }

    pub(super) fn register_seen(
        &mut self,
        fd: Raw,
        token: usize,
        interest: Interest,
    ) -> Result<u64, Refused> {
        let (table, kernel) = (&mut self.table, &mut self.kernel);
        registrations::register(table, kernel, fd, Token(token), interest, true)
    }

    pub(super) fn reregister(
        &mut self,
        fd: Raw,
        token: usize,
        interest: Interest,
    ) -> Result<(), Refused> {
        let old = self.table.get(fd).cloned();
        let (table, kernel) = (&mut self.table, &mut self.kernel);
        registrations::reregister(table, kernel, fd, old, Token(token), interest)
    }

    pub(super) fn deregister(&mut self, fd: Raw) -> Result<(), Refused> {
        let old = self.table.get(fd).cloned();
        registrations::deregister(&mut self.table, &mut self.kernel, fd, old)
    }

    pub(super) fn select(&mut self, room: usize) -> Vec<Event> {
        let mut events = Vec::new();
        let has_broken = self.table.begin();
        if has_broken && self.table.broken_go_first() {
            self.table.report_broken(&mut events, room);
        }
        let mut rounds = Rounds::default();
        while events.len() < room {
            let known = events.len();
            let left = room - known;
            let notices = self.kernel.wait(left);
            let taken: Vec<_> = notices
                .iter()
                .map(|notice| self.table.report(notice, &mut events))
                .collect();
            let is_full = notices.len() == left;
            let has_news = !taken.contains(&Taken::Again);
            if !is_full || !has_news || !rounds.goes_on(events.len() > known, &self.table) {
                break;
            }
        }
        if has_broken {
            self.table.report_broken(&mut events, room);
        }
        events
    }

    /// The tokens of the next events, with room for all.
    pub(super) fn tokens(&mut self) -> Vec<usize> {
        self.select(64)
            .iter()
            .map(|event| event.token().0)
            .collect()
    }
}
