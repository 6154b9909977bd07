//! Ctrl-C: once finishes the sample and keeps everything, twice stops at once.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

static ASKED: AtomicU32 = AtomicU32::new(0);
static CHILD: AtomicI32 = AtomicI32::new(0);

/// Starts listening. The second signal kills the running child.
pub fn listen() -> Result<()> {
    listen_saying("\nfinishing the sample; once more stops at once\n")
}

/// The same, with other words at the first signal.
pub fn listen_saying(words: &'static str) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("listening for Ctrl-C")?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if ASKED.fetch_add(1, Ordering::SeqCst) > 0 {
                kill(CHILD.load(Ordering::SeqCst));
            } else {
                // Nobody is left to tell where the terminal is gone; that is no reason to stop differently.
                let _ = std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes());
            }
        }
    });
    Ok(())
}

/// Whether the user asked to stop.
pub fn asked_to_stop() -> bool {
    ASKED.load(Ordering::SeqCst) > 0
}

/// Names the child that a second Ctrl-C kills; 0 when there is none. Where the user has asked twice before the child
/// was named, it dies at once.
pub fn watch(child: i32) {
    CHILD.store(child, Ordering::SeqCst);
    if child != 0 && ASKED.load(Ordering::SeqCst) > 1 {
        kill(child);
    }
}

/// Kills a child and all that it started; the child leads a process group of its own.
pub fn kill(child: i32) {
    if let Some(group) = Pid::from_raw(child) {
        // It may have ended by itself, which is as good.
        let _ = kill_process_group(group, Signal::KILL);
    }
}
