//! The marks of all charts: one encoding everywhere. A filled bar is an interval, a tick its median, a grey band the
//! noise; x is in hundredths, so that pictures shrink on a phone and letters do not.

use super::scale::{Scale, tick};
use super::words::{NARROW, coordinate, hundredths, tenths};
use crate::summary::Bounds;
use crate::table::printable;
use maud::{Markup, html};

/// How loud a word is; shape and word say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Warn,
    Bad,
    Flat,
    Up,
}

/// A word with its sign: never colour alone.
pub(crate) fn chip(tone: Tone, word: &str) -> Markup {
    let class = match tone {
        Tone::Good => "good",
        Tone::Warn => "warn",
        Tone::Bad => "bad",
        Tone::Flat => "flat",
        Tone::Up => "up",
    };
    html! {
        span class={ "chip " (class) } {
            svg width="14" height="14" viewBox="0 0 16 16" aria-hidden="true" {
                @match tone {
                    Tone::Good => path class="ln" d="M3 8.5l3.2 3.2L13 5" {},
                    Tone::Warn => { circle class="ln" cx="8" cy="8" r="5.6" {} path class="fl" d="M8 2.4a5.6 5.6 0 0 1 0 11.2z" {} },
                    Tone::Bad => path class="ln" d="M4 4l8 8M12 4l-8 8" {},
                    Tone::Flat => path class="ln" d="M2.5 6h11M2.5 10.4h11" {},
                    Tone::Up => path class="fl" d="M8 2.5l5.5 10h-11z" {},
                }
            }
            (word)
        }
    }
}

/// What the data say of a ratio, as a chip.
pub(crate) fn verdict(word: &str) -> Markup {
    let tone = match word {
        "faster" => Tone::Good,
        "slower" => Tone::Bad,
        "no practical change" => Tone::Flat,
        _ => Tone::Warn,
    };
    chip(tone, word)
}

/// A name that somebody else gave: shown as text, kept from reordering what stands beside it.
pub(crate) fn name(text: &str) -> Markup {
    html! { bdi { (printable(text)) } }
}

/// A sentence of a review: no line breaks between a number and its unit.
pub(crate) fn prose(text: &str) -> Markup {
    html! { (text.replace(" %", &format!("{NARROW}%")).replace(" µs", &format!("{NARROW}µs"))) }
}

/// The picture of a table's cell, with the axis that it is drawn on for whoever checks it.
pub(crate) fn picture(height: u32, scale: &Scale, body: &Markup) -> Markup {
    let (low, high, logarithmic) = scale.ends();
    html! {
        svg class="d" height=(height) aria-hidden="true"
            data-low=(low) data-high=(high) data-log=(u8::from(logarithmic)) {
            (body)
        }
    }
}

/// What all pictures of a long column are drawn on: the lines at the ticks, and the band within which a difference is of
/// no use. It stands on the page once, with the axis for whoever checks it, and each picture uses it.
pub(crate) struct Ground {
    id: &'static str,
    scale: Scale,
    band: Option<f64>,
}

impl Ground {
    /// The ground of that name, which no other on the page has.
    pub(crate) fn new(id: &'static str, scale: Scale, band: Option<f64>) -> Ground {
        Ground { id, scale, band }
    }

    /// Where it stands: before the first picture on it.
    pub(crate) fn stands(&self) -> Markup {
        let (low, high, logarithmic) = self.scale.ends();
        html! {
            svg class="defs" width="0" height="0" aria-hidden="true" focusable="false" {
                symbol id=(self.id) data-low=(low) data-high=(high) data-log=(u8::from(logarithmic)) {
                    @if let Some(band) = self.band { (noise(&self.scale, band)) }
                    (grid(&self.scale))
                }
            }
        }
    }

    /// A picture on it.
    pub(crate) fn picture(&self, height: u32, body: &Markup) -> Markup {
        html! { svg class="d" height=(height) aria-hidden="true" { (self.used("")) (body) } }
    }

    /// The ground alone, in a picture.
    pub(crate) fn used(&self, class: &str) -> Markup {
        html! { use class=[(!class.is_empty()).then_some(class)] href={ "#" (self.id) } {} }
    }
}

/// The axis over a column of pictures.
pub(crate) fn axis(scale: &Scale, unit: &str) -> Markup {
    html! {
        svg class="d ax" height="22" aria-hidden="true" {
            @for value in scale.ticks() {
                @let at = scale.at(value);
                @let anchor = if at < 3.0 { "start" } else if at > 97.0 { "end" } else { "middle" };
                text x=(coordinate(at)) y="15" text-anchor=(anchor) { (tick(value)) (unit) }
            }
        }
    }
}

/// Thin lines at the ticks.
pub(crate) fn grid(scale: &Scale) -> Markup {
    let lines: Vec<String> =
        scale.ticks().into_iter().map(|value| format!("M{} 0v1", hundredths(scale.at(value)))).collect();
    let lines = lines.concat();
    html! { svg class="gr" viewBox="0 0 100 1" preserveAspectRatio="none" { path d=(lines) {} } }
}

/// So many dots in a picture of that height, each so far to the right, in hundredths, and so far down: lines without
/// length, all of them one element. A dot that is an element of its own makes a page of many rounds too large, and so do
/// places finer than a third of a pixel.
pub(crate) fn dots(high: u32, at: impl Iterator<Item = (f64, f64)>) -> Markup {
    let lines: Vec<String> = at.map(|(x, y)| format!("M{} {}h0", tenths(x), tenths(y))).collect();
    let lines = lines.concat();
    html! {
        @if !lines.is_empty() {
            svg class="pts" viewBox={ "0 0 100 " (high) } preserveAspectRatio="none" { path d=(lines) {} }
        }
    }
}

/// The band within which a difference is of no use.
pub(crate) fn noise(scale: &Scale, band: f64) -> Markup {
    let (low, high) = (scale.at(1.0 / (1.0 + band)), scale.at(1.0 + band));
    html! { rect class="noise" x=(coordinate(low)) y="0" width=(coordinate(high - low)) height="100%" {} }
}

/// An interval and its median.
pub(crate) fn interval(scale: &Scale, bounds: &Bounds, top: u32, height: u32) -> Markup {
    let (low, mid, high) = (scale.at(bounds.low), scale.at(bounds.mid), scale.at(bounds.high));
    html! {
        rect class="civ" x=(coordinate(low)) y=(top) width=(coordinate((high - low).max(0.3))) height=(height) {}
        line class="medl" x1=(coordinate(mid)) x2=(coordinate(mid)) y1=(top - 4) y2=(top + height + 4) {}
    }
}

/// The head of a table of pictures.
pub(crate) fn heads(columns: &[(&str, Markup)]) -> Markup {
    html! {
        thead role="rowgroup" { tr role="row" {
            @for (class, head) in columns {
                th role="columnheader" scope="col" class=(class) { (head) }
            }
        } }
    }
}

/// A table in a region that may scroll.
pub(crate) fn region(label: &str, body: &Markup) -> Markup {
    html! { div class="tw" role="region" aria-label=(label) tabindex="0" { (body) } }
}

/// A smaller line under another.
pub(crate) fn hint(text: &str) -> Markup {
    html! { span class="hint" { (text) } }
}
