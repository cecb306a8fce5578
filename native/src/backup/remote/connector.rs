//! How requests travel: with no redirects followed (they would take credentials along to another host), given up only
//! when nothing moves any more, however slow the way is, and with answers no larger than an answer is.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::path::Path as Key;
use object_store::{ClientConfigKey, ClientOptions};
use tokio::time::{Sleep, sleep, timeout};

/// A connection on which nothing moves for so long is dead.
const STALLED: Duration = Duration::from_secs(60);

const CONNECTING: Duration = Duration::from_secs(10);

/// The largest listing page or error answer, in bytes.
const LARGEST: usize = 32 << 20;

/// Connects as `object_store` asks for it.
#[derive(Debug)]
pub(super) struct Connector {
    /// How long nothing may move.
    patience: Duration,
}

impl Default for Connector {
    fn default() -> Connector {
        Connector { patience: STALLED }
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let is_set =
            |key: ClientConfigKey| match options.get_config_value(&key).unwrap_or_default().to_lowercase().as_str() {
                "1" | "true" | "on" | "yes" | "y" => Ok(true),
                "" | "0" | "false" | "off" | "no" | "n" => Ok(false),
                _ => Err(object_store::Error::Generic {
                    store: "HTTP client",
                    source: "it is neither true nor false".into(),
                }),
            };
        // What a machine's own role is asked for answers at once, or is not there.
        let is_metadata = options.get_config_value(&ClientConfigKey::ConnectTimeout).as_deref() == Some("1s");
        let wrong = |error| object_store::Error::Generic { store: "HTTP client", source: Box::new(error) };
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(if is_metadata { Duration::from_secs(1) } else { CONNECTING })
            .tcp_keepalive(STALLED)
            .https_only(!is_set(ClientConfigKey::AllowHttp)?)
            .tls_danger_accept_invalid_certs(is_set(ClientConfigKey::AllowInvalidCertificates)?)
            .user_agent(crate::TOOL)
            .build();
        Ok(HttpClient::new(Service { client: client.map_err(wrong)?, patience: self.patience }))
    }
}

#[derive(Debug)]
struct Service {
    client: reqwest::Client,
    patience: Duration,
}

fn failed(kind: HttpErrorKind, why: &str) -> HttpError {
    HttpError::new(kind, std::io::Error::other(why.to_owned()))
}

fn stalled(patience: Duration) -> HttpError {
    failed(HttpErrorKind::Timeout, &format!("nothing moved for {} s", patience.as_secs_f32()))
}

/// What went wrong on the way, as far as it tells whether to try again.
fn of_client(error: reqwest::Error) -> HttpError {
    let kind = match () {
        () if error.is_timeout() => HttpErrorKind::Timeout,
        () if error.is_connect() => HttpErrorKind::Connect,
        () if error.is_builder() => HttpErrorKind::Unknown,
        // Cut off: every request here may be made twice.
        () => HttpErrorKind::Interrupted,
    };
    HttpError::new(kind, error.without_url())
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let address = parts.uri.to_string();
        let url = address.parse().map_err(|_| failed(HttpErrorKind::Unknown, "the address is not valid"))?;
        let is_listing =
            parts.method.as_str() == "GET" && (address.contains("list-type=2") || address.contains("comp=list"));
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        let moved = Arc::new(AtomicBool::new(false));
        *request.body_mut() = Some(reqwest::Body::wrap(Outgoing { body, moved: Arc::clone(&moved) }));
        let mut answer = pin!(self.client.execute(request));
        let response = loop {
            match timeout(self.patience, answer.as_mut()).await {
                Ok(answer) => break answer.map_err(of_client)?,
                Err(_) if moved.swap(false, Ordering::Relaxed) => {}
                Err(_) => return Err(stalled(self.patience)),
            }
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let is_short = is_listing || !(status.is_success() || status.is_redirection());
        let response: reqwest::Body = response.into();
        let mut incoming = Incoming { body: response, patience: self.patience, end: Box::pin(sleep(self.patience)) };
        let body = if is_short {
            let mut bytes = collect(&mut incoming).await?;
            if is_listing && status.is_success() {
                bytes = without_strange_names(bytes);
            }
            HttpResponseBody::from(bytes)
        } else {
            HttpResponseBody::new(incoming)
        };
        let mut response = HttpResponse::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// All of an answer that must be short.
async fn collect(incoming: &mut Incoming) -> Result<Vec<u8>, HttpError> {
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut *incoming).poll_frame(context)).await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() > LARGEST {
            return Err(failed(HttpErrorKind::Unknown, "the answer is larger than any should be"));
        }
    }
    Ok(bytes)
}

