//! The schemas in `reports/schemas/` are those of the types. `BLESS=1 cargo test -p reports --test schemas` writes them
//! anew. That what the program writes is as they say is tested with another's validator, by `harness/tests/browser.rs`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use reports::schema;
use serde_json::Value;
use std::path::Path;

#[test]
fn schemas_are_those_of_the_types() {
    for (name, schema) in schema::all() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text == committed, "{}: BLESS=1 writes it anew", path.display());
    }
}

#[test]
fn every_field_says_what_it_is() {
    for (name, schema) in schema::all() {
        assert!(schema["properties"]["schema"]["const"].as_str().unwrap().starts_with("assay."), "{name}");
        let mut bare = Vec::new();
        undescribed(&schema, "", &mut bare);
        assert!(bare.is_empty(), "{name}: {bare:?}");
    }
}

/// The properties, anywhere below, that neither say what they are nor point to a type that does.
fn undescribed(schema: &Value, path: &str, bare: &mut Vec<String>) {
    let fields = schema.get("properties").and_then(Value::as_object);
    for (field, of) in fields.into_iter().flatten() {
        if of.get("description").is_none() && of.get("$ref").is_none() {
            bare.push(format!("{path}/{field}"));
        }
    }
    match schema {
        Value::Object(all) => all.iter().for_each(|(key, one)| undescribed(one, &format!("{path}/{key}"), bare)),
        Value::Array(all) => all.iter().for_each(|one| undescribed(one, path, bare)),
        _ => {}
    }
}
