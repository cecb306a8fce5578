//! Intact records among what a plan leaves out: each has a finding of its own.

use memchr::memmem::find_iter;

use super::arguments::{addition, id};
use super::planner::AofPlanner;
use super::resp::{Parsed, parse};
use crate::redis::finding::{BackupFinding, BackupReason};

/// What stands between the number of arguments and a name as long as XADD.
const NAME_OF_FOUR: &[u8] = b"\r\n$4\r\n";

impl AofPlanner {
    /// An intact record that goes is told by itself, if it is one of Papyra's.
    pub(super) fn record_that_goes(
        &mut self,
        reason: BackupReason,
        from: u64,
        length: u64,
        args: &[&[u8]],
        text: &str,
    ) {
        let Some(key) = args.get(1).filter(|key| self.scope.find(key).is_some()) else { return };
        let mut finding = BackupFinding::new(reason, from, text).of_length(length);
        finding.key = Some(key.to_vec());
        finding.id = addition(args).ok().and_then(|added| id(added.id).ok());
        self.records_that_go += 1;
        self.note(finding);
    }

    /// Intact records between damage and damage: nothing proves where commands begin there, so that they go, each told
    /// by itself.
    pub(super) fn records_within(&mut self, damage: &[u8], offset: u64) {
        let (mut args, mut from) = (Vec::new(), 0);
        for mark in find_iter(damage, NAME_OF_FOUR) {
            let name = damage[mark + NAME_OF_FOUR.len()..].first_chunk::<4>();
            let is_addition = name.is_some_and(|name| name.eq_ignore_ascii_case(b"XADD"));
            let digits = damage[..mark].iter().rev().take(3).take_while(|byte| byte.is_ascii_digit()).count();
            let begin = (mark - digits).checked_sub(1).filter(|&at| at >= from && damage[at] == b'*');
            // A record has few arguments: so each place is looked at in bounded time.
            let (Some(begin), true, 1..=2) = (begin, is_addition, digits) else { continue };
            let Parsed::Command(length) = parse(damage, begin, self.limits.unit, &mut args) else { continue };
            let words: Vec<&[u8]> = args.iter().map(|range| &damage[range.clone()]).collect();
            let text = "what looks like an intact record goes with the damage around it, as nothing proves where \
                        commands begin there";
            self.record_that_goes(BackupReason::RecordInDamage, offset + begin as u64, length as u64, &words, text);
            from = begin + length;
        }
    }
}
