//! What is registered with a port, what to ask of the port, and what to report of its answers.

use std::os::fd::RawFd as Raw;
use std::time::{Duration, Instant};

use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::base::wait::Wait;
use crate::sys::levels::Levels;
use crate::sys::rearm::Arm;

/// The registrations of one port.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// By descriptor, which the system keeps small.
    entries: Vec<Option<Entry>>,
    /// The newest stamp, and the newest registration.
    stamp: usize,
    registrations: u64,
    /// Descriptors whose association differs from what their entry wants.
    changed: Vec<Raw>,
    /// Descriptors about which silence says something, or time will.
    in_doubt: Vec<Raw>,
    /// Descriptors that the port takes no more, which is to be reported.
    failed: Vec<Raw>,
    /// The poller waits.
    pub(crate) is_waiting: bool,
    /// And the doorbell was rung since it began to.
    pub(crate) is_interrupted: bool,
    /// How many waits have ended.
    pub(crate) waits: u64,
}

/// One registration.
#[derive(Debug)]
struct Entry {
    registration: u64,
    /// What its events carry.
    stamp: usize,
    token: Token,
    arm: Arm,
    seen: bool,
    /// What the port was asked for, unless it has reported that.
    asked: Option<Levels>,
    /// How often the port has reported something.
    answers: u64,
    /// Listed in `Table::changed`.
    is_changed: bool,
    /// Listed in `Table::in_doubt`.
    is_listed: bool,
}

/// What to tell the port of one descriptor.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// To report any of these, with this stamp.
    Associate(Raw, Levels, usize),
    Dissociate(Raw),
}

/// What to look at without waiting.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) fd: Raw,
    pub(crate) asked: Levels,
    stamp: usize,
}

/// A registration that is about to be made: entered if the port takes the question.
#[derive(Debug)]
pub(crate) struct Draft {
    fd: Raw,
    token: Token,
    arm: Arm,
    seen: bool,
    asked: Option<Levels>,
    stamp: usize,
}

impl Draft {
    pub(crate) fn question(&self) -> Question {
        match self.asked {
            Some(asked) => Question::Associate(self.fd, asked, self.stamp),
            None => Question::Dissociate(self.fd),
        }
    }
}

impl Table {
    fn get(&self, fd: Raw) -> Option<&Entry> {
        self.entries.get(usize::try_from(fd).ok()?)?.as_ref()
    }

