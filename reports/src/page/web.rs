//! Plotters drawing for a page: x in hundredths, so that letters never shrink; colours as classes, so that they follow
//! light and dark; a title and a description for who cannot see; rounded numbers, so that nothing depends on the
//! machine; and no font needed where it is made.
//!
//! Plotters carries a colour through a chart, and [`Role`] is told apart by it again at the other end. So one function
//! draws a chart for the page, for a slide and as a bitmap.

use maud::{PreEscaped, Render};
use plotters::style::RGBColor;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind};
use std::convert::Infallible;
use std::fmt::Write;

/// What a colour stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Letters and medians.
    Ink,
    /// Smaller letters.
    Muted,
    /// Lines at the ticks.
    Grid,
    /// What was measured.
    Measured,
    /// Its bounds.
    Band,
    /// What is only a reference.
    Reference,
    /// Differences of no use.
    Noise,
}

impl Role {
    const ALL: [Role; 7] =
        [Role::Ink, Role::Muted, Role::Grid, Role::Measured, Role::Band, Role::Reference, Role::Noise];

    /// Its colour on white.
    pub fn colour(self) -> RGBColor {
        match self {
            Role::Ink => RGBColor(0x15, 0x20, 0x2b),
            Role::Muted => RGBColor(0x4a, 0x58, 0x67),
            Role::Grid => RGBColor(0xe3, 0xe8, 0xed),
            Role::Measured => RGBColor(0x0a, 0x5e, 0xa8),
            Role::Band => RGBColor(0xb9, 0xd3, 0xea),
            Role::Reference => RGBColor(0x6b, 0x7c, 0x8d),
            Role::Noise => RGBColor(0xdd, 0xe3, 0xe9),
        }
    }

    fn class(self) -> &'static str {
        match self {
            Role::Ink => "ink",
            Role::Muted => "mut",
            Role::Grid => "grd",
            Role::Measured => "s1",
            Role::Band => "bnd",
            Role::Reference => "ref",
            Role::Noise => "noi",
        }
    }

    fn of(colour: BackendColor) -> Role {
        let of = |role: &Role| {
            let RGBColor(red, green, blue) = role.colour();
            (red, green, blue) == colour.rgb
        };
        Role::ALL.into_iter().find(of).unwrap_or(Role::Ink)
    }
}

/// A picture for a page, under construction.
#[derive(Debug)]
pub struct Web<'a> {
    out: &'a mut String,
    width: u32,
    height: u32,
    is_done: bool,
}

