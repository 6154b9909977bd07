//! A store whose pages come out of large pieces of memory, which the kernel gives two MiB at a time.
//!
//! A vector for each file asks for its memory file by file: a system call, and an interruption at the first touch of
//! each page. That is most of what a write costs a server; here one in five hundred pages pays it.

use crate::numbered::Numbered;
use crate::vectors::lock;
use blocks::{BLOCK, Ino, Store};
use memmap2::{Advice, MmapMut};
use std::io::{Error, Result};
use std::sync::Mutex;
use technique::Lap;
use technique::phase::{ACQUIRE, COPY, WAIT};

/// How much is asked for at once. What is not touched is no memory yet.
const PIECE: usize = 32 << 20;
const PAGES: usize = PIECE / BLOCK;
/// Where a file has no page: what nobody wrote is zero.
const HOLE: u32 = u32::MAX;

/// Pages of files.
#[derive(Default)]
pub(crate) struct Pages(Mutex<Held>);

#[derive(Default)]
struct Held {
    files: Numbered<File>,
    memory: Memory,
}

#[derive(Default)]
struct File {
    pages: Vec<u32>,
    len: u64,
}

/// Numbered pages.
#[derive(Default)]
struct Memory {
    pieces: Vec<MmapMut>,
    /// How many have ever been taken.
    taken: usize,
    /// Which were given back.
    free: Vec<u32>,
}

impl Memory {
    /// A page that holds zeros.
    fn take(&mut self) -> Result<u32> {
        if let Some(page) = self.free.pop() {
            self.page(page).fill(0);
            return Ok(page);
        }
        if self.taken == self.pieces.len() * PAGES {
            let piece = MmapMut::map_anon(PIECE)?;
            // Without huge pages it is slower, and no less right.
            let _ = piece.advise(Advice::HugePage);
            self.pieces.push(piece);
        }
        let page = u32::try_from(self.taken).ok().filter(|page| *page != HOLE);
        let page = page.ok_or_else(|| Error::other("more pages than have numbers"))?;
        self.taken += 1;
        // Touched here, so that whoever looks at the time finds it where memory is acquired.
        self.page(page)[0] = 0;
        Ok(page)
    }

    fn page(&mut self, page: u32) -> &mut [u8] {
        let at = page as usize % PAGES * BLOCK;
        &mut self.pieces[page as usize / PAGES][at..at + BLOCK]
    }
}

/// The pages that bytes from `at` on lie in: each one's place in the file, where in it they begin, and how many.
fn parts(at: usize, len: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let (page, from) = ((at + done) / BLOCK, (at + done) % BLOCK);
        let part = (BLOCK - from).min(len - done);
        done += part;
        (part > 0).then_some((page, from, part))
    })
}

fn whole(at: u64, len: usize) -> Result<usize> {
    let end = usize::try_from(at).ok().and_then(|at| at.checked_add(len));
    end.map(|end| end - len).ok_or_else(|| Error::other("no file is as long as that"))
}

impl Store for Pages {
    fn named(&self, _: Ino, _: Ino, _: &[u8], _: &mut Lap) -> Result<()> {
        Ok(())
    }

    fn write(&self, ino: Ino, at: u64, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        let mut held = lock(&self.0);
        lap.mark(WAIT);
        let Held { files, memory } = &mut *held;
        let file = files.entry(ino).or_default();
        let start = whole(at, bytes.len())?;
        let pages = (start + bytes.len()).div_ceil(BLOCK);
        if file.pages.len() < pages {
            file.pages.resize(pages, HOLE);
        }
        for (page, ..) in parts(start, bytes.len()) {
            if file.pages[page] == HOLE {
                file.pages[page] = memory.take()?;
            }
        }
        lap.mark(ACQUIRE);
        let mut left = bytes;
        for (page, from, part) in parts(start, bytes.len()) {
            let (now, later) = left.split_at(part);
            memory.page(file.pages[page])[from..from + part].copy_from_slice(now);
            left = later;
        }
        file.len = file.len.max(at + bytes.len() as u64);
        lap.mark(COPY);
        Ok(())
    }

