//! When to stop: pairs are taken until they decide, and are looked at only as often as was agreed beforehand.
//!
//! Looking after every pair and stopping at the first significant one is the known sin: looked at often enough, any
//! two equal programs differ. So the looks are fixed, and each has a share of the chance to be wrong. The shares add
//! up to [`TOTAL`], and a sum of chances bounds the chance that any look errs, whatever the looks have to do with each
//! other (Bonferroni; group sequential designs: Lan & `DeMets` 1983, *Biometrika* 70:659).
//!
//! **Why the bound holds on a noisy machine.** Which of two equal programs runs first, and so which one a spike hits,
//! is tossed for each pair. Where A and B are the same, the sign of each log ratio is therefore a fair coin, whatever
//! its size: drift, spikes, heavy tails and bursts of bad pairs change sizes, and the signed-rank distribution is exact
//! given the sizes (Fisher's randomisation). So a false "faster" or "slower" happens in at most [`TOTAL`] of all
//! comparisons of a program with itself, even with a band of zero; in fact less often, as looks agree with each other,
//! and far less where the band is wide beside the noise. What it needs: one value for each pair of fresh processes,
//! and a coin for the order. Values that share a process are not independent, and void all this.
//!
//! **Why these looks.** With n pairs no interval is surer than 1 - 2 / 2^n, so a look at 8 pairs could spend no less
//! than 0.8 per cent. The first look, at 10, spends just the 0.2 per cent at which all ten pairs on one side decide:
//! large differences end there. One at 20 spends the 0.07 per cent at which nineteen pairs outvote one spike, however
//! large. The others share what is left. `reports/src/stats/simulated.rs` plays thousands of comparisons and holds
//! these looks to what they promise.

use super::{Interval, Verdict, ranks};

/// The chance of a false "faster" or "slower" that a comparison may have: 1 in 200.
pub const TOTAL: f64 = 0.005;

/// After how many pairs to look, and which part of the total that look may spend.
const LOOKS: [(usize, f64); 6] = [(10, 0.40), (14, 0.05), (20, 0.15), (28, 0.10), (40, 0.12), (64, 0.18)];

/// Beyond so many times the pairs that were taken, it is not said how many more are needed: the estimate is so near to
/// an edge of the band that more pairs are as likely to move the estimate as to decide.
const WORTH_TRYING: f64 = 16.0;

/// When to look, and what counts as a difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// After how many pairs to look, rising, and the chance that this look may spend on being wrong.
    pub looks: Vec<(usize, f64)>,
    /// Differences smaller than this share, in either direction, are of no use to anyone: 0.01 is one per cent.
    pub band: f64,
    /// If there is one, the comparison ends when the bounds are that close to the estimate (0.02 is ±2 per cent), and
    /// not before, whatever the verdict would be.
    pub precision: Option<f64>,
}

/// Where a comparison stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// It is over, and this is its verdict on B.
    Decided {
        /// Faster, slower, or no practical change.
        verdict: Verdict,
        /// The bounds of the log ratio, at the look that decided.
        interval: Interval,
        /// How many pairs that look saw.
        pairs: usize,
    },
    /// More pairs are needed.
    GoOn {
        /// The bounds at the last look, if there was one.
        interval: Option<Interval>,
        /// How many pairs there must be at the next.
        next_look: usize,
    },
    /// It is over, and the bounds cross an edge of the band.
    Undecided {
        /// The bounds at the last look; none without a pair.
        interval: Option<Interval>,
        /// Roughly how many more pairs a new comparison would need beyond those of this one; none if there are too few
        /// to tell, or if no number is likely to decide: the estimate lies at an edge.
        more: Option<usize>,
    },
}

/// How likely each verdict is to be wrong, over all looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chances {
    /// That B looks this much faster, if it is not beyond the band.
    pub faster: f64,
    /// That B looks this much slower, if it is not beyond the band.
    pub slower: f64,
    /// That B looks this much the same, if it lies beyond the band.
    pub same: f64,
}

impl Rule {
    /// The rule of the house, for a band.
    pub fn standard(band: f64) -> Rule {
        Rule::spending(band, TOTAL)
    }

