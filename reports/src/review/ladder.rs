//! What each step added: on the row before, alone on the baseline, and added last.

use super::Rung;
use super::look::{Look, given_up};
use crate::one_step;
use crate::summary::{self, Bounds, Row};

/// Each step of the ladder that was measured, against the last row before it that was. What the gain of a step is
/// depends on what stands already, so it is shown in three places.
pub(super) fn of(look: &Look) -> Vec<Rung> {
    let ladder = look.ladder();
    let end = ladder.last().map_or("", |row| &row.name);
    let steps = ladder.windows(2).enumerate();
    steps.filter_map(|(at, pair)| rung(look, (pair[0], pair[1]), at == 0, end)).collect()
}

fn rung(look: &Look, (row_before, row): (&Row, &Row), is_first: bool, end: &str) -> Option<Rung> {
    let (before, name) = (row_before.name.as_str(), row.name.as_str());
    let step = summary::step(look.samples(before)?, look.samples(name)?, row_before, row);
    let gain = step.as_ref().map(|step| step.gain);
    let of = |before: &str, now: &str| look.gain(before, now).map(|(gain, _)| Bounds::from(gain));
    let baseline = &look.summary.baseline;
    // The first step stands on the baseline, and the last has all others before it.
    let alone = of(baseline, &one_step::alone(name)).or_else(|| gain.filter(|_| is_first && before == baseline));
    let last = of(&one_step::left_out(name), end).or_else(|| gain.filter(|_| name == end));
    Some(Rung {
        name: name.to_owned(),
        what: row.what.clone(),
        us: (row_before.us_per_file.mid, row.us_per_file.mid),
        gain,
        verdict: step.as_ref().map(|step| step.verdict),
        forecast: step.as_ref().and_then(|step| Some(step.change.as_ref()?.predicted)),
        moved: step.and_then(|step| step.change).map_or(Vec::new(), |change| change.phases),
        alone,
        last,
        promises: (given_up(row, row_before), given_up(row_before, row)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::made_up::Made;
    use super::*;

    #[test]
    fn a_step_is_shown_on_the_row_before_alone_and_added_last() {
        let run = Made::rows(&[("gzip", &[("decode", 50.0), ("write", 50.0)])])
            .row("zstd", &[("decode", 10.0), ("write", 50.0)])
            .row("fewer", &[("decode", 10.0), ("write", 20.0)])
            .row("only-fewer", &[("decode", 50.0), ("write", 20.0)])
            .row("all-but-zstd", &[("decode", 50.0), ("write", 20.0)])
            .ladder(&["gzip", "zstd", "missing", "fewer"])
            .promises("gzip", &["atomic"])
            .promises("zstd", &["atomic"])
            .promises("fewer", &["durable"])
            .run();
        let rungs = of(&Look::at(&run, 0));
        let [zstd, fewer] = &rungs[..] else { panic!("two steps: {rungs:?}") };
        let mid = |bounds: &Option<Bounds>| bounds.as_ref().map(|bounds| (bounds.mid * 1000.0).round() / 1000.0);
        assert_eq!((mid(&zstd.gain), mid(&zstd.alone), mid(&zstd.last)), (Some(1.667), Some(1.667), Some(2.333)));
        assert_eq!((mid(&fewer.gain), mid(&fewer.alone), mid(&fewer.last)), (Some(2.0), Some(1.429), Some(2.0)));
        assert!((zstd.us.1 - fewer.us.0).abs() < 1e-12, "one ends where the next begins");
        assert_eq!(fewer.promises, (vec!["durable".to_owned()], vec!["atomic".to_owned()]));
        assert_eq!((zstd.moved[0].name.as_str(), zstd.verdict), ("decode", Some("faster")));
        assert!((zstd.forecast.unwrap() - 100.0 / 60.0).abs() < 1e-6);
    }
}
