//! The SQL sources against real databases, written to by their own means and read through the public API of the library
//! and through the plugin.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test shall fail it")]

mod failures;
mod fixture;
mod injection;
mod pooler;
mod questions;
mod ranges;
mod rights;
mod sessions;
mod sqlite_files;
mod times;
mod tls;
mod types;
mod values;

#[path = "../support/host.rs"]
#[expect(dead_code, reason = "shared with tests that need more of it")]
mod host;
#[path = "../support/relay.rs"]
mod relay;
#[path = "../support/server.rs"]
#[expect(dead_code, reason = "shared with the tests of other sources, which use other parts of it")]
mod server;
#[path = "../support/sql_servers.rs"]
mod sql_servers;
#[path = "../support/upstream_server.rs"]
#[expect(dead_code, reason = "shared with tests that need more of it")]
mod upstream_server;
#[path = "../support/upstream_tls.rs"]
#[expect(dead_code, reason = "shared with tests that need more of it")]
mod upstream_tls;
#[path = "../support/victim.rs"]
#[expect(dead_code, reason = "shared with the tests of other sources, which use other parts of it")]
mod victim;
