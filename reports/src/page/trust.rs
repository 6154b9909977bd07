//! Can the numbers be trusted? Every sample in the order it was taken, what was checked, the machine, and what there
//! was no instrument for: grey, with the reason, never nought.

use super::mark::{Tone, chip, dots, heads, hint, name, region};
use super::words::{NARROW, capital, coordinate, percent, sureness};
use super::{Section, apart, folded, many};
use crate::review::{Grade, Review, Series};
use crate::stats::median;
use crate::summary::least_confidence;
use maud::{Markup, html};

/// The most rounds of a row, and of all rows together, that are drawn here.
const DOTS: (usize, usize) = (300, 6000);

pub(super) fn section(review: &Review) -> Section {
    Section {
        id: "trust",
        short: "Trust",
        question: "Can these numbers be trusted?",
        answer: answer(review),
        kept: checks(review),
        rest: html! { (runs(review)) },
    }
}

fn answer(review: &Review) -> Markup {
    let sure = sureness(least_confidence(&review.summary.rows));
    html! {
        (capital(&review.answer.trust.value)) ". "
        "Rounds interleave all rows, in a shuffled order, each sample in a fresh process; bounds are at least " (sure)
        " sure, and a difference below " (percent(review.band)) " counts as none."
    }
}

fn checks(review: &Review) -> Markup {
    let shown = |grade: Grade| match grade {
        Grade::Pass => chip(Tone::Good, "pass"),
        Grade::Note => chip(Tone::Warn, "note"),
        Grade::Fail => chip(Tone::Bad, "fail"),
        Grade::Absent => chip(Tone::Flat, "absent"),
    };
    html! {
        div class="two eq" {
            div { h3 { "What was checked?" }
                @if review.trust.is_empty() { p { "Nothing." } }
                ul class="chk" { @for check in &review.trust {
                    li class=[(check.grade == Grade::Absent).then_some("absent")] {
                        (shown(check.grade)) div { b { (name(&check.name)) } span { (name(&check.told)) } }
                    }
                } }
            }
            div { h3 { "On which machine?" }
                dl class="fp" { @for (field, value) in &review.machine {
                    div { dt { (field.replace('_', " ")) } dd { (name(value)) } }
                } }
                @if !review.absent.is_empty() {
                    h3 { "What was there nothing to look with?" }
                    dl class="fp absent" { @for (what, why) in &review.absent {
                        div { dt { (what.replace('_', " ")) } dd { (name(why)) } }
                    } }
                }
            }
        }
    }
}

/// Of more rows, those for one step of the ladder are in the raw data alone.
const MOST: usize = 40;

fn runs(review: &Review) -> Markup {
    if review.series.is_empty() {
        return html! {};
    }
    let all: usize = review.series.iter().map(|series| series.rounds.len()).sum();
    let farthest = farthest(review);
    let widest =
        review.series.iter().flat_map(|series| series.rounds.iter().map(|(round, _)| *round)).max().unwrap_or(0);
    let columns = [
        ("", html! { "Technique" }),
        (
            "pic",
            html! { "Deviation from the median, round by round" (hint(&format!("a slow minute hits every row alike; rings lie beyond ±{farthest}{NARROW}%"))) },
        ),
        ("n", html! { "Rounds" }),
        ("n", html! { "Spread" (hint("middle half")) }),
        ("n", html! { "Drift" (hint("first to last")) }),
    ];
    let (_, steps) = apart(review);
    let is_step = |series: &&Series| steps.iter().any(|row| row.name == series.name);
    let (steps, shown): (Vec<&Series>, Vec<&Series>) = review.series.iter().partition(is_step);
    let drawn = |label: &str, shown: &[&Series]| {
        region(
            label,
            &html! {
                table class={ "rows t-runs" (many(shown.len())) } role="table" {
                    caption class="sr" { "Every sample in the order it was taken" }
                    (heads(&columns))
                    tbody role="rowgroup" { @for series in shown {
                        tr role="row" data-row=(series.name) {
                            th role="rowheader" scope="row" class="lab" { b { (name(&series.name)) } }
                            td role="cell" class="pic" { (deviations(series, widest, all, farthest)) }
                            td role="cell" class="n" data-l="rounds" { (series.rounds.len()) }
                            td role="cell" class="n" data-l="spread" { (percent(series.spread)) }
                            td role="cell" class="n" data-l="drift" { @match series.drift {
                                Some(drift) => { (if drift > 0.0 { "+" } else { "" }) (percent(drift)) },
                                None => span class="mut" { "too few" },
                            } }
                        }
                    } }
                }
            },
        )
    };
    html! {
        h3 { "Did the machine change meanwhile?" }
        (drawn("Every round in its order", &shown))
        @if shown.len() + steps.len() <= MOST { (folded(&steps, || drawn("Every round in its order, per step of the ladder", &steps))) }
    }
}

/// Each round's deviation; where they are too many, the median of so many in a row.
fn deviations(series: &Series, widest: u32, all: usize, farthest: f64) -> Markup {
    /// Pixels from the middle to what is farthest.
    const HIGH: f64 = 15.0;
    const MIDDLE: f64 = 19.0;
    const TALL: u32 = 38;
    let us: Vec<f64> = series.rounds.iter().map(|(_, us)| *us).collect();
    let mid = median(&us).unwrap_or(1.0);
    let together = if series.rounds.len() > DOTS.0 || all > DOTS.1 { series.rounds.len().div_ceil(40) } else { 1 };
    let points: Vec<(f64, f64, bool)> = series
        .rounds
        .chunks(together)
        .map(|chunk| {
            let us: Vec<f64> = chunk.iter().map(|(_, us)| *us).collect();
            let away = (median(&us).unwrap_or(mid) / mid - 1.0) * 100.0 * HIGH / farthest;
            let x = 1.0 + 98.0 * f64::from(chunk[0].0) / f64::from(widest.max(1));
            (x, MIDDLE - away.clamp(-HIGH, HIGH), away.abs() > HIGH)
        })
        .collect();
    let (far, near): (Vec<_>, Vec<_>) = points.into_iter().partition(|(_, _, is_far)| *is_far);
    html! {
        svg class="d" height=(TALL) aria-hidden="true" {
            line class="grid z" x1="0" x2="100%" y1="50%" y2="50%" {}
            (dots(TALL, near.into_iter().map(|(x, y, _)| (x, y))))
            @for (x, y, _) in far { circle class="out" cx=(coordinate(x)) cy=(coordinate(100.0 * y / f64::from(TALL))) r="3" {} }
        }
    }
}

/// A round number of hundredths within which nineteen of twenty rounds lie.
fn farthest(review: &Review) -> f64 {
    let away = |series: &Series| {
        let us: Vec<f64> = series.rounds.iter().map(|(_, us)| *us).collect();
        let mid = median(&us).unwrap_or(1.0);
        us.into_iter().map(move |us| (us / mid - 1.0).abs() * 100.0).collect::<Vec<_>>()
    };
    let mut all: Vec<f64> = review.series.iter().flat_map(away).collect();
    all.sort_by(f64::total_cmp);
    let most = all.get(all.len() * 19 / 20).copied().unwrap_or(0.0);
    [2.0, 5.0, 10.0, 20.0, 50.0].into_iter().find(|round| *round >= most).unwrap_or(100.0)
}
