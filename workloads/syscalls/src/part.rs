//! The temporary name of a file that is not complete yet: its final name and `.part`.
//!
//! A tree that holds both `a` and `a.part` is none for the ways that use it.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const SUFFIX: &[u8] = b".part";

/// What rustix copies to the stack, less the closing zero.
const SHORT: usize = 255;

/// The name, on the stack while it is short.
#[expect(clippy::large_enum_variant, reason = "the large one is what saves an allocation a file")]
pub(crate) enum Part {
    Short([u8; SHORT], usize),
    Long(Vec<u8>),
}

impl Part {
    #[inline]
    pub(crate) fn of(path: &Path) -> Part {
        let path = path.as_os_str().as_bytes();
        let len = path.len() + SUFFIX.len();
        if len > SHORT {
            return Part::Long([path, SUFFIX].concat());
        }
        let mut short = [0; SHORT];
        short[..path.len()].copy_from_slice(path);
        short[path.len()..len].copy_from_slice(SUFFIX);
        Part::Short(short, len)
    }

    #[inline]
    pub(crate) fn name(&self) -> &[u8] {
        match self {
            Part::Short(bytes, len) => &bytes[..*len],
            Part::Long(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_names_get_the_same_suffix() {
        for len in [1, 249, 250, 251, 3000] {
            let path = "x".repeat(len);
            assert_eq!(Part::of(Path::new(&path)).name(), format!("{path}.part").as_bytes());
        }
    }
}
