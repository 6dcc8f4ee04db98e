//! A build without `os-poll`: everything is there, and no poll can be made.

#![cfg(not(feature = "os-poll"))]

use std::io::ErrorKind;

use wakeful::{Backend, Events, Poll};

#[test]
fn a_poll_is_unsupported() {
    let error = Poll::new().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("os-poll"), "{error}");
}

#[test]
fn no_backend_is_available() {
    assert!(Backend::available().is_empty());
    for backend in [Backend::Epoll, Backend::Poll] {
        let error = Poll::builder().backend(backend).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}

#[test]
fn events_can_be_made() {
    assert!(Events::with_capacity(8).is_empty());
}

#[cfg(feature = "net")]
#[test]
fn sockets_work_as_far_as_nobody_waits() {
    use wakeful::net::UdpSocket;

    let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nothing = socket.recv(&mut [0; 8]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
}
