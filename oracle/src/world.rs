//! Runs a script on one subject: chooses the objects, waits for the kernel, and judges each poll.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::Duration;

use crate::kernel;
use crate::promise::{Direction, Edges, Promise};
use crate::script::{Misuse, Operation, Pick, Registration, Script, Transport, Wait};
use crate::subject::{Flags, Id, Report, Subject};
use crate::trace::{Step, Trace};

/// How many objects may be open.
const OBJECTS: usize = 8;
/// How much may be on its way in one direction of a TCP connection, so that it always has room.
const TCP_ROOM: usize = 32 << 10;
/// How often a poll may report before it must have come to rest.
const ROUNDS: usize = 64;

/// Runs `script`. Stops at the first broken promise.
pub(crate) fn run(script: &Script, subject: &mut dyn Subject, edges: Edges) -> Trace {
    let mut world = World {
        subject,
        edges,
        transport: script.transport,
        capacity: script.capacity,
        waker: script.waker,
        is_woken: false,
        ends: Vec::new(),
        refusing: Vec::new(),
    };
    let mut trace = Trace::default();
    let broken = world.subject.make_waker(script.waker).err();
    trace.broken = broken.map(|err| format!("no waker: {err}"));
    for &operation in &script.operations {
        if trace.broken.is_some() {
            break;
        }
        let Some(done) = world.perform(operation) else {
            continue;
        };
        trace.broken = done.broken.or_else(|| world.settle().err());
        trace.steps.push(Step {
            what: done.what,
            outcome: done.outcome,
            is_poll: matches!(operation, Operation::Poll(_)),
        });
    }
    trace
}

struct World<'a> {
    subject: &'a mut dyn Subject,
    edges: Edges,
    transport: Transport,
    capacity: usize,
    waker: usize,
    is_woken: bool,
    /// Everything that was ever opened.
    ends: Vec<End>,
    /// Keeps ports free of listeners.
    refusing: Vec<socket2::Socket>,
}

/// One object of the script.
struct End {
    id: Id,
    name: String,
    fd: RawFd,
    kind: Kind,
    is_open: bool,
    is_exposed: bool,
    promise: Option<Promise>,
    /// The other end; unknown while a connection waits to be accepted.
    peer: Option<usize>,
    /// Connections to this listener that wait to be accepted.
    backlog: VecDeque<usize>,
    sent: usize,
    received: usize,
    /// The writing half was shut down.
    is_shut: bool,
    /// It was reset, or refused.
    is_reset: bool,
    /// Closing it has reset the other end, which may not be accepted yet.
    has_aborted: bool,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Kind {
    Listener,
    Tcp,
    Unix,
    Receiver,
    Sender,
}

impl End {
    fn can_read(&self) -> bool {
        matches!(self.kind, Kind::Tcp | Kind::Unix | Kind::Receiver)
    }

    fn can_write(&self) -> bool {
        matches!(self.kind, Kind::Tcp | Kind::Unix | Kind::Sender)
    }

    fn is_stream(&self) -> bool {
        matches!(self.kind, Kind::Tcp | Kind::Unix)
    }

    fn holds(&self, promise: &Promise) -> Flags {
        kernel::readiness(self.fd, promise.wanted)
    }

    /// An operation would block, or moved less than it was asked to.
    fn ran_dry(&mut self, direction: Direction) {
        if let Some(mut promise) = self.promise.take() {
            promise.ran_dry(direction, self.holds(&promise));
            self.promise = Some(promise);
        }
    }

