//! The `memstored` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    memstored::cli::main()
}
