//! Operations on handles: whom to tell when one of them is over.
//!
//! A packet names an operation by the address of its `OVERLAPPED`. That is never followed: it is
//! looked up in a table of those that exist. And it is only a hint to look whether the operation is
//! over, so a packet does no harm that comes late, twice, or for an address that has a new owner.
//!
//! The table is the process's own, since a packet outlives its handle and its poll.
//!
//! # A packet that comes to the wrong poll
//!
//! An address may be used again: then a packet that is late, of an operation that was cancelled, makes the poller of one
//! poll look at a pipe of another. The owner takes every look for its own poller's, who is awake, and rings
//! nobody. No event is lost by that. A look has something to report only if it finds an operation over that was under
//! way, and such an operation makes a packet at the pipe's own port (only those that end within the call that began
//! them make none, and of those a look learns as their beginner, after one that was under way). That packet is still to
//! be taken, or was taken by a poller that is awake and has yet to look at what is ready. Either way the pipe's own
//! poller comes to look at its list after the event was put there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use windows_sys::Win32::System::IO::OVERLAPPED;

/// Who begins operations, and is told of their ends.
pub(crate) trait Owner: Send + Sync {
    /// One of the operations may be over. Called by the poller, between waiting in the kernel and
    /// looking at the list of what is ready in user space.
    fn look(&self);
}

static OWNERS: RwLock<BTreeMap<usize, Weak<dyn Owner>>> = RwLock::new(BTreeMap::new());

/// From now on, until it is dropped, packets for these addresses are handed to the owner.
pub(crate) struct Listed {
    addresses: [usize; 3],
}

impl Listed {
    pub(crate) fn new(addresses: [usize; 3], owner: &Weak<dyn Owner>) -> Self {
        let mut owners = OWNERS.write().unwrap_or_else(PoisonError::into_inner);
        owners.extend(addresses.map(|address| (address, Weak::clone(owner))));
        Self { addresses }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut owners = OWNERS.write().unwrap_or_else(PoisonError::into_inner);
        for address in &self.addresses {
            owners.remove(address);
        }
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed").finish_non_exhaustive()
    }
}

/// Takes the packet of the operation that was begun with `overlapped`.
pub(crate) fn complete(overlapped: *mut OVERLAPPED) {
    if let Some(owner) = owner(overlapped as usize) {
        owner.look();
    }
}

/// The table is free again when this returns: the owner may end while it looks.
fn owner(address: usize) -> Option<Arc<dyn Owner>> {
    let owners = OWNERS.read().unwrap_or_else(PoisonError::into_inner);
    owners.get(&address)?.upgrade()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Owner for Counter {
        fn look(&self) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn packets_reach_who_is_listed_and_nobody_else() {
        // Addresses that no operation has.
        let (own, foreign) = ([1, 3, 5], 7 as *mut OVERLAPPED);
        let counter = Arc::new(Counter::default());
        let owner: Weak<dyn Owner> = Arc::downgrade(&(Arc::clone(&counter) as Arc<dyn Owner>));
        let listed = Listed::new(own, &owner);
        for address in own {
            complete(address as *mut OVERLAPPED);
        }
        complete(foreign);
        complete(std::ptr::null_mut());
        assert_eq!(counter.0.load(Relaxed), 3);
        drop(listed);
        complete(3 as *mut OVERLAPPED);
        assert_eq!(counter.0.load(Relaxed), 3);
    }
}
