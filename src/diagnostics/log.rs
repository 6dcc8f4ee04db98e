//! `trace!` and warnings, or nothing at all when the feature `log` is off.
//!
//! The quiet version still names its arguments, so that a build without `log` warns of nothing.

#[cfg(feature = "log")]
macro_rules! trace {
    ($($argument:tt)+) => { ::log::trace!($($argument)+) };
}

#[cfg(not(feature = "log"))]
macro_rules! trace {
    ($($argument:tt)+) => {
        if false {
            let _ = ::std::format_args!($($argument)+);
        }
    };
}

pub(crate) use trace;

/// Whether anybody can hear a warning.
pub(crate) const IS_ON: bool = cfg!(feature = "log");

/// Warns under the target `wakeful`, wherever in the crate it comes from.
#[cfg(feature = "log")]
pub(crate) fn warn(message: &str) {
    ::log::warn!(target: "wakeful", "{message}");
}

#[cfg(not(feature = "log"))]
pub(crate) fn warn(_message: &str) {}
