//! The passes over append-only files that lead to the state that they make up.
//!
//! Nothing is read here: [`SetReader::want`] says which bytes come next, whoever has the files pushes them. As long as
//! every file is whole one pass does. Once one is damaged all are surveyed first, then what counts of each is replayed
//! from the beginning.

use std::ops::Range;
use std::vec::IntoIter;

use super::names::AofNames;
use super::reader::AofReader;
use super::replay::Replay;
use super::search::Search;
use super::survey::{Survey, Surveyor};
use crate::redis::error::Error;
use crate::redis::rdb::header::Limits;
use crate::redis::rdb::node::Entry;
use crate::redis::stream::keys::Scope;
use crate::redis::visit::{Any, Flow};

/// Bytes that are to be pushed next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Which file, by its place in the order of reading.
    pub file: usize,
    /// Bytes from its start.
    pub range: Range<u64>,
    /// What for.
    pub pass: Pass,
}

/// Why bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// For the first time.
    Read,
    /// Again, to find whole commands after damage.
    Search,
    /// Again, for the state that comes of what is kept.
    Replay,
}

/// Reads a set into a [`Replay`].
pub struct SetReader<P, F> {
    sizes: Vec<Option<u64>>,
    dumps: usize,
    scope: Scope,
    replay: Replay<P, F>,
    surveys: Vec<Option<Survey>>,
    /// No file has turned out damaged: what is surveyed is replayed at once.
    whole: bool,
    stage: Stage,
}

enum Stage {
    Survey(usize, Box<Surveyor>),
    Search(usize, Box<Search>),
    /// The stretch that is read, and those of its file that count after it.
    Replay(usize, Range<u64>, IntoIter<Range<u64>>, Box<AofReader>),
    Done,
}

impl<P: Clone, F: FnMut(u32, &Entry<'_>) -> P> SetReader<P, F> {
    /// Reads the files of these names and sizes, `None` for one that is not there.
    pub fn of(names: &AofNames, sizes: Vec<Option<u64>>, scope: Scope, mut replay: Replay<P, F>) -> Self {
        replay.by_old_server(names.is_by_old_server());
        Self::new(sizes, names.dumps, scope, replay)
    }

    /// Reads files of these sizes; the first `dumps` may be dumps (see [`AofNames`]).
    pub fn new(sizes: Vec<Option<u64>>, dumps: usize, scope: Scope, replay: Replay<P, F>) -> Self {
        let surveys = sizes.iter().map(|_| None).collect();
        let mut reader = Self { sizes, dumps, scope, replay, surveys, whole: true, stage: Stage::Done };
        reader.survey_from(0);
        reader
    }

    /// What to push before the next [`SetReader::end`]; nothing when all is done.
    pub fn want(&self) -> Option<Want> {
        let all = |file: usize| 0..self.sizes.get(file).copied().flatten().unwrap_or(0);
        match &self.stage {
            Stage::Survey(file, _) => Some(Want { file: *file, range: all(*file), pass: Pass::Read }),
            Stage::Search(file, search) => search.want().map(|range| Want { file: *file, range, pass: Pass::Search }),
            Stage::Replay(file, range, ..) => Some(Want { file: *file, range: range.clone(), pass: Pass::Replay }),
            Stage::Done => None,
        }
    }

    /// Takes the next bytes of what is wanted.
    pub fn push(&mut self, bytes: &[u8]) -> Flow {
        match &mut self.stage {
            Stage::Survey(_, surveyor) if self.whole => surveyor.push(bytes, &mut self.replay),
            Stage::Survey(_, surveyor) => surveyor.push(bytes, &mut ()),
            Stage::Search(_, search) => search.push(bytes),
            Stage::Replay(.., reader) => reader.push::<Any<'_>>(bytes, &mut (&mut self.replay as _)),
            Stage::Done => Flow::Break(()),
        }
    }

    /// All that was wanted has been pushed.
    ///
    /// # Errors
    /// The file that could not be read, by its place, and why.
    pub fn end(&mut self) -> Result<(), (usize, Error)> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Survey(file, surveyor) => {
                let done = if self.whole { surveyor.finish(&mut self.replay) } else { surveyor.finish(&mut ()) };
                let survey = done.map_err(|error| (file, error))?;
                let search = survey.search(&self.scope);
                self.surveys[file] = Some(survey);
                match search {
                    Some(search) => {
                        self.whole = false;
                        self.replay.restart();
                        self.search(file, Box::new(search));
                    }
                    None => self.survey_from(file + 1),
                }
            }
            Stage::Search(file, mut search) => {
                search.end();
                self.search(file, search);
            }
            Stage::Replay(file, range, kept, reader) => {
                reader.finish::<Any<'_>>(&mut (&mut self.replay as _)).map_err(|error| (file, error))?;
                self.replay_on(file, range.end, kept);
            }
            Stage::Done => {}
        }
        Ok(())
    }

    /// The sizes of the files.
    pub fn sizes(&self) -> &[Option<u64>] {
        &self.sizes
    }

    /// The state so far, and what the files are like that were gone through.
    pub fn finish(self) -> (Replay<P, F>, Vec<Option<Survey>>) {
        (self.replay, self.surveys)
    }

    fn search(&mut self, file: usize, search: Box<Search>) {
        if search.want().is_some() {
            self.stage = Stage::Search(file, search);
            return;
        }
        if let Some(survey) = &mut self.surveys[file] {
            survey.plan = search.finish();
        }
        self.survey_from(file + 1);
    }

    fn survey_from(&mut self, mut file: usize) {
        while let Some(size) = self.sizes.get(file) {
            if self.whole {
                self.replay.next_file();
            }
            if size.is_some() {
                self.stage = Stage::Survey(file, Box::new(Surveyor::new(file >= self.dumps, self.scope.clone())));
                return;
            }
            if self.whole {
                self.replay.lose();
            }
            file += 1;
        }
        if !self.whole {
            self.replay.next_file();
            self.replay_on(0, 0, self.kept(0));
        }
    }

    fn kept(&self, file: usize) -> IntoIter<Range<u64>> {
        let survey = self.surveys.get(file).and_then(Option::as_ref);
        survey.map(Survey::kept).unwrap_or_default().into_iter()
    }

    /// Goes on with the next of the stretches that count, from a byte of a file on.
    fn replay_on(&mut self, mut file: usize, mut from: u64, mut kept: IntoIter<Range<u64>>) {
        while let Some(size) = self.sizes.get(file) {
            let next = kept.next();
            if next.as_ref().map_or(size.unwrap_or(u64::MAX), |range| range.start) > from {
                self.replay.lose();
            }
            if let Some(range) = next {
                let reader = match range.start {
                    0 => AofReader::new(Limits::default()),
                    start => AofReader::part(start, Limits::default()),
                };
                self.stage = Stage::Replay(file, range, kept, Box::new(reader));
                return;
            }
            (file, from, kept) = (file + 1, 0, self.kept(file + 1));
            self.replay.next_file();
        }
    }
}
