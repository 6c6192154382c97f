//! The `halsted` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    halsted::cli::main()
}
