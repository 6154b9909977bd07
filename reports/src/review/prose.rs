//! No number in prose that is not in the data: every sentence of the answer and of the claims, over many made-up runs.

use super::made_up::Made;
use super::words::{percent, times, us};
use super::{Numbers, Review};
use crate::claims::load_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Every way in which a number of the data may stand in a sentence.
fn known(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap();
            let shares = [number, 1.0 - number].map(|share| percent(share).replace(" %", ""));
            into.extend([
                times(number),
                us(number),
                number.to_string(),
                format!("{number:.3}"),
                format!("{number:.1}"),
            ]);
            into.extend([1usize, 2].map(|places| format!("{:.places$}", number.abs() * 100.0)));
            into.extend([0usize, 2].map(|places| format!("{number:.places$}")));
            into.extend([format!("{:.0}", number * 100.0), format!("{:.0}", (number * 100.0).floor())]);
            into.extend([format!("{:.0}", (number * 100.0).ceil()), format!("{:.0}", number.round())]);
            into.extend(shares);
            into.insert(crate::claims::grouped((number * 1000.0).round() / 10.0));
            into.insert(crate::claims::grouped(number));
            into.insert(crate::claims::grouped(number.round()));
            into.insert(format!("{number:.4}"));
        }
        Value::Array(all) => all.iter().for_each(|one| known(one, into)),
        Value::Object(fields) => fields.values().for_each(|one| known(one, into)),
        _ => {}
    }
}

/// The numbers of a sentence, names of rows and runs left out.
fn numbers(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| letter.is_whitespace() || "():;/".contains(letter));
    let bare = words.map(|word| word.trim_matches(|letter: char| ".,?!\"+-".contains(letter)));
    bare.filter(|word| word.starts_with(|letter: char| letter.is_ascii_digit()))
        .filter(|word| word.chars().all(|letter| letter.is_ascii_digit() || ".,".contains(letter)))
        .map(str::to_owned)
        .collect()
}

fn holds(review: &Review, name: &str) {
    let mut data = BTreeSet::new();
    known(&serde_json::to_value(review).unwrap(), &mut data);
    let answer = &review.answer;
    let mut sentences = vec![&answer.sentence, &answer.why, &answer.fastest.line, &answer.next.line];
    sentences.extend(review.claims.iter().filter(|one| one.measured.is_some()).map(|one| &one.told));
    sentences.extend(review.claims.iter().filter_map(|one| one.differ.as_ref()));
    let mut checked = 0;
    for sentence in sentences {
        for number in numbers(sentence) {
            // How sure bounds are, and how many phases a list leaves out.
            let is_told = ["95", "100"].contains(&number.as_str()) || sentence.contains(&format!("and {number} more"));
            assert!(is_told || data.contains(&number), "{name}: {number} of {sentence:?} is in no data");
            checked += 1;
        }
    }
    assert!(checked > 10, "{name}: {checked} numbers");
    beside(review, name);
}

/// What is not in the tables stands beside its own sentence, number by number.
fn beside(review: &Review, name: &str) {
    let held = |told: &str, numbers_beside: &[&Numbers]| {
        let mut data = BTreeSet::new();
        for one in numbers_beside {
            known(&json!(one), &mut data);
        }
        for number in numbers(told) {
            assert!(data.contains(&number), "{name}: {number} of {told:?} is not beside it");
        }
        numbers(told).len()
    };
    let mut count: usize = review.trust.iter().map(|check| held(&check.told, &[&check.numbers])).sum();
    let claims = &review.answer.claims;
    count += held(&claims.value, &[&claims.numbers]) + held(&claims.line, &[&claims.numbers]);
    count += held(&review.answer.trust.value, &[&review.answer.trust.numbers]);
    for one in &review.scaling {
        count += held(one.why_not.as_deref().unwrap_or_default(), &[&one.numbers]);
    }
    assert!(count > 8, "{name}: {count} numbers");
}

#[test]
fn every_number_of_a_sentence_is_in_the_data() {
    let ledgers = load_all().unwrap();
    let part = || {
        Made::rows(&[("gzip-6", &[("decode", 371.3)]), ("zstd-3", &[("decode", 71.9)])])
            .on("codecs", "python-small", "part")
            .noise(0.01, 2)
            .run()
    };
    for seed in 1..20 {
        let wobble = f64::from(u32::try_from(seed).unwrap());
        let run = Made::rows(&[("gzip", &[("decode", 17.3 + wobble), ("write", 43.7), ("open", 5.1), ("rest", 3.3)])])
            .row("zstd", &[("decode", 4.9), ("write", 41.7), ("open", 5.3), ("rest", 2.9)])
            .row("only-8-workers", &[("decode", 3.9), ("write", 20.7), ("open", 1.3), ("rest", 2.9)])
            .ladder(&["gzip", "zstd"])
            .promises("gzip", &["atomic"])
            .promises("only-8-workers", &["atomic"])
            .counted("gzip", &[("openat", 207), ("write", 551)], &[("bytes_written", 45_636_388)])
            .noise(0.02, seed)
            .run();
        let review = super::of(&run, 0, &[part()], &ledgers, None);
        assert!(review.claims.iter().filter(|one| one.measured.is_some()).count() > 20);
        holds(&review, &format!("seed {seed}"));
    }
}

#[test]
fn a_number_from_nowhere_is_found() {
    let mut data = BTreeSet::new();
    known(&serde_json::json!({"a": [0.4181, {"b": 11.137}]}), &mut data);
    for (text, is_there) in
        [("42 % of it", true), ("41.8 %", true), ("11.1 µs", true), ("11.14", true), ("12.1 µs", false)]
    {
        assert_eq!(numbers(text).iter().all(|number| data.contains(number)), is_there, "{text}");
    }
}
