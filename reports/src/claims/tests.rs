use super::*;
use std::path::Path;

const HEAD: &str = "source = \"x.md\"\ntitle = \"X\"\nwhat = \"X.\"\n";
const GOOD: &str = r#"
    [[claim]]
    id = "x-01"
    line = 2
    quote = "5x faster"
    says = "It is faster."
    kind = "local"
    claimed = { low = 5, high = 8, unit = "times as fast" }
    [claim.part]
    workload = "codecs"
    baseline = "gzip"
    row = "zstd"
    fixture = "tiny"
    [[claim.inside]]
    fault = "sum"
    note = "It does not add up."
    op = "sum"
    of = [1, 2]
    is = 3
    said = 4
"#;

fn one(claims: &str) -> Result<Ledger, String> {
    load(&[("x.toml", &format!("{HEAD}{claims}"))]).map(|mut ledgers| ledgers.remove(0))
}

#[test]
fn all_that_ship_are_read() {
    let ledgers = load_all().unwrap();
    assert_eq!(ledgers.len(), SHIPPED.len());
    for (ledger, (file, _)) in ledgers.iter().zip(SHIPPED) {
        assert_eq!(ledger.source.strip_suffix(".md"), file.strip_suffix(".toml"));
        assert!(ledger.claims.is_sorted_by_key(|claim| claim.line), "{file}: claims stand in the order of lines");
        let first = ledger.claims[0].id.rsplit_once('-').unwrap().0;
        assert!(ledger.claims.iter().all(|claim| claim.id.starts_with(first)), "{file}: ids begin alike");
    }
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("claims");
    let mut from_dir = load_dir(&dir).unwrap();
    from_dir.sort_by_key(|ledger| ledgers.iter().position(|shipped| shipped.source == ledger.source));
    assert_eq!(from_dir, ledgers, "a ledger lies in claims/ that does not ship");
}

#[test]
fn what_the_documents_get_wrong_is_there() {
    let ledgers = load_all().unwrap();
    let claims = || ledgers.iter().flat_map(|ledger| &ledger.claims);
    let said = |fault, is: f64, said: f64| {
        let mut inside = claims().flat_map(|claim| &claim.inside).filter(|inside| inside.fault == Some(fault));
        inside.any(|inside| inside.is == Some(is) && inside.said == Some(said))
    };
    assert!(said(Fault::Sum, 182.0, 185.0), "a total that its rows do not reach");
    assert!(said(Fault::Sum, 28.0, 24.0), "a record of 24 bytes that has 28");
    assert!(said(Fault::ShareAfter, 0.78895, 0.418), "a share after the change");
    assert!(said(Fault::ProductOfGuesses, 108_000.0, 108_000.0), "a ladder of guesses");
    assert!(said(Fault::DriftedReference, 1.1558, 1.0), "a reference that moved");
    assert!(claims().any(|claim| claim.repeats.is_some()) && claims().any(|claim| !claim.is_built()));
}

#[test]
fn a_repeated_claim_has_the_number_of_the_first() {
    let again = "[[claim]]\nid = \"x-02\"\nline = 9\nquote = \"5x\"\nsays = \"The same.\"\nrepeats = \"x-01\"\n";
    let ledger = one(&format!("{GOOD}{again}")).unwrap();
    let [first, second] = &ledger.claims[..] else { panic!("two claims") };
    assert_eq!((second.kind, &second.claimed, &second.part), (Kind::Local, &first.claimed, &first.part));
    assert_eq!((second.line, first.contradicts_itself(), second.contradicts_itself()), (9, true, false));
    let third = again.replace("x-02", "x-03").replace("\"x-01\"", "\"x-02\"");
    let error = one(&format!("{GOOD}{again}{third}")).unwrap_err();
    assert!(error.contains("x.toml, x-03: it repeats x-02, which itself repeats another"), "{error}");
    let error = one(&again.replace("\"x-01\"", "\"x-07\"")).unwrap_err();
    assert!(error.contains("x.toml, x-02: it repeats x-07, which is nowhere"), "{error}");
}

