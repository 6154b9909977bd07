//! The runner's side of a child process: start it, wait no longer than agreed, read its answer.

use crate::once::{Answer, Errand};
use crate::plant::Plant;
use crate::signals;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

/// How a child ended.
#[derive(Debug)]
pub enum Ended {
    /// It answered.
    Answered(Answer),
    /// It ended without an answer; this is what it said.
    Crashed(String),
    /// It did not end in time and was killed.
    Hung(String),
    /// The user stopped it.
    Stopped,
}

/// Sends a child on an errand.
pub fn send(errand: &Errand, limit: Duration) -> Result<Ended> {
    send_to(&std::env::current_exe().context("finding this program")?, errand, limit)
}

/// Sends a child of that build on an errand.
pub fn send_to(program: &Path, errand: &Errand, limit: Duration) -> Result<Ended> {
    send_by(Command::new(program), errand, limit)
}

/// The same, by a command that ends with a build: what stands before changes what the child finds.
pub fn send_by(command: Command, errand: &Errand, limit: Duration) -> Result<Ended> {
    send_meanwhile(command, errand, limit, None)
}

/// Sends a child that halts right before its work, and does something before it lets the child go on: what a row makes
/// before the clock is then there, and its work finds a world that has changed.
pub fn send_halting(errand: &Errand, limit: Duration, mut at_halt: impl FnMut() -> Result<()>) -> Result<Ended> {
    let command = Command::new(std::env::current_exe().context("finding this program")?);
    let errand = Errand { plant: Plant { halt: true, ..errand.plant }, ..errand.clone() };
    send_meanwhile(command, &errand, limit, Some(&mut at_halt))
}

fn send_meanwhile(
    mut command: Command,
    errand: &Errand,
    limit: Duration,
    at_halt: Option<&mut dyn FnMut() -> Result<()>>,
) -> Result<Ended> {
    let mut child = command
        .arg("once")
        .arg(serde_json::to_string(errand)?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: Ctrl-C reaches the runner alone, and a kill reaches all that the child started.
        .process_group(0)
        .spawn()
        .context("starting a child process")?;
    let id = i32::try_from(child.id()).context("a process number fits an i32")?;
    signals::watch(id);
    let (stdout, stderr) = (gather(child.stdout.take()), gather(child.stderr.take()));
    if let Some(error) = at_halt.and_then(|at_halt| wait_for_halt(&child, at_halt).err()) {
        signals::kill(id);
        child.wait().context("waiting for a child process")?;
        signals::watch(0);
        return Err(error);
    }
    // The runner sleeps until the child ends: no polling while something is measured.
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        // The receiver waits for as long as it takes once the child was killed.
        let _ = send.send(child.wait());
    });
    let ended = receive.recv_timeout(limit);
    let hung = ended.is_err();
    // What the child started and left behind ends with it, and so does a child that takes too long.
    signals::kill(id);
    let status = match ended {
        Ok(status) => status,
        Err(_) => receive.recv().context("waiting for a child process")?,
    };
    signals::watch(0);
    let status = status.context("waiting for a child process")?;
    let (stdout, stderr) = (stdout.said(), stderr.said());
    if hung {
        return Ok(Ended::Hung(tail(&stderr)));
    }
    if status.success() {
        let line = String::from_utf8_lossy(&stdout);
        return Ok(match serde_json::from_str(line.trim()) {
            Ok(answer) => Ended::Answered(answer),
            Err(error) => Ended::Crashed(format!("its answer is unreadable ({error}): {}", tail(&stdout))),
        });
    }
    let killed_by_user = signals::asked_to_stop() && std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
    Ok(if killed_by_user { Ended::Stopped } else { Ended::Crashed(format!("{status}: {}", tail(&stderr))) })
}

/// Waits until a child halts, does what is to be done then, and lets it go on. One that ends first is left to who waits
/// for its end.
fn wait_for_halt(child: &Child, at_halt: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    let id = Pid::from_child(child);
    let look = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let status = waitid(WaitId::Pid(id), look).context("waiting for a child process")?;
    if status.is_some_and(|status| status.stopped()) {
        at_halt()?;
        kill_process(id, Signal::CONT).context("letting a child go on")?;
    }
    Ok(())
}

/// What comes through a pipe, as far as it has come.
struct Gathered {
    bytes: Arc<Mutex<Vec<u8>>>,
    closed: mpsc::Receiver<()>,
}

impl Gathered {
    /// All of it. A program that went on in the background may hold the pipe open for ever; it is not waited for.
    fn said(self) -> Vec<u8> {
        // Closed in time or not, what has come has come.
        let _ = self.closed.recv_timeout(Duration::from_millis(500));
        std::mem::take(&mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn gather(pipe: Option<impl Read + Send + 'static>) -> Gathered {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let (send, closed) = mpsc::channel();
    let into = Arc::clone(&bytes);
    std::thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut piece = [0; 16 << 10];
        // A pipe that breaks has said what it had to say.
        while let Ok(read @ 1..) = pipe.read(&mut piece) {
            let mut bytes = into.lock().unwrap_or_else(PoisonError::into_inner);
            bytes.extend_from_slice(&piece[..read]);
        }
        // Nobody waits any more where the child hung.
        let _ = send.send(());
    });
    Gathered { bytes, closed }
}

/// The end of what a program said: a dozen lines, and no more than a page.
fn tail(bytes: &[u8]) -> String {
    const LINES: usize = 12;
    const BYTES: usize = 4 << 10;
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(BYTES)..]);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
