//! The scan of one or more files for JavaScript.

use std::collections::BTreeMap;

use papyra_core::archive;
use papyra_core::assembly::{self, Standing};
use papyra_core::browse::LineIndex;
use papyra_core::finding::Reason;
use papyra_core::plan::Action;
use papyra_core::redis::{Lines, Remedy};
use papyra_core::report::{Backend, FileReport, Report};
use papyra_core::sniff;
use papyra_core::summary::Summary;
use papyra_core::timeline::Timeline;
use papyra_core::unpack::Input;
use papyra_core::verification::Piece;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::backup::{Backup, Stored};
use crate::details::{Described, Details, Done, Found, Listing, Told};
use crate::opening::{Opening, Set, Whole};
use crate::watch::{Text, Watch};
use crate::{CALENDAR, DAY, text};

/// Scans files one after the other, in the order in which they were named.
#[wasm_bindgen]
pub struct Scanner {
    /// Which sets the files make, and what lies beside them.
    whole: Whole,
    /// For each file that is read, its set and its place in it.
    places: Vec<(usize, Standing)>,
    /// The backup that the files belong to; then it says what they are.
    backup: Option<Backup>,
    sizes: Vec<u64>,
    timeline: Timeline,
    open: Option<Open>,
    done: Vec<Done>,
    base: u64,
    records: u64,
    last_plain: Option<Vec<u8>>,
    no_log: bool,
    pub(crate) backups: Vec<Vec<FileReport>>,
    /// Where their files stand among all.
    pub(crate) backup_places: Vec<Option<usize>>,
    /// For each file of the report, how often each reason is among its anomalies.
    reasons: Vec<BTreeMap<Reason, u64>>,
    /// For each file of the report, where it stands among those that were opened.
    sources: Vec<Option<usize>>,
    /// The records of Redis dumps and of backed-up streams, by the file's place among all.
    listings: BTreeMap<usize, Listed>,
}

/// The records of a Redis file, and the timeline without them.
struct Listed {
    text: Text,
    before: Timeline,
}

/// The file that is being read.
struct Open {
    source: Source,
    text: Text,
    /// For streams in a backup: the timeline without them.
    before: Option<Timeline>,
}

/// How its bytes become lines.
enum Source {
    File(Input),
    Stored(Box<Stored>),
}

#[cfg_attr(feature = "judge", wasm_bindgen)]
impl Scanner {
    /// For files that were opened together: the places of the logs in reading order, and sizes in bytes in the same
    /// order; more sizes than places when Redis backups come after.
    #[cfg_attr(feature = "judge", wasm_bindgen(constructor))]
    pub fn new(opening: &Opening, order: Vec<u32>, sizes: Vec<f64>) -> Scanner {
        let whole = opening.whole();
        let place = |at: &u32| {
            let of_set = |(number, set): (usize, &Set)| {
                let found = set.files.iter().find(|(file, _)| *file == *at as usize)?;
                Some((number, found.1.clone()))
            };
            whole.sets.iter().enumerate().find_map(of_set)
        };
        let places = order.iter().filter_map(place).collect();
        Scanner::of(whole, places, None, sizes)
    }
}

#[cfg(feature = "explore")]
#[wasm_bindgen]
impl Scanner {
    /// For a backup with files at these `paths`: sizes are those of the ones that are read, in the order that
    /// [`crate::backup()`] gives.
    pub fn of_backup(manifest: &[u8], sums: &[u8], paths: Vec<String>, sizes: Vec<f64>) -> Result<Scanner, String> {
        let backup = Backup::open(manifest, sums, &paths)?;
        Ok(Scanner::of(Whole::of(Vec::new()), Vec::new(), Some(backup), sizes))
    }
}

#[wasm_bindgen]
impl Scanner {
    /// The next bytes of the file that is being read.
    pub fn push(&mut self, bytes: &[u8]) {
        let fresh = || Open::new(self.backup.as_ref(), self.done.len(), &self.timeline);
        let Open { source, text, .. } = self.open.get_or_insert_with(fresh);
        source.push(bytes, &mut |piece| text.take(piece, self.base, &mut self.timeline));
    }

