//! Buckets as places for objects. There are no locks: a note says which process put it, and who wants to take it over
//! looks whether that is gone.

use crate::store::note::Note;
use crate::store::shelf::{Guard, Shelf, TakenOver};
use crate::store::{Refused, manifest::Manifest};
use crate::target::Directory;
use anyhow::Result;
use s3::{Access, Bucket};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A process of which one can say later whether it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    machine: String,
    boot: String,
    /// The name space that the process has its number in: in another one it is not seen at all, or it is another's.
    #[serde(default)]
    processes: String,
    process: u32,
    /// When it was started, in the kernel's own count since the machine was.
    started: String,
}

impl Holder {
    /// This process.
    pub(super) fn own() -> Holder {
        let process = std::process::id();
        let started = started(process).unwrap_or_default();
        let processes = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default().to_string_lossy().into_owned();
        let (machine, boot) = (line("/etc/machine-id"), line("/proc/sys/kernel/random/boot_id"));
        Holder { machine, boot, processes, process, started }
    }

    /// Whether it is gone for certain. Of another machine nobody can say, nor of another container, whose image may name
    /// the machine as ours does.
    fn is_gone(&self) -> bool {
        let here = Holder::own();
        if self.processes != here.processes {
            return false;
        }
        if self.boot == here.boot {
            return started(self.process).is_none_or(|started| started != self.started);
        }
        !self.machine.is_empty() && self.machine == here.machine
    }
}

fn line(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn started(process: u32) -> Option<String> {
    const FIELD: usize = 22;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is a name in brackets, which may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(FIELD - 3).map(str::to_owned)
}

impl Shelf for Bucket {
    fn named(&self) -> PathBuf {
        self.url().into()
    }

    fn is_far(&self) -> bool {
        true
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.get(name)?)
    }

    fn write(&self, name: &str, _unfinished: &str, bytes: &[u8], _durable: bool) -> Result<()> {
        Ok(self.put(name, bytes.to_vec())?)
    }

    fn names(&self) -> Result<Vec<String>> {
        Ok(self.list()?.0)
    }

    fn clear(&self, name: &str) -> Result<()> {
        Ok(self.abort(name, &Directory::unfinished(name))?)
    }

    fn note(&self, name: &str, text: &[u8]) -> Result<Guard> {
        self.put(name, text.to_vec())?;
        Ok(Box::new(()))
    }

    fn take_over(&self, name: &str) -> Result<TakenOver> {
        let Some(text) = self.get(name)? else { return Ok(TakenOver::Gone) };
        let holder = serde_json::from_slice::<Note>(&text).ok().and_then(|note| note.holder);
        let gone = holder.is_some_and(|holder| holder.is_gone());
        Ok(if gone { TakenOver::Ours(Box::new(())) } else { TakenOver::Theirs })
    }
}

/// The places below one address that so many shards go to: a prefix each.
pub fn spread(url: &Path, shards: usize) -> Vec<PathBuf> {
    let url = url.to_string_lossy();
    let url = url.trim_end_matches('/');
    (0..shards).map(|number| format!("{url}/{number:03}").into()).collect()
}

/// The places below one address that an object's shards went to, those included that are lost.
pub fn gathered(url: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let bucket = Bucket::open(&url.to_string_lossy(), &Access::Environment)?;
    let mut shards = 0;
    for below in bucket.list()?.1 {
        let Some(number) = Some(&below).filter(|below| below.len() == 3).and_then(|below| below.parse::<usize>().ok())
        else {
            continue;
        };
        let manifest = Manifest::read(&bucket.below(&below), name)?;
        shards = shards.max(number + 1).max(manifest.map_or(0, |manifest| manifest.shards()));
    }
    if shards == 0 {
        return Err(Refused::NotThere(format!("there is no object {name:?} below {}", url.display())).into());
    }
    Ok(spread(url, shards))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_gone_when_it_is() {
        let own = Holder::own();
        assert!(!own.started.is_empty() && !own.is_gone());
        let mut child = std::process::Command::new("true").stdout(std::process::Stdio::null()).spawn().unwrap();
        let process = child.id();
        child.wait().unwrap();
        assert!(Holder { process, ..own.clone() }.is_gone(), "it was waited for");
        assert!(Holder { started: "1".into(), ..own.clone() }.is_gone(), "the number is another's now");
        assert!(!Holder { boot: "another".into(), machine: "another".into(), ..own.clone() }.is_gone());
        let before = Holder { boot: "another".into(), machine: "this".into(), ..own.clone() };
        assert_eq!(before.is_gone(), own.machine == "this");
        let elsewhere = Holder { processes: "pid:[1]".into(), ..own.clone() };
        assert!(!Holder { process, ..elsewhere.clone() }.is_gone(), "another container's number is not seen here");
        assert!(!Holder { boot: "another".into(), ..elsewhere }.is_gone(), "an image may name the machine");
        assert!(own.processes.starts_with("pid:["), "{}", own.processes);
    }

    #[test]
    fn a_place_for_each_shard() {
        let places = spread(Path::new("s3://bucket/a/"), 2);
        assert_eq!(places, [PathBuf::from("s3://bucket/a/000"), PathBuf::from("s3://bucket/a/001")]);
    }
}
