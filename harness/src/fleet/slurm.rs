//! `assay fleet`: a plan's shards as an array of Slurm's. What sbatch, squeue and sacct say already is left to them.

use super::merge::Joined;
use super::read_plan;
use super::records::{records_in, troubles};
use crate::cli::{Said, quoted};
use crate::refusal::{Exit, Refusal};
use crate::report::{ReportArgs, report};
use crate::unfinished::Unfinished;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use reports::fleet::plan::Plan;
use reports::fleet::short;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use technique::peer::find_program;

/// What is done with a fleet.
#[derive(Subcommand)]
pub enum FleetCommand {
    /// Submit a plan to Slurm: a job array, a node for each shard, and a last job that merges and reports
    Slurm(SlurmArgs),
    /// Which shards of a fleet have their record, and what the others said
    Status {
        /// The fleet's directory
        dir: PathBuf,
    },
    /// Merge the records of a fleet and write its report; the fleet's last job does so too
    Collect {
        /// The fleet's directory
        dir: PathBuf,
        /// Where to: a directory that does not exist yet [default: collected in the fleet's directory]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// What `slurm` takes.
#[derive(Args)]
pub struct SlurmArgs {
    /// The plan
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// The fleet's own directory, new or empty, which every node sees: plan, scripts, logs and records
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// Where nodes work, if not where the plan says; {shard} and {node} are put in
    #[arg(long, value_name = "DIR")]
    scratch: Option<String>,
    /// Write the scripts, and submit nothing
    #[arg(long)]
    dry: bool,
    /// What sbatch takes, behind --, such as -- --partition=long --time=2:00:00
    #[arg(last = true, value_name = "SBATCH OPTION")]
    options: Vec<String>,
}

/// Runs a command on a fleet.
pub fn fleet(command: &FleetCommand) -> Result<Said> {
    match command {
        FleetCommand::Slurm(arguments) => slurm(arguments),
        FleetCommand::Status { dir } => status(&Fleet::at(dir)?),
        FleetCommand::Collect { dir, out } => {
            let out = out.clone().unwrap_or_else(|| dir.join("collected"));
            collect(&Fleet::at(dir)?, &out)
        }
    }
}

const PLAN: &str = "plan.json";
const RECORDS: &str = "records";
const LOGS: &str = "logs";
const JOBS: &str = "jobs.json";
const ARRAY: &str = "array.sh";
const LAST: &str = "last.sh";

/// The jobs of a fleet, as Slurm names them.
#[derive(Serialize, Deserialize)]
struct Jobs {
    array: String,
    last: Option<String>,
}

/// A fleet's directory.
struct Fleet {
    dir: PathBuf,
    plan: Plan,
}

impl Fleet {
    fn at(dir: &Path) -> Result<Fleet> {
        let plan = dir.join(PLAN);
        if !plan.is_file() {
            let what = format!("{} is no fleet's directory: it has no {PLAN}", dir.display());
            return Err(Refusal::data(what, "`assay fleet slurm --plan FILE --into DIR` makes one"));
        }
        let dir = dir.canonicalize().with_context(|| format!("finding {}", dir.display()))?;
        Ok(Fleet { plan: read_plan(&plan)?, dir })
    }

    fn records(&self) -> PathBuf {
        self.dir.join(RECORDS)
    }

    fn jobs(&self) -> Option<Jobs> {
        serde_json::from_slice(&fs::read(self.dir.join(JOBS)).ok()?).ok()
    }
}

fn slurm(arguments: &SlurmArgs) -> Result<Said> {
    let plan = read_plan(&arguments.plan)?;
    if !arguments.dry && find_program("sbatch").is_none() {
        return Err(Refusal::unfit(
            "there is no sbatch here",
            "submit from a machine of the cluster, or `apt-get install slurm-client`; --dry writes the scripts alone",
        ));
    }
    let unfinished = Unfinished::for_tree(&arguments.into)?;
    let made = unfinished.path();
    let fill = || -> Result<()> {
        for folder in [RECORDS, LOGS] {
            fs::create_dir_all(made.join(folder))?;
        }
        fs::copy(&arguments.plan, made.join(PLAN))?;
        Ok(())
    };
    fill().with_context(|| format!("filling {}", arguments.into.display()))?;
    unfinished.finish(&arguments.into)?;
    let dir = arguments.into.canonicalize().with_context(|| format!("finding {}", arguments.into.display()))?;
    let program = std::env::current_exe().context("finding this program")?;
    let write = |name: &str, text: String| {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display())).map(|()| path)
    };
    let array = write(ARRAY, array_script(&program, &dir, &plan, arguments.scratch.as_deref()))?;
    let last = write(LAST, last_script(&program, &dir))?;
    let fleet = Fleet { dir: dir.clone(), plan };
    let shown = quoted(&fleet.dir.display().to_string());
    let mut text =
        format!("{}\nplan {}, {} shards\n", fleet.dir.display(), short(&fleet.plan.digest()), fleet.plan.shards);
    if arguments.dry {
        text += &format!("nothing was submitted; by hand: sbatch {shown}/{ARRAY}\n");
        return Ok(Said::fine("assay.fleet/1", text, json!({"dir": fleet.dir, "array": null, "last": null})));
    }
    let id = submit(&arguments.options, &[], &array)?;
    let mut jobs = Jobs { array: id.clone(), last: None };
    let note = |jobs: &Jobs| -> Result<()> { write(JOBS, serde_json::to_string(jobs)? + "\n").map(|_| ()) };
    note(&jobs)?;
    // However the shards end: what is there is merged, and what is missing is named.
    let depends = format!("--dependency=afterany:{id}");
    jobs.last = Some(submit(&arguments.options, &[&depends], &last).with_context(|| {
        format!("the array runs as job {id} (scancel {id} ends it), but the job after it could not be submitted")
    })?);
    note(&jobs)?;
    let after = jobs.last.clone().unwrap_or_default();
    text += &format!(
        "array    {id}    squeue -j {id}    sacct -X -j {id}\nlast     {after}    merges and reports, after the \
         array\nassay fleet status {shown}\n"
    );
    Ok(Said::fine("assay.fleet/1", text, json!({"dir": fleet.dir, "array": id, "last": after})))
}

