//! Names: many of them in one piece of memory, for ways that gather before they ask.

use rustix::fs::FileType;
use std::ffi::CStr;

/// Names of one directory, in the order in which they were put in or in that of their inodes.
#[derive(Debug, Default)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    inode: u64,
    from: u32,
    kind: FileType,
}

impl Names {
    pub(crate) fn push(&mut self, name: &CStr, inode: u64, kind: FileType) {
        let from = u32::try_from(self.bytes.len()).expect("a gathering ends far below 4 GiB");
        self.items.push(Item { inode, from, kind });
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How much memory the names themselves fill.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
    }

    /// Puts them in the order of their inodes, which on many file systems is the order on the disk.
    pub(crate) fn sort_by_inode(&mut self) {
        self.items.sort_unstable_by_key(|item| item.inode);
    }

    /// The name at that place, its inode, and the type that the directory says it is of.
    pub(crate) fn get(&self, at: usize) -> (&CStr, u64, FileType) {
        let item = self.items[at];
        let name = CStr::from_bytes_until_nul(&self.bytes[item.from as usize..]).expect("each was put in with its NUL");
        (name, item.inode, item.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_sort_by_inode() {
        let mut names = Names::default();
        for (name, inode) in [(c"b", 3), (c"", 1), (c"long name\n", 2)] {
            names.push(name, inode, FileType::RegularFile);
        }
        assert_eq!(names.get(2), (c"long name\n", 2, FileType::RegularFile));
        names.sort_by_inode();
        let order: Vec<&CStr> = (0..names.len()).map(|at| names.get(at).0).collect();
        assert_eq!(order, [c"", c"long name\n", c"b"]);
        names.clear();
        assert!(names.is_empty() && names.bytes() == 0);
    }
}
