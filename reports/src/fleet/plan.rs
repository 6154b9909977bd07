//! Plans: what is to be measured, cut into shards that may run anywhere. A shard is a set of whole entries: rows that
//! are held against each other stay together.

use crate::page::sha256;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The version of a plan.
pub const SCHEMA: &str = "assay.plan/1";

/// What is to be measured, and which shard measures what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of this document.
    pub schema: String,
    /// The command that planned it.
    pub command: String,
    /// The version of the program that planned it.
    pub assay: String,
    /// The SHA-256 of the binary that planned it, and is to run it.
    pub binary: String,
    /// The seed of the order of samples.
    pub seed: u64,
    /// How many rounds; none where there is a budget.
    pub rounds: Option<u32>,
    /// The time for all entries together, in seconds; each has an equal part of it.
    pub budget_s: Option<f64>,
    /// Whether what is read comes from the disk.
    pub cold: bool,
    /// The processors that every row has to stay on; none where the kernel chooses.
    pub pin: Option<Vec<usize>>,
    /// How long to wait for a quiet machine, in seconds.
    pub wait_s: f64,
    /// A sample that takes longer is killed, in seconds.
    pub limit_s: f64,
    /// Where to work, where that was said; each machine may be told another place.
    pub scratch: Option<String>,
    /// Rows of the user's own, as `NAME=COMMAND`.
    pub peers: Vec<String>,
    /// The recipes that do not come along with the program, as TOML, by the name that the entries give them.
    pub recipes: BTreeMap<String, String>,
    /// How many shards there are.
    pub shards: u32,
    /// What is to be measured: in each entry, rows that are held against each other.
    pub entries: Vec<Entry>,
}

/// Rows that are held against each other, on one fixture and one file system: never split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The shard that it belongs to, from 0 on.
    pub shard: u32,
    /// The workload.
    pub workload: String,
    /// The rows, the baseline first.
    pub rows: Vec<String>,
    /// The fixture: a name that the program knows, or one of the plan's recipes.
    pub fixture: String,
    /// The file system that is made for it; none means that of the scratch place.
    pub filesystem: Option<String>,
    /// How much later each answer about a name of the source comes, in seconds.
    pub latency_s: Option<f64>,
    /// Whether trees are written to that file system and removed again first.
    #[serde(default)]
    pub aged: bool,
}

impl Entry {
    /// What it is, for people.
    pub fn words(&self) -> String {
        let on = self.filesystem.as_ref().map_or(String::new(), |kind| format!(", {kind}"));
        let aged = if self.aged { ", aged" } else { "" };
        format!("{} on {}{on}{aged}", self.workload, self.fixture)
    }
}

impl Plan {
    /// Reads a plan, and refuses one that cannot be run.
    pub fn read(path: &Path) -> Result<Plan, String> {
        let shown = path.display();
        let bytes = std::fs::read(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| format!("{shown} is no plan: {error}"))?;
        match value["schema"].as_str() {
            Some(SCHEMA) => {}
            Some(other) => return Err(format!("{shown} is of schema {other}, and this build reads {SCHEMA}")),
            None => return Err(format!("{shown} is no plan: it names no schema")),
        }
        let plan: Plan = serde_json::from_value(value).map_err(|error| format!("{shown} is no plan: {error}"))?;
        plan.check().map_err(|why| format!("{shown} is damaged: {why}"))?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), String> {
        if self.entries.is_empty() {
            return Err("it has no entry".to_owned());
        }
        if let Some(entry) = self.entries.iter().find(|entry| entry.shard >= self.shards) {
            return Err(format!("an entry is of shard {}, and there are {}", entry.shard, self.shards));
        }
        let times = [self.budget_s, Some(self.wait_s), Some(self.limit_s)].into_iter().flatten();
        let times = times.chain(self.entries.iter().filter_map(|entry| entry.latency_s));
        if let Some(time) = times.into_iter().find(|time| !(0.0..1e9).contains(time)) {
            return Err(format!("{time} s is no time"));
        }
        match (0..self.shards).find(|shard| self.of_shard(*shard).next().is_none()) {
            Some(shard) => Err(format!("shard {shard} has no entry")),
            None => Ok(()),
        }
    }

    /// The name of a plan: what is in it, however the file is laid out.
    pub fn digest(&self) -> String {
        let text = serde_json::to_vec(self).expect("a plan is words and numbers, all of which JSON can hold");
        sha256(&text)
    }

