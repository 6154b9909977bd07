//! `assay merge`: the records of a plan's shards from many machines, joined; what is missing or double is named.

use super::place::{Found, Place, refused as unanswered};
use super::records::{Note, notes, records_in};
use super::{apart, read_plan};
use crate::cli::Said;
use crate::refusal::{Exit, Refusal};
use crate::unfinished::Unfinished;
use anyhow::{Context, Result};
use clap::Args;
use reports::fleet::machine::Machine;
use reports::fleet::merge::{Merged, Piece, Refused, Wholeness};
use reports::fleet::plan::Plan;
use reports::fleet::short;
use reports::lines::Unreadable;
use s3::Bucket;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What `merge` takes.
#[derive(Args)]
pub struct MergeArgs {
    /// Where to: a directory that does not exist yet, or `s3://BUCKET/PREFIX` with nothing below it
    out: PathBuf,
    /// Directories of records, records' own directories, or what was merged before; or the same at `s3://BUCKET/PREFIX`
    #[arg(required = true)]
    from: Vec<PathBuf>,
    /// The plan: what is missing is then told by what it would have measured
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
}

/// Merges records, and says what is there.
pub fn merge(arguments: &MergeArgs) -> Result<Said> {
    let plan = arguments.plan.as_deref().map(read_plan).transpose()?;
    outside(&arguments.out, &arguments.from)?;
    let joined = Joined::of(&arguments.from, plan.as_ref())?;
    joined.write(&arguments.out)?;
    Ok(joined.said(&arguments.out, plan.as_ref()))
}

/// What was found, and joined.
pub(super) struct Joined {
    pub(super) merged: Merged,
    /// Records of a shard and a machine of which another was kept.
    aside: Vec<Piece>,
    notes: BTreeMap<u32, Note>,
}

impl Joined {
    /// Reads every record in these places; nothing is written before all of them are known to belong together.
    pub(super) fn of(from: &[PathBuf], plan: Option<&Plan>) -> Result<Joined> {
        let mut joined = Joined { merged: Merged::default(), aside: Vec::new(), notes: notes(from) };
        let mut ours = plan.map(|plan| (plan.digest(), plan.shards));
        for Found { path, bytes } in records_in(from)? {
            let piece = Piece::of(&path, bytes).map_err(|why| refused(&why))?;
            let (digest, shards) = ours.get_or_insert_with(|| (piece.key.plan.clone(), piece.of));
            if piece.key.plan != *digest || piece.of != *shards {
                return Err(refused(&Refused::OfAnother(path, piece.key.plan, digest.clone())));
            }
            joined.aside.extend(joined.merged.add(piece));
        }
        // What was read twice is no double of itself.
        let kept: Vec<Piece> = std::mem::take(&mut joined.aside);
        for piece in kept {
            if !joined.aside.contains(&piece) {
                joined.aside.push(piece);
            }
        }
        Ok(joined)
    }

    /// Writes each record into a folder of its own: below a directory that does not exist yet, or in a bucket.
    pub(super) fn write(&self, out: &Path) -> Result<()> {
        if self.merged.plan().is_none() {
            let what = "there is no record of any shard in these places".to_owned() + &self.notes_told();
            return Err(Refusal::data(what, "`assay run --plan FILE --shard I --into DIR` makes one"));
        }
        let out = match Place::of(out)? {
            Place::Directory(out) => out,
            Place::Bucket(bucket) => return self.write_to_bucket(&bucket),
        };
        let unfinished = Unfinished::for_new(&out)?;
        fs::create_dir(unfinished.path()).with_context(|| format!("making {}", unfinished.path().display()))?;
        let into = Place::Directory(unfinished.path().to_owned());
        for piece in self.merged.pieces() {
            into.put(piece)?;
        }
        unfinished.finish(&out)
    }

    /// Writes to a bucket, which knows no renaming. A merge that is killed leaves some of its records there, each of
    /// them whole; the same merge again goes on from them. Where anything else lies, nothing is written.
    fn write_to_bucket(&self, bucket: &Bucket) -> Result<()> {
        let into = Place::Bucket(bucket.clone());
        let (names, folders) = bucket.list().map_err(unanswered)?;
        let there = into.records()?;
        let is_ours = |found: &Found| self.merged.pieces().any(|piece| piece.bytes == found.bytes);
        if !names.is_empty() || there.len() != folders.len() || !there.iter().all(is_ours) {
            let what = format!("{into} is not empty, and nothing is overwritten");
            return Err(Refusal::usage(what, "name another prefix, or remove what lies there first"));
        }
        for piece in self.merged.pieces() {
            into.put(piece)?;
        }
        Ok(())
    }

    fn notes_told(&self) -> String {
        let each: Vec<String> =
            self.notes.iter().map(|(shard, note)| format!("\n  shard {shard}: {}", note.told())).collect();
        each.concat()
    }

