//! Whether the numbers can be trusted: each thing that makes them worth believing, looked at.

use super::look::{Look, given_up};
use super::words::{count, list, percent, sure, times};
use super::{Check, Grade};
use crate::stats::{BAND, FEWEST, Verdict, median, speed_up};
use crate::summary::LOOKING_LIMIT;
use std::collections::{BTreeMap, BTreeSet};

/// The name of the check on time without a name.
pub(super) const EXPLAINED: &str = "explained";
/// More than this of a row without a name is worth a note.
const UNNAMED: f64 = 0.10;
/// A machine that drifts more than this from the first rounds to the last is worth a note.
const DRIFT: f64 = BAND - 1.0;
/// Others that keep more of a processor busy than this are worth a note.
const OTHERS: f64 = 0.10;

/// Every check, in the order in which a reader asks.
pub(super) fn of(look: &Look, now: Option<&str>) -> Vec<Check> {
    let checks = [
        outcomes(look),
        crashes(look),
        rounds(look),
        against_itself(look),
        bounds(look),
        drift(look),
        explained(look, now),
        observer(look),
        promises(look, now),
        rows(look),
        beside(look),
        build(look),
        ending(look),
    ];
    checks.into_iter().map(|(name, grade, told)| Check { name: name.to_owned(), grade, told }).collect()
}

