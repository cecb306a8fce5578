//! What a reader sees before and after each call of ours.

use std::collections::HashMap;

use super::*;

impl Books {
    /// The history as Papyra reads it: its records, by text.
    pub(in super::super) fn read(&self, fs: &FileSystem) -> Vec<usize> {
        let mut view = Vec::new();
        for member in members(fs) {
            let Some(content) = fs.content(member.inode) else { continue };
            for line in content.data().split(|byte| matches!(byte, b'\n' | b'\r')) {
                let line = line.trim_ascii();
                if line.len() > 20
                    && let Some(id) = self.find(line)
                {
                    view.push(id);
                }
            }
        }
        view
    }

    /// Before a call of ours.
    pub(in super::super) fn look(&mut self, fs: &FileSystem) {
        self.release(fs);
        self.before = members(fs).iter().map(|member| member.inode).collect();
        if self.view.is_none() {
            self.view = Some(self.read(fs));
        }
    }

    /// After it: a reader must not see less, nor twice, nor elsewhere. Only an exchange, or the removal of an empty
    /// member, right behind a rotation may hit another file, if it is taken back. One that `puts_back` is such a one.
    pub(in super::super) fn compare(
        &mut self,
        fs: &FileSystem,
        is_exchange: bool,
        puts_back: bool,
    ) -> Result<(), String> {
        let after = self.read(fs);
        let before = self.view.replace(after).unwrap_or_default();
        let now: Vec<Inode> = members(fs).iter().map(|member| member.inode).collect();
        let came = now.iter().filter(|inode| !self.before.contains(inode));
        let went: Vec<Inode> = self.before.iter().copied().filter(|inode| !now.contains(inode)).collect();
        let pairs: Vec<(Inode, Inode)> = came.copied().zip(went.iter().copied()).collect();
        let is_undone = pairs.iter().any(|(came, went)| self.exchanged.contains(&(*went, *came)));
        if is_undone {
            // What was synced in the file that goes again is no safer for it.
            for inode in went {
                let ids = self.kept(&bytes_of(fs, inode)).ids;
                self.each(&ids, |record| record.safe = false);
            }
            self.synced(fs);
        }
        self.exchanged.extend(pairs);
        let after = self.view.as_deref().unwrap_or_default();
        // What an interrupted run has left stays as it is until an exchange undoes it.
        if is_exchange && self.rotated || before == after {
            return Ok(());
        }
        // An exchange that is taken back brings back the damage: records without a newline between them. Of a folder
        // that was copied meanwhile, that the history was doubled is what shows it.
        let is_back = |inode: &Inode| now.contains(inode) && !self.before.contains(inode);
        let is_back = || self.at_start.iter().flatten().any(is_back);
        let was_doubled = self.not_doubled(&before).is_err();
        if puts_back || is_exchange && (is_undone || is_back() || was_doubled) {
            // There may be another one to put back.
            return if puts_back && was_doubled { Ok(()) } else { self.not_doubled(after) };
        }
        let mut rest = after.iter();
        for id in &before {
            let record = &self.records[*id];
            let may_go = record.state == State::Maybe || record.released;
            if !may_go && !rest.any(|other| other == id) {
                let what = if after.contains(id) { "in another place" } else { "no more" };
                return Err(format!("a reader sees record {id} {what}: {before:?} became {after:?}"));
            }
        }
        self.not_doubled(after)
    }

    pub(super) fn not_doubled(&self, view: &[usize]) -> Result<(), String> {
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for id in view {
            let count = counts.entry(*id).or_default();
            *count += 1;
            let twins = self.twins(*id);
            let live = twins.iter().filter(|twin| self.records[**twin].state != State::Gone).count();
            let most = live + self.records[twins[0]].doubled;
            if *count > most {
                let what = if most == 0 { "is back" } else { "is there twice" };
                return Err(format!("record {id} {what}: {view:?}"));
            }
        }
        Ok(())
    }
}