    /// The looks of the house, with another chance to be wrong in all. With less than [`TOTAL`], the first look can
    /// no longer decide.
    pub fn spending(band: f64, total: f64) -> Rule {
        Rule { looks: LOOKS.iter().map(|(pairs, part)| (*pairs, part * total)).collect(), band, precision: None }
    }

    /// The same rule for who wants bounds that close, and not just a verdict.
    #[must_use]
    pub fn to_precision(self, precision: f64) -> Rule {
        Rule { precision: Some(precision), ..self }
    }

    /// The chance to be wrong, over all looks.
    pub fn total(&self) -> f64 {
        self.looks.iter().map(|(_, alpha)| alpha).sum()
    }

    /// Is it decided, or are more pairs needed? `log_ratios` in the order in which they were taken. It may be asked
    /// after every pair, and of an old record: only the looks count, and the first that decides.
    pub fn judge(&self, log_ratios: &[f64]) -> Standing {
        let (reached, ahead) = self.split(log_ratios.len());
        let last = self.walk(log_ratios, reached);
        match ahead.first() {
            Some(&(next_look, _)) if !last.ends => Standing::GoOn { interval: last.interval, next_look },
            _ => self.told(&last),
        }
    }

    /// The budget is spent: what can be said? The look that would have come next is taken now, with what it may spend.
    /// The end must not depend on what the pairs say: a clock may end a comparison, a hope must not.
    pub fn close(&self, log_ratios: &[f64]) -> Standing {
        self.told(&self.walk(log_ratios, &self.closed(log_ratios.len())))
    }

    /// How likely would each verdict be wrong, now that the comparison is over? The smallest chance of any look, each
    /// paid for by its part of the total (weighted Bonferroni), so that it holds however the comparison came to stop.
    pub fn chances(&self, log_ratios: &[f64]) -> Chances {
        let (edge, total) = (self.edge(), self.total());
        let mut chances = Chances { faster: 1.0, slower: 1.0, same: 1.0 };
        for (pairs, alpha) in self.closed(log_ratios.len()) {
            let (seen, price) = (&log_ratios[..pairs], 2.0 * total / alpha);
            chances.faster = chances.faster.min(ranks::p_below(seen, -edge) * price);
            chances.slower = chances.slower.min(ranks::p_above(seen, edge) * price);
            chances.same = chances.same.min(ranks::p_within(seen, edge) * price);
        }
        chances
    }

    /// The edge of the band as a log ratio.
    fn edge(&self) -> f64 {
        self.band.ln_1p()
    }

    /// The looks that so many pairs have reached, and those ahead.
    fn split(&self, pairs: usize) -> (&Looks, &Looks) {
        self.looks.split_at(self.looks.partition_point(|(look, _)| *look <= pairs))
    }

    /// The looks of a comparison that ended after so many pairs.
    fn closed(&self, pairs: usize) -> Vec<(usize, f64)> {
        let (reached, ahead) = self.split(pairs);
        let mut looks = reached.to_vec();
        if let Some((_, alpha)) = ahead.first()
            && reached.last().is_none_or(|(look, _)| *look < pairs)
        {
            looks.push((pairs, *alpha));
        }
        looks
    }

    /// Takes the looks in turn, up to the first that ends the comparison.
    fn walk(&self, log_ratios: &[f64], looks: &Looks) -> Look {
        let mut last = Look { pairs: 0, interval: None, verdict: Verdict::TooFewRounds, ends: false };
        for &(pairs, alpha) in looks {
            last = self.look(&log_ratios[..pairs], alpha);
            if last.ends {
                break;
            }
        }
        last
    }

    fn look(&self, seen: &[f64], alpha: f64) -> Look {
        let found = ranks::interval(seen, 1.0 - alpha);
        let is_sure = |found: &Interval| found.confidence >= 1.0 - alpha * (1.0 + 1e-9);
        let Some(found) = found.filter(is_sure) else {
            return Look { pairs: seen.len(), interval: found, verdict: Verdict::TooFewRounds, ends: false };
        };
        // The bounds of all looks hold together with the chance of the whole rule; that is what a reader needs.
        let interval = Interval { confidence: 1.0 - self.total(), ..found };
        let verdict = self.verdict(&interval);
        let ends = match self.precision {
            Some(precision) => interval.half_width().exp_m1() <= precision,
            None => verdict != Verdict::NotDecided,
        };
        Look { pairs: seen.len(), interval: Some(interval), verdict, ends }
    }

