//! The rules by which a claim is judged, in one place.

use crate::claims::{Claimed, Unit};
use crate::review::ClaimVerdict;
use crate::stats::{BAND, Verdict};
use crate::summary::Bounds;

/// What a document itself calls rough is held to this.
const ABOUT: f64 = 1.10;
/// Shares are held to this much more or less.
const SHARE: f64 = 0.02;
/// Counts are held to this much more or less: what comes once in a run of hundreds is nothing a file.
const COUNT: f64 = 0.005;
/// Bounds that are less sure decide nothing: those of fewer than four rounds.
const SURE: f64 = 0.85;

/// A number against what was claimed of it.
///
/// - More than was claimed is *exceeded*, less *overstated*: whatever is counted, and whether more is better or not.
/// - A claim with one bound alone is held or not; a share on the other side of it is *the other way round*.
/// - A claimed gain must first be a gain: bounds within the noise band are of *no effect*, bounds below it *the other
///   way round*, and bounds that reach into it decide nothing, unless even their upper end is less than was claimed.
/// - What lies in the claimed range, with the tolerance of its unit, is *held*. Bounds that reach in from outside
///   decide nothing.
pub(super) fn of(claimed: &Claimed, measured: &Bounds) -> ClaimVerdict {
    if measured.confidence < SURE {
        return ClaimVerdict::NotDecided;
    }
    match claimed.unit {
        Unit::TimesAsFast | Unit::TimesAsSlow => gain(claimed, measured),
        _ => number(claimed, measured),
    }
}

fn range(claimed: &Claimed) -> (Option<f64>, Option<f64>) {
    let times = if claimed.about { ABOUT } else { BAND };
    let is_share = matches!(claimed.unit, Unit::Share | Unit::ShareLess);
    let is_gain = matches!(claimed.unit, Unit::TimesAsFast | Unit::TimesAsSlow);
    let more = |value: f64| match (is_share, is_gain) {
        (true, _) => value + SHARE,
        (_, true) => value * times,
        _ => (value * times).max(value + COUNT),
    };
    let less = |value: f64| match (is_share, is_gain) {
        (true, _) => value - SHARE,
        (_, true) => value / times,
        _ => (value / times).min(value - COUNT),
    };
    (claimed.low.map(less), claimed.high.map(more))
}

fn gain(claimed: &Claimed, measured: &Bounds) -> ClaimVerdict {
    let in_band = |value: f64| (1.0 / BAND..=BAND).contains(&value);
    let is_none = in_band(measured.low) && in_band(measured.high);
    let (is_more, is_less) = (measured.low > BAND, measured.high < 1.0 / BAND);
    match (claimed.low, claimed.high) {
        // It makes no difference.
        (Some(low), Some(high)) if in_band(low) && in_band(high) => match (is_none, is_more, is_less) {
            (true, ..) => ClaimVerdict::Held,
            (_, true, _) => ClaimVerdict::Exceeded,
            (_, _, true) => ClaimVerdict::Reversed,
            _ => ClaimVerdict::NotDecided,
        },
        // It is no gain.
        (None, Some(high)) if in_band(high) => match (measured.high <= BAND, is_more) {
            (true, _) => ClaimVerdict::Held,
            (_, true) => ClaimVerdict::Reversed,
            _ => ClaimVerdict::NotDecided,
        },
        // It is a loss, or no more than a gain of so much.
        (None, _) => number(claimed, measured),
        (_, Some(high)) if high < 1.0 => {
            if is_more {
                ClaimVerdict::Reversed
            } else {
                number(claimed, measured)
            }
        }
        (Some(_), _) => {
            let (least, _) = range(claimed);
            if is_less {
                ClaimVerdict::Reversed
            } else if is_none {
                ClaimVerdict::NoEffect
            } else if least.is_some_and(|least| measured.high < least) {
                ClaimVerdict::Overstated
            } else if is_more {
                number(claimed, measured)
            } else {
                ClaimVerdict::NotDecided
            }
        }
    }
}

