//! What was measured of a claim, in the claim's own unit.

use crate::claims::{CROSSING, Place, Unit};
use crate::record::CALLS;
use crate::review::look::{Look, shares};
use crate::stats::{Interval, interval, interval_of_few};
use crate::summary::{Bounds, Measured};
use std::collections::BTreeMap;

/// The measured value, or why there is none.
pub(super) fn measured(look: &Look, place: &Place, unit: Unit) -> Result<Bounds, String> {
    let files = look.files();
    match unit {
        Unit::TimesAsFast => gain(look, place),
        Unit::TimesAsSlow => gain(look, place).map(turned),
        Unit::FilesASecond | Unit::OperationsASecond => Ok(turned(scaled(time(look, place)?, 1e-6))),
        Unit::MicrosecondsAFile => time(look, place),
        Unit::MillisecondsAFile => Ok(scaled(time(look, place)?, 1e-3)),
        Unit::MillisecondsARun => Ok(scaled(time(look, place)?, files * 1e-3)),
        Unit::NanosecondsAnOperation => Ok(scaled(time(look, place)?, 1e3 * files / operations(look, &place.row)?)),
        Unit::Share => of_phases(look, &place.row, &place.phases),
        Unit::TimesAsLong => {
            let row = samples(look, &place.row)?;
            ratio(&shares(row, &place.phases), &shares(row, &place.than)).ok_or_else(nobody_looked)
        }
        _ => counted(look, place, unit).map(exactly),
    }
}

/// How many times as fast the phases of a place became, paired by round; none of it left is told apart.
pub(super) enum Inside {
    /// So many times.
    Factor(Bounds),
    /// They take no time any more.
    Vanished,
}

/// The factor of a place's phases inside its job.
pub(super) fn inside(look: &Look, place: &Place) -> Result<Inside, String> {
    let baseline = place.baseline.as_ref().ok_or("no two rows are compared")?;
    between(look, baseline, &place.row, &place.phases)
}

/// How many times as fast some phases are in one row as in another.
pub(super) fn between(look: &Look, before: &str, now: &str, phases: &[String]) -> Result<Inside, String> {
    let (before, now) = (in_ns(samples(look, before)?, phases), in_ns(samples(look, now)?, phases));
    if before.is_empty() || now.is_empty() {
        return Err(nobody_looked());
    }
    if before.values().all(|ns| *ns <= 0.0) {
        return Err("the baseline has none of these phases".to_owned());
    }
    if now.values().all(|ns| *ns <= 0.0) {
        return Ok(Inside::Vanished);
    }
    ratio(&before, &now).map(Inside::Factor).ok_or_else(|| "no round has both rows".to_owned())
}

/// What phases take of a row's time.
pub(super) fn of_phases(look: &Look, row: &str, phases: &[String]) -> Result<Bounds, String> {
    let shares = shares(samples(look, row)?, phases);
    let bounds = interval_of_few(&shares.into_values().collect::<Vec<_>>()).ok_or_else(nobody_looked)?;
    Ok(Bounds { low: bounds.low.max(0.0), high: bounds.high.min(1.0), ..bounds.into() })
}

fn samples<'a, 'b>(look: &'b Look<'a>, row: &str) -> Result<&'b Measured<'a>, String> {
    look.samples(row).ok_or_else(|| format!("{row} has no number"))
}

fn nobody_looked() -> String {
    "nobody looked where the time goes".to_owned()
}

fn in_ns(one: &Measured, phases: &[String]) -> BTreeMap<u32, f64> {
    let ns = |round: &u32, share: f64| share * one.phases[round].reading.wall_ns as f64;
    shares(one, phases).iter().map(|(round, share)| (*round, ns(round, *share))).collect()
}

fn ratio(one: &BTreeMap<u32, f64>, other: &BTreeMap<u32, f64>) -> Option<Bounds> {
    let pairs = one.iter().filter_map(|(round, one)| Some((*one, *other.get(round)?)));
    // On the scale of logarithms, so that few values have no bound below nothing.
    let logs: Vec<f64> =
        pairs.filter(|(one, other)| *one > 0.0 && *other > 0.0).map(|(one, other)| (one / other).ln()).collect();
    let Interval { low, mid, high, confidence } = interval_of_few(&logs)?;
    Some(Bounds { low: low.exp(), mid: mid.exp(), high: high.exp(), confidence })
}

fn gain(look: &Look, place: &Place) -> Result<Bounds, String> {
    let baseline = place.baseline.as_ref().ok_or("no two rows are compared")?;
    let (gain, _) = look.gain(baseline, &place.row).ok_or("no round has both rows")?;
    Ok(gain.into())
}