    /// The file is over; the next bytes are the next file's.
    pub fn end_file(&mut self) {
        self.end(true);
    }

    /// Findings of the file being read that were not taken yet, as JSON; nothing when there are none.
    pub fn take_found(&mut self) -> Option<String> {
        let file = self.done.len();
        let fresh = std::mem::take(&mut self.open.as_mut()?.text.gathered.fresh);
        let found: Vec<_> = fresh.into_iter().map(|anomaly| Found { file: Some(file), anomaly }).collect();
        (!found.is_empty()).then(|| text(&found))
    }

    /// Unpacked bytes of the file being read, or of the one that has just ended, that were not taken yet. Nothing when
    /// the file is not packed, or once it has turned out too large to keep.
    pub fn take_plain(&mut self) -> Option<Vec<u8>> {
        match &mut self.open {
            None => self.last_plain.take(),
            Some(Open { source, text, .. }) => source.unfolds().then(|| text.take_plain())?,
        }
    }

    /// The records of a Redis dump that were not taken yet, as lines; nothing once they have turned out too many to
    /// keep, or the file to be no dump.
    pub fn take_listed(&mut self, file: usize) -> Option<Vec<u8>> {
        self.listings.get_mut(&file)?.text.take_plain()
    }

    /// Whether the lines of the file being read have to be unfolded from it: its first four bytes, or the backup that
    /// it is of, tell.
    pub fn unfolds(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.source.unfolds())
    }

    /// Intact records so far.
    pub fn records(&self) -> f64 {
        (self.records + self.open.as_ref().map_or(0, |open| open.text.scanner.so_far().records.total())) as f64
    }

    /// Ends the scan: the report, as the command line prints it. Unless `whole`, it is that of what was seen so far.
    pub fn finish(&mut self, whole: bool) -> String {
        if self.open.is_some() {
            self.end(whole);
        }
        let read = self.done.iter().enumerate();
        let (mut sources, mut files): (Vec<_>, Vec<FileReport>) =
            read.filter_map(|(at, done)| Some((Some(at), done.report.clone()?))).unzip();
        let report = match &self.backup {
            Some(backup) => {
                let paths: BTreeMap<_, _> = files.iter().map(|file| file.path.clone()).zip(sources).collect();
                let report = backup.report(files, whole);
                sources = report.files.iter().map(|file| paths.get(&file.path).copied().flatten()).collect();
                report
            }
            None => {
                self.add_gaps(&mut files, &mut sources);
                files.extend(self.backups.iter().flatten().cloned());
                sources.extend(&self.backup_places);
                let passed_over = self.whole.reported().to_vec();
                let loaded = self.whole.loaded.clone();
                Report { passed_over, loaded, ..Report::new(crate::TOOL, self.whole.backend, files, false) }
            }
        };
        self.sources = sources;
        self.reasons = report.files.iter().map(|file| file.reasons.clone()).collect();
        self.no_log = report.is_no_log();
        text(&report) + "\n"
    }

    /// What the page shows beside the finished report: timeline, plans in short, what the files look like. `now` in
    /// seconds.
    pub fn details(&self, now: f64) -> String {
        text(&Details {
            timeline: Told::of(self.timeline.clone().finish(CALENDAR, now + DAY)),
            sources: &self.sources,
            reasons: self.reasons.iter().map(named).collect(),
            files: self.done.iter().map(Described::of).collect(),
            no_log: self.no_log,
            backup: self.backup.as_ref().map(Backup::told),
            remedies: self.backups.iter().map(|files| Remedy::of(files)).collect(),
            listings: self.listings.iter().map(|(file, listed)| Listing::of(*file, &listed.text)).collect(),
        })
    }

    /// A file's plan: action (0 keep, 1 keep and add a newline, 2 reject), offset and length of each part.
    pub fn plan(&self, file: usize) -> Vec<f64> {
        let parts = self.done.get(file).map(|done| &done.plan.parts[..]).unwrap_or_default();
        let number = |action: Action| match action {
            Action::Keep => 0.0,
            Action::KeepAndAddNewline => 1.0,
            Action::Reject => 2.0,
        };
        parts.iter().flat_map(|part| [number(part.action), part.span.offset as f64, part.span.length as f64]).collect()
    }

    /// The offsets of a file's line index; of a Redis dump, that of its listing.
    pub fn line_offsets(&self, file: usize) -> Vec<f64> {
        let listing = self.listings.get(&file).map(|listed| &listed.text.gathered.index);
        let index = listing.or_else(|| Some(&self.done.get(file)?.index));
        index.map(LineIndex::offsets).unwrap_or_default().iter().map(|offset| *offset as f64).collect()
    }
}

