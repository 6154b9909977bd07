//! Which code changed? Two icicles, before and now, on one scale of time. A frame that is gone stays in the first, one
//! that is new is marked in the second; a parent includes what it calls; the sign stands in the label.

use super::Section;
use super::mark::{name, region};
use super::words::{coordinate, number, signed};
use crate::review::{Frame, Icicles, Review};
use crate::table::printable;
use maud::{Markup, html};

/// How high a frame is.
const HIGH: usize = 23;
/// Below so many microseconds a change is none.
const STILL: f64 = 1.0;

/// `room` is how many bytes its pictures may have.
pub(super) fn section(review: &Review, room: usize) -> Section {
    let drawn = review.icicles.as_ref().map(|icicles| (icicles, fitting(icicles, room)));
    Section {
        id: "code",
        short: "Code",
        question: "Which code changed?",
        answer: answer(review),
        kept: html! { @if let Some((icicles, smaller)) = &drawn { (pictures(review, smaller.as_ref().unwrap_or(icicles), smaller.is_some())) } },
        rest: html! { @if let Some(icicles) = &review.icicles { (table(review, icicles)) } },
    }
}

/// The tree with fewer frames, where all of them are too large for the page: the smallest of each parent are put
/// together, so that no time is lost. None where all of them fit.
fn fitting(icicles: &Icicles, room: usize) -> Option<Icicles> {
    const FEWEST: usize = 8;
    let whole = |one: &Icicles| one.root.before.max(one.root.now);
    let bytes = |one: &Icicles| icicle(one, true, whole(one)).0.len() + icicle(one, false, whole(one)).0.len();
    if bytes(icicles) <= room {
        return None;
    }
    let mut weights = Vec::new();
    weigh(&icicles.root, &mut weights);
    weights.sort_by(|a, b| b.total_cmp(a));
    let mut keep = weights.len();
    loop {
        keep = keep * 4 / 5;
        let least = weights.get(keep).copied().unwrap_or(0.0);
        let smaller = Icicles { root: put_together(&icicles.root, least), ..icicles.clone() };
        if keep <= FEWEST || bytes(&smaller) <= room {
            return Some(smaller);
        }
    }
}

fn weight(frame: &Frame) -> f64 {
    frame.before.max(frame.now)
}

fn weigh(frame: &Frame, into: &mut Vec<f64>) {
    into.push(weight(frame));
    frame.calls.iter().for_each(|call| weigh(call, into));
}

/// Frames that stand for so many smaller ones.
fn stands_for(frame: &Frame) -> Option<usize> {
    frame.name.strip_prefix("\u{2026} ")?.strip_suffix(" smaller")?.parse().ok()
}

fn count(frame: &Frame) -> usize {
    stands_for(frame).unwrap_or_else(|| 1 + frame.calls.iter().map(count).sum::<usize>())
}

/// The frame with those of its callees that weigh more than `least`, and one for the others.
fn put_together(frame: &Frame, least: f64) -> Frame {
    let is_drawn = |call: &&Frame| weight(call) > least && stands_for(call).is_none();
    let (large, small): (Vec<&Frame>, Vec<&Frame>) = frame.calls.iter().partition(is_drawn);
    let mut calls: Vec<Frame> = large.into_iter().map(|call| put_together(call, least)).collect();
    if !small.is_empty() {
        calls.push(Frame {
            name: format!("\u{2026} {} smaller", small.iter().map(|call| count(call)).sum::<usize>()),
            kernel: false,
            before: small.iter().map(|call| call.before).sum(),
            now: small.iter().map(|call| call.now).sum(),
            calls: Vec::new(),
        });
    }
    Frame { calls, name: frame.name.clone(), ..*frame }
}

fn answer(review: &Review) -> Markup {
    let Some(icicles) = &review.icicles else {
        return html! { "No stacks were taken: " code { "assay flame " (review.summary.workload) "/ROW" } " takes them, and says which kind can see what." };
    };
    let most = icicles.root.calls.iter().max_by(|a, b| (b.now - b.before).total_cmp(&(a.now - a.before)));
    html! {
        "Stacks of " (name(&icicles.before.0)) " and " (name(&icicles.now.0)) ", "
        (kind(&icicles.kind)) ". "
        @if let Some(most) = most.filter(|frame| frame.before > frame.now) {
            (name(&most.name)) " changed most: from " (number(most.before)) " to " (number(most.now)) " µs per " (review.unit) "."
        }
    }
}

fn kind(kind: &str) -> &'static str {
    match kind {
        "cpu" => "of what computes in user mode; waiting and the kernel are not in them",
        "kernel" => "of what runs on a processor, down into the kernel; waiting is not in them",
        "off" => "of what waits",
        _ => "of every moment of every thread",
    }
}

