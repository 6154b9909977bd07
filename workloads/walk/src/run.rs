//! The best walk as a tool: a directory in, one finished file out, or none.

use crate::crew::{Crew, Report, Threads};
use crate::descriptors;
use crate::format::Format;
use crate::walk::processors;
use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use technique::Lap;

/// What may be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many threads; none means one for each processor. More pay on a cold cache, and over a network.
    pub threads: Option<usize>,
    /// What a record looks like.
    pub format: Format,
    /// Whether directories on other file systems are recorded but not entered.
    pub one_file_system: bool,
    /// Whether the file is on the disk before it has its name, so that a power cut leaves no empty one.
    pub sync: bool,
    /// Whether a file that has the name already is replaced. Else it stays as it is, even where it appears during the
    /// walk.
    pub replace: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { threads: None, format: Format::Parented, one_file_system: false, sync: true, replace: false }
    }
}

/// How far a walk has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Entries that were recorded; a thread tells of its own in hundreds.
    pub entries: u64,
    /// Entries and directories that failed.
    pub failed: u64,
}

/// How often `progress` hears.
const EVERY: Duration = Duration::from_millis(100);

/// Walks `dir`, and records every entry below it in the file `out`. What cannot be recorded is in the report, by path
/// and reason. The file has another name, which ends with `.partial`, until it is complete; where the walk fails, or
/// `progress` breaks it off, nothing is left, and where the process is killed only that file is.
///
/// A thread holds three descriptors at most: the soft limit on open files is raised where that is not enough, and where
/// it cannot be, fewer threads work than were asked for; the report says how many did.
///
/// A thread holds a buffer of a mebibyte and 64 KiB, and one of 32 KiB for names; beside that memory grows only with
/// the directories that were found and wait to be listed, each by the length of its path and 150 bytes, and with the
/// failures, of which each thread keeps ten thousand. For [`Format::Parquet`] a thread holds a dozen mebibytes, and the
/// file's end takes five kilobytes for each 40,000 entries.
///
/// ```
/// use std::ops::ControlFlow;
/// let place = tempfile::tempdir()?;
/// std::fs::create_dir_all(place.path().join("tree/a"))?;
/// std::fs::write(place.path().join("tree/a/b"), "two")?;
/// let options = walk::Options { format: walk::Format::Paths, ..walk::Options::default() };
/// let out = place.path().join("list");
/// let report = walk::run(&place.path().join("tree"), &out, &options, &|_| ControlFlow::Continue(()))?;
/// assert_eq!((report.entries, report.failed), (2, 0));
/// let text = std::fs::read_to_string(out)?;
/// let mut paths: Vec<&str> = text.split_terminator('\0').collect();
/// paths.sort(); // what one thread recorded stands together; which thread's part comes first is chance
/// assert_eq!(paths, ["a", "a/b"]);
/// # anyhow::Ok(())
/// ```
pub fn run(
    dir: &Path,
    out: &Path,
    options: &Options,
    progress: &(dyn Fn(Seen) -> ControlFlow<()> + Sync),
) -> Result<Report> {
    ensure!(!out.is_dir(), "{} is a directory: name a file", out.display());
    ensure!(options.replace || out.symlink_metadata().is_err(), "{} exists already", out.display());
    let unfinished = Unfinished::beside(out)?;
    let processors = processors()?;
    let threads = descriptors::fitting(options.threads.unwrap_or(processors.len()).max(1));
    let best = crate::best();
    let walk = crate::Walk {
        crew: Crew::Stealing(Threads::Of(threads)),
        format: options.format,
        // A directory's CSV line says what it holds, so one thread has to list all of it.
        shares: best.shares && !options.format.is_csv(),
        one_file_system: options.one_file_system,
        ..best
    };
    let mut lap = Lap::start(false);
    let job = walk.begin(dir, unfinished.path.clone(), walk.crew.size(&processors), &mut lap)?;
    let seen = || Seen { entries: job.counter.seen(), failed: job.failed.load(Ordering::Relaxed) };
    let (done, stopped) = (AtomicBool::new(false), AtomicBool::new(false));
    let report = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                if progress(seen()).is_break() {
                    stopped.store(true, Ordering::Relaxed);
                    job.stop.store(true, Ordering::Relaxed);
                    break;
                }
                thread::park_timeout(EVERY);
            }
        });
        let report = walk.crew.work(&job, &processors, &mut lap);
        done.store(true, Ordering::Release);
        watching.thread().unpark();
        report
    })?;
    if stopped.into_inner() {
        bail!("the walk of {} was broken off: nothing was written", dir.display());
    }
    ensure!(
        report.adds_up(),
        "{} entries were found, but {} recorded, and {} failed: the walk lost some, and nothing was written; tell who \
         made this",
        report.found,
        report.entries,
        report.failed
    );
    job.outputs.finish(None, options.sync, &mut lap)?;
    unfinished.name(out, options.replace)?;
    Ok(report)
}

/// A file that is removed unless it got its name.
struct Unfinished {
    path: PathBuf,
    named: bool,
}

impl Unfinished {
    /// Makes one beside the file that it is to become, under a name that nothing had: whoever left a file of such a
    /// name, it stays as it is.
    fn beside(out: &Path) -> Result<Unfinished> {
        const TRIES: u32 = 100;
        let name = out.file_name().with_context(|| format!("{} names no file", out.display()))?;
        for nth in 0..TRIES {
            let mut partial = name.to_owned();
            partial.push(match nth {
                0 => format!(".{}.partial", std::process::id()),
                _ => format!(".{}-{nth}.partial", std::process::id()),
            });
            let path = out.with_file_name(partial);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(_) => return Ok(Unfinished { path, named: false }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let making = "is there such a directory, and may we write there?";
                    return Err(error).with_context(|| format!("making {}: {making}", path.display()));
                }
            }
        }
        bail!("there are {TRIES} files like {}.*.partial: remove what killed walks have left", out.display());
    }

    /// Gives it its name, at once or not at all.
    fn name(mut self, out: &Path, replace: bool) -> Result<()> {
        let flags = if replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        let named = match renameat_with(CWD, &self.path, CWD, out, flags) {
            // Some network file systems know no such flag; there a moment is left between the look and the naming.
            Err(Errno::INVAL | Errno::NOSYS) if !replace && out.symlink_metadata().is_err() => {
                std::fs::rename(&self.path, out)
            }
            Err(Errno::INVAL | Errno::NOSYS) => Err(ErrorKind::AlreadyExists.into()),
            named => named.map_err(Into::into),
        };
        named.with_context(|| format!("naming {} {}", self.path.display(), out.display()))?;
        self.named = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.named {
            // The error that is told is the one that led here.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
