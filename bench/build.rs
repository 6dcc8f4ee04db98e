//! Tells the bench which compiler made it, as results are recorded with it, and whether libuv is there to be measured.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = output(Command::new(rustc).arg("--version"));
    let version = version.as_deref().unwrap_or("unknown");
    println!("cargo:rustc-env=BENCH_RUSTC={version}");

    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    println!("cargo:rustc-check-cfg=cfg(has_libuv)");
    // Its development files, where pkg-config finds them: nothing is installed or built for it. Without them the
    // bench says loudly that it does not measure libuv.
    if let Some(libraries) = output(Command::new("pkg-config").args(["--libs", "libuv >= 1.19"])) {
        println!("cargo:rustc-cfg=has_libuv");
        for library in libraries.split_whitespace() {
            if let Some(name) = library.strip_prefix("-l") {
                println!("cargo:rustc-link-lib={name}");
            } else if let Some(folder) = library.strip_prefix("-L") {
                println!("cargo:rustc-link-search=native={folder}");
            }
        }
    }
}

/// What a command prints; `None` if it fails.
fn output(command: &mut Command) -> Option<String> {
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