    fn note(&mut self, direction: Direction, whole: usize, outcome: &io::Result<usize>) {
        match outcome {
            Ok(moved) if (1..whole).contains(moved) => self.ran_dry(direction),
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => self.ran_dry(direction),
            _ => {}
        }
    }
}

/// What came of one operation.
struct Done {
    what: String,
    outcome: String,
    broken: Option<String>,
}

impl Done {
    fn new<T: Debug>(what: String, outcome: &io::Result<T>) -> Option<Self> {
        let outcome = match outcome {
            Ok(value) => format!("{value:?}"),
            Err(err) => format!("{:?}", err.kind()),
        };
        Some(Self {
            what,
            outcome,
            broken: None,
        })
    }
}

impl World<'_> {
    /// Does one operation; `None` if there is nothing to do it to.
    fn perform(&mut self, operation: Operation) -> Option<Done> {
        match operation {
            Operation::Open => self.open(),
            Operation::Refused => self.connect_to_nobody(),
            Operation::Accept(pick) => self.accept(pick),
            Operation::Write(pick, size) => self.write(pick, size),
            Operation::Fill(pick) => self.fill(pick),
            Operation::Read(pick, size) => self.read(pick, size),
            Operation::Drain(pick) => self.drain(pick),
            Operation::DrainUnseen(pick) => self.drain_unseen(pick),
            Operation::HalfClose(pick) => self.half_close(pick),
            Operation::Reset(pick) => self.reset(pick),
            Operation::Close(pick) => self.close(pick),
            Operation::Expose(pick) => self.expose(pick),
            Operation::TakeError(pick) => self.take_error(pick),
            Operation::Urgent(pick) => self.urgent(pick),
            Operation::Register(pick, how) => self.register(pick, how),
            Operation::Reregister(pick, how) => self.reregister(pick, how),
            Operation::Deregister(pick, misuse) => self.deregister(pick, misuse),
            Operation::Wake => self.wake(),
            Operation::Poll(wait) => Some(self.poll(wait)),
        }
    }

    fn pick(&self, pick: Pick, fits: impl Fn(&End) -> bool) -> Option<usize> {
        let open = |&place: &usize| self.ends[place].is_open && fits(&self.ends[place]);
        let fitting: Vec<_> = (0..self.ends.len()).filter(open).collect();
        let place = usize::from(pick).checked_rem(fitting.len())?;
        Some(fitting[place])
    }

    fn has_room(&self) -> bool {
        self.ends.iter().filter(|end| end.is_open).count() + 2 <= OBJECTS
    }

    fn add(&mut self, id: Id, fd: RawFd, kind: Kind, name: &str) -> usize {
        let place = self.ends.len();
        self.ends.push(End {
            id,
            name: format!("{name}{place}"),
            fd,
            kind,
            is_open: true,
            is_exposed: false,
            promise: None,
            peer: None,
            backlog: VecDeque::new(),
            sent: 0,
            received: 0,
            is_shut: false,
            is_reset: false,
            has_aborted: false,
        });
        place
    }

    fn open(&mut self) -> Option<Done> {
        if !self.has_room() {
            return None;
        }
        let subject = &mut *self.subject;
        let (kind, outcome) = match self.transport {
            Transport::Tcp => return self.connect(),
            Transport::UnixStream => {
                let outcome = kernel::opened(|| subject.unix_pair());
                ([(Kind::Unix, "unix"); 2], outcome)
            }
            Transport::Pipe => {
                let outcome = kernel::opened(|| subject.pipe());
                let kinds = [(Kind::Receiver, "receiver"), (Kind::Sender, "sender")];
                (kinds, outcome)
            }
        };
        let outcome = outcome.map(|(ids, fds)| {
            assert_eq!(fds.len(), 2, "a pair has two descriptors");
            let [one, other] = [0, 1].map(|i| self.add(ids[i], fds[i], kind[i].0, kind[i].1));
            self.ends[one].peer = Some(other);
            self.ends[other].peer = Some(one);
            format!("{} and {}", self.ends[one].name, self.ends[other].name)
        });
        Done::new("open".into(), &outcome)
    }

    fn connect(&mut self) -> Option<Done> {
        let outcome = self.some_listener().and_then(|listener| {
            let address = self.subject.address(self.ends[listener].id)?;
            let client = self.connect_to(address)?;
            self.ends[listener].backlog.push_back(client);
            let [client, listener] = [client, listener].map(|place| &self.ends[place].name);
            Ok(format!("{client} to {listener}"))
        });
        Done::new("connect".into(), &outcome)
    }

    fn some_listener(&mut self) -> io::Result<usize> {
        if let Some(listener) = self.pick(0, |end| end.kind == Kind::Listener) {
            return Ok(listener);
        }
        let subject = &mut *self.subject;
        let (id, fds) = kernel::opened(|| subject.listen(SocketAddr::from(([127, 0, 0, 1], 0))))?;
        Ok(self.add(id, only(&fds), Kind::Listener, "listener"))
    }

    fn connect_to(&mut self, address: SocketAddr) -> io::Result<usize> {
        let subject = &mut *self.subject;
        let (id, fds) = kernel::opened(|| subject.connect(address))?;
        Ok(self.add(id, only(&fds), Kind::Tcp, "client"))
    }

