//! The registrations of one poll, and what is under way for each of them.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::diagnostics::log::trace;
use crate::sys::levels::Levels;
use crate::sys::rearm::Arm;
use crate::sys::windows::conditions;
use crate::sys::windows::flight::{is_gone, Flight, Pause, Step, Want};
use crate::sys::windows::os::afd::{self, Afd, Answer, Base, Look, Owner, Refusal, Request};
use crate::sys::windows::os::iocp::Port;
use crate::sys::windows::os::Raw;

/// How many registrations share one opened driver.
///
/// To call a request back the system looks through all those made with the same handle, so they
/// must not be too many; and a handle for each would cost as much memory as the socket itself.
const GROUP: usize = 32;

/// The registrations, each in a slot of its own.
#[derive(Debug)]
pub(crate) struct Table {
    look: Look,
    /// The driver for each `GROUP` of slots.
    drivers: Vec<Afd>,
    slots: Vec<Slot>,
    vacant: Vec<usize>,
    by_socket: HashMap<Raw, usize>,
    /// Slots that may want another question than the one in flight.
    changed: Vec<usize>,
    /// Slots to look at: in doubt, between two questions, or refused by the driver.
    doubtful: VecDeque<usize>,
    /// Tells the registrations of one slot apart.
    registrations: u64,
    /// How many waits have begun.
    pub(crate) turn: u64,
    /// The poller waits.
    pub(crate) is_waiting: bool,
    /// How many packets of requests will come.
    pub(crate) in_flight: usize,
    /// The poll is gone: nothing is asked any more.
    is_closed: bool,
}

#[derive(Debug)]
struct Slot {
    /// `None` when vacant.
    socket: Option<(Raw, Base)>,
    registration: u64,
    token: Token,
    arm: Arm,
    /// Whether I/O passes through us.
    seen: bool,
    /// Whether nobody has the registration any more, so that nobody ends it.
    is_abandoned: bool,
    /// Level or one-shot: reported as it is when it is reported.
    is_exact: bool,
    request: Arc<Request>,
    flight: Flight,
    /// The answer under way may be about what was drained since.
    is_suspect: bool,
    /// The driver has refused to answer, and is left alone for a while.
    pause: Pause,
    /// Listed in `Table::changed`.
    changed: bool,
    /// Listed in `Table::doubtful`.
    doubtful: bool,
}

