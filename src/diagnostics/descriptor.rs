//! What can be said of a descriptor when it is registered.

/// How a descriptor was opened.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Operations on it wait: somebody may want to do some, and the flag is not set.
    pub(crate) blocks: bool,
    pub(crate) is_terminal: bool,
    pub(crate) is_readable: bool,
    pub(crate) is_writable: bool,
}