    fn connect_to_nobody(&mut self) -> Option<Done> {
        if !self.has_room() {
            return None;
        }
        let outcome = kernel::refusing_port().and_then(|(holder, address)| {
            self.refusing.push(holder);
            let client = self.connect_to(address)?;
            self.ends[client].is_reset = true;
            Ok(self.ends[client].name.clone())
        });
        Done::new("connect where nobody listens".into(), &outcome)
    }

    fn accept(&mut self, pick: Pick) -> Option<Done> {
        let listener = self.pick(pick, |end| end.kind == Kind::Listener)?;
        let what = format!("accept from {}", self.ends[listener].name);
        let (subject, id) = (&mut *self.subject, self.ends[listener].id);
        let outcome = kernel::opened(|| subject.accept(id)).map(|(id, fds)| {
            let client = self.ends[listener].backlog.pop_front();
            let server = self.add(id, only(&fds), Kind::Tcp, "server");
            self.ends[server].peer = client;
            if let Some(client) = client {
                self.ends[client].peer = Some(server);
                self.ends[server].is_reset = self.ends[client].has_aborted;
            }
            server
        });
        if let Err(err) = &outcome {
            if err.kind() == io::ErrorKind::WouldBlock {
                self.ends[listener].ran_dry(Direction::Read);
            }
        }
        Done::new(what, &outcome.map(|server| self.ends[server].name.clone()))
    }

    fn write(&mut self, pick: Pick, size: usize) -> Option<Done> {
        let place = self.pick(pick, End::can_write)?;
        let end = &self.ends[place];
        let received = end.peer.map_or(0, |peer| self.ends[peer].received);
        if end.kind == Kind::Tcp && end.sent + size > received + TCP_ROOM {
            return None;
        }
        let what = format!("write {size} to {}", end.name);
        let outcome = self.subject.write(end.id, &vec![b'.'; size]);
        self.ends[place].note(Direction::Write, size, &outcome);
        self.wrote(place, &outcome);
        Done::new(what, &outcome)
    }

    fn wrote(&mut self, place: usize, outcome: &io::Result<usize>) {
        if let Ok(moved) = *outcome {
            let is_answered_by_reset = self.peer(place).is_some_and(|peer| !peer.is_open);
            let end = &mut self.ends[place];
            end.sent += moved;
            end.is_reset |= end.kind == Kind::Tcp && is_answered_by_reset && moved > 0;
        }
    }

    fn peer(&self, place: usize) -> Option<&End> {
        self.ends[place].peer.map(|peer| &self.ends[peer])
    }

    fn fill(&mut self, pick: Pick) -> Option<Done> {
        let place = self.pick(pick, |end| end.can_write() && end.kind != Kind::Tcp)?;
        let what = format!("fill {}", self.ends[place].name);
        let bytes = [b'.'; 5000];
        let err = loop {
            let outcome = self.subject.write(self.ends[place].id, &bytes);
            self.ends[place].note(Direction::Write, bytes.len(), &outcome);
            self.wrote(place, &outcome);
            if let Err(err) = outcome {
                break err;
            }
        };
        Done::new(what, &Err::<(), _>(err))
    }

    fn read(&mut self, pick: Pick, size: usize) -> Option<Done> {
        let place = self.pick(pick, End::can_read)?;
        let what = format!("read {size} from {}", self.ends[place].name);
        let mut buffer = vec![0; size];
        let outcome = self.subject.read(self.ends[place].id, &mut buffer);
        self.ends[place].note(Direction::Read, size, &outcome);
        self.ends[place].received += outcome.as_ref().map_or(0, |moved| *moved);
        Done::new(what, &outcome)
    }

    fn drain(&mut self, pick: Pick) -> Option<Done> {
        let place = self.pick(pick, End::can_read)?;
        let what = format!("drain {}", self.ends[place].name);
        let mut buffer = [0; 4096];
        let mut total = 0;
        let end = loop {
            let outcome = self.subject.read(self.ends[place].id, &mut buffer);
            self.ends[place].note(Direction::Read, buffer.len(), &outcome);
            match outcome {
                Ok(0) => break "the end".to_owned(),
                Ok(moved) => total += moved,
                Err(err) => break format!("{:?}", err.kind()),
            }
        };
        self.ends[place].received += total;
        Done::new(what, &Ok(format!("{total}, then {end}")))
    }

