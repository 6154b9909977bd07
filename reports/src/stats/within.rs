//! What one pair of processes says: blocks in the order ABBA or BAAB, four to a quad, and one value in the end.
//!
//! Within a quad, a drift that is linear hits A and B equally and cancels. Between quads nothing is independent: the
//! quads of a pair share their processes, and with them the layout of memory, which alone made identical code differ by
//! 0.2 to 2.3 per cent for as long as the processes lived. So a pair is ONE value, the median of its quads; pooling
//! quads as if they were samples is what makes tools see differences in equal programs.

use super::median;

/// Four blocks that ran one after another, in nanoseconds a piece of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quad {
    /// The two blocks of A, in the order in which they ran.
    pub a: [f64; 2],
    /// The two blocks of B.
    pub b: [f64; 2],
}

/// Blocks further from the middle than so many median deviations are marked.
pub const FAR: f64 = 5.0;

/// The least that counts as a median deviation, as a share of the middle: below it lies the step of the clock.
const STEP: f64 = 0.001;

impl Quad {
    /// How much longer does B take, as a log ratio? None where a block has no time.
    pub fn log_ratio(&self) -> Option<f64> {
        let sound = self.blocks().iter().all(|time| time.is_finite() && *time > 0.0);
        sound.then(|| (self.b[0].ln() + self.b[1].ln() - self.a[0].ln() - self.a[1].ln()) / 2.0)
    }

    fn blocks(&self) -> [f64; 4] {
        [self.a[0], self.a[1], self.b[0], self.b[1]]
    }
}

/// What does this pair of processes say? The median of its quads; none if no quad has a reading.
pub fn pair_log_ratio(quads: &[Quad]) -> Option<f64> {
    let readings: Vec<f64> = quads.iter().filter_map(Quad::log_ratio).collect();
    median(&readings)
}

/// How many blocks are far from the others of their side? They are shown, and stay in the data: the median does not
/// feel them, and who drops what he does not like finds what he likes.
pub fn outliers(quads: &[Quad]) -> usize {
    let side = |of: fn(&Quad) -> [f64; 2]| far(&quads.iter().flat_map(of).collect::<Vec<f64>>());
    side(|quad| quad.a) + side(|quad| quad.b)
}

fn far(times: &[f64]) -> usize {
    let Some(middle) = median(times) else { return 0 };
    let deviations: Vec<f64> = times.iter().map(|time| (time - middle).abs()).collect();
    let typical = median(&deviations).unwrap_or(0.0).max(STEP * middle);
    deviations.iter().filter(|deviation| **deviation > FAR * typical).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quad(a: [f64; 2], b: [f64; 2]) -> Quad {
        Quad { a, b }
    }

    #[test]
    fn linear_drift_cancels_in_either_order() {
        let growth = |step: f64| (0.01 * step).exp();
        let abba = quad([growth(0.0), growth(3.0)], [1.03 * growth(1.0), 1.03 * growth(2.0)]);
        let baab = quad([growth(1.0), growth(2.0)], [1.03 * growth(0.0), 1.03 * growth(3.0)]);
        for quad in [abba, baab] {
            assert!((quad.log_ratio().unwrap() - 1.03f64.ln()).abs() < 1e-12);
        }
    }

    #[test]
    fn one_spike_does_not_move_the_pair_and_is_counted() {
        let mut quads: Vec<Quad> =
            (0..7).map(|i| f64::from(i) * 1e-4).map(|e| quad([1.0 + e, 1.0], [1.02, 1.02 + e])).collect();
        let before = pair_log_ratio(&quads).unwrap();
        assert_eq!(outliers(&quads), 0);
        quads[2].b[1] = 9.0;
        assert!((pair_log_ratio(&quads).unwrap() - before).abs() < 5e-4);
        assert_eq!(outliers(&quads), 1);
    }

    #[test]
    fn what_has_no_time_has_no_reading() {
        assert_eq!(pair_log_ratio(&[]), None);
        assert_eq!(pair_log_ratio(&[quad([0.0, 1.0], [1.0, 1.0])]), None);
        let one = [quad([0.0, 1.0], [1.0, 1.0]), quad([1.0, 1.0], [2.0, 2.0])];
        assert!((pair_log_ratio(&one).unwrap() - 2f64.ln()).abs() < 1e-12);
        assert_eq!(outliers(&[]), 0);
    }

    proptest! {
        #[test]
        fn swapping_the_sides_changes_the_sign(times in prop::collection::vec(prop::array::uniform4(0.5f64..2.0), 1..20)) {
            let quads: Vec<Quad> = times.iter().map(|t| quad([t[0], t[1]], [t[2], t[3]])).collect();
            let swapped: Vec<Quad> = quads.iter().map(|q| quad(q.b, q.a)).collect();
            let (one, other) = (pair_log_ratio(&quads).unwrap(), pair_log_ratio(&swapped).unwrap());
            prop_assert!((one + other).abs() < 1e-12);
            prop_assert_eq!(outliers(&quads), outliers(&swapped));
        }
    }
}
