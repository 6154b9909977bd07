//! What did each step add? A waterfall in measured time: where a step begins is where the one before it ended. Beside
//! it what the step brings alone and added last, for effects hang on their order.

use super::mark::{Ground, axis, heads, hint, name, region, verdict};
use super::scale::Scale;
use super::words::{coordinate, listed, number, signed, times, times_between};
use super::{Section, per};
use crate::review::{Review, Rung};
use crate::summary::{Bounds, Row};
use maud::{Markup, html};

pub(super) fn section(review: &Review) -> Section {
    Section {
        id: "ladder",
        short: "Ladder",
        question: "What did each step add?",
        answer: answer(review),
        kept: table(review),
        rest: html! {},
    }
}

fn answer(review: &Review) -> Markup {
    let rungs = &review.ladder;
    let of = |word: &str| -> Vec<&str> {
        rungs.iter().filter(|rung| rung.verdict == Some(word)).map(|rung| rung.name.as_str()).collect()
    };
    let (faster, slower, same) = (of("faster"), of("slower"), of("no practical change"));
    let open: Vec<&str> = rungs
        .iter()
        .filter(|rung| !matches!(rung.verdict, Some("faster" | "slower" | "no practical change")))
        .map(|rung| rung.name.as_str())
        .collect();
    let best = rungs
        .iter()
        .filter_map(|rung| Some((rung, rung.gain?)))
        .filter(|(rung, _)| rung.verdict == Some("faster"))
        .max_by(|a, b| a.1.mid.total_cmp(&b.1.mid));
    html! {
        @if rungs.is_empty() {
            "This run has no ladder: measure its rows with " code { "assay run --ladder" } "."
        } @else {
            @if let Some((rung, gain)) = best {
                (name(&rung.name)) " brought most: " (times(gain.mid)) " as fast as the row before, " (times_between(&gain)) ". "
            } @else { "No step is surely faster than the row before it. " }
            @if faster.len() > 1 { "Faster: " (name(&listed(&faster))) ". " }
            @if !same.is_empty() { "No practical change: " (name(&listed(&same))) ". " }
            @if !slower.is_empty() { "Slower: " (name(&listed(&slower))) ". " }
            @if !open.is_empty() { "Not decided: " (name(&listed(&open))) "." }
        }
    }
}

fn table(review: &Review) -> Markup {
    let rungs = &review.ladder;
    let (Some(first), Some(last)) = (rungs.first(), rungs.last()) else { return html! {} };
    let most = rungs.iter().flat_map(|rung| [rung.us.0, rung.us.1]).fold(0.0, f64::max);
    let scale = Scale::from_nought(most);
    let columns = [
        ("", html! { "Step" (hint("each on top of the one above")) }),
        (
            "pic",
            html! { "Wall time, " (per(review)) (hint("bar = what the step took away, or added")) (axis(&scale, "")) },
        ),
        ("n", html! { "Change" (hint("µs")) }),
        ("n", html! { "Added here" (hint("over the row before; foretold")) }),
        ("n", html! { "Alone" (hint("on the baseline")) }),
        ("n", html! { "Added last" (hint("onto all others")) }),
        ("vd", html! { "Effect" (hint("and the phases that moved")) }),
    ];
    let start = review.summary.steps.first().map_or(review.summary.baseline.as_str(), |step| step.from.as_str());
    let end = review.summary.rows.iter().find(|row| row.name == last.name);
    let ground = Ground::new("g-ladder", scale, None);
    let table = region(
        "Ladder",
        &html! {
            table class="rows t-ladder" role="table" {
                caption class="sr" { "Each step on top of the one before" }
                (heads(&columns))
                tbody role="rowgroup" {
                    (begin(review, start, first, (&scale, &ground)))
                    @for (at, rung) in rungs.iter().enumerate() { (step(rung, at + 1 == rungs.len(), (&scale, &ground))) }
                }
                (foot(first, last, end))
            }
        },
    );
    html! { (ground.stands()) (table) }
}

