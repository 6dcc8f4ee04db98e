//! `trace!` and friends, or nothing at all when the feature `log` is off.
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
