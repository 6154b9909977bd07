//! The notes of a campaign: what was tried stands there, line by line, so that a campaign of hours goes on where it was
//! stopped. Notes are of one build, one seed and one tree: under others a claim is another one.

use super::told::Line;
use super::{Item, PromisesArgs};
use crate::refusal::Refusal;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// An open file of notes.
pub(crate) struct Notes {
    file: File,
    path: PathBuf,
    noted: Vec<Value>,
}

impl Notes {
    /// Opens notes, or begins them.
    pub(crate) fn open(path: &Path, arguments: &PromisesArgs) -> Result<Notes> {
        let opening = || format!("opening the notes {}", path.display());
        if let Some(above) = path.parent() {
            std::fs::create_dir_all(above).with_context(opening)?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).with_context(opening)?;
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(opening)?;
        // A line without an end was being written when somebody pulled the plug.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole == 0 && !text.is_empty() {
            return Err(unreadable(path, 0));
        }
        let mut noted = Vec::new();
        for (at, line) in text[..whole].lines().enumerate() {
            noted.push(serde_json::from_str::<Value>(line).map_err(|_| unreadable(path, at))?);
        }
        let about = about(arguments)?;
        if let Some(other) = noted.first().filter(|other| **other != about) {
            let what = format!("the notes {} are of another campaign: {other}, now {about}", path.display());
            return Err(Refusal::usage(what, "name another file, or remove this one to begin anew"));
        }
        if let Some(at) = (1..noted.len()).find(|at| Line::of_json(&noted[*at]).is_none()) {
            return Err(unreadable(path, at));
        }
        // Only now is it known to be ours.
        file.set_len(whole as u64).with_context(opening)?;
        file.seek(SeekFrom::End(0)).with_context(opening)?;
        let mut all = Notes { file, path: path.to_owned(), noted };
        if all.noted.is_empty() {
            all.write(vec![about])?;
        }
        Ok(all)
    }

    /// Whether a row was tried in that way.
    pub(crate) fn has(&self, item: &Item) -> bool {
        self.of(item).next().is_some()
    }

    /// What came of it: one line, or one for each file system.
    pub(crate) fn of(&self, item: &Item) -> impl Iterator<Item = Line> {
        let lines = self.noted.iter().filter_map(Line::of_json);
        lines.filter(|line| {
            let rest = line.row.strip_prefix(&item.name);
            line.trial == item.trial && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" on "))
        })
    }

    /// Notes what came of one trial, all lines of it at once. What was absent is not done: it is tried again when it may
    /// be there.
    pub(crate) fn add(&mut self, lines: &[Line]) -> Result<()> {
        if lines.iter().any(|line| line.found.is_err()) {
            return Ok(());
        }
        self.write(lines.iter().map(Line::json).collect())
    }

    fn write(&mut self, lines: Vec<Value>) -> Result<()> {
        let text = lines.iter().fold(String::new(), |text, line| text + &line.to_string() + "\n");
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        written.with_context(|| format!("writing the notes {}", self.path.display()))?;
        self.noted.extend(lines);
        Ok(())
    }
}

fn unreadable(path: &Path, at: usize) -> anyhow::Error {
    let what = format!("line {} of the notes {} is none of a campaign", at + 1, path.display());
    Refusal::data(what, "name another file, or remove this one to begin anew")
}

/// What all notes of a file are about.
fn about(arguments: &PromisesArgs) -> Result<Value> {
    let mut build = blake3::Hasher::new();
    let program = std::env::current_exe().context("finding this program")?;
    let mut program = File::open(&program).with_context(|| format!("reading {}", program.display()))?;
    std::io::copy(&mut program, &mut build).context("reading this program")?;
    let build = build.finalize().to_hex().split_at(16).0.to_owned();
    let PromisesArgs { seed, moments, on, fs, .. } = arguments;
    let fs: Vec<&str> = fs.iter().map(|kind| kind.name()).collect();
    Ok(json!({"campaign": 1, "build": build, "seed": seed, "moments": moments, "on": on, "fs": fs}))
}