fn pictures(review: &Review, icicles: &Icicles, is_less: bool) -> Markup {
    let whole = icicles.root.before.max(icicles.root.now);
    html! {
        div class="fbar" {
            label for="fs" { "Find a function" }
            input id="fs" type="search" autocomplete="off" spellcheck="false";
            span id="fsn" class="mut" aria-live="polite" {}
            button type="button" id="fz" disabled { "Reset zoom" }
            span class="dkey" aria-hidden="true" {
                i class="l3" {} i class="l1" {} " less time " i class="z" {} " same " i class="r1" {} i class="r3" {} " more time "
                i class="gone" {} " gone " i class="new" {} " new, " em { "italic" } " kernel"
            }
        }
        p class="sub2" { "Before: " (name(&icicles.before.0)) " " b { (number(icicles.root.before)) " µs" } }
        (icicle(icicles, true, whole))
        p class="sub2" { "Now: " (name(&icicles.now.0)) " " b { (number(icicles.root.now)) " µs" } ", same scale" }
        (icicle(icicles, false, whole))
        p id="fd" class="fd" aria-live="polite" { "Click a frame, or focus one and use the arrow keys. Enter zooms both pictures to it, Escape comes back." }
        @if is_less {
            p class="hint" { "The page has no room for more frames: smaller ones are put together, and the folded stacks below hold all of them, per " (review.unit) "." }
        } @else if icicles.folded > 0 {
            p class="hint" { (icicles.folded) " frames were too small to be drawn; the folded stacks below hold all of them, per " (review.unit) "." }
        }
    }
}

fn icicle(icicles: &Icicles, is_before: bool, whole: f64) -> Markup {
    let (side, total) = if is_before { ("before", icicles.root.before) } else { ("after", icicles.root.now) };
    let label = format!(
        "Stacks {}, {} µs. Arrow keys move, Enter zooms, Escape comes back.",
        if is_before { "before" } else { "now" },
        number(total)
    );
    let less = icicles.root.before - icicles.root.now;
    let end = 100.0 * total / whole;
    html! {
        svg class="d fl" data-side=(side) data-us=(whole) width="100%" height=(HIGH * depth(&icicles.root, is_before)) role="group" aria-label=(label) {
            (frame(&icicles.root, &Place { is_before, whole, left: 0.0, level: 0, above: 0 }, &mut 0))
            @if !is_before && less > 0.0 {
                svg class="saved" x=(coordinate(end + 0.3)) y="0" width=(coordinate((99.7 - end).max(0.0))) height=(HIGH * 2 - 1) {
                    rect width="100%" height="100%" {} text x="50%" y="50%" text-anchor="middle" { (number(less)) " µs less" }
                }
            }
        }
    }
}

/// Where a frame is drawn.
struct Place {
    is_before: bool,
    whole: f64,
    left: f64,
    level: usize,
    /// The number of the frame above; frames are numbered alike in both pictures, from one on.
    above: usize,
}

fn of(frame: &Frame, is_before: bool) -> f64 {
    if is_before { frame.before } else { frame.now }
}

fn depth(frame: &Frame, is_before: bool) -> usize {
    let calls = frame.calls.iter().filter(|call| of(call, is_before) > 0.0);
    1 + calls.map(|call| depth(call, is_before)).max().unwrap_or(0)
}

/// How a frame changed: its class, and the word or the sign that says the same.
fn change(frame: &Frame) -> (&'static str, String) {
    let by = frame.now - frame.before;
    let class = if frame.now <= 0.0 {
        return ("gone", "gone".to_owned());
    } else if frame.before <= 0.0 {
        return ("new", "new".to_owned());
    } else {
        match (by.abs(), by < 0.0) {
            (size, _) if size < STILL => "z",
            (size, true) if size < 4.0 => "l1",
            (size, true) if size < 15.0 => "l2",
            (_, true) => "l3",
            (size, false) if size < 4.0 => "r1",
            (size, false) if size < 15.0 => "r2",
            (_, false) => "r3",
        }
    };
    (class, signed(by))
}

