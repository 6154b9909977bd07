//! `assay report`: the page of each workload of a run, one over all of them, and what slides, pull requests and others'
//! tools need, in a directory of its own.

mod beside;
mod flames;
mod place;

use crate::cli::Said;
use crate::fleet::{Found, is_url, records_in};
use crate::refusal::Refusal;
use crate::{claims, home, list};
use anyhow::{Context, Result};
use beside::{MACHINES, machines};
use clap::Args;
use flames::flames;
use place::{place, what_is_ours};
use reports::document::Document;
use reports::export;
use reports::history::{Against, Asked, History, Metric, histories};
use reports::page::index::{Before, Entry, index};
use reports::page::{self, Making, history, sha256, slides};
use reports::record::Run;
use reports::review::{self, Grade, RawFile, Review};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What `report` takes.
#[derive(Args)]
pub struct ReportArgs {
    /// Names of runs, their record files, or directories of such, here or at `s3://BUCKET/PREFIX`; the last run if left away
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

impl ReportArgs {
    /// The report of these records, there.
    pub fn of(runs: Vec<String>, out: PathBuf) -> ReportArgs {
        ReportArgs { runs, latest: false, out: Some(out), png: false, open: false }
    }
}

/// Files by their path in the report.
type Files = BTreeMap<String, Vec<u8>>;

/// Files that a page is beside, each a path and what it is.
type Links = Vec<(String, String)>;

/// Some entries of a run's plan.
struct Picked {
    run: Run,
    record: Vec<u8>,
    plans: Vec<usize>,
    /// Whether the run is one of this home, which its name finds.
    is_here: bool,
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

fn pick(record: Found, plans: impl Fn(&Run) -> Vec<usize>) -> Result<Picked> {
    let Found { path, bytes } = record;
    let run = list::parse(&path, &bytes)?;
    let named = home::runs().join(&run.header.id).join("record.jsonl");
    let is_here = matches!((named.canonicalize(), path.canonicalize()), (Ok(named), Ok(path)) if named == path);
    Ok(Picked { plans: plans(&run), record: bytes, run, is_here })
}

fn named(names: &[String]) -> Result<Vec<Picked>> {
    let records = if names.is_empty() {
        vec![Found::read(list::find(None)?)?]
    } else {
        let mut records = Vec::new();
        for name in names {
            // A directory of records, such as `assay merge` makes, stands for all of them.
            let place = PathBuf::from(name);
            let is_url = is_url(&place);
            let below = if is_url || place.is_dir() { records_in(&[place])? } else { Vec::new() };
            if below.is_empty() && is_url {
                return Err(Refusal::data(format!("there is no record in {name}"), "name a place of records"));
            }
            records.extend(if below.is_empty() { vec![Found::read(list::find(Some(name))?)?] } else { below });
        }
        records
    };
    records.into_iter().map(|record| pick(record, |run| (0..run.header.plan.len()).collect())).collect()
}

/// Of every workload and fixture the newest entry that has a sample; those with a ladder come first.
fn latest() -> Result<Vec<Picked>> {
    let mut seen = BTreeSet::new();
    let mut picked = Vec::new();
    for record in list::record_files().into_iter().rev() {
        // What cannot be read is no reason to show nothing of the others; `assay show` says what is wrong with it.
        let Ok(record) = Found::read(record) else { continue };
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
        let command = command(picked, arguments);
        let shown = picked.iter().map(|one| one.run.clone());
        let beside = list::runs().into_iter().filter(|other| !ids.contains(&other.header.id.as_str()));
        let known: Vec<Run> = beside.chain(shown).collect();
        let (all, _) = claims::of_this_machine(known.clone());
        let mut files = Files::new();
        let mut reviews = Vec::new();
        let mut pages: Vec<(String, Links)> = Vec::new();
        for one in picked {
            let run = &one.run;
            let is_beside = |other: &&Run| claims::same_machine(other, run) && other.header.id != run.header.id;
            let others: Vec<Run> = known.iter().filter(is_beside).cloned().collect();
            let data = data_of(run, picked.len());
            let mut common = Files::new();
            common.insert(format!("{data}/record.jsonl"), one.record.clone());
            common.insert(format!("{data}/samples.csv"), export::csv(run).into_bytes());
            common.insert(format!("{data}/run.json"), pretty(&serde_json::to_value(Document::of(run))?)?);
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
        let before = before(&all, &reviews, &command, &mut files)?;
        let machines = machines(picked, &ledgers, &command, &mut files)?;
        let machines = machines.as_ref().map(|sentence| Before { page: MACHINES, sentence });
        let mut known = all;
        known.retain(|run| picked.iter().all(|one| one.run.header.id != run.header.id));
        known.extend(picked.iter().rev().map(|one| one.run.clone()));
        let overview = review::overview(&reviews, &review::judged(&known, &ledgers), &ledgers);
        let summary = review::markdown(&overview, Some("index.html")) + &page::summary::summary(&reviews);
        files.insert("summary.md".into(), summary.into_bytes());
        files.insert("data/overview.json".into(), pretty(&serde_json::to_value(&overview)?)?);
        let listed: Vec<RawFile> = raw_files(&files).into_iter().filter(|file| !is_page(&file.path)).collect();
        let entries = reviews.iter().zip(&pages).map(|(review, (page, beside))| Entry { review, page, beside });
        let before = before.as_ref().map(|sentence| Before { page: HISTORY, sentence });
        let index = index(&entries.collect::<Vec<_>>(), &overview, before, machines, &listed, &command);
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

/// Where the data of a run lie in a report of so many.
fn data_of(run: &Run, runs: usize) -> String {
    if runs == 1 { "data".to_owned() } else { format!("data/{}", slug(&run.header.id)) }
}

/// The command that makes the same pages again. A record that this home does not have lies among the report's data: the
/// command is then to be given in the report's own directory.
fn command(picked: &[Picked], arguments: &ReportArgs) -> String {
    let word = |one: &Picked| {
        if one.is_here {
            one.run.header.id.clone()
        } else {
            format!("{}/record.jsonl", data_of(&one.run, picked.len()))
        }
    };
    let mut words = vec!["assay report".to_owned()];
    if arguments.latest {
        words.push("--latest".to_owned());
    } else {
        words.extend(picked.iter().map(word));
    }
    words.extend(arguments.png.then(|| "--png".to_owned()));
    words.push("--out review".to_owned());
    words.join(" ")
}

/// The page of the runs before these.
const HISTORY: &str = "history.html";

/// Adds the page of all runs of the workloads and fixtures that are shown, where any row has enough of them; gives back
/// what it says in a line.
fn before(runs: &[Run], reviews: &[Review], command: &str, files: &mut Files) -> Result<Option<String>> {
    let metric = Metric::Wall(Against::Baseline);
    let asked = Asked { workload: None, row: None, fixture: None, metric: metric.clone() };
    let is_shown = |one: &History| {
        reviews.iter().any(|review| review.summary.workload == one.workload && review.summary.fixture == one.fixture)
    };
    let found = history::drawn(histories(runs, &asked).into_iter().filter(is_shown).collect());
    if found.is_empty() {
        return Ok(None);
    }
    let path = "data/history.json";
    let json = pretty(&json!({"schema": "assay.history/1", "metric": "wall", "absolute": false, "histories": found}))?;
    let file = raw_file(path, &json);
    let making = history::Making { metric: &metric, command, index: Some("index.html"), file: Some(&file) };
    files.insert(HISTORY.to_owned(), history::page(&found, &making).into_bytes());
    files.insert(path.to_owned(), json);
    Ok(Some(history::sentence(&found)))
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
        "data/history.json" => "every number of the page run after run",
        "data/machines.json" => "every number of the page machine beside machine",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_tame() {
        assert_eq!(slug("restore-tiny"), "restore-tiny");
        assert_eq!(slug("../a b/<c>"), "a-b--c");
    }
}
