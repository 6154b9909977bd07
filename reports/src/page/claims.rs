//! Do the claims hold? Each as it was written, beside what was foretold from the share before and what was measured:
//! three different marks on one scale, and a word.

use super::Section;
use super::mark::{Ground, Tone, axis, chip, heads, hint, name, prose, region};
use super::scale::Scale;
use super::words::{coordinate, number, number_between, percent, times, times_between};
use crate::claims::{Kind, Unit};
use crate::review::{ClaimVerdict, Judged, Review};
use crate::summary::Bounds;
use maud::{Markup, html};

pub(super) fn section(review: &Review) -> Section {
    let (judged, open): (Vec<&Judged>, Vec<&Judged>) = review
        .claims
        .iter()
        .partition(|one| !matches!(one.verdict, ClaimVerdict::Unmeasured | ClaimVerdict::Unmeasurable));
    Section {
        id: "claims",
        short: "Claims",
        question: "Do the claims hold?",
        answer: answer(review, &judged),
        kept: html! {},
        rest: html! { (table(review, &judged)) (foretelling(review)) (rest(&open)) },
    }
}

fn answer(review: &Review, judged: &[&Judged]) -> Markup {
    html! {
        @if review.claims.is_empty() {
            "No document claims anything of this workload."
        } @else {
            (review.answer.claims.value) ". "
            @if judged.is_empty() {
                "None of them could be judged by this run. "
            }
            "A claim about a part is checked twice: in the part, and for the whole, where its share of the time before caps it."
        }
    }
}

pub(super) fn tone(verdict: ClaimVerdict) -> Tone {
    match verdict {
        ClaimVerdict::Held => Tone::Good,
        ClaimVerdict::Exceeded => Tone::Up,
        ClaimVerdict::TrueLocally | ClaimVerdict::NotDecided => Tone::Warn,
        ClaimVerdict::Overstated | ClaimVerdict::Reversed => Tone::Bad,
        ClaimVerdict::NoEffect | ClaimVerdict::Unmeasured | ClaimVerdict::Unmeasurable => Tone::Flat,
    }
}

/// Whether a claim is a factor of time, which can be drawn beside what was measured.
fn is_factor(judged: &Judged) -> bool {
    matches!(judged.claim.claimed.unit, Unit::TimesAsFast)
}

fn table(review: &Review, judged: &[&Judged]) -> Markup {
    /// What is claimed beyond is an arrow at the edge.
    const FARTHEST: f64 = 12.0;
    if judged.is_empty() {
        return html! {};
    }
    let drawn = judged.iter().filter(|one| is_factor(one));
    let values = drawn.flat_map(|one| {
        let claimed = &one.claim.claimed;
        let measured = one.measured.iter().flat_map(|bounds| [bounds.low, bounds.high]);
        let foretold = one.forecast.iter().map(|forecast| forecast.whole.mid);
        claimed.low.into_iter().chain(claimed.high).chain(measured).chain(foretold).collect::<Vec<_>>()
    });
    let scale = Scale::of_factors(values, FARTHEST);
    let columns = [
        ("", html! { "Claim" (hint("as written, and where")) }),
        ("n", html! { "Claimed" }),
        ("n", html! { "Foretold" (hint("of the whole, from the share before")) }),
        ("n", html! { "Measured" (hint("in the claim's own unit")) }),
        (
            "pic",
            html! {
                "On one scale "
                span class="hint" {
                    svg class="ik" width="12" height="12" aria-hidden="true" { path class="cl" d="M6 1l5 5-5 5-5-5z" {} } " claimed "
                    svg class="ik" width="12" height="12" aria-hidden="true" { path class="pr" d="M6 0v12" {} } " foretold "
                    svg class="ik" width="12" height="12" aria-hidden="true" { circle class="dot" cx="6" cy="6" r="4.5" {} } " measured"
                }
                (axis(&scale, "×"))
            },
        ),
        ("vd", html! { "Verdict" }),
    ];
    let ground = Ground::new("g-claims", scale, Some(review.band));
    let table = region(
        "Claims",
        &html! {
            table class="rows t-claims" role="table" {
                caption class="sr" { "Claims, what Amdahl's law foretells, and what was measured" }
                (heads(&columns))
                tbody role="rowgroup" {
                    @for one in judged.iter().filter(|one| !is_again(one, judged)) { (row(one, judged, (&scale, &ground))) }
                }
            }
        },
    );
    html! { (ground.stands()) (table) }
}

