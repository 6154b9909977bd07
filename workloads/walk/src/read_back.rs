//! The way back: what a row has written, line by line, in whatever format.

use crate::columns;
use crate::csv;
use crate::format::{LONG, PARENTED, PATHED, SHORT};
use crate::meta::Meta;
use anyhow::{Context, Result, bail, ensure};
use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use technique::Promise;

/// What a record says, as far as its format holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) path: Vec<u8>,
    narrow: Option<Narrow>,
    whole: Option<Whole>,
    nanoseconds: Option<u32>,
}

/// What the document's 28 bytes hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Narrow {
    inode: u64,
    is_directory: bool,
    size: u32,
    seconds: u32,
}

/// What they cut off, or lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Whole {
    mode: u32,
    size: u64,
    seconds: i64,
}

impl Line {
    /// All that there is to say.
    pub(crate) fn of(path: Vec<u8>, meta: &Meta) -> Line {
        Line { nanoseconds: Some(meta.mtime.1), ..Line::without_nanoseconds(path, meta) }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what the document's record holds")]
    pub(crate) fn without_nanoseconds(path: Vec<u8>, meta: &Meta) -> Line {
        let narrow = Narrow {
            inode: meta.inode,
            is_directory: meta.is_directory(),
            size: meta.size as u32,
            seconds: meta.mtime.0 as u32,
        };
        let whole = Whole { mode: meta.mode, size: meta.size, seconds: meta.mtime.0 };
        Line { path, narrow: Some(narrow), whole: Some(whole), nanoseconds: None }
    }

    /// Its path, and whether it is a directory.
    pub(crate) fn into_path(self) -> (Vec<u8>, bool) {
        (self.path, self.narrow.is_some_and(|it| it.is_directory))
    }

    /// What it says as to one promise; none where its format does not hold it.
    pub(crate) fn says(&self, promise: Promise) -> Option<String> {
        match promise {
            Promise::Named => Some("there".to_owned()),
            Promise::Described => self.narrow.map(|it| {
                let kind = if it.is_directory { "directory" } else { "no directory" };
                format!("inode {}, {kind}, {} bytes, {} s", it.inode, it.size, it.seconds)
            }),
            Promise::Whole => self.whole.map(|it| format!("{:o}, {} bytes, {} s", it.mode, it.size, it.seconds)),
            Promise::TimesKept => self.nanoseconds.map(|nanoseconds| format!("{nanoseconds} ns")),
            _ => None,
        }
    }
}

/// All records that stand in `target`, of a walk of `source`, in no order.
pub(crate) fn records(target: &Path, source: &Path) -> Result<Vec<Line>> {
    let reading = || format!("reading {}", target.display());
    let mut lines = Vec::new();
    let mut parented = Vec::new();
    let mut root = source.as_os_str().as_bytes().to_vec();
    while root.last() == Some(&b'/') {
        root.pop();
    }
    for file in fs::read_dir(target).with_context(reading)? {
        let path = file.with_context(reading)?.path();
        let Some(extension) = path.extension() else { continue };
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let read = match extension.as_bytes() {
            b"long" => long(&bytes, &root, &mut lines),
            b"short" => short(&bytes, &root, &mut lines),
            b"pathed" => pathed(&bytes, &mut lines),
            b"paths" => paths(&bytes, &mut lines),
            b"csv" => csv::read(&bytes, &root, &mut lines),
            b"printed" => printed(&bytes, &mut lines),
            b"full" => full(&bytes, &root, &mut lines),
            b"sized" => sized(&bytes, &root, &mut lines),
            b"parented" => of_parents(&bytes, &mut parented),
            b"parquet" => columns::read(bytes, &mut lines),
            _ => Err(anyhow::anyhow!("no row finishes a file of that name")),
        };
        read.with_context(|| format!("reading back {}", path.display()))?;
    }
    resolve(&parented, &mut lines)?;
    Ok(lines)
}

/// Bytes that are taken field by field.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len).context("a record is cut short")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("it is as long as asked"))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn path(&mut self, len: u32) -> Result<&'a [u8]> {
        self.take(len as usize)
    }
}

/// The path below the root, of a full one.
pub(crate) fn below<'p>(path: &'p [u8], root: &[u8]) -> Result<&'p [u8]> {
    path.strip_prefix(root)
        .and_then(|path| path.strip_prefix(b"/"))
        .with_context(|| format!("{} does not lie below the source", String::from_utf8_lossy(path)))
}

fn long(bytes: &[u8], root: &[u8], lines: &mut Vec<Line>) -> Result<()> {
    let mut bytes = Fields(bytes);
    while !bytes.0.is_empty() {
        let mut head = Fields(bytes.take(LONG)?);
        let mut meta = Meta { inode: head.u64()?, ..Meta::default() };
        head.take(16)?;
        (meta.size, _) = (head.u64()?, head.take(12)?);
        (meta.mode, _) = (head.u32()?, head.u64()?);
        meta.mtime.0 = head.i64()?;
        head.take(36)?;
        let path = below(bytes.path(head.u32()?)?, root)?;
        lines.push(Line::without_nanoseconds(path.to_vec(), &meta));
    }
    Ok(())
}

fn short(bytes: &[u8], root: &[u8], lines: &mut Vec<Line>) -> Result<()> {
    let mut bytes = Fields(bytes);
    while !bytes.0.is_empty() {
        let mut head = Fields(bytes.take(SHORT)?);
        let inode = head.u64()?;
        head.u64()?;
        let (size, seconds, len) = (head.u32()?, head.u32()?, head.u16()?);
        let is_directory = head.array::<1>()? == [1];
        let path = below(bytes.path(len.into())?, root)?.to_vec();
        let narrow = Some(Narrow { inode, is_directory, size, seconds });
        lines.push(Line { path, narrow, ..Line::default() });
    }
    Ok(())
}

