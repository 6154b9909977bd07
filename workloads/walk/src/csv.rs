//! Lines of CSV, by the columns of pwalk. A directory has no extension there, whatever its name: pwalk looks for a dot,
//! and takes each that it finds for the name's first byte.

use crate::format::Entry;
use crate::meta::Meta;
use crate::place::Place;
use crate::read_back::{Line, below};
use anyhow::{Context, Result, bail, ensure};

/// A way to find the first quote in some bytes.
pub(crate) type Search = fn(&[u8]) -> Option<usize>;

/// By the vector instructions of this processor.
pub(crate) fn by_vectors(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'"', bytes)
}

/// One byte after the other, as pwalk does it.
pub(crate) fn by_bytes(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'"')
}

/// The CSV line of a directory, which says how many names it holds and how many bytes they have.
pub(crate) fn directory_line(place: &Place, names: i64, bytes: u64, search: Search, out: &mut Vec<u8>) {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    put_line(&place.meta, place.above, i64::from(place.depth) - 1, (&place.path, None), names, bytes, search, out);
}

/// The line of what is no directory.
pub(crate) fn line(entry: &Entry<'_>, search: Search, out: &mut Vec<u8>) {
    let place = entry.place;
    let path = (&place.path[..], Some(entry.name));
    put_line(entry.meta, place.meta.inode, i64::from(place.depth), path, -1, 0, search, out);
}

/// `path` is a directory's, and with it the name of what it holds, where the line is of that.
#[expect(clippy::too_many_arguments, reason = "a line has so many columns")]
fn put_line(
    meta: &Meta,
    above: u64,
    depth: i64,
    path: (&[u8], Option<&[u8]>),
    names: i64,
    bytes: i64,
    search: Search,
    out: &mut Vec<u8>,
) {
    let mut number = itoa::Buffer::new();
    let mut put = |out: &mut Vec<u8>, value: i128| {
        out.extend_from_slice(number.format(value).as_bytes());
        out.push(b',');
    };
    put(out, meta.inode.into());
    put(out, above.into());
    put(out, depth.into());
    out.push(b'"');
    put_quoted(path.0, search, out);
    if let Some(name) = path.1 {
        out.push(b'/');
        put_quoted(name, search, out);
    }
    out.extend_from_slice(b"\",\"");
    if let Some(name) = path.1 {
        put_quoted(extension_of(name), search, out);
    }
    out.extend_from_slice(b"\",");
    for value in [meta.owner.into(), meta.group.into(), i128::from(meta.size), meta.device.into()] {
        put(out, value);
    }
    put(out, meta.blocks.into());
    put(out, meta.links.into());
    put_mode(meta.mode, out);
    for value in [meta.atime, meta.mtime.0, meta.ctime, names, bytes] {
        put(out, value.into());
    }
    out.pop();
    out.push(b'\n');
}

/// Seven octal digits in quotes.
fn put_mode(mode: u32, out: &mut Vec<u8>) {
    out.push(b'"');
    for digit in (0..7).rev() {
        out.push(b'0' + ((mode >> (3 * digit)) & 7).to_le_bytes()[0]);
    }
    out.extend_from_slice(b"\",");
}

/// What follows the last dot, unless the name begins with it.
fn extension_of(name: &[u8]) -> &[u8] {
    match memchr::memrchr(b'.', name) {
        Some(at) if at > 0 => &name[at + 1..],
        _ => b"",
    }
}

/// The bytes, each quote doubled.
fn put_quoted(mut bytes: &[u8], search: Search, out: &mut Vec<u8>) {
    while let Some(at) = search(bytes) {
        out.extend_from_slice(&bytes[..=at]);
        out.push(b'"');
        bytes = &bytes[at + 1..];
    }
    out.extend_from_slice(bytes);
}

