//! An S3 server on a directory: each directory in it is a bucket, each file below that an object. It is there so that
//! rows and tests have a server that they start and stop themselves; it promises nothing of what a power cut leaves.
//! Parts of an upload lie beside the buckets, and are written once more when it is finished, as s3s-fs does it.

use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError, HttpResponse};
use s3s_fs::FileSystem;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A server, which is gone when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    runtime: Option<Runtime>,
}

/// Threads that answer: as many as a small machine has.
const THREADS: usize = 2;
/// How long those who are being answered keep the end waiting.
const FAREWELL: Duration = Duration::from_secs(2);

impl Server {
    /// Serves what is in that directory to those who have these keys, an access key and its secret, and begins each
    /// answer so much later. Port 0 is one that is free.
    pub fn start(root: &Path, address: SocketAddr, keys: (&str, &str), delay: Duration) -> Result<Server> {
        let files = FileSystem::new(root).map_err(|error| anyhow::anyhow!("serving {}: {error:?}", root.display()))?;
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(keys.0, keys.1));
        let service = service.build();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("s3-server")
            .enable_all()
            .build()
            .context("starting threads")?;
        let listener =
            runtime.block_on(TcpListener::bind(address)).with_context(|| format!("listening at {address}"))?;
        let address = listener.local_addr().context("asking for the port")?;
        let requests = Arc::default();
        let root = root.to_owned();
        runtime.spawn(listen(listener, Serving { root, service, requests: Arc::clone(&requests), delay }));
        Ok(Server { address, requests, runtime: Some(runtime) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients call it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests have come so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(FAREWELL);
        }
    }
}

/// What all connections share.
#[derive(Clone)]
struct Serving {
    root: PathBuf,
    service: S3Service,
    requests: Arc<AtomicU64>,
    delay: Duration,
}

impl Serving {
    async fn answer(self, request: Request<Incoming>) -> Result<HttpResponse, HttpError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        // s3s-fs makes a bucket that is not there, and no other server does. It decides on names that are none.
        let bucket = request.uri().path().split('/').nth(1).unwrap_or_default();
        let is_name = !bucket.is_empty() && bucket.bytes().all(|one| one.is_ascii_alphanumeric() || one == b'-');
        if is_name && !self.root.join(bucket).is_dir() {
            let told = Body::from("<Error><Code>NoSuchBucket</Code></Error>".to_owned());
            let mut answer = HttpResponse::new(told);
            *answer.status_mut() = StatusCode::NOT_FOUND;
            return Ok(answer);
        }
        Service::call(&self.service, request).await
    }
}

async fn listen(listener: TcpListener, serving: Serving) {
    let builder = Builder::new(TokioExecutor::new());
    let answer = service_fn(move |request| serving.clone().answer(request));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: until somebody hangs up.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Small answers must not wait for more to come; where that cannot be set, they do.
        let _ = stream.set_nodelay(true);
        let connection = builder.serve_connection(TokioIo::new(stream), answer.clone()).into_owned();
        tokio::spawn(async move {
            // Whoever hangs up has nobody to be told.
            let _ = connection.await;
        });
    }
}