/// Whether it only says again what another here says; it then stands with that one.
fn is_again(one: &Judged, judged: &[&Judged]) -> bool {
    let first = one.claim.repeats.as_ref();
    first.is_some_and(|first| judged.iter().any(|other| other.claim.id == *first && other.verdict == one.verdict))
}

fn row(judged: &Judged, all: &[&Judged], on: (&Scale, &Ground)) -> Markup {
    let claim = &judged.claim;
    let again = all.iter().filter(|one| one.claim.repeats.as_ref() == Some(&claim.id) && is_again(one, all));
    html! {
        tr role="row" id=(claim.id) {
            th role="rowheader" scope="row" class="lab" { (words(judged)) }
            td role="cell" class="n wrap" data-l="claimed" {
                (short(&claim.claimed.to_string()))
                @if claim.kind == Kind::Local { span class="ci" { "of a part" } }
            }
            td role="cell" class="n" data-l="foretold" {
                @match &judged.forecast {
                    Some(forecast) => {
                        (times(forecast.whole.mid)) span class="ci" { (times_between(&forecast.whole)) }
                        span class="ci" { "share before " (percent(forecast.share)) }
                        @if let Some(local) = &forecast.local { span class="ci" { "part " (times(local.mid)) } }
                        span class="ci" { "at most " (times(forecast.at_most)) }
                        @if forecast.model != "share" { span class="ci" { (forecast.model) } }
                    },
                    None => span class="mut" { "not foretold" },
                }
            }
            td role="cell" class="n" data-l="measured" {
                @match &judged.measured {
                    Some(measured) => (quantity(judged, measured)),
                    None => span class="mut" { "not measured" },
                }
                @if let Some(part) = &judged.part { span class="ci" { "part alone " (times(part.mid)) } }
                @if let Some(inside) = &judged.inside { span class="ci" { "in the job " (times(inside.mid)) } }
            }
            td role="cell" class="pic" { @if is_factor(judged) { (marks(judged, on)) } @else { span class="mut" { "no factor of time" } } }
            td role="cell" class="vd" { (chip(tone(judged.verdict), judged.verdict.words())) }
        }
        tr role="row" class="told" {
            td role="cell" colspan="6" {
                p { (prose(&judged.told)) }
                @if let Some((low, high)) = judged.implied {
                    p class="implied" { "implied share " (between(low, high)) @if let Some(forecast) = &judged.forecast { ", breakdown says " (percent(forecast.share)) } }
                }
                @if let Some(differ) = &judged.differ { p { (prose(differ)) } }
                @for one in again {
                    p id=(one.claim.id) class="again" { "Said again: “" (name(&one.claim.quote)) "”, " a href={ "#" (one.claim.id) } { (one.claim.id) } ", " (one.source) ":" (one.claim.line) "; " (one.verdict.words()) }
                }
                (why(judged))
            }
        }
    }
}

fn words(judged: &Judged) -> Markup {
    let claim = &judged.claim;
    let kind = match claim.kind {
        Kind::Local => "a part",
        Kind::Whole => "the whole",
        Kind::Share => "a share",
        Kind::Count => "a count",
        Kind::Unmeasurable => "unmeasurable",
    };
    html! {
        b { "“" (name(&claim.quote)) "”" }
        span class="desc" { a href={ "#" (claim.id) } { (claim.id) } " · " (judged.source) ":" (claim.line) " · " (kind) }
        span class="desc" { (name(&claim.says)) }
    }
}

fn quantity(judged: &Judged, bounds: &Bounds) -> Markup {
    html! {
        @match judged.claim.claimed.unit {
            Unit::TimesAsFast => { b { (times(bounds.mid)) } span class="ci" { (times_between(bounds)) } },
            Unit::Share | Unit::ShareLess => { b { (percent(bounds.mid)) } span class="ci" { (between(bounds.low, bounds.high)) } },
            unit => { b { (number(bounds.mid)) } @if bounds.low < bounds.high { span class="ci" { (number_between(bounds)) } } span class="ci" { (short(unit.name())) } },
        }
    }
}

/// A unit that fits a column.
fn short(words: &str) -> String {
    words.replace("microseconds", "µs")
}

/// `4–10 %`: shares as whole hundredths.
fn between(low: f64, high: f64) -> String {
    let (low, high) = (percent(low), percent(high));
    match low.split('\u{202f}').next() {
        Some(bare) if low != high => format!("{bare}–{high}"),
        _ => high,
    }
}

