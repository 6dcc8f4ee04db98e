//! Readiness through an I/O completion port: Windows.
//!
//! A port tells what *has happened* to requests. Readiness is got from it by a request to the driver behind
//! the sockets, which ends when one of the conditions holds that were asked about (`os/afd.rs`).
//! There is one request at most for each registration. It knows only levels; [`Arm`] makes edges
//! of them.
//!
//! # Before a wait, and after it
//!
//! A source is asked about before the next wait and not when it was reported, so what it was
//! found to be in between costs nothing: one request for each event, and none to take it back. While the
//! poller waits, other threads make the requests of their sources themselves, and need not wake it.
//!
//! # Answers that are out of date
//!
//! An answer waits in the port until somebody takes it. In level and one-shot mode, and if the
//! source was drained or registered anew since the question, the driver is asked once more, about
//! this moment. An edge may be spurious.
//!
//! # Threads
//!
//! The table is behind a lock that is never held during a wait. Each request has an owner that is
//! never used twice, so an answer for a registration that has ended is nobody's.
//!
//! # Refusals
//!
//! The driver may refuse to answer for want of memory. Then it is asked again, after 1 ms at first and 128 ms at
//! most, and the wait ends in time for that. A registration ends by itself only when its socket is gone.
//!
//! # Fairness
//!
//! Answers come in the order in which they were given. What has to be looked at takes turns with
//! them if there is not room for both.
//!
//! Reference: <https://learn.microsoft.com/windows/win32/fileio/i-o-completion-ports>
//!
//! [`Arm`]: crate::sys::rearm::Arm

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::backend::Backend;
use crate::base::blocked::Blocked;
use crate::base::busy_poll::{self, BusyPoll};
use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::base::wait::Wait;
use crate::diagnostics::log::trace;
use crate::sys::windows::doorbell::Doorbell;
use crate::sys::windows::operation;
use crate::sys::windows::os::afd::{self, Owner};
use crate::sys::windows::os::iocp::{Packet, Packets, Port, MOST_AT_ONCE};
use crate::sys::windows::os::timer::Timer;
use crate::sys::windows::os::Raw;
use crate::sys::windows::table::Table;

/// The registrations of one poll, and the port where it waits.
#[derive(Debug)]
pub(crate) struct Selector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    port: Arc<Port>,
    table: Mutex<Table>,
}

/// What a source holds whose I/O passes through us; ends the registration when it is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    shared: Arc<Shared>,
    owner: Owner,
    is_detached: bool,
}

/// What the poller keeps from wait to wait.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    packets: Packets,
    timer: Precise,
    /// The last wait had room for what was looked at, and for nothing else.
    packets_first: bool,
}

/// The timer for waits that end.
#[derive(Debug, Default)]
enum Precise {
    #[default]
    Untried,
    /// The system does not have it.
    Missing,
    There(Timer),
}

impl Selector {
    pub(crate) fn new(backend: Backend) -> io::Result<(Self, Doorbell)> {
        backend.require(Backend::Iocp)?;
        let port = Arc::new(Port::new()?);
        let shared = Arc::new(Shared {
            port: Arc::clone(&port),
            table: Mutex::new(Table::new()?),
        });
        Ok((Self { shared }, Doorbell::new(port)))
    }

    pub(crate) fn backend(&self) -> Backend {
        Backend::Iocp
    }

    pub(crate) fn busy_poll(&self, _parameters: &BusyPoll) -> io::Result<()> {
        busy_poll::needs_epoll()
    }

    /// The end of an operation on a handle that is attached to this port ends a wait, and is handed to
    /// [`operation::complete`].
    #[cfg_attr(not(feature = "os-ext"), allow(dead_code))]
    pub(crate) fn port(&self) -> Arc<Port> {
        Arc::clone(&self.shared.port)
    }

