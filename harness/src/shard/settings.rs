//! The settings of the document, from its file and its environment: what is not said stays as the document has it, and
//! what makes no sense is refused by name.

use crate::refusal::Refusal;
use anyhow::Result;
use erasure::place::Places;
use serde::Deserialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How objects are put, as far as the document lets users say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Above this size temporary files are used instead of memory, where either is asked for.
    pub memory_threshold: u64,
    /// Where temporary files go; none is the first place that serves.
    pub temp_directory: Option<PathBuf>,
    /// Whether a RAM disk is preferred for them.
    pub use_ramdisk: bool,
    /// Whether stripes are written while the next ones are made.
    pub pipeline_uploads: bool,
    /// The most memory that a put may take.
    pub max_memory_usage: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            memory_threshold: 100_000_000,
            temp_directory: None,
            use_ramdisk: true,
            pipeline_uploads: true,
            max_memory_usage: 1_000_000_000,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Document {
    performance: Performance,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Performance {
    memory_threshold: Option<String>,
    temp_directory: Option<String>,
    use_ramdisk: Option<String>,
    pipeline_uploads: Option<String>,
    max_memory_usage: Option<String>,
}

/// The document's variables, each with the setting that it stands for.
const VARIABLES: [(&str, &str); 3] = [
    ("ZSTORE_MEMORY_THRESHOLD", "memory_threshold"),
    ("ZSTORE_TEMP_DIR", "temp_directory"),
    ("ZSTORE_USE_RAMDISK", "use_ramdisk"),
];

impl Settings {
    /// The settings of that file, where there is one, and of the environment, which has the last word.
    pub fn read(file: Option<&Path>) -> Result<Settings> {
        Settings::from(file, |name| std::env::var_os(name))
    }

    /// Where temporary files may go.
    pub fn places(&self) -> Places {
        Places { use_ramdisk: self.use_ramdisk, named: self.temp_directory.clone() }
    }

    fn from(file: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Result<Settings> {
        let mut settings = Settings::default();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Refusal::usage(
                    format!("cannot read {}: {error}", path.display()),
                    "name a file that can be read with --config",
                )
            })?;
            settings.take_file(&text, &path.display().to_string())?;
        }
        for (name, setting) in VARIABLES {
            let Some(value) = variable(name) else { continue };
            let Some(value) = value.to_str() else {
                return Err(Refusal::usage(format!("{name} is no text"), "see `assay shard put --help`"));
            };
            settings.set(setting, value, name)?;
        }
        Ok(settings)
    }

    fn take_file(&mut self, text: &str, path: &str) -> Result<()> {
        let document: Document = serde_saphyr::from_str(text).map_err(|error| {
            let first = error.to_string().lines().next().unwrap_or_default().to_owned();
            Refusal::usage(format!("{path}: {first}"), KNOWN)
        })?;
        let Performance { memory_threshold, temp_directory, use_ramdisk, pipeline_uploads, max_memory_usage } =
            document.performance;
        for (name, value) in [
            ("memory_threshold", memory_threshold),
            ("temp_directory", temp_directory),
            ("use_ramdisk", use_ramdisk),
            ("pipeline_uploads", pipeline_uploads),
            ("max_memory_usage", max_memory_usage),
        ] {
            if let Some(value) = value {
                self.set(name, &value, &format!("{path}: {name}"))?;
            }
        }
        Ok(())
    }

    /// Sets one of them, said by `whom`.
    fn set(&mut self, name: &str, value: &str, whom: &str) -> Result<()> {
        let size = || {
            parse_size(value).ok_or_else(|| {
                Refusal::usage(format!("{whom}: {value:?} is no size"), "write 50MB, 64KiB, 1GB or a number of bytes")
            })
        };
        let switch = || match value {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Refusal::usage(format!("{whom}: {value:?} is neither true nor false"), "write true or false")),
        };
        match name {
            "memory_threshold" => self.memory_threshold = size()?,
            "max_memory_usage" => self.max_memory_usage = size()?,
            "use_ramdisk" => self.use_ramdisk = switch()?,
            "pipeline_uploads" => self.pipeline_uploads = switch()?,
            "temp_directory" if value.is_empty() => self.temp_directory = None,
            "temp_directory" if Path::new(value).is_dir() => self.temp_directory = Some(value.into()),
            "temp_directory" => {
                return Err(Refusal::usage(format!("{whom}: {value:?} is no directory"), "make it, or name another"));
            }
            other => return Err(Refusal::usage(format!("{whom}: there is no setting {other:?}"), KNOWN)),
        }
        Ok(())
    }
}

