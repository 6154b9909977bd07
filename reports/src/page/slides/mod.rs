//! Pictures for slides, drawn by plotters: each stands alone, on white, and says what it shows and of which run. The
//! same functions draw the curves of the page, SVG files and bitmaps.

mod curves;
mod rows;

pub(crate) use curves::{scaling_chart, trade_chart};

use super::apart;
use super::web::Role;
use crate::review::Review;
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
            Slide::Faster => apart(review).0.len(),
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

/// The rows that somebody looked into, those for one step of the ladder left out: the ladder's own slide is about them.
fn looked(review: &Review) -> Vec<&Row> {
    apart(review).0.into_iter().filter(|row| !row.phases.is_empty()).collect()
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
        Slide::Faster => rows::faster(area, review),
        Slide::Where => rows::breakdown(area, review),
        Slide::Ladder => rows::ladder(area, review),
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
