//! Formats: what a record looks like. The way back is `read_back`.

use crate::csv;
use crate::meta::Meta;
use crate::place::Place;
use rustix::io::Errno;
use std::hint::black_box;
use technique::{Promise, Promises};

/// What a record looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The document's first record: 104 bytes, and the full path.
    Long,
    /// The document's second record: its text says 24 bytes, its struct has 28; and the full path. Sizes above 4 GiB
    /// and times before 1970 or after 2106 do not fit, and the mode is missing.
    Short,
    /// A line of the CSV of pwalk 2.6.8 and 3.0.0, byte for byte, but where that loses something. Control characters of
    /// names are kept, within quotes. A directory that cannot be opened has a line, by which it holds nothing, and so has
    /// one on another file system that is not to be entered; pwalk has none of either. Paths may have any length.
    Csv,
    /// The same, quotes looked for byte by byte.
    CsvByBytes,
    /// 48 bytes and the bare name; the directory is told by its number, which its own record gives.
    Parented,
    /// 44 bytes and the path below the root.
    Pathed,
    /// The same, the path copied byte by byte, as pwalk does it.
    PathedByBytes,
    /// The same, 32 bytes at once, as the document would have it.
    PathedBy32,
    /// The path below the root and a NUL.
    Paths,
    /// Columns of a Parquet file: directory, name, inode, size, time, owner, group and mode.
    Parquet,
}

/// The bytes before the path in each record.
pub(crate) const LONG: usize = 104;
pub(crate) const SHORT: usize = 28;
pub(crate) const PARENTED: usize = 48;
pub(crate) const PATHED: usize = 44;

/// One entry that is to be recorded.
pub(crate) struct Entry<'a> {
    pub(crate) meta: &'a Meta,
    /// The directory that holds the name.
    pub(crate) place: &'a Place,
    pub(crate) name: &'a [u8],
    /// Its number, where it is a directory; 0 else.
    pub(crate) number: u32,
    /// Bytes of the root's own path.
    pub(crate) root: usize,
}

impl Format {
    /// What is after the last dot of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Long => "long",
            Format::Short => "short",
            Format::Csv | Format::CsvByBytes => "csv",
            Format::Parented => "parented",
            Format::Pathed | Format::PathedByBytes | Format::PathedBy32 => "pathed",
            Format::Paths => "paths",
            Format::Parquet => "parquet",
        }
    }

    /// What a record of this format holds.
    pub const fn promises(self) -> Promises {
        let named = Promises::NONE.with(Promise::Named);
        let described = named.with(Promise::Described);
        match self {
            Format::Paths => named,
            Format::Short => described,
            Format::Long | Format::Csv | Format::CsvByBytes => described.with(Promise::Whole),
            Format::Parented | Format::Pathed | Format::PathedByBytes | Format::PathedBy32 | Format::Parquet => {
                described.with(Promise::Whole).with(Promise::TimesKept)
            }
        }
    }

    /// Whether records are lines of CSV, of which a directory's comes last.
    pub(crate) fn is_csv(self) -> bool {
        matches!(self, Format::Csv | Format::CsvByBytes)
    }

    /// How lines of CSV look for quotes.
    pub(crate) fn search(self) -> csv::Search {
        if self == Format::CsvByBytes { csv::by_bytes } else { csv::by_vectors }
    }

    /// Puts a record behind what is in `out`; says how many bytes stand before its path. A directory's CSV line is
    /// another matter: see [`csv::directory_line`].
    pub(crate) fn put(self, entry: &Entry<'_>, out: &mut Vec<u8>) -> Result<usize, Errno> {
        match self {
            Format::Long => long(entry, out),
            Format::Short => short(entry, out),
            Format::Parented => parented(entry, out),
            // What becomes a row of columns is gathered record by record.
            Format::Pathed | Format::Parquet => pathed(entry, out, copy),
            Format::PathedByBytes => pathed(entry, out, copy_by_bytes),
            Format::PathedBy32 => pathed(entry, out, copy_by_32),
            Format::Paths => {
                entry.put_path(entry.root + 1, out, copy);
                out.push(0);
                Ok(0)
            }
            Format::Csv | Format::CsvByBytes => {
                csv::line(entry, self.search(), out);
                Ok(0)
            }
        }
    }
}

