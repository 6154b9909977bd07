//! Two laws of scaling, fitted. With N workers, a job is so many times as fast as with one:
//!
//! - Amdahl (1967): N / (1 + s(N-1)), where s is what one worker does alone.
//! - Gunther's universal law (1993): N / (1 + a(N-1) + bN(N-1)), where a is waiting for each other (contention), and b
//!   what it costs that workers agree (coherency). Above b = 0 it has a peak.
//!
//! Both are linear once turned round: (N/C - 1)/(N-1) is s, and is a + bN. Points further out know more of b, so they
//! weigh by N-1. Neither a nor b can be below nothing: where the best line would have it so, it is set to nothing and
//! the other fitted alone. Bounds are those of fits to rounds drawn again by chance, with a seed that stays: whole
//! rounds are drawn, as what one round measured hangs together.

use crate::review::Fit;
use crate::stats::chance::Chance;
use crate::stats::median;
use crate::summary::Bounds;

const DRAWS: usize = 400;
const SEED: u64 = 20_261_121;
const STEPS: u32 = 60;
/// Bounds leave out so much at either end.
const TAIL: f64 = 0.025;

/// What is fitted: the serial share; contention and coherency.
#[derive(Clone, Copy)]
struct Laws {
    serial: f64,
    contention: f64,
    coherency: f64,
}

/// Fits both laws to points, each a number of workers and the gain of each round. None where all gains are alike.
pub(super) fn of(table: &[(f64, Vec<f64>)]) -> Option<Fit> {
    let rounds = table.first()?.1.len();
    let every: Vec<usize> = (0..rounds).collect();
    let points = medians(table, &every);
    let mid = laws(&points);
    let r2 = explained(&points, mid)?;
    let mut chance = Chance::seeded(SEED);
    let drawn: Vec<Laws> = (0..DRAWS)
        .map(|_| {
            let rounds: Vec<usize> = (0..rounds).map(|_| chance.place(rounds)).collect();
            laws(&medians(table, &rounds))
        })
        .collect();
    let bounds = |of: &dyn Fn(&Laws) -> f64| bounds(of(&mid), drawn.iter().map(of).collect());
    let peaks: Vec<f64> = drawn.iter().filter_map(peak).collect();
    // Where more than the upper tail of the draws has no peak, the data do not bound it.
    let is_bounded = peaks.len() as f64 >= DRAWS as f64 * (1.0 - TAIL);
    let most = table.last()?.0;
    let curve = |step: u32| {
        let workers = 1.0 + (most - 1.0) * f64::from(step) / f64::from(STEPS);
        let band = bounds(&|laws: &Laws| law(workers, laws.contention, laws.coherency));
        (workers, law(workers, mid.serial, 0.0), band.mid, band.low, band.high)
    };
    Some(Fit {
        serial: bounds(&|laws| laws.serial),
        contention: bounds(&|laws| laws.contention),
        coherency: bounds(&|laws| laws.coherency),
        peak: peak(&mid).filter(|_| is_bounded).map(|mid| self::bounds(mid, peaks)),
        r2,
        curves: (0..=STEPS).map(curve).collect(),
    })
}

fn medians(table: &[(f64, Vec<f64>)], rounds: &[usize]) -> Vec<(f64, f64)> {
    let of = |gains: &[f64]| median(&rounds.iter().map(|round| gains[*round]).collect::<Vec<_>>());
    table.iter().filter_map(|(workers, gains)| Some((*workers, of(gains)?))).collect()
}

fn law(workers: f64, contention: f64, coherency: f64) -> f64 {
    workers / (1.0 + contention * (workers - 1.0) + coherency * workers * (workers - 1.0))
}

fn peak(laws: &Laws) -> Option<f64> {
    (laws.coherency > 1e-9 && laws.contention < 1.0).then(|| ((1.0 - laws.contention) / laws.coherency).sqrt())
}

fn laws(points: &[(f64, f64)]) -> Laws {
    // Weight, N, and what the laws say of it.
    let turned: Vec<(f64, f64, f64)> = points
        .iter()
        .filter(|(workers, _)| *workers > 1.0)
        .map(|(workers, gain)| (workers - 1.0, *workers, (workers / gain - 1.0) / (workers - 1.0)))
        .collect();
    let sum = |of: &dyn Fn(f64, f64) -> f64| turned.iter().map(|(weight, n, y)| weight * of(*n, *y)).sum::<f64>();
    let weight = sum(&|_, _| 1.0);
    let serial = (sum(&|_, y| y) / weight).max(0.0);
    let (middle_n, middle_y) = (sum(&|n, _| n) / weight, sum(&|_, y| y) / weight);
    let spread = sum(&|n, _| (n - middle_n).powi(2));
    let coherency = sum(&|n, y| (n - middle_n) * (y - middle_y)) / spread.max(f64::MIN_POSITIVE);
    let contention = middle_y - coherency * middle_n;
    let (contention, coherency) = if coherency < 0.0 {
        (serial, 0.0)
    } else if contention < 0.0 {
        (0.0, (sum(&|n, y| n * y) / sum(&|n, _| n * n)).max(0.0))
    } else {
        (contention, coherency)
    };
    Laws { serial, contention, coherency }
}

/// The share of what varies that the universal law explains.
fn explained(points: &[(f64, f64)], laws: Laws) -> Option<f64> {
    let middle = points.iter().map(|(_, gain)| gain).sum::<f64>() / points.len() as f64;
    let varies: f64 = points.iter().map(|(_, gain)| (gain - middle).powi(2)).sum();
    let left: f64 = points.iter().map(|(n, gain)| (gain - law(*n, laws.contention, laws.coherency)).powi(2)).sum();
    // A tenth of a per cent is less than any machine repeats.
    (varies > 1e-6 * middle * middle * points.len() as f64).then(|| 1.0 - left / varies)
}

fn bounds(mid: f64, mut drawn: Vec<f64>) -> Bounds {
    drawn.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a short list")]
    let at = |share: f64| drawn[((drawn.len() - 1) as f64 * share).round() as usize];
    let (low, high) = if drawn.is_empty() { (mid, mid) } else { (at(TAIL), at(1.0 - TAIL)) };
    Bounds { low: low.min(mid), mid, high: high.max(mid), confidence: 0.95 }
}
