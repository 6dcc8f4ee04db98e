//! Edge behaviour for backends that know only levels, written once.
//!
//! A level-triggered system reports what is ready every time it is asked. To report it once, the
//! backend stops asking for what it has reported, and asks again when the source has been found
//! not ready. [`Arm`] is that decision for one registration; it makes no system call, so it is
//! tested here with plain values.
//!
//! # Sources whose I/O passes through us
//!
//! An operation that blocks tells us, and its direction is *armed* again: that one only, so a read
//! that blocks never brings a writable event.
//!
//! # When it is not clear whether a source was drained
//!
//! Two cases. The I/O of an *unseen* source does not pass through us: that of [`SourceFd`] and
//! everything built on it, and of a source of ours whose descriptor was handed out, until an
//! operation of ours has blocked. And an operation of `try_io` blocked, but did it read or write?
//! Then a direction is *in doubt*, and the poller looks, without waiting, before it next waits:
//!
//! - Not ready: it was drained, so it is armed, with no delay and nothing lost.
//! - Still ready: it was not drained, or became ready again in between. It is left alone for a
//!   while and then, if still ready, reported once more. For unseen sources the while begins with 1
//!   ms and doubles up to 128 ms, until the source is found drained or is registered anew.
//!
//! So events may be spurious, never missing, and never come in a spin.
//!
//! # Other modes
//!
//! Level mode is what the system does by itself: everything stays armed, and nothing is latched.
//! One-shot disarms everything at the first report, until the source is registered anew.
//!
//! # Errors and hang-ups
//!
//! They are reported unasked for as long as they last. Each is reported once; while it lasts the
//! system is asked about the rest of the source at the same growing distance.
//!
//! [`SourceFd`]: crate::guide

use std::time::{Duration, Instant};

use crate::base::blocked::Blocked;
use crate::base::interest::Interest;
use crate::sys::levels::Levels;

/// What to ask the system about one registration, and what to make of the answer.
#[derive(Debug)]
pub(crate) struct Arm {
    read: Side,
    write: Side,
    priority: Side,
    /// Hang-ups and errors that were reported and, as far as we know, last.
    latched: Levels,
    /// The latched error was fetched, so one that is there now may be another.
    error_in_doubt: bool,
    /// While something is latched: not before this, the next distance after it.
    lull: Option<Instant>,
    distance: Backoff,
    mode: Mode,
}

/// How readiness is delivered.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Mode {
    Edge,
    Level,
    /// Not reported yet, edge and level alike.
    Once,
    /// Reported once, or given up.
    Spent,
}

impl Mode {
    fn of(interest: Interest) -> Self {
        if interest.is_oneshot() {
            Self::Once
        } else if interest.is_level() {
            Self::Level
        } else {
            Self::Edge
        }
    }
}

impl Arm {
    /// Everything that is asked for is armed: what is ready will be reported.
    pub(crate) fn new(interest: Interest, seen: bool) -> Self {
        let side = |level| Side {
            level,
            seen,
            first: Backoff::SHORTEST,
            state: State::Unwatched,
        };
        let sides = [Levels::INPUT, Levels::OUTPUT, Levels::PRIORITY].map(side);
        Self::with(sides, interest)
    }

    /// The same for a source that is registered anew; its I/O goes the way it went.
    pub(crate) fn anew(&self, interest: Interest) -> Self {
        Self::with([self.read, self.write, self.priority], interest)
    }

    fn with(sides: [Side; 3], interest: Interest) -> Self {
        let asked_for = Levels::asked_for(interest);
        let [read, write, priority] = sides.map(|side| Side {
            state: if asked_for.has(side.level) {
                State::Armed
            } else {
                State::Unwatched
            },
            ..side
        });
        Self {
            read,
            write,
            priority,
            latched: Levels::NONE,
            error_in_doubt: false,
            lull: None,
            distance: Backoff::SHORTEST,
            mode: Mode::of(interest),
        }
    }

    /// What to ask the system for now; `None` when it must not be asked at all, because it would
    /// answer at once with what is known.
    pub(crate) fn ask(&self, now: Instant) -> Option<Levels> {
        if self.mode == Mode::Spent {
            return None;
        }
        let sides = self.sides();
        let mut asked = Levels::NONE;
        for side in sides {
            asked |= side.level.when(side.is_asked(now));
        }
        if !self.latched.has(Levels::ALWAYS) {
            let hears_of_closing = self.read.is_watched() && !self.latched.has(Levels::READ_HANGUP);
            return Some(asked | Levels::READ_HANGUP.when(hears_of_closing) | Levels::ALWAYS);
        }
        let is_due = self.lull.map_or(true, |lull| lull <= now);
        let wants_to_know = self.awaits_error() || !asked.is_none();
        (is_due && wants_to_know).then_some(asked | Levels::ALWAYS)
    }

