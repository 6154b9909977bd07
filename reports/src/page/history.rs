//! Run after run: which rows moved, when, and by how much. One picture a row, with the places marked where its level
//! changed and the words beside them; what moved comes first, what got worse before what got better.

mod picture;

use super::mark::{Tone, chip, heads, hint, name, region};
use super::words::{capital, listed};
use super::{data, document, question};
use crate::history::{Course, FEWEST, History, Metric, Point};
use crate::review::RawFile;
use crate::terminal::history::{chance, change, in_words, judged, title, value};
use maud::{Markup, html};
use picture::picture;
use std::collections::{BTreeMap, BTreeSet};

/// A history of fewer runs is not drawn.
pub const DRAWN: usize = 3;

/// What the page is made with.
#[derive(Clone, Debug)]
pub struct Making<'a> {
    /// What the histories are of.
    pub metric: &'a Metric,
    /// The command that makes it again.
    pub command: &'a str,
    /// Where the page over all pages lies, from here.
    pub index: Option<&'a str>,
    /// The file that holds every number of it.
    pub file: Option<&'a RawFile>,
}

/// What a history came to, as the page sorts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Worse,
    Better,
    Flat,
    Short,
}

impl Sort {
    fn of(history: &History) -> Sort {
        match &history.course {
            None => Sort::Short,
            Some(Course::Flat) => Sort::Flat,
            Some(course) if course.moved() > 0.0 => Sort::Worse,
            Some(_) => Sort::Better,
        }
    }

    fn chip(self) -> Markup {
        match self {
            Sort::Worse => chip(Tone::Bad, "worse"),
            Sort::Better => chip(Tone::Good, "better"),
            Sort::Flat => chip(Tone::Flat, "flat"),
            Sort::Short => chip(Tone::Warn, "too few runs"),
        }
    }
}

/// Those histories that have enough runs to be drawn.
pub fn drawn(histories: Vec<History>) -> Vec<History> {
    histories.into_iter().filter(|history| history.points.len() >= DRAWN).collect()
}

/// What is told of them in a line: how many moved.
pub fn sentence(histories: &[History]) -> String {
    let of = |sort: Sort| histories.iter().filter(|history| Sort::of(history) == sort).count();
    let told = histories.len() - of(Sort::Short);
    let runs = runs(histories);
    if told == 0 {
        return format!(
            "None of {} has the {FEWEST} runs that it takes to tell whether it moved",
            counted(histories.len())
        );
    }
    match of(Sort::Worse) + of(Sort::Better) {
        0 => format!("None of {} moved over {runs} runs", counted(told)),
        moved => format!("{moved} of {} moved over {runs} runs: {} for the worse", counted(told), of(Sort::Worse)),
    }
}

fn counted(rows: usize) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

/// How many runs there are in any of them.
fn runs(histories: &[History]) -> usize {
    histories.iter().flat_map(|history| &history.points).map(|point| &point.run).collect::<BTreeSet<_>>().len()
}

/// The page.
pub fn page(histories: &[History], making: &Making) -> String {
    let of = |sorts: &[Sort]| -> Vec<&History> {
        histories.iter().filter(|history| sorts.contains(&Sort::of(history))).collect()
    };
    let moved = of(&[Sort::Worse, Sort::Better]);
    let (flat, short) = (of(&[Sort::Flat]), of(&[Sort::Short]));
    let mut nav = vec![("answer", "Answer"), ("moved", "Moved")];
    nav.extend((!flat.is_empty()).then_some(("flat", "Flat")));
    nav.extend((!short.is_empty()).then_some(("short", "Too few")));
    nav.extend([("trust", "Trust"), ("data", "Data")]);
    let crumb = html! {
        @match making.index { Some(index) => a href=(index) { "Design review" }, None => "Design review" }
        span { "History" } span { (title(making.metric)) }
    };
    let metric = making.metric;
    let body = html! {
        (answer(histories, metric))
        (question("moved", "Which rows moved, when, and by how much?", &html! {
            @if moved.is_empty() && flat.is_empty() { "Nobody knows yet: no row here has the " (FEWEST) " runs that it takes to tell." }
            @else if moved.is_empty() { "None: chance would make every change that is seen." }
            @else { "A mark stands where the level changed; of every number here, more is worse." }
        }, &table("Rows that moved", &moved, metric)))
        @if !flat.is_empty() {
            (question("flat", "Which rows stayed as they were?", &html! {
                "These: no step and no creep that chance would not make, which is a finding and not the want of one."
            }, &table("Rows that did not move", &flat, metric)))
        }
        @if !short.is_empty() {
            (question("short", "Of which rows are there too few runs to tell?", &html! {
                "These: " (FEWEST) " runs that can be compared are needed."
            }, &table("Rows of too few runs", &short, metric)))
        }
        (question("trust", "How far can this be trusted?", &html! { (capital(&chance(moved.len() + flat.len()))) "." }, &left_out(histories)))
        (question("data", "Where are the raw data, and how is this made again?", &html! {
            "Runs stand in one history where fixture, condition, machine, kernel and compiler are the same."
        }, &html! {
            @if let Some(file) = making.file { (data::files(&[file])) }
            (data::commands(&[making.command]))
        }))
    };
    let foot = html! { p { "assay " (env!("CARGO_PKG_VERSION")) } };
    document(&format!("History: {}", title(metric)), &nav, &crumb, &body, &foot)
}

