//! Payloads: every file of the site, packed one by one, and the receipts for having decoded them.

use crate::codec::Codec;
use crate::hash::{Digest, Hash};
use crate::zstd::train;
use anyhow::{Context, Result, bail, ensure};
use fixtures::tree::{Entry, Kind, hashed, scan};
use rayon::prelude::*;
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use technique::{Absent, Outcome, Site};

/// The size of a dictionary: what zstd's own tool makes.
const DICTIONARY_LEN: usize = 110 << 10;
/// How many bytes a dictionary is trained on: a hundred times its size, as zstd advises.
const SAMPLES_LEN: u64 = 100 * DICTIONARY_LEN as u64;
/// A dictionary is for files that are too small to teach the codec anything themselves.
const SMALL: u64 = 16 << 10;
/// To be raised with every change to what is kept, so that no old one is taken for a new one.
const EDITION: u32 = 1;

/// Packed payloads in memory, in the order of their paths.
pub(crate) struct Payloads {
    bytes: Vec<u8>,
    dictionary: Option<Range<usize>>,
    items: Vec<Item>,
}

struct Item {
    path: PathBuf,
    plain_len: usize,
    digests: [Digest; Hash::ALL.len()],
    packed: Range<usize>,
}

/// One packed payload.
#[derive(Clone, Copy)]
pub(crate) struct Payload<'a> {
    /// The file that it was.
    pub(crate) path: &'a Path,
    /// How long that file was.
    pub(crate) plain_len: usize,
    /// Its packed bytes.
    pub(crate) packed: &'a [u8],
    digests: &'a [Digest; Hash::ALL.len()],
}

impl Payload<'_> {
    /// Says no where the digest is not that of the file.
    pub(crate) fn verify(&self, hash: Hash, digest: Digest) -> Result<()> {
        let right = self.digests[hash as usize];
        let name = hash.name();
        ensure!(digest == right, "{}: {name} is {digest}, should be {right}", self.path.display());
        Ok(())
    }
}

impl Payloads {
    /// All files of the site, packed. Packing is done once for all samples; this only reads what was kept.
    pub(crate) fn of(site: &Site, codec: Codec, with_dictionary: bool) -> Result<Payloads> {
        let suffix = if with_dictionary { "-dict" } else { "" };
        let place = site.keep(&format!("payloads-{EDITION}-{codec}{suffix}"), |path| {
            let entries = scan(&site.source)?;
            let dictionary = if with_dictionary { Some(dictionary(&site.source, &entries)?) } else { None };
            Ok(std::fs::write(path, pack(&site.source, &entries, codec, dictionary.as_deref())?)?)
        })?;
        let bytes = std::fs::read(&place).with_context(|| format!("reading {}", place.display()))?;
        Payloads::read(bytes).with_context(|| format!("{} is damaged: remove it", place.display()))
    }

    /// The dictionary that they were packed with.
    pub(crate) fn dictionary(&self) -> Option<&[u8]> {
        self.dictionary.clone().map(|range| &self.bytes[range])
    }

