//! `assay plan`: what `assay run` would do, as data, cut into shards; and a shard of it, as `assay run` takes it.

use super::apart;
use crate::ask::{Ask, Asked, Rounds};
use crate::catalogue::{Choice, peer, peer_name, variant_of, workload};
use crate::cli::{Said, quoted};
use crate::file_system::{Kind, Wish};
use crate::progress::Telling;
use crate::refusal::Refusal;
use crate::unfinished::Unfinished;
use crate::{fixture, home};
use anyhow::{Context, Result};
use reports::fleet::plan::{Entry, Plan, SCHEMA, share_out};
use reports::fleet::short;
use reports::page::sha256;
use reports::record::Shard;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Writes down what is asked for, in so many shards.
pub fn plan(ask: &Ask, shards: u32, out: &Path) -> Result<Said> {
    let plan = of(ask, shards)?;
    let unfinished = Unfinished::for_new(out)?;
    let text = serde_json::to_string_pretty(&plan)? + "\n";
    std::fs::write(unfinished.path(), text).with_context(|| format!("writing {}", out.display()))?;
    unfinished.finish(out)?;
    let (digest, shown) = (plan.digest(), quoted(&out.display().to_string()));
    let mut text = format!(
        "{}\nplan {}: {} entries in {shards} shards, for the binary {}\n",
        out.display(),
        short(&digest),
        plan.entries.len(),
        short(&plan.binary)
    );
    for shard in 0..shards {
        text += &format!("  {shard:4}  {}\n", plan.words(shard));
    }
    text += &format!(
        "assay run --plan {shown} --shard 0 --into DIR   runs one, anywhere\nassay merge OUT DIR   joins them\n\
         assay fleet slurm --plan {shown} --into DIR   does all of it on a cluster\n"
    );
    let document = json!({"file": out, "digest": digest, "plan": plan});
    Ok(Said::fine("assay.planned/1", text, document))
}

fn of(ask: &Ask, shards: u32) -> Result<Plan> {
    let count = ask.entries.len();
    if shards as usize > count {
        return Err(Refusal::usage(
            format!("{count} entries do not make {shards} shards: rows that are held against each other stay together"),
            "ask for fewer shards, or name more workloads, fixtures (--on) or file systems (--fs)",
        ));
    }
    let mut recipes = BTreeMap::new();
    let mut weights = Vec::new();
    for entry in &ask.entries {
        let recipe = fixture::recipe(&entry.recipe)?;
        let rows = entry.choice.variants.len() as u64;
        weights.push(if matches!(ask.rounds, Rounds::Budget(_)) { 1 } else { rows * recipe.files.max(1) });
        let base = entry.recipe.split('@').next().unwrap_or_default();
        if fixtures::shipped().iter().all(|(name, _)| *name != base) {
            recipes.insert(entry.recipe.clone(), recipe.to_toml());
        }
    }
    let given = share_out(&weights, shards);
    let entry = |(entry, shard): (&Asked, u32)| Entry {
        shard,
        workload: entry.choice.workload.name.to_owned(),
        rows: entry.choice.variants.iter().map(|variant| variant.name.to_owned()).collect(),
        fixture: entry.recipe.clone(),
        filesystem: entry.wish.kind.map(|kind| kind.name().to_owned()),
        latency_s: entry.wish.latency.map(|latency| latency.as_secs_f64()),
        aged: entry.wish.aged,
    };
    let (rounds, budget_s) = match ask.rounds {
        Rounds::Count(count) => (Some(count), None),
        Rounds::Budget(all) => (None, Some(all.as_secs_f64())),
    };
    Ok(Plan {
        schema: SCHEMA.to_owned(),
        command: ask.command.clone(),
        assay: env!("CARGO_PKG_VERSION").to_owned(),
        binary: binary()?,
        seed: ask.seed,
        rounds,
        budget_s,
        cold: ask.cold,
        pin: ask.pin.clone(),
        wait_s: ask.wait.as_secs_f64(),
        limit_s: ask.limit.as_secs_f64(),
        scratch: ask.scratch.as_ref().map(|scratch| scratch.display().to_string()),
        peers: ask.peers.clone(),
        recipes,
        shards,
        entries: ask.entries.iter().zip(given).map(entry).collect(),
    })
}

