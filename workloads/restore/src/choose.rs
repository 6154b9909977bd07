//! Which row is best where a tree shall stand: not by what its file system is called, but by trying. A few files of the
//! store's own sizes are made there by each of the rows that promise the same, in turns.

use crate::catalogue::Catalogue;
use crate::job::times;
use crate::knobs::Restore;
use anyhow::{Context, Result};
use rustix::fs::{AtFlags, CWD, utimensat};
use std::ffi::CString;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use syscalls::{Attributes, Ring, RingFile};
use technique::load::clear_umask;
use technique::{Absent, Lap};

/// How often each row is tried.
const ROUNDS: usize = 5;
/// So many directories with so many files each are made at a time.
const DIRECTORIES: usize = 8;
const FILES: usize = 8;
/// No file that is made for trying is longer.
const LONGEST: u64 = 256 << 10;
/// A row is taken instead of the first one where it needed at most this part of its time, round by round.
const ENOUGH: f64 = 0.9;

/// A row, and why it was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The row.
    pub row: &'static str,
    /// Why, in words.
    pub why: String,
}

/// Files that were made for trying. They are removed when this is dropped, which should be after the restore: on some
/// file systems files are dearer to make for a while after others were removed.
pub struct Tried(PathBuf);

impl Drop for Tried {
    fn drop(&mut self) {
        // Whoever cannot remove it finds a directory whose name says what it is.
        let _ = fixtures::remove_tree(&self.0);
    }
}

/// Chooses among rows that read the same store: the first, unless another is faster every time. `place` must not exist;
/// it is made, and lies on the file system that is asked about.
pub(crate) fn choose(
    rows: &[(&'static str, &'static Restore)],
    catalogue: &Catalogue,
    place: &Path,
) -> Result<(Chosen, Tried)> {
    clear_umask();
    let lengths = lengths(catalogue);
    fs::create_dir(place).with_context(|| format!("making {}", place.display()))?;
    let tried = Tried(place.to_owned());
    let mut able = Vec::new();
    for (name, row) in rows {
        match row.way.probe(place).and_then(|()| row.ring.map(Ring::new).transpose()) {
            Ok(_) => able.push((*name, *row, Vec::new())),
            Err(error) if error.is::<Absent>() => {}
            Err(error) => return Err(error.context(format!("trying {name}"))),
        }
    }
    // Each is tried once more than is counted: the first to work there finds nothing in memory.
    for round in 0..=ROUNDS {
        let count = able.len();
        for turn in 0..count {
            let (name, row, took) = &mut able[(turn + round) % count];
            let dir = place.join(format!("{name}-{round}"));
            let time = try_row(row, &dir, &lengths).with_context(|| format!("trying {name}"))?;
            if round > 0 {
                took.push(time);
            }
        }
    }
    let (first, others) = able.split_first().context("no row can work there")?;
    Ok((chosen((first.0, &first.2), &others.iter().map(|one| (one.0, &one.2[..])).collect::<Vec<_>>()), tried))
}

