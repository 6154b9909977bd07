//! Slides that have a line a row: which is faster, where the time goes, what each step added.

use super::{Area, Drawn, HEAD, LEFT, LINE, RIGHT, line, looked, rectangle, write};
use crate::page::apart;
use crate::page::colours::look;
use crate::page::scale::{Scale, tick};
use crate::page::web::Role;
use crate::page::words::{number, number_between, times, times_between};
use crate::review::Review;
use crate::table::{clip, printable};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Where a number lies between the names on the left and the numbers on the right.
fn across(scale: &Scale, value: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "a place in a picture")]
    let at = (scale.at(value) / 100.0 * f64::from(RIGHT - LEFT)).round() as i32;
    LEFT + at
}

fn ticks<DB: DrawingBackend>(area: &Area<DB>, scale: &Scale, unit: &str, lines: usize) -> Drawn<DB> {
    let bottom = HEAD + LINE * i32::try_from(lines).unwrap_or(0);
    for value in scale.ticks() {
        let x = across(scale, value);
        line(area, (x, HEAD), (x, bottom), Role::Grid, 1)?;
        write(area, &format!("{}{unit}", tick(value)), (x, bottom + 16), 14, Role::Muted, HPos::Center)?;
    }
    Ok(())
}

fn label<DB: DrawingBackend>(area: &Area<DB>, text: &str, y: i32) -> Drawn<DB> {
    write(area, &clip(&printable(text), 24), (40, y), 16, Role::Ink, HPos::Left)
}

pub(super) fn faster<DB: DrawingBackend>(area: &Area<DB>, review: &Review) -> Drawn<DB> {
    let (rows, _) = apart(review);
    let ratios = rows.iter().filter_map(|row| row.over_baseline).flat_map(|over| [over.low, over.high]);
    let scale = Scale::of_factors(ratios.chain([1.0 + review.band]), 1000.0);
    let bottom = HEAD + LINE * i32::try_from(rows.len()).unwrap_or(0);
    let (low, high) = (across(&scale, 1.0 / (1.0 + review.band)), across(&scale, 1.0 + review.band));
    rectangle(area, (low, HEAD), (high, bottom), Role::Noise.colour())?;
    ticks(area, &scale, "×", rows.len())?;
    for (y, row) in (HEAD..).step_by(LINE.unsigned_abs() as usize).map(|top| top + LINE / 2).zip(rows) {
        label(area, &row.name, y)?;
        let time = format!("{} µs", number(row.us_per_file.mid));
        if let Some(over) = &row.over_baseline {
            let (low, mid, high) = (across(&scale, over.low), across(&scale, over.mid), across(&scale, over.high));
            line(area, (across(&scale, 1.0), y), (mid, y), Role::Band, 2)?;
            rectangle(area, (low, y - 9), (high.max(low + 2), y + 9), Role::Band.colour())?;
            line(area, (mid, y - 14), (mid, y + 14), Role::Ink, 3)?;
            let said = format!("{} ({})", times(over.mid), times_between(over));
            write(area, &said, (RIGHT + 14, y - 9), 15, Role::Ink, HPos::Left)?;
            let verdict = format!("{}, {time}", row.verdict.unwrap_or("no verdict"));
            write(area, &verdict, (RIGHT + 14, y + 10), 12, Role::Muted, HPos::Left)?;
        } else {
            let word = if row.name == review.summary.baseline { "baseline" } else { "no ratio" };
            write(area, word, (across(&scale, 1.0) + 8, y), 14, Role::Muted, HPos::Left)?;
            let bounds = format!("{time} ({})", number_between(&row.us_per_file));
            write(area, &bounds, (RIGHT + 14, y), 13, Role::Muted, HPos::Left)?;
        }
    }
    Ok(())
}

