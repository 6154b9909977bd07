//! The page of one workload: one file, no request, light and dark, phone to print. It draws a [`Review`] and adds no
//! number of its own.
//!
//! Every heading is a question and the line under it the answer, so that a reader who stops after any section has a
//! true picture. A chart is a table with drawn cells: name, picture, number and bounds in one row, so that a screen
//! reader, a search and a pair of eyes find the same thing. The order is that of a design review: which is faster,
//! where the time goes, whether the claims hold, what each step added, whether it scales, which code changed, whether
//! to believe any of it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`words`], [`scale`] | numbers as printed, and where they lie on an axis |
//! | `mark`, `colours`, [`web`] | marks, phase colours, and plotters drawing for a page |
//! | `answer` to `data` | the sections, in their order |
//! | [`index`], [`slides`], [`summary`] | the page over all pages, pictures for slides, text for a pull request |
//! | [`history`] | run after run: what moved, when, and by how much |
//! | [`machines`] | machine beside machine: what holds everywhere, what only somewhere |

pub mod history;
pub mod index;
pub mod machines;
pub mod scale;
pub mod slides;
pub mod summary;
pub mod web;
pub mod words;

mod answer;
mod breakdown;
mod calls;
mod ceilings;
mod claims;
mod code;
mod colours;
mod data;
mod faster;
mod ladder;
mod mark;
mod threads;
mod trust;

use crate::review::{RawFile, Review};
use crate::summary::Row;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What the page is made with.
#[derive(Clone, Debug)]
pub struct Making {
    /// The command that makes it again from the record.
    pub command: String,
    /// The file that holds every number of it.
    pub review: RawFile,
    /// Where the page over all pages lies, from here.
    pub index: Option<String>,
}

/// More bytes than these make a page slow to open.
pub const MOST_BYTES: usize = 500_000;
/// What a page has besides its sections: the style, the script, and the head.
const BESIDES: usize = STYLE.len() + SCRIPT.len() + 8_000;

/// The page. Stacks get as many frames as there is room for below [`MOST_BYTES`].
pub fn page(review: &Review, making: &Making) -> String {
    let mut sections = vec![
        faster::section(review),
        breakdown::section(review),
        claims::section(review),
        ladder::section(review),
        threads::section(review),
        trust::section(review),
        data::section(review, making),
    ];
    let others: usize = sections.iter().map(|section| short(&section.drawn()).0.len()).sum();
    let room = MOST_BYTES.saturating_sub(BESIDES + others + short(&answer::section(review)).0.len());
    sections.insert(sections.len() - 2, code::section(review, room));
    let title = format!("{} on {}: design review", review.summary.workload, review.summary.fixture);
    let nav: Vec<(&str, &str)> =
        [("answer", "Answer")].into_iter().chain(sections.iter().map(|one| (one.id, one.short))).collect();
    let body = html! {
        (answer::section(review))
        @for section in &sections { (section.drawn()) }
    };
    let crumb = html! {
        @match &making.index { Some(index) => a href=(index) { "Design review" }, None => "Design review" }
        span { (mark::name(&review.summary.workload)) }
        span { (mark::name(&review.summary.fixture)) ", " (words::bytes(review.summary.files)) " files, " (review.summary.condition) }
        span { (review.started.get(..10).unwrap_or(&review.started)) }
    };
    let foot = html! {
        p {
            "run " (review.run) " · " (review.schema) " · every number on this page stands in "
            a href=(making.review.path) { "review.json" } ", " (words::bytes(making.review.bytes)) " bytes, sha256 "
            code { (making.review.sha256) }
        }
    };
    document(&title, &nav, &crumb, &body, &foot)
}

/// A question, its answer, and what shows it.
pub(crate) struct Section {
    id: &'static str,
    short: &'static str,
    question: &'static str,
    answer: Markup,
    /// What stays on one printed page with the question.
    kept: Markup,
    rest: Markup,
}

/// A question, the answer below it, and what shows it.
pub(crate) fn question(id: &str, question: &str, answer: &Markup, body: &Markup) -> Markup {
    let heading = format!("h-{id}");
    html! {
        section id=(id) aria-labelledby=(heading) {
            h2 id=(heading) { (question) }
            p class="ans" { (answer) }
            (body)
        }
    }
}

impl Section {
    fn drawn(&self) -> Markup {
        let heading = format!("h-{}", self.id);
        html! {
            section id=(self.id) aria-labelledby=(heading) {
                div class="keep" {
                    h2 id=(heading) { (self.question) }
                    p class="ans" { (self.answer) }
                    (self.kept)
                }
                (self.rest)
            }
        }
    }
}