fn pathed(bytes: &[u8], lines: &mut Vec<Line>) -> Result<()> {
    let mut bytes = Fields(bytes);
    while !bytes.0.is_empty() {
        let mut head = Fields(bytes.take(PATHED)?);
        let mut meta = Meta { inode: head.u64()?, size: head.u64()?, ..Meta::default() };
        meta.mtime = (head.i64()?, head.u32()?);
        head.take(8)?;
        meta.mode = head.u32()?;
        let path = bytes.path(head.u32()?)?;
        lines.push(Line::of(path.to_vec(), &meta));
    }
    Ok(())
}

fn paths(bytes: &[u8], lines: &mut Vec<Line>) -> Result<()> {
    let mut parts = bytes.split(|byte| *byte == 0);
    ensure!(parts.next_back().is_none_or(<[u8]>::is_empty), "the last path has no end");
    lines.extend(parts.map(|path| Line { path: path.to_vec(), ..Line::default() }));
    Ok(())
}

/// Full paths, each with a NUL; `fd` puts a slash behind that of a directory.
fn full(bytes: &[u8], root: &[u8], lines: &mut Vec<Line>) -> Result<()> {
    let mut parts = bytes.split(|byte| *byte == 0);
    ensure!(parts.next_back().is_none_or(<[u8]>::is_empty), "the last path has no end");
    for path in parts {
        let path = below(path.strip_suffix(b"/").unwrap_or(path), root)?;
        lines.push(Line { path: path.to_vec(), ..Line::default() });
    }
    Ok(())
}

/// What `du --null` prints: a size, a tab and the full path; the root comes too, last.
fn sized(bytes: &[u8], root: &[u8], lines: &mut Vec<Line>) -> Result<()> {
    let mut parts = bytes.split(|byte| *byte == 0);
    ensure!(parts.next_back().is_none_or(<[u8]>::is_empty), "the last record has no end");
    for part in parts {
        let at = memchr::memchr(b'\t', part).context("a record has no tab")?;
        let path = &part[at + 1..];
        if path != root {
            lines.push(Line { path: below(path, root)?.to_vec(), ..Line::default() });
        }
    }
    Ok(())
}

/// What `find -printf %i/%y/%m/%s/%T@/%P\0` prints.
fn printed(bytes: &[u8], lines: &mut Vec<Line>) -> Result<()> {
    let mut parts = bytes.split(|byte| *byte == 0);
    ensure!(parts.next_back().is_none_or(<[u8]>::is_empty), "the last record has no end");
    for part in parts {
        let fields: Vec<&[u8]> = part.splitn(6, |byte| *byte == b'/').collect();
        let &[inode, kind, mode, size, time, path] = fields.as_slice() else { bail!("a record has too few fields") };
        let text = |field| std::str::from_utf8(field).context("a field is no text");
        let (seconds, fraction) = text(time)?.split_once('.').context("a time has no fraction")?;
        let mode = u32::from_str_radix(text(mode)?, 8)? | type_bits(kind)?;
        let mtime = (seconds.parse()?, fraction.get(..9).context("a fraction is too short")?.parse()?);
        let meta = Meta { inode: text(inode)?.parse()?, size: text(size)?.parse()?, mode, mtime, ..Meta::default() };
        lines.push(Line::of(path.to_vec(), &meta));
    }
    Ok(())
}

/// The bits of a mode that say what `find` says by a letter.
fn type_bits(letter: &[u8]) -> Result<u32> {
    let bits = match letter {
        b"p" => 0o010_000,
        b"c" => 0o020_000,
        b"d" => 0o040_000,
        b"b" => 0o060_000,
        b"f" => 0o100_000,
        b"l" => 0o120_000,
        b"s" => 0o140_000,
        _ => bail!("there is no type {}", String::from_utf8_lossy(letter)),
    };
    Ok(bits)
}

/// A record that names its directory by a number.
struct Parented {
    parent: u32,
    number: u32,
    meta: Meta,
    name: Vec<u8>,
}

fn of_parents(bytes: &[u8], records: &mut Vec<Parented>) -> Result<()> {
    let mut bytes = Fields(bytes);
    while !bytes.0.is_empty() {
        let mut head = Fields(bytes.take(PARENTED)?);
        let (parent, number) = (head.u32()?, head.u32()?);
        let mut meta = Meta { inode: head.u64()?, size: head.u64()?, ..Meta::default() };
        meta.mtime = (head.i64()?, head.u32()?);
        head.take(8)?;
        meta.mode = head.u16()?.into();
        let name = bytes.path(head.u16()?.into())?.to_vec();
        records.push(Parented { parent, number, meta, name });
    }
    Ok(())
}

/// Paths of records that name their directories by numbers.
fn resolve(records: &[Parented], lines: &mut Vec<Line>) -> Result<()> {
    let named: HashMap<u32, usize> =
        records.iter().enumerate().filter(|(_, one)| one.number > 0).map(|(at, one)| (one.number, at)).collect();
    let mut paths: HashMap<u32, Vec<u8>> = HashMap::from([(0, Vec::new())]);
    let mut way = Vec::new();
    for record in records {
        let mut above = record.parent;
        while !paths.contains_key(&above) {
            ensure!(way.len() <= named.len(), "directory {above} lies below itself");
            way.push(above);
            let at = named.get(&above).with_context(|| format!("no record names directory {above}"))?;
            above = records[*at].parent;
        }
        while let Some(number) = way.pop() {
            let one = &records[named[&number]];
            let path = joined(&paths[&one.parent], &one.name);
            paths.insert(number, path);
        }
        lines.push(Line::of(joined(&paths[&record.parent], &record.name), &record.meta));
    }
    Ok(())
}

fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}
