//! Ledgers as files: what is wrong in one is told with its file and its claim.

use super::{CROSSING, Claim, Claimed, Inside, Kind, Ledger, Place, Unit};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The ledgers that ship with the lab: file name and text.
pub const SHIPPED: [(&str, &str); 5] = [
    ("zstd-bottleneck.toml", include_str!("../../claims/zstd-bottleneck.toml")),
    ("holotree-optimizations.toml", include_str!("../../claims/holotree-optimizations.toml")),
    ("pwalk-30k-files.toml", include_str!("../../claims/pwalk-30k-files.toml")),
    ("zstore-improvements.toml", include_str!("../../claims/zstore-improvements.toml")),
    ("razorfs-attempt.toml", include_str!("../../claims/razorfs-attempt.toml")),
];

/// The ledgers that ship with the lab.
pub fn load_all() -> Result<Vec<Ledger>, String> {
    load(&SHIPPED)
}

/// The ledgers in a directory: every `.toml` in it, by name.
pub fn load_dir(dir: &Path) -> Result<Vec<Ledger>, String> {
    let told = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| told(dir, error))? {
        let path = entry.map_err(|error| told(dir, error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, std::fs::read_to_string(&path).map_err(|error| told(&path, error))?));
        }
    }
    if files.is_empty() {
        return Err(format!("{}: no ledgers here: name a directory with .toml files of claims", dir.display()));
    }
    files.sort();
    load(&files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>())
}

/// Reads ledgers, each a file name and a text. What is wrong is told with its file and its claim.
pub fn load(files: &[(&str, &str)]) -> Result<Vec<Ledger>, String> {
    let mut entries = BTreeMap::new();
    let mut raws = Vec::new();
    for (file, text) in files {
        let raw: Raw = toml::from_str(text).map_err(|error| {
            let claim = error.span().and_then(|span| claim_around(text, span.start));
            format!("{file}{}: {}", claim.map_or(String::new(), |id| format!(", {id}")), error.to_string().trim())
        })?;
        if raw.claim.is_empty() {
            return Err(format!("{file}: it has no claims"));
        }
        for entry in &raw.claim {
            entry.check().map_err(|error| format!("{file}, {}: {error}", entry.id))?;
            if entries.insert(entry.id.clone(), entry.clone()).is_some() {
                return Err(format!("{file}, {}: another claim has that id", entry.id));
            }
        }
        raws.push((*file, raw));
    }
    let mut sources = BTreeSet::new();
    raws.into_iter()
        .map(|(file, raw)| {
            if !sources.insert(raw.source.clone()) {
                return Err(format!("{file}: another ledger has the source {}", raw.source));
            }
            let claim = |entry: Entry| entry.resolve(&entries).map_err(|error| format!("{file}, {error}"));
            let claims = raw.claim.into_iter().map(claim).collect::<Result<_, _>>()?;
            Ok(Ledger { source: raw.source, title: raw.title, what: raw.what, claims })
        })
        .collect()
}

/// The id of the claim in which `at` lies.
fn claim_around(text: &str, at: usize) -> Option<&str> {
    const HEAD: &str = "[[claim]]";
    let start = if text.get(at..)?.starts_with(HEAD) { at } else { text[..at].rfind(HEAD)? };
    text[start..].split_once("id = \"")?.1.split_once('"').map(|(id, _)| id)
}

/// The claims of `ledger` whose words do not stand where it says they do in `source`, the document's text.
pub fn misquoted<'a>(ledger: &'a Ledger, source: &str) -> Vec<&'a Claim> {
    let lines: Vec<&str> = source.lines().collect();
    let stands = |claim: &Claim| lines.get(claim.line - 1).is_some_and(|line| line.contains(&claim.quote));
    ledger.claims.iter().filter(|claim| !stands(claim)).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    source: String,
    title: String,
    what: String,
    claim: Vec<Entry>,
}

/// A claim as its file has it: one that repeats another leaves out what that one says.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    line: usize,
    quote: String,
    says: String,
    repeats: Option<String>,
    kind: Option<Kind>,
    claimed: Option<Claimed>,
    processors: Option<usize>,
    why: Option<String>,
    note: Option<String>,
    part: Option<Place>,
    job: Option<Place>,
    #[serde(default)]
    inside: Vec<Inside>,
}

