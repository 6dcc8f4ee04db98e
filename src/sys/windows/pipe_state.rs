//! What a named pipe is doing, and what follows from what the system says of it.
//!
//! Plain values: nothing here makes a system call. A pipe has at most one operation of each kind in
//! flight (a connection, a read, a write). Each [`Outcome`] of each operation leads from each state to
//! a state, so nothing that the system reports is unexpected.
//!
//! | what ends an operation | connecting | reading | writing |
//! |---|---|---|---|
//! | success | connected | bytes to hand out | done, or the rest is to be written |
//! | `ERROR_MORE_DATA` | connected | bytes to hand out; the rest of the message is read next | as success |
//! | `ERROR_PIPE_CONNECTED`, `ERROR_NO_DATA` | connected: the client came before, and may have gone | an error | an error |
//! | `ERROR_PIPE_LISTENING` | an error | nobody is there yet: nothing to read, but writable | an error, and not writable |
//! | `ERROR_BROKEN_PIPE`, `ERROR_HANDLE_EOF` | an error | the end of the stream | an error |
//! | `ERROR_OPERATION_ABORTED` | an error | nothing happened: to be begun again | an error |
//! | any other error | an error | an error | an error |
//!
//! Reference: <https://learn.microsoft.com/windows/win32/ipc/named-pipe-operations>, and the pages of
//! `ConnectNamedPipe`, `ReadFile` and `WriteFile`.

use std::ops::Range;

use crate::base::outcome::Outcome;
use crate::base::readiness::Readiness;

// As in `winerror.h`. Written out, so that the tests run on every system.
const ERROR_ACCESS_DENIED: u32 = 5;
pub(crate) const ERROR_HANDLE_EOF: u32 = 38;
const ERROR_UNEXP_NET_ERR: u32 = 59;
const ERROR_NETNAME_DELETED: u32 = 64;
pub(crate) const ERROR_BROKEN_PIPE: u32 = 109;
const ERROR_SEM_TIMEOUT: u32 = 121;
pub(crate) const ERROR_NO_DATA: u32 = 232;
pub(crate) const ERROR_PIPE_NOT_CONNECTED: u32 = 233;
const ERROR_VC_DISCONNECTED: u32 = 240;
pub(crate) const ERROR_PIPE_CONNECTED: u32 = 535;
pub(crate) const ERROR_PIPE_LISTENING: u32 = 536;
pub(crate) const ERROR_OPERATION_ABORTED: u32 = 995;
/// For a write of which the system moves nothing, again and again.
pub(crate) const ERROR_WRITE_FAULT: u32 = 29;

/// The three kinds of operations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PipeState {
    pub(crate) connecting: Connecting,
    pub(crate) reading: Reading,
    pub(crate) writing: Writing,
}

impl PipeState {
    /// What the pipe is ready for.
    pub(crate) fn readiness(&self) -> Readiness {
        let mut readiness = self.reading.readiness();
        match self.connecting {
            Connecting::Idle | Connecting::Listening | Connecting::Connected => {
                readiness |= self.writing.readiness();
            }
            Connecting::Pending | Connecting::Disconnected => {}
            Connecting::Failed(_) => readiness |= Readiness::WRITABLE | Readiness::ERROR,
        }
        readiness
    }

    /// Learns from a read whether there is a client; whether one has come that was not waited for.
    pub(crate) fn note_read(&mut self, outcome: Outcome) -> bool {
        self.note_client(outcome, Connecting::Listening)
    }

    /// Learns the same from a write. Who was told that nobody is there need not be told that he may write.
    pub(crate) fn note_write(&mut self, outcome: Outcome) -> bool {
        self.note_client(outcome, Connecting::Disconnected)
    }

    fn note_client(&mut self, outcome: Outcome, without: Connecting) -> bool {
        use Connecting::{Disconnected, Idle, Listening};
        match (self.connecting, outcome) {
            (Idle | Listening, Outcome::Failed(ERROR_PIPE_LISTENING)) => {
                self.connecting = without;
                false
            }
            (Listening | Disconnected, Outcome::Pending | Outcome::Done(_) | Outcome::More(_)) => {
                self.connecting = Idle;
                true
            }
            _ => false,
        }
    }

