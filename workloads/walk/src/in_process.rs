//! Peers that Rust programs use, each at its best: walkdir, ignore, jwalk, and rayon over the standard library.
//! All write the same record with the path, each thread into a buffer and a file of its own.

use crate::crew::Report;
use crate::facts;
use crate::format::{Format, put_pathed_head};
use crate::job::Failure;
use crate::meta::Meta;
use crate::output::{Output, Outputs, Writer};
use crate::walk::processors;
use anyhow::{Context, Result};
use rustix::io::Errno;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use technique::phase::{LIST, RECORD, STAT, WAIT};
use technique::{Lap, Promises, Site, Technique};

/// Which peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// `walkdir`: one thread.
    Walkdir,
    /// `ignore`: the walker of ripgrep and fd, its filters off.
    Ignore,
    /// `jwalk`: rayon reads directories and asks, one thread records.
    Jwalk,
    /// A task of rayon for each directory, and the standard library.
    Rayon,
}

/// A walk by a peer.
pub struct InProcess {
    /// Which.
    pub peer: Peer,
}

/// A peer that is ready.
pub struct Ready {
    source: PathBuf,
    target: PathBuf,
    threads: usize,
    report: Report,
}

impl Technique for InProcess {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        let threads = if self.peer == Peer::Walkdir { 1 } else { processors()?.len() };
        Ok(Ready { source: site.source.clone(), target: site.target.clone(), threads, report: Report::default() })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let outputs = Outputs::open(Output::OwnBuffer, Format::Pathed, ready.target.clone(), lap)?;
        // jwalk records on the calling thread, whoever reads.
        let recorders = if self.peer == Peer::Jwalk { 1 } else { ready.threads };
        let mut free = Vec::new();
        for (worker, mut lap) in lap.fork(recorders).into_iter().enumerate() {
            lap.mark(WAIT);
            let writer = outputs.writer(worker, &mut lap)?;
            free.push(Recorder { root: &ready.source, writer, lap, report: Report::default() });
        }
        let crew =
            Crew { source: &ready.source, threads: ready.threads, free: Mutex::new(free), error: Mutex::new(None) };
        match self.peer {
            Peer::Walkdir => crew.walkdir(),
            Peer::Ignore => crew.ignore(),
            Peer::Jwalk => crew.jwalk(),
            Peer::Rayon => crew.rayon()?,
        }
        if let Some(error) = crew.error.into_inner().expect("nobody panics while holding it") {
            return Err(error);
        }
        let mut laps = Vec::new();
        let mut report = Report::default();
        for mut recorder in crew.free.into_inner().expect("nobody panics while holding it") {
            recorder.lap.mark(WAIT);
            recorder.writer.finish(&mut recorder.lap)?;
            report.entries += recorder.report.entries;
            report.failed += recorder.report.failed;
            report.failures.append(&mut recorder.report.failures);
            laps.push(recorder.lap);
        }
        lap.join(laps);
        ready.report = report;
        Ok(())
    }

    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        facts::settle(&ready.report, false, &site.target)
    }

    fn promises(&self) -> Promises {
        Format::Pathed.promises()
    }
}

/// What one thread records with.
struct Recorder<'a> {
    root: &'a Path,
    writer: Writer<'a>,
    lap: Lap,
    report: Report,
}

impl Recorder<'_> {
    /// Records an entry, or what went wrong with it.
    fn take(&mut self, path: &Path, meta: std::io::Result<Metadata>) -> Result<()> {
        self.lap.mark(STAT);
        let path = path.strip_prefix(self.root).unwrap_or(path).as_os_str().as_bytes();
        let meta = match meta {
            Ok(meta) => of_std(&meta),
            Err(error) => {
                self.fail(path, Errno::from_io_error(&error));
                return Ok(());
            }
        };
        let recorded = self.writer.record(|out| {
            put_pathed_head(&meta, path.len(), out)?;
            out.extend_from_slice(path);
            Ok(0)
        });
        self.lap.mark(RECORD);
        match recorded {
            Ok(head) => {
                self.report.entries += 1;
                self.writer.flush_if_full(head, &mut self.lap)
            }
            Err(errno) => {
                self.fail(path, Some(errno));
                Ok(())
            }
        }
    }

    fn fail(&mut self, path: &[u8], errno: Option<Errno>) {
        self.report.failed += 1;
        let errno = errno.unwrap_or(Errno::IO);
        self.report.failures.push(Failure { path: path.to_vec(), doing: "walking", errno });
    }

    fn fail_at(&mut self, path: Option<&Path>, error: Option<&std::io::Error>) {
        let path = path.unwrap_or(Path::new(""));
        let path = path.strip_prefix(self.root).unwrap_or(path).as_os_str().as_bytes().to_vec();
        self.fail(&path, error.and_then(Errno::from_io_error));
    }
}

/// What the kernel said, which the peers' own errors wrap.
fn reason(error: Option<&std::io::Error>) -> std::io::Error {
    std::io::Error::from_raw_os_error(error.and_then(Errno::from_io_error).unwrap_or(Errno::IO).raw_os_error())
}

fn of_std(meta: &Metadata) -> Meta {
    Meta {
        inode: meta.ino(),
        device: meta.dev(),
        mode: meta.mode(),
        links: meta.nlink(),
        owner: meta.uid(),
        group: meta.gid(),
        size: meta.len(),
        blocks: meta.blocks(),
        mtime: (meta.mtime(), u32::try_from(meta.mtime_nsec()).unwrap_or(0)),
        atime: meta.atime(),
        ctime: meta.ctime(),
    }
}

