//! `assay report`: the page of each workload of a run, one over all of them, and what slides, pull requests and others'
//! tools need, in a directory of its own.

use crate::cli::Said;
use crate::refusal::Refusal;
use crate::{claims, home, list};
use anyhow::{Context, Result};
use clap::Args;
use reports::export;
use reports::page::index::{Entry, index};
use reports::page::{self, Making, sha256, slides};
use reports::record::Run;
use reports::review::{self, Folded, Grade, RawFile, Review, Stacks};
use reports::summary::summaries;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What `report` takes.
#[derive(Args)]
pub struct ReportArgs {
    /// Names of runs or their record files; the last run if left away
    runs: Vec<String>,
    /// Instead: of every workload and fixture, the newest run that has it
    #[arg(long, conflicts_with = "runs")]
    latest: bool,
    /// Where it goes: a new or empty directory, or one that a report made [default: reports/RUN beside the records]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The slides as bitmaps, too
    #[arg(long)]
    png: bool,
    /// Open the page with the desktop's viewer
    #[arg(long)]
    open: bool,
}

/// The file that says that a directory is a report's, and which files in it are.
const MARKER: &str = ".assay-report";
const SIGNED: &str = "made by assay report, which replaces these files of its own";

/// Files by their path in the report.
type Files = BTreeMap<String, Vec<u8>>;

/// Files that a page is beside, each a path and what it is.
type Links = Vec<(String, String)>;

/// Some entries of a run's plan.
struct Picked {
    run: Run,
    record: Vec<u8>,
    plans: Vec<usize>,
}

/// Writes the report of one run or of several.
pub fn report(arguments: &ReportArgs) -> Result<Said> {
    let picked = if arguments.latest { latest()? } else { named(&arguments.runs)? };
    let first = &picked[0].run.header.id;
    let out = arguments.out.clone().unwrap_or_else(|| home::home().join("reports").join(first));
    let ours = what_is_ours(&out)?;
    let made = Made::of(&picked, arguments)?;
    place(&out, &ours, &made.files)?;
    let page = out.join("index.html");
    if arguments.open {
        std::process::Command::new("xdg-open")
            .arg(&page)
            .spawn()
            .with_context(|| format!("opening {} with xdg-open: is a desktop there?", page.display()))?;
    }
    Ok(made.said(&picked, &out))
}

fn pick(record: &Path, plans: impl Fn(&Run) -> Vec<usize>) -> Result<Picked> {
    let run = list::read(record)?;
    let bytes = std::fs::read(record).with_context(|| format!("reading {}", record.display()))?;
    Ok(Picked { plans: plans(&run), record: bytes, run })
}

fn named(names: &[String]) -> Result<Vec<Picked>> {
    let records = if names.is_empty() {
        vec![list::find(None)?]
    } else {
        names.iter().map(|name| list::find(Some(name))).collect::<Result<_>>()?
    };
    records.iter().map(|record| pick(record, |run| (0..run.header.plan.len()).collect())).collect()
}

/// Of every workload and fixture the newest entry that has a sample; those with a ladder come first.
fn latest() -> Result<Vec<Picked>> {
    let mut seen = BTreeSet::new();
    let mut picked = Vec::new();
    for record in list::record_files().iter().rev() {
        // What cannot be read is no reason to show nothing of the others; `assay show` says what is wrong with it.
        let Ok(one) = pick(record, |run| {
            let is_new = |plan: &usize| {
                let entry = &run.header.plan[*plan];
                run.samples.iter().any(|sample| sample.plan == *plan)
                    && !seen.contains(&(entry.workload.clone(), entry.fixture.name.clone()))
            };
            (0..run.header.plan.len()).filter(is_new).collect()
        }) else {
            continue;
        };
        for entry in one.plans.iter().map(|plan| &one.run.header.plan[*plan]) {
            seen.insert((entry.workload.clone(), entry.fixture.name.clone()));
        }
        if !one.plans.is_empty() {
            picked.push(one);
        }
    }
    if picked.is_empty() {
        return Err(Refusal::data("nothing was measured yet", "assay run restore --budget 40s measures something"));
    }
    picked.sort_by_key(|one| one.plans.iter().all(|plan| one.run.header.plan[*plan].ladder.is_empty()));
    Ok(picked)
}

