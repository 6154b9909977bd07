//! The runner's side of a child process: start it, wait no longer than agreed, read its answer.

use crate::once::{Answer, Errand};
use crate::signals;
use anyhow::{Context, Result};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
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
    let exe = std::env::current_exe().context("finding this program")?;
    let mut child = Command::new(exe)
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
    let (send, receive) = mpsc::channel();
    let stderr = gather(child.stderr.take());
    let stdout = gather(child.stdout.take());
    // The runner sleeps until both pipes are closed: no polling while something is measured.
    std::thread::spawn(move || {
        let said = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
        // The receiver is gone where the child hung; then nobody asks.
        let _ = send.send(said);
    });
    let said = receive.recv_timeout(limit);
    let hung = said.is_err();
    if hung {
        signals::kill(id);
    }
    let status = child.wait().context("waiting for a child process")?;
    signals::watch(0);
    // What the child started and left behind ends with it.
    signals::kill(id);
    if hung {
        let told = receive.recv_timeout(Duration::from_secs(5)).map(|(_, stderr)| stderr).unwrap_or_default();
        return Ok(Ended::Hung(tail(&told)));
    }
    let (stdout, stderr) = said.unwrap_or_default();
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

fn gather(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // A pipe that breaks has said what it had to say.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// The last lines of what a program said.
fn tail(bytes: &[u8]) -> String {
    const LINES: usize = 12;
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
