//! Pictures for slides, drawn by plotters: each stands alone, on white, and says what it shows and of which run. The
//! same functions draw the curves of the page, SVG files and bitmaps.

use super::colours::look;
use super::scale::{Scale, tick};
use super::web::Role;
use super::words::{number, number_between, times, times_between};
use crate::review::{Review, Scaling, Trade};
use crate::summary::Row;
use crate::table::{clip, printable};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::sync::Once;

type Area<DB> = DrawingArea<DB, Shift>;
type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// How wide a slide's picture is.
const WIDTH: u32 = 1280;
const HEAD: i32 = 104;
const LINE: i32 = 46;
const LEFT: i32 = 260;
const RIGHT: i32 = 1060;

/// What can be on a slide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slide {
    Faster,
    Where,
    Ladder,
    Scaling(usize),
    Trade(usize),
}

/// The slides of a review, as SVG: a name and a text each.
pub fn svgs(review: &Review) -> Vec<(String, String)> {
    fonts();
    let svg = |slide: Slide| {
        let mut text = String::new();
        let area = SVGBackend::with_string(&mut text, (WIDTH, slide.height(review))).into_drawing_area();
        draw(&area, slide, review).and_then(|()| area.present()).expect("a text takes what is drawn");
        drop(area);
        (slide.name(), text)
    };
    slides(review).into_iter().map(svg).collect()
}

/// The slides of a review, as PNG: a name and the bytes each.
pub fn pngs(review: &Review) -> Vec<(String, Vec<u8>)> {
    fonts();
    let png = |slide: Slide| {
        let height = slide.height(review);
        let mut pixels = vec![0xff; (WIDTH * height * 3) as usize];
        {
            let area = BitMapBackend::with_buffer(&mut pixels, (WIDTH, height)).into_drawing_area();
            draw(&area, slide, review).and_then(|()| area.present()).expect("a buffer takes what is drawn");
        }
        (slide.name(), encoded(&pixels, height))
    };
    slides(review).into_iter().map(png).collect()
}

fn encoded(pixels: &[u8], height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().expect("memory takes what is written to it");
    writer.write_image_data(pixels).expect("the buffer is as large as the picture");
    writer.finish().expect("memory takes what is written to it");
    bytes
}

/// Plotters is given a font of its own: what a machine has would change the picture.
fn fonts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (style, font) in [(FontStyle::Normal, dejavu::sans::regular()), (FontStyle::Bold, dejavu::sans::bold())] {
            plotters::style::register_font("sans-serif", style, font).map_err(|_| ()).expect("the font is sound");
        }
    });
}

fn slides(review: &Review) -> Vec<Slide> {
    let mut slides = Vec::new();
    if !review.summary.rows.is_empty() {
        slides.push(Slide::Faster);
    }
    if review.summary.rows.iter().any(|row| !row.phases.is_empty()) {
        slides.push(Slide::Where);
    }
    if !review.ladder.is_empty() {
        slides.push(Slide::Ladder);
    }
    slides.extend((0..review.scaling.len()).map(Slide::Scaling));
    slides.extend((0..review.trades.len()).map(Slide::Trade));
    slides
}

impl Slide {
    fn name(self) -> String {
        match self {
            Slide::Faster => "faster".into(),
            Slide::Where => "where".into(),
            Slide::Ladder => "ladder".into(),
            Slide::Scaling(at) => format!("scaling-{}", at + 1),
            Slide::Trade(at) => format!("trade-{}", at + 1),
        }
    }

    fn height(self, review: &Review) -> u32 {
        let lines = match self {
            Slide::Faster => review.summary.rows.len(),
            Slide::Where => looked(review).len() + 2,
            Slide::Ladder => review.ladder.len() + 1,
            Slide::Scaling(_) | Slide::Trade(_) => return 720,
        };
        u32::try_from(lines).unwrap_or(u32::MAX / 100) * LINE.unsigned_abs() + HEAD.unsigned_abs() + 60
    }

    fn title(self, review: &Review) -> String {
        let workload = &review.summary.workload;
        match self {
            Slide::Faster => format!("{workload}: which technique is faster, by how much, and how sure?"),
            Slide::Where => format!("{workload}: where does the time go? µs per {}", review.unit),
            Slide::Ladder => format!("{workload}: what did each step add? µs per {}", review.unit),
            Slide::Scaling(at) => format!("{workload}: does {} scale?", review.scaling[at].name),
            Slide::Trade(at) => {
                format!("{workload}: {} against {}", review.trades[at].up, review.trades[at].across)
            }
        }
    }
}

