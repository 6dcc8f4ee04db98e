//! Tells of programs that are about to hang.
//!
//! Three mistakes look alike from outside: a program that stands still. Each is told through `log`,
//! once:
//!
//! - **Lost edge**: a source was reported under edge mode, and not drained before the poll that
//!   waits next. Only what the last polls reported is looked at, so a check costs nothing for
//!   sources that are idle. A poll that only looks (a timeout of zero) is patient with whoever comes
//!   back to a source later: it tells of sources that were not touched for [`PATIENCE`] polls.
//! - **Blocking descriptor**: found when it is registered.
//! - **Endless poll**: it waits without a timeout, and there is nothing that could end it.
//!
//! In doubt it is silent. A token says which sources an event may be of; if one of those has
//! settled, or is gone, or does its I/O out of our sight, nobody is accused. And who stops reading
//! because a write has met a full buffer is right to do so: he is left alone until that is over.
//!
//! Messages are given to `log` after the lock is released: a logger may use the poll itself.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::diagnostics::descriptor::Descriptor;
use crate::diagnostics::log::{self, warn};
use crate::diagnostics::place::Place;
use crate::diagnostics::record::{Common, Direction, Identity, Record};
use crate::diagnostics::words;

/// The diagnostics of one poll, where they are wanted.
#[derive(Debug)]
pub(crate) struct Observer {
    state: Mutex<State>,
    common: Arc<Common>,
}

/// What is registered under each token; those that are dead are swept now and then.
type Records = HashMap<Token, Vec<Weak<Record>>>;

#[derive(Debug, Default)]
struct State {
    /// The sources whose I/O we see.
    records: Records,
    /// So many tokens are worth a sweep.
    sweep_at: usize,
    /// What is registered by its descriptor alone.
    unseen: HashMap<i128, Token>,
    /// Reported by the last polls.
    suspects: Vec<Suspect>,
    /// The source that was registered last.
    last: Option<Identity>,
    /// Where the poll that is going on was called.
    poll: Option<&'static Location<'static>>,
    endless_is_told: bool,
}

/// The sources that one event may be of.
#[derive(Debug)]
struct Suspect {
    direction: Direction,
    records: Vec<Weak<Record>>,
    /// The event said that nothing more will come.
    is_closed: bool,
    /// How many stops there were when it was reported.
    stops: usize,
    /// How often a poll that only looked found it not touched.
    looks: u8,
    /// How many operations the last of those found.
    operations: usize,
}

/// So many polls may only look before a source counts as forgotten.
const PATIENCE: u8 = 8;

enum Verdict {
    Innocent,
    Wait,
    Guilty(Arc<Record>),
}

impl Observer {
    /// One, if it is wanted and can be heard.
    pub(crate) fn new_if(wanted: bool) -> Option<Box<Self>> {
        (wanted && log::IS_ON).then(|| {
            Box::new(Self {
                state: Mutex::default(),
                common: Arc::default(),
            })
        })
    }

    /// A source of type `T` has been registered.
    pub(crate) fn registered<T>(
        &self,
        descriptor: Descriptor,
        token: Token,
        interest: Interest,
    ) -> Arc<Record> {
        let identity = Identity {
            kind: words::kind_of::<T>(descriptor.is_readable, descriptor.is_writable),
            token,
            registered: Place::current(),
            reregistered: None,
        };
        tell_if_blocking(descriptor, identity, interest);
        self.add(identity, interest)
    }

    /// The source of `record` has been registered anew.
    pub(crate) fn reregistered(
        &self,
        record: &Record,
        token: Token,
        interest: Interest,
    ) -> Arc<Record> {
        let identity = Identity {
            token,
            reregistered: Place::current(),
            ..record.identity
        };
        // What is ready is reported anew: the old record has no more to say.
        for direction in Direction::BOTH {
            record.settle(direction);
        }
        self.add(identity, interest)
    }

    fn add(&self, identity: Identity, interest: Interest) -> Arc<Record> {
        let record = Arc::new(Record::new(identity, interest, &self.common));
        let mut state = self.state();
        state.sweep();
        let namesakes = state.records.entry(identity.token).or_default();
        namesakes.retain(|record| record.strong_count() > 0);
        namesakes.push(Arc::downgrade(&record));
        state.note_registration(identity);
        record
    }

    /// A raw descriptor has been registered.
    pub(crate) fn registered_unseen(
        &self,
        raw: impl Into<i128>,
        descriptor: Descriptor,
        token: Token,
        interest: Interest,
    ) {
        let identity = Identity {
            kind: words::SOURCE_FD,
            token,
            registered: Place::current(),
            reregistered: None,
        };
        tell_if_blocking(descriptor, identity, interest);
        let mut state = self.state();
        state.unseen.insert(raw.into(), token);
        state.note_registration(identity);
    }

    pub(crate) fn reregistered_unseen(&self, raw: impl Into<i128>, token: Token) {
        self.state().unseen.insert(raw.into(), token);
    }

    pub(crate) fn deregistered_unseen(&self, raw: impl Into<i128>) {
        self.state().unseen.remove(&raw.into());
    }