/// The digest of the program that runs, even where another stands under its name by now.
fn binary() -> Result<String> {
    const SELF: &str = "/proc/self/exe";
    Ok(sha256(&std::fs::read(SELF).with_context(|| format!("reading {SELF}"))?))
}

/// What a shard is run with, besides the plan.
pub(super) struct Here {
    pub(super) any_binary: bool,
    pub(super) scratch: Option<PathBuf>,
    pub(super) telling: Telling,
    pub(super) command: String,
}

/// A shard of a plan, as a run of its own.
pub(super) fn ask(plan: &Plan, number: u32, here: Here) -> Result<Ask> {
    if number >= plan.shards {
        let last = plan.shards.saturating_sub(1);
        return Err(Refusal::usage(format!("the plan has no shard {number}"), format!("its shards are 0 to {last}")));
    }
    let own = binary()?;
    let is_other = own != plan.binary;
    if is_other && !here.any_binary {
        let (ours, theirs) = (short(&own), short(&plan.binary));
        return Err(apart(
            format!(
                "the plan is for the binary {theirs}, and this one is {ours}: what two builds measure is not alike"
            ),
            "run the binary that planned it (its sha256sum stands in the plan), plan anew with this one, or allow it \
             with --any-binary: the record says so then",
        ));
    }
    let digest = plan.digest();
    let entries = plan.of_shard(number).map(|(at, entry)| asked(plan, &digest, at, entry));
    let entries: Vec<Asked> = entries.collect::<Result<_>>()?;
    let part = entries.len() as f64 / plan.entries.len() as f64;
    let rounds = match (plan.rounds, plan.budget_s) {
        // Each entry has the time that it would have had, were all of them run here.
        (None, Some(all)) => Rounds::Budget(Duration::from_secs_f64(all * part)),
        (count, _) => Rounds::Count(count.unwrap_or(10)),
    };
    Ok(Ask {
        entries,
        shard: Some(Shard { plan: digest, number, of: plan.shards, other_binary: is_other.then_some(own) }),
        peers: plan.peers.clone(),
        rounds,
        scratch: here.scratch.or_else(|| plan.scratch.clone().map(PathBuf::from)),
        cold: plan.cold,
        pin: plan.pin.clone(),
        wait: Duration::from_secs_f64(plan.wait_s),
        seed: plan.seed,
        limit: Duration::from_secs_f64(plan.limit_s),
        telling: here.telling,
        command: here.command,
    })
}

fn asked(plan: &Plan, digest: &str, number: usize, entry: &Entry) -> Result<Asked> {
    let workload = workload(&entry.workload)?;
    let row = |name: &String| match plan.peers.iter().find(|text| peer_name(text) == Some(name.as_str())) {
        Some(text) => peer(text),
        None => variant_of(workload, name).copied(),
    };
    let kind = |name: &String| {
        Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            Refusal::data(format!("the plan names a file system {name:?} that this build does not know"), "plan anew")
        })
    };
    Ok(Asked {
        number,
        choice: Choice { workload, variants: entry.rows.iter().map(row).collect::<Result<_>>()? },
        recipe: recipe(plan, digest, &entry.fixture)?,
        wish: Wish {
            kind: entry.filesystem.as_ref().map(kind).transpose()?,
            latency: entry.latency_s.map(Duration::from_secs_f64),
            aged: entry.aged,
        },
    })
}

/// The name of a fixture, or the file that the plan's own recipe is put into.
fn recipe(plan: &Plan, digest: &str, name: &str) -> Result<String> {
    let Some(at) = plan.recipes.keys().position(|key| key == name) else { return Ok(name.to_owned()) };
    let dir = home::home().join("plans").join(short(digest));
    std::fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
    let path = dir.join(format!("recipe-{at}.toml"));
    let aside = dir.join(format!(".recipe-{at}.{}", std::process::id()));
    // Two shards may do so at once: each writes the same, and the last rename wins.
    std::fs::write(&aside, &plan.recipes[name]).with_context(|| format!("writing {}", aside.display()))?;
    std::fs::rename(&aside, &path).with_context(|| format!("naming {}", path.display()))?;
    Ok(path.display().to_string())
}