/// A body under way, which tells that it moves.
struct Outgoing {
    body: HttpRequestBody,
    moved: Arc<AtomicBool>,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        self.moved.store(true, Ordering::Relaxed);
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer that comes, or stops coming.
struct Incoming {
    body: reqwest::Body,
    patience: Duration,
    /// When it is given up.
    end: Pin<Box<Sleep>>,
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => {
                self.end = Box::pin(sleep(self.patience));
                Poll::Ready(frame.map(|frame| frame.map_err(of_client)))
            }
            Poll::Pending => {
                ready!(self.end.as_mut().poll(context));
                Poll::Ready(Some(Err(stalled(self.patience))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The elements of a listing that are a name each, and how it begins in them: of S3 and Google, and of Azure.
const ELEMENTS: [(&str, &str, &str); 4] = [
    ("<Contents>", "</Contents>", "<Key>"),
    ("<CommonPrefixes>", "</CommonPrefixes>", "<Prefix>"),
    ("<Blob>", "</Blob>", "<Name>"),
    ("<BlobPrefix>", "</BlobPrefix>", "<Name>"),
];

/// A listing without the names that `object_store` refuses: one of somebody else's would fail all of it.
fn without_strange_names(bytes: Vec<u8>) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(&bytes) else { return bytes };
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let next =
            ELEMENTS.iter().filter_map(|element| Some((rest.find(element.0)?, element))).min_by_key(|next| next.0);
        let Some((at, (begin, end, name))) = next else { break };
        let Some(length) = rest[at..].find(end).map(|length| length + end.len()) else { break };
        let element = &rest[at..at + length];
        let named = element[begin.len()..].split_once(name).and_then(|(_, named)| named.split_once('<'));
        kept.push_str(&rest[..at]);
        if named.is_none_or(|(named, _)| is_plain(named)) {
            kept.push_str(element);
        }
        rest = &rest[at + length..];
    }
    kept.push_str(rest);
    kept.into_bytes()
}

/// Whether a name, as XML writes it, is one that is understood.
fn is_plain(named: &str) -> bool {
    !named.contains("&#") && Key::parse(named).is_ok()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use object_store::aws::AmazonS3Builder;
    use object_store::{ObjectStoreExt, RetryConfig};

    use super::super::fault::fault;
    use super::*;
    use crate::error::Code;

    /// A server that begins to answer each request so, and then sends nothing more.
    fn stalling(after: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for mut stream in listener.incoming().flatten() {
                _ = stream.read(&mut [0; 1 << 12]);
                _ = stream.write_all(after);
                open.push(stream);
            }
        });
        address
    }

    #[test]
    fn a_store_that_stalls_is_given_up_and_told_of() {
        _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
        let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: \"1\"\r\nLast-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\nhalf";
        for after in [&b""[..], b"HTTP/1.1 200 OK\r\n", half] {
            let store = AmazonS3Builder::new()
                .with_bucket_name("bucket")
                .with_endpoint(stalling(after))
                .with_allow_http(true)
                .with_access_key_id("key")
                .with_secret_access_key("secret")
                .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
                .with_http_connector(Connector { patience: Duration::from_millis(100) })
                .build()
                .expect("a store");
            let key = Key::from("config");
            let read = || runtime.block_on(async { store.get(&key).await?.bytes().await.map(drop) });
            let write = || runtime.block_on(async { store.put(&key, vec![0; 100].into()).await.map(drop) });
            let attempts: &[&dyn Fn() -> object_store::Result<()>] =
                if after == half { &[&read] } else { &[&read, &write] };
            for attempt in attempts {
                let error = fault("read", "s3://bucket/config", &attempt().expect_err("it stalls"));
                assert_eq!(error.code, Code::Unavailable);
                let said = error.to_string();
                assert!(said.contains("nothing moved for 0.1 s") && said.contains("check AWS_ENDPOINT_URL"), "{said}");
            }
        }
    }

    fn listing(keys: &[&str]) -> String {
        let contents = keys.iter().map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>"));
        format!(
            "<?xml?><List><Prefix>p</Prefix>{}<CommonPrefixes><Prefix>p/x/</Prefix></CommonPrefixes></List>",
            contents.collect::<String>()
        )
    }

    #[test]
    fn a_strange_name_in_a_listing_is_left_out_and_nothing_else() {
        let plain = ["p/a", "p/b c", "p/&lt;d&amp;&gt;", "p/é", "p/%41"];
        assert_eq!(without_strange_names(listing(&plain).into_bytes()), listing(&plain).into_bytes());
        for strange in ["p//a", "p/../a", "p/.", "p/a&#10;", "p/a\u{7}", "//"] {
            let mixed = listing(&["p/a", strange, "p/b"]);
            let kept = String::from_utf8(without_strange_names(mixed.into_bytes())).expect("text");
            assert_eq!(kept, listing(&["p/a", "p/b"]), "{strange:?}");
        }
    }

    #[test]
    fn what_is_no_listing_stays_as_it_is() {
        for text in ["", "<Contents>", "<Contents></Contents>", "<Contents><Key>", "<Blob><Name>a//b</Blob>x", "\u{0}"]
        {
            let kept = without_strange_names(text.as_bytes().to_vec());
            assert!(kept.len() <= text.len());
        }
        assert_eq!(without_strange_names(vec![0xff, b'<']), [0xff, b'<']);
    }
}
