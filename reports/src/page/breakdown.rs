//! Where does the time go? Every row's phases on one absolute scale, in the order in which a run meets them; shares as
//! a switch. Then what could still be gained, and which calls were made.

use super::colours::{KINDS, look, swatch};
use super::mark::{Ground, axis, heads, hint, name, region};
use super::scale::Scale;
use super::words::{coordinate, number, percent};
use super::{Section, apart, baseline, calls, ceilings, fastest, folded, many, of_many, per};
use crate::review::Review;
use crate::summary::Row;
use maud::{Markup, html};

pub(super) fn section(review: &Review) -> Section {
    Section {
        id: "where",
        short: "Where?",
        question: "Where does the time go?",
        answer: answer(review),
        kept: chart(review),
        rest: html! { (ceilings::table(review)) (calls::tables(review)) },
    }
}

/// The rows that somebody looked into.
fn looked(review: &Review) -> Vec<&Row> {
    review.summary.rows.iter().filter(|row| has_phases(row)).collect()
}

fn has_phases(row: &Row) -> bool {
    !row.phases.is_empty()
}

fn answer(review: &Review) -> Markup {
    let said = |row: &Row| {
        let mut phases: Vec<&(String, f64)> = row.phases.iter().collect();
        phases.sort_by(|a, b| b.1.total_cmp(&a.1));
        let largest: Vec<(String, f64)> = phases.into_iter().take(3).cloned().collect();
        html! {
            "In " (name(&row.name)) " the largest phases are "
            @for (at, (phase, us)) in largest.iter().enumerate() {
                @if at > 0 { ", " }
                (phase) " (" (number(*us)) " µs)"
            }
            ". "
        }
    };
    let (before, now) = (baseline(review), fastest(review));
    let rows: Vec<&Row> =
        before.into_iter().chain(now.filter(|row| Some(&row.name) != before.map(|one| &one.name))).collect();
    let nobody = rows.iter().all(|row| row.phases.is_empty());
    html! {
        @if nobody { "Nobody looked: this run has no phases pass, so its time has no names." }
        @for row in rows.iter().filter(|row| !row.phases.is_empty()) { (said(row)) }
        @if !nobody {
            @if let Some(named) = now.and_then(|row| row.named) {
                "Of the fastest row's time, " (percent(named)) " has a name; what has none is hatched."
            }
        }
    }
}

fn chart(review: &Review) -> Markup {
    let rows = looked(review);
    if rows.is_empty() {
        return html! {};
    }
    let scale = Scale::from_nought(rows.iter().map(|row| row.us_per_file.mid).fold(0.0, f64::max));
    let shares = Scale::from_nought(100.0 / 1.06);
    let (shown, steps) = apart(review);
    let [shown, steps] = [shown, steps].map(|rows| rows.into_iter().filter(|row| has_phases(row)).collect::<Vec<_>>());
    let (shown, steps) = pictured(review, shown, steps);
    let columns = [
        ("", html! { "Technique" (hint("fastest first")) }),
        (
            "pic",
            html! {
                span class="abs" { "Wall time, " (per(review)) (axis(&scale, "")) }
                span class="share" { "Share of wall time" (axis(&shares, "%")) }
            },
        ),
        ("n", html! { "Total" (hint("µs")) }),
        ("n", html! { "Named" (hint("phases ÷ wall")) }),
    ];
    let grounds = (Ground::new("g-where", scale, None), Ground::new("g-share", shares, None));
    let drawn = |label: &str, rows: &[&Row]| {
        region(
            label,
            &html! {
                table class={ "rows t-where" (many(rows.len())) } role="table" {
                    caption class="sr" { "Time by phase" }
                    (heads(&columns))
                    tbody role="rowgroup" { @for row in rows { (one(review, row, &scale, &grounds)) } }
                }
            },
        )
    };
    html! {
        (grounds.0.stands()) (grounds.1.stands())
        fieldset class="seg" aria-label="Scale of the breakdown" {
            input type="radio" name="bd" id="bd-abs" checked; label for="bd-abs" { (per(review)) }
            input type="radio" name="bd" id="bd-share"; label for="bd-share" { "share of time" }
            (key(review))
            (drawn("Time by phase", &shown))
            (folded(&steps, || drawn("Time by phase, per step of the ladder", &steps)))
        }
        @if shown.len() + steps.len() < rows.len() {
            p class="hint" { "The fastest rows, the baseline, the ladder and the floor have a picture; the numbers of all rows stand below." }
        }
        @if rows.iter().any(|row| row.workers > 1) {
            p class="hint" { "Rows of several workers: thread time of a section over its workers; what a worker did not mark, it waited." }
        }
        (numbers(review, &rows))
    }
}

