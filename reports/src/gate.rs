//! Gates: what must not get worse without somebody saying so. What is held, what it was, and what changed.
//!
//! Counts are held exactly: they are the same on every run of the same work, so any change is somebody's doing.
//! Instructions are held nearly: a tolerance each. Times are never held against a stored number: a gate on times
//! compares two builds side by side, and that is `comparison`'s judgement.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A gate's file: what it holds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// What it is for, as a sentence.
    pub what: String,
    /// How strict it is.
    pub kind: Kind,
    /// The fixture on which it is measured.
    pub fixture: String,
    /// The rows that it holds: WORKLOAD or WORKLOAD/ROW.
    pub rows: Vec<String>,
    /// Rows that it does not hold, each with the reason.
    #[serde(default)]
    pub without_rows: BTreeMap<String, String>,
    /// Metrics that it does not hold, each with the reason.
    #[serde(default)]
    pub without: BTreeMap<String, String>,
    /// The metrics that it holds, each with all below it: `requests` holds `requests.write` too. All, if none is named.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// Metrics that are held to a limit, and not to what they were: by row, then by name.
    #[serde(default)]
    pub at_most: BTreeMap<String, BTreeMap<String, u64>>,
    /// The share by which a near-exact metric may grow, or the least difference in time that matters.
    #[serde(default)]
    pub tolerance: Option<f64>,
    /// Other tolerances for some rows.
    #[serde(default)]
    pub tolerances: BTreeMap<String, f64>,
}

/// How strict a gate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Any change fails.
    Exact,
    /// Growth beyond a tolerance fails.
    NearExact,
    /// Two builds side by side; a slow-down fails that a second session confirms.
    Wall,
}

/// What was measured: metrics by row.
pub type Values = BTreeMap<String, BTreeMap<String, u64>>;

/// What a gate's metrics were when somebody last said that they are right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// What the values depend on; where it differs, there is no baseline.
    pub depends: BTreeMap<String, String>,
    /// Metrics that were not the same in every run when they were blessed, by row: they are not held.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unsteady: BTreeMap<String, BTreeSet<String>>,
    /// The values.
    pub values: Values,
}

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The row.
    pub row: String,
    /// The metric.
    pub metric: String,
    /// What it was; none where the row or the metric is new.
    pub was: Option<u64>,
    /// What it is; none where it is gone.
    pub is: Option<u64>,
    /// Whether the gate fails by it.
    pub fails: bool,
    /// What to know of it.
    pub note: String,
    /// How much of it each phase has now. Empty where that is not known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub phases: BTreeMap<String, u64>,
}

impl Finding {
    /// What fails or is to be known, and where it is counted.
    pub fn told(&self) -> String {
        let note = if self.fails && self.note.is_empty() { "fails" } else { &self.note };
        let places: Vec<String> = self.phases.iter().map(|(phase, count)| format!("{count} in {phase}")).collect();
        if places.is_empty() { note.to_owned() } else { format!("{note}; now {}", places.join(", ")) }
    }

    /// `+3`, `-1`, `new`, `gone`.
    pub fn change(&self) -> String {
        match (self.was, self.is) {
            (Some(was), Some(is)) => {
                let sign = if is > was { '+' } else { '-' };
                let share = is.abs_diff(was) as f64 / was.max(1) as f64 * 100.0;
                format!("{sign}{} ({sign}{share:.2} %)", is.abs_diff(was))
            }
            (None, _) => "new".to_owned(),
            (_, None) => "gone".to_owned(),
        }
    }
}

/// Reads a gate's file.
pub fn parse(text: &str) -> Result<Gate, String> {
    let gate: Gate = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
    if gate.rows.is_empty() {
        return Err("it holds no rows: name some in `rows`".to_owned());
    }
    let shares = gate.tolerance.iter().chain(gate.tolerances.values());
    if shares.clone().any(|share| !(0.0..1.0).contains(share)) {
        return Err("a tolerance is a share, such as 0.005".to_owned());
    }
    if gate.kind == Kind::Exact && shares.count() > 0 {
        return Err("an exact gate has no tolerance".to_owned());
    }
    Ok(gate)
}

