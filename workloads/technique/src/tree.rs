//! The yardstick of all workloads that fill a directory: paths, types, modes, link targets, times and bytes.

use crate::{Concession, Outcome, Promise};
use anyhow::Result;
use fixtures::tree::{Entry, Kind, hashed, scan};
use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What stands in a directory, as facts. Modification times are those of files: a directory's own changes with
/// every name made in it, and only some tools put it back. Times and shared inodes are held against those rows
/// alone that promise to keep them; modes, links and empty directories against all that do not give them up.
pub fn outcome(root: &Path) -> Result<Outcome> {
    outcome_of(root, scan(root)?)
}

/// The same of entries that were found there, and that the caller may see otherwise than they are: a link as the file
/// behind it.
pub fn outcome_of(root: &Path, entries: Vec<Entry>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let files = entries.iter().filter(|entry| matches!(entry.kind, Kind::File { .. }));
    let hold_files: HashSet<_> = files.flat_map(|entry| entry.path.ancestors().skip(1)).map(Path::to_owned).collect();
    for (entry, hash) in hashed(root, entries)? {
        let path = entry.path.as_os_str().as_bytes();
        let mode = format!("{:o}", entry.mode);
        match &entry.kind {
            Kind::Directory if hold_files.contains(&entry.path) => {
                outcome.state(path, "", "directory");
                outcome.state_unless(Concession::Modes, path, "mode", mode);
            }
            Kind::Directory => {
                outcome.state_unless(Concession::Kinds, path, "", format!("empty directory {mode}"));
            }
            Kind::Symlink { to } => {
                outcome.state_unless(Concession::Kinds, path, "", format!("link to {}", to.display()));
            }
            Kind::Other { what } => outcome.state(path, "", (*what).to_owned()),
            Kind::File { len, links } => {
                let hash = hash.map_or(String::new(), |hash| hash.to_hex()[..32].to_owned());
                outcome.state(path, "", format!("file, {len} bytes, {hash}"));
                outcome.state_unless(Concession::Modes, path, "mode", mode);
                let mtime = format!("{}.{:09}", entry.mtime.0, entry.mtime.1);
                outcome.state_if(Promise::TimesKept, path, "mtime", mtime);
                if *links > 1 {
                    outcome.state_if(Promise::Independent, path, "names", format!("{links}"));
                }
            }
        }
    }
    Ok(outcome)
}
