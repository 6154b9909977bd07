//! Reviews and pages of the runs beside.

use reports::claims;
use reports::page::{self, Making, sha256};
use reports::record::Run;
use reports::review::{self, Folded, RawFile, Review, Stacks};

/// What a run comes to, with stacks of two of its rows.
pub fn review_of(run: &Run) -> Review {
    let (before, now) = super::stacks();
    let folded = |row: &str, text: String| Folded { row: row.into(), text, runs: 1.0 };
    let stacks = Stacks { before: folded("gzip", before), now: folded("zstd", now), kind: "kernel".into() };
    review::of(run, 0, &[], &claims::load_all().unwrap(), Some(&stacks))
}

/// What its page is made with.
pub fn making(review: &Review) -> Making {
    let json = serde_json::to_string(review).unwrap();
    Making {
        command: "assay report RUN --out review".into(),
        review: RawFile {
            path: "data/restore.review.json".into(),
            what: "every number of a page".into(),
            bytes: json.len() as u64,
            sha256: sha256(json.as_bytes()),
        },
        index: Some("index.html".into()),
    }
}

/// Its page.
pub fn page_of(run: &Run) -> String {
    let review = review_of(run);
    page::page(&review, &making(&review))
}