pub(super) fn breakdown<DB: DrawingBackend>(area: &Area<DB>, review: &Review) -> Drawn<DB> {
    let rows = looked(review);
    let scale = Scale::from_nought(rows.iter().map(|row| row.us_per_file.mid).fold(0.0, f64::max));
    ticks(area, &scale, "", rows.len())?;
    for (y, row) in (HEAD..).step_by(LINE.unsigned_abs() as usize).map(|top| top + LINE / 2).zip(&rows) {
        label(area, &row.name, y)?;
        let mut begun = 0.0;
        for (phase, us) in &row.phases {
            let (from, to) = (across(&scale, begun), across(&scale, begun + us));
            begun += us;
            let (_, [red, green, blue], is_white) = look(&review.phases, phase).shade;
            rectangle(area, (from, y - 15), ((to - 1).max(from), y + 15), RGBColor(red, green, blue))?;
            if to - from > 9 * i32::try_from(phase.chars().count()).unwrap_or(99) {
                let colour = if is_white { WHITE } else { Role::Ink.colour() };
                let style = ("sans-serif", 13).into_font().color(&colour).pos(Pos::new(HPos::Left, VPos::Center));
                area.draw(&Text::new(phase.clone(), (from + 5, y), style))?;
            }
        }
        write(area, &format!("{} µs", number(row.us_per_file.mid)), (RIGHT + 14, y), 15, Role::Ink, HPos::Left)?;
    }
    key(area, review, HEAD + LINE * i32::try_from(rows.len() + 1).unwrap_or(0))
}

fn key<DB: DrawingBackend>(area: &Area<DB>, review: &Review, top: i32) -> Drawn<DB> {
    let (mut x, mut y) = (40, top);
    for phase in &review.phases {
        let wide = 34 + 9 * i32::try_from(phase.name.chars().count()).unwrap_or(99);
        if x + wide > 1240 {
            (x, y) = (40, y + 26);
        }
        let (_, [red, green, blue], _) = look(&review.phases, &phase.name).shade;
        rectangle(area, (x, y - 7), (x + 14, y + 7), RGBColor(red, green, blue))?;
        write(area, &printable(&phase.name), (x + 20, y), 14, Role::Muted, HPos::Left)?;
        x += wide;
    }
    Ok(())
}

pub(super) fn ladder<DB: DrawingBackend>(area: &Area<DB>, review: &Review) -> Drawn<DB> {
    let rungs = &review.ladder;
    let most = rungs.iter().flat_map(|rung| [rung.us.0, rung.us.1]).fold(0.0, f64::max);
    let scale = Scale::from_nought(most);
    ticks(area, &scale, "", rungs.len() + 1)?;
    let start = review.summary.steps.first().map_or(review.summary.baseline.as_str(), |step| step.from.as_str());
    label(area, start, HEAD + LINE / 2)?;
    if let Some(first) = rungs.first() {
        let (y, to) = (HEAD + LINE / 2, across(&scale, first.us.0));
        rectangle(area, (LEFT, y - 12), (to, y + 12), Role::Reference.colour())?;
        write(area, &format!("{} µs", number(first.us.0)), (RIGHT + 14, y), 15, Role::Ink, HPos::Left)?;
    }
    let places = (HEAD + LINE..).step_by(LINE.unsigned_abs() as usize).map(|top| top + LINE / 2);
    for (y, rung) in places.zip(rungs) {
        label(area, &rung.name, y)?;
        let (before, now) = (across(&scale, rung.us.0), across(&scale, rung.us.1));
        rectangle(area, (LEFT, y - 12), (before.min(now), y + 12), Role::Noise.colour())?;
        let colour = match rung.verdict {
            Some("faster") => Role::Measured.colour(),
            Some("slower") => RGBColor(0x9a, 0x2a, 0x1a),
            _ => Role::Reference.colour(),
        };
        rectangle(area, (before.min(now), y - 12), (before.max(now).max(before.min(now) + 2), y + 12), colour)?;
        let gain = rung.gain.map_or(String::new(), |gain| format!(", {} ({})", times(gain.mid), times_between(&gain)));
        write(area, &format!("{} µs{gain}", number(rung.us.1)), (RIGHT + 14, y - 9), 13, Role::Ink, HPos::Left)?;
        write(area, rung.verdict.unwrap_or("no pairs"), (RIGHT + 14, y + 10), 12, Role::Muted, HPos::Left)?;
    }
    Ok(())
}
