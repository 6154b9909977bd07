//! Colours of phases: the hue says what kind of work, the shade which member; what no palette could tell apart is
//! told apart by a pattern. The same names stand in `page.css`, which a test holds to this table.

use crate::review::PhaseOf;
use maud::{Markup, html};

/// A shade: its class, its colour, and whether letters on it are white.
pub(crate) type Shade = (&'static str, [u8; 3], bool);

const METADATA: &[Shade] = &[
    ("m0", [0x0b, 0x69, 0x59], true),
    ("m1", [0x86, 0xcd, 0xbb], false),
    ("m2", [0x33, 0x9a, 0x88], false),
    ("m3", [0xc3, 0xea, 0xd9], false),
    ("m4", [0x00, 0x3d, 0x33], true),
];
const COMPUTE: &[Shade] = &[
    ("c0", [0xc2, 0x50, 0x0a], true),
    ("c1", [0xf2, 0xb1, 0x34], false),
    ("c2", [0x8f, 0x36, 0x06], true),
    ("c3", [0xf7, 0xd4, 0x8c], false),
    ("c4", [0xe0, 0x7b, 0x24], false),
];
const DATA: &[Shade] = &[
    ("d0", [0x2f, 0x67, 0xb1], true),
    ("d1", [0xa0, 0xc0, 0xf2], false),
    ("d2", [0x16, 0x40, 0x7c], true),
    ("d3", [0x6f, 0x9f, 0xdb], false),
];
const WAIT: &[Shade] = &[("w0", [0x9a, 0x8b, 0xb8], false)];
const UNNAMED: &[Shade] = &[("o0", [0xdf, 0xe3, 0xe8], false)];

/// The kinds in the order of the key, and what they are called there.
pub(crate) const KINDS: [(&str, &str); 5] = [
    ("metadata", "Metadata calls"),
    ("compute", "Computation"),
    ("data", "Data"),
    ("wait", "Waiting"),
    ("unnamed", "No name yet"),
];

/// How a phase is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) shade: Shade,
    pub(crate) pattern: Option<&'static str>,
}

impl Look {
    /// The classes of its shape.
    pub(crate) fn class(&self) -> String {
        format!("{} {}", self.shade.0, if self.shade.2 { "w" } else { "k" })
    }

    /// The pattern over its colour.
    pub(crate) fn over(&self) -> Markup {
        html! { @if let Some(pattern) = self.pattern { rect class="hat" fill=(pattern) {} } }
    }
}

/// How that phase is drawn, among all phases of the page.
pub(crate) fn look(phases: &[PhaseOf], phase: &str) -> Look {
    let kind = phases.iter().find(|one| one.name == phase).map_or("unnamed", |one| one.kind.as_str());
    let member = phases.iter().filter(|one| one.kind == kind).position(|one| one.name == phase).unwrap_or(0);
    let shades = match kind {
        "metadata" => METADATA,
        "compute" => COMPUTE,
        "data" => DATA,
        "wait" => WAIT,
        _ => UNNAMED,
    };
    let pattern = match kind {
        "metadata" | "compute" | "data" if member < shades.len() => None,
        "metadata" | "compute" | "data" => Some("url(#dots)"),
        "wait" => Some("url(#bars)"),
        _ => Some("url(#hatch)"),
    };
    Look { shade: shades[member % shades.len()], pattern }
}

/// A little square of that colour, for keys.
pub(crate) fn swatch(look: &Look) -> Markup {
    html! { svg class={ "sw " (look.class()) } width="14" height="14" aria-hidden="true" {
        rect class="all" rx="2" {} (look.over())
    } }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linear RGB as it is seen: with all three cones, or without one of them (Machado, Oliveira and Fernandes 2009).
    const VISIONS: [[[f64; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152_286, 1.052_583, -0.204_868], [0.114_503, 0.786_281, 0.099_216], [-0.003_882, -0.048_116, 1.051_998]],
        [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
        [[1.255_528, -0.076_749, -0.178_779], [-0.078_411, 0.930_809, 0.147_602], [0.004_733, 0.691_367, 0.303_900]],
    ];

    fn linear(colour: [u8; 3]) -> [f64; 3] {
        colour.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn lab(rgb: [f64; 3]) -> [f64; 3] {
        let [red, green, blue] = rgb.map(|part| part.clamp(0.0, 1.0));
        let bend = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let x = bend((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047);
        let y = bend(0.2126 * red + 0.7152 * green + 0.0722 * blue);
        let z = bend((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    fn apart(a: [u8; 3], b: [u8; 3]) -> f64 {
        let seen = |matrix: &[[f64; 3]; 3], colour| {
            let rgb = linear(colour);
            lab(matrix.map(|row| row.iter().zip(rgb).map(|(weight, part)| weight * part).sum()))
        };
        let distance = |matrix: &[[f64; 3]; 3]| {
            let (a, b) = (seen(matrix, a), seen(matrix, b));
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        };
        VISIONS.iter().map(distance).fold(f64::INFINITY, f64::min)
    }

    fn brightness(colour: [u8; 3]) -> f64 {
        linear(colour).iter().zip([0.2126, 0.7152, 0.0722]).map(|(part, weight)| part * weight).sum()
    }

    fn all() -> Vec<Shade> {
        [METADATA, COMPUTE, DATA, WAIT, UNNAMED].concat()
    }

    #[test]
    fn any_two_shades_can_be_told_apart_in_every_kind_of_vision() {
        let shades = all();
        for (at, a) in shades.iter().enumerate() {
            // What waits and what has no name has a pattern as well.
            for b in shades[at + 1..].iter().filter(|b| !matches!(b.0, "w0" | "o0")) {
                assert!(apart(a.1, b.1) >= 10.0, "{} and {}: {:.1}", a.0, b.0, apart(a.1, b.1));
            }
        }
    }

    #[test]
    fn letters_can_be_read_on_every_shade() {
        for (class, colour, is_white) in all() {
            let letters = if is_white { [0xff; 3] } else { [0x15, 0x20, 0x2b] };
            let (a, b) = (brightness(colour), brightness(letters));
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(contrast >= 4.5, "{class}: {contrast:.2}");
        }
    }

    #[test]
    fn the_style_sheet_has_the_same_colours() {
        let css = include_str!("page.css");
        for (class, [red, green, blue], _) in all() {
            let rule = format!(".{class}{{fill:#{red:02x}{green:02x}{blue:02x}}}");
            assert!(css.contains(&rule), "page.css lacks {rule}");
        }
    }

    #[test]
    fn members_beyond_the_palette_have_a_pattern() {
        let phases: Vec<PhaseOf> =
            (0..12).map(|at| PhaseOf { name: format!("p{at}"), kind: "metadata".into() }).collect();
        assert_eq!(look(&phases, "p4").pattern, None);
        assert_eq!(look(&phases, "p5"), Look { shade: METADATA[0], pattern: Some("url(#dots)") });
        assert_eq!(look(&phases, "unheard of").shade.0, "o0");
    }
}