/// Reads a baseline's file.
pub fn parse_baseline(text: &str) -> Result<Baseline, String> {
    let baseline: Baseline = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
    if baseline.values.is_empty() {
        return Err("it holds no values".to_owned());
    }
    Ok(baseline)
}

/// A baseline's file.
pub fn write_baseline(baseline: &Baseline) -> Result<String, String> {
    let text = toml::to_string(baseline).map_err(|error| error.to_string())?;
    Ok(format!(
        "# What the gate holds against. Written by `assay gate --bless`: read the diff before you commit it.\n{text}"
    ))
}

/// What a baseline depends on and this build or machine has otherwise: was, is.
pub fn otherwise(baseline: &Baseline, depends: &BTreeMap<String, String>) -> BTreeMap<String, [String; 2]> {
    let of = |side: &BTreeMap<String, String>, key: &String| side.get(key).cloned().unwrap_or_default();
    let keys = baseline.depends.keys().chain(depends.keys());
    keys.map(|key| (key.clone(), [of(&baseline.depends, key), of(depends, key)]))
        .filter(|(_, [was, is])| was != is)
        .collect()
}

/// How many metrics a baseline holds for these rows.
pub fn metrics(gate: &Gate, baseline: &Baseline) -> usize {
    let limits = |row: &String| limit(gate, row).count();
    held(gate, &baseline.values).iter().map(|(row, metrics)| metrics.len() + limits(row)).sum()
}

/// Leaves only what a gate holds to what it was.
pub fn held(gate: &Gate, values: &Values) -> Values {
    values
        .iter()
        .filter(|(row, _)| !gate.without_rows.contains_key(*row))
        .map(|(row, metrics)| {
            let held = metrics.iter().filter(|(metric, _)| holds(gate, row, metric));
            (row.clone(), held.map(|(m, v)| (m.clone(), *v)).collect())
        })
        .collect()
}

/// Whether a gate holds that metric of that row to what it was.
fn holds(gate: &Gate, row: &str, metric: &str) -> bool {
    let below =
        |name: &String| metric.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let named = gate.metrics.is_empty() || gate.metrics.iter().any(below);
    named && !gate.without.contains_key(metric) && !limit(gate, row).any(|(name, _)| name == metric)
}

/// The limits of a row.
fn limit<'a>(gate: &'a Gate, row: &str) -> impl Iterator<Item = (&'a String, &'a u64)> {
    gate.at_most.get(row).into_iter().flatten()
}

/// What is beyond its limit. What was not counted at all has not happened.
fn beyond(gate: &Gate, values: &Values) -> Vec<Finding> {
    let of = |row: &String, metric: &String| values[row].get(metric).copied().unwrap_or(0);
    let limits = values.keys().flat_map(|row| limit(gate, row).map(move |(metric, most)| (row, metric, *most)));
    limits
        .map(|(row, metric, most)| (row, metric, most, of(row, metric)))
        .filter(|(.., most, is)| is > most)
        .map(|(row, metric, most, is)| Finding {
            row: row.clone(),
            metric: metric.clone(),
            was: Some(most),
            is: Some(is),
            fails: true,
            note: "more than it may be, whatever it was".to_owned(),
            phases: BTreeMap::new(),
        })
        .collect()
}

