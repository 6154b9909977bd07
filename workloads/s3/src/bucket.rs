//! A bucket, or what lies below a prefix in it.

use crate::{Download, Failed, Upload, runtime};
use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientConfigKey, Error, ObjectStore, ObjectStoreExt, RetryConfig};
use percent_encoding::percent_decode_str;
use std::sync::Arc;
use std::time::Duration;

/// What stands before the name of a bucket.
const SCHEME: &str = "s3://";

/// Whether that names a bucket.
pub fn is_url(text: &str) -> bool {
    text.starts_with(SCHEME)
}

/// Whose server it is, and who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// As the environment says.
    Environment,
    /// A server that is known.
    Known {
        /// Its address: `http://127.0.0.1:8014`.
        endpoint: String,
        /// Who asks.
        keys: Keys,
        /// Whether every byte is hashed for the signature, too; else what is sent is taken as it comes.
        signed: bool,
    },
}

/// Who asks, and how they prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The name.
    pub access: String,
    /// The proof.
    pub secret: String,
}

/// A bucket, or what lies below a prefix in it.
#[derive(Clone, Debug)]
pub struct Bucket {
    store: Arc<AmazonS3>,
    prefix: Path,
    url: String,
    /// Where its server is.
    endpoint: String,
    /// Whether a part of an upload is sent while the next one is filled.
    pub behind: bool,
}

/// Variables of which one must be there: else the client asks an address that only Amazon's machines have, for long.
const PROOFS: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_METADATA_ENDPOINT",
    "AWS_SKIP_SIGNATURE",
];

/// How often a request is tried again, and for how long: a server that is not there is told within seconds.
const AGAIN: usize = 3;
const PATIENCE: Duration = Duration::from_secs(20);
const CONNECT: &str = "5 seconds";

