//! The catalogue of a store: every name, and where its contents lie. A hash guards it; nothing in it is trusted
//! before it was checked, for a name such as `../../etc/passwd` would otherwise be restored.

use anyhow::{Context, Result, bail, ensure};
use codecs::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What a catalogue file begins with.
const MAGIC: &[u8] = b"assay store 2\n";

/// Every name in a store, and where its contents lie.
#[derive(Serialize, Deserialize)]
pub(crate) struct Catalogue<'a> {
    /// How it is stored: layout, codec and hash, in words.
    pub(crate) form: &'a str,
    /// The root, whose path is empty, then every directory after the one that it lies in.
    #[serde(borrow)]
    pub(crate) directories: Vec<Directory<'a>>,
    /// The files, directory by directory.
    #[serde(borrow)]
    pub(crate) files: Vec<File<'a>>,
    /// The symbolic links.
    #[serde(borrow)]
    pub(crate) links: Vec<Link<'a>>,
    /// The different contents; each file names one.
    pub(crate) contents: Vec<Content>,
    /// The blocks of a pack; none where every content is an object of its own.
    pub(crate) blocks: Vec<Block>,
    /// The hash of each packed block, where blocks are sealed; else none. They stand behind the rest, as they are.
    #[serde(skip)]
    pub(crate) seals: Vec<[u8; 32]>,
}

/// A directory.
#[derive(Serialize, Deserialize)]
pub(crate) struct Directory<'a> {
    path: &'a [u8],
    pub(crate) mode: u32,
    /// How many files lie right in it.
    pub(crate) files: u32,
}

/// A file.
#[derive(Serialize, Deserialize)]
pub(crate) struct File<'a> {
    pub(crate) directory: u32,
    name: &'a [u8],
    pub(crate) mode: u32,
    pub(crate) mtime: (i64, u32),
    pub(crate) content: u32,
}

/// A symbolic link.
#[derive(Serialize, Deserialize)]
pub(crate) struct Link<'a> {
    pub(crate) directory: u32,
    name: &'a [u8],
    to: &'a [u8],
}

/// A content that one file or several have.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Content {
    digest: [u8; 32],
    pub(crate) len: u64,
    /// The size of its object; zero in a pack.
    pub(crate) packed: u64,
    /// Its first block in a pack.
    pub(crate) block: u32,
    /// Where in that block.
    pub(crate) offset: u32,
}

/// A stretch of a pack that is decoded at once.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Block {
    pub(crate) at: u64,
    pub(crate) packed: u32,
    pub(crate) plain: u32,
}

impl<'a> Directory<'a> {
    pub(crate) fn new(path: &'a Path, mode: u32, files: u32) -> Directory<'a> {
        Directory { path: path.as_os_str().as_bytes(), mode, files }
    }

    pub(crate) fn path(&self) -> &'a Path {
        Path::new(OsStr::from_bytes(self.path))
    }

    /// The mode with which it is made: its own and what its owner needs to fill it; on demand, what `MkdirAll` gives.
    /// Where that is not what it should have, it is set when the directory is full.
    pub(crate) fn made_with(&self, up_front: bool) -> u32 {
        if up_front { self.mode | 0o700 } else { 0o755 }
    }
}

impl<'a> File<'a> {
    pub(crate) fn new(directory: u32, name: &'a OsStr, mode: u32, mtime: (i64, u32), content: u32) -> File<'a> {
        File { directory, name: name.as_bytes(), mode, mtime, content }
    }

    pub(crate) fn name(&self) -> &'a Path {
        Path::new(OsStr::from_bytes(self.name))
    }
}

impl<'a> Link<'a> {
    pub(crate) fn new(directory: u32, name: &'a OsStr, to: &'a Path) -> Link<'a> {
        Link { directory, name: name.as_bytes(), to: to.as_os_str().as_bytes() }
    }

    pub(crate) fn name(&self) -> &'a Path {
        Path::new(OsStr::from_bytes(self.name))
    }

    pub(crate) fn to(&self) -> &'a Path {
        Path::new(OsStr::from_bytes(self.to))
    }
}

impl Content {
    pub(crate) fn new(digest: Digest, len: u64) -> Content {
        Content { digest: digest.0, len, packed: 0, block: 0, offset: 0 }
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest(self.digest)
    }

    /// The name of its object, below the store.
    pub(crate) fn object(&self) -> PathBuf {
        object(&self.digest())
    }
}

/// The name of an object: its digest, spread over 256 directories.
pub(crate) fn object(digest: &Digest) -> PathBuf {
    let hex = digest.to_string();
    PathBuf::from(format!("objects/{}/{}", &hex[..2], &hex[2..]))
}

