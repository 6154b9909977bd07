//! The yardstick of a restore: that of all trees, but for rows that make links of files. Such a file is what one finds
//! behind the link; that it is not its own is held against rows that promise it.

use anyhow::Result;
use fixtures::tree::{Kind, scan};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use technique::{Outcome, Promise, Site, tree};

/// What stands in the target.
pub(crate) fn of_target(site: &Site) -> Result<Outcome> {
    let mut links = Vec::new();
    let mut entries = scan(&site.target)?;
    for entry in &mut entries {
        let Kind::Symlink { to } = &entry.kind else { continue };
        let was_file = fs::symlink_metadata(site.source.join(&entry.path)).is_ok_and(|meta| meta.is_file());
        let behind = fs::metadata(site.target.join(&entry.path)).ok();
        let Some(meta) = behind.filter(|meta| was_file && meta.is_file()) else { continue };
        links.push((entry.path.clone(), format!("a link to {}", to.display())));
        entry.kind = Kind::File { len: meta.len(), links: 1 };
        entry.mode = meta.permissions().mode() & 0o7777;
        entry.mtime = (meta.mtime(), u32::try_from(meta.mtime_nsec()).unwrap_or(0));
    }
    let mut outcome = tree::outcome_of(&site.target, entries)?;
    for (path, said) in links {
        outcome.state_if(Promise::Independent, path.as_os_str().as_bytes(), "names", said);
    }
    Ok(outcome)
}
