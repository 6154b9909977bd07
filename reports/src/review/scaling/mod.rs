//! How rows fare on more workers: points with bounds, and curves through them where there is enough to draw one.

mod fit;

use super::look::Look;
use super::words::{count, list};
use super::{Fit, Numbers, Scaling};
use crate::stats::interval;
use crate::summary::Bounds;
use std::collections::{BTreeMap, BTreeSet};

/// The fewest points, one worker among them, through which a curve is drawn.
const POINTS: usize = 4;
/// A law that explains less than this of what varies is not drawn.
const EXPLAINS: f64 = 0.9;

/// Each row that there is on several numbers of workers.
pub(super) fn of<'a>(look: &'a Look<'a>) -> Vec<Scaling> {
    let mut families: BTreeMap<(String, &str), BTreeMap<usize, &'a str>> = BTreeMap::new();
    for one in &look.measured {
        if let Some((family, crew, workers)) = crew_of(one.name) {
            families.entry((family.to_owned(), crew)).or_default().insert(workers, one.name);
        }
    }
    families.into_iter().filter_map(|((family, _), rows)| scaling(look, &family, rows)).collect()
}

/// `best-8-threads` is `best` on 8, `only-8-workers` the baseline on 8, and so is `workers-8`.
fn crew_of(name: &str) -> Option<(&str, &'static str, usize)> {
    const CREWS: [(&str, &str); 4] =
        [("threads", "threads"), ("thread", "threads"), ("workers", "workers"), ("worker", "workers")];
    for (word, crew) in CREWS {
        if let Some(workers) = name.strip_prefix(word).and_then(|rest| rest.strip_prefix('-')?.parse().ok()) {
            return Some(("", crew, workers));
        }
        let Some(rest) = name.strip_suffix(word).and_then(|rest| rest.strip_suffix('-')) else { continue };
        let (row, workers) = rest.rsplit_once('-')?;
        return Some((row, crew, workers.parse().ok()?));
    }
    None
}

fn scaling<'a>(look: &'a Look<'a>, family: &str, mut rows: BTreeMap<usize, &'a str>) -> Option<Scaling> {
    let is_baseline = family.is_empty() || family == "only";
    let name = if is_baseline { look.summary.baseline.clone() } else { family.to_owned() };
    if is_baseline && look.baseline().is_some_and(|row| row.workers == 1) {
        rows.entry(1).or_insert(&look.summary.baseline);
    }
    let processors = look.processors();
    let Some(first) = rows.get(&1).and_then(|name| look.samples(name)) else {
        let workers: Vec<String> = rows.keys().map(ToString::to_string).collect();
        let why = format!("there is no row on one worker to hold those on {} against", list(&workers));
        let numbers = rows.keys().map(|workers| (format!("row on {workers}"), *workers as f64)).collect();
        return Some(Scaling { name, points: Vec::new(), fit: None, why_not: Some(why), numbers, processors });
    };
    let gains: BTreeMap<usize, BTreeMap<u32, f64>> = rows
        .iter()
        .filter_map(|(workers, name)| {
            let now = look.samples(name)?;
            let gain = |(round, wall): (&u32, &f64)| Some((*round, first.wall.get(round)? / wall));
            Some((*workers, now.wall.iter().filter_map(gain).collect()))
        })
        .collect();
    let points: Vec<(usize, Bounds)> = gains
        .iter()
        .filter_map(|(workers, gains)| Some((*workers, interval(&gains.values().copied().collect::<Vec<_>>())?.into())))
        .collect();
    if points.len() < 2 {
        return None;
    }
    let (fit, why_not, numbers) = match curves(&gains, processors) {
        Ok(fit) => (Some(fit), None, Numbers::new()),
        Err((why, numbers)) => (None, Some(why), numbers),
    };
    Some(Scaling { name, points, fit, why_not, numbers, processors })
}

/// Curves through the points that the machine has processors for; more workers than those share, and no law of
/// scaling is about sharing.
fn curves(gains: &BTreeMap<usize, BTreeMap<u32, f64>>, processors: usize) -> Result<Fit, (String, Numbers)> {
    let why_not = |why: String, numbers: &[(&str, f64)]| {
        Err((why, numbers.iter().map(|(what, number)| ((*what).to_owned(), *number)).collect()))
    };
    let within: BTreeMap<usize, &BTreeMap<u32, f64>> =
        gains.iter().filter(|(workers, _)| **workers <= processors).map(|(workers, gains)| (*workers, gains)).collect();
    if within.len() < POINTS {
        let beyond = gains.len() - within.len();
        let beyond = if beyond > 0 {
            format!(": {} of {} lie beyond the {} of this machine", beyond, gains.len(), count(processors, "processor"))
        } else {
            String::new()
        };
        let why = format!("{} are too few for a curve, which takes {POINTS}{beyond}", count(within.len(), "point"));
        let there = [
            ("points", within.len() as f64),
            ("points that a curve takes", POINTS as f64),
            ("points beyond the processors", (gains.len() - within.len()) as f64),
            ("all points", gains.len() as f64),
        ];
        return why_not(why, &there);
    }
    let rounds: BTreeSet<u32> = within.values().flat_map(|gains| gains.keys().copied()).collect();
    let rounds: Vec<u32> =
        rounds.into_iter().filter(|round| within.values().all(|gains| gains.contains_key(round))).collect();
    if rounds.len() < crate::stats::FEWEST {
        let why = format!("only {} have every point", count(rounds.len(), "round"));
        return why_not(why, &[("rounds", rounds.len() as f64)]);
    }
    let table: Vec<(f64, Vec<f64>)> = within
        .iter()
        .map(|(workers, gains)| (*workers as f64, rounds.iter().map(|round| gains[round]).collect()))
        .collect();
    let Some(fit) = fit::of(&table) else {
        return why_not("all points lie on one line across: nothing varies that a law could explain".to_owned(), &[]);
    };
    if fit.r2 < EXPLAINS {
        let explained = fit.r2.max(0.0);
        let why = format!(
            "the law explains {:.0} % of what varies, and a curve is drawn from {:.0} % on",
            explained * 100.0,
            EXPLAINS * 100.0
        );
        return why_not(why, &[("explained", explained), ("explained where a curve is drawn", EXPLAINS)]);
    }
    Ok(fit)
}

