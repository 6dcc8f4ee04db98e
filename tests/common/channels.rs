//! What the tests of channels share: a receiver that is registered under a token of its own.

use wakeful::channel::Receiver;
use wakeful::{Interest, Poll, Token};

pub(crate) const MESSAGES: Token = Token(5);

#[track_caller]
pub(crate) fn register<T>(poll: &Poll, receiver: &mut Receiver<T>, interest: Interest) {
    poll.registry()
        .register(receiver, MESSAGES, interest)
        .unwrap();
}

pub(crate) fn all<T>(receiver: &Receiver<T>) -> Vec<T> {
    receiver.try_iter().collect()
}
