//! Which verdicts stand when many were asked for: forty comparisons at 1 in 200 are wrong once in five times.
//!
//! A verdict stands if its own comparison decided, *and* if its chance to be wrong survives the correction among all
//! comparisons of its kind. So a correction only takes away. Differences and samenesses are two families: who reads
//! "these three got slower" wants to know how many of the three are false.
//!
//! The chances come from [`super::sequential::Rule::chances`], which has paid for every look, so that a comparison that stopped early and
//! one that went on can stand in one family.

use super::Verdict;
use super::sequential::{Chances, Standing};

/// How the chances of several comparisons are corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// Of all that is found, at most this share is false (Benjamini & Hochberg 1995): for reports.
    BenjaminiHochberg,
    /// The chance that anything at all that is found is false (Holm 1979): where one false alarm stops a release.
    Holm,
}

/// What is false, at most, of what stands.
pub const LEVEL: f64 = 0.05;

/// One comparison of several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corrected {
    /// What it says on its own.
    pub alone: Standing,
    /// Its chance to be wrong, over all looks: of what it says, or, where it is open, of the difference that it hints at.
    pub p: f64,
    /// The same, corrected among all comparisons.
    pub corrected: f64,
    /// The verdict that stands. `NotDecided` where `alone` decided and this does not: more pairs would be needed.
    pub verdict: Verdict,
}

impl Correction {
    /// The chances, corrected, in the order in which they came.
    pub fn of(self, chances: &[f64]) -> Vec<f64> {
        let mut order: Vec<usize> = (0..chances.len()).collect();
        order.sort_by(|a, b| chances[*a].total_cmp(&chances[*b]));
        let count = chances.len() as f64;
        let mut corrected = vec![1.0; chances.len()];
        match self {
            Correction::BenjaminiHochberg => {
                let mut least = 1.0f64;
                for (place, at) in order.iter().enumerate().rev() {
                    least = least.min(chances[*at] * count / (place + 1) as f64);
                    corrected[*at] = least;
                }
            }
            Correction::Holm => {
                let mut most = 0.0f64;
                for (place, at) in order.iter().enumerate() {
                    most = most.max((chances[*at] * (count - place as f64)).min(1.0));
                    corrected[*at] = most;
                }
            }
        }
        corrected
    }
}

