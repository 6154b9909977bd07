//! Axes: where a number lies across a picture, in hundredths of its width.

/// A way from numbers to places.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    /// From nought to a little above `most`.
    pub fn from_nought(most: f64) -> Scale {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        Scale { low: 0.0, high: most * 1.06, logarithmic: false }
    }

    /// Times: from nought; logarithmic where the longest is so many times the shortest that all short ones would be one
    /// line.
    ///
    /// ```
    /// use reports::page::scale::Scale;
    /// assert_eq!(Scale::of_times(5.0, 100.0).ends(), Scale::from_nought(100.0).ends());
    /// assert!(Scale::of_times(0.2, 100.0).is_logarithmic());
    /// ```
    pub fn of_times(least: f64, most: f64) -> Scale {
        const TOO_WIDE: f64 = 60.0;
        if least > 0.0 && most.is_finite() && most / least > TOO_WIDE {
            let room = (most / least).powf(0.04);
            return Scale { low: least / room, high: most * room, logarithmic: true };
        }
        Scale::from_nought(most)
    }

    /// Whether twice and half lie equally far from one.
    pub fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }

    /// Factors: twice and half lie equally far from one. It holds `values`, one, and some room to both sides; what is
    /// farther than `farthest` lies outside.
    pub fn of_factors(values: impl Iterator<Item = f64>, farthest: f64) -> Scale {
        let (mut low, mut high) = (0.93f64, 1.12f64);
        for value in values.filter(|value| value.is_finite() && *value > 0.0) {
            low = low.min(value.max(1.0 / farthest));
            high = high.max(value.min(farthest));
        }
        let room = (high / low).powf(0.04);
        Scale { low: low / room, high: high * room, logarithmic: true }
    }

    /// Where a number lies, from 0 to 100; what lies outside is put at the edge.
    pub fn at(&self, value: f64) -> f64 {
        let inside = value.clamp(self.low, self.high);
        if self.logarithmic {
            100.0 * (inside / self.low).ln() / (self.high / self.low).ln()
        } else {
            100.0 * (inside - self.low) / (self.high - self.low)
        }
    }

    /// Whether a number lies outside.
    pub fn leaves_out(&self, value: f64) -> bool {
        value < self.low || value > self.high
    }

    /// Both ends, and whether it is logarithmic.
    pub fn ends(&self) -> (f64, f64, bool) {
        (self.low, self.high, self.logarithmic)
    }

    /// Round numbers, so far from each other that their labels, with a letter for the unit, stand apart.
    pub fn ticks(&self) -> Vec<f64> {
        if self.logarithmic { self.factors() } else { self.steps() }
    }

    fn steps(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|one| one * power).into_iter().find(|one| *one >= rough);
        let step = step.unwrap_or(10.0 * power);
        (0..=50).map(|at| f64::from(at) * step).take_while(|tick| *tick <= self.high).collect()
    }

    fn factors(&self) -> Vec<f64> {
        /// How wide a letter is, and what stands between two labels, in the narrowest column that has an axis.
        const LETTER: f64 = 4.0;
        const BETWEEN: f64 = 2.5;
        const ROUND: [f64; 32] = [
            1.0, 2.0, 0.5, 5.0, 0.2, 10.0, 0.1, 100.0, 0.01, 1000.0, 1e4, 1e-3, 1e5, 1e6, 3.0, 1.5, 20.0, 50.0, 1.2,
            1.1, 0.8, 0.7, 0.9, 4.0, 8.0, 6.0, 1.05, 1.3, 0.95, 200.0, 500.0, 2000.0,
        ];
        let mut ticks: Vec<f64> = Vec::new();
        for tick in ROUND.into_iter().filter(|tick| !self.leaves_out(*tick)) {
            let wide = |value: f64| LETTER * (1 + self::tick(value).chars().count()) as f64;
            let apart = |other: f64| (self.at(other) - self.at(tick)).abs();
            if ticks.iter().all(|other| apart(*other) >= f64::midpoint(wide(*other), wide(tick)) + BETWEEN) {
                ticks.push(tick);
            }
        }
        ticks.sort_by(f64::total_cmp);
        ticks
    }
}

/// A tick as it is printed: no more digits than it has.
pub fn tick(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let whole: u64 = whole.parse().unwrap_or(0);
    super::words::bytes(whole) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_and_half_lie_equally_far_from_one() {
        let scale = Scale::of_factors([0.25, 4.0].into_iter(), 100.0);
        assert!((scale.at(2.0) - scale.at(1.0) - (scale.at(1.0) - scale.at(0.5))).abs() < 1e-9);
        assert!(scale.at(0.25) > 0.0 && scale.at(4.0) < 100.0);
    }

    #[test]
    fn ticks_are_round_and_keep_apart() {
        for most in [0.01, 0.9, 7.0, 38.0, 212.0, 90_000.0] {
            let scale = Scale::from_nought(most);
            let ticks = scale.ticks();
            assert!((4..=7).contains(&ticks.len()) && ticks[0] == 0.0, "{most}: {ticks:?}");
        }
        for most in [1.0, 1.5, 8.0, 66.0, 165.0, 3180.0, 1e6] {
            let scale = Scale::of_factors([most].into_iter(), 1e9);
            let ticks = scale.ticks();
            assert!(ticks.contains(&1.0) && (2..=10).contains(&ticks.len()), "{most}: {ticks:?}");
        }
    }

    /// At 12 pixels a letter is no wider than 7, and the narrowest column with an axis is 168.
    #[test]
    fn labels_stand_apart_in_a_narrow_column() {
        let pixels = |scale: &Scale, value: f64| 1.68 * scale.at(value);
        let half = |value: f64| 3.5 * (tick(value) + "×").chars().count() as f64;
        for most in [1.0f64, 1.05, 1.5, 8.0, 66.0, 165.0, 211.0, 999.0, 3180.0, 1e6] {
            let scale = Scale::of_factors([1.0 / most.sqrt(), most].into_iter(), 1e9);
            for pair in scale.ticks().windows(2) {
                let room = pixels(&scale, pair[1]) - pixels(&scale, pair[0]) - half(pair[0]) - half(pair[1]);
                assert!(room > 2.0, "{most}: {pair:?} have {room} pixels between them");
            }
        }
    }

    #[test]
    fn what_lies_outside_is_put_at_the_edge() {
        let scale = Scale::of_factors([3180.0].into_iter(), 20.0);
        assert!(scale.leaves_out(3180.0) && (scale.at(3180.0) - 100.0).abs() < 1e-9);
        assert_eq!((tick(1000.0), tick(0.25), tick(5.0)), ("1,000".into(), "0.25".into(), "5".into()));
        let none = Scale::from_nought(f64::NAN);
        assert!(none.at(0.5) > 0.0);
    }
}