impl Entry<'_> {
    fn path_len(&self) -> usize {
        self.place.path.len() + 1 + self.name.len()
    }

    fn put_path(&self, from: usize, out: &mut Vec<u8>, copy: fn(&[u8], &mut Vec<u8>)) {
        if self.place.path.len() > from {
            copy(&self.place.path[from..], out);
            out.push(b'/');
        } else if self.place.path.len() == from {
            out.push(b'/');
        }
        copy(self.name, out);
    }
}

/// Bytes one field behind the other.
struct Fields<const LEN: usize> {
    bytes: [u8; LEN],
    at: usize,
}

impl<const LEN: usize> Fields<LEN> {
    fn new() -> Self {
        Fields { bytes: [0; LEN], at: 0 }
    }

    #[inline]
    fn put<const N: usize>(mut self, field: [u8; N]) -> Self {
        self.bytes[self.at..self.at + N].copy_from_slice(&field);
        self.at += N;
        self
    }

    fn end(self, out: &mut Vec<u8>) -> usize {
        debug_assert_eq!(self.at, LEN, "the fields fill the record");
        out.extend_from_slice(&self.bytes);
        LEN
    }
}

fn long(entry: &Entry<'_>, out: &mut Vec<u8>) -> Result<usize, Errno> {
    let meta = entry.meta;
    let len = u32::try_from(entry.path_len()).map_err(|_| Errno::NAMETOOLONG)?;
    let head = Fields::<LONG>::new()
        .put(meta.inode.to_le_bytes())
        .put(entry.place.meta.inode.to_le_bytes())
        .put(meta.device.to_le_bytes())
        .put(meta.size.to_le_bytes())
        .put(meta.blocks.to_le_bytes())
        .put(entry.place.depth.to_le_bytes())
        .put(meta.mode.to_le_bytes())
        .put(meta.atime.to_le_bytes())
        .put(meta.mtime.0.to_le_bytes())
        .put(meta.ctime.to_le_bytes())
        .put((-1i64).to_le_bytes())
        .put(0i64.to_le_bytes())
        .put(meta.owner.to_le_bytes())
        .put(meta.group.to_le_bytes())
        .put(u32::try_from(meta.links).unwrap_or(u32::MAX).to_le_bytes())
        .put(len.to_le_bytes())
        .end(out);
    entry.put_path(0, out, copy);
    Ok(head)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the document's record truncates so")]
fn short(entry: &Entry<'_>, out: &mut Vec<u8>) -> Result<usize, Errno> {
    let meta = entry.meta;
    let len = u16::try_from(entry.path_len()).map_err(|_| Errno::NAMETOOLONG)?;
    let head = Fields::<SHORT>::new()
        .put(meta.inode.to_le_bytes())
        .put(entry.place.meta.inode.to_le_bytes())
        .put((meta.size as u32).to_le_bytes())
        .put((meta.mtime.0 as u32).to_le_bytes())
        .put(len.to_le_bytes())
        .put([u8::from(meta.is_directory()), 0])
        .end(out);
    entry.put_path(0, out, copy);
    Ok(head)
}

#[expect(clippy::cast_possible_truncation, reason = "a mode has 16 bits")]
fn parented(entry: &Entry<'_>, out: &mut Vec<u8>) -> Result<usize, Errno> {
    let meta = entry.meta;
    let len = u16::try_from(entry.name.len()).map_err(|_| Errno::NAMETOOLONG)?;
    let head = Fields::<PARENTED>::new()
        .put(entry.place.number.to_le_bytes())
        .put(entry.number.to_le_bytes())
        .put(meta.inode.to_le_bytes())
        .put(meta.size.to_le_bytes())
        .put(meta.mtime.0.to_le_bytes())
        .put(meta.mtime.1.to_le_bytes())
        .put(meta.owner.to_le_bytes())
        .put(meta.group.to_le_bytes())
        .put((meta.mode as u16).to_le_bytes())
        .put(len.to_le_bytes())
        .end(out);
    out.extend_from_slice(entry.name);
    Ok(head)
}

fn pathed(entry: &Entry<'_>, out: &mut Vec<u8>, copy: fn(&[u8], &mut Vec<u8>)) -> Result<usize, Errno> {
    let at = out.len();
    put_pathed_head(entry.meta, entry.path_len() - entry.root - 1, out)?;
    entry.put_path(entry.root + 1, out, copy);
    Ok(out.len().min(at + PATHED) - at)
}

/// The head of a record that holds a path of that many bytes.
pub(crate) fn put_pathed_head(meta: &Meta, path: usize, out: &mut Vec<u8>) -> Result<(), Errno> {
    let len = u32::try_from(path).map_err(|_| Errno::NAMETOOLONG)?;
    Fields::<PATHED>::new()
        .put(meta.inode.to_le_bytes())
        .put(meta.size.to_le_bytes())
        .put(meta.mtime.0.to_le_bytes())
        .put(meta.mtime.1.to_le_bytes())
        .put(meta.owner.to_le_bytes())
        .put(meta.group.to_le_bytes())
        .put(meta.mode.to_le_bytes())
        .put(len.to_le_bytes())
        .end(out);
    Ok(())
}

fn copy(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(bytes);
}

/// A loop that the compiler may not turn into a copy of many bytes at once.
fn copy_by_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(black_box(*byte));
    }
}

