//! Scripts: what can be done, and how proptest makes it up.
//!
//! A script names no object, since which there are depends on what came before. It holds *picks*:
//! numbers that choose among the objects an operation can be done to. Where there is none,
//! the operation is skipped. So every part of a script is a script, and shrinking works.

use proptest::prelude::*;

use crate::subject::Wanted;

/// What the objects of a script are.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Listeners and streams over the loopback.
    Tcp,
    /// Pairs of Unix domain sockets.
    UnixStream,
    /// Receivers and senders.
    Pipe,
}

/// A sequence of operations on one poll.
#[derive(Clone, Debug)]
pub struct Script {
    pub(crate) transport: Transport,
    /// How many events one poll can report.
    pub(crate) capacity: usize,
    pub(crate) waker: usize,
    pub(crate) operations: Vec<Operation>,
}

/// Chooses among objects.
pub(crate) type Pick = u8;

#[derive(Copy, Clone, Debug)]
pub(crate) enum Operation {
    /// A pair of streams, a pipe, or a connection that is not yet accepted.
    Open,
    /// A connection to a port where nobody listens.
    Refused,
    Accept(Pick),
    Write(Pick, usize),
    /// Writes until it would block.
    Fill(Pick),
    Read(Pick, usize),
    /// Reads until it would block.
    Drain(Pick),
    /// The same by the descriptor, in `try_io`.
    DrainUnseen(Pick),
    HalfClose(Pick),
    Reset(Pick),
    Close(Pick),
    /// Asks the library for the descriptor.
    Expose(Pick),
    TakeError(Pick),
    /// Sends urgent data; only in scripts written by hand.
    Urgent(Pick),
    Register(Pick, Registration),
    Reregister(Pick, Registration),
    Deregister(Pick, Misuse),
    Wake,
    Poll(Wait),
}

#[derive(Copy, Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) token: usize,
    pub(crate) wanted: Wanted,
    pub(crate) misuse: Misuse,
}

/// Whether to pick an object for which the operation is an error.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    No,
    Yes,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    No,
    /// Without limit, if something must be reported.
    IfOwed,
}

/// Scripts of up to 40 operations on objects of one transport.
pub fn scripts(transport: Transport) -> impl Strategy<Value = Script> {
    let operations = prop::collection::vec(operation(transport), 1..40);
    let capacity = prop_oneof![3 => Just(64_usize), 1 => 1..4_usize];
    let beginning = prop::collection::vec(registration(), 3);
    (capacity, token(), beginning, operations).prop_map(
        move |(capacity, waker, registrations, random)| {
            // Begin with something that can be ready.
            let mut operations = vec![Operation::Open, Operation::Accept(0)];
            operations.extend(registrations.into_iter().map(|registration| {
                Operation::Register(
                    0,
                    Registration {
                        misuse: Misuse::No,
                        ..registration
                    },
                )
            }));
            operations.extend(random);
            Script {
                transport,
                capacity,
                waker,
                operations,
            }
        },
    )
}

/// Scripts of a waker and a pipe: many wakes and polls.
pub fn wakes() -> impl Strategy<Value = Script> {
    use Operation::*;
    let operation = prop_oneof![
        4 => Just(Wake),
        2 => Just(Poll(Wait::No)),
        2 => Just(Poll(Wait::IfOwed)),
        2 => Just(Write(0, 1)),
        1 => Just(Drain(0)),
        1 => registration().prop_map(|how| Reregister(0, how)),
    ];
    let operations = prop::collection::vec(operation, 1..40);
    (1..4_usize, token(), registration(), operations).prop_map(|(capacity, waker, how, random)| {
        let mut operations = vec![Open, Register(0, how)];
        operations.extend(random);
        Script {
            transport: Transport::Pipe,
            capacity,
            waker,
            operations,
        }
    })
}

impl Script {
    /// A waker under `token`, and a pipe under the token that follows.
    #[must_use]
    pub fn woken_beside_a_source(token: usize) -> Self {
        use Operation::*;
        let how = Registration::new(token.wrapping_add(1), true, false);
        let mut operations = vec![Open, Register(0, how)];
        for _ in 0..3 {
            operations.extend([Wake, Wake, Write(0, 1), Poll(Wait::IfOwed), Poll(Wait::No)]);
            operations.extend([Drain(0), Wake, Poll(Wait::IfOwed)]);
        }
        Self {
            transport: Transport::Pipe,
            capacity: 64,
            waker: token,
            operations,
        }
    }

    /// A stream that is closed in both directions, and whose peer then goes without having read.
    #[must_use]
    pub fn error_after_a_hangup() -> Self {
        use Operation::*;
        let how = Registration::new(7, true, false);
        let operations = vec![
            Open,
            Register(0, how),
            Write(0, 10),
            HalfClose(0),
            HalfClose(1),
            Poll(Wait::IfOwed),
            Close(1),
            Poll(Wait::IfOwed),
        ];
        Self {
            transport: Transport::UnixStream,
            capacity: 64,
            waker: 0,
            operations,
        }
    }

