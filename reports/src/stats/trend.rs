//! Whether a history creeps: half a per cent a run, under every threshold, is ten per cent after twenty runs.
//!
//! The Mann-Kendall test counts the pairs of runs of which the later is the larger; the Theil-Sen line has the median
//! of all slopes between two runs (Mann 1945; Kendall 1975; Sen 1968). Neither asks for a distribution, and neither
//! follows a few spikes. Both need runs that do not hang together otherwise: on a machine that is busy by the hour,
//! put runs far apart.

use super::ranks::normal_below;
use super::{Interval, median};

/// With fewer runs the normal approximation is not to be trusted, and nothing is said.
pub const FEWEST: usize = 8;

/// How sure the bounds of the slope are, and the normal value that belongs to it.
const CONFIDENCE: (f64, f64) = (0.99, 2.575_829_303_548_901);

/// What a history does, run by run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// By how much the value rises from one run to the next, and between which bounds.
    pub slope: Interval,
    /// How likely it is to see so much of a trend, up or down, in runs that have none.
    pub p: f64,
}

/// Does it rise or fall, and how fast? None for fewer than [`FEWEST`] runs.
pub fn of(values: &[f64]) -> Option<Trend> {
    let count = values.len();
    if count < FEWEST {
        return None;
    }
    let later = |at: usize| at + 1..count;
    let mut slopes: Vec<f64> =
        (0..count).flat_map(|at| later(at).map(move |then| (values[then] - values[at]) / (then - at) as f64)).collect();
    slopes.sort_by(f64::total_cmp);
    let rising = slopes.partition_point(|slope| *slope <= 0.0);
    let falling = slopes.partition_point(|slope| *slope < 0.0);
    let score = (slopes.len() - rising) as f64 - falling as f64;
    let deviation = variance(values).sqrt();
    // The score jumps by two, so half a jump is taken off before the normal distribution is asked.
    let z = (score.abs() - 1.0).max(0.0) / deviation;
    let p = if deviation > 0.0 { (2.0 * normal_below(-z)).min(1.0) } else { 1.0 };
    let dropped = (slopes.len() as f64 - CONFIDENCE.1 * deviation) / 2.0 - 1.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most half of the slopes")]
    let drop = dropped.max(0.0).floor() as usize;
    let slope = Interval {
        low: slopes[drop],
        mid: median(&slopes)?,
        high: slopes[slopes.len() - 1 - drop],
        confidence: CONFIDENCE.0,
    };
    Some(Trend { slope, p })
}

/// How far the score strays by chance; equal values make it stray less.
fn variance(values: &[f64]) -> f64 {
    let part = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0) / 18.0;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let ties: f64 = sorted.chunk_by(|a, b| a.total_cmp(b).is_eq()).map(|equal| part(equal.len() as f64)).sum();
    part(values.len() as f64) - ties
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// pymannkendall 1.4.3 `original_test`, and scipy 1.17.1 `theilslopes(alpha=0.99)`; the second has ties.
    #[test]
    fn tests_and_slopes_agree_with_published_tools() {
        let without = [2.1, 1.9, 2.4, 2.2, 2.8, 2.6, 2.5, 3.1, 3.0, 3.3, 2.9, 3.6];
        let with = [5.0, 5.0, 6.0, 5.0, 7.0, 6.0, 8.0, 8.0, 7.0, 9.0, 10.0, 9.0];
        for (values, p, slope, low, high) in [
            (without, 0.001_268_955_228_656_887_3, 0.133_333_333, 0.06, 0.2),
            (with, 0.000_800_952_465_149_551_4, 0.5, 0.2, 0.666_666_667),
        ] {
            let got = of(&values).unwrap();
            assert!((got.p - p).abs() < 1e-9, "{} for {p}", got.p);
            assert!((got.slope.mid - slope).abs() < 1e-6);
            assert!((got.slope.low - low).abs() < 1e-6 && (got.slope.high - high).abs() < 1e-6, "{:?}", got.slope);
        }
    }

    #[test]
    fn few_and_equal_runs_have_no_trend() {
        assert_eq!(of(&[1.0; FEWEST - 1]), None);
        let flat = of(&[1.0; 12]).unwrap();
        assert_eq!((flat.p, flat.slope.low, flat.slope.high), (1.0, 0.0, 0.0));
    }

    proptest! {
        #[test]
        fn a_history_read_backwards_falls_as_it_rose(values in prop::collection::vec(-1.0f64..1.0, 8..40)) {
            let back: Vec<f64> = values.iter().rev().copied().collect();
            let (one, other) = (of(&values).unwrap(), of(&back).unwrap());
            prop_assert!((one.slope.mid + other.slope.mid).abs() < 1e-12);
            prop_assert!((one.p - other.p).abs() < 1e-12);
            prop_assert!(one.slope.low <= one.slope.mid && one.slope.mid <= one.slope.high);
        }
    }
}
