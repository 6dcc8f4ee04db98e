//! What the driver behind sockets can be asked about, in the words of epoll(7) and poll(2).
//!
//! | condition | holds when | asked about by |
//! |---|---|---|
//! | `RECEIVE` | there is something to receive | readable |
//! | `ACCEPT` | a connection waits to be accepted | readable |
//! | `DISCONNECT` | the peer has shut down its writing half | readable |
//! | `SEND` | there is room to send; a connection was made | writable |
//! | `ABORT` | the connection was reset | always |
//! | `CONNECT_FAIL` | no connection was made | always |
//! | `LOCAL_CLOSE` | the socket is closed here | always |
//!
//! No system call is made here, so it is tested on every system.

use crate::sys::levels::Levels;

pub(crate) const RECEIVE: u32 = 0x001;
pub(crate) const SEND: u32 = 0x004;
pub(crate) const DISCONNECT: u32 = 0x008;
pub(crate) const ABORT: u32 = 0x010;
pub(crate) const LOCAL_CLOSE: u32 = 0x020;
pub(crate) const ACCEPT: u32 = 0x080;
pub(crate) const CONNECT_FAIL: u32 = 0x100;

/// What to ask for, for each level.
const QUESTIONS: [(Levels, u32); 4] = [
    // The end of a stream can be read.
    (Levels::INPUT, RECEIVE | ACCEPT | DISCONNECT),
    (Levels::READ_HANGUP, DISCONNECT),
    (Levels::OUTPUT, SEND),
    (Levels::ALWAYS, ABORT | CONNECT_FAIL),
];

/// What the driver is to be asked about. The end of the socket is always among it.
pub(crate) fn question(asked: Levels) -> u32 {
    let questions = QUESTIONS.iter().filter(|(level, _)| asked.has(*level));
    questions.fold(LOCAL_CLOSE, |bits, (_, question)| bits | question)
}

/// What holds, of what was `asked`, according to the driver's answer.
pub(crate) fn levels(asked: Levels, answer: u32) -> Levels {
    // Who reads or writes a connection that is over is told why.
    const OVER: Levels = all([
        Levels::INPUT,
        Levels::OUTPUT,
        Levels::READ_HANGUP,
        Levels::ALWAYS,
    ]);
    const ANSWERS: [(u32, Levels); 6] = [
        (RECEIVE, Levels::INPUT),
        (ACCEPT, Levels::INPUT),
        (
            DISCONNECT,
            all([
                Levels::INPUT,
                Levels::READ_HANGUP,
                Levels::NONE,
                Levels::NONE,
            ]),
        ),
        (SEND, Levels::OUTPUT),
        (ABORT, OVER),
        (CONNECT_FAIL, OVER),
    ];
    let hold = ANSWERS.iter().filter(|(bit, _)| answer & bit != 0);
    hold.fold(Levels::NONE, |levels, (_, level)| levels | *level) & (asked | Levels::ALWAYS)
}

const fn all(levels: [Levels; 4]) -> Levels {
    let [a, b, c, d] = levels;
    Levels::from_bits(a.bits() | b.bits() | c.bits() | d.bits())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::interest::Interest;

    const UNASKED: u32 = ABORT | CONNECT_FAIL | LOCAL_CLOSE;

    fn asked_for(interest: Interest) -> Levels {
        Levels::asked_for(interest) | Levels::ALWAYS
    }

    #[test]
    fn each_interest_asks_for_its_own() {
        let reads = RECEIVE | ACCEPT | DISCONNECT;
        let cases = [
            (Interest::READABLE, reads | UNASKED),
            (Interest::WRITABLE, SEND | UNASKED),
            (
                Interest::READABLE | Interest::WRITABLE,
                reads | SEND | UNASKED,
            ),
        ];
        for (interest, expected) in cases {
            assert_eq!(question(asked_for(interest)), expected, "{interest:?}");
        }
        assert_eq!(question(Levels::NONE), LOCAL_CLOSE);
    }

    #[test]
    fn each_answer_holds_for_who_asked() {
        let (reads, writes) = (asked_for(Interest::READABLE), asked_for(Interest::WRITABLE));
        let cases = [
            (RECEIVE, Levels::INPUT, Levels::NONE),
            (ACCEPT, Levels::INPUT, Levels::NONE),
            (SEND, Levels::NONE, Levels::OUTPUT),
            (
                DISCONNECT,
                Levels::INPUT | Levels::READ_HANGUP,
                Levels::NONE,
            ),
            (ABORT, reads & !Levels::PRIORITY, writes),
            (CONNECT_FAIL, reads & !Levels::PRIORITY, writes),
            (LOCAL_CLOSE, Levels::NONE, Levels::NONE),
            (0, Levels::NONE, Levels::NONE),
        ];
        for (answer, to_reader, to_writer) in cases {
            assert_eq!(levels(reads, answer), to_reader, "{answer:#x}");
            assert_eq!(levels(writes, answer), to_writer, "{answer:#x}");
        }
    }

    #[test]
    fn a_connection_that_is_over_is_an_error_and_closed_both_ways() {
        let asked = asked_for(Interest::READABLE | Interest::WRITABLE);
        for answer in [ABORT, CONNECT_FAIL] {
            let readiness = levels(asked, answer).readiness();
            let said = format!("{readiness:?}");
            for word in [
                "READABLE",
                "WRITABLE",
                "ERROR",
                "READ_CLOSED",
                "WRITE_CLOSED",
            ] {
                assert!(said.contains(word), "{said} lacks {word}");
            }
        }
    }

    #[test]
    fn every_combination_is_the_sum_of_its_parts() {
        let asked = asked_for(Interest::READABLE | Interest::WRITABLE);
        for answer in 0..0x400 {
            let parts = (0..10).map(|bit| levels(asked, answer & (1 << bit)));
            let sum = parts.fold(Levels::NONE, |sum, part| sum | part);
            assert_eq!(levels(asked, answer), sum, "{answer:#x}");
        }
    }
}
