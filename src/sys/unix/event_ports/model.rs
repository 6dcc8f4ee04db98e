//! A port without a kernel, for tests: it does what the manuals say, and no more.
//!
//! Rules, from port_associate(3C) and port_get(3C) of illumos:
//!
//! - "Port associations are one-shot": the event that is retrieved ends the association.
//! - "At association time, if the object has pending events that match, they are delivered."
//! - Associating again replaces events and user value; an event that nobody has retrieved is replaced too.
//! - port_dissociate "removes the association of an object with a port", and the event with it.
//! - Closing a descriptor ends its association.
//!
//! An event tells what was so when it was queued, not when it is retrieved; the selector asks poll(2) what
//! holds then.

use std::collections::{HashMap, VecDeque};
use std::os::fd::RawFd as Raw;
use std::time::{Duration, Instant};

use super::table::{Look, Question, Table};
use crate::base::blocked::Blocked;
use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::base::wait::Wait;
use crate::sys::levels::Levels;

#[derive(Debug, Default)]
pub(super) struct Model {
    /// Open files, and what holds of them.
    files: HashMap<Raw, Levels>,
    associations: HashMap<Raw, (Levels, usize)>,
    queue: VecDeque<(Raw, usize, Levels)>,
    /// Open, and taken no more: a device that was revoked.
    pub(super) revoked: Vec<Raw>,
    /// How many questions were asked.
    pub(super) calls: usize,
}

impl Model {
    pub(super) fn open(&mut self, fd: Raw, levels: Levels) {
        self.close(fd);
        self.files.insert(fd, levels);
    }

    pub(super) fn close(&mut self, fd: Raw) {
        self.files.remove(&fd);
        self.dissociate(fd);
    }

    pub(super) fn is_open(&self, fd: Raw) -> bool {
        self.files.contains_key(&fd)
    }

    pub(super) fn levels(&self, fd: Raw) -> Levels {
        self.files.get(&fd).copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, fd: Raw, levels: Levels) {
        if let Some(known) = self.files.get_mut(&fd) {
            *known = levels;
            self.notify(fd);
        }
    }

    pub(super) fn is_associated(&self, fd: Raw) -> bool {
        self.associations.contains_key(&fd)
    }

    fn ask(&mut self, question: Question) -> bool {
        self.calls += 1;
        match question {
            Question::Associate(fd, asked, stamp) => {
                if !self.is_open(fd) || self.revoked.contains(&fd) {
                    return false;
                }
                self.dissociate(fd);
                self.associations.insert(fd, (asked, stamp));
                self.notify(fd);
            }
            Question::Dissociate(fd) => self.dissociate(fd),
        }
        true
    }

    fn dissociate(&mut self, fd: Raw) {
        self.associations.remove(&fd);
        self.queue.retain(|(of, ..)| *of != fd);
    }

    fn notify(&mut self, fd: Raw) {
        let Some(&(asked, stamp)) = self.associations.get(&fd) else {
            return;
        };
        let found = self.levels(fd) & (asked | Levels::ALWAYS);
        if !found.is_none() && self.queue.iter().all(|(of, ..)| *of != fd) {
            self.queue.push_back((fd, stamp, found));
        }
    }

    fn retrieve(&mut self, room: usize) -> Vec<(Raw, usize, Levels)> {
        let number = room.min(self.queue.len());
        let events: Vec<_> = self.queue.drain(..number).collect();
        for (fd, ..) in &events {
            self.associations.remove(fd);
        }
        events
    }
}

/// A table over a model, used as the selector uses its own.
#[derive(Debug)]
pub(super) struct Reactor {
    pub(super) port: Model,
    pub(super) table: Table,
    pub(super) now: Instant,
}

impl Reactor {
    pub(super) fn new() -> Self {
        Self {
            port: Model::default(),
            table: Table::default(),
            now: Instant::now(),
        }
    }

    pub(super) fn register(
        &mut self,
        fd: Raw,
        token: usize,
        interest: Interest,
        seen: bool,
    ) -> Option<u64> {
        if self.table.registration(fd).is_some() {
            if !self.table.is_associated(fd) || self.port.is_associated(fd) {
                return None;
            }
            self.table.vacate(fd);
        }
        let draft = self.table.draft(fd, Token(token), interest, seen, self.now);
        self.port
            .ask(draft.question())
            .then(|| self.table.occupy(draft))
    }

    pub(super) fn reregister(&mut self, fd: Raw, token: usize, interest: Interest) -> bool {
        let Some(draft) = self.table.redraft(fd, Token(token), interest, self.now) else {
            return false;
        };
        let is_open = self.port.ask(draft.question());
        if is_open {
            self.table.reoccupy(draft);
        }
        is_open
    }

    pub(super) fn deregister(&mut self, fd: Raw) -> bool {
        let is_known = self.table.registration(fd).is_some();
        self.table.vacate(fd);
        self.port.dissociate(fd);
        is_known
    }

    /// An operation of a seen source blocks.
    pub(super) fn blocked(&mut self, fd: Raw, direction: Blocked) {
        if let Some(registration) = self.table.registration(fd) {
            let _ = self
                .table
                .tell(fd, registration, |arm| arm.blocked(direction));
        }
    }

    /// What comes before a wait: what was found, and how long it may last.
    pub(super) fn prepare(&mut self, events: &mut Vec<Event>, room: usize) -> Wait {
        let mut looks: Vec<Look> = Vec::new();
        self.table.looks(self.now, room, &mut looks);
        for look in &looks {
            if self.port.is_open(look.fd) {
                let levels = self.port.levels(look.fd) & (look.asked | Levels::ALWAYS);
                events.extend(self.table.looked(look, levels, self.now));
            } else {
                self.table.vacate(look.fd);
            }
        }
        let mut questions = Vec::new();
        self.table.questions(self.now, &mut questions);
        for question in questions {
            if !self.port.ask(question) {
                let (Question::Associate(fd, ..) | Question::Dissociate(fd)) = question;
                if self.port.is_open(fd) {
                    self.table.refused(fd);
                } else {
                    self.table.vacate(fd);
                }
            }
        }
        self.table.report_failed(room - events.len(), events);
        self.table.limit(self.now, Wait::Forever)
    }

    pub(super) fn harvest(&mut self, events: &mut Vec<Event>, room: usize) {
        // What was drained after it was queued keeps nothing out.
        while events.len() < room && !self.port.queue.is_empty() {
            for (fd, stamp, _) in self.port.retrieve(room - events.len()) {
                let levels = self.port.levels(fd);
                events.extend(self.table.answer(fd, stamp, levels, self.now));
            }
        }
    }

    /// One wait that lasts no time.
    pub(super) fn select(&mut self, room: usize) -> Vec<Event> {
        let mut events = Vec::new();
        self.prepare(&mut events, room);
        self.harvest(&mut events, room);
        events
    }

    /// Waits until something happens, or there is nothing to wait for; the tokens of the events.
    pub(super) fn tokens(&mut self) -> Vec<usize> {
        let mut events = Vec::new();
        let mut waits = 0;
        while events.is_empty() {
            waits += 1;
            assert!(waits < 1000, "the poller spins");
            let wait = self.prepare(&mut events, 64);
            self.harvest(&mut events, 64);
            match wait {
                Wait::Forever => break,
                Wait::AtMost(time) => self.now += time.max(Duration::from_nanos(1)),
            }
        }
        events.iter().map(|event| event.token().0).collect()
    }
}