impl Table {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            look: Look::open()?,
            drivers: Vec::new(),
            slots: Vec::new(),
            vacant: Vec::new(),
            by_socket: HashMap::new(),
            changed: Vec::new(),
            doubtful: VecDeque::new(),
            registrations: 0,
            turn: 0,
            is_waiting: false,
            in_flight: 0,
            is_closed: false,
        })
    }

    /// The slot of a registration that lasts.
    pub(crate) fn find(&self, owner: Owner) -> Option<usize> {
        let slot = self.slots.get(owner.index)?;
        let is_it = slot.socket.is_some() && slot.registration == owner.registration;
        is_it.then_some(owner.index)
    }

    pub(crate) fn find_socket(&self, raw: Raw) -> Option<usize> {
        self.by_socket.get(&raw).copied()
    }

    /// Takes a new registration.
    pub(crate) fn occupy(
        &mut self,
        port: &Port,
        (raw, base): (Raw, Base),
        token: Token,
        interest: Interest,
        seen: bool,
    ) -> io::Result<Owner> {
        if let Some(index) = self.find_socket(raw) {
            if !self.slots[index].is_abandoned {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "the socket is registered already",
                ));
            }
            // It may be closed, and this a new one with its number.
            self.vacate(index);
        }
        let index = self.vacant.last().copied().unwrap_or(self.slots.len());
        if index / GROUP == self.drivers.len() {
            self.drivers.push(Afd::open(port)?);
        }
        self.registrations += 1;
        let owner = Owner {
            index,
            registration: self.registrations,
        };
        let slot = Slot {
            socket: Some((raw, base)),
            registration: owner.registration,
            token,
            arm: Arm::new(interest, seen),
            seen,
            is_abandoned: false,
            is_exact: is_exact(interest),
            request: Request::new(owner),
            flight: Flight::Nothing,
            is_suspect: false,
            pause: Pause::NONE,
            changed: false,
            doubtful: false,
        };
        match self.slots.get_mut(index) {
            // The lists may have it still.
            Some(old) => {
                *old = Slot {
                    changed: old.changed,
                    doubtful: old.doubtful,
                    ..slot
                };
                self.vacant.pop();
            }
            None => self.slots.push(slot),
        }
        self.by_socket.insert(raw, index);
        Ok(owner)
    }

    /// Gives a registration another token and interest, and arms it anew. Says whether the poller has
    /// to be interrupted; an error, that the driver refuses, and everything is as it was.
    pub(crate) fn reoccupy(
        &mut self,
        index: usize,
        token: Token,
        interest: Interest,
    ) -> Result<bool, Refusal> {
        let slot = &mut self.slots[index];
        let arm = slot.arm.anew(interest);
        let before = (
            std::mem::replace(&mut slot.token, token),
            std::mem::replace(&mut slot.arm, arm),
            std::mem::replace(&mut slot.is_exact, is_exact(interest)),
            std::mem::replace(&mut slot.is_suspect, true),
            slot.pause,
        );
        // Whoever registers anew is answered now.
        slot.pause.end();
        if !self.is_waiting {
            self.list(index);
            return Ok(false);
        }
        if let Err(refusal) = self.ask(index, Instant::now()) {
            let slot = &mut self.slots[index];
            (
                slot.token,
                slot.arm,
                slot.is_exact,
                slot.is_suspect,
                slot.pause,
            ) = before;
            return Err(refusal);
        }
        Ok(self.list_doubt(index))
    }

    /// Ends a registration. What is in flight for it ends by itself, and is nobody's then.
    pub(crate) fn vacate(&mut self, index: usize) {
        self.call_back(index);
        let slot = &mut self.slots[index];
        if let Some((raw, _)) = slot.socket.take() {
            self.by_socket.remove(&raw);
            self.vacant.push(index);
        }
    }

    /// Whoever had the registration has left it to the socket: it lasts until that is closed.
    pub(crate) fn abandon(&mut self, index: usize) {
        self.slots[index].is_abandoned = true;
    }

    /// Changes what is known of a source; what is under way was asked before.
    pub(crate) fn adjust(&mut self, index: usize, change: impl FnOnce(&mut Arm)) {
        let slot = &mut self.slots[index];
        change(&mut slot.arm);
        slot.is_suspect = true;
    }

    /// The source's I/O does not pass through us any more.
    pub(crate) fn expose(&mut self, index: usize) {
        self.slots[index].seen = false;
        self.adjust(index, Arm::expose);
    }

    /// Lets a change take effect: at once if the poller waits, and before its next wait if not.
    /// Says whether the poller has to be interrupted, to look for itself.
    pub(crate) fn touch(&mut self, index: usize) -> bool {
        if !self.is_waiting {
            self.list(index);
            return false;
        }
        // If the driver refuses, the poller has to know when to ask again.
        self.ask_or_retry(index, Instant::now());
        self.list_doubt(index)
    }

    /// Lists a slot to be asked about before the next wait.
    fn list(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if !slot.changed {
            slot.changed = true;
            self.changed.push(index);
        }
    }

    /// Asks what a new registration wants to know; an error says that it cannot be asked.
    pub(crate) fn ask_first(&mut self, index: usize) -> Result<(), Refusal> {
        let refusal = match self.ask(index, Instant::now()) {
            Err(refusal) if is_gone(refusal.status) => refusal,
            outcome => return outcome,
        };
        // The socket is there, or it would have no base. So it may be that this was not it.
        let socket = &mut self.slots[index].socket;
        let other = socket.and_then(|(raw, base)| Some((raw, afd::base_instead(raw, base)?)));
        if other.is_none() {
            return Err(refusal);
        }
        *socket = other;
        self.ask(index, Instant::now())
    }

    /// Asks for everything that has changed since the last wait.
    pub(crate) fn ask_all(&mut self, now: Instant) {
        for index in std::mem::take(&mut self.changed) {
            self.slots[index].changed = false;
            if self.slots[index].socket.is_none() {
                continue;
            }
            self.ask_or_retry(index, now);
            self.list_doubt(index);
        }
    }

    /// Makes the question in flight the right one, unless the driver is left alone.
    fn ask(&mut self, index: usize, now: Instant) -> Result<(), Refusal> {
        let slot = &mut self.slots[index];
        let Some((_, base)) = slot.socket.filter(|_| !self.is_closed) else {
            return Ok(());
        };
        let want = match slot.arm.ask(now) {
            Some(_) if slot.arm.wants_a_look() => Want::Look,
            Some(levels) => Want::Levels(levels),
            None if slot.seen => Want::Nothing,
            None => Want::End,
        };
        let levels = match slot.flight.step(want) {
            Step::Leave => return Ok(()),
            Step::CallBack => {
                self.call_back(index);
                return Ok(());
            }
            Step::Ask(_) if slot.pause.lasts(now) => return Ok(()),
            Step::Ask(levels) => levels,
        };
        let question = conditions::question(levels);
        self.drivers[index / GROUP].poll(&slot.request, base, question)?;
        slot.pause.end();
        slot.flight = Flight::Asked {
            levels,
            turn: self.turn,
        };
        slot.is_suspect = false;
        self.in_flight += 1;
        Ok(())
    }

    /// Looks at the slots that are in doubt, as far as there is room for events. Says for how long
    /// nothing else has to be looked at.
    pub(crate) fn look_around(
        &mut self,
        now: Instant,
        events: &mut Vec<Event>,
        most: usize,
    ) -> Option<Duration> {
        let mut quiet = None;
        for _ in 0..self.doubtful.len() {
            let Some(index) = self.doubtful.pop_front() else {
                break;
            };
            let slot = &mut self.slots[index];
            slot.doubtful = false;
            if slot.socket.is_none() {
                continue;
            }
            let lasts = slot.pause.lasts(now);
            let was_refused = slot.pause.until().is_some() && !lasts;
            let wants_a_look = slot.arm.wants_a_look() || slot.flight == Flight::Cancelled;
            let is_due = slot.arm.next_look().is_some_and(|look| look <= now);
            let is_looked_at = (wants_a_look || is_due) && !lasts;
            let asked = slot.arm.ask(now).filter(|_| is_looked_at);
            if let Some(asked) = asked {
                if events.len() == most {
                    // It is the first of the next time.
                    slot.doubtful = true;
                    self.doubtful.push_front(index);
                    return Some(Duration::ZERO);
                }
                slot.pause.end();
                events.extend(self.look_at(index, asked, now));
                self.ask_or_retry(index, now);
            } else if was_refused {
                slot.pause.end();
                self.ask_or_retry(index, now);
            }
            self.list_doubt(index);
            let slot = &self.slots[index];
            // Before the end of a pause nothing is done, whatever is due.
            let next = slot.pause.until().or_else(|| slot.arm.next_look());
            if let Some(look) = next.filter(|_| slot.doubtful) {
                let time = look.saturating_duration_since(now);
                quiet = Some(quiet.map_or(time, |quiet: Duration| quiet.min(time)));
            }
        }
        quiet
    }

    /// Asks the driver about this moment.
    fn look_at(&mut self, index: usize, asked: Levels, now: Instant) -> Option<Event> {
        let slot = &mut self.slots[index];
        let (_, base) = slot.socket?;
        match self.look.at(base, conditions::question(asked)) {
            Ok(answer) => {
                let levels = conditions::levels(asked, answer);
                slot.observe(asked, levels, now)
            }
            Err(refusal) => {
                self.take_refusal(index, refusal, now);
                None
            }
        }
    }

    /// Takes the driver's answer to a request; the event, if there is one to report.
    pub(crate) fn answer(
        &mut self,
        request: &Arc<Request>,
        answer: Answer,
        now: Instant,
    ) -> Option<Event> {
        self.in_flight -= 1;
        let index = request.owner.index;
        let slot = self.slots.get_mut(index)?;
        if !Arc::ptr_eq(&slot.request, request) {
            return None; // of an earlier registration
        }
        let flight = std::mem::replace(&mut slot.flight, Flight::Nothing);
        slot.socket?;
        let bits = match answer {
            Answer::Holds(bits) if bits & conditions::LOCAL_CLOSE == 0 => bits,
            Answer::Cancelled => {
                self.list(index);
                return None;
            }
            Answer::Holds(_) => {
                trace!("iocp: {:?} was closed while registered", slot.token);
                self.vacate(index);
                return None;
            }
            Answer::Refused(refusal) => {
                self.list(index);
                self.take_refusal(index, refusal, now);
                self.list_doubt(index);
                return None;
            }
        };
        self.list(index);
        let slot = &mut self.slots[index];
        slot.pause = Pause::NONE;
        let believed = flight.believed(slot.is_suspect, slot.is_exact, self.turn);
        let event = if let Some(asked) = believed {
            slot.observe(asked, conditions::levels(asked, bits), now)
        } else {
            let asked = slot.arm.ask(now)?;
            self.look_at(index, asked, now)
        };
        self.list_doubt(index);
        event
    }

    /// Makes the question in flight the right one; if the driver refuses, later.
    fn ask_or_retry(&mut self, index: usize, now: Instant) {
        if let Err(refusal) = self.ask(index, now) {
            self.take_refusal(index, refusal, now);
        }
    }

    /// The driver does not answer: for good if the socket is gone, and for a while if not.
    fn take_refusal(&mut self, index: usize, refusal: Refusal, now: Instant) {
        let slot = &mut self.slots[index];
        trace!("iocp: {:?} is refused by the driver: {refusal}", slot.token);
        if is_gone(refusal.status) {
            // Closed without being deregistered; other systems forget it just so.
            self.vacate(index);
        } else {
            slot.pause.begin(now);
        }
    }

    /// The poll is gone: calls everything back that is in flight.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        for index in 0..self.slots.len() {
            self.call_back(index);
        }
    }

    fn call_back(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if !matches!(slot.flight, Flight::Asked { .. }) {
            return;
        }
        slot.flight = Flight::Cancelled;
        // A failure says that it is over, and its packet is on its way.
        if let Err(err) = self.drivers[index / GROUP].cancel(&slot.request) {
            trace!("iocp: a request cannot be called back: {err}");
            let _ = err;
        }
    }

    /// Lists a slot that has to be looked at or asked about later; whether that is so.
    fn list_doubt(&mut self, index: usize) -> bool {
        let slot = &mut self.slots[index];
        let is_doubtful = slot.socket.is_some()
            && (slot.flight == Flight::Cancelled
                || slot.pause.until().is_some()
                || slot.arm.is_in_doubt());
        if is_doubtful && !slot.doubtful {
            slot.doubtful = true;
            self.doubtful.push_back(index);
        }
        is_doubtful && slot.flight != Flight::Cancelled
    }
}

impl Slot {
    /// The event, if there is one to report.
    fn observe(&mut self, asked: Levels, levels: Levels, now: Instant) -> Option<Event> {
        let report = self.arm.observe(asked | Levels::ALWAYS, levels, now);
        (!report.is_none()).then(|| Event::new(self.token, report.readiness()))
    }
}

fn is_exact(interest: Interest) -> bool {
    interest.is_level() || interest.is_oneshot()
}
