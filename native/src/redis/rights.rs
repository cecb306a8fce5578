//! What a server's user has to be allowed for each kind of work, as one line for ACL SETUSER.
//!
//! The handbook has the same lines; a test compares the two, and runs each kind of work with exactly them.

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Looks: scan, startup-check, inspect, groups list, pending, metrics, checklist.
    #[default]
    Reader,
    /// Makes backups.
    Backup,
    /// Changes streams and groups where they are: recover, compact, groups, claim, ack.
    Recover,
    /// Puts streams in place.
    Restore,
}

impl Role {
    /// The commands that it may run.
    fn commands(self) -> &'static str {
        match self {
            Role::Reader => {
                "+cluster|slots +select +scan +xinfo +xlen +xrange +xrevrange +xpending +time +pttl +memory|usage \
                 +info +config|get"
            }
            Role::Backup => {
                "+cluster|slots +select +scan +xinfo +memory|usage +multi +exec +dump +pttl +time +info +sync +psync \
                 +replconf +bgsave +lastsave"
            }
            Role::Recover => {
                "+cluster|slots +select +scan +xinfo +xlen +xrange +xrevrange +xpending +time +eval +xadd +xdel +xtrim \
                 +xgroup +xclaim +xack +set +get +pttl +pexpire +del +dump +restore +memory|usage"
            }
            Role::Restore => {
                "+cluster|slots +select +scan +time +pttl +config|get +exists +restore +pexpire +persist +rename \
                 +unlink +watch +unwatch +multi +exec +@stream"
            }
        }
    }

    /// What an administrator says to allow it to `user`, where keys begin with `prefix`.
    pub fn grant(self, user: &str, prefix: &str) -> String {
        format!("ACL SETUSER {user} ~{prefix}:* {}", self.commands())
    }
}