/// Reads lines back; `root` is the path of what was walked.
pub(crate) fn read(bytes: &[u8], root: &[u8], lines: &mut Vec<Line>) -> Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let fields = csv_line(&mut rest)?;
        ensure!(fields.len() == 17, "a line has {} columns", fields.len());
        let text = |at: usize| std::str::from_utf8(&fields[at]).context("a field is no text");
        // The root has a line too, at depth -1; it is no entry of the walk.
        if text(2)? == "-1" {
            continue;
        }
        let meta = Meta {
            inode: text(0)?.parse()?,
            size: text(7)?.parse()?,
            mode: u32::from_str_radix(text(11)?, 8)?,
            mtime: (text(13)?.parse()?, 0),
            ..Meta::default()
        };
        let path = below(&fields[3], root)?;
        ensure!(has_extension(path, &fields[4], &meta), "a line has a wrong extension: {}", text(4)?);
        lines.push(Line::without_nanoseconds(path.to_vec(), &meta));
    }
    Ok(())
}

/// Whether that is what pwalk says of a path: nothing of a directory, and else what follows the last dot that is not the
/// name's first byte. Where nothing follows it, pwalk prints what its memory held.
fn has_extension(path: &[u8], extension: &[u8], meta: &Meta) -> bool {
    if meta.is_directory() {
        return extension.is_empty();
    }
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    match name.iter().skip(1).rposition(|byte| *byte == b'.') {
        None => extension.is_empty(),
        Some(at) => name[at + 2..].is_empty() || extension == &name[at + 2..],
    }
}

/// The fields of one line, quotes taken off.
fn csv_line(rest: &mut &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut fields = vec![Vec::new()];
    let mut quoted = false;
    let mut at = 0;
    while let Some(&byte) = rest.get(at) {
        at += 1;
        let field = fields.last_mut().expect("there is one from the start");
        match byte {
            b'"' if quoted && rest.get(at) == Some(&b'"') => {
                field.push(b'"');
                at += 1;
            }
            b'"' => quoted = !quoted,
            b',' if !quoted => fields.push(Vec::new()),
            b'\n' if !quoted => {
                *rest = &rest[at..];
                return Ok(fields);
            }
            _ => field.push(byte),
        }
    }
    bail!("the last line has no end")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        let meta = Meta { inode: 7, mode: 0o040_755, ..Meta::default() };
        Place { path: b"/r/d.x".to_vec(), number: 5, meta, above: 3, depth: 1 }
    }

    #[test]
    fn lines_have_the_columns_of_pwalk() {
        let meta =
            Meta { inode: 9, device: 66, mode: 0o100_644, links: 1, owner: 2, group: 3, size: 10, ..place().meta };
        let meta = Meta { blocks: 8, mtime: (-5, 0), atime: 6, ctime: 7, ..meta };
        let expected = "9,7,1,\"/r/d.x/a\"\".b\",\"b\",2,3,10,66,8,1,\"0100644\",6,-5,7,-1,0\n\
                        7,3,0,\"/r/d.x\",\"\",0,0,0,0,0,0,\"0040755\",0,0,0,4,10\n";
        for search in [by_vectors as Search, by_bytes] {
            let mut out = Vec::new();
            line(&Entry { meta: &meta, place: &place(), name: b"a\".b", number: 0, root: 2 }, search, &mut out);
            directory_line(&place(), 4, 10, search, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn a_dot_at_the_start_makes_no_extension() {
        for (name, expected) in [("a.b", "b"), (".bashrc", ""), ("a.b.c", "c"), ("none", ""), ("end.", "")] {
            assert_eq!(extension_of(name.as_bytes()), expected.as_bytes());
        }
    }

    #[test]
    fn a_line_of_csv_is_held_to_its_extension() {
        let check = |mode: &str, name: &str, extension: &str| {
            let line = format!("9,7,0,\"/r/d.x/{name}\",\"{extension}\",2,3,10,66,8,1,\"{mode}\",6,-5,7,-1,0\n");
            let mut lines = Vec::new();
            read(line.as_bytes(), b"/r", &mut lines).map(|()| lines.len())
        };
        for (mode, name, extension) in [
            ("0040755", "a.b", ""),
            ("0100644", "a.b", "b"),
            ("0100644", "a.b.c", "c"),
            ("0100644", ".bashrc", ""),
            ("0100644", ".a.b", "b"),
            ("0100644", "none", ""),
            ("0100644", "end.", ""),
        ] {
            assert_eq!(check(mode, name, extension).unwrap(), 1, "{name}");
            assert_eq!(check(mode, name, "other").is_err(), name != "end.", "{name}");
        }
        assert!(check("0040755", "a.b", "b").is_err());
    }
}