/// A report before it is written.
struct Made {
    files: Files,
    reviews: Vec<Review>,
    sentence: String,
}

impl Made {
    fn of(picked: &[Picked], arguments: &ReportArgs) -> Result<Made> {
        let ledgers = reports::claims::load_all().map_err(anyhow::Error::msg)?;
        let ids: Vec<&str> = picked.iter().map(|one| one.run.header.id.as_str()).collect();
        let which = if arguments.latest { "--latest".to_owned() } else { ids.join(" ") };
        let command = format!("assay report {which} --out review");
        let shown = picked.iter().map(|one| one.run.clone());
        let beside = list::runs().into_iter().filter(|other| !ids.contains(&other.header.id.as_str()));
        let (all, _) = claims::of_this_machine(beside.chain(shown).collect());
        let mut files = Files::new();
        let mut reviews = Vec::new();
        let mut pages: Vec<(String, Links)> = Vec::new();
        for one in picked {
            let run = &one.run;
            let others: Vec<Run> = all.iter().filter(|other| other.header.id != run.header.id).cloned().collect();
            let data = if picked.len() == 1 { "data".to_owned() } else { format!("data/{}", slug(&run.header.id)) };
            let mut common = Files::new();
            common.insert(format!("{data}/record.jsonl"), one.record.clone());
            common.insert(format!("{data}/samples.csv"), export::csv(run).into_bytes());
            common.insert(format!("{data}/run.json"), pretty(&document(run))?);
            for plan in &one.plans {
                let entry = &run.header.plan[*plan];
                let mut name = slug(&format!("{}-{}", entry.workload, entry.fixture.name));
                while files.contains_key(&format!("{name}.html")) {
                    name += "-again";
                }
                // The row that the flame graphs must be of is known once there is a review.
                let first = review::of(run, *plan, &others, &ledgers, None);
                let found = flames(&entry.workload, &entry.fixture.name, &first, &name)?;
                let mut review = match &found.stacks {
                    Some(stacks) => review::of(run, *plan, &others, &ledgers, Some(stacks)),
                    None => first,
                };
                review.files = raw_files(&common).into_iter().chain(raw_files(&found.files)).collect();
                files.extend(found.files);
                let mut beside = found.linked;
                beside.extend(slides_of(&review, &name, arguments.png, &mut files));
                let json = pretty(&serde_json::to_value(&review)?)?;
                let path = format!("data/{name}.review.json");
                let making = Making {
                    command: command.clone(),
                    review: raw_file(&path, &json),
                    index: Some("index.html".into()),
                };
                files.insert(path, json);
                files.insert(format!("{name}.html"), page::page(&review, &making).into_bytes());
                pages.push((format!("{name}.html"), beside));
                reviews.push(review);
            }
            files.extend(common);
        }
        let mut known = all;
        known.retain(|run| picked.iter().all(|one| one.run.header.id != run.header.id));
        known.extend(picked.iter().rev().map(|one| one.run.clone()));
        let overview = review::overview(&reviews, &review::judged(&known, &ledgers), &ledgers);
        let summary = review::markdown(&overview, Some("index.html")) + &page::summary::summary(&reviews);
        files.insert("summary.md".into(), summary.into_bytes());
        files.insert("data/overview.json".into(), pretty(&serde_json::to_value(&overview)?)?);
        let listed: Vec<RawFile> = raw_files(&files).into_iter().filter(|file| !is_page(&file.path)).collect();
        let entries = reviews.iter().zip(&pages).map(|(review, (page, beside))| Entry { review, page, beside });
        let index = index(&entries.collect::<Vec<_>>(), &overview, &listed, &command);
        files.insert("index.html".into(), index.into_bytes());
        Ok(Made { files, reviews, sentence: overview.sentence })
    }