    /// What is there, what is missing, what is double, and which rows have no number.
    pub(super) fn said(&self, out: &Path, plan: Option<&Plan>) -> Said {
        let (digest, shards) = self.merged.plan().unwrap_or_default();
        let named = |shard: u32| match plan {
            Some(plan) => format!("shard {shard} ({})", plan.words(shard)),
            None => format!("shard {shard}"),
        };
        let mut text = format!("{}\nplan {}, {shards} shards\n", out.display(), short(digest));
        let mut machines: Vec<Value> = Vec::new();
        for machine in self.merged.machines() {
            let missing = self.merged.missing(Some(machine));
            let there = shards as usize - missing.len();
            text += &format!("  {}  {there} of {shards} shards  {}\n", machine.name, machine.words());
            if !missing.is_empty() && self.merged.machines().len() > 1 {
                let missing: Vec<String> = missing.iter().map(u32::to_string).collect();
                text += &format!("            not on this machine: {}\n", missing.join(", "));
            }
            machines.push(json!({"name": machine.name, "what": machine.words(), "missing": missing}));
        }
        let missing = self.merged.missing(None);
        for shard in &missing {
            let said = self.notes.get(shard).map_or(String::new(), |note| format!(": {}", note.told()));
            let cut = self.merged.pieces().any(|piece| piece.key.shard == *shard);
            let how = if cut { "cut short" } else { "missing" };
            text += &format!("{how}  {}{said}\n", named(*shard));
        }
        for left in &self.aside {
            let kept = self.merged.get(&left.key).map_or("?", |kept| kept.run.as_str());
            text += &format!("double   {}: {kept} is kept, {} left aside\n", named(left.key.shard), told(left));
        }
        let failed: Vec<(u32, &Machine, &String)> = self
            .merged
            .pieces()
            .flat_map(|piece| piece.failed.iter().map(|told| (piece.key.shard, &piece.machine, told)))
            .collect();
        for (shard, machine, told) in &failed {
            text += &format!("failed   {} on {}: {told}\n", named(*shard), machine.name);
        }
        if missing.is_empty() && self.aside.is_empty() {
            text += "all shards are there, none is double\n";
        }
        let exit = match (missing.is_empty(), failed.is_empty()) {
            (false, _) => Exit::Data,
            (true, false) => Exit::Differ,
            (true, true) => Exit::Fine,
        };
        let json = json!({
            "out": out,
            "plan": digest,
            "shards": shards,
            "machines": machines,
            "missing": missing.iter().map(|shard| json!({
                "shard": shard,
                "what": plan.map(|plan| plan.words(*shard)),
                "said": self.notes.get(shard).map(Note::told),
            })).collect::<Vec<_>>(),
            "double": self.aside.iter().map(|left| json!({
                "shard": left.key.shard,
                "machine": left.key.machine,
                "kept": self.merged.get(&left.key).map(|kept| &kept.run),
                "left_aside": left.run,
            })).collect::<Vec<_>>(),
            "failed": failed.iter().map(|(shard, machine, told)| json!({
                "shard": shard, "machine": machine.name, "told": told,
            })).collect::<Vec<_>>(),
        });
        Said { text, json, schema: "assay.merged/1", exit }
    }
}

/// What is written does not lie among what is read: a directory of records holds records alone.
pub(super) fn outside(out: &Path, from: &[PathBuf]) -> Result<()> {
    match from.iter().find(|from| real(out).starts_with(real(from))) {
        Some(from) => Err(Refusal::usage(
            format!("{} lies in {}, which is read", out.display(), from.display()),
            "name a place outside of it",
        )),
        None => Ok(()),
    }
}

/// A place without links and dots, as far as it is there.
fn real(named: &Path) -> PathBuf {
    let Ok(Place::Directory(dir)) = Place::of(named) else { return named.to_owned() };
    let above = dir.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."));
    let there = dir.canonicalize().or_else(|_| Ok(above.canonicalize()?.join(dir.file_name().unwrap_or_default())));
    there.unwrap_or_else(|_: std::io::Error| dir.clone())
}

fn told(piece: &Piece) -> String {
    let how = match piece.wholeness() {
        Wholeness::Whole => "whole",
        Wholeness::Stopped => "stopped",
        Wholeness::Cut => "cut",
    };
    format!("{} ({how})", piece.run)
}

/// Records of another plan or schema have an exit code of their own: they are whole, and of no use here.
fn refused(why: &Refused) -> anyhow::Error {
    let told = why.to_string();
    match why {
        Refused::Unreadable(Unreadable::Schema(..)) => {
            apart(told, "leave it out, or merge with the build that wrote it")
        }
        Refused::Unreadable(_) => Refusal::data(told, "leave it out, or run that shard again"),
        Refused::OfNoPlan(_) => apart(told, "leave it out: `assay report` shows it beside others"),
        Refused::OfAnother(..) => apart(told, "merge the records of each plan apart"),
    }
}