impl<'a> Web<'a> {
    /// Begins one. Its coordinates are as if it were `width` pixels wide; on the page it is as wide as there is room.
    pub fn new(out: &'a mut String, width: u32, height: u32, id: &str, title: &str, what: &str) -> Web<'a> {
        *out += &format!(
            "<svg class=\"plot\" width=\"100%\" height=\"{height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
             <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>",
            escaped(title),
            escaped(what)
        );
        Web { out, width, height, is_done: false }
    }

    fn x(&self, x: i32) -> String {
        super::words::coordinate(100.0 * f64::from(x) / f64::from(self.width))
    }

    fn wide(&self, from: i32, to: i32) -> String {
        super::words::coordinate(100.0 * f64::from(to - from) / f64::from(self.width))
    }

    /// A path cannot be in hundredths: it is stretched in a picture of its own, and its stroke is not.
    fn path(&mut self, points: impl IntoIterator<Item = BackendCoord>, is_closed: bool, attributes: &str) {
        let mut d = String::new();
        for (at, (x, y)) in points.into_iter().enumerate() {
            d += &format!("{}{x} {y}", if at == 0 { "M" } else { "L" });
        }
        let (width, height, close) = (self.width, self.height, if is_closed { "Z" } else { "" });
        *self.out += &format!(
            "<svg width=\"100%\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\">\
             <path vector-effect=\"non-scaling-stroke\" {attributes} d=\"{d}{close}\"/></svg>"
        );
    }

    fn put(&mut self, shape: std::fmt::Arguments) {
        self.out.write_fmt(shape).expect("a text takes what is written to it");
    }
}

fn escaped(text: &str) -> String {
    let PreEscaped(text) = text.render();
    text
}

fn fill_or_stroke(is_fill: bool) -> &'static str {
    if is_fill { "f" } else { "k" }
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl DrawingBackend for Web<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        if !self.is_done {
            *self.out += "</svg>";
            self.is_done = true;
        }
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, colour: BackendColor) -> Drawn {
        let (class, x) = (Role::of(colour).class(), self.x(point.0));
        self.put(format_args!("<circle class=\"f-{class}\" cx=\"{x}\" cy=\"{}\" r=\".6\"/>", point.1));
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        if style.color().alpha > 0.0 {
            let (class, x1, x2) = (Role::of(style.color()).class(), self.x(from.0), self.x(to.0));
            self.put(format_args!(
                "<line class=\"k-{class}\" stroke-width=\"{}\" x1=\"{x1}\" y1=\"{}\" x2=\"{x2}\" y2=\"{}\"/>",
                style.stroke_width(),
                from.1,
                to.1
            ));
        }
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S, fill: bool) -> Drawn {
        if style.color().alpha > 0.0 {
            let (class, x, width) = (Role::of(style.color()).class(), self.x(from.0), self.wide(from.0, to.0));
            self.put(format_args!(
                "<rect class=\"{}-{class}\" x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"{}\"/>",
                fill_or_stroke(fill),
                from.1,
                (to.1 - from.1).max(0)
            ));
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let class = Role::of(style.color()).class();
        let attributes = format!("class=\"k-{class} nf\" stroke-width=\"{}\"", style.stroke_width());
        self.path(path, false, &attributes);
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let attributes = format!("class=\"f-{}\"", Role::of(style.color()).class());
        self.path(path, true, &attributes);
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, center: BackendCoord, radius: u32, style: &S, fill: bool) -> Drawn {
        let (class, x) = (Role::of(style.color()).class(), self.x(center.0));
        self.put(format_args!(
            "<circle class=\"{}-{class}\" cx=\"{x}\" cy=\"{}\" r=\"{radius}\"/>",
            fill_or_stroke(fill),
            center.1
        ));
        Ok(())
    }

    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, at: BackendCoord) -> Drawn {
        let anchor = match style.anchor().h_pos {
            HPos::Left => "start",
            HPos::Right => "end",
            HPos::Center => "middle",
        };
        let down = match style.anchor().v_pos {
            VPos::Top => "0.76em",
            VPos::Center => "0.35em",
            VPos::Bottom => "-0.24em",
        };
        let (class, x) = (Role::of(style.color()).class(), self.x(at.0));
        self.put(format_args!(
            "<text class=\"f-{class}\" x=\"{x}\" y=\"{}\" dy=\"{down}\" text-anchor=\"{anchor}\" font-size=\"{}\">{}</text>",
            at.1,
            style.size().round(),
            escaped(text)
        ));
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        text: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rough size in pixels")]
        Ok(((text.chars().count() as f64 * style.size() * 0.56) as u32, style.size() as u32))
    }

    fn blit_bitmap(&mut self, _: BackendCoord, _: (u32, u32), _: &[u8]) -> Drawn {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plotters::prelude::*;

    #[test]
    fn x_is_in_hundredths_and_colours_are_classes() {
        let mut text = String::new();
        let mut web = Web::new(&mut text, 200, 50, "a", "<b>", "a & b");
        web.draw_rect((50, 1), (100, 11), &Role::Noise.colour().filled(), true).unwrap();
        web.draw_text("x < y", &("sans-serif", 13).into_font().color(&Role::Ink.colour()), (100, 5)).unwrap();
        web.present().unwrap();
        assert!(text.contains("<rect class=\"f-noi\" x=\"25%\" y=\"1\" width=\"25%\" height=\"10\"/>"), "{text}");
        assert!(text.contains(">&lt;b&gt;</title>") && text.contains(">x &lt; y</text>"), "{text}");
        assert!(text.ends_with("</svg>") && !text.contains("style=") && !text.contains('#'));
    }

    #[test]
    fn every_role_is_found_again_by_its_colour() {
        for role in Role::ALL {
            let RGBColor(red, green, blue) = role.colour();
            assert_eq!(Role::of(BackendColor { rgb: (red, green, blue), alpha: 1.0 }), role);
        }
    }
}