    /// The client is gone, and nothing of it is left.
    pub(crate) fn disconnect(&mut self) {
        *self = Self {
            connecting: Connecting::Disconnected,
            ..Self::default()
        };
    }

    /// A client is there: the end of the one before is not its end.
    pub(crate) fn forget_the_end(&mut self) {
        if matches!(self.reading, Reading::Ended | Reading::Failed(_)) {
            self.reading = Reading::Idle;
        }
        if matches!(self.writing, Writing::Failed(_)) {
            self.writing = Writing::Idle;
        }
    }
}

/// Waiting for a client.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Connecting {
    /// There may be a client: the system knows.
    #[default]
    Idle,
    /// There was none when a read asked; one may come without being waited for. Whoever has not asked for a
    /// connection may try to write, and learns then whether anybody is there.
    Listening,
    /// There is none before one is waited for, or before a write finds one.
    Disconnected,
    Pending,
    /// A client is there, and nobody was told.
    Connected,
    /// Nobody was told.
    Failed(u32),
}

/// What an attempt to connect comes to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Connect {
    /// Begin the operation.
    Begin,
    Block,
    Done,
    Fail(u32),
}

impl Connecting {
    /// What the user who asks for a connection is told, and with that told once.
    pub(crate) fn connect(&mut self) -> Connect {
        match *self {
            Self::Idle | Self::Listening | Self::Disconnected => Connect::Begin,
            Self::Pending => Connect::Block,
            Self::Connected => {
                *self = Self::Idle;
                Connect::Done
            }
            Self::Failed(code) => {
                *self = Self::Idle;
                Connect::Fail(code)
            }
        }
    }

    /// What the system says.
    pub(crate) fn take(&mut self, outcome: Outcome) {
        *self = match outcome {
            Outcome::Pending => Self::Pending,
            Outcome::Done(_)
            | Outcome::More(_)
            | Outcome::Failed(ERROR_PIPE_CONNECTED | ERROR_NO_DATA) => Self::Connected,
            Outcome::Failed(code) => Self::Failed(code),
        };
    }

    /// The error, if there is one that nobody was told.
    pub(crate) fn take_error(&mut self) -> Option<u32> {
        match *self {
            Self::Failed(code) => {
                *self = Self::Idle;
                Some(code)
            }
            _ => None,
        }
    }
}

/// Reading ahead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reading {
    #[default]
    Idle,
    Pending,
    /// These bytes of the buffer were not handed out yet. None: a message without bytes.
    Data(Range<usize>),
    /// The other end is gone.
    Ended,
    /// Nobody was told.
    Failed(u32),
}

/// What an attempt to read comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Begin the operation.
    Begin,
    Block,
    /// There are these bytes of the buffer.
    Give(Range<usize>),
    End,
    Fail(u32),
}

impl Reading {
    /// What the user who reads is told; an error is told once.
    pub(crate) fn read(&mut self) -> Read {
        match self {
            Self::Pending => Read::Block,
            Self::Data(bytes) if bytes.start < bytes.end => Read::Give(bytes.clone()),
            // An empty message is not the end of the stream, and must not look like it.
            Self::Idle | Self::Data(_) => Read::Begin,
            Self::Ended => Read::End,
            &mut Self::Failed(code) => {
                *self = Self::Idle;
                Read::Fail(code)
            }
        }
    }

    /// So many bytes were handed out.
    pub(crate) fn gave(&mut self, length: usize) {
        if let Self::Data(bytes) = self {
            bytes.start = bytes.start.saturating_add(length);
            if bytes.start >= bytes.end {
                *self = Self::Idle;
            }
        }
    }

