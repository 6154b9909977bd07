//! Does it scale? Points with their bounds, what would be ideal, Amdahl's law and the universal scalability law; a
//! curve only where there is one, and else the reason. Then rows that trade one good for another.

use super::Section;
use super::mark::{hint, name, region};
use super::slides::{scaling_chart, trade_chart};
use super::web::Web;
use super::words::{number, number_between, percent, times, times_between};
use crate::review::{Fit, Review, Scaling, Trade, Traded};
use maud::{Markup, PreEscaped, html};
use plotters::drawing::IntoDrawingArea;

pub(super) fn section(review: &Review) -> Section {
    Section {
        id: "threads",
        short: "Threads",
        question: "Does it scale, and what does it cost?",
        answer: answer(review),
        kept: html! { @for (at, one) in review.scaling.iter().enumerate() { (scaling(at, one)) } },
        rest: html! { @for (at, trade) in review.trades.iter().enumerate() { (traded(at, trade)) } },
    }
}

fn answer(review: &Review) -> Markup {
    html! {
        @if review.scaling.is_empty() { "This run has no row on more than one number of workers." }
        @for one in &review.scaling {
            @if let Some((workers, best)) = one.points.iter().max_by(|a, b| a.1.mid.total_cmp(&b.1.mid)) {
                (name(&one.name)) ": " (workers) " workers give " (times(best.mid)) ", on " (one.processors) " processors. "
            }
        }
    }
}

fn scaling(at: usize, one: &Scaling) -> Markup {
    let points: Vec<String> =
        one.points.iter().map(|(workers, gain)| format!("{workers}: {}", times(gain.mid))).collect();
    let what = format!("Workers, and how many times as fast as on one. {}.", points.join(", "));
    let mut svg = String::new();
    {
        let web = Web::new(&mut svg, 640, 340, &format!("scale-{at}"), &format!("Speed-up of {}", one.name), &what);
        let area = web.into_drawing_area();
        scaling_chart(&area, one).expect("a page takes what is drawn");
        area.present().expect("a page takes what is drawn");
    }
    html! {
        h3 { (name(&one.name)) }
        div class="two" {
            div { (PreEscaped(svg)) }
            div class="side" {
                (region(&format!("Scaling of {}", one.name), &html! {
                    table class="num" {
                        thead { tr { th scope="col" { "Workers" } th scope="col" { "Times as fast" } th scope="col" { "Bounds" } th scope="col" { "Per worker" } } }
                        tbody { @for (workers, gain) in &one.points {
                            tr { th scope="row" { (workers) } td { b { (times(gain.mid)) } } td { (times_between(gain)) } td { (percent(gain.mid / *workers as f64)) } }
                        } }
                    }
                }))
                @if let Some(fit) = &one.fit { (fitted(fit)) }
                @if let Some(why) = &one.why_not { p class="nofit" { "No curve is drawn: " (why) } }
            }
        }
    }
}

fn fitted(fit: &Fit) -> Markup {
    html! {
        dl class="fitted" {
            div { dt { "done alone (Amdahl)" } dd { b { (percent(fit.serial.mid)) } span class="ci" { (percent(fit.serial.low)) "–" (percent(fit.serial.high)) } } }
            div { dt { "waiting, σ" } dd { b { (number(fit.contention.mid)) } span class="ci" { (number_between(&fit.contention)) } } }
            div { dt { "crosstalk, κ" } dd { b { (number(fit.coherency.mid)) } span class="ci" { (number_between(&fit.coherency)) } } }
            div { dt { "best at" } dd { @match &fit.peak {
                Some(peak) => { b { (number(peak.mid)) " workers" } span class="ci" { (number_between(peak)) } },
                None => "no peak",
            } } }
            div { dt { "explained, R²" } dd { b { (number(fit.r2)) } } }
        }
    }
}

/// Of more rows those that are beaten have a ring alone; their numbers stand in the raw data.
const MOST: usize = 24;

fn traded(at: usize, trade: &Trade) -> Markup {
    let (beaten, best): (Vec<&Traded>, Vec<&Traded>) = trade.rows.iter().partition(|row| row.beaten_by.is_some());
    let names: Vec<&str> = best.iter().map(|row| row.name.as_str()).collect();
    let title = format!("{} against {}", trade.up, trade.across);
    let what = format!("{title}; no row is better in both than: {}.", names.join(", "));
    let mut svg = String::new();
    {
        let web = Web::new(&mut svg, 640, 300, &format!("trade-{at}"), &title, &what);
        let area = web.into_drawing_area();
        trade_chart(&area, trade).expect("a page takes what is drawn");
        area.present().expect("a page takes what is drawn");
    }
    html! {
        div class="keep trade" {
            h3 { "What does it cost: " (trade.up) " against " (trade.across) "?" }
            div class="two" {
                div { (PreEscaped(svg)) (hint("less is better in both; filled: no other row is better in both; rings above the line are beaten")) }
                div class="side" {
                    (listed(trade, "Not beaten in both", best))
                    @if !beaten.is_empty() && trade.rows.len() <= MOST {
                        details class="more" { summary { "Beaten in both: " (beaten.len()) span class="sr" { " in " (trade.across) } } (listed(trade, "Beaten in both", beaten)) }
                    }
                }
            }
        }
    }
}

fn listed(trade: &Trade, what: &str, mut rows: Vec<&Traded>) -> Markup {
    rows.sort_by(|a, b| a.across.total_cmp(&b.across).then(a.up.total_cmp(&b.up)));
    let label = format!("{what}: {} against {}", trade.up, trade.across);
    let is_object = rows.iter().any(|row| row.mb_per_second.is_some());
    let is_beaten = rows.iter().any(|row| row.beaten_by.is_some());
    region(
        &label,
        &html! {
            table class="num" {
                thead { tr {
                    th scope="col" { (what) } th scope="col" { (trade.across) } th scope="col" { (trade.up) }
                    @if is_object { th scope="col" { "MB/s" } }
                    @if is_beaten { th scope="col" { "Beaten by" } }
                } }
                tbody { @for row in rows {
                    tr {
                        th scope="row" { (name(&row.name)) } td { (number(row.across)) } td { (number(row.up)) }
                        @if is_object { td { (row.mb_per_second.map_or(String::new(), number)) } }
                        @if let Some(by) = &row.beaten_by { td { (name(by)) } }
                    }
                } }
            }
        },
    )
}