pub(super) fn ensure(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

impl Entry {
    fn check(&self) -> Result<(), String> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure(!self.id.is_empty() && self.id.chars().all(is_name), "an id is small letters, digits and hyphens")?;
        ensure(self.line > 0, "lines are counted from 1")?;
        ensure(!self.quote.trim().is_empty() && !self.quote.contains('\n'), "a quote is words of one line")?;
        ensure(self.says.ends_with('.'), "`says` is a sentence, with a full stop")?;
        self.inside.iter().try_for_each(Inside::check)?;
        if self.repeats.is_some() {
            let own = [self.kind.is_some(), self.claimed.is_some(), self.processors.is_some(), self.why.is_some()];
            let is_bare = own == [false; 4] && self.note.is_none() && self.part.is_none() && self.job.is_none();
            return ensure(is_bare, "it repeats another claim, and says only that one's number again");
        }
        let kind = self.kind.ok_or("it needs `kind`, or `repeats`")?;
        let claimed = self.claimed.as_ref().ok_or("it needs `claimed`")?;
        claimed.check()?;
        let unit = claimed.unit;
        ensure(unit.suits(kind), &format!("nothing of that kind is counted in {}", unit.name()))?;
        ensure(self.processors != Some(0), "nothing runs on no processor")?;
        if kind == Kind::Unmeasurable {
            ensure(self.why.is_some(), "what is unmeasurable says `why`")?;
            return ensure(
                self.part.is_none() && self.job.is_none(),
                "what is unmeasurable has no row that measures it",
            );
        }
        ensure(self.why.is_none(), "only what is unmeasurable says `why`")?;
        ensure(kind != Kind::Whole || self.job.is_some(), "a whole gain needs a `job`")?;
        let places = [("part", &self.part), ("job", &self.job)];
        ensure(places.iter().any(|(_, place)| place.is_some()), "it needs a `part` or a `job` that measures it")?;
        for (name, place) in places {
            let Some(place) = place else { continue };
            place.check(kind, unit, name == "job").map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(())
    }

    /// The whole claim, with what it repeats.
    fn resolve(self, entries: &BTreeMap<String, Entry>) -> Result<Claim, String> {
        let first = match &self.repeats {
            Some(id) => {
                entries.get(id).ok_or_else(|| format!("{}: it repeats {id}, which is nowhere", self.id))?.clone()
            }
            None => self.clone(),
        };
        let (Some(kind), Some(claimed)) = (first.kind, first.claimed) else {
            return Err(format!("{}: it repeats {}, which itself repeats another: name the first", self.id, first.id));
        };
        let Entry { id, line, quote, says, repeats, inside, .. } = self;
        let Entry { processors, why, note, part, job, .. } = first;
        Ok(Claim { id, line, quote, says, repeats, kind, claimed, processors, why, note, part, job, inside })
    }
}

impl Place {
    fn check(&self, kind: Kind, unit: Unit, is_job: bool) -> Result<(), String> {
        let names = [&self.workload, &self.row, &self.fixture];
        ensure(names.iter().all(|name| !name.is_empty()), "a workload, a row and a fixture have names")?;
        ensure(self.baseline.as_ref() != Some(&self.row), "a row is not held against itself")?;
        let compares = unit.compares() || self.metric.as_deref() == Some(CROSSING);
        ensure(!compares || self.baseline.is_some(), "two rows are compared: it needs a `baseline`")?;
        ensure(compares || self.baseline.is_none(), "no two rows are compared: it has no `baseline`")?;
        ensure((kind == Kind::Count) == self.metric.is_some(), "what is counted, and only that, has a `metric`")?;
        let needs_phases = kind == Kind::Share || kind == Kind::Local && is_job;
        ensure(!needs_phases || !self.phases.is_empty(), "it is about a part of the run: it needs `phases`")?;
        let may_have_phases = matches!(kind, Kind::Share | Kind::Local);
        ensure(may_have_phases || self.phases.is_empty(), "it is about the whole run: it has no `phases`")?;
        ensure((unit == Unit::TimesAsLong) != self.than.is_empty(), "`times as long`, and only that, needs `than`")
    }
}