    /// What a look says of a comparison that is over.
    fn told(&self, look: &Look) -> Standing {
        match (look.interval, look.verdict) {
            (interval, Verdict::TooFewRounds) => Standing::Undecided { interval, more: None },
            (None, _) => Standing::Undecided { interval: None, more: None },
            (Some(interval), Verdict::NotDecided) => {
                Standing::Undecided { interval: Some(interval), more: self.more(&interval, look.pairs) }
            }
            (Some(interval), verdict) => Standing::Decided { verdict, interval, pairs: look.pairs },
        }
    }

    fn verdict(&self, log_ratio: &Interval) -> Verdict {
        let edge = self.edge();
        if log_ratio.high < -edge {
            Verdict::Faster
        } else if log_ratio.low > edge {
            Verdict::Slower
        } else if log_ratio.low >= -edge && log_ratio.high <= edge {
            Verdict::NoPracticalChange
        } else {
            Verdict::NotDecided
        }
    }

    /// The bounds shrink with the root of the number of pairs; they must fit between the estimate and the next edge.
    fn more(&self, interval: &Interval, pairs: usize) -> Option<usize> {
        let room = (interval.mid.abs() - self.edge()).abs();
        let times = (interval.half_width() / room).powi(2);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from one to some thousands")]
        (times <= WORTH_TRYING).then(|| ((times - 1.0) * pairs as f64).ceil().max(1.0) as usize)
    }
}

/// After how many pairs, and the chance that may be spent.
type Looks = [(usize, f64)];

/// What one look saw.
struct Look {
    pairs: usize,
    interval: Option<Interval>,
    verdict: Verdict,
    /// Whether the comparison is over with it.
    ends: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// So many log ratios around a centre, half a noise to either side, in turn.
    fn around(centre: f64, noise: f64, pairs: usize) -> Vec<f64> {
        (0..pairs).map(|pair| centre + noise * ((pair * 7 % 13) as f64 / 12.0 - 0.5)).collect()
    }

    fn verdict(standing: Standing) -> Option<(Verdict, usize)> {
        match standing {
            Standing::Decided { verdict, pairs, .. } => Some((verdict, pairs)),
            _ => None,
        }
    }

    #[test]
    fn the_shares_add_up_and_every_look_can_decide() {
        let rule = Rule::standard(0.01);
        assert!((rule.total() - TOTAL).abs() < 1e-12);
        for (pairs, alpha) in &rule.looks {
            let clear = around(0.2, 0.02, *pairs);
            assert!(rule.look(&clear, *alpha).ends, "the look at {pairs}");
        }
    }

    #[test]
    fn clear_cases_end_at_the_first_look_with_the_right_sign() {
        let rule = Rule::standard(0.01);
        assert_eq!(verdict(rule.judge(&around(0.05, 0.02, 10))), Some((Verdict::Slower, 10)));
        assert_eq!(verdict(rule.judge(&around(-0.05, 0.02, 10))), Some((Verdict::Faster, 10)));
        assert_eq!(verdict(rule.judge(&around(0.0, 0.01, 10))), Some((Verdict::NoPracticalChange, 10)));
    }

    #[test]
    fn one_spike_cannot_hold_up_twenty_pairs() {
        let mut pairs = around(0.05, 0.02, 20);
        pairs[3] = -9.0;
        assert_eq!(verdict(Rule::standard(0.01).judge(&pairs)), Some((Verdict::Slower, 20)));
    }

    #[test]
    fn before_the_first_look_nothing_is_said() {
        let rule = Rule::standard(0.01);
        assert_eq!(rule.judge(&around(0.5, 0.01, 9)), Standing::GoOn { interval: None, next_look: 10 });
        assert_eq!(rule.judge(&[]), Standing::GoOn { interval: None, next_look: 10 });
        assert_eq!(rule.close(&[]), Standing::Undecided { interval: None, more: None });
        let Standing::Undecided { interval: Some(interval), more: None } = rule.close(&around(0.5, 0.01, 6)) else {
            panic!("six pairs decide nothing");
        };
        assert!((interval.confidence - (1.0 - 2.0 / 64.0)).abs() < 1e-9);
    }

