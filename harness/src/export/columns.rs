//! Every sample of many runs as columns, in the Parquet format: questions over a directory of runs are then SQL.

use anyhow::{Context, Result};
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use reports::fleet::machine::Machine;
use reports::record::{Counts, Plan, Run, Sample};
use std::fs::File;
use std::sync::Arc;

/// A sample, and what it is of.
struct Row<'a> {
    run: &'a Run,
    machine: &'a Machine,
    plan: &'a Plan,
    sample: &'a Sample,
}

impl Row<'_> {
    fn counted(&self, of: impl Fn(&Counts) -> Option<u64>) -> Option<i64> {
        self.sample.reading.counts.as_ref().and_then(|counts| of(counts)).map(whole)
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// How a column is read off a sample. What is not there is null, and not nought.
enum Column {
    Text(fn(&Row) -> Option<String>),
    Number(fn(&Row) -> Option<i64>),
    Flag(fn(&Row) -> bool),
}

use Column::{Flag, Number, Text};

const COLUMNS: [(&str, Column); 29] = [
    ("run", Text(|row| Some(row.run.header.id.clone()))),
    ("started", Text(|row| Some(row.run.header.started.clone()))),
    ("commit", Text(|row| row.run.header.machine.get("commit").cloned())),
    ("machine", Text(|row| Some(row.machine.name.clone()))),
    ("faked", Flag(|row| row.machine.faked().is_some())),
    ("cpu", Text(|row| row.machine.fields.get("cpu").cloned())),
    ("cpus", Number(|row| row.machine.field("cpus").parse().ok())),
    ("kernel", Text(|row| row.machine.fields.get("kernel").cloned())),
    ("plan_digest", Text(|row| row.run.header.shard.as_ref().map(|shard| shard.plan.clone()))),
    ("shard", Number(|row| row.run.header.shard.as_ref().map(|shard| shard.number.into()))),
    ("workload", Text(|row| Some(row.plan.workload.clone()))),
    ("fixture", Text(|row| Some(row.plan.fixture.name.clone()))),
    ("files", Number(|row| Some(whole(row.plan.fixture.files)))),
    ("filesystem", Text(|row| Some(row.plan.condition.filesystem.clone()))),
    ("cache", Text(|row| Some(row.plan.condition.cache.clone()))),
    ("variant", Text(|row| Some(row.sample.variant.clone()))),
    ("baseline", Flag(|row| row.plan.variants.first().is_some_and(|first| first.name == row.sample.variant))),
    ("pass", Text(|row| Some(row.sample.pass.clone()))),
    ("round", Number(|row| Some(row.sample.round.into()))),
    ("place", Number(|row| Some(row.sample.position.into()))),
    ("wall_ns", Number(|row| Some(whole(row.sample.reading.wall_ns)))),
    ("user_ns", Number(|row| Some(whole(row.sample.reading.user_ns)))),
    ("system_ns", Number(|row| Some(whole(row.sample.reading.system_ns)))),
    ("workers", Number(|row| i64::try_from(row.sample.reading.workers).ok())),
    ("calls", Number(|row| row.counted(|counts| Some(counts.calls.present()?.total())))),
    ("allocations", Number(|row| row.counted(|counts| counts.number("allocations")))),
    ("bytes_read", Number(|row| row.counted(|counts| counts.number("bytes_read")))),
    ("bytes_written", Number(|row| row.counted(|counts| counts.number("bytes_written")))),
    ("outcome", Text(|row| Some(row.sample.outcome.clone()))),
];

/// Writes every sample of these runs, a group of rows for each run; says how many there are.
pub(super) fn write(runs: &[Run], file: File) -> Result<usize> {
    let each = COLUMNS.iter().map(|(name, column)| match column {
        Text(_) => format!("optional binary {name} (STRING);"),
        Number(_) => format!("optional int64 {name};"),
        Flag(_) => format!("required boolean {name};"),
    });
    let schema = format!("message samples {{ {} }}", each.collect::<Vec<_>>().join(" "));
    let schema = Arc::new(parse_message_type(&schema).context("the columns are named in Parquet's own words")?);
    let properties = WriterProperties::builder()
        .set_created_by(concat!("assay ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::UNCOMPRESSED)
        .build();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
    let mut samples = 0;
    for run in runs {
        let machine = Machine::of(&run.header);
        let plan = |sample: &Sample| &run.header.plan[sample.plan];
        let rows: Vec<Row> =
            run.samples.iter().map(|sample| Row { run, machine: &machine, plan: plan(sample), sample }).collect();
        samples += rows.len();
        let mut group = writer.next_row_group()?;
        for (_, column) in &COLUMNS {
            match column {
                Text(of) => {
                    let values = rows.iter().map(|row| of(row).map(|text| ByteArray::from(text.into_bytes())));
                    put::<ByteArrayType>(&mut group, values)?;
                }
                Number(of) => put::<Int64Type>(&mut group, rows.iter().map(of))?,
                Flag(of) => {
                    let values: Vec<bool> = rows.iter().map(of).collect();
                    let mut column = group.next_column()?.context("there is a column for each field")?;
                    column.typed::<BoolType>().write_batch(&values, None, None)?;
                    column.close()?;
                }
            }
        }
        group.close()?;
    }
    writer.into_inner()?.sync_all()?;
    Ok(samples)
}

fn put<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<()> {
    let values: Vec<Option<T::T>> = values.collect();
    let present: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    let mut column = group.next_column()?.context("there is a column for each field")?;
    column.typed::<T>().write_batch(&values, Some(&present), None)?;
    column.close()?;
    Ok(())
}