    fn said(&self, picked: &[Picked], out: &Path) -> Said {
        let sentence = &self.sentence;
        let notes = |grade: Grade| {
            self.reviews.iter().flat_map(|review| &review.trust).filter(|check| check.grade == grade).count()
        };
        let claims: usize = self.reviews.iter().map(|review| review.claims.len()).sum();
        let width = self.files.keys().map(String::len).filter(|len| *len < 40).max().unwrap_or(0).max(12);
        let shown = out.display();
        let mut text = String::new();
        for (path, bytes) in self.files.iter().filter(|(path, _)| is_page(path)) {
            text += &format!("{shown}/{path:width$}  {}, one file, no network\n", size(bytes.len()));
        }
        for (folder, what) in
            [("data/", "every number and sample"), ("slides/", "for slides"), ("flame/", "flame graphs")]
        {
            let in_it: Vec<usize> =
                self.files.iter().filter(|(path, _)| path.starts_with(folder)).map(|(_, bytes)| bytes.len()).collect();
            if !in_it.is_empty() {
                let (count, all) = (in_it.len(), size(in_it.iter().sum()));
                text += &format!("{shown}/{folder:width$}  {all}, {count} files, {what}\n");
            }
        }
        text += &format!("{shown}/{:width$}  for a pull request\n", "summary.md");
        text += &format!(
            "pages {}, claims {claims}, notes {}, failed checks {}      open {shown}/index.html\n\n{sentence}\n",
            self.reviews.len(),
            notes(Grade::Note),
            notes(Grade::Fail)
        );
        let files: Vec<Value> = raw_files(&self.files)
            .iter()
            .map(|file| json!({"path": file.path, "bytes": file.bytes, "sha256": file.sha256}))
            .collect();
        let json = json!({
            "runs": picked.iter().map(|one| one.run.header.id.as_str()).collect::<Vec<_>>(),
            "out": out,
            "page": out.join("index.html"),
            "sentence": sentence,
            "claims": claims,
            "notes": notes(Grade::Note),
            "failed": notes(Grade::Fail),
            "files": files,
        });
        Said::fine("assay.report/1", text, json)
    }
}

fn is_page(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "html")
}

fn size(bytes: usize) -> String {
    format!("{} KB", bytes.div_ceil(1000))
}

/// Adds the slides of a page; gives back where they lie.
fn slides_of(review: &Review, name: &str, png: bool, files: &mut Files) -> Links {
    let mut links = Links::new();
    for (slide, svg) in slides::svgs(review) {
        let path = format!("slides/{name}-{slide}.svg");
        links.push((path.clone(), format!("slide: {slide}")));
        files.insert(path, svg.into_bytes());
    }
    for (slide, bytes) in if png { slides::pngs(review) } else { Vec::new() } {
        files.insert(format!("slides/{name}-{slide}.png"), bytes);
    }
    links
}

/// The run as one document.
fn document(run: &Run) -> Value {
    json!({
        "schema": "assay.run/1",
        "run": run.header.id,
        "started": run.header.started,
        "command": run.header.command,
        "seed": run.header.seed,
        "machine": run.header.machine,
        "how": run.end.as_ref().map_or("killed", |end| end.how.as_str()),
        "notes": run.notes,
        "workloads": summaries(run),
    })
}

fn pretty(value: &Value) -> Result<Vec<u8>> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text.into_bytes())
}

/// A file's name: letters, digits, and what parts them.
fn slug(name: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '-' };
    let name: String = name.chars().map(plain).take(80).collect();
    name.trim_matches(['.', '-']).to_owned()
}

fn raw_files(files: &Files) -> Vec<RawFile> {
    files.iter().map(|(path, bytes)| raw_file(path, bytes)).collect()
}

