//! Stores: a tree, packed. Either each content is an object of its own, or contents stand in the blocks of one pack.

use crate::catalogue::{Block, Catalogue, Content, Directory, File, Link, object};
use crate::dictionary;
use crate::watch::Watch;
use anyhow::{Context, Result, bail};
use codecs::{Codec, Digest, Hash};
use fixtures::tree::{Entry, Kind, scan};
use rayon::prelude::*;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::Path;

/// How contents lie in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Each content is a packed object of its own, named by its hash.
    Loose,
    /// The same, packed with a dictionary that was trained on the small ones.
    Trained,
    /// Contents stand side by side in blocks of so many bytes, each packed by itself, all in one file.
    Pack {
        /// The plain size of a block.
        block: usize,
    },
    /// Contents stand side by side in one file, packed as one: who wants the last unpacks all before it. What is longer
    /// than `STRETCH` is several such, one after the other.
    Stream,
}

/// The plain bytes of a stream, unless one content alone has more: who packs holds them in memory.
const STRETCH: usize = 64 << 20;

/// What a store is made of: its layout, codec and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// How contents lie in it.
    pub layout: Layout,
    /// How they are packed.
    pub codec: Codec,
    /// What names and verifies them.
    pub hash: Hash,
}

impl Form {
    /// The form of that name, as a catalogue has it: `pack-256k-zstd-3-blake3`.
    pub fn named(name: &str) -> Option<Form> {
        let (layout, rest) = match name.split_once('-')? {
            ("loose", rest) => (Layout::Loose, rest),
            ("trained", rest) => (Layout::Trained, rest),
            ("stream", rest) => (Layout::Stream, rest),
            ("pack", rest) => {
                let (size, rest) = rest.split_once('-')?;
                let (digits, unit) = size.split_at_checked(size.len().checked_sub(1)?)?;
                let unit = match unit {
                    "k" => 1024,
                    "b" => 1,
                    _ => return None,
                };
                let block = digits.parse::<usize>().ok()?.checked_mul(unit).filter(|block| *block > 0)?;
                (Layout::Pack { block }, rest)
            }
            _ => return None,
        };
        let (codec, hash) = rest.rsplit_once('-')?;
        Some(Form { layout, codec: Codec::named(codec)?, hash: Hash::named(hash)? })
    }
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.layout {
            Layout::Loose => write!(f, "loose-{}-{}", self.codec.name(), self.hash.name()),
            Layout::Trained => write!(f, "trained-{}-{}", self.codec.name(), self.hash.name()),
            Layout::Stream => write!(f, "stream-{}-{}", self.codec.name(), self.hash.name()),
            Layout::Pack { block } => {
                let unit = if block % 1024 == 0 { format!("{}k", block >> 10) } else { format!("{block}b") };
                write!(f, "pack-{unit}-{}-{}", self.codec.name(), self.hash.name())
            }
        }
    }
}

/// The name of the catalogue in a store.
pub(crate) const CATALOGUE: &str = "catalogue";
/// The name of the pack in a store.
pub(crate) const PACK: &str = "pack";

impl Form {
    /// Packs the tree at `source` into a new store.
    pub fn pack(self, source: &Path, store: &Path) -> Result<()> {
        self.pack_watched(source, store, &Watch::default())
    }

