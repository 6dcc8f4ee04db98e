//! How descriptors of Unix must be that the crate opens.

use std::fmt::Debug;
use std::os::fd::AsFd;

/// How every descriptor that we open must be.
#[track_caller]
pub(crate) fn assert_nonblocking_and_cloexec(source: &(impl AsFd + Debug)) {
    assert!(is_nonblocking(source), "{source:?} blocks");
    assert!(is_cloexec(source), "{source:?} is inherited");
}

pub(crate) fn is_nonblocking(source: &impl AsFd) -> bool {
    rustix::fs::fcntl_getfl(source)
        .unwrap()
        .contains(rustix::fs::OFlags::NONBLOCK)
}

pub(crate) fn is_cloexec(source: &impl AsFd) -> bool {
    rustix::io::fcntl_getfd(source)
        .unwrap()
        .contains(rustix::io::FdFlags::CLOEXEC)
}
