//! The page over all pages: what holds, what does not, where to look next.

use super::mark::{Tone, axis, chip, grid, heads, hint, interval, name, noise, picture, prose, region, verdict};
use super::scale::Scale;
use super::words::{coordinate, number, percent, sureness, times, times_between};
use super::{baseline, data, document, fastest, question};
use crate::review::{Grade, Overview, RawFile, Review, Told};
use crate::table::clip;
use maud::{Markup, html};

/// A review and where its page lies.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// What it says.
    pub review: &'a Review,
    /// The path of its page, from here.
    pub page: &'a str,
    /// Flame graphs and other files that lie beside it, each a path and what it is.
    pub beside: &'a [(String, String)],
}

/// The page of the runs before, or that of several machines, and what it says in a line.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    /// Its path, from here.
    pub page: &'a str,
    /// How many rows moved, or hold everywhere.
    pub sentence: &'a str,
}

/// The page over all pages.
pub fn index(
    entries: &[Entry],
    overview: &Overview,
    before: Option<Before>,
    machines: Option<Before>,
    files: &[RawFile],
    command: &str,
) -> String {
    let nav = [
        ("answer", "Answer"),
        ("workloads", "Workloads"),
        ("claims", "Claims"),
        ("next", "Next"),
        ("trust", "Trust"),
        ("data", "Data"),
    ];
    let crumb = html! {
        "Design review"
        @if let Some(first) = entries.first() { span { (first.review.started.get(..10).unwrap_or_default()) } }
    };
    let body = html! {
        (answer(entries, overview))
        (question("workloads", "What holds: how fast is each job and part now?", &html! { "Each row is a page of its own. Ratios are paired by round, against the baseline of that workload." }, &html! {
            (workloads(entries))
            @if let Some(before) = before { p class="before" { a href=(before.page) { "Run after run" } ": " (before.sentence) "." } }
            @if let Some(machines) = machines { p class="before" { a href=(machines.page) { "Machine beside machine" } ": " (machines.sentence) "." } }
        }))
        (question("claims", "What do the documents claim that does not hold?", &html! { (overview.claims.value) ": " (overview.claims.line) "." }, &claims(entries, overview)))
        (question("next", "Where to look next?", &html! { "What makes numbers hard to believe, then the highest ceilings, then what more rounds would decide." }, &next(entries, overview)))
        (question("trust", "Can these numbers be trusted?", &html! { "Whatever is not simply as it should be, page by page." }, &trust(entries)))
        (question("data", "Where are the raw data?", &html! { "Every file beside these pages, with its size and SHA-256." }, &raw(entries, files, command)))
    };
    let foot = html! { p { "assay " (env!("CARGO_PKG_VERSION")) } };
    document("Design review", &nav, &crumb, &body, &foot)
}

fn answer(entries: &[Entry], overview: &Overview) -> Markup {
    let checks = || entries.iter().flat_map(|entry| &entry.review.trust);
    let notes = checks().filter(|check| check.grade == Grade::Note).count();
    let failed = checks().filter(|check| check.grade == Grade::Fail).count();
    // Of several no factor stands for all of them.
    let alone = match entries {
        [one] => fastest(one.review).and_then(|row| Some((one.review, row, row.over_baseline?))),
        _ => None,
    };
    let next = overview.next.iter().find(|told| told.word == "ceiling");
    html! {
        section id="answer" aria-labelledby="h-answer" class="hero" {
            h1 id="h-answer" {
                @match (alone, &overview.claims.numbers.get("judged")) {
                    (Some((review, row, over)), _) if row.verdict == Some("faster") => {
                        (name(&clip(&review.summary.workload, 48))) " is " em { (times(over.mid)) " as fast" } " with " (name(&clip(&row.name, 48)))
                    },
                    (None, Some(judged)) if **judged > 0.0 => { em { (overview.claims.value.replace(" hold", "")) } " claims hold" },
                    _ => "What holds, what does not, where to look next",
                }
            }
            p class="lede" { (prose(&overview.sentence)) }
            div class="cards" {
                a class="card" href="#workloads" { span class="k" { "Measured" } b { (entries.len()) @if entries.len() == 1 { " workload" } @else { " workloads" } } span { "each a page of its own" } }
                a class="card" href="#next" { span class="k" { "Best next target" } b { @if let Some(next) = next { (name(&next.of)) } @else { "not known" } } span { @if let Some(next) = next { (prose(&next.told)) } } }
                a class="card" href="#claims" { span class="k" { "Claims" } b { (overview.claims.value) } span { (overview.claims.line) } }
                a class="card" href="#trust" { span class="k" { "Can it be trusted?" } b { (if failed > 0 { "Not all of it" } else { "Yes" }) } span { (counted(failed, "failed check")) ", " (counted(notes, "note")) } }
            }
            ul class="each" { @for entry in entries { li { a href=(entry.page) { (name(&entry.review.summary.workload)) " on " (name(&entry.review.summary.fixture)) } ": " (prose(&entry.review.answer.sentence)) } } }
        }
    }
}

