//! How many records of which sort lie where: over time and over the file, in a fixed number of bins whatever the log
//! holds.
//!
//! The span of time is not known before the end, so the bins of the time axis begin narrow and are merged in pairs as
//! the span grows. The file's size is known, so the other axis never changes. Stamps that lie far from each other are
//! gathered apart, so that one wrong clock does not flatten all the rest: see [`Timeline::finish`].

use crate::record::{Kind, RecordFacts};

/// Most bins of either axis.
const BINS: usize = 360;
/// Stamps beyond it are no clock's.
const LATEST: f64 = 1e12;
/// The most bins in a second: each is about a millisecond wide.
const FINEST: f64 = 1024.0;
/// Seconds between stamps of one stretch at most: 400 days.
const NEAR: f64 = 400.0 * 86_400.0;
/// Most stretches that are gathered apart; what comes after goes to the nearest.
const STRETCHES: usize = 8;
/// A stretch with less than this share of the largest one's records is of outliers.
const OUTLYING: u64 = 5;

/// What is counted in a bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// An event of any type, crashes and restarts among them.
    Event = 0,
    /// A dead letter.
    DeadLetter = 1,
    /// An event that tells of a crash.
    Crash = 2,
    /// An event that tells of a restart.
    Restart = 3,
    /// Damage.
    Anomaly = 4,
}

/// Counts by [`Sort`].
pub type Bin = [u32; 5];

/// Neighbouring bins of one width.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// Where the first bin starts: seconds or bytes.
    pub start: f64,
    /// How wide each is.
    pub width: f64,
    /// Counts by [`Sort`].
    pub bins: Vec<Bin>,
}

/// What a timeline has come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// By time, or by place in the file.
    pub by_time: bool,
    /// The bins of that axis.
    pub histogram: Histogram,
    /// The earliest and the latest stamp, outliers left out, in seconds.
    pub span: Option<(f64, f64)>,
    /// Stamps that are far from all others, and so not on the time axis.
    pub outliers: Outliers,
}

/// Stamps that are left out of the time axis.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outliers {
    /// Number of records.
    pub count: u64,
    /// The earliest and the latest of them, in seconds.
    pub span: Option<(f64, f64)>,
}

/// Both axes, filled while a log goes by.
#[derive(Debug, Clone)]
pub struct Timeline {
    place: Histogram,
    stretches: Vec<Stretch>,
    /// The stretch that the last stamp went to.
    at: usize,
    last: Option<f64>,
    beyond: Outliers,
}

/// Bins over stamps that lie near each other.
#[derive(Debug, Clone)]
struct Stretch {
    bins: Vec<Bin>,
    first: i64,
    /// Bins in a second, a power of two.
    scale: f64,
    earliest: f64,
    latest: f64,
    records: u64,
}

impl Timeline {
    /// For a history of so many bytes in all.
    pub fn new(total_bytes: u64) -> Timeline {
        let width = (total_bytes as f64 / BINS as f64).max(1.0);
        let bins = ((total_bytes as f64 / width).ceil() as usize).clamp(1, BINS);
        Timeline {
            place: Histogram { start: 0.0, width, bins: vec![Bin::default(); bins] },
            stretches: Vec::new(),
            at: 0,
            last: None,
            beyond: Outliers::default(),
        }
    }

    /// Adds a record at `place`, an offset in the whole history.
    #[inline]
    pub fn record(&mut self, facts: &RecordFacts, place: u64) {
        let seconds = facts.timestamp.filter(|seconds| seconds.is_finite());
        if let Some(seconds) = seconds {
            self.stamp(seconds);
        }
        let sort = match facts.kind {
            Kind::Event => Sort::Event,
            Kind::DeadLetter => Sort::DeadLetter,
            Kind::Audit | Kind::Other => return,
        };
        let tells = sort == Sort::Event && (facts.crashed || facts.restarted);
        let also = tells.then_some(if facts.crashed { Sort::Crash } else { Sort::Restart });
        self.add(sort, also, seconds, place);
    }

    /// Adds damage; its time is that of the record before it.
    pub fn anomaly(&mut self, place: u64) {
        self.add(Sort::Anomaly, None, self.last, place);
    }

    /// By time when the stamps lie between `from` and `to`, by place otherwise. A stretch of few stamps that is far
    /// from the others is left out of the axis, and told.
    pub fn finish(self, from: f64, to: f64) -> Finished {
        let most = self.stretches.iter().map(|stretch| stretch.records).max().unwrap_or_default();
        let (kept, outlying): (Vec<Stretch>, Vec<Stretch>) =
            self.stretches.into_iter().partition(|stretch| stretch.records * OUTLYING >= most);
        let calendar = |stretch: &Stretch| stretch.earliest >= from && stretch.latest <= to;
        let by_time = !kept.is_empty() && kept.iter().all(calendar);
        let mut outliers = self.beyond;
        outlying.iter().for_each(|stretch| outliers.add(stretch.records, stretch.earliest, stretch.latest));
        let whole = kept.into_iter().reduce(Stretch::with);
        let span = whole.as_ref().map(|whole| (whole.earliest, whole.latest));
        let histogram = match whole {
            Some(whole) if by_time => {
                Histogram { start: whole.first as f64 / whole.scale, width: 1.0 / whole.scale, bins: whole.bins }
            }
            _ => self.place,
        };
        Finished { by_time, histogram, span, outliers }
    }

