//! Parquet: records as columns, for `DuckDB` and whatever else reads tables. Names and paths are bytes, as the kernel
//! has them: no encoding is promised, so none is claimed.
//!
//! A worker gathers records row by row, as for every other format. When it has enough of them it turns them into a row
//! group in its own memory, and only the copy into the file is under a lock. So memory is bounded by the workers, and
//! what is counted by the file is its end: a few hundred bytes a column of each row group.

use crate::format::PATHED;
use crate::meta::Meta;
use crate::read_back::Line;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use parquet::basic::Compression;
use parquet::column::reader::get_typed_column_reader;
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::file::metadata::RowGroupMetaDataPtr;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};
use std::fs::File;
use std::sync::{Arc, Mutex};
use technique::Lap;
use technique::phase::{RECORD, WAIT, WRITE};

/// So many bytes of records become a row group: some 40,000 rows. A file may have 32,767 row groups.
pub(crate) const STAGED: usize = 4 << 20;

/// The columns. What has no mark is bytes, or signed.
const SCHEMA: &str = "message walk {
    required binary directory;
    required binary name;
    required int64 inode (INTEGER(64,false));
    required int64 size (INTEGER(64,false));
    required int64 mtime;
    required int32 mtime_ns;
    required int32 uid (INTEGER(32,false));
    required int32 gid (INTEGER(32,false));
    required int32 mode;
}";
/// Those whose values come again and again.
const REPEATED: [&str; 4] = ["directory", "uid", "gid", "mode"];
/// Those of which nobody asks for a smallest and a largest.
const UNORDERED: [&str; 2] = ["directory", "name"];

/// A file of columns that workers fill together.
pub(crate) struct Columns {
    schema: TypePtr,
    properties: WriterPropertiesPtr,
    file: Mutex<SerializedFileWriter<File>>,
}

impl Columns {
    /// Begins the file.
    pub(crate) fn begin(file: File) -> Result<Columns> {
        let schema = Arc::new(parse_message_type(SCHEMA).context("the columns are named in Parquet's own words")?);
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("assay ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::UNCOMPRESSED)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_dictionary_enabled(false);
        for column in REPEATED {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(column), true);
        }
        for column in UNORDERED {
            properties = properties.set_column_statistics_enabled(ColumnPath::from(column), EnabledStatistics::None);
        }
        let properties = Arc::new(properties.build());
        let file = Mutex::new(SerializedFileWriter::new(file, schema.clone(), properties.clone())?);
        Ok(Columns { schema, properties, file })
    }

    /// Appends records, as [`crate::Format::Pathed`] puts them, as one row group; empties the buffer.
    pub(crate) fn append(&self, records: &mut Vec<u8>, lap: &mut Lap) -> Result<()> {
        let staged = Bytes::from(std::mem::take(records));
        let (group, metadata) = self.row_group(&staged)?;
        // The memory comes back where nobody else holds it.
        *records = Vec::from(staged);
        records.clear();
        lap.mark(RECORD);
        let mut file = self.file.lock().expect("nobody panics while writing");
        lap.mark(WAIT);
        let mut into = file.next_row_group()?;
        for column in metadata.columns() {
            let close = ColumnCloseResult {
                bytes_written: u64::try_from(column.compressed_size())?,
                rows_written: u64::try_from(metadata.num_rows())?,
                metadata: column.clone(),
                bloom_filter: None,
                column_index: None,
                offset_index: None,
            };
            into.append_column(&group, close)?;
        }
        into.close()?;
        lap.mark(WRITE);
        Ok(())
    }

    /// One row group in memory, as a file of its own: where its columns lie in it, its metadata say.
    fn row_group(&self, staged: &Bytes) -> Result<(Bytes, RowGroupMetaDataPtr)> {
        let rows = Rows::of(staged)?;
        let memory = Vec::with_capacity(staged.len());
        let mut file = SerializedFileWriter::new(memory, self.schema.clone(), self.properties.clone())?;
        let mut group = file.next_row_group()?;
        put::<ByteArrayType>(&mut group, rows.each(|row| row.path(directory)))?;
        put::<ByteArrayType>(&mut group, rows.each(|row| row.path(name_of)))?;
        put::<Int64Type>(&mut group, rows.each(|row| row.i64(0)))?;
        put::<Int64Type>(&mut group, rows.each(|row| row.i64(8)))?;
        put::<Int64Type>(&mut group, rows.each(|row| row.i64(16)))?;
        for at in [24, 28, 32, 36] {
            put::<Int32Type>(&mut group, rows.each(|row| row.i32(at)))?;
        }
        let metadata = group.close()?;
        Ok((Bytes::from(file.into_inner()?), metadata))
    }

    /// Writes the file's end, without which it is none.
    pub(crate) fn finish(self) -> Result<File> {
        Ok(self.file.into_inner().expect("nobody panics while writing").into_inner()?)
    }
}

fn put<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: impl Iterator<Item = T::T>,
) -> Result<()> {
    let values: Vec<T::T> = values.collect();
    let mut column = group.next_column()?.context("there is a column for each field")?;
    column.typed::<T>().write_batch(&values, None, None)?;
    column.close()?;
    Ok(())
}

/// Records one behind the other, and where each begins.
struct Rows<'a> {
    staged: &'a Bytes,
    begins: Vec<usize>,
}

/// One of them.
struct Row<'a> {
    staged: &'a Bytes,
    at: usize,
}

