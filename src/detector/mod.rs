//! Detectors: which points are outliers, and why.
//!
//! A detector is one file: an options type whose doc comments are the user documentation, and a type that implements
//! [`Detector`]. Adding one is that file, its `mod` line, and its entry in [`DETECTORS`]. Detectors know nothing of
//! upstreams or of Grafana; the engine cuts time into training and judged points and calls them.

mod isolation_forest;
mod peers;
mod robust;

use std::fmt;

use serde::de::DeserializeOwned;

pub use isolation_forest::IsolationForest;
pub use peers::Peers;

use crate::error::{Category, Error, Result, list_names};
use crate::query::{Direction, Kind, Parsed};
use crate::series::Labels;
pub use crate::series::Points;

/// One series of a panel with what it is judged by, for detectors that compare series with each other.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Name shown to people.
    pub name: &'a str,
    /// Labels that tell the series of one query apart.
    pub labels: &'a Labels,
    /// The points before the block.
    pub training: Points<'a>,
    /// The points of the block.
    pub judged: Points<'a>,
}

/// What a detector makes of one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verdict {
    /// There was nothing to judge it by.
    #[default]
    NotJudged,
    /// As expected.
    Normal,
    /// An outlier above what is expected.
    High,
    /// An outlier below what is expected.
    Low,
    /// There should have been a point.
    Missing,
}

impl Verdict {
    /// Whether the point is flagged as an outlier.
    #[must_use]
    pub fn is_outlier(self) -> bool {
        matches!(self, Self::High | Self::Low)
    }
}

/// The verdict on a run of points; every vector is as long as the points judged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judgement {
    /// What was made of each point.
    pub verdicts: Vec<Verdict>,
    /// 0 to 1, NaN where there is none.
    pub scores: Vec<f64>,
    /// What the value should have been, NaN where that is unknown.
    pub expected: Vec<f64>,
    /// Lower end of the normal band, NaN where there is none.
    pub lower: Vec<f64>,
    /// Upper end of the normal band, NaN where there is none.
    pub upper: Vec<f64>,
    /// For each flagged point its index and, in plain words, why; ascending.
    pub reasons: Vec<(usize, String)>,
    /// Why nothing could be judged, if so.
    pub shortage: Option<String>,
}

impl Judgement {
    /// No verdict on `len` points, but for the gaps among `values`, and the reason why.
    #[must_use]
    pub fn none(values: &[f64], shortage: String) -> Self {
        let nothing = vec![f64::NAN; values.len()];
        Self {
            verdicts: values
                .iter()
                .map(|value| if value.is_nan() { Verdict::Missing } else { Verdict::NotJudged })
                .collect(),
            scores: nothing.clone(),
            expected: nothing.clone(),
            lower: nothing.clone(),
            upper: nothing,
            reasons: Vec::new(),
            shortage: Some(shortage),
        }
    }
}

/// One kind of detector, with the options of one query.
pub trait Detector: Sized + Send + Sync + 'static {
    /// Name on the wire.
    const KIND: &'static str;
    /// Name for people.
    const LABEL: &'static str;
    /// One sentence for the editor.
    const DESCRIPTION: &'static str;
    /// What a query can say to this kind.
    type Options: DeserializeOwned;

    /// A detector with `options`, flagging points on the side of `direction`.
    ///
    /// # Errors
    /// [`Category::Query`] if options contradict each other.
    fn new(options: Self::Options, direction: Direction) -> Result<Self>;

    /// The seed of everything random, if anything is.
    fn seed(&self) -> Option<u64>;

    /// Judges each of `judged` by what `training` says is normal. The two are the same for `training: visible-range`;
    /// else training ends before the first judged point.
    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement;

    /// Whether the verdict on a series depends on the other series of its panel. If so, the engine asks
    /// [`Detector::judge_panel`] and never [`Detector::judge`].
    const ACROSS_SERIES: bool = false;

    /// Judges one block of all series of a panel: one judgement for each of `members`, in their order.
    fn judge_panel(&self, members: &[Member<'_>]) -> Vec<Judgement> {
        members.iter().map(|member| self.judge(member.training, member.judged)).collect()
    }
}

