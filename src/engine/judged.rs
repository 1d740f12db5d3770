//! The verdicts on a block, as they are kept.

use crate::detector::{Forecast, Judgement};

/// The verdicts on one block of a group of series.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) digest: u128,
    /// One a member.
    pub(super) members: Vec<JudgedMember>,
}

#[derive(Debug)]
pub(super) struct JudgedMember {
    pub(super) times: Vec<i64>,
    pub(super) values: Vec<f64>,
    pub(super) truth: Option<Vec<f64>>,
    pub(super) judgement: Judgement,
    pub(super) forecast: Forecast,
}

impl Judged {
    pub(super) fn digest(&self) -> u128 {
        self.digest
    }

    pub(super) fn bytes(&self) -> usize {
        let of_member = |member: &JudgedMember| {
            // Times, values, scores, expected, lower, upper, and truth and series scores where there are any.
            let columns = 6
                + usize::from(member.truth.is_some())
                + usize::from(!member.judgement.series_scores.is_empty());
            let reasons: usize =
                member.judgement.reasons.iter().map(|reason| size_of_val(reason) + reason.1.len()).sum();
            size_of::<JudgedMember>()
                + member.times.len() * (columns * 8 + 1)
                + member.forecast.len() * 4 * 8
                + reasons
                + size_of_val(member.judgement.abouts.as_slice())
        };
        size_of::<Self>() + self.members.iter().map(of_member).sum::<usize>()
    }
}