    fn read(&self, ino: Ino, at: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut held = lock(&self.0);
        let Held { files, memory } = &mut *held;
        let Some(file) = files.get(&ino) else { return Ok(0) };
        let there = usize::try_from(file.len.saturating_sub(at)).unwrap_or(usize::MAX).min(buffer.len());
        let mut left = &mut buffer[..there];
        for (page, from, part) in parts(whole(at, there)?, there) {
            let (now, later) = left.split_at_mut(part);
            match file.pages.get(page) {
                None | Some(&HOLE) => now.fill(0),
                Some(page) => now.copy_from_slice(&memory.page(*page)[from..from + part]),
            }
            left = later;
        }
        Ok(there)
    }

    fn len(&self, ino: Ino) -> u64 {
        lock(&self.0).files.get(&ino).map_or(0, |file| file.len)
    }

    fn resize(&self, ino: Ino, len: u64) -> Result<()> {
        let mut held = lock(&self.0);
        let Held { files, memory } = &mut *held;
        let file = files.entry(ino).or_default();
        let end = whole(len, 0)?;
        let kept = end.div_ceil(BLOCK).min(file.pages.len());
        memory.free.extend(file.pages.drain(kept..).filter(|page| *page != HOLE));
        // What is cut off must not come back when the file grows again.
        if let Some(last) = file.pages.get(end / BLOCK).filter(|page| **page != HOLE) {
            memory.page(*last)[end % BLOCK..].fill(0);
        }
        file.len = len;
        Ok(())
    }

    fn closed(&self, _: Ino, _: &mut Lap) -> Result<()> {
        Ok(())
    }

    fn sync(&self, _: Ino, _: &mut Lap) -> Result<()> {
        Ok(())
    }

    fn drain(&self, _: &mut Lap) -> Result<()> {
        Ok(())
    }

    fn forget(&self, ino: Ino) -> Result<()> {
        let mut held = lock(&self.0);
        if let Some(file) = held.files.remove(&ino) {
            held.memory.free.extend(file.pages.into_iter().filter(|page| *page != HOLE));
        }
        Ok(())
    }

    fn saved(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::Vectors;

    /// Numbers that are the same each time.
    fn next(state: &mut u64, below: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % below
    }

    #[test]
    fn whatever_is_done_to_files_it_holds_what_vectors_hold() {
        let (pages, vectors) = (Pages::default(), Vectors::default());
        let both: [&dyn Store; 2] = [&pages, &vectors];
        let (mut state, mut lap) = (7, Lap::start(false));
        for step in 0..3000u64 {
            let (ino, what) = (next(&mut state, 3), next(&mut state, 10));
            let (at, len) = (next(&mut state, 20_000), next(&mut state, 9_000));
            let bytes: Vec<u8> = (0..len).map(|byte| (byte + step).to_le_bytes()[0] | 1).collect();
            for store in both {
                match what {
                    0 => store.forget(ino).unwrap(),
                    1 | 2 => store.resize(ino, at).unwrap(),
                    _ => store.write(ino, at, &bytes, &mut lap).unwrap(),
                }
            }
            let [mine, theirs] = both.map(|store| blocks::read_all(store, ino).unwrap());
            assert!(mine == theirs, "step {step}: {what} at {at}, {len} long");
        }
        let taken = lock(&pages.0).memory.taken;
        assert!(taken <= 3 * 8, "{taken} pages for three files of at most 29,000 bytes: none is lost");
    }

    #[test]
    fn what_is_far_away_costs_no_memory_between() {
        let pages = Pages::default();
        pages.write(1, 1 << 32, b"far", &mut Lap::start(false)).unwrap();
        assert_eq!((pages.len(1), lock(&pages.0).memory.taken), ((1 << 32) + 3, 1));
        let mut buffer = [1; 6];
        assert_eq!(pages.read(1, (1 << 32) - 2, &mut buffer).unwrap(), 5);
        assert_eq!(&buffer, b"\0\0far\x01");
        assert!(pages.write(1, u64::MAX - 1, b"farther", &mut Lap::start(false)).is_err());
    }
}