fn answer(histories: &[History], metric: &Metric) -> Markup {
    let of = |sort: Sort| histories.iter().filter(|history| Sort::of(history) == sort).count();
    let worst = histories.iter().find(|history| matches!(Sort::of(history), Sort::Worse | Sort::Better));
    let cards = [
        ("moved", "Got worse", of(Sort::Worse)),
        ("moved", "Got better", of(Sort::Better)),
        (if of(Sort::Flat) > 0 { "flat" } else { "moved" }, "Stayed as they were", of(Sort::Flat)),
        (if of(Sort::Short) > 0 { "short" } else { "moved" }, "Too few runs to tell", of(Sort::Short)),
    ];
    html! {
        section id="answer" aria-labelledby="h-answer" class="hero" {
            h1 id="h-answer" { (sentence(histories)) }
            p class="lede" {
                "Each picture is " (title(metric)) ", the oldest run on the left. "
                @if let Some(one) = worst { (name(&one.name())) " on " (name(&one.fixture)) ": " (name(&in_words(one, metric))) "." }
            }
            div class="cards" { @for (id, label, count) in cards {
                a class="card" href={ "#" (id) } { span class="k" { (label) } b { (count) } span { (if count == 1 { "row" } else { "rows" }) } }
            } }
        }
    }
}

fn table(label: &str, histories: &[&History], metric: &Metric) -> Markup {
    if histories.is_empty() {
        return html! {};
    }
    let columns = [
        ("", html! { "Row" (hint("fixture, condition")) }),
        (
            "pic",
            html! {
                "Run after run" (hint("dot = a run, its whisker the bounds; line = the level; dashed = where it changed"))
                svg class="d ax" width="100%" height="20" aria-hidden="true" {
                    text x="0" y="15" { "oldest" } text x="100%" y="15" text-anchor="end" { "newest" }
                }
            },
        ),
        ("n", html! { "First" (hint("oldest run")) }),
        ("n", html! { "Last" (hint("newest run")) }),
        ("vd", html! { "Course" }),
    ];
    region(
        label,
        &html! {
            table class="rows t-history" role="table" {
                caption class="sr" { (label) }
                (heads(&columns))
                tbody role="rowgroup" { @for history in histories { (row(history, metric)) } }
            }
        },
    )
}

fn row(history: &History, metric: &Metric) -> Markup {
    let shown = |point: Option<&Point>| point.map_or(String::new(), |point| value(point.value.mid, metric));
    html! {
        tr role="row" data-row=(history.name()) data-fixture=(history.fixture) {
            th role="rowheader" scope="row" class="lab" {
                b { (name(&history.name())) }
                span class="desc" { (name(&history.fixture)) ", " (name(&history.condition())) }
                @if let Some(baseline) = history.baseline() { span class="desc" { "against " (name(baseline)) } }
            }
            td role="cell" class="pic" { (picture(history, metric)) }
            td role="cell" class="n" data-l="first" { (shown(history.points.first())) }
            td role="cell" class="n" data-l="last" { b { (shown(history.points.last())) } }
            td role="cell" class="vd" { (Sort::of(history).chip()) }
        }
        tr role="row" class="told" {
            td role="cell" colspan="5" {
                p { (name(&in_words(history, metric))) "." }
                (each(history, metric))
            }
        }
    }
}

/// Every run in a line, with where it stepped.
fn each(history: &History, metric: &Metric) -> Markup {
    let first = history.points.first().map_or("", |point| point.run.as_str());
    let label = format!("Runs of {} on {}, {}, from {first} on", history.name(), history.fixture, history.condition());
    html! {
        details class="more each-run" { summary { "Each run" span class="sr" { " of " (name(&history.name())) " on " (name(&history.fixture)) } }
            (region(&label, &html! {
                table class="num" {
                    thead { tr { th scope="col" { "Run" } th scope="col" { "Began" } th scope="col" { "Commit" } th scope="col" { "Value" } th scope="col" { "Bounds" } th scope="col" { "Rounds" } th scope="col" { "Step" } } }
                    tbody { @for (at, point) in history.points.iter().enumerate() {
                        tr {
                            th scope="row" { (name(&point.run)) }
                            td { (point.started.get(..16).unwrap_or(&point.started).replace('T', " ")) }
                            td { (name(&point.commit)) }
                            td { (value(point.value.mid, metric)) }
                            td { (value(point.value.low, metric)) " to " (value(point.value.high, metric)) }
                            td { (point.value.rounds) }
                            td { @for step in steps(history).iter().filter(|step| step.at == at) { (change(step.before, step.after, metric)) ", " (judged(step.after - step.before)) } }
                        }
                    } }
                }
            }))
        }
    }
}

fn steps(history: &History) -> &[crate::history::Step] {
    match &history.course {
        Some(Course::Steps { steps }) => steps,
        _ => &[],
    }
}

/// What stands in no history, and why.
fn left_out(histories: &[History]) -> Markup {
    let mut whys: BTreeMap<&str, (usize, Vec<String>)> = BTreeMap::new();
    for history in histories {
        for (why, count) in &history.left_out {
            let one = whys.entry(why).or_default();
            one.0 = one.0.max(*count);
            one.1.push(history.name());
        }
    }
    html! {
        @if whys.is_empty() { p { "No run of these rows is left out." } } @else {
            ul class="chk" { @for (why, (count, rows)) in whys {
                li { (chip(Tone::Flat, "left out")) div {
                    b { (name(why)) }
                    span { (if count == 1 { "1 run".to_owned() } else { format!("{count} runs") }) ", of " (name(&listed(&rows.iter().map(String::as_str).collect::<Vec<_>>()))) }
                } }
            } }
        }
    }
}