fn number(claimed: &Claimed, measured: &Bounds) -> ClaimVerdict {
    let (least, most) = range(claimed);
    let is_below = least.is_some_and(|least| measured.high < least);
    let is_above = most.is_some_and(|most| measured.low > most);
    let is_side = matches!(claimed.unit, Unit::Share | Unit::TimesAsLong);
    match (least, most) {
        (None, _) | (_, None) if (is_below || is_above) && is_side => ClaimVerdict::Reversed,
        _ if is_below => ClaimVerdict::Overstated,
        _ if is_above => ClaimVerdict::Exceeded,
        (Some(least), Some(most)) if least <= measured.mid && measured.mid <= most => ClaimVerdict::Held,
        (Some(least), None) if measured.low >= least => ClaimVerdict::Held,
        (None, Some(most)) if measured.high <= most => ClaimVerdict::Held,
        _ => ClaimVerdict::NotDecided,
    }
}

/// A gain of a part, with what the whole gained. Whatever a part does is of no effect where the whole does not gain;
/// where that is not known, a part's own number stands.
pub(super) fn of_part(part: ClaimVerdict, whole: Option<Verdict>) -> ClaimVerdict {
    use ClaimVerdict::{Exceeded, Held, NoEffect, NotDecided, Overstated, TrueLocally};
    match (part, whole) {
        (Held | Exceeded | Overstated | NoEffect, Some(Verdict::NoPracticalChange | Verdict::Slower)) => NoEffect,
        (Held | Exceeded, Some(Verdict::NotDecided | Verdict::TooFewRounds)) => NotDecided,
        (Held | Exceeded, Some(Verdict::Faster) | None) => TrueLocally,
        (other, _) => other,
    }
}

