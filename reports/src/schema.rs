//! JSON schemas of what others read: `run.json`, `review.json`, plans and `machines.json`. They are made of the types
//! themselves, and lie in `reports/schemas/` for whoever has no compiler; a test holds the one against the other.

use crate::document::{self, Document};
use crate::fleet::everywhere::{self, Everywhere};
use crate::fleet::plan::{self, Plan};
use crate::review::{self, Review};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// Every schema: the name of its file, and what is in it.
pub fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("run.schema.json", of::<Document>(document::SCHEMA)),
        ("review.schema.json", of::<Review>(review::SCHEMA)),
        ("plan.schema.json", of::<Plan>(plan::SCHEMA)),
        ("machines.schema.json", of::<Everywhere>(everywhere::SCHEMA)),
    ]
}

/// The schema of documents that say to be of that version, as they are written.
fn of<T: JsonSchema>(version: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema: Schema = settings.into_generator().into_root_schema_for::<T>();
    if let Some(field) = schema.pointer_mut("/properties/schema").and_then(Value::as_object_mut) {
        field.insert("const".to_owned(), version.into());
    }
    schema.to_value()
}
