//! Outrider: outlier detection for any time series in Grafana.
//!
//! ```text
//! Grafana ─▶ plugin ─▶ query ─▶ source ─▶ series ─▶ engine + detector ─▶ frame ─▶ plugin ─▶ Grafana
//! ```
//!
//! Data flows one way and each arrow is one type: [`query::Query`], [`source::FetchRequest`],
//! [`series::Series`], [`engine::Detection`], [`frame::Frame`]. Sources know nothing of detectors, detectors
//! nothing of Grafana, frames nothing of upstreams; only [`plugin`] knows Grafana's protocol. The command line (`cli`)
//! puts files at both ends of the same engine.
//! `ARCHITECTURE.md` says where to find each feature.

pub mod budget;
#[cfg(feature = "cli")]
pub mod cli;
pub mod detector;
pub mod engine;
pub mod error;
pub mod forest;
pub mod frame;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod plugin;
pub mod query;
pub mod schema;
pub mod series;
pub mod settings;
pub mod source;
mod threads;
