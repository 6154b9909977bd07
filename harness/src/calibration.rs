//! What simple things cost on this machine, now: measured at the start and at the end, so that a reader of old numbers
//! sees whether the machine was the same, and whether it stayed so.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use technique::Lap;

/// Nanoseconds of a system call, of a file made and removed, of a megabyte copied, and of 64 KiB packed by zstd.
pub fn calibrate(scratch: &Path) -> Result<BTreeMap<String, f64>> {
    let mut costs = BTreeMap::new();
    costs.insert(
        "getppid_ns".to_owned(),
        best(5, 2000, || {
            black_box(rustix::process::getppid());
            Ok(())
        })?,
    );
    let place = scratch.join("calibration");
    std::fs::create_dir_all(&place).with_context(|| format!("making {}", place.display()))?;
    let file = place.join("file");
    let create_and_remove = best(5, 50, || {
        std::fs::write(&file, b"x").and_then(|()| std::fs::remove_file(&file)).context("making and removing a file")
    });
    std::fs::remove_dir(&place).with_context(|| format!("removing {}", place.display()))?;
    costs.insert("create_unlink_ns".to_owned(), create_and_remove?);
    let (from, mut to) = (vec![1u8; 1 << 20], vec![0u8; 1 << 20]);
    costs.insert(
        "copy_1mib_ns".to_owned(),
        best(5, 10, || {
            black_box(&mut to).copy_from_slice(black_box(&from));
            Ok(())
        })?,
    );
    // Neither all alike nor all different.
    let plain: Vec<u8> = (0..64u32 << 10).map(|at| (at.wrapping_mul(2_654_435_761) >> 27).to_le_bytes()[0]).collect();
    let mut packer = codecs::Codec::Zstd { level: 1 }.packer(None)?;
    costs.insert(
        "zstd_64kib_ns".to_owned(),
        best(5, 5, || {
            black_box(packer.pack(black_box(&plain))?);
            Ok(())
        })?,
    );
    Ok(costs)
}

/// The least that one of `times` in a row costs, of so many rows.
fn best(rows: u32, times: u32, mut what: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..rows {
        let lap = Lap::start(false);
        for _ in 0..times {
            what()?;
        }
        least = least.min(lap.stop().wall.as_nanos() as f64 / f64::from(times));
    }
    Ok(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_costs_something_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let costs = calibrate(dir.path()).unwrap();
        assert_eq!(costs.len(), 4);
        assert!(costs.values().all(|cost| *cost > 0.0), "{costs:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