    /// They, one by one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Payload<'_>> {
        self.items.iter().map(|item| Payload {
            path: &item.path,
            plain_len: item.plain_len,
            packed: &self.bytes[item.packed.clone()],
            digests: &item.digests,
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The length of the longest file.
    pub(crate) fn longest(&self) -> usize {
        self.items.iter().map(|item| item.plain_len).max().unwrap_or(0)
    }

    fn read(bytes: Vec<u8>) -> Result<Payloads> {
        let mut reader = Reader { bytes: &bytes, at: 0 };
        let dictionary = reader.piece()?;
        let mut items = Vec::new();
        while reader.at < bytes.len() {
            items.push(Item {
                path: PathBuf::from(OsStr::from_bytes(&bytes[reader.piece()?])),
                plain_len: reader.number()?,
                digests: [reader.digest()?, reader.digest()?],
                packed: reader.piece()?,
            });
        }
        let dictionary = Some(dictionary).filter(|range| !range.is_empty());
        Ok(Payloads { bytes, dictionary, items })
    }
}

fn files(entries: &[Entry]) -> Vec<(&Path, u64)> {
    let file = |entry: &Entry| matches!(entry.kind, Kind::File { .. });
    let len = |entry: &Entry| if let Kind::File { len, .. } = entry.kind { len } else { 0 };
    entries.iter().filter(|entry| file(entry)).map(|entry| (entry.path.as_path(), len(entry))).collect()
}

/// All files packed, behind the dictionary: each with its path, length, digests and packed bytes.
fn pack(source: &Path, entries: &[Entry], codec: Codec, dictionary: Option<&[u8]>) -> Result<Vec<u8>> {
    let packed: Vec<Vec<u8>> = files(entries)
        .par_chunks(64)
        .map(|chunk| {
            let mut packer = codec.packer(dictionary)?;
            let mut records = Vec::new();
            for (path, _) in chunk {
                let plain = read(source, path)?;
                write_piece(&mut records, path.as_os_str().as_bytes());
                write_number(&mut records, plain.len());
                for hash in Hash::ALL {
                    records.extend(hash.of(&plain).0);
                }
                write_piece(&mut records, &packer.pack(&plain)?);
            }
            Ok(records)
        })
        .collect::<Result<_>>()?;
    let mut bytes = Vec::new();
    write_piece(&mut bytes, dictionary.unwrap_or_default());
    for records in packed {
        bytes.extend(records);
    }
    Ok(bytes)
}

/// A dictionary trained on small files from all over the tree: it belongs to that tree, as it would in a store.
fn dictionary(source: &Path, entries: &[Entry]) -> Result<Vec<u8>> {
    let small: Vec<_> = files(entries).into_iter().filter(|(_, len)| (1..=SMALL).contains(len)).collect();
    let bytes: u64 = small.iter().map(|(_, len)| len).sum();
    let stride = usize::try_from(bytes.div_ceil(SAMPLES_LEN)).expect("a tree has fewer than 2^64 files").max(1);
    let samples = small.iter().step_by(stride).map(|(path, _)| read(source, path)).collect::<Result<Vec<_>>>()?;
    let samples: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
    train(&samples, DICTIONARY_LEN)
        .map_err(|why| Absent::because(format!("{why:#}"), "take a fixture with more small files"))
}

fn read(source: &Path, path: &Path) -> Result<Vec<u8>> {
    let full = source.join(path);
    std::fs::read(&full).with_context(|| format!("reading {}", full.display()))
}

fn write_number(to: &mut Vec<u8>, number: usize) {
    to.extend((number as u64).to_le_bytes());
}

fn write_piece(to: &mut Vec<u8>, piece: &[u8]) {
    write_number(to, piece.len());
    to.extend_from_slice(piece);
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (array, _) = self.bytes[self.at..].split_first_chunk().context("it ends in the middle")?;
        self.at += N;
        Ok(*array)
    }

    fn number(&mut self) -> Result<usize> {
        Ok(usize::try_from(u64::from_le_bytes(self.array()?))?)
    }

    fn digest(&mut self) -> Result<Digest> {
        Ok(Digest(self.array()?))
    }

    fn piece(&mut self) -> Result<Range<usize>> {
        let len = self.number()?;
        ensure!(len <= self.bytes.len() - self.at, "it ends in the middle");
        self.at += len;
        Ok(self.at - len..self.at)
    }
}

/// Writes a receipt for each payload: the hash's name, the digest of what was decoded, and the path.
pub(crate) fn settle(payloads: &Payloads, hash: Hash, digests: &[Digest], site: &Site) -> Result<()> {
    let mut receipts = Vec::new();
    for (payload, digest) in payloads.iter().zip(digests) {
        receipts.extend(format!("{} {digest} ", hash.name()).bytes());
        receipts.extend_from_slice(payload.path.as_os_str().as_bytes());
        receipts.push(0);
    }
    let place = place(site);
    std::fs::write(&place, receipts).with_context(|| format!("writing {}", place.display()))
}

/// The BLAKE3 of every file, read from the source by other code than that which packs.
pub(crate) fn expected(site: &Site) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for (entry, hash) in hashed(&site.source, scan(&site.source)?)? {
        if let Some(hash) = hash {
            outcome.state(entry.path.as_os_str().as_bytes(), "contents", format!("blake3 {hash}"));
        }
    }
    Ok(outcome)
}

/// What the receipts say. A receipt in another hash than BLAKE3 is translated: where it is that of the source's file,
/// the contents are those that have that file's BLAKE3.
pub(crate) fn outcome(site: &Site) -> Result<Outcome> {
    let place = place(site);
    let receipts = std::fs::read(&place).with_context(|| format!("reading {}", place.display()))?;
    let receipts: Vec<&[u8]> = receipts.split(|byte| *byte == 0).filter(|receipt| !receipt.is_empty()).collect();
    let source = &site.source;
    let facts = receipts.par_iter().map(|receipt| fact(source, receipt)).collect::<Result<Vec<_>>>()?;
    let mut outcome = Outcome::default();
    for (path, contents) in facts {
        outcome.state(path, "contents", contents);
    }
    Ok(outcome)
}

