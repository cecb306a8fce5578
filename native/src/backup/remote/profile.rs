//! Profiles in `~/.aws/credentials` and `~/.aws/config`, as Amazon's own tools read them: keys, region and endpoint,
//! and the command that prints keys. What signs in by itself, single sign-on and assumed roles, is left to those tools.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use papyra_core::escape::escape;

use crate::error::{Code, Error, Result, show};

/// Keys are read again after so long: what refreshes them writes the file anew.
const FRESH: Duration = Duration::from_secs(300);

/// Sections by name, and what they set.
type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// A profile.
#[derive(Debug)]
pub(super) struct Profile {
    name: String,
    settings: BTreeMap<String, String>,
}

/// What the environment says.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Profile {
    /// The profile that is meant, if there is one.
    pub(super) fn find() -> Result<Option<Profile>> {
        let named = variable("AWS_PROFILE").or_else(|| variable("AWS_DEFAULT_PROFILE"));
        let name = named.clone().unwrap_or_else(|| "default".into());
        let home = || variable("HOME").map(|home| PathBuf::from(home).join(".aws"));
        let file = |setting: &str, name: &str| {
            variable(setting).map(PathBuf::from).or_else(|| home().map(|home| home.join(name)))
        };
        let read = |path: Option<PathBuf>| -> Result<Sections> {
            let Some(path) = path else { return Ok(Sections::new()) };
            match std::fs::read_to_string(&path) {
                Ok(text) => Ok(sections(&text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Sections::new()),
                Err(error) => Err(Error::new(Code::Config, format!("cannot use {}: {error}", show(&path)))),
            }
        };
        let mut config = read(file("AWS_CONFIG_FILE", "config"))?;
        let mut credentials = read(file("AWS_SHARED_CREDENTIALS_FILE", "credentials"))?;
        let general = config.remove(&format!("profile {name}")).or_else(|| config.remove(&name));
        let keys = credentials.remove(&name);
        if general.is_none() && keys.is_none() {
            let Some(named) = named else { return Ok(None) };
            let text = format!(
                "AWS_PROFILE names the profile {}, which is neither in ~/.aws/credentials nor in ~/.aws/config",
                escape(named.as_bytes())
            );
            return Err(Error::new(Code::Config, text));
        }
        let mut settings = general.unwrap_or_default();
        settings.extend(keys.unwrap_or_default());
        Ok(Some(Profile { name, settings }))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// Its keys; `None` when it has none and says nothing of where they come from.
    pub(super) fn keys(&self) -> Result<Option<AwsCredential>> {
        let called = escape(self.name.as_bytes());
        let wrong =
            |why: &str| Error::new(Code::Config, format!("the profile {called} of ~/.aws gives no keys: {why}"));
        let keys = match (self.get("aws_access_key_id"), self.get("aws_secret_access_key")) {
            (Some(id), Some(secret)) => AwsCredential {
                key_id: id.to_owned(),
                secret_key: secret.to_owned(),
                token: self.get("aws_session_token").map(str::to_owned),
            },
            (Some(_), None) => return Err(wrong("aws_secret_access_key is missing")),
            (None, Some(_)) => return Err(wrong("aws_access_key_id is missing")),
            (None, None) => match self.get("credential_process") {
                Some(command) => printed(command).map_err(|why| wrong(&why))?,
                None if ["role_arn", "sso_session", "sso_start_url"].iter().any(|name| self.get(name).is_some()) => {
                    let why = "it signs in by SSO or assumes a role, which papyra leaves to the aws command: set \
                               credential_process = aws configure export-credentials --profile NAME in a profile of \
                               its own";
                    return Err(wrong(why));
                }
                None => return Ok(None),
            },
        };
        for (name, value) in [("access key ID", &keys.key_id), ("secret access key", &keys.secret_key)] {
            if !is_key(value) {
                return Err(wrong(&format!("its {name} is empty, or has a blank or a line break in it")));
            }
        }
        if keys.token.as_ref().is_some_and(|token| !is_key(token)) {
            return Err(wrong("its session token is empty, or has a blank or a line break in it"));
        }
        Ok(Some(keys))
    }
}

/// Whether a key can be sent: another text in a header would be refused by far less readable words.
pub(super) fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The keys that a command prints (AWS SDKs and Tools Reference Guide, "Process credential provider").
fn printed(command: &str) -> std::result::Result<AwsCredential, String> {
    let done = Command::new("/bin/sh").args(["-c", command]).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let done = done.map_err(|error| format!("its credential_process cannot be run: {error}"))?;
    if !done.status.success() {
        return Err(format!("its credential_process has failed ({})", done.status));
    }
    let told: serde_json::Value =
        serde_json::from_slice(&done.stdout).map_err(|_| "its credential_process prints no JSON")?;
    let text = |name: &str| told.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    match (text("AccessKeyId"), text("SecretAccessKey")) {
        (Some(key_id), Some(secret_key)) => Ok(AwsCredential { key_id, secret_key, token: text("SessionToken") }),
        _ => Err("its credential_process prints no AccessKeyId, or no SecretAccessKey".into()),
    }
}

/// The sections of a file. An indented line belongs to a setting of several lines, none of which is of use here.
fn sections(text: &str) -> Sections {
    let (mut sections, mut name) = (Sections::new(), None);
    for line in text.lines() {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with(['#', ';']) || line.starts_with([' ', '\t']) {
            continue;
        }
        if let Some(section) = bare.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            name = Some(section.0.split_whitespace().collect::<Vec<_>>().join(" ").replace(['"', '\''], ""));
            sections.entry(name.clone().unwrap_or_default()).or_default();
        } else if let (Some(name), Some((key, value))) = (&name, bare.split_once('=')) {
            // A comment behind a value begins with a blank.
            let value = value.split(" #").next().unwrap_or_default().trim();
            sections.entry(name.clone()).or_default().insert(key.trim().to_lowercase(), value.to_owned());
        }
    }
    sections
}

