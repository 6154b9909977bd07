//! Where gates and their baselines lie: `NAME.toml` says what is held, `baselines/NAME-ARCH.toml` what it was.

use super::differences;
use crate::home;
use crate::refusal::Refusal;
use anyhow::{Context, Result};
use reports::gate::{Baseline, Gate, Kind, parse, parse_baseline, write_baseline};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A gate's file.
pub struct File {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What it holds.
    pub gate: Gate,
}

/// The gates of those names; all but those on times, where none is named.
pub fn find(dir: Option<&Path>, names: &[String]) -> Result<Vec<File>> {
    let dir = dir.map_or_else(default, |dir| Ok(dir.to_owned()))?;
    let all = all(&dir)?;
    let known: Vec<&str> = all.iter().map(|file| file.name.as_str()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Refusal::usage(
            format!("no gate named {unknown:?} in {}", dir.display()),
            format!("there are: {}", known.join(", ")),
        ));
    }
    let wanted = |file: &File| if names.is_empty() { file.gate.kind != Kind::Wall } else { names.contains(&file.name) };
    Ok(all.into_iter().filter(wanted).collect())
}

fn all(dir: &Path) -> Result<Vec<File>> {
    let entries = std::fs::read_dir(dir).map_err(|error| {
        Refusal::data(
            format!("no gates can be read from {}: {error}", dir.display()),
            "name their place with --gates DIR",
        )
    })?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("reading {}", dir.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let gate = parse(&text).map_err(|why| wrong(&path, &anyhow::anyhow!(why)))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            files.push(File { name, path, gate });
        }
    }
    if files.is_empty() {
        return Err(Refusal::data(format!("there is no gate in {}", dir.display()), "a gate is a file NAME.toml"));
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// A gate's file that cannot be used.
pub fn wrong(path: &Path, error: &anyhow::Error) -> anyhow::Error {
    Refusal::usage(format!("the gate {} cannot be used: {error}", path.display()), "mend the file")
}

/// `reports/gates` of the checkout that this program was built in, or of the one in which it is run, however deep.
fn default() -> Result<PathBuf> {
    let built_in = home::build_directory().and_then(|target| target.parent().map(Path::to_owned));
    let here = std::env::current_dir().context("finding the working directory")?;
    let checkouts = built_in.into_iter().chain(here.ancestors().map(Path::to_owned));
    checkouts.map(|checkout| checkout.join("reports/gates")).find(|place| place.is_dir()).ok_or_else(|| {
        Refusal::data("there are no gates here", "run it in a checkout of assay, or name their place with --gates DIR")
    })
}

/// Where a gate's baseline lies.
pub fn place(file: &File) -> PathBuf {
    let dir = file.path.parent().unwrap_or(Path::new("."));
    dir.join("baselines").join(format!("{}-{}.toml", file.name, std::env::consts::ARCH))
}

/// What was blessed last, whatever it depends on.
pub fn last(file: &File) -> Option<Baseline> {
    parse_baseline(&std::fs::read_to_string(place(file)).ok()?).ok()
}

/// The baseline of a gate for what is here; or why there is none.
pub fn baseline(file: &File, depends: &BTreeMap<String, String>) -> Result<Result<Baseline, Vec<String>>> {
    let path = place(file);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Err(vec![format!("{} is not there", path.display())]));
        }
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let baseline = parse_baseline(&text).map_err(|why| {
        Refusal::data(
            format!("the baseline {} cannot be used: {why}", path.display()),
            "take it from git again, or `assay gate --bless` on a state that is right",
        )
    })?;
    let differences = differences(&baseline, depends);
    Ok(if differences.is_empty() { Ok(baseline) } else { Err(differences) })
}

/// Writes a gate's baseline, whole or not at all.
pub fn write(file: &File, baseline: &Baseline) -> Result<()> {
    let path = place(file);
    let text = write_baseline(baseline).map_err(|why| anyhow::anyhow!("the baseline cannot be written: {why}"))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    let unfinished = path.with_extension("part");
    std::fs::write(&unfinished, text)
        .and_then(|()| std::fs::rename(&unfinished, &path))
        .with_context(|| format!("writing {}", path.display()))
}
