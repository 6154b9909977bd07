//! Statistics: what the samples allow one to say. Pure: no clock, and chance only from a seed that is given.
//!
//! | module | the question it answers |
//! |---|---|
//! | here | what is the middle, and between which bounds does it lie? |
//! | [`within`] | what does one pair of processes say? |
//! | [`ranks`] | what do the pairs say together? |
//! | [`sequential`] | do they say enough, or are more pairs needed? |
//! | [`control`] | could this session tell at all? |
//! | [`many`] | which of several verdicts stand? |
//! | [`change_points`], [`trend`] | did something change along the history, at once or little by little? |
//!
//! Pairs are judged on the scale of *log ratios*: `ln(B) - ln(A)`, where A is the base and B the one that is asked
//! about. Above zero, B takes longer. On that scale twice as fast and half as fast are equally far from no change.

pub mod chance;
pub mod change_points;
pub mod control;
pub mod many;
pub mod ranks;
pub mod sequential;
pub mod trend;
pub mod within;

#[cfg(test)]
mod simulated;

/// The middle of the values; the mean of the two middle ones where their count is even. None of none.
pub fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[half]),
        _ => Some(f64::midpoint(sorted[half - 1], sorted[half])),
    }
}

/// A value that the data allow, with the bounds that they allow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower bound.
    pub low: f64,
    /// The median.
    pub mid: f64,
    /// The upper bound.
    pub high: f64,
    /// How sure: the chance that bounds made this way hold the true median.
    pub confidence: f64,
}

impl Interval {
    /// Half the distance between the bounds.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Whether the value lies outside the bounds.
    pub fn excludes(&self, value: f64) -> bool {
        value < self.low || value > self.high
    }

    /// Of a log ratio of times: how many times as long B takes.
    #[must_use]
    pub fn as_times(&self) -> Interval {
        Interval { low: self.low.exp(), mid: self.mid.exp(), high: self.high.exp(), confidence: self.confidence }
    }

    /// Of a log ratio of times: how many times as fast B is.
    #[must_use]
    pub fn as_speed_up(&self) -> Interval {
        Interval {
            low: (-self.high).exp(),
            mid: (-self.mid).exp(),
            high: (-self.low).exp(),
            confidence: self.confidence,
        }
    }
}

/// The interval of the median by order statistics (the sign test turned round): right for any distribution, exact
/// for any number of values. It takes the narrowest pair of values that is at least 95 % sure, or the widest there is.
pub fn interval(values: &[f64]) -> Option<Interval> {
    let sorted = sorted(values);
    let count = sorted.len();
    let mid = median(&sorted)?;
    let mut best = (0, 1.0 - 2.0 * 0.5f64.powi(i32::try_from(count).unwrap_or(i32::MAX)));
    let mut outside = 0.0;
    for drop in 0..count / 2 {
        outside += binomial_half(count, drop);
        let confidence = 1.0 - 2.0 * outside;
        if confidence < 0.95 {
            break;
        }
        best = (drop, confidence);
    }
    let (drop, confidence) = best;
    Some(Interval { low: sorted[drop], mid, high: sorted[count - 1 - drop], confidence: confidence.max(0.0) })
}

/// The interval of values that have little noise of their own, of which there are few: by order statistics from six on,
/// and below that by Student's t, which takes them for normal. None of none; of one there are no bounds.
pub fn interval_of_few(values: &[f64]) -> Option<Interval> {
    /// The quantiles of 97.5 % for one to four degrees of freedom.
    const T: [f64; 4] = [12.706, 4.303, 3.182, 2.776];
    let count = values.len();
    let Some(t) = count.checked_sub(2).and_then(|at| T.get(at)) else { return interval(values) };
    let mean = values.iter().sum::<f64>() / count as f64;
    let spread: f64 = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1) as f64;
    let half = t * (spread / count as f64).sqrt();
    Some(Interval { low: mean - half, mid: mean, high: mean + half, confidence: 0.95 })
}

/// The chance of `hits` heads in `count` tosses of a fair coin.
fn binomial_half(count: usize, hits: usize) -> f64 {
    let choose: f64 = (0..hits).map(|i| ((count - i) as f64 / (i + 1) as f64).ln()).sum();
    (choose - count as f64 * std::f64::consts::LN_2).exp()
}

/// How many times as fast `now` is as `before`, paired: `before` ÷ `now` of each round.
pub fn speed_up(pairs: &[(f64, f64)]) -> Option<Interval> {
    let ratios: Vec<f64> =
        pairs.iter().filter(|(before, now)| *before > 0.0 && *now > 0.0).map(|(before, now)| before / now).collect();
    interval(&ratios)
}

