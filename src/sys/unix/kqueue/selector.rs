//! The calls of one queue, and between them [`Table`], [`plan`] and [`registrations`].

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::filter::{part_fflags, Filter, Filters, Notice};
use super::plan::{self, Action, Answer, Change, Delivery, Outcome};
use super::registrations::{self, Kernel, Refused};
use super::table::{Entry, Rounds, Table, Taken};
use crate::base::backend::Backend;
use crate::base::blocked::Blocked;
use crate::base::busy_poll::{self, BusyPoll};
use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::base::wait::Wait;
use crate::diagnostics::log::trace;
use crate::sys::unix::doorbell::Doorbell;
use crate::sys::unix::os::kqueue::{self, Fields, Kevent, List};
use crate::sys::unix::os::poll::{self, check_open, check_pollable};
use crate::sys::unix::os::Raw;

/// One queue, and what is registered with it.
pub(crate) struct Selector {
    queue: Arc<OwnedFd>,
    doorbell: Doorbell,
    /// The doorbell's descriptor, if it is a pipe.
    bell: Option<Raw>,
    table: Arc<Mutex<Table>>,
}

/// What a source holds whose I/O passes through us; forgets the registration when it is dropped.
///
/// The kernel forgets it when the descriptor is closed, just after that.
#[derive(Debug)]
pub(crate) struct Registration {
    table: Arc<Mutex<Table>>,
    fd: Raw,
    number: u64,
    is_detached: bool,
}

/// Where the kernel puts its events, kept from wait to wait.
#[derive(Default)]
pub(crate) struct Buffer {
    events: List,
}

impl Selector {
    pub(crate) fn new(backend: Backend) -> io::Result<(Self, Doorbell)> {
        backend.require(Backend::Kqueue)?;
        let queue = Arc::new(kqueue::create()?);
        let (doorbell, bell) = hang_up_a_doorbell(&queue)?;
        let selector = Self {
            queue,
            doorbell: doorbell.clone(),
            bell,
            table: Arc::default(),
        };
        Ok((selector, doorbell))
    }

    pub(crate) fn backend(&self) -> Backend {
        Backend::Kqueue
    }

    pub(crate) fn busy_poll(&self, _parameters: &BusyPoll) -> io::Result<()> {
        busy_poll::needs_epoll()
    }

    pub(crate) fn select(
        &self,
        buffer: &mut Buffer,
        events: &mut Vec<Event>,
        room: usize,
        mut wait: Wait,
    ) -> io::Result<()> {
        let most = events.len().saturating_add(room);
        let has_broken = {
            let mut table = self.table();
            let has_broken = table.begin();
            if has_broken && table.broken_go_first() {
                table.report_broken(events, most);
            }
            has_broken
        };
        if has_broken {
            wait = Wait::NONE;
        }
        self.harvest(buffer, events, most, wait)?;
        if has_broken {
            self.table().report_broken(events, most);
        }
        Ok(())
    }

    /// Takes events from the queue until there is no room, or no news.
    fn harvest(
        &self,
        buffer: &mut Buffer,
        events: &mut Vec<Event>,
        most: usize,
        mut wait: Wait,
    ) -> io::Result<()> {
        let mut rounds = Rounds::default();
        while events.len() < most {
            let room = most - events.len();
            match kqueue::wait(self.queue.as_fd(), &mut buffer.events, room, wait) {
                // What was taken already is not lost to an interruption.
                Err(_) if !events.is_empty() => return Ok(()),
                outcome => outcome?,
            }
            let known = events.len();
            let has_news = self.take(&buffer.events, events);
            let is_full = buffer.events.len() >= room;
            if !is_full || !has_news || !rounds.goes_on(events.len() > known, &self.table()) {
                return Ok(());
            }
            wait = Wait::NONE;
        }
        Ok(())
    }

    /// Makes events of a batch; whether all of it was new.
    fn take(&self, batch: &List, events: &mut Vec<Event>) -> bool {
        let mut has_news = true;
        let mut is_rung = false;
        let mut table = self.table();
        for fields in batch.iter() {
            if self.is_bell(&fields) {
                is_rung = true;
                continue;
            }
            trace!("kqueue: {fields:?}");
            has_news &= table.report(&notice(&fields), events) != Taken::Again;
        }
        drop(table);
        if is_rung {
            self.doorbell.silence();
        }
        has_news
    }

    fn is_bell(&self, fields: &Fields) -> bool {
        // The numbers of requests and of whatever else has a filter are no descriptors.
        let is_bell = |bell| fields.filter == kqueue::READ && fields.ident == ident(bell);
        Some(fields.filter) == kqueue::USER || self.bell.is_some_and(is_bell)
    }