    #[test]
    fn what_a_clock_ends_early_is_judged_with_the_next_share() {
        let rule = Rule::standard(0.01);
        let late = [around(0.01, 0.08, 20), around(0.05, 0.01, 6)].concat();
        assert!(matches!(rule.judge(&late), Standing::GoOn { interval: Some(_), next_look: 28 }));
        assert_eq!(rule.closed(late.len()).last(), Some(&(26, rule.looks[3].1)));
        assert_eq!(rule.closed(20), rule.looks[..3]);
        assert_eq!(rule.closed(99), rule.looks);
        assert_eq!(verdict(rule.close(&around(0.05, 0.02, 12))), Some((Verdict::Slower, 10)));
    }

    #[test]
    fn an_open_end_says_how_many_more_or_that_none_will_do() {
        let rule = Rule::standard(0.01);
        let Standing::Undecided { more: Some(more), interval: Some(interval) } = rule.judge(&around(0.03, 0.3, 64))
        else {
            panic!("it is too noisy");
        };
        let times = (64 + more) as f64 / 64.0;
        let room = interval.mid - 0.01f64.ln_1p();
        assert!((interval.half_width() / times.sqrt() / room - 1.0).abs() < 0.02, "{more} more");
        let edge = rule.judge(&around(0.01f64.ln_1p(), 0.1, 64));
        assert!(matches!(edge, Standing::Undecided { more: None, .. }), "{edge:?}");
    }

    #[test]
    fn precision_ends_it_when_the_bounds_are_close_and_not_before() {
        let pairs = around(0.3, 0.04, 64);
        let rule = Rule::standard(0.01).to_precision(0.01);
        assert_eq!(verdict(Rule::standard(0.01).judge(&pairs)), Some((Verdict::Slower, 10)));
        let Standing::Decided { verdict: Verdict::Slower, interval, pairs: seen } = rule.judge(&pairs) else {
            panic!("it is slower");
        };
        assert!(seen > 10 && interval.half_width() <= 0.01);
        let on_the_edge = around(0.01, 0.01, 64);
        assert!(matches!(rule.judge(&on_the_edge), Standing::Undecided { .. }));
    }

    #[test]
    fn a_smaller_total_closes_the_first_look() {
        let rule = Rule::spending(0.01, 0.001);
        assert!(matches!(rule.judge(&around(0.5, 0.01, 10)), Standing::GoOn { next_look: 14, .. }));
    }

    proptest! {
        #[test]
        fn asking_after_every_pair_changes_nothing(
            noise in 0.001f64..0.1, centre in -0.06f64..0.06,
            values in prop::collection::vec(-1.0f64..1.0, 64),
        ) {
            let rule = Rule::standard(0.01);
            let pairs: Vec<f64> = values.iter().map(|value| centre + noise * value).collect();
            let whole = rule.judge(&pairs);
            let live = (0..=pairs.len()).map(|count| rule.judge(&pairs[..count]))
                .find(|standing| !matches!(standing, Standing::GoOn { .. }));
            prop_assert_eq!(Some(whole), live);
        }

        #[test]
        fn a_verdict_and_its_chance_agree(
            noise in 0.001f64..0.1, centre in -0.06f64..0.06,
            values in prop::collection::vec(-1.0f64..1.0, 10..64),
        ) {
            let rule = Rule::standard(0.01);
            let pairs: Vec<f64> = values.iter().map(|value| centre + noise * value).collect();
            let (chances, sure) = (rule.chances(&pairs), rule.total() * (1.0 + 1e-6));
            match verdict(rule.close(&pairs)).map(|(verdict, _)| verdict) {
                Some(Verdict::Faster) => prop_assert!(chances.faster <= sure),
                Some(Verdict::Slower) => prop_assert!(chances.slower <= sure),
                Some(_) => prop_assert!(chances.same <= sure),
                None => prop_assert!(chances.faster.min(chances.slower).min(chances.same) > rule.total() * 0.999_999),
            }
        }
    }
}
