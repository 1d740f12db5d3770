//! The short form of `./build.sh soak`: many clients, hostile and cancelled queries, upstreams that misbehave.

#[path = "support/host.rs"]
#[expect(dead_code, reason = "shared with the tests of sources, which use more of it")]
mod host;
#[path = "support/soak.rs"]
mod soak;

use std::path::Path;
use std::time::Duration;

use soak::Soak;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_queries_and_upstreams_harm_nobody_else() {
    let soak = Soak { seed: 1, clients: 30, time: Duration::from_secs(15), memory_mib: 384 };
    let report = soak::run(Path::new(env!("CARGO_BIN_EXE_gpx_outrider")), soak).await.unwrap();
    println!("{report:#?}");
    assert!(report.wrong.is_empty(), "{report:#?}");
    assert!(report.most_mib <= soak.memory_mib, "{report:#?}");
}
