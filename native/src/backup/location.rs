//! Where backups lie, as it is written: `s3://BUCKET/PREFIX`, `gs://…` and `az://…` are places in object stores, so are
//! restic's spellings of them where restic's own variable has them, and all else that is no lookalike is a folder.

use std::fmt;
use std::path::{Path, PathBuf};

use object_store::path::Path as Key;

use crate::error::{Code, Error, Result, show};

/// Whose object store it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Amazon's, or one that speaks S3.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

/// Where backups lie, or one of them does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In an object store.
    Store(Prefix),
}

/// A place in an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    /// Whose it is.
    pub scheme: Scheme,
    /// The bucket, or Azure's container.
    pub bucket: String,
    /// What begins the keys; empty for all of the bucket.
    pub key: Key,
    /// Where it is reached, when the location itself says so: `https://HOST`.
    pub endpoint: Option<String>,
    /// As it was written, without slashes at its end. It holds no credentials.
    pub path: PathBuf,
}

/// What begins a location. The last two are restic's: they name the server, too.
const BEGINNINGS: [(&str, Scheme); 5] = [
    ("s3://", Scheme::S3),
    ("gs://", Scheme::Google),
    ("az://", Scheme::Azure),
    ("s3:https://", Scheme::S3),
    ("s3:http://", Scheme::S3),
];

/// What begins the places of other tools, or a misspelt one of ours.
const SCHEMES: [&str; 14] =
    ["s3", "gs", "gcs", "az", "azure", "abfs", "b2", "sftp", "rest", "rclone", "swift", "opendal", "http", "https"];

fn beginning(path: &Path) -> Option<(&'static str, Scheme)> {
    let bytes = path.as_os_str().as_encoded_bytes();
    BEGINNINGS.into_iter().find(|(beginning, _)| bytes.starts_with(beginning.as_bytes()))
}

/// What messages call what is refused: without credentials, should somebody have written some into it.
fn called(path: &Path) -> String {
    let text = show(path);
    match text.split_once('@') {
        Some((before, place)) => format!("{}://…@{place}", before.split(':').next().unwrap_or_default()),
        None => text,
    }
}

/// The location that restic writes so in `RESTIC_REPOSITORY`; a folder stays what it is.
pub(super) fn of_restic(text: &str) -> Result<PathBuf> {
    let (scheme, rest) = text.split_once(':').unwrap_or(("local", text));
    let bucket = |scheme: &str| {
        let (bucket, prefix) = rest.split_once(':').unwrap_or((rest, ""));
        Ok(PathBuf::from(format!("{scheme}://{bucket}/{}", prefix.trim_matches('/')).trim_end_matches('/')))
    };
    match scheme {
        "s3" => {
            let (begin, place) = match rest.split_once("://") {
                Some((begin @ ("http" | "https"), place)) => (begin, place),
                _ => ("https", rest.trim_start_matches('/')),
            };
            let place = place.trim_end_matches('/');
            Ok(match place.split_once('/') {
                Some(("s3.amazonaws.com" | "s3", place)) if begin == "https" => format!("s3://{place}"),
                // As in s3://BUCKET/PREFIX, which restic takes for the name of a server.
                _ if rest.starts_with("//") => format!("s3://{place}"),
                _ => format!("s3:{begin}://{place}"),
            }
            .into())
        }
        "gs" if !rest.starts_with("//") => bucket("gs"),
        "azure" => bucket("az"),
        "b2" | "opendal" | "rclone" | "rest" | "sftp" | "swift" => {
            let text = format!(
                "RESTIC_REPOSITORY names a repository in {scheme}: papyra works on repositories in folders, s3, gs and \
                 azure"
            );
            Err(Error::new(Code::Usage, text))
        }
        "local" => Ok(rest.into()),
        _ => Ok(text.into()),
    }
}

impl Location {
    /// Reads what somebody wrote.
    ///
    /// # Errors
    /// It only looks like a place in an object store or on a server: it must not become a folder of that name. Or it is
    /// such a place, and no valid one.
    pub fn parse(path: &Path) -> Result<Location> {
        if let Some(beginning) = beginning(path) {
            return Prefix::parse(path, beginning).map(Location::Store);
        }
        let text = path.to_string_lossy();
        let Some((scheme, rest)) = text.split_once(':') else { return Ok(Location::Folder(path.into())) };
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let known = SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
        if !(known || is_word(scheme) && rest.starts_with("//")) {
            return Ok(Location::Folder(path.into()));
        }
        let text = format!(
            "{} is not a place for backups that papyra knows: name a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or \
             az://CONTAINER/PREFIX; if a folder is called so, write ./ before it",
            called(path)
        );
        Err(Error::new(Code::Usage, text))
    }

