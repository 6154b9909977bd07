//! Folded stacks of two rows, put together into one tree: what a row spends in a function, before and now.
//!
//! A folded file has a line a stack: frames from the outermost inwards with semicolons between, a space, and
//! nanoseconds. The outermost frame names the row, and is left away where all stacks of a file share it.

use super::{Frame, Icicles};
use std::collections::BTreeMap;

/// The folded stacks of one row.
#[derive(Clone, Debug)]
pub struct Folded {
    /// The row.
    pub row: String,
    /// The lines.
    pub text: String,
    /// How many runs they are of.
    pub runs: f64,
}

/// The folded stacks of two rows.
#[derive(Clone, Debug)]
pub struct Stacks {
    /// Those before.
    pub before: Folded,
    /// Those now.
    pub now: Folded,
    /// What they are of: `cpu`, `kernel`, `off` or `wall`.
    pub kind: String,
}

/// More frames than this make a page slow.
const MOST: usize = 500;
/// How `assay flame` marks a frame of the kernel.
const KERNEL: &str = "_[k]";

/// A frame while lines are read: nanoseconds of its own stacks and of all it calls, before and now.
#[derive(Default)]
struct Node {
    ns: [f64; 2],
    calls: BTreeMap<String, Node>,
}

impl Node {
    fn add(&mut self, side: usize, frames: &[&str], ns: f64) {
        let mut node = self;
        node.ns[side] += ns;
        for frame in frames {
            node = node.calls.entry((*frame).to_owned()).or_default();
            node.ns[side] += ns;
        }
    }

    fn weight(&self) -> f64 {
        self.ns[0].max(self.ns[1])
    }

    fn weights(&self, into: &mut Vec<f64>) {
        into.push(self.weight());
        self.calls.values().for_each(|node| node.weights(into));
    }
}

/// One tree of both; a line that is no stack is told. `files` is how many files a run had.
pub(super) fn of(stacks: &Stacks, files: f64) -> Result<Icicles, String> {
    let mut root = Node::default();
    for (side, folded) in [&stacks.before, &stacks.now].into_iter().enumerate() {
        let lines = read(folded)?;
        let shared = lines.first().map(|(frames, _)| frames[0]);
        let shared = shared.filter(|first| lines.iter().all(|(frames, _)| frames[0] == *first));
        for (frames, ns) in lines {
            root.add(side, &frames[usize::from(shared.is_some())..], ns / folded.runs.max(1.0) / files / 1e3);
        }
    }
    let mut count = 0;
    let tree = frame("all", &root, cut(&root), &mut count);
    Ok(Icicles {
        before: (stacks.before.row.clone(), root.ns[0]),
        now: (stacks.now.row.clone(), root.ns[1]),
        kind: stacks.kind.clone(),
        root: tree,
        folded: count,
    })
}

fn read(folded: &Folded) -> Result<Vec<(Vec<&str>, f64)>, String> {
    let lines = folded.text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            let parts = line.rsplit_once(' ').and_then(|(stack, ns)| Some((stack, ns.parse::<u64>().ok()?)));
            let (stack, ns) = parts.filter(|(stack, _)| !stack.is_empty()).ok_or_else(|| {
                format!("folded stacks of {}, line {}: no stack with a number behind it", folded.row, at + 1)
            })?;
            Ok((stack.split(';').collect(), ns as f64))
        })
        .collect()
}

/// The weight from which frames are drawn, so that with one frame for the small ones of each parent no more than
/// [`MOST`] are.
fn cut(root: &Node) -> f64 {
    let mut weights = Vec::new();
    root.weights(&mut weights);
    weights.sort_by(|a, b| b.total_cmp(a));
    let mut keep = weights.len().min(MOST);
    loop {
        let least = if keep == weights.len() { 0.0 } else { weights[keep - 1] };
        if drawn(root, least) <= MOST || keep <= 1 {
            return least;
        }
        keep = keep * 9 / 10;
    }
}

/// How many frames are drawn from that weight on, with those that stand for small ones.
fn drawn(node: &Node, least: f64) -> usize {
    let (large, small): (Vec<&Node>, Vec<&Node>) = node.calls.values().partition(|child| child.weight() >= least);
    1 + large.into_iter().map(|child| drawn(child, least)).sum::<usize>() + usize::from(!small.is_empty())
}

