//! Places the functions that run in every start and in most requests next to each other.
//!
//! Linux makes 64 KiB around each page of a program's file resident that is touched, so that code
//! which runs here and there has nearly all of the file in memory. `build/order.txt` names what
//! runs, and the linker puts it first. The names are those of one toolchain (`rust-toolchain.toml`)
//! and one set of dependencies; `scripts/order` writes them anew. A name that the program does not
//! have is passed over, and a linker that does not know the option is not given it.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "this is how Cargo and a build script talk"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

const ORDER: &str = "build/order.txt";
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn main() {
    println!("cargo::rerun-if-changed={ORDER}");
    for variable in ["RUSTC_LINKER", "CARGO_ENCODED_RUSTFLAGS"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|found| found == value);
    if !is("PROFILE", "release") || !is("TARGET", TARGET) {
        return;
    }
    let order = Path::new(&folder("CARGO_MANIFEST_DIR")).join(ORDER);
    let options =
        [format!("--symbol-ordering-file={}", order.display()), "--no-warn-symbol-ordering".into()];
    let options: Vec<_> =
        options.into_iter().flat_map(|option| ["-Xlinker".to_owned(), option]).collect();
    if links_with(&options) {
        for option in options {
            println!("cargo::rustc-link-arg-bin=memstored={option}");
        }
    } else {
        println!(
            "cargo::warning=the linker takes no order of functions: more of memstored will be resident"
        );
    }
}

/// Whether a program that does nothing can be linked with these options, by the linker and the flags
/// that memstored is going to be linked with.
fn links_with(options: &[String]) -> bool {
    let folder = folder("OUT_DIR");
    let source = folder.join("nothing.rs");
    if fs::write(&source, "fn main() {}").is_err() {
        return false;
    }
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    rustc.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut flag = std::ffi::OsString::from("-Clinker=");
        flag.push(linker);
        rustc.arg(flag);
    }
    rustc.args(options.iter().map(|option| format!("-Clink-arg={option}")));
    rustc.arg("-o").arg(folder.join("nothing")).arg(source);
    let linked = rustc.stdout(Stdio::null()).stderr(Stdio::null()).status();
    linked.is_ok_and(|status| status.success())
}

fn folder(variable: &str) -> PathBuf {
    env::var_os(variable).unwrap_or_default().into()
}
