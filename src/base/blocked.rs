//! Which way an operation was going that would have blocked.

/// What an operation that would block was waiting for.
#[cfg_attr(not(any(feature = "net", feature = "os-ext")), allow(dead_code))]
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    Read,
    Write,
    /// One of both; the operation was not ours, and only its outcome is known.
    Either,
}
