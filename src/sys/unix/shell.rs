//! What the shell needs on Unix besides: a descriptor that no value has.

use std::os::fd::{AsFd, BorrowedFd};

use crate::sys::shell::Selector;

impl AsFd for Selector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match *self {}
    }
}
