//! Kernels and sandboxes that lack `epoll_pwait2`: the poll falls back to milliseconds, rounded up.
//!
//! A seccomp filter makes the call fail as it does there. It cannot be removed again, so each case
//! runs in a process of its own: this binary, called anew with the error to fake.

#![cfg(all(target_os = "linux", feature = "os-poll"))]
#![allow(unsafe_code)] // prctl

use std::env;
use std::time::{Duration, Instant};

use wakeful::{Backend, Events, Poll, Token, Waker};

#[path = "common/program.rs"]
mod program;

use program::program;

/// Tells the child which error to fake.
const ERROR: &str = "WAKEFUL_TEST_ERROR";

#[test]
fn a_kernel_without_epoll_pwait2_waits_in_milliseconds() {
    in_a_child_where_it_fails_with(libc::ENOSYS);
}

#[test]
fn a_sandbox_that_forbids_epoll_pwait2_waits_in_milliseconds() {
    in_a_child_where_it_fails_with(libc::EPERM);
}

#[track_caller]
fn in_a_child_where_it_fails_with(error: libc::c_int) {
    let child = program(env::current_exe().unwrap())
        .args([
            "--exact",
            "waits_are_rounded_up",
            "--ignored",
            "--nocapture",
        ])
        .env(ERROR, error.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&child.stderr)
    );
}

#[test]
#[ignore = "called by the other tests, in a process of its own"]
fn waits_are_rounded_up() {
    let error = env::var(ERROR).unwrap().parse().unwrap();
    forbid_epoll_pwait2(error);
    let mut poll = Poll::builder().backend(Backend::Epoll).build().unwrap();
    let mut events = Events::with_capacity(8);
    let waker = Waker::new(poll.registry(), Token(0)).unwrap();

    // Twice: asked once, and remembered.
    for _ in 0..2 {
        let start = Instant::now();
        poll.poll(&mut events, Some(Duration::from_micros(50)))
            .unwrap();
        assert!(events.is_empty() && start.elapsed() >= Duration::from_millis(1));
    }
    waker.wake().unwrap();
    poll.poll(&mut events, Some(Duration::from_micros(1_500)))
        .unwrap();
    assert_eq!(events.iter().count(), 1);
}

/// From here on the system call fails with `error`, in this thread and those it starts.
fn forbid_epoll_pwait2(error: libc::c_int) {
    let instruction = |code: u32, jt, jf, k| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf,
        k,
    };
    let call = u32::try_from(libc::SYS_epoll_pwait2).unwrap();
    let error = u32::try_from(error).unwrap();
    let mut program = [
        // The number of the call stands first in `struct seccomp_data`.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call),
        instruction(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | error,
        ),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap(),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: takes numbers only.
    let outcome = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(outcome, 0);
    // SAFETY: the filter and its program outlive the call, which copies them.
    let outcome = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            std::ptr::addr_of!(filter),
        )
    };
    assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the call is refused before it looks at anything.
    let refused = unsafe { libc::syscall(libc::SYS_epoll_pwait2, -1, 0, 0, 0, 0, 0) };
    assert_eq!(refused, -1);
    let code = std::io::Error::last_os_error().raw_os_error();
    assert_eq!(code.map(|code| code as u32), Some(error));
}
