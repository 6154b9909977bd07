//! Charts with two axes, for slides and for the page: how a row scales, and what two goods cost each other.

use super::{Area, Drawn};
use crate::page::scale::tick;
use crate::page::web::Role;
use crate::review::{Scaling, Trade, Traded};
use crate::table::{clip, printable};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Points with their bounds, the ideal, and the curves where there are any.
pub(crate) fn scaling_chart<DB: DrawingBackend>(area: &Area<DB>, one: &Scaling) -> Drawn<DB> {
    let widest = one.points.iter().map(|(workers, _)| *workers).max().unwrap_or(1) as f64;
    let highest = one.points.iter().map(|(_, gain)| gain.high).fold(1.0, f64::max);
    let top = highest * 1.25;
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .x_label_area_size(40)
        .y_label_area_size(44)
        .build_cartesian_2d(0.0..widest * 1.08, 0.0..top)?;
    let letters = ("sans-serif", 13).into_font().color(&Role::Muted.colour());
    let shown = one.points.len().clamp(4, 12);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(Role::Grid.colour())
        .axis_style(Role::Reference.colour())
        .label_style(letters.clone())
        .x_desc("workers")
        .x_labels(shown)
        .y_labels(5)
        .x_label_formatter(&|value| if value.fract() == 0.0 { format!("{value:.0}") } else { String::new() })
        .y_label_formatter(&|value| format!("{}×", tick(*value)))
        .draw()?;
    let reference = |width| Role::Reference.colour().stroke_width(width);
    let until = widest.min(top);
    if let Some(fit) = &one.fit {
        if let Some(peak) = &fit.peak {
            let right = peak.high.min(widest * 1.08);
            if peak.low < right {
                chart.draw_series([Rectangle::new([(peak.low, 0.0), (right, top)], Role::Noise.colour().filled())])?;
                chart.draw_series([note("best", (f64::midpoint(peak.low, right), top * 0.03), VPos::Bottom)])?;
            }
        }
        let there = fit.curves.iter().map(|curve| (curve.0, curve.4.min(top)));
        let back = fit.curves.iter().rev().map(|curve| (curve.0, curve.3.min(top)));
        chart.draw_series([Polygon::new(there.chain(back).collect::<Vec<_>>(), Role::Band.colour().filled())])?;
        let amdahl = fit.curves.iter().map(|curve| (curve.0, curve.1)).filter(|point| point.1 <= top);
        chart.draw_series(LineSeries::new(amdahl, reference(1)))?;
        let law = fit.curves.iter().map(|curve| (curve.0, curve.2)).filter(|point| point.1 <= top);
        chart.draw_series(LineSeries::new(law, Role::Measured.colour().stroke_width(2)))?;
        if let Some(last) = fit.curves.last() {
            chart.draw_series([note("Amdahl", (last.0, last.1.max(last.2).min(top) + top * 0.03), VPos::Bottom)])?;
            chart.draw_series([note(
                "with crosstalk",
                (last.0, last.1.min(last.2).min(top) - top * 0.05),
                VPos::Top,
            )])?;
        }
    }
    chart.draw_series(LineSeries::new([(0.0, 0.0), (until, until)], reference(1)))?;
    chart.draw_series([note("ideal", (until, until), VPos::Bottom)])?;
    let ink = Role::Ink.colour().stroke_width(2);
    chart.draw_series(one.points.iter().map(|(workers, gain)| {
        ErrorBar::new_vertical(*workers as f64, gain.low, gain.mid, gain.high, ink.filled(), 8)
    }))?;
    chart.draw_series(
        one.points
            .iter()
            .map(|(workers, gain)| Circle::new((*workers as f64, gain.mid), 5, Role::Measured.colour().filled())),
    )?;
    Ok(())
}

/// A word at a place in a chart, to its left, above or below.
fn note(text: &str, at: (f64, f64), side: VPos) -> Text<'static, (f64, f64), String> {
    let style = ("sans-serif", 13).into_font().color(&Role::Ink.colour()).pos(Pos::new(HPos::Right, side));
    Text::new(text.to_owned(), at, style)
}

/// Rows as points: filled where no other row is better in both, and those joined, for what lies above the line is beaten.
pub(crate) fn trade_chart<DB: DrawingBackend>(area: &Area<DB>, trade: &Trade) -> Drawn<DB> {
    let most = |of: fn(&Traded) -> f64| trade.rows.iter().map(of).fold(0.0, f64::max).max(1e-9) * 1.12;
    let (right, top) = (most(|row| row.across), most(|row| row.up));
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..right, 0.0..top)?;
    let letters = ("sans-serif", 13).into_font().color(&Role::Muted.colour());
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(Role::Grid.colour())
        .axis_style(Role::Reference.colour())
        .label_style(letters)
        .x_desc(trade.across.clone())
        .x_labels(5)
        .y_labels(5)
        .x_label_formatter(&|value| tick(*value))
        .y_label_formatter(&|value| tick(*value))
        .draw()?;
    chart.draw_series(LineSeries::new(front(trade, right, top), Role::Reference.colour().stroke_width(1)))?;
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for row in &trade.rows {
        let at = (row.across, row.up);
        if row.beaten_by.is_some() {
            chart.draw_series([Circle::new(at, 5, Role::Reference.colour().stroke_width(1))])?;
            continue;
        }
        chart.draw_series([Circle::new(at, 5, Role::Measured.colour().filled())])?;
        // A label goes where none is yet: above or below, to the side where there is room.
        let (share, high) = (row.across / right, row.up / top);
        let free = |lift: &f64| taken.iter().all(|(x, y)| (x - share).abs() > 0.2 || (y - (high + lift)).abs() > 0.06);
        let lift = [0.0, -0.07, 0.07, -0.14, 0.14].into_iter().find(free).unwrap_or(0.0);
        taken.push((share, high + lift));
        let (side, by) = if share > 0.6 { (HPos::Right, -0.012) } else { (HPos::Left, 0.012) };
        let style = ("sans-serif", 12).into_font().color(&Role::Ink.colour()).pos(Pos::new(side, VPos::Bottom));
        let at = (row.across + right * by, row.up + top * lift);
        chart.draw_series([Text::new(clip(&printable(&row.name), 24), at, style)])?;
    }
    Ok(())
}

/// The edge of what can be had, as steps from the top to the right.
fn front(trade: &Trade, right: f64, top: f64) -> Vec<(f64, f64)> {
    let mut stands: Vec<&Traded> = trade.rows.iter().filter(|row| row.beaten_by.is_none()).collect();
    stands.sort_by(|a, b| a.across.total_cmp(&b.across).then(a.up.total_cmp(&b.up)));
    let mut steps: Vec<(f64, f64)> = Vec::new();
    for row in stands {
        let before = steps.last().map_or(top, |(_, up)| *up);
        steps.extend([(row.across, before), (row.across, row.up)]);
    }
    let end = steps.last().map(|(_, up)| (right, *up));
    steps.into_iter().chain(end).collect()
}