fn raw_file(path: &str, bytes: &[u8]) -> RawFile {
    let what = match path {
        path if path.ends_with("/record.jsonl") => "the record: every sample, in the order taken",
        path if path.ends_with("/samples.csv") => "every sample on a line",
        path if path.ends_with("/run.json") => "the summaries of all workloads of the run",
        "data/overview.json" => "every number of the page over all pages",
        "summary.md" => "for a pull request",
        path if path.ends_with(".review.json") => "every number of a page",
        path if path.ends_with("before.folded") => "stacks before, nanoseconds of a run",
        path if path.ends_with("after.folded") => "stacks now, nanoseconds of a run",
        path if path.starts_with("flame/") => "a flame graph by inferno; its script is under the CDDL 1.0",
        _ => "a slide",
    };
    let bytes_in = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    RawFile { path: path.to_owned(), what: what.to_owned(), bytes: bytes_in, sha256: sha256(bytes) }
}

/// What `assay flame` left that belongs to a page.
#[derive(Default)]
struct Flames {
    stacks: Option<Stacks>,
    files: Files,
    linked: Links,
}

/// What a directory of graphs is about.
#[derive(Deserialize)]
struct About {
    fixture: String,
    kind: String,
    row: String,
    against: Option<String>,
}

/// Looks among the graphs of this home for those of this workload and fixture: stacks of the baseline against the row
/// that is fastest now, of the kind that sees most; and every picture.
fn flames(workload: &str, fixture: &str, review: &Review, name: &str) -> Result<Flames> {
    let mut found = Flames::default();
    let dir = home::home().join("flames");
    let mut dirs: Vec<PathBuf> = match std::fs::read_dir(&dir) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => return Ok(found),
    };
    dirs.sort();
    let mut best: Option<(usize, PathBuf, About)> = None;
    for dir in dirs {
        let Ok(text) = std::fs::read(dir.join("about.json")) else { continue };
        let about: About = serde_json::from_slice(&text).map_err(|error| {
            Refusal::data(
                format!("{}/about.json: {error}", dir.display()),
                "remove that directory, or make the graphs again",
            )
        })?;
        let is_here = |row: &str| row.strip_prefix(workload).is_some_and(|rest| rest.starts_with('/'));
        if about.fixture != fixture || !is_here(&about.row) {
            continue;
        }
        let picture = if about.against.is_some() { "difference.svg" } else { "flame.svg" };
        let stem = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Ok(bytes) = std::fs::read(dir.join(picture)) {
            let path = format!("flame/{}.svg", slug(&stem));
            let against = about.against.as_ref().map_or(String::new(), |before| format!(" against {before}"));
            found.linked.push((path.clone(), format!("flame graph: {}{against}, {}", about.row, about.kind)));
            found.files.insert(path, bytes);
        }
        let baseline = format!("{workload}/{}", review.summary.baseline);
        if about.against.as_ref() == Some(&baseline) {
            let is_now = review.now.as_ref().is_some_and(|now| about.row == format!("{workload}/{now}"));
            let sees = ["cpu", "kernel", "wall"].iter().position(|kind| *kind == about.kind);
            let Some(sees) = sees else { continue };
            let worth = sees + if is_now { 10 } else { 0 };
            if best.as_ref().is_none_or(|(most, ..)| worth > *most) {
                best = Some((worth, dir, about));
            }
        }
    }
    if let Some((_, dir, about)) = best {
        let read = |file: &str| {
            let path = dir.join(file);
            std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        };
        let (before, now) = (read("before.folded")?, read("after.folded")?);
        let row = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
        found.files.insert(format!("data/{name}.before.folded"), before.clone().into_bytes());
        found.files.insert(format!("data/{name}.after.folded"), now.clone().into_bytes());
        found.stacks = Some(Stacks {
            before: Folded { row: row(about.against.as_deref().unwrap_or("")), text: before, runs: 1.0 },
            now: Folded { row: row(&about.row), text: now, runs: 1.0 },
            kind: about.kind,
        });
    }
    Ok(found)
}