/// What changed. `again` are the same values, measured some more times: what then is as it was is not somebody's change
/// but chance, and is told without failing.
pub fn check(gate: &Gate, baseline: &Baseline, values: &Values, again: &[Values]) -> Vec<Finding> {
    let mut findings = beyond(gate, values);
    let values = held(gate, values);
    let blessed = baseline.values.keys().filter(|row| !gate.without_rows.contains_key(*row));
    for row in values.keys().chain(blessed).collect::<BTreeSet<_>>() {
        let empty = BTreeMap::new();
        let was = baseline.values.get(row).unwrap_or(&empty);
        let is = values.get(row).unwrap_or(&empty);
        for metric in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
            let unsteady = baseline.unsteady.get(row).is_some_and(|metrics| metrics.contains(metric));
            if unsteady || !holds(gate, row, metric) {
                continue;
            }
            let (was, is) = (was.get(metric).copied(), is.get(metric).copied());
            if was == is {
                continue;
            }
            let as_it_was = |again: &Values| again.get(row).and_then(|row| row.get(metric)).copied() == was;
            let (fails, note) = weigh(gate, row, was, is, again.iter().any(as_it_was));
            let phases = BTreeMap::new();
            findings.push(Finding { row: row.clone(), metric: metric.clone(), was, is, fails, note, phases });
        }
    }
    findings
}

fn weigh(gate: &Gate, row: &str, was: Option<u64>, is: Option<u64>, by_chance: bool) -> (bool, String) {
    if by_chance {
        return (false, "as it was when counted again: chance, and not a change".to_owned());
    }
    let tolerance = match gate.kind {
        Kind::Exact => return (true, String::new()),
        Kind::NearExact | Kind::Wall => tolerance(gate, row),
    };
    match (was, is) {
        (Some(was), Some(is)) => {
            let share = is as f64 / was.max(1) as f64 - 1.0;
            // A share is a division, and rounds.
            let tolerance = tolerance + 1e-9;
            if share > tolerance {
                (true, format!("more than {:.2} % more", tolerance * 100.0))
            } else if share < -tolerance {
                (false, "less: bless it, so that it stays".to_owned())
            } else {
                (false, format!("within {:.2} %", tolerance * 100.0))
            }
        }
        _ => (true, "no value to hold it against: bless it".to_owned()),
    }
}