    fn drain_unseen(&mut self, pick: Pick) -> Option<Done> {
        let place = self.pick(pick, End::can_read)?;
        let (id, fd) = (self.ends[place].id, self.ends[place].fd);
        let what = format!("drain {} in try_io", self.ends[place].name);
        let mut total = 0;
        let outcome = self.subject.try_io(id, &mut || loop {
            match kernel::read(fd, &mut [0; 4096])? {
                0 => return Ok(total),
                moved => total += moved,
            }
        });
        let end = &mut self.ends[place];
        end.received += total;
        if let Err(err) = &outcome {
            if err.kind() == io::ErrorKind::WouldBlock {
                if let Some(mut promise) = end.promise.take() {
                    promise.read_dry_unseen(end.holds(&promise));
                    end.promise = Some(promise);
                }
            }
        }
        Done::new(what, &outcome)
    }

    fn half_close(&mut self, pick: Pick) -> Option<Done> {
        let place = self.pick(pick, End::is_stream)?;
        let end = &mut self.ends[place];
        let outcome = self.subject.shutdown_write(end.id);
        end.is_shut |= outcome.is_ok();
        Done::new(format!("half-close {}", end.name), &outcome)
    }

    fn reset(&mut self, pick: Pick) -> Option<Done> {
        let place = self.pick(pick, |end| end.kind == Kind::Tcp)?;
        let outcome = kernel::reset_on_close(self.ends[place].fd);
        self.end(place, true);
        Done::new(format!("reset {}", self.ends[place].name), &outcome)
    }

    fn close(&mut self, pick: Pick) -> Option<Done> {
        let place = self.pick(pick, |_| true)?;
        self.end(place, false);
        Done::new(format!("close {}", self.ends[place].name), &Ok(()))
    }

    fn end(&mut self, place: usize, by_reset: bool) {
        let end = &self.ends[place];
        // What was received and not read would be lost, and TCP says so to the sender.
        let loses_data = end.kind == Kind::Tcp && kernel::unread(end.fd) > 0;
        self.subject.close(end.id);
        let is_over = end.is_reset;
        let peer = end.peer;
        let refused: Vec<_> = end.backlog.iter().copied().collect();
        let end = &mut self.ends[place];
        end.is_open = false;
        end.promise = None;
        end.has_aborted = (by_reset || loses_data) && !is_over;
        if end.has_aborted {
            if let Some(peer) = peer {
                self.ends[peer].is_reset = true;
            }
        }
        for client in refused {
            self.ends[client].is_reset = true;
        }
    }

    fn expose(&mut self, pick: Pick) -> Option<Done> {
        let place = self.pick(pick, |_| true)?;
        let end = &mut self.ends[place];
        self.subject.expose(end.id);
        end.is_exposed = true;
        if let Some(promise) = &mut end.promise {
            promise.expose();
        }
        Done::new(format!("take the descriptor of {}", end.name), &Ok(()))
    }

    fn take_error(&mut self, pick: Pick) -> Option<Done> {
        let place = self.pick(pick, End::is_stream)?;
        let outcome = self.subject.take_error(self.ends[place].id);
        let outcome = outcome.map(|error| error.map(|error| error.kind()));
        Done::new(
            format!("take the error of {}", self.ends[place].name),
            &outcome,
        )
    }

    fn urgent(&mut self, pick: Pick) -> Option<Done> {
        let place = self.pick(pick, |end| end.kind == Kind::Tcp && end.peer.is_some())?;
        let outcome = kernel::send_urgent(self.ends[place].fd);
        self.wrote(place, &outcome);
        let peer = self.peer(place).map(|peer| peer.fd)?;
        let mut done = Done::new(
            format!("send urgent data to {}", self.ends[place].name),
            &outcome,
        )?;
        done.broken = kernel::settle("urgent data", || kernel::is_urgent(peer)).err();
        Some(done)
    }

    fn register(&mut self, pick: Pick, how: Registration) -> Option<Done> {
        let is_misuse = how.misuse == Misuse::Yes;
        let place = self.pick(pick, |end| end.promise.is_some() == is_misuse)?;
        let token = self.unused(how.token);
        let end = &mut self.ends[place];
        let outcome = self.subject.register(end.id, token, how.wanted);
        if outcome.is_ok() {
            end.promise = Some(Promise::new(token, how.wanted, end.is_exposed));
        }
        Done::new(
            format!("register {} as {token:#x} for {}", end.name, how.wanted),
            &outcome,
        )
    }