const KNOWN: &str =
    "performance: has memory_threshold, temp_directory, use_ramdisk, pipeline_uploads and max_memory_usage";

/// `50MB` is fifty million bytes, `50MiB` fifty times 1,048,576.
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    let (whole, parts) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    let mut bytes = whole.checked_mul(factor)?;
    if !parts.is_empty() || number.contains('.') {
        let scale = 10u64.checked_pow(u32::try_from(parts.len()).ok()?)?;
        let parts = parts.parse::<u64>().ok()?.checked_mul(factor)?;
        if parts % scale != 0 {
            return None;
        }
        bytes = bytes.checked_add(parts / scale)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Settings> {
        let mut settings = Settings::default();
        settings.take_file(text, "config.yaml")?;
        Ok(settings)
    }

    #[test]
    fn the_documents_own_file_is_understood() {
        let text = "# Future config.yaml additions\nperformance:\n  memory_threshold: 100MB      # Switch to streaming above \
                    this size\n  temp_directory: \"\"           # Custom temp dir (empty = auto-detect)\n  use_ramdisk: true  \
                    # Prefer RAM disk when available\n  pipeline_uploads: true      # Enable concurrent \
                    sharding/uploading\n  max_memory_usage: 1GB       # Memory limit for in-memory processing\n";
        assert_eq!(of(text).unwrap(), Settings::default());
        let other =
            of("performance:\n  memory_threshold: 1.5MiB\n  use_ramdisk: false\n  max_memory_usage: 4096\n").unwrap();
        assert_eq!((other.memory_threshold, other.use_ramdisk, other.max_memory_usage), (3 << 19, false, 4096));
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        for (text, name) in [
            ("performance:\n  memory_threshold: fifty\n", "memory_threshold"),
            ("performance:\n  max_memory_usage: 5 parsecs\n", "max_memory_usage"),
            ("performance:\n  use_ramdisk: perhaps\n", "use_ramdisk"),
            ("performance:\n  pipeline_uploads: 2\n", "pipeline_uploads"),
            ("performance:\n  temp_directory: /no/such/place\n", "temp_directory"),
            ("performance:\n  memory_treshold: 5MB\n", "memory_treshold"),
            ("preformance:\n  memory_threshold: 5MB\n", "preformance"),
            ("performance: [\n", "config.yaml"),
        ] {
            let told = of(text).unwrap_err().to_string();
            assert!(told.contains(name) && told.contains("config.yaml") && told.contains("do  "), "{text}: {told}");
        }
    }

    #[test]
    fn the_environment_has_the_last_word() {
        let set = |name: &str| match name {
            "ZSTORE_MEMORY_THRESHOLD" => Some("50MB".into()),
            "ZSTORE_TEMP_DIR" => Some("/".into()),
            _ => None,
        };
        let settings = Settings::from(None, set).unwrap();
        assert_eq!((settings.memory_threshold, settings.temp_directory), (50_000_000, Some("/".into())));
        let told = Settings::from(None, |_| Some("x".into())).unwrap_err().to_string();
        assert!(told.contains("ZSTORE_MEMORY_THRESHOLD"), "{told}");
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in
            [("50MB", 50_000_000), ("50MiB", 50 << 20), ("7", 7), ("0", 0), ("1.5KiB", 1536), ("2 gb", 2_000_000_000)]
        {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "MB", "-5MB", "5XB", "1e3", "99999999999TB", "1.0001KB", "5.", "1.2.3MB", ".5MB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