    pub(crate) fn register(
        &self,
        raw: Raw,
        token: Token,
        interest: Interest,
    ) -> io::Result<Option<Registration>> {
        let number = self.insert(raw, token, interest, true)?;
        Ok(Some(Registration {
            table: Arc::clone(&self.table),
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
        let number = registration.number;
        let find = |table: &Table| table.registered(raw, number).cloned();
        self.change(raw, find, token, interest)
    }

    pub(crate) fn deregister(&self, raw: Raw, registration: &Registration) -> io::Result<()> {
        let number = registration.number;
        self.remove(raw, |table| table.registered(raw, number).cloned())
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
        self.change(raw, |table| table.get(raw).cloned(), token, interest)
    }

    pub(crate) fn deregister_unseen(&self, raw: Raw) -> io::Result<()> {
        self.remove(raw, |table| table.get(raw).cloned())
    }

    fn insert(&self, raw: Raw, token: Token, interest: Interest, is_seen: bool) -> io::Result<u64> {
        require_possible(interest)?;
        if raw == self.queue.as_raw_fd() || Some(raw) == self.bell {
            return Err(io::Error::from_raw_os_error(poll::INVALID));
        }
        let mut table = self.table();
        let kernel = &mut self.kernel();
        let outcome = registrations::register(&mut table, kernel, raw, token, interest, is_seen);
        self.announce(table, raw);
        outcome.map_err(|refused| explain(raw, refused))
    }

    fn change(
        &self,
        raw: Raw,
        find: impl FnOnce(&Table) -> Option<Entry>,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        require_possible(interest)?;
        let mut table = self.table();
        let old = find(&table);
        let outcome =
            registrations::reregister(&mut table, &mut self.kernel(), raw, old, token, interest);
        self.announce(table, raw);
        outcome.map_err(|refused| explain(raw, refused))
    }

    /// Makes a poller that waits look at the table, if that has something to report of which the
    /// kernel will never tell.
    fn announce(&self, table: MutexGuard<'_, Table>, raw: Raw) {
        let is_news = table.is_broken(raw);
        drop(table);
        if is_news {
            // A failure to interrupt the poller is the doorbell's, which has none.
            let _ = self.doorbell.ring();
        }
    }

    fn remove(&self, raw: Raw, find: impl FnOnce(&Table) -> Option<Entry>) -> io::Result<()> {
        let mut table = self.table();
        let old = find(&table);
        registrations::deregister(&mut table, &mut self.kernel(), raw, old)
            .map_err(|refused| explain(raw, refused))
    }

    fn kernel(&self) -> Queue<'_> {
        Queue(self.queue.as_fd())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration {
    pub(crate) fn blocked(&self, _direction: Blocked) {}

    pub(crate) fn fell_short(&self, _way: Blocked) {}

    pub(crate) fn exposed(&self) {}

    /// The source goes on without us, registered until it is closed.
    pub(crate) fn detach(mut self) {
        self.table().detach(self.fd, self.number);
        self.is_detached = true;
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.is_detached {
            return;
        }
        let mut table = self.table();
        if table.registered(self.fd, self.number).is_some() {
            table.vacate(self.fd);
        }
    }
}

/// The user event of the queue.
#[cfg(doorbell = "kqueue")]
fn hang_up_a_doorbell(queue: &Arc<OwnedFd>) -> io::Result<(Doorbell, Option<Raw>)> {
    kqueue::add_user_event(queue.as_fd())?;
    Ok((Doorbell::on(Arc::clone(queue)), None))
}

/// A pipe, registered like a source.
#[cfg(not(doorbell = "kqueue"))]
fn hang_up_a_doorbell(queue: &Arc<OwnedFd>) -> io::Result<(Doorbell, Option<Raw>)> {
    let doorbell = Doorbell::new()?;
    let reader = doorbell.as_fd().as_raw_fd();
    let change = Change {
        filter: Filter::Read,
        action: Action::Add(Delivery::Edge),
    };
    match Queue(queue.as_fd()).control(reader, 0, [change].into_iter())? {
        Outcome { error: None, .. } => Ok((doorbell, Some(reader))),
        Outcome {
            error: Some(code), ..
        } => Err(io::Error::from_raw_os_error(code)),
    }
}

/// The queue as [`registrations`] need it.
struct Queue<'a>(BorrowedFd<'a>);

impl Kernel for Queue<'_> {
    fn except_is_read(&self) -> bool {
        kqueue::EXCEPT_IS_READ
    }

    fn control(
        &mut self,
        raw: Raw,
        stamp: usize,
        changes: impl Iterator<Item = Change>,
    ) -> io::Result<Outcome> {
        let nothing = kqueue::change(0, 0, 0, 0, 0);
        let mut submitted = [nothing; plan::MOST];
        let mut receipts = [nothing; plan::MOST];
        let mut planned = [None; plan::MOST];
        let mut number = 0;
        for change in changes.take(plan::MOST) {
            submitted[number] = to_kernel(raw, stamp, change);
            planned[number] = Some(change);
            number += 1;
        }
        if number == 0 {
            return Ok(Outcome::default());
        }
        let planned = planned.into_iter().flatten();
        let given = match kqueue::control(self.0, &submitted[..number], &mut receipts[..number]) {
            // "All changes contained in the changelist are applied before returning this error."
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {
                return Ok(Outcome::of(planned.zip(std::iter::repeat(Answer::Done))));
            }
            outcome => outcome?,
        };
        let receipts = receipts[..given].iter().map(Some);
        let receipts = receipts.chain(std::iter::repeat(None));
        let answers = planned.zip(receipts).map(|(change, receipt)| {
            let code = receipt.and_then(code);
            (change, meaning(code, change, || check_open(raw).is_ok()))
        });
        Ok(Outcome::of(answers))
    }
}

fn require_possible(interest: Interest) -> io::Result<()> {
    if interest.is_exclusive() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "exclusive interest needs epoll(7); kqueue(2) wakes every poll that watches a source",
        ));
    }
    if Filters::asked_for(interest).is_none() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a descriptor has no requests to watch: asynchronous I/O names the poll's descriptor \
             and the token in its `sigevent`",
        ));
    }
    Ok(())
}

