//! Walks along a copied stack by the unwind tables of the program and its libraries: for code without frame pointers.

use super::names::maps;
use super::watch::Start;
use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Module, Unwinder};
use object::{Object, ObjectSection};
use std::collections::BTreeMap;
use std::ops::Range;

/// A stack of more frames than this goes in circles.
const DEEPEST: usize = 200;

/// Unwind tables of everything in the memory of this process.
pub(crate) struct Walker {
    unwinder: UnwinderX86_64<Vec<u8>>,
    cache: CacheX86_64,
}

impl Walker {
    /// Reads the tables. A file that cannot be read has none, and walks end there.
    pub(crate) fn here() -> Walker {
        let mut files: BTreeMap<String, Range<u64>> = BTreeMap::new();
        for map in maps().into_iter().filter(|map| map.path.starts_with('/')) {
            let range = files.entry(map.path).or_insert(map.first - map.offset..map.after);
            range.end = range.end.max(map.after);
        }
        let mut unwinder = UnwinderX86_64::new();
        for (path, range) in files {
            if let Some(module) = module(&path, range) {
                unwinder.add_module(module);
            }
        }
        Walker { unwinder, cache: CacheX86_64::new() }
    }

    /// The addresses of a stack, innermost first: where the thread stood, then where calls return to.
    pub(crate) fn walk(&mut self, start: Start, copy: &[u64]) -> Vec<u64> {
        let mut read = |address: u64| {
            let at = address.checked_sub(start.stack).filter(|offset| offset % 8 == 0).ok_or(())? / 8;
            usize::try_from(at).ok().and_then(|at| copy.get(at)).copied().ok_or(())
        };
        let registers = UnwindRegsX86_64::new(start.instruction, start.stack, start.frame);
        let mut frames = self.unwinder.iter_frames(start.instruction, registers, &mut self.cache, &mut read);
        let mut addresses = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            addresses.push(match frame {
                FrameAddress::InstructionPointer(address) => address,
                FrameAddress::ReturnAddress(address) => address.get(),
            });
            if addresses.len() >= DEEPEST {
                break;
            }
        }
        addresses
    }
}

fn module(path: &str, range: Range<u64>) -> Option<Module<Vec<u8>>> {
    let bytes = std::fs::read(path).ok()?;
    let file = object::File::parse(bytes.as_slice()).ok()?;
    let place = |name: &str| {
        let section = file.section_by_name(name)?;
        Some(section.address()..section.address() + section.size())
    };
    let data = |name: &str| file.section_by_name(name)?.data().ok().map(<[u8]>::to_vec);
    let sections = ExplicitModuleSectionInfo {
        text_svma: place(".text"),
        text: data(".text"),
        got_svma: place(".got"),
        eh_frame_svma: place(".eh_frame"),
        eh_frame: data(".eh_frame"),
        eh_frame_hdr_svma: place(".eh_frame_hdr"),
        eh_frame_hdr: data(".eh_frame_hdr"),
        ..ExplicitModuleSectionInfo::default()
    };
    let base = range.start;
    Some(Module::new(path.to_owned(), range, base, sections))
}