/// The keys of a profile, read again now and then.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<Option<(Instant, Arc<AwsCredential>)>>);

impl Keys {
    /// Begins with keys that were read just now.
    pub(super) fn beginning_with(keys: AwsCredential) -> Keys {
        Keys(Mutex::new(Some((Instant::now(), Arc::new(keys)))))
    }
}

#[async_trait]
impl CredentialProvider for Keys {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read, keys)) = &*known
            && read.elapsed() < FRESH
        {
            return Ok(Arc::clone(keys));
        }
        let failed = |why: String| object_store::Error::Generic { store: "profile", source: why.into() };
        let found = Profile::find().and_then(|profile| profile.map_or(Ok(None), |profile| profile.keys()));
        let keys = found.map_err(|error| failed(error.to_string()))?;
        let keys = Arc::new(keys.ok_or_else(|| failed("the profile in ~/.aws has no keys any more".into()))?);
        *known = Some((Instant::now(), Arc::clone(&keys)));
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_their_settings_are_read_as_amazons_tools_do() {
        let text = "# note\n[default]\naws_access_key_id = A1\n AWS = indented\n[profile  \"my own\"] # x\nRegion=eu-1 \
                    # y\ns3 =\n  max = 1\nkey = a=b#c\n[broken\nstray";
        let sections = sections(text);
        assert_eq!(sections["default"]["aws_access_key_id"], "A1");
        assert_eq!(sections["default"].len(), 1);
        let own = &sections["profile my own"];
        assert_eq!((&*own["region"], &*own["key"]), ("eu-1", "a=b#c"));
    }

    #[test]
    fn keys_come_from_the_file_or_from_a_command_and_never_with_a_line_break() {
        let keys = |settings: &[(&str, &str)]| {
            let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Profile { name: "p".into(), settings }.keys().map(|keys| keys.map(|keys| (keys.key_id, keys.secret_key)))
        };
        let pair = Some(("A".to_owned(), "S".to_owned()));
        assert_eq!(keys(&[("aws_access_key_id", "A"), ("aws_secret_access_key", "S")]).ok(), Some(pair.clone()));
        let print = r#"echo '{"Version":1,"AccessKeyId":"A","SecretAccessKey":"S"}'"#;
        assert_eq!(keys(&[("credential_process", print)]).ok(), Some(pair));
        assert_eq!(keys(&[("region", "x")]).ok(), Some(None));
        for wrong in [
            &[("aws_access_key_id", "A")][..],
            &[("aws_access_key_id", "A"), ("aws_secret_access_key", "S\n")],
            &[("aws_access_key_id", "A"), ("aws_secret_access_key", "S"), ("aws_session_token", "é")],
            &[("credential_process", "exit 3")],
            &[("credential_process", "echo no")],
            &[("credential_process", r#"echo '{"AccessKeyId":"A"}'"#)],
            &[("role_arn", "arn")],
        ] {
            assert_eq!(keys(wrong).err().map(|error| error.code), Some(Code::Config), "{wrong:?}");
        }
    }
}