    /// What the system says.
    pub(crate) fn take(&mut self, outcome: Outcome) {
        *self = match outcome {
            Outcome::Pending => Self::Pending,
            Outcome::Done(length) | Outcome::More(length) => Self::Data(0..length),
            Outcome::Failed(ERROR_BROKEN_PIPE | ERROR_HANDLE_EOF) => Self::Ended,
            Outcome::Failed(ERROR_PIPE_LISTENING | ERROR_OPERATION_ABORTED) => Self::Idle,
            Outcome::Failed(code) => Self::Failed(code),
        };
    }

    /// What the system says of a read that nobody has asked for. That it is not allowed is no event, since some
    /// pipes only write: it is told to whoever asks. All else that goes wrong would be heard of by nobody who
    /// waits for bytes.
    pub(crate) fn take_ahead(&mut self, outcome: Outcome) {
        self.take(outcome);
        if *self == Self::Failed(ERROR_ACCESS_DENIED) {
            *self = Self::Idle;
        }
    }

    fn readiness(&self) -> Readiness {
        match *self {
            Self::Idle | Self::Pending => Readiness::EMPTY,
            Self::Data(_) => Readiness::READABLE,
            Self::Ended => Readiness::READABLE | CLOSED,
            Self::Failed(code) => failed(Readiness::READABLE, code),
        }
    }
}

/// Writing behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Writing {
    #[default]
    Idle,
    /// These bytes of the buffer are being written.
    Pending(Range<usize>),
    /// Nobody was told.
    Failed(u32),
}

/// What an attempt to write comes to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// Begin the operation.
    Begin,
    Block,
    Fail(u32),
}

/// What the user who has begun to write is told.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// So many bytes are written, or will be.
    Accepted(usize),
    Fail(u32),
}

impl Writing {
    /// What the user who writes is told; an error is told once.
    pub(crate) fn write(&mut self) -> Write {
        match *self {
            Self::Idle => Write::Begin,
            Self::Pending(_) => Write::Block,
            Self::Failed(code) => {
                *self = Self::Idle;
                Write::Fail(code)
            }
        }
    }

    /// What the system says of a write of `length` bytes that has just begun.
    pub(crate) fn begun(&mut self, length: usize, outcome: Outcome) -> Wrote {
        *self = Self::Idle;
        match outcome {
            Outcome::Pending => {
                *self = Self::Pending(0..length);
                Wrote::Accepted(length)
            }
            Outcome::Done(written) | Outcome::More(written) => Wrote::Accepted(written.min(length)),
            Outcome::Failed(code) => Wrote::Fail(code),
        }
    }

    /// What the system says of a write that was in flight. Returns the bytes that are still to be
    /// written: they were accepted.
    pub(crate) fn take(&mut self, outcome: Outcome) -> Option<Range<usize>> {
        let bytes = match self {
            Self::Pending(bytes) => bytes.clone(),
            Self::Idle | Self::Failed(_) => return None,
        };
        let written = match outcome {
            Outcome::Pending => return None,
            Outcome::Done(written) | Outcome::More(written) => written,
            Outcome::Failed(code) => {
                *self = Self::Failed(code);
                return None;
            }
        };
        let rest = bytes.start.saturating_add(written)..bytes.end;
        if rest.is_empty() {
            *self = Self::Idle;
            return None;
        }
        if written == 0 {
            *self = Self::Failed(ERROR_WRITE_FAULT);
            return None;
        }
        *self = Self::Pending(rest.clone());
        Some(rest)
    }

    /// What the system says of a write that was called back. Returns how many bytes were accepted and are not known
    /// to be written; `None` says that it goes on.
    pub(crate) fn call_back(&mut self, outcome: Outcome) -> Option<usize> {
        let length = match self {
            Self::Pending(bytes) => bytes.len(),
            Self::Idle | Self::Failed(_) => return Some(0),
        };
        let (state, lost) = match outcome {
            Outcome::Pending => return None,
            // It was faster.
            Outcome::Done(written) | Outcome::More(written) => {
                (Self::Idle, length.saturating_sub(written))
            }
            Outcome::Failed(ERROR_OPERATION_ABORTED) => (Self::Idle, length),
            Outcome::Failed(code) => (Self::Failed(code), length),
        };
        *self = state;
        Some(lost)
    }

