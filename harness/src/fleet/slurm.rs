//! A plan's shards as an array of Slurm's. What sbatch, squeue and sacct say already is left to them.

use super::collect::{Fleet, Jobs, LOGS};
use super::place::{Place, refused};
use super::read_plan;
use crate::cli::{Said, quoted};
use crate::refusal::Refusal;
use anyhow::{Context, Result};
use clap::Args;
use reports::fleet::short;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use technique::peer::find_program;

/// What `slurm` takes.
#[derive(Args)]
pub struct SlurmArgs {
    /// The plan
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// The fleet's own directory, new or empty, which every node sees: plan, scripts, logs and records
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// Where records go, if not into the fleet's directory: `s3://BUCKET/PREFIX` or `file:///DIR`. The `AWS_*` variables of
    /// this shell go along, unless sbatch is told otherwise
    #[arg(long, value_name = "PLACE")]
    records: Option<PathBuf>,
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

const ARRAY: &str = "array.sh";
const LAST: &str = "last.sh";

/// Submits a plan, or writes what would be submitted.
pub(super) fn slurm(arguments: &SlurmArgs) -> Result<Said> {
    let plan = read_plan(&arguments.plan)?;
    if !arguments.dry && find_program("sbatch").is_none() {
        return Err(Refusal::unfit(
            "there is no sbatch here",
            "submit from a machine of the cluster, or `apt-get install slurm-client`; --dry writes the scripts alone",
        ));
    }
    let records = arguments.records.as_deref().map(from_anywhere).transpose()?;
    let was_there = arguments.into.exists();
    let dir = Fleet::make(&arguments.into, &arguments.plan, records)?;
    let fleet = Fleet::at(&dir)?;
    let program = std::env::current_exe().context("finding this program")?;
    let write = |name: &str, text: String| {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display())).map(|()| path)
    };
    let array = write(ARRAY, array_script(&program, &dir, &fleet, arguments.scratch.as_deref()))?;
    let last = write(LAST, last_script(&program, &dir))?;
    let shown = quoted(&dir.display().to_string());
    let mut text = format!("{}\nplan {}, {} shards\n", dir.display(), short(&plan.digest()), plan.shards);
    if arguments.dry {
        text += &format!("nothing was submitted; by hand: sbatch {shown}/{ARRAY}\n");
        return Ok(Said::fine("assay.fleet/1", text, json!({"dir": dir, "array": null, "last": null})));
    }
    let id =
        submit(&arguments.options, &[], &array).inspect_err(|_| Fleet::unmake(&dir, &[ARRAY, LAST], !was_there))?;
    let mut jobs = Jobs { array: id.clone(), last: None };
    Fleet::note(&dir, &jobs)?;
    // However the shards end: what is there is merged, and what is missing is named.
    let depends = format!("--dependency=afterany:{id}");
    jobs.last = Some(submit(&arguments.options, &[&depends], &last).with_context(|| {
        format!("the array runs as job {id} (scancel {id} ends it), but the job after it could not be submitted")
    })?);
    Fleet::note(&dir, &jobs)?;
    let after = jobs.last.clone().unwrap_or_default();
    text += &format!(
        "array    {id}    squeue -j {id}    sacct -X -j {id}\nlast     {after}    merges and reports, after the \
         array\nassay fleet status {shown}\n"
    );
    Ok(Said::fine("assay.fleet/1", text, json!({"dir": dir, "array": id, "last": after})))
}

/// A place for records as every node finds it. An address that leads nowhere is told here, and not by each node.
fn from_anywhere(records: &Path) -> Result<PathBuf> {
    match Place::of(records)? {
        Place::Bucket(bucket) => bucket.list().map(|_| records.to_owned()).map_err(refused),
        Place::Directory(dir) => std::path::absolute(&dir).with_context(|| format!("finding {}", dir.display())),
    }
}

/// One shard a task. Options of the command line come after those of a script, and so are stronger.
fn array_script(program: &Path, dir: &Path, fleet: &Fleet, scratch: Option<&str>) -> String {
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
        name = short(&fleet.plan.digest()),
        last = fleet.plan.shards.saturating_sub(1),
        logs = directive(&dir.join(LOGS)),
        program = word(program),
        plan = word(&Fleet::plan_in(dir)),
        records = word(&fleet.records),
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
            "see whether the cluster answers (sinfo), correct the options behind --, and give the command again",
        ));
    }
    // A federation's cluster is named behind a semicolon.
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(said.split(';').next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(scratch: Option<&str>) -> String {
        let entry = |shard| json!({"shard": shard, "workload": "restore", "rows": ["gzip"], "fixture": "tiny"});
        let plan = serde_json::from_value(json!({
            "schema": "assay.plan/1", "command": "", "assay": "", "binary": "", "seed": 1, "cold": false,
            "wait_s": 0.0, "limit_s": 1.0, "peers": [], "recipes": {}, "shards": 2, "entries": [entry(0), entry(1)],
        }))
        .unwrap();
        let dir = Path::new("/shared/100%");
        array_script(Path::new("/opt/my tools/assay"), dir, &Fleet::in_directory(dir, plan), scratch)
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