fn begin(review: &Review, start: &str, first: &Rung, (scale, ground): (&Scale, &Ground)) -> Markup {
    html! {
        tr role="row" class="isbase" data-row=(start) {
            th role="rowheader" scope="row" class="lab" { b { (name(start)) } }
            td role="cell" class="pic" { (ground.picture(32, &html! {
                rect class="full" x="0" y="10" width=(coordinate(scale.at(first.us.0))) height="22" {}
                (join(scale, first.us.0, "32", "100%"))
            })) }
            td role="cell" class="n" data-l={ "µs per " (review.unit) } { b { (number(first.us.0)) } }
            td role="cell" class="n" data-l="over the row before" { span class="mut" { "start" } }
            td role="cell" class="n" data-l="" {}
            td role="cell" class="n" data-l="" {}
            td role="cell" class="vd" {}
        }
    }
}

fn step(rung: &Rung, is_last: bool, (scale, ground): (&Scale, &Ground)) -> Markup {
    let (before, now) = rung.us;
    let class = match rung.verdict {
        Some("faster") => "dec",
        Some("slower") => "inc",
        _ => "nul",
    };
    let (gained, lost) = &rung.promises;
    let moved: Vec<String> = rung
        .moved
        .iter()
        .take(3)
        .map(|phase| format!("{} {} to {}", phase.name, number(phase.before_us), number(phase.now_us)))
        .collect();
    html! {
        tr role="row" data-row=(rung.name) {
            th role="rowheader" scope="row" class="lab" {
                b { (name(&rung.name)) }
                span class="desc" { (rung.what) }
                @if !lost.is_empty() { span class="desc lost" { "gives up: " (listed(&lost.iter().map(String::as_str).collect::<Vec<_>>())) } }
                @if !gained.is_empty() { span class="desc" { "promises more: " (listed(&gained.iter().map(String::as_str).collect::<Vec<_>>())) } }
            }
            td role="cell" class="pic" { (ground.picture(32, &html! {
                (join(scale, before, "0", "10"))
                rect class="rest" x="0" y="10" width=(coordinate(scale.at(now.min(before)))) height="22" {}
                rect class=(class) x=(coordinate(scale.at(now.min(before)))) y="10" width=(coordinate((scale.at(now.max(before)) - scale.at(now.min(before))).max(0.3))) height="22" {}
                @if !is_last { (join(scale, now, "32", "100%")) }
            })) }
            td role="cell" class="n" data-l="change, µs" { b { (signed(now - before)) } span class="ci" { "to " (number(now)) } }
            td role="cell" class="n" data-l="over the row before" {
                (factor(rung.gain.as_ref(), true))
                @if let Some(foretold) = rung.forecast { span class="ci" { "foretold " (times(foretold)) } }
            }
            td role="cell" class="n" data-l="alone" { (factor(rung.alone.as_ref(), false)) }
            td role="cell" class="n" data-l="added last" { (factor(rung.last.as_ref(), false)) }
            td role="cell" class="vd" {
                @if let Some(word) = rung.verdict { (verdict(word)) } @else { span class="mut" { "no pairs" } }
                @if !moved.is_empty() { span class="desc" { "µs: " (moved.join(", ")) } }
            }
        }
    }
}

fn foot(first: &Rung, last: &Rung, end: Option<&Row>) -> Markup {
    html! {
        tfoot role="rowgroup" { tr role="row" {
            th role="rowheader" scope="row" class="lab" { b { "All steps" } }
            td role="cell" class="pic" {}
            td role="cell" class="n" data-l="change, µs" { b { (signed(last.us.1 - first.us.0)) } }
            td role="cell" class="n" data-l="over the baseline" { (factor(end.and_then(|row| row.over_baseline.as_ref()), true)) }
            td role="cell" class="n" data-l="" {}
            td role="cell" class="n" data-l="" {}
            td role="cell" class="vd" { @if let Some(word) = end.and_then(|row| row.verdict) { (verdict(word)) } }
        } }
    }
}

fn factor(bounds: Option<&Bounds>, is_main: bool) -> Markup {
    html! { @match bounds {
        Some(bounds) => {
            @if is_main { b { (times(bounds.mid)) } } @else { (times(bounds.mid)) }
            span class="ci" { (times_between(bounds)) }
        },
        None => span class="mut" { "not run" },
    } }
}

fn join(scale: &Scale, us: f64, from: &str, to: &str) -> Markup {
    let at = coordinate(scale.at(us));
    html! { line class="conn" x1=(at) x2=(at) y1=(from) y2=(to) {} }
}
