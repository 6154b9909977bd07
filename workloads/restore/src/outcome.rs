//! The yardstick of a restore: that of all trees, but for rows that make links of files. Such a file is what one finds
//! behind the link; that it is not its own is held against rows that promise it.

use anyhow::{Context, Result};
use fixtures::tree::{Kind, scan};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use technique::{Outcome, Promise, Site, tree};

/// What stands in the target.
pub(crate) fn of_target(site: &Site) -> Result<Outcome> {
    let mut outcome = tree::outcome(&site.target)?;
    for entry in scan(&site.target)? {
        let Kind::Symlink { to } = &entry.kind else { continue };
        let was_file = fs::symlink_metadata(site.source.join(&entry.path)).is_ok_and(|meta| meta.is_file());
        let path = site.target.join(&entry.path);
        let Some(meta) = fs::metadata(&path).ok().filter(|meta| was_file && meta.is_file()) else { continue };
        let hash = blake3::hash(&fs::read(&path).with_context(|| format!("reading {}", path.display()))?);
        let (item, mode) = (entry.path.as_os_str().as_bytes(), meta.permissions().mode() & 0o7777);
        let said = format!("file {mode:o}, {} bytes, {}", meta.len(), &hash.to_hex()[..32]);
        outcome.state(item, "", said);
        let mtime = format!("{}.{:09}", meta.mtime(), meta.mtime_nsec());
        outcome.state_if(Promise::TimesKept, item, "mtime", mtime);
        outcome.state_if(Promise::Independent, item, "names", format!("a link to {}", to.display()));
    }
    Ok(outcome)
}