    /// The kernel's events are about to be delivered.
    pub(crate) fn reported<'a>(&self, events: impl Iterator<Item = &'a Event>) {
        let mut state = self.state();
        for event in events {
            state.mark(event, self.common.stops());
        }
    }

    /// A poll begins. Tells of what was reported by those before and not drained.
    pub(crate) fn poll_begins(&self, place: &'static Location<'static>, only_looks: bool) {
        let mut messages = Vec::new();
        let mut state = self.state();
        state.poll = Some(place);
        let State {
            suspects, records, ..
        } = &mut *state;
        suspects.retain_mut(
            |suspect| match suspect.judge(only_looks, records, &self.common) {
                Verdict::Innocent => false,
                Verdict::Wait => true,
                Verdict::Guilty(record) => {
                    let others = suspect.records.len() - 1;
                    let message = words::lost_edge(&record, suspect.direction, others, place);
                    messages.push(message);
                    false
                }
            },
        );
        drop(state);
        messages.iter().for_each(|message| warn(message));
    }

    /// The poll is about to sleep without a limit, and nobody but it has a hold on its registry or
    /// on its user-space side.
    pub(crate) fn sleeps_alone(&self) {
        let mut state = self.state();
        let Some(place) = state.poll else { return };
        if state.endless_is_told || state.has_sources() || self.common.has_escaped() {
            return;
        }
        state.endless_is_told = true;
        let message = words::endless(place, state.last);
        drop(state);
        warn(&message);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell_if_blocking(descriptor: Descriptor, identity: Identity, interest: Interest) {
    if descriptor.blocks {
        warn(&words::blocking(
            identity,
            descriptor.is_terminal,
            interest.is_level(),
        ));
    }
}

impl State {
    fn note_registration(&mut self, identity: Identity) {
        self.last = Some(identity);
        self.endless_is_told = false;
    }

    fn has_sources(&self) -> bool {
        let mut records = self.records.values().flatten();
        !self.unseen.is_empty() || records.any(|record| record.strong_count() > 0)
    }

    /// Forgets tokens whose sources are gone, when there are twice as many as after the last time.
    fn sweep(&mut self) {
        if self.records.len() < self.sweep_at.max(64) {
            return;
        }
        self.records.retain(|_, namesakes| {
            namesakes.retain(|record| record.strong_count() > 0);
            !namesakes.is_empty()
        });
        self.sweep_at = self.records.len() * 2;
    }

    fn mark(&mut self, event: &Event, stops: usize) {
        if event.is_writable() {
            let namesakes = self.records.get(&event.token()).into_iter().flatten();
            namesakes
                .filter_map(Weak::upgrade)
                .for_each(|record| record.can_write());
        }
        // A failure is told by the event itself.
        if event.is_error() || self.unseen.values().any(|token| *token == event.token()) {
            return;
        }
        let Some(namesakes) = self.records.get(&event.token()) else {
            return;
        };
        let reported = [
            (Direction::Read, event.is_readable()),
            (
                Direction::Write,
                event.is_writable() && !event.is_write_closed(),
            ),
        ];
        for (direction, _) in reported.into_iter().filter(|(_, is_reported)| *is_reported) {
            let mut records = Vec::new();
            let mut is_news = false;
            for record in namesakes.iter().filter_map(Weak::upgrade) {
                if record.must_be_drained(direction) {
                    is_news |= record.mark(direction);
                    records.push(Arc::downgrade(&record));
                }
            }
            if is_news {
                self.suspects.push(Suspect {
                    direction,
                    records,
                    is_closed: event.is_read_closed(),
                    stops,
                    looks: 0,
                    operations: 0,
                });
            }
        }
    }
}

impl Suspect {
    fn judge(&mut self, only_looks: bool, all: &Records, common: &Common) -> Verdict {
        let direction = self.direction;
        let records: Vec<_> = self.records.iter().filter_map(Weak::upgrade).collect();
        let is_suspicious = |record: &Arc<Record>| {
            record.must_be_drained(direction) && !record.is_settled(direction)
        };
        if records.len() < self.records.len() || !records.iter().all(is_suspicious) {
            return self.acquit(&records);
        }
        let operations: usize = records
            .iter()
            .map(|record| record.operations(direction).0)
            .sum();
        // Whoever has nothing to write, or knows that the other side is gone, may leave it at that.
        let needs_none = direction == Direction::Write || self.is_closed;
        if operations == 0 && needs_none {
            return self.acquit(&records);
        }
        if only_looks && !self.is_forgotten(operations) {
            return Verdict::Wait;
        }
        if direction == Direction::Read && self.may_be_held_back(all, common) {
            return Verdict::Wait;
        }
        // Told before: it is silent until it settles.
        let told = records
            .iter()
            .filter(|record| record.tell(direction))
            .count();
        match records.into_iter().next() {
            Some(record) if told > 0 => Verdict::Guilty(record),
            _ => Verdict::Innocent,
        }
    }

    fn acquit(&self, records: &[Arc<Record>]) -> Verdict {
        records
            .iter()
            .for_each(|record| record.settle(self.direction));
        Verdict::Innocent
    }

    /// Whether somebody stopped writing after the event, and still waits: he may have stopped reading for
    /// that reason, and will be back.
    fn may_be_held_back(&self, all: &Records, common: &Common) -> bool {
        common.stops() != self.stops
            && (all.values().flatten().filter_map(Weak::upgrade))
                .any(|record| record.waits_to_write_since(self.stops))
    }

    /// Whether nobody came back for too long, at a poll that only looks.
    fn is_forgotten(&mut self, operations: usize) -> bool {
        if operations == self.operations {
            self.looks += 1;
        } else {
            self.operations = operations;
            self.looks = 0;
        }
        self.looks >= PATIENCE
    }
}