    #[inline]
    fn add(&mut self, sort: Sort, also: Option<Sort>, seconds: Option<f64>, place: u64) {
        let count = |bin: &mut Bin| {
            count(bin, sort);
            also.into_iter().for_each(|sort| count(bin, sort));
        };
        let last = self.place.bins.len() - 1;
        count(&mut self.place.bins[((place as f64 / self.place.width) as usize).min(last)]);
        if seconds.is_some_and(|seconds| seconds.abs() < LATEST)
            && let (Some(seconds), Some(stretch)) = (seconds, self.stretches.get_mut(self.at))
        {
            let bin = stretch.bin(seconds);
            count(&mut stretch.bins[bin]);
        }
    }

    /// Finds the stretch of a record's stamp, and counts the record there.
    #[inline]
    fn stamp(&mut self, seconds: f64) {
        if seconds.abs() >= LATEST {
            self.beyond.add(1, seconds, seconds);
            return;
        }
        self.last = Some(seconds);
        let is_here = match &self.stretches[..] {
            [only] => only.distance(seconds) < NEAR,
            all => all.get(self.at).is_some_and(|stretch| stretch.distance(seconds) == 0.0),
        };
        if !is_here {
            self.find(seconds);
        }
        let stretch = &mut self.stretches[self.at];
        if seconds < stretch.earliest {
            stretch.earliest = seconds;
        }
        if seconds > stretch.latest {
            stretch.latest = seconds;
        }
        stretch.records += 1;
    }

    #[cold]
    fn find(&mut self, seconds: f64) {
        let distances = self.stretches.iter().map(|stretch| stretch.distance(seconds)).enumerate();
        let nearest = distances.min_by(|(_, one), (_, other)| one.total_cmp(other));
        self.at = match nearest {
            Some((at, distance)) if distance < NEAR || self.stretches.len() == STRETCHES => at,
            _ => {
                self.stretches.push(Stretch::at(seconds));
                self.stretches.len() - 1
            }
        };
    }
}

impl Outliers {
    fn add(&mut self, count: u64, earliest: f64, latest: f64) {
        self.count += count;
        let (low, high) = self.span.unwrap_or((earliest, latest));
        self.span = Some((low.min(earliest), high.max(latest)));
    }
}

impl Stretch {
    fn at(seconds: f64) -> Stretch {
        Stretch { bins: Vec::new(), first: 0, scale: FINEST, earliest: seconds, latest: seconds, records: 0 }
    }

    /// Seconds to its nearer end; 0 inside.
    #[inline]
    fn distance(&self, seconds: f64) -> f64 {
        if seconds < self.earliest {
            self.earliest - seconds
        } else if seconds > self.latest {
            seconds - self.latest
        } else {
            0.0
        }
    }

    #[inline]
    fn bin(&mut self, seconds: f64) -> usize {
        let at = (seconds * self.scale).floor() as i64 - self.first;
        if at >= 0 && (at as usize) < self.bins.len() { at as usize } else { self.stretch(seconds) }
    }

    /// Makes room for a stamp outside the bins so far.
    #[cold]
    fn stretch(&mut self, seconds: f64) -> usize {
        loop {
            let bin = (seconds * self.scale).floor() as i64;
            if self.bins.is_empty() {
                self.first = bin;
                self.bins.push(Bin::default());
            }
            let low = self.first.min(bin);
            let high = (self.first + self.bins.len() as i64 - 1).max(bin);
            if high - low < BINS as i64 {
                let before = (self.first - low) as usize;
                self.bins.splice(0..0, std::iter::repeat_n(Bin::default(), before));
                self.bins.resize((high - low + 1) as usize, Bin::default());
                self.first = low;
                return (bin - low) as usize;
            }
            self.merge_pairs();
        }
    }

    fn merge_pairs(&mut self) {
        let first = self.first.div_euclid(2);
        let mut merged = vec![Bin::default(); self.bins.len() / 2 + 1];
        for (index, bin) in self.bins.iter().enumerate() {
            add_bin(&mut merged[((self.first + index as i64).div_euclid(2) - first) as usize], bin);
        }
        if merged.last() == Some(&Bin::default()) {
            merged.pop();
        }
        (self.bins, self.first, self.scale) = (merged, first, self.scale / 2.0);
    }

