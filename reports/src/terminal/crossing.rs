//! Where rows cross, as text.

use super::labelled;
use crate::crossing::{Crossing, Duel};
use crate::table::{Align, Table, clip, printable};

/// Two rows over all sizes, and what comes of it.
pub fn render(duel: &Duel, width: usize) -> String {
    let head = format!("{}: {} and {}, {}", duel.workload, duel.one, duel.other, duel.condition);
    let mut text = clip(&printable(&head), width) + "\n\n";
    let mut table = Table::new(&[
        ("SIZE", Align::Right),
        ("FASTER", Align::Left),
        ("OTHER ÷ ONE", Align::Right),
        ("BOUNDS", Align::Left),
        ("ROUNDS", Align::Right),
        ("FIXTURE", Align::Left),
    ])
    .may_go(&["FIXTURE", "ROUNDS", "BOUNDS"]);
    for point in &duel.points {
        let bounds = &point.speed_up;
        table.row([
            size(point.bytes),
            point.faster.clone().unwrap_or_else(|| "not decided".to_owned()),
            format!("{:.2}x", bounds.mid),
            format!("{:.2} to {:.2}", bounds.low, bounds.high),
            point.rounds.to_string(),
            point.fixture.clone(),
        ]);
    }
    text += &table.render(width);
    text.push('\n');
    text += &labelled("crossing", &answer(duel), width);
    text
}

/// What comes of it, as a sentence.
pub fn answer(duel: &Duel) -> String {
    let told: Vec<String> = duel.crossings.iter().map(crossing).collect();
    if !told.is_empty() {
        return told.join("; ");
    }
    let span = match (duel.points.first(), duel.points.last()) {
        (Some(first), Some(last)) if first.bytes < last.bytes => {
            format!("from {} to {}", size(first.bytes), size(last.bytes))
        }
        (Some(first), _) => format!("at {}, the only size that was measured", size(first.bytes)),
        _ => "at no size".to_owned(),
    };
    let decided = duel.points.iter().filter(|point| point.faster.is_some()).count();
    match duel.always() {
        Some(row) => format!("none {span}: {row} is faster at {decided} of {} sizes", duel.points.len()),
        None => format!("not decided {span}: more rounds would tell"),
    }
}

fn crossing(crossing: &Crossing) -> String {
    let Crossing { below, above, between, about } = crossing;
    format!(
        "about {}, certainly from {} to {}: {below} is faster below, {above} above",
        size(*about),
        size(between.0),
        size(between.1)
    )
}

/// A size that a reader can hold in mind: three digits, and a unit of 1024.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(value.fract() != 0.0 && value < 99.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crossing::Point;
    use crate::summary::Bounds;

    fn duel(points: &[(u64, f64, Option<&str>)], crossings: Vec<Crossing>) -> Duel {
        let point = |(bytes, mid, faster): &(u64, f64, Option<&str>)| Point {
            bytes: *bytes,
            fixture: "object".into(),
            rounds: 10,
            speed_up: Bounds { low: mid * 0.9, mid: *mid, high: mid * 1.1, confidence: 0.98 },
            faster: faster.map(str::to_owned),
        };
        Duel {
            workload: "erasure".into(),
            condition: "ext4, warm cache".into(),
            one: "memory".into(),
            other: "stream".into(),
            points: points.iter().map(point).collect(),
            crossings,
        }
    }

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 4096, 1000, 1 << 20, 3 << 19, 1 << 30, 123_456_789].map(size);
        assert_eq!(sizes, ["0 B", "4 KiB", "1.0 KiB", "1 MiB", "1.5 MiB", "1 GiB", "118 MiB"]);
    }

    #[test]
    fn the_sentence_tells_what_was_found() {
        let cross = Crossing { below: "memory".into(), above: "stream".into(), between: (4096, 1 << 20), about: 65536 };
        let found = duel(&[(4096, 0.5, Some("memory")), (1 << 20, 2.0, Some("stream"))], vec![cross]);
        let text = render(&found, 100);
        assert!(text.contains("about 64 KiB, certainly from 4 KiB to 1 MiB: memory is faster below"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100));
        let always = duel(&[(1, 0.5, Some("memory")), (9, 1.0, None)], Vec::new());
        assert_eq!(answer(&always), "none from 1 B to 9 B: memory is faster at 1 of 2 sizes");
        assert!(answer(&duel(&[(1, 1.0, None)], Vec::new())).starts_with("not decided at 1 B"));
    }
}
