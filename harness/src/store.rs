//! `assay store`: pack a directory, restore it, verify it, by the rows that were measured.

use crate::cli::Said;
use crate::progress::{Progress, Telling};
use crate::refusal::{Exit, Refusal};
use crate::unfinished::Unfinished;
use crate::{scratch, signals};
use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};
use reports::one_step;
use restore::{Changes, Differs, Restore, Store, Tally, Watch, named};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What can be done with a store.
#[derive(Subcommand)]
pub enum StoreCommand {
    /// Pack a directory into a new store: what it holds, with modes, times of files, and links
    Pack {
        /// The directory
        dir: PathBuf,
        /// The store, which must not exist yet
        #[arg(short, long, value_name = "STORE")]
        out: PathBuf,
        /// Pack it in the form that this row of `assay list restore` reads: `sealed` makes a smaller store, by zstd,
        /// that takes longer to bring back
        #[arg(long = "for", value_name = "ROW", default_value = "best")]
        row: String,
    },
    /// Bring back all that a store holds; each content is held against its hash
    Restore {
        /// The store
        store: PathBuf,
        /// Where to: a new directory, or an empty one; with --over, one with a tree in it
        dir: PathBuf,
        /// Work as this row does [default: the best row for the file system, found by trying where the store is large
        /// enough for that; or the first row that reads such a store]
        #[arg(long, value_name = "ROW")]
        technique: Option<String>,
        /// Restore over a tree that stands there: only what differs, told by this
        #[arg(long, value_name = "HOW", value_enum)]
        over: Option<How>,
        /// With --over: remove what the store does not hold. Without it, such names stay
        #[arg(long, requires = "over")]
        remove_others: bool,
    },
    /// Bring back one file of a store alone, with its mode and time; only the blocks are decoded that hold it
    Fetch {
        /// The store
        store: PathBuf,
        /// The file, by its path below the directory that was packed
        file: PathBuf,
        /// Where to: a name that does not exist yet
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Decode every content of a store and hold it against its hash; names each file that is damaged
    Verify {
        /// The store
        store: PathBuf,
    },
}

/// What tells a file that is right from one that is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// Its size, time and mode: fast, and misses what was changed so that these stayed
    SizeAndTime,
    /// Its bytes: every file is read and held against its hash
    Contents,
}

/// The stage of a restore over a tree that stands.
const UPDATE: &str = "update";

/// Fewer files are restored sooner than a row is found for them by trying.
const WORTH_TRYING: u64 = 5000;

/// Does it.
pub fn store(command: &StoreCommand, telling: Telling) -> Result<Said> {
    // Before anything is made that a stop would leave behind.
    signals::listen_saying("\nstopping; what was begun is removed\n")?;
    match command {
        StoreCommand::Pack { dir, out, row } => pack(dir, out, row, telling),
        StoreCommand::Restore { store, dir, technique, over: None, .. } => {
            bring_back(store, dir, technique.as_deref(), telling)
        }
        StoreCommand::Restore { store, dir, technique, over: Some(how), remove_others } => {
            bring_up_to_date(store, dir, technique.as_deref(), *how, *remove_others, telling)
        }
        StoreCommand::Fetch { store, file, out } => fetch(store, file, out),
        StoreCommand::Verify { store } => verify(store, telling),
    }
}

fn pack(dir: &Path, out: &Path, row: &str, telling: Telling) -> Result<Said> {
    if !dir.is_dir() {
        return Err(Refusal::usage(format!("{} is no directory", dir.display()), "name the directory to pack"));
    }
    let form = row_named(row)?.form();
    let unfinished = Unfinished::for_new(out)?;
    let entries = fixtures::tree::scan(dir)?;
    let size = |entry: &fixtures::tree::Entry| fs::metadata(dir.join(&entry.path)).map_or(0, |meta| meta.len());
    let is_file = |entry: &&fixtures::tree::Entry| matches!(entry.kind, fixtures::tree::Kind::File { .. });
    let bytes: u64 = entries.iter().filter(is_file).map(size).sum();
    // Each byte is read to be named, and once more to be packed, unless another file has the same.
    let store = watched(telling, "pack", 2 * bytes, |watch| Store::pack(form, dir, unfinished.path(), watch))?;
    let tally = store.tally();
    unfinished.finish(out)?;
    let text = format!(
        "{}\n{}, {} bytes packed to {} ({:.2}x), as {form}\nassay store restore {} DIR brings it back\n",
        out.display(),
        counted(&tally),
        tally.bytes,
        tally.packed,
        tally.bytes as f64 / tally.packed.max(1) as f64,
        out.display()
    );
    Ok(Said::fine("assay.store/1", text, json!({"store": out, "form": form.to_string(), "holds": tally})))
}

