//! Over all workloads: what holds, what does not, where to look next. The index page and the summary of a pull request
//! are made of it.

use super::words::{count, percent, times};
use super::{ClaimVerdict, Fact, Foretelling, Grade, Judged, Review, foretelling};
use crate::claims::Ledger;
use serde::Serialize;

/// The version of `overview.json`.
pub const OVERVIEW: &str = "assay.overview/1";

/// What several reviews say together.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// The version of this document.
    pub schema: &'static str,
    /// The first sentence.
    pub sentence: String,
    /// Claims that hold, for the whole or as counted.
    pub holds: Vec<Told>,
    /// Claims that do not, or only of a part.
    pub fails: Vec<Told>,
    /// Where to look next: the highest ceilings, what the data leave open, and what makes numbers hard to believe.
    pub next: Vec<Told>,
    /// How many claims hold, over all documents.
    pub claims: Fact,
    /// Each document, and how many of its claims hold.
    pub documents: Vec<Document>,
    /// How far prediction was off, over everything.
    pub foretelling: Option<Foretelling>,
    /// The pages, in the order of their reviews.
    pub pages: Vec<Page>,
}

/// A statement, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// A claim's id, or `WORKLOAD on FIXTURE`.
    pub of: String,
    /// A word: a verdict, or `ceiling`, `open`, `trust`.
    pub word: String,
    /// As a sentence.
    pub told: String,
}

/// One document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Document {
    /// Its file name.
    pub source: String,
    /// Its title.
    pub title: String,
    /// How many of its claims hold, and what became of the others.
    pub value: String,
    /// The others.
    pub line: String,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The workload.
    pub workload: String,
    /// The fixture.
    pub fixture: String,
    /// The run.
    pub run: String,
    /// Its first sentence.
    pub sentence: String,
    /// Why.
    pub why: String,
    /// Whether its numbers can be trusted.
    pub trust: String,
}

impl Page {
    /// `restore on python-small`.
    pub fn name(&self) -> String {
        format!("{} on {}", self.workload, self.fixture)
    }
}

/// What reviews and claims say together. `claims` are all of the ledgers, whether a page shows them or not.
pub fn overview(reviews: &[Review], claims: &[Judged], ledgers: &[Ledger]) -> Overview {
    // What is said again is said once here.
    let first: Vec<&Judged> = claims.iter().filter(|one| one.claim.repeats.is_none()).collect();
    let told = |one: &&Judged| Told {
        of: one.claim.id.clone(),
        word: one.verdict.words().to_owned(),
        told: format!("{} {}", one.claim.says, one.told),
    };
    let of = |verdicts: &[ClaimVerdict]| -> Vec<Told> {
        verdicts.iter().flat_map(|verdict| first.iter().filter(|one| one.verdict == *verdict).map(told)).collect()
    };
    let holds = of(&[ClaimVerdict::Held, ClaimVerdict::Exceeded]);
    let fails =
        of(&[ClaimVerdict::Reversed, ClaimVerdict::NoEffect, ClaimVerdict::TrueLocally, ClaimVerdict::Overstated]);
    let next = next(reviews, &first);
    let held = super::held(claims);
    Overview {
        schema: OVERVIEW,
        sentence: sentence(reviews, &held, &next),
        holds,
        fails,
        next,
        claims: held,
        documents: ledgers.iter().map(|ledger| document(ledger, claims)).collect(),
        foretelling: foretelling::of(
            claims,
            &reviews.iter().flat_map(|review| review.ladder.clone()).collect::<Vec<_>>(),
        ),
        pages: reviews.iter().map(page).collect(),
    }
}

fn name(review: &Review) -> String {
    format!("{} on {}", review.summary.workload, review.summary.fixture)
}

fn page(review: &Review) -> Page {
    Page {
        workload: review.summary.workload.clone(),
        fixture: review.summary.fixture.clone(),
        run: review.run.clone(),
        sentence: review.answer.sentence.clone(),
        why: review.answer.why.clone(),
        trust: review.answer.trust.value.clone(),
    }
}

fn document(ledger: &Ledger, claims: &[Judged]) -> Document {
    let of: Vec<Judged> = claims.iter().filter(|one| one.source == ledger.source).cloned().collect();
    let Fact { value, line, .. } = super::held(&of);
    Document { source: ledger.source.clone(), title: ledger.title.clone(), value, line }
}

fn sentence(reviews: &[Review], held: &Fact, next: &[Told]) -> String {
    let pages = count(reviews.len(), "workload");
    let next = next.first().map_or(String::new(), |next| format!(" Look next at {}: {}", next.of, next.told));
    if held.value.contains(" of 0 ") || !held.value.contains(" of ") {
        return format!("Over {pages}, no claim could be judged yet.{next}");
    }
    format!("Of the claims that could be judged over {pages}, {}.{next}", held.value)
}