type Found = (&'static str, Grade, String);

fn failed<'a>(look: &'a Look, differs: bool) -> Vec<&'a str> {
    let failed = look.run.failed.iter().filter(|failed| failed.plan == look.at && (failed.how == "differs") == differs);
    failed.map(|failed| failed.variant.as_str()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn outcomes(look: &Look) -> Found {
    let differing = failed(look, true);
    if differing.is_empty() {
        let told = "Every sample left behind what it should, held against the source.".to_owned();
        return ("outcomes", Grade::Pass, told);
    }
    let told = format!("{} left something else than it should, and has no number.", list(&differing));
    ("outcomes", Grade::Fail, told)
}

fn crashes(look: &Look) -> Found {
    let crashed = failed(look, false);
    if crashed.is_empty() {
        return ("crashes", Grade::Pass, "No sample crashed or hung.".to_owned());
    }
    ("crashes", Grade::Fail, format!("{} crashed or hung, and has no number.", list(&crashed)))
}

fn rounds(look: &Look) -> Found {
    let fewest = look.summary.rows.iter().map(|row| row.rounds).min().unwrap_or(0);
    let least = crate::summary::least_confidence(&look.summary.rows);
    let told = |end: &str| format!("Every row has at least {}{end}", count(fewest, "round"));
    if fewest < FEWEST {
        ("rounds", Grade::Fail, told(&format!(": fewer than {FEWEST} say nothing.")))
    } else if least < 0.95 {
        let least = format!("{:.0} %", (least * 100.0).floor());
        ("rounds", Grade::Note, told(&format!(": bounds are {least} sure and not 95 %.")))
    } else {
        ("rounds", Grade::Pass, told(": bounds are 95 % sure."))
    }
}

/// The baseline against itself: each round against the next. There is no difference, so none must be seen.
fn against_itself(look: &Look) -> Found {
    const NAME: &str = "A against A";
    let Some(baseline) = look.samples(&look.summary.baseline) else {
        return (NAME, Grade::Absent, "The baseline has no number.".to_owned());
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
        return (NAME, Grade::Absent, told);
    };
    let seen = format!(
        "{} against itself is {} times as fast ({})",
        look.summary.baseline,
        times(gain.mid),
        sure(&gain.into())
    );
    match Verdict::of(&gain, pairs.len()) {
        Verdict::Faster | Verdict::Slower => {
            (NAME, Grade::Fail, format!("{seen}: a difference is seen where there is none."))
        }
        Verdict::NoPracticalChange => {
            (NAME, Grade::Pass, format!("{seen}: no difference is seen where there is none."))
        }
        Verdict::NotDecided | Verdict::TooFewRounds => (
            NAME,
            Grade::Note,
            format!("{seen}: single times are noisier than the band; ratios of many rounds need not be."),
        ),
    }
}

/// Whether bounds are narrow enough to see what would matter.
fn bounds(look: &Look) -> Found {
    let widths = look.summary.rows.iter().filter_map(|row| row.over_baseline);
    let widths: Vec<f64> = widths.map(|over| (over.high / over.low).sqrt() - 1.0).collect();
    let band = percent(BAND - 1.0);
    match median(&widths) {
        None => ("noise", Grade::Absent, "No row is held against a baseline.".to_owned()),
        Some(width) => {
            let grade = if width < BAND - 1.0 { Grade::Pass } else { Grade::Note };
            let told = format!(
                "The middle row's bounds lie {} around its factor; under {band} counts as no change.",
                percent(width)
            );
            ("noise", grade, told)
        }
    }
}

/// How the times of all rows moved from the first third of the rounds to the last.
fn drift(look: &Look) -> Found {
    let moved = |one: &crate::summary::Measured| {
        let walls: Vec<f64> = one.wall.values().copied().collect();
        let third = walls.len() / 3;
        (third > 0).then(|| Some(median(&walls[walls.len() - third..])? / median(&walls[..third])? - 1.0))?
    };
    let moved: Vec<(&str, f64)> = look.measured.iter().filter_map(|one| Some((one.name, moved(one)?))).collect();
    let shares: Vec<f64> = moved.iter().map(|(_, share)| *share).collect();
    let Some(middle) = median(&shares) else {
        return ("drift", Grade::Absent, "Too few rounds to see one.".to_owned());
    };
    let (most, by) = moved.iter().copied().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap_or(("", 0.0));
    let told = format!(
        "From the first third of the rounds to the last, the middle row moved by {}, {most} most, by {}.",
        signed(middle),
        signed(by)
    );
    // A row that drifts by itself does not cancel in its ratio.
    let apart = (1.0 + by) / (1.0 + middle);
    if middle.abs() < DRIFT && apart.max(1.0 / apart) < 1.0 + 2.0 * DRIFT {
        ("drift", Grade::Pass, told)
    } else {
        let end = if apart.max(1.0 / apart) < 1.0 + 2.0 * DRIFT {
            " It cancels in ratios, and not in times."
        } else {
            " What all rows share cancels in ratios; what one row does alone does not."
        };
        ("drift", Grade::Note, told + end)
    }
}

fn signed(share: f64) -> String {
    format!("{:+.1} %", share * 100.0)
}

fn explained(look: &Look, now: Option<&str>) -> Found {
    let seen: Vec<(&str, f64)> =
        look.summary.rows.iter().filter_map(|row| Some((row.name.as_str(), row.named?))).collect();
    let Some((least, share)) = seen.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)) else {
        return (EXPLAINED, Grade::Absent, "Nobody looked where the time goes.".to_owned());
    };
    let of_now = seen.iter().find(|(name, _)| Some(*name) == now).filter(|(name, _)| *name != least);
    let of_now = of_now.map_or(String::new(), |(name, share)| format!("; of {name}, {}", percent(1.0 - share)));
    let told = format!("{} of the time of {least} has no name{of_now}.", percent(1.0 - share));
    (EXPLAINED, if 1.0 - share > UNNAMED { Grade::Note } else { Grade::Pass }, told)
}

fn observer(look: &Look) -> Found {
    let summary = &look.summary;
    if summary.looking.is_empty() {
        return ("observer", Grade::Absent, "No pass looked; there are wall times only.".to_owned());
    }
    let each: Vec<String> = summary
        .looking
        .iter()
        .map(|one| format!("the {} pass takes {:.3} of the wall pass", one.pass, one.over_wall.mid))
        .collect();
    let told =
        format!("Looking costs time: {}; marks at most {:.2} % of a row.", list(&each), summary.marks_share * 100.0);
    let phases = summary.looking.iter().filter(|one| one.pass == "phases");
    let dear = phases.clone().any(|one| one.over_wall.mid > LOOKING_LIMIT) || summary.marks_share > LOOKING_LIMIT - 1.0;
    if dear {
        ("observer", Grade::Note, told + " What was seen is not quite what was timed.")
    } else {
        ("observer", Grade::Pass, told)
    }
}

