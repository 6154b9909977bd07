//! A report's own directory: it has a list of its files, and no others in it are ever touched.

use super::Files;
use crate::fleet::is_url;
use crate::refusal::Refusal;
use anyhow::{Context, Result};
use std::path::Path;

/// The file that says that a directory is a report's, and which files in it are.
const MARKER: &str = ".assay-report";
const SIGNED: &str = "made by assay report, which replaces these files of its own";

/// The files that an earlier report made here; a place that holds anything else and no marker is refused.
pub(super) fn what_is_ours(out: &Path) -> Result<Vec<String>> {
    let refused = |what: String| Err(Refusal::usage(what, "name another place with --out DIR"));
    if is_url(out) {
        return refused(format!("{} is an address, and pages are files", out.display()));
    }
    if !out.exists() {
        return Ok(Vec::new());
    }
    if !out.is_dir() {
        return refused(format!("{} is no directory", out.display()));
    }
    let marker = out.join(MARKER);
    if !marker.is_file() {
        let mut entries = std::fs::read_dir(out).with_context(|| format!("looking into {}", out.display()))?;
        if entries.next().is_some() {
            return refused(format!("{} is not empty, and assay report did not make it", out.display()));
        }
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&marker).with_context(|| format!("reading {}", marker.display()))?;
    let mut lines = text.lines();
    if lines.next() != Some(SIGNED) {
        return refused(format!("{} was not made by assay report", marker.display()));
    }
    let is_inside =
        |path: &&str| Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    Ok(lines.filter(|path| !path.is_empty()).filter(is_inside).map(str::to_owned).collect())
}

/// Writes the files; those of an earlier report that are not made again are removed, and nothing else is touched.
pub(super) fn place(out: &Path, ours: &[String], files: &Files) -> Result<()> {
    for path in files.keys() {
        let there = out.join(path);
        if there.symlink_metadata().is_ok() && !ours.contains(path) {
            return Err(Refusal::usage(
                format!("{} is there already, and assay report did not make it", there.display()),
                "move it away, or name another place with --out DIR",
            ));
        }
    }
    std::fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;
    let mut listed: Vec<&str> = ours.iter().map(String::as_str).chain(files.keys().map(String::as_str)).collect();
    listed.sort_unstable();
    listed.dedup();
    // The list comes first, so that whatever an interruption leaves is known as ours.
    mark(out, &listed)?;
    for path in ours.iter().filter(|path| !files.contains_key(*path)) {
        // It may be gone already.
        let _ = std::fs::remove_file(out.join(path));
    }
    for (path, bytes) in files {
        let path = out.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    mark(out, &files.keys().map(String::as_str).collect::<Vec<_>>())
}

fn mark(out: &Path, listed: &[&str]) -> Result<()> {
    let marker = out.join(MARKER);
    let text = format!("{SIGNED}\n{}\n", listed.join("\n"));
    std::fs::write(&marker, text).with_context(|| format!("writing {}", marker.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_its_own_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("review");
        let files =
            |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), name.as_bytes().to_vec())).collect::<Files>();
        place(&out, &what_is_ours(&out).unwrap(), &files(&["a.html", "data/b"])).unwrap();
        std::fs::write(out.join("mine"), "mine").unwrap();
        place(&out, &what_is_ours(&out).unwrap(), &files(&["a.html", "data/c"])).unwrap();
        assert!(out.join("mine").is_file() && out.join("data/c").is_file() && !out.join("data/b").exists());
        let told = place(&out, &what_is_ours(&out).unwrap(), &files(&["mine"])).unwrap_err().to_string();
        assert!(told.contains("mine is there already"), "{told}");
        assert_eq!(std::fs::read_to_string(out.join("mine")).unwrap(), "mine");
        let foreign = dir.path().join("foreign");
        std::fs::create_dir(&foreign).unwrap();
        std::fs::write(foreign.join("x"), "x").unwrap();
        assert!(what_is_ours(&foreign).unwrap_err().to_string().contains("is not empty"));
        std::fs::write(foreign.join(MARKER), format!("{SIGNED}\n../../etc/x\n/etc/y\nz\n")).unwrap();
        assert_eq!(what_is_ours(&foreign).unwrap(), ["z"]);
    }
}