    pub(crate) fn select(
        &self,
        buffer: &mut Buffer,
        events: &mut Vec<Event>,
        room: usize,
        wait: Wait,
    ) -> io::Result<()> {
        let had = events.len();
        let most = had.saturating_add(room);
        let packets_first = std::mem::take(&mut buffer.packets_first);
        let wait = self.begin(events, most, wait, packets_first);
        buffer.packets_first = events.len() == most;
        let wait = if events.len() > had || packets_first {
            Wait::NONE
        } else {
            wait
        };
        let outcome = self.dequeue(buffer, events, most, wait);
        let mut table = self.shared.table();
        table.is_waiting = false;
        if packets_first {
            table.look_around(Instant::now(), events, most);
        }
        outcome
    }

    pub(crate) fn register(
        &self,
        raw: Raw,
        token: Token,
        interest: Interest,
    ) -> io::Result<Option<Registration>> {
        let owner = self.insert(raw, token, interest, true)?;
        Ok(Some(Registration {
            shared: Arc::clone(&self.shared),
            owner,
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
        let mut table = self.shared.table();
        let index = table.find(registration.owner).ok_or_else(not_registered)?;
        let must_ring = table.reoccupy(index, token, interest)?;
        self.shared.ring_if(must_ring)
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
        let mut table = self.shared.table();
        let index = table.find_socket(raw).ok_or_else(not_registered)?;
        let must_ring = table.reoccupy(index, token, interest)?;
        self.shared.ring_if(must_ring)
    }

    pub(crate) fn deregister_unseen(&self, raw: Raw) -> io::Result<()> {
        let mut table = self.shared.table();
        let index = table.find_socket(raw).ok_or_else(not_registered)?;
        table.vacate(index);
        Ok(())
    }

    fn insert(&self, raw: Raw, token: Token, interest: Interest, seen: bool) -> io::Result<Owner> {
        require_shareable(interest)?;
        let base = afd::base(raw)?;
        let mut table = self.shared.table();
        let owner = table.occupy(&self.shared.port, (raw, base), token, interest, seen)?;
        // At once: whether the socket can be watched at all is the caller's to know.
        table.ask_first(owner.index).map_err(|err| {
            table.vacate(owner.index);
            io::Error::from(err)
        })?;
        Ok(owner)
    }

    /// Asks for what has changed, and looks at what is in doubt; says how long to wait.
    fn begin(&self, events: &mut Vec<Event>, most: usize, wait: Wait, packets_first: bool) -> Wait {
        let mut table = self.shared.table();
        let now = Instant::now();
        table.turn += 1;
        table.is_waiting = true;
        table.ask_all(now);
        if packets_first {
            return wait;
        }
        match table.look_around(now, events, most) {
            Some(quiet) => wait.no_longer_than(quiet),
            None => wait,
        }
    }

    /// Takes packets, and the events they stand for, until there is no room or no packet: if events have room
    /// left, nothing that was ready was left out. Not for ever: other threads may make packets that are no events
    /// as fast as they are taken here, and who wakes the poll and what its deadline is the caller knows.
    fn dequeue(
        &self,
        buffer: &mut Buffer,
        events: &mut Vec<Event>,
        most: usize,
        mut wait: Wait,
    ) -> io::Result<()> {
        /// So many in a row that bring no event; those that do are bounded by the room.
        const MOST_VAIN_ROUNDS: usize = 8;

        let port = &self.shared.port;
        let mut vain = 0;
        while vain < MOST_VAIN_ROUNDS {
            let had = events.len();
            let room = (most - had).min(MOST_AT_ONCE);
            if room == 0 {
                break;
            }
            buffer.wait(port, room, wait)?;
            let is_all = buffer.packets.len() < room;
            self.harvest(&mut buffer.packets, events);
            if is_all {
                break;
            }
            vain = if events.len() == had { vain + 1 } else { 0 };
            wait = Wait::NONE;
        }
        Ok(())
    }

    /// Takes the packets, and appends the events they stand for.
    fn harvest(&self, packets: &mut Packets, events: &mut Vec<Event>) {
        let mut operations = Vec::new();
        let mut table = self.shared.table();
        let now = Instant::now();
        for packet in packets.take(&self.shared.port) {
            match packet {
                // It has ended the wait, which is all that it is for.
                Packet::Doorbell | Packet::Timer => {}
                Packet::Operation(overlapped) => operations.push(overlapped),
                Packet::Afd(request, answer) => {
                    events.extend(table.answer(&request, answer, now));
                }
            }
        }
        drop(table);
        // Whoever is told may do what it likes: nothing is locked.
        operations.into_iter().for_each(operation::complete);
    }
}

/// The last handle of a poll is gone: calls back what is in flight, and takes it home.
impl Drop for Selector {
    fn drop(&mut self) {
        /// What does not come in that time stays the kernel's.
        const PATIENCE: Duration = Duration::from_secs(1);

        let mut packets = Packets::default();
        self.shared.table().close();
        while self.shared.table().in_flight > 0 {
            let wait = Wait::AtMost(PATIENCE);
            let outcome = self.shared.port.wait(&mut packets, 64, wait);
            if outcome.is_err() || packets.len() == 0 {
                trace!("iocp: some requests do not come back");
                return;
            }
            self.harvest(&mut packets, &mut Vec::new());
        }
    }
}

impl Registration {
    fn end(&self) -> io::Result<()> {
        let mut table = self.shared.table();
        let index = table.find(self.owner).ok_or_else(not_registered)?;
        table.vacate(index);
        Ok(())
    }

    /// The socket was handed out.
    pub(crate) fn exposed(&self) {
        self.with_slot(Table::expose);
    }

    /// The source goes on without us: it is unseen, and registered until it is closed.
    pub(crate) fn detach(mut self) {
        self.with_slot(|table, index| {
            table.expose(index);
            table.abandon(index);
        });
        self.is_detached = true;
    }

    pub(crate) fn blocked(&self, direction: Blocked) {
        self.with_slot(|table, index| table.adjust(index, |arm| arm.blocked(direction)));
    }

    pub(crate) fn fell_short(&self, way: Blocked) {
        self.with_slot(|table, index| table.adjust(index, |arm| arm.fell_short(way)));
    }

    fn with_slot(&self, change: impl FnOnce(&mut Table, usize)) {
        let mut table = self.shared.table();
        if let Some(index) = table.find(self.owner) {
            change(&mut table, index);
            // A failure to interrupt the poller is the doorbell's, which has none.
            let _ = self.shared.ring_if(table.touch(index));
        }
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

    /// Interrupts a poller that waits, and has to look for itself.
    fn ring_if(&self, must_ring: bool) -> io::Result<()> {
        if must_ring {
            self.port.ring()?;
        }
        Ok(())
    }
}

impl Buffer {
    /// Waits for packets, as exactly as the system can.
    fn wait(&mut self, port: &Port, most: usize, wait: Wait) -> io::Result<()> {
        let time = match wait {
            Wait::AtMost(time) if !wait.is_none() && time <= COARSE => time,
            _ => return port.wait(&mut self.packets, most, wait),
        };
        if matches!(self.timer, Precise::Untried) {
            self.timer = Timer::new().map_or(Precise::Missing, Precise::There);
        }
        let Precise::There(timer) = &self.timer else {
            return port.wait(&mut self.packets, most, wait);
        };
        // Mostly there is something to do already.
        port.wait(&mut self.packets, most, Wait::NONE)?;
        if self.packets.len() > 0 {
            return Ok(());
        }
        if let Err(err) = timer.start(port, time) {
            self.renew_timer(&err);
            return port.wait(&mut self.packets, most, wait);
        }
        let outcome = port.wait(&mut self.packets, most, Wait::Forever);
        if let Err(err) = timer.stop() {
            self.renew_timer(&err);
        }
        outcome
    }

    /// What went wrong once need not go wrong again, so the next wait gets a new timer. A packet that is left of the
    /// old one ends a wait early, which the caller does not mind.
    fn renew_timer(&mut self, err: &io::Error) {
        trace!("iocp: a timer is given up: {err}");
        let _ = err;
        self.timer = Precise::Untried;
    }
}

/// For waits that are longer a tick of the system's clock makes no difference.
const COARSE: Duration = Duration::from_secs(1);

/// The driver tells everybody who asks.
fn require_shareable(interest: Interest) -> io::Result<()> {
    if interest.is_exclusive() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "exclusive interest needs epoll(7); Windows wakes every poll that watches a source",
        ));
    }
    Ok(())
}

fn not_registered() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "I/O source not registered with `Registry`",
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::windows::io::AsRawSocket;