fn fact<'a>(source: &Path, receipt: &'a [u8]) -> Result<(&'a [u8], String)> {
    let mut parts = receipt.splitn(3, |byte| *byte == b' ');
    let (Some(name), Some(digest), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
        bail!("a receipt is damaged: {}", String::from_utf8_lossy(receipt));
    };
    let (name, digest) = (std::str::from_utf8(name)?, std::str::from_utf8(digest)?);
    let hash = Hash::named(name).with_context(|| format!("a receipt names the hash {name}"))?;
    let told = format!("{name} {digest}");
    if hash == Hash::Blake3 {
        return Ok((path, told));
    }
    let file = read(source, Path::new(OsStr::from_bytes(path)))?;
    let same = hash.of(&file).to_string() == digest;
    Ok((path, if same { format!("blake3 {}", Hash::Blake3.of(&file)) } else { told }))
}

fn place(site: &Site) -> PathBuf {
    site.target.join("receipts")
}

#[cfg(test)]
mod tests {
    use super::*;
    use technique::Promises;

    fn site(dir: &Path, files: &[(&str, &[u8])]) -> Site {
        let (source, target) = (dir.join("source"), dir.join("target"));
        for place in [&source, &target] {
            std::fs::create_dir(place).unwrap();
        }
        for (path, bytes) in files {
            std::fs::write(source.join(path), bytes).unwrap();
        }
        let (_, tally) = fixtures::tree::digest(&source).unwrap();
        Site::new(source, target, dir.join("kept"), tally)
    }

    fn differences(site: &Site) -> Vec<String> {
        expected(site).unwrap().differences(&outcome(site).unwrap(), Promises::NONE)
    }

    #[test]
    fn receipts_are_told_from_those_of_other_bytes_in_either_hash() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(dir.path(), &[("a", b"one"), ("b c\n\td", b"two")]);
        let payloads = Payloads::of(&site, Codec::Plain, false).unwrap();
        for hash in Hash::ALL {
            let mut digests = [hash.of(b"one"), hash.of(b"two")];
            settle(&payloads, hash, &digests, &site).unwrap();
            assert_eq!(differences(&site), [""; 0]);

            digests[1].0[0] ^= 1;
            settle(&payloads, hash, &digests, &site).unwrap();
            assert_eq!(differences(&site).len(), 1, "{}", hash.name());

            settle(&payloads, hash, &digests[..1], &site).unwrap();
            assert!(differences(&site)[0].contains("is missing"), "{}", hash.name());
        }
    }

    #[test]
    fn payloads_are_read_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(dir.path(), &[("a", b"one"), ("empty", b"")]);
        let payloads = Payloads::of(&site, Codec::Plain, false).unwrap();
        let read: Vec<_> = payloads.iter().map(|payload| (payload.path, payload.plain_len, payload.packed)).collect();
        assert_eq!(read, [(Path::new("a"), 3, &b"one"[..]), (Path::new("empty"), 0, b"")]);
        assert_eq!((payloads.len(), payloads.longest(), payloads.dictionary()), (2, 3, None));
    }

    #[test]
    fn a_kept_file_that_ends_early_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(dir.path(), &[("a", b"one")]);
        Payloads::of(&site, Codec::Plain, false).unwrap();
        let kept = std::fs::read_dir(site.kept()).unwrap().next().unwrap().unwrap().path();
        let whole = std::fs::read(&kept).unwrap();
        for len in [1, 9, 20, whole.len() - 1] {
            std::fs::write(&kept, &whole[..len]).unwrap();
            let error = Payloads::of(&site, Codec::Plain, false).err().unwrap();
            assert!(format!("{error:#}").contains("is damaged: remove it"), "{error:#}");
        }
    }

    #[test]
    fn a_wrong_digest_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(dir.path(), &[("a.py", b"one")]);
        let payloads = Payloads::of(&site, Codec::Plain, false).unwrap();
        let payload = payloads.iter().next().unwrap();
        let told = payload.verify(Hash::Blake3, Hash::Blake3.of(b"two")).unwrap_err().to_string();
        assert!(told.starts_with("a.py: blake3 is "), "{told}");
        payload.verify(Hash::Sha256, Hash::Sha256.of(b"one")).unwrap();
    }

    #[test]
    fn too_few_files_for_a_dictionary_are_absent() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(dir.path(), &[("a", b"one")]);
        let error = Payloads::of(&site, Codec::Zstd { level: 3 }, true).err().unwrap();
        assert!(error.downcast_ref::<Absent>().is_some(), "{error:#}");
    }
}