/// Which rows have a picture. Where they are more than anybody compares, those that are named elsewhere, and the fastest
/// of the others; rows for one step of the ladder then have numbers alone.
fn pictured<'a>(review: &Review, rows: Vec<&'a Row>, steps: Vec<&'a Row>) -> (Vec<&'a Row>, Vec<&'a Row>) {
    const ALL: usize = 24;
    const MOST: usize = 16;
    if rows.len() + steps.len() <= ALL {
        return (rows, steps);
    }
    let is_named = |row: &Row| {
        let names = [Some(&review.summary.baseline), review.now.as_ref()];
        row.rank == 0 || names.contains(&Some(&row.name)) || review.ladder.iter().any(|rung| rung.name == row.name)
    };
    let mut room = MOST.saturating_sub(rows.iter().filter(|row| is_named(row)).count());
    let takes = |row: &&'a Row| {
        let has_room = room > 0;
        is_named(row) || {
            room = room.saturating_sub(1);
            has_room
        }
    };
    (rows.into_iter().filter(takes).collect(), Vec::new())
}

fn key(review: &Review) -> Markup {
    html! {
        ul class="key" aria-label="Phases, in the order in which a run meets them" {
            @for (kind, label) in KINDS {
                @let members: Vec<_> = review.phases.iter().filter(|phase| phase.kind == kind).collect();
                @if !members.is_empty() {
                    li { span class="fam" { (label) }
                        @for phase in members {
                            span class="kp" { (swatch(&look(&review.phases, &phase.name))) (name(&phase.name)) }
                        }
                    }
                }
            }
        }
    }
}

/// One bar is both pictures: as wide as its time, or, for shares, as wide as there is room.
fn one(review: &Review, row: &Row, scale: &Scale, grounds: &(Ground, Ground)) -> Markup {
    let all: f64 = row.phases.iter().map(|(_, us)| us).sum();
    html! {
        tr role="row" data-row=(row.name) {
            th role="rowheader" scope="row" class="lab" { b { (name(&row.name)) } }
            td role="cell" class="pic" { div class="st" {
                svg class="d" height="34" aria-hidden="true" { (grounds.0.used("abs")) (grounds.1.used("share")) }
                svg class="bar" width=(coordinate(scale.at(all))) height="28" aria-hidden="true" {
                    (segments(review, row, scale.at(all)))
                }
            } }
            td role="cell" class="n" data-l="µs" { b { (number(row.us_per_file.mid)) } }
            td role="cell" class="n" data-l="named" { @match row.named { Some(named) => (percent(named)), None => "?" } }
        }
    }
}

/// The phases of a row, one after the other, in hundredths of a bar that is `wide` on the scale of times.
fn segments(review: &Review, row: &Row, wide: f64) -> Markup {
    /// A letter is not wider than this share of a wide screen's column.
    const LETTER: f64 = 1.05;
    /// And so many times that share of a phone's.
    const NARROW: f64 = 2.3;
    /// Less of a bar than this is seen on no screen; the table of all numbers has it.
    const SEEN: f64 = 0.04;
    let all: f64 = row.phases.iter().map(|(_, us)| us).sum();
    let mut begun = 0.0;
    let each: Vec<(f64, f64, &(String, f64))> = row
        .phases
        .iter()
        .map(|phase| {
            let from = begun;
            begun += phase.1;
            (100.0 * from / all, 100.0 * phase.1 / all, phase)
        })
        .filter(|(_, width, _)| *width > SEEN)
        .collect();
    html! {
        @for (from, width, (phase, us)) in each {
            @let share = us / row.us_per_file.mid;
            @let look = look(&review.phases, phase);
            @let room = |text: &str, wide: f64| width * wide / 100.0 / (LETTER * text.chars().count() as f64 + 1.2);
            @let fits = |text: &str, wide: f64| room(text, wide) > 1.0;
            @let tight = |text: &str, wide: f64| if room(text, wide) < NARROW { " tight" } else { "" };
            svg x=(coordinate(from)) width=(coordinate(width)) class={ "sg " (look.class()) } {
                title { (phase) ": " (number(*us)) " µs, " (percent(share)) }
                rect {} (look.over())
                @if fits(phase, 100.0) { text class={ "wide" (if fits(phase, wide) { "" } else { " share" }) } x="5" y="12" { (phase) } }
                @if fits(&number(*us), wide) { text class={ "wide b abs" (tight(&number(*us), wide)) } x="5" y="24" { (number(*us)) } }
                @if fits(&percent(share), 100.0) { text class={ "wide b share" (tight(&percent(share), 100.0)) } x="5" y="24" { (percent(share)) } }
            }
        }
    }
}

fn numbers(review: &Review, rows: &[&Row]) -> Markup {
    let phases: Vec<&str> = review.phases.iter().map(|phase| phase.name.as_str()).collect();
    let of = |row: &Row, phase: &str| row.phases.iter().find(|(name, _)| name == phase).map(|(_, us)| *us);
    html! {
        details class={ "more" (of_many(rows.len())) } { summary { "All numbers, " (per(review)) }
            (region("Numbers of the breakdown", &html! {
                table class="num" {
                    thead { tr { th scope="col" { "Technique" } @for phase in &phases { th scope="col" { (phase) } } th scope="col" { "all" } } }
                    tbody { @for row in rows {
                        tr { th scope="row" { (name(&row.name)) }
                            @for phase in &phases { td { @match of(row, phase) { Some(us) => (number(us)), None => "·" } } }
                            td { b { (number(row.us_per_file.mid)) } }
                        }
                    } }
                }
            }))
        }
    }
}
