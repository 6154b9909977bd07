//! Signed ranks: what paired differences say together, whatever their distribution, as long as it is symmetric.
//!
//! All three answers come from one list, the *Walsh averages*: the mean of every two values, and every value itself.
//! Their median is the Hodges-Lehmann estimate. Their number above zero is the Wilcoxon signed-rank statistic, whose
//! distribution is known exactly where nothing differs: each of the ranks 1 to n counts by the toss of a coin. So the
//! averages that remain when equally many are dropped from both ends bound the centre with a known chance (Hollander,
//! Wolfe & Chicken, *Nonparametric Statistical Methods*, 3rd ed., 3.1 to 3.3).
//!
//! Half of all spikes can point one way before the estimate follows; a mean follows the first.
//!
//! Ties and zeros: an average that lies exactly on the value that is tested counts against the claim. Breaking ties at
//! random could only raise the count, so chances given here are exact without ties, and too large with them; intervals
//! are closed, and too wide. That errs towards saying less. A coarse clock cannot make a difference appear.

use super::{Interval, median};

/// Up to so many values the distribution is exact; beyond, it is the normal approximation, whose tails are heavier.
pub const EXACT_UP_TO: usize = 128;

/// Where is the centre of the differences? The Hodges-Lehmann estimate: the median of the Walsh averages.
pub fn hodges_lehmann(values: &[f64]) -> Option<f64> {
    median(&walsh_averages(values))
}

/// Between which bounds does the centre lie, at least that surely? The narrowest bounds that are sure enough, or the
/// widest there are; `confidence` says how sure they are, so look at it. Takes n² / 2 averages.
pub fn interval(values: &[f64], confidence: f64) -> Option<Interval> {
    let averages = walsh_averages(values);
    let mid = median(&averages)?;
    let null = Null::of(values.len());
    let drop = null.dropped(1.0 - confidence);
    let confidence = 1.0 - 2.0 * null.at_most(drop);
    Some(Interval {
        low: averages[drop],
        mid,
        high: averages[averages.len() - 1 - drop],
        confidence: confidence.max(0.0),
    })
}

/// How likely is it to look this far above `than` by chance, if the centre is at most there? 1 for no values.
pub fn p_above(values: &[f64], than: f64) -> f64 {
    let averages = walsh_averages(values);
    let against = averages.partition_point(|average| *average <= than);
    if values.is_empty() { 1.0 } else { Null::of(values.len()).at_most(against) }
}

/// How likely is it to look this far below `than` by chance, if the centre is at least there?
pub fn p_below(values: &[f64], than: f64) -> f64 {
    let negated: Vec<f64> = values.iter().map(|value| -value).collect();
    p_above(&negated, -than)
}

/// How likely is it to look this far from `from`, in either direction, if the centre is there?
pub fn p_differs(values: &[f64], from: f64) -> f64 {
    (2.0 * p_above(values, from).min(p_below(values, from))).min(1.0)
}

/// How likely is it to look this close to zero, if the centre lies on or beyond an edge of ±`band`? Two one-sided
/// tests (Schuirmann 1987): small only where the data exclude both edges.
pub fn p_within(values: &[f64], band: f64) -> f64 {
    p_above(values, -band).max(p_below(values, band))
}

/// The mean of every two values, and every value itself, sorted.
fn walsh_averages(values: &[f64]) -> Vec<f64> {
    let mut averages: Vec<f64> = values
        .iter()
        .enumerate()
        .flat_map(|(at, one)| values[at..].iter().map(move |other| f64::midpoint(*one, *other)))
        .collect();
    averages.sort_unstable_by(f64::total_cmp);
    averages
}

/// How the number of averages above the centre is distributed by chance alone.
enum Null {
    /// The chance of at most 0, 1, 2, … averages.
    Exact(Vec<f64>),
    /// Half of all averages, give or take.
    Normal { averages: usize, deviation: f64 },
}

impl Null {
    fn of(count: usize) -> Null {
        if count > EXACT_UP_TO {
            return Null::normal(count);
        }
        let mut chances = vec![1.0];
        for rank in 1..=count {
            // With one more rank, each sum is reached by leaving it out or by taking it, each by half.
            let mut with = vec![0.0; chances.len() + rank];
            for (sum, chance) in chances.iter().enumerate() {
                with[sum] += chance / 2.0;
                with[sum + rank] += chance / 2.0;
            }
            chances = with;
        }
        let mut so_far = 0.0;
        for chance in &mut chances {
            so_far += *chance;
            *chance = so_far;
        }
        Null::Exact(chances)
    }