#[cfg(test)]
mod tests {
    use super::super::made_up::Made;
    use super::*;

    fn law(workers: f64, contention: f64, coherency: f64) -> f64 {
        workers / (1.0 + contention * (workers - 1.0) + coherency * workers * (workers - 1.0))
    }

    fn crews(workers: &[usize], gain: impl Fn(f64) -> f64) -> Made {
        workers.iter().fold(Made::rows(&[("start", &[("decode", 200.0)])]), |made, workers| {
            let end = if *workers == 1 { "thread" } else { "threads" };
            made.row(&format!("best-{workers}-{end}"), &[("decode", 100.0 / gain(*workers as f64))])
        })
    }

    fn seen(made: Made) -> Scaling {
        let run = made.run();
        of(&Look::at(&run, 0)).remove(0)
    }

    #[test]
    fn names_say_how_many_work() {
        assert_eq!(crew_of("best-8-threads"), Some(("best", "threads", 8)));
        assert_eq!(crew_of("best-1-thread"), Some(("best", "threads", 1)));
        assert_eq!(crew_of("only-8-workers"), Some(("only", "workers", 8)));
        assert_eq!(crew_of("workers-4"), Some(("", "workers", 4)));
        for other in ["workers", "only-workers", "best-thread-each", "batches-8", "uring-128"] {
            assert_eq!(crew_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_law_that_is_there_is_found() {
        let scaling = seen(crews(&[1, 2, 4, 6, 8], |workers| law(workers, 0.1, 0.01)).noise(0.005, 7));
        let fit = scaling.fit.unwrap();
        assert!(fit.contention.low <= 0.1 && 0.1 <= fit.contention.high, "{:?}", fit.contention);
        assert!(fit.coherency.low <= 0.01 && 0.01 <= fit.coherency.high, "{:?}", fit.coherency);
        let peak = fit.peak.unwrap();
        assert!(peak.low <= 9.487 && 9.487 <= peak.high, "{peak:?}");
        assert!(fit.r2 > 0.99 && fit.curves.first().unwrap().0 < 1.001 && fit.curves.last().unwrap().0 > 7.999);
        assert!(fit.curves.iter().all(|(_, _, law, low, high)| low <= law && law <= high));
        assert_eq!(scaling.points[0].0, 1);
    }

    #[test]
    fn a_serial_share_alone_never_peaks() {
        let fit = seen(crews(&[1, 2, 4, 8], |workers| law(workers, 0.2, 0.0))).fit.unwrap();
        assert!((fit.serial.mid - 0.2).abs() < 1e-4 && (fit.contention.mid - 0.2).abs() < 1e-4, "{fit:?}");
        assert!(fit.coherency.mid < 1e-4, "{fit:?}");
    }

    #[test]
    fn where_no_curve_is_drawn_it_says_why() {
        let why = |made: Made| seen(made).why_not.unwrap();
        assert_eq!(why(crews(&[1, 2, 4], |workers| workers)), "3 points are too few for a curve, which takes 4");
        let mut few = crews(&[1, 2, 4, 8], |workers| workers);
        few.machine.insert("cpus".into(), "2".into());
        let beyond =
            "2 points are too few for a curve, which takes 4: 2 of 4 lie beyond the 2 processors of this machine";
        assert_eq!(why(few), beyond);
        assert!(why(crews(&[2, 4, 8], |workers| workers)).contains("no row on one worker"));
        let wild = |workers: f64| if (workers - 4.0).abs() < 0.1 { 0.3 } else { workers };
        assert!(why(crews(&[1, 2, 4, 6, 8], wild)).contains("% of what varies"));
        assert!(why(crews(&[1, 2, 4, 8], |_| 1.0)).contains("nothing varies"));
    }

    #[test]
    fn a_crew_alone_is_held_against_the_baseline() {
        let scaling = seen(Made::rows(&[("gzip", &[("decode", 100.0)])]).row("only-8-workers", &[("decode", 50.0)]));
        assert_eq!((scaling.name.as_str(), scaling.points.len()), ("gzip", 2));
        assert!((scaling.points[1].1.mid - 2.0).abs() < 1e-9 && scaling.fit.is_none());
    }

    #[test]
    fn the_same_run_gives_the_same_curve() {
        let one = || seen(crews(&[1, 2, 4, 6, 8], |workers| law(workers, 0.1, 0.01)).noise(0.02, 9)).fit;
        assert_eq!(one(), one());
    }
}