    /// Fails where what somebody wrote is no folder: a restore writes into one.
    pub fn must_be_folder(path: &Path) -> Result<()> {
        if beginning(path).is_none() {
            return Location::parse(path).map(drop);
        }
        let text = format!("{} is not a folder: a restore writes files that Papyra can use", called(path));
        Err(Error::new(Code::Usage, text))
    }

    /// As it is written.
    pub fn path(&self) -> &Path {
        match self {
            Location::Folder(path) => path,
            Location::Store(prefix) => &prefix.path,
        }
    }

    /// The place of that name in it.
    pub fn join(&self, name: &str) -> Location {
        match self {
            Location::Folder(path) => Location::Folder(path.join(name)),
            Location::Store(prefix) => Location::Store(prefix.join(name)),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&show(self.path()))
    }
}

impl Prefix {
    fn parse(path: &Path, (begin, scheme): (&str, Scheme)) -> Result<Prefix> {
        let wrong = |why: &str| Error::new(Code::Usage, format!("{} is not a valid location: {why}", called(path)));
        let form = "the form is s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX, and credentials come \
                    from the environment";
        let text = path.to_str().ok_or_else(|| wrong("it is not UTF-8"))?.trim_end_matches('/');
        let mut rest = text.strip_prefix(begin).ok_or_else(|| wrong(form))?;
        let mut endpoint = None;
        if begin.contains("http") {
            let (host, place) = rest.split_once('/').ok_or_else(|| wrong("it names a server and no bucket"))?;
            let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
            if host.is_empty() || !host.bytes().all(is_host) {
                return Err(wrong("it names no server"));
            }
            endpoint = Some(format!("{}{host}", &begin["s3:".len()..]));
            rest = place;
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_$".contains(&byte);
        if bucket.is_empty() || bucket.starts_with('.') || !bucket.bytes().all(is_name) {
            return Err(wrong(form));
        }
        let wrong_part = "a part of it is empty, a dot, or no text";
        if prefix.starts_with('/') {
            return Err(wrong(wrong_part));
        }
        let key = Key::parse(prefix).map_err(|_| wrong(wrong_part))?;
        Ok(Prefix { scheme, bucket: bucket.to_owned(), key, endpoint, path: text.into() })
    }

    /// The place of that name in it.
    pub fn join(&self, name: &str) -> Prefix {
        Prefix { key: self.key.clone().join(name), path: self.path.join(name), ..self.clone() }
    }

    /// The place that this one lies in, and its own name; `None` when it is all of a bucket.
    pub fn split(&self) -> Option<(Prefix, String)> {
        let name = self.key.filename()?.to_owned();
        let text = self.path.to_str()?;
        let path = text.get(..text.len().checked_sub(name.len() + 1)?)?.into();
        let parts: Vec<_> = self.key.parts().collect();
        let key = Key::from_iter(parts[..parts.len() - 1].iter().cloned());
        Some((Prefix { key, path, ..self.clone() }, name))
    }

    /// The bucket, as messages name it.
    pub fn bucket_name(&self) -> String {
        match self.scheme {
            Scheme::S3 => format!("s3://{}", self.bucket),
            Scheme::Google => format!("gs://{}", self.bucket),
            Scheme::Azure => format!("az://{}", self.bucket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(Scheme, String, String, Option<String>)> {
        let found = prefix(text)?;
        Some((found.scheme, found.bucket, found.key.to_string(), found.endpoint))
    }

    fn prefix(text: &str) -> Option<Prefix> {
        match Location::parse(Path::new(text)) {
            Ok(Location::Store(prefix)) => Some(prefix),
            _ => None,
        }
    }

    fn is_folder(text: &str) -> bool {
        Location::parse(Path::new(text)).is_ok_and(|location| location == Location::Folder(text.into()))
    }

    #[test]
    fn a_location_is_scheme_bucket_and_prefix() {
        let at = |scheme, bucket: &str, prefix: &str| Some((scheme, bucket.to_owned(), prefix.to_owned(), None));
        assert_eq!(parsed("s3://b"), at(Scheme::S3, "b", ""));
        assert_eq!(parsed("s3://b/"), at(Scheme::S3, "b", ""));
        assert_eq!(parsed("gs://my-b.x/p/q//"), at(Scheme::Google, "my-b.x", "p/q"));
        assert_eq!(parsed("az://c/a b%41+&=#é~[1]*"), at(Scheme::Azure, "c", "a b%41+&=#é~[1]*"));
        let restic = Some((Scheme::S3, "b".into(), "p".into(), Some("http://[::1]:9000".into())));
        assert_eq!(parsed("s3:http://[::1]:9000/b/p"), restic);
        for wrong in [
            "s3://",
            "s3:///x",
            "s3://k:s@b/x",
            "s3://b//x",
            "s3://b/../x",
            "s3://b/./x",
            "s3://b/x//y",
            "s3://b c/x",
            "s3://b/x\n",
            "s3:https://h",
            "s3:https:///b",
            "s3:https://u:p@h/b",
            "gs://",
            "az:///",
            "s3://../x",
        ] {
            assert!(Location::parse(Path::new(wrong)).is_err(), "{wrong}");
        }
        assert!(is_folder("/folder"));
    }

    #[test]
    fn a_lookalike_is_no_folder() {
        for alike in
            ["s3:/b/x", "S3://b/x", "s3:b/x", "GS://b", "azure:c:/p", "gs:b:/p", "b2:x", "foo://x", "sftp:h:/x"]
        {
            assert!(Location::parse(Path::new(alike)).is_err(), "{alike}");
        }
        for folder in ["x", "./s3:/b", "a:b", "/s3://x", "papyra:orders", "C:x", "s3x/y"] {
            assert!(is_folder(folder), "{folder}");
        }
        for remote in ["s3://b/x", "gs://b", "az://c/p", "s3:https://h/b/x"] {
            assert!(prefix(remote).is_some(), "{remote}");
        }
    }

    #[test]
    fn restics_spellings_mean_what_restic_means() {
        for (restic, ours) in [
            ("s3:https://host/bucket/prefix", "s3:https://host/bucket/prefix"),
            ("s3:http://127.0.0.1:9000/bucket/", "s3:http://127.0.0.1:9000/bucket"),
            ("s3:minio.example/bucket/a/b", "s3:https://minio.example/bucket/a/b"),
            ("s3:s3.amazonaws.com/bucket/prefix", "s3://bucket/prefix"),
            ("s3:https://s3.amazonaws.com/bucket/prefix", "s3://bucket/prefix"),
            ("s3://bucket/prefix", "s3://bucket/prefix"),
            ("gs:bucket:/prefix", "gs://bucket/prefix"),
            ("gs:bucket:/", "gs://bucket"),
            ("azure:container:/a/b", "az://container/a/b"),
            ("local:/srv/repo", "/srv/repo"),
            ("/srv/repo", "/srv/repo"),
            ("repo", "repo"),
        ] {
            assert_eq!(of_restic(restic).ok(), Some(PathBuf::from(ours)), "{restic}");
            assert!(Location::parse(Path::new(ours)).is_ok(), "{ours}");
        }
        for elsewhere in ["b2:x", "rest:https://h/", "sftp:h:/x", "rclone:x:y", "swift:c:/p"] {
            assert_eq!(of_restic(elsewhere).err().map(|error| error.code), Some(Code::Usage), "{elsewhere}");
        }
    }

    #[test]
    fn what_a_location_lies_in_is_the_rest_of_its_name() {
        let split = |text| prefix(text).and_then(|prefix| prefix.split());
        let (outer, name) = split("s3://b/deep/er/one").expect("two parts");
        assert_eq!((&outer, &*name), (&prefix("s3://b/deep/er").expect("valid"), "one"));
        assert_eq!(outer.join("one"), prefix("s3://b/deep/er/one").expect("valid"));
        let (outer, name) = split("s3:http://h:1/b/one").expect("two parts");
        assert_eq!((outer.path.to_str(), outer.key.is_root(), &*name), (Some("s3:http://h:1/b"), true, "one"));
        assert!(split("gs://b").is_none());
    }
}
