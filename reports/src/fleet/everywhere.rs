//! What holds everywhere, what only somewhere, and what turns a verdict round: each ratio and each claim with one
//! interval for each place. No number here is of more than one machine.

use crate::claims::Ledger;
use crate::fleet::machine::{Machine, differing};
use crate::record::Run;
use crate::review::{ClaimVerdict, judged};
use crate::summary::{Bounds, summaries};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The version of `machines.json`.
pub const SCHEMA: &str = "assay.machines/1";

/// What several machines say of the same questions.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Everywhere {
    /// The version of this document.
    pub schema: &'static str,
    /// The machines.
    pub machines: Vec<Machine>,
    /// The fields in which they are not all the same.
    pub differ_in: Vec<&'static str>,
    /// Each row over its baseline, place by place: what turns round first, then what holds only somewhere.
    pub ratios: Vec<Ratio>,
    /// Each claim that was judged on more than one machine, in the same order.
    pub claims: Vec<ClaimAt>,
}

/// A row over its baseline, place by place.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Ratio {
    /// The workload.
    pub workload: String,
    /// The row.
    pub row: String,
    /// The row that it is held against.
    pub baseline: String,
    /// The fixture.
    pub fixture: String,
    /// Whether what is read lies in the page cache, and on which processors it ran.
    pub condition: String,
    /// What was measured at each place.
    pub at: Vec<At>,
    /// What the places say together.
    pub comes: Comes,
    /// Two places that say the opposite of each other, with as little between them as there is.
    pub turned: Option<Turned>,
}

/// A ratio at one place: a machine, and a file system there.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct At {
    /// Which of the machines.
    pub machine: usize,
    /// The file system.
    pub filesystem: String,
    /// The run.
    pub run: String,
    /// How many times as fast as the baseline.
    pub over: Bounds,
    /// What the data say of that.
    pub verdict: &'static str,
}

/// A claim, machine by machine.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ClaimAt {
    /// The document.
    pub source: String,
    /// The claim's name.
    pub id: String,
    /// What it says.
    pub says: String,
    /// What is claimed, in words.
    pub claimed: String,
    /// What was measured on each machine.
    pub at: Vec<JudgedAt>,
    /// What the machines say together.
    pub comes: Comes,
    /// Two machines that say the opposite of each other.
    pub turned: Option<Turned>,
}

/// A claim on one machine.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct JudgedAt {
    /// Which of the machines.
    pub machine: usize,
    /// What was measured, in the claim's own unit.
    pub measured: Option<Bounds>,
    /// The same with its unit, as a table has it.
    pub words: Option<String>,
    /// What that makes of it.
    pub verdict: ClaimVerdict,
}

/// What several places say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Comes {
    /// One says the opposite of another.
    TurnedRound,
    /// It is so at some, and at others it is another thing or not decided.
    Somewhere,
    /// It is the same at all of them.
    Everywhere,
    /// It is decided at none.
    Nowhere,
}

/// Two places that say the opposite of each other.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Turned {
    /// Where it is so, among the places.
    pub so: usize,
    /// Where it is the other way round.
    pub otherwise: usize,
    /// What differs between the two: the field, and what it is here and there.
    pub by: Vec<(String, String, String)>,
}

/// Which way a verdict points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    For,
    Against,
    Neither,
    Open,
}

fn way(verdict: &str) -> Way {
    match verdict {
        "faster" => Way::For,
        "slower" => Way::Against,
        "no practical change" => Way::Neither,
        _ => Way::Open,
    }
}

fn way_of(verdict: ClaimVerdict) -> Way {
    match verdict {
        ClaimVerdict::Held | ClaimVerdict::Exceeded => Way::For,
        ClaimVerdict::Overstated | ClaimVerdict::Reversed | ClaimVerdict::NoEffect => Way::Against,
        ClaimVerdict::TrueLocally => Way::Neither,
        ClaimVerdict::NotDecided | ClaimVerdict::Unmeasured | ClaimVerdict::Unmeasurable => Way::Open,
    }
}

fn comes(ways: &[Way]) -> Comes {
    let has = |way: Way| ways.contains(&way);
    if has(Way::For) && has(Way::Against) {
        Comes::TurnedRound
    } else if ways.iter().all(|way| *way == Way::Open) {
        Comes::Nowhere
    } else if ways.windows(2).all(|pair| pair[0] == pair[1]) {
        Comes::Everywhere
    } else {
        Comes::Somewhere
    }
}

