//! Pages, byte by byte, and what no page may do. `BLESS=1 cargo test -p reports --test page` writes the golden files
//! anew: read the diff. What only a browser can see is tested by `harness/tests/browser.rs`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod sample;

use reports::claims;
use reports::page::{self, Making, index, sha256, slides, summary};
use reports::record::Run;
use reports::review::{self, Folded, RawFile, Review, Stacks};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn review_of(run: &Run) -> Review {
    let (before, now) = sample::stacks();
    let folded = |row: &str, text: String| Folded { row: row.into(), text, runs: 1.0 };
    let stacks = Stacks { before: folded("gzip", before), now: folded("zstd", now), kind: "kernel".into() };
    review::of(run, 0, &[], &claims::load_all().unwrap(), Some(&stacks))
}

fn making(review: &Review) -> Making {
    let json = serde_json::to_string(review).unwrap();
    Making {
        command: "assay report RUN --out review".into(),
        review: RawFile {
            path: "data/restore.review.json".into(),
            what: "every number of a page".into(),
            bytes: json.len() as u64,
            sha256: sha256(json.as_bytes()),
        },
        index: Some("index.html".into()),
    }
}

fn page_of(run: &Run) -> String {
    let review = review_of(run);
    page::page(&review, &making(&review))
}

/// One element a line, so that a diff of a golden file can be read.
fn lines(page: &str) -> String {
    page.replace("><", ">\n<")
}

#[test]
fn pages_are_byte_for_byte_what_they_were() {
    for name in ["ordinary", "broken"] {
        let (_, run) = sample::all().into_iter().find(|(other, _)| *other == name).unwrap();
        let text = lines(&page_of(&run));
        // Style and script have files of their own.
        let style = text.find("<style>").unwrap()..text.find("</style>").unwrap();
        let text = text.replace(&text[style], "<style>");
        let script = text.rfind("<script>").unwrap()..text.rfind("</script>").unwrap();
        let text = text.replace(&text[script], "<script>");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/page-{name}.html"));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        let differs = text.lines().zip(golden.lines()).position(|(a, b)| a != b);
        assert!(
            text == golden,
            "{}:{}: BLESS=1 writes it anew\n{:?}",
            path.display(),
            differs.map_or(0, |line| line + 1),
            differs.and_then(|line| text.lines().nth(line))
        );
    }
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    for (name, run) in sample::all() {
        assert_eq!(page_of(&run), page_of(&run), "{name}");
        let review = review_of(&run);
        assert_eq!(slides::svgs(&review), slides::svgs(&review), "{name}");
    }
    let review = review_of(&sample::ordinary());
    assert_eq!(slides::pngs(&review), slides::pngs(&review));
}

#[test]
fn a_page_is_one_small_file_that_asks_for_nothing() {
    for (name, run) in sample::all() {
        let page = page_of(&run);
        assert!(page.len() <= 500_000, "{name}: {} bytes", page.len());
        for (attribute, from) in ["href=\"", "src=\"", "action=\""]
            .iter()
            .flat_map(|word| page.match_indices(word))
            .map(|(at, word)| (word, at))
        {
            let value = page[from + attribute.len()..].split('"').next().unwrap();
            let is_own =
                value.starts_with('#') || value == "data:," || value == "index.html" || value.starts_with("data/");
            assert!(is_own, "{name}: {value}");
        }
        assert!(
            !page.contains(" style=\"") && !page.contains(" onload=\"") && !page.contains("<script>alert"),
            "{name}"
        );
        assert!(!page.contains("NaN") && !page.contains("inf×"), "{name}");
        assert_eq!(page.matches("<script>").count(), 1, "{name}");
    }
}

#[test]
fn two_identical_rows_are_never_called_faster() {
    let wrong = (0..100)
        .filter(|seed| {
            let review = review_of(&sample::twice_the_same(*seed));
            let again = review.summary.rows.iter().find(|row| row.name == "again").unwrap();
            matches!(again.verdict, Some("faster" | "slower"))
        })
        .count();
    assert!(wrong <= 1, "{wrong} of 100");
}

