//! Raw data, and how to make it again.

use super::mark::region;
use super::words::{bytes, percent};
use super::{Making, Section};
use crate::review::{RawFile, Review};
use maud::{Markup, html};

pub(super) fn section(review: &Review, making: &Making) -> Section {
    Section {
        id: "data",
        short: "Data",
        question: "Where are the raw data, and how is this made again?",
        answer: html! { "The page holds no number that is not in these files." },
        kept: html! {
            (files(&[&making.review].into_iter().chain(&review.files).collect::<Vec<_>>()))
            (commands(&[&review.command, &making.command]))
        },
        rest: words(review),
    }
}

/// Files that lie beside a page, each with what it holds, its size and its hash.
pub(crate) fn files(files: &[&RawFile]) -> Markup {
    region(
        "Raw data",
        &html! {
            table class="num left files" {
                thead { tr { th scope="col" { "File" } th scope="col" { "Holds" } th scope="col" { "Bytes" } th scope="col" { "SHA-256" } } }
                tbody { @for file in files {
                    tr {
                        th scope="row" { a href=(file.path) { (file.path) } }
                        td { (file.what) }
                        td { (bytes(file.bytes)) }
                        td { code { (file.sha256) } }
                    }
                } }
            }
        },
    )
}

/// What measured it, and what made the page: the last.
pub(crate) fn commands(lines: &[&str]) -> Markup {
    html! {
        div class="cmd" {
            pre id="cmd" role="region" aria-label="Commands" tabindex="0" { code { (lines.join("\n")) } }
            button type="button" id="copy" hidden { "Copy" }
        }
    }
}

fn words(review: &Review) -> Markup {
    let said = [
        ("Bounds", "Order statistics: the narrowest pair of samples that holds the true median in at least 95 of 100 cases, whatever the distribution; with few rounds less sure, and the page says how sure. Ratios are taken round by round first, so a slow minute cancels out.".to_owned()),
        ("Times as fast", "Old time over new time. 2× is half the time.".to_owned()),
        ("No practical change", format!("The whole interval lies within {} of one. It is a finding, not the want of one.", percent(review.band))),
        ("Not decided", "The interval reaches over an edge of the band: more rounds are needed.".to_owned()),
        ("Ceiling", "Amdahl's law: the whole over the whole without the phase. No change to that phase alone can beat it.".to_owned()),
        ("Foretold", "From the share before, which is the only one that counts: 1 over (1 − share + share over the part's factor).".to_owned()),
        ("Waiting and crosstalk", "The two terms of the universal scalability law. Waiting flattens the curve, crosstalk bends it down.".to_owned()),
    ];
    html! {
        details class="more" { summary { "How to read this page" }
            dl class="gl" { @for (word, what) in said { div { dt { (word) } dd { (what) } } } }
        }
    }
}