/// `1 note`, `4 notes`.
fn counted(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

fn workloads(entries: &[Entry]) -> Markup {
    let ratios =
        entries.iter().filter_map(|entry| fastest(entry.review)?.over_baseline).flat_map(|over| [over.low, over.high]);
    let scale = Scale::of_factors(ratios, 1000.0);
    let columns = [
        ("", html! { "Workload" (hint("what it asks")) }),
        ("n", html! { "Before" (hint("µs, baseline")) }),
        ("n", html! { "Now" (hint("µs, fastest")) }),
        ("pic f", html! { "Times as fast" (hint("log scale; grey band = noise")) (axis(&scale, "×")) }),
        ("n", html! { "Ratio" (hint("paired by round")) }),
        ("vd", html! { "Verdict" }),
    ];
    region(
        "Workloads",
        &html! {
            table class="rows t-index" role="table" {
                caption class="sr" { "The fastest row of each workload against its baseline" }
                (heads(&columns))
                tbody role="rowgroup" { @for entry in entries {
                    @let review = entry.review;
                    @let row = fastest(review);
                    tr role="row" data-row=(review.summary.workload) {
                        th role="rowheader" scope="row" class="lab" {
                            b { a href=(entry.page) { (name(&review.summary.workload)) } " on " (name(&review.summary.fixture)) }
                            span class="desc" { (review.summary.question) }
                        }
                        td role="cell" class="n" data-l="before, µs" { @if let Some(row) = baseline(review) { (number(row.us_per_file.mid)) span class="ci" { (name(&row.name)) } } }
                        td role="cell" class="n" data-l="now, µs" { @if let Some(row) = row { b { (number(row.us_per_file.mid)) } span class="ci" { (name(&row.name)) } } }
                        td role="cell" class="pic f" { (picture(44, &scale, &html! {
                            (noise(&scale, review.band)) (grid(&scale))
                            @match row.and_then(|row| row.over_baseline) {
                                Some(over) => (interval(&scale, &over, 14, 16)),
                                None => text class="ghost" x=(coordinate(scale.at(1.03))) y="27" { "no ratio" },
                            }
                        })) }
                        td role="cell" class="n" data-l="times as fast" { @if let Some(over) = row.and_then(|row| row.over_baseline) {
                            b { (times(over.mid)) } span class="ci" { (times_between(&over)) } span class="ci" { (sureness(over.confidence)) " sure" }
                        } }
                        td role="cell" class="vd" { @match row.and_then(|row| row.verdict) { Some(word) => (verdict(word)), None => span class="mut" { "nothing to compare" } } }
                    }
                } }
            }
        },
    )
}

fn claims(entries: &[Entry], overview: &Overview) -> Markup {
    html! {
        (told("Claims that do not hold", &overview.fails, entries))
        @if !overview.holds.is_empty() {
            details class="more" { summary { "Claims that hold" } (told("Claims that hold", &overview.holds, entries)) }
        }
        @if !overview.documents.is_empty() {
            h3 { "What came of each document?" }
            (region("Documents", &html! {
                table class="num left open" {
                    thead { tr { th scope="col" { "Document" } th scope="col" { "Claims" } th scope="col" { "And" } } }
                    tbody { @for document in &overview.documents {
                        tr { th scope="row" { (name(&document.source)) span class="desc" { (document.title) } } td { (document.value) } td { (document.line) } }
                    } }
                }
            }))
        }
        @if let Some(foretelling) = &overview.foretelling {
            p { (foretelling.within) " of " (foretelling.of) " predictions lie within the bounds of what was measured; the median is off by " (percent(foretelling.median)) ", the worst, " (name(&foretelling.worst_of)) ", by " (percent(foretelling.worst)) "." }
        }
    }
}

/// Statements, each with a way to the page that shows it.
fn told(label: &str, all: &[Told], entries: &[Entry]) -> Markup {
    let page = |of: &str| {
        let has = |entry: &&Entry| {
            let review = entry.review;
            review.claims.iter().any(|claim| claim.claim.id == of) || is_of(review, of)
        };
        let entry = entries.iter().find(has)?;
        Some(if is_of(entry.review, of) { entry.page.to_owned() } else { format!("{}#{of}", entry.page) })
    };
    html! {
        @if all.is_empty() { p { "None." } } @else {
            (region(label, &html! {
                table class="num left told" {
                    thead { tr { th scope="col" { "What" } th scope="col" { "Word" } th scope="col" { "Told" } } }
                    tbody { @for one in all {
                        tr {
                            th scope="row" { @match page(&one.of) { Some(page) => a href=(page) { (name(&one.of)) }, None => (name(&one.of)) } }
                            td { (one.word) }
                            td { (name(&one.told)) }
                        }
                    } }
                }
            }))
        }
    }
}

fn is_of(review: &Review, of: &str) -> bool {
    format!("{} on {}", review.summary.workload, review.summary.fixture) == of
}

fn next(entries: &[Entry], overview: &Overview) -> Markup {
    told("Where to look next", &overview.next, entries)
}

/// The commands that measured what is shown, each once.
fn measured<'a>(entries: &[Entry<'a>]) -> Vec<&'a str> {
    let mut commands: Vec<&str> = Vec::new();
    for entry in entries {
        if !commands.contains(&entry.review.command.as_str()) {
            commands.push(&entry.review.command);
        }
    }
    commands
}

