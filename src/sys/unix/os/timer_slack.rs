//! How late the kernel may end a wait of the calling thread.
//!
//! Manual: <https://man7.org/linux/man-pages/man2/PR_SET_TIMERSLACK.2const.html>

#![allow(unsafe_code)]

use std::time::Duration;

/// `PR_GET_TIMERSLACK`; nothing if a filter forbids to ask.
pub(crate) fn get() -> Duration {
    // SAFETY: takes numbers only.
    let nanos = unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) };
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_thread_has_set() {
        std::thread::spawn(|| {
            // SAFETY: takes numbers only.
            let outcome = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 123_456 as libc::c_ulong) };
            assert_eq!(outcome, 0);
            assert_eq!(get(), Duration::from_nanos(123_456));
        })
        .join()
        .unwrap();
    }
}
