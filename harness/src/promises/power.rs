//! Durable: the power fails when a run has returned. What the disk holds at that instant is mounted, and must be whole.

use super::Found;
use super::ground::{Ground, Row, Under};
use crate::child::Ended;
use crate::file_system::{FileSystem, Kind, Room};
use crate::once::Answer;
use crate::signals;
use anyhow::{Context, Result};
use fixtures::Fixture;
use std::path::Path;
use std::time::Duration;
use technique::Absent;

/// So many moments of other trials are worth one failure of power, which takes as long.
pub(crate) const MOMENTS: u32 = 50;

/// Cuts the power of a file system of that kind, after a run has returned.
pub(crate) fn cut(
    row: &Row,
    fixture: &Fixture,
    kind: Kind,
    scratch: &Path,
    moments: u32,
    limit: Duration,
) -> Result<Result<Found, Absent>> {
    if let Err(absent) = kind.possible(scratch) {
        return Ok(Err(absent));
    }
    let mut found = Found::default();
    for _ in 0..moments.div_ceil(MOMENTS) {
        if signals::asked_to_stop() {
            break;
        }
        let file_system = FileSystem::make(kind, &scratch.join("power"), Room::of(&fixture.tally))?;
        let mut ground = match Ground::set(file_system.path(), row, fixture, limit)? {
            Ok(ground) => ground,
            Err(absent) => return Ok(Err(absent)),
        };
        let errand = ground.fresh()?;
        file_system.settle()?;
        let ended = ground.run(&errand, Under::default())?;
        let below = errand.target.strip_prefix(file_system.path()).context("a target lies on its file system")?;
        let below = below.to_owned();
        let after = file_system.after_power_cut(&scratch.join("after"))?;
        match ended {
            Ended::Answered(Answer::Reading(_)) => found.count(&ground.differences(&after.path().join(below))),
            ended => found.count(&[format!("it did not even run: {ended:?}")]),
        }
    }
    Ok(Ok(found))
}
