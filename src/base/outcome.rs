//! How an operation is going that the system completes by itself.

/// What the system says of an operation.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is not over; the system will say when it is.
    Pending,
    /// So many bytes were moved.
    Done(usize),
    /// So many bytes were read, and the message has more.
    More(usize),
    /// The error of the system.
    Failed(u32),
}
