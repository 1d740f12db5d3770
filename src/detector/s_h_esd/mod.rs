//! wip
mod algorithm;
mod esd;

pub use algorithm::{
    Anomaly, Decomposition, OnlyLast, Parameters, Refusal, Threshold, TimedAnomaly, TracedRound,
    TsParameters, VecParameters, anomaly_detection_ts, anomaly_detection_vec, trace,
};
pub use esd::Side;