/// The recorders that nobody holds, and the first error.
struct Crew<'a> {
    source: &'a Path,
    threads: usize,
    free: Mutex<Vec<Recorder<'a>>>,
    error: Mutex<Option<anyhow::Error>>,
}

impl<'a> Crew<'a> {
    fn borrow(&self) -> Recorder<'a> {
        let recorder = self.free.lock().expect("nobody panics while holding it").pop();
        recorder.expect("there is a recorder for each thread")
    }

    fn put_back(&self, recorder: Recorder<'a>) {
        self.free.lock().expect("nobody panics while holding it").push(recorder);
    }

    /// Keeps the first error; says whether to go on.
    fn keep(&self, done: Result<()>) -> bool {
        let Err(error) = done else { return true };
        self.error.lock().expect("nobody panics while holding it").get_or_insert(error);
        false
    }

    fn walkdir(&self) {
        let mut recorder = self.borrow();
        for entry in walkdir::WalkDir::new(self.source).min_depth(1) {
            recorder.lap.mark(LIST);
            let done = match entry {
                Ok(entry) => recorder.take(entry.path(), entry.metadata().map_err(|error| reason(error.io_error()))),
                Err(error) => {
                    recorder.fail_at(error.path(), error.io_error());
                    Ok(())
                }
            };
            if !self.keep(done) {
                break;
            }
        }
        self.put_back(recorder);
    }

    fn ignore(&self) {
        let mut walk = ignore::WalkBuilder::new(self.source);
        walk.standard_filters(false).threads(self.threads).build_parallel().visit(&mut Visitors(self));
    }

    fn jwalk(&self) {
        type Answer = Option<std::io::Result<Metadata>>;
        let mut recorder = self.borrow();
        let walk = jwalk::WalkDirGeneric::<((), Answer)>::new(self.source)
            .skip_hidden(false)
            .min_depth(1)
            .parallelism(jwalk::Parallelism::RayonNewPool(self.threads))
            .process_read_dir(|_, _, (), children| {
                for child in children.iter_mut().flatten() {
                    child.client_state = Some(child.metadata().map_err(|error| reason(error.io_error())));
                }
            });
        for entry in walk {
            recorder.lap.mark(WAIT);
            let done = match entry {
                Ok(mut entry) => {
                    let path = entry.path();
                    let answer = entry.client_state.take().unwrap_or_else(|| path.symlink_metadata());
                    let unread = entry.read_children_error.take();
                    if let Some(error) = &unread {
                        recorder.fail_at(Some(&path), error.io_error());
                    }
                    recorder.take(&path, answer)
                }
                Err(error) => {
                    recorder.fail_at(error.path(), error.io_error());
                    Ok(())
                }
            };
            if !self.keep(done) {
                break;
            }
        }
        self.put_back(recorder);
    }

    fn rayon(&self) -> Result<()> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build().context("starting rayon")?;
        pool.in_place_scope(|scope| scope.spawn(|scope| self.directory(scope, self.source)));
        Ok(())
    }

    fn directory<'scope>(&'scope self, scope: &rayon::Scope<'scope>, path: &Path) {
        let mut recorder = self.borrow();
        recorder.lap.mark(WAIT);
        match std::fs::read_dir(path) {
            Err(error) => recorder.fail_at(Some(path), Some(&error)),
            Ok(entries) => {
                for entry in entries {
                    recorder.lap.mark(LIST);
                    let done = match entry {
                        Err(error) => {
                            recorder.fail_at(Some(path), Some(&error));
                            Ok(())
                        }
                        Ok(entry) => {
                            let (path, meta) = (entry.path(), entry.metadata());
                            let is_directory = meta.as_ref().is_ok_and(Metadata::is_dir);
                            let done = recorder.take(&path, meta);
                            if is_directory {
                                scope.spawn(move |scope| self.directory(scope, &path));
                            }
                            done
                        }
                    };
                    if !self.keep(done) {
                        break;
                    }
                }
            }
        }
        recorder.lap.mark(LIST);
        self.put_back(recorder);
    }
}

/// A visitor for each thread of `ignore`.
struct Visitors<'c, 'a>(&'c Crew<'a>);

struct Visitor<'c, 'a> {
    crew: &'c Crew<'a>,
    recorder: Option<Recorder<'a>>,
}

impl<'s, 'c: 's, 'a: 's> ignore::ParallelVisitorBuilder<'s> for Visitors<'c, 'a> {
    fn build(&mut self) -> Box<dyn ignore::ParallelVisitor + 's> {
        Box::new(Visitor { crew: self.0, recorder: Some(self.0.borrow()) })
    }
}

impl ignore::ParallelVisitor for Visitor<'_, '_> {
    fn visit(&mut self, entry: Result<ignore::DirEntry, ignore::Error>) -> ignore::WalkState {
        let Some(recorder) = &mut self.recorder else { return ignore::WalkState::Quit };
        recorder.lap.mark(LIST);
        let done = match entry {
            Ok(entry) if entry.depth() == 0 => Ok(()),
            Ok(entry) => {
                let meta = entry.path().symlink_metadata();
                recorder.take(entry.path(), meta)
            }
            Err(error) => {
                recorder.fail_at(path_of(&error), error.io_error());
                Ok(())
            }
        };
        if self.crew.keep(done) { ignore::WalkState::Continue } else { ignore::WalkState::Quit }
    }
}

impl Drop for Visitor<'_, '_> {
    fn drop(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            self.crew.put_back(recorder);
        }
    }
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        _ => None,
    }
}