impl Bucket {
    /// What lies at `s3://BUCKET` or `s3://BUCKET/PREFIX`. Nothing is asked yet.
    pub fn open(url: &str, access: &Access) -> Result<Bucket, Failed> {
        let nonsense =
            |why: &str| Failed { what: format!("{url:?} {why}"), mend: "write s3://BUCKET/PREFIX".to_owned() };
        let rest = url.strip_prefix(SCHEME).ok_or_else(|| nonsense("names no bucket"))?;
        let (name, prefix) = rest.trim_end_matches('/').split_once('/').unwrap_or((rest.trim_end_matches('/'), ""));
        if name.is_empty() {
            return Err(nonsense("names no bucket"));
        }
        let prefix = Path::parse(prefix).map_err(|error| nonsense(&format!("has a prefix that is none: {error}")))?;
        let builder = match access {
            Access::Environment => from_environment()?,
            Access::Known { endpoint, keys, signed } => AmazonS3Builder::new()
                .with_endpoint(endpoint)
                .with_region("us-east-1")
                .with_access_key_id(&keys.access)
                .with_secret_access_key(&keys.secret)
                .with_unsigned_payload(!signed),
        };
        let backoff = BackoffConfig { init_backoff: Duration::from_millis(50), ..BackoffConfig::default() };
        // Of two that are said the one for S3 alone counts.
        let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
            .iter()
            .find_map(|key| builder.get_config_value(key))
            .unwrap_or_else(|| "Amazon's".to_owned());
        let plain = endpoint.starts_with("http://");
        let builder = builder
            .with_bucket_name(name)
            .with_retry(RetryConfig { backoff, max_retries: AGAIN, retry_timeout: PATIENCE })
            .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::ConnectTimeout), CONNECT);
        // Who names a server without encryption wants it so.
        let builder = if plain { builder.with_allow_http(true) } else { builder };
        // The threads are there before anybody measures.
        runtime()?;
        let url = url.trim_end_matches('/').to_owned();
        let store = builder.build().map_err(|error| Failed::at(&url, &endpoint, "opening", &error))?;
        Ok(Bucket { store: Arc::new(store), prefix, url, endpoint, behind: true })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The object of that name, where there is one: whole.
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Failed> {
        let path = self.path(name);
        let got = runtime()?.block_on(async { self.store.get(&path).await?.bytes().await });
        match got {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("reading from", &error)),
        }
    }

    /// Puts an object there, in the place of another of that name.
    pub fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), Failed> {
        let path = self.path(name);
        let put = runtime()?.block_on(self.store.put(&path, Bytes::from(bytes).into()));
        put.map(drop).map_err(|error| self.failed("writing to", &error))
    }

    /// Removes an object; it is no failure if there is none.
    pub fn remove(&self, name: &str) -> Result<(), Failed> {
        let path = self.path(name);
        let removed = runtime()?.block_on(async {
            match self.store.delete(&path).await {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                // Some servers refuse to remove what is not there.
                Err(error) => match self.store.head(&path).await {
                    Err(Error::NotFound { .. }) => Ok(()),
                    _ => Err(error),
                },
            }
        });
        removed.map_err(|error| self.failed("removing from", &error))
    }

    /// The names of the objects there, and of what lies below them one level deeper.
    pub fn list(&self) -> Result<(Vec<String>, Vec<String>), Failed> {
        let prefix = Some(&self.prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let listed = runtime()?.block_on(self.store.list_with_delimiter(prefix));
        let listed = listed.map_err(|error| self.failed("listing", &error))?;
        let (mut names, mut below) = (Vec::new(), Vec::new());
        for path in listed.objects.iter().map(|object| &object.location) {
            match self.name_of(path) {
                // Not every server knows what a delimiter is.
                Some((first, true)) => below.push(first),
                Some((name, false)) => names.push(name),
                None => {}
            }
        }
        below.extend(listed.common_prefixes.iter().filter_map(|path| self.name_of(path)).map(|(first, _)| first));
        below.sort();
        below.dedup();
        Ok((names, below))
    }

    /// Begins an object. While it goes up in parts, an object named `note` tells by which number, so that whoever finds
    /// it later can have the parts thrown away: see [`Bucket::abort`].
    pub fn upload(&self, name: &str, note: &str) -> Upload {
        Upload::new(self.clone(), self.path(name), self.path(note))
    }

    /// Throws away what an upload left that came to no end, and its note.
    pub fn abort(&self, name: &str, note: &str) -> Result<(), Failed> {
        let Some(id) = self.get(note)? else { return Ok(()) };
        let id = String::from_utf8_lossy(&id).into_owned();
        let path = self.path(name);
        let aborted = runtime()?.block_on(self.store.abort_multipart(&path, &id));
        match aborted {
            Ok(()) | Err(Error::NotFound { .. }) => self.remove(note),
            Err(error) => Err(self.failed("throwing away parts in", &error)),
        }
    }

    /// An object to be read piece by piece, where there is one.
    pub fn download(&self, name: &str) -> Result<Option<Download>, Failed> {
        Download::open(self.clone(), self.path(name))
    }

    /// Opens a connection, which stays for the next request.
    pub fn meet(&self) -> Result<(), Failed> {
        self.list().map(drop)
    }

    /// The same below a further prefix.
    #[must_use]
    pub fn below(&self, name: &str) -> Bucket {
        Bucket { prefix: self.path(name), url: format!("{}/{name}", self.url), ..self.clone() }
    }

    pub(crate) fn store(&self) -> &Arc<AmazonS3> {
        &self.store
    }

    pub(crate) fn failed(&self, doing: &str, error: &Error) -> Failed {
        Failed::at(&self.url, &self.endpoint, doing, error)
    }

    fn path(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    /// The name of what lies there, and whether it lies deeper.
    fn name_of(&self, path: &Path) -> Option<(String, bool)> {
        let mut parts = path.prefix_match(&self.prefix)?;
        let first = parts.next()?;
        let name = percent_decode_str(first.as_ref()).decode_utf8().ok()?.into_owned();
        Some((name, parts.next().is_some()))
    }
}

fn from_environment() -> Result<AmazonS3Builder, Failed> {
    if !PROOFS.iter().any(|name| std::env::var_os(name).is_some()) {
        return Err(Failed {
            what: "nothing says who asks the S3 server".to_owned(),
            mend: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_ENDPOINT_URL where it is not Amazon's"
                .to_owned(),
        });
    }
    Ok(AmazonS3Builder::from_env())
}
