//! Every row of every workload, through the program itself, comes to the same outcome; what is absent says why.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, gone, text};

#[test]
fn every_row_of_every_workload_comes_out_right() {
    let home = Home::new();
    let scratch = home.scratch();
    let (code, document) = home.json(&["run", "--on", "tiny", "--rounds", "1", "--scratch", &scratch, "--no-progress"]);
    assert_eq!(code, 0, "{document:#}");
    assert!(gone(&scratch), "the scratch place stays empty of us");
    for workload in harness::catalogue::WORKLOADS {
        let found = document["workloads"].as_array().unwrap().iter().find(|one| one["workload"] == workload.name);
        let summary = found.unwrap_or_else(|| panic!("{} was not run", workload.name));
        // Rows that stand aside are held by the tests of their own crate.
        for variant in workload.variants.iter().filter(|variant| !variant.aside) {
            if variant.stub.is_some() {
                let ceilings = summary["ceilings"].as_array().unwrap();
                assert!(ceilings.iter().any(|one| one["stub"] == variant.name), "{}/{}", workload.name, variant.name);
                continue;
            }
            let row = summary["rows"].as_array().unwrap().iter().find(|row| row["name"] == variant.name);
            let Some(row) = row else {
                let without = summary["without"].as_array().unwrap();
                let why = without.iter().find(|one| one["name"] == variant.name).expect("a row or a reason");
                technique::absent::skip(variant.name, why["why"].as_str().unwrap());
                continue;
            };
            let named = row["named"].as_f64().unwrap();
            assert!(named > 0.5 && named <= 1.0, "{}/{}: {named}", workload.name, variant.name);
            let phases = row["phases"].as_array().unwrap();
            let sum: f64 = phases.iter().map(|phase| phase[1].as_f64().unwrap()).sum();
            let whole = row["us_per_file"]["mid"].as_f64().unwrap();
            assert!((sum / whole - 1.0).abs() < 0.01, "{}/{}: {sum} of {whole}", workload.name, variant.name);
        }
    }
    let shown = text(&home.run(&["show"]).stdout);
    assert!(shown.contains("where the time goes"), "{shown}");
}