/// A frame and what it calls. The script puts its path together from the numbers, and what is told to who cannot see
/// from its name and both times: each of these a frame would make the page many times as large.
fn frame(one: &Frame, place: &Place, count: &mut usize) -> Markup {
    *count += 1;
    let (own, value) = (*count, of(one, place.is_before));
    let mut left = place.left;
    let calls: Vec<Markup> = one
        .calls
        .iter()
        .map(|call| {
            let drawn = frame(call, &Place { left, level: place.level + 1, above: own, ..*place }, count);
            left += 100.0 * of(call, place.is_before).max(0.0) / place.whole;
            drawn
        })
        .collect();
    if value <= 0.0 {
        return html! {};
    }
    let width = 100.0 * value / place.whole;
    let (class, word) = change(one);
    html! {
        svg class={ "fr " (class) (if one.kernel { " kern" } else { "" }) } x=(precise(place.left)) y=(place.level * HIGH) width=(precise(width)) height=(HIGH)
            data-i=(own) data-u=(place.above) data-b=(number(one.before)) data-n=(number(one.now)) {
            rect {}
            @if class == "gone" { rect class="ht" fill="url(#hgone)" {} }
            @if class == "new" { rect class="ht" fill="url(#hnew)" {} }
            text x="4" y="15" class=[(width <= 3.2).then_some("hid")] {
                (printable(&one.name)) @if class != "z" { " " tspan class="dd" { (word) } }
            }
        }
        @for call in &calls { (call) }
    }
}

/// A place to a thousandth, for small frames are zoomed.
fn precise(value: f64) -> String {
    let text = format!("{value:.3}");
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

fn table(review: &Review, icicles: &Icicles) -> Markup {
    let mut calls: Vec<&Frame> = icicles.root.calls.iter().collect();
    calls.sort_by(|a, b| (a.now - a.before).total_cmp(&(b.now - b.before)).then(a.name.cmp(&b.name)));
    calls.truncate(20);
    region(
        "Change by frame",
        &html! {
            table class="num slim" {
                caption { "Change below the root, µs per " (review.unit) " " span class="hint" { "a frame includes what it calls" } }
                thead { tr { th scope="col" { "Frame" } th scope="col" { "Before" } th scope="col" { "Now" } th scope="col" { "Change" } } }
                tbody { @for call in calls {
                    tr { th scope="row" { (name(&call.name)) } td { (number(call.before)) } td { (number(call.now)) } td { b { (signed(call.now - call.before)) } } }
                } }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, before: f64, now: f64, calls: Vec<Frame>) -> Frame {
        Frame { name: name.into(), kernel: false, before, now, calls }
    }

    fn icicles() -> Icicles {
        let leaves =
            |phase: usize| (0..40).map(|at| one(&format!("f{phase}-{at}"), f64::from(at), 1.0, Vec::new())).collect();
        let phases = (0..5).map(|phase| {
            let mut calls: Vec<Frame> = leaves(phase);
            calls.push(one("\u{2026} 7 smaller", 0.5, 0.5, Vec::new()));
            let sum = |of: fn(&Frame) -> f64| calls.iter().map(of).sum::<f64>();
            one(&format!("phase{phase}"), sum(|call| call.before), sum(|call| call.now), calls.clone())
        });
        let phases: Vec<Frame> = phases.collect();
        let sum = |of: fn(&Frame) -> f64| phases.iter().map(of).sum::<f64>();
        let root = one("all", sum(|call| call.before), sum(|call| call.now), phases.clone());
        let ends = (("gzip".to_owned(), root.before), ("zstd".to_owned(), root.now));
        Icicles { before: ends.0, now: ends.1, kind: "kernel".into(), root, folded: 35 }
    }

    fn bytes(icicles: &Icicles) -> usize {
        let whole = icicles.root.before.max(icicles.root.now);
        icicle(icicles, true, whole).0.len() + icicle(icicles, false, whole).0.len()
    }

    #[test]
    fn where_there_is_room_all_frames_are_drawn() {
        assert!(fitting(&icicles(), usize::MAX).is_none());
        assert!(fitting(&icicles(), bytes(&icicles())).is_none());
    }

    #[test]
    fn where_there_is_none_small_frames_are_put_together_and_no_time_is_lost() {
        for room in [60_000, 30_000, 12_000] {
            let smaller = fitting(&icicles(), room).unwrap();
            assert!(bytes(&smaller) <= room, "{room}: {}", bytes(&smaller));
            assert_eq!((smaller.root.before, smaller.root.now), (icicles().root.before, icicles().root.now));
            for (phase, all) in smaller.root.calls.iter().zip(icicles().root.calls) {
                let sum: f64 = phase.calls.iter().map(|call| call.before).sum();
                assert!((sum - phase.before).abs() < 1e-9, "{}", phase.name);
                assert_eq!(count(phase), count(&all), "every frame is drawn or counted");
                assert!(phase.calls.iter().filter(|call| stands_for(call).is_some()).count() <= 1);
                assert!(phase.calls.iter().any(|call| call.name.ends_with("-39")), "the largest stay");
            }
        }
        assert!(fitting(&icicles(), 0).unwrap().root.calls.len() <= 8, "and it ends");
    }
}
