//! What `assay flame` left in this home that belongs to a page: stacks for its icicles, and every picture.

use super::{Files, Links, slug};
use crate::home;
use crate::refusal::Refusal;
use anyhow::{Context, Result};
use reports::review::{Folded, Review, Stacks};
use serde::Deserialize;
use std::path::PathBuf;

/// What `assay flame` left that belongs to a page.
#[derive(Default)]
pub(super) struct Flames {
    pub(super) stacks: Option<Stacks>,
    pub(super) files: Files,
    pub(super) linked: Links,
}

/// What a directory of graphs is about.
#[derive(Deserialize)]
struct About {
    fixture: String,
    kind: String,
    row: String,
    against: Option<String>,
}

/// Looks among the graphs of this home for those of this workload and fixture: stacks of the baseline against the row
/// that is fastest now, of the kind that sees most; and every picture.
pub(super) fn flames(workload: &str, fixture: &str, review: &Review, name: &str) -> Result<Flames> {
    let mut found = Flames::default();
    let dir = home::home().join("flames");
    let mut dirs: Vec<PathBuf> = match std::fs::read_dir(&dir) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => return Ok(found),
    };
    dirs.sort();
    let mut best: Option<(usize, PathBuf, About)> = None;
    for dir in dirs {
        let Ok(text) = std::fs::read(dir.join("about.json")) else { continue };
        let about: About = serde_json::from_slice(&text).map_err(|error| {
            Refusal::data(
                format!("{}/about.json: {error}", dir.display()),
                "remove that directory, or make the graphs again",
            )
        })?;
        let is_here = |row: &str| row.strip_prefix(workload).is_some_and(|rest| rest.starts_with('/'));
        if about.fixture != fixture || !is_here(&about.row) {
            continue;
        }
        let picture = if about.against.is_some() { "difference.svg" } else { "flame.svg" };
        let stem = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Ok(bytes) = std::fs::read(dir.join(picture)) {
            let path = format!("flame/{}.svg", slug(&stem));
            let against = about.against.as_ref().map_or(String::new(), |before| format!(" against {before}"));
            found.linked.push((path.clone(), format!("flame graph: {}{against}, {}", about.row, about.kind)));
            found.files.insert(path, bytes);
        }
        let baseline = format!("{workload}/{}", review.summary.baseline);
        if about.against.as_ref() == Some(&baseline) {
            let is_now = review.now.as_ref().is_some_and(|now| about.row == format!("{workload}/{now}"));
            let sees = ["cpu", "kernel", "wall"].iter().position(|kind| *kind == about.kind);
            let Some(sees) = sees else { continue };
            let worth = sees + if is_now { 10 } else { 0 };
            if best.as_ref().is_none_or(|(most, ..)| worth > *most) {
                best = Some((worth, dir, about));
            }
        }
    }
    if let Some((_, dir, about)) = best {
        let read = |file: &str| {
            let path = dir.join(file);
            std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        };
        let (before, now) = (read("before.folded")?, read("after.folded")?);
        let row = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
        found.files.insert(format!("data/{name}.before.folded"), before.clone().into_bytes());
        found.files.insert(format!("data/{name}.after.folded"), now.clone().into_bytes());
        found.stacks = Some(Stacks {
            before: Folded { row: row(about.against.as_deref().unwrap_or("")), text: before, runs: 1.0 },
            now: Folded { row: row(&about.row), text: now, runs: 1.0 },
            kind: about.kind,
        });
    }
    Ok(found)
}