fn size(node: &Node) -> usize {
    1 + node.calls.values().map(size).sum::<usize>()
}

fn frame(name: &str, node: &Node, least: f64, folded: &mut usize) -> Frame {
    let mut calls = Vec::new();
    let mut small = Frame::default();
    let mut number = 0;
    for (name, child) in &node.calls {
        if child.weight() < least {
            number += size(child);
            small.before += child.ns[0];
            small.now += child.ns[1];
        } else {
            calls.push(frame(name, child, least, folded));
        }
    }
    if number > 0 {
        *folded += number;
        small.name = format!("\u{2026} {number} smaller");
        calls.push(small);
    }
    let kernel = name.ends_with(KERNEL);
    let name = name.strip_suffix(KERNEL).unwrap_or(name).to_owned();
    Frame { name, kernel, before: node.ns[0], now: node.ns[1], calls }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    fn stacks(before: &str, now: &str) -> Stacks {
        let folded = |row: &str, text: &str| Folded { row: row.into(), text: text.into(), runs: 1.0 };
        Stacks { before: folded("gzip", before), now: folded("zstd", now), kind: "kernel".into() }
    }

    fn count(frame: &Frame) -> usize {
        1 + frame.calls.iter().map(count).sum::<usize>()
    }

    fn adds_up(frame: &Frame) {
        let sum = |of: fn(&Frame) -> f64| frame.calls.iter().map(of).sum::<f64>();
        assert!(
            sum(|call| call.before) <= frame.before + 1e-9 && sum(|call| call.now) <= frame.now + 1e-9,
            "{frame:?}"
        );
        frame.calls.iter().for_each(adds_up);
    }

    #[test]
    fn what_is_gone_and_what_is_new_stay_on_one_tree() {
        let before = "restore/gzip;decode;inflate 30000\nrestore/gzip;write;vfs_write_[k] 10000\n";
        let now = "restore/zstd;decode;ZSTD 5000\nrestore/zstd;write;vfs_write_[k] 11000\n";
        let icicles = of(&stacks(before, now), 10.0).unwrap();
        assert_eq!((icicles.before.1, icicles.now.1), (4.0, 1.6));
        let [decode, write] = &icicles.root.calls[..] else { panic!("two phases") };
        assert_eq!((decode.name.as_str(), decode.before, decode.now), ("decode", 3.0, 0.5));
        let told: Vec<(&str, f64, f64)> =
            decode.calls.iter().map(|call| (call.name.as_str(), call.before, call.now)).collect();
        assert_eq!(told, [("ZSTD", 0.0, 0.5), ("inflate", 3.0, 0.0)]);
        assert_eq!((write.calls[0].name.as_str(), write.calls[0].kernel), ("vfs_write", true));
        adds_up(&icicles.root);
    }

    #[test]
    fn thousands_of_frames_are_folded_and_none_is_lost() {
        let mut text = String::new();
        for at in 0..5000 {
            writeln!(text, "r;phase{};f{at};g{at} {}", at % 7, 1000 + at).unwrap();
        }
        let icicles = of(&stacks(&text, "r;phase0;f0 5000\n"), 1.0).unwrap();
        let drawn = count(&icicles.root);
        assert!((MOST / 2..=MOST).contains(&drawn), "{drawn}");
        assert!(icicles.folded > 9000);
        let leaves: f64 = icicles.root.calls.iter().flat_map(|phase| &phase.calls).map(|call| call.before).sum();
        assert!((leaves - icicles.before.1).abs() < 1e-6, "the folded ones keep their time");
        assert!(icicles.root.calls[0].calls.iter().any(|call| call.name.ends_with("smaller")));
        adds_up(&icicles.root);
    }

    #[test]
    fn runs_are_divided_and_what_is_no_stack_is_told() {
        let mut two = stacks("r;a 4000\n", "r;a 4000\n\n");
        two.before.runs = 2.0;
        let icicles = of(&two, 1.0).unwrap();
        assert_eq!((icicles.before.1, icicles.now.1), (2.0, 4.0));
        for nonsense in ["r;a", "r;a x", " 5"] {
            let told = of(&stacks("r;a 4\n", &format!("r;b 4\n{nonsense}\n")), 1.0).unwrap_err();
            assert!(told.starts_with("folded stacks of zstd, line 2"), "{told}");
        }
    }
}