/// The share by which a row may grow.
pub fn tolerance(gate: &Gate, row: &str) -> f64 {
    let workload = row.split('/').next().unwrap_or(row);
    let own = gate.tolerances.get(row).or_else(|| gate.tolerances.get(workload));
    own.copied().or(gate.tolerance).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(kind: &str) -> Gate {
        parse(&format!("what = \"w\"\nkind = \"{kind}\"\nfixture = \"tiny\"\nrows = [\"codecs\"]")).unwrap()
    }

    fn values(metrics: &[(&str, u64)]) -> Values {
        [("codecs/gzip".to_owned(), metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect())].into()
    }

    fn baseline(metrics: &[(&str, u64)]) -> Baseline {
        Baseline { values: values(metrics), ..Baseline::default() }
    }

    #[test]
    fn an_exact_gate_fails_by_any_change_and_names_it() {
        let was = baseline(&[("calls.read", 5), ("calls.write", 2), ("allocations", 7)]);
        let is = values(&[("calls.read", 6), ("calls.write", 2), ("calls.fsync", 1)]);
        let found = check(&gate("exact"), &was, &is, std::slice::from_ref(&is));
        let told: Vec<(&str, String, bool)> =
            found.iter().map(|one| (one.metric.as_str(), one.change(), one.fails)).collect();
        assert_eq!(
            told,
            [
                ("allocations", "gone".to_owned(), true),
                ("calls.fsync", "new".to_owned(), true),
                ("calls.read", "+1 (+20.00 %)".to_owned(), true)
            ]
        );
        assert!(check(&gate("exact"), &was, &was.values, &[]).is_empty());
    }

    #[test]
    fn what_is_not_the_same_when_counted_again_does_not_fail() {
        let was = baseline(&[("calls.futex", 5)]);
        let found = check(
            &gate("exact"),
            &was,
            &values(&[("calls.futex", 6)]),
            &[values(&[("calls.futex", 6)]), values(&[("calls.futex", 5)])],
        );
        assert_eq!((found.len(), found[0].fails), (1, false));
    }

    #[test]
    fn unsteady_metrics_and_those_left_out_are_not_held() {
        let mut was = baseline(&[("calls.futex", 5), ("calls.brk", 1)]);
        was.unsteady.insert("codecs/gzip".into(), ["calls.futex".to_owned()].into());
        let mut gate = gate("exact");
        gate.without.insert("calls.brk".into(), "of the allocator".into());
        gate.without_rows.insert("restore/tar".into(), "another program".into());
        was.values.insert("restore/tar".into(), [("calls.read".to_owned(), 1)].into());
        let is = values(&[("calls.futex", 9), ("calls.brk", 3)]);
        assert!(check(&gate, &was, &is, &[]).is_empty());
    }

    #[test]
    fn a_gate_may_hold_some_metrics_alone_and_some_to_a_limit() {
        let mut gate = gate("exact");
        gate.metrics = vec!["requests".into()];
        gate.at_most.insert("codecs/gzip".into(), [("requests.write".to_owned(), 5)].into());
        let was = baseline(&[("requests", 600), ("requests.lookup", 200), ("requestsandmore", 1), ("calls.read", 5)]);
        let found = |metrics: &[(&str, u64)]| {
            let found = check(&gate, &was, &values(metrics), &[]);
            found.into_iter().map(|one| (one.metric, one.fails)).collect::<Vec<_>>()
        };
        let as_it_was = [("requests", 600), ("requests.lookup", 200)];
        assert_eq!(found(&as_it_was), []);
        assert_eq!(found(&[as_it_was.as_slice(), &[("requests.write", 5), ("calls.read", 7)]].concat()), []);
        let more = [as_it_was.as_slice(), &[("requests.write", 6)]].concat();
        assert_eq!(found(&more), [("requests.write".to_owned(), true)]);
        assert_eq!(found(&[("requests", 601), ("requests.lookup", 200)]), [("requests".to_owned(), true)]);
        assert_eq!(metrics(&gate, &was), 3);
    }

    #[test]
    fn a_near_exact_gate_has_a_tolerance_for_each_row() {
        let mut gate = gate("near-exact");
        gate.tolerance = Some(0.005);
        let was = baseline(&[("instructions", 10_000)]);
        let fails = |gate: &Gate, now: u64| {
            let is = values(&[("instructions", now)]);
            check(gate, &was, &is, &[]).iter().any(|one| one.fails)
        };
        assert!(!fails(&gate, 10_050) && fails(&gate, 10_051) && !fails(&gate, 5_000));
        gate.tolerances.insert("codecs".into(), 0.02);
        assert!(!fails(&gate, 10_200) && fails(&gate, 10_201));
    }

    #[test]
    fn a_baseline_goes_through_its_file_and_tells_what_it_depends_on() {
        let mut was = baseline(&[("calls.read", 5)]);
        was.depends.insert("rustc".into(), "1.95".into());
        let text = write_baseline(&was).unwrap();
        assert_eq!(parse_baseline(&text).unwrap(), was);
        let here = BTreeMap::from([("rustc".to_owned(), "1.96".to_owned())]);
        assert_eq!(otherwise(&was, &here)["rustc"], ["1.95", "1.96"]);
        assert!(otherwise(&was, &was.depends.clone()).is_empty());
    }

    #[test]
    fn files_that_are_wrong_say_so() {
        let whole = "what = \"w\"\nkind = \"exact\"\nfixture = \"tiny\"\n";
        for (text, told) in [
            (whole.to_owned(), "missing field `rows`"),
            (format!("{whole}rows = []"), "no rows"),
            (format!("{whole}rows = [\"a\"]\nrow = 1"), "unknown field `row`"),
            (format!("{whole}rows = [\"a\"]\ntolerance = 0.1"), "no tolerance"),
            (whole.replace("exact", "exactly") + "rows = [\"a\"]", "unknown variant `exactly`"),
        ] {
            assert!(parse(&text).unwrap_err().contains(told), "{text}");
        }
        assert!(parse_baseline("[depends]\n[values]\n").unwrap_err().contains("no values"));
        assert!(parse_baseline("").is_err());
    }
}
