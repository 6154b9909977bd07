//! Claims: what the documents said, word for word, and what measures it here.
//!
//! A ledger holds every number of one document, right or wrong. A claim about a *part* says what one ingredient gains;
//! a claim about the *whole* says what the job gains; a *share* says how much of the time a phase takes. What cannot
//! be measured says why. Where a document contradicts itself, the sum stands beside the claim and is worked out again
//! when the ledger is read, so that no reader has to believe it.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

/// The ledgers that ship with the lab: file name and text.
pub const SHIPPED: [(&str, &str); 5] = [
    ("zstd-bottleneck.toml", include_str!("../claims/zstd-bottleneck.toml")),
    ("holotree-optimizations.toml", include_str!("../claims/holotree-optimizations.toml")),
    ("pwalk-30k-files.toml", include_str!("../claims/pwalk-30k-files.toml")),
    ("zstore-improvements.toml", include_str!("../claims/zstore-improvements.toml")),
    ("razorfs-attempt.toml", include_str!("../claims/razorfs-attempt.toml")),
];

/// One document and what it claims.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ledger {
    /// The document's file name.
    pub source: String,
    /// Its title.
    pub title: String,
    /// What it is about, as a sentence.
    pub what: String,
    /// Its claims, in the order of its lines.
    pub claims: Vec<Claim>,
}

/// Something with a number that somebody said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claim {
    /// A short name that stays, such as `zstd-03`.
    pub id: String,
    /// The line of the document.
    pub line: usize,
    /// The words, as they stand there.
    pub quote: String,
    /// What they claim, as a plain sentence.
    pub says: String,
    /// The claim that this one says again; what follows is then that one's, all but `inside`.
    pub repeats: Option<String>,
    /// What it is about.
    pub kind: Kind,
    /// The number.
    pub claimed: Claimed,
    /// The fewest processors on which it can be judged.
    pub processors: Option<usize>,
    /// Why it cannot be measured; only what cannot be has it.
    pub why: Option<String>,
    /// What a reader of the verdict should know.
    pub note: Option<String>,
    /// What measures it in isolation.
    pub part: Option<Place>,
    /// What measures it in the whole job.
    pub job: Option<Place>,
    /// What the document itself has to say against it, or for it.
    pub inside: Vec<Inside>,
}

/// What a claim is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What a part gains, or takes.
    Local,
    /// What the whole job gains, or takes.
    Whole,
    /// How much of the time a part is.
    Share,
    /// How often something happens, or how much of it there is.
    Count,
    /// Nothing here measures it, and `why` says why.
    Unmeasurable,
}

/// The number that is claimed. One bound alone is a claim of at least or at most so much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claimed {
    /// The least that was claimed.
    pub low: Option<f64>,
    /// The most that was claimed.
    pub high: Option<f64>,
    /// Of what.
    pub unit: Unit,
    /// Whether the document itself calls it a rough number.
    #[serde(default)]
    pub about: bool,
}

macro_rules! units {
    ($($unit:ident $name:literal)*) => {
        /// What a number counts, in the words that are printed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Unit {
            $(#[doc = $name] #[serde(rename = $name)] $unit),*
        }

        impl Unit {
            /// The words that are printed.
            pub fn name(self) -> &'static str {
                match self { $(Unit::$unit => $name),* }
            }
        }
    };
}

units! {
    TimesAsFast "times as fast" TimesAsSlow "times as slow" TimesAsLong "times as long" TimesFewer "times fewer"
    TimesTheObject "times the object" Share "share" ShareLess "share less"
    FilesASecond "files a second" OperationsASecond "operations a second"
    MicrosecondsAFile "microseconds a file" MillisecondsAFile "milliseconds a file"
    MillisecondsARun "milliseconds a run" NanosecondsAnOperation "nanoseconds an operation"
    Calls "calls" CallsAFile "calls a file" FilesACall "files a call" FilesAnUpdate "files an update"
    Bytes "bytes" BytesAFile "bytes a file" BytesACall "bytes a call" BytesAnOperation "bytes an operation"
    AllocationsAnOperation "allocations an operation" SwitchesAnOperation "switches an operation"
    CyclesACall "cycles a call" StepsAPart "steps a part" Copies "copies" Entries "entries" Workers "workers"
}

