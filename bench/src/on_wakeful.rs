//! The program in which tokio is on wakeful: this one once more, over a patched mio, in a workspace of its own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{ensure, Context, Result};

const NAME: &str = "tokio-on-wakeful";

/// Builds it if it is not up to date. What cargo has to say goes to the terminal.
pub fn build() -> Result<()> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(NAME)
        .join("Cargo.toml");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "--manifest-path",
        ])
        .arg(manifest)
        .arg("--target-dir")
        .arg(target()?)
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "{NAME} does not build: {status}");
    Ok(())
}

pub fn program() -> Result<PathBuf> {
    Ok(target()?.join("release").join(NAME))
}

/// A folder in the target directory, where this program is in `release/`.
fn target() -> Result<PathBuf> {
    let program = env::current_exe()?;
    let target = program.ancestors().nth(2).context("no target directory")?;
    Ok(target.join(NAME))
}
