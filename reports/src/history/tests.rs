use super::*;
use crate::record::tests::{header_of, sample};
use crate::record::{Counted, Counts, Failed, Reading, Run, SystemCalls};
use crate::stats::chance::Chance;

/// Nearly normal: the sum of twelve even tosses.
fn normal(chance: &mut Chance) -> f64 {
    (0..12).map(|_| chance.share()).sum::<f64>() - 6.0
}

/// Runs of `gzip` and `zstd`, five rounds each. The machine drifts by tens of per cent from round to round; `zstd` takes
/// `ratio` times as long as `gzip`, give or take a per cent a round.
fn runs(count: usize, seed: u64, ratio: impl Fn(usize) -> f64) -> Vec<Run> {
    let mut chance = Chance::seeded(seed);
    (0..count)
        .map(|at| {
            let mut header = header_of(&["gzip", "zstd"]);
            header.id = format!("run-{at:02}");
            header.started = format!("2026-11-{:02}T12:00:00Z", at + 1);
            for (key, value) in [("kernel", "6.18.44"), ("commit", "abc"), ("cpu", "fast")] {
                header.machine.insert(key.into(), value.into());
            }
            let mut samples = Vec::new();
            for round in 0..5 {
                let drift = 1.0 + 0.3 * chance.share();
                let noise = 1.0 + 0.01 * normal(&mut chance);
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time in nanoseconds")]
                let ns = |times: f64| (1e7 * drift * times) as u64;
                samples.push(sample("gzip", round, ns(1.0)));
                samples.push(sample("zstd", round, ns(ratio(at) * noise)));
            }
            let (absent, failed, beside, notes) = Default::default();
            Run { header, samples, absent, failed, beside, notes, end: None }
        })
        .collect()
}

fn asked(metric: &str, against: Against) -> Asked {
    Asked { workload: None, row: None, fixture: None, metric: Metric::named(metric, against) }
}

