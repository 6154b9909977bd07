//! An S3 server of our own for rows: a process beside this one, gone when this is dropped or dies.
//!
//! It stays on one processor, the last of those that the row may use, so that it takes nothing of the others; where there
//! is only one, they share it. What it was asked and what it spent it tells when it is asked, and neither its memory nor
//! its processor time is the row's.

use anyhow::{Context, Result, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use s3::{Access, Bucket, Keys};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::OnceLock;
use std::time::Duration;

/// The words of the command that serves, where it is not this program with the word `serve-row-s3`: a test's.
pub static COMMAND: OnceLock<Vec<OsString>> = OnceLock::new();

/// Who may ask a server that was told nothing else.
pub const KEYS: (&str, &str) = ("assay", "assay-assay");

/// What its lines begin with: a test's program says other things, and may not end its line.
const SAYS: &str = "assay-s3: ";

/// What a server is to do: the first line of its input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Errand {
    /// Each directory in it is a bucket.
    pub root: PathBuf,
    /// How much later each answer begins.
    pub delay: Duration,
    /// The processor that it stays on.
    processor: Option<usize>,
}

/// What a server has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How many requests came.
    pub requests: u64,
    /// The processor time that it took, in nanoseconds.
    pub cpu_ns: u64,
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// It serves until this end of its input is closed.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    endpoint: String,
}

impl Server {
    /// Starts one on a free port: each directory in `root` is a bucket, and each answer begins so much later.
    pub fn start(root: &Path, delay: Duration) -> Result<Server> {
        let (child, orders, answers) = technique::servant::start(COMMAND.get(), "serve-row-s3")?;
        let mut server = Server { child, orders, answers, endpoint: String::new() };
        let errand = Errand { root: root.to_owned(), delay, processor: last_processor()? };
        server.endpoint = server.order(&serde_json::to_string(&errand)?)?;
        Ok(server)
    }

    /// One of its buckets, with a connection that is open.
    pub fn bucket(&self, name: &str, signed: bool) -> Result<Bucket> {
        let keys = Keys { access: KEYS.0.to_owned(), secret: KEYS.1.to_owned() };
        let access = Access::Known { endpoint: self.endpoint.clone(), keys, signed };
        let bucket = Bucket::open(&format!("s3://{name}"), &access)?;
        bucket.meet()?;
        Ok(bucket)
    }

    /// What it has done so far.
    pub fn tell(&mut self) -> Result<Told> {
        Ok(serde_json::from_str(&self.order("tell")?)?)
    }

    fn order(&mut self, line: &str) -> Result<String> {
        let orders = self.orders.as_mut().context("the server has been dismissed")?;
        orders.write_all(format!("{line}\n").as_bytes()).context("the S3 server does not listen any more")?;
        let mut line = String::new();
        loop {
            line.clear();
            if self.answers.read_line(&mut line).context("listening to the S3 server")? == 0 {
                bail!("the S3 server has gone; its reason stands above");
            }
            if let Some((_, answer)) = line.trim_end().split_once(SAYS) {
                return Ok(answer.to_owned());
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its orders is its dismissal.
        self.orders = None;
        // It may be dead already.
        let _ = self.child.wait();
    }
}

/// The server's side: starts what the first line of the input asks for, and tells of it until the input ends. `asked`
/// says where it listens, and how many requests came.
pub fn serve<S>(start: impl FnOnce(&Errand) -> Result<S>, asked: impl Fn(&S) -> (String, u64)) -> Result<()> {
    let mut lines = std::io::stdin().lines();
    let first = lines.next().context("no errand came")?.context("reading the errand")?;
    let errand: Errand = serde_json::from_str(&first).context("reading the errand")?;
    if let Some(processor) = errand.processor {
        let mut set = CpuSet::new();
        set.set(processor);
        sched_setaffinity(None, &set).with_context(|| format!("staying on processor {processor}"))?;
    }
    let server = start(&errand)?;
    say(&asked(&server).0)?;
    for line in lines {
        line.context("reading orders")?;
        let spent = clock_gettime(ClockId::ProcessCPUTime);
        let spent = Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or_default());
        let cpu_ns = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        say(&serde_json::to_string(&Told { requests: asked(&server).1, cpu_ns })?)?;
    }
    Ok(())
}

fn say(answer: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{SAYS}{answer}").and_then(|()| out.flush()).context("answering")
}

/// The last processor that this process may use, where there are several.
fn last_processor() -> Result<Option<usize>> {
    let set = sched_getaffinity(None).context("asking for processors")?;
    let mut there = (0..CpuSet::MAX_CPU).rev().filter(|processor| set.is_set(*processor));
    let last = there.next();
    Ok(last.filter(|_| there.next().is_some()))
}
