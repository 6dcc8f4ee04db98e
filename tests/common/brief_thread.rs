//! Threads that have ended before anything else happens.

use std::thread;

/// Does something on a thread that has ended when this returns.
pub(crate) fn on_a_thread_that_ends<T: Send>(does: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(does).join().unwrap())
}