/// One shard a task. Options of the command line come after those of a script, and so are stronger.
fn array_script(program: &Path, dir: &Path, plan: &Plan, scratch: Option<&str>) -> String {
    let word = |path: &Path| quoted(&path.display().to_string());
    let place = scratch.map_or(String::new(), |scratch| {
        // What the user wrote is kept from the shell; what is put in is not.
        let words = format!("'{}'", scratch.replace('\'', r"'\''"));
        let put_in = |words: String, name: &str, variable: &str| words.replace(name, &format!("'\"${variable}\"'"));
        let words = put_in(words, "{shard}", "SLURM_ARRAY_TASK_ID");
        format!(" --scratch {}", put_in(words, "{node}", "SLURMD_NODENAME"))
    });
    format!(
        "#!/bin/bash\n\
         # Written by `assay fleet slurm`: one shard of the plan in each task of the array.\n\
         #SBATCH --job-name=assay-{name}\n\
         #SBATCH --array=0-{last}\n\
         #SBATCH --nodes=1 --exclusive\n\
         #SBATCH --requeue --open-mode=append\n\
         #SBATCH --output={logs}/shard-%a.log\n\
         {program} run --plan {plan} --shard \"$SLURM_ARRAY_TASK_ID\" --into {records}{place} --no-progress\n\
         code=$?\n\
         # More than 128 and not a Ctrl-C: it was killed, which says nothing of the shard. Two more tries.\n\
         if [ \"$code\" -gt 128 ] && [ \"$code\" -ne 130 ] && [ \"${{SLURM_RESTART_COUNT:-0}}\" -lt 2 ]; then\n\
         \x20   echo \"killed by signal $((code - 128)): this shard is queued again\" >&2\n\
         \x20   # Slurm ends this script when it takes the task back; until then there is nothing to do.\n\
         \x20   scontrol requeue \"${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}\" && sleep 300\n\
         fi\n\
         exit \"$code\"\n",
        name = short(&plan.digest()),
        last = plan.shards.saturating_sub(1),
        logs = directive(&dir.join(LOGS)),
        program = word(program),
        plan = word(&dir.join(PLAN)),
        records = word(&dir.join(RECORDS)),
    )
}

fn last_script(program: &Path, dir: &Path) -> String {
    let word = |path: &Path| quoted(&path.display().to_string());
    format!(
        "#!/bin/bash\n\
         # Written by `assay fleet slurm`: joins what the shards left, names what is missing, and writes the report.\n\
         #SBATCH --job-name=assay-collect\n\
         #SBATCH --output={}/collect.log --open-mode=append\n\
         exec {} fleet collect {}\n",
        directive(&dir.join(LOGS)),
        word(program),
        word(dir)
    )
}

/// A path in a line for sbatch, which reads `%` as the beginning of a name of its own, and splits at spaces.
fn directive(path: &Path) -> String {
    path.display().to_string().replace('%', "%%").replace(' ', "\\ ")
}