    use super::*;
    use crate::sys::windows::os::afd::faults::{self, Call};

    /// Only a failing test waits for so long.
    const PATIENCE: Duration = Duration::from_secs(20);

    const STATUS_INSUFFICIENT_RESOURCES: i32 = 0xC000_009A_u32 as i32;
    const STATUS_INVALID_HANDLE: i32 = 0xC000_0008_u32 as i32;

    struct World {
        selector: Selector,
        buffer: Buffer,
    }

    impl World {
        fn new() -> Self {
            let (selector, _) = Selector::new(Backend::Iocp).unwrap();
            Self {
                selector,
                buffer: Buffer::default(),
            }
        }

        fn register(&self, stream: &TcpStream, token: Token, interest: Interest) -> Registration {
            let raw = stream.as_raw_socket();
            let registration = self.selector.register(raw, token, interest).unwrap();
            registration.expect("every registration is remembered")
        }

        /// What one wait of that length reports.
        fn select(&mut self, wait: Wait) -> Vec<Token> {
            let mut events = Vec::new();
            self.selector
                .select(&mut self.buffer, &mut events, 16, wait)
                .unwrap();
            events.iter().map(Event::token).collect()
        }

        /// What is reported first, in however many waits.
        #[track_caller]
        fn expect(&mut self) -> Vec<Token> {
            let start = Instant::now();
            while start.elapsed() < PATIENCE {
                let tokens = self.select(Wait::AtMost(PATIENCE));
                if !tokens.is_empty() {
                    return tokens;
                }
            }
            panic!("nothing was reported");
        }
    }

    fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        (stream, peer)
    }

    #[test]
    fn e5_a_ring_takes_nobodys_room() {
        const READY: usize = 6;
        let (selector, doorbell) = Selector::new(Backend::Iocp).unwrap();
        let mut buffer = Buffer::default();
        doorbell.ring().unwrap();
        let sources: Vec<_> = (0..READY)
            .map(|index| {
                let (stream, mut peer) = connected();
                peer.write_all(b"x").unwrap();
                let raw = stream.as_raw_socket();
                let interest = Interest::READABLE.level();
                let registration = selector.register(raw, Token(index), interest);
                (registration.unwrap(), stream, peer)
            })
            .collect();
        for room in [READY - 2, READY] {
            doorbell.ring().unwrap();
            let mut events = Vec::new();
            selector
                .select(&mut buffer, &mut events, room, Wait::AtMost(PATIENCE))
                .unwrap();
            assert_eq!(events.len(), room);
        }
        drop(sources);
    }

    #[test]
    fn a_driver_that_is_short_of_memory_costs_no_event() {
        let mut world = World::new();
        let (stream, mut peer) = connected();
        let registration = world.register(&stream, Token(1), Interest::READABLE);
        for call in [Call::Answer, Call::Poll] {
            faults::refuse(call, STATUS_INSUFFICIENT_RESOURCES, 5);
            peer.write_all(b"x").unwrap();
            assert_eq!(world.expect(), [Token(1)], "{call:?}");
            // The question that follows an event is refused, too.
            (&stream).read_exact(&mut [0]).unwrap();
            registration.blocked(Blocked::Read);
            peer.write_all(b"x").unwrap();
            assert_eq!(world.expect(), [Token(1)], "{call:?}");
            (&stream).read_exact(&mut [0]).unwrap();
            registration.blocked(Blocked::Read);
            assert_eq!(faults::left(), 0, "{call:?}");
        }
    }

    #[test]
    fn a_look_that_is_refused_is_made_again() {
        let mut world = World::new();
        let (stream, mut peer) = connected();
        peer.write_all(b"x").unwrap();
        let registration = world.register(&stream, Token(1), Interest::READABLE);
        // What was asked before that is not believed.
        registration.blocked(Blocked::Read);
        faults::refuse(Call::Look, STATUS_INSUFFICIENT_RESOURCES, 1);
        assert_eq!(world.expect(), [Token(1)]);
        assert_eq!(faults::left(), 0);
    }

    #[test]
    fn a_wait_that_the_driver_refuses_does_not_spin() {
        let mut world = World::new();
        let (stream, peer) = connected();
        let _registration = world.register(&stream, Token(1), Interest::READABLE);
        faults::refuse(Call::Answer, STATUS_INSUFFICIENT_RESOURCES, 1);
        faults::refuse(Call::Poll, STATUS_INSUFFICIENT_RESOURCES, 8);
        // Ends the first question.
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        let start = Instant::now();
        let mut waits = 0;
        while world.select(Wait::AtMost(PATIENCE)).is_empty() {
            waits += 1;
            assert!(start.elapsed() < PATIENCE);
        }
        // 1 + 2 + 4 .. + 128, and 128 once more.
        assert!(start.elapsed() >= Duration::from_millis(383));
        assert!(waits < 40, "{waits} waits");
    }

    #[test]
    fn a_registration_that_is_refused_is_none() {
        let world = World::new();
        let (stream, _peer) = connected();
        let raw = stream.as_raw_socket();
        faults::refuse(Call::Poll, STATUS_INSUFFICIENT_RESOURCES, 1);
        let refused = world.selector.register(raw, Token(1), Interest::READABLE);
        assert!(refused.is_err());
        let _registration = world.register(&stream, Token(2), Interest::READABLE);
    }

    /// While the poller waits, whoever registers anew asks for himself.
    #[test]
    fn a_reregistration_that_is_refused_leaves_everything_as_it_was() {
        let mut world = World::new();
        let (stream, mut peer) = connected();
        let registration = world.register(&stream, Token(1), Interest::READABLE);
        peer.write_all(b"x").unwrap();
        assert_eq!(world.expect(), [Token(1)]);
        let raw = stream.as_raw_socket();
        let selector = &world.selector;
        for status in [STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_HANDLE] {
            selector.shared.table().is_waiting = true;
            faults::refuse(Call::Poll, status, 1);
            let writable = Interest::WRITABLE;
            let refused = selector.reregister(raw, &registration, Token(2), writable);
            assert!(refused.is_err(), "{status:#x}");
            assert_eq!(faults::left(), 0);
            selector.shared.table().is_waiting = false;
        }
        (&stream).read_exact(&mut [0]).unwrap();
        registration.blocked(Blocked::Read);
        assert_eq!(world.select(Wait::NONE), []);
        peer.write_all(b"x").unwrap();
        assert_eq!(world.expect(), [Token(1)]);
    }

    /// The poller sleeps, and hears of nobody else when to ask again.
    #[test]
    fn a_refusal_while_the_poller_waits_interrupts_it() {
        let mut world = World::new();
        let (stream, mut peer) = connected();
        let registration = world.register(&stream, Token(1), Interest::READABLE);
        peer.write_all(b"x").unwrap();
        assert_eq!(world.expect(), [Token(1)]);
        (&stream).read_exact(&mut [0]).unwrap();

        world.selector.shared.table().is_waiting = true;
        faults::refuse(Call::Poll, STATUS_INSUFFICIENT_RESOURCES, 1);
        registration.blocked(Blocked::Read);
        world.selector.shared.table().is_waiting = false;
        let mut packets = Packets::default();
        let port = &world.selector.shared.port;
        port.wait(&mut packets, 16, Wait::NONE).unwrap();
        let taken: Vec<_> = packets.take(port).collect();
        assert!(matches!(taken[..], [Packet::Doorbell]), "{taken:?}");

        peer.write_all(b"x").unwrap();
        assert_eq!(world.expect(), [Token(1)]);
    }
}
