//! Where a row's shards go and come from, and what serves them there.

use crate::server::{Server, Told};
use crate::target::{Directory, Injected, Memory, Slow, Target};
use anyhow::{Context, Result};
use s3::{Access, Bucket};
use std::path::Path;
use std::time::Duration;
use technique::Absent;

/// Where shards go: a knob in a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// Directories.
    Directories,
    /// Directories, of which one has a bad day.
    SlowOne,
    /// Directories, of which one dies.
    DyingOne,
    /// Memory.
    Memory,
    /// Buckets of an S3 server of our own beside this process.
    Server {
        /// Whether a part is sent while the next one is filled.
        behind: bool,
        /// Whether every byte is hashed for the signature.
        signed: bool,
        /// How much later it answers.
        delay: Duration,
    },
    /// Prefixes below the address that the user names.
    Yours,
}

/// A target on a bad day: which one, and what is the matter with it.
const SLOW: usize = 3;
const LAST_DAY: Injected = Injected { latency: Duration::ZERO, bytes_a_second: None, dies_after: Some(256 << 10) };
const BAD_DAY: Injected =
    Injected { latency: Duration::from_millis(1), bytes_a_second: Some(50_000_000), dies_after: None };

/// The variable that names an address of the user's.
const YOURS: &str = "ASSAY_S3";

/// Targets, and what serves them as long as this lives.
pub(crate) struct Opened {
    targets: Vec<Box<dyn Target>>,
    /// Below the user's address, and the directory that stands for it here; all that is there goes with this.
    yours: Vec<(Bucket, Directory)>,
    /// Memory, and the directory that stands for it.
    memories: Vec<(Memory, Directory)>,
    server: Option<Server>,
    before: Told,
    after: Told,
}

impl To {
    /// The targets that these directories below one place are.
    pub(crate) fn open(self, directories: Vec<Directory>, below: &Path) -> Result<Opened> {
        let server = match self {
            To::Server { delay, .. } => Some(Server::start(below, delay)?),
            _ => None,
        };
        let yours = if self == To::Yours { Some(address()?) } else { None };
        let mut opened = Opened {
            targets: Vec::new(),
            yours: Vec::new(),
            memories: Vec::new(),
            server,
            before: Told::default(),
            after: Told::default(),
        };
        for (index, directory) in directories.into_iter().enumerate() {
            let target: Box<dyn Target> = match (self, &opened.server, &yours) {
                (To::Server { behind, signed, .. }, Some(server), _) => {
                    // To the server each directory is a bucket, so that the outcome is read past it.
                    let mut bucket = server.bucket(name(&directory)?, signed)?;
                    bucket.behind = behind;
                    Box::new(bucket)
                }
                (To::Yours, _, Some(address)) => {
                    let bucket = Bucket::open(&format!("{address}/{}", name(&directory)?), &Access::Environment)?;
                    bucket.meet()?;
                    opened.yours.push((bucket.clone(), directory));
                    Box::new(bucket)
                }
                (To::SlowOne, ..) if index == SLOW => Box::new(Slow::new(directory, BAD_DAY)),
                (To::DyingOne, ..) if index == SLOW => Box::new(Slow::new(directory, LAST_DAY)),
                (To::Memory, ..) => {
                    let memory = Memory::default();
                    opened.memories.push((memory.clone(), directory));
                    Box::new(memory)
                }
                _ => Box::new(directory),
            };
            opened.targets.push(target);
        }
        // From now on the server works for the row.
        opened.before = opened.server.as_mut().map(Server::tell).transpose()?.unwrap_or_default();
        Ok(opened)
    }
}

fn name(directory: &Directory) -> Result<&str> {
    directory.0.file_name().and_then(|name| name.to_str()).context("a target has a name")
}

/// A prefix of this run's own below the user's address.
fn address() -> Result<String> {
    let Ok(address) = std::env::var(YOURS) else {
        let mend = format!("set {YOURS}=s3://BUCKET/PREFIX and the usual AWS_* variables");
        return Err(Absent::because("no S3 server of yours is named", mend));
    };
    let path = "/proc/sys/kernel/random/uuid";
    let own = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    Ok(format!("{}/assay-{}", address.trim_end_matches('/'), own.trim()))
}

impl Opened {
    pub(crate) fn targets(&self) -> Vec<&dyn Target> {
        self.targets.iter().map(AsRef::as_ref).collect()
    }

    /// Sends what stands in the directories to where the user's address is.
    pub(crate) fn send_up(&self) -> Result<()> {
        for (bucket, directory) in &self.yours {
            for entry in std::fs::read_dir(&directory.0).with_context(|| format!("listing {}", directory.place()))? {
                let entry = entry?;
                let name = entry.file_name().into_string().ok().context("shards are called by number")?;
                let bytes = std::fs::read(entry.path()).with_context(|| format!("reading {}", directory.place()))?;
                bucket.put(&name, bytes)?;
            }
        }
        Ok(())
    }

    /// Brings what is in memory or below the user's address to the directories, where the yardstick finds it.
    pub(crate) fn bring_home(&self) -> Result<()> {
        for (memory, directory) in &self.memories {
            for (name, bytes) in memory.shards() {
                let path = directory.0.join(name);
                std::fs::write(&path, &*bytes).with_context(|| format!("writing {}", path.display()))?;
            }
        }
        for (bucket, directory) in &self.yours {
            for name in bucket.list()?.0 {
                let bytes = bucket.get(&name)?.with_context(|| format!("{name} is gone from {}", bucket.url()))?;
                let path = directory.0.join(name);
                std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// The work is done.
    pub(crate) fn settle(&mut self) -> Result<()> {
        if let Some(server) = &mut self.server {
            self.after = server.tell()?;
        }
        Ok(())
    }

    /// What a server has done for the row.
    pub(crate) fn counted(&self) -> Vec<(&'static str, u64)> {
        if self.server.is_none() {
            return Vec::new();
        }
        let cpu_us = (self.after.cpu_ns - self.before.cpu_ns) / 1000;
        vec![("requests", self.after.requests - self.before.requests), ("server_cpu_us", cpu_us)]
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        for (bucket, _) in &self.yours {
            let names = bucket.list().map(|(names, _)| names).unwrap_or_default();
            for name in names {
                // A server that does not answer any more keeps it.
                let _ = bucket.remove(&name);
            }
        }
    }
}
