//! The first screen: a factor with its bounds, why, one file before and now, and four facts.

use super::colours::{KINDS, look, swatch};
use super::mark::{name, prose};
use super::words::{coordinate, number, sureness, times, times_between};
use super::{baseline, fastest};
use crate::review::{Fact, Review};
use crate::summary::Row;
use crate::table::clip;
use maud::{Markup, html};

pub(super) fn section(review: &Review) -> Markup {
    let facts: [(&str, &str, &Fact); 4] = [
        ("faster", "Fastest", &review.answer.fastest),
        ("where", "Best next target", &review.answer.next),
        ("claims", "Claims", &review.answer.claims),
        ("trust", "Can it be trusted?", &review.answer.trust),
    ];
    html! {
        section id="answer" aria-labelledby="h-answer" class="hero" {
            div class="hg" {
                div {
                    h1 id="h-answer" { (headline(review)) }
                    p class="lede" { (prose(&review.answer.sentence)) " " (prose(&review.answer.why)) }
                }
                (before_and_now(review))
            }
            div class="cards" {
                @for (id, label, fact) in facts {
                    a class="card" href={ "#" (id) } {
                        span class="k" { (label) }
                        b { (name(&fact.value)) }
                        span { (prose(&fact.line)) }
                    }
                }
            }
        }
    }
}

/// The factor, in the largest letters there are; where there is none, that.
fn headline(review: &Review) -> Markup {
    let summary = &review.summary;
    let Some(row) = fastest(review) else {
        return html! { "Nothing of " (name(&summary.workload)) " was measured" };
    };
    // A name that fills the first screen would leave no room for the answer; below, it stands whole.
    let name = |text: &str| name(&clip(text, 48));
    let baseline = html! { (name(&summary.baseline)) };
    match (&row.over_baseline, row.verdict) {
        (Some(over), Some("faster")) => html! {
            (name(&summary.workload)) " is " em { (times(over.mid)) " as fast" } " with " (name(&row.name))
        },
        (Some(over), Some("no practical change")) => html! {
            "Nothing is faster than " (baseline) ": the best is " em { (times(over.mid)) " as fast" } ", which is no practical change"
        },
        (Some(over), _) => html! {
            "Not decided: " (name(&row.name)) " seems " em { (times(over.mid)) " as fast" } " as " (baseline)
        },
        (None, _) => html! {
            "Nothing is faster than " (baseline) ": " em { (number(row.us_per_file.mid)) " µs" } " per " (review.unit)
        },
    }
}

/// One file in the baseline and in the fastest row, on one scale.
fn before_and_now(review: &Review) -> Markup {
    let (Some(before), Some(now)) = (baseline(review), fastest(review)) else { return html! {} };
    let whole = before.us_per_file.mid.max(now.us_per_file.mid);
    // Of each kind the phase that a reader sees most of, so that the key has the colours of the bars.
    let kinds = KINDS.into_iter().filter_map(|(kind, label)| {
        let is_of = |phase: &str| review.phases.iter().any(|one| one.kind == kind && one.name == phase);
        let drawn = before.phases.iter().chain(&now.phases).filter(|(phase, us)| *us > 0.0 && is_of(phase));
        let (phase, _) = drawn.max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some((look(&review.phases, phase), label))
    });
    html! {
        figure class="hf" {
            figcaption { b { "One " (review.unit) ", " (number(before.us_per_file.mid)) " µs" } " " (name(&before.name)) }
            (bar(review, before, whole))
            @if before.name != now.name {
                p class="hl1" { b { "The same " (review.unit) ", " (number(now.us_per_file.mid)) " µs" } " " (name(&now.name)) }
                (bar(review, now, whole))
                @if let Some(over) = &now.over_baseline {
                    p class="hl2" { (times(over.mid)) " as fast, " (times_between(over)) ", " (sureness(over.confidence)) " sure" }
                }
            }
            p class="key1" { @for (look, label) in kinds { span class="kp" { (swatch(&look)) (label.to_lowercase()) } } }
        }
    }
}

fn bar(review: &Review, row: &Row, whole: f64) -> Markup {
    let mut from = 0.0;
    let segments: Vec<(f64, f64, &str)> = row
        .phases
        .iter()
        .map(|(phase, us)| {
            let left = from;
            from += 100.0 * us / whole;
            (left, 100.0 * us / whole, phase.as_str())
        })
        .collect();
    html! {
        svg class="d" width="100%" height="46" aria-hidden="true" {
            @if segments.is_empty() {
                rect class="full" x="0" y="0" width=(coordinate(100.0 * row.us_per_file.mid / whole)) height="46" {}
            }
            @for (left, width, phase) in segments {
                @let look = look(&review.phases, phase);
                svg x=(coordinate(left)) y="0" width=(coordinate(width)) height="46" class={ "sg " (look.class()) } {
                    rect {} (look.over())
                    @if width > 11.0 { text class="wide" x="5" y="27" { (phase) } }
                }
            }
        }
    }
}