fn bring_back(path: &Path, dir: &Path, technique: Option<&str>, telling: Telling) -> Result<Said> {
    let store = opened(path)?;
    let (mut row, mut by) = row_for(&store, path, technique)?;
    let tally = store.tally();
    let need = tally.bytes + 4096 * (tally.files + tally.directories);
    let free = scratch::free(dir)?;
    if free < need {
        let what = format!("{} has {} MiB free, and the tree may need {} MiB", dir.display(), free >> 20, need >> 20);
        return Err(Refusal::unfit(what, "make room, or name another place"));
    }
    let unfinished = Unfinished::for_tree(dir)?;
    fs::create_dir(unfinished.path()).with_context(|| format!("making {}", unfinished.path().display()))?;
    let mut chosen = None;
    let mut tried = None;
    if technique.is_none() && tally.files >= WORTH_TRYING {
        let place = unfinished.path().join(format!(".assay-tried-{}", std::process::id()));
        if let Some((choice, files)) = store.choose(&place)? {
            (row, by) = (choice.row.to_owned(), row_named(choice.row)?);
            (chosen, tried) = (Some(choice.why), Some(files));
        }
    }
    watched(telling, "restore", store.to_restore(by), |watch| store.restore(by, unfinished.path(), watch))
        .map_err(|error| spoilt(error, path))?;
    drop(tried);
    unfinished.finish(dir)?;
    let why = chosen.as_ref().map_or(String::new(), |why| format!("{row} was chosen by trying: {why}\n"));
    let text = format!("{}\n{}, {} bytes, by {row}\n{why}", dir.display(), counted(&tally), tally.bytes);
    let document = json!({"dir": dir, "row": row, "chosen": chosen, "holds": tally});
    Ok(Said::fine("assay.restored/1", text, document))
}

fn fetch(path: &Path, file: &Path, out: &Path) -> Result<Said> {
    let store = opened(path)?;
    let unfinished = Unfinished::for_new(out)?;
    if !store.fetch(file, unfinished.path()).map_err(|error| spoilt(error, path))? {
        let what = format!("{} holds no file {}", path.display(), file.display());
        return Err(Refusal::usage(what, "name it as it lies below the directory that was packed: pkg/module.py"));
    }
    unfinished.finish(out)?;
    let bytes = fs::metadata(out).with_context(|| format!("looking at {}", out.display()))?.len();
    let text = format!("{}\n{bytes} bytes\n", out.display());
    Ok(Said::fine("assay.fetched/1", text, json!({"file": file, "out": out, "bytes": bytes})))
}

fn bring_up_to_date(
    path: &Path,
    dir: &Path,
    technique: Option<&str>,
    how: How,
    remove_others: bool,
    telling: Telling,
) -> Result<Said> {
    let store = opened(path)?;
    let (row, by) = row_for(&store, path, technique)?;
    if !fs::symlink_metadata(dir).is_ok_and(|meta| meta.is_dir()) {
        let what = format!("{} is no directory, and --over restores over a tree that stands", dir.display());
        return Err(Refusal::usage(what, "name a directory, or leave --over away to make a new one"));
    }
    let held = fs::File::open(dir).with_context(|| format!("opening {}", dir.display()))?;
    if rustix::fs::flock(&held, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
        let what = format!("another restore works in {}", dir.display());
        return Err(Refusal::unfit(what, "wait until it is done"));
    }
    let differs = match how {
        How::SizeAndTime => Differs::BySizeAndTime,
        How::Contents => Differs::ByContents,
    };
    let bytes = store.to_restore(by);
    let changes =
        watched(telling, UPDATE, bytes, |watch| store.bring_up_to_date(by, differs, remove_others, dir, watch))
            .map_err(|error| spoilt(error, path))?;
    let Changes { kept, touched, restored, directories, links, removed, others } = changes;
    let mut text = format!(
        "{}\n{restored} files restored, {kept} right already, {touched} given their mode and time; \
         {directories} directories and {links} links made\n",
        dir.display()
    );
    if removed > 0 {
        text.push_str(&format!("{removed} names removed that the store does not hold\n"));
    }
    if others > 0 {
        text.push_str(&format!("{others} names stay that the store does not hold: --remove-others removes them\n"));
    }
    Ok(Said::fine("assay.updated/1", text, json!({"dir": dir, "row": row, "changes": changes})))
}