/// What the runs say, the newest last; none where they are all of one machine.
pub fn everywhere(runs: &[Run], ledgers: &[Ledger]) -> Option<Everywhere> {
    let mut machines: Vec<Machine> = runs.iter().map(|run| Machine::of(&run.header)).collect();
    machines.sort();
    machines.dedup();
    if machines.len() < 2 {
        return None;
    }
    let mut ratios = ratios(runs, &machines);
    ratios.sort_by_key(|ratio| ratio.comes);
    let mut claims = claims(runs, ledgers, &machines);
    claims.sort_by_key(|claim| claim.comes);
    let differ_in = differing(&machines);
    Some(Everywhere { schema: SCHEMA, machines, differ_in, ratios, claims })
}

/// What must be the same for two ratios to stand beside each other: workload, fixture, its digest, condition, baseline
/// and row.
type Question = [String; 6];

fn ratios(runs: &[Run], machines: &[Machine]) -> Vec<Ratio> {
    // In the order in which they come, for that is the order of the plan; of one place the newest stays.
    let mut order: Vec<Question> = Vec::new();
    let mut found: BTreeMap<Question, BTreeMap<(usize, String), At>> = BTreeMap::new();
    for run in runs {
        let machine = index_of(machines, run);
        for (plan, summary) in run.header.plan.iter().zip(summaries(run)) {
            let pinned = plan.condition.pinned.as_ref().map_or(String::new(), |on| format!(", on processor {on}"));
            let condition = format!("{} cache{pinned}", plan.condition.cache);
            for row in summary.rows.iter().filter(|row| !row.for_one_step) {
                let (Some(over), Some(verdict)) = (row.over_baseline, row.verdict) else { continue };
                let fixture = &plan.fixture;
                let words = [&plan.workload, &fixture.name, &fixture.digest, &condition, &summary.baseline, &row.name];
                let question = words.map(Clone::clone);
                if !order.contains(&question) {
                    order.push(question.clone());
                }
                let filesystem = plan.condition.filesystem.clone();
                let at = At { machine, filesystem: filesystem.clone(), run: run.header.id.clone(), over, verdict };
                found.entry(question).or_default().insert((machine, filesystem), at);
            }
        }
    }
    let of_many = order.into_iter().filter_map(|question| {
        let at: Vec<At> = found.remove(&question)?.into_values().collect();
        (at.len() > 1).then(|| ratio(question, at, machines))
    });
    of_many.collect()
}

fn ratio([workload, fixture, _, condition, baseline, row]: Question, at: Vec<At>, machines: &[Machine]) -> Ratio {
    let ways: Vec<Way> = at.iter().map(|at| way(at.verdict)).collect();
    let places: Vec<Place> = at.iter().map(|at| (&machines[at.machine], Some(at.filesystem.as_str()))).collect();
    let turned = turned(&ways, &places);
    Ratio { workload, row, baseline, fixture, condition, comes: comes(&ways), turned, at }
}

fn claims(runs: &[Run], ledgers: &[Ledger], machines: &[Machine]) -> Vec<ClaimAt> {
    let mut found: Vec<ClaimAt> = Vec::new();
    for (machine, _) in machines.iter().enumerate() {
        let here: Vec<Run> = runs.iter().filter(|run| index_of(machines, run) == machine).cloned().collect();
        for one in judged(&here, ledgers) {
            if matches!(one.verdict, ClaimVerdict::Unmeasured | ClaimVerdict::Unmeasurable) {
                continue;
            }
            let words = one.measured_words();
            let at = JudgedAt { machine, measured: one.measured, words, verdict: one.verdict };
            if let Some(claim) = found.iter_mut().find(|claim| claim.id == one.claim.id && claim.source == one.source) {
                claim.at.push(at);
                continue;
            }
            found.push(ClaimAt {
                source: one.source,
                claimed: one.claim.claimed.to_string(),
                id: one.claim.id,
                says: one.claim.says,
                at: vec![at],
                comes: Comes::Nowhere,
                turned: None,
            });
        }
    }
    found.retain(|claim| claim.at.len() > 1);
    for claim in &mut found {
        let ways: Vec<Way> = claim.at.iter().map(|at| way_of(at.verdict)).collect();
        let places: Vec<Place> = claim.at.iter().map(|at| (&machines[at.machine], None)).collect();
        claim.comes = comes(&ways);
        claim.turned = turned(&ways, &places);
    }
    found
}

fn index_of(machines: &[Machine], run: &Run) -> usize {
    let machine = Machine::of(&run.header);
    machines.iter().position(|one| *one == machine).unwrap_or(0)
}

/// A machine, and the file system there where it is known apart.
type Place<'a> = (&'a Machine, Option<&'a str>);

