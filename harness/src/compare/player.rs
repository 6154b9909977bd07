//! The conductor's side of one worker: start it, ask for blocks, let it go.

use super::worker::{Block, Orders, Reply};
use crate::refusal::{Exit, Refusal};
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use technique::Absent;

/// The argument by which this program is asked to work block by block.
pub const COMMAND: &str = "work";

/// A worker that is ready.
pub struct Player {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    replies: Receiver<String>,
    complaints: Receiver<String>,
    limit: Duration,
}

/// How a worker started.
pub enum Started {
    /// It is ready.
    Ready(Box<Player>),
    /// It cannot run here.
    Absent(Absent),
}

impl Player {
    /// Starts a worker of that program, and waits until it is ready. Bytes in its environment move its stack.
    pub fn start(program: &Path, orders: &Orders, environment: usize, limit: Duration) -> Result<Started> {
        let mut child = Command::new(program)
            .arg(COMMAND)
            .arg(serde_json::to_string(orders)?)
            .env("ASSAY_PAD", "x".repeat(environment))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: Ctrl-C reaches the conductor alone.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let input = child.stdin.take();
        let (replies, complaints) = (lines(child.stdout.take()), all(child.stderr.take()));
        let name = format!("{}/{}", orders.errand.workload, orders.errand.variant);
        let mut player = Player { name, child, input, replies, complaints, limit };
        match player.reply()? {
            Reply::Ready => Ok(Started::Ready(Box::new(player))),
            Reply::Absent { why, mend } => Ok(Started::Absent(Absent { why, mend })),
            other => Err(player.failed(&format!("it said {other:?} before it was ready"))),
        }
    }

    /// One block.
    pub fn block(&mut self) -> Result<Block> {
        // A worker that is gone says why on its way out; the reply tells.
        let _ = self.input.as_mut().map(|input| input.write_all(b"\n"));
        match self.reply()? {
            Reply::Block(block) => Ok(block),
            other => Err(self.failed(&format!("it said {other:?} instead of what a block took"))),
        }
    }

    /// Lets it go: the target of its last run.
    pub fn end(mut self) -> Result<PathBuf> {
        self.input = None;
        match self.reply()? {
            Reply::Done(target) => {
                self.child.wait().context("waiting for a worker")?;
                Ok(target)
            }
            other => Err(self.failed(&format!("it said {other:?} at its end"))),
        }
    }

    fn reply(&mut self) -> Result<Reply> {
        match self.replies.recv_timeout(self.limit) {
            Ok(line) => serde_json::from_str(&line).map_err(|_| self.failed(&format!("it said {line:?}"))),
            Err(RecvTimeoutError::Timeout) => {
                Err(self.failed(&format!("it took longer than {} s", self.limit.as_secs())))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.failed("it ended")),
        }
    }

    fn failed(&mut self, how: &str) -> anyhow::Error {
        // It may be gone already.
        let _ = self.child.kill();
        let said = self.complaints.recv_timeout(Duration::from_millis(500)).unwrap_or_default();
        let said = said.trim();
        let what = format!("{} cannot be compared: {how}{}{said}", self.name, if said.is_empty() { "" } else { ": " });
        let mend = format!("see what `assay run {}` says", self.name);
        Refusal { exit: Exit::Differ, what, mend }.into()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // One that was let go is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let Some(pipe) = pipe else { return };
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}

fn all(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut said = Vec::new();
        // What came before a pipe breaks has been said.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut said));
        // Nobody listens to a worker that did well.
        let _ = send.send(String::from_utf8_lossy(&said).into_owned());
    });
    receive
}