    /// The same, while somebody watches. Every byte passes twice: once to be named by its hash, once to be packed.
    pub fn pack_watched(self, source: &Path, store: &Path, watch: &Watch) -> Result<()> {
        fs::create_dir(store).with_context(|| format!("making {}", store.display()))?;
        let form = self.to_string();
        let entries = scan(source)?;
        let source = Source { dir: source, watch };
        let mut tree = Tree::of(&entries)?;
        let (mut contents, files) = contents_of(self.hash, source, &tree)?;
        let mut blocks = Vec::new();
        match self.layout {
            Layout::Loose => self.write_objects(source, store, &tree, &files, &mut contents, None)?,
            Layout::Trained => {
                let lengths: Vec<u64> = files.iter().map(|content| contents[*content as usize].len).collect();
                let trained = dictionary::train(source, &tree, &lengths, store)?;
                self.write_objects(source, store, &tree, &files, &mut contents, trained.as_deref())?;
            }
            Layout::Pack { block } => {
                blocks = self.write_pack(source, store, &tree, &files, &mut contents, block, block)?;
            }
            Layout::Stream => {
                blocks = self.write_pack(source, store, &tree, &files, &mut contents, STRETCH, usize::MAX)?;
            }
        }
        for (file, content) in tree.files.iter_mut().zip(&files) {
            file.1.content = *content;
        }
        let Tree { directories, files, links } = tree;
        let files = files.into_iter().map(|(_, file)| file).collect();
        let catalogue = Catalogue { form: &form, directories, files, links, contents, blocks };
        let path = store.join(CATALOGUE);
        fs::write(&path, catalogue.to_bytes()?).with_context(|| format!("writing {}", path.display()))
    }

    fn write_objects(
        self,
        source: Source,
        store: &Path,
        tree: &Tree,
        files: &[u32],
        contents: &mut [Content],
        dictionary: Option<&[u8]>,
    ) -> Result<()> {
        for top in 0..=255u8 {
            let dir = store.join(format!("objects/{top:02x}"));
            fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        }
        let first = first_files(files, contents.len());
        let packed: Vec<u64> = first
            .par_iter()
            .zip(contents.par_iter())
            .map_init(
                || self.codec.packer(dictionary),
                |packer, (file, content)| {
                    let packer = packer.as_mut().map_err(|error| anyhow::anyhow!("{error:#}"))?;
                    let bytes = packer.pack(&source.read(&tree.files[*file].0.path)?)?;
                    let path = store.join(object(&content.digest()));
                    fs::write(&path, &bytes).with_context(|| format!("writing {}", path.display()))?;
                    Ok(bytes.len() as u64)
                },
            )
            .collect::<Result<_>>()?;
        for (content, packed) in contents.iter_mut().zip(packed) {
            content.packed = packed;
        }
        Ok(())
    }

    /// Small contents share a block, directory by directory; a content that is larger than a block has blocks of its
    /// own of so many bytes, so that a worker decodes it piece by piece in a cache-sized buffer.
    #[expect(clippy::too_many_arguments, reason = "two sizes beside what all layouts are written from")]
    fn write_pack(
        self,
        source: Source,
        store: &Path,
        tree: &Tree,
        files: &[u32],
        contents: &mut [Content],
        size: usize,
        piece: usize,
    ) -> Result<Vec<Block>> {
        let first = first_files(files, contents.len());
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut filled = usize::MAX;
        for (at, content) in contents.iter().enumerate() {
            let len = usize::try_from(content.len).context("a content fits in memory")?;
            if len > size {
                groups.push(vec![at]);
                filled = usize::MAX;
            } else if filled.saturating_add(len) > size {
                groups.push(vec![at]);
                filled = len;
            } else {
                groups.last_mut().expect("a group was begun").push(at);
                filled += len;
            }
        }
        let packed: Vec<Vec<(Vec<u8>, usize)>> = groups
            .par_iter()
            .map_init(
                || self.codec.packer(None),
                |packer, group| {
                    let packer = packer.as_mut().map_err(|error| anyhow::anyhow!("{error:#}"))?;
                    let mut plain = Vec::new();
                    for content in group {
                        plain.extend(source.read(&tree.files[first[*content]].0.path)?);
                    }
                    // A group of empty contents still is a block.
                    let pieces: Vec<&[u8]> = if plain.is_empty() { vec![&[]] } else { plain.chunks(piece).collect() };
                    pieces.into_iter().map(|piece| Ok((packer.pack(piece)?, piece.len()))).collect()
                },
            )
            .collect::<Result<_>>()?;
        let path = store.join(PACK);
        let writing = || format!("writing {}", path.display());
        let mut file = std::io::BufWriter::new(fs::File::create_new(&path).with_context(writing)?);
        let mut blocks = Vec::new();
        let mut at = 0;
        for (group, pieces) in groups.iter().zip(&packed) {
            let block = u32::try_from(blocks.len()).context("a pack has fewer than 2^32 blocks")?;
            let mut offset = 0;
            for content in group {
                contents[*content].block = block;
                contents[*content].offset = u32::try_from(offset).context("a block is smaller than 4 GiB")?;
                offset += contents[*content].len;
            }
            for (bytes, plain) in pieces {
                file.write_all(bytes).with_context(writing)?;
                let size = |len: usize| u32::try_from(len).context("a block is smaller than 4 GiB");
                blocks.push(Block { at, packed: size(bytes.len())?, plain: size(*plain)? });
                at += bytes.len() as u64;
            }
        }
        file.flush().with_context(writing)?;
        Ok(blocks)
    }
}

