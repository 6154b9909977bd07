//! Sites: a fixture made real, with a place to fill.

use anyhow::{Context, Result};
use fixtures::Tally;
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// A fixture made real: `source` to read, `target` to fill, and a place for what is made once and used by every sample.
#[derive(Clone, Debug)]
pub struct Site {
    /// The fixture's tree. Nobody writes here.
    pub source: PathBuf,
    /// The place to fill. It is an empty directory when the work begins.
    pub target: PathBuf,
    /// What is in the source: files, directories, bytes.
    pub tally: Tally,
    kept: PathBuf,
    used: RefCell<Vec<PathBuf>>,
}

impl Site {
    /// A site on existing directories: `kept` holds what `keep` makes.
    pub fn new(source: PathBuf, target: PathBuf, kept: PathBuf, tally: Tally) -> Site {
        Site { source, target, tally, kept, used: RefCell::default() }
    }

    /// The place of something that is made once for all samples, such as a packed store.
    /// `make` gets a path that does not exist yet; only a finished thing is ever seen under its key.
    pub fn keep(&self, key: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let place = self.kept.join(key);
        self.used.borrow_mut().push(place.clone());
        if place.exists() {
            return Ok(place);
        }
        let unfinished = self.kept.join(format!("{key}.part"));
        fixtures::remove_tree(&unfinished)?;
        std::fs::create_dir_all(&self.kept).with_context(|| format!("making {}", self.kept.display()))?;
        make(&unfinished).with_context(|| format!("preparing {key}"))?;
        std::fs::rename(&unfinished, &place).with_context(|| format!("finishing {}", place.display()))?;
        Ok(place)
    }

    /// Where kept things lie.
    pub fn kept(&self) -> &Path {
        &self.kept
    }

    /// What was kept or found so far: the work reads it, so the harness warms it.
    pub fn used(&self) -> Vec<PathBuf> {
        self.used.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(dir: &Path) -> Site {
        Site::new(dir.join("source"), dir.join("target"), dir.join("kept"), Tally::default())
    }

    #[test]
    fn a_kept_thing_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(dir.path());
        let make = |path: &Path| Ok(std::fs::write(path, "packed")?);
        let place = site.keep("store", make).unwrap();
        let again = site.keep("store", |_| panic!("it is there already")).unwrap();
        assert_eq!(place, again);
        assert_eq!(std::fs::read_to_string(place).unwrap(), "packed");
    }

    #[test]
    fn a_half_made_thing_is_never_found() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(dir.path());
        let failed = site.keep("store", |path| {
            std::fs::create_dir(path)?;
            std::fs::write(path.join("half"), "x")?;
            anyhow::bail!("power cut")
        });
        assert!(format!("{:#}", failed.unwrap_err()).contains("power cut"));
        let place = site.keep("store", |path| Ok(std::fs::write(path, "whole")?)).unwrap();
        assert_eq!(std::fs::read_to_string(place).unwrap(), "whole");
    }
}
