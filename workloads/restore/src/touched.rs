//! What becomes of a tree that has come back: a user does not wait for it to stand, but for what he reads of it. A
//! restore pays for each file once; an image that is mounted pays when a file is read, and perhaps never.

use crate::knobs::Restore;
use crate::restore;
use anyhow::{Context, Result};
use fixtures::tree::{Kind, scan};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use technique::phase::{LIST, OPEN, READ};
use technique::{Lap, Promises, Site, Technique};

/// What is read of a tree, under the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// Every file, once.
    ReadAll,
    /// What a first import touches: all files of one directory in seven, since an import takes packages whole. Ten
    /// large packages were seen to touch 15 of a hundred files of an environment.
    Import,
}

/// Of so many directories that hold files, an import touches one.
const ONE_IN: usize = 7;
/// How much is read at once.
const PIECE: usize = 256 << 10;

impl Then {
    /// What an import will touch, found out before the clock: a program knows what it imports.
    pub(crate) fn imported(self, source: &Path) -> Result<Vec<PathBuf>> {
        if self != Then::Import {
            return Ok(Vec::new());
        }
        let mut files: Vec<PathBuf> = scan(source)?
            .into_iter()
            .filter(|entry| matches!(entry.kind, Kind::File { .. }))
            .map(|entry| entry.path)
            .collect();
        files.sort_unstable_by(|a, b| a.parent().cmp(&b.parent()).then_with(|| a.cmp(b)));
        let directories = files.chunk_by(|a, b| a.parent() == b.parent());
        Ok(directories.step_by(ONE_IN).flatten().cloned().collect())
    }

    /// Reads it.
    pub(crate) fn read(self, root: &Path, imported: &[PathBuf], lap: &mut Lap) -> Result<()> {
        match self {
            Then::Nothing => Ok(()),
            Then::ReadAll => read_all(root, &mut vec![0; PIECE], lap),
            Then::Import => {
                let mut buffer = vec![0; PIECE];
                imported.iter().try_for_each(|path| read_one(&root.join(path), &mut buffer, lap))
            }
        }
    }
}

/// A restore, and what is read then: what a mounted image is held against.
pub struct RestoredAndRead {
    /// How it is restored.
    pub by: Restore,
    /// What is read then.
    pub then: Then,
}

/// A store, a place for its tree, and what an import of it touches.
pub struct Ready {
    restore: restore::Ready,
    imported: Vec<PathBuf>,
}

impl Technique for RestoredAndRead {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        Ok(Ready { restore: self.by.prepare(site)?, imported: self.then.imported(&site.source)? })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        self.by.work(&mut ready.restore, lap)?;
        self.then.read(&ready.restore.target, &ready.imported, lap)
    }

    fn promises(&self) -> Promises {
        self.by.promises()
    }

    fn counted(&self, ready: &Ready) -> Vec<(&'static str, u64)> {
        self.by.counted(&ready.restore)
    }
}

/// Reads every file below a directory, one after the other.
fn read_all(dir: &Path, buffer: &mut [u8], lap: &mut Lap) -> Result<()> {
    let reading = || format!("reading {}", dir.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        names.push((entry.path(), entry.file_type().with_context(reading)?));
    }
    names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    lap.mark(LIST);
    for (path, kind) in names {
        if kind.is_dir() {
            read_all(&path, buffer, lap)?;
        } else if kind.is_file() {
            read_one(&path, buffer, lap)?;
        }
    }
    Ok(())
}

fn read_one(path: &Path, buffer: &mut [u8], lap: &mut Lap) -> Result<()> {
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    lap.mark(OPEN);
    while file.read(buffer).with_context(|| format!("reading {}", path.display()))? > 0 {}
    lap.mark(READ);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_touches_all_files_of_one_directory_in_seven() {
        let dir = tempfile::tempdir().unwrap();
        for at in 0..20 {
            let package = dir.path().join(format!("pkg{at:02}/sub"));
            fs::create_dir_all(&package).unwrap();
            fs::write(package.join("a.py"), "x").unwrap();
            fs::write(package.join("b.py"), "x").unwrap();
        }
        std::os::unix::fs::symlink("a.py", dir.path().join("pkg00/sub/link")).unwrap();
        let imported = Then::Import.imported(dir.path()).unwrap();
        let expected: Vec<PathBuf> = ["pkg00", "pkg07", "pkg14"]
            .iter()
            .flat_map(|package| ["a.py", "b.py"].map(|name| Path::new(package).join("sub").join(name)))
            .collect();
        assert_eq!(imported, expected);
        assert!(Then::ReadAll.imported(dir.path()).unwrap().is_empty());
        Then::Import.read(dir.path(), &imported, &mut Lap::start(false)).unwrap();
        fs::remove_file(dir.path().join(&imported[3])).unwrap();
        let told = Then::Import.read(dir.path(), &imported, &mut Lap::start(false)).unwrap_err();
        assert!(told.to_string().contains("pkg07/sub/b.py"), "{told}");
    }
}