/// The share before that a whole's factor implies, given the part's, where it does not fit the share that was seen.
/// Bounds are rounded outwards where they are told.
pub(super) fn implied(seen: &Bounds, whole: &Bounds, local: f64) -> Option<(f64, f64)> {
    if local <= BAND {
        return None;
    }
    let share = |whole: f64| ((1.0 - 1.0 / whole) / (1.0 - 1.0 / local)).clamp(0.0, 1.0);
    let implied = (share(whole.low), share(whole.high));
    let fits = implied.0 <= seen.high + SHARE && seen.low <= implied.1 + SHARE;
    (!fits).then_some(implied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ClaimVerdict::{Exceeded, Held, NoEffect, NotDecided, Overstated, Reversed, TrueLocally};

    fn claimed(low: impl Into<Option<f64>>, high: impl Into<Option<f64>>, unit: Unit) -> Claimed {
        Claimed { low: low.into(), high: high.into(), unit, about: false }
    }

    fn bounds(low: f64, high: f64) -> Bounds {
        Bounds { low, mid: f64::midpoint(low, high), high, confidence: 0.95 }
    }

    #[test]
    fn gains() {
        let fast = |low, high, measured| of(&claimed(low, high, Unit::TimesAsFast), &measured);
        for (measured, verdict) in [
            (bounds(5.3, 5.5), Held),
            (bounds(8.5, 9.0), Exceeded),
            (bounds(1.1, 1.2), Overstated),
            (bounds(0.9, 1.2), Overstated),
            (bounds(0.98, 1.02), NoEffect),
            (bounds(0.8, 0.9), Reversed),
            (bounds(4.0, 5.2), NotDecided),
            (bounds(0.5, 6.0), NotDecided),
        ] {
            assert_eq!(fast(Some(5.0), Some(8.0), measured), verdict, "{measured:?}");
        }
        // Any gain makes it true.
        for (measured, verdict) in [
            (bounds(1.04, 1.5), Held),
            (bounds(0.98, 1.02), NoEffect),
            (bounds(0.98, 1.2), NotDecided),
            (bounds(0.8, 0.9), Reversed),
        ] {
            assert_eq!(fast(Some(1.0), None, measured), verdict, "{measured:?}");
        }
        // It makes no difference.
        for (measured, verdict) in [
            (bounds(0.98, 1.02), Held),
            (bounds(1.1, 1.2), Exceeded),
            (bounds(0.8, 0.9), Reversed),
            (bounds(0.9, 1.1), NotDecided),
        ] {
            assert_eq!(fast(Some(0.99), Some(0.99), measured), verdict, "{measured:?}");
        }
        // It is no gain.
        for (measured, verdict) in [
            (bounds(0.5, 0.9), Held),
            (bounds(0.9, 1.02), Held),
            (bounds(1.1, 1.2), Reversed),
            (bounds(0.9, 1.1), NotDecided),
        ] {
            assert_eq!(fast(None, Some(1.0), measured), verdict, "{measured:?}");
        }
        let slow = of(&claimed(694.0, 694.0, Unit::TimesAsSlow), &bounds(600.0, 640.0));
        assert_eq!(slow, Overstated);
        let few = Bounds { confidence: 0.75, ..bounds(5.3, 5.5) };
        assert_eq!(fast(Some(5.0), Some(8.0), few), NotDecided);
    }

    #[test]
    fn numbers_counts_and_shares() {
        let us = |measured| of(&claimed(185.0, 185.0, Unit::MicrosecondsAFile), &measured);
        assert_eq!(us(bounds(40.0, 42.0)), Overstated);
        assert_eq!(us(bounds(184.0, 188.0)), Held);
        assert_eq!(us(bounds(290.0, 300.0)), Exceeded);
        assert_eq!(us(bounds(150.0, 182.0)), NotDecided);
        let none = |measured: f64| {
            of(
                &claimed(0.0, 0.0, Unit::AllocationsAnOperation),
                &Bounds { confidence: 1.0, ..bounds(measured, measured) },
            )
        };
        assert_eq!((none(0.0), none(0.0002), none(0.01)), (Held, Held, Exceeded));
        let most = |measured| of(&claimed(None, 0.5, Unit::Share), &measured);
        assert_eq!(most(bounds(0.2, 0.3)), Held);
        assert_eq!(most(bounds(0.78, 0.8)), Reversed);
        assert_eq!(most(bounds(0.4, 0.6)), NotDecided);
        let share = |measured| of(&claimed(0.42, 0.42, Unit::Share), &measured);
        assert_eq!((share(bounds(0.41, 0.43)), share(bounds(0.78, 0.8))), (Held, Exceeded));
        let least = |measured| of(&claimed(30_000.0, None, Unit::FilesASecond), &measured);
        assert_eq!((least(bounds(40e3, 50e3)), least(bounds(10e3, 20e3))), (Held, Overstated));
        let about = Claimed { about: true, ..claimed(1.5, 1.5, Unit::TimesAsFast) };
        assert_eq!(of(&about, &bounds(1.6, 1.64)), Held);
        assert_eq!(of(&Claimed { about: false, ..about }, &bounds(1.6, 1.64)), Exceeded);
    }

    #[test]
    fn a_part_is_held_against_the_whole() {
        let whole = [Verdict::Faster, Verdict::NoPracticalChange, Verdict::Slower, Verdict::NotDecided];
        let of = |part| whole.map(|whole| of_part(part, Some(whole)));
        assert_eq!(of(Held), [TrueLocally, NoEffect, NoEffect, NotDecided]);
        assert_eq!(of(Exceeded), [TrueLocally, NoEffect, NoEffect, NotDecided]);
        assert_eq!(of(Overstated), [Overstated, NoEffect, NoEffect, Overstated]);
        assert_eq!(of(Reversed), [Reversed; 4]);
        assert_eq!(of(NotDecided), [NotDecided; 4]);
        assert_eq!((of_part(Held, None), of_part(Overstated, None)), (TrueLocally, Overstated));
    }

    #[test]
    fn a_share_is_implied_only_where_what_was_seen_does_not_fit() {
        let seen = bounds(0.78, 0.80);
        let (low, high) = implied(&seen, &bounds(1.04, 1.08), 5.0).unwrap();
        assert!((low - 0.048_077).abs() < 1e-5 && (high - 0.092_593).abs() < 1e-5);
        assert_eq!(implied(&seen, &bounds(2.6, 2.8), 5.0), None);
        assert_eq!(implied(&seen, &bounds(1.04, 1.08), 1.0), None);
        assert_eq!(implied(&bounds(0.05, 0.06), &bounds(0.9, 1.03), 5.0), None);
    }
}