/// Which verdicts stand? Of each comparison what it says on its own, now that it is over, and its chances to be wrong.
pub fn verdicts(comparisons: &[(Standing, Chances)], correction: Correction) -> Vec<Corrected> {
    let family = |chance: fn(&Chances) -> f64| -> Vec<(f64, f64)> {
        let alone: Vec<f64> = comparisons.iter().map(|(_, chances)| chance(chances).min(1.0)).collect();
        let corrected = correction.of(&alone);
        alone.into_iter().zip(corrected).collect()
    };
    let differs = family(|chances| chances.faster.min(chances.slower));
    let same = family(|chances| chances.same);
    comparisons
        .iter()
        .enumerate()
        .map(|(at, (alone, _))| {
            let (verdict, (p, corrected)) = match alone {
                Standing::Decided { verdict: Verdict::NoPracticalChange, .. } => (Verdict::NoPracticalChange, same[at]),
                Standing::Decided { verdict, .. } => (*verdict, differs[at]),
                _ => (Verdict::NotDecided, differs[at]),
            };
            let verdict = if corrected <= LEVEL { verdict } else { Verdict::NotDecided };
            Corrected { alone: *alone, p, corrected, verdict }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::chance::Chance;
    use crate::stats::sequential::Rule;
    use proptest::prelude::*;

    /// Benjamini & Hochberg 1995, section 4.1: fifteen hypotheses of a study of heart attacks.
    const THEIRS: [f64; 15] = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590,
        1.0,
    ];

    #[test]
    fn corrections_are_those_that_were_published() {
        // The paper rejects four at q = 0.05, and three by Bonferroni. Values: statsmodels 0.15.0, `multipletests`.
        for (correction, published, stand) in [
            (Correction::BenjaminiHochberg, [0.0015, 0.003, 0.0095, 0.035_625, 0.0603, 0.063_857_14], 4),
            (Correction::Holm, [0.0015, 0.0056, 0.0247, 0.114, 0.2211, 0.278], 3),
        ] {
            let corrected = correction.of(&THEIRS);
            for (got, published) in corrected.iter().zip(published) {
                assert!((got - published).abs() < 1e-6, "{correction:?}: {got} for {published}");
            }
            assert_eq!(corrected.iter().filter(|chance| **chance <= 0.05).count(), stand);
        }
        assert!(Correction::Holm.of(&[]).is_empty());
    }

    fn over(log_ratios: &[f64], rule: &Rule) -> (Standing, Chances) {
        (rule.close(log_ratios), rule.chances(log_ratios))
    }

    fn around(centre: f64, pairs: usize) -> Vec<f64> {
        (0..pairs).map(|pair| centre + 0.02 * ((pair * 7 % 13) as f64 / 12.0 - 0.5)).collect()
    }

    fn judged(lists: &[Vec<f64>], correction: Correction) -> Vec<Corrected> {
        let comparisons: Vec<_> = lists.iter().map(|list| over(list, &Rule::standard(0.01))).collect();
        verdicts(&comparisons, correction)
    }

    #[test]
    fn one_barely_decided_among_many_open_ones_does_not_stand() {
        let open = |_| around(0.05, 10).into_iter().flat_map(|value| [value, -value]).collect();
        let mut lists: Vec<Vec<f64>> = (0..39).map(open).collect();
        lists.push(around(0.05, 10));
        let last = *judged(&lists, Correction::BenjaminiHochberg).last().unwrap();
        assert!(matches!(last.alone, Standing::Decided { verdict: Verdict::Slower, pairs: 10, .. }));
        assert_eq!((last.verdict, last.corrected > LEVEL), (Verdict::NotDecided, true));
        assert_eq!(judged(&lists[39..], Correction::BenjaminiHochberg)[0].verdict, Verdict::Slower);
        lists[39] = around(0.05, 20);
        let surer = *judged(&lists, Correction::BenjaminiHochberg).last().unwrap();
        assert_eq!(surer.verdict, Verdict::Slower);
    }

    #[test]
    fn the_order_of_comparisons_does_not_matter_and_each_keeps_its_own() {
        use Verdict::{Faster, NoPracticalChange, Slower};
        let lists = [around(0.05, 20), around(0.0, 28), around(-0.05, 20)];
        let verdict = |at: &[usize]| -> Vec<Verdict> {
            let some: Vec<Vec<f64>> = at.iter().map(|at| lists[*at].clone()).collect();
            judged(&some, Correction::Holm).iter().map(|one| one.verdict).collect()
        };
        assert_eq!(verdict(&[0, 1, 2]), [Slower, NoPracticalChange, Faster]);
        assert_eq!(verdict(&[2, 0, 1]), [Faster, Slower, NoPracticalChange]);
        assert!(verdict(&[]).is_empty());
    }

    #[test]
    fn each_comparison_is_judged_by_its_own_band() {
        let list = around(0.02, 28);
        let bands = [0.01, 0.04].map(|band| over(&list, &Rule::standard(band)));
        let verdicts: Vec<Verdict> = verdicts(&bands, Correction::Holm).iter().map(|one| one.verdict).collect();
        assert_eq!(verdicts, [Verdict::Slower, Verdict::NoPracticalChange]);
    }

    proptest! {
        #[test]
        fn a_correction_only_makes_surer(seed in any::<u64>(), count in 1usize..40) {
            let mut chance = Chance::seeded(seed);
            let chances: Vec<f64> = (0..count).map(|_| chance.share()).collect();
            let (some, any) = (Correction::BenjaminiHochberg.of(&chances), Correction::Holm.of(&chances));
            for at in 0..count {
                prop_assert!(chances[at] <= some[at] + 1e-12 && some[at] <= any[at] + 1e-12 && any[at] <= 1.0);
            }
        }
    }
}