impl Unit {
    /// Whether it holds one row against another, and so needs both.
    pub fn compares(self) -> bool {
        matches!(self, Unit::TimesAsFast | Unit::TimesAsSlow | Unit::TimesFewer | Unit::ShareLess)
    }

    /// Whether a claim of that kind may be counted in it.
    fn suits(self, kind: Kind) -> bool {
        use Unit::{
            FilesASecond, MicrosecondsAFile, MillisecondsAFile, MillisecondsARun, NanosecondsAnOperation,
            OperationsASecond, Share, ShareLess, TimesAsFast, TimesAsLong, TimesAsSlow, TimesFewer, TimesTheObject,
        };
        let is_gain = matches!(self, TimesAsFast | TimesAsSlow);
        let is_rate = matches!(self, FilesASecond | OperationsASecond);
        let is_time = matches!(self, MicrosecondsAFile | MillisecondsAFile | MillisecondsARun | NanosecondsAnOperation);
        let is_share = matches!(self, Share | TimesAsLong);
        let is_count_against_another = matches!(self, ShareLess | TimesFewer | TimesTheObject);
        match kind {
            Kind::Local | Kind::Whole => is_gain || is_rate || is_time,
            Kind::Share => is_share,
            Kind::Count => is_count_against_another || !(is_gain || is_rate || is_time || is_share),
            Kind::Unmeasurable => true,
        }
    }
}

/// The metric of a size at which two rows take as long as each other.
pub const CROSSING: &str = "crossing_bytes";

/// What measures a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The workload.
    pub workload: String,
    /// The row that it is held against; none where no two rows are compared.
    pub baseline: Option<String>,
    /// The row that it is about.
    pub row: String,
    /// The phases that it is about, together; the whole run where there are none.
    #[serde(default)]
    pub phases: Vec<String>,
    /// The phases that those are held against.
    #[serde(default)]
    pub than: Vec<String>,
    /// The fixture.
    pub fixture: String,
    /// What is counted, as records name it (`calls`, `calls.NAME`, `bytes_written`), or `marks.PHASE`.
    pub metric: Option<String>,
    /// Whether the rows are there already. What is still to be built is shown as unmeasured.
    #[serde(default = "yes")]
    pub built: bool,
}

fn yes() -> bool {
    true
}

/// A line of the document's own arithmetic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inside {
    /// What is wrong; none where it comes out right.
    pub fault: Option<Fault>,
    /// As a sentence.
    pub note: String,
    /// The other lines that it rests on.
    #[serde(default)]
    pub lines: Vec<usize>,
    /// How the numbers go together.
    pub op: Option<Op>,
    /// The numbers.
    #[serde(default)]
    pub of: Vec<f64>,
    /// What comes out.
    pub is: Option<f64>,
    /// What the document has for it.
    pub said: Option<f64>,
}

/// How a document is at odds with itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Parts do not add up to their sum.
    Sum,
    /// A factor or a share is not what the numbers beside it give.
    Quotient,
    /// Another line says otherwise.
    Elsewhere,
    /// The code that it prints does otherwise.
    Code,
    /// A share of the time after a change is taken for the share before it.
    ShareAfter,
    /// Guesses are multiplied as if they were measurements.
    ProductOfGuesses,
    /// What was never measured is used as if it were.
    Guess,
    /// What it is held against has itself moved.
    DriftedReference,
}

/// How numbers go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// All added.
    Sum,
    /// The first less the others.
    Difference,
    /// All multiplied.
    Product,
    /// The first over the others.
    Quotient,
    /// Share before, factor of the part: the factor of the whole.
    Amdahl,
    /// Factor of the whole, factor of the part: the share before.
    ImpliedShare,
    /// Share before: the factor of the whole if the part took no time.
    Ceiling,
}

