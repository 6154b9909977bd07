//! Which system calls does it make, and what else was counted? What could not be counted says why.

use super::mark::{Tone, chip, hint, name, region};
use super::words::number;
use super::{apart, folded, of_many};
use crate::record::Counted;
use crate::review::Review;
use crate::summary::Row;
use maud::{Markup, html};

/// A row and its calls.
type Called<'a> = (&'a Row, &'a Vec<(String, f64)>);

/// System calls by row: what only one instrument saw, and it says which.
pub(super) fn tables(review: &Review) -> Markup {
    const COLUMNS: usize = 10;
    let rows = &review.summary.rows;
    let counted: Vec<Called> =
        rows.iter().filter_map(|row| Some((row, row.counts.as_ref()?.calls.present()?))).collect();
    let absent: Vec<(&Row, &str)> = rows
        .iter()
        .filter_map(|row| match &row.counts.as_ref()?.calls {
            Counted::Absent { absent } => Some((row, absent.as_str())),
            Counted::Present(_) => None,
        })
        .collect();
    let mut names: Vec<(&str, f64)> = Vec::new();
    for (call, count) in counted.iter().flat_map(|(_, calls)| calls.iter()) {
        match names.iter_mut().find(|(name, _)| name == call) {
            Some((_, most)) => *most = most.max(*count),
            None => names.push((call, *count)),
        }
    }
    names.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    names.truncate(COLUMNS);
    let most = names.first().map_or(1.0, |(_, most)| *most);
    let by = counted.iter().find_map(|(row, _)| row.counts.as_ref()?.by.clone()).unwrap_or_default();
    let (shown, _) = apart(review);
    let is_shown = |(row, _): &Called| shown.iter().any(|one| one.name == row.name);
    let (counted, steps): (Vec<_>, Vec<_>) = counted.into_iter().partition(is_shown);
    let drawn = |label: &str, rows: &[Called]| {
        region(
            label,
            &html! {
                table class="num heat" {
                    caption { "System calls per " (review.unit) " " (hint(&format!("one run of each row, counted by {by}; shade = count"))) }
                    thead { tr { th scope="col" { "Technique" } @for (call, _) in &names { th scope="col" { (call) } } th scope="col" { "all" } } }
                    tbody { @for (row, calls) in rows {
                        tr { th scope="row" { (name(&row.name)) }
                            @for (call, _) in &names {
                                @let count = calls.iter().find(|(name, _)| name == call).map_or(0.0, |(_, count)| *count);
                                @if count == 0.0 { td class="mut" { "·" } } @else { td class={ "h" (shade(count / most)) } { (number(count)) } }
                            }
                            td { b { @if let Some(all) = row.counts.as_ref().and_then(|counts| counts.all_calls) { (number(all)) } } }
                        }
                    } }
                }
            },
        )
    };
    html! {
        @if !counted.is_empty() || !absent.is_empty() { h3 { "Which system calls does it make?" } }
        @if !counted.is_empty() {
            (drawn("System calls", &counted))
            (folded(&steps, || drawn("System calls, per step of the ladder", &steps)))
        }
        @if !absent.is_empty() {
            ul class="chk" { @for (row, why) in &absent {
                li class="gone-by" { (chip(Tone::Flat, "not counted")) div { b { (name(&row.name)) } span { (name(why)) } } }
            } }
        }
        (counts(review, rows))
    }
}

/// A quarter, a half, three quarters or all.
fn shade(share: f64) -> u8 {
    match share {
        share if share > 0.75 => 4,
        share if share > 0.5 => 3,
        share if share > 0.25 => 2,
        _ => 1,
    }
}

/// All else that was counted.
fn counts(review: &Review, rows: &[Row]) -> Markup {
    let mut names: Vec<&str> = rows
        .iter()
        .filter_map(|row| row.counts.as_ref())
        .flat_map(|counts| counts.values.keys().map(String::as_str))
        .collect();
    names.sort_unstable();
    names.dedup();
    // What no row has is told below, once, and is no column.
    let has = |name: &&&str| {
        let mut values = rows.iter().filter_map(|row| row.counts.as_ref()?.values.get(**name));
        values.any(|value| matches!(value, Counted::Present(_)))
    };
    let shown: Vec<&str> = names.iter().filter(has).copied().collect();
    html! {
        @if !names.is_empty() {
            details class={ "more" (of_many(rows.len())) } { summary { "All else that was counted, per " (review.unit) }
                @if !shown.is_empty() { (region("Counts", &html! {
                    table class="num" {
                        thead { tr { th scope="col" { "Technique" } @for name in &shown { th scope="col" { (name.replace('_', " ")) } } } }
                        tbody { @for row in rows.iter().filter(|row| row.counts.is_some()) {
                            tr { th scope="row" { (name(&row.name)) }
                                @for value in &shown { td { @match row.counts.as_ref().and_then(|counts| counts.values.get(*value)) {
                                    Some(Counted::Present(value)) => (number(*value)),
                                    Some(Counted::Absent { .. }) => span class="absent" { "absent" },
                                    None => "·",
                                } } }
                            }
                        } }
                    }
                })) }
                (why_absent(rows, &names))
            }
        }
    }
}

fn why_absent(rows: &[Row], names: &[&str]) -> Markup {
    let mut reasons: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        for name in names {
            if let Some(Counted::Absent { absent }) = row.counts.as_ref().and_then(|counts| counts.values.get(*name))
                && !reasons.contains(&(*name, absent.as_str()))
            {
                reasons.push((name, absent));
            }
        }
    }
    html! { @if !reasons.is_empty() { ul class="why" {
        @for (name, why) in reasons { li { b { (name.replace('_', " ")) } ": " span class="absent" { "absent" } ", " (why) } }
    } } }
}