/// Numbers that do not hold come first, as nothing can be built on them; then the highest ceilings; then what more
/// rounds would decide.
fn next(reviews: &[Review], claims: &[&Judged]) -> Vec<Told> {
    let mut next = Vec::new();
    for review in reviews {
        let failed = review.trust.iter().filter(|check| check.grade == Grade::Fail);
        next.extend(failed.map(|check| Told { of: name(review), word: "trust".to_owned(), told: check.told.clone() }));
    }
    let mut ceilings: Vec<(f64, Told)> = reviews.iter().filter_map(ceiling).collect();
    ceilings.sort_by(|a, b| b.0.total_cmp(&a.0));
    next.extend(ceilings.into_iter().map(|(_, told)| told));
    let open = claims.iter().filter(|one| one.verdict == ClaimVerdict::NotDecided);
    next.extend(open.map(|one| Told {
        of: one.claim.id.clone(),
        word: "open".to_owned(),
        told: format!("{} {} More rounds may decide it.", one.claim.says, one.told),
    }));
    next
}

/// The highest ceiling of the row that stands for now. A phase that is all there is, is what was asked for and no target.
fn ceiling(review: &Review) -> Option<(f64, Told)> {
    let row = review.now.as_ref()?;
    let whole = review.summary.rows.iter().find(|one| one.name == *row)?.us_per_file.mid;
    let mut now = review.targets.iter().filter_map(|target| Some((target.phase.as_str(), target.now?)));
    let (phase, (part, ceiling)) = now.find(|(_, (part, _))| part / whole <= super::answer::ALL)?;
    let phase = if phase == "rest" { "time without a name" } else { phase };
    let told =
        format!("{phase} is {} of {row}, so at most {} times without it.", percent(part / whole), times(ceiling));
    Some((ceiling, Told { of: name(review), word: "ceiling".to_owned(), told }))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::made_up::Made;
    use super::*;
    use crate::claims::load;

    const LEDGER: &str = r#"
source = "x.md"
title = "X"
what = "Why it was not faster."
[[claim]]
id = "x-01"
line = 5
quote = "5x"
says = "It is five times as fast."
kind = "whole"
claimed = { low = 5, high = 5, unit = "times as fast" }
[claim.job]
workload = "restore"
baseline = "gzip"
row = "zstd"
fixture = "python-small"
[[claim]]
id = "x-02"
line = 6
quote = "half | of <it>"
says = "Writing is less than half | of <it>."
kind = "share"
claimed = { high = 0.9, unit = "share" }
[claim.job]
workload = "restore"
row = "gzip"
phases = ["write"]
fixture = "python-small"
[[claim]]
id = "x-03"
line = 7
quote = "again 5x"
says = "The same."
repeats = "x-01"
"#;

    pub(crate) fn made() -> Overview {
        let ledgers = load(&[("x.toml", LEDGER)]).unwrap();
        let gzip: &[(&str, f64)] = &[("decode", 20.0), ("write", 80.0)];
        let first = Made::rows(&[("gzip", gzip)]).row("zstd", &[("decode", 4.0), ("write", 80.0)]).run();
        let second = Made::rows(&[("one", gzip)])
            .row("two", &[("decode", 40.0), ("write", 10.0)])
            .on("walk", "walk-tree", "second")
            .run();
        let runs = [first, second];
        let reviews: Vec<Review> = runs.iter().map(|run| super::super::of(run, 0, &runs, &ledgers, None)).collect();
        let claims = super::super::judged(&runs, &ledgers);
        overview(&reviews, &claims, &ledgers)
    }

    #[test]
    fn what_holds_what_does_not_and_where_to_look() {
        let overview = made();
        assert_eq!(
            overview.sentence,
            "Of the claims that could be judged over 2 workloads, 1 of 2 hold. Look next at restore on python-small: \
             write is 95 % of zstd, so at most 21.0 times without it."
        );
        let of = |told: &[Told]| told.iter().map(|told| format!("{} {}", told.of, told.word)).collect::<Vec<_>>();
        assert_eq!(of(&overview.holds), ["x-02 held"]);
        assert_eq!(of(&overview.fails), ["x-01 overstated"], "what is said again is there once");
        assert_eq!(of(&overview.next), ["restore on python-small ceiling", "walk on walk-tree ceiling"]);
        assert_eq!(overview.next[1].told, "decode is 80 % of two, so at most 5.00 times without it.");
        assert_eq!((overview.pages.len(), overview.pages[1].name().as_str()), (2, "walk on walk-tree"));
        assert_eq!(overview.documents[0].value, "1 of 2 hold");
        assert_eq!(overview.foretelling.unwrap().of, 1);
    }

    #[test]
    fn without_runs_it_says_so() {
        let ledgers = load(&[("x.toml", LEDGER)]).unwrap();
        let nothing = overview(&[], &super::super::judged(&[], &ledgers), &ledgers);
        assert_eq!(nothing.sentence, "Over 0 workloads, no claim could be judged yet.");
        assert!(nothing.holds.is_empty() && nothing.fails.is_empty() && nothing.foretelling.is_none());
    }
}