    /// The entries of a shard, each with its place among all.
    pub fn of_shard(&self, shard: u32) -> impl Iterator<Item = (usize, &Entry)> {
        self.entries.iter().enumerate().filter(move |(_, entry)| entry.shard == shard)
    }

    /// What a shard measures, for people.
    pub fn words(&self, shard: u32) -> String {
        let entries: Vec<String> = self.of_shard(shard).map(|(_, entry)| entry.words()).collect();
        entries.join("; ")
    }
}

/// Gives each entry a shard: the heaviest first, each to the shard that has least so far. With as many entries as
/// shards or more, none stays empty.
pub fn share_out(weights: &[u64], shards: u32) -> Vec<u32> {
    let mut heaviest: Vec<usize> = (0..weights.len()).collect();
    heaviest.sort_by_key(|at| (std::cmp::Reverse(weights[*at]), *at));
    let mut loads = vec![0u64; shards.max(1) as usize];
    let mut given = vec![0; weights.len()];
    for at in heaviest {
        let least = (0..loads.len()).min_by_key(|shard| (loads[*shard], *shard)).unwrap_or(0);
        loads[least] += weights[at].max(1);
        given[at] = u32::try_from(least).unwrap_or(u32::MAX);
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(shards: u32, entries: u32) -> Plan {
        let entry = |shard| Entry {
            shard,
            workload: "restore".into(),
            rows: vec!["gzip".into(), "zstd".into()],
            fixture: "tiny".into(),
            filesystem: None,
            latency_s: None,
            aged: false,
        };
        Plan {
            schema: SCHEMA.into(),
            command: "assay plan restore".into(),
            assay: "0.1.0".into(),
            binary: "b".into(),
            seed: 1,
            rounds: Some(3),
            budget_s: None,
            cold: false,
            pin: None,
            wait_s: 3.0,
            limit_s: 300.0,
            scratch: None,
            peers: Vec::new(),
            recipes: BTreeMap::new(),
            shards,
            entries: (0..entries).map(|at| entry(at % shards)).collect(),
        }
    }

    fn read(text: &str) -> Result<Plan, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan.json");
        std::fs::write(&path, text).unwrap();
        Plan::read(&path)
    }

    #[test]
    fn a_plan_is_what_is_in_it_and_not_how_it_is_laid_out() {
        let plan = plan(2, 4);
        let laid_out = read(&serde_json::to_string_pretty(&plan).unwrap()).unwrap();
        assert_eq!(laid_out.digest(), plan.digest());
        let other = Plan { seed: 2, ..plan.clone() };
        assert_ne!(other.digest(), plan.digest());
    }

    #[test]
    fn a_plan_that_cannot_be_run_is_refused_with_the_reason() {
        let good = serde_json::to_value(plan(2, 4)).unwrap();
        let cases: [(&str, serde_json::Value, &str); 6] = [
            ("/schema", "assay.plan/9".into(), "is of schema assay.plan/9"),
            ("/shards", 3.into(), "shard 2 has no entry"),
            ("/shards", 1.into(), "an entry is of shard 1, and there are 1"),
            ("/entries", serde_json::json!([]), "has no entry"),
            ("/limit_s", (-1.0).into(), "-1 s is no time"),
            ("/seed", "many".into(), "is no plan"),
        ];
        for (place, value, wanted) in cases {
            let mut bad = good.clone();
            *bad.pointer_mut(place).unwrap() = value;
            let told = read(&bad.to_string()).unwrap_err();
            assert!(told.contains(wanted), "{told}");
        }
        assert!(read("{}").unwrap_err().contains("names no schema"));
        assert!(read("hello").unwrap_err().contains("is no plan"));
    }

    proptest! {
        #[test]
        fn every_entry_has_one_shard_and_no_shard_is_empty(
            weights in proptest::collection::vec(0u64..100, 1..20), shards in 1u32..20,
        ) {
            let given = share_out(&weights, shards);
            prop_assert_eq!(given.len(), weights.len());
            prop_assert!(given.iter().all(|shard| *shard < shards));
            if weights.len() >= shards as usize {
                prop_assert!((0..shards).all(|shard| given.contains(&shard)), "{:?}", given);
            }
        }
    }
}