    fn normal(count: usize) -> Null {
        let n = count as f64;
        let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0;
        Null::Normal { averages: count * (count + 1) / 2, deviation: variance.sqrt() }
    }

    /// The chance that at most so many averages lie above.
    fn at_most(&self, averages: usize) -> f64 {
        match self {
            Null::Exact(cumulated) => cumulated[averages.min(cumulated.len() - 1)].min(1.0),
            Null::Normal { averages: all, deviation } => {
                normal_below((averages as f64 + 0.5 - *all as f64 / 2.0) / deviation)
            }
        }
    }

    /// How many averages can be dropped from each end so that bounds miss with at most that chance in all.
    fn dropped(&self, miss: f64) -> usize {
        // A chance that was written down as a decimal may lie a hair below the one that is meant.
        let miss = miss * (1.0 + 1e-9);
        let half = match self {
            Null::Exact(cumulated) => (cumulated.len() - 1) / 2,
            Null::Normal { averages, .. } => averages / 2,
        };
        let (mut low, mut high) = (0, half);
        while low < high {
            let middle = (low + high).div_ceil(2);
            if 2.0 * self.at_most(middle) <= miss { low = middle } else { high = middle - 1 }
        }
        low
    }
}

/// The chance that a standard normal value lies below.
pub(super) fn normal_below(value: f64) -> f64 {
    libm::erfc(-value / std::f64::consts::SQRT_2) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(got: f64, published: f64) {
        assert!((got - published).abs() <= 1e-6 * published.abs().max(1e-3), "{got} is not {published}");
    }

    /// Hollander & Wolfe 1973, pages 29 to 35 (also R, `?wilcox.test`): depression scale factor before and after
    /// therapy. R prints p = 0.01953 one-sided, 0.03906 two-sided, the estimate 0.46, the interval 0.010 to 0.786.
    const DEPRESSION: [f64; 9] = [0.952, -0.147, 1.022, 0.430, 0.620, 0.590, 0.490, -0.080, 0.010];

    /// Darwin 1876 (Fisher, *The Design of Experiments*, table 3): crossed minus self-fertilised plants.
    const DARWIN: [f64; 15] =
        [49.0, -67.0, 8.0, 16.0, 6.0, 23.0, 28.0, 41.0, 14.0, 29.0, 56.0, 24.0, 75.0, 60.0, -48.0];

    #[test]
    fn the_depression_example_comes_out_as_in_the_book() {
        let got = interval(&DEPRESSION, 0.95).unwrap();
        close(got.mid, 0.46);
        close(got.low, 0.010);
        close(got.high, 0.786);
        close(got.confidence, 1.0 - 2.0 * 10.0 / 512.0);
        close(p_above(&DEPRESSION, 0.0), 0.019_531_25);
        close(p_differs(&DEPRESSION, 0.0), 0.039_062_5);
    }

    #[test]
    fn darwins_plants_come_out_as_with_scipy() {
        // scipy 1.17.1, wilcoxon(method="exact")
        close(p_differs(&DARWIN, 0.0), 0.041_259_765_625);
        close(p_above(&DARWIN, 0.0), 0.020_629_882_812_5);
        close(hodges_lehmann(&DARWIN).unwrap(), 25.0);
    }

    /// scipy 1.17.1, `scipy.stats._wilcoxon.WilcoxonDistribution(n).cdf(t)`.
    #[test]
    fn the_null_distribution_is_that_of_scipy() {
        for (count, sum, chance) in [
            (10, 13, 0.080_078_125),
            (20, 52, 0.024_220_466_613_769_53),
            (40, 205, 0.002_548_425_498_389_406),
            (64, 520, 0.000_187_929_768_333_361_6),
            (64, 693, 0.009_886_266_494_425_597),
            (100, 1683, 0.001_763_001_900_825_246_4),
        ] {
            close(Null::of(count).at_most(sum), chance);
        }
    }

    /// Hollander, Wolfe & Chicken, table A.4: the largest sums whose two-sided chance is at most 5 and 1 per cent.
    #[test]
    fn the_bounds_are_those_of_the_table() {
        for (count, miss, sum) in
            [(8, 0.05, 3), (8, 0.01, 0), (10, 0.05, 8), (10, 0.01, 3), (20, 0.05, 52), (25, 0.01, 68)]
        {
            assert_eq!(Null::of(count).dropped(miss), sum, "{count} at {miss}");
        }
    }

    #[test]
    fn the_approximation_meets_the_exact_distribution_and_errs_to_the_safe_side() {
        let exact = Null::of(EXACT_UP_TO);
        let normal = Null::normal(EXACT_UP_TO);
        let half = EXACT_UP_TO * (EXACT_UP_TO + 1) / 4;
        assert!((exact.at_most(half) - normal.at_most(half)).abs() < 1e-4);
        for miss in [0.05, 0.01, 0.001] {
            let (sure, approximate) = (exact.dropped(miss), normal.dropped(miss));
            assert!(approximate <= sure && sure - approximate < 20, "{approximate} for {sure} at {miss}");
        }
        let many: Vec<f64> = (0..200).map(f64::from).collect();
        let got = interval(&many, 0.99).unwrap();
        assert!(got.low < 99.5 && 99.5 < got.high && got.confidence >= 0.99);
    }

    #[test]
    fn ties_and_zeros_count_against_the_claim() {
        close(p_above(&[0.0; 6], 0.0), 1.0);
        close(p_above(&[1.0; 6], 0.0), 1.0 / 64.0);
        assert!(p_above(&[1.0, 1.0, 1.0, 1.0, 1.0, 0.0], 0.0) > 1.0 / 64.0);
        let same = interval(&[2.0; 12], 0.95).unwrap();
        assert_eq!((same.low, same.mid, same.high), (2.0, 2.0, 2.0));
    }

    #[test]
    fn too_few_values_give_the_widest_bounds_and_say_how_sure_they_are() {
        let got = interval(&[3.0, 1.0, 2.0], 0.99).unwrap();
        assert_eq!((got.low, got.high), (1.0, 3.0));
        close(got.confidence, 0.75);
        close(interval(&[1.0], 0.99).unwrap().confidence, 0.0);
        assert_eq!(interval(&[], 0.99), None);
        assert_eq!((p_above(&[], 0.0), p_within(&[], 1.0)), (1.0, 1.0));
    }

    #[test]
    fn equivalence_needs_both_edges_excluded() {
        let near: Vec<f64> = (-10..=10).map(|value| f64::from(value) / 1000.0).collect();
        assert!(p_within(&near, 0.01) < 1e-5);
        assert!(p_within(&near, 0.002) > 0.05);
        let shifted: Vec<f64> = near.iter().map(|value| value + 0.02).collect();
        assert!(p_within(&shifted, 0.01) > 0.99 && p_above(&shifted, 0.01) < 1e-5);
    }

    proptest! {
        #[test]
        fn bounds_and_chances_tell_the_same(values in prop::collection::vec(-1.0f64..1.2, 5..40), at in -0.5f64..0.5) {
            let got = interval(&values, 0.95).unwrap();
            let p = p_differs(&values, at);
            let excluded = at < got.low || at > got.high;
            prop_assert_eq!(excluded, p <= 1.0 - got.confidence + 1e-12);
        }

        #[test]
        fn the_scale_and_the_sign_do_not_matter(values in prop::collection::vec(-1.0f64..1.0, 1..30), shift in -3.0f64..3.0) {
            let here = interval(&values, 0.9).unwrap();
            let moved: Vec<f64> = values.iter().map(|value| shift - 2.0 * value).collect();
            let there = interval(&moved, 0.9).unwrap();
            prop_assert!((there.low - (shift - 2.0 * here.high)).abs() < 1e-9);
            prop_assert!((there.mid - (shift - 2.0 * here.mid)).abs() < 1e-9);
            prop_assert!(here.low <= here.mid && here.mid <= here.high);
        }

        #[test]
        fn surer_is_wider(values in prop::collection::vec(-1.0f64..1.0, 8..40)) {
            let (sure, surer) = (interval(&values, 0.9).unwrap(), interval(&values, 0.99).unwrap());
            prop_assert!(surer.low <= sure.low && sure.high <= surer.high && surer.confidence > sure.confidence);
        }
    }
}