/// The first, or whoever was faster than it every time, and of those the fastest.
fn chosen(first: (&'static str, &[Duration]), others: &[(&'static str, &[Duration])]) -> Chosen {
    let ratios = |took: &[Duration]| -> Vec<f64> {
        let mut ratios: Vec<f64> =
            took.iter().zip(first.1).map(|(one, first)| one.as_secs_f64() / first.as_secs_f64().max(1e-9)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    };
    let mut told: Vec<(&str, f64, f64)> = Vec::new();
    let mut best: Option<(&'static str, f64)> = None;
    for (name, took) in others {
        let ratios = ratios(took);
        let (middle, worst) = (ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
        told.push((name, middle, worst));
        if worst <= ENOUGH && best.is_none_or(|(_, best)| middle < best) {
            best = Some((name, middle));
        }
    }
    let row = best.map_or(first.0, |(name, _)| name);
    let times = |(name, middle, worst): &(&str, f64, f64)| {
        format!("{name} took {middle:.2} of the time of {} (at most {worst:.2})", first.0)
    };
    let tried = told.iter().map(times).collect::<Vec<_>>().join(", ");
    let rule = if best.is_some() { "faster every time" } else { "no other was a tenth faster every time" };
    let files = DIRECTORIES * FILES;
    let why = if told.is_empty() {
        "no other row that promises the same can work there".to_owned()
    } else {
        format!("{rule}: over {files} files {ROUNDS} times, {tried}")
    };
    Chosen { row, why }
}

/// Lengths from all over the store: each stands for as many files as any other.
fn lengths(catalogue: &Catalogue) -> Vec<u64> {
    let mut all: Vec<u64> =
        catalogue.files.iter().map(|file| catalogue.contents[file.content as usize].len.min(LONGEST)).collect();
    all.sort_unstable();
    let wanted = DIRECTORIES * FILES;
    // Spread so that each directory has small files and large ones.
    (0..wanted).map(|at| (at * 29 % wanted) * all.len() / wanted).filter_map(|at| all.get(at).copied()).collect()
}

/// Makes the files, and tells how long that took.
fn try_row(row: &Restore, dir: &Path, lengths: &[u64]) -> Result<Duration> {
    fs::create_dir(dir)?;
    let bytes = vec![0x5a; usize::try_from(LONGEST)?];
    let runs: Vec<(PathBuf, &[u64])> =
        lengths.chunks(FILES).enumerate().map(|(at, run)| (dir.join(at.to_string()), run)).collect();
    let names: Vec<CString> = (0..FILES).map(|at| CString::new(format!("f{at}"))).collect::<Result<_, _>>()?;
    let spread = row.crew.spread();
    let mut lap = Lap::start(false);
    spread.each(
        &runs,
        |(_, run)| run.iter().sum(),
        &mut lap,
        || row.ring.map(Ring::new).transpose(),
        |ring, (dir, run), lap| {
            fs::create_dir(dir)?;
            let held = crate::directories::open_directory(CWD, dir)?;
            let plain = |len: u64| &bytes[..usize::try_from(len).expect("it is short")];
            if let Some(ring) = ring {
                let files: Vec<RingFile> = run
                    .iter()
                    .zip(&names)
                    .map(|(len, path)| RingFile { path, mode: 0o644, bytes: plain(*len) })
                    .collect();
                for batch in files.chunks(ring.chains()) {
                    ring.make(held.as_fd(), batch, lap)?;
                }
                for path in &names[..run.len()] {
                    utimensat(held.as_fd(), path, &times((1, 0)), AtFlags::SYMLINK_NOFOLLOW)?;
                }
                return Ok(());
            }
            for (len, name) in run.iter().zip(&names) {
                let attributes = Attributes { mode: 0o644, mtime: (1, 0), len: *len };
                let name = Path::new(name.to_str().expect("it was made of digits"));
                let mut sink = row.way.begin(held.as_fd(), name, &attributes, lap)?;
                sink.write(plain(*len), lap)?;
                sink.finish(lap)?;
            }
            Ok(())
        },
    )?;
    Ok(lap.stop().wall)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(milliseconds: &[u64]) -> Vec<Duration> {
        milliseconds.iter().map(|one| Duration::from_millis(*one)).collect()
    }

    #[test]
    fn another_row_is_chosen_only_where_it_is_faster_every_time() {
        let first = took(&[100, 100, 100]);
        for (other, more, row) in [
            ([50, 60, 70], [80, 80, 80], "other"),
            ([50, 60, 95], [99, 99, 99], "first"),
            ([85, 85, 85], [40, 70, 60], "more"),
            ([300, 300, 300], [100, 100, 100], "first"),
        ] {
            let (other, more) = (took(&other), took(&more));
            let chosen = chosen(("first", &first), &[("other", &other), ("more", &more)]);
            assert_eq!(chosen.row, row);
            assert!(chosen.why.contains("other took") && chosen.why.contains("more took"), "{}", chosen.why);
        }
        assert_eq!(chosen(("first", &first), &[]).row, "first");
    }
}
