//! Safeguards that a test leaves out, one at a time, to see that the simulation finds what goes wrong without them.
//!
//! Outside of tests none is ever left out.

use super::File;

/// Declares the safeguards, and the list of all of them.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A safeguard that is missing.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Fault {
            $($(#[$doc])* $name,)*
        }

        #[cfg(test)]
        impl Fault {
            pub(crate) const ALL: &[Fault] = &[$(Fault::$name),*];
        }
    };
}

faults! {
    /// A hidden file is known by its inode: in a copied folder all of it came too late.
    KnownByInode,
    /// Late bytes are looked for, and put, where the log's name leads now.
    LateToTheLogsName,
    /// Late bytes go to the end.
    LateAtTheEnd,
    /// The old file is read before its lease is asked for.
    LeaseAfterReading,
    /// The quarantined original is not synced.
    OriginalNotSynced,
    /// Nor are the parents of a new folder.
    ParentsNotSynced,
    /// Papyra's temporary is put in place as Papyra left it.
    TemporaryNotSynced,
    /// Without an exchange, one name replaces the other beside writers.
    ReplacesBesideWriters,
    /// Without leases, the log is swapped all the same.
    SwapsWithoutLease,
    /// What was done to the old file too late counts as appended.
    LateUnchecked,
    /// What is overwritten is not compared with what was secured.
    OverwritesUnchecked,
    /// What is made beside a log belongs to who made it.
    BelongsToItsMaker,
    /// The new file can be opened before late bytes were added.
    NoBarrier,
    /// Who meant the log writes to it before what he wrote to the new file was added.
    NoGate,
    /// Nobody waits for those who had found the old file.
    NoWaitForTheLast,
    /// An exchange that hit another file stands.
    NeverTakenBack,
    /// The new file is not synced.
    NewNotSynced,
    /// Nor are the rejects.
    RejectsNotSynced,
    /// The file that an exchange hit is not noted before it gets its place back.
    DisplacedNotMarked,
    /// An exchange by which a file gets its place back may hit another.
    PutBackUnchecked,
    /// Late bytes go where their place was when it was looked for.
    PlaceUnchecked,
    /// A hidden file goes aside though somebody may be about to open it.
    SettlesAtOnce,
    /// What was carried over once is not remembered.
    CarriedNotMarked,
    /// The newline that ends damage goes first.
    BlanksTheEndFirst,
    /// The owed newline is written before the damage behind it is cut off.
    NewlineBeforeCut,
    /// Papyra's temporary is put in place although the set has some of it.
    TemporaryTakenWhole,
    /// Papyra's temporary is settled while Papyra writes it.
    TemporaryAtWork,
    /// An emptied member goes though somebody may be about to open it.
    EmptiedAtOnce,
    /// A compaction's filter is used on whatever has the name.
    FiltersWhateverIsThere,
    /// What a temporary holds counts as older though its time says otherwise.
    TimeUnchecked,
    /// The files of a backup are not synced before it has its name.
    BackupNotSynced,
    /// A set is backed up in the middle of a rotation.
    BackupAmongRenames,
}

impl Fault {
    /// Whether the safeguard is left out.
    #[cfg(not(test))]
    pub(crate) const fn is_back(self) -> bool {
        false
    }

    #[cfg(test)]
    pub(crate) fn is_back(self) -> bool {
        BACK.get() == Some(self)
    }

    /// Those whose absence some thousand schedules show.
    #[cfg(test)]
    pub(crate) const SHOW_EARLY: [Fault; 11] = {
        use Fault::*;
        [
            KnownByInode,
            LateToTheLogsName,
            LeaseAfterReading,
            LateAtTheEnd,
            OriginalNotSynced,
            SwapsWithoutLease,
            LateUnchecked,
            BelongsToItsMaker,
            NoBarrier,
            NoWaitForTheLast,
            BackupNotSynced,
        ]
    };

    /// Leaves it out on this thread, or (`None`) nothing.
    #[cfg(test)]
    pub(crate) fn put_back(fault: Option<Fault>) {
        BACK.set(fault);
        SOUGHT.set(fault);
        SWAPPED.take();
    }

    /// Schedules on this thread are to be such as show it, though it is not left out.
    #[cfg(test)]
    pub(crate) fn seek(fault: Option<Fault>) {
        SOUGHT.set(fault);
    }

    #[cfg(test)]
    pub(crate) fn sought() -> Option<Fault> {
        SOUGHT.get()
    }

    #[cfg(test)]
    pub(crate) fn is_sought(self) -> bool {
        Fault::sought() == Some(self)
    }
}

#[cfg(test)]
thread_local! {
    static BACK: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
    static SOUGHT: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
    /// The inodes of files that were swapped out, for [`Fault::KnownByInode`].
    static SWAPPED: std::cell::RefCell<Vec<u64>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Remembers the file that was swapped out.
pub(crate) fn remember(file: &File) {
    #[cfg(test)]
    if Fault::KnownByInode.is_back()
        && let Ok(stat) = file.stat()
    {
        SWAPPED.with_borrow_mut(|swapped| swapped.push(stat.inode));
    }
    _ = file;
}

/// Whether it was remembered.
pub(crate) fn is_known(file: &File) -> bool {
    #[cfg(test)]
    return file.stat().is_ok_and(|stat| SWAPPED.with_borrow(|swapped| swapped.contains(&stat.inode)));
    #[cfg(not(test))]
    {
        _ = file;
        true
    }
}