impl<'a> Catalogue<'a> {
    /// The bytes of a catalogue file.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut body = postcard::to_stdvec(self).context("writing the catalogue")?;
        body.extend_from_slice(self.seals.as_flattened());
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(blake3::hash(&body).as_bytes());
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// Reads and checks the bytes of a catalogue file.
    pub(crate) fn from_bytes(bytes: &'a [u8]) -> Result<Catalogue<'a>> {
        let rest = bytes.strip_prefix(MAGIC).context("it is no catalogue of this edition")?;
        let (hash, body) = rest.split_at_checked(32).context("it is cut short")?;
        ensure!(blake3::hash(body).as_bytes() == hash, "its bytes are not those that were written");
        let (mut catalogue, seals): (Catalogue, &[u8]) =
            postcard::take_from_bytes(body).context("its contents make no sense")?;
        let (seals, more) = seals.as_chunks::<32>();
        ensure!(more.is_empty(), "something follows that makes no sense");
        catalogue.seals = seals.to_vec();
        catalogue.check()?;
        Ok(catalogue)
    }

    /// The bytes of all contents as they lie in the store.
    pub(crate) fn packed(&self) -> u64 {
        self.contents.iter().map(|content| content.packed).sum::<u64>()
            + self.blocks.iter().map(|block| u64::from(block.packed)).sum::<u64>()
    }

    /// Where a file lies, for messages and absolute names.
    pub(crate) fn path_of(&self, file: &File) -> PathBuf {
        self.directories[file.directory as usize].path().join(file.name())
    }

    /// Where a link lies.
    pub(crate) fn path_of_link(&self, link: &Link) -> PathBuf {
        self.directories[link.directory as usize].path().join(OsStr::from_bytes(link.name))
    }

    /// Checks what matters only to a tree that stands already, or to who does not trust the catalogue's maker: each
    /// directory lies in one that is listed before it, and no name stands for two things, so that none is restored
    /// through a link that the catalogue itself brings along.
    pub(crate) fn check_tree(&self) -> Result<()> {
        let mut there: BTreeSet<&Path> = BTreeSet::new();
        for directory in &self.directories {
            let path = directory.path();
            let above = path.parent().is_none_or(|above| there.contains(above));
            ensure!(above, "the directory {} lies in one that is not listed: refused", path.display());
            ensure!(there.insert(path), "{} is listed twice: refused", path.display());
        }
        let mut names: BTreeSet<PathBuf> = BTreeSet::new();
        let paths = self.files.iter().map(|file| self.path_of(file));
        for path in paths.chain(self.links.iter().map(|link| self.path_of_link(link))) {
            let once = !there.contains(path.as_path()) && !names.contains(&path);
            ensure!(once, "{} is listed twice: refused", path.display());
            names.insert(path);
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let root = self.directories.first().context("there is no root directory")?;
        ensure!(root.path.is_empty(), "the first directory is not the root");
        let sealed = self.seals.is_empty() || self.seals.len() == self.blocks.len();
        ensure!(sealed, "it has {} blocks, and {} hashes of blocks", self.blocks.len(), self.seals.len());
        for directory in &self.directories[1..] {
            for part in directory.path.split(|byte| *byte == b'/') {
                check_name(part).with_context(|| format!("the directory {}", directory.path().display()))?;
            }
        }
        for file in &self.files {
            self.check_place(file.directory, file.name)?;
            let content = self.contents.get(file.content as usize);
            let content = content.with_context(|| format!("{} has no content", self.path_of(file).display()))?;
            ensure!(file.mtime.1 < 1_000_000_000, "{} has no proper time", self.path_of(file).display());
            if !self.blocks.is_empty() {
                self.check_blocks(content).with_context(|| self.path_of(file).display().to_string())?;
            }
        }
        for link in &self.links {
            self.check_place(link.directory, link.name)?;
            ensure!(!link.to.is_empty() && !link.to.contains(&0), "{:?} points nowhere", link.name.escape_ascii());
        }
        Ok(())
    }

    fn check_place(&self, directory: u32, name: &[u8]) -> Result<()> {
        ensure!((directory as usize) < self.directories.len(), "a file lies in a directory that is not listed");
        check_name(name).with_context(|| format!("a name in {}", self.directories[directory as usize].path().display()))
    }

    /// A content lies within one block, or begins a block and fills it and those that follow.
    fn check_blocks(&self, content: &Content) -> Result<()> {
        let first = self.blocks.get(content.block as usize).context("its block does not exist")?;
        if u64::from(content.offset) + content.len <= u64::from(first.plain) {
            return Ok(());
        }
        ensure!(content.offset == 0, "it reaches over the end of its block");
        let mut left = content.len;
        for block in &self.blocks[content.block as usize..] {
            ensure!(block.plain > 0, "one of its blocks is empty");
            left = left.saturating_sub(u64::from(block.plain));
            if left == 0 {
                return Ok(());
            }
        }
        bail!("its blocks end before it does")
    }
}

/// One part of a path: no way out of the target, and nothing that the kernel reads otherwise.
fn check_name(name: &[u8]) -> Result<()> {
    let shown = name.escape_ascii();
    ensure!(!name.is_empty() && name != b"." && name != b"..", "{shown:?} is no name: refused");
    ensure!(!name.contains(&b'/') && !name.contains(&0), "{shown:?} is no name of one part: refused");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(directory: u32, name: &str, content: u32) -> File<'_> {
        File::new(directory, OsStr::new(name), 0o644, (0, 0), content)
    }

    fn catalogue<'a>(directories: &[&'a str], files: Vec<File<'a>>) -> Catalogue<'a> {
        let directories = directories.iter().map(|path| Directory::new(Path::new(*path), 0o755, 0)).collect();
        let contents = vec![Content::new(Digest([7; 32]), 3)];
        Catalogue {
            form: "test",
            directories,
            files,
            links: Vec::new(),
            contents,
            blocks: Vec::new(),
            seals: Vec::new(),
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = catalogue(&["", "a", "a/b"], vec![file(2, "c.py", 0)]).to_bytes().unwrap();
        let read = Catalogue::from_bytes(&bytes).unwrap();
        assert_eq!(read.path_of(&read.files[0]), Path::new("a/b/c.py"));
        assert_eq!(read.contents[0].digest(), Digest([7; 32]));
    }

    #[test]
    fn hostile_names_are_refused() {
        for name in ["..", ".", "", "a/b", "/etc/passwd", "../x", "nul\0"] {
            let bytes = catalogue(&[""], vec![file(0, name, 0)]).to_bytes().unwrap();
            let told = format!("{:#}", Catalogue::from_bytes(&bytes).err().expect(name));
            assert!(told.contains("refused"), "{name}: {told}");
        }
        for path in ["/etc", "a/../b", "..", "a//b", "a/", "./a"] {
            let bytes = catalogue(&["", path], Vec::new()).to_bytes().unwrap();
            assert!(Catalogue::from_bytes(&bytes).is_err(), "{path}");
        }
    }

    #[test]
    fn a_tree_that_could_lead_elsewhere_is_refused() {
        let mut two = catalogue(&["", "a"], vec![file(0, "b", 0)]);
        two.check_tree().unwrap();
        two.links.push(Link::new(0, OsStr::new("c"), Path::new("/etc")));
        two.check_tree().unwrap();
        for name in ["a", "b", "c"] {
            let mut bad = catalogue(&["", "a"], vec![file(0, "b", 0)]);
            bad.links.push(Link::new(0, OsStr::new("c"), Path::new("/etc")));
            bad.links.push(Link::new(0, OsStr::new(name), Path::new("/etc")));
            let told = bad.check_tree().unwrap_err().to_string();
            assert!(told.contains("twice") && told.contains(name), "{told}");
        }
        for directories in [&["", "a/b"][..], &["", "a/b", "a"], &["", "a", "a"]] {
            let told = catalogue(directories, Vec::new()).check_tree().unwrap_err().to_string();
            assert!(told.contains("refused"), "{told}");
        }
    }

    #[test]
    fn what_points_nowhere_is_refused() {
        for bad in [file(1, "a", 0), file(0, "a", 1)] {
            let bytes = catalogue(&[""], vec![bad]).to_bytes().unwrap();
            assert!(Catalogue::from_bytes(&bytes).is_err());
        }
    }

    #[test]
    fn hashes_of_blocks_that_are_not_there_are_refused() {
        let mut odd = catalogue(&[""], Vec::new());
        odd.seals.push([7; 32]);
        let told = format!("{:#}", Catalogue::from_bytes(&odd.to_bytes().unwrap()).err().unwrap());
        assert!(told.contains("0 blocks, and 1 hashes"), "{told}");
    }

    #[test]
    fn a_flipped_bit_anywhere_is_found() {
        let bytes = catalogue(&["", "a"], vec![file(1, "b", 0)]).to_bytes().unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Catalogue::from_bytes(&damaged).is_err(), "byte {at}");
        }
        for cut in 0..bytes.len() {
            assert!(Catalogue::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
