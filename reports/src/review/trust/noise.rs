//! How far rounds stray: whether there are enough, whether a difference is seen where there is none, whether bounds are
//! narrow enough, and whether the machine changed meanwhile.

use crate::review::look::Look;
use crate::review::words::{count, percent, sure, times};
use crate::review::{Check, Grade};
use crate::stats::{BAND, FEWEST, Verdict, median, speed_up};
use crate::summary::{Bounds, Measured, least_confidence};

/// A machine that drifts more than this from the first rounds to the last is worth a note.
const DRIFT: f64 = BAND - 1.0;
/// How sure bounds are where there are rounds enough.
const SURE: f64 = 0.95;

pub(super) fn rounds(look: &Look) -> Check {
    const NAME: &str = "rounds";
    let fewest = look.summary.rows.iter().map(|row| row.rounds).min().unwrap_or(0);
    let least = least_confidence(&look.summary.rows);
    let check = |grade: Grade, end: &str| {
        let told = format!("Every row has at least {}{end}", count(fewest, "round"));
        Check::new(NAME, grade, told).with("rounds, at least", fewest as f64).with("sure, where there are enough", SURE)
    };
    if fewest < FEWEST {
        check(Grade::Fail, &format!(": fewer than {FEWEST} say nothing."))
            .with("rounds that say something", FEWEST as f64)
    } else if least < SURE {
        let shown = format!("{:.0} %", (least * 100.0).floor());
        check(Grade::Note, &format!(": bounds are {shown} sure and not 95 %.")).with("sure", least)
    } else {
        check(Grade::Pass, ": bounds are 95 % sure.")
    }
}

/// The baseline against itself: each round against the next. There is no difference, so none must be seen.
pub(super) fn against_itself(look: &Look) -> Check {
    const NAME: &str = "A against A";
    let Some(baseline) = look.samples(&look.summary.baseline) else {
        return Check::new(NAME, Grade::Absent, "The baseline has no number.");
    };
    let walls: Vec<f64> = baseline.wall.values().copied().collect();
    // Every other pair is turned round, so that a steady drift does not look like a difference.
    let pairs: Vec<(f64, f64)> = walls
        .chunks_exact(2)
        .enumerate()
        .map(|(at, pair)| if at % 2 == 0 { (pair[0], pair[1]) } else { (pair[1], pair[0]) })
        .collect();
    let Some(gain) = speed_up(&pairs).filter(|_| pairs.len() >= FEWEST) else {
        let told = format!("The baseline has {}, too few to hold it against itself.", count(walls.len(), "round"));
        return Check::new(NAME, Grade::Absent, told).with("rounds", walls.len() as f64);
    };
    let verdict = Verdict::of(&gain, pairs.len());
    let gain = Bounds::from(gain);
    let (grade, end) = match verdict {
        Verdict::Faster | Verdict::Slower => (Grade::Fail, "a difference is seen where there is none."),
        Verdict::NoPracticalChange => (Grade::Pass, "no difference is seen where there is none."),
        Verdict::NotDecided | Verdict::TooFewRounds => {
            (Grade::Note, "single times are noisier than the band; ratios of many rounds need not be.")
        }
    };
    let baseline = &look.summary.baseline;
    let told = format!("{baseline} against itself is {} times as fast ({}): {end}", times(gain.mid), sure(&gain));
    Check::new(NAME, grade, told).with_bounds("times as fast", &gain)
}

/// Whether bounds are narrow enough to see what would matter.
pub(super) fn bounds(look: &Look) -> Check {
    const NAME: &str = "noise";
    let widths = look.summary.rows.iter().filter_map(|row| row.over_baseline);
    let widths: Vec<f64> = widths.map(|over| (over.high / over.low).sqrt() - 1.0).collect();
    let band = BAND - 1.0;
    let Some(width) = median(&widths) else {
        return Check::new(NAME, Grade::Absent, "No row is held against a baseline.");
    };
    let grade = if width < band { Grade::Pass } else { Grade::Note };
    let told = format!(
        "The middle row's bounds lie {} around its factor; under {} counts as no change.",
        percent(width),
        percent(band)
    );
    Check::new(NAME, grade, told).with("around the factor", width).with("band", band)
}

/// How the times of all rows moved from the first third of the rounds to the last.
pub(super) fn drift(look: &Look) -> Check {
    const NAME: &str = "drift";
    let moved = |one: &Measured| {
        let walls: Vec<f64> = one.wall.values().copied().collect();
        let third = walls.len() / 3;
        (third > 0).then(|| Some(median(&walls[walls.len() - third..])? / median(&walls[..third])? - 1.0))?
    };
    let moved: Vec<(&str, f64)> = look.measured.iter().filter_map(|one| Some((one.name, moved(one)?))).collect();
    let shares: Vec<f64> = moved.iter().map(|(_, share)| *share).collect();
    let Some(middle) = median(&shares) else {
        return Check::new(NAME, Grade::Absent, "Too few rounds to see one.");
    };
    let (most, by) = moved.iter().copied().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap_or(("", 0.0));
    let told = format!(
        "From the first third of the rounds to the last, the middle row moved by {}, {most} most, by {}.",
        signed(middle),
        signed(by)
    );
    // A row that drifts by itself does not cancel in its ratio.
    let apart = (1.0 + by) / (1.0 + middle);
    let moves_alone = apart.max(1.0 / apart) >= 1.0 + 2.0 * DRIFT;
    let (grade, end) = if moves_alone {
        (Grade::Note, " What all rows share cancels in ratios; what one row does alone does not.")
    } else if middle.abs() < DRIFT {
        (Grade::Pass, "")
    } else {
        (Grade::Note, " It cancels in ratios, and not in times.")
    };
    Check::new(NAME, grade, told + end).with("the middle row", middle).with("the row that moved most", by)
}

fn signed(share: f64) -> String {
    format!("{:+.1} %", share * 100.0)
}
