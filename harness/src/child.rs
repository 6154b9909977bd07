//! The runner's side of a child process: start it, wait no longer than agreed, read its answer.

use crate::once::{Answer, Errand};
use crate::signals;
use anyhow::{Context, Result};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
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
pub fn send_by(mut command: Command, errand: &Errand, limit: Duration) -> Result<Ended> {
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
