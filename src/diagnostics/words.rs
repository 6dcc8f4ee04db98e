//! The messages: what was seen, why it hangs, and the way out.

use std::fmt;
use std::panic::Location;

use crate::diagnostics::record::{Direction, Identity, Record};

/// `the TcpStream with Token(3), registered at src/main.rs:12:21,`
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} with {:?}, registered ", self.kind, self.token)?;
        match self.registered {
            Some(place) => place.fmt(f)?,
            // Nothing between us and the user has noted the call.
            None => f.write_str("by `Source::register` (use `Registry::register` to see where)")?,
        }
        match self.reregistered {
            Some(place) => write!(f, " and reregistered {place},"),
            None => f.write_str(","),
        }
    }
}

/// Of a source that was reported and not drained; `others` have the same token.
pub(crate) fn lost_edge(
    record: &Record,
    direction: Direction,
    others: usize,
    poll: &'static Location<'static>,
) -> String {
    let kind = record.identity.kind;
    let source = Shared {
        identity: record.identity,
        others,
    };
    let seen = Seen { record, direction };
    let operation = operation(kind, direction);
    let short = match (is_stream(kind), direction) {
        (false, _) => "",
        (true, Direction::Read) => " or a read that returns less than it had room for",
        (true, Direction::Write) => ", a write that takes less than it was given,",
    };
    match direction {
        Direction::Read => format!(
            "lost edge: {source} was reported readable and not drained before the poll at {poll}: \
             {seen}. It is edge-triggered: what is left in it is not reported again, so a program \
             that waits for an event to go on hangs. After every event {operation} until \
             `WouldBlock`{short}, or register it with `Interest::READABLE.level()`. (No harm is \
             done if the program keeps in mind that there may be more, and comes back by itself.)"
        ),
        Direction::Write => format!(
            "lost edge: {source} was reported writable and not filled before the poll at {poll}: \
             {seen}. It is edge-triggered: as it never was full it does not become writable again, \
             so a program that waits for an event before the next {operation} hangs. After every \
             event {operation} until `WouldBlock`{short} or until nothing is left, or register it \
             with `Interest::WRITABLE.level()` for as long as there is something to {operation}. \
             (No harm is done if nothing is left now and the next {operation} comes by itself.)"
        ),
    }
}

/// Of a source that stops the loop when an operation finds it not ready.
pub(crate) fn blocking(identity: Identity, is_terminal: bool, is_level: bool) -> String {
    let kind = identity.kind;
    if is_terminal {
        let hint = if is_level {
            ""
        } else {
            ". Register it with `Interest::READABLE.level()`, so that what one read leaves is \
             reported again"
        };
        return format!(
            "blocking descriptor: {identity} is a terminal without O_NONBLOCK. That is usual, since \
             every program on the terminal shares the flag. So read once for each event, never \
             until `WouldBlock`: a second read waits for the keyboard, and the whole loop with \
             it{hint}"
        );
    }
    let edge = if is_level {
        ""
    } else {
        ", and as it is edge-triggered it has to be used until one does: the last operation after \
         every event never returns `WouldBlock`, it hangs"
    };
    let way_out = match kind {
        SOURCE_FD => "Set the flag with fcntl(F_SETFL) before it is registered".to_owned(),
        RECEIVER | SENDER | PIPE => {
            "Call `set_nonblocking(true)` on it before it is registered".to_owned()
        }
        kind => format!(
            "Make it of the type of std with `{kind}::try_from`, which sets the flag, or call \
             `set_nonblocking(true)` on that before"
        ),
    };
    format!(
        "blocking descriptor: {identity} does not have O_NONBLOCK. An operation that finds it not \
         ready stops the whole loop{edge}. {way_out}"
    )
}

/// Of a poll that nothing can end.
pub(crate) fn endless(poll: &'static Location<'static>, last: Option<Identity>) -> String {
    let hint = match last {
        Some(identity) => format!(
            "The last to be registered was {identity} and it is gone: a source that is dropped or \
             deregistered reports no more. Keep it for as long as its events are wanted"
        ),
        None => {
            "Nothing was ever registered with it: did another `Poll` get the sources?".to_owned()
        }
    };
    format!(
        "endless poll: the poll at {poll} waits without a timeout, and nothing can end it: no \
         source is registered, there is no waker, no timer, and no other handle of its registry. \
         {hint}"
    )
}

/// A source, and how many it may be mistaken for.
struct Shared {
    identity: Identity,
    others: usize,
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identity.fmt(f)?;
        match self.others {
            0 => Ok(()),
            1 => f.write_str(" or another source with this token,"),
            others => write!(f, " or one of {others} others with this token,"),
        }
    }
}

/// `there was 1 read of 512 bytes, and it did not return WouldBlock`
struct Seen<'a> {
    record: &'a Record,
    direction: Direction,
}

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, bytes) = self.record.operations(self.direction);
        let kind = self.record.identity.kind;
        let operation = operation(kind, self.direction);
        if count == 0 {
            return write!(f, "there was no {operation} at all");
        }
        let (was, s, none) = match count {
            1 => ("was", "", "it did not return"),
            _ => ("were", "s", "none of them returned"),
        };
        write!(f, "there {was} {count} {operation}{s}")?;
        if is_stream(kind) {
            let all = if count == 1 { "" } else { " in all" };
            write!(f, " of {bytes} bytes{all}")?;
        }
        write!(f, ", and {none} `WouldBlock`")
    }
}

/// A source that we only know as a number.
#[cfg(not(handle = "windows"))]
pub(super) const SOURCE_FD: &str = "SourceFd";
#[cfg(handle = "windows")]
pub(super) const SOURCE_FD: &str = "SourceSocket";
const RECEIVER: &str = "pipe::Receiver";
const SENDER: &str = "pipe::Sender";
const PIPE: &str = "pipe";

/// What we call a type of std: the last part of its path, and pipes by the end.
pub(crate) fn kind_of<T>(is_readable: bool, is_writable: bool) -> &'static str {
    let name = std::any::type_name::<T>();
    match name.rsplit("::").next().unwrap_or(name) {
        "File" => match (is_readable, is_writable) {
            (true, false) => RECEIVER,
            (false, true) => SENDER,
            _ => PIPE,
        },
        name => name,
    }
}

fn is_stream(kind: &str) -> bool {
    kind.ends_with("Stream") || matches!(kind, RECEIVER | SENDER | PIPE)
}

fn operation(kind: &str, direction: Direction) -> &'static str {
    match direction {
        Direction::Read if kind.ends_with("Listener") => "accept",
        Direction::Read if is_stream(kind) => "read",
        Direction::Read => "receive",
        Direction::Write if is_stream(kind) => "write",
        Direction::Write => "send",
    }
}
