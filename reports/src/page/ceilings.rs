//! What could still be gained? Each phase's ceiling, now and at the start: what Amdahl's law allows if it took no time
//! at all; and, where a stub took it away, what really came.

use super::colours::look;
use super::mark::{Ground, heads, hint, interval, name, region};
use super::scale::{Scale, tick};
use super::words::{coordinate, number, times, times_between};
use super::{baseline, fastest};
use crate::review::Review;
use maud::{Markup, html};

/// A phase that could bring less is not shown.
const WORTH: f64 = 1.005;

pub(super) fn table(review: &Review) -> Markup {
    if review.targets.is_empty() {
        return html! {};
    }
    let mut targets: Vec<_> = review.targets.iter().collect();
    let ceiling = |pair: Option<(f64, f64)>| pair.map_or(0.0, |(_, most)| most);
    targets.sort_by(|a, b| {
        (ceiling(b.now), ceiling(b.start))
            .partial_cmp(&(ceiling(a.now), ceiling(a.start)))
            .unwrap_or(std::cmp::Ordering::Equal)
            .then(a.phase.cmp(&b.phase))
    });
    // What would bring nothing that could be measured is left out; what has no name and what was tried never is.
    let all = targets.len();
    let unnamed = |phase: &str| review.phases.iter().any(|one| one.name == phase && one.kind == "unnamed");
    targets.retain(|target| {
        ceiling(target.now).max(ceiling(target.start)) >= WORTH
            || target.tried.is_some()
            || target.tried_at_start.is_some()
            || unnamed(&target.phase)
    });
    let left_out = all - targets.len();
    let tried = targets.iter().filter_map(|target| target.tried).map(|bounds| bounds.high);
    let most = targets.iter().flat_map(|target| [ceiling(target.now), ceiling(target.start)]).chain(tried);
    // A phase that is nearly all of the time has a ceiling without use on an axis.
    let gained = most.filter(|most| most.is_finite()).fold(1.05, f64::max).min(6.0) - 1.0;
    let scale = Scale::from_nought(gained);
    let at = |times: f64| scale.at(times - 1.0);
    let now = fastest(review).map_or(String::new(), |row| row.name.clone());
    let start = baseline(review).map_or(String::new(), |row| row.name.clone());
    let columns = [
        ("", html! { "Phase" (hint("largest ceiling now, first")) }),
        (
            "pic",
            html! {
                "The most to gain if it took no time: so much faster"
                span class="hint" { "filled = now (" (name(&now)) "); outline = at the start (" (name(&start)) "); bar with a tick = tried, with the phase taken away" }
                (axis_of_gains(&scale))
            },
        ),
        ("n", html! { "Now" (hint("ceiling, µs")) }),
        ("n", html! { "At the start" (hint("ceiling, µs")) }),
        ("n", html! { "Tried" (hint("measured without it")) }),
    ];
    let cell = |pair: Option<(f64, f64)>| {
        html! { @match pair {
            Some((us, most)) => { b { (times(most)) } span class="ci" { (number(us)) } },
            None => span class="mut" { "·" },
        } }
    };
    let ground = Ground::new("g-ceil", scale, None);
    html! {
        (ground.stands())
        div class="keep" {
            h3 id="ceilings" { "What could still be gained?" }
            (region("Ceilings", &html! {
                table class="rows t-ceil" role="table" {
                    caption class="sr" { "How much faster the whole would be if a phase took no time" }
                    (heads(&columns))
                    tbody role="rowgroup" { @for target in &targets {
                        @let look = look(&review.phases, &target.phase);
                        tr role="row" data-row=(target.phase) {
                            th role="rowheader" scope="row" class="lab" { b { (name(&target.phase)) } }
                            td role="cell" class="pic" { (ground.picture(30, &html! {
                                @if let Some((_, most)) = target.now {
                                    svg x="0" y="7" width=(coordinate(at(most))) height="16" class={ "sg " (look.class()) } { rect {} (look.over()) }
                                }
                                @if let Some((_, most)) = target.start { rect class="cb" x="0" y="5" width=(coordinate(at(most))) height="20" {} }
                                @if let Some(tried) = &target.tried {
                                    (interval(&scale, &crate::summary::Bounds { low: tried.low - 1.0, mid: tried.mid - 1.0, high: tried.high - 1.0, ..*tried }, 11, 8))
                                }
                            })) }
                            td role="cell" class="n" data-l="now" { (cell(target.now)) }
                            td role="cell" class="n" data-l="start" { (cell(target.start)) }
                            td role="cell" class="n" data-l="tried" { @match &target.tried {
                                Some(tried) => { b { (times(tried.mid)) } span class="ci" { (times_between(tried)) } },
                                None if target.tried_at_start.is_none() => span class="mut" { "no stub" },
                                None => {},
                            }
                            @if let Some(tried) = &target.tried_at_start { span class="ci" { "start " (times(tried.mid)) } span class="ci" { (times_between(tried)) } } }
                        }
                    } }
                }
            }))
            @if left_out > 0 { p class="hint" { "Left out: phases that are worth less than " (tick(WORTH)) "×, now and at the start." } }
        }
    }
}

fn axis_of_gains(scale: &Scale) -> Markup {
    html! {
        svg class="d ax" height="22" aria-hidden="true" {
            @for value in scale.ticks() {
                @let at = scale.at(value);
                @let anchor = if at < 3.0 { "start" } else if at > 97.0 { "end" } else { "middle" };
                text x=(coordinate(at)) y="15" text-anchor=(anchor) { (tick(value + 1.0)) "×" }
            }
        }
    }
}
