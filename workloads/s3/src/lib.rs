//! Objects in a bucket of an S3 server, for code that waits: each call returns when the server has answered, unless its
//! comment says that it goes on behind. Requests run on two threads of this crate's own, so that nobody else has to know
//! what is asynchronous.
//!
//! Whose server it is, and who asks, the usual variables say: `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`,
//! `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`.

mod bucket;
mod download;
mod failed;
mod upload;

pub use bucket::{Access, Bucket, Keys, is_url};
pub use download::Download;
pub use failed::Failed;
pub use upload::{PART, Upload};

use std::sync::OnceLock;
use tokio::runtime::{Builder, Runtime};

/// Threads for requests: one would let a signature hold up an answer.
const THREADS: usize = 2;

fn runtime() -> Result<&'static Runtime, Failed> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let started = RUNTIME.get_or_init(|| {
        // Somebody else in this process may have chosen already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).thread_name("s3").enable_all().build();
        runtime.map_err(|error| error.to_string())
    });
    started.as_ref().map_err(|error| Failed {
        what: format!("threads for requests cannot be started: {error}"),
        mend: "allow more threads: ulimit -u".to_owned(),
    })
}
