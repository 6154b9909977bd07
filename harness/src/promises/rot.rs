//! Verified: a bit of what a row reads flips. It is told with a file's name, or it changes nothing.

use super::Found;
use super::ground::Ground;
use crate::child::Ended;
use crate::once::Answer;
use crate::removal::remove_tree;
use crate::signals;
use anyhow::{Context, Result};
use reports::stats::chance::Chance;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use technique::Absent;

/// Flips so many bits, one after the other, each anywhere in what the row keeps. The row is ready by then: one that makes
/// a tree before its work makes it of what is whole.
pub(crate) fn flip(ground: &mut Ground, moments: u32, seed: u64, told: &dyn Fn(u32)) -> Result<Result<Found, Absent>> {
    let files = files(ground.kept())?;
    let all: u64 = files.iter().map(|(_, len)| len).sum();
    if all == 0 {
        let mend = "it reads nothing that could rot; other trials hold it".to_owned();
        return Ok(Err(Absent { why: format!("{} keeps no store", ground.row.variant.name), mend }));
    }
    let mut found = Found::default();
    let mut chance = Chance::seeded(seed);
    let mut harmless = 0;
    for moment in 0..moments {
        if signals::asked_to_stop() {
            break;
        }
        told(moment);
        let (mut at, bit) = (chance.bits() % all, chance.bits() % 8);
        let (path, _) = files
            .iter()
            .find(|(_, len)| {
                let within = at < *len;
                at -= if within { 0 } else { *len };
                within
            })
            .context("the place lies in one of the files")?;
        let errand = ground.fresh()?;
        let mut flipped = false;
        let ended = ground.run_after(&errand, || {
            flipped = true;
            flip_bit(path, at, bit)
        });
        if flipped {
            flip_bit(path, at, bit)?;
        }
        let (ended, before) = ended?;
        let place = format!("bit {bit} of byte {at} of {}", path.strip_prefix(ground.kept()).unwrap_or(path).display());
        let mut wrong = match ended {
            // A bit that no decoder looks at, such as one of gzip's header.
            Ended::Answered(Answer::Reading(_)) => {
                harmless += 1;
                let differs = ground.differences(&errand.target);
                differs.first().map(|first| format!("{place}: nothing was told, and {first}")).into_iter().collect()
            }
            Ended::Crashed(told) if ground.names_a_file(&told) => Vec::new(),
            ended => vec![format!("{place}: no file was named: {ended:?}")],
        };
        wrong.extend(ground.torn(&errand.target, &before)?.into_iter().map(|torn| format!("{place}: {torn}")));
        found.count(&wrong);
        remove_tree(&errand.target)?;
    }
    found.note = format!("{harmless} changed nothing");
    Ok(Ok(found))
}

/// Every file below a directory, and its length.
fn files(dir: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).with_context(|| format!("listing {}", dir.display()))? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                open.push(entry.path());
            } else if meta.is_file() {
                files.push((entry.path(), meta.len()));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn flip_bit(path: &Path, at: u64, bit: u64) -> Result<()> {
    let flipping = || format!("flipping a bit of {}", path.display());
    let file: File = OpenOptions::new().read(true).write(true).open(path).with_context(flipping)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).with_context(flipping)?;
    byte[0] ^= 1 << bit;
    file.write_all_at(&byte, at).with_context(flipping)
}
