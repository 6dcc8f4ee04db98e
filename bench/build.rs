//! Tells the bench which compiler made it, as results are recorded with it; builds the servers on event loops in C
//! whose libraries are there to be measured.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = output(Command::new(rustc).arg("--version"));
    let version = version.as_deref().unwrap_or("unknown");
    let version = version.trim_start_matches("rustc ");
    println!("cargo:rustc-env=BENCH_RUSTC={version}");

    // Of tokio-on-wakeful/, which is made of the same sources.
    println!("cargo:rustc-check-cfg=cfg(on_wakeful)");

    web_server();
    for (name, header, link) in LIBRARIES {
        println!("cargo:rustc-check-cfg=cfg(has_{name})");
        println!("cargo:rerun-if-changed=c/{name}.c");
        // Its development files, where the compiler finds them: nothing is installed or built for it. Without them the
        // bench says loudly that it does not measure that library.
        if is_here(header, link) {
            println!("cargo:rustc-cfg=has_{name}");
            cc::Build::new()
                .file(format!("c/{name}.c"))
                .define("_GNU_SOURCE", None)
                .opt_level(3)
                .compile(&format!("bench_{name}"));
            for library in *link {
                println!("cargo:rustc-link-lib={library}");
            }
        }
    }
    // Once more when a library has been installed.
    let headers = Path::new("/usr/include");
    if headers.exists() {
        println!("cargo:rerun-if-changed={}", headers.display());
    }
    println!("cargo:rerun-if-changed=c/bench.h");
    println!("cargo:rerun-if-changed=c/connection.h");
}

/// Writes the example `http_hello` as it is, but over a crate that is called `api` where it is included.
fn web_server() {
    let example = "../examples/http_hello.rs";
    println!("cargo:rerun-if-changed={example}");
    let text = fs::read_to_string(example).expect("the example is there");
    // An included file has no documentation of its own, and no arguments; who includes it calls `main`.
    let lines = text.lines().filter(|line| !line.starts_with("//!"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let text = text
        .replace("use wakeful::", "use self::api::")
        .replace("fn main()", "pub fn main()")
        // Who stands for a library has fewer traits, and `polling` keeps the last key for itself.
        .replace("in &events", "in events.iter()")
        .replace("Token(usize::MAX);", "Token(usize::MAX - 2);")
        .replace(
            "std::env::args().nth(1)",
            "Some(\"127.0.0.1:0\".to_owned())",
        );
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(folder.join("http_hello.rs"), text).expect("writing into OUT_DIR");
}

/// The event loops in C: name, header, what is linked.
const LIBRARIES: &[(&str, &str, &[&str])] = &[
    ("libuv", "uv.h", &["uv"]),
    (
        "libevent",
        "event2/thread.h",
        &["event_core", "event_pthreads"],
    ),
    ("libev", "ev.h", &["ev"]),
];

/// Whether a program that includes and links it can be made.
fn is_here(header: &str, link: &[&str]) -> bool {
    let folder = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let source = folder.join("probe.c");
    let program = format!("#include <{header}>\nint main(void) {{ return 0; }}\n");
    let Ok(compiler) = cc::Build::new().try_get_compiler() else {
        return false;
    };
    let mut command = compiler.to_command();
    command.arg(&source).arg("-o").arg(folder.join("probe"));
    command.args(link.iter().map(|library| format!("-l{library}")));
    fs::write(&source, program).is_ok() && output(&mut command).is_some()
}

/// What a command prints; `None` if it fails.
fn output(command: &mut Command) -> Option<String> {
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
