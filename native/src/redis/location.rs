//! Where the server is, and how that is said without its secrets.

use std::fmt;
use std::path::PathBuf;

use papyra_core::escape::escape;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::rights::Role;
use crate::error::{Code, Error, Result};

/// Files for TLS, in PEM.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Certificate authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client certificate, for mutual TLS.
    pub certificate: Option<PathBuf>,
    /// The private key of the client certificate.
    pub key: Option<PathBuf>,
}

/// A server's address. `Display` leaves passwords out.
#[derive(Clone)]
pub struct Location {
    pub(super) info: ConnectionInfo,
    shown: String,
    /// What to say to an administrator when the user may not do something.
    pub(super) grant: String,
}

impl Location {
    /// Reads `redis://`, `rediss://`, `redis+unix://` and `unix://` addresses, Valkey's names for them included.
    pub fn parse(url: &str) -> Result<Location> {
        let is_insecure = url.ends_with("#insecure");
        // What is wrong is said without the address: it may hold a password.
        let wrong = |why: &str| {
            let text = format!(
                "the Redis URL cannot be used: {why}; write redis://HOST:PORT/DB, rediss:// for TLS, or \
                 redis+unix:///PATH/TO/SOCKET?db=DB"
            );
            Err(Error::new(Code::Config, text))
        };
        if is_insecure {
            return wrong("TLS without checking the server's certificate is not offered, name the authority instead");
        }
        let Ok(info) = url.into_connection_info() else {
            return wrong("it is not an address of a Redis server");
        };
        let redis = info.redis_settings();
        let user = match (redis.username(), redis.password()) {
            (None, None) => String::new(),
            (user, None) => format!("{}@", user.unwrap_or_default()),
            (user, Some(_)) => format!("{}:***@", user.unwrap_or_default()),
        };
        let shown = match info.addr() {
            ConnectionAddr::Tcp(host, port) => format!("redis://{user}{}:{port}/{}", bracketed(host), redis.db()),
            ConnectionAddr::TcpTls { host, port, .. } => {
                format!("rediss://{user}{}:{port}/{}", bracketed(host), redis.db())
            }
            ConnectionAddr::Unix(path) => format!("redis+unix://{user}{}?db={}", path.display(), redis.db()),
            _ => return wrong("that kind of address is not known"),
        };
        Ok(Location { info, shown: escape(shown.as_bytes()), grant: String::new() })
    }

    /// The same server software, user and database at another node of a cluster.
    pub(super) fn node(&self, host: &str, port: u16) -> Location {
        let addr = match self.info.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host: host.into(), port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host.into(), port),
        };
        let scheme = if matches!(addr, ConnectionAddr::TcpTls { .. }) { "rediss" } else { "redis" };
        let shown = escape(format!("{scheme}://{}:{port}", bracketed(host)).as_bytes());
        Location { info: self.info.clone().set_addr(addr), shown, grant: self.grant.clone() }
    }

    /// The same, where the user has to be allowed what a role does.
    pub(super) fn needing(mut self, role: Role, prefix: &str) -> Location {
        let user = self.info.redis_settings().username().unwrap_or("default").to_owned();
        self.grant = escape(role.grant(&user, prefix).as_bytes());
        self
    }

    /// Whether it is spoken to over TLS.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.info.addr(), ConnectionAddr::TcpTls { .. })
    }

    /// Whether the address holds a password, which is not shown.
    pub(super) fn has_secret(&self) -> bool {
        self.info.redis_settings().password().is_some()
    }

    /// Host and port; none of a socket.
    pub(super) fn host(&self) -> Option<(&str, u16)> {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => Some((host, *port)),
            _ => None,
        }
    }
}

/// A host as an address holds it.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.into() }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_ever_shown() {
        for (url, shown) in [
            ("redis://h/3", "redis://h:6379/3"),
            ("redis://:hunter2@h:7000", "redis://:***@h:7000/0"),
            ("rediss://me:hunter2@[::1]:7000/1", "rediss://me:***@[::1]:7000/1"),
            ("redis+unix:///tmp/s?db=2&user=me&pass=hunter2", "redis+unix://me:***@/tmp/s?db=2"),
        ] {
            let location = Location::parse(url).expect("an address");
            assert_eq!(location.to_string(), shown);
            assert!(!format!("{location:?}").contains("hunter2"));
        }
        for url in ["redis://me:hunter2@h:port", "http://:hunter2@h", "hunter2", "rediss://:hunter2@h/#insecure"] {
            let error = Location::parse(url).expect_err("no address");
            assert!(error.code == Code::Config && !error.to_string().contains("hunter2"), "{error}");
        }
    }
}
