//! Builds of other revisions, each in a worktree of its own, so that the checkout is never touched.

use crate::home;
use crate::progress::{Progress, Telling};
use crate::refusal::Refusal;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A build, and what it is for people.
pub struct Build {
    /// The program.
    pub program: PathBuf,
    /// `main@9a12f07`, or that it is this build.
    pub name: String,
}

/// The build of a revision: made in a worktree, kept by its commit.
pub fn of(revision: &str, telling: Telling) -> Result<Build> {
    let checkout = checkout()?;
    let commit =
        git(&checkout, &["rev-parse", "--verify", "--quiet", &format!("{revision}^{{commit}}")]).ok_or_else(|| {
            Refusal::usage(format!("git knows no revision {revision:?}"), "`git log --oneline` shows some")
        })?;
    let name = format!("{revision}@{}", &commit[..commit.len().min(10)]);
    let builds = home::home().join("builds");
    let program = builds.join(format!("assay-{commit}"));
    if program.is_file() {
        return Ok(Build { program, name });
    }
    std::fs::create_dir_all(&builds).with_context(|| format!("making {}", builds.display()))?;
    let tree = Worktree::add(&checkout, &builds.join("tree"), &commit)?;
    let progress = Progress::begin(telling, "build");
    progress.at(0, 1, &format!("{name}: cargo build --release"));
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--locked", "--package", "harness"])
        .current_dir(&tree.place)
        // One for all revisions: what they share is built once.
        .env("CARGO_TARGET_DIR", builds.join("target"))
        .stdin(Stdio::null())
        .output()
        .context("starting cargo")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = said.lines().rev().take(20).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        return Err(Refusal::unfit(
            format!("{name} cannot be built:\n{}", last.join("\n")),
            "compare revisions that build: `cargo build --release` in a checkout of it shows more",
        ));
    }
    // Copied under its commit, so that the next build does not replace it.
    let unfinished = builds.join(format!("assay-{commit}.part"));
    std::fs::copy(builds.join("target/release/assay"), &unfinished)
        .and_then(|_| std::fs::rename(&unfinished, &program))
        .with_context(|| format!("keeping {}", program.display()))?;
    Ok(Build { program, name })
}

/// This build, under a name as long as that of any other: the length of a path alone moves where a stack begins.
pub fn this() -> Result<Build> {
    let program = std::env::current_exe().context("finding this program")?;
    let bytes = std::fs::read(&program).with_context(|| format!("reading {}", program.display()))?;
    let builds = home::home().join("builds");
    let kept = builds.join(format!("assay-{}", &blake3::hash(&bytes).to_hex()[..40]));
    if !kept.is_file() {
        std::fs::create_dir_all(&builds).with_context(|| format!("making {}", builds.display()))?;
        let unfinished = builds.join(format!("assay-{}.part", std::process::id()));
        std::fs::copy(&program, &unfinished)
            .and_then(|_| std::fs::rename(&unfinished, &kept))
            .with_context(|| format!("keeping {}", kept.display()))?;
    }
    Ok(Build { program: kept, name: "this build".to_owned() })
}

/// The checkout that this program was built in, or the one around the working directory.
fn checkout() -> Result<PathBuf> {
    let built_in = home::build_directory().and_then(|target| target.parent().map(Path::to_owned));
    let here = std::env::current_dir().context("finding the working directory")?;
    [built_in, Some(here)]
        .into_iter()
        .flatten()
        .find_map(|dir| git(&dir, &["rev-parse", "--show-toplevel"]).map(PathBuf::from))
        .ok_or_else(|| match Command::new("git").arg("--version").output() {
            Ok(_) => Refusal::unfit("there is no git checkout here", "run it in a checkout of assay"),
            Err(error) => Refusal::unfit(format!("git cannot be run: {error}"), "apt-get install git"),
        })
}

fn git(dir: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(dir).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A worktree that is gone when it is dropped.
struct Worktree {
    checkout: PathBuf,
    place: PathBuf,
}

impl Worktree {
    fn add(checkout: &Path, place: &Path, commit: &str) -> Result<Worktree> {
        let tree = Worktree { checkout: checkout.to_owned(), place: place.to_owned() };
        // One that a killed run left.
        tree.remove();
        let output = Command::new("git")
            .arg("-C")
            .arg(checkout)
            .args(["worktree", "add", "--detach", "--force"])
            .arg(place)
            .arg(commit)
            .output()
            .context("starting git")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Refusal::unfit(
                format!("git makes no worktree at {}: {said}", place.display()),
                "see git's words",
            ));
        }
        Ok(tree)
    }

    fn remove(&self) {
        // What is not there need not go.
        let _ = Command::new("git")
            .arg("-C")
            .arg(&self.checkout)
            .args(["worktree", "remove", "--force"])
            .arg(&self.place)
            .output();
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        self.remove();
    }
}