fn promises(look: &Look, now: Option<&str>) -> Found {
    let Some(baseline) = look.baseline() else {
        return ("promises", Grade::Absent, "The baseline has no number.".to_owned());
    };
    let less: Vec<(&str, Vec<String>)> = look
        .summary
        .rows
        .iter()
        .filter(|row| row.rank > 0)
        .map(|row| (row.name.as_str(), given_up(baseline, row)))
        .filter(|(_, lost)| !lost.is_empty())
        .collect();
    if less.is_empty() {
        return ("promises", Grade::Pass, format!("Every row promises what {} does.", baseline.name));
    }
    let of_now = less.iter().find(|(name, _)| Some(*name) == now);
    let of_now = of_now.map_or(String::new(), |(name, lost)| format!("{name} gives up {}. ", list(lost)));
    let mut by_loss: BTreeMap<&[String], Vec<&str>> = BTreeMap::new();
    for (name, lost) in &less {
        by_loss.entry(lost).or_default().push(name);
    }
    let each: Vec<String> = by_loss
        .iter()
        .map(|(lost, names)| {
            format!("{} {} up {}", list(names), if names.len() == 1 { "gives" } else { "give" }, list(lost))
        })
        .collect();
    let number = if less.len() == 1 { "One row promises".to_owned() } else { format!("{} rows promise", less.len()) };
    let told = format!("{of_now}{number} less than {}: {}.", baseline.name, each.join("; "));
    ("promises", Grade::Note, told)
}

fn rows(look: &Look) -> Found {
    let failed: Vec<&str> = [failed(look, true), failed(look, false)].concat();
    let absent: Vec<String> = look
        .summary
        .without
        .iter()
        .filter(|without| !failed.contains(&without.name.as_str()))
        .map(|without| format!("{} ({})", without.name, without.why))
        .collect();
    if absent.is_empty() {
        return ("rows", Grade::Pass, "Every other row that was asked for has a number.".to_owned());
    }
    ("rows", Grade::Note, format!("Without a number: {}.", list(&absent)))
}

fn beside(look: &Look) -> Found {
    let Some(beside) = look.run.beside.iter().find(|beside| beside.plan == look.at) else {
        return ("load", Grade::Absent, "What else the machine did was not read.".to_owned());
    };
    let told = format!(
        "Others kept {:.2} processors busy meanwhile ({:.2} before it began), and {:.1} % of a processor was stolen.",
        beside.during.others,
        beside.before.others,
        beside.during.stolen * 100.0
    );
    let is_quiet = beside.before.quiet && beside.during.others < OTHERS && beside.during.stolen < OTHERS;
    if is_quiet {
        ("load", Grade::Pass, told)
    } else {
        ("load", Grade::Note, told + " Read ratios and bounds, not times.")
    }
}

fn build(look: &Look) -> Found {
    let field = |key: &str| look.run.header.machine.get(key).map_or("unknown", String::as_str);
    let (commit, profile) = (field("commit"), field("profile"));
    if profile != "release" {
        return (
            "build",
            Grade::Fail,
            format!("The build is of the profile {profile}: only release is to be measured."),
        );
    }
    let told = format!("The build is of commit {commit}.");
    if commit.ends_with("with changes") || commit.starts_with("unknown") {
        return ("build", Grade::Note, told + " Nobody else can build the same.");
    }
    ("build", Grade::Pass, told)
}

fn ending(look: &Look) -> Found {
    let notes = &look.run.notes;
    let ended = look.run.end.as_ref().map(|end| end.how.as_str());
    match ended {
        Some("complete" | "budget") if notes.is_empty() => {
            ("ending", Grade::Pass, "The run came to its end.".to_owned())
        }
        _ => {
            let how = match ended {
                Some("complete" | "budget") => String::new(),
                Some(how) => format!("The run was {how}. "),
                None => "The run was killed. ".to_owned(),
            };
            ("ending", Grade::Note, format!("{how}{}", notes.join(". ")).trim().to_owned())
        }
    }
}

