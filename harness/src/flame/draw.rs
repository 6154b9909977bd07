//! Folded stacks as text and as standalone pictures.
//!
//! The pictures hold the script of inferno, which is under the CDDL: they are made, not committed.

use super::names::KERNEL_MARK;
use anyhow::{Context, Result};
use inferno::differential;
use inferno::flamegraph::color::{Color, PaletteMap};
use inferno::flamegraph::{self, Options};
use std::collections::{BTreeMap, BTreeSet};
use technique::phase::Phase;

/// Nanoseconds by stack.
pub type Stacks = BTreeMap<String, u64>;

/// What a picture says beside its frames.
#[derive(Clone, Debug)]
pub struct Legend {
    /// Over the picture.
    pub title: String,
    /// Below the title.
    pub subtitle: String,
}

/// One line a stack: frames, outermost first, parted by semicolons, and nanoseconds.
pub fn folded(root: &str, stacks: &Stacks) -> String {
    let mut lines = String::new();
    for (stack, ns) in stacks {
        lines += &format!("{root};{stack} {ns}\n");
    }
    lines
}

/// A picture of folded stacks; the same stacks give the same bytes.
pub fn picture(folded: &str, legend: &Legend) -> Result<Vec<u8>> {
    let mut palette = palette(folded);
    let mut options = options(legend);
    options.palette_map = Some(&mut palette);
    render(options, folded)
}

/// A picture of the later stacks, coloured by how each grew (red) or shrank (blue) against the earlier ones.
pub fn difference(before: &str, after: &str, legend: &Legend) -> Result<(String, Vec<u8>)> {
    let mut lines = Vec::new();
    differential::from_readers(differential::Options::default(), before.as_bytes(), after.as_bytes(), &mut lines)
        .context("comparing two flame graphs")?;
    // The order of stacks that were in one of them only is left to chance there.
    let lines = String::from_utf8(lines).context("folded stacks are text")?;
    let lines: BTreeSet<&str> = lines.lines().collect();
    let folded: String = lines.into_iter().flat_map(|line| [line, "\n"]).collect();
    let picture = render(options(legend), &folded)?;
    Ok((folded, picture))
}

fn options(legend: &Legend) -> Options<'static> {
    let mut options = Options::default();
    options.title.clone_from(&legend.title);
    options.subtitle = Some(legend.subtitle.clone());
    "ns".clone_into(&mut options.count_name);
    options.deterministic = true;
    options.font_size = 11;
    options
}

fn render(mut options: Options, folded: &str) -> Result<Vec<u8>> {
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, folded.lines(), &mut svg).context("drawing a flame graph")?;
    Ok(svg)
}

/// A colour says what a frame is: a phase, the kernel's, the lab's, somebody else's, or none at all.
fn palette(folded: &str) -> PaletteMap {
    let mut palette = PaletteMap::default();
    for line in folded.lines() {
        let stack = line.rsplit_once(' ').map_or(line, |(stack, _)| stack);
        for frame in stack.split(';') {
            palette.insert(frame, colour(frame));
        }
    }
    palette
}

fn colour(frame: &str) -> Color {
    const OURS: [&str; 10] = [
        "measured",
        "harness",
        "restore",
        "erasure",
        "codecs",
        "syscalls",
        "batching",
        "buffers",
        "parity",
        "technique",
    ];
    let starts = |names: &[&str]| names.iter().any(|name| frame.trim_start_matches('<').starts_with(name));
    let [red, green, blue] = if Phase::named(frame).is_some() {
        [150, 170, 225]
    } else if frame.starts_with('[') {
        [190, 190, 190]
    } else if frame.ends_with(KERNEL_MARK) {
        [235, 140, 70]
    } else if starts(&OURS) {
        [120, 190, 110]
    } else {
        [225, 200, 90]
    };
    // Neighbours are told apart by a shade that their name decides.
    let shade = frame.bytes().fold(7u8, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte)) % 25;
    Color::new(red - shade, green - shade, blue - shade)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stacks(text: &str) -> Stacks {
        text.split(", ")
            .filter_map(|one| one.rsplit_once(' '))
            .map(|(s, n)| (s.to_owned(), n.parse().unwrap()))
            .collect()
    }

    fn legend() -> Legend {
        Legend { title: "a < b".to_owned(), subtitle: "and so on".to_owned() }
    }

    #[test]
    fn the_same_stacks_give_the_same_picture() {
        let folded = folded("restore/zstd", &stacks("create;measured;path_openat_[k] 10, decode;measured 5"));
        let svg = picture(&folded, &legend()).unwrap();
        assert_eq!(svg, picture(&folded, &legend()).unwrap());
        let text = String::from_utf8(svg).unwrap();
        assert!(text.starts_with("<?xml") && text.contains("path_openat") && text.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn a_difference_holds_both() {
        let (before, after) = (folded("r", &stacks("a 10, b 5")), folded("r", &stacks("a 4, c 7")));
        let (lines, svg) = difference(&before, &after, &legend()).unwrap();
        assert_eq!(lines, "r;a 10 4\nr;b 5 0\nr;c 0 7\n");
        assert!(!svg.is_empty());
    }
}
