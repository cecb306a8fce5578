//! A repository's password: from where restic takes it, never from the command line, and never shown.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustic_core::repofile::MasterKey;
use rustic_core::{CredentialOptions, Credentials};

use super::store::plain;
use crate::error::{Code, Error, Result, show};

/// The keys of the repositories that this process has opened: deriving one is made to take time.
static KEYS: OnceLock<Mutex<HashMap<PathBuf, MasterKey>>> = OnceLock::new();

fn keys() -> std::sync::MutexGuard<'static, HashMap<PathBuf, MasterKey>> {
    KEYS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the environment says.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// How to open the repository at `path`.
pub(super) fn credentials(path: &Path) -> Result<Credentials> {
    if let Some(key) = keys().get(path) {
        return Ok(Credentials::Masterkey(key.clone()));
    }
    password(path)
}

/// Remembers what has opened the repository.
pub(super) fn remember(path: &Path, key: &MasterKey) {
    keys().insert(path.to_owned(), key.clone());
}

/// The password that the environment tells.
pub(super) fn password(path: &Path) -> Result<Credentials> {
    let names = ["RESTIC_PASSWORD", "RESTIC_PASSWORD_FILE", "RESTIC_PASSWORD_COMMAND"];
    let [text, file, command] = names.map(variable);
    let wrong = |name: &str, why: String| Error::new(Code::Config, format!("{name} gives no password: {why}"));
    let options = match (text, file, command) {
        (_, Some(_), Some(_)) => {
            let why = "RESTIC_PASSWORD_COMMAND is set too: unset the one that is not meant";
            return Err(wrong("RESTIC_PASSWORD_FILE", why.into()));
        }
        (_, Some(file), None) => CredentialOptions::default().password_file(PathBuf::from(file)),
        (_, None, Some(command)) => {
            let command = command.to_str().ok_or_else(|| wrong(names[2], "it is not UTF-8".into()))?;
            let parsed = command.parse::<rustic_core::CommandInput>();
            CredentialOptions::default().password_command(parsed.map_err(|error| wrong(names[2], error.to_string()))?)
        }
        (Some(text), None, None) => {
            let text = text.into_string().map_err(|_| wrong(names[0], "it is not UTF-8".into()))?;
            CredentialOptions::default().password(text)
        }
        (None, None, None) => {
            let text = format!(
                "{} is a repository, and no password for it is given: RESTIC_PASSWORD_FILE names a file that holds it, \
                 RESTIC_PASSWORD_COMMAND a command that prints it, RESTIC_PASSWORD is the password itself",
                show(path)
            );
            return Err(Error::new(Code::Config, text));
        }
    };
    let name = if options.password_file.is_some() { names[1] } else { names[2] };
    match options.credentials().map_err(|error| wrong(name, plain(&error)))? {
        Some(Credentials::Password(password)) if password.is_empty() => Err(wrong(name, "it is empty".into())),
        Some(credentials) => Ok(credentials),
        None => Err(wrong(name, "it is empty".into())),
    }
}
