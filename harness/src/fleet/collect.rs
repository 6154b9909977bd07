//! `assay fleet`: what is there of a fleet's records, and all of them joined and shown.

use super::merge::{Joined, outside};
use super::place::Place;
use super::read_plan;
use super::records::{How, notes, records_in};
use super::slurm::{SlurmArgs, slurm};
use crate::cli::Said;
use crate::refusal::{Exit, Refusal};
use crate::report::{ReportArgs, report};
use crate::unfinished::Unfinished;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use reports::fleet::plan::Plan;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What is done with a fleet.
#[derive(Subcommand)]
pub enum FleetCommand {
    /// Submit a plan to Slurm: a job array, a node for each shard, and a last job that merges and reports
    Slurm(SlurmArgs),
    /// Which shards of a fleet have their record, and what the others said
    Status(Which),
    /// Merge the records of a fleet and write its report; the fleet's last job does so too
    Collect {
        /// Which fleet
        #[command(flatten)]
        which: Which,
        /// Where to: a directory that does not exist yet [default: collected in the fleet's directory]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// Which fleet.
#[derive(Args)]
pub struct Which {
    /// The fleet's directory; or, with --plan, where its records are: a directory or `s3://BUCKET/PREFIX`
    fleet: PathBuf,
    /// The plan, where the records are in no fleet's directory
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
}

/// Runs a command on a fleet.
pub fn fleet(command: &FleetCommand) -> Result<Said> {
    match command {
        FleetCommand::Slurm(arguments) => slurm(arguments),
        FleetCommand::Status(which) => status(&Fleet::of(which)?),
        FleetCommand::Collect { which, out } => collect(&Fleet::of(which)?, out.as_deref()),
    }
}

const PLAN: &str = "plan.json";
const RECORDS: &str = "records";
const JOBS: &str = "jobs.json";
const PLACES: &str = "places.json";
/// Where the array's tasks write what they say.
pub(super) const LOGS: &str = "logs";

/// The jobs of a fleet, as Slurm names them.
#[derive(Serialize, Deserialize)]
pub(super) struct Jobs {
    pub(super) array: String,
    pub(super) last: Option<String>,
}

/// What a fleet has outside of its directory.
#[derive(Serialize, Deserialize)]
struct Places {
    records: PathBuf,
}

/// A fleet.
pub(super) struct Fleet {
    pub(super) plan: Plan,
    /// Where its records are, as a user would name it.
    pub(super) records: PathBuf,
    /// Its own directory, where it has one.
    dir: Option<PathBuf>,
}

impl Fleet {
    fn of(which: &Which) -> Result<Fleet> {
        match &which.plan {
            Some(plan) => Ok(Fleet { plan: read_plan(plan)?, records: which.fleet.clone(), dir: None }),
            None => match Place::of(&which.fleet)? {
                Place::Directory(dir) => Fleet::at(&dir),
                Place::Bucket(_) => Err(Refusal::usage(
                    format!("{} has records and no plan", which.fleet.display()),
                    "name the plan as well: --plan FILE",
                )),
            },
        }
    }

    /// The fleet of a directory.
    pub(super) fn at(dir: &Path) -> Result<Fleet> {
        let plan = dir.join(PLAN);
        if !plan.is_file() {
            let what = format!("{} is no fleet's directory: it has no {PLAN}", dir.display());
            let mend = "`assay fleet slurm --plan FILE --into DIR` makes one; for a place of records, add --plan FILE";
            return Err(Refusal::data(what, mend));
        }
        let dir = dir.canonicalize().with_context(|| format!("finding {}", dir.display()))?;
        let elsewhere = fs::read(dir.join(PLACES)).ok().map(|text| serde_json::from_slice::<Places>(&text));
        let elsewhere = elsewhere.transpose().map_err(|error| {
            Refusal::data(format!("{}: {error}", dir.join(PLACES).display()), "name its records, with --plan FILE")
        })?;
        let records = elsewhere.map_or(dir.join(RECORDS), |places| places.records);
        Ok(Fleet { plan: read_plan(&plan)?, records, dir: Some(dir) })
    }

    /// Makes a fleet's directory of one that is new or empty; gives it back as it is known everywhere.
    pub(super) fn make(into: &Path, plan: &Path, records: Option<PathBuf>) -> Result<PathBuf> {
        let Place::Directory(into) = Place::of(into)? else {
            let what = format!("{} is a bucket, and a fleet's scripts and logs are files", into.display());
            return Err(Refusal::usage(what, "name a directory that every node sees; --records PLACE may be a bucket"));
        };
        let unfinished = Unfinished::for_tree(&into)?;
        let made = unfinished.path();
        let fill = || -> Result<()> {
            fs::create_dir_all(made.join(LOGS))?;
            match records {
                Some(records) => fs::write(made.join(PLACES), serde_json::to_string(&Places { records })? + "\n")?,
                None => fs::create_dir(made.join(RECORDS))?,
            }
            fs::copy(plan, made.join(PLAN))?;
            Ok(())
        };
        fill().with_context(|| format!("filling {}", into.display()))?;
        unfinished.finish(&into)?;
        into.canonicalize().with_context(|| format!("finding {}", into.display()))
    }

    /// Takes away what was made for a fleet that could not be submitted, and nothing else; the same command can then be
    /// given again.
    pub(super) fn unmake(dir: &Path, files: &[&str], is_ours: bool) {
        // What is not there need not be removed, and what holds anything more stays.
        for file in files.iter().chain(&[PLAN, PLACES]) {
            let _ = fs::remove_file(dir.join(file));
        }
        for folder in [LOGS, RECORDS] {
            let _ = fs::remove_dir(dir.join(folder));
        }
        if is_ours {
            let _ = fs::remove_dir(dir);
        }
    }

    /// Its plan's file.
    pub(super) fn plan_in(dir: &Path) -> PathBuf {
        dir.join(PLAN)
    }

    /// Writes down which jobs are its own.
    pub(super) fn note(dir: &Path, jobs: &Jobs) -> Result<()> {
        let path = dir.join(JOBS);
        fs::write(&path, serde_json::to_string(jobs)? + "\n").with_context(|| format!("writing {}", path.display()))
    }

    fn jobs(&self) -> Option<Jobs> {
        serde_json::from_slice(&fs::read(self.dir.as_ref()?.join(JOBS)).ok()?).ok()
    }

    #[cfg(test)]
    pub(super) fn in_directory(dir: &Path, plan: Plan) -> Fleet {
        Fleet { plan, records: dir.join(RECORDS), dir: Some(dir.to_owned()) }
    }

    fn named(&self) -> &Path {
        self.dir.as_ref().unwrap_or(&self.records)
    }
}

fn status(fleet: &Fleet) -> Result<Said> {
    let places = [fleet.records.clone()];
    let joined = Joined::of(&places, Some(&fleet.plan))?;
    let notes = notes(&places);
    let there: BTreeSet<u32> = joined.merged.pieces().map(|piece| piece.key.shard).collect();
    let mut text = format!("{}\n", fleet.named().display());
    let mut shards = Vec::new();
    for shard in 0..fleet.plan.shards {
        let note = notes.get(&shard).filter(|_| !there.contains(&shard));
        let how = match note.map(|note| note.how) {
            _ if there.contains(&shard) => "there",
            Some(How::Begun) => "begun",
            Some(How::Failed) => "failed",
            None => "not there",
        };
        let (words, said) = (fleet.plan.words(shard), note.map(|note| note.words.clone()));
        text += &format!("  {shard:4}  {how:9}  {words}");
        text += &said.as_ref().map_or("\n".to_owned(), |said| format!("  {said}\n"));
        shards.push(json!({"shard": shard, "how": how, "what": words, "said": said}));
    }
    let jobs = fleet.jobs();
    if let Some(jobs) = &jobs {
        text += &format!("what runs and waits: squeue -j {0}    what has ended: sacct -X -j {0}\n", jobs.array);
    }
    let collected = fleet.dir.as_ref().map(|dir| dir.join("collected/review/index.html"));
    if let Some(collected) = collected.filter(|page| page.is_file()) {
        text += &format!("report   {}\n", collected.display());
    }
    let document = json!({"dir": fleet.named(), "records": fleet.records, "shards": shards, "jobs": jobs});
    Ok(Said::fine("assay.fleet-status/1", text, document))
}

fn collect(fleet: &Fleet, out: Option<&Path>) -> Result<Said> {
    let own = fleet.dir.as_ref().map(|dir| dir.join("collected"));
    let Some(out) = out.map(Path::to_owned).or(own) else {
        return Err(Refusal::usage("nothing says where to", "name a directory that does not exist yet: --out DIR"));
    };
    let Place::Directory(out) = Place::of(&out)? else {
        return Err(Refusal::usage(
            format!("{} is a bucket, and pages are files", out.display()),
            "name a directory with --out DIR; `assay merge` puts the records into a bucket",
        ));
    };
    let places = [fleet.records.clone()];
    outside(&out, &places)?;
    let joined = Joined::of(&places, Some(&fleet.plan))?;
    let unfinished = Unfinished::for_new(&out)?;
    fs::create_dir(unfinished.path()).with_context(|| format!("making {}", unfinished.path().display()))?;
    joined.write(&unfinished.path().join(RECORDS))?;
    let records = records_in(&[unfinished.path().join(RECORDS)])?;
    let names = records.iter().map(|found| found.path.display().to_string()).collect();
    let reported = report(&ReportArgs::of(names, unfinished.path().join("review")))?;
    unfinished.finish(&out)?;
    let mut said = joined.said(&out.join(RECORDS), Some(&fleet.plan));
    let page = out.join("review/index.html");
    said.text += &format!("report   {}\n", page.display());
    said.json["page"] = json!(page);
    if said.exit == Exit::Fine {
        said.exit = reported.exit;
    }
    Ok(said)
}
