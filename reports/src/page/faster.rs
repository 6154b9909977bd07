//! Which technique is faster, by how much, and how sure? A forest plot: every row's rounds and bounds on an absolute
//! scale, and its ratio to the baseline, paired by round, on a logarithmic one with the noise drawn.

use super::mark::{Ground, Tone, axis, chip, dots, heads, hint, interval, name, region, verdict};
use super::scale::Scale;
use super::words::{coordinate, listed, number, number_between, sureness, times, times_between};
use super::{Section, apart, band_words, fastest, folded, many, per};
use crate::review::{Review, Series};
use crate::summary::{Row, least_confidence};
use maud::{Markup, html};

/// The most rounds of a row that are drawn one by one, and of all rows together.
const DOTS: (usize, usize) = (300, 6000);
/// How high a picture of rounds is, in the pixels that its marks are placed by.
const HIGH: u32 = 52;

pub(super) fn section(review: &Review) -> Section {
    Section {
        id: "faster",
        short: "Faster?",
        question: "Which technique is faster, by how much, and how sure?",
        answer: answer(review),
        kept: table(review),
        rest: without(review),
    }
}

fn answer(review: &Review) -> Markup {
    let (rows, _) = apart(review);
    let of = |word: &str| -> Vec<&str> {
        rows.iter().filter(|row| row.rank > 0 && row.verdict == Some(word)).map(|row| row.name.as_str()).collect()
    };
    let baseline = name(&review.summary.baseline);
    let said = [
        ("faster", " faster"),
        ("slower", " slower"),
        ("not decided", " not decided"),
        ("too few rounds", " not decided, for too few rounds"),
    ];
    let held = rows.iter().filter(|row| row.verdict.is_some()).count();
    html! {
        @if held == 0 {
            "There is nothing to hold against " (baseline) ": no other row has paired rounds. "
        } @else {
            "Held against " (baseline) ", round by round: "
            @for (at, (word, words)) in said.iter().filter(|(word, _)| !of(word).is_empty()).enumerate() {
                @if at > 0 { "; " }
                (name(&listed(&of(word)))) (if of(word).len() == 1 { " is" } else { " are" }) (words)
            }
            @let same = of("no practical change");
            @if !same.is_empty() {
                @if same.len() < rows.iter().filter(|row| row.rank > 0 && row.verdict.is_some()).count() { "; " }
                (name(&listed(&same))) (if same.len() == 1 { " makes" } else { " make" }) " no practical change"
            }
            ". "
        }
        "Less than " (band_words(review)) " either way is of no use to anybody."
    }
}

fn table(review: &Review) -> Markup {
    let all = &review.summary.rows;
    if all.is_empty() {
        return html! { p { "No row has a number." } };
    }
    let (rows, steps) = apart(review);
    let most = review.series.iter().flat_map(|series| &series.rounds).map(|(_, us)| *us);
    let bounds = all.iter().map(|row| row.us_per_file.high).fold(0.0, f64::max);
    // A round that took four times as long as any bound is told beside the picture and does not squeeze it.
    let most = most.filter(|us| *us <= bounds * 1.6).fold(bounds, f64::max);
    let least = all.iter().map(|row| row.us_per_file.low).fold(f64::INFINITY, f64::min);
    let times_scale = Scale::of_times(least, most);
    let each = if times_scale.is_logarithmic() {
        "log scale; each dot a round, bar = bounds of the median"
    } else {
        "each dot a round, bar = bounds of the median"
    };
    let ratios = || all.iter().filter_map(|row| row.over_baseline);
    let bounds = ratios().flat_map(|over| [over.low, over.high]);
    let ratio_scale = Scale::of_factors(bounds.chain([1.0 + review.band]), farthest(review));
    let is_off = ratios().any(|over| ratio_scale.leaves_out(over.low));
    let arrow = if is_off { "; arrow = beyond the axis" } else { "" };
    let sure = sureness(least_confidence(all));
    let columns = [
        ("", html! { "Technique" (hint("fastest first; rows that the data cannot order share a place")) }),
        ("pic", html! { (format!("Wall time, {}", per(review))) (hint(each)) (axis(&times_scale, "")) }),
        ("n", html! { "Median" (hint(&format!("µs, {sure}"))) }),
        (
            "pic f",
            html! { "Times as fast as " (name(&review.summary.baseline)) (hint(&format!("log scale; grey band = ±{}{arrow}", band_words(review)))) (axis(&ratio_scale, "×")) },
        ),
        ("n", html! { "Ratio" (hint("paired by round")) }),
        ("vd", html! { "Verdict" }),
    ];
    let grounds = (Ground::new("g-time", times_scale, None), Ground::new("g-ratio", ratio_scale, Some(review.band)));
    let drawn = |label: &str, rows: &[&Row]| {
        region(
            label,
            &html! {
                table class={ "rows t-faster" (many(rows.len())) } role="table" {
                    caption class="sr" { "Median wall time with bounds, fastest first, and the ratio to the baseline" }
                    (heads(&columns))
                    tbody role="rowgroup" { @for row in rows { (one(review, row, (&times_scale, &ratio_scale), (&grounds.0, &grounds.1))) } }
                }
            },
        )
    };
    html! {
        (grounds.0.stands()) (grounds.1.stands())
        (drawn("Time per technique", &rows))
        (folded(&steps, || drawn("Time per step of the ladder", &steps)))
    }
}

