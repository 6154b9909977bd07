//! Thousands of comparisons that are played, with the kinds of noise that machines make: what the looks promise is held
//! here, with fixed seeds. Change a look and see what it costs.
//!
//! The noise of a pair is about one per cent, as between processes on a busy machine with two processors.

use super::Verdict;
use super::chance::Chance;
use super::sequential::{Rule, Standing, TOTAL};

/// A standard normal value (Box & Muller 1958).
pub(super) fn normal(chance: &mut Chance) -> f64 {
    let radius = (-2.0 * (1.0 - chance.share()).ln()).sqrt();
    radius * (std::f64::consts::TAU * chance.share()).cos()
}

/// A value of Student's distribution; with two degrees of freedom it has no variance.
fn student(chance: &mut Chance, freedom: usize) -> f64 {
    let squares: f64 = (0..freedom).map(|_| normal(chance).powi(2)).sum();
    normal(chance) / (squares / freedom as f64).sqrt()
}

fn coin(chance: &mut Chance) -> f64 {
    if chance.bits() & 1 == 0 { 1.0 } else { -1.0 }
}

/// What a machine adds to a pair.
#[derive(Clone, Copy, Debug)]
enum Noise {
    /// Normal, of that deviation.
    Normal(f64),
    /// Student's, of that scale and so many degrees of freedom.
    Student(f64, usize),
    /// Normal, one per cent; one pair in twenty is hit by 20 per cent.
    Spikes,
    /// Load that comes and goes: it decides how far pairs stray, and how much the second of a pair suffers.
    Load,
}

const NOISES: [Noise; 6] = [
    Noise::Normal(0.01),
    Noise::Normal(0.05),
    Noise::Student(0.01, 3),
    Noise::Student(0.05, 2),
    Noise::Spikes,
    Noise::Load,
];

impl Noise {
    /// The log ratios of one comparison of programs that differ by that share.
    fn pairs(self, chance: &mut Chance, planted: f64, count: usize) -> Vec<f64> {
        let mut load = 0.0;
        (0..count)
            .map(|_| {
                let noise = match self {
                    Noise::Normal(deviation) => deviation * normal(chance),
                    Noise::Student(scale, freedom) => scale * student(chance, freedom),
                    Noise::Spikes if chance.share() < 0.05 => coin(chance) * 0.2,
                    Noise::Spikes => 0.01 * normal(chance),
                    Noise::Load => {
                        load = 0.95 * load + 0.3 * normal(chance);
                        0.01 * (f64::abs(load) * coin(chance) + f64::exp(load) * student(chance, 3))
                    }
                };
                planted.ln_1p() + noise
            })
            .collect()
    }
}

/// How many of so many comparisons end with that verdict after at most so many pairs.
fn count(noise: Noise, (band, planted): (f64, f64), verdicts: &[Verdict], within: usize, played: u32) -> u32 {
    let rule = Rule::standard(band);
    let mut chance = Chance::seeded(20_260);
    let mut counted = 0;
    for _ in 0..played {
        let standing = rule.judge(&noise.pairs(&mut chance, planted, 64));
        counted += u32::from(matches!(
            standing,
            Standing::Decided { verdict, pairs, .. } if verdicts.contains(&verdict) && pairs <= within
        ));
    }
    counted
}

const FALSE: [Verdict; 2] = [Verdict::Faster, Verdict::Slower];

#[test]
fn without_a_band_false_alarms_stay_below_the_total_whatever_the_noise() {
    let played = 2000;
    let mut all = 0;
    for noise in NOISES {
        let alarms = count(noise, (0.0, 0.0), &FALSE, 64, played);
        // Three deviations above what the total allows.
        assert!(f64::from(alarms) < f64::from(played) * TOTAL + 10.0, "{noise:?}: {alarms} of {played}");
        all += alarms;
    }
    let rate = f64::from(all) / f64::from(played * 6);
    assert!(rate <= TOTAL, "{rate}");
    assert!(rate > TOTAL / 4.0, "{rate}: the looks give power away");
}

#[test]
fn with_a_band_false_alarms_are_rarer_than_one_in_five_hundred() {
    for noise in NOISES {
        let alarms = count(noise, (0.01, 0.0), &FALSE, 64, 2000);
        assert!(alarms <= 4, "{noise:?}: {alarms} of 2000");
    }
}

/// Pairs take 100 ms to 200 ms: 20 pairs are 2 to 4 seconds, 40 are 4 to 8.
#[test]
fn planted_changes_are_found_in_time() {
    let one = Noise::Normal(0.01);
    for (noise, planted, within, at_least) in [
        (one, 0.05, 10, 990),
        (one, 0.03, 20, 990),
        (one, 0.02, 40, 950),
        (Noise::Normal(0.015), 0.05, 20, 990),
        (Noise::Normal(0.015), 0.03, 40, 990),
        (Noise::Normal(0.015), 0.02, 64, 800),
        (Noise::Student(0.01, 3), 0.05, 20, 950),
        (Noise::Student(0.01, 3), 0.03, 40, 990),
        (Noise::Spikes, 0.05, 20, 900),
        (Noise::Spikes, 0.03, 40, 980),
        (Noise::Load, 0.05, 40, 950),
    ] {
        let found = count(noise, (0.01, planted), &[Verdict::Slower], within, 1000);
        assert!(found >= at_least, "{planted} in {noise:?}: {found} of 1000 within {within} pairs");
        let sped_up = count(noise, (0.01, 1.0 / (1.0 + planted) - 1.0), &[Verdict::Faster], within, 1000);
        assert!(sped_up + 30 >= at_least, "{planted} faster in {noise:?}: {sped_up} of 1000");
    }
}

#[test]
fn equal_programs_are_called_so() {
    for (noise, band, within, at_least) in [
        (Noise::Normal(0.01), 0.01, 40, 900),
        (Noise::Normal(0.015), 0.01, 64, 850),
        (Noise::Student(0.01, 3), 0.01, 64, 900),
        (Noise::Spikes, 0.01, 64, 900),
        (Noise::Load, 0.03, 40, 900),
    ] {
        let same = count(noise, (band, 0.0), &[Verdict::NoPracticalChange], within, 1000);
        assert!(same >= at_least, "{noise:?}: {same} of 1000 within {within} pairs");
    }
}

/// A change at the edge of the band is neither: each verdict is false there, and as rare as was promised.
#[test]
fn at_the_edge_of_the_band_hardly_anything_is_decided() {
    let wrong = count(Noise::Normal(0.01), (0.01, 0.01), &[Verdict::Slower, Verdict::NoPracticalChange], 64, 3000);
    assert!(f64::from(wrong) < 3000.0 * TOTAL + 12.0, "{wrong} of 3000");
}
