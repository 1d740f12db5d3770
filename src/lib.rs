//! Outrider: outlier detection for any time series in Grafana.
//!
//! ```text
//! Grafana ─▶ plugin ─▶ query ─▶ source ─▶ series ─▶ engine + detector ─▶ frame ─▶ plugin ─▶ Grafana
//! ```
//!
//! Data flows one way and each arrow is one type: [`query::Query`], [`source::FetchRequest`],
//! [`series::Series`], [`engine::Detection`], [`frame::Frame`]. Sources know nothing of detectors, detectors
//! nothing of Grafana, frames nothing of upstreams; only [`plugin`] knows Grafana's protocol. Detectors and the isolation
//! forest are crates of their own, [`detector`] and [`forest`], which other programs can use. The command line (`cli`)
//! puts files at both ends of the same engine.
//! `ARCHITECTURE.md` says where to find each feature.

#![cfg_attr(
    not(feature = "sources"),
    allow(
        dead_code,
        unreachable_pub,
        unused_imports,
        reason = "what families of sources share is not needed by each of them"
    )
)]

pub mod budget;
#[cfg(feature = "cli")]
pub mod cli;
pub mod engine;
pub mod error;
pub mod frame;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz_targets;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
pub mod plugin;
pub mod query;
pub mod schema;
pub mod series;
pub mod settings;
pub mod source;
mod threads;

pub use outrider_detect as detector;
pub use outrider_forest as forest;