/// Submits a script; gives back the job's number.
fn submit(options: &[String], more: &[&str], script: &Path) -> Result<String> {
    let output = Command::new("sbatch")
        .arg("--parsable")
        .args(options)
        .args(more)
        .arg(script)
        .output()
        .context("starting sbatch")?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Refusal::unfit(
            format!("sbatch refused {}: {told}", script.display()),
            "correct the options behind --, or submit the script by hand",
        ));
    }
    // A federation's cluster is named behind a semicolon.
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(said.split(';').next().unwrap_or_default().to_owned())
}

fn status(fleet: &Fleet) -> Result<Said> {
    let places = [fleet.records()];
    let joined = Joined::of(&places, Some(&fleet.plan))?;
    let troubles = troubles(&places);
    let there: BTreeSet<u32> = joined.merged.pieces().map(|piece| piece.key.shard).collect();
    let mut text = format!("{}\n", fleet.dir.display());
    let mut shards = Vec::new();
    for shard in 0..fleet.plan.shards {
        let said = troubles.get(&shard);
        let how = match (there.contains(&shard), said) {
            (true, _) => "there",
            (false, Some(_)) => "failed",
            (false, None) => "not there",
        };
        let words = fleet.plan.words(shard);
        text += &format!("  {shard:4}  {how:9}  {words}{}\n", said.map_or(String::new(), |said| format!("  {said}")));
        shards.push(json!({"shard": shard, "how": how, "what": words, "said": said}));
    }
    let jobs = fleet.jobs();
    if let Some(jobs) = &jobs {
        text += &format!("what runs and waits: squeue -j {0}    what has ended: sacct -X -j {0}\n", jobs.array);
    }
    let collected = fleet.dir.join("collected/review/index.html");
    if collected.is_file() {
        text += &format!("report   {}\n", collected.display());
    }
    Ok(Said::fine("assay.fleet-status/1", text, json!({"dir": fleet.dir, "shards": shards, "jobs": jobs})))
}

fn collect(fleet: &Fleet, out: &Path) -> Result<Said> {
    let joined = Joined::of(&[fleet.records()], Some(&fleet.plan))?;
    let unfinished = Unfinished::for_new(out)?;
    fs::create_dir(unfinished.path()).with_context(|| format!("making {}", unfinished.path().display()))?;
    joined.write(&unfinished.path().join(RECORDS))?;
    let records = records_in(&[unfinished.path().join(RECORDS)])?;
    let names = records.iter().map(|path| path.display().to_string()).collect();
    let reported = report(&ReportArgs::of(names, unfinished.path().join("review")))?;
    unfinished.finish(out)?;
    let mut said = joined.said(&out.join(RECORDS), Some(&fleet.plan));
    let page = out.join("review/index.html");
    said.text += &format!("report   {}\n", page.display());
    said.json["page"] = json!(page);
    if said.exit == Exit::Fine {
        said.exit = reported.exit;
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(scratch: Option<&str>) -> String {
        let entry = |shard| json!({"shard": shard, "workload": "restore", "rows": ["gzip"], "fixture": "tiny"});
        let plan: Plan = serde_json::from_value(json!({
            "schema": "assay.plan/1", "command": "", "assay": "", "binary": "", "seed": 1, "cold": false,
            "wait_s": 0.0, "limit_s": 1.0, "peers": [], "recipes": {}, "shards": 2, "entries": [entry(0), entry(1)],
        }))
        .unwrap();
        array_script(Path::new("/opt/my tools/assay"), Path::new("/shared/100%"), &plan, scratch)
    }

    #[test]
    fn a_script_keeps_paths_from_the_shell_and_from_sbatch() {
        let script = script(None);
        assert!(script.contains("'/opt/my tools/assay' run --plan /shared/100%/plan.json"), "{script}");
        assert!(script.contains("#SBATCH --output=/shared/100%%/logs/shard-%a.log"), "{script}");
        assert!(script.contains("#SBATCH --array=0-1\n"), "{script}");
    }

    #[test]
    fn the_place_to_work_may_have_the_shard_and_the_node_in_it() {
        let place = |scratch: &str| {
            let script = script(Some(scratch));
            let line = script.lines().find(|line| line.contains("--scratch")).unwrap().to_owned();
            let shell = format!("set -- {}; echo \"$2\"", &line[line.find("--scratch").unwrap()..]);
            let output = Command::new("bash")
                .args(["-c", &shell])
                .env("SLURM_ARRAY_TASK_ID", "3")
                .env("SLURMD_NODENAME", "n 7")
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        assert_eq!(place("/local/{shard}"), "/local/3");
        assert_eq!(place("/a b/{node}/it's/{shard}x"), "/a b/n 7/it's/3x");
        assert_eq!(place("/plain"), "/plain");
        assert_eq!(place("$HOME/{shard}"), "$HOME/3");
    }
}