/// A whole document: what may run and colour in it is named by hash, and nothing is fetched.
pub(crate) fn document(title: &str, nav: &[(&str, &str)], crumb: &Markup, body: &Markup, foot: &Markup) -> String {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; \
         form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let first = nav.first().map_or("", |(id, _)| id);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "assay " (env!("CARGO_PKG_VERSION")) };
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href={ "#" (first) } { "Skip to the answer" }
                (patterns())
                header class="top" { div class="in" {
                    div class="crumb" { (crumb) }
                    div class="tools" {
                        label for="theme" class="sr" { "Colours" }
                        select id="theme" hidden {
                            option value="" { "Colours: system" }
                            option value="light" { "Light" }
                            option value="dark" { "Dark" }
                        }
                    }
                } }
                nav class="nav" aria-label="Sections" { div class="in" { ol {
                    @for (id, short) in nav { li { a href={ "#" (id) } { (short) } } }
                } } }
                main class="in" { (short(body)) }
                footer class="in foot" { (foot) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
    .into_string()
        + "\n"
}

/// Shapes that hold nothing, closed where they begin, and cells without the end tags that HTML does not ask for: a page
/// has thousands of them. Names cannot be hit, for no name has a `<` that is not written as text.
fn short(body: &Markup) -> Markup {
    let mut text = body.0.clone();
    for cell in ["td", "th"] {
        for next in ["<td", "<th", "</tr>"] {
            text = text.replace(&format!("</{cell}>{next}"), next);
        }
    }
    for shape in ["rect", "circle", "line", "path", "use"] {
        text = text
            .replace(&format!("\"></{shape}>"), "\"/>")
            .replace(&format!("<{shape}></{shape}>"), &format!("<{shape}/>"));
    }
    PreEscaped(text)
}

fn patterns() -> Markup {
    html! {
        svg class="defs" width="0" height="0" aria-hidden="true" focusable="false" { defs {
            pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" { rect class="hl" width="2" height="6" {} }
            pattern id="bars" width="4" height="4" patternUnits="userSpaceOnUse" { rect class="hl3" width="1.3" height="4" {} }
            pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse" { circle class="hl3" cx="3" cy="3" r="1.3" {} }
            pattern id="hgone" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)" { rect class="hl2" width="2" height="7" {} }
            pattern id="hnew" width="7" height="7" patternUnits="userSpaceOnUse" { circle class="hl2" cx="2" cy="2" r="1.1" {} }
        } }
    }
}

fn hash(text: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(text.as_bytes()))
}

/// What SHA-256 makes of some bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes what is written to it");
        text
    })
}

/// The row that the page is about: the fastest that does the whole job.
pub(crate) fn fastest(review: &Review) -> Option<&Row> {
    let now = review.now.as_ref()?;
    review.summary.rows.iter().find(|row| row.name == *now)
}

/// The rows that a reader may choose among, and those that are there for one step of the ladder. The row that the page
/// is about is never among the second, and neither is the one that all others are held against.
pub(crate) fn apart(review: &Review) -> (Vec<&Row>, Vec<&Row>) {
    let is_named = |row: &Row| review.now.as_ref() == Some(&row.name) || review.summary.baseline == row.name;
    review.summary.rows.iter().partition(|row| !row.for_one_step || is_named(row))
}

/// A table of many rows is drawn closer, so that a reader sees where it ends.
pub(crate) fn many(rows: usize) -> &'static str {
    const FEW: usize = 16;
    if rows > FEW { " many" } else { "" }
}

/// What holds so many rows that nobody reads them on paper, and is in the raw data: it is not printed.
pub(crate) fn of_many(rows: usize) -> &'static str {
    const FEW: usize = 24;
    if rows > FEW { " many-rows" } else { "" }
}

/// Rows that are there for one step of the ladder, folded away below the table of all others.
pub(crate) fn folded<T>(rows: &[T], table: impl FnOnce() -> Markup) -> Markup {
    html! {
        @if !rows.is_empty() {
            details class="more steps" {
                summary { "Rows for one step of the ladder, alone or left out: " (rows.len()) }
                (table())
            }
        }
    }
}

/// The row that all others are held against, where it was measured.
pub(crate) fn baseline(review: &Review) -> Option<&Row> {
    review.summary.rows.iter().find(|row| row.name == review.summary.baseline)
}

/// `µs per file`.
pub(crate) fn per(review: &Review) -> String {
    format!("µs per {}", review.unit)
}

/// Within the band, that is to say of no use: from one over, to one and, the band.
pub(crate) fn band_words(review: &Review) -> String {
    words::percent(review.band)
}
