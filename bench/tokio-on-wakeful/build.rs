//! As the bench's own, without the event loops in C; and says that `mio` is compat/mio here, everywhere.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let version = version.unwrap_or_else(|_| "unknown".to_owned());
    let version = version.trim_start_matches("rustc ");
    println!("cargo:rustc-env=BENCH_RUSTC={version}");
    println!("cargo:rustc-check-cfg=cfg(on_wakeful)");
    println!("cargo:rustc-cfg=on_wakeful");
    for library in ["libuv", "libevent", "libev"] {
        println!("cargo:rustc-check-cfg=cfg(has_{library})");
    }
}
