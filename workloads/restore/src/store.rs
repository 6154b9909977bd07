//! Stores: a tree, packed. Either each content is an object of its own, or contents stand in the blocks of one pack.

use crate::catalogue::{Block, Catalogue, Content, Directory, File, Link, object};
use crate::dictionary;
use crate::form::{Form, Layout};
use crate::watch::Watch;
use anyhow::{Context, Result, bail};
use codecs::{Digest, Hash};
use fixtures::tree::{Entry, Kind, scan};
use rayon::prelude::*;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::Path;

/// The plain bytes of a stream, unless one content alone has more: who packs holds them in memory.
const STRETCH: usize = 64 << 20;

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
        let trained = if self.layout.has_dictionary() {
            let lengths: Vec<u64> = files.iter().map(|content| contents[*content as usize].len).collect();
            dictionary::train(source, &tree, &lengths, store)?
        } else {
            None
        };
        let mut pack = Pack::default();
        if self.layout.is_loose() {
            self.write_objects(source, store, &tree, &files, &mut contents, trained.as_deref())?;
        } else {
            let sizes = self.layout.block().map_or((STRETCH, usize::MAX), |block| (block, block));
            pack = self.write_pack(source, store, &tree, &files, &mut contents, sizes, trained.as_deref())?;
        }
        let Pack { blocks, seals } = pack;
        for (file, content) in tree.files.iter_mut().zip(&files) {
            file.1.content = *content;
        }
        let Tree { directories, files, links } = tree;
        let files = files.into_iter().map(|(_, file)| file).collect();
        let catalogue = Catalogue { form: &form, directories, files, links, contents, blocks, seals };
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
    #[expect(clippy::too_many_arguments, reason = "sizes and a dictionary beside what all layouts are written from")]
    fn write_pack(
        self,
        source: Source,
        store: &Path,
        tree: &Tree,
        files: &[u32],
        contents: &mut [Content],
        (size, piece): (usize, usize),
        dictionary: Option<&[u8]>,
    ) -> Result<Pack> {
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
        let packed: Vec<Vec<Piece>> = groups
            .par_iter()
            .map_init(
                || self.codec.packer(dictionary),
                |packer, group| {
                    let packer = packer.as_mut().map_err(|error| anyhow::anyhow!("{error:#}"))?;
                    let mut plain = Vec::new();
                    for content in group {
                        plain.extend(source.read(&tree.files[first[*content]].0.path)?);
                    }
                    // A group of empty contents still is a block.
                    let pieces: Vec<&[u8]> = if plain.is_empty() { vec![&[]] } else { plain.chunks(piece).collect() };
                    let sealing = matches!(self.layout, Layout::Sealed { .. });
                    let pack = |plain: &[u8]| {
                        let bytes = packer.pack(plain)?;
                        let seal = sealing.then(|| self.hash.of(&bytes).0);
                        Ok(Piece { packed: bytes, plain: plain.len(), seal })
                    };
                    pieces.into_iter().map(pack).collect()
                },
            )
            .collect::<Result<_>>()?;
        let path = store.join(PACK);
        let writing = || format!("writing {}", path.display());
        let mut file = std::io::BufWriter::new(fs::File::create_new(&path).with_context(writing)?);
        let mut pack = Pack::default();
        let mut at = 0;
        for (group, pieces) in groups.iter().zip(&packed) {
            let block = u32::try_from(pack.blocks.len()).context("a pack has fewer than 2^32 blocks")?;
            let mut offset = 0;
            for content in group {
                contents[*content].block = block;
                contents[*content].offset = u32::try_from(offset).context("a block is smaller than 4 GiB")?;
                offset += contents[*content].len;
            }
            for Piece { packed, plain, seal } in pieces {
                file.write_all(packed).with_context(writing)?;
                let size = |len: usize| u32::try_from(len).context("a block is smaller than 4 GiB");
                pack.blocks.push(Block { at, packed: size(packed.len())?, plain: size(*plain)? });
                pack.seals.extend(*seal);
                at += packed.len() as u64;
            }
        }
        file.flush().with_context(writing)?;
        Ok(pack)
    }
}

/// What a catalogue says of a pack.
#[derive(Default)]
struct Pack {
    blocks: Vec<Block>,
    /// The hash of each block as it lies there, where blocks have one.
    seals: Vec<[u8; 32]>,
}

/// A block, packed.
struct Piece {
    packed: Vec<u8>,
    plain: usize,
    seal: Option<[u8; 32]>,
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
