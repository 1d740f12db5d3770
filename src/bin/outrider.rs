//! `outrider`: the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    outrider::cli::main()
}
