//! The yardstick: which files there are, and what is in them.

use crate::part::{held, recovered};
use anyhow::Result;
use fixtures::tree::{Kind, hashed, scan};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use technique::{Outcome, Promise, Site};

/// What each run should leave: every file, and every file again for who promises to have stored it.
pub(crate) fn expected(site: &Site) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    state(&mut outcome, &site.source, None)?;
    state(&mut outcome, &site.source, Some(Promise::Durable))?;
    Ok(outcome)
}

/// What the run has left.
pub(crate) fn outcome(site: &Site) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    state(&mut outcome, &held(site), None)?;
    let recovered = recovered(site);
    if recovered.exists() {
        state(&mut outcome, &recovered, Some(Promise::Durable))?;
    }
    Ok(outcome)
}

fn state(outcome: &mut Outcome, root: &Path, held_by: Option<Promise>) -> Result<()> {
    for (entry, hash) in hashed(root, scan(root)?)? {
        let (Kind::File { len, .. }, Some(hash)) = (&entry.kind, hash) else { continue };
        let says = format!("{len} bytes, {}", &hash.to_hex()[..32]);
        let path = entry.path.as_os_str().as_bytes();
        match held_by {
            None => outcome.state(path, "", says),
            Some(promise) => outcome.state_if(promise, path, "stored", says),
        }
    }
    Ok(())
}
