//! What a caller may set to have it otherwise, as an [`Error`](crate::error::Error) or an advice names it. How a
//! front-end spells it, the command line as `--prefix`, is the front-end's.

/// Something that the caller of this crate decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setting {
    /// What all keys of Papyra's streams on a server begin with.
    Prefix,
    /// Which of the systems that share a server are meant.
    System,
    /// How long a server's answer is waited for.
    Timeout,
    /// The client certificate that is shown to a server.
    Certificate,
    /// The private key of the client certificate.
    PrivateKey,
    /// The authority that a server's certificate comes from.
    Authority,
    /// That streams are taken from a server by DUMP.
    ByDump,
    /// That they are taken out of an RDB file that the server saves.
    ByRdbFile,
    /// The server program that a trial runs.
    ServerProgram,
    /// Whether what consumers still wait for may go.
    Force,
    /// How old a record may be that stays.
    MaxAge,
    /// How many records stay.
    MaxRecords,
    /// How many bytes stay.
    MaxTotalBytes,
    /// Which file is meant.
    Path,
    /// Where what is made is put.
    Destination,
    /// Whether the commands stay that follow what is lost of an append-only file.
    KeepLater,
    /// Whether an append-only file is cut off where its damage begins.
    Truncate,
    /// That nobody writes, by the caller's word.
    AtRest,
    /// That a file may be emptied though no line of it is a record.
    NotALog,
    /// The folder that keeps originals.
    QuarantineFolder,
    /// That removed bytes are not kept.
    DiscardRejects,
    /// The series of backups that is meant.
    Series,
    /// The folder of the backups, or their repository.
    Backups,
    /// A backup's name.
    Name,
    /// Up to where something is restored.
    Until,
    /// That what a restore finds in its place is moved aside.
    Replace,
    /// That a backup shares the files that have not changed.
    Link,
    /// That nobody may write while a backup is made.
    PauseCheck,
    /// How what a backup stores is compressed.
    Compression,
    /// Where a trial writes.
    Scratch,
}