/// What vector instructions are there for: 32 bytes are known to be there, and the rest comes as it is.
fn copy_by_32(bytes: &[u8], out: &mut Vec<u8>) {
    let (chunks, rest) = bytes.as_chunks::<32>();
    for chunk in chunks {
        out.extend_from_slice(chunk);
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        let meta = Meta { inode: 7, mode: 0o040_755, ..Meta::default() };
        Place { path: b"/r/d.x".to_vec(), number: 5, meta, above: 3, depth: 1 }
    }

    #[test]
    fn records_are_as_long_as_their_structs_say() {
        let (place, meta) = (place(), Meta { mode: 0o100_644, ..Meta::default() });
        let entry = Entry { meta: &meta, place: &place, name: b"a.b.c", number: 0, root: 2 };
        for (format, head, path) in [
            (Format::Long, LONG, "/r/d.x/a.b.c"),
            (Format::Short, SHORT, "/r/d.x/a.b.c"),
            (Format::Parented, PARENTED, "a.b.c"),
            (Format::Pathed, PATHED, "d.x/a.b.c"),
            (Format::PathedByBytes, PATHED, "d.x/a.b.c"),
            (Format::PathedBy32, PATHED, "d.x/a.b.c"),
            (Format::Paths, 0, "d.x/a.b.c\0"),
        ] {
            let mut out = b"before".to_vec();
            assert_eq!(format.put(&entry, &mut out), Ok(head), "{format:?}");
            assert_eq!(&out[6 + head..], path.as_bytes(), "{format:?}");
        }
    }

    #[test]
    fn a_path_too_long_for_its_field_is_refused() {
        let mut place = place();
        place.path = vec![b'a'; 70_000];
        let meta = Meta::default();
        let entry = Entry { meta: &meta, place: &place, name: b"n", number: 0, root: 2 };
        assert_eq!(Format::Short.put(&entry, &mut Vec::new()), Err(Errno::NAMETOOLONG));
        assert!(Format::Long.put(&entry, &mut Vec::new()).is_ok());
    }

    #[test]
    fn every_way_to_copy_copies_every_byte() {
        type Copies = fn(&[u8], &mut Vec<u8>);
        let bytes: Vec<u8> = (0..=255).collect();
        let ways: [(Copies, &str); 3] = [(copy, "at once"), (copy_by_bytes, "by bytes"), (copy_by_32, "by 32")];
        for len in [0, 1, 31, 32, 33, 64, 100, 256] {
            for (way, name) in ways {
                let mut out = b"before".to_vec();
                way(&bytes[..len], &mut out);
                assert_eq!(out, [&b"before"[..], &bytes[..len]].concat(), "{name}, {len}");
            }
        }
    }
}