impl Op {
    /// What comes out; none where the numbers are not what it needs.
    ///
    /// ```
    /// use reports::claims::Op;
    /// assert_eq!(Op::Sum.of(&[12.0, 8.0, 78.0, 84.0]), Some(182.0));
    /// ```
    pub fn of(self, numbers: &[f64]) -> Option<f64> {
        let out = match (self, numbers) {
            (Op::Sum, [_, ..]) => numbers.iter().sum(),
            (Op::Product, [_, ..]) => numbers.iter().product(),
            (Op::Difference, [first, rest @ ..]) => first - rest.iter().sum::<f64>(),
            (Op::Quotient, [first, rest @ ..]) => first / rest.iter().product::<f64>(),
            (Op::Amdahl, [share, factor]) => 1.0 / (1.0 - share + share / factor),
            (Op::ImpliedShare, [whole, part]) => (1.0 - 1.0 / whole) / (1.0 - 1.0 / part),
            (Op::Ceiling, [share]) => 1.0 / (1.0 - share),
            _ => return None,
        };
        out.is_finite().then_some(out)
    }
}

impl Claim {
    /// Whether the document contradicts itself here.
    pub fn contradicts_itself(&self) -> bool {
        self.inside.iter().any(|inside| inside.fault.is_some())
    }

    /// Whether any row that measures it is there.
    pub fn is_built(&self) -> bool {
        self.part.iter().chain(&self.job).any(|place| place.built)
    }
}

impl fmt::Display for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = if self.about { "about " } else { "" };
        match (self.low, self.high) {
            (Some(low), Some(high)) if low < high => write!(f, "{about}{} to {}", number(low), number(high))?,
            (Some(only), Some(_)) => write!(f, "{about}{}", number(only))?,
            (Some(low), None) => write!(f, "{about}more than {}", number(low))?,
            (None, Some(high)) => write!(f, "{about}at most {}", number(high))?,
            (None, None) => f.write_str("no number")?,
        }
        write!(f, " {}", self.unit.name())
    }
}