fn looked(review: &Review) -> Vec<&Row> {
    review.summary.rows.iter().filter(|row| !row.phases.is_empty()).collect()
}

fn draw<DB: DrawingBackend>(area: &Area<DB>, slide: Slide, review: &Review) -> Drawn<DB> {
    area.fill(&WHITE)?;
    let (title, room) = (slide.title(review), WIDTH as usize / 14);
    write(area, &clip(&printable(&title), room), (40, 26), 26, Role::Ink, HPos::Left)?;
    let run = format!(
        "{}, {} files, {}; run {}",
        review.summary.fixture, review.summary.files, review.summary.condition, review.run
    );
    write(area, &clip(&printable(&run), 150), (40, 62), 15, Role::Muted, HPos::Left)?;
    match slide {
        Slide::Faster => faster(area, review),
        Slide::Where => breakdown(area, review),
        Slide::Ladder => ladder(area, review),
        Slide::Scaling(at) => scaling_chart(&area.margin(90, 20, 30, 30), &review.scaling[at]),
        Slide::Trade(at) => trade_chart(&area.margin(90, 20, 30, 30), &review.trades[at]),
    }
}

fn write<DB: DrawingBackend>(
    area: &Area<DB>,
    text: &str,
    at: (i32, i32),
    size: u32,
    role: Role,
    anchor: HPos,
) -> Drawn<DB> {
    let style = ("sans-serif", size).into_font().color(&role.colour()).pos(Pos::new(anchor, VPos::Center));
    area.draw(&Text::new(text.to_owned(), at, style))
}

fn rectangle<DB: DrawingBackend>(area: &Area<DB>, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Drawn<DB> {
    area.draw(&Rectangle::new([from, to], colour.filled()))
}

fn line<DB: DrawingBackend>(area: &Area<DB>, from: (i32, i32), to: (i32, i32), role: Role, width: u32) -> Drawn<DB> {
    area.draw(&PathElement::new([from, to], role.colour().stroke_width(width)))
}

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

fn faster<DB: DrawingBackend>(area: &Area<DB>, review: &Review) -> Drawn<DB> {
    let rows = &review.summary.rows;
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

fn breakdown<DB: DrawingBackend>(area: &Area<DB>, review: &Review) -> Drawn<DB> {
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

fn ladder<DB: DrawingBackend>(area: &Area<DB>, review: &Review) -> Drawn<DB> {
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

/// Rows as points: filled where no other row is better in both.
pub(crate) fn trade_chart<DB: DrawingBackend>(area: &Area<DB>, trade: &Trade) -> Drawn<DB> {
    let most =
        |of: fn(&(String, f64, f64, bool)) -> f64| trade.rows.iter().map(of).fold(0.0, f64::max).max(1e-9) * 1.12;
    let (right, top) = (most(|row| row.1), most(|row| row.2));
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
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for (name, across, up, is_best) in &trade.rows {
        if *is_best {
            chart.draw_series([Circle::new((*across, *up), 5, Role::Measured.colour().filled())])?;
            // A label goes where none is yet: above or below, to the side where there is room.
            let (share, high) = (across / right, up / top);
            let free =
                |lift: &f64| taken.iter().all(|(x, y)| (x - share).abs() > 0.2 || (y - (high + lift)).abs() > 0.06);
            let lift = [0.0, -0.07, 0.07, -0.14, 0.14].into_iter().find(free).unwrap_or(0.0);
            taken.push((share, high + lift));
            let (side, by) = if share > 0.6 { (HPos::Right, -0.012) } else { (HPos::Left, 0.012) };
            let style = ("sans-serif", 12).into_font().color(&Role::Ink.colour()).pos(Pos::new(side, VPos::Bottom));
            let at = (across + right * by, up + top * lift);
            chart.draw_series([Text::new(clip(&printable(name), 24), at, style)])?;
        } else {
            chart.draw_series([Circle::new((*across, *up), 5, Role::Reference.colour().stroke_width(1))])?;
        }
    }
    Ok(())
}
