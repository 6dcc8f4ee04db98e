//! The door to the operating system: picks its backends, and says what each of them provides.

#[cfg(feature = "os-poll")]
mod levels;
#[cfg(feature = "os-poll")]
mod rearm;

#[cfg(not(feature = "os-poll"))]
mod shell;
#[cfg(handle = "fd")]
pub(crate) mod unix;
#[cfg(handle = "windows")]
pub(crate) mod windows;
// Pure, so its tests run everywhere.
#[cfg(all(test, feature = "os-poll", not(handle = "windows")))]
#[path = "windows/conditions.rs"]
mod windows_conditions;
#[cfg(all(test, feature = "os-poll", not(handle = "windows")))]
#[path = "windows/flight.rs"]
mod windows_flight;
#[cfg(all(test, feature = "os-poll", not(handle = "windows")))]
#[path = "windows/pipe_state.rs"]
mod windows_pipe_state;

#[cfg(not(feature = "os-poll"))]
pub(crate) use self::shell::{timer_slack, Buffer, Doorbell, Registration, Selector};
#[cfg(all(feature = "os-poll", handle = "fd", not(selector = "poll")))]
pub(crate) use self::unix::choice::{Buffer, Registration, Selector};
#[cfg(all(feature = "os-poll", selector = "poll"))]
pub(crate) use self::unix::poll::{Buffer, Registration, Selector};
#[cfg(all(feature = "os-poll", handle = "fd"))]
pub(crate) use self::unix::{doorbell::Doorbell, os::timer_slack::get as timer_slack};
#[cfg(all(feature = "os-poll", handle = "windows"))]
pub(crate) use self::windows::{
    doorbell::Doorbell,
    selector::{Buffer, Registration, Selector},
    timer_slack,
};

#[cfg(not(feature = "os-poll"))]
use self::shell::Raw;
#[cfg(all(feature = "os-poll", handle = "fd"))]
pub(crate) use self::unix::os::Raw;
#[cfg(all(feature = "os-poll", handle = "windows"))]
pub(crate) use self::windows::os::Raw;

// What sources call directly.
#[cfg(all(capability = "pipes", feature = "os-ext"))]
pub(crate) use self::unix::os::pipe;
#[cfg(all(handle = "fd", feature = "net"))]
pub(crate) use self::unix::os::socket;
#[cfg(all(handle = "fd", any(feature = "net", feature = "os-ext")))]
pub(crate) use self::unix::{describe, os::conversions::conversions, raw, AsRaw};
#[cfg(all(handle = "windows", feature = "net"))]
pub(crate) use self::windows::os::{conversions::conversions, socket};
#[cfg(all(handle = "windows", any(feature = "net", feature = "os-ext")))]
pub(crate) use self::windows::{describe, raw, AsRaw};

// What completes rather than becomes ready.
#[cfg(all(handle = "windows", feature = "os-ext"))]
pub(crate) use self::windows::{
    operation,
    os::{handle, named_pipe, overlapped, wait},
    pipe_state,
};

// Unix domain sockets as `std` has them, or would have.
#[cfg(all(handle = "windows", capability = "unix_streams", feature = "net"))]
pub(crate) use self::windows::os::unix as unix_net;
#[cfg(all(handle = "fd", capability = "unix_streams", feature = "net"))]
pub(crate) use std::os::unix::net as unix_net;

/// What every backend provides. A missing or different item fails the build here.
const _: () = {
    use std::io;
    use std::time::Duration;

    use crate::base::backend::Backend;
    use crate::base::blocked::Blocked;
    use crate::base::busy_poll::BusyPoll;
    use crate::base::event::Event;
    use crate::base::interest::Interest;
    use crate::base::token::Token;
    use crate::base::wait::Wait;

    fn is_send_and_sync<T: Send + Sync>() {}
    fn is_default<T: Default>() {}

    fn contract() {
        is_send_and_sync::<Selector>();
        is_send_and_sync::<Doorbell>();
        is_send_and_sync::<Registration>();
        is_send_and_sync::<Buffer>();
        is_default::<Buffer>();

        // One instance, and what interrupts it from any thread.
        let _: fn(Backend) -> io::Result<(Selector, Doorbell)> = Selector::new;
        let _: fn(&Selector) -> Backend = Selector::backend;
        let _: fn(&Selector, &BusyPoll) -> io::Result<()> = Selector::busy_poll;
        let _: fn(&Doorbell) -> io::Result<()> = Doorbell::ring;

        // By how much later than asked the system may end a wait of this thread.
        let _: fn() -> Duration = timer_slack;

        // One wait: appends up to so many events. May return early without any, when the doorbell
        // rang or the backend's own affairs ask for another round; the caller keeps the deadline.
        let _: fn(&Selector, &mut Buffer, &mut Vec<Event>, usize, Wait) -> io::Result<()> =
            Selector::select;

        // Sources whose I/O passes through us; a registration ends when it is dropped. A backend that
        // has nothing to remember and nothing to be told gives none: what is registered then is
        // changed and ended as what we do not see.
        let _: fn(&Selector, Raw, Token, Interest) -> io::Result<Option<Registration>> =
            Selector::register;
        let _: fn(&Selector, Raw, &Registration, Token, Interest) -> io::Result<()> =
            Selector::reregister;
        let _: fn(&Selector, Raw, &Registration) -> io::Result<()> = Selector::deregister;
        // What operations show, to a backend that emulates edges.
        let _: fn(&Registration, Blocked) = Registration::blocked;
        let _: fn(&Registration, Blocked) = Registration::fell_short;
        // The source goes on without us, registered until it is closed.
        let _: fn(Registration) = Registration::detach;
        // The descriptor was handed out, so I/O may pass us by from now on.
        let _: fn(&Registration) = Registration::exposed;

        // Sources whose I/O we do not see.
        let _: fn(&Selector, Raw, Token, Interest) -> io::Result<()> = Selector::register_unseen;
        let _: fn(&Selector, Raw, Token, Interest) -> io::Result<()> = Selector::reregister_unseen;
        let _: fn(&Selector, Raw) -> io::Result<()> = Selector::deregister_unseen;
    }
    let _ = contract;
};
