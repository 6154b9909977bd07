//! Records: what a log consists of, and what remains of it.

use crate::store::{BLOCK, Ino};
use flate2::Crc;
use std::collections::BTreeMap;

/// One thing that happened.
pub(crate) enum Record<'a> {
    /// A file or a directory got a name.
    Name { ino: Ino, parent: Ino, name: &'a [u8] },
    /// A block was written; the file is now `len` long.
    Block { ino: Ino, index: u64, len: u64, unpacked_len: Option<usize>, data: &'a [u8] },
    /// A file has another length.
    Length { ino: Ino, len: u64 },
    /// A file is gone.
    Gone { ino: Ino },
}

/// Length of what stands before a record's bytes: its sort, four numbers, and how many bytes follow.
const HEAD: usize = 1 + 4 * 8 + 4;

impl Record<'_> {
    /// Puts it at the end of a log, with a sum over it.
    pub(crate) fn write_to(&self, log: &mut Vec<u8>) {
        const NONE: u64 = u64::MAX;
        let (sort, numbers, data): (u8, [u64; 4], &[u8]) = match self {
            Record::Name { ino, parent, name } => (1, [*ino, *parent, 0, 0], name),
            Record::Block { ino, index, len, unpacked_len, data } => {
                (2, [*ino, *index, *len, unpacked_len.map_or(NONE, |len| len as u64)], data)
            }
            Record::Length { ino, len } => (3, [*ino, *len, 0, 0], &[]),
            Record::Gone { ino } => (4, [*ino, 0, 0, 0], &[]),
        };
        let start = log.len();
        log.push(sort);
        log.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        log.extend(u32::try_from(data.len()).expect("a name or a block is short").to_le_bytes());
        log.extend(data);
        let sum = sum(&log[start..]);
        log.extend(sum.to_le_bytes());
    }
}

/// The first record of a log, and how long it is; none where it is cut short or damaged.
fn first(log: &[u8]) -> Option<(Record<'_>, usize)> {
    let head = log.get(..HEAD)?;
    let number = |at: usize| u64::from_le_bytes(head[1 + 8 * at..9 + 8 * at].try_into().expect("eight bytes"));
    let len = u32::from_le_bytes(head[HEAD - 4..].try_into().expect("four bytes")) as usize;
    let end = HEAD.checked_add(len)?;
    let data = log.get(HEAD..end)?;
    let told = log.get(end..end + 4)?;
    if told != sum(&log[..end]).to_le_bytes() {
        return None;
    }
    let ino = number(0);
    let record = match head[0] {
        1 => Record::Name { ino, parent: number(1), name: data },
        2 => {
            // No block is longer; where it is not packed, all ones stand here.
            let unpacked_len = usize::try_from(number(3)).ok().filter(|len| *len <= BLOCK);
            Record::Block { ino, index: number(1), len: number(2), unpacked_len, data }
        }
        3 => Record::Length { ino, len: number(1) },
        4 => Record::Gone { ino },
        _ => return None,
    };
    Some((record, end + 4))
}

fn sum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// What remains when all records of a log have been followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// What files and directories are called, and where.
    pub(crate) names: BTreeMap<Ino, (Ino, Vec<u8>)>,
    /// What files hold.
    pub(crate) files: BTreeMap<Ino, KeptFile>,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptFile {
    /// How long it is.
    pub(crate) len: u64,
    /// Its blocks, as they are kept, and how long they are unpacked, where they are packed.
    pub(crate) blocks: BTreeMap<u64, (Vec<u8>, Option<usize>)>,
}

impl Kept {
    /// Follows a log as far as it is whole: how many bytes that was.
    pub(crate) fn apply_all(&mut self, log: &[u8]) -> usize {
        let mut at = 0;
        while let Some((record, len)) = first(&log[at..]) {
            self.apply(&record);
            at += len;
        }
        at
    }

    /// Follows one record.
    pub(crate) fn apply(&mut self, record: &Record<'_>) {
        match *record {
            Record::Name { ino, parent, name } => {
                self.names.insert(ino, (parent, name.to_vec()));
            }
            Record::Block { ino, index, len, unpacked_len, data } => {
                let file = self.files.entry(ino).or_default();
                file.len = len;
                file.blocks.insert(index, (data.to_vec(), unpacked_len));
            }
            Record::Length { ino, len } => {
                let file = self.files.entry(ino).or_default();
                file.len = len;
                file.blocks.retain(|index, _| index * (BLOCK as u64) < len);
            }
            Record::Gone { ino } => {
                self.names.remove(&ino);
                self.files.remove(&ino);
            }
        }
    }

    /// All of it, as a log.
    pub(crate) fn write_to(&self, log: &mut Vec<u8>) {
        for (ino, (parent, name)) in &self.names {
            Record::Name { ino: *ino, parent: *parent, name }.write_to(log);
        }
        for (ino, file) in &self.files {
            for (index, (data, unpacked_len)) in &file.blocks {
                let block =
                    Record::Block { ino: *ino, index: *index, len: file.len, unpacked_len: *unpacked_len, data };
                block.write_to(log);
            }
            Record::Length { ino: *ino, len: file.len }.write_to(log);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> (Vec<u8>, Vec<usize>) {
        let mut log = Vec::new();
        let mut ends = vec![0];
        for record in [
            Record::Name { ino: 2, parent: 1, name: b"a" },
            Record::Block { ino: 2, index: 0, len: 4096, unpacked_len: Some(4096), data: b"packed" },
            Record::Block { ino: 2, index: 1, len: 4099, unpacked_len: None, data: b"abc" },
            Record::Length { ino: 2, len: 10 },
            Record::Name { ino: 3, parent: 1, name: b"b" },
            Record::Gone { ino: 3 },
        ] {
            record.write_to(&mut log);
            ends.push(log.len());
        }
        (log, ends)
    }

    #[test]
    fn a_log_cut_anywhere_keeps_its_whole_records() {
        let (log, ends) = log();
        for cut in 0..=log.len() {
            let whole = Kept::default().apply_all(&log[..cut]);
            assert_eq!(whole, *ends.iter().rfind(|end| **end <= cut).unwrap());
        }
    }

    #[test]
    fn a_damaged_record_ends_the_log() {
        let (log, ends) = log();
        for at in ends[1]..ends[2] {
            let mut damaged = log.clone();
            damaged[at] ^= 0x40;
            assert_eq!(Kept::default().apply_all(&damaged), ends[1], "byte {at}");
        }
    }

    #[test]
    fn what_remains_writes_itself_down_and_comes_back() {
        let (log, _) = log();
        let mut kept = Kept::default();
        kept.apply_all(&log);
        assert_eq!(kept.names.len(), 1);
        assert_eq!(kept.files[&2].len, 10);
        assert_eq!(kept.files[&2].blocks[&0], (b"packed".to_vec(), Some(4096)));
        assert!(!kept.files[&2].blocks.contains_key(&1));
        let mut again = Vec::new();
        kept.write_to(&mut again);
        let mut back = Kept::default();
        assert_eq!(back.apply_all(&again), again.len());
        assert_eq!(back, kept);
    }
}
