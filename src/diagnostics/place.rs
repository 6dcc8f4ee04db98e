//! Where in the user's program a source was registered.
//!
//! The caller of [`Registry::register`] is known to that function, but the record is made by the
//! source, and what lies between is the user's: a source that wraps others, a `Box<dyn Source>`.
//! So the place travels in a variable of the thread, for as long as the call lasts.
//!
//! [`Registry::register`]: crate::reactor::registry::Registry::register

use std::cell::Cell;
use std::fmt;
use std::panic::Location;

/// A call of the user's.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Place {
    call: &'static Location<'static>,
    /// The outermost call, if this one came from within a source that is being registered.
    within: Option<&'static Location<'static>>,
}

thread_local! {
    static CURRENT: Cell<Option<Place>> = const { Cell::new(None) };
}

impl Place {
    /// The innermost call that is going on in this thread. None if the user has called the method
    /// of the trait.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Cell::get).ok().flatten()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}", self.call)?;
        match self.within {
            Some(outermost) => write!(f, " (within the call at {outermost})"),
            None => Ok(()),
        }
    }
}

/// A call that is going on until this is dropped.
#[derive(Debug)]
pub(crate) struct Calling {
    before: Option<Place>,
}

impl Calling {
    pub(crate) fn enter(call: &'static Location<'static>) -> Self {
        let before = Place::current();
        let within = before.map(|place| place.within.unwrap_or(place.call));
        set(Some(Place { call, within }));
        Self { before }
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        set(self.before);
    }
}

fn set(place: Option<Place>) {
    // Too late only while the thread ends.
    let _ = CURRENT.try_with(|current| current.set(place));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_call_counts_and_the_outermost_is_named() {
        assert!(Place::current().is_none());
        let (outer, inner) = (Location::caller(), Location::caller());
        let first = Calling::enter(outer);
        let second = Calling::enter(inner);
        let place = Place::current().unwrap();
        assert_eq!((place.call, place.within), (inner, Some(outer)));
        drop(second);
        let place = Place::current().unwrap();
        assert_eq!((place.call, place.within), (outer, None));
        drop(first);
        assert!(Place::current().is_none());
    }
}
