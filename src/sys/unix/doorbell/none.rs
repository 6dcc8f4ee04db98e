//! No doorbell: systems with one thread, where nobody can ring while the poller sleeps.

use std::io;

#[derive(Debug)]
pub(crate) struct Bell;

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn ring(&self) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn silence(&self) {}
}