/// `108,000`, `0.875`: thousands are set apart.
fn number(value: f64) -> String {
    let text = value.to_string();
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

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

fn ensure(holds: bool, otherwise: &str) -> Result<(), String> {
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

impl Claimed {
    fn check(&self) -> Result<(), String> {
        let bounds = [self.low, self.high];
        ensure(bounds.iter().any(Option::is_some), "`claimed` needs `low`, `high` or both")?;
        let sound = |bound: &f64| bound.is_finite() && *bound >= 0.0;
        ensure(bounds.iter().flatten().all(sound), "a bound is a number, and not below 0")?;
        ensure(self.low.zip(self.high).is_none_or(|(low, high)| low <= high), "`low` is above `high`")?;
        let is_share = matches!(self.unit, Unit::Share | Unit::ShareLess);
        ensure(!is_share || bounds.iter().flatten().all(|bound| *bound <= 1.0), "a share is between 0 and 1")
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

impl Inside {
    fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("inside, {:?}: {what}", self.note));
        let (Some(op), Some(is)) = (self.op, self.is) else {
            let is_bare = self.op.is_none() && self.is.is_none() && self.of.is_empty() && self.said.is_none();
            let is_whole = is_bare && self.fault.is_some() && !self.lines.is_empty();
            return if is_whole { Ok(()) } else { wrong("without `op` and `is` it is a `fault` and its `lines`") };
        };
        let Some(out) = op.of(&self.of) else { return wrong("the numbers are not what `op` needs") };
        if apart(out, is) > 1e-4 {
            return wrong(&format!("it comes out as {out}, and not as {is}"));
        }
        // These stand for how a number was come by, which may be wrong although the sum is right.
        let by_method = matches!(self.fault, Some(Fault::ProductOfGuesses | Fault::Guess));
        match (self.fault, self.said) {
            (None, Some(said)) if apart(is, said) > 0.05 => wrong("it is not what the document has: name the `fault`"),
            (None, None) => wrong("what comes out right is right beside what was `said`"),
            (Some(_), Some(said)) if !by_method && apart(is, said) < 5e-4 => {
                wrong("it is what the document has: no fault")
            }
            _ => Ok(()),
        }
    }
}

/// How far two numbers are apart, as a share of the second.
fn apart(one: f64, other: f64) -> f64 {
    if one.total_cmp(&other).is_eq() { 0.0 } else { (one - other).abs() / other.abs() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "source = \"x.md\"\ntitle = \"X\"\nwhat = \"X.\"\n";
    const GOOD: &str = r#"
        [[claim]]
        id = "x-01"
        line = 2
        quote = "5x faster"
        says = "It is faster."
        kind = "local"
        claimed = { low = 5, high = 8, unit = "times as fast" }
        [claim.part]
        workload = "codecs"
        baseline = "gzip"
        row = "zstd"
        fixture = "tiny"
        [[claim.inside]]
        fault = "sum"
        note = "It does not add up."
        op = "sum"
        of = [1, 2]
        is = 3
        said = 4
    "#;

    fn one(claims: &str) -> Result<Ledger, String> {
        load(&[("x.toml", &format!("{HEAD}{claims}"))]).map(|mut ledgers| ledgers.remove(0))
    }

    #[test]
    fn all_that_ship_are_read() {
        let ledgers = load_all().unwrap();
        assert_eq!(ledgers.len(), SHIPPED.len());
        for (ledger, (file, _)) in ledgers.iter().zip(SHIPPED) {
            assert_eq!(ledger.source.strip_suffix(".md"), file.strip_suffix(".toml"));
            assert!(ledger.claims.is_sorted_by_key(|claim| claim.line), "{file}: claims stand in the order of lines");
            let first = ledger.claims[0].id.rsplit_once('-').unwrap().0;
            assert!(ledger.claims.iter().all(|claim| claim.id.starts_with(first)), "{file}: ids begin alike");
        }
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("claims");
        let mut from_dir = load_dir(&dir).unwrap();
        from_dir.sort_by_key(|ledger| ledgers.iter().position(|shipped| shipped.source == ledger.source));
        assert_eq!(from_dir, ledgers, "a ledger lies in claims/ that does not ship");
    }

    #[test]
    fn what_the_documents_get_wrong_is_there() {
        let ledgers = load_all().unwrap();
        let claims = || ledgers.iter().flat_map(|ledger| &ledger.claims);
        let said = |fault, is: f64, said: f64| {
            let mut inside = claims().flat_map(|claim| &claim.inside).filter(|inside| inside.fault == Some(fault));
            inside.any(|inside| inside.is == Some(is) && inside.said == Some(said))
        };
        assert!(said(Fault::Sum, 182.0, 185.0), "a total that its rows do not reach");
        assert!(said(Fault::Sum, 28.0, 24.0), "a record of 24 bytes that has 28");
        assert!(said(Fault::ShareAfter, 0.78895, 0.418), "a share after the change");
        assert!(said(Fault::ProductOfGuesses, 108_000.0, 108_000.0), "a ladder of guesses");
        assert!(said(Fault::DriftedReference, 1.1558, 1.0), "a reference that moved");
        assert!(claims().any(|claim| claim.repeats.is_some()) && claims().any(|claim| !claim.is_built()));
    }

    #[test]
    fn a_repeated_claim_has_the_number_of_the_first() {
        let again = "[[claim]]\nid = \"x-02\"\nline = 9\nquote = \"5x\"\nsays = \"The same.\"\nrepeats = \"x-01\"\n";
        let ledger = one(&format!("{GOOD}{again}")).unwrap();
        let [first, second] = &ledger.claims[..] else { panic!("two claims") };
        assert_eq!((second.kind, &second.claimed, &second.part), (Kind::Local, &first.claimed, &first.part));
        assert_eq!((second.line, first.contradicts_itself(), second.contradicts_itself()), (9, true, false));
        let third = again.replace("x-02", "x-03").replace("\"x-01\"", "\"x-02\"");
        let error = one(&format!("{GOOD}{again}{third}")).unwrap_err();
        assert!(error.contains("x.toml, x-03: it repeats x-02, which itself repeats another"), "{error}");
        let error = one(&again.replace("\"x-01\"", "\"x-07\"")).unwrap_err();
        assert!(error.contains("x.toml, x-02: it repeats x-07, which is nowhere"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_file_and_claim() {
        assert!(one(GOOD).is_ok());
        for (from, to, told) in [
            ("says", "sais", "unknown field `sais`"),
            ("line = 2", "", "missing field `line`"),
            ("line = 2", "line = 0", "counted from 1"),
            ("\"5x faster\"", "\" \"", "words of one line"),
            ("faster.\"", "faster\"", "full stop"),
            ("\"local\"", "\"loca\"", "unknown variant `loca`"),
            ("kind = \"local\"", "", "it needs `kind`"),
            ("\"local\"", "\"whole\"", "needs a `job`"),
            ("\"local\"", "\"share\"", "nothing of that kind is counted in times as fast"),
            ("\"local\"", "\"unmeasurable\"", "says `why`"),
            ("kind", "why = \"Because.\"\nkind", "only what is unmeasurable"),
            ("kind", "repeats = \"x-09\"\nkind", "says only that one's number again"),
            ("low = 5, high = 8, ", "", "`low`, `high` or both"),
            ("low = 5", "low = 9", "`low` is above `high`"),
            ("low = 5", "low = -5", "not below 0"),
            ("times as fast", "times as quick", "unknown variant `times as quick`"),
            ("low = 5, high = 8, unit = \"times as fast\"", "low = 2, unit = \"share less\"", "between 0 and 1"),
            ("times as fast", "files a second", "it has no `baseline`"),
            ("[claim.part]", "[claim.job]", "job: it is about a part of the run"),
            ("baseline = \"gzip\"", "", "part: two rows are compared"),
            ("baseline = \"gzip\"", "baseline = \"zstd\"", "held against itself"),
            ("row = \"zstd\"", "row = \"zstd\"\nmetric = \"calls\"", "has a `metric`"),
            ("row = \"zstd\"", "row = \"zstd\"\nthan = [\"hash\"]", "needs `than`"),
            ("is = 3", "is = 4", "it comes out as 3, and not as 4"),
            ("said = 4", "said = 3", "no fault"),
            ("fault = \"sum\"", "", "name the `fault`"),
            ("op = \"sum\"", "op = \"ceiling\"", "not what `op` needs"),
            ("op = \"sum\"", "", "a `fault` and its `lines`"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = one(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(error.starts_with("x.toml, x-01: ") && error.contains(told), "{from} -> {to}: {error}");
        }
        assert!(one(&format!("{GOOD}{GOOD}")).unwrap_err().contains("another claim has that id"));
        let text = format!("{HEAD}{GOOD}");
        let error = load(&[("x.toml", &text), ("y.toml", &text.replace("x-01", "y-01"))]).unwrap_err();
        assert!(error.contains("y.toml: another ledger has the source x.md"), "{error}");
    }

    #[test]
    fn words_that_do_not_stand_there_are_found() {
        let ledger = one(GOOD).unwrap();
        assert!(misquoted(&ledger, "Title\nIt is 5x faster now\n").is_empty());
        for text in ["It is 5x faster now\nTitle", "Title\nIt is 6x faster now", "Title"] {
            assert_eq!(misquoted(&ledger, text).len(), 1, "{text}");
        }
    }

    #[test]
    fn numbers_read_as_sentences() {
        let claimed = |low, high, unit| Claimed { low, high, unit, about: false };
        let rough = Claimed { about: true, ..claimed(Some(1.5), Some(1.5), Unit::TimesAsFast) };
        assert_eq!(rough.to_string(), "about 1.5 times as fast");
        assert_eq!(claimed(Some(5.0), Some(8.0), Unit::TimesAsFast).to_string(), "5 to 8 times as fast");
        assert_eq!(claimed(Some(30_000.0), None, Unit::FilesASecond).to_string(), "more than 30,000 files a second");
        assert_eq!(claimed(None, Some(1e9), Unit::Bytes).to_string(), "at most 1,000,000,000 bytes");
        assert_eq!(claimed(Some(0.0002), Some(0.0002), Unit::CallsAFile).to_string(), "0.0002 calls a file");
        assert_eq!(number(108.25), "108.25");
    }

    #[test]
    fn shares_and_factors_are_each_others_inverse() {
        for share in [0.05, 0.42, 0.79] {
            let whole = Op::Amdahl.of(&[share, 5.0]).unwrap();
            assert!((Op::ImpliedShare.of(&[whole, 5.0]).unwrap() - share).abs() < 1e-12);
            assert!(whole < Op::Ceiling.of(&[share]).unwrap());
        }
        assert_eq!(Op::Ceiling.of(&[1.0]), None);
        assert_eq!(Op::Quotient.of(&[1.0, 0.0]), None);
        assert_eq!(Op::Sum.of(&[]), None);
        assert_eq!(Op::Difference.of(&[8.0, 7.0]), Some(1.0));
        assert_eq!(Op::Product.of(&[5000.0, 5.0]), Some(25_000.0));
    }
}
