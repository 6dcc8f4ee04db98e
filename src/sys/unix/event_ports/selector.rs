//! The calls of one port, and between them its [`Table`].

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::table::{Look, Question, Table};
use crate::base::backend::Backend;
use crate::base::blocked::Blocked;
use crate::base::busy_poll::{self, BusyPoll};
use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::base::wait::Wait;
use crate::diagnostics::log::trace;
use crate::sys::unix::doorbell::Doorbell;
use crate::sys::unix::os::event_ports::{self, List};
use crate::sys::unix::os::poll::{self, check_open, check_pollable, pollfd};
use crate::sys::unix::os::Raw;
use crate::sys::unix::poll::{bits, levels};

/// One port, and what is registered with it.
pub(crate) struct Selector {
    shared: Arc<Shared>,
}

struct Shared {
    port: Arc<OwnedFd>,
    doorbell: Doorbell,
    table: Mutex<Table>,
    /// Told when a wait ends.
    wait_ended: Condvar,
}

/// What a source holds whose I/O passes through us; ends the registration when it is dropped.
pub(crate) struct Registration {
    shared: Arc<Shared>,
    fd: Raw,
    number: u64,
    is_detached: bool,
}

/// What is used in each wait, kept from one to the next.
#[derive(Default)]
pub(crate) struct Buffer {
    events: List,
    looks: Vec<Look>,
    looked_at: Vec<pollfd>,
    questions: Vec<Question>,
}

impl Selector {
    pub(crate) fn new(backend: Backend) -> io::Result<(Self, Doorbell)> {
        backend.require(Backend::EventPorts)?;
        let port = Arc::new(event_ports::create()?);
        let doorbell = Doorbell::on(Arc::clone(&port));
        let shared = Arc::new(Shared {
            port,
            doorbell: doorbell.clone(),
            table: Mutex::default(),
            wait_ended: Condvar::new(),
        });
        Ok((Self { shared }, doorbell))
    }

    pub(crate) fn backend(&self) -> Backend {
        Backend::EventPorts
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
        let most = events.len().saturating_add(room);
        let known = events.len();
        let outcome = self.prepare(buffer, events, room, wait).and_then(|wait| {
            let has_found = events.len() > known;
            let wait = if has_found { Wait::NONE } else { wait };
            self.harvest(buffer, events, most, wait)
        });
        self.shared.end_wait();
        // What was found already is not lost to an interruption.
        if events.is_empty() {
            outcome
        } else {
            Ok(())
        }
    }

    /// Looks at what is in doubt, and asks the port about what has changed; says how long to wait
    /// before something has to be looked at.
    fn prepare(
        &self,
        buffer: &mut Buffer,
        events: &mut Vec<Event>,
        room: usize,
        wait: Wait,
    ) -> io::Result<Wait> {
        let mut table = self.shared.table();
        let now = Instant::now();
        let known = events.len();
        buffer.looks.clear();
        table.looks(now, room, &mut buffer.looks);
        look(&mut table, buffer, events, now);
        buffer.questions.clear();
        table.questions(now, &mut buffer.questions);
        let mut outcome = Ok(());
        for question in &buffer.questions {
            outcome = outcome.and(self.shared.ask_again(&mut table, *question));
        }
        table.report_failed(room.saturating_sub(events.len() - known), events);
        outcome?;
        let wait = if table.has_failed() {
            Wait::NONE
        } else {
            table.limit(now, wait)
        };
        table.is_waiting = true;
        table.is_interrupted = wait.is_none();
        Ok(wait)
    }

    fn harvest(
        &self,
        buffer: &mut Buffer,
        events: &mut Vec<Event>,
        most: usize,
        mut wait: Wait,
    ) -> io::Result<()> {
        // The doorbell and what was drained since it was queued fill batches that report nothing. What they keep
        // out has its turn, and nobody who goes on ringing keeps us here: of a descriptor one event is queued.
        let mut fruitless = 0;
        while events.len() < most {
            let room = (most - events.len()).min(event_ports::MOST_EVENTS);
            let port = self.shared.port.as_fd();
            event_ports::wait(port, &mut buffer.events, room, wait)?;
            if buffer.events.is_alert() {
                // Whoever rings from now on is heard in the next wait; what he rang for is looked at after
                // this one.
                event_ports::end_alert(port)?;
                wait = Wait::NONE;
                // Nobody who goes on ringing keeps us here.
                fruitless += 1;
                if fruitless > 1 + self.shared.table().len() {
                    break;
                }
                continue;
            }
            let known = events.len();
            buffer.look_again();
            let mut table = self.shared.table();
            let now = Instant::now();
            for (event, answer) in buffer.events.iter().zip(&buffer.looked_at) {
                trace!("event ports: {event:?}, and now {:#x}", answer.revents);
                events.extend(table.answer(event.fd, event.user, levels(answer.revents), now));
            }
            fruitless += usize::from(events.len() == known);
            if buffer.events.len() < room || fruitless > 1 + table.len() {
                break;
            }
            drop(table);
            wait = Wait::NONE;
        }
        Ok(())
    }