/// A [`Detector`] of any kind.
pub trait AnyDetector: Send + Sync {
    /// Name of the kind.
    fn kind(&self) -> &'static str;
    /// See [`Detector::seed`].
    fn seed(&self) -> Option<u64>;
    /// See [`Detector::judge`].
    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement;
    /// See [`Detector::ACROSS_SERIES`].
    fn across_series(&self) -> bool;
    /// See [`Detector::judge_panel`].
    fn judge_panel(&self, members: &[Member<'_>]) -> Vec<Judgement>;
}

impl fmt::Debug for dyn AnyDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "detector {}", self.kind())
    }
}

impl<D: Detector> AnyDetector for D {
    fn kind(&self) -> &'static str {
        D::KIND
    }

    fn seed(&self) -> Option<u64> {
        Detector::seed(self)
    }

    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement {
        Detector::judge(self, training, judged)
    }

    fn across_series(&self) -> bool {
        D::ACROSS_SERIES
    }

    fn judge_panel(&self, members: &[Member<'_>]) -> Vec<Judgement> {
        Detector::judge_panel(self, members)
    }
}

/// A detector, built.
#[derive(Debug)]
pub struct Built {
    /// The detector.
    pub detector: Box<dyn AnyDetector>,
    /// Names of options its kind does not know.
    pub unknown_options: Vec<String>,
}

/// One kind of detector as the table lists it.
#[derive(Clone, Copy)]
pub struct DetectorEntry {
    /// Name on the wire.
    pub kind: &'static str,
    /// Name for people.
    pub label: &'static str,
    /// One sentence for the editor.
    pub description: &'static str,
    build: fn(&Kind, Direction) -> Result<Built>,
}

impl fmt::Debug for DetectorEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "detector kind {}", self.kind)
    }
}

const fn entry<D: Detector>() -> DetectorEntry {
    DetectorEntry {
        kind: D::KIND,
        label: D::LABEL,
        description: D::DESCRIPTION,
        build: |options, direction| {
            let Parsed { options, unknown } = options.parse("detector")?;
            Ok(Built { detector: Box::new(D::new(options, direction)?), unknown_options: unknown })
        },
    }
}

/// Every kind of detector, in the order the editor shows them; the first is the default.
pub const DETECTORS: &[DetectorEntry] = &[entry::<IsolationForest>(), entry::<Peers>()];

/// The kind of detector a query asks for; the default one if it names none.
///
/// # Errors
/// [`Category::Query`] if the kind is unknown; the message lists those that exist.
pub fn find(wanted: &Kind) -> Result<&'static DetectorEntry> {
    let name = wanted.kind().unwrap_or(DETECTORS[0].kind);
    DETECTORS.iter().find(|entry| entry.kind == name).ok_or_else(|| {
        Error::new(Category::Query, format!("the detector kind \"{name}\" is unknown"))
            .hint(format!("choose one of {}", list_names(DETECTORS.iter().map(|entry| entry.kind))))
    })
}

/// Builds the detector a query asks for.
///
/// # Errors
/// Those of [`find`], and [`Category::Query`] if an option is wrong.
pub fn build(wanted: &Kind, direction: Direction) -> Result<Built> {
    (find(wanted)?.build)(wanted, direction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_kind_lists_those_that_exist() {
        let wanted: Kind = serde_json::from_str(r#"{"kind":"tea-leaves"}"#).unwrap();
        let error = build(&wanted, Direction::Both).unwrap_err();
        assert_eq!(error.category(), Category::Query);
        assert!(error.to_string().contains("tea-leaves"), "{error}");
        assert!(error.to_string().contains("\"isolation-forest\""), "{error}");
    }

    #[test]
    fn kinds_are_unique() {
        for entry in DETECTORS {
            assert_eq!(DETECTORS.iter().filter(|other| other.kind == entry.kind).count(), 1, "{entry:?}");
        }
    }
}