    fn reregister(&mut self, pick: Pick, how: Registration) -> Option<Done> {
        let is_misuse = how.misuse == Misuse::Yes;
        let place = self.pick(pick, |end| end.promise.is_some() != is_misuse)?;
        let token = self.unused(how.token);
        let end = &mut self.ends[place];
        let outcome = self.subject.reregister(end.id, token, how.wanted);
        if outcome.is_ok() {
            end.promise = Some(Promise::new(token, how.wanted, end.is_exposed));
        }
        Done::new(
            format!("reregister {} as {token:#x} for {}", end.name, how.wanted),
            &outcome,
        )
    }

    fn deregister(&mut self, pick: Pick, misuse: Misuse) -> Option<Done> {
        let is_misuse = misuse == Misuse::Yes;
        let place = self.pick(pick, |end| end.promise.is_some() != is_misuse)?;
        let end = &mut self.ends[place];
        let outcome = self.subject.deregister(end.id);
        if outcome.is_ok() {
            end.promise = None;
        }
        Done::new(format!("deregister {}", end.name), &outcome)
    }

    /// `token`, or the next one after it that nobody holds: events are told apart by it.
    fn unused(&self, mut token: usize) -> usize {
        while token == self.waker || self.promises().any(|(_, promise)| promise.token == token) {
            token = token.wrapping_add(1);
        }
        token
    }

    fn promises(&self) -> impl Iterator<Item = (&End, &Promise)> {
        let ends = self.ends.iter();
        ends.filter_map(|end| Some((end, end.promise.as_ref()?)))
    }

    fn wake(&mut self) -> Option<Done> {
        let outcome = self.subject.wake();
        self.is_woken = true;
        Done::new("wake".into(), &outcome)
    }

    fn poll(&mut self, wait: Wait) -> Done {
        let holds: BTreeMap<usize, Flags> = self
            .promises()
            .map(|(end, promise)| (promise.token, end.holds(promise)))
            .collect();
        let is_owed = self.is_woken
            || self
                .promises()
                .any(|(_, promise)| !promise.owed(holds[&promise.token], self.edges).is_none());
        let waits = wait == Wait::IfOwed && is_owed;
        let mut reports = Vec::new();
        let mut broken = self.gather(waits, &mut reports).err();
        if broken.is_none() {
            broken = self.gather_late(&holds, &mut reports).err();
        }
        if broken.is_none() {
            broken = self.judge(&holds, &reports).err();
        }
        self.is_woken = false;
        let what = match wait {
            Wait::No => "poll",
            Wait::IfOwed => "poll, and wait for what is owed",
        };
        Done {
            what: what.into(),
            outcome: self.show(&reports),
            broken,
        }
    }

    /// Polls until nothing is left to report.
    fn gather(&mut self, waits: bool, reports: &mut Vec<Report>) -> Result<(), String> {
        // A limit, only so that a test fails where it would hang.
        let mut timeout = if waits {
            kernel::PATIENCE
        } else {
            Duration::ZERO
        };
        for _ in 0..ROUNDS {
            let more = self.subject.poll(Some(timeout));
            let more = more.map_err(|err| format!("poll: {err}"))?;
            if more.is_empty() {
                return Ok(());
            }
            if more.len() > self.capacity {
                return Err("more events than there is room for".into());
            }
            reports.extend(more);
            timeout = Duration::ZERO;
        }
        Err(format!("reports and reports: {}", self.show(reports)))
    }

    /// Waits for what emulated edges may report late.
    fn gather_late(
        &mut self,
        holds: &BTreeMap<usize, Flags>,
        reports: &mut Vec<Report>,
    ) -> Result<(), String> {
        while self.edges == Edges::Emulated {
            let merged = merged(reports);
            let flags = |token| merged.get(&token).copied().unwrap_or_default();
            let is_late = self.promises().any(|(_, promise)| {
                let (holds, flags) = (holds[&promise.token], flags(promise.token));
                let in_time = promise.owed(holds, self.edges);
                let late = promise.owed_at_last(holds).without(in_time);
                !late.without(flags).is_none()
            });
            if !is_late {
                break;
            }
            let more = self.subject.poll(Some(kernel::PATIENCE));
            let more = more.map_err(|err| format!("poll: {err}"))?;
            if more.is_empty() {
                break;
            }
            reports.extend(more);
        }
        Ok(())
    }