/// The machine, what moves a number most first.
pub(super) fn machine(look: &Look) -> Vec<(String, String)> {
    const FIRST: [&str; 10] =
        ["cpu", "cpus", "memory", "kernel", "hypervisor", "governor", "filesystem", "mount options", "rustc", "commit"];
    let machine = &look.run.header.machine;
    let known = FIRST.iter().filter_map(|key| machine.get_key_value(*key));
    let others = machine.iter().filter(|(key, _)| !FIRST.contains(&key.as_str()));
    known.chain(others).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// What could not be counted in any row, those with the same reason together.
pub(super) fn absent(look: &Look) -> Vec<(String, String)> {
    let whys = crate::summary::uncounted(&look.summary.rows);
    let named = whys.into_iter().map(|(why, names)| (list(&names.into_iter().collect::<Vec<_>>()), why.to_owned()));
    let mut absent: Vec<(String, String)> = named.collect();
    if look.summary.rows.iter().all(|row| row.counts.is_none()) {
        absent.push(("counts".to_owned(), "the counts pass did not run".to_owned()));
    }
    absent
}

#[cfg(test)]
mod tests {
    use super::super::made_up::Made;
    use super::*;

    fn graded(run: &crate::record::Run, name: &str) -> (Grade, String) {
        let checks = of(&Look::at(run, 0), Some("gzip"));
        let check = checks.into_iter().find(|check| check.name == name).expect("it is checked");
        (check.grade, check.told)
    }

    fn made() -> Made {
        Made::rows(&[("gzip", &[("decode", 50.0), ("rest", 5.0)]), ("zstd", &[("decode", 20.0), ("rest", 1.0)])])
    }

    #[test]
    fn a_quiet_run_passes_every_check() {
        let run = made().run();
        for check in of(&Look::at(&run, 0), Some("gzip")) {
            assert_eq!(check.grade, Grade::Pass, "{check:?}");
        }
    }

    #[test]
    fn a_remainder_of_forty_per_cent_is_a_note() {
        let run = Made::rows(&[("gzip", &[("decode", 60.0), ("rest", 40.0)])]).run();
        assert_eq!(graded(&run, EXPLAINED), (Grade::Note, "40 % of the time of gzip has no name.".to_owned()));
        let review = super::super::of(&run, 0, &[], &[], None);
        assert_eq!(review.answer.trust.line, "40 % of the time of gzip has no name.");
    }

    #[test]
    fn what_is_not_as_it_should_be_is_told() {
        assert_eq!(graded(&made().rounds(3).run(), "rounds").0, Grade::Fail);
        assert_eq!(graded(&made().rounds(5).run(), "rounds").0, Grade::Note);
        assert_eq!(graded(&made().rounds(5).run(), "A against A").0, Grade::Absent);
        assert_eq!(graded(&made().drift("gzip", 0.3).drift("zstd", 0.3).run(), "drift").0, Grade::Note);
        let alone = graded(&made().drift("zstd", 0.3).run(), "drift");
        assert!(alone.0 == Grade::Note && alone.1.contains("what one row does alone does not"), "{alone:?}");
        let mut run = made().promises("gzip", &["atomic"]).run();
        assert_eq!(graded(&run, "promises").1, "One row promises less than gzip: zstd gives up atomic.");
        run.beside[0].before.quiet = false;
        assert_eq!(graded(&run, "load").0, Grade::Note);
        run.beside.clear();
        assert_eq!(graded(&run, "load").0, Grade::Absent);
        run.header.machine.insert("commit".into(), "abc with changes".into());
        assert_eq!(graded(&run, "build").0, Grade::Note);
        run.header.machine.insert("profile".into(), "debug".into());
        assert_eq!(graded(&run, "build").0, Grade::Fail);
        run.end = None;
        assert_eq!(graded(&run, "ending"), (Grade::Note, "The run was killed.".to_owned()));
    }

    #[test]
    fn a_machine_that_sees_a_difference_where_there_is_none_fails() {
        let mut run = made().rounds(16).run();
        for sample in run.samples.iter_mut().filter(|sample| [1, 2].contains(&(sample.round % 4))) {
            sample.reading.wall_ns *= 2;
        }
        assert_eq!(graded(&run, "A against A").0, Grade::Fail);
        let noisy = made().noise(0.08, 3).run();
        assert_eq!(graded(&noisy, "A against A").0, Grade::Note);
    }

    #[test]
    fn instruments_that_are_absent_say_why() {
        let run = made().counted("gzip", &[("close", 5)], &[("peak_bytes", 1)]).run();
        assert_eq!(absent(&Look::at(&run, 0)), [("cycles".to_owned(), "no hardware counters".to_owned())]);
        assert_eq!(machine(&Look::at(&run, 0))[0].0, "cpu");
    }
}
