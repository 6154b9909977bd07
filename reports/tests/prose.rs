//! No number of a page's sentences is from nowhere: each stands in the review as data, or in the words of others.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod sample;

use reports::page;
use sample::pages::{making, review_of};
use serde_json::Value;
use std::collections::BTreeSet;

/// Every number of every sentence of a page is in the review: as a number to its printed digits, in somebody else's
/// words, or as how many of a kind it has. What the review itself put into sentences is no evidence.
#[test]
fn no_number_in_prose_is_from_nowhere() {
    for (name, run) in sample::all().into_iter().filter(|(name, _)| *name != "hostile") {
        let review = review_of(&run);
        let mut known = Known::default();
        known.take(&without_prose(serde_json::to_value(&review).unwrap()));
        let making = making(&review);
        known.numbers.push(making.review.bytes as f64);
        let page = page::page(&review, &making);
        let sentences = sentences(&page.replace('\u{202f}', " "));
        assert!(sentences.len() > 30, "{name}: {}", sentences.len());
        for text in sentences {
            for number in numbers(&text) {
                assert!(known.has(&number) || is_of_the_page(&number, &text), "{name}: {number} in {text:?}");
            }
        }
    }
}

#[test]
fn a_number_from_nowhere_is_found() {
    let mut review = review_of(&sample::ordinary());
    let mut known = Known::default();
    known.take(&without_prose(serde_json::to_value(&review).unwrap()));
    review.trust[0].told = "It took 98,765 tries.".into();
    let page = page::page(&review, &making(&review));
    let told: Vec<String> = sentences(&page).iter().flat_map(|text| numbers(text)).collect();
    assert!(told.contains(&"98,765".to_owned()) && !known.has("98,765"));
}

/// The review without any sentence that it put together itself.
fn without_prose(mut review: Value) -> Value {
    let drop = |value: &mut Value, fields: &[&str]| {
        for field in fields {
            value.as_object_mut().unwrap().remove(*field).unwrap();
        }
    };
    for fact in ["fastest", "next", "claims", "trust"] {
        drop(&mut review["answer"][fact], &["value", "line"]);
    }
    drop(&mut review["answer"], &["sentence", "why"]);
    for (list, fields) in [("trust", &["told"][..]), ("claims", &["told", "why", "differ"]), ("scaling", &["why_not"])]
    {
        for one in review[list].as_array_mut().unwrap() {
            drop(one, fields);
        }
    }
    review
}

/// Everything on a page that is a sentence, or a part of one.
fn sentences(page: &str) -> Vec<String> {
    const TAGS: [&str; 9] = ["h1", "h2", "h3", "p", "li", "summary", "caption", "figcaption", "dd"];
    let body = &page[page.find("<main").unwrap()..page.find("</main>").unwrap()];
    let mut found = Vec::new();
    for tag in TAGS {
        for (at, _) in body.match_indices(&format!("<{tag}")) {
            let rest = &body[at..];
            if rest[tag.len() + 1..].starts_with(['>', ' ']) {
                found.push(words(&rest[..rest.find(&format!("</{tag}>")).unwrap()]));
            }
        }
    }
    let spans = ["<a class=\"card\"", "<span class=\"hint\"", "<td role=\"cell\" colspan"];
    for (start, end) in spans.into_iter().zip(["</a>", "</span>", "</tr>"]) {
        found.extend(body.match_indices(start).map(|(at, _)| words(&body[at..at + body[at..].find(end).unwrap()])));
    }
    found
}

/// Numbers that are the page's own: its rules, and how a claim's bounds are said to be sure.
fn is_of_the_page(number: &str, text: &str) -> bool {
    let rules = [
        ("95", "95 %"),
        ("95", "at least 95 of 100 cases"),
        ("100", "at least 95 of 100 cases"),
        ("2", "2× is half the time"),
        ("1", "1 over (1 − share"),
        ("1.005", "worth less than 1.005"),
    ];
    rules.iter().any(|(rule, words)| *rule == number && text.contains(words))
        || text.contains(&format!("and {number} more"))
}

#[derive(Default)]
struct Known {
    numbers: Vec<f64>,
    words: BTreeSet<String>,
}

impl Known {
    fn take(&mut self, value: &Value) {
        match value {
            Value::Number(number) => self.numbers.push(number.as_f64().unwrap()),
            Value::String(text) => self.words.extend(numbers(text)),
            Value::Array(all) => {
                self.numbers.push(all.len() as f64);
                for one in all {
                    self.take(one);
                }
            }
            Value::Object(fields) => fields.values().for_each(|one| self.take(one)),
            _ => {}
        }
    }

    fn has(&self, number: &str) -> bool {
        let plain = number.replace(',', "");
        let places = plain.split_once('.').map_or(0, |(_, rest)| rest.len());
        let is = |value: f64| format!("{value:.places$}") == plain;
        // As it is, in hundredths, what is left of a whole, and a sureness, which is rounded down.
        let printed = |value: f64| {
            let value = value.abs();
            [value, value * 100.0, (1.0 - value) * 100.0, (value * 100.0 + 1e-9).floor()].into_iter().any(is)
        };
        self.words.contains(number) || self.numbers.iter().any(|value| printed(*value))
    }
}

/// The text of a piece of a page.
fn words(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for letter in html.chars() {
        match letter {
            '<' => {
                inside = true;
                text.push(' ');
            }
            '>' => inside = false,
            _ if !inside => text.push(letter),
            _ => {}
        }
    }
    text
}

/// The numbers of a text; digits in a word are none.
fn numbers(text: &str) -> Vec<String> {
    let apart = |letter: char| !(letter.is_alphanumeric() || ".,-_".contains(letter));
    text.split(apart)
        .flat_map(|word| word.split('–'))
        .map(|word| word.trim_matches(['.', ',', '-', '_']).to_owned())
        .filter(|word| !word.is_empty() && word.chars().all(|letter| letter.is_ascii_digit() || ".,".contains(letter)))
        .collect()
}
