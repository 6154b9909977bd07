//! The rounds of a row, as they were taken: what the bounds are made of, and whether the machine drifted meanwhile.

use crate::record::Run;
use crate::stats::median;
use schemars::JsonSchema;
use serde::Serialize;

/// Every round of one row.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Series {
    /// The row.
    pub name: String,
    /// Each round and its time of one file, in microseconds, in the order of the rounds.
    pub rounds: Vec<(u32, f64)>,
    /// The width of the middle half, as a share of the median.
    pub spread: f64,
    /// What the time gained from the first round to the last, as a share of the median: the median slope of all pairs
    /// of rounds (Theil and Sen), so that no single round makes a drift. None where there are fewer than four.
    pub drift: Option<f64>,
}

/// The rounds of every row of a plan's entry that was measured.
pub fn series(run: &Run, plan: usize) -> Vec<Series> {
    let entry = &run.header.plan[plan];
    let files = entry.fixture.files.max(1) as f64;
    let of = |variant: &crate::record::Variant| {
        let samples = run.samples.iter().filter(|sample| sample.plan == plan && sample.variant == variant.name);
        let mut rounds: Vec<(u32, f64)> = samples
            .filter(|sample| sample.pass == "wall")
            .map(|sample| (sample.round, sample.reading.wall_ns as f64 / 1e3 / files))
            .collect();
        rounds.sort_by_key(|(round, _)| *round);
        one(&variant.name, rounds)
    };
    entry.variants.iter().filter_map(of).collect()
}

/// One row's rounds; none where there are none.
pub fn one(name: &str, rounds: Vec<(u32, f64)>) -> Option<Series> {
    const FEWEST: usize = 4;
    let mut sorted: Vec<f64> = rounds.iter().map(|(_, us)| *us).collect();
    sorted.sort_by(f64::total_cmp);
    let mid = median(&sorted)?;
    let quarter = sorted.len() / 4;
    let spread = (sorted[sorted.len() - 1 - quarter] - sorted[quarter]) / mid;
    let drift = (rounds.len() >= FEWEST).then(|| slope(&rounds) * f64::from(last(&rounds) - rounds[0].0) / mid);
    Some(Series { name: name.to_owned(), rounds, spread, drift })
}

fn last(rounds: &[(u32, f64)]) -> u32 {
    rounds[rounds.len() - 1].0
}

/// The median slope of all pairs; of a long series, of those that lie half of it apart, which is as steady.
fn slope(rounds: &[(u32, f64)]) -> f64 {
    const ALL_PAIRS: usize = 100;
    let half = rounds.len() / 2;
    let mut slopes = Vec::new();
    for (at, (round, us)) in rounds.iter().enumerate() {
        let later = if rounds.len() > ALL_PAIRS { rounds.get(at + half..=at + half) } else { rounds.get(at + 1..) };
        for (next, then) in later.unwrap_or(&[]) {
            slopes.push((then - us) / f64::from((next - round).max(1)));
        }
    }
    median(&slopes).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{header_of, sample};

    #[test]
    fn a_row_that_creeps_drifts_and_one_outlier_does_not() {
        let creeps = |rounds: u32| {
            (0..rounds).map(move |round| (round, 100.0 + f64::from(round) * 10.0 / f64::from(rounds - 1)))
        };
        for rounds in [10, 300] {
            let drift = one("a", creeps(rounds).collect()).unwrap().drift.unwrap();
            assert!((drift - 10.0 / 105.0).abs() < 1e-9, "{rounds}: {drift}");
        }
        let mut flat: Vec<(u32, f64)> = (0..10).map(|round| (round, 100.0)).collect();
        flat[9].1 = 900.0;
        let flat = one("a", flat).unwrap();
        assert_eq!((flat.drift, flat.spread), (Some(0.0), 0.0));
        assert_eq!(one("a", vec![(0, 1.0)]).unwrap().drift, None);
        assert_eq!(one("a", Vec::new()), None);
    }

    #[test]
    fn only_the_wall_pass_gives_rounds_and_in_their_order() {
        let mut looked = sample("gzip", 0, 1);
        looked.pass = "phases".into();
        let samples = vec![sample("gzip", 1, 20_000), looked, sample("gzip", 0, 10_000)];
        let (absent, failed) = (Vec::new(), Vec::new());
        let header = header_of(&["gzip", "zstd"]);
        let run = Run { header, samples, absent, failed, beside: Vec::new(), notes: Vec::new(), end: None };
        let all = series(&run, 0);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].rounds, [(0, 1.0), (1, 2.0)]);
    }
}
