//! `gpx_outrider`: the plugin process that Grafana launches.

use std::process::ExitCode;

fn main() -> ExitCode {
    outrider::plugin::main()
}