/// The files that an earlier report made here; a place that holds anything else and no marker is refused.
fn what_is_ours(out: &Path) -> Result<Vec<String>> {
    let refused = |what: String| Err(Refusal::usage(what, "name another place with --out DIR"));
    if !out.exists() {
        return Ok(Vec::new());
    }
    if !out.is_dir() {
        return refused(format!("{} is no directory", out.display()));
    }
    let marker = out.join(MARKER);
    if !marker.is_file() {
        let mut entries = std::fs::read_dir(out).with_context(|| format!("looking into {}", out.display()))?;
        if entries.next().is_some() {
            return refused(format!("{} is not empty, and assay report did not make it", out.display()));
        }
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&marker).with_context(|| format!("reading {}", marker.display()))?;
    let mut lines = text.lines();
    if lines.next() != Some(SIGNED) {
        return refused(format!("{} was not made by assay report", marker.display()));
    }
    let is_inside =
        |path: &&str| Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    Ok(lines.filter(|path| !path.is_empty()).filter(is_inside).map(str::to_owned).collect())
}

/// Writes the files; those of an earlier report that are not made again are removed, and nothing else is touched.
fn place(out: &Path, ours: &[String], files: &Files) -> Result<()> {
    for path in files.keys() {
        let there = out.join(path);
        if there.symlink_metadata().is_ok() && !ours.contains(path) {
            return Err(Refusal::usage(
                format!("{} is there already, and assay report did not make it", there.display()),
                "move it away, or name another place with --out DIR",
            ));
        }
    }
    std::fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;
    let mut listed: Vec<&str> = ours.iter().map(String::as_str).chain(files.keys().map(String::as_str)).collect();
    listed.sort_unstable();
    listed.dedup();
    // The list comes first, so that whatever an interruption leaves is known as ours.
    mark(out, &listed)?;
    for path in ours.iter().filter(|path| !files.contains_key(*path)) {
        // It may be gone already.
        let _ = std::fs::remove_file(out.join(path));
    }
    for (path, bytes) in files {
        let path = out.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    mark(out, &files.keys().map(String::as_str).collect::<Vec<_>>())
}

fn mark(out: &Path, listed: &[&str]) -> Result<()> {
    let marker = out.join(MARKER);
    let text = format!("{SIGNED}\n{}\n", listed.join("\n"));
    std::fs::write(&marker, text).with_context(|| format!("writing {}", marker.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_tame() {
        assert_eq!(slug("restore-tiny"), "restore-tiny");
        assert_eq!(slug("../a b/<c>"), "a-b--c");
    }

    #[test]
    fn only_files_of_its_own_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("review");
        let files =
            |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), name.as_bytes().to_vec())).collect::<Files>();
        place(&out, &what_is_ours(&out).unwrap(), &files(&["a.html", "data/b"])).unwrap();
        std::fs::write(out.join("mine"), "mine").unwrap();
        place(&out, &what_is_ours(&out).unwrap(), &files(&["a.html", "data/c"])).unwrap();
        assert!(out.join("mine").is_file() && out.join("data/c").is_file() && !out.join("data/b").exists());
        let told = place(&out, &what_is_ours(&out).unwrap(), &files(&["mine"])).unwrap_err().to_string();
        assert!(told.contains("mine is there already"), "{told}");
        assert_eq!(std::fs::read_to_string(out.join("mine")).unwrap(), "mine");
        let foreign = dir.path().join("foreign");
        std::fs::create_dir(&foreign).unwrap();
        std::fs::write(foreign.join("x"), "x").unwrap();
        assert!(what_is_ours(&foreign).unwrap_err().to_string().contains("is not empty"));
        std::fs::write(foreign.join(MARKER), format!("{SIGNED}\n../../etc/x\n/etc/y\nz\n")).unwrap();
        assert_eq!(what_is_ours(&foreign).unwrap(), ["z"]);
    }
}