fn marks(judged: &Judged, (scale, ground): (&Scale, &Ground)) -> Markup {
    let claimed = &judged.claim.claimed;
    let ends: Vec<f64> = claimed.low.into_iter().chain(claimed.high).collect();
    let (least, most) = (ends.iter().copied().fold(f64::INFINITY, f64::min), ends.iter().copied().fold(0.0, f64::max));
    let is_off = ends.is_empty() || scale.leaves_out(least);
    ground.picture(
        44,
        &html! {
            @if !ends.is_empty() && is_off {
                svg x="97%" y="13" width="14" height="18" overflow="visible" { path class="cl" d="M-8 9h7M-4 4l6 5-6 5z" {} }
            } @else if !ends.is_empty() {
                @if scale.at(most) - scale.at(least) > 0.5 { line class="clr" x1=(coordinate(scale.at(least))) x2=(coordinate(scale.at(most))) y1="22" y2="22" {} }
                @for end in ends.iter().filter(|end| !scale.leaves_out(**end)) {
                    svg x=(coordinate(scale.at(*end))) y="22" width="1" height="1" overflow="visible" { path class="cl" d="M0 -6l6 6-6 6-6-6z" {} }
                }
            }
            @if let Some(forecast) = &judged.forecast {
                line class="pr" x1=(coordinate(scale.at(forecast.whole.mid))) x2=(coordinate(scale.at(forecast.whole.mid))) y1="8" y2="36" {}
            }
            @if let Some(measured) = &judged.measured {
                line class="whisk" x1=(coordinate(scale.at(measured.low) - 0.4)) x2=(coordinate(scale.at(measured.high) + 0.4)) y1="22" y2="22" {}
                circle class="dot" cx=(coordinate(scale.at(measured.mid))) cy="22" r="5" {}
            }
        },
    )
}

/// What of the formula the row does not say by itself: `assay claims ID --why` has all of it.
fn why(judged: &Judged) -> Markup {
    const SAID: [&str; 7] = ["source", "says", "claimed", "differ", "implied", "itself", "verdict"];
    let is_said = |line: &str| SAID.contains(&line.split(' ').next().unwrap_or_default());
    let lines: Vec<&str> = judged.why.iter().map(String::as_str).filter(|line| !is_said(line)).collect();
    html! {
        @if !lines.is_empty() || !judged.claim.inside.is_empty() {
            details class="more formula" { summary { "How it was judged" span class="sr" { ": " (judged.claim.id) } }
                @if !lines.is_empty() { pre role="region" aria-label={ "Formula of " (judged.claim.id) } tabindex="0" { code { (lines.join("\n")) } } }
                @for inside in &judged.claim.inside {
                    p class="desc" { @if inside.fault.is_some() { b { "The document against itself: " } } (name(&inside.note)) }
                }
            }
        }
    }
}

fn foretelling(review: &Review) -> Markup {
    html! {
        @if let Some(one) = &review.foretelling {
            div class="keep" {
                h3 id="foretelling" { "How far off was prediction?" }
                p class="ans" {
                    (one.within) " of " (one.of) " predictions lie within the bounds of what was measured. The median is off by "
                    (percent(one.median)) ", the worst, " (name(&one.worst_of)) ", by " (percent(one.worst)) "."
                }
            }
        }
    }
}

/// What nothing measured, and what nothing can: never a blank.
fn rest(open: &[&Judged]) -> Markup {
    let of = |verdict: ClaimVerdict| -> Vec<&&Judged> { open.iter().filter(|one| one.verdict == verdict).collect() };
    html! {
        @for (verdict, told) in [
            (ClaimVerdict::Unmeasured, "Claims that this run does not measure"),
            (ClaimVerdict::Unmeasurable, "Claims that nothing here can measure"),
        ] {
            @let claims = of(verdict);
            @if !claims.is_empty() {
                details class="more" { summary { (told) ": " (claims.len()) }
                    (region(told, &html! {
                        table class={ "num left open ledger" (if verdict == ClaimVerdict::Unmeasured { " bare" } else { "" }) } {
                            thead { tr { th scope="col" { "Claim" } th scope="col" { "Claimed" } th scope="col" { "Why" } th scope="col" { "Verdict" } } }
                            tbody { @for one in claims {
                                tr id=(one.claim.id) {
                                    th scope="row" { (words(one)) }
                                    td { (short(&one.claim.claimed.to_string())) }
                                    td { (name(&one.told)) }
                                    td { (chip(tone(one.verdict), one.verdict.words())) }
                                }
                            } }
                        }
                    }))
                }
            }
        }
    }
}
