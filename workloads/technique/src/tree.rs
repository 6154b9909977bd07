//! The yardstick of all workloads that fill a directory: paths, types, modes, link targets, times and bytes.

use crate::{Outcome, Promise};
use anyhow::Result;
use fixtures::tree::{Kind, hashed, scan};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What stands in a directory, as facts. Modification times are those of files: a directory's own changes with
/// every name made in it, and only some tools put it back. Times and shared inodes are held against those rows
/// alone that promise to keep them.
pub fn outcome(root: &Path) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for (entry, hash) in hashed(root, scan(root)?)? {
        let path = entry.path.as_os_str().as_bytes();
        match &entry.kind {
            Kind::Directory => outcome.state(path, "", format!("directory {:o}", entry.mode)),
            Kind::Symlink { to } => outcome.state(path, "", format!("link to {}", to.display())),
            Kind::Other { what } => outcome.state(path, "", (*what).to_owned()),
            Kind::File { len, links } => {
                let hash = hash.map_or(String::new(), |hash| hash.to_hex()[..32].to_owned());
                outcome.state(path, "", format!("file {:o}, {len} bytes, {hash}", entry.mode));
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