fn explain(raw: Raw, refused: Refused) -> io::Error {
    match refused {
        Refused::AlreadyExists => io::Error::from_raw_os_error(poll::ALREADY_EXISTS),
        // `EBADF` if the descriptor is not open.
        Refused::NotFound => check_open(raw)
            .err()
            .unwrap_or_else(|| io::Error::from_raw_os_error(poll::NOT_FOUND)),
        Refused::Change(code) => io::Error::from_raw_os_error(code),
        Refused::Call(err) => err,
    }
}

fn ident(raw: Raw) -> usize {
    // No descriptor, if negative: the kernel says so.
    usize::try_from(raw).unwrap_or(usize::MAX)
}

fn to_kernel(raw: Raw, stamp: usize, change: Change) -> Kevent {
    let (number, fflags) = match change.filter {
        Filter::Write => (kqueue::WRITE, 0),
        Filter::Except => (kqueue::EXCEPT.unwrap_or(kqueue::READ), kqueue::OUT_OF_BAND),
        _ => (kqueue::READ, 0),
    };
    let action = match change.action {
        Action::Add(Delivery::Edge) => kqueue::ADD | kqueue::CLEAR,
        Action::Add(Delivery::Level) => kqueue::ADD,
        Action::Add(Delivery::Once) => kqueue::ADD | kqueue::DISPATCH,
        Action::Delete => kqueue::DELETE,
        Action::ProbeEnabled => kqueue::ENABLE,
        Action::ProbeDisabled => kqueue::DISABLE,
    };
    kqueue::change(ident(raw), number, action | kqueue::RECEIPT, fflags, stamp)
}

/// What a receipt says, zero if all went well; nothing if it is none.
fn code(receipt: &Kevent) -> Option<i32> {
    let receipt = Fields::from(receipt);
    let code = i32::try_from(receipt.data).unwrap_or(i32::MAX);
    (receipt.flags & kqueue::ERROR != 0).then_some(code)
}

fn meaning(code: Option<i32>, change: Change, is_open: impl FnOnce() -> bool) -> Answer {
    match code {
        Some(0) => Answer::Done,
        Some(code) if code == kqueue::MISSING => Answer::Missing(code),
        Some(code) if code == kqueue::BROKEN => Answer::Broken(code),
        Some(code) if Some(code) == kqueue::BROKEN_OR_CLOSED => {
            plan::broken_or_closed(code, change, is_open)
        }
        Some(code) => Answer::Failed(code),
        // A system without receipts, or one that has stopped halfway: what became of the change nobody
        // knows.
        None => Answer::Failed(kqueue::UNKNOWN),
    }
}

fn notice(fields: &Fields) -> Notice {
    let filter = filter(fields.filter);
    let is_eof = fields.flags & kqueue::EOF != 0;
    let (is_out_of_band, fflags) = match filter {
        Filter::Except => part_fflags(fields.fflags, is_eof, kqueue::OUT_OF_BAND),
        _ => (false, fields.fflags),
    };
    Notice {
        ident: fields.ident,
        filter,
        udata: fields.udata,
        is_eof,
        is_error: fields.flags & kqueue::ERROR != 0,
        is_last: fields.flags & kqueue::ONESHOT != 0,
        is_out_of_band,
        fflags,
    }
}

/// The filters that the system has, by their numbers.
const FILTERS: [(Option<i32>, Filter); 6] = [
    (Some(kqueue::READ), Filter::Read),
    (Some(kqueue::WRITE), Filter::Write),
    (kqueue::EXCEPT, Filter::Except),
    (kqueue::USER, Filter::User),
    (kqueue::AIO, Filter::Aio),
    (kqueue::LIO, Filter::Lio),
];

fn filter(number: i32) -> Filter {
    FILTERS
        .iter()
        .find(|(known, _)| *known == Some(number))
        .map_or(Filter::Other, |(_, filter)| *filter)
}

/// Becomes readable when an event waits.
impl AsFd for Selector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kqueue")
            .field("fd", &self.queue.as_raw_fd())
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