impl<'a> Rows<'a> {
    fn of(staged: &'a Bytes) -> Result<Rows<'a>> {
        let mut begins = Vec::new();
        let mut at = 0;
        while at < staged.len() {
            begins.push(at);
            at = Row { staged, at }.end();
        }
        ensure!(at == staged.len(), "the last record is cut short");
        Ok(Rows { staged, begins })
    }

    fn each<T>(&self, of: impl Fn(Row<'a>) -> T) -> impl Iterator<Item = T> {
        self.begins.iter().map(move |at| of(Row { staged: self.staged, at: *at }))
    }
}

impl Row<'_> {
    fn array<const N: usize>(&self, from: usize) -> [u8; N] {
        self.staged[self.at + from..self.at + from + N].try_into().expect("it is as long as asked")
    }

    fn i64(&self, from: usize) -> i64 {
        i64::from_le_bytes(self.array(from))
    }

    fn i32(&self, from: usize) -> i32 {
        i32::from_le_bytes(self.array(from))
    }

    fn end(&self) -> usize {
        self.at + PATHED + u32::from_le_bytes(self.array(PATHED - 4)) as usize
    }

    /// A part of its path, which stays where it is.
    fn path(&self, part: fn(&[u8]) -> (usize, usize)) -> ByteArray {
        let path = self.at + PATHED;
        let (from, to) = part(&self.staged[path..self.end()]);
        ByteArray::from(self.staged.slice(path + from..path + to))
    }
}

/// Where in a path the directory stands.
fn directory(path: &[u8]) -> (usize, usize) {
    (0, memchr::memrchr(b'/', path).unwrap_or(0))
}

/// Where in a path the last name stands.
fn name_of(path: &[u8]) -> (usize, usize) {
    (memchr::memrchr(b'/', path).map_or(0, |at| at + 1), path.len())
}

/// The way back: all records of a file.
pub(crate) fn read(bytes: Vec<u8>, lines: &mut Vec<Line>) -> Result<()> {
    let file = SerializedFileReader::new(Bytes::from(bytes))?;
    for nth in 0..file.num_row_groups() {
        let group = file.get_row_group(nth)?;
        let directories = take::<ByteArrayType>(&*group, 0)?;
        let names = take::<ByteArrayType>(&*group, 1)?;
        let [inodes, sizes, seconds] = [2, 3, 4].map(|at| take::<Int64Type>(&*group, at));
        let (inodes, sizes, seconds) = (inodes?, sizes?, seconds?);
        let (nanoseconds, modes) = (take::<Int32Type>(&*group, 5)?, take::<Int32Type>(&*group, 8)?);
        for at in 0..names.len() {
            let (directory, name) = (directories[at].data(), names[at].data());
            let path = if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() };
            let meta = Meta {
                inode: inodes[at].cast_unsigned(),
                size: sizes[at].cast_unsigned(),
                mtime: (seconds[at], nanoseconds[at].cast_unsigned()),
                mode: modes[at].cast_unsigned(),
                ..Meta::default()
            };
            lines.push(Line::of(path, &meta));
        }
    }
    Ok(())
}

/// All values of a column of a row group.
fn take<T: DataType>(group: &dyn RowGroupReader, column: usize) -> Result<Vec<T::T>> {
    let rows = usize::try_from(group.metadata().num_rows()).context("a row group has a number of rows")?;
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(column)?);
    let mut values = Vec::with_capacity(rows);
    while values.len() < rows {
        let (_, read, _) = reader.read_records(rows - values.len(), None, None, &mut values)?;
        ensure!(read > 0, "column {column} ends too early");
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::put_pathed_head;

    fn record(number: u64, path: &[u8], out: &mut Vec<u8>) -> Line {
        let mtime = (i64::try_from(number).unwrap() - 5, 999_999_999);
        let meta = Meta { inode: u64::MAX - number, size: number << 33, mode: 0o100_644, mtime, ..Meta::default() };
        put_pathed_head(&meta, path.len(), out).unwrap();
        out.extend_from_slice(path);
        Line::of(path.to_vec(), &meta)
    }

    #[test]
    fn what_several_row_groups_hold_comes_back_byte_for_byte() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("columns");
        let columns = Columns::begin(File::create(&path).unwrap()).unwrap();
        let mut lap = Lap::start(true);
        let mut expected = Vec::new();
        let mut records = Vec::new();
        for group in 0..3 {
            for (number, name) in [&b"top"[..], b"a/b/c", b"a/b/\xff\xfe\n", b"", b"a/"].into_iter().enumerate() {
                expected.push(record(group * 10 + number as u64, name, &mut records));
            }
            columns.append(&mut records, &mut lap).unwrap();
            assert!(records.is_empty() && records.capacity() > 0, "the memory comes back");
        }
        columns.finish().unwrap();
        let mut lines = Vec::new();
        read(std::fs::read(&path).unwrap(), &mut lines).unwrap();
        // A path that ends with a slash is none that a walk puts; its name is empty, and it comes back whole.
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_record_that_is_cut_short_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let columns = Columns::begin(File::create(dir.path().join("columns")).unwrap()).unwrap();
        let mut records = Vec::new();
        record(1, b"a longer name", &mut records);
        records.truncate(PATHED + 3);
        assert!(columns.append(&mut records, &mut Lap::start(false)).is_err());
    }

    #[test]
    fn a_file_without_its_end_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("columns");
        let columns = Columns::begin(File::create(&path).unwrap()).unwrap();
        let mut records = Vec::new();
        record(1, b"one", &mut records);
        columns.append(&mut records, &mut Lap::start(false)).unwrap();
        drop(columns);
        assert!(read(std::fs::read(&path).unwrap(), &mut Vec::new()).is_err());
    }
}