    pub(crate) fn register(
        &self,
        raw: Raw,
        token: Token,
        interest: Interest,
    ) -> io::Result<Option<Registration>> {
        let number = self.insert(raw, token, interest, true)?;
        Ok(Some(Registration {
            shared: Arc::clone(&self.shared),
            fd: raw,
            number,
            is_detached: false,
        }))
    }

    pub(crate) fn reregister(
        &self,
        raw: Raw,
        registration: &Registration,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.change(raw, Some(registration.number), token, interest)
    }

    pub(crate) fn deregister(&self, raw: Raw, registration: &Registration) -> io::Result<()> {
        self.shared.remove(raw, Some(registration.number))
    }

    pub(crate) fn register_unseen(
        &self,
        raw: Raw,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        check_pollable(raw)?;
        self.insert(raw, token, interest, false).map(drop)
    }

    pub(crate) fn reregister_unseen(
        &self,
        raw: Raw,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        check_open(raw)?;
        self.change(raw, None, token, interest)
    }

    pub(crate) fn deregister_unseen(&self, raw: Raw) -> io::Result<()> {
        check_open(raw)?;
        self.shared.remove(raw, None)
    }

    fn insert(&self, raw: Raw, token: Token, interest: Interest, seen: bool) -> io::Result<u64> {
        require_shareable(interest)?;
        if raw == self.shared.port.as_raw_fd() {
            return Err(io::Error::from_raw_os_error(poll::INVALID));
        }
        let (mut table, stands) = self.shared.stands(raw);
        if stands {
            return Err(io::Error::from_raw_os_error(poll::ALREADY_EXISTS));
        }
        table.vacate(raw);
        let draft = table.draft(raw, token, interest, seen, Instant::now());
        self.shared.ask(draft.question())?;
        Ok(table.occupy(draft))
    }

    fn change(
        &self,
        raw: Raw,
        number: Option<u64>,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        require_shareable(interest)?;
        let mut table = self.shared.table();
        self.shared.require(&table, raw, number)?;
        let draft = table.redraft(raw, token, interest, Instant::now());
        let draft = draft.ok_or_else(not_registered)?;
        self.shared.ask(draft.question())?;
        table.reoccupy(draft);
        Ok(())
    }
}

impl Buffer {
    /// Asks poll(2) what holds now of the descriptors that the port has reported: an event tells what
    /// was so when it was queued, which may have been drained since.
    fn look_again(&mut self) {
        self.looked_at.clear();
        self.looked_at
            .extend(self.events.iter().map(|event| pollfd {
                fd: event.fd,
                events: poll::IN | poll::OUT | poll::PRI | poll::RDHUP,
                revents: event.events,
            }));
        if self.looked_at.is_empty() {
            return;
        }
        if poll::poll(&mut self.looked_at, Wait::NONE).is_err() {
            for (answer, event) in self.looked_at.iter_mut().zip(self.events.iter()) {
                answer.revents = event.events;
            }
        }
    }
}