/// The row that was asked for, or that suits the store.
fn row_for(store: &Store, path: &Path, technique: Option<&str>) -> Result<(String, &'static Restore)> {
    let (row, by) = match technique {
        Some(row) => (row.to_owned(), row_named(row)?),
        None => default_row(store)?,
    };
    if by.form() != store.form() {
        let (reads, rows) = (by.form(), rows_for(store).join(", "));
        let what = format!("{row} restores stores of form {reads}, and {} is of form {}", path.display(), store.form());
        return Err(Refusal::usage(what, format!("rows that read it: {rows}")));
    }
    Ok((row, by))
}

fn verify(path: &Path, telling: Telling) -> Result<Said> {
    let store = opened(path)?;
    let damages = watched(telling, "verify", store.to_verify(), |watch| store.verify(watch))?;
    let tally = store.tally();
    let mut text = String::new();
    for damage in &damages {
        for file in &damage.files {
            text.push_str(&format!("damaged  {}: {}\n", file.display(), damage.what));
        }
    }
    let files: usize = damages.iter().map(|damage| damage.files.len()).sum();
    text.push_str(&if damages.is_empty() {
        format!("{}: all is as it was packed: {}, {} bytes\n", path.display(), counted(&tally), tally.bytes)
    } else {
        format!("{}: {files} of {} files are damaged; pack the tree anew\n", path.display(), tally.files)
    });
    let exit = if damages.is_empty() { Exit::Fine } else { Exit::Data };
    let document = json!({"store": path, "form": store.form().to_string(), "holds": tally, "damaged": damages});
    Ok(Said { text, json: document, schema: "assay.verified/1", exit })
}

fn counted(tally: &Tally) -> String {
    let Tally { files, directories, links, contents, .. } = tally;
    format!("{files} files ({contents} different), {directories} directories, {links} links")
}

fn opened(path: &Path) -> Result<Store> {
    Store::open(path).map_err(|error| {
        Refusal::data(
            format!("{} cannot be opened as a store: {error:#}", path.display()),
            "`assay store pack` makes one",
        )
    })
}

fn row_named(row: &str) -> Result<&'static Restore> {
    crate::catalogue::variant_of(&restore::WORKLOAD, row)?;
    named(row).filter(|restore| restore.without.is_none()).ok_or_else(|| {
        Refusal::usage(
            format!("{row} works on no store of the lab's"),
            "assay list restore: peers, stubs and the floor do not",
        )
    })
}

fn rows_for(store: &Store) -> Vec<&'static str> {
    let reads = |name: &&str| {
        !one_step::is_asked_by(name)
            && named(name).is_some_and(|row| row.without.is_none() && row.form() == store.form())
    };
    restore::WORKLOAD.variants.iter().map(|row| row.name).filter(reads).collect()
}

fn default_row(store: &Store) -> Result<(String, &'static Restore)> {
    let rows = rows_for(store);
    let row =
        rows.iter().find(|row| **row == "best").or(rows.first()).ok_or_else(|| {
            Refusal::data(format!("no row reads a store of form {}", store.form()), "pack the tree anew")
        })?;
    Ok(((*row).to_owned(), named(row).expect("it was found by its form")))
}

/// What a restore says of a damaged store ends as damaged data do.
fn spoilt(error: anyhow::Error, path: &Path) -> anyhow::Error {
    let told = format!("{error:#}");
    if told.contains("are damaged") {
        return Refusal::data(told, format!("assay store verify {} names all that is damaged", path.display()));
    }
    error
}

/// Does long work on a thread of its own, and tells how far it is. Ctrl-C calls it off.
fn watched<T: Send>(
    telling: Telling,
    stage: &str,
    bytes: u64,
    work: impl FnOnce(&Arc<Watch>) -> Result<T> + Send,
) -> Result<T> {
    let watch = Arc::new(Watch::default());
    let progress = Progress::begin(telling, stage);
    let done = std::thread::scope(|scope| {
        let worker = scope.spawn(|| work(&watch));
        while !worker.is_finished() {
            if signals::asked_to_stop() {
                watch.stop();
            }
            let words = format!("{} of {} MiB", watch.done() >> 20, bytes >> 20);
            progress.at(watch.done(), bytes, &words);
            std::thread::sleep(Duration::from_millis(20));
        }
        worker.join()
    });
    drop(progress);
    match done {
        Ok(Err(_)) if signals::asked_to_stop() => Err(Refusal {
            exit: Exit::Interrupted,
            what: format!("{stage} was called off"),
            mend: match stage {
                UPDATE => "what was restored stays; run it again to go on".to_owned(),
                _ => "nothing was left behind; run it again to begin anew".to_owned(),
            },
        }
        .into()),
        Ok(done) => done,
        Err(_) => anyhow::bail!("{stage} panicked"),
    }
}