#[test]
fn time_without_a_name_is_told_first() {
    let review = review_of(&sample::remainder());
    let page = page::page(&review, &making(&review));
    let first = &page[..page.find("id=\"faster\"").unwrap()];
    assert!(first.contains("has no name"), "{}", review.answer.trust.line);
    assert!(page.contains("url(#hatch)"));
}

/// Every number that stands in prose is in the review: as a number to its printed digits, in one of its sentences, or
/// as how many of a kind it has.
#[test]
fn no_number_in_prose_is_from_nowhere() {
    for (name, run) in sample::all().into_iter().filter(|(name, _)| *name != "hostile") {
        let review = review_of(&run);
        let value = serde_json::to_value(&review).unwrap();
        let mut known = Known::default();
        known.take(&value);
        let page = page::page(&review, &making(&review));
        let document = page.replace('\u{202f}', " ");
        for class in ["<h1 ", "<p class=\"lede\"", "<p class=\"ans\"", "<a class=\"card\""] {
            for (at, _) in document.match_indices(class) {
                let end = if class.starts_with("<h1") {
                    "</h1>"
                } else if class.starts_with("<a") {
                    "</a>"
                } else {
                    "</p>"
                };
                let text = words(&document[at..at + document[at..].find(end).unwrap()]);
                for number in numbers(&text) {
                    assert!(known.has(&number), "{name}: {number} in {text:?}");
                }
            }
        }
    }
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
                // Names beyond those that are listed are counted.
                self.words.extend((0..all.len()).filter(|_| all.len() > 3).map(|count| count.to_string()));
            }
            Value::Object(fields) => {
                for one in fields.values() {
                    self.take(one);
                }
            }
            _ => {}
        }
    }

    fn has(&self, number: &str) -> bool {
        let plain = number.replace(',', "");
        let places = plain.split_once('.').map_or(0, |(_, rest)| rest.len());
        let printed = |value: f64| {
            format!("{value:.places$}") == plain || format!("{:.places$}", (value * 100.0 + 1e-9).floor()) == plain
        };
        self.words.contains(number) || self.numbers.iter().any(|value| printed(*value) || printed(*value * 100.0))
    }
}

/// The text of a piece of a page.
fn words(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for letter in html.chars() {
        match letter {
            '<' => inside = true,
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

#[test]
fn names_are_shown_as_text_in_every_output() {
    let review = review_of(&sample::hostile());
    let text = summary::summary(std::slice::from_ref(&review));
    assert!(!text.contains("<script") && !text.contains("<b>"), "{text}");
    assert!(
        text.lines()
            .filter(|line| line.starts_with("| "))
            .all(|line| line.replace("\\|", "").matches('|').count() == 6)
    );
    for (name, svg) in slides::svgs(&review) {
        assert!(roxmltree::Document::parse(&svg).is_ok(), "{name}");
        assert!(!svg.contains("<script"));
    }
    let entry = index::Entry { review: &review, page: "a.html", beside: &[] };
    let overview = review::overview(std::slice::from_ref(&review), &review.claims, &claims::load_all().unwrap());
    let page = index::index(&[entry], &overview, &[], "assay report");
    assert!(!page.contains("<script>alert"));
}

#[test]
fn slides_are_pictures_that_others_can_read() {
    let review = review_of(&sample::ordinary());
    let svgs = slides::svgs(&review);
    let names: Vec<&str> = svgs.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.starts_with(&["faster", "where", "ladder", "scaling-1"]), "{names:?}");
    for (name, svg) in &svgs {
        let document = roxmltree::Document::parse(svg).unwrap();
        let text: String = document.descendants().filter_map(|node| node.text()).collect();
        assert!(text.contains("restore"), "{name}");
    }
    for (name, png) in slides::pngs(&review) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(info.width, 1280, "{name}");
        let drawn = pixels.chunks(3).filter(|pixel| *pixel != [255, 255, 255]).count();
        assert!(drawn > 2000, "{name}: {drawn} pixels");
    }
}