/// Asks poll(2) about what is in doubt.
fn look(table: &mut Table, buffer: &mut Buffer, events: &mut Vec<Event>, now: Instant) {
    if buffer.looks.is_empty() {
        return;
    }
    buffer.looked_at.clear();
    buffer
        .looked_at
        .extend(buffer.looks.iter().map(|look| pollfd {
            fd: look.fd,
            events: bits(look.asked),
            revents: 0,
        }));
    if poll::poll(&mut buffer.looked_at, Wait::NONE).is_err() {
        return; // the next wait looks again
    }
    for (look, answer) in buffer.looks.iter().zip(&buffer.looked_at) {
        if answer.revents & poll::NVAL != 0 {
            // Closed without being deregistered; the port has forgotten it just so.
            table.vacate(look.fd);
        } else {
            events.extend(table.looked(look, levels(answer.revents), now));
        }
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, question: Question) -> io::Result<()> {
        let port = self.port.as_fd();
        match question {
            Question::Associate(fd, asked, stamp) => {
                let events = bits(asked) | poll::ERR | poll::HUP;
                event_ports::associate(port, fd, events, stamp)
            }
            Question::Dissociate(fd) => match event_ports::dissociate(port, fd) {
                Err(err) if err.raw_os_error() == Some(poll::NOT_FOUND) => Ok(()),
                outcome => outcome,
            },
        }
    }

    /// Asks about a descriptor that the port has taken questions about before.
    fn ask_again(&self, table: &mut Table, question: Question) -> io::Result<()> {
        let Err(err) = self.ask(question) else {
            return Ok(());
        };
        let (Question::Associate(fd, ..) | Question::Dissociate(fd)) = question;
        if event_ports::is_closed(&err) {
            trace!("event ports: {fd} was closed while registered");
            table.vacate(fd);
            return Ok(());
        }
        if event_ports::is_full(&err) {
            // To be tried again.
            table.forgotten(fd);
            return Err(err);
        }
        // A device that was revoked, or has failed (`ENXIO`, `EIO`): no matter to the other sources.
        trace!("event ports: {fd} cannot be watched any more: {err}");
        table.refused(fd);
        Ok(())
    }

    /// Whether a descriptor has an entry that belongs to the file with that number. The port is asked, if it
    /// was told of it and that may have been closed without our knowing.
    fn stands(&self, fd: Raw) -> (MutexGuard<'_, Table>, bool) {
        let mut table = self.table();
        loop {
            if !table.is_associated(fd) || table.is_seen(fd) {
                let stands = table.registration(fd).is_some();
                return (table, stands);
            }
            if event_ports::dissociate(self.port.as_fd(), fd).is_ok() {
                table.forgotten(fd);
                self.settle(&mut table, fd);
                return (table, true);
            }
            if !table.is_waiting {
                return (table, false);
            }
            // The poller may have retrieved an event, and with it the association, and not told the table
            // yet. When that wait has ended it has.
            let history = table.history(fd);
            self.interrupt(&mut table);
            let wait = table.waits;
            while table.is_waiting && table.waits == wait {
                table = self
                    .wait_ended
                    .wait(table)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if table.history(fd) == history {
                return (table, false);
            }
        }
    }

    fn end_wait(&self) {
        let mut table = self.table();
        table.is_waiting = false;
        table.waits = table.waits.wrapping_add(1);
        self.wait_ended.notify_all();
    }

    /// Asks the port what an entry wants, now.
    fn settle(&self, table: &mut Table, fd: Raw) {
        if let Some(question) = table.question(fd, Instant::now()) {
            // What fails is tried again by the poller, which can say so.
            let _ = self.ask_again(table, question);
        }
        if table.has_failed() {
            self.interrupt(table);
        }
    }

    /// Makes a poller that waits return; once, since whoever comes next finds it interrupted.
    fn interrupt(&self, table: &mut Table) {
        if table.is_waiting && !std::mem::replace(&mut table.is_interrupted, true) {
            // A failure to interrupt the poller is the doorbell's, which has none.
            let _ = self.doorbell.ring();
        }
    }

    fn require(&self, table: &Table, fd: Raw, number: Option<u64>) -> io::Result<()> {
        match table.registration(fd) {
            Some(known) if number.map_or(true, |number| number == known) => Ok(()),
            _ => Err(not_registered()),
        }
    }

    fn remove(&self, fd: Raw, number: Option<u64>) -> io::Result<()> {
        let mut table = self.table();
        self.require(&table, fd, number)?;
        table.vacate(fd);
        self.ask(Question::Dissociate(fd))
    }
}

impl Registration {
    pub(crate) fn blocked(&self, direction: Blocked) {
        self.tell(|table| table.tell(self.fd, self.number, |arm| arm.blocked(direction)));
    }

    pub(crate) fn fell_short(&self, way: Blocked) {
        self.tell(|table| table.tell(self.fd, self.number, |arm| arm.fell_short(way)));
    }

    /// The descriptor was handed out.
    pub(crate) fn exposed(&self) {
        self.tell(|table| table.expose(self.fd, self.number));
    }

    /// The source goes on without us: it is unseen, and registered until it is closed.
    pub(crate) fn detach(mut self) {
        self.exposed();
        self.is_detached = true;
    }

    /// Changes what is known of the source. A poller that waits asks the port too late, so it is asked here;
    /// what has to be looked at only he can.
    fn tell(&self, tell: impl FnOnce(&mut Table) -> Option<bool>) {
        let mut table = self.shared.table();
        let Some(is_in_doubt) = tell(&mut table) else {
            return;
        };
        if !table.is_waiting {
            return;
        }
        if !is_in_doubt {
            self.shared.settle(&mut table, self.fd);
        } else {
            self.shared.interrupt(&mut table);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if !self.is_detached {
            // An error says that it was deregistered before.
            let _ = self.shared.remove(self.fd, Some(self.number));
        }
    }
}

/// A port wakes one of those who wait for it, but each has its own.
fn require_shareable(interest: Interest) -> io::Result<()> {
    if interest.is_exclusive() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "exclusive interest needs epoll(7); event ports wake every poll that watches a source",
        ));
    }
    Ok(())
}

fn not_registered() -> io::Error {
    io::Error::from_raw_os_error(poll::NOT_FOUND)
}

/// Becomes readable on wakes, and for sources that the port was asked about.
impl AsFd for Selector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.port.as_fd()
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventPorts")
            .field("fd", &self.shared.port.as_raw_fd())
            .finish()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("fd", &self.fd)
            .field("number", &self.number)
            .finish()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("capacity", &self.events.capacity())
            .finish()
    }
}
