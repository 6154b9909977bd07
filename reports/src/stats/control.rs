//! Whether a session could tell at all: A against A, in every session, judged like any other comparison.
//!
//! What the control sees is what this machine makes of no difference. If it sees one, nothing that the session says of
//! other pairs can be believed, and the session is void. Otherwise the width of its interval is the noise floor.
//!
//! A sound session is void in at most 1 of 100 cases, by chance: the interval is 99 per cent sure, exactly so for any
//! noise, as the signs of a control are coins. Take the session again; two void sessions in a row are no chance (1 in
//! 10,000), but something that favours a side. [`FEWEST`] pairs find only gross faults, and have a wide floor: give the
//! control as many pairs as a comparison needs (32 pairs with a noise of 1 per cent have a floor of about 0.5).

use super::{Interval, ranks};

/// How sure the control's interval is.
pub const CONFIDENCE: f64 = 0.99;

/// With fewer pairs no interval is that sure, and there is no control.
pub const FEWEST: usize = 8;

/// What a control says of its session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// The bounds of the log ratio of A against A.
    pub interval: Interval,
    /// Whether they exclude zero: then nothing that this session says can be believed.
    pub void: bool,
}

impl Floor {
    /// The noise floor: half the width of the bounds.
    pub fn noise(&self) -> f64 {
        self.interval.half_width()
    }
}

/// Could this session tell? None with fewer than [`FEWEST`] pairs: a session without a control.
pub fn judge(log_ratios: &[f64]) -> Option<Floor> {
    let interval = ranks::interval(log_ratios, CONFIDENCE).filter(|found| found.confidence >= CONFIDENCE)?;
    Some(Floor { interval, void: interval.excludes(0.0) })
}

/// Which band can this session judge by? The one that is asked for, or twice its noise floor if that is wider.
pub fn band_for(asked: f64, control: &Interval) -> f64 {
    asked.max((2.0 * control.half_width()).exp_m1())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::chance::Chance;
    use crate::stats::median;
    use crate::stats::simulated::normal;

    #[test]
    fn a_side_that_is_favoured_makes_the_session_void() {
        let level: Vec<f64> = (0..16).map(|i| f64::from(i) * 0.001 - 0.0075).collect();
        let tilted: Vec<f64> = level.iter().map(|value| value + 0.01).collect();
        assert!(!judge(&level).unwrap().void);
        assert!(judge(&tilted).unwrap().void);
        assert!(judge(&tilted.iter().map(|value| -value).collect::<Vec<f64>>()).unwrap().void);
    }

    #[test]
    fn too_few_pairs_are_no_control() {
        assert_eq!(judge(&[0.1; FEWEST - 1]), None);
        assert!(judge(&[0.1; FEWEST]).unwrap().void);
    }

    #[test]
    fn a_noisy_session_widens_the_band_and_a_quiet_one_does_not_narrow_it() {
        let control = Interval { low: -0.02, mid: 0.0, high: 0.01, confidence: 0.99 };
        assert!((band_for(0.01, &control) - 0.03f64.exp_m1()).abs() < 1e-12);
        assert!((band_for(0.05, &control) - 0.05).abs() < 1e-12);
    }

    #[test]
    fn thirty_two_pairs_with_a_noise_of_one_per_cent_have_a_floor_of_half_a_per_cent() {
        let mut chance = Chance::seeded(3);
        let floors: Vec<f64> = (0..200)
            .map(|_| judge(&(0..32).map(|_| 0.01 * normal(&mut chance)).collect::<Vec<f64>>()).unwrap().noise())
            .collect();
        let typical = median(&floors).unwrap();
        assert!((typical - 0.005).abs() < 0.0005, "{typical}");
    }

    #[test]
    fn a_sound_session_is_seldom_void() {
        let mut chance = Chance::seeded(7);
        let void = (0..2000)
            .filter(|_| {
                // Heavy tails, and each pair noisier than the one before.
                let pairs: Vec<f64> =
                    (0..24).map(|i| f64::from(1 + i) * (chance.share() - 0.5) / (0.02 + chance.share())).collect();
                judge(&pairs).unwrap().void
            })
            .count();
        assert!((4..=30).contains(&void), "{void} of 2000");
    }
}
