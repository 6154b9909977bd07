//! An S3 server on a directory: each directory in it is a bucket, each file below that an object. It is there so that
//! rows and tests have a server that they start and stop themselves; it promises nothing of what a power cut leaves.
//! Parts of an upload lie beside the buckets, and are written once more when it is finished, as s3s-fs does it.

use anyhow::{Context, Result};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::net::SocketAddr;
use std::path::Path;
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
        runtime.spawn(listen(listener, service, Arc::clone(&requests), delay));
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

async fn listen(listener: TcpListener, service: S3Service, requests: Arc<AtomicU64>, delay: Duration) {
    let builder = Builder::new(TokioExecutor::new());
    let answer = service_fn(move |request: Request<Incoming>| {
        requests.fetch_add(1, Ordering::Relaxed);
        let answer = Service::call(&service, request);
        async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            answer.await
        }
    });
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