/// The different contents of a tree in the order in which files first have them, and each file's among them.
pub(crate) fn contents_of(hash: Hash, source: Source, tree: &Tree) -> Result<(Vec<Content>, Vec<u32>)> {
    let digests: Vec<(Digest, u64)> = tree
        .files
        .par_iter()
        .map(|(entry, _)| {
            let bytes = source.read(&entry.path)?;
            Ok((hash.of(&bytes), bytes.len() as u64))
        })
        .collect::<Result<_>>()?;
    let mut contents = Vec::new();
    let mut known = HashMap::new();
    let mut of_files = Vec::with_capacity(digests.len());
    for (digest, len) in digests {
        let next = u32::try_from(contents.len()).context("a store holds fewer than 2^32 contents")?;
        let at = *known.entry(digest).or_insert_with(|| {
            contents.push(Content::new(digest, len));
            next
        });
        of_files.push(at);
    }
    Ok((contents, of_files))
}

/// The names of a tree as the catalogue lists them; files stand beside the entry that they come from.
pub(crate) struct Tree<'a> {
    pub(crate) directories: Vec<Directory<'a>>,
    pub(crate) files: Vec<(&'a Entry, File<'a>)>,
    pub(crate) links: Vec<Link<'a>>,
}

impl<'a> Tree<'a> {
    pub(crate) fn of(entries: &'a [Entry]) -> Result<Tree<'a>> {
        let mut tree =
            Tree { directories: vec![Directory::new(Path::new(""), 0o755, 0)], files: vec![], links: vec![] };
        let mut known: HashMap<&Path, u32> = HashMap::from([(Path::new(""), 0)]);
        for entry in entries {
            let name = entry.path.file_name().unwrap_or(OsStr::new(""));
            let directory = known[entry.path.parent().unwrap_or(Path::new(""))];
            match &entry.kind {
                Kind::Directory => {
                    known.insert(&entry.path, u32::try_from(tree.directories.len()).context("too many directories")?);
                    tree.directories.push(Directory::new(&entry.path, entry.mode, 0));
                }
                Kind::File { .. } => {
                    tree.directories[directory as usize].files += 1;
                    tree.files.push((entry, File::new(directory, name, entry.mode, entry.mtime, 0)));
                }
                Kind::Symlink { to } => tree.links.push(Link::new(directory, name, to)),
                Kind::Other { what } => bail!("{} is {what}: a store does not hold such", entry.path.display()),
            }
        }
        // Directory by directory, so that one is entered once; the order of names stays.
        tree.files.sort_by_key(|(_, file)| file.directory);
        Ok(tree)
    }
}

/// For each content, the first file that has it.
fn first_files(files: &[u32], contents: usize) -> Vec<usize> {
    let mut first = vec![usize::MAX; contents];
    for (at, content) in files.iter().enumerate().rev() {
        first[*content as usize] = at;
    }
    first
}

/// What is packed, and who watches.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) watch: &'a Watch,
}

impl Source<'_> {
    fn read(self, path: &Path) -> Result<Vec<u8>> {
        let path = self.dir.join(path);
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        self.watch.passed(bytes.len() as u64)?;
        Ok(bytes)
    }
}
