//! Atomic: a run is killed at random moments, and no file under its final name may be incomplete.

use super::Found;
use super::ground::{Ground, Stood, stands};
use crate::once::Errand;
use crate::plant::Plant;
use crate::removal::remove_tree;
use crate::signals;
use anyhow::{Context, Result, ensure};
use reports::stats::chance::Chance;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, test_kill_process_group, waitpid};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Kills so many runs, each at a moment of its own between the work's beginning and a little after its end.
pub(crate) fn kill(ground: &mut Ground, moments: u32, seed: u64, told: &dyn Fn(u32)) -> Result<Found> {
    const BEYOND: f64 = 1.05;
    let duration = ground.duration()?;
    let mut found = Found::default();
    let mut chance = Chance::seeded(seed);
    let mut struck = 0;
    for moment in 0..moments {
        if signals::asked_to_stop() {
            break;
        }
        told(moment);
        let share = chance.share();
        let plant = Plant { halt: true, ..Plant::default() };
        let errand = Errand { plant, ..ground.fresh()? };
        let (died, before) = strike(&errand, duration.mul_f64(share * BEYOND))?;
        struck += u32::from(died);
        found.count(&ground.torn(&errand.target, &before)?);
        remove_tree(&errand.target)?;
    }
    found.note = format!("{struck} died at work");
    Ok(found)
}

/// Starts a run, which halts where its work begins, lets it go on, and kills it after so long. Says whether it was
/// still at work then, and what stood there when it began.
fn strike(errand: &Errand, after: Duration) -> Result<(bool, Stood)> {
    let child = Command::new(std::env::current_exe().context("finding this program")?)
        .arg("once")
        .arg(serde_json::to_string(errand)?)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("starting a child process")?;
    let id = Pid::from_child(&child);
    signals::watch(id.as_raw_nonzero().get());
    let waited = waitpid(Some(id), WaitOptions::UNTRACED).context("waiting for a child process")?;
    let halted = waited.is_some_and(|(_, status)| status.stopped());
    let before = stands(&errand.target);
    if halted {
        kill_process(id, Signal::CONT).context("letting a child go on")?;
        std::thread::sleep(after);
    }
    // It may have ended by itself, and with it its group.
    let _ = kill_process_group(id, Signal::KILL);
    let killed = halted && {
        let waited = waitpid(Some(id), WaitOptions::empty()).context("waiting for a child process")?;
        waited.is_some_and(|(_, status)| status.signaled())
    };
    signals::watch(0);
    ensure!(halted, "the run of {} ended before its work began", errand.variant);
    // What it started ends a moment later than it.
    for _ in 0..1000 {
        if test_kill_process_group(id).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok((killed, before?))
}
