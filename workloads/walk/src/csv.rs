//! Lines of CSV, by the columns of pwalk.

use crate::format::Entry;
use crate::meta::Meta;
use crate::place::Place;

/// The CSV line of a directory, which says how many names it holds and how many bytes they have.
pub(crate) fn directory_line(place: &Place, names: i64, bytes: u64, out: &mut Vec<u8>) {
    let name = place.path.rsplit(|byte| *byte == b'/').next().unwrap_or(b"");
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    put_line(&place.meta, place.above, i64::from(place.depth) - 1, (&place.path, None), name, names, bytes, out);
}

/// The line of what is no directory.
pub(crate) fn line(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let place = entry.place;
    let path = (&place.path[..], Some(entry.name));
    put_line(entry.meta, place.meta.inode, i64::from(place.depth), path, entry.name, -1, 0, out);
}

#[expect(clippy::too_many_arguments, reason = "a line has so many columns")]
fn put_line(
    meta: &Meta,
    above: u64,
    depth: i64,
    path: (&[u8], Option<&[u8]>),
    name: &[u8],
    names: i64,
    bytes: i64,
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
    put_quoted(path.0, out);
    if let Some(name) = path.1 {
        out.push(b'/');
        put_quoted(name, out);
    }
    out.extend_from_slice(b"\",\"");
    put_quoted(extension_of(name), out);
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
fn put_quoted(mut bytes: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'"', bytes) {
        out.extend_from_slice(&bytes[..=at]);
        out.push(b'"');
        bytes = &bytes[at + 1..];
    }
    out.extend_from_slice(bytes);
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
        let mut out = Vec::new();
        line(&Entry { meta: &meta, place: &place(), name: b"a\".b", number: 0, root: 2 }, &mut out);
        directory_line(&place(), 4, 10, &mut out);
        let expected = "9,7,1,\"/r/d.x/a\"\".b\",\"b\",2,3,10,66,8,1,\"0100644\",6,-5,7,-1,0\n\
                        7,3,0,\"/r/d.x\",\"x\",0,0,0,0,0,0,\"0040755\",0,0,0,4,10\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_dot_at_the_start_makes_no_extension() {
        for (name, expected) in [("a.b", "b"), (".bashrc", ""), ("a.b.c", "c"), ("none", ""), ("end.", "")] {
            assert_eq!(extension_of(name.as_bytes()), expected.as_bytes());
        }
    }
}