fn trust(entries: &[Entry]) -> Markup {
    let mut notes: Vec<(&str, Grade, &str, Vec<&Entry>)> = Vec::new();
    for entry in entries {
        for check in entry.review.trust.iter().filter(|check| check.grade != Grade::Pass) {
            match notes.iter_mut().find(|note| note.0 == check.name && note.2 == check.told) {
                Some(note) => note.3.push(entry),
                None => notes.push((&check.name, check.grade, &check.told, vec![entry])),
            }
        }
    }
    html! {
        @if notes.is_empty() { p { "All checks passed." } }
        ul class="chk" { @for (what, grade, told, of) in notes {
            li {
                @match grade { Grade::Fail => (chip(Tone::Bad, "fail")), Grade::Absent => (chip(Tone::Flat, "absent")), _ => (chip(Tone::Warn, "note")) }
                div {
                    b { (name(what)) ": " @for (at, entry) in of.iter().enumerate() { @if at > 0 { ", " } a href={ (entry.page) "#trust" } { (name(&entry.review.summary.workload)) } } }
                    span { (name(told)) }
                }
            }
        } }
    }
}

fn raw(entries: &[Entry], files: &[RawFile], command: &str) -> Markup {
    let mut commands = measured(entries);
    commands.push(command);
    html! {
        @for entry in entries.iter().filter(|entry| !entry.beside.is_empty()) {
            p { (name(&entry.review.summary.workload)) ": " @for (at, (path, what)) in entry.beside.iter().enumerate() { @if at > 0 { ", " } a href=(path) { (what) } } }
        }
        (data::files(&files.iter().collect::<Vec<_>>()))
        (data::commands(&commands))
    }
}