    /// When to ask about more than now, if time alone brings that about.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        if self.mode == Mode::Spent {
            return None;
        }
        let of_sides = self.sides().into_iter().filter_map(Side::quiet_until).min();
        if !self.latched.has(Levels::ALWAYS) {
            return of_sides;
        }
        if !self.awaits_error() && self.sides().iter().all(|side| side.is_at_rest()) {
            return None;
        }
        // Nothing is asked before the lull is over.
        self.lull.max(of_sides)
    }

    /// Whether to look without waiting: the answer tells whether the source was drained.
    pub(crate) fn wants_a_look(&self) -> bool {
        self.mode == Mode::Edge && self.sides().into_iter().any(Side::is_looked_at)
    }

    /// Whether the system's silence would tell something, or time will.
    pub(crate) fn is_in_doubt(&self) -> bool {
        let in_doubt = |side: &Side| matches!(side.state, State::InDoubt { .. });
        if self.mode == Mode::Spent {
            return false;
        }
        self.latched.has(Levels::ALWAYS) || self.sides().into_iter().any(in_doubt)
    }

    /// Takes the system's answer to what was `asked`; returns what to report, if anything.
    pub(crate) fn observe(&mut self, asked: Levels, levels: Levels, now: Instant) -> Levels {
        match self.mode {
            Mode::Edge => self.observe_edge(asked, levels, now),
            Mode::Level => levels & asked,
            Mode::Once => {
                let report = levels & asked;
                if !report.is_none() {
                    self.mode = Mode::Spent;
                }
                report
            }
            Mode::Spent => Levels::NONE,
        }
    }

    fn observe_edge(&mut self, asked: Levels, levels: Levels, now: Instant) -> Levels {
        self.unlatch(levels);
        // An operation that blocked found one direction not ready. If none of those in doubt is so
        // any more, one has become ready since, and any may be the one.
        let ready_again = self
            .sides()
            .into_iter()
            .all(|side| !side.is_looked_at() || levels.has(side.level));
        let mut report = Levels::NONE;
        for side in [&mut self.read, &mut self.write, &mut self.priority] {
            if !asked.has(side.level) {
                continue;
            }
            let is_ready = levels.has(side.level);
            if side.observe(is_ready, ready_again, now) {
                report |= side.level;
            }
        }
        if std::mem::take(&mut self.error_in_doubt) {
            report |= levels & Levels::ERROR;
        }
        let closing = levels & (Levels::ALWAYS | Levels::READ_HANGUP) & !self.latched;
        if !closing.is_none() {
            self.latched |= closing;
            report |= closing;
            // The end of the stream can be read, also where reading was reported before and
            // therefore not asked about.
            let is_end = closing.has(Levels::READ_HANGUP)
                || (closing.has(Levels::HANGUP) && !asked.has(Levels::INPUT))
                || levels.has(Levels::INPUT);
            report |= Levels::INPUT.when(is_end && self.read.is_watched());
        }
        if self.latched.has(Levels::ALWAYS) {
            self.lull = Some(now + self.distance.next());
        }
        report
    }

    /// An operation would have blocked: its direction was found not ready.
    pub(crate) fn blocked(&mut self, blocked: Blocked) {
        // An operation that blocks has found no error pending.
        self.error_in_doubt = self.latched.has(Levels::ERROR);
        self.fell_short(blocked);
    }

    /// An operation on a stream moved less than it was asked to, which shows the same of its
    /// direction.
    pub(crate) fn fell_short(&mut self, way: Blocked) {
        match way {
            Blocked::Read => {
                self.read.block();
                self.priority.block();
            }
            Blocked::Write => self.write.block(),
            Blocked::Either if !self.write.is_watched() => self.fell_short(Blocked::Read),
            Blocked::Either if !self.read.is_watched() => self.fell_short(Blocked::Write),
            Blocked::Either => {
                self.read.doubt();
                self.write.doubt();
                self.priority.doubt();
            }
        }
    }

    /// The descriptor was handed out: from now on I/O may pass us by.
    pub(crate) fn expose(&mut self) {
        self.read.expose(Backoff::SHORTEST);
        self.priority.expose(Backoff::SHORTEST);
        // Mostly ready and seldom waited for, so not worth much noise.
        self.write.expose(Backoff(Backoff::LONGEST));
    }

    /// The system does not take questions about this source: nothing is asked, or reported, until it is
    /// registered anew.
    #[cfg_attr(not(handle = "fd"), allow(dead_code))] // Windows asks again
    pub(crate) fn give_up(&mut self) {
        self.mode = Mode::Spent;
    }

    /// Whether an error could come that would have to be reported, while something is latched.
    fn awaits_error(&self) -> bool {
        self.error_in_doubt || !self.latched.has(Levels::ERROR)
    }

    /// Forgets errors and hang-ups that are over.
    fn unlatch(&mut self, levels: Levels) {
        let over = self.latched & !levels & Levels::ALWAYS;
        if over.is_none() {
            return;
        }
        self.latched = self.latched & !over;
        self.error_in_doubt = false;
        self.lull = None;
        self.distance = Backoff::SHORTEST;
        // A socket that is connected stops being hung up: it starts anew.
        if over.has(Levels::HANGUP) {
            self.read.arm();
            self.write.arm();
            self.priority.arm();
        }
    }

    fn sides(&self) -> [&Side; 3] {
        [&self.read, &self.write, &self.priority]
    }
}