/// Of the places that contradict each other the two with the least between them: what differs there may be the cause.
fn turned(ways: &[Way], places: &[Place]) -> Option<Turned> {
    let with = |way: Way| (0..ways.len()).filter(move |at| ways[*at] == way);
    let pairs = with(Way::For).flat_map(|so| with(Way::Against).map(move |otherwise| (so, otherwise)));
    let told = pairs.map(|(so, otherwise)| Turned { so, otherwise, by: between(places[so], places[otherwise]) });
    told.min_by_key(|turned| turned.by.len())
}

fn between(a: Place, b: Place) -> Vec<(String, String, String)> {
    const FILESYSTEM: &str = "filesystem";
    let machines = [a.0.clone(), b.0.clone()];
    let mut by: Vec<(String, String, String)> = Vec::new();
    for key in differing(&machines) {
        by.push((key.to_owned(), a.0.field(key).to_owned(), b.0.field(key).to_owned()));
    }
    if let (Some(here), Some(there)) = (a.1, b.1)
        && here != there
    {
        by.retain(|(key, ..)| key != FILESYSTEM);
        by.push((FILESYSTEM.to_owned(), here.to_owned(), there.to_owned()));
    }
    by
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{header_of, sample};

    /// A run in which zstd takes so many hundredths of gzip's time.
    fn run(id: &str, kernel: &str, filesystem: &str, zstd: u64) -> Run {
        let mut header = header_of(&["gzip", "zstd"]);
        header.id = id.to_owned();
        header.machine = [("cpu", "x"), ("kernel", kernel), ("filesystem", filesystem)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        header.plan[0].condition.filesystem = filesystem.to_owned();
        let samples = (0..10).flat_map(|round| {
            let noise = u64::from(round * 7 % 5);
            [sample("gzip", round, 100_000 + noise), sample("zstd", round, zstd * 1000 + noise)]
        });
        Run {
            samples: samples.collect(),
            header,
            absent: Vec::new(),
            failed: Vec::new(),
            beside: Vec::new(),
            notes: Vec::new(),
            end: None,
        }
    }

    fn zstd(runs: &[Run]) -> Ratio {
        let all = everywhere(runs, &[]).unwrap();
        assert_eq!(all.ratios.len(), 1);
        all.ratios[0].clone()
    }

    #[test]
    fn one_machine_has_nothing_to_stand_beside() {
        assert_eq!(everywhere(&[run("a", "6.1", "ext4", 50), run("b", "6.1", "ext4", 50)], &[]), None);
    }

    #[test]
    fn each_place_keeps_its_own_interval_and_the_newest_run_speaks_for_it() {
        let ratio = zstd(&[run("a", "6.1", "ext4", 90), run("b", "6.2", "ext4", 25), run("c", "6.1", "ext4", 50)]);
        assert_eq!(ratio.comes, Comes::Everywhere);
        let mut told: Vec<String> = ratio.at.iter().map(|at| format!("{} {:.1}", at.run, at.over.mid)).collect();
        told.sort();
        assert_eq!(told, ["b 4.0", "c 2.0"], "no mean, and the older run of a place is not told");
        assert_eq!(ratio.turned, None);
    }

    #[test]
    fn a_verdict_that_turns_round_names_what_lies_between() {
        let runs = [
            run("a", "6.1", "ext4", 50),
            run("b", "6.1", "xfs", 200),
            run("c", "6.9", "tmpfs", 200),
            run("d", "6.1", "btrfs", 100),
        ];
        let ratio = zstd(&runs);
        assert_eq!(ratio.comes, Comes::TurnedRound);
        let turned = ratio.turned.unwrap();
        assert_eq!(turned.by, [("filesystem".to_owned(), "ext4".to_owned(), "xfs".to_owned())]);
        let verdicts = [turned.so, turned.otherwise].map(|at| ratio.at[at].verdict);
        assert_eq!(verdicts, ["faster", "slower"]);
    }

    #[test]
    fn what_is_so_only_somewhere_is_not_so_everywhere() {
        assert_eq!(zstd(&[run("a", "6.1", "ext4", 50), run("b", "6.2", "ext4", 100)]).comes, Comes::Somewhere);
        assert_eq!(zstd(&[run("a", "6.1", "ext4", 100), run("b", "6.2", "ext4", 100)]).comes, Comes::Everywhere);
        let open = |id: &str, kernel: &str| {
            let mut run = run(id, kernel, "ext4", 50);
            run.samples.truncate(4);
            run
        };
        assert_eq!(zstd(&[open("a", "6.1"), open("b", "6.2")]).comes, Comes::Nowhere);
        assert_eq!(zstd(&[open("a", "6.1"), run("b", "6.2", "ext4", 50)]).comes, Comes::Somewhere);
    }
}