    /// Urgent data before and after other data, for a reader that wants it and one that does not.
    #[must_use]
    pub fn urgent_data() -> Self {
        use Operation::*;
        let mut operations = vec![Open, Accept(0)];
        for priority in [true, false] {
            // The client sends, the server is registered: the picks are among the streams, and
            // among what is open.
            let how = Registration::new(7, true, priority);
            operations.extend([Register(2, how), Poll(Wait::No), Urgent(0)]);
            operations.extend([Poll(Wait::IfOwed), Drain(1), Poll(Wait::No), Write(0, 10)]);
            operations.extend([Poll(Wait::IfOwed), Drain(1), Urgent(0), Poll(Wait::IfOwed)]);
            operations.extend([Write(0, 10), Poll(Wait::No), Drain(1), Poll(Wait::No)]);
            operations.push(Deregister(0, Misuse::No));
        }
        Self {
            transport: Transport::Tcp,
            capacity: 64,
            waker: 0,
            operations,
        }
    }
}

impl Registration {
    fn new(token: usize, readable: bool, priority: bool) -> Self {
        Self {
            token,
            wanted: Wanted {
                readable,
                writable: false,
                priority,
            },
            misuse: Misuse::No,
        }
    }
}

/// Each operation with a weight, as far as the transport has it.
fn operation(transport: Transport) -> impl Strategy<Value = Operation> {
    use Operation::*;
    let on = |has_it, weight| if has_it { weight } else { 0 };
    let is_tcp = transport == Transport::Tcp;
    let is_pipe = transport == Transport::Pipe;
    let pick = any::<Pick>;
    let on_one = |make: fn(Pick) -> Operation| pick().prop_map(make).boxed();
    let sized = |make: fn(Pick, usize) -> Operation| {
        let choice = (pick(), size());
        choice
            .prop_map(move |(pick, size)| make(pick, size))
            .boxed()
    };
    let registering = |make: fn(Pick, Registration) -> Operation| {
        let choice = (pick(), registration());
        choice.prop_map(move |(pick, how)| make(pick, how)).boxed()
    };
    let deregistering = (pick(), misuse()).prop_map(|(pick, misuse)| Deregister(pick, misuse));
    let choices = vec![
        (6, Just(Poll(Wait::No)).boxed()),
        (6, Just(Poll(Wait::IfOwed)).boxed()),
        (8, sized(Write)),
        (6, sized(Read)),
        (6, on_one(Drain)),
        (1, on_one(DrainUnseen)),
        // How much fits into TCP depends on the time that acknowledgements take.
        (on(!is_tcp, 4), on_one(Fill)),
        (2, Just(Open).boxed()),
        (on(is_tcp, 5), on_one(Accept)),
        (on(is_tcp, 1), Just(Refused).boxed()),
        (on(!is_pipe, 2), on_one(HalfClose)),
        (on(is_tcp, 1), on_one(Reset)),
        (on(!is_pipe, 1), on_one(TakeError)),
        (2, on_one(Close)),
        (1, on_one(Expose)),
        (5, registering(Register)),
        (4, registering(Reregister)),
        (2, deregistering.boxed()),
        (2, Just(Wake).boxed()),
    ];
    let possible = choices.into_iter().filter(|(weight, _)| *weight > 0);
    prop::strategy::Union::new_weighted(possible.collect())
}

fn registration() -> impl Strategy<Value = Registration> {
    (token(), wanted(), misuse()).prop_map(|(token, wanted, misuse)| Registration {
        token,
        wanted,
        misuse,
    })
}

/// Any token, the ends of the range more often.
fn token() -> impl Strategy<Value = usize> {
    prop_oneof![
        2 => 0..4_usize,
        1 => usize::MAX - 4..=usize::MAX,
        1 => any::<usize>(),
    ]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let choices = [
        (4, true, true, false),
        (3, true, false, false),
        (2, false, true, false),
        (1, true, true, true),
        (1, false, false, true),
    ];
    let choices = choices.map(|(weight, readable, writable, priority)| {
        let wanted = Wanted {
            readable,
            writable,
            priority,
        };
        (weight, Just(wanted))
    });
    prop::strategy::Union::new_weighted(choices.to_vec())
}

fn misuse() -> impl Strategy<Value = Misuse> {
    prop_oneof![9 => Just(Misuse::No), 1 => Just(Misuse::Yes)]
}

/// Around what matters: one byte, a page, more than a pipe holds in a page.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![2 => 1..8_usize, 1 => 4000..4200_usize, 1 => 1..10_000_usize]
}