impl Scanner {
    fn of(whole: Whole, places: Vec<(usize, Standing)>, backup: Option<Backup>, sizes: Vec<f64>) -> Scanner {
        let sizes: Vec<u64> = sizes.into_iter().map(|size| size as u64).collect();
        Scanner {
            whole,
            places,
            backup,
            timeline: Timeline::new(sizes.iter().sum()),
            sizes,
            open: None,
            done: Vec::new(),
            base: 0,
            records: 0,
            last_plain: None,
            no_log: false,
            backups: Vec::new(),
            backup_places: Vec::new(),
            reasons: Vec::new(),
            sources: Vec::new(),
            listings: BTreeMap::new(),
        }
    }

    /// Puts the gaps of each set behind its members. Of files that reading did not come to nothing is told.
    fn add_gaps(&self, files: &mut Vec<FileReport>, sources: &mut Vec<Option<usize>>) {
        let mut behind: Vec<Option<usize>> = vec![None; self.whole.sets.len()];
        for (at, (set, place)) in self.places.iter().take(files.len()).enumerate() {
            if matches!(place, Standing::Member(_)) {
                behind[*set] = Some(at + 1);
            }
        }
        let mut behind: Vec<(usize, &Set)> =
            behind.into_iter().zip(&self.whole.sets).filter_map(|(at, set)| Some((at?, set))).collect();
        behind.sort_by_key(|(at, _)| *at);
        for (at, set) in behind.into_iter().rev() {
            files.splice(at..at, set.gaps.iter().map(|index| assembly::gap(&set.base, *index)));
            sources.splice(at..at, set.gaps.iter().map(|_| None));
        }
    }

    /// Records of the Redis dump at this place, as lines, when so many of its bytes were read.
    pub(crate) fn list(&mut self, file: usize, Lines { text, times }: &Lines, read: u64) {
        let base = self.base_of(file);
        let fresh = || Listed { text: Text::new(), before: self.timeline.clone() };
        let listed = self.listings.entry(file).or_insert_with(fresh);
        listed.text.take(Piece { plain: text, packed_at: Some(read), times }, base, &mut self.timeline);
    }

    /// The file has turned out to be no dump.
    pub(crate) fn unlist(&mut self, file: usize) {
        if let Some(listed) = self.listings.remove(&file) {
            self.timeline = listed.before;
        }
    }

    /// Damage at this offset of the Redis dump at this place.
    pub(crate) fn mark(&mut self, file: usize, offset: u64) {
        self.timeline.anomaly(self.base_of(file) + offset);
    }

    /// Where a file begins in the whole history.
    fn base_of(&self, file: usize) -> u64 {
        self.sizes.iter().take(file).sum()
    }