/// What the data say of a speed-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The whole interval lies above the band.
    Faster,
    /// The whole interval lies below the band.
    Slower,
    /// The whole interval lies within the band: an equivalence, not a missing difference.
    NoPracticalChange,
    /// The interval crosses an edge of the band: measure more.
    NotDecided,
    /// There are too few rounds to say anything.
    TooFewRounds,
}

/// Differences smaller than this, in either direction, are of no use to anyone, and a noisy machine makes them.
pub const BAND: f64 = 1.03;

/// The fewest paired rounds from which a verdict is drawn: with fewer, the interval is less than 85 % sure.
pub const FEWEST: usize = 4;

impl Verdict {
    /// The verdict on a speed-up that was seen in so many paired rounds.
    pub fn of(speed_up: &Interval, rounds: usize) -> Verdict {
        if rounds < FEWEST {
            Verdict::TooFewRounds
        } else if speed_up.low > BAND {
            Verdict::Faster
        } else if speed_up.high < 1.0 / BAND {
            Verdict::Slower
        } else if speed_up.low >= 1.0 / BAND && speed_up.high <= BAND {
            Verdict::NoPracticalChange
        } else {
            Verdict::NotDecided
        }
    }

    /// The words that tables print.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::NoPracticalChange => "no practical change",
            Verdict::NotDecided => "not decided",
            Verdict::TooFewRounds => "too few rounds",
        }
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn medians_of_few_values() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0]), Some(5.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
    }

    /// Published table of the sign interval (Conover, Practical Nonparametric Statistics, A3): for n = 10 the pair
    /// (2nd, 9th) covers 97.9 %, for n = 20 the pair (6th, 15th) covers 95.9 %, for n = 6 only the extremes do.
    #[test]
    fn intervals_agree_with_the_published_table() {
        for (count, low, high, confidence) in
            [(6, 1, 6, 0.969), (10, 2, 9, 0.979), (20, 6, 15, 0.959), (5, 1, 5, 0.938)]
        {
            let values: Vec<f64> = (1..=count).map(f64::from).collect();
            let got = interval(&values).unwrap();
            assert_eq!((got.low, got.high), (f64::from(low), f64::from(high)), "{count} values");
            assert!((got.confidence - confidence).abs() < 0.001, "{count} values: {}", got.confidence);
        }
    }

    /// The classic example of three: mean 10, standard deviation 1, so 10 ± 4.303 / √3.
    #[test]
    fn few_values_have_bounds_by_students_t() {
        let got = interval_of_few(&[9.0, 10.0, 11.0]).unwrap();
        assert!((got.low - 7.5157).abs() < 1e-3 && (got.high - 12.4843).abs() < 1e-3 && got.confidence > 0.94);
        assert_eq!(interval_of_few(&[9.0]), interval(&[9.0]));
        assert_eq!(interval_of_few(&[]), None);
        let six = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(interval_of_few(&six), interval(&six));
    }

    #[test]
    fn verdicts_follow_the_interval() {
        let verdict = |low, high, rounds| {
            Verdict::of(&Interval { low, mid: f64::midpoint(low, high), high, confidence: 0.95 }, rounds)
        };
        assert_eq!(verdict(1.1, 1.2, 10), Verdict::Faster);
        assert_eq!(verdict(0.8, 0.9, 10), Verdict::Slower);
        assert_eq!(verdict(0.99, 1.01, 10), Verdict::NoPracticalChange);
        assert_eq!(verdict(0.99, 1.2, 10), Verdict::NotDecided);
        assert_eq!(verdict(1.1, 1.2, 3), Verdict::TooFewRounds);
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_median(values in prop::collection::vec(0.1f64..10.0, 1..40)) {
            let got = interval(&values).unwrap();
            prop_assert!(got.low <= got.mid && got.mid <= got.high);
        }

        #[test]
        fn swapping_the_sides_turns_the_ratio_round(pairs in prop::collection::vec((0.1f64..10.0, 0.1f64..10.0), 1..40)) {
            let swapped: Vec<(f64, f64)> = pairs.iter().map(|(a, b)| (*b, *a)).collect();
            let (one, other) = (speed_up(&pairs).unwrap(), speed_up(&swapped).unwrap());
            prop_assert!((one.low * other.high - 1.0).abs() < 1e-9);
        }
    }
}