    /// The error, if there is one that nobody was told.
    pub(crate) fn take_error(&mut self) -> Option<u32> {
        match *self {
            Self::Failed(code) => {
                *self = Self::Idle;
                Some(code)
            }
            Self::Idle | Self::Pending(_) => None,
        }
    }

    fn readiness(&self) -> Readiness {
        match *self {
            Self::Idle => Readiness::WRITABLE,
            Self::Pending(_) => Readiness::EMPTY,
            Self::Failed(code) => failed(Readiness::WRITABLE, code),
        }
    }
}

/// Both ways: a pipe has no half-close.
const CLOSED: Readiness = Readiness::READ_CLOSED.with(Readiness::WRITE_CLOSED, true);

/// Whether the error says that nobody is at the other end any more, or that nothing leads there: some pipes go
/// through a network.
fn is_gone(code: u32) -> bool {
    matches!(
        code,
        ERROR_BROKEN_PIPE
            | ERROR_NO_DATA
            | ERROR_PIPE_NOT_CONNECTED
            | ERROR_UNEXP_NET_ERR
            | ERROR_NETNAME_DELETED
            | ERROR_SEM_TIMEOUT
            | ERROR_VC_DISCONNECTED
    )
}

fn failed(direction: Readiness, code: u32) -> Readiness {
    let readiness = direction | Readiness::ERROR;
    if is_gone(code) {
        readiness | CLOSED
    } else {
        readiness
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn codes() -> impl Strategy<Value = u32> {
        prop_oneof![
            Just(ERROR_HANDLE_EOF),
            Just(ERROR_BROKEN_PIPE),
            Just(ERROR_NO_DATA),
            Just(ERROR_PIPE_NOT_CONNECTED),
            Just(ERROR_PIPE_CONNECTED),
            Just(ERROR_PIPE_LISTENING),
            Just(ERROR_OPERATION_ABORTED),
            any::<u32>(),
        ]
    }

    fn outcomes() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            Just(Outcome::Pending),
            any::<usize>().prop_map(Outcome::Done),
            (0_usize..20).prop_map(Outcome::Done),
            (0_usize..20).prop_map(Outcome::More),
            codes().prop_map(Outcome::Failed),
        ]
    }

    #[test]
    fn a_fresh_pipe_can_be_written_and_not_read() {
        assert_eq!(PipeState::default().readiness(), Readiness::WRITABLE);
    }

    #[test]
    fn a_connection_is_told_once() {
        let mut connecting = Connecting::Idle;
        assert_eq!(connecting.connect(), Connect::Begin);
        connecting.take(Outcome::Pending);
        assert_eq!(connecting.connect(), Connect::Block);
        connecting.take(Outcome::Done(0));
        assert_eq!(connecting.connect(), Connect::Done);
        assert_eq!(connecting.connect(), Connect::Begin);
    }

    #[test]
    fn a_client_that_came_before_is_connected() {
        for code in [ERROR_PIPE_CONNECTED, ERROR_NO_DATA] {
            let mut connecting = Connecting::Idle;
            connecting.take(Outcome::Failed(code));
            assert_eq!(connecting.connect(), Connect::Done);
        }
    }

    #[test]
    fn a_pipe_that_waits_for_a_client_is_not_writable() {
        let mut state = PipeState::default();
        state.connecting.take(Outcome::Pending);
        assert_eq!(state.readiness(), Readiness::EMPTY);
        state.connecting.take(Outcome::Done(0));
        assert_eq!(state.readiness(), Readiness::WRITABLE);
    }

    const LISTENING: Outcome = Outcome::Failed(ERROR_PIPE_LISTENING);

    #[test]
    fn a_pipe_without_a_client_is_writable_until_a_write_has_failed() {
        let mut state = PipeState::default();
        for _ in 0..2 {
            assert!(!state.note_read(LISTENING));
            assert_eq!(state.readiness(), Readiness::WRITABLE);
        }
        assert!(!state.note_write(LISTENING));
        for _ in 0..2 {
            assert_eq!(state.readiness(), Readiness::EMPTY);
            // A read that fails tells nothing new.
            assert!(!state.note_read(LISTENING));
        }
        assert_eq!(state.connecting.connect(), Connect::Begin);
        state.connecting.take(Outcome::Pending);
        // Of operations that were begun before.
        assert!(!state.note_read(LISTENING) && !state.note_write(LISTENING));
        assert_eq!(state.connecting, Connecting::Pending);
    }

    #[test]
    fn a_write_that_finds_nobody_makes_a_fresh_pipe_ready_for_nothing() {
        let mut state = PipeState::default();
        assert!(!state.note_write(LISTENING));
        assert_eq!(state.readiness(), Readiness::EMPTY);
    }

    #[test]
    fn a_client_that_is_not_waited_for_is_one_all_the_same() {
        for told_by_a_write in [false, true] {
            for outcome in [Outcome::Done(1), Outcome::More(1), Outcome::Pending] {
                let mut state = PipeState::default();
                state.note_read(LISTENING);
                if told_by_a_write {
                    state.note_write(LISTENING);
                }
                let mut found = state.clone();
                assert!(found.note_write(outcome));
                assert!(!found.note_write(outcome));
                assert_eq!(found.readiness(), Readiness::WRITABLE);
                assert!(state.note_read(outcome));
                assert_eq!(state.readiness(), Readiness::WRITABLE);
            }
        }
    }

    #[test]
    fn a_failed_connection_is_an_event_and_an_error_told_once() {
        let mut state = PipeState::default();
        state
            .connecting
            .take(Outcome::Failed(ERROR_OPERATION_ABORTED));
        assert_eq!(state.readiness(), Readiness::WRITABLE | Readiness::ERROR);
        assert_eq!(state.connecting.take_error(), Some(ERROR_OPERATION_ABORTED));
        assert_eq!(state.connecting.take_error(), None);
        assert_eq!(state.connecting.connect(), Connect::Begin);
    }

    #[test]
    fn a_message_that_does_not_fit_is_handed_out_in_parts() {
        let mut reading = Reading::Idle;
        reading.take(Outcome::More(10));
        assert_eq!(reading.read(), Read::Give(0..10));
        reading.gave(4);
        assert_eq!(reading.read(), Read::Give(4..10));
        reading.gave(6);
        // The rest of the message.
        assert_eq!(reading.read(), Read::Begin);
    }

    #[test]
    fn an_empty_message_is_not_the_end() {
        let mut state = PipeState::default();
        state.reading.take(Outcome::Done(0));
        assert!(state.readiness().is_readable());
        assert_eq!(state.reading.read(), Read::Begin);
    }

    #[test]
    fn the_end_is_told_again_and_again() {
        let mut state = PipeState::default();
        state.reading.take(Outcome::Failed(ERROR_BROKEN_PIPE));
        for _ in 0..2 {
            assert_eq!(state.reading.read(), Read::End);
            assert!(state.readiness().is_readable());
            assert!(state.readiness().is_read_closed());
            assert!(!state.readiness().is_error());
        }
        state.forget_the_end();
        assert_eq!(state.reading.read(), Read::Begin);
    }

    #[test]
    fn after_a_disconnection_nothing_is_left_and_nobody_is_there() {
        let mut state = PipeState::default();
        state.reading.take(Outcome::Done(7));
        let _ = state.writing.begun(3, Outcome::Pending);
        state.disconnect();
        assert_eq!(state.readiness(), Readiness::EMPTY);
        assert_eq!(state.reading.read(), Read::Begin);
        assert_eq!(state.connecting.connect(), Connect::Begin);
        state.connecting.take(Outcome::Done(0));
        assert_eq!(state.readiness(), Readiness::WRITABLE);
    }

    #[test]
    fn a_read_before_there_is_a_client_waits() {
        let mut reading = Reading::Idle;
        reading.take(Outcome::Failed(ERROR_PIPE_LISTENING));
        assert_eq!(reading, Reading::Idle);
    }

    #[test]
    fn a_read_ahead_that_is_not_allowed_is_silent() {
        let mut state = PipeState::default();
        state
            .reading
            .take_ahead(Outcome::Failed(ERROR_ACCESS_DENIED));
        assert_eq!(state.readiness(), Readiness::WRITABLE);
    }

    #[test]
    fn a_read_ahead_that_fails_is_an_event_and_an_error_told_once() {
        // The last two are out of memory and resources: nobody is gone.
        let codes = [
            (ERROR_PIPE_NOT_CONNECTED, true),
            (ERROR_UNEXP_NET_ERR, true),
            (ERROR_NETNAME_DELETED, true),
            (ERROR_SEM_TIMEOUT, true),
            (ERROR_VC_DISCONNECTED, true),
            (8, false),
            (1450, false),
        ];
        for (code, is_gone) in codes {
            let mut state = PipeState::default();
            state.reading.take_ahead(Outcome::Failed(code));
            let readiness = state.readiness();
            assert!(readiness.is_readable() && readiness.is_error(), "{code}");
            assert_eq!(readiness.is_read_closed(), is_gone, "{code}");
            assert_eq!(state.reading.read(), Read::Fail(code));
            assert_eq!(state.reading.read(), Read::Begin);
        }
    }

    #[test]
    fn what_was_accepted_is_written_to_its_end() {
        let mut writing = Writing::Idle;
        assert_eq!(writing.begun(10, Outcome::Pending), Wrote::Accepted(10));
        assert_eq!(writing.take(Outcome::Done(3)), Some(3..10));
        assert_eq!(writing.take(Outcome::Pending), None);
        assert_eq!(writing.take(Outcome::Done(7)), None);
        assert_eq!(writing.write(), Write::Begin);
    }

    #[test]
    fn a_write_that_moves_nothing_ends() {
        let mut writing = Writing::Idle;
        let _ = writing.begun(10, Outcome::Pending);
        assert_eq!(writing.take(Outcome::Done(0)), None);
        assert_eq!(writing.write(), Write::Fail(ERROR_WRITE_FAULT));
    }

    #[test]
    fn a_write_that_is_called_back_says_how_much_may_be_lost() {
        let cases = [
            (Outcome::Failed(ERROR_OPERATION_ABORTED), 10, Write::Begin),
            (Outcome::Done(10), 0, Write::Begin),
            (Outcome::Done(4), 6, Write::Begin),
            // Of which the next write tells.
            (
                Outcome::Failed(ERROR_NO_DATA),
                10,
                Write::Fail(ERROR_NO_DATA),
            ),
        ];
        for (outcome, lost, next) in cases {
            let mut writing = Writing::Idle;
            let _ = writing.begun(10, Outcome::Pending);
            assert_eq!(writing.call_back(Outcome::Pending), None);
            assert_eq!(writing.write(), Write::Block);
            assert_eq!(writing.call_back(outcome), Some(lost), "{outcome:?}");
            assert_eq!(writing.write(), next, "{outcome:?}");
            assert_eq!(writing.call_back(outcome), Some(0));
        }
    }

    #[test]
    fn a_write_that_is_refused_accepts_nothing() {
        let mut writing = Writing::Idle;
        assert_eq!(
            writing.begun(10, Outcome::Failed(ERROR_NO_DATA)),
            Wrote::Fail(ERROR_NO_DATA)
        );
        assert_eq!(writing.write(), Write::Begin);
    }

    #[test]
    fn a_write_that_fails_later_is_an_event_and_an_error_told_once() {
        let mut state = PipeState::default();
        let _ = state.writing.begun(10, Outcome::Pending);
        assert_eq!(state.readiness(), Readiness::EMPTY);
        assert_eq!(state.writing.take(Outcome::Failed(ERROR_NO_DATA)), None);
        let readiness = state.readiness();
        assert!(readiness.is_writable() && readiness.is_error() && readiness.is_write_closed());
        let mut asked = state.clone();
        assert_eq!(asked.writing.take_error(), Some(ERROR_NO_DATA));
        assert_eq!(asked.writing.take_error(), None);
        assert_eq!(state.writing.write(), Write::Fail(ERROR_NO_DATA));
        assert_eq!(state.writing.write(), Write::Begin);
    }

    proptest! {
        /// Whatever the system says, in whatever state: bytes are handed out as many as came, and
        /// each once.
        #[test]
        fn no_byte_is_lost_or_given_twice(
            steps in prop::collection::vec((outcomes(), 1_usize..8), 0..60),
        ) {
            let mut reading = Reading::Idle;
            let (mut came, mut given) = (0_usize, 0_usize);
            for (outcome, room) in steps {
                match reading.read() {
                    Read::Begin => {
                        let outcome = match outcome {
                            Outcome::Done(n) => Outcome::Done(n % 20),
                            other => other,
                        };
                        if let Outcome::Done(n) | Outcome::More(n) = outcome {
                            came += n;
                        }
                        reading.take(outcome);
                    }
                    Read::Block => {
                        let n = room;
                        came += n;
                        reading.take(Outcome::Done(n));
                    }
                    Read::Give(bytes) => {
                        let n = bytes.len().min(room);
                        given += n;
                        reading.gave(n);
                    }
                    Read::End => reading = Reading::Idle,
                    Read::Fail(_) => prop_assert_eq!(&reading, &Reading::Idle),
                }
            }
            while let Read::Give(bytes) = reading.read() {
                given += bytes.len();
                reading.gave(bytes.len());
            }
            prop_assert_eq!(came, given);
        }

        /// What is left to write is the end of what was accepted, and gets shorter.
        #[test]
        fn writes_end(
            length in 1_usize..100,
            steps in prop::collection::vec(outcomes(), 1..60),
        ) {
            let mut writing = Writing::Idle;
            prop_assert_eq!(writing.begun(length, Outcome::Pending), Wrote::Accepted(length));
            let mut left = length;
            for outcome in steps {
                let is_pending = matches!(writing, Writing::Pending(_));
                match writing.take(outcome) {
                    Some(rest) => {
                        prop_assert!(is_pending);
                        prop_assert_eq!(rest.end, length);
                        prop_assert!(!rest.is_empty() && rest.len() < left);
                        left = rest.len();
                    }
                    None if outcome == Outcome::Pending => {}
                    None => prop_assert!(!matches!(writing, Writing::Pending(_))),
                }
            }
        }

        /// Who asks gets an answer that he can act on: what blocks is in flight, and comes with an
        /// event; what does not block is ready.
        #[test]
        fn what_blocks_is_in_flight(
            steps in prop::collection::vec((0_u8..4, outcomes()), 0..60),
        ) {
            let mut state = PipeState::default();
            for (kind, outcome) in steps {
                match kind {
                    0 => state.connecting.take(outcome),
                    1 => state.reading.take(outcome),
                    2 => { let _ = state.writing.take(outcome); }
                    _ => { let _ = state.writing.begun(10, outcome); }
                }
                let readiness = state.readiness();
                let mut asked = state.clone();
                let (read, write) = (asked.reading.read(), asked.writing.write());
                let is_readable = !matches!(state.reading, Reading::Idle | Reading::Pending);
                prop_assert_eq!(readiness.is_readable(), is_readable);
                prop_assert_eq!(read == Read::Block, state.reading == Reading::Pending);
                if state.connecting == Connecting::Idle {
                    prop_assert_eq!(readiness.is_writable(), write != Write::Block);
                }
                if readiness.is_error() {
                    prop_assert!(
                        matches!(read, Read::Fail(_))
                            || matches!(write, Write::Fail(_))
                            || matches!(asked.connecting.connect(), Connect::Fail(_))
                    );
                }
            }
        }
    }
}