    /// `whole` is false when reading was stopped: then the line under way is not looked at, for it is not torn.
    fn end(&mut self, whole: bool) {
        let at = self.done.len();
        let fresh = || Open::new(self.backup.as_ref(), at, &self.timeline);
        let Open { mut source, mut text, before } = self.open.take().unwrap_or_else(fresh);
        let (base, timeline) = (self.base, &mut self.timeline);
        if whole {
            source.finish(&mut |piece| text.take(piece, base, timeline));
        }
        let packed_at = source.packed_at();
        self.last_plain = source.unfolds().then(|| text.take_plain()).flatten();
        if let Some(before) = before {
            let text = std::mem::replace(&mut text, Text::new());
            self.listings.insert(at, Listed { text, before });
        }
        let Text { scanner, mut gathered, head, .. } = text;
        let summary = if whole {
            scanner.finish(&mut Watch { gathered: &mut gathered, timeline, times: &[], base, packed_at })
        } else {
            let mut seen = scanner.so_far().clone();
            seen.bytes = scanner.offset();
            seen
        };
        self.records += summary.records.total();
        let bytes = summary.bytes;
        let report = match source {
            Source::File(input) => match self.places.get(at) {
                Some((set, place)) => Some(told(place, self.whole.sets[*set].backend, summary, &input)),
                None => return,
            },
            Source::Stored(stored) => match self.backup.as_mut() {
                Some(backup) => backup.judge(at, *stored, summary, whole),
                None => return,
            },
        };
        if let Some(listed) = self.listings.get(&at) {
            let lines = listed.text.scanner.so_far().lines;
            match report.as_ref().filter(|report| report.records.total() == lines) {
                Some(report) => {
                    self.records += lines;
                    let places = report.anomalies.iter().filter_map(|anomaly| packed_at.or(anomaly.offset));
                    places.for_each(|place| self.timeline.anomaly(base + place));
                }
                // Of streams that are not told of, no records are shown either.
                None => self.unlist(at),
            }
        }
        // Streams have their size from their own report.
        let bytes = report.as_ref().map_or(bytes, |report| report.bytes);
        let looks = sniff::sniff(&head);
        let packed = packed_at.is_some();
        self.base += self.sizes.get(at).copied().unwrap_or_default();
        self.done.push(Done { report, bytes, plan: gathered.plan, index: gathered.index, looks, packed });
    }
}

/// The report on a file; on a packed log it says how unpacking ended.
fn told(place: &Standing, backend: Backend, summary: Summary, input: &Input) -> FileReport {
    let mut report = place.report(backend, summary);
    if let (Standing::Member(_), Some(format), Some(why)) = (place, input.format(), input.failed()) {
        report.add(archive::finding(format, report.bytes, &why));
    }
    report
}

impl Source {
    fn push(&mut self, bytes: &[u8], out: &mut impl FnMut(Piece<'_>)) {
        match self {
            Source::File(input) => {
                input.push(bytes, &mut |plain, packed_at| out(Piece { plain, packed_at, times: &[] }))
            }
            Source::Stored(stored) => stored.push(bytes, out),
        }
    }

    fn finish(&mut self, out: &mut impl FnMut(Piece<'_>)) {
        match self {
            Source::File(input) => input.finish(&mut |plain, packed_at| out(Piece { plain, packed_at, times: &[] })),
            Source::Stored(stored) => stored.finish(out),
        }
    }

    /// Whether its lines are not its bytes.
    fn unfolds(&self) -> bool {
        self.packed_at().is_some() || self.is_listing()
    }

    /// Whether its lines are records of streams.
    fn is_listing(&self) -> bool {
        matches!(self, Source::Stored(stored) if stored.is_listing())
    }

    /// How many packed bytes were taken; `None` when the file is not packed.
    fn packed_at(&self) -> Option<u64> {
        match self {
            Source::File(input) => input.packed_at(),
            Source::Stored(stored) => stored.packed_at(),
        }
    }
}

impl Open {
    /// The file that is read as number `at`.
    fn new(backup: Option<&Backup>, at: usize, timeline: &Timeline) -> Open {
        let source = match backup.and_then(|backup| backup.stored(at)) {
            Some(stored) => Source::Stored(Box::new(stored)),
            None => Source::File(Input::default()),
        };
        let before = source.is_listing().then(|| timeline.clone());
        Open { source, text: Text::new(), before }
    }
}

/// Reasons by the names that reports give them.
fn named(reasons: &BTreeMap<Reason, u64>) -> BTreeMap<&'static str, u64> {
    reasons.iter().map(|(reason, count)| (reason.name(), *count)).collect()
}