fn only(runs: &[Run], metric: &str) -> History {
    let mut found = histories(runs, &asked(metric, Against::Baseline));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn a_creep_of_half_a_per_cent_a_run_is_found_over_twenty_runs() {
    for seed in 0..10 {
        let history = only(&runs(20, seed, |at| 0.8 * 1.005f64.powi(i32::try_from(at).unwrap())), "wall");
        let Some(Course::Creep(creep)) = history.course else { panic!("seed {seed}: {:?}", history.course) };
        assert!(creep.as_share && creep.low > 0.0 && creep.low <= 0.005 && creep.high >= 0.005, "{creep:?}");
        assert!((creep.whole - 0.0994).abs() < 0.04, "{creep:?}");
    }
}

#[test]
fn a_step_is_found_where_it_is() {
    let history = only(&runs(20, 3, |at| if at < 11 { 0.80 } else { 0.84 }), "wall");
    let Some(Course::Steps { steps }) = &history.course else { panic!("{:?}", history.course) };
    assert_eq!(steps.len(), 1);
    assert!(steps[0].at.abs_diff(11) <= 1 && steps[0].run == history.points[steps[0].at].run, "{steps:?}");
    assert!((steps[0].share().unwrap() - 0.05).abs() < 0.01, "{steps:?}");
}

#[test]
fn a_flat_history_is_flat_although_the_machine_drifts() {
    let flat = (0..40).filter(|seed| only(&runs(20, 50 + seed, |_| 0.8), "wall").course == Some(Course::Flat)).count();
    assert!(flat >= 38, "{flat} of 40");
}

#[test]
fn what_cannot_be_compared_is_left_out_and_counted() {
    let mut runs = runs(12, 1, |_| 0.8);
    runs[0].header.machine.insert("kernel".into(), "6.17.2".into());
    runs[1].header.plan[0].fixture.digest = "another".into();
    runs[2].header.machine.insert("kernel".into(), "6.18.99".into());
    let failed = Failed { plan: 0, variant: "zstd".into(), round: Some(1), how: "hung".into(), told: String::new() };
    runs[3].failed.push(failed.clone());
    runs[4].failed.push(Failed { variant: "gzip".into(), ..failed });
    let found = histories(&runs, &asked("wall", Against::Baseline));
    let history = &found[0];
    assert_eq!(history.points.len(), 8);
    let left_out: Vec<(&str, usize)> = history.left_out.iter().map(|(why, count)| (why.as_str(), *count)).collect();
    let expected = [
        ("its baseline, gzip, has no number", 1),
        ("kernel 6.17, not 6.18", 1),
        ("the row failed: hung", 1),
        ("tree another, not d", 1),
    ];
    assert_eq!(left_out, expected);
    assert!(found[1..].iter().all(|short| short.course.is_none() && short.points.len() == 1));
}

#[test]
fn too_few_runs_have_no_course() {
    assert_eq!(only(&runs(FEWEST - 1, 1, |_| 0.8), "wall").course, None);
    assert!(only(&runs(FEWEST, 1, |_| 0.8), "wall").course.is_some());
}

#[test]
fn times_alone_are_those_of_a_file_and_the_baseline_has_them_too() {
    let found = histories(&runs(8, 1, |_| 0.5), &asked("wall", Against::Nothing));
    let names: Vec<&str> = found.iter().map(|one| one.row.as_str()).collect();
    assert!(names.contains(&"gzip") && names.contains(&"zstd"), "{names:?}");
    let gzip = found.iter().find(|one| one.row == "gzip").unwrap();
    // Ten files in 10 to 13 ms.
    assert!(gzip.points.iter().all(|point| (1000.0..1300.0).contains(&point.value.mid)), "{gzip:?}");
}

#[test]
fn counts_have_histories_and_say_why_they_have_none() {
    let mut runs = runs(10, 1, |_| 1.0);
    for (at, run) in runs.iter_mut().enumerate() {
        let calls =
            SystemCalls { by: "ptrace".into(), by_name: [("read".into(), 5 + u64::from(at == 9))].into(), others: 1 };
        let mut counts = Counts { calls: Counted::Present(calls), ..Counts::default() };
        counts.values.insert("allocations".into(), Counted::Present(0));
        counts.absent("instructions", "no counters");
        let mut counting = sample("zstd", 4, 1);
        counting.pass = "counts".into();
        counting.reading = Reading { counts: Some(Box::new(counts)), ..Reading::default() };
        run.samples.push(counting);
    }
    let of = |metric: &str| {
        let found = histories(&runs, &asked(metric, Against::Baseline));
        found.into_iter().find(|one| one.row == "zstd").unwrap()
    };
    for (metric, before, after) in [("calls", 6.0, 7.0), ("calls.read", 5.0, 6.0)] {
        let Some(Course::Steps { steps }) = of(metric).course else { panic!("{metric}") };
        assert_eq!((steps.len(), steps[0].at, steps[0].before, steps[0].after), (1, 9, before, after));
    }
    assert_eq!(of("allocations").course, Some(Course::Flat));
    let why = of("instructions").left_out;
    assert_eq!(why, BTreeMap::from([("instructions was not counted: no counters".to_owned(), 10)]));
    assert_eq!(
        counted_names(&runs).into_iter().collect::<Vec<_>>(),
        ["allocations", "calls", "calls.read"],
        "what was never counted has no name here"
    );
}

#[test]
fn a_count_that_comes_back_is_chance_and_one_that_grows_each_run_creeps() {
    let course = |values: &[f64]| {
        let point = |value: &f64| Point {
            run: "r".into(),
            started: String::new(),
            commit: String::new(),
            value: Value { low: *value, mid: *value, high: *value, rounds: 1 },
        };
        Course::of(&values.iter().map(point).collect::<Vec<_>>(), true)
    };
    assert_eq!(course(&[5.0, 5.0, 6.0, 5.0, 5.0, 5.0, 5.0, 5.0]), Course::Flat);
    let growing: Vec<f64> = (0..20).map(f64::from).collect();
    let Course::Creep(creep) = course(&growing) else { panic!() };
    assert_eq!((creep.as_share, creep.each, creep.whole), (false, 1.0, 19.0), "there are no shares of zero");
}

#[test]
fn what_got_worse_comes_first_and_what_is_too_short_last() {
    let mut all = Vec::new();
    for (name, last) in [("flat", 1.0), ("better", 0.8), ("worse", 1.1), ("worst", 1.3)] {
        for mut run in runs(16, 7, |at| if at < 8 { 1.0 } else { last }) {
            run.header.plan[0].workload = name.into();
            all.push(run);
        }
    }
    let mut short = runs(3, 7, |_| 1.0);
    for run in &mut short {
        run.header.plan[0].workload = "short".into();
    }
    all.extend(short);
    let found = histories(&all, &asked("wall", Against::Baseline));
    let names: Vec<&str> = found.iter().map(|one| one.workload.as_str()).collect();
    assert_eq!(names, ["worst", "worse", "better", "flat", "short"]);
    let one = Asked { workload: Some("worse".into()), row: Some("zstd".into()), ..asked("wall", Against::Baseline) };
    assert_eq!(histories(&all, &one).len(), 1);
    assert!(histories(&all, &Asked { fixture: Some("other".into()), ..one }).is_empty());
}

#[test]
fn a_kernel_is_known_by_its_first_two_numbers() {
    for (kernel, short) in [("6.18.44-fc-v669", "6.18"), ("6.18-rc1", "6.18"), ("6.18", "6.18"), ("unknown", "unknown")]
    {
        assert_eq!(major_minor(kernel), short);
    }
}
