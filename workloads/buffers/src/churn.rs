//! Churn: get a buffer, touch some of it, give it back; once for each of many copies.

use crate::source::{Buffers, Source};
use anyhow::{Context, Result};
use fixtures::Tally;
use std::hint::black_box;
use std::path::PathBuf;
use technique::phase::{ACQUIRE, RELEASE, TOUCH};
use technique::{Lap, Outcome, Site, Technique};

/// The size of a copy buffer, as the post-mortem has it.
pub const SIZE: usize = 256 << 10;
/// The size of a page: a write to one byte in each is what touching takes.
const PAGE: usize = 4 << 10;
/// How many copies each file of the fixture stands for, so that a run is long enough to be timed and the first buffer,
/// which is fresh in every row, weighs little.
const REPEAT: u64 = 20;

/// Gets a buffer for each copy and touches the pages of its first bytes.
pub(crate) struct Churn {
    /// How it gets its buffers.
    pub(crate) buffers: Buffers,
    /// How many bytes of each are touched.
    pub(crate) touched: usize,
}

/// A source that is ready to serve, and what it has served so far.
pub(crate) struct Ready {
    source: Source,
    copies: u64,
    served: Served,
}

/// What a run leaves behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Served {
    /// How many buffers came.
    buffers: u64,
    /// Their sizes, added up.
    bytes: u64,
    /// How many bytes of each were to be touched.
    touched: usize,
    /// What was read back from the last touched page of each, added up.
    echo: u64,
}

impl Technique for Churn {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        Ok(Ready { source: self.buffers.source(SIZE), copies: copies(&site.tally), served: Served::default() })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let mut served = Served { touched: self.touched, ..Served::default() };
        let mut tap = ready.source.tap();
        for copy in 0..ready.copies {
            let mut buffer = tap.acquire();
            lap.mark(ACQUIRE);
            served.echo += touch(&mut buffer[..self.touched], copy);
            lap.mark(TOUCH);
            served.bytes += buffer.len() as u64;
            served.buffers += 1;
            drop(buffer);
            lap.mark(RELEASE);
        }
        ready.served = served;
        Ok(())
    }

    fn repeats(&self) -> bool {
        true
    }

    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        let place = place(site);
        std::fs::write(&place, serde_json::to_vec(&ready.served)?)
            .with_context(|| format!("writing {}", place.display()))
    }
}

/// Writes to each page of `bytes`, and reads the last one back. Nobody may conclude that they are not needed.
fn touch(bytes: &mut [u8], copy: u64) -> u64 {
    for (page, byte) in (0..).zip(bytes.iter_mut().step_by(PAGE)) {
        *byte = mark_of(copy, page);
    }
    black_box(bytes).iter().step_by(PAGE).next_back().copied().map_or(0, u64::from)
}

/// What a copy writes to a page.
fn mark_of(copy: u64, page: u64) -> u8 {
    (copy + page).to_le_bytes()[0]
}

fn copies(tally: &Tally) -> u64 {
    tally.files * REPEAT
}

/// What each run should have served.
pub(crate) fn expected(site: &Site) -> Outcome {
    let copies = copies(&site.tally);
    state(copies, copies * SIZE as u64, ECHOED.to_owned())
}

/// What the run has served: how many buffers, how many bytes, and whether these held what was written to them.
pub(crate) fn outcome(site: &Site) -> Result<Outcome> {
    let place = place(site);
    let read = || format!("reading {}", place.display());
    let served: Served = serde_json::from_slice(&std::fs::read(&place).with_context(read)?).with_context(read)?;
    let written = echo(served.buffers, served.touched);
    let told = if served.echo == written {
        ECHOED.to_owned()
    } else {
        format!("something else: the bytes read back add up to {}, those written to {written}", served.echo)
    };
    Ok(state(served.buffers, served.bytes, told))
}

const ECHOED: &str = "what was written";

fn state(buffers: u64, bytes: u64, echo: String) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.state(b"buffers", "served", buffers.to_string());
    outcome.state(b"buffers", "bytes", bytes.to_string());
    outcome.state(b"buffers", "held", echo);
    outcome
}

/// The sum of what that many copies read back.
fn echo(copies: u64, touched: usize) -> u64 {
    match touched.div_ceil(PAGE) as u64 {
        0 => 0,
        pages => (0..copies).map(|copy| u64::from(mark_of(copy, pages - 1))).sum(),
    }
}

fn place(site: &Site) -> PathBuf {
    site.target.join("served.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(dir: &std::path::Path) -> Site {
        let target = dir.join("target");
        std::fs::create_dir_all(&target).unwrap();
        let tally = Tally { files: 20, ..Tally::default() };
        Site::new(dir.join("source"), target, dir.join("kept"), tally)
    }

    #[test]
    fn touching_writes_to_every_page_and_reads_the_last_back() {
        let mut bytes = vec![255; 5 << 10];
        assert_eq!(touch(&mut bytes, 9), 10);
        assert_eq!((bytes[0], bytes[PAGE]), (9, 10));
        assert!(bytes[1..PAGE].iter().chain(&bytes[PAGE + 1..]).all(|byte| *byte == 255));
        assert_eq!(touch(&mut [], 9), 0);
    }

    #[test]
    fn a_buffer_that_lost_what_was_written_is_found_out() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(dir.path());
        let churn = Churn { buffers: Buffers::Fresh, touched: SIZE };
        let mut ready = churn.prepare(&site).unwrap();
        churn.work(&mut ready, &mut Lap::start(true)).unwrap();
        ready.served.echo -= 1;
        ready.served.bytes -= 1;
        churn.settle(&mut ready, &site).unwrap();
        let told = expected(&site).differences(&outcome(&site).unwrap(), churn.promises());
        assert_eq!(told.len(), 2, "{told:?}");
    }

    #[test]
    fn a_run_marks_what_it_does() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(dir.path());
        let churn = Churn { buffers: Buffers::Pooled, touched: SIZE };
        let mut lap = Lap::start(true);
        churn.work(&mut churn.prepare(&site).unwrap(), &mut lap).unwrap();
        let times = lap.stop();
        for phase in [ACQUIRE, TOUCH, RELEASE] {
            let marks = times.phases.iter().find(|time| time.phase == phase).map(|time| time.marks);
            assert_eq!(marks, Some(20 * REPEAT), "{}", phase.name());
        }
    }
}
