//! What `SourceFd` and `SourceSocket` share: they register a number, and its I/O passes us by.

use std::io;

use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::reactor::registry::Registry;
use crate::sys;

pub(crate) fn register(
    raw: sys::Raw,
    registry: &Registry,
    token: Token,
    interest: Interest,
) -> io::Result<()> {
    let shared = registry.shared();
    shared.selector.register_unseen(raw, token, interest)?;
    if let Some(observer) = &shared.observer {
        observer.registered_unseen(raw, sys::describe(raw), token, interest);
    }
    Ok(())
}

pub(crate) fn reregister(
    raw: sys::Raw,
    registry: &Registry,
    token: Token,
    interest: Interest,
) -> io::Result<()> {
    let shared = registry.shared();
    shared.selector.reregister_unseen(raw, token, interest)?;
    if let Some(observer) = &shared.observer {
        observer.reregistered_unseen(raw, token);
    }
    Ok(())
}

pub(crate) fn deregister(raw: sys::Raw, registry: &Registry) -> io::Result<()> {
    let shared = registry.shared();
    shared.selector.deregister_unseen(raw)?;
    if let Some(observer) = &shared.observer {
        observer.deregistered_unseen(raw);
    }
    Ok(())
}
