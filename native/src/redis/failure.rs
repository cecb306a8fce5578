//! What a server's refusal means to an operator, and what to do about it.

use papyra_core::escape::escape;
use redis::{ErrorKind, RedisError, Value};

use super::location::Location;
use super::reply;
use crate::error::{Code, Error};
use crate::setting::Setting;

/// The server could not be spoken to in the first place.
pub(super) fn unreachable(location: &Location, error: &RedisError) -> Error {
    if error.code().is_some_and(|code| matches!(code, "LOADING" | "NOAUTH" | "WRONGPASS" | "NOPERM" | "MISCONF")) {
        return refused(location, "connecting", error);
    }
    let said = said(error);
    if error.kind() == ErrorKind::AuthenticationFailed {
        let text = format!(
            "{location} refuses the user or the password ({said}); give both in the URL: redis://USER:PASSWORD@HOST"
        );
        return Error::new(Code::Unavailable, text);
    }
    let (why, advice, settings): (_, _, &[Setting]) = if error.is_timeout() && location.is_tls() {
        (
            "no answer in time".into(),
            "check the address, that TLS is spoken at this port, or wait longer",
            &[Setting::Timeout],
        )
    } else if error.is_timeout() {
        ("no answer in time".into(), "check the address, or wait longer", &[Setting::Timeout])
    } else if error.is_connection_refusal() {
        ("nothing listens there".into(), "check the address and that the server runs", &[])
    } else if wants_certificate(&said) {
        (
            "the server asks for a client certificate".into(),
            "name one that it trusts, and its private key",
            &[Setting::Certificate, Setting::PrivateKey],
        )
    } else if said.contains("certificate not valid for name") {
        (said, "use the name that the certificate is for", &[])
    } else if said.contains("certificate") {
        (said, "name the authority that the server's certificate comes from", &[Setting::Authority])
    } else if error.kind() == ErrorKind::Parse {
        ("what answers there is no Redis server".into(), "check the host and the port", &[])
    } else if error.is_connection_dropped() && !location.is_tls() {
        ("the connection broke at once".into(), "check the port; one for TLS takes rediss:// only", &[])
    } else {
        (said, "check the address, the database number and the TLS settings", &[])
    };
    Error::new(Code::Unavailable, format!("cannot reach Redis at {location}: {why}; {advice}")).decided_by(settings)
}

/// A command failed; `what` says which, as in "reading papyra:orders:events".
pub(super) fn refused(location: &Location, what: &str, error: &RedisError) -> Error {
    let what = escape(what.as_bytes());
    let detail = said(error);
    if wants_certificate(&detail) {
        return unreachable(location, error);
    }
    let at =
        |code: Code, why: &str, advice: &str| Error::new(code, format!("{what} failed: {why} at {location}; {advice}"));
    if error.is_io_error() {
        let why = if error.is_timeout() { "no answer in time" } else { "the connection broke" };
        return at(Code::Io, why, "what was done until then stays done: run the command again");
    }
    let text = format!("{} {detail}", error.code().unwrap_or_default());
    // A script's error may have the command's own inside it.
    let is = |code: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == code);
    if is("WRONGTYPE") {
        return at(
            Code::NoInput,
            "the key holds something other than a stream",
            "another program owns that key: check the prefix and the system",
        )
        .decided_by(&[Setting::Prefix, Setting::System]);
    }
    // Scripts lose the code, and say it in the words of Redis 7 or of Valkey 8 and Redis 7.4.
    if is("NOPERM") || detail.contains("user executing the script") || detail.contains("ACL failure in script") {
        let advice = format!(
            "an administrator allows all that this work needs with: {} (in a cluster also {CLUSTER_KEYS})",
            location.grant
        );
        return at(Code::Unavailable, &format!("the user may not do that ({})", forbidden(&detail)), &advice);
    }
    if is("NOAUTH") {
        return at(
            Code::Unavailable,
            "the server asks for a password",
            "give it in the URL: redis://USER:PASSWORD@HOST, best through PAPYRA_REDIS_URL",
        );
    }
    if is("WRONGPASS") {
        return at(Code::Unavailable, "user and password do not fit", "check both in the URL");
    }
    if is("READONLY") {
        return at(Code::Unavailable, "it is a read-only replica", "use the URL of its master to change anything");
    }
    if is("LOADING") {
        return at(Code::Unavailable, "the server is still loading its data", "try again when it is done");
    }
    if is("MISCONF") {
        return at(
            Code::Unavailable,
            "the server cannot save to its disk and takes no writes (MISCONF)",
            "free its disk or repair its folder, then try again",
        );
    }
    if is("OOM") {
        return at(
            Code::Unavailable,
            "the server is at its memory limit and takes no more",
            "raise maxmemory, or use repair mode, which only removes",
        );
    }
    if is("BUSY") {
        return at(Code::Unavailable, "another script keeps the server busy", "try again, or see SCRIPT KILL");
    }
    if is("NOGROUP") {
        return at(
            Code::NoInput,
            "there is no such stream or group",
            "`papyra redis groups list` names those that there are, `groups ensure` makes one",
        );
    }
    if ["TRYAGAIN", "MOVED", "ASK"].iter().any(|code| error.code() == Some(code)) {
        let advice = "nothing was done: try again when it has settled";
        return at(Code::TryAgain, "the cluster is moving the keys to another node", advice);
    }
    if is("CLUSTERDOWN") || is("MASTERDOWN") {
        return at(Code::Unavailable, &detail, "try again when the servers see one another");
    }
    at(Code::Unavailable, &format!("the server says \"{}\"", text.trim()), "nothing more was done")
}

/// A reply is not an answer to what was asked.
pub(super) fn no_answer(location: &Location, what: &str, reply: &Value) -> Error {
    let text = format!(
        "{} failed: {location} answers with {}, which is not an answer to that; check that a Redis or Valkey server \
         listens there, and that nothing between changes its replies",
        escape(what.as_bytes()),
        reply::kind(reply)
    );
    Error::new(Code::Unavailable, text)
}

/// Keys that are made beside others in a cluster.
const CLUSTER_KEYS: &str = "~{*";

/// What a user may not, from the server's words for it (redis `acl.c`, `getAclErrorMessage`).
fn forbidden(detail: &str) -> String {
    let command = detail.split_once("to run the '").and_then(|(_, rest)| rest.split('\'').next());
    match command {
        Some(command) => format!("{} is refused", command.to_uppercase()),
        None => detail.to_owned(),
    }
}

/// Whether a server that wants to know who we are was not told (RFC 8446, 6.2: certificate_required).
fn wants_certificate(said: &str) -> bool {
    let said = said.to_lowercase().replace([' ', '_'], "");
    said.contains("certificaterequired") || said.contains("peersentnocertificates")
}

/// The server's own words, safe to print.
fn said(error: &RedisError) -> String {
    let text = error.detail().map_or_else(|| error.to_string(), Into::into);
    let plain = text.split(" (os error").next().unwrap_or_default();
    escape(plain.trim_end().as_bytes())
}