/// Microseconds of a file, of the whole or of some phases: their share of what the wall pass timed.
fn time(look: &Look, place: &Place) -> Result<Bounds, String> {
    let walls = samples(look, &place.row)?.wall.values().map(|ns| ns / 1e3 / look.files());
    let whole: Bounds = interval(&walls.collect::<Vec<_>>()).ok_or("it has no sample")?.into();
    if place.phases.is_empty() {
        return Ok(whole);
    }
    Ok(scaled(of_phases(look, &place.row, &place.phases)?, whole.mid))
}

/// How many operations a run was: what its most marked phase was marked.
fn operations(look: &Look, row: &str) -> Result<f64, String> {
    let sample = samples(look, row)?.phases.values().next().ok_or_else(nobody_looked)?;
    let most = sample.reading.phases.iter().map(|phase| phase.marks).max().filter(|marks| *marks > 0);
    most.map(|marks| marks as f64).ok_or_else(nobody_looked)
}

/// A count, which has no noise that bounds could tell.
fn counted(look: &Look, place: &Place, unit: Unit) -> Result<f64, String> {
    let name = place.metric.as_deref().ok_or("it names no metric")?;
    if name == CROSSING {
        return Err("where two rows cross takes runs on fixtures of several sizes".to_owned());
    }
    let now = metric(look, &place.row, name)?;
    let before = || metric(look, place.baseline.as_ref().ok_or("no two rows are compared")?, name);
    let over = |all: f64, each: f64| if each > 0.0 { Ok(all / each) } else { Err(format!("there is no {name}")) };
    let files = look.files();
    match unit {
        Unit::ShareLess => Ok(1.0 - over(now, before()?)?),
        Unit::TimesFewer => over(before()?, now),
        Unit::TimesTheObject => over(now, look.plan.fixture.bytes as f64),
        Unit::CallsAFile | Unit::BytesAFile | Unit::SwitchesAnOperation => Ok(now / files),
        Unit::FilesACall | Unit::FilesAnUpdate => over(files, now),
        Unit::BytesACall => over(metric(look, &place.row, "bytes_written")?, now),
        Unit::BytesAnOperation | Unit::AllocationsAnOperation => Ok(now / operations(look, &place.row)?),
        _ => Ok(now),
    }
}

/// A number that was counted in one run of a row, by the name that records have for it.
fn metric(look: &Look, row: &str, name: &str) -> Result<f64, String> {
    if let Some(phase) = name.strip_prefix("marks.") {
        let sample = samples(look, row)?.phases.values().next().ok_or_else(nobody_looked)?;
        let marks = sample.reading.phases.iter().filter(|one| one.name == phase).map(|one| one.marks).sum::<u64>();
        return Ok(marks as f64);
    }
    let counts = look.counts(row).ok_or("the counts pass did not run")?;
    let absent = |why: &str| format!("{name} was not counted: {why}");
    if let Some(call) = name.strip_prefix("calls").filter(|rest| rest.is_empty() || rest.starts_with('.')) {
        let calls = match &counts.calls {
            crate::record::Counted::Absent { absent: why } => return Err(absent(why)),
            crate::record::Counted::Present(calls) => calls,
        };
        let number = match call.strip_prefix('.') {
            None => calls.total(),
            Some(call) => calls.by_name.get(call).copied().unwrap_or(0),
        };
        debug_assert!(name.starts_with(CALLS));
        return Ok(number as f64);
    }
    match counts.values.get(name) {
        Some(crate::record::Counted::Present(number)) => Ok(*number as f64),
        Some(crate::record::Counted::Absent { absent: why }) => Err(absent(why)),
        None => Err(absent("no instrument knows it")),
    }
}

fn exactly(value: f64) -> Bounds {
    Bounds { low: value, mid: value, high: value, confidence: 1.0 }
}

fn scaled(bounds: Bounds, by: f64) -> Bounds {
    Bounds { low: bounds.low * by, mid: bounds.mid * by, high: bounds.high * by, ..bounds }
}