/// One direction of a source.
#[derive(Copy, Clone, Debug)]
struct Side {
    level: Levels,
    /// Whether its I/O passes through us.
    seen: bool,
    /// For how long it is left alone after a report, at first, while it is unseen.
    first: Backoff,
    state: State,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum State {
    /// Nobody asked for it.
    Unwatched,
    /// Not reported since it was last known not to be ready.
    Armed,
    /// Reported, and known not to have been drained since.
    Reported,
    /// Reported; whether it was drained has to be looked at.
    InDoubt {
        /// Looked at, and found ready: left alone until then.
        quiet_until: Option<Instant>,
        distance: Backoff,
    },
}

impl State {
    const fn look(distance: Backoff) -> Self {
        Self::InDoubt {
            quiet_until: None,
            distance,
        }
    }
}

impl Side {
    fn is_watched(&self) -> bool {
        self.state != State::Unwatched
    }

    fn is_at_rest(&self) -> bool {
        matches!(self.state, State::Unwatched | State::Reported)
    }

    fn is_asked(&self, now: Instant) -> bool {
        match self.state {
            State::Unwatched | State::Reported => false,
            State::Armed => true,
            State::InDoubt { quiet_until, .. } => quiet_until.map_or(true, |quiet| quiet <= now),
        }
    }

    /// Whether the next answer is the first since the doubt arose.
    fn is_looked_at(&self) -> bool {
        matches!(
            self.state,
            State::InDoubt {
                quiet_until: None,
                ..
            }
        )
    }

    fn quiet_until(&self) -> Option<Instant> {
        match self.state {
            State::InDoubt { quiet_until, .. } => quiet_until,
            _ => None,
        }
    }

    fn arm(&mut self) {
        if self.is_watched() {
            self.state = State::Armed;
        }
    }

    /// An operation of ours blocked, so this side's I/O does pass through us.
    fn block(&mut self) {
        self.seen = true;
        self.arm();
    }

    fn doubt(&mut self) {
        if self.state == State::Reported {
            self.state = State::look(Backoff::SHORTEST);
        }
    }

    fn expose(&mut self, distance: Backoff) {
        self.seen = false;
        self.first = distance;
        // Whoever asks for the descriptor again is likely to use it.
        if matches!(self.state, State::Reported | State::InDoubt { .. }) {
            self.state = State::look(distance);
        }
    }

    /// Takes the answer to a question that was asked; returns whether to report.
    ///
    /// `ready_again`: nothing that was looked at is still blocked.
    fn observe(&mut self, is_ready: bool, ready_again: bool, now: Instant) -> bool {
        match self.state {
            State::Unwatched | State::Reported => false,
            State::Armed if is_ready => {
                self.state = self.after_report(self.first);
                true
            }
            State::Armed => false,
            State::InDoubt { .. } if !is_ready => {
                self.state = State::Armed;
                false
            }
            State::InDoubt {
                quiet_until: None,
                mut distance,
            } if !(self.seen && ready_again) => {
                let quiet = if self.seen {
                    Backoff::LONGEST
                } else {
                    distance.next()
                };
                self.state = State::InDoubt {
                    quiet_until: Some(now + quiet),
                    distance,
                };
                false
            }
            State::InDoubt { distance, .. } => {
                self.state = self.after_report(distance);
                true
            }
        }
    }