    fn judge(&mut self, holds: &BTreeMap<usize, Flags>, reports: &[Report]) -> Result<(), String> {
        let wakes = reports.iter().filter(|(token, _)| *token == self.waker);
        let wakes: Vec<_> = wakes.map(|(_, flags)| *flags).collect();
        let expected = if self.is_woken {
            vec![Flags::READABLE]
        } else {
            Vec::new()
        };
        if wakes != expected {
            return Err(format!("of the waker: {wakes:?}, and not {expected:?}"));
        }
        let merged = merged(reports);
        let is_known = |token| token == self.waker || holds.contains_key(&token);
        if let Some((token, _)) = reports.iter().find(|(token, _)| !is_known(*token)) {
            return Err(format!("an event for {token:#x}, which nobody holds"));
        }
        let edges = self.edges;
        for end in &mut self.ends {
            let Some(promise) = &mut end.promise else {
                continue;
            };
            let holds = holds[&promise.token];
            let reported = merged.get(&promise.token).copied();
            promise
                .judge(holds, reported, edges)
                .map_err(|reason| format!("of {}: {reason}", end.name))?;
            promise.polled(holds, reported.unwrap_or_default());
        }
        Ok(())
    }

    /// The reports, sorted: the order of what is ready at the same time means nothing.
    fn show(&self, reports: &[Report]) -> String {
        let mut sorted = reports.to_vec();
        sorted.sort_unstable();
        let name = |token| {
            let mut promises = self.promises();
            match promises.find(|(_, promise)| promise.token == token) {
                Some((end, _)) => end.name.clone(),
                None if token == self.waker => "waker".into(),
                None => format!("{token:#x}"),
            }
        };
        let lines: Vec<_> = sorted
            .into_iter()
            .map(|(token, flags)| format!("{} {flags}", name(token)))
            .collect();
        format!("[{}]", lines.join(", "))
    }

    /// Waits until everything that was sent has arrived.
    fn settle(&self) -> Result<(), String> {
        for (place, end) in self.ends.iter().enumerate().filter(|(_, end)| end.is_open) {
            let result = match end.kind {
                Kind::Listener => settle_listener(end),
                Kind::Tcp => settle_stream(end, self.peer(place)),
                Kind::Unix | Kind::Receiver | Kind::Sender => Ok(()),
            };
            result.map_err(|reason| format!("{}: {reason}", end.name))?;
        }
        Ok(())
    }
}

fn settle_listener(end: &End) -> Result<(), String> {
    let waiting = end.backlog.len();
    kernel::settle("connections to accept", || {
        let is_ready = kernel::is_readable(end.fd) == (waiting > 0);
        is_ready && kernel::tcp_info(end.fd).unacked as usize == waiting
    })
}

fn settle_stream(end: &End, peer: Option<&End>) -> Result<(), String> {
    let peer_is_shut = peer.is_some_and(|peer| peer.is_shut || !peer.is_open);
    let state = match (end.is_shut, peer_is_shut) {
        _ if end.is_reset => kernel::CLOSE,
        (false, false) => kernel::ESTABLISHED,
        (true, false) => kernel::FIN_WAIT2,
        (false, true) => kernel::CLOSE_WAIT,
        (true, true) => kernel::CLOSE,
    };
    let sent = peer.map_or(0, |peer| peer.sent) as u64;
    kernel::settle(&format!("waits for state {state} and {sent} bytes"), || {
        for end in peer.into_iter().filter(|peer| peer.is_open).chain([end]) {
            kernel::acknowledge(end.fd);
        }
        let info = kernel::tcp_info(end.fd);
        info.state == state && (end.is_reset || info.bytes_received >= sent)
    })
}

/// All flags that were reported under a token.
fn merged(reports: &[Report]) -> BTreeMap<usize, Flags> {
    let mut merged = BTreeMap::new();
    for &(token, flags) in reports {
        *merged.entry(token).or_insert(Flags::NONE) |= flags;
    }
    merged
}

fn only(fds: &[RawFd]) -> RawFd {
    assert_eq!(fds.len(), 1, "one object, one descriptor");
    fds[0]
}