fn turned(bounds: Bounds) -> Bounds {
    Bounds { low: 1.0 / bounds.high, mid: 1.0 / bounds.mid, high: 1.0 / bounds.low, ..bounds }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Run;
    use crate::review::made_up::{FILES, Made};

    fn place(baseline: Option<&str>, row: &str, phases: &[&str], metric: Option<&str>) -> Place {
        Place {
            workload: "restore".into(),
            baseline: baseline.map(str::to_owned),
            row: row.into(),
            phases: phases.iter().map(|phase| (*phase).to_owned()).collect(),
            than: Vec::new(),
            fixture: "python-small".into(),
            metric: metric.map(str::to_owned),
            built: true,
        }
    }

    fn run() -> Run {
        let phases = [("decode", 40.0), ("write", 50.0), ("rest", 10.0)];
        Made::rows(&[("gzip", &phases), ("zstd", &[("decode", 8.0), ("write", 50.0), ("rest", 10.0)])])
            .row("none", &[("write", 50.0)])
            .counted("gzip", &[("write", 200), ("close", 100)], &[("bytes_written", 1000), ("allocations", 50)])
            .counted("zstd", &[("close", 100)], &[("bytes_written", 500), ("allocations", 0)])
            .run()
    }

    #[test]
    fn each_unit_is_what_it_says() {
        let run = run();
        let look = Look::at(&run, 0);
        let is = |place: Place, unit: Unit, wanted: f64| {
            let got = measured(&look, &place, unit).unwrap();
            assert!((got.mid - wanted).abs() < 1e-4 * wanted.abs().max(1.0), "{unit:?}: {} and not {wanted}", got.mid);
        };
        is(place(Some("gzip"), "zstd", &[], None), Unit::TimesAsFast, 100.0 / 68.0);
        is(place(Some("gzip"), "zstd", &[], None), Unit::TimesAsSlow, 68.0 / 100.0);
        is(place(None, "gzip", &[], None), Unit::FilesASecond, 10_000.0);
        is(place(None, "gzip", &[], None), Unit::MicrosecondsAFile, 100.0);
        is(place(None, "gzip", &["decode", "rest"], None), Unit::MicrosecondsAFile, 50.0);
        is(place(None, "gzip", &[], None), Unit::MillisecondsARun, 10.0);
        is(place(None, "gzip", &[], None), Unit::NanosecondsAnOperation, 100_000.0);
        is(place(None, "gzip", &["decode"], None), Unit::Share, 0.4);
        let mut longer = place(None, "gzip", &["write"], None);
        longer.than = vec!["decode".into()];
        is(longer, Unit::TimesAsLong, 1.25);
        is(place(None, "gzip", &[], Some("calls")), Unit::Calls, 300.0);
        is(place(None, "gzip", &[], Some("calls.write")), Unit::CallsAFile, 2.0);
        is(place(None, "zstd", &[], Some("calls.write")), Unit::CallsAFile, 0.0);
        is(place(None, "gzip", &[], Some("calls.write")), Unit::FilesACall, 0.5);
        is(place(None, "gzip", &[], Some("calls.write")), Unit::BytesACall, 5.0);
        is(place(None, "gzip", &[], Some("marks.decode")), Unit::FilesAnUpdate, 1.0);
        is(place(Some("gzip"), "zstd", &[], Some("bytes_written")), Unit::ShareLess, 0.5);
        is(place(Some("gzip"), "zstd", &[], Some("bytes_written")), Unit::TimesFewer, 2.0);
        is(place(None, "gzip", &[], Some("bytes_written")), Unit::TimesTheObject, 0.001);
        is(place(None, "gzip", &[], Some("allocations")), Unit::AllocationsAnOperation, 50.0 / FILES as f64);
    }

    #[test]
    fn phases_have_a_factor_or_vanish() {
        let run = run();
        let look = Look::at(&run, 0);
        let inside = |row: &str, phase: &str| inside(&look, &place(Some("gzip"), row, &[phase], None));
        assert!(matches!(inside("zstd", "decode"), Ok(Inside::Factor(bounds)) if (bounds.mid - 5.0).abs() < 1e-3));
        assert!(matches!(inside("none", "decode"), Ok(Inside::Vanished)));
        assert!(inside("zstd", "hash").is_err());
    }

    #[test]
    fn what_was_not_counted_says_why() {
        let run = run();
        let look = Look::at(&run, 0);
        let why =
            |row: &str, metric: &str| measured(&look, &place(None, row, &[], Some(metric)), Unit::Calls).unwrap_err();
        assert_eq!(why("none", "calls"), "the counts pass did not run");
        assert_eq!(why("gzip", "cycles"), "cycles was not counted: no hardware counters");
        assert_eq!(why("gzip", "lunches"), "lunches was not counted: no instrument knows it");
        let crossing = measured(&look, &place(Some("gzip"), "zstd", &[], Some(CROSSING)), Unit::Bytes).unwrap_err();
        assert!(crossing.contains("several sizes"), "{crossing}");
        let never = measured(&look, &place(Some("gzip"), "zstd", &[], Some("calls.write")), Unit::TimesFewer);
        assert_eq!(never.unwrap_err(), "there is no calls.write");
    }
}