    /// Both, in bins of one width.
    fn with(self, other: Stretch) -> Stretch {
        let (mut all, more) = if self.bins.is_empty() { (other, self) } else { (self, other) };
        all.earliest = all.earliest.min(more.earliest);
        all.latest = all.latest.max(more.latest);
        all.records += more.records;
        while !more.bins.is_empty() && all.scale > more.scale {
            all.merge_pairs();
        }
        for (bin, at) in more.bins.iter().zip(more.first..).filter(|(bin, _)| **bin != Bin::default()) {
            let at = all.bin((at as f64 + 0.5) / more.scale);
            add_bin(&mut all.bins[at], bin);
        }
        all
    }
}

#[inline]
fn count(bin: &mut Bin, sort: Sort) {
    bin[sort as usize] = bin[sort as usize].saturating_add(1);
}

fn add_bin(target: &mut Bin, other: &Bin) {
    for (sum, count) in target.iter_mut().zip(other) {
        *sum = sum.saturating_add(*count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts(kind: Kind, crashed: bool, timestamp: f64) -> RecordFacts {
        let mut facts = RecordFacts::default();
        (facts.kind, facts.crashed, facts.timestamp) = (kind, crashed, Some(timestamp));
        facts
    }

    fn total(histogram: &Histogram, sort: Sort) -> u32 {
        histogram.bins.iter().map(|bin| bin[sort as usize]).sum()
    }

    fn of(stamps: impl IntoIterator<Item = f64>) -> Finished {
        let mut timeline = Timeline::new(100_000);
        stamps.into_iter().for_each(|stamp| timeline.record(&facts(Kind::Event, false, stamp), 0));
        timeline.finish(1e9, 2e9)
    }

    #[test]
    fn every_record_is_counted_once_however_wide_the_span() {
        for span in [0.001, 1.0, 86_400.0, 1e8] {
            let mut timeline = Timeline::new(100_000);
            for n in 0..1000_u64 {
                // Backwards, so that the bins stretch to the front too.
                timeline.record(&facts(Kind::Event, n % 10 == 0, 1.7e9 - span * n as f64 / 1000.0), n * 100);
            }
            timeline.anomaly(5);
            let Finished { by_time, histogram, span: seen, outliers } = timeline.finish(1e9, 2e9);
            assert!(by_time && histogram.bins.len() <= BINS);
            assert_eq!(total(&histogram, Sort::Event), 1000);
            assert_eq!(total(&histogram, Sort::Crash), 100);
            assert_eq!(total(&histogram, Sort::Anomaly), 1);
            assert!(histogram.start <= 1.7e9 - span * 0.999 && histogram.width >= 1.0 / FINEST);
            assert_eq!((seen, outliers.count), (Some((1.7e9 - span * 0.999, 1.7e9)), 0));
        }
    }

    #[test]
    fn a_clock_that_is_no_calendar_is_shown_by_place() {
        let mut timeline = Timeline::new(1000);
        timeline.record(&facts(Kind::Event, false, 948.1), 0);
        timeline.record(&facts(Kind::DeadLetter, false, f64::NAN), 999);
        timeline.record(&facts(Kind::DeadLetter, false, 1e300), 5_000);
        let Finished { by_time, histogram, outliers, .. } = timeline.finish(1e9, 2e9);
        assert!(!by_time);
        assert_eq!(histogram.bins[0][Sort::Event as usize], 1);
        assert_eq!(total(&histogram, Sort::DeadLetter), 2);
        assert_eq!(outliers, Outliers { count: 1, span: Some((1e300, 1e300)) });
    }

    #[test]
    fn a_wrong_clock_is_told_and_leaves_the_axis_as_it_was() {
        let day = || (0..200).map(|n| 1.7e9 + f64::from(n) * 10.0);
        let alone = of(day());
        for wrong in [9e9, 12.5, 1e9 + 1.0, -3.0] {
            let with = of(day().chain([wrong]).chain(day()));
            assert_eq!((with.by_time, with.span), (true, alone.span), "{wrong}");
            assert_eq!((with.histogram.start, with.histogram.width), (alone.histogram.start, alone.histogram.width));
            assert_eq!(with.outliers, Outliers { count: 1, span: Some((wrong, wrong)) });
        }
        // Two years are no outlier of each other.
        let both = of(day().chain((0..100).map(|n| 1.6e9 + f64::from(n))));
        assert_eq!((both.span, both.outliers.count), (Some((1.6e9, 1.7e9 + 1990.0)), 0));
        assert_eq!(total(&both.histogram, Sort::Event), 300);
    }

    proptest! {
        #[test]
        fn no_stamp_is_lost(stamps in proptest::collection::vec(prop_oneof![1.0e9..2.0e9, 0.0..1.0e5, any::<f64>()], 1..80)) {
            let finished = of(stamps.iter().copied());
            let finite = stamps.iter().filter(|stamp| stamp.is_finite()).count() as u64;
            if finished.by_time {
                prop_assert_eq!(u64::from(total(&finished.histogram, Sort::Event)) + finished.outliers.count, finite);
            } else {
                prop_assert_eq!(total(&finished.histogram, Sort::Event) as usize, stamps.len());
            }
            prop_assert!(finished.histogram.bins.len() <= BINS);
        }
    }
}
