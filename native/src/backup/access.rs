//! Who may read and change a file: its mode, its group and its access control list. A copy never lets more people at it
//! than what it is a copy of, and nothing here can set a set-user-ID bit.

use std::ffi::OsStr;
use std::io;

use rustix::io::Errno;

use crate::disk::{Handle, sys};

/// The attribute that holds a file's access control list (xattr(7), acl(5)).
const LIST: &str = "system.posix_acl_access";

/// Who may do what with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Permission bits of the owner, of the group itself (not of all that a list names) and of everybody else.
    pub mode: u32,
    /// The group's number.
    pub gid: u32,
    /// The access control list as the kernel keeps it, where there is one.
    pub(super) list: Option<Vec<u8>>,
}

impl Access {
    /// For the owner only.
    pub const PRIVATE: Access = Access { mode: 0o600, gid: 0, list: None };

    /// Who may do what with an open file or folder.
    pub(super) fn of(file: &impl AsRef<Handle>) -> io::Result<Access> {
        let file = file.as_ref();
        let stat = file.stat()?;
        let list = match file.attribute(OsStr::new(LIST)) {
            Ok(list) => Some(list),
            Err(error) if is_none(error) => None,
            Err(error) => return Err(error.into()),
        };
        let mut mode = stat.mode & 0o777;
        if let Some(list) = &list {
            // With a list, the group's bits of the mode are the list's mask.
            mode = mode & 0o707 | group_of(list).unwrap_or(0) << 3 & mode;
        }
        Ok(Access { mode, gid: stat.group, list })
    }

    /// No more than `mode` allows besides. What a list names has no place in that.
    #[must_use]
    pub(super) fn within(self, mode: u32) -> Access {
        let narrower = self.mode & (mode | 0o700);
        let list = self.list.filter(|_| narrower == self.mode);
        Access { mode: narrower, list, ..self }
    }

    /// The bits that are left of them in a file of group `gid`. Another group's members were among everybody before,
    /// and members of the former group are now.
    pub(super) fn mode_for(&self, gid: u32) -> u32 {
        if gid == self.gid {
            return self.mode;
        }
        let both = self.mode >> 3 & self.mode & 0o7;
        self.mode & 0o700 | both << 3 | both
    }

    /// Whether a file is the user's own, and nobody has access to it whom they would not give it.
    pub(super) fn covers(&self, file: &impl AsRef<Handle>) -> io::Result<bool> {
        let (now, stat) = (Access::of(file)?, file.as_ref().stat()?);
        let is_within = now.mode & !(self.mode_for(now.gid) | 0o400) == 0;
        let has_no_more = now.list.is_none() || (now.list == self.list && now.gid == self.gid);
        Ok(stat.owner == sys::user() && is_within && has_no_more)
    }

    /// Gives them to a file, which its owner may read in any case, and the file to `owner`, user and group. Without an
    /// owner, the file gets the group if that may be given.
    pub(super) fn give(&self, file: &impl AsRef<Handle>, owner: Option<(u32, u32)>) -> io::Result<()> {
        let file = file.as_ref();
        match owner {
            Some((user, group)) => file.set_owner(user, group)?,
            // Others than the group's members may not: then the file is narrower.
            None => _ = file.set_owner(file.stat()?.owner, self.gid),
        }
        let gid = file.stat()?.group;
        // What the folder's own list has given to the file.
        match file.remove_attribute(OsStr::new(LIST)) {
            Err(error) if !is_none(error) => return Err(error.into()),
            _ => {}
        }
        file.set_mode(self.mode_for(gid) | 0o400)?;
        if let Some(list) = self.list.as_ref().filter(|_| gid == self.gid) {
            // Without lists there, those that it names have no access.
            _ = file.set_attribute(OsStr::new(LIST), list);
        }
        Ok(())
    }
}

/// Whether there is no list, or the file system knows none.
fn is_none(error: Errno) -> bool {
    matches!(error, Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS)
}

/// The bits of the owning group in a list: a version of four bytes, then entries of tag, bits (two bytes each) and
/// number (Linux `posix_acl_xattr.h`). `ACL_GROUP_OBJ` is 4.
fn group_of(list: &[u8]) -> Option<u32> {
    let entries = list.get(4..)?.chunks_exact(8);
    let [.., low, high] = *entries.into_iter().find(|entry| entry[..2] == [4, 0])?.get(..4)? else { return None };
    Some(u32::from(u16::from_le_bytes([low, high])) & 0o7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_group_gets_no_more_than_everybody_had() {
        let of = |mode| Access { mode, gid: 1, list: None };
        for (mode, same, other) in [
            (0o640, 0o640, 0o600),
            (0o644, 0o644, 0o644),
            (0o604, 0o604, 0o600),
            (0o666, 0o666, 0o666),
            (0o660, 0o660, 0o600),
        ] {
            assert_eq!((of(mode).mode_for(1), of(mode).mode_for(2)), (same, other), "{mode:o}");
        }
        assert_eq!(of(0o664).within(0o640).mode, 0o640);
        assert_eq!(of(0o600).within(0o777).mode, 0o600);
    }

    #[test]
    fn the_groups_bits_of_a_list_are_its_own() {
        let entry = |tag: u16, bits: u16| [&tag.to_le_bytes()[..], &bits.to_le_bytes(), &[0xff; 4]].concat();
        let list = [&[2, 0, 0, 0][..], &entry(1, 6), &entry(2, 4), &entry(4, 0), &entry(16, 4), &entry(32, 0)].concat();
        assert_eq!(group_of(&list), Some(0));
        assert_eq!(group_of(&[2, 0, 0, 0]), None);
    }
}