#[test]
fn what_is_wrong_is_told_with_its_file_and_claim() {
    assert!(one(GOOD).is_ok());
    for (from, to, told) in [
        ("says", "sais", "unknown field `sais`"),
        ("line = 2", "", "missing field `line`"),
        ("line = 2", "line = 0", "counted from 1"),
        ("\"5x faster\"", "\" \"", "words of one line"),
        ("faster.\"", "faster\"", "full stop"),
        ("\"local\"", "\"loca\"", "unknown variant `loca`"),
        ("kind = \"local\"", "", "it needs `kind`"),
        ("\"local\"", "\"whole\"", "needs a `job`"),
        ("\"local\"", "\"share\"", "nothing of that kind is counted in times as fast"),
        ("\"local\"", "\"unmeasurable\"", "says `why`"),
        ("kind", "why = \"Because.\"\nkind", "only what is unmeasurable"),
        ("kind", "repeats = \"x-09\"\nkind", "says only that one's number again"),
        ("low = 5, high = 8, ", "", "`low`, `high` or both"),
        ("low = 5", "low = 9", "`low` is above `high`"),
        ("low = 5", "low = -5", "not below 0"),
        ("times as fast", "times as quick", "unknown variant `times as quick`"),
        ("low = 5, high = 8, unit = \"times as fast\"", "low = 2, unit = \"share less\"", "between 0 and 1"),
        ("times as fast", "files a second", "it has no `baseline`"),
        ("[claim.part]", "[claim.job]", "job: it is about a part of the run"),
        ("baseline = \"gzip\"", "", "part: two rows are compared"),
        ("baseline = \"gzip\"", "baseline = \"zstd\"", "held against itself"),
        ("row = \"zstd\"", "row = \"zstd\"\nmetric = \"calls\"", "has a `metric`"),
        ("row = \"zstd\"", "row = \"zstd\"\nthan = [\"hash\"]", "needs `than`"),
        ("is = 3", "is = 4", "it comes out as 3, and not as 4"),
        ("said = 4", "said = 3", "no fault"),
        ("fault = \"sum\"", "", "name the `fault`"),
        ("op = \"sum\"", "op = \"ceiling\"", "not what `op` needs"),
        ("op = \"sum\"", "", "a `fault` and its `lines`"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let error = one(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(error.starts_with("x.toml, x-01: ") && error.contains(told), "{from} -> {to}: {error}");
    }
    assert!(one(&format!("{GOOD}{GOOD}")).unwrap_err().contains("another claim has that id"));
    let text = format!("{HEAD}{GOOD}");
    let error = load(&[("x.toml", &text), ("y.toml", &text.replace("x-01", "y-01"))]).unwrap_err();
    assert!(error.contains("y.toml: another ledger has the source x.md"), "{error}");
}

#[test]
fn words_that_do_not_stand_there_are_found() {
    let ledger = one(GOOD).unwrap();
    assert!(misquoted(&ledger, "Title\nIt is 5x faster now\n").is_empty());
    for text in ["It is 5x faster now\nTitle", "Title\nIt is 6x faster now", "Title"] {
        assert_eq!(misquoted(&ledger, text).len(), 1, "{text}");
    }
}

#[test]
fn numbers_read_as_sentences() {
    let claimed = |low, high, unit| Claimed { low, high, unit, about: false };
    let rough = Claimed { about: true, ..claimed(Some(1.5), Some(1.5), Unit::TimesAsFast) };
    assert_eq!(rough.to_string(), "about 1.5 times as fast");
    assert_eq!(claimed(Some(5.0), Some(8.0), Unit::TimesAsFast).to_string(), "5 to 8 times as fast");
    assert_eq!(claimed(Some(30_000.0), None, Unit::FilesASecond).to_string(), "more than 30,000 files a second");
    assert_eq!(claimed(None, Some(1e9), Unit::Bytes).to_string(), "at most 1,000,000,000 bytes");
    assert_eq!(claimed(Some(0.0002), Some(0.0002), Unit::CallsAFile).to_string(), "0.0002 calls a file");
    assert_eq!(claimed(None, Some(0.5), Unit::Share).to_string(), "at most 50 %");
    assert_eq!(claimed(Some(0.4), Some(0.6), Unit::ShareLess).to_string(), "40 to 60 % less");
    assert_eq!(claimed(Some(0.418), Some(0.418), Unit::Share).to_string(), "41.8 %");
    assert_eq!(grouped(108.25), "108.25");
}

#[test]
fn shares_and_factors_are_each_others_inverse() {
    for share in [0.05, 0.42, 0.79] {
        let whole = Op::Amdahl.of(&[share, 5.0]).unwrap();
        assert!((Op::ImpliedShare.of(&[whole, 5.0]).unwrap() - share).abs() < 1e-12);
        assert!(whole < Op::Ceiling.of(&[share]).unwrap());
    }
    assert_eq!(Op::Ceiling.of(&[1.0]), None);
    assert_eq!(Op::Quotient.of(&[1.0, 0.0]), None);
    assert_eq!(Op::Sum.of(&[]), None);
    assert_eq!(Op::Difference.of(&[8.0, 7.0]), Some(1.0));
    assert_eq!(Op::Product.of(&[5000.0, 5.0]), Some(25_000.0));
}