/// A row that does next to nothing is many times as fast, and would squeeze all others on the axis.
fn farthest(review: &Review) -> f64 {
    const ROOM: f64 = 3.0;
    const LEAST: f64 = 12.0;
    let now = fastest(review).and_then(|row| row.over_baseline);
    now.map_or(1000.0, |over| (over.high * ROOM).max(LEAST))
}

fn one(
    review: &Review,
    row: &Row,
    (times_scale, ratio_scale): (&Scale, &Scale),
    (times_ground, ratio_ground): (&Ground, &Ground),
) -> Markup {
    let is_base = row.name == review.summary.baseline;
    let series = review.series.iter().find(|series| series.name == row.name);
    html! {
        tr role="row" class=[is_base.then_some("isbase")] data-row=(row.name) {
            th role="rowheader" scope="row" class="lab" {
                b { @if row.rank > 0 { i class="rk" { (row.rank) @if row.tied { " tied" } } } (name(&row.name)) }
                span class="desc" { (row.what) }
            }
            td role="cell" class="pic" { (times_ground.picture(HIGH, &html! {
                @if let Some(series) = series { (rounds(series, times_scale, review)) }
                (interval(times_scale, &row.us_per_file, 8, 16))
            })) }
            td role="cell" class="n" data-l={ "µs per " (review.unit) } {
                b { (number(row.us_per_file.mid)) } span class="ci" { (number_between(&row.us_per_file)) }
                @if let Some(megabytes) = row.mb_per_second { span class="ci" { (number(megabytes)) " MB/s" } }
            }
            td role="cell" class="pic f" { (ratio_ground.picture(HIGH, &html! {
                @match &row.over_baseline {
                    Some(over) => {
                        line class="lead" x1=(coordinate(ratio_scale.at(1.0))) x2=(coordinate(ratio_scale.at(over.mid))) y1="26" y2="26" {}
                        (interval(ratio_scale, over, 18, 16))
                        @if over.low > ratio_scale.ends().1 {
                            svg x="100%" y="17" width="1" height="18" overflow="visible" { path class="beyond" d="M-9 4l7 5-7 5z" {} }
                        }
                    },
                    None if is_base => text class="ghost" x=(coordinate(ratio_scale.at(1.03))) y="31" { "baseline" },
                    None => text class="ghost" x=(coordinate(ratio_scale.at(1.03))) y="31" { "no ratio" },
                }
            })) }
            td role="cell" class="n" data-l="times as fast" {
                @match &row.over_baseline {
                    Some(over) => { b { (times(over.mid)) } span class="ci" { (times_between(over)) } },
                    None => span class="mut" { (if is_base { "1" } else { "none" }) },
                }
            }
            td role="cell" class="vd" {
                @match row.verdict {
                    Some(word) if row.rank > 0 => (verdict(word)),
                    _ if is_base => span class="mut" { "baseline" },
                    _ => span class="mut" { (if row.rank == 0 { "floor" } else { "no pairs" }) },
                }
                @if row.rank == 0 { span class="desc" { "what cannot be left out; no technique" } }
            }
        }
    }
}

/// Every round as a dot; where they are too many for that, the middle half, nine tenths, and what lies beyond.
fn rounds(series: &Series, scale: &Scale, review: &Review) -> Markup {
    let all: usize = review.series.iter().map(|series| series.rounds.len()).sum();
    if series.rounds.len() <= DOTS.0 && all <= DOTS.1 {
        return html! {
            (dots(HIGH, series.rounds.iter().enumerate().map(|(at, (_, us))| (scale.at(*us).min(99.5), (31 + (at * 7) % 17) as f64))))
        };
    }
    let mut sorted: Vec<f64> = series.rounds.iter().map(|(_, us)| *us).collect();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    let at = |share: f64| scale.at(sorted[(share * (sorted.len() - 1) as f64).round() as usize]);
    let wide = |from: f64, to: f64| coordinate((at(to) - at(from)).max(0.2));
    let few = sorted.len() / 20;
    let beyond = sorted[..few].iter().rev().take(12).chain(sorted[sorted.len() - few..].iter().rev().take(12));
    html! {
        rect class="q90" x=(coordinate(at(0.05))) y="35" width=(wide(0.05, 0.95)) height="5" {}
        rect class="q50" x=(coordinate(at(0.25))) y="32" width=(wide(0.25, 0.75)) height="11" {}
        (dots(HIGH, beyond.map(|us| (scale.at(*us).min(99.5), 37.5))))
    }
}

/// Rows that have no number, and why.
fn without(review: &Review) -> Markup {
    let without = &review.summary.without;
    html! {
        @if !without.is_empty() {
            h3 { "Which rows have no number?" }
            ul class="chk" {
                @for one in without {
                    li { (chip(Tone::Flat, "no number")) div { b { (name(&one.name)) } span { (name(&one.why)) } } }
                }
            }
        }
    }
}