    fn entry(&mut self, fd: Raw) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(fd).ok()?)?.as_mut()
    }

    /// No fewer than the registrations.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Which registration a descriptor has.
    pub(crate) fn registration(&self, fd: Raw) -> Option<u64> {
        self.get(fd).map(|entry| entry.registration)
    }

    /// Whether the port should know the descriptor; if it does not, the file was closed.
    pub(crate) fn is_associated(&self, fd: Raw) -> bool {
        self.get(fd).is_some_and(|entry| entry.asked.is_some())
    }

    /// What is the same for as long as an association lasts: changes and answers end it.
    pub(crate) fn history(&self, fd: Raw) -> Option<(usize, u64)> {
        self.get(fd).map(|entry| (entry.stamp, entry.answers))
    }

    /// Whether its I/O passes through us, so that it ends before its descriptor is closed.
    pub(crate) fn is_seen(&self, fd: Raw) -> bool {
        self.get(fd).is_some_and(|entry| entry.seen)
    }

    /// The port knows nothing of the descriptor any more: it was asked, or is said to have been.
    pub(crate) fn forgotten(&mut self, fd: Raw) {
        if let Some(entry) = self.entry(fd) {
            entry.asked = None;
            self.touch(fd);
        }
    }

    /// The port refuses the descriptor for good: that is an error to be reported, once.
    pub(crate) fn refused(&mut self, fd: Raw) {
        let Some(entry) = self.entry(fd) else { return };
        entry.asked = None;
        entry.arm.give_up();
        self.failed.push(fd);
    }

    /// Whether there is something to report that the port will never tell.
    pub(crate) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Reports what the port has refused, at most `most`.
    pub(crate) fn report_failed(&mut self, most: usize, events: &mut Vec<Event>) {
        let number = most.min(self.failed.len());
        for fd in self.failed.drain(..number).collect::<Vec<_>>() {
            let token = self.get(fd).map(|entry| entry.token);
            events.extend(token.map(|token| Event::new(token, Levels::ERROR.readiness())));
        }
    }

    /// Everything that is asked for is armed: what is ready will be reported.
    pub(crate) fn draft(
        &mut self,
        fd: Raw,
        token: Token,
        interest: Interest,
        seen: bool,
        now: Instant,
    ) -> Draft {
        self.drafted(fd, token, Arm::new(interest, seen), seen, now)
    }

    /// The same for what is registered, whose I/O goes the way it went.
    pub(crate) fn redraft(
        &mut self,
        fd: Raw,
        token: Token,
        interest: Interest,
        now: Instant,
    ) -> Option<Draft> {
        let entry = self.get(fd)?;
        let (arm, seen) = (entry.arm.anew(interest), entry.seen);
        Some(self.drafted(fd, token, arm, seen, now))
    }

    fn drafted(&mut self, fd: Raw, token: Token, arm: Arm, seen: bool, now: Instant) -> Draft {
        self.stamp = self.stamp.wrapping_add(1);
        Draft {
            fd,
            token,
            asked: arm.ask(now),
            arm,
            seen,
            stamp: self.stamp,
        }
    }

    /// Enters what the port was asked for; tells which registration it is.
    pub(crate) fn occupy(&mut self, draft: Draft) -> u64 {
        self.registrations += 1;
        let registration = self.registrations;
        self.enter(draft, registration);
        registration
    }

    /// Enters what was changed.
    pub(crate) fn reoccupy(&mut self, draft: Draft) {
        if let Some(registration) = self.registration(draft.fd) {
            self.enter(draft, registration);
        }
    }

    fn enter(&mut self, draft: Draft, registration: u64) {
        let Ok(index) = usize::try_from(draft.fd) else {
            return; // the kernel has no such descriptor
        };
        if self.entries.len() <= index {
            self.entries.resize_with(index + 1, || None);
        }
        self.failed.retain(|failed| *failed != draft.fd);
        let before = self.entries[index].take();
        let is_listed = |listed: fn(&Entry) -> bool| before.as_ref().is_some_and(listed);
        self.entries[index] = Some(Entry {
            registration,
            stamp: draft.stamp,
            token: draft.token,
            arm: draft.arm,
            seen: draft.seen,
            asked: draft.asked,
            answers: 0,
            is_changed: is_listed(|entry| entry.is_changed),
            is_listed: is_listed(|entry| entry.is_listed),
        });
    }

    pub(crate) fn vacate(&mut self, fd: Raw) {
        if let Some(place) = usize::try_from(fd)
            .ok()
            .and_then(|index| self.entries.get_mut(index))
        {
            *place = None;
            self.changed.retain(|changed| *changed != fd);
            self.in_doubt.retain(|listed| *listed != fd);
            self.failed.retain(|failed| *failed != fd);
        }
    }

    /// Tells a registration's [`Arm`] something; whether it has to be looked at.
    pub(crate) fn tell(
        &mut self,
        fd: Raw,
        registration: u64,
        tell: impl FnOnce(&mut Arm),
    ) -> Option<bool> {
        let entry = self
            .entry(fd)
            .filter(|entry| entry.registration == registration)?;
        tell(&mut entry.arm);
        let is_in_doubt = entry.arm.is_in_doubt();
        self.touch(fd);
        Some(is_in_doubt)
    }

    /// The descriptor was handed out.
    pub(crate) fn expose(&mut self, fd: Raw, registration: u64) -> Option<bool> {
        if let Some(entry) = self.entry(fd) {
            entry.seen &= entry.registration != registration;
        }
        self.tell(fd, registration, Arm::expose)
    }

    /// Notes that an association is not what its entry wants.
    fn touch(&mut self, fd: Raw) {
        let Some(entry) = self.entry(fd) else { return };
        let is_new = !std::mem::replace(&mut entry.is_changed, true);
        let is_in_doubt = entry.arm.is_in_doubt();
        let was_listed = entry.is_listed;
        entry.is_listed |= is_in_doubt;
        if is_new {
            self.changed.push(fd);
        }
        if is_in_doubt && !was_listed {
            self.in_doubt.push(fd);
        }
    }

    /// What has to be looked at before the next wait: at most `most`.
    pub(crate) fn looks(&mut self, now: Instant, most: usize, looks: &mut Vec<Look>) {
        let mut listed = std::mem::take(&mut self.in_doubt);
        listed.retain(|&fd| {
            let Some(entry) = self.entry(fd) else {
                return false;
            };
            entry.is_listed = entry.arm.is_in_doubt();
            if !entry.is_listed {
                return false;
            }
            let is_due =
                entry.arm.wants_a_look() || entry.arm.next_look().is_some_and(|look| look <= now);
            if let (true, true, Some(asked)) = (is_due, looks.len() < most, entry.arm.ask(now)) {
                let stamp = entry.stamp;
                looks.push(Look { fd, asked, stamp });
            }
            true
        });
        // Who had no turn is first in the next.
        let number = listed.len();
        listed.rotate_left(looks.len().min(number));
        self.in_doubt = listed;
    }

    /// Takes what a look has found; silence is an answer too.
    pub(crate) fn looked(&mut self, look: &Look, levels: Levels, now: Instant) -> Option<Event> {
        let entry = self
            .entry(look.fd)
            .filter(|entry| entry.stamp == look.stamp)?;
        let report = entry.arm.observe(look.asked | Levels::ALWAYS, levels, now);
        let event = Event::new(entry.token, report.readiness());
        self.touch(look.fd);
        (!report.is_none()).then_some(event)
    }

    /// What to tell the port before the next wait.
    pub(crate) fn questions(&mut self, now: Instant, questions: &mut Vec<Question>) {
        for fd in std::mem::take(&mut self.changed) {
            questions.extend(self.question(fd, now));
        }
    }

    /// What to tell the port of one descriptor, if that differs from what it was told.
    pub(crate) fn question(&mut self, fd: Raw, now: Instant) -> Option<Question> {
        let entry = self.entry(fd)?;
        entry.is_changed = false;
        let wanted = entry.arm.ask(now);
        let before = std::mem::replace(&mut entry.asked, wanted);
        match wanted {
            Some(asked) if before != wanted => Some(Question::Associate(fd, asked, entry.stamp)),
            None if before.is_some() => Some(Question::Dissociate(fd)),
            _ => None,
        }
    }

    /// How long the next wait may last at most.
    pub(crate) fn limit(&self, now: Instant, wait: Wait) -> Wait {
        let looks = self.in_doubt.iter().filter_map(|&fd| {
            let arm = &self.get(fd)?.arm;
            if arm.wants_a_look() {
                return Some(Duration::ZERO);
            }
            Some(arm.next_look()?.saturating_duration_since(now))
        });
        looks.fold(wait, Wait::no_longer_than)
    }

    /// Takes an event of the port, which has forgotten the descriptor with it, and what holds now.
    pub(crate) fn answer(
        &mut self,
        fd: Raw,
        stamp: usize,
        levels: Levels,
        now: Instant,
    ) -> Option<Event> {
        let entry = self.entry(fd)?;
        let asked = entry.asked.take();
        entry.answers += 1;
        let is_current = entry.stamp == stamp && !entry.is_changed;
        let mut event = None;
        if let (true, Some(asked)) = (is_current, asked) {
            let asked = asked | Levels::ALWAYS;
            let report = entry.arm.observe(asked, levels & asked, now);
            event = (!report.is_none()).then(|| Event::new(entry.token, report.readiness()));
        }
        // Asked before the last change: the port is asked again.
        self.touch(fd);
        event
    }
}