    fn after_report(&self, distance: Backoff) -> State {
        if self.seen {
            State::Reported
        } else {
            State::look(distance)
        }
    }
}

/// Distances that double: 1 ms, 2 ms, ... 128 ms, 128 ms.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) const SHORTEST: Self = Self(Duration::from_millis(1));
    const LONGEST: Duration = Duration::from_millis(128);

    pub(crate) fn next(&mut self) -> Duration {
        let distance = self.0;
        self.0 = (distance * 2).min(Self::LONGEST);
        distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> Interest {
        Interest::READABLE | Interest::WRITABLE
    }

    fn seen(interest: Interest) -> Arm {
        Arm::new(interest, true)
    }

    fn unseen(interest: Interest) -> Arm {
        Arm::new(interest, false)
    }

    /// One wait of a system where `levels` hold: what is reported.
    #[track_caller]
    fn wait(arm: &mut Arm, levels: Levels, now: Instant) -> Levels {
        match arm.ask(now) {
            None => Levels::NONE,
            Some(asked) => arm.observe(asked, levels & (asked | Levels::ALWAYS), now),
        }
    }

    fn is_asked(arm: &Arm, level: Levels, now: Instant) -> bool {
        arm.ask(now).is_some_and(|asked| asked.has(level))
    }

    #[test]
    fn readiness_is_reported_once() {
        let now = Instant::now();
        let mut arm = seen(both());
        assert_eq!(wait(&mut arm, Levels::INPUT, now), Levels::INPUT);
        assert_eq!(wait(&mut arm, Levels::INPUT, now), Levels::NONE);
        assert!(!is_asked(&arm, Levels::INPUT, now));
        assert!(is_asked(&arm, Levels::OUTPUT, now));
    }

    #[test]
    fn only_the_direction_that_blocked_is_armed_again() {
        let now = Instant::now();
        let mut arm = seen(both());
        let ready = Levels::INPUT | Levels::OUTPUT;
        assert_eq!(wait(&mut arm, ready, now), ready);
        arm.blocked(Blocked::Read);
        assert_eq!(wait(&mut arm, Levels::OUTPUT, now), Levels::NONE);
        assert_eq!(wait(&mut arm, ready, now), Levels::INPUT);
        arm.blocked(Blocked::Write);
        assert_eq!(wait(&mut arm, ready, now), Levels::OUTPUT);
    }

    #[test]
    fn a_side_nobody_asked_for_is_never_armed() {
        let now = Instant::now();
        let mut arm = seen(Interest::WRITABLE);
        arm.blocked(Blocked::Read);
        assert!(!is_asked(&arm, Levels::INPUT | Levels::READ_HANGUP, now));
    }

    #[test]
    fn a_half_close_is_reported_though_reading_was() {
        let now = Instant::now();
        let mut arm = seen(both());
        wait(&mut arm, Levels::INPUT, now);
        let closed = Levels::INPUT | Levels::READ_HANGUP;
        assert_eq!(wait(&mut arm, closed, now), closed);
        assert_eq!(wait(&mut arm, closed, now), Levels::NONE);
    }

    #[test]
    fn a_lasting_hangup_is_reported_once_and_an_error_after_it_too() {
        let mut now = Instant::now();
        let mut arm = seen(Interest::READABLE);
        let hung_up = Levels::INPUT | Levels::HANGUP;
        assert_eq!(wait(&mut arm, hung_up, now), hung_up);
        for _ in 0..10 {
            now = arm.next_look().expect("an error may follow");
            assert_eq!(wait(&mut arm, hung_up, now), Levels::NONE);
        }
        now = arm.next_look().unwrap();
        let report = wait(&mut arm, hung_up | Levels::ERROR, now);
        assert!(report.has(Levels::ERROR));
        // Now there is nothing more to come.
        assert_eq!(arm.ask(now + Duration::from_secs(1)), None);
        assert_eq!(arm.next_look(), None);
    }

    #[test]
    fn a_lasting_error_does_not_hide_what_becomes_ready_later() {
        let mut now = Instant::now();
        let mut arm = seen(both());
        assert_eq!(wait(&mut arm, Levels::ERROR, now), Levels::ERROR);
        for _ in 0..20 {
            assert_eq!(wait(&mut arm, Levels::ERROR, now), Levels::NONE);
            let next = arm.next_look().expect("reading and writing are armed");
            assert!(next > now && next <= now + Backoff::LONGEST);
            now = next;
        }
        let ready = Levels::ERROR | Levels::OUTPUT;
        assert_eq!(wait(&mut arm, ready, now), Levels::OUTPUT);
    }

    #[test]
    fn an_error_that_is_over_can_come_again() {
        let mut now = Instant::now();
        let mut arm = seen(both());
        wait(&mut arm, Levels::ERROR, now);
        now = arm.next_look().unwrap();
        assert_eq!(wait(&mut arm, Levels::NONE, now), Levels::NONE);
        assert_eq!(wait(&mut arm, Levels::ERROR, now), Levels::ERROR);
    }

    #[test]
    fn a_socket_that_stops_being_hung_up_starts_anew() {
        let mut now = Instant::now();
        let mut arm = seen(both());
        let unconnected = Levels::OUTPUT | Levels::HANGUP;
        assert_eq!(wait(&mut arm, unconnected, now), unconnected);
        now = arm.next_look().unwrap();
        assert_eq!(wait(&mut arm, Levels::NONE, now), Levels::NONE);
        assert_eq!(wait(&mut arm, Levels::OUTPUT, now), Levels::OUTPUT);
    }

    #[test]
    fn an_unseen_source_that_was_drained_is_armed_without_delay() {
        let now = Instant::now();
        let mut arm = unseen(Interest::READABLE);
        assert_eq!(wait(&mut arm, Levels::INPUT, now), Levels::INPUT);
        assert!(arm.is_in_doubt());
        assert_eq!(wait(&mut arm, Levels::NONE, now), Levels::NONE);
        assert!(!arm.is_in_doubt());
        assert_eq!(wait(&mut arm, Levels::INPUT, now), Levels::INPUT);
    }

    #[test]
    fn an_unseen_source_that_stays_ready_is_reported_at_growing_distances() {
        let start = Instant::now();
        let mut now = start;
        let mut arm = unseen(Interest::READABLE);
        assert_eq!(wait(&mut arm, Levels::INPUT, now), Levels::INPUT);
        let mut distances = Vec::new();
        for _ in 0..10 {
            assert_eq!(wait(&mut arm, Levels::INPUT, now), Levels::NONE);
            let next = arm.next_look().unwrap();
            assert!(!is_asked(&arm, Levels::INPUT, now));
            distances.push((next - now).as_millis());
            now = next;
            assert_eq!(wait(&mut arm, Levels::INPUT, now), Levels::INPUT);
        }
        assert_eq!(distances, [1, 2, 4, 8, 16, 32, 64, 128, 128, 128]);
    }

    #[test]
    fn after_try_io_the_side_that_is_not_ready_is_armed_at_once() {
        let now = Instant::now();
        let mut arm = seen(both());
        let ready = Levels::INPUT | Levels::OUTPUT;
        wait(&mut arm, ready, now);
        arm.blocked(Blocked::Either);
        assert_eq!(wait(&mut arm, Levels::OUTPUT, now), Levels::NONE);
        assert_eq!(wait(&mut arm, ready, now), Levels::INPUT);
    }

    #[test]
    fn after_try_io_the_side_that_is_ready_is_reported_late_and_once() {
        let mut now = Instant::now();
        let mut arm = seen(both());
        wait(&mut arm, Levels::INPUT | Levels::OUTPUT, now);
        arm.blocked(Blocked::Either);
        assert_eq!(wait(&mut arm, Levels::OUTPUT, now), Levels::NONE);
        assert_eq!(arm.next_look(), Some(now + Backoff::LONGEST));
        now += Backoff::LONGEST;
        assert_eq!(wait(&mut arm, Levels::OUTPUT, now), Levels::OUTPUT);
        assert_eq!(wait(&mut arm, Levels::OUTPUT, now), Levels::NONE);
        assert_eq!(arm.next_look(), None);
    }

    #[test]
    fn after_try_io_both_sides_ready_are_reported_at_once() {
        let now = Instant::now();
        let mut arm = seen(both());
        let ready = Levels::INPUT | Levels::OUTPUT;
        wait(&mut arm, ready, now);
        arm.blocked(Blocked::Either);
        assert_eq!(wait(&mut arm, ready, now), ready);
        assert_eq!(wait(&mut arm, ready, now), Levels::NONE);
    }

    #[test]
    fn try_io_on_one_direction_is_no_doubt() {
        let now = Instant::now();
        let mut arm = seen(Interest::READABLE);
        wait(&mut arm, Levels::INPUT, now);
        arm.blocked(Blocked::Either);
        assert!(!arm.is_in_doubt());
        assert_eq!(wait(&mut arm, Levels::INPUT, now), Levels::INPUT);
    }

    #[test]
    fn level_mode_reports_for_as_long_as_it_lasts() {
        let now = Instant::now();
        let mut arm = seen(both().level());
        let ready = Levels::INPUT | Levels::HANGUP;
        for _ in 0..3 {
            assert_eq!(wait(&mut arm, ready, now), ready);
        }
        assert!(!arm.is_in_doubt() && arm.next_look().is_none());
    }

    #[test]
    fn one_shot_reports_once_whatever_blocks_afterwards() {
        let now = Instant::now();
        for interest in [both().oneshot(), both().level().oneshot()] {
            let mut arm = unseen(interest);
            assert_eq!(wait(&mut arm, Levels::NONE, now), Levels::NONE);
            assert_eq!(wait(&mut arm, Levels::INPUT, now), Levels::INPUT);
            arm.blocked(Blocked::Read);
            arm.blocked(Blocked::Either);
            assert_eq!(arm.ask(now), None);
            assert!(!arm.is_in_doubt() && arm.next_look().is_none());
        }
    }

    #[test]
    fn a_descriptor_that_was_handed_out_is_looked_after() {
        let now = Instant::now();
        let mut arm = seen(both());
        wait(&mut arm, Levels::INPUT, now);
        arm.expose();
        assert!(arm.wants_a_look());
        assert_eq!(wait(&mut arm, Levels::NONE, now), Levels::NONE);
        assert_eq!(wait(&mut arm, Levels::INPUT, now), Levels::INPUT);
    }

    #[test]
    fn writing_is_repeated_seldom_whenever_the_descriptor_was_handed_out() {
        let now = Instant::now();
        let mut before = seen(both());
        before.expose();
        assert_eq!(wait(&mut before, Levels::OUTPUT, now), Levels::OUTPUT);
        let mut after = seen(both());
        assert_eq!(wait(&mut after, Levels::OUTPUT, now), Levels::OUTPUT);
        after.expose();
        let mut anew = before.anew(both());
        assert_eq!(wait(&mut anew, Levels::OUTPUT, now), Levels::OUTPUT);
        for mut arm in [before, after, anew] {
            assert_eq!(wait(&mut arm, Levels::OUTPUT, now), Levels::NONE);
            assert_eq!(arm.next_look(), Some(now + Backoff::LONGEST));
        }
    }

    #[test]
    fn a_registration_anew_keeps_what_is_known_of_the_descriptor() {
        let now = Instant::now();
        let mut arm = seen(Interest::WRITABLE);
        arm.expose();
        let mut arm = arm.anew(Interest::READABLE);
        wait(&mut arm, Levels::INPUT, now);
        assert!(arm.wants_a_look());
        arm.blocked(Blocked::Read);
        let mut arm = arm.anew(both());
        wait(&mut arm, Levels::INPUT, now);
        assert!(!arm.is_in_doubt());
    }

    #[test]
    fn after_an_operation_of_ours_has_blocked_nothing_is_in_doubt() {
        let now = Instant::now();
        let mut arm = seen(Interest::READABLE);
        arm.expose();
        wait(&mut arm, Levels::INPUT, now);
        assert!(arm.is_in_doubt());
        arm.blocked(Blocked::Read);
        assert_eq!(wait(&mut arm, Levels::INPUT, now), Levels::INPUT);
        assert!(!arm.is_in_doubt());
    }

    #[test]
    fn an_error_that_follows_one_that_was_fetched_is_reported() {
        let mut now = Instant::now();
        let mut arm = seen(Interest::READABLE);
        assert_eq!(wait(&mut arm, Levels::ERROR, now), Levels::ERROR);
        arm.blocked(Blocked::Read);
        now = arm.next_look().expect("an error may follow");
        assert_eq!(wait(&mut arm, Levels::ERROR, now), Levels::ERROR);
        // And one that nobody can fetch does not spin.
        let mut looks = 0;
        let end = now + Duration::from_secs(1);
        while now < end {
            arm.blocked(Blocked::Read);
            now = arm.next_look().unwrap();
            looks += usize::from(!wait(&mut arm, Levels::ERROR, now).is_none());
        }
        assert!(looks < 20, "{looks} reports in a second");
    }
}
